package netstack

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/tun"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// sink is a stack that keeps what is delivered to it.
type sink struct{ packets [][]byte }

func (s *sink) DeliverNetworkPacket(_ tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	v := pkt.ToView()
	s.packets = append(s.packets, bytes.Clone(v.AsSlice()))
	v.Release()
}

func (s *sink) DeliverLinkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer) {}

// segment makes a packet as the stack hands it to a link with segmentation offload.
func segment(v6 bool, payload []byte, mss int, flags header.TCPFlags) *stack.PacketBuffer {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{
		ReserveHeaderBytes: 100, Payload: buffer.MakeWithData(payload),
	})
	tcp := header.TCP(pkt.TransportHeader().Push(32))
	tcp.Encode(&header.TCPFields{
		SrcPort: 1000, DstPort: 2000, SeqNum: 0xfffffff0, AckNum: 7, DataOffset: 32, Flags: flags, WindowSize: 99,
	})
	copy(tcp[20:], []byte{1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8})
	pkt.GSOOptions = stack.GSO{Type: stack.GSOTCPv4, NeedsCsum: true, MSS: uint16(mss)}
	if v6 {
		pkt.GSOOptions.Type = stack.GSOTCPv6
		ip := header.IPv6(pkt.NetworkHeader().Push(40))
		ip.Encode(&header.IPv6Fields{
			PayloadLength: uint16(32 + len(payload)), TransportProtocol: header.TCPProtocolNumber, HopLimit: 64,
			SrcAddr: Address(netip.MustParseAddr("fd00::1")), DstAddr: Address(netip.MustParseAddr("2001:db8::2")),
		})
		return pkt
	}
	ip := header.IPv4(pkt.NetworkHeader().Push(20))
	ip.Encode(&header.IPv4Fields{
		TotalLength: uint16(52 + len(payload)), ID: 65535, TTL: 64, Protocol: uint8(header.TCPProtocolNumber),
		SrcAddr: Address(netip.MustParseAddr("10.0.0.1")), DstAddr: Address(netip.MustParseAddr("192.0.2.2")),
	})
	return pkt
}

// cutAll runs the cutter over pkt.
func cutAll(pkt *stack.PacketBuffer) [][]byte {
	var c cutter
	var out [][]byte
	for c.start(pkt); c.active(); {
		b := make([]byte, 2000)
		out = append(out, b[:c.fill(b)])
	}
	return out
}

func TestSegmentsAreCutWithValidChecksumsAndJoinedToTheSameBytes(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		for _, size := range []int{0, 1, 999, 1000, 1001, 43_000, 43_500, 60_000} {
			payload := make([]byte, size)
			rand.Read(payload)
			flags := header.TCPFlagAck | header.TCPFlagPsh | header.TCPFlagFin
			packets := cutAll(segment(v6, payload, 1000, flags))
			if want := max(1, (size+999)/1000); len(packets) != want {
				t.Fatalf("%d bytes became %d packets, want %d", size, len(packets), want)
			}
			var got []byte
			for i, p := range packets {
				ipLen, hdrLen, ok := tcpFlow(p)
				if !ok {
					t.Fatalf("packet %d of %d bytes is not TCP", i, size)
				}
				tcp := header.TCP(p[ipLen:])
				src, dst := addrs(p)
				if !tcp.IsChecksumValid(src, dst, checksum.Checksum(p[hdrLen:], 0), uint16(len(p)-hdrLen)) {
					t.Errorf("packet %d of %d bytes: bad TCP checksum", i, size)
				}
				if !v6 && !header.IPv4(p).IsChecksumValid() {
					t.Errorf("packet %d of %d bytes: bad IP checksum", i, size)
				}
				last := i == len(packets)-1
				if tcp.Flags().Contains(header.TCPFlagFin) != last || tcp.Flags().Contains(header.TCPFlagPsh) != last {
					t.Errorf("packet %d of %d has flags %v", i, len(packets), tcp.Flags())
				}
				got = append(got, p[hdrLen:]...)
			}
			if !bytes.Equal(got, payload) {
				t.Errorf("%d bytes were cut to others", size)
			}
			// Without the FIN, which ends a run, they become one packet again.
			packets = cutAll(segment(v6, payload, 1000, header.TCPFlagAck))
			var s sink
			var j joiner
			for _, p := range packets {
				j.add(&s, p)
			}
			j.flush(&s)
			if len(s.packets) != 1 {
				t.Fatalf("%d packets of %d bytes were joined to %d", len(packets), size, len(s.packets))
			}
			_, hdrLen, ok := tcpFlow(s.packets[0])
			if !ok || !bytes.Equal(s.packets[0][hdrLen:], payload) {
				t.Errorf("%d bytes were joined to others", size)
			}
		}
	}
}

