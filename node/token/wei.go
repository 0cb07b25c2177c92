package token

import (
	"errors"
	"math/big"
)

// Wei is an amount of the chain's own coin. JSON carries it as a decimal string, like every amount, and what is not known
// as null. A difference may be below zero.
type Wei struct{ *big.Int }

// MarshalJSON writes a decimal string.
func (w Wei) MarshalJSON() ([]byte, error) {
	if w.Int == nil {
		return []byte("null"), nil
	}
	return []byte(`"` + w.Int.String() + `"`), nil
}

// UnmarshalJSON reads what [Wei.MarshalJSON] writes.
func (w *Wei) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		w.Int = nil
		return nil
	}
	const most = 81 // digits of 2^256, a sign, and the quotes
	if len(b) < 3 || len(b) > most || b[0] != '"' || b[len(b)-1] != '"' {
		return errors.New("wei is no decimal string")
	}
	v, ok := new(big.Int).SetString(string(b[1:len(b)-1]), 10)
	if !ok {
		return errors.New("wei is no decimal string")
	}
	w.Int = v
	return nil
}
