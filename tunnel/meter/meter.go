// Package meter counts inner packets and lets through as many as it is told to. A provider's is the Meter: an account for
// each session, and a Gate, which sessions of one payer share. A consumer's is the Porter, which bills what answers and
// lets in nothing else. It knows nothing about money.
package meter

import (
	"math"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.zx2c4.com/wireguard/tun"

	"byway/tunnel/packet"
)

// Counters are bytes of inner IP packets, headers included.
type Counters struct {
	Rx uint64 // received by this side
	Tx uint64 // sent by this side
}

// Total sums both directions, in bytes.
func (c Counters) Total() uint64 { return c.Rx + c.Tx }

// Account counts and limits the packets of one session. Both directions, its readers and the other sessions of its gate
// share the gate's lock, held for some nanoseconds a batch, so that what is read together belongs together: a wake-up
// never shows less than it is about, and no two sessions pass the same allowance.
type Account struct {
	wake chan struct{}
	gate *Gate

	// Guarded by the gate's lock.
	passed  Counters
	dropped Counters
	refused uint64 // the gate's turn at which a packet last was; 0 for never
	tick    uint64 // 0: none
	next    uint64 // the total at which wake is due
	pace    uint64 // bytes per second, both ways together; 0 for no limit
	paced   int64  // Unix nanoseconds up to which the pace is used
	paused  bool   // nothing passes, and no gate is asked
}

// way is a direction, seen from this side.
type way int

const (
	inbound way = iota
	outbound
)

func (c *Counters) add(w way, n uint64) {
	if w == inbound {
		c.Rx += n
	} else {
		c.Tx += n
	}
}

func NewAccount(gate *Gate) *Account {
	return &Account{wake: make(chan struct{}, 1), gate: gate, next: math.MaxUint64}
}

// Allowance returns the gate, which other accounts may share.
func (a *Account) Allowance() *Gate { return a.gate }

// takeAll lets a run of packets of n bytes pass together, or does nothing.
func (a *Account) takeAll(w way, n uint64) bool {
	a.gate.mu.Lock()
	defer a.gate.mu.Unlock()
	if a.pace != 0 || a.paused || n > a.gate.leftLocked() {
		return false
	}
	a.passLocked(w, n)
	return true
}

// take lets one packet of n bytes pass and counts it, or counts it as dropped.
func (a *Account) take(w way, n uint64) bool {
	a.gate.mu.Lock()
	defer a.gate.mu.Unlock()
	if a.paused {
		a.dropped.add(w, n)
		return false
	}
	if n > a.gate.leftLocked() {
		a.dropped.add(w, n)
		if a.gate.refuseLocked(&a.refused) {
			a.notify()
		}
		return false
	}
	if a.pace != 0 && !a.inPaceLocked(n) {
		a.dropped.add(w, n)
		return false
	}
	a.passLocked(w, n)
	return true
}

func (a *Account) passLocked(w way, n uint64) {
	a.gate.passed += n
	a.passed.add(w, n)
	if total := a.passed.Total(); total >= a.next {
		a.next = after(total, a.tick)
		a.notify()
	}
}

// A burst of this length may pass at once, and never less than minBurst bytes: TCP that meets a tighter bound loses
// half of its rate for as long as it lasts.
const (
	Burst    = 500 * time.Millisecond
	minBurst = 128 << 10
)

// inPaceLocked takes n bytes from the pace, all or none. The bucket is a point in time (the generic cell rate
// algorithm), so it needs no timer.
func (a *Account) inPaceLocked(n uint64) bool {
	now := time.Now().UnixNano()
	cost := func(n uint64) int64 { return int64(float64(n) / float64(a.pace) * float64(time.Second)) }
	next := max(a.paced, now) + cost(n)
	if next-now > max(int64(Burst), cost(minBurst)) {
		return false
	}
	a.paced = next
	return true
}

// after is the first multiple of tick above total.
func after(total, tick uint64) uint64 {
	if tick == 0 {
		return math.MaxUint64
	}
	if rest := tick - total%tick; total <= math.MaxUint64-rest {
		return total + rest
	}
	return math.MaxUint64
}

func (a *Account) notify() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// Notified wakes when a tick is crossed or the gate refuses. Wake-ups that nobody waited for become one.
func (a *Account) Notified() <-chan struct{} { return a.wake }

