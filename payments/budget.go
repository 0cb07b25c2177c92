package payments

import (
	"time"

	"byway/contracts"
)

// lossSpan is for how long a loss counts against the budget for strangers.
const lossSpan = time.Hour

// budget bounds what all strangers together can cost a payee: what is at stake on their accounts now, and what was lost to
// them in the last hour. Identities are free, so a bound on each of them bounds nothing. It is guarded by Payee.mu.
type budget struct {
	stakes map[contracts.Channel]contracts.Amount // none is zero
	sum    contracts.Amount
	losses []loss // of the last hour, oldest first
	lost   contracts.Amount
}

type loss struct {
	at     time.Time
	amount contracts.Amount
}

func newBudget() budget { return budget{stakes: map[contracts.Channel]contracts.Amount{}} }

// set makes a channel's stake so much, whatever the budget says: it has come to that.
func (b *budget) set(c contracts.Channel, stake contracts.Amount) {
	b.sum = b.sum.SubFloor(b.stakes[c])
	delete(b.stakes, c)
	if !stake.IsZero() {
		b.stakes[c] = stake
		b.sum = addFloor(b.sum, stake)
	}
}

// left is how high a channel's stake may be under a limit.
func (b *budget) left(c contracts.Channel, limit contracts.Amount, now time.Time) contracts.Amount {
	b.forget(now)
	others := b.sum.SubFloor(b.stakes[c])
	return limit.SubFloor(others).SubFloor(b.lost)
}

// lose counts a loss.
func (b *budget) lose(at time.Time, amount contracts.Amount) {
	if amount.IsZero() {
		return
	}
	b.losses = append(b.losses, loss{at, amount})
	b.lost = addFloor(b.lost, amount)
}

// forget drops what is older than an hour. A loss of the future, by a clock that was set back since, is as old as now.
func (b *budget) forget(now time.Time) {
	n := 0
	for i := range b.losses {
		if b.losses[i].at.After(now) {
			b.losses[i].at = now
		}
		if n == i && now.Sub(b.losses[i].at) >= lossSpan {
			n++
		}
	}
	if n == 0 {
		return
	}
	b.losses = b.losses[n:]
	b.lost = contracts.Amount{}
	for _, l := range b.losses {
		b.lost = addFloor(b.lost, l.amount)
	}
}
