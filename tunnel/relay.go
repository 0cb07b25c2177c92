package tunnel

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// How long a relayed TCP connection may rest: with both directions open (RFC 5382 asks for two hours and four
// minutes), and with one of them closed. One that rests loses its place earlier when another needs it.
const (
	idleOpen       = 2*time.Hour + 4*time.Minute
	idleHalfClosed = 5 * time.Minute
)

// copySize is what a relay moves at a time: what the stack sends as one segment.
const copySize = 60 << 10

// copyBuffers are of copySize.
var copyBuffers = sync.Pool{New: func() any { return new([copySize]byte) }}

// closeWriter is a connection whose directions close one by one.
type closeWriter interface {
	net.Conn
	CloseWrite() error
}

// relay moves bytes between two connections until both directions have ended or either has failed, and closes both.
// The end of one direction is passed on as such. An error, and too long a rest, reset both. Pace, where not nil, is
// asked before bytes are passed on, and may wait.
func relay(a, b closeWriter, pace func(n int) error) {
	relayNoting(a, b, new(atomic.Int64), pace)
}

// relayNoting keeps in last when a byte passed, in Unix nanoseconds.
func relayNoting(a, b closeWriter, last *atomic.Int64, pace func(n int) error) {
	var ended atomic.Int64
	last.Store(time.Now().UnixNano())
	stop := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		t := time.NewTicker(30 * time.Second)
		defer t.Stop()
		for {
			select {
			case <-stop:
				return
			case now := <-t.C:
				rest := idleOpen
				if ended.Load() > 0 {
					rest = idleHalfClosed
				}
				if now.Sub(time.Unix(0, last.Load())) > rest {
					reset(a)
					reset(b)
				}
			}
		}
	})
	pump := func(dst, src closeWriter) {
		if err := pour(dst, src, pace, last); err != nil {
			reset(dst)
			reset(src)
			return
		}
		ended.Add(1)
		// It fails where the other side has closed altogether; then the other direction ends as well.
		_ = dst.CloseWrite()
	}
	var other sync.WaitGroup
	other.Go(func() { pump(a, b) })
	pump(b, a)
	other.Wait()
	close(stop)
	watch.Wait()
	_ = a.Close()
	_ = b.Close()
}

// pour copies src to dst until the end of src.
func pour(dst io.Writer, src io.Reader, pace func(n int) error, last *atomic.Int64) error {
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	for {
		n, err := src.Read(buf[:])
		if n > 0 {
			last.Store(time.Now().UnixNano())
			if pace != nil {
				if err := pace(n); err != nil {
					return err
				}
			}
			if _, err := dst.Write(buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// reset closes a connection so that the other end learns that it did not end well.
func reset(c net.Conn) {
	switch c := c.(type) {
	case interface{ Abort() }:
		c.Abort()
	case interface{ SetLinger(int) error }:
		_ = c.SetLinger(0)
	}
	_ = c.Close()
}
