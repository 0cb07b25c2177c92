package netstack

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
)

// fragments4 cuts a packet of IPv4 in two.
func fragments4(pkt []byte) [][]byte {
	const at = 48 // a multiple of 8
	src, dst := netip.AddrFrom4([4]byte(pkt[12:16])), netip.AddrFrom4([4]byte(pkt[16:20]))
	var out [][]byte
	for i, body := range [][]byte{pkt[20 : 20+at], pkt[20+at:]} {
		b := make([]byte, 20+len(body))
		ip4(b, pkt[9], src, dst, len(b))
		copy(b[20:], body)
		binary.BigEndian.PutUint16(b[4:], 77)
		word := uint16(i * at / 8)
		if i == 0 {
			word |= 0x2000
		}
		binary.BigEndian.PutUint16(b[6:], word)
		resum4(b)
		out = append(out, b)
	}
	return out
}

func resum4(b []byte) {
	b[10], b[11] = 0, 0
	var sum uint32
	for i := 0; i < int(b[0]&15)*4; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(b[10:], ^uint16(sum))
}

// options4 gives a packet of IPv4 options that say nothing.
func options4(pkt []byte) []byte {
	b := append(append([]byte{}, pkt[:20]...), 1, 1, 1, 0)
	b = append(b, pkt[20:]...)
	b[0] = 0x46
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	resum4(b)
	return b
}

// extended6 puts an extension header of options that say nothing before what a packet of IPv6 carries.
func extended6(pkt []byte, kind byte) []byte {
	head := []byte{pkt[6], 0, 1, 4, 0, 0, 0, 0}
	if kind == 43 { // an empty routing header
		head = []byte{pkt[6], 0, 0, 0, 0, 0, 0, 0}
	}
	b := append(append([]byte{}, pkt[:40]...), head...)
	b = append(b, pkt[40:]...)
	b[6] = kind
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
	return b
}

// fragments6 cuts what a packet of IPv6 carries into so many parts of at least 8 bytes.
func fragments6(pkt []byte, parts int) [][]byte {
	body := pkt[40:]
	step := (len(body)/parts + 7) &^ 7
	var out [][]byte
	for at := 0; at < len(body); at += step {
		part := body[at:min(at+step, len(body))]
		word := uint16(at)
		if at+step < len(body) {
			word |= 1
		}
		b := append([]byte{}, pkt[:40]...)
		b = append(b, pkt[6], 0, byte(word>>8), byte(word), 0, 0, 0, 9)
		b = append(b, part...)
		b[6] = protoFragment6
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
		out = append(out, b)
	}
	return out
}

// questions are packets that a stack which answers in the names of others might answer by itself.
func questions(src4, src6, dst4, dst6 netip.Addr) map[string][][]byte {
	four := packet(protoICMP4, src4, dst4, icmpMessage(echo4, 0))
	six := packet(protoICMP6, src6, dst6, icmpMessage(echo6, 0))
	list := map[string][][]byte{
		"an echo request":                     {four},
		"one of IPv6":                         {six},
		"one in fragments":                    fragments4(four),
		"one of IPv6 in two fragments":        fragments6(six, 2),
		"one of IPv6 in one fragment":         fragments6(six, 1),
		"one with options":                    {options4(four)},
		"one in fragments, the last first":    {fragments4(four)[1], fragments4(four)[0]},
		"one with a code":                     {packet(protoICMP4, src4, dst4, icmpMessage(echo4, 5))},
		"one of IPv6 with a code":             {packet(protoICMP6, src6, dst6, icmpMessage(echo6, 5))},
		"a timestamp request":                 {packet(protoICMP4, src4, dst4, icmpMessage(13, 0))},
		"an address mask request":             {packet(protoICMP4, src4, dst4, icmpMessage(17, 0))},
		"a fragment whose options come after": fragments6(extended6(six, 60), 2),
	}
	for _, kind := range []byte{0, 43, 60} {
		list[fmt.Sprintf("one of IPv6 after header %d", kind)] = [][]byte{extended6(six, kind)}
	}
	solicit := append([]byte{135, 0, 0, 0, 0, 0, 0, 0}, dst6.AsSlice()...)
	b := packet(protoICMP6, src6, dst6, solicit)
	b[7] = 255
	list["a neighbour solicitation"] = [][]byte{b}
	return list
}

// answers lists what a stack sent in the name of an address, other than segments of TCP.
func answers(out [][]byte, dst4, dst6 netip.Addr) (n int) {
	for _, p := range out {
		switch {
		case p[0] == 0x45 && p[9] != 6 && netip.AddrFrom4([4]byte(p[12:16])) == dst4,
			p[0]>>4 == 6 && p[6] != 6 && netip.AddrFrom16([16]byte(p[8:24])) == dst6:
			n++
		}
	}
	return n
}

