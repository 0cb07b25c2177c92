package underlay_test

import (
	"net/netip"
	"testing"

	"byway/tunnel/underlay"
	"byway/tunnel/underlay/underlaytest"
)

func TestSocketsConform(t *testing.T) {
	for name, addr := range map[string]string{"one address": "127.0.0.1", "every address": "0.0.0.0", "IPv6": "::1"} {
		t.Run(name, func(t *testing.T) {
			listen := netip.MustParseAddr(addr)
			probe := underlay.NewSockets(listen, 0)
			if _, _, err := probe.Open(0); err != nil {
				t.Skip(err)
			}
			probe.Close()
			at := netip.MustParseAddr("127.0.0.1")
			if listen.Is6() {
				at = listen
			}
			where := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(at, port) }
			underlaytest.Conform(t, func(testing.TB) underlaytest.Link {
				return underlaytest.Link{
					A: underlay.NewSockets(listen, 0), B: underlay.NewSockets(listen, 0), AtA: where, AtB: where,
				}
			})
		})
	}
}

func TestMemoryConforms(t *testing.T) {
	underlaytest.Conform(t, func(testing.TB) underlaytest.Link {
		a, b := underlaytest.NewPair()
		return underlaytest.Link{
			A: a, B: b,
			AtA: func(port uint16) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), port) },
			AtB: func(port uint16) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr("192.0.2.2"), port) },
		}
	})
}

// A guard lets through what may be WireGuard, whatever else came in the same batch, and carries the rest of the face on.
func TestGuardPassesWireGuardOfAMixedBatch(t *testing.T) {
	a, far := underlaytest.NewPair()
	b := underlay.Guarded(far)
	if _, _, err := a.Open(0); err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	fns, port, err := b.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	data := func(n byte) []byte { return append([]byte{underlay.Transport, 0, 0, 0, n}, make([]byte, 60)...) }
	bufs := [][]byte{[]byte("junk"), data(1), append([]byte{9}, make([]byte, 100)...), data(2), []byte("junk"), data(3)}
	if err := a.Send(bufs, 0, underlay.At(netip.AddrPortFrom(netip.MustParseAddr("192.0.2.2"), port))); err != nil {
		t.Fatal(err)
	}
	slab, packets := make([]byte, underlay.Room), make([]underlay.Packet, 128)
	n, err := fns[0](slab, packets)
	if err != nil || n != 3 {
		t.Fatalf("%d passed, %v", n, err)
	}
	for i, p := range packets[:n] {
		if got := slab[p.Offset+4]; got != byte(i+1) || p.Size != 65 {
			t.Errorf("packet %d is number %d, of %d bytes", i, got, p.Size)
		}
	}
}
