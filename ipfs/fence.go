package ipfs

import (
	"net/netip"

	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

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
