package turnstile

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// How long a place is looked for again, and how soon: what is idle now may have been active a moment ago.
const (
	pressSoon  = 5 * time.Millisecond
	pressAgain = 250 * time.Millisecond
	pressMost  = 64 // flows told to end at a time
)

// How long a flow must have rested before its own session may give up its place for another one. Between sessions no
// rest is asked for: whoever is above its share loses the flow that rested longest.
const (
	RestTCP = 10 * time.Second
	RestUDP = 2 * time.Second
)

// ErrEnded means that a session ended while one of its flows waited.
var ErrEnded = errors.New("session has ended")

// places is a number of things that flows need one of each, such as descriptors of the process, shared by sessions. A
// flow that finds none free waits; a free place goes to the waiting session that has the fewest. Where all are taken,
// the session that has the most loses the flow that has rested longest, as long as that makes the shares more equal:
// so with n sessions each gets an nth of the places when it wants them, however many flows the others open.
type places struct {
	mu      sync.Mutex
	total   int
	used    int
	leaving int // of used: told to end
	queued  int // flows that wait
	shares  map[*Share]struct{}
	waiting map[*Share]struct{} // of shares: those with a queue
	timer   *time.Timer
	due     time.Time // of the timer; zero: it is not set
}

// Share is one session's part of some places.
type Share struct {
	places *places
	limit  int

	// The lock of places guards these.
	flows   map[*Flow]struct{}
	leaving int
	queue   []*placeWait
	closed  bool

	delayed, evicted atomic.Uint64
}

// placeWait is a flow that waits for a place.
type placeWait struct {
	flow  *Flow
	ready chan struct{} // closed when the flow has its place, or err says why not
	err   error
}

// Flow is one forwarded connection, socket or query of a session. It ends when its session does, or when its place is
// needed more elsewhere.
type Flow struct {
	share *Share
	rest  time.Duration // after which it counts as idle; 0: never for its own session
	last  atomic.Int64  // Unix nanoseconds of the latest byte, either way

	// The lock of places guards these.
	ended   bool
	leaving bool
	stop    func() // may be called more than once, and must not block
}

func newPlaces(total int) *places {
	p := &places{total: total, shares: make(map[*Share]struct{}), waiting: make(map[*Share]struct{})}
	p.timer = time.AfterFunc(time.Hour, p.press)
	p.timer.Stop()
	return p
}

// Share makes a session's share, of limit places at most.
func (p *places) Share(limit int) *Share {
	return &Share{places: p, limit: limit, flows: make(map[*Flow]struct{})}
}

// Try gives the flow a place if one is free and nobody waits for it.
func (s *Share) Try(rest time.Duration) *Flow {
	p := s.places
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.closed || len(p.waiting) > 0 && (p.used >= p.total || len(s.queue) > 0) || !p.roomLocked(s) {
		return nil
	}
	f := &Flow{share: s, rest: rest}
	p.giveLocked(f)
	return f
}

// Take waits for a place. It returns an error of ctx, [ErrEnded], or [ErrBusy] where too many wait.
func (s *Share) Take(ctx context.Context, rest time.Duration) (*Flow, error) {
	if f := s.Try(rest); f != nil {
		return f, nil
	}
	p := s.places
	w := &placeWait{flow: &Flow{share: s, rest: rest}, ready: make(chan struct{})}
	p.mu.Lock()
	if s.closed {
		p.mu.Unlock()
		return nil, ErrEnded
	}
	if len(s.queue) >= laneMost || p.queued >= waitersMost && len(s.queue) >= max(laneLeast, waitersMost/len(p.waiting)) {
		p.mu.Unlock()
		return nil, ErrBusy
	}
	s.queue = append(s.queue, w)
	p.queued++
	p.waiting[s], p.shares[s] = struct{}{}, struct{}{}
	p.serveLocked()
	if p.due.IsZero() || len(s.flows) < s.limit && len(s.flows)+1 < p.total/len(p.shares) {
		// Whoever has less than its part waits no longer because others wait already.
		p.armLocked(pressSoon)
	}
	p.mu.Unlock()
	s.delayed.Add(1)
	select {
	case <-w.ready:
	case <-ctx.Done():
		if s.withdraw(w) {
			return nil, ctx.Err()
		}
		<-w.ready
		if w.err == nil {
			w.flow.End()
			return nil, ctx.Err()
		}
	}
	if w.err != nil {
		return nil, w.err
	}
	return w.flow, nil
}

// withdraw takes a waiting flow out of the queue. It reports false when it is no longer there.
func (s *Share) withdraw(w *placeWait) bool {
	p := s.places
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, other := range s.queue {
		if other == w {
			s.queue = append(s.queue[:i], s.queue[i+1:]...)
			p.queued--
			p.tidyLocked(s)
			return true
		}
	}
	return false
}

func (p *places) roomLocked(s *Share) bool { return p.used < p.total && len(s.flows) < s.limit }

func (p *places) giveLocked(f *Flow) {
	p.used++
	f.share.flows[f] = struct{}{}
	p.shares[f.share] = struct{}{}
	f.last.Store(time.Now().UnixNano())
}

// tidyLocked forgets what has nothing and wants nothing.
func (p *places) tidyLocked(s *Share) {
	if len(s.queue) == 0 {
		s.queue = nil
		delete(p.waiting, s)
		if len(s.flows) == 0 {
			delete(p.shares, s)
		}
	}
}

// serveLocked gives free places to those who wait, the session with the fewest first.
func (p *places) serveLocked() {
	for p.used < p.total && len(p.waiting) > 0 {
		var poorest *Share
		for s := range p.waiting {
			if len(s.flows) < s.limit && (poorest == nil || len(s.flows) < len(poorest.flows)) {
				poorest = s
			}
		}
		if poorest == nil {
			return
		}
		w := poorest.queue[0]
		poorest.queue = poorest.queue[1:]
		p.queued--
		p.giveLocked(w.flow)
		close(w.ready)
		p.tidyLocked(poorest)
	}
}

