package policy

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"golang.zx2c4.com/wireguard/tun"

	"byway/tunnel/forward"
	"byway/tunnel/packet"
	"byway/tunnel/tunneltest"
)

// watched is a sentry over a device that counts, with a policy that counts how often it is asked.
func watched(t testing.TB) (s *Sentry, dev *tunneltest.Device, asked *int, injected *[][]byte) {
	t.Helper()
	p, err := New(Config{Own: []netip.Addr{netip.MustParseAddr("45.33.32.156")}})
	if err != nil {
		t.Fatal(err)
	}
	v4, v6 := forward.InnerNets.Addrs(1)
	dev, asked, injected = &tunneltest.Device{}, new(int), new([][]byte)
	s = NewSentry(dev, p, [2]netip.Addr{v4, v6}, func(proto packet.Proto, dst netip.AddrPort) error {
		*asked++
		if dst.Port() == 53 && (dst.Addr() == v4 || dst.Addr() == v6) {
			return nil // the exit's DNS
		}
		if forward.InnerNets.Contains(dst.Addr()) {
			return &DeniedError{Dst: dst, Reason: "inner network"}
		}
		return p.Check(proto, dst)
	})
	s.inject = func(pkt []byte) bool { *injected = append(*injected, pkt); return true }
	return s, dev, asked, injected
}

// passes reports how many of the packets reach the kernel.
func passes(s *Sentry, dev *tunneltest.Device, pkts ...[]byte) int {
	before := dev.Wrote
	for _, pkt := range pkts {
		s.Write([][]byte{append(make([]byte, 16), pkt...)}, 16)
	}
	return dev.Wrote - before
}

func TestSentryAsksOncePerFlowAndAgainWhenSomethingChanged(t *testing.T) {
	s, dev, asked, _ := watched(t)
	v4, v6 := forward.InnerNets.Addrs(7)
	var flows [][]byte
	for _, dst := range []netip.Addr{netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("2a00:8::8")} {
		for _, proto := range []packet.Proto{packet.TCP, packet.UDP, packet.ICMP} {
			flows = append(flows, tunneltest.Probe(proto, v4, v6, dst, 443))
		}
	}
	for range 100 {
		if got := passes(s, dev, flows...); got != len(flows) {
			t.Fatalf("%d of %d pass", got, len(flows))
		}
	}
	if *asked != len(flows) {
		t.Errorf("asked %d times about %d flows", *asked, len(flows))
	}
	s.generation.Add(1)
	passes(s, dev, flows...)
	if *asked != 2*len(flows) {
		t.Errorf("asked %d times after a change, want %d", *asked, 2*len(flows))
	}
	buf := [][]byte{append(make([]byte, 16), flows[0]...)}
	if got := testing.AllocsPerRun(1000, func() { s.Write(buf, 16) }); got != 0 {
		t.Errorf("%v allocations for a packet of a known flow", got)
	}
}

