package policy

import "net/netip"

// address notes an address of the host with the length of its network.
func (h *hostNet) address(p netip.Prefix) {
	a := p.Addr()
	h.own = append(h.own, netip.PrefixFrom(a, a.BitLen()))
	if a.IsLoopback() {
		return
	}
	h.ipv6 = h.ipv6 || a.Is6() && !a.IsLinkLocalUnicast()
	h.link(p, a)
	if a.Is6() && internet6.Contains(a) && p.Bits() > 64 {
		// A single address, of DHCPv6 or of a hoster: its neighbours are in the same 64 bits, through a router or not.
		h.link(netip.PrefixFrom(a, 64), a)
	}
}

// link notes a network that the host is on, with its address there, if any is known. Of one that is too wide, the
// surroundings of that address are left.
func (h *hostNet) link(p netip.Prefix, at netip.Addr) {
	p = plain(p)
	if tooWide(p) {
		h.wide = append(h.wide, p)
		if !at.IsValid() {
			return
		}
		p = netip.PrefixFrom(at, widest(at)).Masked()
	}
	h.links = append(h.links, p)
}
