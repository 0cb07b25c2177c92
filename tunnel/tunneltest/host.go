// Package tunneltest holds what the tests of several rooms share: hosts, packets and devices.
package tunneltest

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"
)

// Eventually waits half a minute for something to be so.
func Eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not so after half a minute: %s", what)
		}
	}
}

// Internet is an HTTP server that serves data on GET and answers a PUT with the hash of what it got.
func Internet(t testing.TB, data []byte) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			http.ServeContent(w, r, "data", time.Time{}, bytes.NewReader(data))
			return
		}
		h := sha256.New()
		io.Copy(h, r.Body)
		fmt.Fprintf(w, "%x", h.Sum(nil))
	}))
	t.Cleanup(s.Close)
	return s
}

func Random(t testing.TB, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// EchoUDP answers every datagram with itself.
func EchoUDP(t testing.TB, network, address string) netip.AddrPort {
	t.Helper()
	c, err := net.ListenPacket(network, address)
	if err != nil {
		t.Skipf("no %s here: %v", network, err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			c.WriteTo(buf[:n], from)
		}
	}()
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// Greeter is a TCP server that counts who comes and says hello.
func Greeter(t testing.TB) (netip.AddrPort, *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	n := new(atomic.Int64)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n.Add(1)
			go func() {
				defer c.Close()
				io.WriteString(c, "hello")
				io.Copy(io.Discard, c)
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).AddrPort(), n
}

// SocksUDP opens an association and returns its control connection and relay address.
func SocksUDP(t testing.TB, proxy string) (net.Conn, *net.UDPAddr) {
	t.Helper()
	c, err := net.Dial("tcp", proxy)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(30 * time.Second))
	c.Write([]byte{5, 1, 0})
	c.Write([]byte{5, 3, 0, 1, 0, 0, 0, 0, 0, 0})
	var b [2 + 10]byte
	if _, err := io.ReadFull(c, b[:]); err != nil || b[1] != 0 || b[3] != 0 || b[5] != 1 {
		t.Fatalf("associate: % x, %v", b, err)
	}
	return c, &net.UDPAddr{IP: net.IP(b[6:10]), Port: int(binary.BigEndian.Uint16(b[10:]))}
}

// DialProxy connects to a proxy, and closes at the end of the test.
func DialProxy(t testing.TB, proxy string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", proxy)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(60 * time.Second))
	return c.(*net.TCPConn)
}

// AskProxy sends bytes and returns the first n of the answer.
func AskProxy(t testing.TB, proxy string, say []byte, n int) (*net.TCPConn, string) {
	t.Helper()
	c := DialProxy(t, proxy)
	c.Write(say)
	b := make([]byte, n)
	got, err := io.ReadFull(c, b)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		t.Errorf("%.40q: %q, %v", say, b[:got], err)
	}
	return c, string(b[:got])
}
