package ipfs

import (
	"fmt"
	"net/netip"
	"regexp"

	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// Network says which IPFS a node belongs to. The zero value is the public one.
type Network struct {
	// Name sets a private network's DHT apart: its protocols start with /byway/<name>. Lower-case letters, digits and
	// hyphens, 32 at most. Required when Private, unless LAN.
	Name string
	// Private keeps the node on loopback and, when Listen or Bootstrap name an address beyond loopback, on the local
	// network. It never dials a public address except one that Bootstrap spells out.
	Private bool
	// LAN makes a private node join the DHT that stock IPFS nodes run on a local network (/ipfs/lan/kad/1.0.0) instead
	// of one of its own.
	LAN bool
	// Bootstrap lists the nodes to enter the DHT through, as multiaddrs that end in /p2p/<peer id>. On the public
	// network nil stands for the well-known bootstrap nodes.
	Bootstrap []string
	// Routers lists delegated routing services, as https addresses, which are asked beside the DHT for providers of a
	// block. They learn which blocks are looked for. On the public network nil stands for a well-known one; empty but
	// not nil for none.
	Routers []string
	// Gateways lists trustless gateways, as https addresses, which are asked for a block that no peer gives. They learn
	// the same. Nil and empty are as in Routers.
	Gateways []string
}

var networkName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// validate checks what cannot be checked by parsing addresses.
func (n Network) validate() error {
	switch {
	case !n.Private && n.LAN:
		return fmt.Errorf("network: LAN is for private networks only")
	case n.Private && !n.LAN && !networkName.MatchString(n.Name):
		return fmt.Errorf("network name %q: want 1 to 32 lower-case letters, digits or hyphens", n.Name)
	}
	return nil
}

// dhtPrefix is the start of the DHT's protocol names; the DHT appends /kad/1.0.0.
func (n Network) dhtPrefix() protocol.ID {
	switch {
	case !n.Private:
		return dht.DefaultPrefix
	case n.LAN:
		return "/ipfs/lan"
	}
	return protocol.ID("/byway/" + n.Name)
}

// bootstrap parses the bootstrap addresses and joins those of one peer.
func (n Network) bootstrap() ([]peer.AddrInfo, error) {
	if n.Bootstrap == nil && !n.Private {
		return dht.GetDefaultBootstrapPeerAddrInfos(), nil
	}
	var addrs []ma.Multiaddr
	for _, s := range n.Bootstrap {
		a, err := ma.NewMultiaddr(s)
		if err != nil {
			return nil, fmt.Errorf("bootstrap address %q: %w", s, err)
		}
		if _, err := a.ValueForProtocol(ma.P_P2P); err != nil {
			return nil, fmt.Errorf("bootstrap address %q does not end in /p2p/<peer id>", s)
		}
		addrs = append(addrs, a)
	}
	infos, err := peer.AddrInfosFromP2pAddrs(addrs...)
	if err != nil {
		return nil, fmt.Errorf("bootstrap addresses: %w", err)
	}
	return infos, nil
}

// fence is the connection gater of a private network: it decides which addresses may be dialled.
type fence struct {
	local bool                    // private and unique-local addresses may be dialled
	exact map[netip.Addr]struct{} // and so may these
}

// newFence opens the fence as far as the addresses that the operator wrote down say.
func newFence(listen []ma.Multiaddr, bootstrap []peer.AddrInfo) *fence {
	f := &fence{exact: make(map[netip.Addr]struct{})}
	for _, a := range listen {
		if ip, ok := ipOf(a); ok && !ip.IsLoopback() {
			f.local = true
		}
	}
	for _, info := range bootstrap {
		for _, a := range info.Addrs {
			ip, ok := ipOf(a)
			switch {
			case !ok:
				f.local = true // a name, as container networks use: it stands for an address of the local network
			default:
				f.local = f.local || !ip.IsLoopback()
				f.exact[ip] = struct{}{}
			}
		}
	}
	return f
}

// ipOf gives the address that a multiaddr starts with, 4in6 unwrapped.
func ipOf(a ma.Multiaddr) (netip.Addr, bool) {
	ip, err := manet.ToIP(a)
	if err != nil {
		return netip.Addr{}, false
	}
	addr, ok := netip.AddrFromSlice(ip)
	return addr.Unmap(), ok
}

// admits reports whether an address may be dialled. An address that starts with a name is admitted, since what it
// resolves to comes by again; one that leads through a relay is not.
func (f *fence) admits(a ma.Multiaddr) bool {
	ip, ok := ipOf(a)
	if _, written := f.exact[ip]; ok && written {
		return !isRelayed(a)
	}
	if CheckDial(a, true) != nil {
		return false
	}
	return !ok || ip.IsLoopback() || f.local && ip.IsPrivate()
}

func isRelayed(a ma.Multiaddr) bool {
	_, err := a.ValueForProtocol(ma.P_CIRCUIT)
	return err == nil
}

// InterceptAddrDial implements ConnectionGater.
func (f *fence) InterceptAddrDial(_ peer.ID, a ma.Multiaddr) bool { return f.admits(a) }

// InterceptPeerDial implements ConnectionGater; peers are judged by address only.
func (f *fence) InterceptPeerDial(peer.ID) bool { return true }

// InterceptAccept implements ConnectionGater; what may come in is what Listen says.
func (f *fence) InterceptAccept(network.ConnMultiaddrs) bool { return true }

// InterceptSecured implements ConnectionGater.
func (f *fence) InterceptSecured(network.Direction, peer.ID, network.ConnMultiaddrs) bool {
	return true
}

// InterceptUpgraded implements ConnectionGater.
func (f *fence) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }
