package serve

import (
	"cmp"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"byway/node/wire"
	"byway/payments"
)

// A server serves so many sessions at once, and a place among them is for those who use it. Where all are taken, a session
// that uses its place little gives way to one that has paid and waits: it rests. Its peer, its addresses and its stream
// stay, nothing is forwarded, and with the next packet that it has to send it waits for a place itself. Those who wait are
// served in the order in which they came. Before it has paid nobody moves anyone.
const (
	// keepTime is how long a session keeps a place, whatever it does with it.
	keepTime = 10 * time.Second
	// Who moves inUse bytes, or a tick where that is less, within usePeriod uses the place.
	usePeriod = time.Minute
	useMarks  = 6
	inUse     = 1 << 20
	// Beside a quarter of the places so many may rest.
	leastResting = 64
	// lookEvery is how often the places are looked through for those who wait.
	lookEvery = 250 * time.Millisecond
)

// Places bounds who is served, and who rests meanwhile.
type Places struct {
	Sessions int           // served at once
	Resting  int           // sessions that rest; 0: 64 and a quarter of Sessions
	Keep     time.Duration // how long a session keeps a place whatever it does with it; 0: ten seconds
}

func (p Places) withDefaults() Places {
	p.Resting = cmp.Or(p.Resting, leastResting+p.Sessions/4)
	p.Keep = cmp.Or(p.Keep, keepTime)
	return p
}

// Peers is how many sessions there are at most, those included whose Hello is being looked at.
func (p Places) Peers() int { return p.Sessions + p.withDefaults().Resting + HelloLooks }

// places says who is served, who waits and who rests. It is guarded by Server.mu.
type places struct {
	of      Places
	taken   int        // places
	resting int        // sessions that have none
	asked   int        // sessions that have one and were asked to give way
	queue   []*session // that rest and wait for a place, in their order
	looked  time.Time  // when somebody was last asked
}

// seat is where a session stands among the places. It is guarded by Server.mu.
type seat struct {
	placed bool      // has a place
	rests  bool      // has none
	wants  bool      // waits for one
	asked  bool      // to give way; of one that rests, to end
	since  time.Time // when it got its place

	marks  [useMarks]uint64 // bytes that it had moved, at the end of each of the latest parts of usePeriod
	marked time.Time        // when the latest was set
}

// mark notes what the session has moved until now.
func (s *seat) mark(total uint64, now time.Time) {
	for part := usePeriod / useMarks; now.Sub(s.marked) >= part; s.marked = s.marked.Add(part) {
		if now.Sub(s.marked) >= usePeriod {
			s.marked = now.Add(-usePeriod)
		}
		copy(s.marks[:], s.marks[1:])
		s.marks[useMarks-1] = total
	}
}

// reserve takes an id, and a place among those that are served at once, for a peer, before anything else is done for
// it. Of two Hellos with one id the second finds it taken, whatever becomes of the first, and leaves the first alone.
// Where all places are taken, it is let in to rest if one of them is used little: it gives way, or ends, and goes to who
// waits before anybody who comes later.
func (s *Server) reserve(id payments.SessionID, remote peer.ID) (*session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[id] != nil {
		return nil, errKnown
	}
	one := newSession(s, id, remote)
	one.marked = one.started
	switch {
	case s.taken < s.of.Sessions:
		s.seatLocked(one)
	case s.anyLocked(func(other *session) bool { return other.placed && other.idleLocked() }) && s.roomToRestLocked():
		one.rests = true
		s.resting++
	default:
		return nil, errFull
	}
	s.sessions[id] = one
	return one, nil
}

func (s *Server) seatLocked(one *session) {
	one.placed, one.since = true, time.Now()
	s.taken++
}

// roomToRestLocked reports whether one more may rest: while their Hellos are looked at
// those for whom another will end.
func (s *Server) roomToRestLocked() bool {
	return s.resting < s.of.Resting || s.resting < s.of.Resting+HelloLooks && s.anyLocked(s.mayEndLocked)
}

func (s *Server) mayEndLocked(one *session) bool {
	return one.rests && time.Since(one.started) >= s.of.Keep
}

