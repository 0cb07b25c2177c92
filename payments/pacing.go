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
	// rampTimes is how much faster a flow may be within a round trip than it was in the last one.
	rampTimes = 2
	// slackTimes is how many times base a slow session's window may earn, up to slackWindow: bursts, and disks and
	// schedulers that are busy.
	slackTimes  = 4
	slackWindow = 16 << 20
	// maxTimes bounds what speed can do: 1 GiB where the terms say 4 MiB.
	maxTimes = 256
	// paidPart is the part (one in so many) of what a session has been billed that a promise may leave unpaid while
	// the session speeds up.
	paidPart = 8
)

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

// OfferWindow returns the window that a provider with a line of that many bytes a second should offer to a stranger:
// what passes in 50 ms, while two ledgers on busy disks sync the first promise after the prepaid one; 4 MiB at least, and
// no more than a stranger is trusted with anyway.
func OfferWindow(bytesPerSecond uint64) uint64 {
	return max(MinWindow, min(TrustBytes, bytesPerSecond/20))
}

// SpeedWindow returns the window of a session whose terms say base, that has paid for so many bytes and at most so many
// a second: four ticks of that rate, twice since a flow may double its rate in a round trip, and at any rate four times
// base, up to 16 MiB; but the growth is earned, four bytes for each that this session has paid for, as the prepaid tick earns the
// first window, and it ends at 256 times base. Both sides can work it out.
func SpeedWindow(base, paid, bytesPerSecond uint64) uint64 {
	fast := max(min(mulSat(slackTimes, base), slackWindow), mulSat(windowTicks*rampTimes, Tick(bytesPerSecond)))
	earned := mulSat(windowTicks, paid)
	return max(base, min(fast, earned, mulSat(maxTimes, base)))
}

// TickDue reports whether a promise is due on a session whose terms say tick: when so many bytes are unpaid, but not
// more often than every 100 ms, which makes the tick 100 ms of traffic on a fast session. A session that is still
// speeding up pays sooner, at an eighth of all that it was billed, for its window has yet to grow.
func TickDue(tick, billed, unpaid uint64, sinceLast time.Duration) bool {
	return unpaid >= tick && (unpaid >= billed/paidPart || sinceLast >= tickTime)
}

// paceSpan is how far back a pace looks.
const paceSpan = time.Second

// pace measures the fastest that a total has risen: the most in 100 ms or more, of the latest second. The zero value is
// ready.
type pace struct {
	rate uint64 // bytes a second, the most so far
	seen []paceMark
}

type paceMark struct {
	at    time.Time
	total uint64
}

// add takes the total of that moment.
func (p *pace) add(now time.Time, total uint64) {
	for len(p.seen) > 1 && now.Sub(p.seen[0].at) > paceSpan {
		p.seen = p.seen[1:]
	}
	for _, m := range p.seen {
		took := max(now.Sub(m.at), tickTime)
		if total > m.total {
			p.rate = max(p.rate, mulSat(total-m.total, uint64(time.Second))/uint64(took))
		}
	}
	// A mark in 10 ms is enough.
	if n := len(p.seen); n == 0 || now.Sub(p.seen[n-1].at) >= tickTime/10 {
		p.seen = append(p.seen, paceMark{now, total})
	}
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
