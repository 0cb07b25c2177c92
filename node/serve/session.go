package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/libp2p/go-libp2p/core/peer"

	"byway/contracts"
	"byway/contracts/text"
	"byway/node/wire"
	"byway/payments"
	"byway/payments/ledger"
	"byway/payments/payee"
	"byway/tunnel"
)

// grace is how long a session waits for the consumer: held for want of a promise, or for a broken stream to come back.
const grace = 30 * time.Second

// statusInterval is how often a provider looks at a session that nothing else woke it for. It bounds the age of the
// counters that the consumer pays its uploads by.
const statusInterval = 250 * time.Millisecond

// vainPays is how many promises that bring nothing a session may say between two looks at its meter: they cost nothing, and
// each is answered. The next frame waits for the next look.
const vainPays = 16

// finalPays bounds the promises after a session's end, of which each is looked at however little it brings: one is due, and
// some of a fast session may be on their way.
const finalPays = 64

// session is one session as its provider sees it, from the first look at its Hello on. Whoever admits it owns it until
// it runs; then one goroutine, in run, owns everything but what is guarded.
type session struct {
	server  *Server
	id      payments.SessionID
	remote  peer.ID
	started time.Time
	attach  chan attachment // a stream that takes the place of a broken one
	ended   chan struct{}

	version    uint16
	terms      payments.Terms
	ciphertext []byte

	inner *tunnel.Session // set before seat.traffic, and the same from then on

	turned chan struct{} // something has become of its place
	seat                 // guarded by server.mu

	stream    wire.Stream
	frames    <-chan wire.Arrival
	unsaved   *wire.Pay // the latest promise, where it could not be written down
	vain      int       // Pays that brought nothing since the latest tick
	secured   bool      // the consumer's reserve has been seen to
	heldAt    time.Time // when the gate shut; zero while it is open
	troubleAt time.Time // since when the exit forwards nothing; zero while it does
	reported  payments.Usage
	saidAt    time.Time // when the last Status went out

	mu     sync.Mutex
	state  wire.State
	credit payee.Credit
}

// attachment hands a stream to the session's goroutine; done is closed when the session is through with it.
type attachment struct {
	stream wire.Stream
	done   chan struct{}
}

func newSession(server *Server, id payments.SessionID, remote peer.ID) *session {
	return &session{
		server: server, id: id, remote: remote, started: time.Now(), attach: make(chan attachment),
		ended: make(chan struct{}), turned: make(chan struct{}, 1),
	}
}

// servedLocked reports whether the session's peer is in the tunnel. server.mu is held.
func (s *session) servedLocked() bool { return s != nil && s.traffic != nil }

// tag names the reason that the session's peer is kept for, to the host.
func (s *session) tag() string { return "byway-session-" + s.id.String() }

func (s *session) welcome(latest *payments.Promise) *wire.Welcome {
	exit := s.server.cfg.Exit
	v4, v6 := s.inner.Addrs()
	placed, _ := s.server.stands(s)
	w := &wire.Welcome{
		Version: s.version, WireGuard: exit.PublicKey(), Endpoints: s.server.cfg.Endpoints,
		Inner4: v4.AsSlice(), Inner6: v6.AsSlice(), DNS: exit.DNS().AsSlice(), MTU: uint16(exit.MTU()),
		Ciphertext: s.ciphertext, Tick: s.terms.Tick, Window: s.terms.Window, Resting: !placed,
	}
	if latest != nil {
		told := wire.NewPromise(*latest)
		w.Latest = &told
	}
	return w
}

// run lives a session from its Welcome to its last frame: promises come in and open the gate, counters go out.
func (s *session) run(ctx context.Context, stream wire.Stream) {
	defer close(s.ended)
	s.move(wire.StateOpen)
	s.use(stream)
	s.server.log.Info("session opened", "session", s.id)
	s.server.want(s)
	err := s.turn()
	if err == nil {
		err = s.serve(ctx)
	}
	s.finish(ctx, err)
}

// use makes a stream the session's own and starts its reader, which ends with the stream.
func (s *session) use(stream wire.Stream) {
	s.stream = stream
	s.frames = stream.Listen()
}

