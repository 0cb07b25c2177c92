package proxy

import (
	"context"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"time"
)

// hollow is a dialer whose connections carry nothing, so that a benchmark sees the proxy alone.
type hollow struct{ *direct }

func (hollow) DialContext(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	far.Close()
	return pipeEnd{near}, nil
}

type pipeEnd struct{ net.Conn }

func (p pipeEnd) CloseWrite() error { return p.Close() }

// BenchmarkProxyConnections compares connections a second of a proxy that asks the kernel for each one's user with one that
// asks nobody; they take turns of 250 ms.
func BenchmarkProxyConnections(b *testing.B) {
	l := []string{}
	for _, asks := range []bool{true, false} {
		p, at := proxyWith(b, "127.0.0.1:0", Config{Dialer: hollow{new(direct)}, Users: []uint32{uint32(os.Getuid())}})
		if !asks {
			p.identify = func(net.Conn) caller { return caller{admitted: true} }
		}
		l = append(l, at)
	}
	round := func(proxy string) float64 {
		say := []byte("\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50")
		done := make(chan int)
		end := time.Now().Add(250 * time.Millisecond)
		for range 8 {
			go func() {
				n := 0
				buf := make([]byte, 64)
				for ; time.Now().Before(end); n++ {
					c, err := net.Dial("tcp", proxy)
					if err != nil {
						break
					}
					c.Write(say)
					io.ReadFull(c, buf[:4])
					c.(*net.TCPConn).SetLinger(0)
					c.Close()
				}
				done <- n
			}()
		}
		sum := 0
		for range 8 {
			sum += <-done
		}
		return float64(sum) / 0.25
	}
	var ratios, rates []float64
	for i := range b.N {
		first, second := i%2, 1-i%2
		var got [2]float64
		got[first] = round(l[first])
		got[second] = round(l[second])
		ratios, rates = append(ratios, got[0]/got[1]), append(rates, got[0])
	}
	slices.Sort(ratios)
	slices.Sort(rates)
	b.ReportMetric(ratios[len(ratios)/2], "ratio")
	b.ReportMetric(rates[len(rates)/2], "conns/s")
}

func BenchmarkOwner(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	near, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	defer near.Close()
	o := newOwners()
	defer o.close()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := o.ofConn(near.(*net.TCPConn)); err != nil {
			b.Fatal(err)
		}
	}
}
