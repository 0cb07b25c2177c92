package claim

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// Gas that a claim is expected to use, for the policy; the sender estimates what it really needs.
const (
	claimGasBase = 45_000
	claimGasRow  = 11_500
	reserveGas   = 75_000 // of a posted reserve by itself, on a channel that never had one
)

// urgency says why a channel should be claimed now, cheap or not.
type urgency int

const (
	notDue  urgency = iota
	dueAge          // something has been owed for long
	dueFull         // its ceiling is nearly spent
	dueExit         // now or never
)

func (c *Claimer) due(o debt) urgency {
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

// gasPrice asks the price of gas now, in wei; nil where its worth in tokens is not known.
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
func (c *Claimer) worth(ctx context.Context, list []debt) ([]debt, error) {
	price, err := c.gasPrice(ctx)
	if err != nil && ctx.Err() != nil {
		return nil, err
	}
	if err != nil { // an exit does not wait for an endpoint that knows no price
		c.log.Warn("claims go by the rule for an unknown price of gas", "error", err)
	}
	var left leftovers
	chosen := c.cheap(list, price)
	has := map[int64]bool{}
	for _, o := range chosen {
		has[o.account.ID] = true
	}
	var urgent []debt
	for _, o := range list {
		why := c.due(o)
		if why == notDue || has[o.account.ID] {
			continue
		}
		if says := c.tooLittle(o, why, price); says.why != "" {
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
		left.add(o, reason{why: "the payer's vault has nothing left to pay it with"})
	}
	c.skippedMu.Lock()
	c.left = left
	c.skippedMu.Unlock()
	return append(chosen, urgent...), nil
}

// tooLittle says why a channel that is due is not worth a claim; it is empty where it is.
func (c *Claimer) tooLittle(o debt, why urgency, price *big.Int) reason {
	p := c.cfg.Policy
	floor := p.Floor
	if floor.IsZero() {
		floor = p.MustFloor
	}
	switch {
	case p.GasFree:
		return reason{}
	case price != nil:
		if !c.pays(o.value.Big(), claimGasRow, price, p.Least, 1) {
			return c.dust(price)
		}
		return reason{}
	case why == dueAge && p.Floor.IsZero():
		return reason{"what gas is worth is not known, and none is spent for an age alone", LacksFloor}
	case o.value.Less(floor):
		return reason{fmt.Sprintf("dust, less than %s base units, and what gas is worth is not known", floor), LacksFloor}
	}
	return reason{}
}

// dust says that a claim would not bring what it must.
func (c *Claimer) dust(price *big.Int) reason {
	gas := new(big.Int).Mul(big.NewInt(claimGasBase+claimGasRow), price)
	cost := gas.Mul(gas, c.cfg.Policy.GasTokenPrice.Big())
	cost.Div(cost, big.NewInt(1e18))
	return reason{why: fmt.Sprintf("dust, not worth its gas: a claim costs about %s base units and must bring %d times that",
		cost, c.cfg.Policy.Least)}
}

// cheap returns the most valuable channels as long as each pays for its row, and all for the transaction, by the
// thousandths that gas may cost.
func (c *Claimer) cheap(list []debt, price *big.Int) []debt {
	if price == nil {
		return nil
	}
	sorted := slices.Clone(list)
	slices.SortStableFunc(sorted, func(a, b debt) int { return b.value.Cmp(a.value) })
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
func (c *Claimer) worthIt(list []debt, price *big.Int) bool {
	value := new(big.Int)
	for _, o := range list {
		value.Add(value, o.value.Big())
	}
	return c.pays(value, c.gasOf(len(list)), price, c.cfg.Policy.Least, 1)
}

// gasOf estimates the gas that claims of so many channels use.
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
