package meter

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
)

// Parallel sessions of one payer, whose one vault is all that there is.
func TestAdversarySessionsOfOnePayerPassOneAllowance(t *testing.T) {
	const sessions, first, last = 16, 400_000, 4_000_000
	gate := NewGate(first)
	accounts := make([]*Account, sessions)
	for i := range accounts {
		accounts[i] = NewAccount(gate)
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
		sum += a.Counters().Total()
		lost += a.Dropped().Total()
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
	a, b := NewAccount(gate), NewAccount(gate)
	woken := func(a *Account) bool {
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
	if woken(a) || !woken(b) || a.Held() || !b.Held() || !gate.Held() {
		t.Error("who met the gate was not told, or another was")
	}
	if b.take(outbound, 200); woken(b) {
		t.Error("woken twice by one closing")
	}
	if a.take(inbound, 200); !woken(a) || !a.Held() {
		t.Error("the first session was not told")
	}
	gate.Allow(900) // lower: ignored
	if !gate.Held() || gate.Allowed() != 1000 {
		t.Error("the gate went down")
	}
	gate.Allow(1300)
	if a.Held() || b.Held() || gate.Held() || gate.Left() != 400 {
		t.Errorf("a raise did not reopen: %d left", gate.Left())
	}
	if !a.take(inbound, 200) || !b.take(outbound, 200) || gate.Passed() != 1300 || gate.Left() != 0 {
		t.Errorf("%d passed of 1300", gate.Passed())
	}
	if b.take(outbound, 1); !woken(b) || !b.Held() || a.Held() {
		t.Error("the gate closed again, and the session was not told")
	}
}
