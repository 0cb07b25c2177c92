package serve

import (
	"container/list"
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"byway/ipfs/admission"
	"byway/node/wire"
)

const (
	// helloTimeout bounds the wait for a whole first frame: it follows in the packet that opens the stream.
	helloTimeout = 2 * time.Second
	// recallTimeout bounds the wait for the answer to a refusal that says "stale".
	recallTimeout = 10 * time.Second
	// helloPatience is how long a consumer's Hello waits for its turn to be looked at.
	helloPatience = 10 * time.Second

	// Streams that have not become a session, of one peer and of all, and how many of them are being looked at: their
	// signatures, the chain, the ledger.
	HellosPerPeer = 4
	HelloStreams  = 1024
	HelloLooks    = 32

	releaseStreams = 128 // the same of the release protocol
	releaseLooks   = 8

	// sessionsPerPeer bounds the streams of one peer, sessions and others.
	sessionsPerPeer = 64
)

// Pools are the room that the host gives the protocols of this package, apart from all others: a provider's
// sessions, and as many strangers as may knock. A consumer, who serves nobody, has none.
func Pools(sessions int) map[protocol.ID]admission.Pool {
	if sessions == 0 {
		return nil
	}
	return map[protocol.ID]admission.Pool{
		wire.SessionProtocol: {Streams: 2*sessions + 2*HelloStreams, PerPeer: sessionsPerPeer},
		wire.ReleaseProtocol: {Streams: 2 * releaseStreams, PerPeer: 2 * HellosPerPeer},
	}
}

// hellos bounds what those may hold of a protocol who have not paid: streams, the wait for their first frame, and the
// work that a frame makes. Where there is no room, the stream goes that has waited longest to hear anything; one whose
// Hello is here is never pushed out by one whose Hello is not.
type hellos struct {
	most  int
	looks chan struct{} // one slot for each that is being looked at

	mu      sync.Mutex // guards what follows
	silent  list.List  // of *hello that wait for a frame, the longest first
	peers   map[peer.ID]int
	open    int
	refused map[string]uint64
}

// hello is one stream of a peer that has not paid.
type hello struct {
	of     *hellos
	stream network.Stream
	remote peer.ID
	number uint64
	host   Host

	at   *list.Element // in silent; nil while it is being looked at
	left bool
	slot bool // holds one of looks; the stream's own goroutine alone uses it
}

// Reasons of refusals, as status counts them.
const (
	reasonSilent = "no_hello" // no whole first frame in time, or pushed out by others meanwhile
	reasonMany   = "many"     // too many streams that are no session, of one peer or of all
	reasonWait   = "busy"     // no turn to be looked at in time
)

var helloNumber atomic.Uint64

func newHellos(streams, looks int) *hellos {
	return &hellos{
		most: streams, looks: make(chan struct{}, looks), peers: map[peer.ID]int{}, refused: map[string]uint64{},
	}
}

func (s *hellos) refuse(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused[reason]++
}

// enter takes a stream in, and resets an older one that must make room; leave must follow. It returns nil where there
// is no room.
func (s *hellos) enter(stream network.Stream, host Host) *hello {
	h := &hello{of: s, stream: stream, remote: stream.Conn().RemotePeer(), number: helloNumber.Add(1), host: host}
	old, ok := s.admit(h)
	if old != nil {
		old.stream.ResetWithError(network.StreamResourceLimitExceeded) //nolint:errcheck // its reader ends in any case
	}
	if !ok {
		return nil
	}
	return h
}

func (s *hellos) admit(h *hello) (old *hello, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.peers[h.remote] >= HellosPerPeer
	if own || s.open >= s.most {
		for e := s.silent.Front(); e != nil && old == nil; e = e.Next() {
			if other := e.Value.(*hello); !own || other.remote == h.remote {
				old = other
			}
		}
		if old == nil {
			s.refused[reasonMany]++
			return nil, false
		}
		s.refused[reasonSilent]++
		s.leaveLocked(old)
	}
	h.at = s.silent.PushBack(h)
	s.peers[h.remote]++
	s.open++
	return old, true
}

// leave gives back what a stream holds here: it has become a session, or ends. It may be called twice.
func (h *hello) leave() {
	h.done()
	h.of.mu.Lock()
	defer h.of.mu.Unlock()
	h.of.leaveLocked(h)
}

func (s *hellos) leaveLocked(h *hello) {
	if h.left {
		return
	}
	h.left = true
	if h.at != nil {
		s.silent.Remove(h.at)
		h.at = nil
	}
	s.open--
	if s.peers[h.remote]--; s.peers[h.remote] == 0 {
		delete(s.peers, h.remote)
	}
}

// look waits for the stream's turn to have its frame looked at. Its connection is kept meanwhile.
func (h *hello) look(ctx context.Context) error {
	h.of.mu.Lock()
	if h.at != nil {
		h.of.silent.Remove(h.at)
		h.at = nil
	}
	gone := h.left
	h.of.mu.Unlock()
	busy := refused(wire.RefusedBusy, "too many consumers at once: try again later")
	if gone {
		return busy
	}
	wait := time.NewTimer(helloPatience)
	defer wait.Stop()
	select {
	case h.of.looks <- struct{}{}:
	case <-wait.C:
		h.of.refuse(reasonWait)
		return busy
	case <-ctx.Done():
		return ctx.Err()
	}
	h.slot = true
	h.host.Keep(h.remote, h.tag())
	return nil
}

func (h *hello) tag() string { return fmt.Sprintf("byway-hello-%d", h.number) }

// done ends the look; the stream waits for a frame again, or leaves.
func (h *hello) done() {
	if !h.slot {
		return
	}
	h.slot = false
	h.host.LetGo(h.remote, h.tag())
	<-h.of.looks
}

// listen ends the look, since the next frame is the consumer's to send, and makes the stream one of the silent again.
func (h *hello) listen() {
	h.done()
	h.of.mu.Lock()
	defer h.of.mu.Unlock()
	if h.at == nil && !h.left {
		h.at = h.of.silent.PushBack(h)
	}
}

// ask sends a refusal that the consumer may answer, and returns its answer. The stream is one of the silent meanwhile.
func (h *hello) ask(ctx context.Context, f *wire.Refusal) (wire.Frame, error) {
	over := wire.NewStream(h.stream)
	h.listen()
	if err := over.Send(f); err != nil {
		return nil, err
	}
	reply, err := over.Receive(recallTimeout)
	if err != nil {
		return nil, err
	}
	return reply, h.look(ctx)
}

// HelloUse says how many streams of a protocol are no session yet, and why others were refused.
type HelloUse struct {
	Open    int               `json:"open"`
	Most    int               `json:"most"`
	Refused map[string]uint64 `json:"refused"`
}

func (s *hellos) use() HelloUse {
	s.mu.Lock()
	defer s.mu.Unlock()
	return HelloUse{Open: s.open, Most: s.most, Refused: maps.Clone(s.refused)}
}