func TestAdversaryNoPacketTalksItsWayPastTheSentry(t *testing.T) {
	s, dev, _, injected := watched(t)
	v4, v6 := forward.InnerNets.Addrs(7)
	x4, x6 := forward.InnerNets.Addrs(1)
	o4, o6 := forward.InnerNets.Addrs(8)
	good4, good6 := netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("2a00:8::8")
	reached, tried := 0, 0
	denied := func(name string, pkt []byte) {
		tried++
		if got := passes(s, dev, pkt); got != 0 {
			t.Errorf("%s passes: %x", name, pkt)
			reached++
		}
	}
	change := func(pkt []byte, f func(p []byte)) []byte { p := slices.Clone(pkt); f(p); return p }
	for _, a := range append(tunneltest.Forbidden(), o4, o6, netip.MustParseAddr("45.33.32.156"), netip.MustParseAddr("64:ff9b::45.33.32.156")) {
		for _, proto := range []packet.Proto{packet.TCP, packet.UDP, packet.ICMP} {
			if !a.Is4In6() {
				denied(fmt.Sprintf("%v to %v", proto, a), tunneltest.Probe(proto, v4, v6, a, 443))
			}
		}
	}
	for _, x := range []netip.Addr{x4, x6} {
		denied("the exit's port 22", tunneltest.Probe(packet.TCP, v4, v6, x, 22))
		denied("the exit's port 5353", tunneltest.Probe(packet.UDP, v4, v6, x, 5353))
	}
	denied("the exit by another message than echo", change(tunneltest.Probe(packet.ICMP, v4, v6, x4, 0), func(p []byte) { p[20] = 13 }))
	denied("a redirect", change(tunneltest.Probe(packet.ICMP, v4, v6, good4, 0), func(p []byte) { p[20] = 5 }))
	denied("a router's advertisement", change(tunneltest.Probe(packet.ICMP, v4, v6, good6, 0), func(p []byte) { p[40] = 134 }))
	denied("mail", tunneltest.Probe(packet.TCP, v4, v6, good4, 25))
	denied("port 0", tunneltest.Probe(packet.UDP, v4, v6, good6, 0))
	for proto := range 256 {
		if proto != 1 && proto != 6 && proto != 17 {
			denied(fmt.Sprintf("protocol %d", proto), change(tunneltest.Probe(packet.UDP, v4, v6, good4, 80), func(p []byte) { p[9] = byte(proto) }))
		}
		if proto != 6 && proto != 17 && proto != 58 && proto != packet.Fragment6 {
			denied(fmt.Sprintf("next header %d", proto), change(tunneltest.Probe(packet.UDP, v4, v6, good6, 80), func(p []byte) { p[6] = byte(proto) }))
		}
	}
	// Source routes and other options: the address in the header is not where such a packet ends.
	for _, option := range []byte{131, 137, 7, 148} {
		pkt := tunneltest.Probe(packet.UDP, v4, v6, good4, 80)
		options := []byte{option, 7, 4, 192, 168, 77, 2, 0}
		pkt = append(append(slices.Clone(pkt[:20]), options...), pkt[20:]...)
		pkt[0] = 0x47
		denied(fmt.Sprintf("option %d", option), pkt)
	}
	// Fragments: the address counts for each, and none may overwrite what the first said.
	fragment := func(pkt []byte, at uint16) []byte {
		return change(pkt, func(p []byte) { binary.BigEndian.PutUint16(p[6:], at) })
	}
	denied("a later fragment to the lan", fragment(tunneltest.Probe(packet.UDP, v4, v6, netip.MustParseAddr("192.168.77.2"), 80), 185))
	denied("a first fragment to mail", fragment(tunneltest.Probe(packet.TCP, v4, v6, good4, 25), 0x2000))
	denied("a second fragment over the flags of the first", fragment(tunneltest.Probe(packet.TCP, v4, v6, good4, 80), 1))
	denied("a first fragment without ports", fragment(tunneltest.Probe(packet.TCP, v4, v6, good4, 80)[:22], 0x2000))
	six := func(next byte, at uint16, pkt []byte) []byte {
		head := []byte{next, 0, byte(at << 3 >> 8), byte(at << 3), 0, 0, 0, 1}
		p := append(append(slices.Clone(pkt[:40]), head...), pkt[40:]...)
		p[6] = packet.Fragment6
		return p
	}
	denied("a first fragment to mail, IPv6", six(6, 0, tunneltest.Probe(packet.TCP, v4, v6, good6, 25)))
	denied("a later fragment to the lan, IPv6", six(17, 100, tunneltest.Probe(packet.UDP, v4, v6, netip.MustParseAddr("fd00::1"), 80)))
	denied("a fragment within a fragment", six(packet.Fragment6, 0, tunneltest.Probe(packet.UDP, v4, v6, good6, 80)))
	denied("a short fragment", six(17, 0, tunneltest.Probe(packet.UDP, v4, v6, good6, 80))[:44])
	for n := range 24 {
		denied("a torn packet", tunneltest.Probe(packet.UDP, v4, v6, good4, 80)[:n])
	}
	denied("no version", change(tunneltest.Probe(packet.UDP, v4, v6, good4, 80), func(p []byte) { p[0] = 0x95 }))

	// The positive control.
	for name, pkt := range map[string][]byte{
		"dns": tunneltest.Probe(packet.UDP, v4, v6, x4, 53), "dns over TCP": tunneltest.Probe(packet.TCP, v4, v6, x6, 53), "ping of the exit": tunneltest.Probe(packet.ICMP, v4, v6, x4, 0),
		"the internet": tunneltest.Probe(packet.TCP, v4, v6, good4, 443), "a fragment": fragment(tunneltest.Probe(packet.UDP, v4, v6, good4, 80), 185),
		"a fragment, IPv6": six(17, 100, tunneltest.Probe(packet.UDP, v4, v6, good6, 80)), "a first one": six(17, 0, tunneltest.Probe(packet.UDP, v4, v6, good6, 80)),
		"port unreachable": change(tunneltest.Probe(packet.ICMP, v4, v6, good4, 0), func(p []byte) { p[20] = 3 }),
	} {
		if passes(s, dev, pkt) != 1 {
			t.Errorf("%s does not pass", name)
		}
	}
	for _, pkt := range *injected {
		var dst netip.Addr
		if pkt[0]>>4 == 4 {
			dst = netip.AddrFrom4([4]byte(pkt[packet.Dst4:]))
		} else {
			dst = netip.AddrFrom16([16]byte(pkt[packet.Dst6:]))
		}
		if dst != v4 && dst != v6 {
			t.Fatalf("a refusal goes to %v", dst)
		}
	}
	t.Logf("adversary: %s | bound: %s | seen: %d of %d", "packets to closed destinations in every disguise, straight to the policy's check",
		"0 pass", reached, tried)
}

