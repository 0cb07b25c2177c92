package payee

import (
	"byway/contracts"
	"byway/payments"
)

// Account keeps a payee's sums of one channel, over its whole life and all of its sessions, in base units. A
// session is a view of it: whatever a payer does with session ids, parallel sessions, restarts and refusals, it does to one
// account, and what can be lost to it is what this file computes.
//
// The account rests on one inequality, which the gate keeps at every moment:
//
//	Counted ≤ Promised + Tolerance + Window × price
//
// What was forwarded beyond what was promised, and not forgiven, is the debt. It takes its own size from what the window
// still lets through, for good: a payer that left with a window finds none when it comes back, and prepays from then on,
// tick by tick. It wears off as far as promises make the tolerance grow.
type Account struct {
	// Promised sums the promises since the account began.
	Promised contracts.Amount
	// Counted is the cost of the bytes forwarded since, by this side's own meter: for each session one
	// ceil(price × bytes), summed.
	Counted contracts.Amount
	// Granted is the most that Counted may have come to by what was ever granted. It is stored with the promise that it
	// was granted for, so that a crash between forwarding and the next promise loses no more than Granted - Counted.
	Granted contracts.Amount
	// Window is how many bytes may be forwarded unpaid, the tolerance apart. It is earned
	// ([byway/payments/pace.EarnedWindow]) and never shrinks.
	Window uint64

	// Unsecured is promised above what the chain guarantees: it can be withdrawn before it is claimed.
	Unsecured contracts.Amount
	// Backing is settled or set aside on chain for this payee, over the channel's life.
	Backing contracts.Amount
}

const (
	// forgivenTicks are forgiven for life: what was in flight when sessions ended, and what a meter counts for nothing.
	forgivenTicks = 2
	// backingPart is the part (one in so many) of an account's backing that it may put at stake outside the budget for
	// strangers: who takes it has paid eight times as much.
	backingPart = 8
)

// Tolerance is how much may stay unpaid for ever, since a consumer pays for what arrives: so many thousandths of what was
// promised, and the price of two ticks.
func (a Account) Tolerance(t payments.Terms, perMille int) contracts.Amount {
	part, err := a.Promised.MulDiv(uint64(max(0, perMille)), 1000)
	if err != nil {
		return contracts.MaxAmount() // of more than there can be
	}
	return part.AddCap(t.Price(forgivenTicks * t.Tick))
}

// Limit is how far Counted may come with a window of so much, which is what the window is worth and no more than may be
// put at risk.
func (a Account) Limit(t payments.Terms, perMille int, window contracts.Amount) contracts.Amount {
	return a.Promised.AddCap(a.Tolerance(t, perMille).AddCap(window))
}

// Stake returns the account's part of a budget for strangers: all that can be lost to it, forgiven sums included,
// beyond a part of its backing. A stranger, who has neither settled nor set aside anything, is staked for in full.
func (a Account) Stake(open bool) contracts.Amount {
	most := a.Counted
	if open {
		most = a.Counted.Max(a.Granted)
	}
	return a.Unsecured.AddCap(most.SubFloor(a.Promised)).SubFloor(a.exempt())
}

// exempt returns how much the account may put at stake without a budget.
func (a Account) exempt() contracts.Amount {
	part, err := a.Backing.MulDiv(1, backingPart)
	if err != nil {
		return contracts.Amount{}
	}
	return part
}
