package contracts

import (
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/holiman/uint256"
)

// AmountSize is the length in bytes of an amount's fixed-width big-endian form.
const AmountSize = 12

var (
	// ErrOverflow says that a sum does not fit the contracts' 96 bits.
	ErrOverflow = errors.New("amount exceeds 96 bits")
	// ErrUnderflow says that more was subtracted than was there.
	ErrUnderflow = errors.New("amount would be negative")
)

// maxAmount is 2^96-1, the largest amount that a channel can hold.
var maxAmount = func() (m uint256.Int) {
	m.SubUint64(m.Lsh(uint256.NewInt(1), 96), 1)
	return m
}()

// Amount is a number of token base units as the contracts keep it: an unsigned integer of 96 bits. It is a
// value: comparable with ==, safe to copy, never shared. The zero value is nothing at all.
type Amount struct{ u uint256.Int }

// NewAmount returns v base units.
func NewAmount(v uint64) Amount { return Amount{*uint256.NewInt(v)} }

// MaxAmount returns 2^96-1 base units.
func MaxAmount() Amount { return Amount{maxAmount} }

// AmountFromBig converts b, which is nil, negative or wider than 96 bits only by mistake: those are errors.
func AmountFromBig(b *big.Int) (Amount, error) {
	if b == nil {
		return Amount{}, errors.New("amount is missing")
	}
	if b.Sign() < 0 {
		return Amount{}, ErrUnderflow
	}
	if b.BitLen() > 96 {
		return Amount{}, ErrOverflow
	}
	var u uint256.Int
	u.SetFromBig(b)
	return Amount{u}, nil
}

// AmountFromBytes reads the fixed-width form that [Amount.Bytes] writes.
func AmountFromBytes(b []byte) (Amount, error) {
	if len(b) != AmountSize {
		return Amount{}, fmt.Errorf("amount has %d bytes, want %d", len(b), AmountSize)
	}
	var u uint256.Int
	u.SetBytes(b)
	return Amount{u}, nil
}

// ParseAmount reads base units from a plain decimal string without sign, spaces or leading zeros.
func ParseAmount(s string) (Amount, error) {
	if s == "" || len(s) > 29 || strings.Trim(s, "0123456789") != "" || (len(s) > 1 && s[0] == '0') {
		return Amount{}, fmt.Errorf("amount %.40q is not a whole number of base units", s)
	}
	u, err := uint256.FromDecimal(s)
	if err != nil {
		return Amount{}, fmt.Errorf("amount %q: %w", s, err)
	}
	if u.Gt(&maxAmount) {
		return Amount{}, ErrOverflow
	}
	return Amount{*u}, nil
}

// ParseTokens reads a decimal number of whole tokens, such as "0.05", for a token of that many decimals. More
// fractional digits than the token has are an error, never rounded.
func ParseTokens(s string, decimals uint8) (Amount, error) {
	whole, frac, _ := strings.Cut(s, ".")
	if whole == "" {
		whole = "0"
	}
	if len(frac) > int(decimals) {
		return Amount{}, fmt.Errorf("amount %q has more than the token's %d decimals", s, decimals)
	}
	digits := strings.TrimLeft(whole+frac+strings.Repeat("0", int(decimals)-len(frac)), "0")
	if digits == "" && strings.Trim(whole+frac, "0") == "" && s != "" && s != "." {
		return Amount{}, nil
	}
	a, err := ParseAmount(digits)
	if err != nil {
		return Amount{}, fmt.Errorf("amount %.40q is not a decimal number of tokens that fits 96 bits", s)
	}
	return a, nil
}

// Add returns a+b, or [ErrOverflow].
func (a Amount) Add(b Amount) (Amount, error) {
	var u uint256.Int
	u.Add(&a.u, &b.u)
	if u.Gt(&maxAmount) {
		return Amount{}, ErrOverflow
	}
	return Amount{u}, nil
}

// Sub returns a-b, or [ErrUnderflow].
func (a Amount) Sub(b Amount) (Amount, error) {
	var u uint256.Int
	if _, borrow := u.SubOverflow(&a.u, &b.u); borrow {
		return Amount{}, ErrUnderflow
	}
	return Amount{u}, nil
}

