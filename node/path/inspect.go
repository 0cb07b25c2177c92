package path

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"byway/contracts"
	"byway/node/probe"
	"byway/payments"
	"byway/registry"
	"byway/registry/choose"
)

// A consumer looks through an exit before it sets more money aside for it than that look costs. The probe has a session
// of its own, also where the whole machine is to go through the exit: nothing of the user's has gone there yet.

const (
	probeTicks = 2 // of an offer, that a probe may cost; it moves less than a hundred kilobytes
	// witnesses is how many other exits are asked where they disagree about what nobody knows.
	witnesses = 2
)

// ProbeWorth is the most that a probe of an offer's exit may cost.
func ProbeWorth(o registry.Offer) (contracts.Amount, error) {
	worth, err := payments.Cost(o.PricePerGiB, probeTicks*o.Tick)
	if err != nil {
		return worth, fmt.Errorf("cost of a probe: %w", err)
	}
	return worth, nil
}

// Probes reports whether the network names targets to try exits against.
func (c *Consumer) Probes() bool { return !c.Network.Probe.Empty() }

// Verify probes the exit of an open session, where the network names targets. A liar is remembered and not chosen again;
// the caller closes the session. That an exit forwards nothing is remembered only where own addresses are given: they
// come from the targets, which answered us directly then. A session that carries the whole machine has no way in for a probe, which is an
// error: see [Consumer.Inspect].
func (c *Consumer) Verify(ctx context.Context, s *Session, own []netip.Addr) (probe.Findings, error) {
	if s.Tunnel() == nil {
		return probe.Findings{}, errors.New("a session that carries the whole machine cannot be probed")
	}
	found, err := probe.Probe(ctx, s.Tunnel(), c.Network.Probe, own)
	provider := s.offer.Offer.Provider
	if lie := (*probe.LieError)(nil); errors.As(err, &lie) {
		if lie.Lie == probe.LieForward && len(own) == 0 {
			// Nobody has seen the targets answer without the exit: they, or our own line, may be down.
			return found, fmt.Errorf("provider %s: %w", provider, lie)
		}
		return found, c.caught(s.offer, lie)
	}
	if found.RTT > 0 {
		s.sawRTT(found.RTT)
	}
	if err != nil {
		err = fmt.Errorf("provider %s: %w", provider, err)
	}
	return found, err
}

// caught remembers a liar.
func (c *Consumer) caught(offer registry.SignedOffer, lie *probe.LieError) error {
	c.market.Observe(choose.Observation{Provider: offer.Offer.Provider, At: time.Now(), Lied: true})
	return fmt.Errorf("provider %s: %w", offer.Offer.Provider, lie)
}

// Inspect probes an offer's exit in a session of its own, which may cost [ProbeWorth] and is closed in order. Where the
// network's targets leave the right answer open, others are probed too, in their order, until two agree. A
// [*probe.LieError] says that the exit lies; it is remembered. Any other error means that nothing could be found out
// about it.
func (c *Consumer) Inspect(ctx context.Context, offer registry.SignedOffer, others []registry.SignedOffer) error {
	found, err := c.try(ctx, offer)
	if err != nil || !c.Network.Probe.Learns() {
		return err
	}
	var earlier *probe.Findings // of the first witness, who contradicts the exit
	var witness registry.SignedOffer
	asked := 0
	for _, other := range others {
		if asked == witnesses {
			break
		}
		if other.Offer.Provider == offer.Offer.Provider {
			continue
		}
		theirs, err := c.try(ctx, other)
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			c.Log.Debug("no witness", "provider", other.Offer.Provider, "error", err)
			continue
		}
		asked++
		differ := found.Against(theirs)
		switch {
		case len(differ) == 0:
			if earlier != nil { // two against the first witness
				_ = c.caught(witness, disagreement(found.Against(*earlier)))
			}
			return nil
		case earlier != nil && len(earlier.Against(theirs)) == 0:
			return c.caught(offer, disagreement(differ))
		}
		earlier, witness = &theirs, other
	}
	if earlier == nil {
		c.Log.Debug("no second exit to compare with", "provider", offer.Offer.Provider)
		return nil
	}
	return fmt.Errorf("provider %s: exits disagree about %s, and no third one tells which of them lies",
		offer.Offer.Provider, strings.Join(found.Against(*earlier), ", "))
}

// disagreement is the lie of an exit that two others contradict.
func disagreement(about []string) *probe.LieError {
	detail := fmt.Sprintf("two other exits see something else at %s", strings.Join(about, ", "))
	for _, a := range about {
		if _, _, err := net.SplitHostPort(a); err == nil {
			return &probe.LieError{Lie: probe.LieTLS, Detail: detail}
		}
	}
	return &probe.LieError{Lie: probe.LieNames, Detail: detail}
}

// try opens a session that may cost no more than a probe, looks through it and closes it.
func (c *Consumer) try(ctx context.Context, offer registry.SignedOffer) (found probe.Findings, err error) {
	worth, err := ProbeWorth(offer.Offer)
	if err != nil {
		return found, err
	}
	trial := *c // on the same account, and a tunnel of its own into this process
	trial.hold = nil
	trial.cfg.Supervised = false // it ends at its cap
	if worth.Less(trial.cfg.SpendCap) {
		trial.cfg.SpendCap = worth
	}
	own := c.self.Ask(ctx, c.Network)
	s, err := trial.Connect(ctx, offer)
	if err != nil {
		return found, err
	}
	found, err = trial.Verify(ctx, s, own)
	_, closeErr := s.Close(ctx)
	if err == nil && closeErr != nil {
		c.Log.Debug("the probe's session did not end in order", "error", closeErr)
	}
	return found, err
}
