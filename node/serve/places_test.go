package serve

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"byway/payments"
	"byway/tunnel/meter"
)

// counted stands for a session's peer in the tunnel.
type counted struct {
	moved  uint64
	paused bool
}

func (p *counted) Counters() meter.Counters { return meter.Counters{Tx: p.moved} }
func (p *counted) Pause(on bool)            { p.paused = on }

// life is a session as the test knows it.
type life struct {
	*session
	peer  *counted
	moves []move // of the last minute and more

	sawPlace, sawEnd bool // what its goroutine has heard last
	was              seat // before the latest step
}

type move struct {
	at    time.Time
	bytes uint64
}

// lives drives a server's places by steps in any order.
type lives struct {
	*Server
	t       *rapid.T
	all     []*life
	waiting []*life // in their order
}

const testTick = 1 << 18

// newPlaces makes a server of nothing but places.
func newPlaces(p Places) *Server {
	return &Server{sessions: map[payments.SessionID]*session{}, places: places{of: p.withDefaults()}}
}

// one picks one of the sessions of which that holds; nil: there is none.
func (l *lives) one(is func(*life) bool) *life {
	var some []*life
	for _, one := range l.all {
		if is(one) {
			some = append(some, one)
		}
	}
	if len(some) == 0 {
		return nil
	}
	return rapid.SampledFrom(some).Draw(l.t, "one")
}

func (one *life) paid() bool   { return one.traffic != nil }
func (one *life) unpaid() bool { return one.traffic == nil && (one.placed || one.rests) }

func (l *lives) hello() {
	one, err := l.reserve(payments.NewSessionID(), "")
	if err != nil {
		if !errors.Is(err, errFull) || l.taken < l.of.Sessions {
			l.t.Fatalf("a Hello where %d of %d places are taken: %v", l.taken, l.of.Sessions, err)
		}
		return
	}
	one.terms.Tick = testTick
	l.all = append(l.all, &life{session: one})
}

func (l *lives) pay() {
	if one := l.one((*life).unpaid); one != nil {
		one.peer = new(counted)
		l.paid(one.session, one.peer)
		one.was.since = one.since
	}
}

func (l *lives) wake() {
	one := l.one((*life).paid)
	if one == nil {
		return
	}
	if one.rests && !one.wants && !one.ends {
		l.waiting = append(l.waiting, one)
	}
	l.want(one.session)
}

// move has some sessions move bytes: what is paused moves nothing.
func (l *lives) move() {
	one := l.one(func(one *life) bool { return one.paid() && !one.peer.paused })
	if one == nil {
		return
	}
	n := rapid.Uint64Range(1, 2*testTick).Draw(l.t, "bytes")
	one.peer.moved += n
	one.moves = append(one.moves, move{time.Now(), n})
}

// sleep passes time, in which every session that has paid looks at its meter.
func (l *lives) sleep() {
	late := 0
	for range rapid.IntRange(1, 80).Draw(l.t, "beats") {
		time.Sleep(statusInterval)
		for _, one := range l.all {
			if one.paid() {
				l.beat(one.session)
			}
		}
		if len(l.queue) == 0 || !l.anyLocked(l.mayRestLocked) {
			late = 0
		} else if late++; late > 2 {
			l.t.Fatal("sessions wait, and one that uses its place little keeps it")
		}
		l.check()
	}
}

// hear has a session's goroutine look at its place, and leave where it is to end.
func (l *lives) hear() {
	one := l.one(func(one *life) bool { return len(one.turned) > 0 })
	if one == nil {
		return
	}
	<-one.turned
	if one.sawPlace, one.sawEnd = l.stands(one.session); one.sawEnd {
		l.vacate(one.session)
	}
}

func (l *lives) leave() {
	if one := l.one((*life).paid); one != nil {
		l.vacate(one.session)
	}
}

func (l *lives) gone() {
	if one := l.one(func(*life) bool { return true }); one != nil {
		l.forget(one.session)
		l.all = slices.DeleteFunc(l.all, func(other *life) bool { return other == one })
		l.waiting = slices.DeleteFunc(l.waiting, func(other *life) bool { return other == one })
	}
}

// check looks at all that holds after every step.
func (l *lives) check() {
	var placed, rests, wants int
	for _, one := range l.all {
		if one.placed {
			placed++
		}
		if one.rests {
			rests++
		}
		if one.wants {
			wants++
		}
		l.checkOne(one)
	}
	if placed != l.taken || placed > l.of.Sessions {
		l.t.Fatalf("%d sessions have one of %d places, counted are %d", placed, l.of.Sessions, l.taken)
	}
	if rests != l.resting || rests > l.of.Resting+HelloLooks {
		l.t.Fatalf("%d sessions rest, counted are %d, at most %d may", rests, l.resting, l.of.Resting+HelloLooks)
	}
	l.checkQueue(wants)
	for _, one := range l.all {
		one.was = one.seat
	}
}

