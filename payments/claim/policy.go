package claim

import (
	"cmp"
	"time"

	"byway/contracts"
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
	// GasTokenPrice is the worth of 10^18 wei, in base units of the payment token. Zero: unknown.
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
