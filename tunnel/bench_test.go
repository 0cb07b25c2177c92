package tunnel

import (
	"io"
	"math"
	"net"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/tun"

	"byway/tunnel/meter"
	"byway/tunnel/wireguard"
)

// blast is a host that sends zeros to whoever sends it one byte, or swallows what it gets after another byte.
func blast(b testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 256<<10)
				if _, err := io.ReadFull(c, buf[:1]); err != nil {
					return
				}
				for err == nil {
					if buf[0] == 'd' {
						_, err = c.Write(buf)
					} else {
						_, err = c.Read(buf[1:])
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// cpuTime reads the processor time that the process has used so far.
func cpuTime() time.Duration {
	var ru syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &ru)
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// BenchmarkTCP moves one flow through a userspace client and a userspace exit in one process. The processor time is
// that of both sides, the host and the program together.
func BenchmarkTCP(b *testing.B) {
	for _, way := range []string{"download", "upload"} {
		b.Run(way, func(b *testing.B) {
			p := newPair(b)
			conn, err := p.client.DialContext(b.Context(), "tcp", blast(b))
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			buf := make([]byte, 64<<10)
			conn.Write([]byte(way[:1]))
			warm := func(n int64) {
				for n > 0 {
					var m int
					if way == "download" {
						m, err = conn.Read(buf)
					} else {
						m, err = conn.Write(buf)
					}
					if err != nil {
						b.Fatal(err)
					}
					n -= int64(m)
				}
			}
			warm(16 << 20)
			b.SetBytes(1 << 20)
			b.ResetTimer()
			start, cpu := time.Now(), cpuTime()
			warm(int64(b.N) << 20)
			b.ReportMetric(float64(b.N)*(1<<20)*8/time.Since(start).Seconds()/1e9, "Gbit/s")
			b.ReportMetric((cpuTime()-cpu).Seconds()/(float64(b.N)*(1<<20)/1e9), "cpu-s/GB")
		})
	}
}

// toggle passes packets through the meter or past it.
type toggle struct {
	tun.Device // the bare one
	metered    tun.Device
	on         atomic.Bool
}

func (t *toggle) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	if t.on.Load() {
		return t.metered.Read(bufs, sizes, offset)
	}
	return t.Device.Read(bufs, sizes, offset)
}

func (t *toggle) Write(bufs [][]byte, offset int) (int, error) {
	if t.on.Load() {
		return t.metered.Write(bufs, offset)
	}
	return t.Device.Write(bufs, offset)
}

// inToggle toggles only what comes in.
type inToggle struct {
	tun.Device
	in *toggle
}

func (t inToggle) Write(bufs [][]byte, offset int) (int, error) { return t.in.Write(bufs, offset) }

// cost turns what is toggled on and off so many times, every 250 ms, under what runs. It returns what that leaves of the
// throughput, and takes of the CPU for each byte, as ratios: the medians.
func (t *toggle) cost(got *atomic.Int64, rounds int) (throughput, cpu float64) {
	var ratios, costs []float64
	measure := func(on bool) (bytes, cpu float64) {
		t.on.Store(on)
		before, used := got.Load(), cpuTime()
		time.Sleep(250 * time.Millisecond)
		return float64(got.Load() - before), float64(cpuTime() - used)
	}
	for i := range rounds {
		// The order alternates, so that a drift of the machine favours neither.
		var on, off, onCPU, offCPU float64
		if i%2 == 0 {
			on, onCPU = measure(true)
			off, offCPU = measure(false)
		} else {
			off, offCPU = measure(false)
			on, onCPU = measure(true)
		}
		ratios, costs = append(ratios, on/off), append(costs, onCPU/on*off/offCPU)
	}
	slices.Sort(ratios)
	slices.Sort(costs)
	return ratios[rounds/2], costs[rounds/2]
}

// count reads until there is no more, and counts the bytes as they come.
func count(r io.Reader, got *atomic.Int64) {
	buf := make([]byte, 256<<10)
	for {
		n, err := r.Read(buf)
		got.Add(int64(n))
		if err != nil {
			return
		}
	}
}

// BenchmarkMeterToggle turns the meter of an exit on and off every 250 ms under one running download, and compares
// what the two halves carried and what it cost. It is the only quiet comparison: separate runs scatter far more than
// the meter costs.
func BenchmarkMeterToggle(b *testing.B) {
	var tg *toggle
	e, err := newExitWith(ExitConfig{Policy: loopbackPolicy(b)}, func(metered, bare tun.Device) tun.Device {
		tg = &toggle{Device: bare, metered: metered}
		return tg
	})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	p := join(b, e, math.MaxUint64)
	p.session.SetTick(1 << 20)
	tg.toggleUnder(b, p.client)
}

// toggleUnder reports what is toggled costs under one running download of that client's.
func (tg *toggle) toggleUnder(b *testing.B, client *Client) {
	b.Helper()
	conn, err := client.DialContext(b.Context(), "tcp", blast(b))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	conn.Write([]byte("d"))
	var got atomic.Int64
	go count(conn, &got)
	time.Sleep(time.Second)
	b.ResetTimer()
	throughput, cpu := tg.cost(&got, b.N)
	b.ReportMetric(throughput, "throughput-ratio")
	b.ReportMetric(cpu, "cpu-ratio")
}

// BenchmarkPorterToggle turns a userspace consumer's check of what comes in on and off every 250 ms, under one running
// download.
func BenchmarkPorterToggle(b *testing.B) {
	e := newExit(b, ExitConfig{})
	var tg *toggle
	p := joinBefore(b, e, Peer{Limit: math.MaxUint64}, wireguard.Upstream, func(p *meter.Porter) tun.Device {
		tg = &toggle{Device: p.Device, metered: p}
		return inToggle{p, tg} // it must know what leaves
	})
	tg.toggleUnder(b, p.client)
	if s := p.client.Strays(); s.Packets != 0 {
		b.Errorf("a download is no stray: %+v", s)
	}
}