// AddCap returns a+b, or the largest amount there is where that is more.
func (a Amount) AddCap(b Amount) Amount {
	sum, err := a.Add(b)
	if err != nil {
		return MaxAmount()
	}
	return sum
}

// SubFloor returns a-b, or nothing at all where b is the larger.
func (a Amount) SubFloor(b Amount) Amount {
	d, err := a.Sub(b)
	if err != nil {
		return Amount{}
	}
	return d
}

// MulDivCeil returns a × n ÷ d rounded up, or [ErrOverflow]. The product is exact: 96 + 64 bits fit in 256. It
// panics where d is zero, a mistake of the program's.
func (a Amount) MulDivCeil(n, d uint64) (Amount, error) {
	if d == 0 {
		panic("contracts: division of an amount by zero")
	}
	var u, rest uint256.Int
	u.Mul(&a.u, uint256.NewInt(n))
	u.DivMod(&u, uint256.NewInt(d), &rest)
	if !rest.IsZero() {
		u.AddUint64(&u, 1)
	}
	if u.Gt(&maxAmount) {
		return Amount{}, ErrOverflow
	}
	return Amount{u}, nil
}

// MulDiv returns a × n ÷ d rounded down, or [ErrOverflow]. It panics where d is zero, a mistake of the program's.
func (a Amount) MulDiv(n, d uint64) (Amount, error) {
	if d == 0 {
		panic("contracts: division of an amount by zero")
	}
	var u uint256.Int
	u.Mul(&a.u, uint256.NewInt(n))
	u.Div(&u, uint256.NewInt(d))
	if u.Gt(&maxAmount) {
		return Amount{}, ErrOverflow
	}
	return Amount{u}, nil
}

// MulDivFloor returns n × d ÷ a rounded down, as a plain count that saturates at 2^64-1: how many units a sum of n
// buys where d of them cost a. A zero a buys any number.
func (a Amount) MulDivFloor(n Amount, d uint64) uint64 {
	if a.IsZero() {
		return ^uint64(0)
	}
	var u uint256.Int
	u.Mul(&n.u, uint256.NewInt(d))
	u.Div(&u, &a.u)
	if !u.IsUint64() {
		return ^uint64(0)
	}
	return u.Uint64()
}

// Cmp returns -1, 0 or 1 as a is less than, equal to or greater than b.
func (a Amount) Cmp(b Amount) int { return a.u.Cmp(&b.u) }

// Less reports whether a < b.
func (a Amount) Less(b Amount) bool { return a.u.Lt(&b.u) }

// Min returns the lesser of a and b.
func (a Amount) Min(b Amount) Amount {
	if b.Less(a) {
		return b
	}
	return a
}

// Max returns the greater of a and b.
func (a Amount) Max(b Amount) Amount {
	if a.Less(b) {
		return b
	}
	return a
}

// IsZero reports whether a is nothing at all.
func (a Amount) IsZero() bool { return a.u.IsZero() }

// Big returns a as a new big integer, the form that the ABI packers take.
func (a Amount) Big() *big.Int { return a.u.ToBig() }

// Bytes returns the fixed-width big-endian form: it sorts as the numbers do.
func (a Amount) Bytes() (b [AmountSize]byte) {
	w := a.u.Bytes32()
	copy(b[:], w[32-AmountSize:])
	return b
}

// String returns the base units in decimal.
func (a Amount) String() string { return a.u.Dec() }

// Tokens returns a in whole tokens of that many decimals, with no more digits than it needs: "0.05", "12", "1.5".
func (a Amount) Tokens(decimals uint8) string {
	s := a.u.Dec()
	if decimals == 0 {
		return s
	}
	if short := int(decimals) + 1 - len(s); short > 0 {
		s = strings.Repeat("0", short) + s
	}
	whole, frac := s[:len(s)-int(decimals)], strings.TrimRight(s[len(s)-int(decimals):], "0")
	if frac == "" {
		return whole
	}
	return whole + "." + frac
}

// MarshalText writes the base units in decimal, so that JSON carries amounts as strings and loses no digit.
func (a Amount) MarshalText() ([]byte, error) { return []byte(a.u.Dec()), nil }

// UnmarshalText reads what [Amount.MarshalText] writes, strictly.
func (a *Amount) UnmarshalText(b []byte) error {
	v, err := ParseAmount(string(b))
	if err != nil {
		return err
	}
	*a = v
	return nil
}
