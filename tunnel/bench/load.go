//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	tcpPort = 5001
	udpPort = 5002

	datagram    = 200 // bytes of a small UDP payload
	outstanding = 128 // datagrams under way
	dialers     = 16
)

// serveHost is the internet: it sends, swallows or answers as the first byte of a connection says.
func serveHost() (func(), error) {
	l, err := net.Listen("tcp4", net.JoinHostPort(hostAddr, strconv.Itoa(tcpPort)))
	if err != nil {
		return nil, err
	}
	u, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(hostAddr), udpPort)))
	if err != nil {
		l.Close()
		return nil, err
	}
	_ = u.SetReadBuffer(4 << 20) // the kernel bounds it
	go func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := u.ReadFromUDPAddrPort(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				_, _ = u.WriteToUDPAddrPort(buf[:n], from)
			}
		}
	}()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serveConn(c)
		}
	}()
	return func() { l.Close(); u.Close() }, nil
}

func serveConn(c net.Conn) {
	defer c.Close()
	buf := make([]byte, 256<<10)
	if _, err := io.ReadFull(c, buf[:1]); err != nil {
		return
	}
	var err error
	for err == nil {
		switch buf[0] {
		case 'd':
			_, err = c.Write(buf)
		case 'u':
			_, err = c.Read(buf[1:])
		case 'r':
			if _, err = c.Write(buf[:1]); err == nil {
				_, err = io.ReadFull(c, buf[:1])
			}
		default: // one answer, and the host ends it, so that ports of the consumer's are free again
			_, _ = c.Write(buf[:1])
			return
		}
	}
}

// load is traffic under way.
type load struct {
	count  atomic.Int64
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu    sync.Mutex
	err   error
	times []time.Duration
}

// startLoad begins a load and lets it come up to speed.
func startLoad(s side, a ask) (*load, error) {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{cancel: cancel}
	var work func(ctx context.Context, s side) error
	switch a.Load {
	case "down", "up":
		work = func(ctx context.Context, s side) error { return l.bulk(ctx, s, a.Load == "down") }
	case "udp":
		work = l.datagrams
	case "rtt":
		work = l.roundTrips
	case "conns":
		work, a.Flows = l.connections, dialers
	default:
		cancel()
		return nil, fmt.Errorf("unknown load %q", a.Load)
	}
	for range max(a.Flows, 1) {
		l.wg.Go(func() {
			if err := work(ctx, s); err != nil && ctx.Err() == nil {
				l.mu.Lock()
				l.err = err
				l.mu.Unlock()
			}
		})
	}
	for end := time.Now().Add(5 * time.Second); l.count.Load() == 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(250 * time.Millisecond)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l, l.err
}

// stop ends the load.
func (l *load) stop() error {
	l.cancel()
	l.wg.Wait()
	return l.err
}

// best is the median of the times so far, which begin anew.
func (l *load) best() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	times := l.times
	l.times = nil
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[len(times)/2]
}

// connect dials the host and says what for.
func connect(ctx context.Context, s side, what byte) (net.Conn, func() bool, error) {
	dialCtx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, err := s.dial(dialCtx, "tcp", net.JoinHostPort(hostAddr, strconv.Itoa(tcpPort)))
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	if _, err := c.Write([]byte{what}); err != nil {
		c.Close()
		return nil, nil, err
	}
	return c, stop, nil
}

func (l *load) bulk(ctx context.Context, s side, down bool) error {
	what := byte('u')
	if down {
		what = 'd'
	}
	c, _, err := connect(ctx, s, what)
	if err != nil {
		return err
	}
	defer c.Close()
	buf := make([]byte, 128<<10)
	for {
		var n int
		if down {
			n, err = c.Read(buf)
		} else {
			n, err = c.Write(buf)
		}
		l.count.Add(int64(n))
		if err != nil {
			return err
		}
	}
}

// datagrams keeps a number of small datagrams under way and counts those that came back.
func (l *load) datagrams(ctx context.Context, s side) error {
	c, err := s.dial(ctx, "udp", net.JoinHostPort(hostAddr, strconv.Itoa(udpPort)))
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	b := make([]byte, datagram)
	fill := func(n int) error {
		for range n {
			if _, err := c.Write(b); err != nil {
				return err
			}
		}
		return nil
	}
	if err := fill(outstanding); err != nil {
		return err
	}
	in := make([]byte, 2048)
	for {
		if err := c.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
			return err
		}
		_, err := c.Read(in)
		var timeout net.Error
		switch {
		case err == nil:
			l.count.Add(1)
			err = fill(1)
		case errors.As(err, &timeout) && timeout.Timeout():
			err = fill(outstanding) // they were lost
		}
		if err != nil {
			return err
		}
	}
}

// roundTrips exchanges single bytes on one connection.
func (l *load) roundTrips(ctx context.Context, s side) error {
	c, _, err := connect(ctx, s, 'r')
	if err != nil {
		return err
	}
	defer c.Close()
	b := []byte{'r'}
	if _, err := io.ReadFull(c, b); err != nil {
		return err
	}
	for {
		start := time.Now()
		if _, err := c.Write(b); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, b); err != nil {
			return err
		}
		l.mu.Lock()
		l.times = append(l.times, time.Since(start))
		l.mu.Unlock()
		l.count.Add(1)
	}
}

// connections opens one connection after the other, each for one byte.
func (l *load) connections(ctx context.Context, s side) error {
	for ctx.Err() == nil {
		c, stop, err := connect(ctx, s, 'c')
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, c); err != nil {
			c.Close()
			return err
		}
		stop()
		c.Close()
		l.count.Add(1)
	}
	return nil
}
