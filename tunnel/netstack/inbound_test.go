package netstack

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

var (
	mine4, mine6     = netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("fd00::2")
	theirs4, theirs6 = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
)

// exposed is a consumer's stack whose far side is the test.
type exposed struct {
	*Net
	mu  sync.Mutex
	out [][]byte // what it sent
}

func newExposed(t testing.TB) *exposed {
	t.Helper()
	return expose(t, Config{MTU: 1420, Addrs: []netip.Addr{mine4, mine6}})
}

func expose(t testing.TB, cfg Config) *exposed {
	t.Helper()
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e := &exposed{Net: n}
	t.Cleanup(n.Close)
	go func() {
		dev := n.Device()
		bufs, sizes := make([][]byte, dev.BatchSize()), make([]int, dev.BatchSize())
		for i := range bufs {
			bufs[i] = make([]byte, 1500)
		}
		for {
			k, err := dev.Read(bufs, sizes, 0)
			if err != nil {
				return
			}
			e.mu.Lock()
			for i := range k {
				e.out = append(e.out, bytes.Clone(bufs[i][:sizes[i]]))
			}
			e.mu.Unlock()
		}
	}()
	return e
}

func (e *exposed) send(packets ...[]byte) {
	for _, p := range packets {
		e.Device().Write([][]byte{p}, 0)
	}
}

var marks atomic.Uint32

// sent returns what the stack has sent since the last call. A segment of no connection, which is reset, is the mark.
func (e *exposed) sent(t testing.TB) [][]byte {
	t.Helper()
	port := uint16(20000 + marks.Add(1)%10000)
	e.send(packet(6, theirs4, mine4, tcpSegment(port, 7, 0x10)))
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		e.mu.Lock()
		for i, p := range e.out {
			if p[0] == 0x45 && p[9] == 6 && binary.BigEndian.Uint16(p[22:]) == port {
				out := e.out[:i]
				e.out = e.out[i+1:]
				e.mu.Unlock()
				return out
			}
		}
		e.mu.Unlock()
	}
	t.Fatal("the stack has stopped")
	return nil
}

// packet makes an IP packet.
func packet(proto uint8, src, dst netip.Addr, body []byte) []byte {
	if src.Is4() {
		b := make([]byte, 20+len(body))
		ip4(b, proto, src, dst, len(b))
		copy(b[20:], body)
		seal(b[20:], proto, src, dst)
		return b
	}
	b := make([]byte, 40+len(body))
	ip6(b, proto, src, dst, len(body))
	copy(b[40:], body)
	seal(b[40:], proto, src, dst)
	return b
}

// seal puts in the checksum, where the protocol has one.
func seal(body []byte, proto uint8, src, dst netip.Addr) {
	sum := header.PseudoHeaderChecksum(6, Address(src), Address(dst), uint16(len(body)))
	switch {
	case proto == 6 && len(body) >= 20:
		binary.BigEndian.PutUint16(body[16:], ^checksum.Checksum(body, sum))
	case proto == 17 && len(body) >= 8:
		sum = header.PseudoHeaderChecksum(17, Address(src), Address(dst), uint16(len(body)))
		binary.BigEndian.PutUint16(body[6:], ^checksum.Checksum(body, sum))
	case proto == 1 && len(body) >= 4:
		binary.BigEndian.PutUint16(body[2:], ^checksum.Checksum(body, 0))
	case proto == 58 && len(body) >= 4:
		sum = header.PseudoHeaderChecksum(58, Address(src), Address(dst), uint16(len(body)))
		binary.BigEndian.PutUint16(body[2:], ^checksum.Checksum(body, sum))
	}
}

func tcpSegment(from, to uint16, flags byte) []byte {
	b := make([]byte, 20)
	binary.BigEndian.PutUint16(b[0:], from)
	binary.BigEndian.PutUint16(b[2:], to)
	binary.BigEndian.PutUint32(b[4:], 1)
	b[12], b[13] = 5<<4, flags
	binary.BigEndian.PutUint16(b[14:], 1000)
	return b
}

