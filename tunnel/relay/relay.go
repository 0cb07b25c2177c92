// Package relay moves the bytes of TCP connections from one to another, with the end of each direction and with resets.
package relay

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

// CopySize is moved by a relay at a time, in bytes: the stack sends as much in one segment.
const CopySize = 60 << 10

// CopyBuffers have CopySize bytes each.
var CopyBuffers = sync.Pool{New: func() any { return new([CopySize]byte) }}

// Conn is a connection whose directions close one by one.
type Conn interface {
	net.Conn
	CloseWrite() error
}

// Run moves bytes between two connections until both directions have ended or either has failed, and closes both.
// The end of one direction is passed on as such. An error, and too long a rest, reset both. Pace, where not nil, is
// asked before bytes are passed on, and may wait.
func Run(a, b Conn, pace func(n int) error) {
	RunNoting(a, b, new(atomic.Int64), pace)
}

// RunNoting keeps in last when a byte passed, in Unix nanoseconds.
func RunNoting(a, b Conn, last *atomic.Int64, pace func(n int) error) {
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
					Reset(a)
					Reset(b)
				}
			}
		}
	})
	pump := func(dst, src Conn) {
		if err := pour(dst, src, pace, last); err != nil {
			Reset(dst)
			Reset(src)
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
	buf := CopyBuffers.Get().(*[CopySize]byte)
	defer CopyBuffers.Put(buf)
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

// Reset closes a connection so that the other end learns that it did not end well.
func Reset(c net.Conn) {
	switch c := c.(type) {
	case interface{ Abort() }:
		c.Abort()
	case interface{ SetLinger(int) error }:
		_ = c.SetLinger(0)
	}
	_ = c.Close()
}
