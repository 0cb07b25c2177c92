package payments

import "byway/contracts"

// GiB is how many bytes a price is for.
const GiB = 1 << 30

// Cost returns ceil(price × bytes / 2^30) base units, or [contracts.ErrOverflow]. It is applied to a session's total,
// never to a part of it, so that rounding happens once.
func Cost(pricePerGiB contracts.Amount, bytes uint64) (contracts.Amount, error) {
	return pricePerGiB.MulDivCeil(bytes, GiB)
}

// Bytes returns how many whole bytes a sum covers at that price: the largest n with price × n / 2^30 ≤ paid. It
// saturates at 2^64-1, also for a price of nothing. Bytes(price, Cost(price, n)) ≥ n always.
func Bytes(pricePerGiB, paid contracts.Amount) uint64 {
	return pricePerGiB.MulDivFloor(paid, GiB)
}
