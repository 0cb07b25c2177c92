package proxy

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// How many connections may wait for their program to ask for something, in all and of one caller; and of all callers
// together who will not be served.
const (
	silentAll       = 2048
	silentOfOne     = 1024
	silentStrangers = 64
)

// silentPatience is how long a new connection may say nothing before it has to make room for another. What a program sends
// right after it connects is read by then; until then who comes next waits in the kernel's queue.
const silentPatience = time.Second

// silents are the connections whose programs have not asked for anything yet, or not again. Beyond a bound the oldest one
// of the caller is closed, so that a program which opens connections and says nothing harms its own user's alone. They also
// count the descriptors of all connections, since the silent ones are those that can give one back.
type silents struct {
	files int // how many descriptors the proxy's connections may take

	mu       sync.Mutex
	of       map[any]*list.List // of *silence, the oldest first
	total    int
	open     int           // descriptors taken
	arriving int           // connections accepted and not yet among the silent
	dropping int           // connections that were dropped and are not closed yet
	changed  chan struct{} // wakes admit
}

// silence is one connection's turn among the silent.
type silence struct {
	key     any
	drop    func()
	at      *list.Element // nil: not among them
	since   time.Time
	known   bool // has been among them
	dropped bool
}

func newSilents(files int) *silents {
	return &silents{files: files, of: make(map[any]*list.List), changed: make(chan struct{}, 1)}
}

// admit waits until there is room for one more connection, which gone must follow. It drops old ones that say nothing
// where there is none. It reports false when ctx has ended.
func (s *silents) admit(ctx context.Context) bool {
	for {
		wait, ok := s.tryAdmit()
		if ok {
			return true
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-s.changed:
		case <-timer.C:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return false
		}
	}
}

func (s *silents) tryAdmit() (wait time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	most := s.largestLocked()
	many := 0
	if most != nil {
		many = most.Len()
	}
	if s.open < s.files && many+s.arriving < silentOfOne {
		s.open++
		s.arriving++
		return 0, true
	}
	if most == nil || s.dropping > 0 {
		return silentPatience, false // whatever ends says so
	}
	oldest := most.Front().Value.(*silence)
	if age := time.Since(oldest.since); age < silentPatience && oldest.key != (stranger{}) {
		return silentPatience - age, false
	}
	s.dropLocked(most)
	return silentPatience, false
}

// takeFile counts one descriptor more of a connection, for which the oldest silent one may have to go. It reports false where
// there is none; giveFile takes it back. The last eighth is left for connections, so that each can be told.
func (s *silents) takeFile() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if busy := s.open - s.total - s.arriving - s.dropping; busy >= s.files-s.files/8 {
		return false
	}
	if s.open >= s.files && s.total > 0 {
		s.dropLocked(s.largestLocked())
	}
	s.open++
	return true
}

func (s *silents) giveFile() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	s.wakeLocked()
}

// gone counts out a connection that is closed.
func (s *silents) gone(w *silence) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.at != nil {
		s.removeLocked(w)
	}
	if w.dropped {
		s.dropping--
	}
	s.open--
	s.wakeLocked()
}

// missed takes back what admit has counted for a connection that did not come.
func (s *silents) missed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	s.arriving--
}

func (s *silents) wakeLocked() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// enter counts a connection among the silent, which drop closes. Drop is called at most once, and not after leave. Where
// there is no room the oldest goes; a connection that has been served before gives way to new ones instead: it reports false,
// and is to be closed.
func (s *silents) enter(w *silence) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.at != nil {
		return true
	}
	again := w.known
	if !again {
		w.known = true
		s.arriving--
	}
	mine := s.of[w.key]
	if mine == nil {
		mine = list.New()
		s.of[w.key] = mine
	}
	bound := silentOfOne
	if w.key == (stranger{}) {
		bound = min(silentStrangers, max(1, s.files/4))
	}
	var from *list.List
	if mine.Len() >= bound {
		from = mine
	} else if s.total >= silentAll {
		from = s.largestLocked()
	}
	if from != nil {
		if again && time.Since(from.Front().Value.(*silence).since) < silentPatience {
			return false
		}
		s.dropLocked(from)
	}
	s.of[w.key] = mine // it may have been dropped to nothing
	w.at, w.since = mine.PushBack(w), time.Now()
	s.total++
	return true
}

// leave takes a connection out, which has asked for something or is closed. It says whether the connection still was among
// the silent.
func (s *silents) leave(w *silence) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.at == nil {
		return false
	}
	s.removeLocked(w)
	return true
}

// makeRoom drops one connection, of whoever has the most. It says whether there was one.
func (s *silents) makeRoom() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.total == 0 {
		return false
	}
	s.dropLocked(s.largestLocked())
	return true
}

func (s *silents) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

func (s *silents) largestLocked() (most *list.List) {
	for _, l := range s.of {
		if most == nil || l.Len() > most.Len() {
			most = l
		}
	}
	return most
}

func (s *silents) dropLocked(of *list.List) {
	w := of.Front().Value.(*silence)
	s.removeLocked(w)
	w.dropped = true
	s.dropping++
	w.drop()
}

func (s *silents) removeLocked(w *silence) {
	l := s.of[w.key]
	l.Remove(w.at)
	w.at = nil
	s.total--
	if l.Len() == 0 {
		delete(s.of, w.key)
	}
	s.wakeLocked()
}
