package serve

import (
	"context"
	"errors"
	"fmt"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"byway/contracts"
	"byway/node/wire"
	"byway/payments"
	"byway/tunnel"
)

// admit checks a Hello against the offer, the chain and the ledger, records the session, and only then adds the peer.
func (s *Server) admit(ctx context.Context, knock *hello, h *wire.Hello) (*session, error) {
	if s.cfg.Trouble() != "" {
		return nil, &wire.RefusedError{Code: wire.RefusedBusy, Reason: "the exit forwards nothing at the moment: try again later"}
	}
	offer := s.cfg.Offer()
	s.mu.Lock()
	busy := len(s.sessions)+s.opening >= s.cfg.Sessions
	if !busy {
		s.opening++
	}
	s.mu.Unlock()
	if busy {
		return nil, errFull
	}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.opening--
	}()
	if asked, err := cid.Cast(h.Offer); err != nil || !asked.Equals(offer.CID) {
		return nil, &wire.RefusedError{Code: wire.RefusedOffer, Reason: "this offer is not sold any more: list the offers again"}
	}
	if h.Token != offer.Offer.Token {
		return nil, &wire.RefusedError{Code: wire.RefusedOffer, Reason: "the offer is priced in another token"}
	}
	terms := payments.Terms{
		Session: h.Session,
		Channel: contracts.Channel{
			Vault: contracts.Vault{Token: h.Token, Payer: h.Payer, Signer: h.Signer}, Payee: offer.Offer.Payee,
		},
		PricePerGiB: offer.Offer.PricePerGiB, Tick: offer.Offer.Tick, Window: offer.Offer.Window,
		Offer: offer.CID.String(),
	}
	// Only who holds the signer is worth a look at the chain and a row in the ledger.
	first := h.First.On(terms.Channel)
	if err := s.cfg.Domain.Verify(first); err != nil {
		return nil, refusal(err)
	}
	latest, err := s.cfg.Payee.Open(ctx, terms)
	if err != nil {
		return nil, refusal(err)
	}
	opened, err := s.welcome(ctx, knock, h, terms, latest)
	if err != nil {
		return nil, errors.Join(err, s.cfg.Payee.Close(ctx, terms.Session, payments.Usage{}))
	}
	return opened, nil
}

// errFull says that every place is taken.
var errFull = &wire.RefusedError{Code: wire.RefusedBusy, Reason: "no room for another session: try again later"}

// welcome takes the first promise of a recorded session, adds its peer and answers.
func (s *Server) welcome(
	ctx context.Context, knock *hello, h *wire.Hello, terms payments.Terms, latest *payments.Promise,
) (*session, error) {
	if err := s.keepReserve(ctx, knock, terms.Channel, h.Reserve); err != nil {
		return nil, refusal(err)
	}
	credit, err := s.prepaid(ctx, terms, h.First)
	if errors.Is(err, payments.ErrNotRising) && latest != nil {
		credit, err = s.recall(ctx, knock, terms, *latest)
	}
	if err != nil {
		return nil, refusal(err)
	}
	opened, err := s.addPeer(knock.remote, h, terms, credit)
	if err != nil {
		return nil, err
	}
	knock.done() // others need not wait until this one takes its Welcome
	if err := wire.NewStream(knock.stream).Send(opened.welcome(latest)); err != nil {
		s.removePeer(opened)
		return nil, err
	}
	return opened, nil
}

// recall tells a consumer that forgot its own promises the latest one, and takes the promise that rises above it.
func (s *Server) recall(
	ctx context.Context, knock *hello, terms payments.Terms, latest payments.Promise,
) (payments.Credit, error) {
	over, told := wire.NewStream(knock.stream), wire.NewPromise(latest)
	knock.listen()
	err := over.Send(&wire.Refused{Code: wire.RefusedStale, Reason: payments.ErrNotRising.Error(), Latest: &told})
	if err != nil {
		return payments.Credit{}, err
	}
	reply, err := over.Receive(recallTimeout)
	if err != nil {
		return payments.Credit{}, err
	}
	if err := knock.look(ctx); err != nil {
		return payments.Credit{}, err
	}
	pay, ok := reply.(*wire.Pay)
	if !ok {
		return payments.Credit{}, &wire.RefusedError{
			Code: wire.RefusedProtocol, Reason: "a stale promise is followed by Pay, or by nothing",
		}
	}
	return s.prepaid(ctx, terms, pay.Promise)
}

// prepaid takes the promise that opens a session. One seen before is no error to the ledger, but it prepays nothing.
func (s *Server) prepaid(ctx context.Context, terms payments.Terms, w wire.Promise) (payments.Credit, error) {
	credit, err := s.cfg.Payee.Accept(ctx, terms.Session, w.On(terms.Channel))
	if err == nil && credit.Window == 0 {
		err = fmt.Errorf("the first tick is not prepaid: %w", payments.ErrNotRising)
	}
	return credit, err
}

// addPeer makes the session's keys and lets its peer into the tunnel.
func (s *Server) addPeer(
	remote peer.ID, h *wire.Hello, terms payments.Terms, credit payments.Credit,
) (*session, error) {
	psk, ciphertext, err := wire.Encapsulate(h, s.cfg.Exit.PublicKey())
	if err != nil {
		return nil, &wire.RefusedError{Code: wire.RefusedProtocol, Reason: err.Error()}
	}
	inner, err := s.cfg.Exit.Add(tunnel.Peer{PublicKey: h.WireGuard, PresharedKey: psk, Limit: credit.Limit})
	switch {
	case errors.Is(err, tunnel.ErrFull):
		return nil, errFull
	case errors.Is(err, tunnel.ErrPeerExists):
		return nil, &wire.RefusedError{
			Code: wire.RefusedProtocol, Reason: "this WireGuard key has a session: make a fresh one for each",
		}
	case err != nil:
		return nil, err
	}
	if err := inner.SetRate((s.cfg.Rate + 7) / 8); err != nil {
		s.log.Warn("the kernel does not hold a session back to its rate: what is too much is dropped at once", "error", err)
	}
	inner.SetTick(terms.Tick)
	opened := newSession(s, remote, terms, inner, credit, ciphertext)
	s.cfg.Host.Keep(remote, opened.tag())
	s.mu.Lock()
	s.sessions[terms.Session] = opened
	s.mu.Unlock()
	return opened, nil
}

// removePeer takes the session's peer out of the tunnel; its counters stand still from then on.
func (s *Server) removePeer(one *session) {
	if err := one.inner.Remove(); err != nil {
		s.log.Error("peer not removed", "session", one.terms.Session, "error", err)
	}
	s.cfg.Host.LetGo(one.remote, one.tag())
	s.mu.Lock()
	delete(s.sessions, one.terms.Session)
	s.mu.Unlock()
}

// refusal turns an error of the payment engine into what the consumer is told.
func refusal(err error) error {
	var unfunded *payments.UnfundedError
	code := wire.RefusedInternal
	switch {
	case errors.Is(err, payments.ErrNotRising):
		code = wire.RefusedStale
	case errors.Is(err, payments.ErrSecondSigner):
		code = wire.RefusedSigner
	case errors.Is(err, payments.ErrBadSignature), errors.Is(err, payments.ErrWrongChannel):
		code = wire.RefusedPromise
	case errors.As(err, &unfunded), errors.Is(err, payments.ErrExiting):
		code = wire.RefusedUnfunded
	default:
		return err
	}
	return &wire.RefusedError{Code: code, Reason: err.Error()}
}
