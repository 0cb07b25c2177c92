// Package pace owns how often a promise is made and how much may go unpaid before it: ticks and windows, from the speed and
// the history of a vault. They are rules over numbers, the same on both sides; nothing in it is stored or signed.
package pace

import (
	"errors"
	"fmt"
	"time"

	"byway/payments"
)

// Sizes in bytes.
const (
	// MinTick is the least that one promise covers on a session that has reached its speed.
	MinTick = 1 << 20
	// MaxTick is the most that a consumer prepays to a provider: what a refusal can hold of its money.
	MaxTick = 16 << 20
	// MinWindow is the least that an offer may let be forwarded unpaid once that is earned.
	MinWindow = 4 << 20
	// TrustBytes is how much traffic's price a payee trusts a vault with, unless told otherwise.
	TrustBytes = 64 << 20
	// BudgetBytes is how much traffic's price a payee puts at stake for all strangers together, unless told otherwise.
	BudgetBytes = 1 << 30
)

const (
	// tickTime is how much traffic one promise covers on a fast session.
	tickTime = 100 * time.Millisecond
	// windowTicks is how many ticks an offer's window holds.
	windowTicks = 4
	// firstTicks is the window, in ticks, of a vault that has paid for nothing yet but its first tick.
	firstTicks = 2
	// earnedTimes is by how many bytes a window grows for each byte that was forwarded and paid.
	earnedTimes = 2
	// rampTimes is how much faster a flow may be within a round trip than it was in the last one.
	rampTimes = 2
	// slackTimes is how many times base a slow session's window may earn, up to slackWindow: bursts, and disks and
	// schedulers that are busy.
	slackTimes  = 4
	slackWindow = 16 << 20
	// maxTimes bounds what speed can do: 1 GiB where the terms say 4 MiB.
	maxTimes = 256
	// earlyBytes is how much a session is billed while it pays every quarter of a tick: its window has yet to grow.
	earlyBytes = 8 << 20
	earlyParts = 4
	// paidPart is the part (one in so many) of what a session has been billed that a promise may leave unpaid while
	// the session speeds up.
	paidPart = 8
)

// Tick returns how many bytes one promise covers on a session of that many bytes a second: 100 ms of traffic, and
// 1 MiB at least.
func Tick(bytesPerSecond uint64) uint64 {
	return max(MinTick, bytesPerSecond/uint64(time.Second/tickTime))
}

// OfferWindow returns the window that a provider with a line of that many bytes a second should offer with a tick: what
// passes in 50 ms, while two ledgers on busy disks sync a promise; four ticks and 4 MiB at least, and no more than a vault
// is trusted with anyway.
func OfferWindow(tick, bytesPerSecond uint64) uint64 {
	return max(MinWindow, mulSat(windowTicks, tick), min(TrustBytes, bytesPerSecond/20))
}

// EarnedWindow returns how many bytes may be forwarded unpaid to a vault on terms of that tick and window, which had so
// many bytes forwarded and paid, both, and at most so many a second. It begins with two ticks and grows by two bytes for
// each of those; paying ahead earns nothing, nor does taking. It ends at what a flow of that speed needs: four ticks of
// 100 ms, twice, since a flow may double its rate in a round trip; at any rate four times the terms' window, up to 16 MiB;
// and 256 times it at most.
func EarnedWindow(t payments.Terms, earned, bytesPerSecond uint64) uint64 {
	fast := max(t.Window, min(mulSat(slackTimes, t.Window), slackWindow),
		mulSat(windowTicks*rampTimes, Tick(bytesPerSecond)))
	return min(addSat(mulSat(firstTicks, t.Tick), mulSat(earnedTimes, earned)), fast, mulSat(maxTimes, t.Window))
}

// TickDue reports whether a promise is due on a session whose terms say tick: in its first 8 MiB at each quarter of a
// tick. After that when a tick is unpaid, but not more often than every 100 ms, which makes the tick 100 ms of traffic on
// a fast session; one that is still speeding up pays sooner, at an eighth of all that it was billed.
func TickDue(tick, billed, unpaid uint64, sinceLast time.Duration) bool {
	if billed < earlyBytes {
		return unpaid > 0 && unpaid >= tick/earlyParts
	}
	return unpaid >= tick && (unpaid >= billed/paidPart || sinceLast >= tickTime)
}

// WakeEvery returns how many bytes a meter should count between two looks at whether a promise is due.
func WakeEvery(tick uint64) uint64 { return max(1, tick/earlyParts) }

// Complete returns terms with the window that they leave open, or says why no session can go by them.
func Complete(t payments.Terms) (payments.Terms, error) {
	if t.Tick == 0 {
		return t, errors.New("terms: tick is zero")
	}
	if t.Window == 0 {
		t.Window = OfferWindow(t.Tick, 0)
	}
	if t.Window < t.Tick {
		return t, fmt.Errorf("terms: window of %d bytes is below the tick of %d", t.Window, t.Tick)
	}
	if t.Tick > 1<<62 || t.Window > 1<<62 {
		return t, errors.New("terms: tick or window is beyond 2^62 bytes")
	}
	if len(t.Offer) > 256 {
		return t, errors.New("terms: offer is no CID: longer than 256 bytes")
	}
	if _, err := payments.Cost(t.PricePerGiB, t.Tick); err != nil {
		return t, fmt.Errorf("terms: price of a tick: %w", err)
	}
	return t, nil
}

// paceSpan is how far back a pace looks.
const paceSpan = time.Second

// Gauge measures the fastest that a total has risen: the most in 100 ms or more, of the latest second. The zero value
// is ready.
type Gauge struct {
	Rate uint64 // bytes a second, the most so far
	seen []paceMark
}

type paceMark struct {
	at    time.Time
	total uint64
}

// Add takes the total of that moment.
func (p *Gauge) Add(now time.Time, total uint64) {
	for len(p.seen) > 1 && now.Sub(p.seen[0].at) > paceSpan {
		p.seen = p.seen[1:]
	}
	for _, m := range p.seen {
		took := max(now.Sub(m.at), tickTime)
		if total > m.total {
			p.Rate = max(p.Rate, mulSat(total-m.total, uint64(time.Second))/uint64(took))
		}
	}
	// A mark in 10 ms is enough.
	if n := len(p.seen); n == 0 || now.Sub(p.seen[n-1].at) >= tickTime/10 {
		p.seen = append(p.seen, paceMark{now, total})
	}
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
