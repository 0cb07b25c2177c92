package path

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"byway/contracts"
	"byway/node/wire"
	"byway/payments"
	"byway/payments/ledger"
	"byway/payments/payer"
	"byway/registry"
	"byway/registry/choose"
	"byway/tunnel"
)

// Session is one session as its consumer sees it: a tunnel, and the promises that keep it open. One goroutine, in run,
// pays; the tunnel carries traffic by itself.
type Session struct {
	consumer *Consumer
	offer    registry.SignedOffer
	payer    *payer.Payer
	opening
	began   time.Time
	setup   time.Duration
	closing chan struct{} // closed by Close
	once    sync.Once
	done    chan struct{} // closed when everything has ended

	frames <-chan wire.Arrival

	mu      sync.Mutex
	state   wire.State
	peer    wire.Status // the provider's latest report
	ended   time.Time
	receipt Receipt
	err     error
	rtt     time.Duration // the least that was seen through the tunnel; zero: none was
	stands  Standing

	changed chan struct{} // Standing has changed
	woken   chan struct{} // to try paying again
	doubts  chan error    // that the stream still works
}

// Standing is how a session stands that is supervised.
type Standing struct {
	// Doubted: the provider has been silent for a while, or can't be reached again. The session may yet go on.
	Doubted bool
	// Capped is why nothing more is promised, as long as that is so. What was paid for still passes.
	Capped *payer.SpendCapError
}

// ErrProviderGone says that the provider went away in the middle of a session.
var ErrProviderGone = errors.New("the provider went away")

func newSession(c *Consumer, offer registry.SignedOffer, payer *payer.Payer, o *opening, began time.Time) *Session {
	return &Session{
		consumer: c, offer: offer, payer: payer, opening: *o, began: began, setup: time.Since(began), rtt: o.shake,
		closing: make(chan struct{}), done: make(chan struct{}),
		changed: make(chan struct{}, 1), woken: make(chan struct{}, 1), doubts: make(chan error, 1),
	}
}

// Standing returns how the session stands, which changes with [Config.Supervised] alone.
func (s *Session) Standing() Standing {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stands
}

// Changed wakes when the session's standing has changed. Changes that nobody waited for become one.
func (s *Session) Changed() <-chan struct{} { return s.changed }

// PayAgain has a session that is capped try again, since there may be more to pay with now.
func (s *Session) PayAgain() { wake(s.woken) }

// Doubt has the session take its stream for broken, for a reason, and take itself up on another one: this machine was
// asleep, or its network has changed.
func (s *Session) Doubt(reason error) {
	select {
	case s.doubts <- reason:
	default:
	}
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (s *Session) stand(change func(*Standing)) {
	s.mu.Lock()
	was := s.stands
	change(&s.stands)
	now := s.stands
	s.mu.Unlock()
	if was != now {
		wake(s.changed)
	}
}

func (s *Session) doubted(is bool) { s.stand(func(st *Standing) { st.Doubted = is }) }

// Tunnel is the way through the provider for one program; nil where the whole machine goes through it.
func (s *Session) Tunnel() *tunnel.Client {
	client, _ := s.tunnel.(*tunnel.Client)
	return client
}

// sawRTT notes a round trip through the tunnel.
func (s *Session) sawRTT(rtt time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rtt == 0 || rtt < s.rtt {
		s.rtt = rtt
	}
}

// leastRTT returns the least round trip that was seen through the tunnel; zero where none was.
func (s *Session) leastRTT() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rtt
}

// Offer returns the offer that the session was opened on.
func (s *Session) Offer() registry.SignedOffer { return s.offer }

// Done is closed when the session has ended, by either side.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err says why the session ended; nil while it runs and after an orderly Close.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.consumer.Token.InTokens(s.err)
}

