package payments

import (
	"time"

	"byway/contracts"
)

// Sizes in bytes. Prices are per GiB.
const (
	GiB = 1 << 30
	// MinTick is the least that one promise covers.
	MinTick = 1 << 20
	// MinWindow is the least that may be forwarded unpaid.
	MinWindow = 4 << 20
	// TrustBytes is how much traffic's price a payee trusts a payer with above its reserve, unless told otherwise.
	TrustBytes = 64 << 20
)

const (
	// tickTime is how much traffic one promise covers on a fast session.
	tickTime = 100 * time.Millisecond
	// windowTicks is how many ticks a window holds.
	windowTicks = 4
	// historyShare is the part (one in so many) of what a payer has settled before that its window grows by.
	historyShare = 64
	// historyTimes bounds that growth: a window never exceeds so many times the one of a stranger.
	historyTimes = 8
)

// Usage is what a session's meter has counted since its start, in bytes of inner packets.
type Usage struct {
	// Rx is what this side received, Tx what it sent.
	Rx, Tx uint64
	// PeerRx is what the other side says it received.
	PeerRx uint64
}

// Billed is what a consumer pays for: everything it received, and of what it sent as much as it and the provider both
// say has arrived. It saturates.
func (u Usage) Billed() uint64 {
	return addSat(u.Rx, min(u.Tx, u.PeerRx))
}

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

// Tick returns how many bytes one promise covers on a session of that many bytes a second: 100 ms of traffic, and
// 1 MiB at least.
func Tick(bytesPerSecond uint64) uint64 {
	return max(MinTick, bytesPerSecond/uint64(time.Second/tickTime))
}

// Window returns how many bytes may be forwarded unpaid: four ticks and 4 MiB at least, growing by a 64th of the bytes
// that this payer has paid for before (settled on chain: anything less is free to fake), to eight times that at most.
func Window(tick, paidBefore uint64) uint64 {
	return grownWindow(max(MinWindow, mulSat(windowTicks, tick)), paidBefore)
}

func grownWindow(base, paidBefore uint64) uint64 {
	return addSat(base, min(paidBefore/historyShare, mulSat(base, historyTimes-1)))
}

func addSat(a, b uint64) uint64 {
	if s := a + b; s >= a {
		return s
	}
	return ^uint64(0)
}

func mulSat(a, b uint64) uint64 {
	if a != 0 && b > ^uint64(0)/a {
		return ^uint64(0)
	}
	return a * b
}
