package payments

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"slices"
	"time"

	"byway/contracts"
)

// Gas that a claim is expected to use, for the policy; the sender estimates what it really needs.
const (
	claimGasBase = 45_000
	claimGasRow  = 11_500
	reserveGas   = 75_000 // of a posted reserve by itself, on a channel that never had one
)

// Policy says when a claim is worth its gas. The zero value of a field is its default.
//
// What gas costs in tokens is known where GasTokenPrice is. Then a claim is made when it is cheap (GasPerMille), and for
// an exit, a nearly spent ceiling or an age only where it brings Least times its gas. Where it is not known, no claim is
// made for an age unless Floor is set, and one for an exit or a nearly spent ceiling where the channel owes Floor or, if
// that is not set, MustFloor. What is left unclaimed by this is told by [Claimer.Unclaimed].
type Policy struct {
	// GasPerMille: claim when the gas costs at most so many thousandths of what it brings. Default 20.
	GasPerMille uint64
	// CeilingPerMille: claim a channel when what is owed is so much of all that it can still pay. Default 800.
	CeilingPerMille uint64
	// MaxAge: claim a channel when something has been owed for that long. Default 24 h.
	MaxAge time.Duration
	// Batch is how many channels one transaction settles, 500 at most. Default 100.
	Batch int
	// Interval is how often all this is looked at. Default 30 s.
	Interval time.Duration
	// GasTokenPrice is what 10^18 wei are worth, in base units of the payment token. Zero: unknown.
	GasTokenPrice contracts.Amount
	// GasFree says that gas is worth nothing, as on a chain for development: nothing is too little to be claimed.
	GasFree bool
	// Least: an automatic claim brings at least so many times its gas. Default 2.
	Least uint64
	// Floor and MustFloor are in base units of the payment token.
	Floor, MustFloor contracts.Amount
	// ReserveAbove: post the reserve that a payer has signed when its promises exceed the ceiling by so much, in base
	// units. Zero: by anything. Where the price of gas is known, it must also set Least times its gas and a claim's aside;
	// where it is not, so much again, and a quarter of what is exposed.
	ReserveAbove contracts.Amount
}

func (p Policy) withDefaults() Policy {
	p.GasPerMille = cmp.Or(p.GasPerMille, 20)
	p.CeilingPerMille = cmp.Or(p.CeilingPerMille, 800)
	p.MaxAge = cmp.Or(p.MaxAge, 24*time.Hour)
	p.Batch = min(max(cmp.Or(p.Batch, 100), 1), maxClaimRows)
	p.Interval = cmp.Or(p.Interval, 30*time.Second)
	p.Least = cmp.Or(p.Least, 2)
	return p
}

// Unclaimed is what the last round left although it was due, or can't get, and why.
type Unclaimed struct {
	// Amount is owed on so many channels, in base units.
	Amount   contracts.Amount
	Channels int
	// Why is for people. Amounts stand in it as "N base units".
	Why string
}

// Unclaimed returns what the last round of [Claimer.Run] left.
func (c *Claimer) Unclaimed() []Unclaimed {
	c.skippedMu.Lock()
	defer c.skippedMu.Unlock()
	return c.left
}

// leave adds to what the round has left.
func (c *Claimer) leave(amount contracts.Amount, why string) {
	c.skippedMu.Lock()
	defer c.skippedMu.Unlock()
	left := leftover(slices.Clone(c.left))
	left.add(amount, why)
	c.left = left
}

// leftover adds up what is left, by reason.
type leftover []Unclaimed

func (l *leftover) add(amount contracts.Amount, why string) {
	at := slices.IndexFunc(*l, func(u Unclaimed) bool { return u.Why == why })
	if at < 0 {
		*l = append(*l, Unclaimed{Why: why})
		at = len(*l) - 1
	}
	u := &(*l)[at]
	u.Amount = addFloor(u.Amount, amount)
	u.Channels++
}

// due is why a channel should be claimed now, cheap or not.
type due int

const (
	notDue  due = iota
	dueAge      // something has been owed for long
	dueFull     // its ceiling is nearly spent
	dueExit     // now or never
)

func (c *Claimer) due(o owing) due {
	p := c.cfg.Policy
	if o.state.Exiting() {
		return dueExit
	}
	can := o.state.CanPay().SubFloor(o.state.Settled)
	if limit, err := can.MulDivCeil(p.CeilingPerMille, 1000); err == nil && !o.value.Less(limit) {
		return dueFull
	}
	if !o.account.OwedSince.IsZero() && time.Since(o.account.OwedSince) >= p.MaxAge {
		return dueAge
	}
	return notDue
}

// gasPrice is what gas costs now, nil where its price in tokens is not known.
func (c *Claimer) gasPrice(ctx context.Context) (*big.Int, error) {
	if c.cfg.Gas == nil || c.cfg.Policy.GasTokenPrice.IsZero() {
		return nil, nil
	}
	price, err := c.cfg.Gas.SuggestGasPrice(ctx)
	if err != nil {
		return nil, fmt.Errorf("read gas price: %w", err)
	}
	return price, nil
}

