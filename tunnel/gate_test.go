package tunnel

import (
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Parallel sessions of one payer, whose one vault is all that there is.
func TestAdversarySessionsOfOnePayerPassOneAllowance(t *testing.T) {
	const sessions, first, last = 16, 400_000, 4_000_000
	gate := NewGate(first)
	accounts := make([]*account, sessions)
	for i := range accounts {
		accounts[i] = newAccount(gate)
	}
	var exceeded atomic.Uint64
	watch := func() {
		// Whoever reads the sum before the limit reads no more than the limit allows.
		if passed := gate.Passed(); passed > gate.Allowed() {
			exceeded.Store(passed)
		}
	}
	var senders sync.WaitGroup
	for i, a := range accounts {
		for w := range 2 {
			senders.Go(func() {
				random := rand.New(rand.NewPCG(uint64(i), uint64(w)))
				for j := range 4000 {
					if n := uint64(40 + random.IntN(1400)); random.IntN(2) == 0 || !a.takeAll(way(w), n*4) {
						a.take(way(w), n)
					}
					if j%64 == 0 {
						watch()
					}
					if j%512 == 0 {
						gate.Allow(first + uint64(random.IntN(last-first)))
					}
				}
			})
		}
	}
	senders.Wait()
	gate.Allow(last)
	for i := 0; !gate.Held(); i++ {
		accounts[i%sessions].take(inbound, 1400)
	}
	var sum, lost uint64
	for _, a := range accounts {
		sum += a.counters().Total()
		lost += a.lost().Total()
	}
	if sum != gate.Passed() || sum > last || last-sum >= 1400 || gate.Left() != last-sum || exceeded.Load() != 0 {
		t.Errorf("%d passed, the gate says %d and %d left, the limit is %d; %d at once", sum, gate.Passed(), gate.Left(), last, exceeded.Load())
	}
	if lost == 0 {
		t.Error("nothing was refused: the test proves nothing")
	}
	t.Logf("adversary: %d parallel sessions of one payer | bound: %d bytes pass together | seen: %d", sessions, last, sum)
}

func TestGateWakesTheSessionThatItRefusedAndReopensForAll(t *testing.T) {
	gate := NewGate(1000)
	a, b := newAccount(gate), newAccount(gate)
	woken := func(a *account) bool {
		select {
		case <-a.wake:
			return true
		default:
			return false
		}
	}
	if !a.take(inbound, 900) || b.take(outbound, 200) {
		t.Fatal("the second session had an allowance of its own")
	}
	if woken(a) || !woken(b) || a.held() || !b.held() || !gate.Held() {
		t.Error("who met the gate was not told, or another was")
	}
	if b.take(outbound, 200); woken(b) {
		t.Error("woken twice by one closing")
	}
	if a.take(inbound, 200); !woken(a) || !a.held() {
		t.Error("the first session was not told")
	}
	gate.Allow(900) // lower: ignored
	if !gate.Held() || gate.Allowed() != 1000 {
		t.Error("the gate went down")
	}
	gate.Allow(1300)
	if a.held() || b.held() || gate.Held() || gate.Left() != 400 {
		t.Errorf("a raise did not reopen: %d left", gate.Left())
	}
	if !a.take(inbound, 200) || !b.take(outbound, 200) || gate.Passed() != 1300 || gate.Left() != 0 {
		t.Errorf("%d passed of 1300", gate.Passed())
	}
	if b.take(outbound, 1); !woken(b) || !b.held() || a.held() {
		t.Error("the gate closed again, and the session was not told")
	}
}

func TestGateKeepsWhatEndedSessionsPassed(t *testing.T) {
	e := newExit(t, ExitConfig{})
	const limit = 4 << 20
	gate := NewGate(limit)
	// The limit of a peer counts for nothing beside a gate.
	first := joinPeer(t, e, Peer{Gate: gate, Limit: math.MaxUint64}, Upstream)
	second := joinPeer(t, e, Peer{Gate: gate, Limit: math.MaxUint64}, Upstream)
	source := blast(t)
	download := func(p pair, until func(got int64) bool) {
		conn, err := p.client.DialContext(t.Context(), "tcp", source)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.Write([]byte("d"))
		var got atomic.Int64
		go count(conn, &got)
		for !until(got.Load()) {
			time.Sleep(time.Millisecond)
		}
		if err := p.session.Remove(); err != nil {
			t.Fatal(err)
		}
	}
	download(first, func(got int64) bool { return got > 1<<20 })
	download(second, func(int64) bool { return second.session.Held() })
	if second.session.Allowed() != limit {
		t.Errorf("the session may pass %d", second.session.Allowed())
	}
	a, b := first.session.Counters().Total(), second.session.Counters().Total()
	if a < 1<<20 || a+b != gate.Passed() || a+b > limit {
		t.Errorf("sessions passed %d and %d, the gate says %d of %d", a, b, gate.Passed(), limit)
	}
}
