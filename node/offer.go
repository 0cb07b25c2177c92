package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"byway/node/wire"
	"byway/payments"
	"byway/registry"
	"byway/tunnel"
)

// prepareOffer returns the offer to sell now: the saved one where it is registered, says what this configuration says
// and is good for long enough; else a new one, signed.
func (p *Provider) prepareOffer(ctx context.Context) (registry.Signed, error) {
	if p.cfg.Offer != nil {
		p.hearTime(ctx)
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
	now := p.hearTime(ctx)
	if found && registration.Digest == saved.Digest() &&
		saved.Offer.Expires.Sub(now.next) > p.cfg.Terms.Lifetime/3 {
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
	signed, err := registry.Sign(now.valid(draft, p.cfg.Terms.Lifetime), p.cfg.Key)
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
	}
	return nil
}

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

// sold is what this configuration sells, as far as that is known before there is a host to serve it: the offer that was
// signed by hand, or the terms of the flags.
func (cfg ProviderConfig) sold() (registry.Offer, error) {
	if cfg.Offer != nil {
		return cfg.Offer.Offer, nil
	}
	return offerOf(cfg.Terms, cfg.Network, cfg.Key.Address())
}

// offerOf makes terms an offer of that market, without host, sequence and times.
func offerOf(terms registry.Draft, n Network, provider common.Address) (registry.Offer, error) {
	return terms.Apply(registry.Offer{
		ChainID: n.ChainID, Channels: n.Channels, Registry: n.Registry, Token: n.Token, Provider: provider,
		Protocols: []string{string(wire.SessionProtocol)}, Exit: &registry.ExitPolicy{Denied: tunnel.AlwaysDenied()},
		Window: payments.OfferWindow(terms.Tick, max(terms.Capacity.Down, terms.Capacity.Up)/8),
	}), nil
}

// exitTerms are what an offer promises of its exit, as the exit is told it.
type exitTerms struct {
	policy   tunnel.PolicyConfig
	limits   tunnel.Limits
	rate     uint64 // of one session, both directions together, in bit/s; 0: no bound
	sessions int
}

// peerPorts are where BitTorrent listens by custom. An exit that does not welcome file sharing closes them; what else it
// uses is not told apart.
var peerPorts = []uint16{6881, 6882, 6883, 6884, 6885, 6886, 6887, 6888, 6889, 6969, 51413}

// unbounded stands for a cap that an offer leaves out. What the process can hold bounds the sessions all the same.
const unbounded = 1 << 20

// exitTermsOf is the one way from an offer to how its exit behaves: whoever signed it, and wherever its terms come from.
func exitTermsOf(o registry.Offer) (exitTerms, error) {
	if !o.Sells(registry.ServiceExit) || o.Exit == nil {
		return exitTerms{}, errors.New("the offer sells no exit")
	}
	said, always := o.Exit, tunnel.AlwaysDenied()
	t := exitTerms{
		rate:     said.Rate,
		limits:   tunnel.Limits{Flows: cmp.Or(int(said.Connections), unbounded), NewFlows: cmp.Or(int(said.NewPerSecond), unbounded)},
		sessions: cmp.Or(int(o.Capacity.Sessions), DefaultMaxSessions),
		policy: tunnel.PolicyConfig{
			Allow: said.Allowed,
			// What every exit denies keeps the reason that it is denied for.
			Deny:      slices.DeleteFunc(slices.Clone(said.Denied), func(p netip.Prefix) bool { return slices.Contains(always, p) }),
			DenyPorts: append([]uint16{}, said.DeniedPorts...), // never nil, which would mean a default
		},
	}
	if !said.P2P {
		t.policy.DenyPorts = append(t.policy.DenyPorts, peerPorts...)
	}
	return t, nil
}

// draftOffer says what this configuration sells, without sequence and times.
func (p *Provider) draftOffer() (registry.Offer, error) {
	o := p.sells
	var err error
	o.Host, err = registry.BindHost(p.hostKey, o.ChainID, o.Registry, o.Provider, p.ipfs.Addrs())
	return o, err
}
