package tunnel

import (
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"

	"byway/tunnel/forward"
)

// rules put the policy into the terms of a packet filter, which compares ranges and unwraps nothing: every address that
// carries a closed one is in a closed range of its own. The two forms of one policy agree on every address, save for
// two that no packet can bear: zones, and IPv4 addresses mapped into IPv6 (RFC 4291), which the filter closes.
func (p *Policy) rules() forward.Rules {
	own, served := p.ownRanges()
	return forward.Rules{
		Closed: slices.Concat(p.ranges(4, p.closed), p.ranges(6, p.closed)),
		Embedded: p.ranges(4, func(a netip.Addr) bool {
			v, ok := p.embedded.Lookup(a)
			return ok && v.reason != ""
		}),
		Open: p.ranges(6, func(a netip.Addr) bool {
			v, ok := p.table.Lookup(a)
			return ok && v.reason == ""
		}),
		Own:    own,
		Served: served,
		Ports:  p.DeniedPorts(),
	}
}

// closed reports whether the policy closes an address, apart from the provider's own.
func (p *Policy) closed(a netip.Addr) bool { return p.reason(a, nil) != "" }

// ranges lists the addresses of a family for which is holds. It asks once for each stretch between two ends of the
// prefixes that the policy is made of.
func (p *Policy) ranges(family int, is func(netip.Addr) bool) []forward.Range {
	var list []forward.Range
	starts := p.starts(family)
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
func (p *Policy) starts(family int) []netip.Addr {
	zero := netip.IPv4Unspecified()
	if family == 6 {
		zero = netip.IPv6Unspecified()
	}
	list := []netip.Addr{zero}
	add := func(pfx netip.Prefix) {
		list = append(list, pfx.Addr())
		if end := lastOf(pfx).Next(); end.IsValid() {
			list = append(list, end)
		}
	}
	var carried []netip.Prefix
	for _, t := range []*bart.Table[verdict]{p.table, p.embedded} {
		for pfx := range t.All() {
			if pfx.Addr().Is4() {
				carried = append(carried, pfx)
			}
			if pfx.Addr().Is4() == (family == 4) {
				add(pfx)
			}
		}
	}
	if family == 6 {
		for _, wrap := range []netip.Prefix{nat64, sixTo4} {
			add(wrap)
			for _, pfx := range carried {
				add(wrapped(wrap, pfx))
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

// lastOf is the last address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func lastAddr(bits int) netip.Addr {
	b := make([]byte, bits/8)
	for i := range b {
		b[i] = 0xff
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// ownRanges are the provider's addresses and the IPv6 ranges that carry them. Those that the policy opens by name are
// served instead.
func (p *Policy) ownRanges() (own []forward.Range, served []netip.Addr) {
	var list []forward.Range
	for a := range *p.own.Load() {
		v, _ := p.table.Lookup(a)
		if v.exact {
			served = append(served, a)
		} else {
			list = append(list, forward.Range{First: a, Last: a})
		}
		if !a.Is4() {
			continue
		}
		for _, wrap := range []netip.Prefix{nat64, sixTo4} {
			pfx := wrapped(wrap, netip.PrefixFrom(a, 32))
			if v, ok := p.table.Lookup(pfx.Addr()); !ok || v.reason != "" {
				list = append(list, forward.Range{First: pfx.Addr(), Last: lastOf(pfx)})
			}
		}
	}
	slices.SortFunc(list, func(a, b forward.Range) int { return a.First.Compare(b.First) })
	slices.SortFunc(served, netip.Addr.Compare)
	for _, r := range list {
		// Ranges of a packet filter must not touch.
		if n := len(own); n > 0 && (own[n-1].Last.Next() == r.First || own[n-1].Last.Compare(r.First) >= 0) {
			if own[n-1].Last.Less(r.Last) {
				own[n-1].Last = r.Last
			}
			continue
		}
		own = append(own, r)
	}
	return own, served
}
