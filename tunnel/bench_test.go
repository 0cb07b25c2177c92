package tunnel

import (
	"io"
	"net"
	"syscall"
	"testing"
	"time"
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

// cpuTime is what the process has used so far.
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
