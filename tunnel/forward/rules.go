// Package forward makes the host's kernel the router of an exit: a TUN device, the routes to it, and an nftables table
// that translates addresses, enforces the exit policy and keeps sessions from each other and from the host.
//
// Everything that an exit changes on its host is named after its interface and applied in one transaction. It is undone
// by Close and, after a crash, by the next Open, which finds what nobody's interface belongs to any more. Two exits on
// one host have interfaces, inner networks and tables of their own; what they share (which of the host's interfaces
// were made to forward) stands in one more table, which the last of them removes.
package forward

import (
	"log/slog"
	"net/netip"
	"slices"
	"time"
)

// Range is a run of addresses of one family, both ends included.
type Range struct{ First, Last netip.Addr }

// Rules are an exit policy in the terms of a packet filter. Ranges neither overlap nor touch.
type Rules struct {
	// Closed are the denied destinations, addresses that carry denied ones included.
	Closed []Range
	// Embedded are IPv4 addresses that no ISATAP address (RFC 5214) may carry.
	Embedded []Range
	// Open are IPv6 addresses that are open whatever they carry.
	Open []Range
	// Ports of TCP and UDP that are closed everywhere.
	Ports []uint16
	// Near may change while the exit runs.
	Near
}

// Near holds the ranges that an exit policy closes because of where its host is.
type Near struct {
	// Own are the provider's addresses, its neighbours, and what carries them; closed.
	Own []Range
	// Carried are the IPv4 ones of these, whatever exceptions the policy makes: no ISATAP address may carry them.
	Carried []Range
	// Served are addresses of the host itself that are open all the same.
	Served []netip.Addr
	// Translated are prefixes of at most 64 bits under which the network translates IPv4 (RFC 6052). Addresses in which
	// bits 64 to 71 are not zero are closed.
	Translated []netip.Prefix
}

// Equal reports whether both say the same.
func (n Near) Equal(o Near) bool {
	return slices.Equal(n.Own, o.Own) && slices.Equal(n.Carried, o.Carried) && slices.Equal(n.Served, o.Served) &&
		slices.Equal(n.Translated, o.Translated)
}

// Nets are the inner networks of an exit. The index of a session is the last 16 bits of both its addresses, and
// number 1 is the exit itself.
type Nets struct{ V4, V6 netip.Prefix }

// InnerNets are those of an exit in userspace, where nobody else can see them, and the first choice of others. The index of
// a session is the last 16 bits of both its addresses. 10.213/16 keeps clear of 100.64/10, which carriers and other overlay
// networks use, and of the ranges that home routers hand out; the IPv6 prefix is a unique local one (RFC 4193).
var InnerNets = Nets{
	V4: netip.MustParsePrefix("10.213.0.0/16"),
	V6: netip.MustParsePrefix("fd62:7977:6179::/112"),
}

// Addrs are the addresses with an index.
func (n Nets) Addrs(index uint16) (v4, v6 netip.Addr) {
	a4, a6 := n.V4.Addr().As4(), n.V6.Addr().As16()
	a4[2], a4[3] = byte(index>>8), byte(index)
	a6[14], a6[15] = byte(index>>8), byte(index)
	return netip.AddrFrom4(a4), netip.AddrFrom16(a6)
}

// Contains reports whether a is an inner address.
func (n Nets) Contains(a netip.Addr) bool {
	a = a.Unmap()
	return n.V4.Contains(a) || n.V6.Contains(a)
}

// Config describes a router.
type Config struct {
	// MTU of the inner packets, in bytes.
	MTU int
	// Nets are the inner networks to choose from, a /16 and a /112 each: the first that the host has no route to.
	Nets []Nets
	// Rules of the exit.
	Rules Rules
	// Reach are destinations that the host may reach by another way than its default route.
	Reach []netip.Prefix
	// Flows is how many connections a session may have open, NewFlows how many it may open a second, with a burst of
	// twice as many.
	Flows, NewFlows int
	// Tracks is how many connections the kernel can track; 0 means what it says.
	Tracks int
	// Unowned leaves the nftables table to whoever changes it, as kernels before 5.12 do. Tests set it, to see what else
	// keeps an exit shut.
	Unowned bool
	// Log must not be nil.
	Log *slog.Logger
}

// prefixes are those that a range consists of, the fewest.
func (r Range) prefixes() []netip.Prefix {
	var list []netip.Prefix
	for first := r.First; first.IsValid() && first.Compare(r.Last) <= 0; {
		bits := first.BitLen()
		for bits > 0 {
			wider := netip.PrefixFrom(first, bits-1).Masked()
			if wider.Addr() != first || r.Last.Less(Last(wider)) {
				break
			}
			bits--
		}
		p := netip.PrefixFrom(first, bits)
		list = append(list, p)
		first = Last(p).Next()
	}
	return list
}

// Last is the last address of a prefix.
func Last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// Use is how full the kernel's table of connections is.
type Use struct {
	Tracked, TrackedMax int            // of the host, all programs together
	Ours, OursMax       int            // of this exit's sessions, and what they get at most
	Sessions            map[uint16]int // by index; counted every few seconds, and when the table fills up
	Pause               time.Duration  // the longest between two looks at the table, of which there should be ten a second
}
