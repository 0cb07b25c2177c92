package underlay

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"
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

// message is one of WireGuard's, but for its contents.
func message(kind uint32, size int) []byte {
	b := make([]byte, size)
	binary.LittleEndian.PutUint32(b, kind)
	return b
}

func TestGuardPassesWireGuardOnly(t *testing.T) {
	from := At(netip.MustParseAddrPort("1.2.3.4:5"))
	for _, c := range []struct {
		kind uint32
		size int
		want bool
	}{
		{1, 148, true}, {1, 149, false}, {2, 92, true}, {2, 148, false}, {3, 64, true}, {3, 65, false},
		{4, 32, true}, {4, 1452, true}, {4, 31, false}, {0, 148, false}, {5, 148, false}, {1 << 8, 148, false},
	} {
		if got := newGuard().pass(message(c.kind, c.size), from); got != c.want {
			t.Errorf("type %d of %d bytes: %v", c.kind, c.size, got)
		}
	}
}

func BenchmarkGuard(b *testing.B) {
	from := At(netip.MustParseAddrPort("1.2.3.4:5"))
	for _, kind := range []uint32{4, 1} {
		b.Run(fmt.Sprintf("type=%d", kind), func(b *testing.B) {
			g, m := newGuard(), message(kind, 148)
			for range b.N {
				g.pass(m, from)
			}
		})
	}
}

func TestGuardHasTheKernelHelpWhileAFloodLasts(t *testing.T) {
	g := newGuard()
	type call struct {
		share float64
		known []netip.Addr
	}
	var calls []call
	g.sift = func(share float64, known []netip.Addr) error {
		calls = append(calls, call{share, known})
		return nil
	}
	friend := netip.MustParseAddr("9.9.9.9")
	now := time.Now()
	g.expect(friend, now)
	// offer has strangers send so many handshakes a second, of which the kernel passes its share.
	passes := 0.0
	offer := func(rate int, d time.Duration) {
		for passed := time.Duration(0); passed < d; passed += 10 * time.Millisecond {
			now = now.Add(10 * time.Millisecond)
			for range rate / 100 {
				if passes += g.share; passes >= 1 {
					passes--
					g.admit(netip.MustParseAddr("1.2.3.4"), now)
				}
			}
		}
	}
	offer(500, 2*time.Second)
	if len(calls) != 0 {
		t.Fatalf("the kernel was asked for help against 500 handshakes a second: %v", calls)
	}
	offer(50_000, 2*time.Second)
	if len(calls) == 0 || g.share > 2*sievePasses/50_000. || g.share < sievePasses/50_000./2 {
		t.Fatalf("of 50,000 handshakes a second the kernel passes %v: %v", g.share, calls)
	}
	if last := calls[len(calls)-1]; len(last.known) != 1 || last.known[0] != friend {
		t.Errorf("known to the kernel are %v", last.known)
	}
	if n := len(calls); n > 4 {
		t.Errorf("the kernel was told %d times about one flood", n)
	}
	// What becomes known meanwhile is told.
	g.expect(netip.MustParseAddr("8.8.8.8"), now)
	offer(50_000, time.Second)
	if last := calls[len(calls)-1]; len(last.known) != 2 {
		t.Errorf("known to the kernel are %v", last.known)
	}
	offer(500, 2*time.Second)
	if g.share != 1 || calls[len(calls)-1].share != 1 {
		t.Errorf("after the flood the kernel passes %v", g.share)
	}
	// More friends than a filter should hold, and the guard stands alone.
	for i := range sieveKnown {
		g.expect(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), now)
	}
	n := len(calls)
	offer(50_000, time.Second)
	if len(calls) != n {
		t.Errorf("the kernel was given %d known sources", len(calls[len(calls)-1].known))
	}
}

func TestGuardTakesTheSieveAwayWhenNothingComesAnyMore(t *testing.T) {
	g := newGuard()
	there, gone := make(chan struct{}), make(chan struct{})
	g.sift = func(share float64, _ []netip.Addr) error {
		if share == 1 {
			close(gone)
		} else {
			close(there)
		}
		return nil
	}
	from := At(netip.MustParseAddrPort("1.2.3.4:5"))
	for flooded := false; !flooded; {
		g.pass(make([]byte, 8), from) // cannot be WireGuard
		select {
		case <-there:
			flooded = true
		default:
		}
	}
	select {
	case <-gone:
	case <-time.After(30 * time.Second):
		t.Fatal("the sieve stays")
	}
}
