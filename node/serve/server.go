// Package serve owns a provider's sessions: which streams of strangers are listened to, the admission of a Hello, the
// life of each session from its Welcome to its last frame, and consent to a channel's end. What is sold, and what is
// earned by it, is its caller's.
package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"byway/contracts"
	"byway/ipfs/fence"
	"byway/node/wire"
	"byway/payments"
	"byway/payments/ledger"
	"byway/payments/payee"
	"byway/registry"
	"byway/tunnel"
)

// Host keeps peers in the libp2p host: one that is kept, once or more, makes no room for newcomers until
// it is let go of as often, each time by the same tag.
type Host interface {
	Keep(p peer.ID, tag string)
	LetGo(p peer.ID, tag string)
}

// Config says what is served. All of it is required, except where it says otherwise.
type Config struct {
	Domain payments.Domain
	Payee  *payee.Payee
	Key    contracts.Signer // the payee's; signs releases
	Exit   *tunnel.Exit
	Host   Host
	Self   peer.ID // the host's

	// Offer returns the offer that is sold now.
	Offer func() registry.SignedOffer
	// Places are shared by the sessions; Rate bounds each, both directions together, in bit/s; 0: no bound.
	Places Places
	Rate   uint64
	// Private says that the network is one for development: all of it may be on one machine.
	Private bool
	// Endpoints are where consumers reach the exit's WireGuard, best first; empty: its port where they reached the host.
	Endpoints []wire.Endpoint
	// Trouble says why the exit forwards nothing at the moment; empty when it does.
	Trouble func() string
	// Closed says why nobody is to be served at the moment, in words for strangers: newcomers are told to go elsewhere, and
	// sessions are ended in order. Empty when nothing is against it. Nil: nothing ever is.
	Closed func() string
	// Held says why nothing can be written down at the moment, in words for strangers: newcomers are told to come again, and
	// sessions wait, paid as far as they are, until it can. Empty when it can. Nil: it always can.
	Held func() string
	// Time is the chain's: the newest block's with what went by since, and what a block that comes now may say.
	Time func(context.Context) (now, next time.Time)
	// Secure is called, once a session, when its payer has promised SecureAbove, in base units, beyond what is set aside:
	// the signed reserve should be posted.
	SecureAbove contracts.Amount
	Secure      func()
	// SetAside has the reserve posted that came with a refused newcomer's Hello, so that need is guaranteed, and does not wait
	// for that: see [byway/payments/claim.Claimer.SetAside].
	SetAside func(ctx context.Context, from string, r payments.Reserve, need contracts.Amount) error

	Log *slog.Logger
}

// Drain has the server refuse new sessions, or take them again. Those that are open go on.
func (s *Server) Drain(drains bool) { s.draining.Store(drains) }

// Server serves the sessions of one provider. Safe for concurrent use.
type Server struct {
	cfg              Config
	log              *slog.Logger
	hellos, releases *hellos // streams that have not paid
	doubts           *doubts
	draining         atomic.Bool

	mu sync.Mutex
	// sessions has each session from the first look at its Hello until its end is in the ledger: an id that is here, or
	// there, opens nothing.
	sessions map[payments.SessionID]*session
	places   // who has one, who waits, who rests
	stopping bool
	counts   Counts
	unended  []unended // ends that could not be written down
	serving  sync.WaitGroup
}

// New makes a server that waits for streams.
func New(cfg Config) *Server {
	if len(cfg.Endpoints) == 0 {
		// The unspecified address stands for the one at which the consumer reached this host.
		here := netip.AddrPortFrom(netip.IPv4Unspecified(), cfg.Exit.Port())
		cfg.Endpoints = []wire.Endpoint{{Transport: wire.TransportUDP, Address: here.String()}}
	}
	return &Server{
		cfg: cfg, log: cfg.Log, doubts: newDoubts(),
		sessions: map[payments.SessionID]*session{}, places: places{of: cfg.Places.withDefaults()},
		hellos: newHellos(HelloStreams, HelloLooks), releases: newHellos(releaseStreams, releaseLooks),
	}
}

// Wait refuses streams from now on and waits for those that are served. Their contexts have ended: each session gives
// its consumer the time to pay.
func (s *Server) Wait() {
	s.mu.Lock()
	s.stopping = true
	s.mu.Unlock()
	s.serving.Wait()
}

// enter counts a stream in; leave must follow where it may.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	s.serving.Add(1)
	return true
}