// What ends a session, beside the consumer's mistakes.
var (
	errConsumerCloses = errors.New("consumer closed the session") // which is how a session should end
	errUnpaid         = fmt.Errorf("no promise for %s while the gate was shut", grace)
	errGaveWay        = errors.New("others that pay more have all places, and those that wait for one are too many")
	errGone           = errors.New("the stream broke and did not come back")
	errManyPays       = fmt.Errorf("%d promises since the session's end, of which one is due", finalPays)
	errUnsettled      = fmt.Errorf("no last promise within %s", wire.FinalPatience)
)

// closeFor tells the consumer of an end, by code and reason.
func closeFor(cause error) *wire.Close {
	code, reason := ending(cause)
	return &wire.Close{Code: code, Reason: reason}
}

// ending is its code, and its reason in words.
func ending(cause error) (wire.CloseCode, string) {
	reason := text.Cut(cause.Error(), wire.MaxReason)
	var unfunded *payments.UnfundedError
	var newcomer *payee.NewcomerError
	var closed closedError
	switch {
	case errors.As(cause, &closed):
		return wire.ClosedStopping, reason
	case errors.Is(cause, errConsumerCloses):
		return wire.ClosedDone, "closed"
	case errors.Is(cause, context.Canceled):
		return wire.ClosedStopping, "the provider stops"
	case errors.Is(cause, ledger.ErrStore):
		return wire.ClosedStopping, reason
	case errors.Is(cause, errUnpaid), errors.Is(cause, errGone), errors.Is(cause, errUnsettled):
		return wire.ClosedUnpaid, reason
	case errors.Is(cause, errGaveWay):
		return wire.ClosedGaveWay, reason + ": connect again, or to another provider"
	case errors.Is(cause, payee.ErrNotRising):
		return wire.ClosedProtocol, text.Cut("another machine pays with the same key, or this home is a copy of one that went on: use one "+
			"at a time and connect again, what was promised is made out then: "+reason, wire.MaxReason)
	case errors.Is(cause, errExitClosed):
		return wire.ClosedExit, reason
	case errors.As(cause, &unfunded), errors.As(cause, &newcomer), errors.Is(cause, payments.ErrExiting):
		return wire.ClosedUnfunded, reason
	}
	return wire.ClosedProtocol, reason // a frame or a promise that does not belong here
}

