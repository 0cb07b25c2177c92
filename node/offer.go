package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"byway/payments"
	"byway/registry"
)

// prepareOffer returns the offer to sell now: the saved one where it is registered, says what this configuration says
// and is good for long enough; else a new one, signed.
func (p *Provider) prepareOffer(ctx context.Context) (registry.Signed, error) {
	if p.cfg.Offer != nil {
		return *p.cfg.Offer, p.checkAdopted(p.cfg.Offer.Offer)
	}
	draft, err := p.draftOffer()
	if err != nil {
		return registry.Signed{}, err
	}
	saved, found, err := p.savedOffer()
	if err != nil {
		return registry.Signed{}, err
	}
	registration, err := p.registry.Registration(ctx, draft.Provider)
	if err != nil {
		return registry.Signed{}, err
	}
	if found && registration.Digest == saved.Digest() &&
		time.Until(saved.Offer.Expires) > OfferLifetime/3 {
		same, err := sameTerms(draft, saved.Offer)
		if err != nil {
			return registry.Signed{}, err
		}
		if same {
			return saved, nil
		}
	}
	if draft.Sequence, err = p.registry.NextSequence(ctx, draft.Provider); err != nil {
		return registry.Signed{}, err
	}
	// A clock that runs a little ahead of a consumer's must not make a fresh offer look like one of the future.
	draft.NotBefore = time.Now().Add(-clockSlack)
	draft.Expires = draft.NotBefore.Add(OfferLifetime)
	signed, err := registry.Sign(draft, p.cfg.Key)
	if err != nil {
		return registry.Signed{}, fmt.Errorf("sign offer: %w", err)
	}
	return signed, nil
}

// checkAdopted says why an offer that was signed by hand cannot be sold here. What it says of itself is checked where it
// is published.
func (p *Provider) checkAdopted(o registry.Offer) error {
	switch {
	case o.Provider != p.cfg.Key.Address():
		return fmt.Errorf("the signed offer is %s's, this home's account is %s", o.Provider, p.cfg.Key.Address())
	case o.Payee != p.cfg.Key.Address():
		return fmt.Errorf("the signed offer is paid to %s: claims are made by this home's account %s", o.Payee,
			p.cfg.Key.Address())
	case o.Host.Peer != p.ipfs.Host().ID():
		return fmt.Errorf("the signed offer is to be served by host %s, this home's is %s: byway provider offer host "+
			"says here what byway provider offer sign --host needs there", o.Host.Peer, p.ipfs.Host().ID())
	case !o.Sells(registry.ServiceExit) || o.Exit == nil:
		return errors.New("the signed offer sells no exit")
	}
	return nil
}

// clockSlack is how far two honest clocks may differ.
const clockSlack = 5 * time.Minute

// sameTerms compares two offers in all but sequence and times.
func sameTerms(a, b registry.Offer) (bool, error) {
	a.Sequence, a.NotBefore, a.Expires = b.Sequence, b.NotBefore, b.Expires
	ha, err := a.SigningHash()
	if err != nil {
		return false, err
	}
	hb, err := b.SigningHash()
	return ha == hb, err
}

// draftOffer says what this configuration sells, without sequence and times.
func (p *Provider) draftOffer() (registry.Offer, error) {
	provider := p.cfg.Key.Address()
	d := p.network.Deployment
	host, err := registry.BindHost(p.hostKey, d.ChainID, d.Registry, provider, p.ipfs.Addrs())
	if err != nil {
		return registry.Offer{}, err
	}
	tick := p.cfg.Tick
	if tick == 0 {
		tick = payments.MinTick
	}
	window := p.cfg.Window
	if window == 0 {
		window = max(payments.Window(tick, 0), payments.OfferWindow(p.cfg.Line/8))
	}
	limits := p.exit.Limits()
	return registry.Offer{
		ChainID: d.ChainID, Channels: d.Channels, Registry: d.Registry,
		Provider: provider, Payee: provider, Token: d.Token,
		Host:       host,
		Services:   []string{registry.ServiceExit},
		Transports: []string{registry.TransportWireGuard},
		Features:   []string{registry.FeaturePostQuantum, registry.FeatureIPv6},
		Protocols:  []string{string(SessionProtocol)},

		PricePerGiB: p.cfg.Price, Tick: tick, Window: window,
		Country:  p.cfg.Country,
		Capacity: registry.Capacity{Down: p.cfg.Line, Up: p.cfg.Line, Sessions: uint32(p.cfg.MaxSessions)},
		Exit: &registry.ExitPolicy{
			Denied: p.policy.Denied(), Allowed: p.policy.Allowed(), DeniedPorts: p.policy.DeniedPorts(), P2P: true,
			Rate: p.cfg.SessionRate, Connections: uint32(limits.Flows), NewPerSecond: uint32(limits.NewFlows),
		},
	}, nil
}
