package tunnel

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"time"

	"golang.zx2c4.com/wireguard/conn"
)

// An engine answers a handshake with public-key cryptography, holds 64 KiB for each that waits, and under load answers
// each with a cookie, so a flood of them costs it its processor, its memory and its uplink. The guard stands before it
// and lets through no more than an engine does with ease. What cannot be WireGuard goes no further either. Packets of
// sessions cost the guard one comparison.
//
// The budget is kept by source, and for all together. A source whose handshake was answered, which an engine does only
// for those who hold a session's key, has a budget of its own: a flood under forged addresses does not keep sessions
// from renewing their keys.
const (
	guardEach       = 200 // handshakes a second from one source, which may be a carrier's NAT
	guardEachBurst  = 400
	guardAll        = 200 // from all that are not known
	guardAllBurst   = 100 // below the 128 that make an engine think that it is under load
	guardSources    = 4096
	guardKnown      = 1 << 16
	guardRemembered = 10 * time.Minute
)

// Messages of WireGuard (paper, 5.4): their types and sizes in bytes.
const (
	msgInitiation, msgInitiationSize = 1, 148
	msgResponse, msgResponseSize     = 2, 92
	msgCookie, msgCookieSize         = 3, 64
)

// guard is safe for concurrent use.
type guard struct {
	mu      sync.Mutex
	sources map[netip.Addr]*bucket
	known   map[netip.Addr]time.Time // until when
	all     bucket
	dropped uint64
}

func newGuard() *guard {
	return &guard{sources: make(map[netip.Addr]*bucket), known: make(map[netip.Addr]time.Time)}
}

// bucket is a point in time up to which a budget is used (the generic cell rate algorithm).
type bucket time.Duration

// take reports whether one more fits at a time, since an epoch that all times share.
func (b *bucket) take(now time.Duration, rate, burst int) bool {
	each := time.Second / time.Duration(rate)
	next := max(time.Duration(*b), now) + each
	if next-now > time.Duration(burst)*each {
		return false
	}
	*b = bucket(next)
	return true
}

// epoch is the zero of buckets; its clock is the monotonic one.
var epoch = time.Now()

// remote is the other end of a datagram, in the words of conn.Endpoint.
type remote interface{ DstIP() netip.Addr }

// pass reports whether a datagram may go to the engine.
func (g *guard) pass(b []byte, from remote) bool {
	if len(b) < transportEmpty {
		return false
	}
	switch binary.LittleEndian.Uint32(b) {
	case transportType:
		return true
	case msgInitiation:
		return len(b) == msgInitiationSize && g.admit(from.DstIP(), time.Now())
	case msgResponse:
		return len(b) == msgResponseSize && g.admit(from.DstIP(), time.Now())
	case msgCookie:
		return len(b) == msgCookieSize && g.admit(from.DstIP(), time.Now())
	}
	return false
}

// site is what one sender is taken for: an address, or a network of IPv6 that is handed out as one.
func site(a netip.Addr) netip.Addr {
	if a = a.Unmap(); a.Is6() {
		p, _ := a.WithZone("").Prefix(64)
		return p.Addr()
	}
	return a
}

// admit takes a handshake from the budgets.
func (g *guard) admit(from netip.Addr, now time.Time) bool {
	from = site(from)
	at := now.Sub(epoch)
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.sources[from]
	if b == nil {
		if len(g.sources) >= guardSources {
			// There is no telling them apart any more. The common budget still holds.
			clear(g.sources)
		}
		b = new(bucket)
		g.sources[from] = b
	}
	ok := b.take(at, guardEach, guardEachBurst)
	if ok {
		if until, known := g.known[from]; !known || until.Before(now) {
			ok = g.all.take(at, guardAll, guardAllBurst)
		}
	}
	if !ok {
		g.dropped++
	}
	return ok
}

// answered is told of what the engine sends. A response means that the peer's handshake was in order.
func (g *guard) answered(b []byte, to remote) {
	if len(b) != msgResponseSize || binary.LittleEndian.Uint32(b) != msgResponse {
		return
	}
	g.expect(to.DstIP(), time.Now())
}

// expect makes a source known.
func (g *guard) expect(a netip.Addr, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.known) >= guardKnown {
		for a, until := range g.known {
			if until.Before(now) {
				delete(g.known, a)
			}
		}
		if len(g.known) >= guardKnown {
			return
		}
	}
	g.known[site(a)] = now.Add(guardRemembered)
}

// guardedBind puts a guard before upstream's engine.
type guardedBind struct {
	conn.Bind
	guard *guard
}

// Open implements conn.Bind. The engine skips what has no size.
func (b *guardedBind) Open(port uint16) ([]conn.ReceiveFunc, uint16, error) {
	fns, actual, err := b.Bind.Open(port)
	for i, fn := range fns {
		fns[i] = func(bufs [][]byte, sizes []int, eps []conn.Endpoint) (int, error) {
			n, err := fn(bufs, sizes, eps)
			for j := range n {
				if !b.guard.pass(bufs[j][:sizes[j]], eps[j]) {
					sizes[j] = 0
				}
			}
			return n, err
		}
	}
	return fns, actual, err
}

// Send implements conn.Bind.
func (b *guardedBind) Send(bufs [][]byte, ep conn.Endpoint) error {
	b.guard.answered(bufs[0], ep)
	return b.Bind.Send(bufs, ep)
}
