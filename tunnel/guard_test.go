package tunnel

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/conn"
)

func TestGuardKeepsBudgetsAndKnownSourcesApart(t *testing.T) {
	g := newGuard()
	now := time.Now()
	one, friend := netip.MustParseAddr("1.2.3.4"), netip.MustParseAddr("9.9.9.9")
	passed := 0
	for i := range 50_000 {
		if g.admit(one, now.Add(time.Duration(i)*time.Second/50_000)) {
			passed++
		}
	}
	if passed > guardEach+guardEachBurst {
		t.Errorf("%d handshakes a second passed from one source", passed)
	}
	now = now.Add(10 * time.Second)
	g.expect(friend, now)
	passed, mine := 0, 0
	for i := range 50_000 {
		at := now.Add(time.Duration(i) * time.Second / 50_000)
		if g.admit(netip.AddrFrom4([4]byte{8, byte(i >> 16), byte(i >> 8), byte(i)}), at) {
			passed++
		}
		if i%5000 == 0 && g.admit(friend, at) {
			mine++
		}
	}
	if passed > guardAll+guardAllBurst {
		t.Errorf("%d handshakes a second passed from many sources", passed)
	}
	if mine != 10 {
		t.Errorf("%d of 10 handshakes of a known source passed in a flood under forged addresses", mine)
	}
	if len(g.sources) > guardSources {
		t.Errorf("%d sources are remembered", len(g.sources))
	}
}

func TestGuardPassesWireGuardOnly(t *testing.T) {
	from := &conn.StdNetEndpoint{AddrPort: netip.MustParseAddrPort("1.2.3.4:5")}
	msg := func(kind uint32, size int) []byte {
		b := make([]byte, size)
		binary.LittleEndian.PutUint32(b, kind)
		return b
	}
	for _, c := range []struct {
		kind uint32
		size int
		want bool
	}{
		{1, 148, true}, {1, 149, false}, {2, 92, true}, {2, 148, false}, {3, 64, true}, {3, 65, false},
		{4, 32, true}, {4, 1452, true}, {4, 31, false}, {0, 148, false}, {5, 148, false}, {1 << 8, 148, false},
	} {
		if got := newGuard().pass(msg(c.kind, c.size), from); got != c.want {
			t.Errorf("type %d of %d bytes: %v", c.kind, c.size, got)
		}
	}
}

func BenchmarkGuard(b *testing.B) {
	from := &conn.StdNetEndpoint{AddrPort: netip.MustParseAddrPort("1.2.3.4:5")}
	for _, kind := range []uint32{4, 1} {
		b.Run(fmt.Sprintf("type=%d", kind), func(b *testing.B) {
			g, m := newGuard(), make([]byte, 148)
			binary.LittleEndian.PutUint32(m, kind)
			for range b.N {
				g.pass(m, from)
			}
		})
	}
}
