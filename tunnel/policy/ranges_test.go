package policy

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"byway/tunnel/forward"
	"byway/tunnel/packet"
	"byway/tunnel/tunneltest"
)

// holds reports whether sorted ranges hold an address.
func holds(ranges []forward.Range, a netip.Addr) bool {
	for _, r := range ranges {
		if r.First.BitLen() == a.BitLen() && r.First.Compare(a) <= 0 && a.Compare(r.Last) <= 0 {
			return true
		}
	}
	return false
}

// filtered reports whether a packet filter with the rules drops an address.
func filtered(r forward.Rules, a netip.Addr) bool {
	if holds(r.Closed, a) || holds(r.Own, a) {
		return true
	}
	if a.Is6() && !holds(r.Open, a) {
		b := a.As16()
		for _, p := range r.Translated {
			if p.Contains(a) && b[8] != 0 {
				return true
			}
		}
		if b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe {
			in := netip.AddrFrom4([4]byte(b[12:]))
			return holds(r.Embedded, in) || holds(r.Carried, in)
		}
	}
	return false
}

func TestRangesCloseExactlyWhatThePolicyCloses(t *testing.T) {
	prefixes := func(list ...string) (out []netip.Prefix) {
		for _, s := range list {
			out = append(out, netip.MustParsePrefix(s))
		}
		return out
	}
	for name, cfg := range map[string]Config{
		"default": {},
		"exceptions": {
			Allow: prefixes("10.1.0.0/16", "192.168.1.7/32", "fd12::/32", "2001:db8::1/128", "198.41.0.4/32", "2002::/24"),
			Deny:  prefixes("1.2.3.0/24", "2606:4700:1::/48", "10.1.9.0/24", "255.255.255.255/32", "ffff:ffff::/32"),
		},
		// Prefixes that begin, or end, at an address of ISATAP; behind a NAT64 of 56 bits the IPv4 ones do.
		"isatap": {
			Allow: prefixes("2400:cb00::5efe:a00:1/128", "2400:cb01::5efe:0:0/96", "2a06:1:2:3300:0:5efe::/96", "0.0.94.254/32"),
			Deny: prefixes("2400:cb02::5efe:7f00:0/128", "2400:cb03::200:5efe:0:0/96", "2400:cb04::5efd:ffff:ffff/128",
				"87.0.94.254/32", "88.0.94.253/32", "8.8.8.8/32"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := mustPolicy(t, cfg)
			p.sources.host = hostNet{links: prefixes("84.10.20.0/22", "2a02:8071:1:2::/64", "45.33.0.0/16", "192.168.1.0/24"),
				own: prefixes("45.33.255.255/32", "2a02:8071:1:2::10/128", "9.9.0.0/16")}
			p.SetLearned("router", []netip.Addr{netip.MustParseAddr("84.33.255.255"), netip.MustParseAddr("2a02:9::1")})
			p.SetNAT64(prefixes("2a02:8071:64::/96", "2a03:1::/32", "2a04:1:2200::/40", "2a05:1:2::/48", "2a06:1:2:3300::/56", "2a07:1:2:3::/64"))
			r := p.Rules()
			checked := 0
			one := func(a netip.Addr) {
				if !a.IsValid() || a.Is4In6() {
					return
				}
				checked++
				want := p.Check(packet.ICMP, netip.AddrPortFrom(a, 0)) != nil
				if filtered(r, a) != want {
					t.Errorf("%v: filter closes it: %v, policy: %v", a, !want, want)
				}
			}
			// Every address is asked also as one of ISATAP in the same /64, with what it ends with and with a closed one.
			check := func(a netip.Addr) {
				one(a)
				if !a.Is6() {
					return
				}
				b := a.As16()
				copy(b[8:], []byte{byte(rand.IntN(2) * 2), 0, 0x5e, 0xfe})
				one(netip.AddrFrom16(b))
				copy(b[12:], []byte{10, 0, 0, 1})
				one(netip.AddrFrom16(b))
			}
			for _, a := range tunneltest.Forbidden() {
				check(a)
				if a.Is4() {
					for _, wrap := range p.near.Load().nat64 {
						for _, b := range []netip.Addr{a, a.Prev(), a.Next()} {
							if b.IsValid() {
								check(translation(wrap, netip.PrefixFrom(b, 32)).Addr())
							}
						}
					}
				}
			}
			all := append(append(append([]forward.Range{}, r.Closed...), r.Own...), r.Open...)
			for _, x := range all {
				check(x.First)
				check(x.Last)
				check(x.First.Prev())
				check(x.Last.Next())
			}
			random := func() [4]byte {
				n := rand.Uint32()
				return [4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
			}
			rounds := 10_000
			if slowBuild {
				rounds = 1000 // nothing here runs at once with anything: `make test` has the full form without the detector
			}
			for i := range rounds {
				b := random()
				if i%8 == 0 {
					copy(b[1:], []byte{0, 0x5e, 0xfe}) // what ISATAP begins with, behind a NAT64 of 56 bits
				}
				check(netip.AddrFrom4(b))
				hex := fmt.Sprintf("%02x%02x:%02x%02x", b[0], b[1], b[2], b[3])
				check(netip.MustParseAddr("64:ff9b::" + hex))
				check(netip.MustParseAddr("2002:" + hex + "::1"))
				check(netip.MustParseAddr("2400:cb00::5efe:" + hex))
				check(netip.MustParseAddr("2400:cb00::200:5efe:" + hex))
				for _, wrap := range p.near.Load().nat64 {
					in := netip.PrefixFrom(netip.AddrFrom4(b), 32)
					a := translation(wrap, in).Addr().As16()
					check(netip.AddrFrom16(a))
					a[8], a[15] = b[0], b[1]
					check(netip.AddrFrom16(a))
				}
				six := [16]byte{}
				for i := 0; i < 16; i += 4 {
					part := random()
					copy(six[i:], part[:])
				}
				check(netip.AddrFrom16(six))
			}
			for i, x := range append(r.Closed[1:len(r.Closed):len(r.Closed)], r.Own...) {
				before := r.Closed[min(i, len(r.Closed)-1)]
				if at := i + 1 - len(r.Closed); at > 0 {
					before = r.Own[at-1]
				} else if at == 0 {
					continue // the first of another list
				}
				if before.First.BitLen() == x.First.BitLen() && !before.Last.Next().Less(x.First) {
					t.Errorf("ranges %v and %v touch", before, x)
				}
			}
			t.Logf("%d addresses, %d closed ranges", checked, len(r.Closed))
		})
	}
}
