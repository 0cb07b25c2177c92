package underlay

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

func TestSocketsAnswerFromTheAddressThatWasSpokenTo(t *testing.T) {
	s := NewSockets(netip.Addr{}, 0)
	open, port, err := s.open(0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, to := range []string{"127.0.0.2", "127.0.0.3"} {
		c, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.ParseIP(to), Port: int(port)})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		slab, packets := make([]byte, Room), make([]Packet, 64)
		n, err := (&arrivals{sock: open[0]}).receive(slab, packets)
		got := packets[0]
		if err != nil || n != 1 || string(slab[got.Offset:got.Offset+got.Size]) != "hello" {
			t.Fatalf("%d datagrams, %v", n, err)
		}
		if got := got.From.SrcToString(); got != to {
			t.Errorf("spoken to at %s, want %s", got, to)
		}
		// A connected socket takes answers from that address only. Three of them, the last shorter, go as one.
		answer := [][]byte{[]byte("one"), []byte("two"), []byte("3")}
		if err := s.Send(answer, 0, got.From); err != nil {
			t.Fatal(err)
		}
		for _, want := range answer {
			b := make([]byte, 100)
			c.SetReadDeadline(time.Now().Add(30 * time.Second))
			n, err := c.Read(b)
			if err != nil || string(b[:n]) != string(want) {
				t.Errorf("got %q, %v, want %q", b[:n], err, want)
			}
		}
		// An address that is not the host's gives way to the kernel's choice.
		gone := netip.MustParseAddr("198.51.100.7")
		ep := At(netip.MustParseAddrPort(c.LocalAddr().String()))
		ep.from.Store(&gone)
		if err := s.Send([][]byte{[]byte("x")}, 0, ep); err != nil || ep.SrcIP().IsValid() {
			t.Errorf("from an address that is gone: %v, then from %v", err, ep.SrcIP())
		}
	}
}