// readAll pushes segments and reads what becomes of them, in batches as the engine does.
func readAll(t *testing.T, pkts ...*stack.PacketBuffer) (out [][]byte) {
	t.Helper()
	d := newDevice(Config{MTU: 1500})
	for _, pkt := range pkts {
		if !d.push(pkt) {
			t.Fatal("closed")
		}
		pkt.DecRef()
	}
	bufs, sizes := make([][]byte, batchSize), make([]int, batchSize)
	for i := range bufs {
		bufs[i] = make([]byte, 2000)
	}
	for !d.drained() || d.cut.active() {
		n, err := d.Read(bufs, sizes, 16)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0
		for i := range n {
			sum += sizes[i] + engineOverhead
			out = append(out, bytes.Clone(bufs[i][16:][:sizes[i]]))
		}
		if sum > MaxSegmented {
			t.Errorf("one read gives %d bytes", sum)
		}
	}
	return out
}

func at(pkt *stack.PacketBuffer, seq uint32) *stack.PacketBuffer {
	header.TCP(pkt.TransportHeader().Slice()).SetSequenceNumber(seq)
	return pkt
}

func TestConsecutiveSegmentsLeaveInFullPackets(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		const start, mss = uint32(0xffff0000), 1340
		var want []byte
		var pkts []*stack.PacketBuffer
		for _, size := range []int{61_440, 1, 1, 4000, 100, 61_279, 4257, mss, 2 * mss, 10, 50_000, 1339, 3} {
			payload := make([]byte, size)
			rand.Read(payload)
			pkts = append(pkts, at(segment(v6, payload, mss, header.TCPFlagAck|header.TCPFlagPsh), start+uint32(len(want))))
			want = append(want, payload...)
		}
		out := readAll(t, pkts...)
		var got []byte
		for i, p := range out {
			ipLen, hdrLen, ok := tcpFlow(p)
			if !ok {
				t.Fatalf("packet %d is not TCP", i)
			}
			tcp := header.TCP(p[ipLen:])
			src, dst := addrs(p)
			last := i == len(out)-1
			if !tcp.IsChecksumValid(src, dst, checksum.Checksum(p[hdrLen:], 0), uint16(len(p)-hdrLen)) ||
				!v6 && !header.IPv4(p).IsChecksumValid() || tcp.SequenceNumber() != start+uint32(len(got)) ||
				!last && len(p) != hdrLen+mss || last && !tcp.Flags().Contains(header.TCPFlagPsh) {
				t.Fatalf("packet %d of %d: %d bytes, header % x", i, len(out), len(p), p[:hdrLen])
			}
			got = append(got, p[hdrLen:]...)
		}
		if !bytes.Equal(got, want) {
			t.Error("other bytes came out")
		}
	}
}

func TestSegmentsThatDoNotContinueEachOtherStayApart(t *testing.T) {
	const plain, mss = header.TCPFlagAck | header.TCPFlagPsh, 1000
	seg := func(size, mss int, flags header.TCPFlags, seq uint32) *stack.PacketBuffer {
		return at(segment(false, make([]byte, size), mss, flags), seq)
	}
	port := seg(500, mss, plain, 1500)
	header.TCP(port.TransportHeader().Slice()).SetDestinationPort(2001)
	addr := seg(500, mss, plain, 1500)
	header.IPv4(addr.NetworkHeader().Slice()).SetDestinationAddress(Address(netip.MustParseAddr("192.0.2.3")))
	options := seg(500, mss, plain, 1500)
	options.GSOOptions = stack.GSO{}
	for name, c := range map[string][2]*stack.PacketBuffer{
		"a gap":                  {seg(1500, mss, plain, 0), seg(500, mss, plain, 1501)},
		"sent again":             {seg(1500, mss, plain, 0), seg(1500, mss, plain, 0)},
		"another size":           {seg(1500, mss, plain, 0), seg(500, 900, plain, 1500)},
		"the end":                {seg(1500, mss, plain, 0), seg(500, mss, plain|header.TCPFlagFin, 1500)},
		"after the end":          {seg(1500, mss, plain|header.TCPFlagFin, 0), seg(500, mss, plain, 1500)},
		"acknowledgements":       {seg(0, mss, header.TCPFlagAck, 0), seg(0, mss, header.TCPFlagAck, 0)},
		"an acknowledgement":     {seg(0, mss, header.TCPFlagAck, 1500), seg(500, mss, plain, 1500)},
		"then one":               {seg(1500, mss, plain, 0), seg(0, mss, header.TCPFlagAck, 1500)},
		"another port":           {seg(1500, mss, plain, 0), port},
		"another address":        {seg(1500, mss, plain, 0), addr},
		"another family":         {seg(1500, mss, plain, 0), at(segment(true, make([]byte, 500), mss, plain), 1500)},
		"another kind of packet": {seg(1500, mss, plain, 0), options},
	} {
		alone := 0
		for _, pkt := range c {
			if pkt == options {
				alone++
				continue
			}
			pkt.IncRef()
			alone += len(cutAll(pkt))
		}
		if got := readAll(t, c[0], c[1]); len(got) != alone {
			t.Errorf("%s: %d packets, want %d", name, len(got), alone)
		}
	}
}

func addrs(p []byte) (src, dst tcpip.Address) {
	if p[0]>>4 == 4 {
		return header.IPv4(p).SourceAddress(), header.IPv4(p).DestinationAddress()
	}
	return header.IPv6(p).SourceAddress(), header.IPv6(p).DestinationAddress()
}

func TestJoiningKeepsTheOrderOfEachFlow(t *testing.T) {
	var in [][]byte
	for flow := range 12 {
		for i, p := range cutAll(segment(flow%2 == 1, make([]byte, 5000), 1000, header.TCPFlagAck)) {
			ipLen, _, _ := tcpFlow(p)
			binary.BigEndian.PutUint16(p[ipLen:], uint16(flow))
			if i == 3 && flow%3 == 0 {
				p[ipLen+13] |= uint8(header.TCPFlagUrg) // ends the run
			}
			in = append(in, p)
		}
	}
	// The flows take turns, each in its own order.
	order := make([][]byte, 0, len(in))
	for i := range 5 {
		for flow := range 12 {
			order = append(order, in[flow*5+i])
		}
	}
	var s sink
	var j joiner
	for _, p := range order {
		j.add(&s, p)
	}
	j.flush(&s)
	next := make(map[uint16]uint32)
	total := 0
	for _, p := range s.packets {
		ipLen, hdrLen, ok := tcpFlow(p)
		if !ok {
			t.Fatal("not TCP")
		}
		flow, seq := binary.BigEndian.Uint16(p[ipLen:]), binary.BigEndian.Uint32(p[ipLen+4:])
		if want, seen := next[flow]; seen && seq != want {
			t.Errorf("flow %d goes on at %d, want %d", flow, seq, want)
		}
		next[flow] = seq + uint32(len(p)-hdrLen)
		total += len(p) - hdrLen
	}
	if total != 12*5000 {
		t.Errorf("%d bytes came out of %d", total, 12*5000)
	}
}

func FuzzJoiner(f *testing.F) {
	seed := cutAll(segment(false, make([]byte, 100), 50, header.TCPFlagAck))
	f.Add(append(seed[0], seed[1]...), uint8(len(seed[0])))
	f.Add(refuse4(netip.MustParseAddr("10.213.0.1"), 6, netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("8.8.8.8"), [8]byte{}, 13), uint8(0))
	f.Fuzz(func(t *testing.T, b []byte, each uint8) {
		var s sink
		var j joiner
		size := max(int(each), 1)
		in := 0
		for len(b) > 0 {
			n := min(size, len(b))
			denial(b[:n])
			parseEcho(b[:n])
			if v := b[0] >> 4; v == 4 || v == 6 {
				in++
			}
			j.add(&s, b[:n])
			b = b[n:]
		}
		j.flush(&s)
		if len(s.packets) > in {
			t.Errorf("%d packets became %d", in, len(s.packets))
		}
	})
}

// couple joins two stacks by a pair of pumps, without an engine.
func couple(t *testing.T, a, b tun.Device) {
	pump := func(from, to tun.Device) {
		const offset = 16
		bufs, sizes := make([][]byte, batchSize), make([]int, batchSize)
		for i := range bufs {
			bufs[i] = make([]byte, 2000)
		}
		for {
			n, err := from.Read(bufs, sizes, offset)
			if err != nil {
				if !errors.Is(err, os.ErrClosed) {
					t.Error(err)
				}
				return
			}
			out := make([][]byte, n)
			for i := range out {
				out[i] = bufs[i][:offset+sizes[i]]
			}
			if _, err := to.Write(out, offset); err != nil {
				return
			}
		}
	}
	go pump(a, b)
	go pump(b, a)
}

func TestStacksTalkOverBothFamilies(t *testing.T) {
	mk := func(waits bool, addrs ...string) *Net {
		var list []netip.Addr
		for _, a := range addrs {
			list = append(list, netip.MustParseAddr(a))
		}
		n, err := New(Config{MTU: 1420, Addrs: list, Forward: waits})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(n.Close)
		return n
	}
	a, b := mk(false, "10.0.0.1", "fd00::1"), mk(true, "10.0.0.2", "fd00::2")
	couple(t, a.Device(), b.Device())
	for _, dst := range []string{"10.0.0.2:80", "[fd00::2]:80"} {
		ap := netip.MustParseAddrPort(dst)
		proto := ipv4.ProtocolNumber
		if ap.Addr().Is6() {
			proto = ipv6.ProtocolNumber
		}
		l, err := gonet.ListenTCP(b.Stack(), tcpip.FullAddress{Addr: Address(ap.Addr()), Port: 80}, proto)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			c, err := l.Accept()
			if err == nil {
				io.Copy(c, c)
				c.Close()
			}
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		c, err := a.DialTCP(ctx, ap)
		if err != nil {
			t.Fatal(err)
		}
		want := make([]byte, 3<<20)
		rand.Read(want)
		go func() { c.Write(want); c.(interface{ CloseWrite() error }).CloseWrite() }()
		c.SetReadDeadline(time.Now().Add(time.Minute))
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes came back, %v", dst, len(got), err)
		}
		c.Close()
	}
	_, err := a.DialTCP(t.Context(), netip.MustParseAddrPort("10.0.0.2:81"))
	var oe *net.OpError
	if !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &oe) {
		t.Errorf("a closed port: %v", err)
	}
}

func TestDatagramsOfEverySizeArriveWhole(t *testing.T) {
	a, err := New(Config{MTU: 1420, Addrs: []netip.Addr{mine4, mine6}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	b, err := New(Config{MTU: 1420, Addrs: []netip.Addr{theirs4, theirs6}, Forward: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	couple(t, a.Device(), b.Device())
	pc, err := a.ListenUDP()
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	for _, dst := range []netip.Addr{theirs4, theirs6} {
		to, proto := fullAddress(netip.AddrPortFrom(dst, 7))
		echo, err := gonet.DialUDP(b.Stack(), &to, nil, proto)
		if err != nil {
			t.Fatal(err)
		}
		defer echo.Close()
		go func() {
			buf := make([]byte, 1<<16)
			for {
				n, from, err := echo.ReadFrom(buf)
				if err != nil {
					return
				}
				echo.WriteTo(buf[:n], from)
			}
		}()
		largest := 65507
		if dst.Is6() {
			largest = 65527
		}
		buf := make([]byte, 1<<16)
		for _, size := range []int{0, 1, 1372, 1373, 1392, 1393, 9000, 61418, 61419, 61440, 65000, largest} {
			want := make([]byte, size)
			rand.Read(want)
			if _, err := pc.WriteTo(want, net.UDPAddrFromAddrPort(netip.AddrPortFrom(dst, 7))); err != nil {
				t.Errorf("%d bytes to %v: %v", size, dst, err)
				continue
			}
			pc.SetReadDeadline(time.Now().Add(30 * time.Second))
			if n, _, err := pc.ReadFrom(buf); err != nil || !bytes.Equal(buf[:n], want) {
				t.Errorf("%d bytes to %v: %d came back, %v", size, dst, n, err)
			}
		}
		if _, err := pc.WriteTo(make([]byte, largest+1), net.UDPAddrFromAddrPort(netip.AddrPortFrom(dst, 7))); err == nil {
			t.Errorf("%d bytes to %v were taken", largest+1, dst)
		}
	}
}
