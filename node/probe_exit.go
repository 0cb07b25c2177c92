package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"byway/contracts"
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
func (c *Consumer) Probes() bool { return !c.network.Probe.Empty() }

// Verify probes the exit of an open session, where the network names targets. A liar is remembered and not chosen again;
// the caller closes the session. That an exit forwards nothing is remembered only where own addresses are given: they
// come from the targets, which answered us directly then. A session that carries the whole machine has no way in for a probe, which is an
// error: see [Consumer.Inspect].
func (c *Consumer) Verify(ctx context.Context, s *Session, own []netip.Addr) (Findings, error) {
	if s.Tunnel() == nil {
		return Findings{}, errors.New("a session that carries the whole machine cannot be probed")
	}
	found, err := Probe(ctx, s.Tunnel(), c.network.Probe, own)
	provider := s.offer.Offer.Provider
	if lie := (*LieError)(nil); errors.As(err, &lie) {
		if lie.Lie == LieForward && len(own) == 0 {
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
func (c *Consumer) caught(offer registry.Signed, lie *LieError) error {
	c.market.observe(choose.Observation{Provider: offer.Offer.Provider, At: time.Now(), Lied: true})
	return fmt.Errorf("provider %s: %w", offer.Offer.Provider, lie)
}

// Inspect probes an offer's exit in a session of its own, which may cost [ProbeWorth] and is closed in order. Where the
// network's targets leave the right answer open, others are probed too, in their order, until two agree. A [*LieError]
// says that the exit lies; it is remembered. Any other error means that nothing could be found out about it.
func (c *Consumer) Inspect(ctx context.Context, offer registry.Signed, others []registry.Signed) error {
	found, err := c.try(ctx, offer)
	if err != nil || !c.network.Probe.learns() {
		return err
	}
	var earlier *Findings // of the first witness, who contradicts the exit
	var witness registry.Signed
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
			c.log.Debug("no witness", "provider", other.Offer.Provider, "error", err)
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
		c.log.Debug("no second exit to compare with", "provider", offer.Offer.Provider)
		return nil
	}
	return fmt.Errorf("provider %s: exits disagree about %s, and no third one tells which of them lies",
		offer.Offer.Provider, strings.Join(found.Against(*earlier), ", "))
}

// disagreement is the lie of an exit that two others contradict.
func disagreement(about []string) *LieError {
	detail := fmt.Sprintf("two other exits see something else at %s", strings.Join(about, ", "))
	for _, a := range about {
		if _, _, err := net.SplitHostPort(a); err == nil {
			return &LieError{LieTLS, detail}
		}
	}
	return &LieError{LieNames, detail}
}

// try opens a session that may cost no more than a probe, looks through it and closes it.
func (c *Consumer) try(ctx context.Context, offer registry.Signed) (found Findings, err error) {
	worth, err := ProbeWorth(offer.Offer)
	if err != nil {
		return found, err
	}
	trial := *c // with the same parts, and a tunnel of its own into this process
	trial.hold, trial.cfg.Machine = nil, nil
	if worth.Less(trial.cfg.SpendCap) {
		trial.cfg.SpendCap = worth
	}
	own := c.self.ask(ctx, c.network)
	s, err := trial.Connect(ctx, offer)
	if err != nil {
		return found, err
	}
	found, err = trial.Verify(ctx, s, own)
	_, closeErr := s.Close(ctx)
	if err == nil && closeErr != nil {
		c.log.Debug("the probe's session did not end in order", "error", closeErr)
	}
	return found, err
}

// ownAddrs are the addresses at which others see this machine without any exit.
type ownAddrs struct {
	mu    sync.Mutex
	known bool
	addrs []netip.Addr
}

// ask asks the network's echo servers once, over both families. An exit that shows one of these addresses sends the
// traffic back out of our own line.
func (o *ownAddrs) ask(ctx context.Context, n Network) []netip.Addr {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.known || len(n.Probe.Echo) == 0 {
		return o.addrs
	}
	dialer := n.Dialer
	if dialer == nil {
		dialer = &net.Dialer{}
	}
	seen := make(chan netip.Addr, 2*len(n.Probe.Echo))
	var asking sync.WaitGroup
	for _, family := range []string{"tcp4", "tcp6"} {
		transport := &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
				return dialer.DialContext(ctx, family, address)
			},
		}
		client := &http.Client{Transport: transport, Timeout: probeStep}
		for _, url := range n.Probe.Echo {
			asking.Go(func() {
				if a, err := askEcho(ctx, client, url); err == nil {
					seen <- a
				}
			})
		}
	}
	asking.Wait()
	close(seen)
	for a := range seen {
		if !slices.Contains(o.addrs, a) {
			o.addrs = append(o.addrs, a)
		}
	}
	o.known = len(o.addrs) > 0
	return o.addrs
}
