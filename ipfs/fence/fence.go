// Package fence owns the rule of which addresses a node may dial, whoever named them.
package fence

import (
	"net/netip"

	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// Fence is a connection gater that decides by address what may be dialled.
type Fence struct {
	public bool                    // public addresses may be dialled
	local  bool                    // private and unique-local addresses may be
	exact  map[netip.Addr]struct{} // and so may these, which the operator wrote down
}

// Public is the fence of the public network: it lets nothing be dialled that is not public, but for bootstrap nodes.
func Public(bootstrap []peer.AddrInfo) *Fence {
	f := Private(nil, bootstrap)
	f.public = true
	return f
}

// Private is the fence of a private network, open as far as the addresses that the operator wrote down say.
func Private(listen []ma.Multiaddr, bootstrap []peer.AddrInfo) *Fence {
	f := &Fence{exact: make(map[netip.Addr]struct{})}
	for _, a := range listen {
		if ip, ok := IPOf(a); ok && !ip.IsLoopback() {
			f.local = true
		}
	}
	for _, info := range bootstrap {
		for _, a := range info.Addrs {
			ip, ok := IPOf(a)
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

// admits reports whether an address may be dialled. An address that starts with a name is admitted, since what it
// resolves to comes by again; one that leads through a relay is not.
func (f *Fence) admits(a ma.Multiaddr) bool {
	ip, ok := IPOf(a)
	if _, written := f.exact[ip]; ok && written {
		return !isRelayed(a)
	}
	if f.public {
		return CheckDial(a, false) == nil
	}
	if CheckDial(a, true) != nil {
		return false
	}
	return !ok || ip.IsLoopback() || f.local && ip.IsPrivate()
}

// InterceptAddrDial implements ConnectionGater.
func (f *Fence) InterceptAddrDial(_ peer.ID, a ma.Multiaddr) bool { return f.admits(a) }

// InterceptPeerDial implements ConnectionGater; peers are judged by address only.
func (f *Fence) InterceptPeerDial(peer.ID) bool { return true }

// InterceptAccept implements ConnectionGater; what may come in is what Listen says.
func (f *Fence) InterceptAccept(network.ConnMultiaddrs) bool { return true }

// InterceptSecured implements ConnectionGater.
func (f *Fence) InterceptSecured(network.Direction, peer.ID, network.ConnMultiaddrs) bool {
	return true
}

// InterceptUpgraded implements ConnectionGater.
func (f *Fence) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }
