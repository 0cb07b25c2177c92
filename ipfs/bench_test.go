package ipfs

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"
)

const benchBlock = 943 // bytes, as a typical offer has

// BenchmarkColdList fetches lists of blocks, of the size of offers, that many nodes hold, into an empty node: by seeds
// and by bitswap alone, a few pages at a time as a listing does, near and over a long round trip. It gives the time to the first block and to the whole list,
// and the greatest heap while it ran, holders included.
func BenchmarkColdList(b *testing.B) {
	const holders = 10
	nodes := make([]*Node, holders)
	for i := range nodes {
		nodes[i] = open(b, Config{})
	}
	var want []cid.Cid
	for i := range 10_000 {
		block := make([]byte, benchBlock)
		rand.Read(block)
		c := sum(block)
		want = append(want, c)
		// Every block is held by three nodes, no node holds more than a third of the list.
		for k := range 3 {
			if err := nodes[(i+k)%holders].store.Write(b.Context(), c, block); err != nil {
				b.Fatal(err)
			}
		}
	}
	for _, roundTrip := range []time.Duration{0, 80 * time.Millisecond} {
		var infos []peer.AddrInfo
		for _, n := range nodes {
			infos = append(infos, delayed(b, n, roundTrip))
		}
		for _, way := range []string{"seeds", "bitswap", "seeds-one-dead"} {
			for _, size := range []int{100, 1_000, 10_000} {
				b.Run(fmt.Sprintf("%s/rtt=%s/blocks=%d", way, roundTrip, size), func(b *testing.B) {
					benchList(b, way, nodes, infos, want[:size])
				})
			}
		}
	}
}

func benchList(b *testing.B, way string, nodes []*Node, infos []peer.AddrInfo, want []cid.Cid) {
	var first, whole, cpu time.Duration
	var peak uint64
	for b.Loop() {
		b.StopTimer()
		key := newKey(b)
		n, err := Open(b.Context(), Config{Key: key, Client: true, Network: Network{Name: "test", Private: true}})
		if err != nil {
			b.Fatal(err)
		}
		for _, info := range infos {
			if err := n.host.Connect(b.Context(), info); err != nil {
				b.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(b.Context())
		watched := make(chan uint64)
		go func() { watched <- watchHeap(ctx) }()
		switch way {
		case "bitswap":
			for i := range nodes {
				n.seeds.pause(nodes[i].host.ID()).ban()
			}
		case "seeds-one-dead":
			serve := silence(nodes[0])
			defer serve()
		}
		b.StartTimer()
		start, used := time.Now(), processorTime(b)
		var got atomic.Int64
		var pages errgroup.Group
		pages.SetLimit(4)
		for page := range slices.Chunk(want, 1024) {
			pages.Go(func() error {
				for _, err := range n.Get(ctx, page, nil) {
					if err != nil {
						return err
					}
					if got.Add(1) == 1 {
						first += time.Since(start)
					}
				}
				return nil
			})
		}
		if err := pages.Wait(); err != nil {
			b.Fatal(err)
		}
		whole += time.Since(start)
		cpu += processorTime(b) - used
		b.StopTimer()
		cancel()
		peak = max(peak, <-watched)
		if got := got.Load(); got != int64(len(want)) {
			b.Fatalf("got %d of %d", got, len(want))
		}
		if err := n.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	runs := float64(b.N)
	b.ReportMetric(first.Seconds()*1000/runs, "first-ms")
	b.ReportMetric(whole.Seconds()*1000/runs, "list-ms")
	b.ReportMetric(cpu.Seconds()/runs, "cpu-s")
	b.ReportMetric(float64(len(want))*runs/whole.Seconds(), "blocks/s")
	b.ReportMetric(float64(peak)/(1<<20), "peak-MiB")
	b.ReportMetric(0, "ns/op")
}

// watchHeap gives the greatest size of the heap until ctx ends.
func watchHeap(ctx context.Context) uint64 {
	var peak uint64
	var m runtime.MemStats
	for {
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapAlloc)
		select {
		case <-ctx.Done():
			return peak
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// silence makes a node keep its seed streams open and say nothing, until the returned function is called.
func silence(n *Node) (restore func()) {
	n.host.SetStreamHandler(SeedProtocol, func(s network.Stream) { io.Copy(io.Discard, s) })
	return n.serveSeeds
}

// processorTime gives what this process has used of the processors, of all nodes in it.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
