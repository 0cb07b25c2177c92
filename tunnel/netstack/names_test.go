package netstack

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// An exit carries TCP, UDP and echo requests. What else comes for somebody else stays without an answer: that the exit
// can't carry it is nothing that the destination has said.
func TestAdversaryExitSaysNothingInTheNameOfADestination(t *testing.T) {
	t.Parallel()
	other4, other6 := netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("2001:db8:7::7")
	cfg := Config{MTU: 1420, Addrs: []netip.Addr{mine4, mine6}, Forward: true}
	bare := expose(t, cfg)
	cfg.OnEcho = func(e Echo) bool { return e.Dst != mine4 && e.Dst != mine6 }
	exit := expose(t, cfg)
	for _, e := range []*exposed{bare, exit} { // nothing hides behind a limit
		e.stack.SetICMPLimit(1 << 20)
		e.stack.SetICMPBurst(1 << 20)
	}

	kinds := make(map[string][][]byte)
	for proto := range 256 {
		if p := uint8(proto); !carried(p) {
			kinds[fmt.Sprintf("protocol %d", proto)] = [][]byte{packet(p, theirs4, other4, datagram(9, 9, "whatever it is"))}
			kinds[fmt.Sprintf("next header %d", proto)] = [][]byte{packet(p, theirs6, other6, datagram(9, 9, "whatever it is"))}
			kinds[fmt.Sprintf("protocol %d in fragments", proto)] = fragments4(packet(p, theirs4, other4, make([]byte, 100)))
			kinds[fmt.Sprintf("next header %d in fragments", proto)] = fragments6(packet(p, theirs6, other6, make([]byte, 100)), 2)
		}
	}
	udp4, udp6 := packet(17, theirs4, other4, datagram(9, 9, "hello")), packet(17, theirs6, other6, datagram(9, 9, "hello"))
	for _, option := range [][]byte{{7, 7, 4, 0}, {131, 7, 4, 0}, {68, 12, 5, 0}, {148, 4, 0, 0}, {0x88, 4, 0, 0}, {7, 40, 4, 0}, {7, 0, 0, 0}, {30, 1, 1, 1}} {
		pkt := options4(udp4)
		copy(pkt[20:], option)
		resum4(pkt)
		kinds[fmt.Sprintf("UDP with option %v", option)] = [][]byte{pkt}
	}
	for _, hops := range []byte{0, 1} {
		pkt4, pkt6 := append([]byte{}, udp4...), append([]byte{}, udp6...)
		pkt4[8], pkt6[7] = hops, hops
		resum4(pkt4)
		kinds[fmt.Sprintf("UDP with %d hops left", hops)] = [][]byte{pkt4, pkt6}
	}
	for name, cut := range map[string]int{"no header": 0, "half a header": 4} {
		kinds["UDP of "+name] = [][]byte{packet(17, theirs4, other4, make([]byte, cut)), packet(17, theirs6, other6, make([]byte, cut))}
	}
	kinds["UDP longer than it is"] = [][]byte{
		packet(17, theirs4, other4, []byte{0, 9, 0, 9, 1, 0, 0, 0}), packet(17, theirs6, other6, []byte{0, 9, 0, 9, 1, 0, 0, 0}),
	}
	for _, kind := range []byte{0, 43, 51, 59, 60, 135, 139, 253} {
		kinds[fmt.Sprintf("UDP after header %d", kind)] = [][]byte{extended6(udp6, kind)}
	}
	lone := fragments4(packet(17, theirs4, other4, datagram(9, 9, string(make([]byte, 100)))))[:1]
	kinds["a datagram whose end never comes"] = lone

	for name, packets := range questions(theirs4, theirs6, other4, other6) {
		kinds[name] = packets
	}
	for _, packets := range kinds {
		exit.send(packets...)
		bare.send(packets...)
	}
	controls := answers(bare.sent(t), other4, other6)
	// The end of a datagram is waited for half a minute; then the stack says that it did not come.
	late := 0
	for end := time.Now().Add(2 * time.Minute); late == 0 && time.Now().Before(end); time.Sleep(time.Second) {
		late = answers(bare.sent(t), other4, other6)
	}
	time.Sleep(time.Second) // the other stack began before
	said := 0
	for _, p := range exit.sent(t) {
		if answers([][]byte{p}, other4, other6) > 0 {
			said++
			t.Errorf("said in the name of the destination: % x", p[:min(len(p), 64)])
		}
	}
	if controls < 200 || late == 0 {
		t.Errorf("a stack without the defence says %d and %d things: the attack itself does not work", controls, late)
	}
	t.Logf("adversary: %d kinds of packets that an exit does not carry, to other hosts | bound: it says nothing in their names | "+
		"seen: %d; without the defence %d, and %d about a fragment that was missing", len(kinds), said, controls, late)
}

// What an exit has to say of a destination it says in its own name, as a router does; but for what the destination said.
func TestRefusalsComeFromWhoSaysThem(t *testing.T) {
	exit := expose(t, Config{MTU: 1420, Addrs: []netip.Addr{mine4, mine6}, Forward: true, OnEcho: func(Echo) bool { return true }})
	for _, to := range []netip.AddrPort{netip.MustParseAddrPort("198.51.100.7:9"), netip.MustParseAddrPort("[2001:db8:7::7]:9")} {
		src, own := netip.AddrPortFrom(theirs4, 1000), mine4
		if to.Addr().Is6() {
			src, own = netip.AddrPortFrom(theirs6, 1000), mine6
		}
		for why := range codes {
			exit.Refuse(17, src, to, 0, why)
			want := own
			if why == UnreachablePort {
				want = to.Addr()
			}
			out := exit.sent(t)
			if len(out) != 1 {
				t.Fatalf("%d packets", len(out))
			}
			from := netip.AddrFrom4([4]byte(out[0][12:16]))
			if out[0][0]>>4 == 6 {
				from = netip.AddrFrom16([16]byte(out[0][8:24]))
			}
			if from != want {
				t.Errorf("reason %d about %v comes from %v, want %v", why, to, from, want)
			}
		}
	}
}
