// Package turnstile shares among sessions what an exit has too little of: turns for new flows, and places, of which a flow needs
// one while it is open. Who is above its share waits, and is not refused.
package turnstile

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Lane is a kind of new flow. The lanes of a session share its rate: while several wait, each gets its turn, so that a
// program that opens thousands of connections delays no datagram of another.
type Lane uint8

const (
	LaneTCP Lane = iota
	LaneUDP
	LaneEcho
	LaneDNS
	lanes
)

// ErrBusy means that as many wait already as may.
var ErrBusy = errors.New("too many wait for their turn")

// How many may wait in a lane, whatever the rate; and how long the last of them waits at most. That is shorter than the
// patience of any system that connects, so that a delay does not become a failure.
const (
	laneLeast   = 16
	laneMost    = 1024
	laneTime    = 8 * time.Second
	datagramCap = 256 // of the lanes whose packets are kept here while they wait
)

// Crowd bounds how many wait in all lanes of an exit together. Above most, a session may have its equal part of them.
type Crowd struct {
	most     int64
	all      atomic.Int64
	sessions atomic.Int64
}

// NewCrowd makes an exit's crowd.
func NewCrowd() *Crowd { return &Crowd{most: waitersMost} }

// Waiting is how many wait.
func (c *Crowd) Waiting() int { return int(c.all.Load()) }

// mayJoin reports whether a session with so many waiting may have one more.
func (c *Crowd) mayJoin(mine int) bool {
	return c.all.Load() < c.most || int64(mine) < max(laneLeast, c.most/max(1, c.sessions.Load()))
}

// Turns gives out a session's new flows at its rate, first come, first served within each lane.
type Turns struct {
	crowd *Crowd
	rate  *rate.Limiter

	mu     sync.Mutex
	queue  [lanes][]*turn
	count  int // in all queues
	next   Lane
	timer  *time.Timer
	closed bool

	delayed, dropped atomic.Uint64
}

// turn is one that waits.
type turn struct {
	ready chan struct{} // closed when it is its turn
	gone  bool          // does not wait any more
	err   error
}

func NewTurns(c *Crowd, perSecond int) *Turns {
	t := &Turns{crowd: c, rate: rate.NewLimiter(rate.Limit(perSecond), 2*perSecond)}
	t.timer = time.AfterFunc(time.Hour, t.serve)
	t.timer.Stop()
	return t
}

// room is how many may wait in a lane.
func (t *Turns) room(l Lane) int {
	n := min(max(laneLeast, int(float64(t.rate.Limit())*laneTime.Seconds())), laneMost)
	if l == LaneUDP || l == LaneEcho {
		n = min(n, datagramCap)
	}
	return n
}

// Full reports whether a lane has no room to wait in. It is a guess where others come at the same time.
func (t *Turns) Full(l Lane) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed || len(t.queue[l]) >= t.room(l) || !t.crowd.mayJoin(t.count)
}

// Try takes a turn if there is one at once.
func (t *Turns) Try() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.closed && t.count == 0 && t.rate.Allow()
}

// Wait takes a turn when it comes. It returns [ErrBusy], [ErrEnded] or an error of ctx.
func (t *Turns) Wait(ctx context.Context, l Lane) error {
	t.mu.Lock()
	switch {
	case t.closed:
		t.mu.Unlock()
		return ErrEnded
	case t.count == 0 && t.rate.Allow():
		t.mu.Unlock()
		return nil
	case len(t.queue[l]) >= t.room(l) || !t.crowd.mayJoin(t.count):
		t.mu.Unlock()
		t.dropped.Add(1)
		return ErrBusy
	}
	w := &turn{ready: make(chan struct{})}
	t.queue[l] = append(t.queue[l], w)
	t.crowd.all.Add(1)
	if t.count++; t.count == 1 {
		t.crowd.sessions.Add(1)
		t.armLocked()
	}
	t.mu.Unlock()
	t.delayed.Add(1)
	select {
	case <-w.ready:
		return w.err
	case <-ctx.Done():
		t.mu.Lock()
		defer t.mu.Unlock()
		select {
		case <-w.ready:
			return w.err // it came at the same time, and is used up either way
		default:
		}
		w.gone = true
		return ctx.Err()
	}
}

// Refuse counts one that may not even wait.
func (t *Turns) Refuse() { t.dropped.Add(1) }

// Waits is how many had to wait for their turn, and how many were refused because too many did, since the first.
func (t *Turns) Waits() (delayed, refused uint64) { return t.delayed.Load(), t.dropped.Load() }

// armLocked waits until there is a turn to give.
func (t *Turns) armLocked() {
	missing := 1 - t.rate.Tokens()
	t.timer.Reset(max(time.Millisecond, time.Duration(missing/float64(t.rate.Limit())*float64(time.Second))))
}

// serve gives the turns that there are.
func (t *Turns) serve() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.count > 0 {
		for len(t.queue[t.next]) == 0 {
			t.next = (t.next + 1) % lanes
		}
		w := t.queue[t.next][0]
		if !w.gone && !t.rate.Allow() {
			t.armLocked()
			return
		}
		t.queue[t.next] = t.queue[t.next][1:]
		t.leftLocked(1)
		if !w.gone {
			close(w.ready)
			t.next = (t.next + 1) % lanes
		}
	}
	t.queue = [lanes][]*turn{}
}

func (t *Turns) leftLocked(n int) {
	t.crowd.all.Add(-int64(n))
	if t.count -= n; t.count == 0 && n > 0 {
		t.crowd.sessions.Add(-1)
	}
}

// Close refuses those who wait and whoever comes after.
func (t *Turns) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	t.closed = true
	t.timer.Stop()
	for l := range t.queue {
		for _, w := range t.queue[l] {
			if !w.gone {
				w.err = ErrEnded
				close(w.ready)
			}
		}
		t.queue[l] = nil
	}
	t.leftLocked(t.count)
}

// Waiting is how many wait.
func (t *Turns) Waiting() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.count
}
