package tunnel

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"byway/tunnel/forward"
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

// filtered is what a packet filter with the rules does with an address.
func filtered(r forward.Rules, a netip.Addr) bool {
	if holds(r.Closed, a) || holds(r.Own, a) {
		return true
	}
	if a.Is6() && !holds(r.Open, a) {
		b := a.As16()
		if b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe {
			in := netip.AddrFrom4([4]byte(b[12:]))
			return holds(r.Embedded, in) || holds(r.Own, in)
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
	for name, cfg := range map[string]PolicyConfig{
		"default": {},
		"exceptions": {
			Allow: prefixes("10.1.0.0/16", "192.168.1.7/32", "fd12::/32", "2001:db8::1/128", "198.41.0.4/32", "2002::/24"),
			Deny:  prefixes("1.2.3.0/24", "2606:4700:1::/48", "10.1.9.0/24", "255.255.255.255/32", "ffff:ffff::/32"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := mustPolicy(t, cfg)
			r := p.rules()
			checked := 0
			check := func(a netip.Addr) {
				if !a.IsValid() || a.Is4In6() {
					return
				}
				checked++
				want := p.Check(ICMP, netip.AddrPortFrom(a, 0)) != nil
				if filtered(r, a) != want {
					t.Errorf("%v: filter closes it: %v, policy: %v", a, !want, want)
				}
			}
			for _, a := range forbidden() {
				check(a)
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
			for range 20_000 {
				b := random()
				check(netip.AddrFrom4(b))
				hex := fmt.Sprintf("%02x%02x:%02x%02x", b[0], b[1], b[2], b[3])
				check(netip.MustParseAddr("64:ff9b::" + hex))
				check(netip.MustParseAddr("2002:" + hex + "::1"))
				check(netip.MustParseAddr("2400:cb00::5efe:" + hex))
				check(netip.MustParseAddr("2400:cb00::200:5efe:" + hex))
				six := [16]byte{}
				for i := 0; i < 16; i += 4 {
					part := random()
					copy(six[i:], part[:])
				}
				check(netip.AddrFrom16(six))
			}
			for i, x := range r.Closed[1:] {
				if before := r.Closed[i]; before.First.BitLen() == x.First.BitLen() && !before.Last.Next().Less(x.First) {
					t.Errorf("ranges %v and %v touch", before, x)
				}
			}
			t.Logf("%d addresses, %d closed ranges", checked, len(r.Closed))
		})
	}
}
