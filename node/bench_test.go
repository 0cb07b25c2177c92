package node_test

import (
	"slices"
	"testing"
	"time"
)

// BenchmarkSetUp measures a session on loopback from the wish for it to its first byte from the internet: dial,
// handshakes, first promise, tunnel, name or address, HTTP. The offer is at hand, the exit has been looked through.
func BenchmarkSetUp(b *testing.B) {
	m := startMarket(b, marketConfig{})
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		s := m.connect()
		if err := m.download(s.Tunnel(), 1); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
		b.StopTimer()
		if _, err := s.Close(m.ctx); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	slices.Sort(took)
	at := func(q float64) float64 { return float64(took[int(q*float64(len(took)-1))].Microseconds()) / 1e3 }
	b.ReportMetric(at(0.5), "p50-ms")
	b.ReportMetric(at(0.99), "p99-ms")
}
