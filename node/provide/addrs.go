package provide

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// What the exit's policy can't learn from the host is where others reach the provider: its router's public address, from
// which a packet may come back to it. libp2p knows what peers saw and what the router mapped, and the operator names
// endpoints. Both are closed to sessions as the host's own addresses are.

// addrsEvery is how often libp2p is asked, should it not tell.
const addrsEvery = time.Minute

// learnEndpoints teaches the policy what the operator named.
func (p *Provider) learnEndpoints() {
	var list []netip.Addr
	for _, text := range p.cfg.Endpoints {
		if at, err := netip.ParseAddrPort(text); err == nil {
			list = append(list, at.Addr())
		}
	}
	p.policy.SetLearned("endpoints", list)
}

// followAddrs teaches the policy what libp2p knows, until ctx ends.
func (p *Provider) followAddrs(ctx context.Context) error {
	changes, err := p.IPFS.Host().EventBus().Subscribe(new(event.EvtLocalAddressesUpdated))
	if err != nil {
		return fmt.Errorf("follow the host's addresses: %w", err)
	}
	defer changes.Close()
	tick := time.NewTicker(addrsEvery)
	defer tick.Stop()
	for {
		p.policy.SetLearned("libp2p", directAddrs(p.IPFS.Host().Addrs()))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changes.Out():
		case <-tick.C:
		}
	}
}

// directAddrs are the IP addresses in multiaddrs of the node itself. Those through a relay begin with the relay's.
func directAddrs(list []multiaddr.Multiaddr) []netip.Addr {
	var addrs []netip.Addr
	for _, m := range list {
		if _, err := m.ValueForProtocol(multiaddr.P_CIRCUIT); err == nil {
			continue
		}
		ip, err := manet.ToIP(m)
		if err != nil {
			continue
		}
		if a, ok := netip.AddrFromSlice(ip); ok {
			addrs = append(addrs, a.Unmap())
		}
	}
	return addrs
}
