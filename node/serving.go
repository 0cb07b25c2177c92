package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/libp2p/go-libp2p/core/peer"

	"byway/contracts"
	"byway/payments"
	"byway/tunnel"
)

// statusInterval is how often a provider looks at a session that nothing else woke it for. It bounds the age of the
// counters that the consumer pays its uploads by.
const statusInterval = 250 * time.Millisecond

// served is one session as its provider sees it. One goroutine, in run, owns everything but what mu guards.
type served struct {
	provider   *Provider
	remote     peer.ID
	terms      payments.Terms
	inner      *tunnel.Session
	ciphertext []byte
	started    time.Time
	attach     chan attachment // a stream that takes the place of a broken one
	ended      chan struct{}

	wire      frameStream
	frames    chan incoming
	secured   bool      // the consumer's reserve has been seen to
	heldAt    time.Time // when the gate shut; zero while it is open
	troubleAt time.Time // since when the exit forwards nothing; zero while it does
	reported  payments.Usage
	saidAt    time.Time // when the last Status went out

	mu     sync.Mutex
	state  SessionState
	credit payments.Credit
}

// attachment hands a stream to the session's goroutine; done is closed when the session is through with it.
type attachment struct {
	wire frameStream
	done chan struct{}
}

// incoming is what a stream's reader got: a frame, or how the stream ended.
type incoming struct {
	frame frame
	err   error
}

func newServed(
	p *Provider, remote peer.ID, terms payments.Terms, inner *tunnel.Session, credit payments.Credit, ciphertext []byte,
) *served {
	return &served{
		provider: p, remote: remote, terms: terms, inner: inner, credit: credit, ciphertext: ciphertext,
		started: time.Now(), attach: make(chan attachment), ended: make(chan struct{}),
	}
}

// tag is what the session's peer is kept for.
func (s *served) tag() string { return "byway-session-" + s.terms.Session.String() }

func (s *served) welcome(latest *payments.Promise) *welcomeFrame {
	p := s.provider
	v4, v6 := s.inner.Addrs()
	endpoints := p.cfg.Endpoints
	if len(endpoints) == 0 {
		// The unspecified address stands for the one at which the consumer reached this host.
		endpoints = []string{netip.AddrPortFrom(netip.IPv4Unspecified(), p.exit.Port()).String()}
	}
	return &welcomeFrame{
		WireGuard: p.exit.PublicKey(), Endpoints: endpoints,
		Inner4: v4.AsSlice(), Inner6: v6.AsSlice(), DNS: p.exit.DNS().AsSlice(), MTU: uint16(p.exit.MTU()),
		Ciphertext: s.ciphertext, Tick: s.terms.Tick, Window: s.terms.Window, Latest: toWirePtr(latest),
	}
}

// run lives a session from its Welcome to its last frame: promises come in and open the gate, counters go out.
func (s *served) run(ctx context.Context, wire frameStream) {
	defer close(s.ended)
	s.move(StateOpen)
	s.use(wire)
	s.provider.log.Info("session opened", "session", s.terms.Session)
	err := s.serve(ctx)
	s.finish(ctx, err)
}

// use makes a stream the session's own and starts its reader, which ends with the stream.
func (s *served) use(wire frameStream) {
	s.wire = wire
	s.frames = make(chan incoming, 1)
	go readFrames(wire, s.frames)
}

// readFrames passes on what a stream brings until it ends. The channel is closed after the error.
func readFrames(wire frameStream, out chan<- incoming) {
	defer close(out)
	for {
		f, err := wire.read(0)
		out <- incoming{f, err}
		if err != nil {
			return
		}
	}
}

// errConsumerCloses says that the consumer asked for the end, which is how a session should end.
var errConsumerCloses = errors.New("consumer closed the session")

