package market

import (
	"context"
	"fmt"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"byway/ipfs/fence"
	"byway/registry"
	"byway/registry/directory"
)

// Dialable is the host that an offer names, with those of its addresses that may be dialled.
func Dialable(o registry.Offer, private bool) (peer.AddrInfo, error) {
	host, err := o.Host.AddrInfo()
	if err != nil {
		return host, err
	}
	var may []multiaddr.Multiaddr
	var refused error
	for _, a := range host.Addrs {
		if err := fence.CheckDial(a, private); err != nil {
			refused = err
			continue
		}
		may = append(may, a)
	}
	if host.Addrs = may; len(may) == 0 {
		return host, fmt.Errorf("provider %s cannot be reached: its offer names no address that may be dialled: %w", o.Provider,
			refused)
	}
	return host, nil
}

// Reachable returns those of the offers whose host answers a dial now, in their order. It dials a bounded number at a
// time and each for a bounded time; ctx bounds all of it.
func (m *Market) Reachable(ctx context.Context, offers []directory.Listing) []directory.Listing {
	up := make([]bool, len(offers))
	slots := make(chan struct{}, reachAtOnce)
	var dials sync.WaitGroup
	for i := range offers {
		dials.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			up[i] = m.Reach(ctx, offers[i].Offer) == nil
		})
	}
	dials.Wait()
	var out []directory.Listing
	for i, l := range offers {
		if up[i] {
			out = append(out, l)
		}
	}
	return out
}

// Reach dials the host that an offer names, for a short time; libp2p proves that it is that host.
func (m *Market) Reach(ctx context.Context, o registry.Offer) error {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	_, err := m.Dial(ctx, o)
	return err
}

// Dial connects to the host that an offer names and returns who it is.
func (m *Market) Dial(ctx context.Context, o registry.Offer) (peer.ID, error) {
	host, err := Dialable(o, m.network.Private)
	if err != nil {
		return "", err
	}
	if err := m.ipfs.Host().Connect(ctx, host); err != nil {
		return "", fmt.Errorf("provider %s cannot be reached: %w", o.Provider, err)
	}
	return host.ID, nil
}
