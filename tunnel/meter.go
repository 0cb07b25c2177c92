package tunnel

import (
	"math"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.zx2c4.com/wireguard/tun"
)

// Counters are bytes of inner IP packets, headers included.
type Counters struct {
	Rx uint64 // received by this side
	Tx uint64 // sent by this side
}

// Total is what both directions sum up to.
func (c Counters) Total() uint64 { return c.Rx + c.Tx }

// account counts and limits the packets of one session. It is written by the packet path and read by everybody.
type account struct {
	used  atomic.Uint64 // rx + tx, never above limit
	limit atomic.Uint64
	rx    atomic.Uint64
	tx    atomic.Uint64

	refusedAt atomic.Uint64 // 1 + the limit at which a packet was last refused
	dropRx    atomic.Uint64
	dropTx    atomic.Uint64

	pace  atomic.Uint64 // bytes per second, both ways together; 0 for no limit
	paced atomic.Int64  // Unix nanoseconds up to which the pace is used

	tick atomic.Uint64
	next atomic.Uint64 // the total at which wake is due
	wake chan struct{}
}

func newAccount(limit uint64) *account {
	a := &account{wake: make(chan struct{}, 1)}
	a.limit.Store(limit)
	a.next.Store(math.MaxUint64)
	return a
}

// admit counts n bytes if they fit under the limit, all or none.
func (a *account) admit(n uint64) bool {
	for {
		used := a.used.Load()
		if n > a.limit.Load()-used {
			return false
		}
		if !a.used.CompareAndSwap(used, used+n) {
			continue
		}
		if used+n >= a.next.Load() {
			a.crossed(used + n)
		}
		return true
	}
}

// A burst of this length may pass at once, and never less than minBurst bytes.
const (
	burst    = 100 * time.Millisecond
	minBurst = 32 << 10
)

// inPace takes n bytes from the pace, all or none. The bucket is a point in time (the generic cell rate algorithm), so
// it needs no lock and no timer.
func (a *account) inPace(n uint64) bool {
	rate := a.pace.Load()
	if rate == 0 {
		return true
	}
	now := time.Now().UnixNano()
	cost := func(n uint64) int64 { return int64(float64(n) / float64(rate) * float64(time.Second)) }
	room := max(int64(burst), cost(minBurst))
	for {
		used := a.paced.Load()
		next := max(used, now) + cost(n)
		if next-now > room {
			return false
		}
		if a.paced.CompareAndSwap(used, next) {
			return true
		}
	}
}

// crossed moves the next wake-up past total and wakes.
func (a *account) crossed(total uint64) {
	for {
		next, tick := a.next.Load(), a.tick.Load()
		if total < next || tick == 0 {
			return
		}
		if a.next.CompareAndSwap(next, after(total, tick)) {
			a.notify()
			return
		}
	}
}

// after is the first multiple of tick above total.
func after(total, tick uint64) uint64 {
	if rest := tick - total%tick; total <= math.MaxUint64-rest {
		return total + rest
	}
	return math.MaxUint64
}

func (a *account) notify() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// take lets n bytes pass and counts them, or counts them as dropped.
func (a *account) take(n uint64, passed, dropped *atomic.Uint64) bool {
	if !a.inPace(n) {
		dropped.Add(n)
		return false
	}
	if !a.admit(n) {
		dropped.Add(n)
		a.refused()
		return false
	}
	passed.Add(n)
	return true
}

// takeAll lets a run of packets pass together, or does nothing.
func (a *account) takeAll(n uint64, passed *atomic.Uint64) bool {
	if a.pace.Load() != 0 || !a.admit(n) {
		return false
	}
	passed.Add(n)
	return true
}

// refused notes that the gate is closed.
func (a *account) refused() {
	at := a.limit.Load() + 1
	if a.refusedAt.Swap(at) != at {
		a.notify()
	}
}

func (a *account) setTick(n uint64) {
	a.tick.Store(n)
	if n == 0 {
		a.next.Store(math.MaxUint64)
		return
	}
	a.next.Store(after(a.used.Load(), n))
	// Bytes that passed between the two lines above are seen by the packet that follows them.
}

// allow raises the limit.
func (a *account) allow(total uint64) {
	for {
		limit := a.limit.Load()
		if total <= limit || a.limit.CompareAndSwap(limit, total) {
			return
		}
	}
}

