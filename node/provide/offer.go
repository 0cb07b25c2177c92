package provide

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/libp2p/go-libp2p/core/peer"

	"byway/contracts/disk"
	"byway/node/home"
	"byway/node/offer"
	"byway/registry"
	"byway/registry/directory"
	"byway/tunnel"
	"byway/tunnel/policy"
)

// prepareOffer returns the offer to sell now: the saved one where it is registered, says what this configuration says
// and is good for long enough; else a new one, signed.
func (p *Provider) prepareOffer(ctx context.Context) (registry.SignedOffer, error) {
	if p.cfg.Offer != nil {
		p.HearTime(ctx)
		return *p.cfg.Offer, p.checkAdopted(p.cfg.Offer.Offer)
	}
	draft, err := p.draftOffer()
	if err != nil {
		return registry.SignedOffer{}, err
	}
	saved, found, err := p.savedOffer()
	if err != nil {
		return registry.SignedOffer{}, err
	}
	registration, err := p.Registry.Registration(ctx, draft.Provider)
	if err != nil {
		return registry.SignedOffer{}, err
	}
	now := p.HearTime(ctx)
	if found && registration.Digest == saved.Digest() &&
		saved.Offer.Expires.Sub(now.Next) > p.cfg.Terms.Lifetime/3 {
		same, err := offer.SameTerms(draft, saved.Offer)
		if err != nil {
			return registry.SignedOffer{}, err
		}
		if same {
			return saved, nil
		}
	}
	if draft.Sequence, err = p.Registry.NextSequence(ctx, draft.Provider); err != nil {
		return registry.SignedOffer{}, err
	}
	signed, err := registry.Sign(now.Valid(draft, p.cfg.Terms.Lifetime), p.Key)
	if err != nil {
		return registry.SignedOffer{}, fmt.Errorf("sign offer: %w", err)
	}
	return signed, nil
}

// HostError says that an offer was signed for another host than this home's.
type HostError struct{ Signed, Own peer.ID }

// Error implements error.
func (e *HostError) Error() string {
	return fmt.Sprintf("the signed offer is to be served by host %s, this home's is %s", e.Signed, e.Own)
}

// checkAdopted says why an offer that was signed by hand cannot be sold here. What it says of itself is checked where it
// is published.
func (p *Provider) checkAdopted(o registry.Offer) error {
	switch {
	case o.Provider != p.Key.Address():
		return fmt.Errorf("the signed offer is %s's, this home's account is %s", o.Provider, p.Key.Address())
	case o.Payee != p.Key.Address():
		return fmt.Errorf("the signed offer is paid to %s: claims are made by this home's account %s", o.Payee,
			p.Key.Address())
	case o.Host.Peer != p.IPFS.Host().ID():
		return &HostError{o.Host.Peer, p.IPFS.Host().ID()}
	}
	return nil
}

// sold returns the configuration's offer, as far as it is known before there is a host to serve it: the one that was
// signed by hand, or the terms of the flags.
func (cfg Config) sold(n home.Network, provider common.Address) (registry.Offer, error) {
	if cfg.Offer != nil {
		return cfg.Offer.Offer, nil
	}
	return offer.Of(cfg.Terms, n, provider)
}

// exitTerms put an offer's promises about its exit the way the exit takes them.
type exitTerms struct {
	policy   policy.Config
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
	said, always := o.Exit, policy.AlwaysDenied()
	t := exitTerms{
		rate:     said.Rate,
		limits:   tunnel.Limits{Flows: cmp.Or(int(said.Connections), unbounded), NewFlows: cmp.Or(int(said.NewPerSecond), unbounded)},
		sessions: cmp.Or(int(o.Capacity.Sessions), DefaultMaxSessions),
		policy: policy.Config{
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
	o.Host, err = registry.BindHost(p.HostKey, o.ChainID, o.Registry, o.Provider, p.IPFS.Addrs())
	return o, err
}

func (p *Provider) publish(ctx context.Context) (directory.Receipt, error) {
	signed, err := p.prepareOffer(ctx)
	if err != nil {
		return directory.Receipt{}, err
	}
	receipt, err := p.Registry.Publish(ctx, onlineSender{p.Account}, signed, p.cfg.Stake)
	if err != nil {
		return directory.Receipt{}, fmt.Errorf("publish offer: %w", p.Token.InTokens(err))
	}
	if err := disk.WriteFile(p.Home.Path("offer.cbor"), signed.Block, 0o600); err != nil {
		return directory.Receipt{}, err
	}
	p.mu.Lock()
	p.offer, p.unpublished = signed, nil
	p.mu.Unlock()
	return receipt, p.LetGo(ctx, signed.CID)
}

// savedOffer reads the offer that this home published last; none is no error, a damaged one is.
func (p *Provider) savedOffer() (registry.SignedOffer, bool, error) {
	block, err := os.ReadFile(p.Home.Path("offer.cbor"))
	if errors.Is(err, os.ErrNotExist) {
		return registry.SignedOffer{}, false, nil
	}
	if err != nil {
		return registry.SignedOffer{}, false, err
	}
	signed, err := registry.Decode(block)
	if err != nil {
		return registry.SignedOffer{}, false, fmt.Errorf("%s: %w: remove the file to publish a new offer",
			p.Home.Path("offer.cbor"), err)
	}
	return signed, true, nil
}