// worth picks the channels that the policy claims now, and keeps what it leaves although it was due.
func (c *Claimer) worth(ctx context.Context, list []owing) ([]owing, error) {
	price, err := c.gasPrice(ctx)
	if err != nil && ctx.Err() != nil {
		return nil, err
	}
	if err != nil { // an exit does not wait for an endpoint that knows no price
		c.log.Warn("claims go by the rule for an unknown price of gas", "error", err)
	}
	var left leftover
	chosen := c.cheap(list, price)
	has := map[int64]bool{}
	for _, o := range chosen {
		has[o.account.ID] = true
	}
	var urgent []owing
	for _, o := range list {
		why := c.due(o)
		if why == notDue || has[o.account.ID] {
			continue
		}
		if says := c.tooLittle(o, why, price); says != "" {
			left.add(o.value, says)
			continue
		}
		urgent = append(urgent, o)
	}
	// Each pays for its row; together they pay for their transaction, which the cheap ones have paid for already.
	if price != nil && len(chosen) == 0 && !c.worthIt(urgent, price) {
		for _, o := range urgent {
			left.add(o.value, c.dust(price))
		}
		urgent = nil
	}
	for _, o := range c.unpayable {
		left.add(o, "the payer's vault has nothing left to pay it with")
	}
	c.skippedMu.Lock()
	c.left = left
	c.skippedMu.Unlock()
	return append(chosen, urgent...), nil
}

// tooLittle says why a channel that is due is not worth a claim, "" where it is.
func (c *Claimer) tooLittle(o owing, why due, price *big.Int) string {
	p := c.cfg.Policy
	floor := p.Floor
	if floor.IsZero() {
		floor = p.MustFloor
	}
	switch {
	case p.GasFree:
		return ""
	case price != nil:
		if !c.pays(o.value.Big(), claimGasRow, price, p.Least, 1) {
			return c.dust(price)
		}
		return ""
	case why == dueAge && p.Floor.IsZero():
		return "what gas is worth is not known, and none is spent for an age alone: set --gas-price or --claim-floor, or " +
			"claim by hand"
	case o.value.Less(floor):
		return fmt.Sprintf("dust, less than %s base units, and what gas is worth is not known: set --gas-price or "+
			"--claim-floor, or claim by hand", floor)
	}
	return ""
}

// dust says that a claim would not bring what it must.
func (c *Claimer) dust(price *big.Int) string {
	gas := new(big.Int).Mul(big.NewInt(claimGasBase+claimGasRow), price)
	cost := gas.Mul(gas, c.cfg.Policy.GasTokenPrice.Big())
	cost.Div(cost, big.NewInt(1e18))
	return fmt.Sprintf("dust, not worth its gas: a claim costs about %s base units and must bring %d times that", cost,
		c.cfg.Policy.Least)
}

// cheap returns the most valuable channels as long as each pays for its row, and all for the transaction, by the
// thousandths that gas may cost.
func (c *Claimer) cheap(list []owing, price *big.Int) []owing {
	if price == nil {
		return nil
	}
	sorted := slices.Clone(list)
	slices.SortStableFunc(sorted, func(a, b owing) int { return b.value.Cmp(a.value) })
	n, value := 0, new(big.Int)
	for _, o := range sorted {
		if !c.pays(o.value.Big(), claimGasRow, price, 1000, c.cfg.Policy.GasPerMille) {
			break
		}
		value.Add(value, o.value.Big())
		n++
	}
	if n == 0 || !c.pays(value, c.gasOf(n), price, 1000, c.cfg.Policy.GasPerMille) {
		return nil
	}
	return sorted[:n]
}

// worthIt reports whether channels together bring enough for their transactions.
func (c *Claimer) worthIt(list []owing, price *big.Int) bool {
	value := new(big.Int)
	for _, o := range list {
		value.Add(value, o.value.Big())
	}
	return c.pays(value, c.gasOf(len(list)), price, c.cfg.Policy.Least, 1)
}

// gasOf is what claims of so many channels are expected to use.
func (c *Claimer) gasOf(n int) uint64 {
	batches := uint64((n + c.cfg.Policy.Batch - 1) / c.cfg.Policy.Batch)
	return batches*claimGasBase + uint64(n)*claimGasRow
}

// pays reports whether value ≥ gas × price × times / of, in units of the payment token.
func (c *Claimer) pays(value *big.Int, gas uint64, price *big.Int, times, of uint64) bool {
	spent := new(big.Int).Mul(new(big.Int).SetUint64(gas), price)
	spent.Mul(spent, c.cfg.Policy.GasTokenPrice.Big())
	spent.Mul(spent, new(big.Int).SetUint64(times))
	worth := new(big.Int).Mul(value, new(big.Int).SetUint64(of))
	return worth.Mul(worth, big.NewInt(1e18)).Cmp(spent) >= 0
}
