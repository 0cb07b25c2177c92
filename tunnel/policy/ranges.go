package policy

import (
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"

	"byway/tunnel/forward"
)

// Rules put the policy into the terms of a packet filter, which compares ranges and unwraps nothing: every address that
// carries a closed one behind a prefix is in a closed range of its own, and one rule reads those that carry it under any
// prefix (ISATAP). The two forms of one policy agree on every address, save for two that no packet can bear: zones, and
// IPv4 addresses mapped into IPv6 (RFC 4291), which the filter closes.
func (p *Policy) Rules() forward.Rules {
	return forward.Rules{
		Closed: slices.Concat(p.ranges(4, nil, p.closed(nil)), p.ranges(6, nil, p.closed(nil))),
		Embedded: p.ranges(4, nil, func(a netip.Addr) bool {
			v, ok := p.embedded.Lookup(a)
			return ok && v.reason != ""
		}),
		Open: p.ranges(6, nil, func(a netip.Addr) bool {
			v, ok := p.table.Lookup(a)
			return ok && v.reason == ""
		}),
		Ports: p.DeniedPorts(),
		Near:  p.NearRules(),
	}
}

// NearRules returns the part of the rules that may change while the exit runs.
func (p *Policy) NearRules() forward.Near {
	n := p.near.Load()
	always, now := p.closed(nil), p.closed(n)
	closed := func(a netip.Addr) bool { return now(a) && !always(a) }
	r := forward.Near{
		Own:     slices.Concat(p.ranges(4, n, closed), p.ranges(6, n, closed)),
		Carried: p.ranges(4, n, func(a netip.Addr) bool { return n.owns(a) || n.linked(a) }),
	}
	for _, pfx := range p.Allowed() {
		if a := pfx.Addr(); pfx.IsSingleIP() && n.owns(a) {
			r.Served = append(r.Served, a)
		}
	}
	for _, pfx := range n.nat64 {
		if pfx.Bits() <= 64 {
			r.Translated = append(r.Translated, pfx)
		}
	}
	return r
}

// closed reports whether prefixes close an address: the policy's and those of what is near, which may be nil.
func (p *Policy) closed(n *near) func(netip.Addr) bool {
	return func(a netip.Addr) bool {
		reason, _ := p.byPrefix(a, n)
		return reason != ""
	}
}

// ranges lists the addresses of a family for which is holds. It asks once for each stretch between two ends of the
// prefixes that the policy, and what is near, are made of.
func (p *Policy) ranges(family int, n *near, is func(netip.Addr) bool) []forward.Range {
	var list []forward.Range
	starts := p.starts(family, n)
	for i, first := range starts {
		last := lastAddr(first.BitLen())
		if i+1 < len(starts) {
			last = starts[i+1].Prev()
		}
		if !is(first) {
			continue
		}
		if n := len(list); n > 0 && list[n-1].Last.Next() == first {
			list[n-1].Last = last
		} else {
			list = append(list, forward.Range{First: first, Last: last})
		}
	}
	return list
}

// starts are the addresses at which the policy's judgement may change.
func (p *Policy) starts(family int, n *near) []netip.Addr {
	zero := netip.IPv4Unspecified()
	if family == 6 {
		zero = netip.IPv6Unspecified()
	}
	list := []netip.Addr{zero}
	add := func(pfx netip.Prefix) {
		list = append(list, pfx.Addr())
		if end := forward.Last(pfx).Next(); end.IsValid() {
			list = append(list, end)
		}
	}
	var inside []netip.Prefix
	see := func(pfx netip.Prefix) {
		if pfx.Addr().Is4() {
			inside = append(inside, pfx)
		}
		if pfx.Addr().Is4() == (family == 4) {
			add(pfx)
		}
	}
	for _, t := range []*bart.Table[verdict]{p.table, p.embedded} {
		for pfx := range t.All() {
			see(pfx)
		}
	}
	if n != nil {
		for _, t := range []*bart.Lite{n.own, n.links} {
			for pfx := range t.All() {
				see(pfx)
			}
		}
	}
	if family == 6 {
		for _, wrap := range []netip.Prefix{nat64, sixTo4} {
			add(wrap)
			for _, pfx := range inside {
				add(wrapped(wrap, pfx))
			}
		}
		if n != nil {
			for _, wrap := range n.nat64 {
				add(wrap)
				for _, pfx := range inside {
					in := translation(wrap, pfx)
					add(in)
					if wrap.Bits() < 64 && in.Bits() > 64 {
						// Behind the last address of such a prefix come malformed ones, up to the next 64 bits.
						add(netip.PrefixFrom(in.Addr(), 64).Masked())
					}
				}
			}
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return slices.Compact(list)
}

// wrapped is the prefix of IPv6 that carries a prefix of IPv4 right behind wrap.
func wrapped(wrap, carried netip.Prefix) netip.Prefix {
	a := wrap.Addr().As16()
	b := carried.Addr().As4()
	copy(a[wrap.Bits()/8:], b[:])
	return netip.PrefixFrom(netip.AddrFrom16(a), wrap.Bits()+carried.Bits())
}

func lastAddr(bits int) netip.Addr {
	b := make([]byte, bits/8)
	for i := range b {
		b[i] = 0xff
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
