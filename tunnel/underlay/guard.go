package underlay

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"time"
)

// An engine answers a handshake with public-key cryptography, holds 64 KiB for each that waits, and under load answers
// each with a cookie, so a flood of them costs it its processor, its memory and its uplink. The guard stands before it
// and lets through no more than an engine does with ease. What cannot be WireGuard goes no further either. Packets of
// sessions cost the guard one comparison.
//
// The budget is kept by source, and for all together. A source whose handshake was answered, which an engine does only
// for those who hold a session's key, has a budget of its own: a flood under forged addresses does not keep sessions
// from renewing their keys.
//
// A flood that is refused here has already cost a copy and a wake-up. Where it is large, the guard has the kernel refuse
// most of it: what cannot be WireGuard, and of the handshakes all from known sources pass and of the others a share
// that comes to twice the budget. With more known sources than a filter of the kernel should hold, the guard stands alone.
const (
	guardEach       = 200 // handshakes a second from one source, which may be a carrier's NAT
	guardEachBurst  = 400
	guardAll        = 200 // from all that are not known
	guardAllBurst   = 100 // below the 128 that make an engine think that it is under load
	guardSources    = 4096
	guardKnown      = 1 << 16
	guardRemembered = 10 * time.Minute

	sieveAbove    = 2000 // refused a second, from which on the kernel helps
	sieveBelow    = 1000 // offered a second, below which it no longer does
	sievePasses   = 2 * guardAll
	sieveKnown    = 256
	sieveInterval = 250 * time.Millisecond
)

// Messages of WireGuard (paper, 5.4): their types and sizes in bytes. A transport message that holds nothing is the smallest
// of all.
const (
	Initiation, InitiationSize = 1, 148
	Response, ResponseSize     = 2, 92
	Cookie, CookieSize         = 3, 64
	Transport, TransportSize   = 4, 32
)

// guard is safe for concurrent use.
type guard struct {
	Underlay

	mu      sync.Mutex
	sources map[netip.Addr]*bucket
	known   map[netip.Addr]time.Time // until when
	all     bucket
	dropped uint64

	sift          func(share float64, known []netip.Addr) error // of a siever; nil where there is none
	share         float64
	sifted        int // known sources in the kernel's filter
	strangers     int // handshakes since the last weighing, after the sieve
	junk          int // datagrams since then that cannot be WireGuard
	weighed       time.Time
	weighingAgain bool // a timer is set
}

// siever has the kernel pass only a share of the handshakes that come from sources which are not known, and nothing that
// cannot be WireGuard; a share of 1 passes everything. It fails where no socket is open, or the kernel can't.
type siever interface {
	sift(share float64, known []netip.Addr) error
}

// Guarded puts a guard before an engine. The engine gets what may be WireGuard, and no more handshakes than it can answer.
func Guarded(u Underlay) Underlay {
	g := newGuard()
	g.Underlay = u
	if kernel, ok := u.(siever); ok {
		g.sift = kernel.sift
	}
	return g
}

// Open implements Underlay.
func (g *guard) Open(port uint16) ([]ReceiveFunc, uint16, error) {
	fns, actual, err := g.Underlay.Open(port)
	if err != nil {
		return nil, 0, err
	}
	g.opened()
	for i, fn := range fns {
		fns[i] = func(slab []byte, packets []Packet) (int, error) {
			n, err := fn(slab, packets)
			kept := 0
			for j := range n {
				p := &packets[j]
				if !g.pass(slab[p.Offset:p.Offset+p.Size], p.From) {
					continue
				}
				if kept != j {
					packets[kept] = *p
				}
				kept++
			}
			return kept, err
		}
	}
	return fns, actual, nil
}

// Send implements Underlay.
func (g *guard) Send(bufs [][]byte, offset int, to *Endpoint) error {
	g.answered(bufs[0][offset:], to)
	return g.Underlay.Send(bufs, offset, to)
}

func newGuard() *guard {
	return &guard{sources: make(map[netip.Addr]*bucket), known: make(map[netip.Addr]time.Time), share: 1}
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

// pass reports whether a datagram may go to the engine.
func (g *guard) pass(b []byte, from *Endpoint) bool {
	if len(b) < TransportSize {
		g.refuse(time.Now())
		return false
	}
	switch binary.LittleEndian.Uint32(b) {
	case Transport:
		return true
	case Initiation:
		return len(b) == InitiationSize && g.admit(from.DstIP(), time.Now())
	case Response:
		return len(b) == ResponseSize && g.admit(from.DstIP(), time.Now())
	case Cookie:
		return len(b) == CookieSize && g.admit(from.DstIP(), time.Now())
	}
	g.refuse(time.Now())
	return false
}

// refuse notes what cannot be WireGuard.
func (g *guard) refuse(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.junk++
	g.weighLocked(now)
}

// site stands for one sender: an address, or a network of IPv6 that is handed out as one.
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
	until, known := g.known[from]
	known = known && !until.Before(now)
	ok := b.take(at, guardEach, guardEachBurst)
	if ok && !known {
		ok = g.all.take(at, guardAll, guardAllBurst)
	}
	if !known {
		g.strangers++
		g.weighLocked(now)
	}
	if !ok {
		g.dropped++
	}
	return ok
}

// answered is told of what the engine sends. A response means that the peer's handshake was in order.
func (g *guard) answered(b []byte, to *Endpoint) {
	if len(b) != ResponseSize || binary.LittleEndian.Uint32(b) != Response {
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

// weighLocked decides, a few times a second, what the kernel is to refuse.
func (g *guard) weighLocked(now time.Time) {
	if g.sift == nil {
		return
	}
	passed := now.Sub(g.weighed)
	if passed < sieveInterval {
		return
	}
	// The first weighing after a quiet time looks at a moment, not at an average over the quiet.
	seconds := min(passed, 2*sieveInterval).Seconds()
	offered, junk := float64(g.strangers)/g.share/seconds, float64(g.junk)/seconds
	g.strangers, g.junk, g.weighed = 0, 0, now

	share, floor := 1.0, float64(sieveAbove)
	if g.share < 1 {
		floor = sieveBelow
	}
	if (offered > floor || junk > sieveAbove) && len(g.known) <= sieveKnown {
		share = min(0.999, sievePasses/max(offered, 1))
	}
	settled := share == 1 && g.share == 1 ||
		share < 1 && g.share < 1 && share/g.share < 2 && g.share/share < 2 && g.sifted == len(g.known)
	if !settled {
		known := make([]netip.Addr, 0, len(g.known))
		for a := range g.known {
			known = append(known, a)
		}
		if g.sift(share, known) != nil {
			share = 1
		}
		g.share, g.sifted = share, len(known)
	}
	if g.share < 1 && !g.weighingAgain {
		// A flood that ends must not leave its sieve behind.
		g.weighingAgain = true
		time.AfterFunc(2*sieveInterval, func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.weighingAgain = false
			g.weighLocked(time.Now())
		})
	}
}

// opened is told that the sockets are new, and sift nothing.
func (g *guard) opened() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.share = 1
}
