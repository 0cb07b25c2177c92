package contracts

// Sizes that prices are quoted for, in bytes: people see a gigabyte, the protocol counts in 2^30.
const (
	gigabyte = 1_000_000_000
	gibibyte = 1 << 30
)

// PerGiB returns the price of 2^30 bytes, rounded down, where perGB is the price of 10^9 bytes, as people write prices.
// The price of 10^9 bytes at the result, rounded up, is perGB again. It fails above what an amount can hold.
func PerGiB(perGB Amount) (Amount, error) { return perGB.MulDiv(gibibyte, gigabyte) }
