package serve

import (
	"cmp"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"byway/node/wire"
	"byway/payments"
	"byway/tunnel/meter"
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
	// Beside a quarter of the places so many may rest, and no more for each place than have their turn, of keepTime each,
	// before one who waits loses its patience.
	leastResting, turnsToRest = 64, 2
	// lookEvery is how often the places are looked through for those who wait.
	lookEvery = 250 * time.Millisecond
)

// Places bounds who is served, and who rests meanwhile.
type Places struct {
	Sessions int           // served at once
	Resting  int           // sessions that rest; 0: 64 and a quarter of Sessions, and at most twice Sessions
	Keep     time.Duration // how long a session keeps a place whatever it does with it; 0: ten seconds
}

func (p Places) withDefaults() Places {
	p.Resting = cmp.Or(p.Resting, min(leastResting+p.Sessions/4, turnsToRest*p.Sessions))
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
	queue   []*session // that rest and wait for a place, in their order
	looked  time.Time  // when sessions were last looked through for those that wait
}

// seat is where a session stands among the places. It is guarded by Server.mu.
type seat struct {
	traffic traffic   // nil until it has paid, and its peer is added
	placed  bool      // has a place
	rests   bool      // has none
	wants   bool      // waits for one
	ends    bool      // rests, and was asked to end
	since   time.Time // when it got its latest place, or had paid for the first; zero: it has had none

	marks  [useMarks]uint64 // bytes that it had moved, at the end of each of the latest parts of usePeriod
	marked time.Time        // when the latest was set
}

// traffic is a session's peer in the tunnel. It is paused while the session rests.
type traffic interface {
	Counters() meter.Counters
	Pause(on bool)
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
// Where all places are taken, it is let in to rest if one of them is used little, or not paid for yet: that one gives way,
// or ends, and the place goes to who waits before anybody who comes later.
func (s *Server) reserve(id payments.SessionID, remote peer.ID) (*session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[id] != nil {
		return nil, errKnown
	}
	one := newSession(s, id, remote)
	switch {
	case s.taken < s.of.Sessions:
		s.seatLocked(one)
	case s.anyLocked((*session).littleUsedLocked) && s.roomToRestLocked():
		one.rests = true
		s.resting++
	default:
		return nil, errFull
	}
	s.sessions[id] = one
	return one, nil
}

// paid lets the traffic of a session that has paid begin, if it has a place.
func (s *Server) paid(one *session, peer traffic) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	one.traffic, one.marked = peer, now
	if one.placed {
		one.since = now
	}
	peer.Pause(!one.placed)
}

// seatLocked gives a session a place.
func (s *Server) seatLocked(one *session) {
	one.placed = true
	s.taken++
	if one.traffic != nil {
		one.since = time.Now()
		one.traffic.Pause(false)
	}
	one.tell()
}

// restLocked takes a session's place away. Nothing passes any more when it returns, whatever its goroutine is busy with.
func (s *Server) restLocked(one *session) {
	one.placed, one.rests = false, true
	s.taken--
	s.resting++
	if one.traffic != nil {
		one.traffic.Pause(true)
	}
	one.tell()
}

// roomToRestLocked reports whether one more may rest: beyond Resting, while its Hello is looked at, one for each that may
// end for it.
func (s *Server) roomToRestLocked() bool {
	stay := 0
	for _, one := range s.sessions {
		if one.rests && !one.ends && !s.mayEndLocked(one) {
			stay++
		}
	}
	return stay < s.of.Resting && s.resting < s.of.Resting+HelloLooks
}

// mayEndLocked reports whether a session may end for another: it has had a place.
func (s *Server) mayEndLocked(one *session) bool {
	return one.rests && !one.ends && !one.since.IsZero() && time.Since(one.started) >= s.of.Keep
}

// mayRestLocked reports whether a session's place may go to who has paid and waits.
func (s *Server) mayRestLocked(one *session) bool {
	return one.littleUsedLocked() && (one.traffic == nil || time.Since(one.since) >= s.of.Keep)
}

// littleUsedLocked reports whether a session has a place and uses it little, as who has not paid yet does.
func (s *session) littleUsedLocked() bool {
	return s.placed && (s.traffic == nil || s.traffic.Counters().Total()-s.marks[0] < min(inUse, s.terms.Tick))
}

func (s *Server) anyLocked(is func(*session) bool) bool {
	for _, one := range s.sessions {
		if is(one) {
			return true
		}
	}
	return false
}

// leastLocked are the sessions of which that holds, those of least use first, n of them at most.
func (s *Server) leastLocked(n int, is func(*session) bool) (least []*session) {
	worths := map[*session]float64{}
	for _, one := range s.sessions {
		if is(one) {
			least, worths[one] = append(least, one), one.worthLocked()
		}
	}
	slices.SortFunc(least, func(a, b *session) int { return cmp.Compare(worths[a], worths[b]) })
	return least[:min(n, len(least))]
}

// worthLocked is how many bytes an hour the session has moved in its life.
func (s *session) worthLocked() float64 {
	if s.traffic == nil {
		return -1 // who has not paid is worth less than who has
	}
	return float64(s.traffic.Counters().Total()) / max(time.Since(s.started), time.Second).Hours()
}

// want has a session that rests wait for a place. It has paid.
func (s *Server) want(one *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !one.rests || one.wants || one.ends {
		return
	}
	one.wants = true
	s.queue = append(s.queue, one)
	s.handLocked() // one may have become free while nobody waited
	s.lookLocked(time.Now())
}

// beat notes how a session uses its place, and looks for places while somebody waits.
func (s *Server) beat(one *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	one.mark(one.traffic.Counters().Total(), now)
	s.lookLocked(now)
}

// lookLocked has as many sessions give way as wait for a place. Where too many rest then, those that were of least use end.
func (s *Server) lookLocked(now time.Time) {
	if len(s.queue) == 0 || now.Sub(s.looked) < lookEvery {
		return
	}
	s.looked = now
	for _, one := range s.leastLocked(len(s.queue), s.mayRestLocked) {
		s.restLocked(one)
		s.handLocked()
	}
	s.thinLocked()
}

// thinLocked asks sessions to end where more of those that have paid rest than may.
func (s *Server) thinLocked() {
	paid := 0
	for _, one := range s.sessions {
		if one.rests && one.traffic != nil && !one.ends {
			paid++
		}
	}
	for _, one := range s.leastLocked(max(0, paid-s.of.Resting), s.mayEndLocked) {
		one.ends = true
		s.unwantLocked(one)
		one.tell()
	}
}

// handLocked gives free places to those who wait.
func (s *Server) handLocked() {
	for s.taken < s.of.Sessions && len(s.queue) > 0 {
		one := s.queue[0]
		s.unwantLocked(one)
		one.rests = false
		s.resting--
		s.seatLocked(one)
	}
}

// unwantLocked takes a session out of those that wait.
func (s *Server) unwantLocked(one *session) {
	if one.wants {
		one.wants = false
		s.queue = slices.DeleteFunc(s.queue, func(other *session) bool { return other == one })
	}
}

// stands reports whether a session has a place, and whether it is to end.
func (s *Server) stands(one *session) (placed, ends bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return one.placed, one.ends
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
	case one.rests:
		s.resting--
		s.unwantLocked(one)
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

// turn has the session's state, and its consumer, follow what has become of its place.
func (s *session) turn() error {
	placed, ends := s.server.stands(s)
	if ends {
		return errGaveWay
	}
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