// Session serves one stream of [wire.SessionProtocol] to its end: a new session, or an earlier one that takes up its
// payments again. When ctx ends the session does.
func (s *Server) Session(ctx context.Context, stream network.Stream) {
	s.listen(stream, s.hellos, func(knock *hello) { s.hear(ctx, stream, knock) })
}

// listen has a stranger's stream served to its end, where there is room for it.
func (s *Server) listen(stream network.Stream, room *hellos, serve func(*hello)) {
	if !s.enter() {
		stream.Reset()
		return
	}
	defer s.serving.Done()
	knock := room.enter(stream, s.cfg.Host)
	if knock == nil {
		stream.ResetWithError(network.StreamResourceLimitExceeded) //nolint:errcheck // it is gone in any case
		return
	}
	defer knock.leave()
	serve(knock)
}

// hear reads a stream's first frame and does what it asks for.
func (s *Server) hear(ctx context.Context, stream network.Stream, knock *hello) {
	over := wire.NewStream(stream)
	first, err := over.Receive(helloTimeout)
	if err != nil {
		s.hellos.refuse(reasonSilent)
		var broken *wire.ProtocolError
		if errors.As(err, &broken) {
			over.Refuse(refused(wire.RefusedProtocol, err.Error()))
			return
		}
		stream.Reset()
		return
	}
	switch f := first.(type) {
	case *wire.Hello:
		var opened *session
		err := knock.look(ctx)
		if err == nil {
			opened, err = s.admit(ctx, knock, f)
		}
		if err != nil {
			s.log.Debug("session refused", "error", err)
			s.countRefusal()
			knock.listen() // who does not take the answer is as good as silent
			over.Refuse(err)
			return
		}
		knock.leave()
		s.sawFrom(stream.Conn().RemoteMultiaddr())
		opened.run(ctx, over)
	case *wire.Resume:
		known := s.find(f.Session)
		if known == nil || known.remote != stream.Conn().RemotePeer() {
			s.countRefusal()
			over.Refuse(refused(wire.RefusedSession, "no such session"))
			return
		}
		knock.leave()
		known.reattach(ctx, over)
	default:
		err := &wire.ProtocolError{Err: fmt.Errorf("a session starts with Hello, not %s", wire.Name(f))}
		over.Refuse(refused(wire.RefusedProtocol, err.Error()))
	}
}

// find is the session that a stream may take up again, nil where there is none.
func (s *Server) find(id payments.SessionID) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.sessions[id]; one.servedLocked() {
		return one
	}
	return nil
}

// Sessions is how each session stands.
func (s *Server) Sessions() []SessionStatus {
	list := []SessionStatus{}
	for _, one := range s.served() {
		list = append(list, one.status())
	}
	return list
}

// served are the sessions that have a peer in the tunnel.
func (s *Server) served() (list []*session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.sessions {
		if one.servedLocked() {
			list = append(list, one)
		}
	}
	return list
}

// Use counts how much of a server's room is taken: sessions with a place, those that rest, and the most with one.
type Use struct {
	Sessions, Resting, SessionsMost int
	Hellos, Releases                HelloUse
}

// unended is the end of a session that the ledger does not have yet.
type unended struct {
	one *session
	u   payments.Usage
	how ledger.Ending
}

// Recover writes down the ends that the ledger refused, once it takes writes again. Until then their ids stay taken.
func (s *Server) Recover(ctx context.Context) {
	s.mu.Lock()
	list := s.unended
	s.unended = nil
	s.mu.Unlock()
	for _, u := range list {
		if err := s.end(ctx, u.one, u.u, u.how); err != nil {
			s.log.Warn("session's end not recorded, still", "session", u.one.id, "error", err)
		}
	}
}

// Counts are of what has come so far.
type Counts struct {
	Refused uint64 // Hellos and Resumes that were refused
	// Outside is when a session was opened last from a public address, not through a relay; zero: never.
	Outside time.Time
}

// Counts returns them.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// countRefusal counts one that is told to its consumer.
func (s *Server) countRefusal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Refused++
}

// sawFrom takes note of where a session came from.
func (s *Server) sawFrom(remote multiaddr.Multiaddr) {
	if fence.CheckDial(remote, false) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Outside = time.Now()
}

// Use says what of the server's room is taken.
func (s *Server) Use() Use {
	use := Use{SessionsMost: s.cfg.Places.Sessions, Hellos: s.hellos.use(), Releases: s.releases.use()}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.sessions {
		switch {
		case !one.servedLocked():
		case one.rests:
			use.Resting++
		default:
			use.Sessions++
		}
	}
	return use
}