func (s *Server) anyLocked(is func(*session) bool) bool {
	for _, one := range s.sessions {
		if one.inner != nil && !one.asked && is(one) {
			return true
		}
	}
	return false
}

// idleLocked reports whether a session that is served uses its place little.
func (s *session) idleLocked() bool {
	return s.inner.Counters().Total()-s.marks[0] < min(inUse, s.terms.Tick)
}

// rests reports whether a session has no place.
func (s *Server) rests(one *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return one.rests
}

// want has a session that rests wait for a place. It has paid. Where too many rest already, the one that was of least use
// ends for it.
func (s *Server) want(one *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !one.rests || one.wants {
		return
	}
	one.wants = true
	s.queue = append(s.queue, one)
	s.lookLocked()
	if s.resting > s.of.Resting {
		s.askLocked(s.mayEndLocked)
	}
}

// beat notes how a session uses its place, and looks for places while somebody waits.
func (s *Server) beat(one *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	one.mark(one.inner.Counters().Total(), now)
	if len(s.queue) > 0 && now.Sub(s.looked) >= lookEvery {
		s.lookLocked()
	}
}

// lookLocked asks as many sessions to give way as wait for a place.
func (s *Server) lookLocked() {
	s.looked = time.Now()
	for s.asked < len(s.queue) {
		if !s.askLocked(func(one *session) bool {
			return one.placed && one.idleLocked() && s.looked.Sub(one.since) >= s.of.Keep
		}) {
			return
		}
		s.asked++
	}
}

// askLocked asks the session of least use among those that may be asked to give way, if there is one.
func (s *Server) askLocked(may func(*session) bool) bool {
	var least *session
	for _, one := range s.sessions {
		if one.inner != nil && !one.asked && may(one) && (least == nil || one.worthLocked() < least.worthLocked()) {
			least = one
		}
	}
	if least == nil {
		return false
	}
	least.asked = true
	least.tell()
	return true
}

// worthLocked is how many bytes an hour the session has moved in its life.
func (s *session) worthLocked() float64 {
	return float64(s.inner.Counters().Total()) / time.Since(s.started).Hours()
}

// handLocked gives free places to those who wait.
func (s *Server) handLocked() {
	for s.taken < s.of.Sessions && len(s.queue) > 0 {
		one := s.queue[0]
		s.queue = s.queue[1:]
		one.wants, one.rests = false, false
		s.resting--
		s.seatLocked(one)
		one.tell()
	}
}

// turn resolves what a session was asked for. It reports whether it has a place from now on, and whether it is to end.
func (s *Server) turn(one *session) (placed, ends bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case one.asked && one.rests:
		return false, true
	case one.asked:
		one.asked = false
		s.asked--
		if one.idleLocked() && len(s.queue) > 0 {
			one.placed, one.rests = false, true
			s.taken--
			s.resting++
			s.handLocked()
		}
	}
	return one.placed, false
}

// vacate gives the session's place to others. It may be called twice.
func (s *Server) vacate(one *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.vacateLocked(one)
}

func (s *Server) vacateLocked(one *session) {
	switch {
	case one.placed:
		s.taken--
		if one.asked {
			s.asked--
		}
	case one.rests:
		s.resting--
		if one.wants {
			s.queue = slices.DeleteFunc(s.queue, func(other *session) bool { return other == one })
		}
	}
	one.seat = seat{}
	s.handLocked()
}

// forget gives up a session's id too, once the ledger has its end or never heard of it.
func (s *Server) forget(one *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.vacateLocked(one)
	delete(s.sessions, one.id)
}

// tell wakes the session's goroutine for a look at its place.
func (s *session) tell() {
	select {
	case s.turned <- struct{}{}:
	default:
	}
}

func (s *session) resting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == wire.StateResting
}

// turn acts on what has become of the session's place: nothing passes any more before another has it.
func (s *session) turn() error {
	s.inner.Pause(true)
	placed, ends := s.server.turn(s)
	if ends {
		return errGaveWay
	}
	s.inner.Pause(!placed)
	if placed == !s.resting() {
		return nil
	}
	s.heldAt = time.Time{}
	if placed {
		s.move(wire.StateOpen)
	} else {
		s.move(wire.StateResting)
	}
	s.report(false)
	return nil
}
