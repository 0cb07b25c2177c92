package tunnel

import (
	"fmt"
	"math"
	"net/netip"
	"os"
	"sync"
	"testing"

	"golang.zx2c4.com/wireguard/tun"
)

// stubDevice takes and gives batches without looking at them.
type stubDevice struct {
	tun.Device
	n, size int
	wrote   int
}

func (d *stubDevice) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	if d.n == 0 {
		return 0, os.ErrClosed
	}
	for i := range d.n {
		sizes[i] = d.size
	}
	return d.n, nil
}

func (d *stubDevice) Write(bufs [][]byte, offset int) (int, error) {
	d.wrote += len(bufs)
	return len(bufs), nil
}

// packets makes n packets of a size whose source and destination are a session's.
func packets(n, size, offset int, index uint16, v6 bool) [][]byte {
	bufs := make([][]byte, n)
	a4, a6 := innerNets.Addrs(index)
	for i := range bufs {
		bufs[i] = make([]byte, offset+size)
		p := bufs[i][offset:]
		if v6 {
			p[0] = 0x60
			copy(p[src6:], a6.AsSlice())
			copy(p[dst6:], a6.AsSlice())
		} else {
			p[0] = 0x45
			copy(p[src4:], a4.AsSlice())
			copy(p[dst4:], a4.AsSlice())
		}
	}
	return bufs
}

func TestMeterAdmitsWholePacketsUpToTheLimitExactly(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		inner := &stubDevice{}
		table := newAccounts(innerNet4, innerNet6)
		a := newAccount(NewGate(1050))
		table.slots[7].Store(a)
		m := &meter{Device: inner, table: table}
		bufs := packets(20, 100, 16, 7, v6)
		if n, err := m.Write(bufs, 16); n != 20 || err != nil {
			t.Fatalf("write: %d, %v", n, err)
		}
		if inner.wrote != 10 || a.counters() != (Counters{Rx: 1000}) || a.dropped != (Counters{Rx: 1000}) || !a.held() {
			t.Errorf("%d packets passed, %+v, dropped %+v", inner.wrote, a.counters(), a.dropped)
		}
		select {
		case <-a.wake:
		default:
			t.Error("nobody was told that the gate closed")
		}
		// What fits still passes.
		small := packets(2, 50, 16, 7, v6)
		m.Write(small, 16)
		if a.counters().Rx != 1050 {
			t.Errorf("rx %d, want 1050", a.counters().Rx)
		}
		a.gate.Allow(1100)
		inner.n, inner.size = 2, 50
		sizes := make([]int, 2)
		if n, err := m.Read(packets(2, 50, 16, 7, v6), sizes, 16); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		if sizes[0] != 50 || sizes[1] != 0 || a.counters() != (Counters{Rx: 1050, Tx: 50}) || a.dropped.Tx != 50 {
			t.Errorf("sizes %v, %+v, dropped %+v", sizes, a.counters(), a.dropped)
		}
	}
}

func TestMeterDropsPacketsOfNobody(t *testing.T) {
	inner := &stubDevice{n: 3, size: 60}
	m := &meter{Device: inner, table: newAccounts(innerNet4, innerNet6)}
	bufs := packets(3, 60, 16, 9, false)
	copy(bufs[1][16+src4:], netip.MustParseAddr("8.8.8.8").AsSlice())
	copy(bufs[1][16+dst4:], netip.MustParseAddr("8.8.8.8").AsSlice())
	bufs[2][16] = 0
	sizes := make([]int, 3)
	m.Read(bufs, sizes, 16)
	if sizes[0]+sizes[1]+sizes[2] != 0 {
		t.Errorf("sizes %v", sizes)
	}
	m.Write(bufs, 16)
	if inner.wrote != 0 {
		t.Errorf("%d packets passed", inner.wrote)
	}
}

func TestMeterNeverPassesMoreThanAllowedFromManyGoroutines(t *testing.T) {
	a := newAccount(NewGate(100_000))
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
	if passed, limit := a.counters(), a.gate.Allowed(); passed.Total() > limit || limit-passed.Total() > 1440 {
		t.Errorf("%+v passed of %d", passed, limit)
	}
}

func BenchmarkMeter(b *testing.B) {
	for _, sessions := range []int{1, 5000} {
		for _, batch := range []int{1, 44, 128} {
			b.Run(fmt.Sprintf("sessions=%d/batch=%d", sessions, batch), func(b *testing.B) {
				table := newAccounts(innerNet4, innerNet6)
				var work [][][]byte
				for i := range sessions {
					index := uint16(i + firstIndex)
					a := newAccount(NewGate(math.MaxUint64))
					a.setTick(1 << 20)
					table.slots[index].Store(a)
					work = append(work, packets(batch, 64, 16, index, false))
				}
				m := &meter{Device: &stubDevice{}, table: table}
				b.ReportAllocs()
				b.ResetTimer()
				for i := 0; i < b.N; i += batch {
					m.Write(work[(i/batch)%sessions], 16)
				}
			})
		}
	}
}