// armLocked has places looked for after d at the latest.
func (p *places) armLocked(d time.Duration) {
	if due := time.Now().Add(d); p.due.IsZero() || due.Before(p.due) {
		p.due = due
		p.timer.Reset(d)
	}
}

// press ends flows whose places others wait for, and comes again while anybody waits.
func (p *places) press() {
	p.mu.Lock()
	p.due = time.Time{}
	p.serveLocked()
	stops := p.chooseLocked(time.Now())
	if len(p.waiting) > 0 {
		next := pressAgain
		if len(stops) > 0 {
			next = pressSoon
		}
		p.armLocked(next)
	}
	p.mu.Unlock()
	for _, stop := range stops {
		stop()
	}
}

// chooseLocked finds flows to end, one for each place that is waited for and not yet on its way.
func (p *places) chooseLocked(now time.Time) (stops []func()) {
	evict := func(f *Flow) {
		f.leaving = true
		f.share.leaving++
		p.leaving++
		f.share.evicted.Add(1)
		stops = append(stops, f.stop)
	}
	// Sessions at their own limit help themselves; what else they would get does not matter.
	hungry := make(map[*Share]int) // how many places each would have, with those promised
	wanted := 0
	for s := range p.waiting {
		if len(s.flows) >= s.limit {
			for range min(len(s.queue)-s.leaving, pressMost-len(stops)) {
				f := s.oldestLocked(now, true)
				if f == nil {
					break
				}
				evict(f)
			}
			continue
		}
		hungry[s] = len(s.flows) - s.leaving
		wanted += min(len(s.queue), s.limit-len(s.flows))
	}
	if p.used < p.total {
		return stops
	}
	// The poorest of those that wait gets what the richest of all can give, while that makes them more equal.
	for wanted > p.leaving && len(hungry) > 0 && len(stops) < pressMost {
		var poorest, richest *Share
		for s, n := range hungry {
			if poorest == nil || n < hungry[poorest] {
				poorest = s
			}
		}
		for s := range p.shares {
			if richest == nil || len(s.flows)-s.leaving > len(richest.flows)-richest.leaving {
				richest = s
			}
		}
		if len(richest.flows)-richest.leaving <= hungry[poorest]+1 {
			break
		}
		f := richest.oldestLocked(now, false)
		if f == nil {
			break // its places have just been given: the next look finds what to stop
		}
		evict(f)
		if hungry[poorest]++; hungry[poorest]-len(poorest.flows) >= len(poorest.queue) {
			delete(hungry, poorest)
		}
	}
	// What is left are equals: each may give up what it does not use itself.
	for s, n := range hungry {
		for wanted > p.leaving && n-len(s.flows) < len(s.queue) && len(stops) < pressMost {
			f := s.oldestLocked(now, true)
			if f == nil {
				break
			}
			evict(f)
			n++
		}
	}
	return stops
}

// oldestLocked is the flow that has rested longest, among those that can be ended. Idle asks that it has rested for as
// long as its kind must.
func (s *Share) oldestLocked(now time.Time, idle bool) *Flow {
	var oldest *Flow
	for f := range s.flows {
		if f.leaving || f.stop == nil {
			continue
		}
		last := f.last.Load()
		if idle && (f.rest == 0 || now.UnixNano()-last < int64(f.rest)) {
			continue
		}
		if oldest == nil || last < oldest.last.Load() {
			oldest = f
		}
	}
	return oldest
}

// Touch notes that a byte passed.
func (f *Flow) Touch() { f.last.Store(time.Now().UnixNano()) }

// Latest is when a byte last passed, in Unix nanoseconds, for whoever moves them.
func (f *Flow) Latest() *atomic.Int64 { return &f.last }

// OnStop says how to end the flow. It reports false, having called stop, when the session has ended meanwhile or the
// flow's place has gone to another.
func (f *Flow) OnStop(stop func()) bool {
	p := f.share.places
	p.mu.Lock()
	over := f.share.closed || f.leaving
	f.stop = stop
	p.mu.Unlock()
	if over {
		stop()
	}
	return !over
}

// End gives the flow's place back.
func (f *Flow) End() {
	s, p := f.share, f.share.places
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.ended {
		return
	}
	f.ended = true
	if f.leaving {
		s.leaving--
		p.leaving--
	}
	delete(s.flows, f)
	p.used--
	p.tidyLocked(s)
	p.serveLocked()
}

// Close ends every flow of the session and refuses those that wait. It reports whether any flow was open.
func (s *Share) Close() bool {
	p := s.places
	p.mu.Lock()
	s.closed = true
	var stops []func()
	for f := range s.flows {
		if f.stop != nil {
			stops = append(stops, f.stop)
		}
	}
	for _, w := range s.queue {
		w.err = ErrEnded
		close(w.ready)
	}
	p.queued -= len(s.queue)
	s.queue = nil
	p.tidyLocked(s)
	p.mu.Unlock()
	for _, stop := range stops {
		stop()
	}
	return len(stops) > 0
}

// Use is how many places the session has, and how many it waits for.
func (s *Share) Use() (held, waiting int) {
	s.places.mu.Lock()
	defer s.places.mu.Unlock()
	return len(s.flows), len(s.queue)
}

// Waits is how many flows had to wait for a place, and how many lost theirs to others, since the share was made.
func (s *Share) Waits() (delayed, evicted uint64) { return s.delayed.Load(), s.evicted.Load() }

// Use is how many of the places are taken.
func (p *places) Use() (used, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used, p.total
}
