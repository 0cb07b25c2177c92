package meter

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
	"unsafe"

	"golang.zx2c4.com/wireguard/tun"

	"byway/tunnel/forward"
	"byway/tunnel/packet"
	"byway/tunnel/tunneltest"
)

var _ tun.Device = (*Porter)(nil)

// The stranger's side of these tests, and another stranger.
var (
	far4, far6     = netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("2a00:8::8")
	other4, other6 = netip.MustParseAddr("9.9.9.9"), netip.MustParseAddr("2a00:9::9")
)

// doorway is a porter over a device that counts.
func doorway() (d *Porter, dev *tunneltest.Device, own4, own6 netip.Addr) {
	dev = &tunneltest.Device{}
	own4, own6 = forward.InnerNets.Addrs(7)
	d = NewPorter(dev, []netip.Addr{own4, own6}, NewAccount(NewGate(math.MaxUint64)), false)
	at := moment(1)
	d.now = func() moment { return at }
	return d, dev, own4, own6
}

// passes lets time pass on the porter's clock.
func (d *Porter) passes(t time.Duration) {
	at := d.now() + moment(t/tick)
	d.now = func() moment { return at }
}

// sends has a packet leave, and reports whether it does.
func (d *Porter) sends(pkt []byte) bool { return d.leaves(pkt, d.now()) }

// gets reports whether a packet of the exit's comes in.
func (d *Porter) gets(pkt []byte) bool {
	dev := d.Device.(*tunneltest.Device)
	before := dev.Wrote
	d.Write([][]byte{append(make([]byte, 16), pkt...)}, 16)
	return dev.Wrote > before
}

// answerTo makes a destination's answer to a packet of probe.
func answerTo(pkt []byte) []byte {
	p := slices.Clone(pkt)
	at, n, body := 12, 4, 20
	if p[0]>>4 == 6 {
		at, n, body = 8, 16, 40
	}
	copy(p[at:], pkt[at+n:at+2*n])
	copy(p[at+n:], pkt[at:at+n])
	switch proto := pkt[map[byte]int{4: 9, 6: 6}[p[0]>>4]]; proto {
	case 1:
		p[body] = packet.EchoReply4
	case packet.ICMP6:
		p[body] = packet.EchoReply6
	default:
		copy(p[body:], pkt[body+2:body+4])
		copy(p[body+2:], pkt[body:body+2])
		if proto == byte(packet.TCP) {
			p[body+13] = 0x12
		}
	}
	return p
}

// errorAbout is an ICMP error of a router's about a packet.
func errorAbout(pkt []byte, router netip.Addr, kind byte) []byte {
	var b []byte
	if pkt[0]>>4 == 4 {
		b = make([]byte, 28, 28+len(pkt))
		b[0], b[8], b[9] = 0x45, 64, byte(packet.ICMP)
		copy(b[12:], router.AsSlice())
		copy(b[16:], pkt[12:16])
		b[20] = kind
	} else {
		b = make([]byte, 48, 48+len(pkt))
		b[0], b[6], b[7] = 0x60, packet.ICMP6, 64
		copy(b[8:], router.AsSlice())
		copy(b[24:], pkt[8:24])
		b[40] = kind
	}
	return append(b, pkt...)
}

func TestPorterLetsInWhatAnswers(t *testing.T) {
	d, _, own4, own6 := doorway()
	for _, far := range []netip.Addr{far4, far6} {
		for _, proto := range []packet.Proto{packet.TCP, packet.UDP, packet.ICMP} {
			out := tunneltest.Probe(proto, own4, own6, far, 443)
			if !d.sends(out) {
				t.Errorf("%v to %v does not leave", proto, far)
			}
			if !d.gets(answerTo(out)) {
				t.Errorf("the answer of %v by %v does not come", far, proto)
			}
			// Right after it, as one more of the same, comes nothing that differs in any bit of what names a flow.
			ends := [2]int{packet.Src4, packet.Min4 + 4}
			if far.Is6() {
				ends = [2]int{packet.Src6, packet.Min6 + 4}
			}
			if proto == packet.ICMP {
				ends[1] -= 4
			}
			for bit := 8 * ends[0]; bit < 8*ends[1]; bit++ {
				pkt := answerTo(out)
				if pkt[bit/8] ^= 1 << (bit % 8); d.gets(pkt) {
					t.Errorf("%v by %v: an answer with another bit %d comes", proto, far, bit)
				}
				d.gets(answerTo(out))
			}
			router, kinds := other4, []byte{unreachable4, exceeded4, parameter4}
			if far.Is6() {
				router, kinds = other6, []byte{1, 2, 3, 4}
			}
			for _, kind := range kinds {
				if !d.gets(errorAbout(out, router, kind)) {
					t.Errorf("error %d about %v to %v does not come", kind, proto, far)
				}
			}
		}
	}
	// A long datagram comes in fragments, of which the first has the ports.
	first := answerTo(tunneltest.Probe(packet.UDP, own4, own6, far4, 443))
	binary.BigEndian.PutUint16(first[6:], 0x2000)
	rest := slices.Clone(first)
	binary.BigEndian.PutUint16(rest[6:], 185)
	if !d.gets(first) || !d.gets(rest) {
		t.Error("a datagram in fragments does not come")
	}
}

