package connection

import (
	"fmt"
	"sync"
	"time"

	"byway/contracts"
)

// leaseParts is how many times the use of a session's budget is written down until it is used up. So much of it is lost
// in a crash at most.
const leaseParts = 32

// warnAt is the part of a budget, in hundredths, of which its user is told.
const warnAt = 80

// budget is one bound and what was promised of it.
type budget struct {
	most   contracts.Amount // zero: no bound
	drawn  contracts.Amount
	begins time.Time // the period that drawn is of
	warned bool
}

func (b budget) left() contracts.Amount {
	if b.most.IsZero() {
		return contracts.MaxAmount()
	}
	return b.most.SubFloor(b.drawn)
}

// purse holds the budgets of a connection: [payer.Purse]. Nothing is granted for a period of which it was not read what
// was promised in it before.
type purse struct {
	now   func() time.Time
	lease func(drawn contracts.Amount) error // writes down how much of the session's budget may have been promised

	mu                  sync.Mutex
	session, day, month budget
	leased              contracts.Amount
	failure             error // why the lease was not written last
}

func newPurse(of Budgets, drawn contracts.Amount, now func() time.Time, lease func(contracts.Amount) error) *purse {
	p := &purse{now: now, lease: lease, leased: drawn}
	p.session = budget{most: of.Session, drawn: drawn}
	p.day.most, p.month.most = of.Day, of.Month
	return p
}

// dayOf and monthOf begin the periods that a time is in.
func dayOf(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

func monthOf(t time.Time) time.Time {
	t = t.UTC()
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// read notes what was promised since the periods began. Where the clock was set back, that is what was promised in the
// later ones too.
func (p *purse) read(day, month time.Time, inDay, inMonth contracts.Amount) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.day.read(day, inDay)
	p.month.read(month, inMonth)
}

func (b *budget) read(begins time.Time, sum contracts.Amount) {
	if begins.Equal(b.begins) {
		b.drawn = b.drawn.Max(sum)
		return
	}
	*b = budget{most: b.most, drawn: sum, begins: begins}
}

// stale reports whether the clock is in a bounded period that was not read.
func (p *purse) stale() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.staleLocked()
}

func (p *purse) staleLocked() bool {
	now := p.now()
	return !p.day.most.IsZero() && !dayOf(now).Equal(p.day.begins) ||
		!p.month.most.IsZero() && !monthOf(now).Equal(p.month.begins)
}

// left is what may still be promised, and what bounds it where that is nothing.
func (p *purse) left() (contracts.Amount, Reason) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.leftLocked()
}

func (p *purse) leftLocked() (contracts.Amount, Reason) {
	if p.staleLocked() {
		return contracts.Amount{}, Storage
	}
	left := p.session.left().Min(p.day.left()).Min(p.month.left())
	switch {
	case p.failure != nil:
		return left, Storage
	case p.session.left() == left:
		return left, SessionBudget
	case p.day.left() == left:
		return left, DayBudget
	}
	return left, MonthBudget
}

// Take implements [payer.Purse].
func (p *purse) Take(sum contracts.Amount, whole bool) contracts.Amount {
	p.mu.Lock()
	defer p.mu.Unlock()
	left, _ := p.leftLocked()
	if whole && left.Less(sum) {
		return contracts.Amount{}
	}
	sum = sum.Min(left)
	drawn := p.session.drawn.AddCap(sum)
	if !p.session.most.IsZero() && p.leased.Less(drawn) {
		part, err := p.session.most.MulDiv(1, leaseParts)
		if err != nil {
			part = contracts.Amount{}
		}
		lease := drawn.AddCap(part).Min(p.session.most)
		if p.failure = p.lease(lease); p.failure != nil {
			return contracts.Amount{}
		}
		p.leased = lease
	}
	p.session.drawn = drawn
	p.day.drawn, p.month.drawn = p.day.drawn.AddCap(sum), p.month.drawn.AddCap(sum)
	return sum
}

// Put implements [payer.Purse].
func (p *purse) Put(sum contracts.Amount) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range []*budget{&p.session, &p.day, &p.month} {
		b.drawn = b.drawn.SubFloor(sum)
	}
}

// bound changes the budgets.
func (p *purse) bound(to Budgets) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failure = nil
	for b, most := range map[*budget]contracts.Amount{&p.session: to.Session, &p.day: to.Day, &p.month: to.Month} {
		if b.most != most {
			b.most, b.warned = most, false
		}
	}
}

// settled is how much of the session's budget was promised: with it a purse that goes on later begins.
func (p *purse) settled() contracts.Amount {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.session.drawn
}

// BudgetWarning says that most of a budget is used. It is told once for each budget and period.
type BudgetWarning struct {
	Reason      Reason // the budget
	Most, Drawn contracts.Amount
}

// Error implements error.
func (e *BudgetWarning) Error() string {
	name := map[Reason]string{SessionBudget: "connection", DayBudget: "day", MonthBudget: "month"}[e.Reason]
	return fmt.Sprintf("%s base units of the %s's budget of %s base units are used", e.Drawn, name, e.Most)
}

// warnings are those that are due.
func (p *purse) warnings() (due []error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, of := range []struct {
		reason Reason
		*budget
	}{{SessionBudget, &p.session}, {DayBudget, &p.day}, {MonthBudget, &p.month}} {
		if of.most.IsZero() || of.warned {
			continue
		}
		if at, err := of.most.MulDivCeil(warnAt, 100); err == nil && !of.drawn.Less(at) {
			of.warned = true
			due = append(due, &BudgetWarning{of.reason, of.most, of.drawn})
		}
	}
	return due
}

// Budget is how one of a connection's budgets stands.
type Budget struct {
	Most  contracts.Amount `json:"most"`
	Spent contracts.Amount `json:"spent"`
}

// use is how the budgets stand; nil where there is none.
func (p *purse) use() (session, day, month *Budget) {
	p.mu.Lock()
	defer p.mu.Unlock()
	of := func(b budget) *Budget {
		if b.most.IsZero() {
			return nil
		}
		return &Budget{b.most, b.drawn}
	}
	return of(p.session), of(p.day), of(p.month)
}
