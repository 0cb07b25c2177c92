package directory_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"byway/registry/directory"
)

// BenchmarkMarket measures everything about a listing but the network: pages, decoding, both signatures of each offer,
// and the index. The chain's pages and the blocks come from memory.
func BenchmarkMarket(b *testing.B) {
	for _, n := range []int{100, 1_000, 10_000} {
		blobs := newShelf()
		backend := newPages(b, n, blobs)
		open := func(b *testing.B, name string) *directory.Directory {
			r, err := directory.New(directory.Config{
				Backend: backend, Deployment: pagesMarket, Blobs: blobs,
				Index: openIndex(b, filepath.Join(b.TempDir(), name)),
			})
			if err != nil {
				b.Fatal(err)
			}
			return r
		}
		run := func(b *testing.B, seq func(func(directory.Listing, error) bool)) {
			start, first, got := time.Now(), time.Duration(0), 0
			for _, err := range seq {
				if err != nil {
					b.Fatal(err)
				}
				if got++; got == 1 {
					first = time.Since(start)
				}
			}
			if got != n {
				b.Fatalf("%d offers, want %d", got, n)
			}
			b.ReportMetric(first.Seconds()*1000, "first-ms")
			b.ReportMetric(float64(n)/time.Since(start).Seconds(), "offers/s")
		}
		b.Run(fmt.Sprintf("list/%d", n), func(b *testing.B) {
			r := open(b, "x.db")
			for b.Loop() {
				run(b, r.List(b.Context()))
			}
		})
		b.Run(fmt.Sprintf("refresh-cold/%d", n), func(b *testing.B) {
			i := 0
			for b.Loop() {
				b.StopTimer()
				r := open(b, fmt.Sprintf("%d.db", i))
				i++
				b.StartTimer()
				run(b, r.Refresh(b.Context()))
			}
		})
		b.Run(fmt.Sprintf("known-warm/%d", n), func(b *testing.B) {
			r := open(b, "x.db")
			run(b, r.Refresh(b.Context()))
			b.ResetTimer()
			for b.Loop() {
				run(b, r.Known(b.Context()))
			}
		})
	}
}