func (l *lives) checkOne(one *life) {
	switch {
	case one.placed && one.rests:
		l.t.Fatal("a session rests and has a place")
	case one.wants && (!one.rests || one.ends || !one.paid()):
		l.t.Fatalf("a session waits: rests %v, ends %v, has paid %v", one.rests, one.ends, one.paid())
	case one.ends && !one.rests:
		l.t.Fatal("a session that has a place was asked to end")
	case one.paid() && one.peer.paused == one.placed:
		l.t.Fatalf("a session's peer is paused: %v, has a place: %v", one.peer.paused, one.placed)
	case one.paid() && (one.sawPlace != one.placed || one.sawEnd != one.ends) && len(one.turned) == 0:
		l.t.Fatal("a session's place has turned, and nothing tells it")
	case one.was.placed && one.was.traffic != nil && one.rests:
		l.checkLoss(one)
	}
}

// checkLoss checks that a session was entitled to nothing when it lost its place.
func (l *lives) checkLoss(one *life) {
	if kept := time.Since(one.was.since); kept < l.of.Keep {
		l.t.Fatalf("a session lost its place after %s", kept)
	}
	used := uint64(0)
	for _, move := range one.moves {
		if time.Since(move.at) <= usePeriod-usePeriod/useMarks-statusInterval {
			used += move.bytes
		}
	}
	if used >= testTick {
		l.t.Fatalf("a session lost its place after %d bytes in less than a minute", used)
	}
}

// checkQueue checks that places went to those who had waited longest, and that nobody waits for a place that is free.
func (l *lives) checkQueue(wants int) {
	served := true
	l.waiting = slices.DeleteFunc(l.waiting, func(one *life) bool {
		if one.placed && !served {
			l.t.Fatal("a session has a place before one that has waited longer")
		}
		served = served && !one.wants
		return !one.wants
	})
	if len(l.queue) != wants || len(l.waiting) != wants {
		l.t.Fatalf("%d sessions wait, %d are in the queue, %d came", wants, len(l.queue), len(l.waiting))
	}
	for i, one := range l.waiting {
		if l.queue[i] != one.session {
			l.t.Fatal("sessions wait in another order than they came in")
		}
	}
	if wants == 0 {
		return
	}
	if l.taken < l.of.Sessions {
		l.t.Fatalf("%d sessions wait, and %d of %d places are taken", wants, l.taken, l.of.Sessions)
	}
}

func TestPlacesAddUpWhateverSessionsDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ testing.TB }{t}, func(t *rapid.T) { // its deadline is of no use in here
			l := &lives{t: t, Server: newPlaces(Places{
				Sessions: rapid.IntRange(1, 4).Draw(t, "places"), Resting: rapid.IntRange(1, 4).Draw(t, "resting"),
			})}
			steps := []func(){
				l.hello, l.hello, l.hello, l.pay, l.pay, l.pay, l.wake, l.wake, l.wake, l.move, l.sleep, l.hear, l.hear, l.leave, l.gone,
			}
			for _, step := range rapid.SliceOfN(rapid.IntRange(0, len(steps)-1), 100, 400).Draw(t, "steps") {
				steps[step]()
				l.check()
			}
		})
	})
}

// Sessions that are paid for once and use nothing ask for a place again as soon as they have none: who comes and pays is
// served before it loses its patience.
func TestAdversaryWhoAsksForPlacesAllTheTimeKeepsNobodyOut(t *testing.T) {
	const patience = 30 * time.Second // a consumer's
	for _, places := range []int{1, 4, 20, 100} {
		synctest.Test(t, func(t *testing.T) {
			s := newPlaces(Places{Sessions: places})
			come := func() *session {
				one, err := s.reserve(payments.NewSessionID(), "")
				if err != nil {
					return nil
				}
				one.terms.Tick = testTick
				s.paid(one, new(counted))
				s.want(one)
				return one
			}
			var silent []*session
			for range 240 {
				for one := come(); one != nil; one = come() {
					silent = append(silent, one)
				}
				wakeAll(s, silent)
			}
			began, waits := time.Now(), time.Time{}
			var honest *session
			for honest == nil || !honest.placed {
				if honest == nil {
					honest, waits = come(), time.Now()
				}
				wakeAll(s, silent)
				if time.Since(waits) > patience || time.Since(began) > 2*patience {
					t.Fatalf("%d places, %d rest: who came is not served", places, s.resting)
				}
			}
			t.Logf("%d places, %d rest: who came was let in after %s, and served after %s", places, s.resting,
				waits.Sub(began), time.Since(waits))
		})
	}
}

// wakeAll passes a beat, in which each of the sessions asks for a place, and leaves if it is to end.
func wakeAll(s *Server, silent []*session) {
	time.Sleep(statusInterval)
	for _, one := range silent {
		if _, ends := s.stands(one); ends {
			s.forget(one)
		}
		if one.traffic != nil {
			s.beat(one)
			s.want(one)
		}
	}
}