func datagram(from, to uint16, text string) []byte {
	b := make([]byte, 8+len(text))
	binary.BigEndian.PutUint16(b[0:], from)
	binary.BigEndian.PutUint16(b[2:], to)
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
	copy(b[8:], text)
	return b
}

func icmpMessage(kind, code byte) []byte {
	return append([]byte{kind, code, 0, 0, 0, 1, 0, 1}, make([]byte, 64)...)
}

// attacks returns packets of a hostile far side, by name.
func attacks() map[string][][]byte {
	all := make(map[string][][]byte)
	add := func(name string, p ...[]byte) { all[name] = append(all[name], p...) }
	for _, f := range []struct {
		src, dst, any netip.Addr
		proto         uint8
		echo          byte
	}{{theirs4, mine4, netip.MustParseAddr("127.0.0.1"), 1, 8}, {theirs6, mine6, netip.IPv6Loopback(), 58, 128}} {
		for port := range 1 << 16 {
			add("connections to every port", packet(6, f.src, f.dst, tcpSegment(40000, uint16(port), 2)))
			add("datagrams to every port", packet(17, f.src, f.dst, datagram(53, uint16(port), "stranger")))
		}
		add("a connection from itself", packet(6, f.dst, f.dst, tcpSegment(80, 80, 2)))
		add("a datagram from itself", packet(17, f.dst, f.dst, datagram(80, 80, "x")))
		for _, flags := range []byte{0x03, 0x0a, 0x22, 0x2a, 0x42, 0x82, 0xc2, 0x06, 0x16, 0x2b} { // SYN with others
			if flags&0x10 == 0 || flags&4 != 0 {
				add("odd flags", packet(6, f.src, f.dst, tcpSegment(40000, 80, flags)))
			}
		}
		add("pings", packet(f.proto, f.src, f.dst, icmpMessage(f.echo, 0)))
		for _, dst := range []string{"127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "10.0.0.255", "10.0.0.3", "192.168.1.1",
			"169.254.169.254", "::1", "::", "ff02::1", "ff02::2", "ff02::1:ff00:2", "fe80::1", "fd00::3"} {
			a := netip.MustParseAddr(dst)
			if a.Is4() != f.dst.Is4() {
				continue
			}
			add("other destinations", packet(6, f.src, a, tcpSegment(40000, 80, 2)), packet(6, f.src, a, tcpSegment(40000, 80, 0x10)),
				packet(17, f.src, a, datagram(40000, 80, "x")), packet(f.proto, f.src, a, icmpMessage(f.echo, 0)))
			add("pings from odd addresses", packet(f.proto, a, f.dst, icmpMessage(f.echo, 0)))
		}
		for proto := range 256 {
			if proto == 6 || proto == 17 || proto == int(f.proto) {
				continue
			}
			add("every other protocol", packet(uint8(proto), f.src, f.dst, icmpMessage(f.echo, 0)), packet(uint8(proto), f.src, f.dst, nil))
		}
		for kind := range 256 {
			if f.dst.Is4() && (kind == 3 || kind == 11 || kind == 12) || !f.dst.Is4() && kind >= 1 && kind <= 4 {
				// Errors about nothing.
				add("errors", packet(f.proto, f.src, f.dst, icmpMessage(byte(kind), 0)))
				continue
			}
			add("every kind of ICMP", packet(f.proto, f.src, f.dst, icmpMessage(byte(kind), 0)))
			if !f.dst.Is4() { // as neighbour discovery wants it
				p := packet(58, netip.MustParseAddr("fe80::1"), f.dst, append(icmpMessage(byte(kind), 0)[:8], mine6.AsSlice()...))
				p[7] = 255
				add("every kind of ICMP", p)
			}
		}
	}
	// The same behind options, in fragments and behind extension headers.
	inner := [][]byte{packet(1, theirs4, mine4, icmpMessage(8, 0)), packet(6, theirs4, mine4, tcpSegment(40000, 80, 2))}
	for _, p := range inner {
		for _, option := range [][]byte{{1, 1, 1, 1}, {7, 7, 4, 0, 0, 0, 0, 0}, {68, 8, 5, 0, 0, 0, 0, 0}, {131, 7, 4, 10, 0, 0, 9, 0}, {0, 0, 0, 0}} {
			b := append(append(bytes.Clone(p[:20]), option...), p[20:]...)
			b[0] = byte(0x40 | (20+len(option))/4)
			binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
			b[10], b[11] = 0, 0
			binary.BigEndian.PutUint16(b[10:], ^checksum.Checksum(b[:20+len(option)], 0))
			add("behind IPv4 options", b)
		}
		first, second := append(bytes.Clone(p[:20]), p[20:28]...), append(bytes.Clone(p[:20]), p[28:]...)
		binary.BigEndian.PutUint16(first[6:], 0x2000)
		binary.BigEndian.PutUint16(second[6:], 1)
		for _, b := range [][]byte{first, second} {
			binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
			binary.BigEndian.PutUint16(b[4:], uint16(len(p)))
			b[10], b[11] = 0, 0
			binary.BigEndian.PutUint16(b[10:], ^checksum.Checksum(b[:20], 0))
		}
		add("in IPv4 fragments", first, second)
	}
	for _, p := range [][]byte{packet(58, theirs6, mine6, icmpMessage(128, 0)), packet(6, theirs6, mine6, tcpSegment(40000, 80, 2))} {
		for _, next := range []byte{0, 43, 44, 51, 60, 135} {
			b := append(append(bytes.Clone(p[:40]), p[6], 0, 0, 0, 0, 0, 0, 0), p[40:]...)
			b[6] = next
			binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
			add("behind IPv6 extension headers", b)
		}
	}
	for n := range 64 {
		add("stubs", make([]byte, n), append([]byte{0x45}, make([]byte, n)...), append([]byte{0x60}, make([]byte, n)...))
		if n < 40 {
			add("stubs", packet(6, theirs4, mine4, tcpSegment(1, 2, 2))[:n], packet(6, theirs6, mine6, tcpSegment(1, 2, 2))[:n])
		}
	}
	return all
}

