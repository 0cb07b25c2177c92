package claim

import (
	"slices"

	"byway/contracts"
)

// Lacks names what a [Policy] was not told, and a claim waits for; empty where nothing would change it.
type Lacks string

// What a policy can lack.
const (
	LacksPrice Lacks = "gas_price"          // GasTokenPrice
	LacksFloor Lacks = "gas_price_or_floor" // GasTokenPrice, or else Floor
)

// Leftover sums debts that the last round left although they were due, or can't get, and says why.
type Leftover struct {
	// Amount is owed on so many channels, in base units.
	Amount   contracts.Amount
	Channels int
	// Why is for people. Amounts stand in it as "N base units".
	Why   string
	Lacks Lacks
}

// reason says why a debt is left.
type reason struct {
	why   string
	lacks Lacks
}

// Unclaimed returns what the last round of [Claimer.Run] left.
func (c *Claimer) Unclaimed() []Leftover {
	c.skippedMu.Lock()
	defer c.skippedMu.Unlock()
	return c.left
}

// leave adds to what the round has left.
func (c *Claimer) leave(amount contracts.Amount, why reason) {
	c.skippedMu.Lock()
	defer c.skippedMu.Unlock()
	left := leftovers(slices.Clone(c.left))
	left.add(amount, why)
	c.left = left
}

// leftovers adds up what is left, by reason.
type leftovers []Leftover

func (l *leftovers) add(amount contracts.Amount, r reason) {
	at := slices.IndexFunc(*l, func(u Leftover) bool { return u.Why == r.why })
	if at < 0 {
		*l = append(*l, Leftover{Why: r.why, Lacks: r.lacks})
		at = len(*l) - 1
	}
	u := &(*l)[at]
	u.Amount = u.Amount.AddCap(amount)
	u.Channels++
}

// Omission is a channel that the claimer could not use, and why.
type Omission struct {
	Channel contracts.Channel
	Reason  error
}

// Skipped returns the channels that the last round left out.
func (c *Claimer) Skipped() []Omission {
	c.skippedMu.Lock()
	defer c.skippedMu.Unlock()
	return c.skipped
}
