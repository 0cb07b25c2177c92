package serve

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ipfs/go-cid"

	"byway/contracts"
	"byway/node/wire"
	"byway/payments"
	"byway/payments/ledger"
	"byway/payments/pace"
	"byway/payments/payee"
	"byway/tunnel"
	"byway/tunnel/meter"
)

// admit takes the session's id and a place, checks a Hello against its signature, the offer, the chain and the ledger,
// records the session, and only then adds the peer.
func (s *Server) admit(ctx context.Context, knock *hello, h *wire.Hello) (*session, error) {
	one, err := s.reserve(h.Session, knock.remote)
	if err != nil {
		return nil, err
	}
	opened, err := s.open(ctx, knock, one, h)
	if err != nil {
		s.forget(one)
		return nil, err
	}
	if err := s.welcome(knock, h, one, opened); err != nil {
		close(one.ended) // it never runs, and a Resume may wait for it
		return nil, errors.Join(err, s.end(ctx, one, payments.Usage{}, ledger.EndLost))
	}
	return one, nil
}

// end records the end of a session that the ledger knows. Where that fails its id stays taken, or it would be served anew:
// see [Server.Recover].
func (s *Server) end(ctx context.Context, one *session, u payments.Usage, how ledger.Ending) error {
	s.vacate(one)
	if err := s.cfg.Payee.End(ctx, one.id, u, how); err != nil {
		if errors.Is(err, ledger.ErrStore) {
			s.mu.Lock()
			s.unended = append(s.unended, unended{one, u, how})
			s.mu.Unlock()
		}
		return err
	}
	s.forget(one)
	return nil
}

// open checks all that a Hello says, what is cheap first, and records its session with its first promise.
func (s *Server) open(ctx context.Context, knock *hello, one *session, h *wire.Hello) (payee.Opening, error) {
	none := payee.Opening{}
	version, err := wire.Spoken().Common(h.Versions)
	if err != nil {
		return none, err
	}
	if s.cfg.Trouble() != "" {
		return none, refused(wire.RefusedBusy, "the exit forwards nothing at the moment: try again later")
	}
	if s.draining.Load() {
		return none, refused(wire.RefusedBusy, "the provider takes no new sessions: choose another one")
	}
	if why := s.held(); why != "" {
		return none, refused(wire.RefusedBusy, "the provider serves no newcomer at the moment: "+why+": try again later")
	}
	if why := s.closed(); why != "" {
		return none, refused(wire.RefusedBusy, "the provider serves nobody at the moment: "+why+": choose another provider")
	}
	offer := s.cfg.Offer()
	if asked, err := cid.Cast(h.Offer); err != nil || !asked.Equals(offer.CID) {
		return none, refused(wire.RefusedOffer, "this offer is not sold any more: list the offers again")
	}
	if h.Token != offer.Offer.Token {
		return none, refused(wire.RefusedOffer, "the offer is priced in another token")
	}
	hosts := wire.Hosts{Consumer: one.remote, Provider: s.cfg.Self}
	if err := h.Verify(s.cfg.Domain, offer.Offer.Payee, hosts); err != nil {
		return none, refused(wire.RefusedPromise,
			"the Hello is not signed by the vault's signer for this provider and these two hosts")
	}
	if err := s.timely(ctx, h.Time); err != nil {
		return none, err
	}
	one.version = version
	one.terms = payments.Terms{
		Session: h.Session, Channel: h.Channel(offer.Offer.Payee), PricePerGiB: offer.Offer.PricePerGiB,
		Tick: offer.Offer.Tick, Window: offer.Offer.Window, Offer: offer.CID.String(),
	}
	// Only who holds the signer comes so far, and is worth a look at the chain.
	place := placeOf(knock.stream)
	doubtful := !s.cfg.Private && !s.cfg.Payee.Knows(one.terms.Channel)
	if doubtful {
		if err := s.doubts.check(place); err != nil {
			return none, err
		}
	}
	reserve, err := s.checkReserve(ctx, knock, one.terms.Channel, h.Reserve)
	if err != nil {
		return none, refusal(err)
	}
	first := h.First.On(one.terms.Channel)
	opened, err := s.cfg.Payee.Open(ctx, one.terms, first, reserve)
	var stale *payee.StaleError
	for asked := 0; asked < recalls && errors.As(err, &stale) && stale.Latest != nil; asked++ {
		if first, err = s.recall(ctx, knock, one.terms.Channel, *stale.Latest); err != nil {
			return none, err
		}
		opened, err = s.cfg.Payee.Open(ctx, one.terms, first, reserve)
	}
	var unfunded *payments.UnfundedError
	if doubtful && errors.As(err, &unfunded) {
		s.doubts.failed(place)
	}
	if err != nil {
		return none, s.setAside(ctx, place, h, reserve, err)
	}
	return opened, nil
}

// closed says why nobody is to be served at the moment; empty when nothing is against it.
func (s *Server) closed() string {
	if s.cfg.Closed == nil {
		return ""
	}
	return s.cfg.Closed()
}

// held says why nothing can be written down at the moment; empty when it can.
func (s *Server) held() string {
	if s.cfg.Held == nil {
		return ""
	}
	return s.cfg.Held()
}

// helloSkew is how far the time in a Hello may be from what the provider takes for the chain's: two honest endpoints
// differ by less, and a copy is of no use for longer.
const helloSkew = 10 * time.Minute