func (a *Account) SetTick(n uint64) {
	a.gate.mu.Lock()
	defer a.gate.mu.Unlock()
	a.tick, a.next = n, after(a.passed.Total(), n)
}

func (a *Account) SetPace(bytesPerSecond uint64) {
	a.gate.mu.Lock()
	defer a.gate.mu.Unlock()
	a.pace = bytesPerSecond
}

func (a *Account) Pause(on bool) {
	a.gate.mu.Lock()
	defer a.gate.mu.Unlock()
	a.paused = on
}

// Held reports whether the gate refused a packet of this session since it last rose.
func (a *Account) Held() bool {
	a.gate.mu.Lock()
	defer a.gate.mu.Unlock()
	return a.refused == a.gate.turn
}

// Counters returns the bytes that passed.
func (a *Account) Counters() Counters {
	a.gate.mu.Lock()
	defer a.gate.mu.Unlock()
	return a.passed
}

// Dropped returns the bytes that the gate or the pace refused.
func (a *Account) Dropped() Counters {
	a.gate.mu.Lock()
	defer a.gate.mu.Unlock()
	return a.dropped
}

// Accounts finds an account by inner address: the last 16 bits of both families are an index.
type Accounts struct {
	net4  [2]byte
	net6  [14]byte
	slots [1 << 16]atomic.Pointer[Account]
}

func NewAccounts(v4, v6 netip.Prefix) *Accounts {
	t := new(Accounts)
	a4, a6 := v4.Addr().As4(), v6.Addr().As16()
	copy(t.net4[:], a4[:])
	copy(t.net6[:], a6[:])
	return t
}

// Set puts an account, or none for nil, at the address of an index.
func (t *Accounts) Set(index uint16, a *Account) { t.slots[index].Store(a) }

// find returns the account of the address at offset at4 or at6 of the packet, or nil.
func (t *Accounts) find(pkt []byte, at4, at6 int) *Account {
	switch {
	case len(pkt) >= packet.Min4 && pkt[0]>>4 == 4:
		a := pkt[at4 : at4+4]
		if [2]byte(a[:2]) == t.net4 {
			return t.slots[int(a[2])<<8|int(a[3])].Load()
		}
	case len(pkt) >= packet.Min6 && pkt[0]>>4 == 6:
		a := pkt[at6 : at6+16]
		if [14]byte(a[:14]) == t.net6 {
			return t.slots[int(a[14])<<8|int(a[15])].Load()
		}
	}
	return nil
}

// Meter stands between an exit's engine and its device. It counts every inner packet for its session and drops those
// that are not paid for, in both directions. Batches pass through as they are: consecutive packets of a session are
// admitted together, and one by one only where they do not all fit. A consumer's is the porter.
type Meter struct {
	tun.Device
	Table *Accounts
	Shut  *atomic.Bool // nothing passes to the device, and nothing is counted, while it is set; may be nil
}

// Read implements tun.Device: packets on their way to a peer. Dropped ones get size zero, which the engine skips.
func (m *Meter) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	n, err := m.Device.Read(bufs, sizes, offset)
	for i := 0; i < n; {
		a := m.Table.find(bufs[i][offset:offset+sizes[i]], packet.Dst4, packet.Dst6)
		sum, j := uint64(sizes[i]), i+1
		for ; j < n && m.Table.find(bufs[j][offset:offset+sizes[j]], packet.Dst4, packet.Dst6) == a; j++ {
			sum += uint64(sizes[j])
		}
		switch {
		case a == nil:
			clear(sizes[i:j])
		case a.takeAll(outbound, sum):
		default:
			for k := i; k < j; k++ {
				if !a.take(outbound, uint64(sizes[k])) {
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
func (m *Meter) Write(bufs [][]byte, offset int) (int, error) {
	n, kept := len(bufs), 0
	if m.Shut != nil && m.Shut.Load() {
		return n, nil
	}
	for i := 0; i < n; {
		a := m.Table.find(bufs[i][offset:], packet.Src4, packet.Src6)
		sum, j := uint64(len(bufs[i])-offset), i+1
		for ; j < n && m.Table.find(bufs[j][offset:], packet.Src4, packet.Src6) == a; j++ {
			sum += uint64(len(bufs[j]) - offset)
		}
		switch {
		case a == nil:
		case a.takeAll(inbound, sum):
			kept += copy(bufs[kept:], bufs[i:j])
		default:
			for k := i; k < j; k++ {
				if a.take(inbound, uint64(len(bufs[k])-offset)) {
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
