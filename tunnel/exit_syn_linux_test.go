package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"byway/tunnel/tunneltest"
)

// fullPort is an address and port of loopback that answers no connection request, as a host that is down does.
func fullPort(t testing.TB, addr netip.Addr) netip.AddrPort {
	t.Helper()
	family, sa := syscall.AF_INET, syscall.Sockaddr(&syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	if addr.Is6() {
		family, sa = syscall.AF_INET6, &syscall.SockaddrInet6{Addr: addr.As16()}
	}
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no socket of %v: %v", addr, err)
	}
	f := os.NewFile(uintptr(fd), "deaf")
	t.Cleanup(func() { f.Close() })
	if err := errors.Join(syscall.Bind(fd, sa), syscall.Listen(fd, 0)); err != nil {
		t.Skipf("no listener on %v: %v", addr, err)
	}
	l, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	dst := netip.AddrPortFrom(addr, boundTo(l.Addr()).Port())
	for { // what waits to be accepted fills its queue
		c, err := net.DialTimeout("tcp", dst.String(), time.Second)
		if err != nil {
			return dst
		}
		t.Cleanup(func() { c.Close() })
	}
}

// A destination that does not answer has not refused, in neither family and whatever else its name leads to; one that does
// refuse is told as such.
func TestAdversaryWhatDoesNotAnswerHasNotRefused(t *testing.T) {
	t.Parallel()
	v4, v6 := netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()
	e := newExit(t, ExitConfig{})
	p := join(t, e, 1<<40)
	cases := map[string]struct {
		dst  netip.AddrPort
		want error
	}{
		"IPv4 that does not answer": {fullPort(t, v4), syscall.EHOSTUNREACH},
		"IPv6 that does not answer": {fullPort(t, v6), syscall.ENETUNREACH},
		"IPv4 that refuses":         {closedPort(t, "127.0.0.1:0"), syscall.ECONNREFUSED},
		"IPv6 that refuses":         {closedPort(t, "[::1]:0"), syscall.ECONNREFUSED},
	}
	var mu sync.Mutex
	seen := map[string]string{}
	var wg sync.WaitGroup
	for what, c := range cases {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			conn, err := p.client.DialContext(ctx, "tcp", c.dst.String())
			if err == nil {
				conn.Close()
			}
			if !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", what, err, c.want)
			}
			mu.Lock()
			defer mu.Unlock()
			seen[what] = fmt.Sprint(errors.Unwrap(err))
		})
	}
	wg.Wait()
	tunneltest.Eventually(t, "no request under way", func() bool {
		e.syns.mu.Lock()
		defer e.syns.mu.Unlock()
		return len(e.syns.list) == 0
	})
	t.Logf("adversary: %s | bound: %s | seen: %v", "connections to what does not answer and to what refuses, in both families",
		"unreachable is never told as refused, nor the other way round", seen)
}

// closedPort is an address and port where nobody listens.
func closedPort(t testing.TB, address string) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Skipf("no listener on %s: %v", address, err)
	}
	defer l.Close()
	return boundTo(l.Addr())
}