// Close ends the session in order: no more traffic, the final counters, the exact rest paid. It returns the receipt,
// also where the session had failed before, then with the session's error.
func (s *Session) Close(ctx context.Context) (Receipt, error) {
	s.once.Do(func() { close(s.closing) })
	select {
	case <-s.done:
	case <-ctx.Done():
		return Receipt{}, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.receipt, s.err
}

// run pays for the session until it ends, and then closes the tunnel: a session that is not paid for carries nothing.
func (s *Session) run(ctx context.Context) {
	defer close(s.done)
	// Strangers who connect to this host must not push out the session's own connection.
	if host, err := s.offer.Offer.Host.AddrInfo(); err == nil {
		tag := fmt.Sprintf("byway-session-%p", s)
		s.consumer.IPFS.Keep(host.ID, tag)
		defer s.consumer.IPFS.LetGo(host.ID, tag)
	}
	err := s.pay(ctx)
	s.move(wire.StateClosing)
	if settleErr := s.settle(ctx, err); err == nil {
		err = settleErr
	}
	err = errors.Join(err, s.tunnel.Close())
	usage := s.usage() // A closed tunnel counts no more.
	s.move(wire.StateClosed)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.ended = err, time.Now()
	s.receipt = s.receiptLocked(usage)
}

func (s *Session) use(stream wire.Stream) {
	s.stream = stream
	s.frames = stream.Listen()
}

// errTunnelEnded says that a session carries nothing any more. Its own end of it is settled before.
var errTunnelEnded = errors.New("the tunnel's interface was removed by another program")

// pay sends a promise whenever one is due. It returns nil when Close was called, and otherwise what ended the session.
func (s *Session) pay(ctx context.Context) error {
	silence := wire.Silence
	if s.consumer.cfg.Supervised {
		silence = suspicion
	}
	quiet := time.NewTimer(silence)
	defer quiet.Stop()
	var cappedAt time.Time // when the funds were asked last, while they don't suffice
	var rest rest
	defer rest.follow(false, 0)
	for {
		rest.follow(s.resting(), s.tunnel.Counters().Tx)
		again := false // what stood in the way of paying may be gone
		select {
		case <-s.tunnel.Notify():
		case <-rest.beat:
			wake := &wire.Pay{Promise: wire.NewPromise(s.payer.Last()), Wake: true}
			if rest.wants(s.tunnel.Counters().Tx) && s.stream.Send(wake) != nil {
				s.stream.Reset()
			}
			continue
		case in := <-s.frames:
			if in.Err != nil {
				if err := s.resume(ctx, in.Err); err != nil {
					return err
				}
			} else if err := s.handle(in.Frame); err != nil {
				return err
			}
			s.doubted(false)
			quiet.Reset(silence)
		case <-quiet.C:
			if silence < wire.Silence && !s.Standing().Doubted {
				s.doubted(true)
				quiet.Reset(wire.Silence - silence)
				continue
			}
			if err := s.resume(ctx, fmt.Errorf("no word for %s", wire.Silence)); err != nil {
				return err
			}
			s.doubted(false)
			quiet.Reset(silence)
		case reason := <-s.doubts:
			if err := s.resume(ctx, reason); err != nil {
				return err
			}
			s.doubted(false)
			quiet.Reset(silence)
		case <-s.woken:
			cappedAt, again = time.Time{}, true
		case <-s.tunnel.Ended():
			return errTunnelEnded
		case <-s.closing:
			return nil
		}
		if err := s.tunnel.Offence(); err != nil {
			s.consumer.market.Observe(choose.Observation{Provider: s.offer.Offer.Provider, At: time.Now(), Lied: true})
			return &OffenceError{err, s.consumer.cfg.OneWayUDP}
		}
		if time.Since(cappedAt) < fundsBeat {
			continue
		}
		promise, due, err := s.payer.Due(ctx, s.usage(), s.short())
		if due {
			// A stream that breaks here is seen, and taken up again, by its reader.
			if writeErr := s.stream.Send(&wire.Pay{Promise: wire.NewPromise(promise)}); writeErr != nil {
				s.stream.Reset()
			}
		}
		var capped *payer.SpendCapError
		if errors.As(err, &capped) && s.consumer.cfg.Supervised {
			if capped.Funds {
				cappedAt = time.Now()
				if again { // what the payer knows of the chain may be a moment old
					cappedAt = cappedAt.Add(fundsSoon - fundsBeat)
				}
			}
			s.stand(func(st *Standing) {
				if st.Capped == nil || st.Capped.Funds != capped.Funds {
					st.Capped = capped
				}
			})
			continue
		}
		if errors.Is(err, ledger.ErrStore) && s.consumer.Ledger.Held() != nil {
			continue // nothing is promised until it can be written down; the provider waits, as far as it does
		}
		if err != nil {
			return err
		}
		if due || again {
			s.stand(func(st *Standing) { st.Capped = nil })
		}
	}
}

// handle acts on one frame of an open session.
func (s *Session) handle(f wire.Frame) error {
	switch f := f.(type) {
	case *wire.Status:
		s.heard(f)
		return nil
	case *wire.Close:
		return &wire.ClosedError{Code: f.Code, Reason: f.Reason}
	}
	return &wire.ProtocolError{Err: fmt.Errorf("%s does not belong in an open session", wire.Name(f))}
}

// heard keeps the provider's latest report. Its counters can only rise: a provider that takes bytes back is not
// believed, since uploads are paid by them.
func (s *Session) heard(f *wire.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.Rx, f.Tx = max(f.Rx, s.peer.Rx), max(f.Tx, s.peer.Tx)
	s.peer = *f
	next := wire.StateOpen
	switch {
	case f.Resting:
		next = wire.StateResting
	case f.Held:
		next = wire.StateHeld
	}
	switch s.state {
	case wire.StateOpen, wire.StateHeld, wire.StateResting:
		s.state = next
	}
}

// OffenceError says that a session was left because its exit sent what nobody had asked for, to be paid for it. Its provider
// is not chosen again.
type OffenceError struct {
	Err error
	// OneWayUDP: datagrams that this side never answers were wanted, and what came was something else. Without it an honest
	// exit is taken for such a one where a program only listens to a stream of datagrams.
	OneWayUDP bool
}

// Error implements error.
func (e *OffenceError) Error() string {
	return fmt.Sprintf("left the exit, and won't choose it again: %v; none of it was paid for: connect to another provider", e.Err)
}

// Unwrap returns what the exit did.
func (e *OffenceError) Unwrap() error { return e.Err }

// short reports whether the provider, which has taken all that was promised, forwards less than half a tick ahead of it:
// then a tick is prepaid.
func (s *Session) short() bool {
	last := s.payer.Last().Cumulative.Bytes()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peer.Promised != [contracts.AmountSize]byte{} && bytes.Compare(s.peer.Promised[:], last[:]) >= 0 &&
		s.peer.Left < s.offer.Offer.Tick/2
}

// usage returns the counters that the session is billed by: its own, and the provider's for what that received.
func (s *Session) usage() payments.Usage {
	own := s.tunnel.Counters()
	s.mu.Lock()
	defer s.mu.Unlock()
	return payments.Usage{Rx: own.Rx, Tx: own.Tx, PeerRx: s.peer.Rx}
}

// resume takes the session up on a new stream after the old one broke with cause. The tunnel carries on meanwhile, as
// far as the provider's window goes.
func (s *Session) resume(ctx context.Context, cause error) error {
	var protocol *wire.ProtocolError
	if errors.As(cause, &protocol) {
		s.stream.Reset()
		return cause
	}
	s.stream.Reset()
	wire.Drain(s.frames)
	// A connection that a dead host leaves behind would take new streams for a while yet.
	if err := s.consumer.IPFS.Host().Network().ClosePeer(s.offer.Offer.Host.Peer); err != nil {
		s.consumer.Log.Debug("connection not closed", "error", err)
	}
	patience := resumePatience
	if s.consumer.cfg.Supervised {
		patience = supervisedPatience
		doubt := time.AfterFunc(doubtAfter, func() { s.doubted(true) })
		defer doubt.Stop()
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	go func() { // ends with this call
		select {
		case <-s.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	retry := backoff.NewExponentialBackOff()
	retry.InitialInterval, retry.MaxInterval = 100*time.Millisecond, 2*time.Second
	stream, err := backoff.Retry(ctx, func() (wire.Stream, error) { return s.redial(ctx) },
		backoff.WithBackOff(retry), backoff.WithMaxElapsedTime(patience))
	if err != nil {
		return fmt.Errorf("%w: %w, and then: %w", ErrProviderGone, cause, err)
	}
	s.use(stream)
	// The provider may not have seen the last promise: saying it again costs nothing.
	if s.stream.Send(&wire.Pay{Promise: wire.NewPromise(s.payer.Last())}) != nil {
		s.stream.Reset()
	}
	return nil
}

// resumePatience bounds how long a consumer tries to reach a provider whose stream broke.
const resumePatience = 10 * time.Second

// The patience of a session that is supervised.
const (
	// suspicion is the silence after which a provider, which says something each [wire.Heartbeat], may be gone.
	suspicion = 3 * time.Second
	// doubtAfter is how long a broken stream may take to come back before its provider may be gone.
	doubtAfter = 2 * time.Second
	// supervisedPatience is a little less than a provider's own for a stream that broke. Whoever supervises has long
	// turned to another provider by then, where there is one.
	supervisedPatience = 28 * time.Second
	// fundsBeat is how often a session whose funds are used up looks whether there are more.
	fundsBeat = 5 * time.Second
	// fundsSoon is how soon it looks again when there should be.
	fundsSoon = 1200 * time.Millisecond
)

func (s *Session) redial(ctx context.Context) (wire.Stream, error) {
	stream, err := s.consumer.dial(ctx, s.offer.Offer)
	if err != nil {
		return wire.Stream{}, err
	}
	over := wire.NewStream(stream)
	if err := over.Send(&wire.Resume{Session: s.id}); err != nil {
		stream.Reset()
		return wire.Stream{}, err
	}
	reply, err := over.Receive(wire.FrameTimeout)
	if err != nil {
		stream.Reset()
		return wire.Stream{}, err
	}
	switch f := reply.(type) {
	case *wire.Status:
		s.heard(f)
		return over, nil
	case *wire.Refusal:
		stream.Close()
		return wire.Stream{}, backoff.Permanent(f.Err())
	}
	stream.Reset()
	return wire.Stream{}, backoff.Permanent(&wire.ProtocolError{Err: fmt.Errorf("%s does not answer Resume", wire.Name(reply))})
}

// settle ends the session with the provider: final counters in, exact rest out. cause is why pay ended.
func (s *Session) settle(ctx context.Context, cause error) (err error) {
	var protocol *wire.ProtocolError
	if errors.Is(cause, ErrProviderGone) || errors.As(cause, &protocol) {
		s.stream.Reset()
		wire.Drain(s.frames)
		how := ledger.EndLost
		if protocol != nil {
			how = ledger.EndProtocol
		}
		return s.payer.Abandon(context.WithoutCancel(ctx), how)
	}
	defer func() { wire.Drain(s.frames) }()
	// The provider may go away in the middle of the end too; after the final promise this changes nothing.
	defer func() { err = errors.Join(err, s.payer.Abandon(context.WithoutCancel(ctx), ledger.EndLost)) }()
	var closed *wire.ClosedError
	if errors.As(cause, &closed) {
		s.payer.EndsBy(closed.Code.Ending())
	}
	if !errors.As(cause, &closed) {
		if err := s.stream.Send(&wire.Close{}); err != nil {
			s.stream.Reset()
			return fmt.Errorf("%w before it could be paid the rest: %w", ErrProviderGone, err)
		}
		if err := s.await(func(f wire.Frame) bool {
			status, ok := f.(*wire.Status)
			return ok && status.Final
		}); err != nil {
			s.stream.Reset()
			return fmt.Errorf("%w before its final count: %w", ErrProviderGone, err)
		}
	}
	// What is on its way was forwarded for us: it is waited for, and billed. What comes later is not: the price is that of
	// the bytes that the receipt shows.
	s.drain(ctx)
	if err := s.tunnel.Close(); err != nil {
		s.stream.Reset()
		return err
	}
	_, _, unpaid := s.payer.Final(ctx, s.usage()) // beyond the cap, as a rule: what it covers is sent all the same
	// The provider may have left one that brought little for the last to bring.
	var sent error
	if last := s.payer.Last(); last.Channel != (contracts.Channel{}) {
		sent = s.stream.Send(&wire.Pay{Promise: wire.NewPromise(last)})
	}
	sent = errors.Join(sent, s.stream.CloseWrite()) // where it hears no more, it has said why
	// The provider confirms when the end is on its disk. A Close that says less may have crossed ours, or says why not.
	var told *wire.Close
	err = s.await(func(f wire.Frame) bool {
		if end, ok := f.(*wire.Close); ok {
			told = end
		}
		return told != nil && told.Settled
	})
	s.stream.Close()
	if err == nil {
		return unpaid
	}
	if told != nil {
		err = &wire.ClosedError{Code: told.Code, Reason: told.Reason}
	}
	return errors.Join(unpaid, fmt.Errorf("the provider did not confirm the last promise: %w", errors.Join(err, sent)))
}

// drain waits until what the provider has sent has arrived, or nothing arrives any more.
func (s *Session) drain(ctx context.Context) {
	s.mu.Lock()
	sent := s.peer.Tx
	s.mu.Unlock()
	const quiet, patience = 50 * time.Millisecond, time.Second
	quietFor := max(quiet, 2*s.leastRTT())
	until, seen, at := time.Now().Add(patience), uint64(0), time.Now()
	for {
		got := s.tunnel.Counters().Rx
		if got > seen {
			seen, at = got, time.Now()
		}
		if got >= sent || time.Since(at) >= quietFor || time.Now().After(until) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// await reads frames until one satisfies; statuses on the way are kept.
func (s *Session) await(satisfies func(wire.Frame) bool) error {
	timeout := time.After(wire.FinalPatience)
	for {
		select {
		case in := <-s.frames:
			switch {
			case errors.Is(in.Err, io.EOF):
				return io.ErrUnexpectedEOF
			case in.Err != nil:
				return in.Err
			}
			if status, ok := in.Frame.(*wire.Status); ok {
				s.heard(status)
			}
			if satisfies(in.Frame) {
				return nil
			}
		case <-timeout:
			return fmt.Errorf("no answer within %s", wire.FinalPatience)
		}
	}
}

func (s *Session) move(next wire.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	state, err := s.state.Transition(next)
	if err != nil {
		s.consumer.Log.Error("session state", "session", s.id, "error", err)
		return
	}
	s.state = state
}

// Receipt reports how a session stands, or ended. Rx and Tx are the billed bytes in each direction: Rx as the consumer
// received it, Tx the lesser of what it sent and what the provider received. Paid is the exact price of the two
// together.
type Receipt struct {
	Session  string           `json:"session"`
	Offer    string           `json:"offer"`
	Provider string           `json:"provider"`
	State    wire.State       `json:"state"`
	Rx       uint64           `json:"rx_bytes"`
	Tx       uint64           `json:"tx_bytes"`
	Price    contracts.Amount `json:"price_per_gib"`
	Paid     contracts.Amount `json:"paid"`
	Promises int              `json:"promises"`
	Setup    time.Duration    `json:"setup_ns"`
	Duration time.Duration    `json:"duration_ns"`
}

// Receipt returns how the session stands now.
func (s *Session) Receipt() Receipt {
	usage := s.usage()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == wire.StateClosed {
		return s.receipt
	}
	return s.receiptLocked(usage)
}

func (s *Session) receiptLocked(usage payments.Usage) Receipt {
	end := s.ended
	if end.IsZero() {
		end = time.Now()
	}
	return Receipt{
		Session: s.id.String(), Offer: s.offer.CID.String(), Provider: s.offer.Offer.Provider.Hex(), State: s.state,
		Rx: usage.Rx, Tx: min(usage.Tx, usage.PeerRx), Price: s.offer.Offer.PricePerGiB, Paid: s.payer.Spent(),
		Promises: s.payer.Promises(), Setup: s.setup, Duration: end.Sub(s.began),
	}
}

// ID is the session's identity, the same on both sides.
func (s *Session) ID() payments.SessionID { return s.id }