// timely checks that a Hello is of now, by the chain's time: an old one may be a copy.
func (s *Server) timely(ctx context.Context, seconds uint64) error {
	said := time.Unix(int64(min(seconds, 1<<40)), 0)
	now, next := s.cfg.Time(ctx)
	if !said.Before(now.Add(-helloSkew)) && !said.After(next.Add(helloSkew)) {
		return nil
	}
	return refused(wire.RefusedClock, fmt.Sprintf("the Hello is of %s, and by the chain's time as the provider knows it is "+
		"%s, more than %s apart: see whether an endpoint of the chain is behind, and set this machine's clock where none "+
		"answers; or choose another provider", said.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339),
		helloSkew))
}

// errKnown says that an id has been used.
var errKnown = refused(wire.RefusedSession,
	"this session's id is known already: a Hello makes a session of its own, Resume takes one up")

// errFull says that every place is taken.
var errFull = refused(wire.RefusedBusy, "no room for another session: try again later")

// welcome adds the peer of a recorded session and answers.
func (s *Server) welcome(knock *hello, h *wire.Hello, one *session, opened payee.Opening) error {
	if err := s.addPeer(one, h, opened); err != nil {
		return err
	}
	knock.done() // others need not wait until this one takes its Welcome
	if err := wire.NewStream(knock.stream).Send(one.welcome(opened.Latest)); err != nil {
		s.removePeer(one)
		return err
	}
	return nil
}

// recalls is how often a consumer is told its latest promise before its session is refused: another machine that pays with
// its key may go on meanwhile.
const recalls = 3

// recall tells a consumer that forgot its own promises the latest one, and takes the promise that rises above it. Its Hello
// was signed by the vault's signer, so that nobody else learns what was promised.
func (s *Server) recall(ctx context.Context, knock *hello, c contracts.Channel, latest payments.Promise) (
	promise payments.Promise, err error,
) {
	told := wire.NewPromise(latest)
	reply, err := knock.ask(ctx, &wire.Refusal{
		Code: wire.RefusedStale, Reason: payee.ErrNotRising.Error(), Latest: &told,
	})
	if err != nil {
		return promise, err
	}
	pay, ok := reply.(*wire.Pay)
	if !ok {
		return promise, refused(wire.RefusedProtocol, "a stale promise is followed by Pay, or by nothing")
	}
	return pay.Promise.On(c), nil
}

// addPeer makes the session's keys and lets its peer into the tunnel.
func (s *Server) addPeer(one *session, h *wire.Hello, opened payee.Opening) error {
	psk, ciphertext, err := wire.Encapsulate(h, s.cfg.Exit.PublicKey())
	if err != nil {
		return refused(wire.RefusedProtocol, err.Error())
	}
	inner, err := s.cfg.Exit.Add(tunnel.Peer{PublicKey: h.WireGuard, PresharedKey: psk, Gate: gateOf(opened)})
	switch {
	case errors.Is(err, tunnel.ErrFull):
		return errFull
	case errors.Is(err, tunnel.ErrPeerExists):
		return refused(wire.RefusedProtocol, "this WireGuard key has a session: make a fresh one for each")
	case err != nil:
		return err
	}
	if err := inner.SetRate((s.cfg.Rate + 7) / 8); err != nil {
		s.log.Warn("the kernel does not hold a session back to its rate: what is too much is dropped at once", "error", err)
	}
	inner.SetTick(pace.WakeEvery(one.terms.Tick))
	s.cfg.Payee.Attach(one.id, func() payments.Usage { return usageOf(inner) })
	s.cfg.Host.Keep(one.remote, one.tag())
	one.inner, one.ciphertext, one.credit = inner, ciphertext, opened.Credit
	s.paid(one, inner)
	return nil
}

// gateOf is the gate of a session's vault, which the payee opens: see [NewGate].
func gateOf(o payee.Opening) *meter.Gate {
	gate, ok := o.Gate.(*meter.Gate)
	if !ok {
		gate = meter.NewGate(0) // a payee that makes no gates serves nothing
	}
	return gate
}

// NewGate makes a shut gate, for [payee.Config].
func NewGate() payee.Gate { return meter.NewGate(0) }

func usageOf(inner *tunnel.Session) payments.Usage {
	c := inner.Counters()
	return payments.Usage{Rx: c.Rx, Tx: c.Tx}
}

// removePeer takes the session's peer out of the tunnel; its counters stand still from then on.
func (s *Server) removePeer(one *session) {
	if err := one.inner.Remove(); err != nil {
		s.log.Error("peer not removed", "session", one.id, "error", err)
	}
	s.cfg.Host.LetGo(one.remote, one.tag())
	s.vacate(one)
}

// refused is a refusal for a reason in words.
func refused(code wire.RefusalCode, reason string) *wire.RefusalError {
	return &wire.RefusalError{Code: code, Reason: reason}
}

// refusal turns an error of the payment engine into what the consumer is told.
func refusal(err error) error {
	var unfunded *payments.UnfundedError
	var newcomer *payee.NewcomerError
	var code wire.RefusalCode
	switch {
	case errors.As(err, &newcomer):
		return &wire.RefusalError{Code: wire.RefusedNewcomer, Reason: "the provider trusts no more strangers for now", Need: newcomer.Need}
	case errors.Is(err, payee.ErrNotRising):
		code = wire.RefusedStale
	case errors.Is(err, payments.ErrSessionClosed), errors.Is(err, payments.ErrSessionExists):
		return errKnown
	case errors.Is(err, payments.ErrSecondSigner):
		code = wire.RefusedSigner
	case errors.Is(err, contracts.ErrBadSignature), errors.Is(err, payments.ErrWrongChannel):
		code = wire.RefusedPromise
	case errors.As(err, &unfunded), errors.Is(err, payments.ErrExiting):
		code = wire.RefusedUnfunded
	default:
		return err
	}
	return refused(code, err.Error())
}
