package tunnel

import (
	"container/list"
	"sync"
)

// How many connections may wait for their program to ask for something, in all and of one caller; and of all callers
// together who will not be served.
const (
	silentAll       = 2048
	silentOfOne     = 1024
	silentStrangers = 64
)

// silents are the connections whose programs have not asked for anything yet, or not again. Beyond a bound the oldest one
// of the caller is closed, so that a program which opens connections and says nothing harms its own user's alone.
type silents struct {
	mu    sync.Mutex
	of    map[any]*list.List // of *silence, the oldest first
	total int
}

// silence is one connection's turn among the silent.
type silence struct {
	key  any
	drop func()
	at   *list.Element // nil: not among them
}

// enter counts a connection, which drop closes. Drop is called at most once, and not after leave.
func (s *silents) enter(w *silence) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.at != nil {
		return
	}
	if s.of == nil {
		s.of = make(map[any]*list.List)
	}
	mine := s.of[w.key]
	if mine == nil {
		mine = list.New()
		s.of[w.key] = mine
	}
	bound := silentOfOne
	if w.key == (stranger{}) {
		bound = silentStrangers
	}
	if mine.Len() >= bound {
		s.dropLocked(mine)
	} else if s.total >= silentAll {
		s.dropLocked(s.largestLocked())
	}
	if s.of[w.key] == nil { // it was dropped to nothing
		s.of[w.key] = mine
	}
	w.at = mine.PushBack(w)
	s.total++
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
}
