package policy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// readHost asks until it gets an answer of one piece: the kernel says when something changed while it answered.
func readHost() (h hostNet, err error) {
	for range 10 {
		if h, err = askHost(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return h, err
}

// askHost lists the addresses of the host's interfaces, the networks that they are on and the routers there.
//
// On a link that reaches all at once, such as Ethernet, every route without a router leads to neighbours. Tunnels have
// such routes to wherever they lead. Where these are narrow, a tunnel joins two sites, and what is behind it is the
// operator's; where one of them is wide, it is a way to the internet, and only its own address, network and peer are near.
func askHost() (hostNet, error) {
	var h hostNet
	links, err := netlink.LinkList()
	if err != nil {
		return h, fmt.Errorf("list interfaces: %w", err)
	}
	broadcast := make(map[int]bool)
	for _, l := range links {
		f := l.Attrs().RawFlags
		broadcast[l.Attrs().Index] = f&unix.IFF_BROADCAST != 0 && f&(unix.IFF_POINTOPOINT|unix.IFF_NOARP) == 0
	}
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return h, fmt.Errorf("list interface addresses: %w", err)
	}
	at := make(map[int][]netip.Addr)
	for _, a := range addrs {
		p, ok := prefixOf(a.IPNet)
		if !ok {
			continue
		}
		at[a.LinkIndex] = append(at[a.LinkIndex], p.Addr())
		if peer, ok := prefixOf(a.Peer); ok && peer.Addr() != p.Addr() {
			// The mask is that of the other end.
			h.address(netip.PrefixFrom(p.Addr(), p.Addr().BitLen()))
			h.link(peer, peer.Addr())
			continue
		}
		h.address(p)
	}
	tunnels := make(map[int][]netip.Prefix)
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		err := netlink.RouteListFilteredIter(family, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE,
			func(r netlink.Route) bool {
				h.route(r, broadcast, at, tunnels)
				return true
			})
		if err != nil {
			return h, fmt.Errorf("list routes: %w", err)
		}
	}
	if err := numberedRoutes(func(r netlink.Route) { h.route(r, broadcast, at, tunnels) }); err != nil {
		return h, err
	}
	for _, list := range tunnels {
		wide := false
		for _, p := range list {
			wide = wide || p.Addr().Is4() && p.Bits() < wideLink4 || p.Addr().Is6() && p.Bits() < wideLink6
		}
		for _, p := range list {
			if !wide {
				h.link(p, netip.Addr{})
			}
		}
	}
	return h, nil
}

// route notes what one route tells.
func (h *hostNet) route(r netlink.Route, broadcast map[int]bool, at map[int][]netip.Addr, tunnels map[int][]netip.Prefix) {
	gateway := func(ip net.IP, via netlink.Destination) bool {
		if v, ok := via.(*netlink.Via); ok && ip == nil {
			ip = v.Addr
		}
		a, ok := netip.AddrFromSlice(ip)
		if a = a.Unmap(); ok && !a.IsUnspecified() {
			h.links = append(h.links, netip.PrefixFrom(a, a.BitLen()))
		}
		return ok || via != nil
	}
	dst, ok := prefixOf(r.Dst)
	if !ok { // the default route
		dst = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if r.Family == netlink.FAMILY_V6 {
			dst = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
	}
	switch r.Type {
	case unix.RTN_LOCAL, unix.RTN_ANYCAST, unix.RTN_BROADCAST:
		// A host may take a whole prefix as its own. Transparent proxies do so with everything.
		if !tooWide(dst) {
			h.own = append(h.own, plain(dst))
		}
		return
	case unix.RTN_UNICAST, unix.RTN_NAT:
	default:
		return
	}
	hops := make([]int, 0, 1+len(r.MultiPath))
	if !gateway(r.Gw, r.Via) && r.LinkIndex != 0 {
		hops = append(hops, r.LinkIndex)
	}
	for _, hop := range r.MultiPath {
		if !gateway(hop.Gw, hop.Via) {
			hops = append(hops, hop.LinkIndex)
		}
	}
	for _, link := range hops {
		switch {
		case dst.Bits() == 0: // everything is not a link
		case !broadcast[link]:
			tunnels[link] = append(tunnels[link], plain(dst))
		default:
			var here netip.Addr
			for _, a := range at[link] {
				if dst.Contains(a) {
					here = a
				}
			}
			h.link(dst, here)
		}
	}
}

func prefixOf(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	a, ok := netip.AddrFromSlice(n.IP)
	bits, size := n.Mask.Size()
	if !ok || size == 0 {
		return netip.Prefix{}, false
	}
	if a = a.Unmap(); a.BitLen() < size {
		bits -= size - a.BitLen()
	}
	return netip.PrefixFrom(a, bits), bits >= 0
}
