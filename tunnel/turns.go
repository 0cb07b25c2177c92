package tunnel

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// lane is a kind of new flow. The lanes of a session share its rate: while several wait, each gets its turn, so that a
// program that opens thousands of connections delays no datagram of another.
type lane uint8

const (
	laneTCP lane = iota
	laneUDP
	laneEcho
	laneDNS
	lanes
)

// errBusy means that as many wait already as may.
var errBusy = errors.New("too many wait for their turn")

// How many may wait in a lane, whatever the rate; and how long the last of them waits at most. That is shorter than the
// patience of any system that connects, so that a delay does not become a failure.
const (
	laneLeast   = 16
	laneMost    = 1024
	laneTime    = 8 * time.Second
	datagramCap = 256 // of the lanes whose packets are kept here while they wait
)

// crowd bounds how many wait in all lanes of an exit together. Above most, a session may have its equal part of them.
type crowd struct {
	most     int64
	all      atomic.Int64
	sessions atomic.Int64
}

// mayJoin reports whether a session with so many waiting may have one more.
func (c *crowd) mayJoin(mine int) bool {
	return c.all.Load() < c.most || int64(mine) < max(laneLeast, c.most/max(1, c.sessions.Load()))
}

// turns gives out a session's new flows at its rate, first come, first served within each lane.
type turns struct {
	crowd *crowd
	rate  *rate.Limiter

	mu     sync.Mutex
	queue  [lanes][]*turn
	count  int // in all queues
	next   lane
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

func newTurns(c *crowd, perSecond int) *turns {
	t := &turns{crowd: c, rate: rate.NewLimiter(rate.Limit(perSecond), 2*perSecond)}
	t.timer = time.AfterFunc(time.Hour, t.serve)
	t.timer.Stop()
	return t
}

// room is how many may wait in a lane.
func (t *turns) room(l lane) int {
	n := min(max(laneLeast, int(float64(t.rate.Limit())*laneTime.Seconds())), laneMost)
	if l == laneUDP || l == laneEcho {
		n = min(n, datagramCap)
	}
	return n
}

// full reports whether a lane has no room to wait in. It is a guess where others come at the same time.
func (t *turns) full(l lane) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed || len(t.queue[l]) >= t.room(l) || !t.crowd.mayJoin(t.count)
}

// try takes a turn if there is one at once.
func (t *turns) try() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.closed && t.count == 0 && t.rate.Allow()
}

// wait takes a turn when it comes. It returns errBusy, errSessionEnded or an error of ctx.
func (t *turns) wait(ctx context.Context, l lane) error {
	t.mu.Lock()
	switch {
	case t.closed:
		t.mu.Unlock()
		return errSessionEnded
	case t.count == 0 && t.rate.Allow():
		t.mu.Unlock()
		return nil
	case len(t.queue[l]) >= t.room(l) || !t.crowd.mayJoin(t.count):
		t.mu.Unlock()
		t.dropped.Add(1)
		return errBusy
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

// armLocked waits until there is a turn to give.
func (t *turns) armLocked() {
	missing := 1 - t.rate.Tokens()
	t.timer.Reset(max(time.Millisecond, time.Duration(missing/float64(t.rate.Limit())*float64(time.Second))))
}

// serve gives the turns that there are.
func (t *turns) serve() {
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

func (t *turns) leftLocked(n int) {
	t.crowd.all.Add(-int64(n))
	if t.count -= n; t.count == 0 && n > 0 {
		t.crowd.sessions.Add(-1)
	}
}

// close refuses those who wait and whoever comes after.
func (t *turns) close() {
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
				w.err = errSessionEnded
				close(w.ready)
			}
		}
		t.queue[l] = nil
	}
	t.leftLocked(t.count)
}

// waiting is how many wait.
func (t *turns) waiting() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.count
}
