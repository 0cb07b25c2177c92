package payee

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"byway/contracts"
	"byway/payments"
	"byway/payments/chainview"
	"byway/payments/pace"
)

// BenchmarkAccept measures a promise from its bytes to the grown credit: decoded, verified, stored, synced. Signing is
// done before; each session waits for one acknowledgement before its next promise, so that a session alone shows how
// long the disk takes to sync. All of it runs on one core.
func BenchmarkAccept(b *testing.B) {
	onOneCore(b)
	for _, sessions := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("sessions=%d", sessions), func(b *testing.B) {
			l := newLedger(b)
			payee := newPayee(b, l, &fakeChain{any: &chainview.State{Ceiling: contracts.MaxAmount()}})
			ids := make([]payments.SessionID, sessions)
			wire := make([][][]byte, sessions)
			var prepare sync.WaitGroup
			count := (b.N + sessions - 1) / sessions
			for i := range sessions {
				c, key := testChannel(int64(i))
				ids[i] = open(b, payee, c, key, cost(testPrice, pace.MinTick))
				prepare.Go(func() {
					for n := range count {
						p, err := testDomain.Sign(payments.Promise{Channel: c, Cumulative: cost(testPrice, uint64(n+2)*mib)}, key)
						if err != nil {
							b.Error(err)
							return
						}
						raw, _ := p.MarshalBinary()
						wire[i] = append(wire[i], raw)
					}
				})
			}
			prepare.Wait()
			took := make([][]time.Duration, sessions)
			var done atomic.Int64
			var run sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			cpu := cpuTime(b)
			for i := range sessions {
				run.Go(func() {
					for _, raw := range wire[i] {
						start := time.Now()
						var p payments.Promise
						if err := p.UnmarshalBinary(raw); err != nil {
							b.Error(err)
							return
						}
						if _, err := payee.Accept(b.Context(), ids[i], p, false); err != nil {
							b.Error(err)
							return
						}
						took[i] = append(took[i], time.Since(start))
						done.Add(1)
					}
				})
			}
			run.Wait()
			b.StopTimer()
			each := float64((cpuTime(b) - cpu).Microseconds()) / float64(done.Load())
			b.ReportMetric(each, "cpu-µs/promise")
			// However many sessions share 10 Gbit/s, there are no more promises than ticks of the least size.
			b.ReportMetric(each*(10e9/8/pace.MinTick)/1e6*100, "core%@10Gbit/s,1MiB-ticks")
			all := slices.Concat(took...)
			slices.Sort(all)
			b.ReportMetric(float64(done.Load())/b.Elapsed().Seconds(), "promises/s")
			b.ReportMetric(float64(all[len(all)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-µs")
		})
	}
}

// cpuTime reads the processor time that the process has used: on a busy machine it says more than the clock.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