// serve handles a session until something ends it, and says what.
func (s *served) serve(ctx context.Context) error {
	tick := time.NewTicker(statusInterval)
	defer tick.Stop()
	var broken <-chan time.Time // fires when a broken stream has been away for too long
	var attached chan struct{}
	release := func() {
		if attached != nil {
			close(attached)
			attached = nil
		}
	}
	defer release()
	for {
		select {
		case in := <-s.frames:
			if in.err != nil {
				var protocol *ProtocolError
				if errors.As(in.err, &protocol) {
					return in.err
				}
				// The stream broke without a Close: the consumer may come back with another one.
				s.frames, broken = nil, time.After(sessionGrace)
				release()
				continue
			}
			if err := s.handle(ctx, in.frame); err != nil {
				return err
			}
		case next := <-s.attach:
			drain(s.frames)
			release()
			s.use(next.wire)
			attached, broken = next.done, nil
			s.report(false)
		case <-broken:
			return errors.New("the stream broke and did not come back")
		case <-s.inner.Notify():
			if err := s.watch(); err != nil {
				return err
			}
		case <-tick.C:
			if err := s.watch(); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// handle acts on one frame of an open session.
func (s *served) handle(ctx context.Context, f frame) error {
	switch f := f.(type) {
	case *payFrame:
		if err := s.accept(ctx, f); err != nil {
			return err
		}
		s.report(false)
		return nil
	case *closeFrame:
		return errConsumerCloses
	}
	return &ProtocolError{fmt.Errorf("%s does not belong in an open session", frameName(f))}
}

// accept takes a promise: verified, recorded and synced first, then the gate opens.
func (s *served) accept(ctx context.Context, f *payFrame) error {
	credit, err := s.provider.payee.Accept(ctx, s.terms.Session, f.Promise.promise(s.terms.Channel))
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.credit = credit
	s.mu.Unlock()
	s.inner.Allow(credit.Limit)
	s.secure()
	if !s.heldAt.IsZero() {
		s.heldAt = time.Time{}
		s.move(StateOpen)
	}
	return nil
}

// watch looks at the meter: it tells the consumer what it counted, and ends a session that has been held too long.
func (s *served) watch() error {
	switch trouble := s.provider.exitTrouble() != ""; {
	case !trouble:
		s.troubleAt = time.Time{}
	case s.troubleAt.IsZero():
		s.troubleAt = time.Now()
	case time.Since(s.troubleAt) > troubleGrace:
		return errExitClosed
	}
	switch held := s.inner.Held(); {
	case held && s.heldAt.IsZero():
		s.heldAt = time.Now()
		s.move(StateHeld)
	case held && time.Since(s.heldAt) > sessionGrace:
		return fmt.Errorf("no promise for %s while the gate was shut", sessionGrace)
	}
	if s.usage() != s.reported || time.Since(s.saidAt) >= heartbeat {
		s.report(false)
	}
	return nil
}

// troubleGrace is how long a session waits for an exit that forwards nothing.
const troubleGrace = 2 * time.Second

// errExitClosed is what a consumer hears then. What exactly is wrong is the provider's own affair.
var errExitClosed = errors.New("the provider's exit forwards nothing: its host's firewall was changed")

func (s *served) usage() payments.Usage {
	c := s.inner.Counters()
	return payments.Usage{Rx: c.Rx, Tx: c.Tx}
}

// report sends the provider's view. Without a stream there is nobody to tell, and the grace time runs.
func (s *served) report(final bool) {
	if s.frames == nil {
		return
	}
	usage := s.usage()
	s.mu.Lock()
	status := &statusFrame{
		Rx: usage.Rx, Tx: usage.Tx, Paid: s.credit.Paid.Bytes(), Limit: s.credit.Limit, Held: s.state == StateHeld,
		Final: final,
	}
	s.mu.Unlock()
	if err := s.wire.write(status); err != nil {
		// The reader sees the same broken stream and starts the grace time.
		s.wire.Reset()
		return
	}
	s.reported, s.saidAt = usage, time.Now()
}

// finalPayTimeout bounds the wait for the promise that pays the rest.
const finalPayTimeout = 5 * time.Second

// finish ends a session: the peer goes first, so that the counters are final; then the consumer may pay what it still
// owes; then the end is recorded; and only then is it confirmed.
func (s *served) finish(ctx context.Context, cause error) {
	s.move(StateClosing)
	s.provider.removePeer(s)
	// The last promise is worth taking even while the provider stops.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finalPayTimeout+frameTimeout)
	defer cancel()
	reason := printable(cause.Error())
	switch {
	case errors.Is(cause, errConsumerCloses):
		reason = "closed"
	case errors.Is(cause, context.Canceled):
		reason = "the provider stops"
	}
	settled := s.settle(ctx, reason, cause)
	if err := s.provider.payee.Close(ctx, s.terms.Session, s.usage()); err != nil {
		s.provider.log.Error("session's end not recorded", "session", s.terms.Session, "error", err)
		settled = false
	}
	if s.frames != nil {
		drain(s.frames)
		if settled && s.wire.write(&closeFrame{Reason: reason}) == nil {
			s.wire.Close()
		} else {
			s.wire.Reset()
		}
	}
	s.move(StateClosed)
	s.provider.log.Info("session closed", "session", s.terms.Session, "reason", reason)
}

// settle gives the final counters and takes the final promise. It reports whether the consumer came to the orderly end
// of its side.
func (s *served) settle(ctx context.Context, reason string, cause error) bool {
	if s.frames == nil {
		return false
	}
	var protocol *ProtocolError
	if errors.As(cause, &protocol) {
		// Nothing that a broken speaker says is trusted any more; but it may be told why.
		s.wire.write(&closeFrame{Reason: reason}) //nolint:errcheck // the stream is reset next
		return false
	}
	s.report(true)
	if !errors.Is(cause, errConsumerCloses) && s.wire.write(&closeFrame{Reason: reason}) != nil {
		return false
	}
	timeout := time.After(finalPayTimeout)
	for {
		select {
		case in := <-s.frames:
			pay, isPay := in.frame.(*payFrame)
			switch {
			case errors.Is(in.err, io.EOF):
				return true
			case in.err != nil:
				return false
			case isPay:
				if err := s.accept(ctx, pay); err != nil {
					s.provider.log.Warn("final promise refused", "session", s.terms.Session, "error", err)
					s.wire.write(&closeFrame{Reason: printable(err.Error())}) //nolint:errcheck // reset next
					return false
				}
				s.report(true)
			}
		case <-timeout:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// drain takes what a stream's reader still has to say, so that it can end. The stream is closed or reset already.
func drain(frames <-chan incoming) {
	if frames == nil {
		return
	}
	go func() {
		for range frames { //nolint:revive // nothing to do with them
		}
	}()
}

// reattach hands a new stream to a session whose old one broke, and returns when the session is through with it: the
// stream's handler must not return before.
func (s *served) reattach(ctx context.Context, wire frameStream) {
	next := attachment{wire, make(chan struct{})}
	select {
	case s.attach <- next:
	case <-s.ended:
		refuse(wire, &RefusedError{RefusedSession, "the session has ended"})
		return
	case <-ctx.Done():
		wire.Reset()
		return
	}
	select {
	case <-next.done:
	case <-s.ended:
	}
}

// move changes the state; a move that the diagram does not have is a mistake of this program's.
func (s *served) move(next SessionState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	state, err := s.state.transition(next)
	if err != nil {
		s.provider.log.Error("session state", "session", s.terms.Session, "error", err)
		return
	}
	s.state = state
}

// ServedStatus is one session as its provider reports it.
type ServedStatus struct {
	Session string           `json:"session"`
	Payer   common.Address   `json:"payer"`
	State   SessionState     `json:"state"`
	Since   time.Time        `json:"since"`
	Rx      uint64           `json:"rx_bytes"`
	Tx      uint64           `json:"tx_bytes"`
	Paid    contracts.Amount `json:"paid"`
	// ServeUntil is until when it can be served, by this machine's clock, should the chain be out of reach from now on.
	ServeUntil time.Time `json:"serve_without_chain_until"`
	// Use is what the session has of its limits.
	Use tunnel.Use `json:"use"`
}

func (s *served) status() ServedStatus {
	usage := s.usage()
	until := s.provider.payee.ServeUntil(s.terms.Session)
	s.mu.Lock()
	defer s.mu.Unlock()
	return ServedStatus{
		Session: s.terms.Session.String(), Payer: s.terms.Channel.Payer, State: s.state, Since: s.started,
		Rx: usage.Rx, Tx: usage.Tx, Paid: s.credit.Paid, ServeUntil: until,
		Use: s.inner.Use(),
	}
}
