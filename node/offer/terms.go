package offer

import (
	"github.com/ethereum/go-ethereum/common"

	"byway/node/home"
	"byway/node/wire"
	"byway/payments/pace"
	"byway/registry"
	"byway/tunnel/policy"
)

// SameTerms compares two offers in all but sequence and times.
func SameTerms(a, b registry.Offer) (bool, error) {
	a.Sequence, a.NotBefore, a.Expires = b.Sequence, b.NotBefore, b.Expires
	ha, err := a.SigningHash()
	if err != nil {
		return false, err
	}
	hb, err := b.SigningHash()
	return ha == hb, err
}

// Of makes terms an offer of that market, without host, sequence and times.
func Of(terms registry.Draft, n home.Network, provider common.Address) (registry.Offer, error) {
	return terms.Apply(registry.Offer{
		ChainID: n.ChainID, Channels: n.Channels, Registry: n.Registry, Token: n.Token, Provider: provider,
		Protocols: []string{string(wire.SessionProtocol)}, Exit: &registry.ExitPolicy{Denied: policy.AlwaysDenied()},
		Window: pace.OfferWindow(terms.Tick, max(terms.Capacity.Down, terms.Capacity.Up)/8),
	}), nil
}