func TestAdversaryAHostileExitReachesNothingOfTheConsumer(t *testing.T) {
	// A service of the machine, which the stack knows nothing of.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	e := newExposed(t)
	udp, err := e.ListenUDP()
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	// It has spoken with one port of somebody else, so that its own is known to the far side, which sees everything.
	friend := netip.MustParseAddrPort("192.0.2.9:7000")
	if _, err := udp.WriteTo([]byte("hello"), net.UDPAddrFromAddrPort(friend)); err != nil {
		t.Fatal(err)
	}
	own := uint16(udp.LocalAddr().(*net.UDPAddr).Port)
	e.sent(t)
	names, packets := 0, 0
	for name, list := range attacks() {
		e.send(list...)
		names, packets = names+1, packets+len(list)
		for _, p := range e.sent(t) {
			t.Errorf("%s: the stack answers % x", name, p[:min(48, len(p))])
			break
		}
	}
	port := uint16(l.Addr().(*net.TCPAddr).Port)
	e.send(packet(6, theirs4, netip.MustParseAddr("127.0.0.1"), tcpSegment(40000, port, 2)), packet(6, theirs4, mine4, tcpSegment(40000, port, 2)))
	l.(*net.TCPListener).SetDeadline(time.Now().Add(100 * time.Millisecond))
	if c, err := l.Accept(); err == nil {
		c.Close()
		t.Error("a service of the machine was reached")
	}
	// Datagrams come from where it has sent alone: the address and the port.
	for _, from := range []struct {
		addr netip.Addr
		port uint16
	}{{theirs4, 53}, {theirs4, 7000}, {friend.Addr(), 7001}, {netip.MustParseAddr("127.0.0.1"), 7000}} {
		e.send(packet(17, from.addr, mine4, datagram(from.port, own, "stranger")))
	}
	e.send(packet(17, friend.Addr(), mine4, datagram(friend.Port(), own, "friend")))
	buf := make([]byte, 100)
	udp.SetReadDeadline(time.Now().Add(30 * time.Second))
	n, from, err := udp.ReadFrom(buf)
	if err != nil || string(buf[:n]) != "friend" || from.String() != friend.String() {
		t.Errorf("%q from %v, %v", buf[:n], from, err)
	}
	udp.SetReadDeadline(time.Now().Add(time.Millisecond))
	if n, from, err := udp.ReadFrom(buf); err == nil {
		t.Errorf("%q from %v", buf[:n], from)
	}
	// Control: without the bound the stack answers pings, and resets what would open a connection.
	answers := make(map[string]int)
	e.dev.inbound = nil
	e.stack.SetICMPLimit(1000)
	e.stack.SetICMPBurst(1000)
	for _, name := range []string{"pings", "odd flags", "behind IPv4 options", "behind IPv6 extension headers"} {
		e.send(attacks()[name]...)
		answers[name] = len(e.sent(t))
	}
	if answers["pings"] == 0 || answers["odd flags"] == 0 {
		t.Errorf("control: %v answers", answers)
	}
	t.Logf("adversary: %s | bound: %s | seen: 0 answers, 0 reached; control without the bound: %v", fmt.Sprintf("a hostile exit sends %d packets of %d kinds into the consumer's stack", packets, names),
		"no answer, no service or socket reached", answers)
}

