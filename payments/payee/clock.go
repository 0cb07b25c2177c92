package payee

import (
	"fmt"
	"time"

	"byway/payments/chainview"
)

// How old the chain's newest block is tells this machine's clock, as long as the two are not so far apart that one of
// them must be wrong: the clock, or an endpoint that has stopped and says for ever what it said last. Which of them it
// is tells the chain by going on: a block that appeared while this payee watched is as old as it has been known, and as
// much older as the blocks before it fell behind the time that went by.

// wrongBy is how far below the last one a block's time must be to be no neighbour of it that another endpoint gave.
const wrongBy = 15 * time.Minute

// sight keeps a payee's view of the chain's clock. The zero value has seen nothing.
type sight struct {
	time  time.Time     // of the newest block that was seen
	at    time.Time     // when it was first seen, by the monotonic clock
	lag   time.Duration // how far blocks fell behind since the first one that was seen
	moved bool          // another block came before it
}

// see takes the newest block's time.
func (s *sight) see(block, now time.Time) {
	switch ahead := block.Sub(s.time); {
	case s.at.IsZero(), ahead < -wrongBy: // what was seen before was false, or this is: the next one tells
		*s = sight{time: block, at: now}
	case ahead > 0:
		*s = sight{time: block, at: now, lag: max(s.lag+now.Sub(s.at)-ahead, 0), moved: true}
	}
}

// age is how old a newest block of that time is; ok is false where nothing was seen that tells.
func (s *sight) age(block, now time.Time) (age time.Duration, ok bool) {
	if !s.moved || s.time.Sub(block).Abs() > wrongBy {
		return 0, false
	}
	return s.lag + max(now.Sub(s.at), now.Round(0).Sub(s.at.Round(0)), 0), true
}

// ageOf says how old the newest block is. It refuses an answer of a chain whose newest block is so old that an exit
// announced since could be over. Where exits take less than an hour chains are for development, and may stand still.
// Slow is by how much this machine's clock is to be put back to go with the chain's; zero where it need not be.
func (p *Payee) ageOf(s chainview.State, now time.Time) (slow time.Duration, err error) {
	if s.Time.IsZero() || p.development() {
		return 0, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sight.see(s.Time, now)
	blind := BlindTime(p.cfg.ExitDelay)
	if now.Sub(s.Time) <= blind {
		return 0, nil
	}
	age, ok := p.sight.age(s.Time, now)
	if !ok {
		return 0, fmt.Errorf("the newest block, %d, is of %s: the endpoint stands still, or this machine's clock is wrong; the "+
			"chain's next block tells", s.Block, s.Time.UTC().Format(time.RFC3339))
	}
	if age > blind {
		return 0, fmt.Errorf("the newest block, %d, is %s old: the endpoint stands still", s.Block, age.Round(time.Second))
	}
	if !p.warned {
		p.warned = true
		p.log.Warn("this machine's clock and the chain's are far apart, and the chain goes on: going by the chain's",
			"block_time", s.Time, "apart", now.Sub(s.Time).Round(time.Second))
	}
	return now.Sub(s.Time) - age, nil
}