func TestSentryEndsAttemptsThatItDenies(t *testing.T) {
	s, dev, _, injected := watched(t)
	v4, v6 := forward.InnerNets.Addrs(7)
	for _, dst := range []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")} {
		*injected = nil
		passes(s, dev, tunneltest.Probe(packet.TCP, v4, v6, dst, 80))
		if len(*injected) != 2 {
			t.Errorf("%v: a denied SYN is answered by %d packets, want the reason and a reset", dst, len(*injected))
		}
		*injected = nil
		passes(s, dev, tunneltest.Probe(packet.UDP, v4, v6, dst, 80), tunneltest.Probe(packet.ICMP, v4, v6, dst, 80))
		if len(*injected) != 2 {
			t.Errorf("%v: a datagram and an echo request are answered by %d packets", dst, len(*injected))
		}
		*injected = nil
		rst := tunneltest.Probe(packet.TCP, v4, v6, dst, 80)
		rst[len(rst)-20+13] = 4
		passes(s, dev, rst)
		if len(*injected) != 0 {
			t.Errorf("%v: a reset is answered", dst)
		}
	}
}

func BenchmarkSentry(b *testing.B) {
	for _, v6 := range []bool{false, true} {
		b.Run(fmt.Sprintf("v6=%v", v6), func(b *testing.B) {
			s, _, _, _ := watched(b)
			v4, v6addr := forward.InnerNets.Addrs(7)
			dst := netip.MustParseAddr("8.8.8.8")
			if v6 {
				dst = netip.MustParseAddr("2a00:8::8")
			}
			var bufs [][]byte
			for i := range 44 {
				bufs = append(bufs, append(make([]byte, 16), tunneltest.Probe(packet.TCP, v4, v6addr, dst, uint16(443+i%4))...))
			}
			b.ReportAllocs()
			for i := 0; i < b.N; i += len(bufs) {
				s.Write(bufs, 16)
			}
		})
	}
}

var _ tun.Device = (*Sentry)(nil)