func TestAdversaryRandomPacketsOfAnExitAreAnsweredByResetsAlone(t *testing.T) {
	e := newExposed(t)
	r := rand.New(rand.NewPCG(1, 2))
	seeds := attacks()
	delete(seeds, "connections to every port")
	delete(seeds, "datagrams to every port")
	var list [][]byte
	for _, s := range seeds {
		list = append(list, s...)
	}
	resets := 0
	for i := range 100_000 {
		p := bytes.Clone(list[r.IntN(len(list))])
		for range 1 + r.IntN(4) {
			if len(p) > 0 {
				p[r.IntN(len(p))] = byte(r.Uint32())
			}
		}
		e.send(p)
		if i%10_000 != 0 {
			continue
		}
		for _, out := range e.sent(t) {
			if body := out[20:]; out[0] == 0x45 && out[9] == 6 && body[13]&4 != 0 || out[0]>>4 == 6 && out[6] == 6 && out[40+13]&4 != 0 {
				resets++
				continue
			}
			t.Errorf("the stack sends % x", out[:min(64, len(out))])
		}
	}
	t.Logf("adversary: %s | bound: %s | seen: %d resets", "100,000 packets that are nearly right", "no panic, resets alone", resets)
}

func FuzzInbound(f *testing.F) {
	for _, list := range attacks() {
		f.Add(list[0])
	}
	in := newInbound([]netip.Addr{mine4, mine6})
	f.Fuzz(func(t *testing.T, b []byte) {
		if in.takes(b) && len(b) < 28 && (b[9] != 17 || binary.BigEndian.Uint16(b[6:])&0x3fff == 0) { // but for a last fragment
			t.Errorf("takes % x", b)
		}
	})
}

func BenchmarkInbound(b *testing.B) {
	in := newInbound([]netip.Addr{mine4, mine6})
	p4, p6 := packet(6, theirs4, mine4, tcpSegment(1, 2, 0x10)), packet(6, theirs6, mine6, tcpSegment(1, 2, 0x10))
	b.ReportAllocs()
	for b.Loop() {
		if !in.takes(p4) || !in.takes(p6) {
			b.Fatal("not taken")
		}
	}
}