func TestAdversaryExitSendsNothingButAnswersWhateverTheFirewallSays(t *testing.T) {
	d, _, own4, own6 := doorway()
	var asked [][]byte
	for _, far := range []netip.Addr{far4, far6} {
		for _, proto := range []packet.Proto{packet.TCP, packet.UDP, packet.ICMP} {
			out := tunneltest.Probe(proto, own4, own6, far, 443)
			d.sends(out)
			asked = append(asked, out)
		}
	}
	change := func(pkt []byte, f func(p []byte)) []byte { p := slices.Clone(pkt); f(p); return p }
	tried, reached := 0, 0
	refused := func(what string, pkt []byte) {
		tried++
		if d.gets(pkt) {
			reached++
			t.Errorf("%s comes in: %x", what, pkt)
		}
	}
	// To every place of the machine and behind it, whatever it claims to be.
	inside := []netip.Addr{own4, own6}
	for _, a := range []string{"127.0.0.1", "192.168.77.2", "172.30.0.2", "10.213.0.1", "224.0.0.1", "255.255.255.255", "::1", "fd00:77::2", "ff02::1", "fe80::1"} {
		inside = append(inside, netip.MustParseAddr(a))
	}
	for _, to := range inside {
		for _, proto := range []packet.Proto{packet.TCP, packet.UDP, packet.ICMP} {
			refused(fmt.Sprintf("%v to %v", proto, to), tunneltest.Probe(proto, far4, far6, to, 22))
			if proto == packet.ICMP && (to == own4 || to == own6) {
				continue // that is the one which was asked for
			}
			refused(fmt.Sprintf("an answer by %v to %v", proto, to), answerTo(tunneltest.Probe(proto, to, to, map[bool]netip.Addr{true: far4, false: far6}[to.Is4()], 444)))
		}
	}
	for _, out := range asked {
		back, v6 := answerTo(out), out[0]>>4 == 6
		body, src, dst, router := 20, 12, 16, other4
		proto := out[9]
		if v6 {
			body, src, dst, router, proto = 40, 8, 24, other6, out[6]
		}
		what := fmt.Sprintf("v6=%v proto %d: ", v6, proto)
		// Not quite what was asked for.
		refused(what+"an answer of somebody else", change(back, func(p []byte) { p[src+3]++ }))
		refused(what+"an answer to somebody else", change(back, func(p []byte) { p[dst+3]++ }))
		if proto == byte(packet.TCP) || proto == byte(packet.UDP) {
			refused(what+"from another port", change(back, func(p []byte) { p[body]++ }))
			refused(what+"to another port", change(back, func(p []byte) { p[body+3]++ }))
		}
		if proto == byte(packet.TCP) {
			for flags := range 256 {
				pkt := change(back, func(p []byte) { p[body+13] = byte(flags) })
				if flags&0x12 == 0x02 {
					refused(fmt.Sprintf("%sflags %#x", what, flags), pkt)
				}
				refused(fmt.Sprintf("%sflags %#x from another port", what, flags), change(pkt, func(p []byte) { p[body]++ }))
			}
		}
		// Errors about what was never sent, and what is no error.
		quoted := change(out, func(p []byte) { p[dst+3]++ })
		refused(what+"an error about somebody else's", errorAbout(quoted, router, map[bool]byte{false: 3, true: 1}[v6]))
		refused(what+"an error about another's packet", errorAbout(change(out, func(p []byte) { p[src+3]++ }), router, map[bool]byte{false: 3, true: 1}[v6]))
		for kind := range 256 {
			if v6 && (kind > 4 || kind == 0) && kind != packet.EchoReply6 || !v6 && kind != 3 && kind != 11 && kind != 12 && kind != packet.EchoReply4 {
				refused(fmt.Sprintf("%smessage %d", what, kind), errorAbout(out, router, byte(kind)))
			}
		}
		// Options, extension headers and other protocols.
		for other := range 256 {
			at := 9
			if v6 {
				at = 6
			}
			if proto := packet.Proto(other); proto != packet.TCP && proto != packet.UDP && proto != packet.ICMP && other != packet.ICMP6 && other != packet.Fragment6 {
				refused(fmt.Sprintf("%sas protocol %d", what, other), change(back, func(p []byte) { p[at] = byte(other) }))
			}
		}
		if !v6 {
			pkt := append(append(slices.Clone(back[:20]), 131, 7, 4, 192, 168, 77, 2, 0), back[20:]...)
			pkt[0] = 0x47
			refused(what+"with a source route", pkt)
		}
	}
	for n := range 48 { // cut short
		for _, out := range asked {
			if back := answerTo(out); n < len(back) && !(n >= 34 && back[0]>>4 == 4) && !(back[0]>>4 == 4 && n >= 24 && back[9] != byte(packet.TCP)) && !(back[0]>>4 == 6 && n >= 44 && back[6] != byte(packet.TCP)) {
				refused(fmt.Sprintf("%d bytes of an answer", n), back[:n])
			}
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		pkt := slices.Clone(answerTo(asked[random.IntN(len(asked))]))
		for range 1 + random.IntN(4) {
			pkt[random.IntN(len(pkt))] ^= byte(1 + random.IntN(255))
		}
		d.gets(pkt) // whatever it is, nothing breaks
	}
	t.Logf("adversary: an exit sends %d kinds of packets that nobody asked for, no firewall stands | bound: none comes in | seen: %d", tried, reached)
}

func TestPorterForgetsWhatRestsAndKeepsWhatIsUsed(t *testing.T) {
	d, _, own4, own6 := doorway()
	datagram, segment := tunneltest.Probe(packet.UDP, own4, own6, far4, 53), tunneltest.Probe(packet.TCP, own4, own6, far4, 22)
	d.sends(datagram)
	d.sends(segment)
	d.gets(answerTo(segment))
	segment[20+tcpFlags] = tcpACK
	d.sends(segment)
	d.passes(2 * time.Minute)
	if !d.gets(answerTo(datagram)) {
		t.Error("a datagram is not answered after two minutes")
	}
	d.passes(5 * time.Minute)
	if d.gets(answerTo(datagram)) {
		t.Error("a datagram is answered after five minutes")
	}
	if !d.sends(datagram) || !d.gets(answerTo(datagram)) {
		t.Error("a datagram that is sent again is not answered")
	}
	// A connection that rests, beside more flows than there is room for.
	const flows = 400_000
	for i := range flows {
		if i%20_000 == 0 {
			d.passes(time.Minute)
			if !d.gets(answerTo(segment)) {
				t.Fatalf("a connection is forgotten after %d other flows", i)
			}
		}
		out := tunneltest.Probe(packet.UDP, own4, own6, netip.AddrFrom4([4]byte{20, byte(i >> 16), byte(i >> 8), byte(i)}), 443)
		if !d.sends(out) || !d.gets(answerTo(out)) {
			t.Fatalf("flow %d is not answered", i)
		}
	}
}

func TestAdversaryNoAddressBehindTheMachineIsToldToTheExit(t *testing.T) {
	d, dev, own4, own6 := doorway()
	seen := 0
	for _, a := range []string{"192.168.77.2", "172.30.0.2", "198.51.100.2", "2001:db8:1::2", "fd00:77::2", "::", "0.0.0.0"} {
		from := netip.MustParseAddr(a)
		for _, proto := range []packet.Proto{packet.TCP, packet.UDP, packet.ICMP} {
			pkt := tunneltest.Probe(proto, from, from, map[bool]netip.Addr{true: far4, false: far6}[from.Is4()], 443)
			if d.sends(pkt) {
				seen++
				t.Errorf("a packet of %v leaves", a)
			}
		}
	}
	dev.N, dev.Size = 2, 0
	bufs, sizes := [][]byte{make([]byte, 64), make([]byte, 64)}, make([]int, 2)
	copy(bufs[0][16:], tunneltest.Probe(packet.UDP, own4, own6, far4, 1))
	dev.Size = 32
	if n, err := d.Read(bufs, sizes, 16); n != 2 || err != nil || sizes[0] != 32 || sizes[1] != 0 {
		t.Errorf("read %d, %v, sizes %v", n, err, sizes)
	}
	t.Logf("adversary: packets of guests leave untranslated while no firewall stands | bound: none reaches the exit | seen: %d", seen)
}

// What a machine says to its local network, as mDNS, SSDP, LLMNR and discovery of many programs do, is for no exit.
func TestAdversaryNothingForAGroupIsToldToTheExit(t *testing.T) {
	d, _, own4, own6 := doorway()
	told, heard := 0, 0
	for _, dst := range []string{
		"224.0.0.251", "239.255.255.250", "224.0.0.252", "232.1.2.3", "239.1.2.3", "255.255.255.255", "240.0.0.1",
		"ff02::fb", "ff02::c", "ff02::1:3", "ff05::c", "ff0e::1", "ff02::2", "ff12::1",
	} {
		at := netip.MustParseAddr(dst)
		for _, port := range []uint16{53, 1900, 5353, 5355, 40000} {
			if d.sends(tunneltest.Probe(packet.UDP, own4, own6, at, port)) {
				t.Errorf("a packet for %s port %d went to the exit", dst, port)
				told++
			}
		}
	}
	for _, dst := range []string{"223.255.255.1", "1.1.1.1", "2606:4700::1111", "fe00::1"} {
		at := netip.MustParseAddr(dst)
		if d.sends(tunneltest.Probe(packet.UDP, own4, own6, at, 5353)) {
			heard++
		}
	}
	if heard != 4 {
		t.Errorf("of 4 packets for one host %d went to the exit", heard)
	}
	t.Logf("adversary: multicast and broadcast of the machine's programs | bound: 0 reach the exit | seen: %d of 70", told)
}

// TestMemoryIsAsLargeAsItSays holds the figure that its comment names.
func TestMemoryIsAsLargeAsItSays(t *testing.T) {
	if got := unsafe.Sizeof(memory{}); got > 11<<18+64 {
		t.Errorf("a consumer's memory takes %d bytes", got)
	}
}

// BenchmarkPorter judges the packets of downloads in batches: full segments, each second of which is acknowledged, that
// stay with a flow for a while or come from flows in turn.
func BenchmarkPorter(b *testing.B) {
	const batch, payload = 44, 1368
	for _, flows := range []int{1, 4, 1000} {
		b.Run(fmt.Sprintf("flows=%d", flows), func(b *testing.B) {
			d, _, own4, own6 := doorway()
			var downloads []*connection
			for i := range flows {
				downloads = append(downloads, connect(d, own4, own6, far4, uint16(443+i), 1<<20))
			}
			in, acks := make([][]byte, batch), make([][]byte, batch/2)
			sizes := make([]int, batch/2)
			for i := range in {
				in[i] = make([]byte, 16+20+20+tcpOptions+payload)
			}
			for i := range acks {
				acks[i] = make([]byte, 16+20+20+tcpOptions)
			}
			dev := d.Device.(*tunneltest.Device)
			dev.N, dev.Size = len(acks), 20+20+tcpOptions
			b.ReportAllocs()
			for i := 0; i < b.N; i += batch {
				// As few bytes are written here as can be: what is written is slow to read.
				for j := range acks {
					c := downloads[(i/batch+j)%min(flows, 4)]
					if flows > 4 {
						c = downloads[i/batch%flows]
					}
					for _, p := range in[2*j : 2*j+2] {
						if flows > 1 {
							copy(p[16:], c.in[:c.head])
						} else if i == 0 {
							copy(p[16:], c.data(0))
						}
						binary.BigEndian.PutUint32(p[16+c.body+tcpSeq:], c.next)
						c.next += payload
					}
					if flows > 1 || i == 0 {
						copy(acks[j][16:], c.ack())
					}
					binary.BigEndian.PutUint32(acks[j][16+c.body+tcpAck:], c.next)
				}
				d.Write(in, 16)
				d.Read(acks, sizes, 16)
			}
			if got := d.Strays(); got != (Strays{}) {
				b.Errorf("not all was an answer: %+v", got)
			}
		})
	}
}
