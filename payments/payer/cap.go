package payer

import (
	"errors"
	"fmt"

	"byway/contracts"
)

// ErrSpendCap is the error that every [*SpendCapError] is.
var ErrSpendCap = errors.New("spend cap reached")

// SpendCapError says that a payer will sign no more for this session.
type SpendCapError struct {
	// Limit is the most that this session may cost: the cap, or what the channel can still pay where Funds is set.
	Limit contracts.Amount
	// Spent is how much the session has paid, Want how much its bytes cost, in base units.
	Spent, Want contracts.Amount
	// Funds is set where the deposit, not the configured cap, is what has run out.
	Funds bool
}

// Error implements error.
func (e *SpendCapError) Error() string {
	if e.Funds {
		return fmt.Sprintf("%v: the deposit pays for %s base units of this session, its bytes come to %s base units: "+
			"deposit more to go on",
			ErrSpendCap, e.Limit, e.Want)
	}
	return fmt.Sprintf("%v: the cap of this session is %s base units, its bytes come to %s base units: raise the cap "+
		"to go on",
		ErrSpendCap, e.Limit, e.Want)
}

// Is makes every SpendCapError an [ErrSpendCap].
func (e *SpendCapError) Is(target error) bool { return target == ErrSpendCap }