// Only a destination answers a ping of it. What can't be forwarded stays without an answer.
func TestAdversaryEchoRequestsInDisguiseAreNotAnsweredForTheirDestination(t *testing.T) {
	other4, other6 := netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("2001:db8:7::7")
	cfg := Config{MTU: 1420, Addrs: []netip.Addr{mine4, mine6}, Forward: true}
	bare := expose(t, cfg)
	taken := 0
	cfg.OnEcho = func(e Echo) bool {
		if e.Dst == mine4 || e.Dst == mine6 {
			return false
		}
		taken++
		return true
	}
	exit := expose(t, cfg)
	controls := 0
	for name, packets := range questions(theirs4, theirs6, other4, other6) {
		exit.send(packets...)
		if n := answers(exit.sent(t), other4, other6); n != 0 {
			t.Errorf("%s: the stack answered %d times in the name of the destination", name, n)
		}
		bare.send(packets...)
		if answers(bare.sent(t), other4, other6) != 0 {
			controls++
		}
	}
	if taken != 2 {
		t.Errorf("%d requests were left to be forwarded, want the two that are whole", taken)
	}
	if controls < 6 {
		t.Errorf("a stack without the defence answers %d of these: the attack itself does not work", controls)
	}
	// In its own name it answers, in whatever shape it is asked.
	for _, name := range []string{"an echo request", "one of IPv6", "one in fragments", "one of IPv6 in two fragments"} {
		exit.send(questions(theirs4, theirs6, mine4, mine6)[name]...)
		if n := answers(exit.sent(t), mine4, mine6); n != 1 {
			t.Errorf("%s to the stack's own address: %d answers", name, n)
		}
	}
	// Fragments of what it does carry still come together, and errors about its own packets are heard.
	for name, packets := range map[string][][]byte{
		"fragments of UDP":         fragments4(packet(17, theirs4, other4, datagram(9, 9, string(make([]byte, 100))))),
		"fragments of UDP on IPv6": fragments6(packet(17, theirs6, other6, datagram(9, 9, string(make([]byte, 100)))), 2),
		"an error":                 {packet(protoICMP4, theirs4, other4, icmpMessage(unreachable4, 4))},
		"an error of IPv6":         {packet(protoICMP6, theirs6, other6, icmpMessage(2, 0))},
	} {
		for _, p := range packets {
			if exit.dev.asked.speaksForOthers(p) {
				t.Errorf("%s: not taken", name)
			}
		}
	}
	t.Logf("adversary: %s | bound: %s | seen: %s", "echo requests in fragments, with options, headers or codes, to other hosts",
		"none answered in their names", fmt.Sprintf("none of %d; without the defence %d", len(questions(theirs4, theirs6, other4, other6)), controls))
}

// Only who gets the answers of a flow can say that it wants no more of them.
func TestAdversaryNobodyTakesLeaveForAnother(t *testing.T) {
	for _, c := range []struct{ from, mine, other netip.AddrPort }{
		{netip.MustParseAddrPort("192.0.2.1:53"), netip.AddrPortFrom(mine4, 1000), netip.MustParseAddrPort("10.0.0.3:1000")},
		{netip.MustParseAddrPort("[2001:db8::1]:53"), netip.AddrPortFrom(mine6, 1000), netip.MustParseAddrPort("[fd00::3]:1000")},
	} {
		said := Refusal(c.mine.Addr(), 17, c.from, c.mine, 0, UnreachablePort)
		if from, to, ok := farewell(said); !ok || from != c.from || to != c.mine {
			t.Errorf("%v, %v, %v: want %v, %v", from, to, ok, c.from, c.mine)
		}
		seen := 0
		forged := Refusal(c.mine.Addr(), 17, c.from, c.other, 0, UnreachablePort)
		if c.mine.Addr().Is4() {
			copy(forged[12:16], c.mine.Addr().AsSlice())
		} else {
			copy(forged[8:24], c.mine.Addr().AsSlice())
		}
		packets := [][]byte{forged, Refusal(c.mine.Addr(), 6, c.from, c.mine, 0, UnreachablePort), Refusal(c.mine.Addr(), 17, c.from, c.mine, 0, UnreachableHost)}
		for n := range said {
			packets = append(packets, said[:n])
		}
		for _, p := range packets {
			if _, _, ok := farewell(p); ok {
				seen++
			}
		}
		if seen != 0 {
			t.Errorf("%d of %d messages were taken", seen, len(packets))
		}
		t.Logf("adversary: %s | bound: %s | seen: %s", "messages that end the UDP flows of another", "not taken",
			fmt.Sprintf("%d of %d taken", seen, len(packets)))
	}
}
