package payee

import (
	"fmt"
	"testing"
	"time"

	"byway/contracts"
	"byway/payments"
	"byway/payments/pace"
)

// flow is one long transfer as both sides' payments see it, in steps of a millisecond: a sender that doubles its speed
// every round trip up to the line's, a gate, and promises that take a round trip and two syncs of a disk to open it.
type flow struct {
	rate uint64        // bytes a second of the line
	rtt  time.Duration // of the line alone
	loss uint64        // in thousandths
	up   bool          // from the consumer, whose promises wait for the provider's report
	size uint64
	// trust is how many bytes the vault may be forwarded unpaid at the most.
	trust uint64
}

type flowResult struct {
	closed, promises      int
	unpaid, window, tickN uint64 // the most unpaid, the last window, the most that one promise covered
}

const (
	simStep = time.Millisecond
	simSync = 3 * time.Millisecond // of each side's ledger
)

func (f flow) run() (r flowResult) {
	type message struct {
		at    time.Duration
		bytes uint64
	}
	var data, reports, promises []message // under way, in order
	var used, arrived, reported, known, billed, paid, promised uint64
	var lastPromise, signing time.Duration = -time.Hour, 0
	var p pace.Gauge
	start := time.Unix(1e9, 0)
	// A unit a byte, so that money is bytes; a vault whose promises are reserved is trusted with its window.
	terms := payments.Terms{Tick: pace.MinTick, Window: pace.OfferWindow(pace.MinTick, f.rate), PricePerGiB: contracts.NewAmount(payments.GiB)}
	unit := func(n uint64) contracts.Amount { return contracts.NewAmount(n) }
	half := f.rtt / 2
	paid, promised = pace.MinTick, pace.MinTick
	grant := func(now time.Duration) uint64 {
		both := min(used, paid)
		p.Add(start.Add(now), both)
		r.window = max(r.window, pace.EarnedWindow(terms, both, p.Rate))
		a := Account{Promised: unit(paid), Counted: unit(used)}
		return payments.Bytes(terms.PricePerGiB, a.Limit(terms, lossPerMille, unit(min(r.window, f.trust))))
	}
	limit := grant(0)
	cwnd, flight, turn := uint64(14_600), uint64(0), time.Duration(0)
	round := max(f.rtt, 2*time.Millisecond) // queues and the host's own work
	due := func(q *[]message, now time.Duration, take func(uint64)) {
		for len(*q) > 0 && (*q)[0].at <= now {
			take((*q)[0].bytes)
			*q = (*q)[1:]
		}
	}
	for now := time.Duration(0); billed < f.size; now += simStep {
		if now-turn >= round {
			turn, flight = now, 0
			cwnd = min(cwnd*2, max(14_600, uint64(float64(f.rate)*round.Seconds()*1.1)))
		}
		n := min(f.rate/1000, cwnd-min(cwnd, flight))
		flight += n
		if !f.up {
			// Down: counted at the gate as it leaves, then it may get lost.
			if used+n > limit {
				r.closed++
				n = limit - used
			}
			used += n
			data = append(data, message{now + half, n - n*f.loss/1000})
			due(&data, now, func(n uint64) { arrived += n })
			billed = arrived
		} else {
			data = append(data, message{now + half, n - n*f.loss/1000})
			due(&data, now, func(n uint64) {
				if used+n > limit {
					r.closed++
					n = limit - used
				}
				used += n
			})
			if used-reported >= pace.WakeEvery(pace.MinTick) {
				reported = used
				reports = append(reports, message{now + half, used})
			}
			due(&reports, now, func(n uint64) { known = n })
			billed = known
		}
		if unpaid := billed - min(billed, promised); now >= signing &&
			pace.TickDue(pace.MinTick, billed, unpaid, now-lastPromise) {
			r.tickN = max(r.tickN, unpaid)
			promised, lastPromise, signing = billed, now, now+simSync
			promises = append(promises, message{now + half + 2*simSync, promised})
			r.promises++
		}
		due(&promises, now, func(n uint64) {
			paid = n
			limit = max(limit, grant(now))
		})
		r.unpaid = max(r.unpaid, used-min(used, paid))
	}
	return r
}

func TestHonestFlowNeverMeetsTheGate(t *testing.T) {
	t.Parallel()
	mbit := uint64(1_000_000 / 8)
	for _, rate := range []uint64{mbit, 10 * mbit, 100 * mbit, 1000 * mbit, 10_000 * mbit} {
		trust := uint64(pace.TrustBytes)
		if rate > 1000*mbit { // an operator of such a line trusts vaults with more of it
			trust = payments.GiB
		}
		for _, rtt := range []time.Duration{0, 50 * time.Millisecond, 200 * time.Millisecond} {
			for _, loss := range []uint64{0, 10} {
				for _, up := range []bool{false, true} {
					f := flow{rate, rtt, loss, up, min(4*payments.GiB, 60*rate), trust}
					r := f.run()
					line := fmt.Sprintf("%5d Mbit/s, %3d ms, %d %% lost, up %-5v: gate closed %d times, %4d promises of at most "+
						"%9d bytes, %9d unpaid at most, window %10d in the end", rate/mbit, rtt.Milliseconds(), loss/10, up,
						r.closed, r.promises, r.tickN, r.unpaid, r.window)
					// A window that is earned at 10 Gbit/s from a first tick on may be short for some milliseconds.
					if r.closed > 0 && (rate <= 1000*mbit || r.closed > 5) {
						t.Error(line)
					} else {
						t.Log(line)
					}
				}
			}
		}
	}
}
