package serve

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"byway/contracts"
	"byway/node/wire"
	"byway/payments"
)

const (
	// releaseValid is how long a release may be used: a transaction's time, with room for a slow chain.
	releaseValid = 15 * time.Minute
	// releaseSkew is how far what the two take for the chain's time may differ.
	releaseSkew = 5 * time.Minute
)

// Release serves one stream of [wire.ReleaseProtocol]: a request for a release, and its answer.
func (s *Server) Release(ctx context.Context, stream network.Stream) {
	s.listen(stream, s.releases, func(knock *hello) { s.answer(ctx, knock) })
}

func (s *Server) answer(ctx context.Context, knock *hello) {
	over := wire.NewStream(knock.stream)
	release, err := s.release(ctx, knock)
	knock.listen() // who does not take the answer is as good as silent
	if err != nil {
		s.log.Debug("release refused", "error", err)
		over.Refuse(err)
		return
	}
	if over.Send(wire.NewRelease(release)) != nil {
		over.Reset()
		return
	}
	over.Close()
}

func (s *Server) release(ctx context.Context, knock *hello) (payments.Release, error) {
	first, err := wire.NewStream(knock.stream).Receive(helloTimeout)
	if err != nil {
		s.releases.refuse(reasonSilent)
		return payments.Release{}, err
	}
	ask, ok := first.(*wire.AskRelease)
	if !ok {
		return payments.Release{}, refused(wire.RefusedProtocol, "a release is asked for with AskRelease")
	}
	if err := knock.look(ctx); err != nil {
		return payments.Release{}, err
	}
	payee, asked := s.cfg.Key.Address(), time.Unix(int64(min(ask.Time, 1<<40)), 0)
	now, next := s.cfg.Time(ctx)
	if asked.Before(now.Add(-releaseSkew)) || asked.After(next.Add(releaseSkew)) {
		return payments.Release{}, refused(wire.RefusedPromise, fmt.Sprintf(
			"the request is of %s, and by the chain's time it is %s: one of the two endpoints of the chain is behind",
			asked.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339)))
	}
	if err := ask.Verify(s.cfg.Domain, payee, wire.Hosts{Consumer: knock.remote, Provider: s.cfg.Self}); err != nil {
		return payments.Release{}, refused(wire.RefusedPromise, err.Error())
	}
	channel := contracts.Channel{
		Vault: contracts.Vault{Token: ask.Token, Payer: ask.Payer, Signer: ask.Signer}, Payee: payee,
	}
	release, err := s.cfg.Payee.Release(ctx, channel, s.cfg.Key, releaseValid)
	switch {
	case errors.Is(err, payments.ErrSessionExists):
		return release, refused(wire.RefusedBusy, "a session is open on this channel: end it first")
	case errors.Is(err, payments.ErrWrongChannel):
		return release, refused(wire.RefusedPromise, err.Error())
	}
	return release, err
}