// serve handles a session until something ends it, and says what.
func (s *session) serve(ctx context.Context) error {
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
		frames := s.frames
		if s.vain >= vainPays {
			frames = nil
		}
		select {
		case in := <-frames:
			if in.Err != nil {
				var protocol *wire.ProtocolError
				if errors.As(in.Err, &protocol) {
					return in.Err
				}
				// The stream broke without a Close: the consumer may come back with another one.
				s.frames, broken = nil, time.After(grace)
				release()
				continue
			}
			if err := s.handle(ctx, in.Frame); err != nil {
				return err
			}
		case next := <-s.attach:
			s.stream.Reset() // the consumer takes it for broken
			wire.Drain(s.frames)
			release()
			s.use(next.stream)
			attached, broken = next.done, nil
			s.report(false)
		case <-broken:
			return errGone
		case <-s.turned:
			if err := s.turn(); err != nil {
				return err
			}
		case <-s.inner.Notify():
			if err := s.watch(ctx); err != nil {
				return err
			}
		case <-tick.C:
			s.vain = 0
			if err := s.watch(ctx); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// handle acts on one frame of an open session.
func (s *session) handle(ctx context.Context, f wire.Frame) error {
	switch f := f.(type) {
	case *wire.Pay:
		if err := s.accept(ctx, f, false); err != nil {
			return err
		}
		if f.Wake {
			s.server.want(s)
		}
		s.report(false)
		return nil
	case *wire.Close:
		return errConsumerCloses
	}
	return &wire.ProtocolError{Err: fmt.Errorf("%s does not belong in an open session", wire.Name(f))}
}

// accept takes a promise: verified, recorded and synced first, then the gate opens. Last says that none will follow it.
func (s *session) accept(ctx context.Context, f *wire.Pay, last bool) error {
	if !last && s.server.held() != "" {
		s.unsaved = f // the gate opens no further until it is written down
		return nil
	}
	credit, err := s.server.cfg.Payee.Accept(ctx, s.id, f.Promise.On(s.terms.Channel), last)
	if errors.Is(err, ledger.ErrStore) && !last {
		s.unsaved = f
		return nil
	}
	if err != nil {
		return err
	}
	s.unsaved = nil
	if credit.Promised == s.credit.Promised && credit.Paid == s.credit.Paid {
		s.vain++
	}
	s.mu.Lock()
	s.credit = credit
	s.mu.Unlock()
	s.secure()
	s.unhold()
	return nil
}

// unhold ends the wait for a promise once the gate has been opened further, by this session or another one of its vault.
// A promise that was said before doesn't.
func (s *session) unhold() {
	if !s.heldAt.IsZero() && !s.inner.Held() {
		s.heldAt = time.Time{}
		s.move(wire.StateOpen)
	}
}

// watch looks at the meter: it tells the consumer what it counted, and ends a session that has been held too long.
func (s *session) watch(ctx context.Context) error {
	if why := s.server.closed(); why != "" {
		return closedError(why)
	}
	switch trouble := s.server.cfg.Trouble() != ""; {
	case !trouble:
		s.troubleAt = time.Time{}
	case s.troubleAt.IsZero():
		s.troubleAt = time.Now()
	case time.Since(s.troubleAt) > TroubleGrace:
		return errExitClosed
	}
	if err := s.save(ctx); err != nil {
		return err
	}
	s.server.beat(s)
	s.unhold()
	switch held := s.inner.Held(); {
	case s.resting():
	case held && s.heldAt.IsZero():
		s.heldAt = time.Now()
		s.move(wire.StateHeld)
	case held && time.Since(s.heldAt) > grace:
		return errUnpaid
	}
	if s.usage() != s.reported || time.Since(s.saidAt) >= wire.Heartbeat {
		s.report(false)
	}
	return nil
}

// save takes the promise that could not be written down when it came. While nothing can be, nobody is held to pay.
func (s *session) save(ctx context.Context) error {
	if s.server.held() != "" {
		if !s.heldAt.IsZero() {
			s.heldAt = time.Now()
		}
		return nil
	}
	if s.unsaved == nil {
		return nil
	}
	return s.accept(ctx, s.unsaved, false)
}

// closedError ends a session in order because its provider is to serve nobody.
type closedError string

func (e closedError) Error() string {
	return "the provider serves nobody at the moment: " + string(e) + ": connect to another provider"
}

// TroubleGrace is how long a session waits for an exit that forwards nothing.
const TroubleGrace = 2 * time.Second

// errExitClosed tells a consumer of it. What exactly is wrong is the provider's own affair.
var errExitClosed = errors.New("the provider's exit forwards nothing: its host's firewall was changed")

func (s *session) usage() payments.Usage { return usageOf(s.inner) }

// report sends the provider's view. Without a stream there is nobody to tell, and the grace time runs.
func (s *session) report(final bool) {
	if s.frames == nil {
		return
	}
	usage := s.usage()
	promised, window := s.server.cfg.Payee.Standing(s.id)
	s.mu.Lock()
	status := &wire.Status{
		Rx: usage.Rx, Tx: usage.Tx, Promised: promised.Bytes(), Left: s.inner.Left(), Window: window, Held: s.state == wire.StateHeld,
		Resting: s.state == wire.StateResting, Final: final,
	}
	s.mu.Unlock()
	if err := s.stream.Send(status); err != nil {
		// The reader sees the same broken stream and starts the grace time.
		s.stream.Reset()
		return
	}
	s.reported, s.saidAt = usage, time.Now()
}

// finish ends a session: the peer goes first, so that the counters are final; then the consumer may pay what it still
// owes; then the end is recorded; and only then is it confirmed.
func (s *session) finish(ctx context.Context, cause error) {
	s.move(wire.StateClosing)
	s.heldAt = time.Time{}
	s.server.removePeer(s)
	// The last promise is worth taking even while the provider stops.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), wire.FinalPatience+wire.FrameTimeout)
	defer cancel()
	last := s.settle(ctx, cause)
	how := last.Code.Ending()
	if errors.Is(cause, errGone) {
		how = ledger.EndLost
	}
	if err := s.server.end(ctx, s, s.usage(), how); err != nil {
		s.server.log.Error("session's end not recorded", "session", s.id, "error", err)
		last = closeFor(err)
	}
	if s.frames != nil {
		wire.Drain(s.frames)
		// Closed, not reset: a reset would take the reason with it.
		if s.stream.Send(last) == nil {
			s.stream.Close()
		} else {
			s.stream.Reset()
		}
	}
	s.move(wire.StateClosed)
	s.server.log.Info("session closed", "session", s.id, "reason", last.Reason)
}

// settle gives the final counters and takes the final promise. It returns what the consumer is told last: that its side
// came to an orderly end, or what was wrong with it.
func (s *session) settle(ctx context.Context, cause error) *wire.Close {
	last := closeFor(cause)
	var protocol *wire.ProtocolError
	if s.frames == nil || errors.As(cause, &protocol) { // nothing that a broken speaker says is trusted any more
		return last
	}
	s.report(true)
	if !errors.Is(cause, errConsumerCloses) && s.stream.Send(last) != nil {
		return last
	}
	timeout := time.After(wire.FinalPatience)
	for pays := 0; ; {
		select {
		case in := <-s.frames:
			pay, isPay := in.Frame.(*wire.Pay)
			switch {
			case errors.Is(in.Err, io.EOF):
				last.Settled = true
				return last
			case in.Err != nil:
				return closeFor(in.Err)
			case isPay:
				if err := s.accept(ctx, pay, true); err != nil {
					s.server.log.Warn("final promise refused", "session", s.id, "error", err)
					return closeFor(err)
				}
				s.report(true)
				if pays++; pays >= finalPays {
					return closeFor(errManyPays)
				}
			}
		case <-timeout:
			return closeFor(errUnsettled)
		case <-ctx.Done():
			return closeFor(errUnsettled)
		}
	}
}

// reattach hands a new stream to a session whose old one broke, and returns when the session is through with it: the
// stream's handler must not return before.
func (s *session) reattach(ctx context.Context, stream wire.Stream) {
	next := attachment{stream, make(chan struct{})}
	select {
	case s.attach <- next:
	case <-s.ended:
		stream.Refuse(refused(wire.RefusedSession, "the session has ended"))
		return
	case <-ctx.Done():
		stream.Reset()
		return
	}
	select {
	case <-next.done:
	case <-s.ended:
	}
}

// move changes the state; a move that the diagram does not have is a mistake of this program's.
func (s *session) move(next wire.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	state, err := s.state.Transition(next)
	if err != nil {
		s.server.log.Error("session state", "session", s.id, "error", err)
		return
	}
	s.state = state
}

// SessionStatus is one session as its provider reports it.
type SessionStatus struct {
	Session string           `json:"session"`
	Payer   common.Address   `json:"payer"`
	State   wire.State       `json:"state"`
	Since   time.Time        `json:"since"`
	Rx      uint64           `json:"rx_bytes"`
	Tx      uint64           `json:"tx_bytes"`
	Paid    contracts.Amount `json:"paid"`
	// Allowed is how many bytes of both directions the gate lets through at this payment.
	Allowed uint64 `json:"allowed_bytes"`
	// ServeUntil is until when it can be served, by this machine's clock, should the chain be out of reach from now on.
	ServeUntil time.Time `json:"serve_without_chain_until"`
	// Use counts how much of its limits the session takes.
	Use tunnel.Use `json:"use"`
}

func (s *session) status() SessionStatus {
	usage := s.usage()
	until := s.server.cfg.Payee.ServeUntil(s.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return SessionStatus{
		Session: s.id.String(), Payer: s.terms.Channel.Payer, State: s.state, Since: s.started,
		Rx: usage.Rx, Tx: usage.Tx, Paid: s.credit.Paid, Allowed: s.inner.Allowed(), ServeUntil: until,
		Use: s.inner.Use(),
	}
}
