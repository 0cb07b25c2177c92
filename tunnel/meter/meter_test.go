package meter

import (
	"fmt"
	"math"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"byway/tunnel/forward"
	"byway/tunnel/packet"
	"byway/tunnel/tunneltest"
)

// packets makes n packets of a size whose source and destination are a session's.
func packets(n, size, offset int, index uint16, v6 bool) [][]byte {
	bufs := make([][]byte, n)
	a4, a6 := forward.InnerNets.Addrs(index)
	for i := range bufs {
		bufs[i] = make([]byte, offset+size)
		p := bufs[i][offset:]
		if v6 {
			p[0] = 0x60
			copy(p[packet.Src6:], a6.AsSlice())
			copy(p[packet.Dst6:], a6.AsSlice())
		} else {
			p[0] = 0x45
			copy(p[packet.Src4:], a4.AsSlice())
			copy(p[packet.Dst4:], a4.AsSlice())
		}
	}
	return bufs
}

func TestMeterAdmitsWholePacketsUpToTheLimitExactly(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		inner := &tunneltest.Device{}
		table := NewAccounts(forward.InnerNets.V4, forward.InnerNets.V6)
		a := NewAccount(NewGate(1050))
		table.slots[7].Store(a)
		m := &Meter{Device: inner, Table: table}
		bufs := packets(20, 100, 16, 7, v6)
		if n, err := m.Write(bufs, 16); n != 20 || err != nil {
			t.Fatalf("write: %d, %v", n, err)
		}
		if inner.Wrote != 10 || a.Counters() != (Counters{Rx: 1000}) || a.dropped != (Counters{Rx: 1000}) || !a.Held() {
			t.Errorf("%d packets passed, %+v, dropped %+v", inner.Wrote, a.Counters(), a.dropped)
		}
		select {
		case <-a.wake:
		default:
			t.Error("nobody was told that the gate closed")
		}
		// What fits still passes.
		small := packets(2, 50, 16, 7, v6)
		m.Write(small, 16)
		if a.Counters().Rx != 1050 {
			t.Errorf("rx %d, want 1050", a.Counters().Rx)
		}
		a.gate.Allow(1100)
		inner.N, inner.Size = 2, 50
		sizes := make([]int, 2)
		if n, err := m.Read(packets(2, 50, 16, 7, v6), sizes, 16); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		if sizes[0] != 50 || sizes[1] != 0 || a.Counters() != (Counters{Rx: 1050, Tx: 50}) || a.dropped.Tx != 50 {
			t.Errorf("sizes %v, %+v, dropped %+v", sizes, a.Counters(), a.dropped)
		}
	}
}

func TestMeterDropsPacketsOfNobody(t *testing.T) {
	inner := &tunneltest.Device{N: 3, Size: 60}
	m := &Meter{Device: inner, Table: NewAccounts(forward.InnerNets.V4, forward.InnerNets.V6)}
	bufs := packets(3, 60, 16, 9, false)
	copy(bufs[1][16+packet.Src4:], netip.MustParseAddr("8.8.8.8").AsSlice())
	copy(bufs[1][16+packet.Dst4:], netip.MustParseAddr("8.8.8.8").AsSlice())
	bufs[2][16] = 0
	sizes := make([]int, 3)
	m.Read(bufs, sizes, 16)
	if sizes[0]+sizes[1]+sizes[2] != 0 {
		t.Errorf("sizes %v", sizes)
	}
	m.Write(bufs, 16)
	if inner.Wrote != 0 {
		t.Errorf("%d packets passed", inner.Wrote)
	}
}

func TestMeterNeverPassesMoreThanAllowedFromManyGoroutines(t *testing.T) {
	a := NewAccount(NewGate(100_000))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 2000 {
				a.take(way(j%2), uint64(40+(i*j)%1400))
				if j%100 == 0 {
					a.gate.Allow(100_000 + uint64(j))
				}
			}
		})
	}
	wg.Wait()
	if passed, limit := a.Counters(), a.gate.Allowed(); passed.Total() > limit || limit-passed.Total() > 1440 {
		t.Errorf("%+v passed of %d", passed, limit)
	}
}

func BenchmarkMeter(b *testing.B) {
	for _, sessions := range []int{1, 5000} {
		for _, batch := range []int{1, 44, 128} {
			b.Run(fmt.Sprintf("sessions=%d/batch=%d", sessions, batch), func(b *testing.B) {
				table := NewAccounts(forward.InnerNets.V4, forward.InnerNets.V6)
				var work [][][]byte
				for i := range sessions {
					index := uint16(i + 2)
					a := NewAccount(NewGate(math.MaxUint64))
					a.SetTick(1 << 20)
					table.slots[index].Store(a)
					work = append(work, packets(batch, 64, 16, index, false))
				}
				m := &Meter{Device: &tunneltest.Device{}, Table: table}
				b.ReportAllocs()
				b.ResetTimer()
				for i := 0; i < b.N; i += batch {
					m.Write(work[(i/batch)%sessions], 16)
				}
			})
		}
	}
}

func TestAShutMeterPassesAndCountsNothing(t *testing.T) {
	inner, table, a := &tunneltest.Device{}, NewAccounts(forward.InnerNets.V4, forward.InnerNets.V6), NewAccount(NewGate(math.MaxUint64))
	table.slots[7].Store(a)
	m := &Meter{Device: inner, Table: table, Shut: new(atomic.Bool)}
	m.Shut.Store(true)
	if n, err := m.Write(packets(10, 100, 16, 7, false), 16); n != 10 || err != nil {
		t.Fatalf("write: %d, %v", n, err)
	}
	if inner.Wrote != 0 || a.Counters() != (Counters{}) {
		t.Errorf("%d packets passed, %+v counted", inner.Wrote, a.Counters())
	}
	m.Shut.Store(false)
	m.Write(packets(10, 100, 16, 7, false), 16)
	if inner.Wrote != 10 || a.Counters().Rx != 1000 {
		t.Errorf("%d packets passed, %+v counted", inner.Wrote, a.Counters())
	}
}
