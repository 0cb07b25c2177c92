package turnstile

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"byway/tunnel/tunneltest"
)

// crowded makes places of which n sessions hold all, while each wants a thousand more.
func crowded(t testing.TB, total, n int) *places {
	p := newPlaces(total)
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() { stop(); wg.Wait() })
	var shares []*Share
	for range n {
		s := p.Share(total)
		shares = append(shares, s)
		for range total / n {
			f := s.Try(0)
			if f == nil {
				t.Fatal("no place is free")
			}
			f.OnStop(func() { go f.End() })
		}
	}
	for _, s := range shares {
		for range max(1, 1000/n) {
			wg.Go(func() { s.Take(ctx, 0) })
		}
	}
	tunneltest.Eventually(t, "they wait", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.queued == n*max(1, 1000/n)
	})
	return p
}

// However many wait already, and however long until they are looked at: who has less than its part is looked at now.
func TestAdversaryWaitersOfOthersDelayNobodysPlace(t *testing.T) {
	const sessions, total = 4, 84
	p := crowded(t, total, sessions)
	later := func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.due = time.Now().Add(time.Hour)
		p.timer.Reset(time.Hour)
	}
	later()
	victim := p.Share(total)
	const part = total/(sessions+1) - 1
	for i := range part {
		f, err := victim.Take(t.Context(), 0)
		if err != nil {
			t.Fatalf("place %d: %v", i, err)
		}
		f.OnStop(func() { t.Error("the victim lost a place"); go f.End() })
		later()
	}
	t.Logf("adversary: %s | bound: %s | seen: %s", fmt.Sprintf("%d sessions hold all %d places and want 1,000 more, nobody looks for an hour", sessions, total),
		"a session gets its part at once", fmt.Sprintf("%d places, one after another", part))
}

// What one look costs where many equals wait, which is what an attacker with many sessions can bring about.
func BenchmarkPress(b *testing.B) {
	for _, n := range []int{100, 1000, 4000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := crowded(b, 4*n, n)
			for b.Loop() {
				p.press()
			}
		})
	}
}