func (a *account) held() bool {
	at := a.refusedAt.Load()
	return at != 0 && at == a.limit.Load()+1
}

func (a *account) counters() Counters { return Counters{Rx: a.rx.Load(), Tx: a.tx.Load()} }
func (a *account) dropped() Counters  { return Counters{Rx: a.dropRx.Load(), Tx: a.dropTx.Load()} }

// accounts finds an account by inner address: the last 16 bits of both families are an index.
type accounts struct {
	net4  [2]byte
	net6  [14]byte
	slots [1 << 16]atomic.Pointer[account]
}

func newAccounts(v4, v6 netip.Prefix) *accounts {
	t := new(accounts)
	a4, a6 := v4.Addr().As4(), v6.Addr().As16()
	copy(t.net4[:], a4[:])
	copy(t.net6[:], a6[:])
	return t
}

// Where the addresses stand in the IP headers (RFC 791, RFC 8200).
const (
	src4, dst4, min4 = 12, 16, 20
	src6, dst6, min6 = 8, 24, 40
)

// find returns the account of the address at offset at4 or at6 of the packet, or nil.
func (t *accounts) find(pkt []byte, at4, at6 int) *account {
	switch {
	case len(pkt) >= min4 && pkt[0]>>4 == 4:
		a := pkt[at4 : at4+4]
		if [2]byte(a[:2]) == t.net4 {
			return t.slots[int(a[2])<<8|int(a[3])].Load()
		}
	case len(pkt) >= min6 && pkt[0]>>4 == 6:
		a := pkt[at6 : at6+16]
		if [14]byte(a[:14]) == t.net6 {
			return t.slots[int(a[14])<<8|int(a[15])].Load()
		}
	}
	return nil
}

// meter stands between the engine and its device. It counts every inner packet for its session and drops those that
// are not paid for, in both directions. Batches pass through as they are: consecutive packets of a session are
// admitted together, and one by one only where they do not all fit.
type meter struct {
	tun.Device
	table *accounts // by session; nil where the device has but one
	only  *account
}

func (m *meter) account(pkt []byte, at4, at6 int) *account {
	if m.only != nil {
		return m.only
	}
	return m.table.find(pkt, at4, at6)
}

// Read implements tun.Device: packets on their way to a peer. Dropped ones get size zero, which the engine skips.
func (m *meter) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	n, err := m.Device.Read(bufs, sizes, offset)
	for i := 0; i < n; {
		a := m.account(bufs[i][offset:offset+sizes[i]], dst4, dst6)
		sum, j := uint64(sizes[i]), i+1
		for ; j < n && m.account(bufs[j][offset:offset+sizes[j]], dst4, dst6) == a; j++ {
			sum += uint64(sizes[j])
		}
		switch {
		case a == nil:
			clear(sizes[i:j])
		case a.takeAll(sum, &a.tx):
		default:
			for k := i; k < j; k++ {
				if !a.take(uint64(sizes[k]), &a.tx, &a.dropTx) {
					sizes[k] = 0
				}
			}
		}
		i = j
	}
	return n, err
}

// Write implements tun.Device: packets that came from a peer, whose source the engine has checked. The slice is
// compacted in place when packets are dropped.
func (m *meter) Write(bufs [][]byte, offset int) (int, error) {
	n, kept := len(bufs), 0
	for i := 0; i < n; {
		a := m.account(bufs[i][offset:], src4, src6)
		sum, j := uint64(len(bufs[i])-offset), i+1
		for ; j < n && m.account(bufs[j][offset:], src4, src6) == a; j++ {
			sum += uint64(len(bufs[j]) - offset)
		}
		switch {
		case a == nil:
		case a.takeAll(sum, &a.rx):
			kept += copy(bufs[kept:], bufs[i:j])
		default:
			for k := i; k < j; k++ {
				if a.take(uint64(len(bufs[k])-offset), &a.rx, &a.dropRx) {
					bufs[kept] = bufs[k]
					kept++
				}
			}
		}
		i = j
	}
	if kept == 0 {
		return n, nil
	}
	if _, err := m.Device.Write(bufs[:kept], offset); err != nil {
		return 0, err
	}
	return n, nil
}
