package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"byway/tunnel/tunneltest"
	"byway/tunnel/turnstile"
)

// A program that opens more connections at a time than the proxy may have is told of each one that is too many, and a proxy
// never takes the descriptors that ledger, chain and peers need.
func TestAdversaryABurstOfRequestsIsServedOrTold(t *testing.T) {
	hold := make(chan struct{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go http.Serve(l, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hold }))
	target := addrPort(l.Addr())
	const files, burst = 512, 700 // 192 descriptors for the proxy, 144 of them for requests
	p, proxy := proxyWith(t, "127.0.0.1:0", Config{Dialer: new(direct), Users: me, files: files})
	var most int
	for _, kind := range []struct{ what, say, served, told string }{
		{"SOCKS5", string(socksRequest(target)), "\x05\x00\x05\x00", "\x05\x00\x05\x01"},
		{"CONNECT", fmt.Sprintf("CONNECT %[1]s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", target), "HTTP/1.1 200", "HTTP/1.1 503"},
	} {
		var mu sync.Mutex
		var conns []net.Conn
		seen := map[string]int{}
		var wg sync.WaitGroup
		start := make(chan struct{})
		for range burst {
			wg.Go(func() {
				<-start
				c, err := net.Dial("tcp", proxy)
				if err != nil {
					t.Error(err)
					return
				}
				c.SetDeadline(time.Now().Add(60 * time.Second))
				answer := make([]byte, len(kind.told))
				_, err = io.WriteString(c, kind.say)
				if err == nil {
					_, err = io.ReadFull(c, answer)
				}
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil && string(answer) == kind.served:
					seen["served"]++
				case err == nil && string(answer) == kind.told:
					seen["told"]++
				default:
					seen[fmt.Sprintf("%q, %v", answer, err)]++
				}
				conns = append(conns, c)
			})
		}
		close(start)
		stop := make(chan struct{})
		var watch sync.WaitGroup
		watch.Go(func() {
			for before := accepted(proxy); ; {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
				}
				// The kernel's list is no snapshot: what ends and what begins meanwhile may both be in it. What is in two,
				// one after the other, was there in between, all of it.
				now, both := accepted(proxy), 0
				for inode := range now {
					if before[inode] {
						both++
					}
				}
				most, before = max(most, both), now
			}
		})
		wg.Wait()
		if seen["served"] != 144 || seen["told"] != burst-144 || len(seen) != 2 {
			t.Errorf("%d of %s at once: %v", burst, kind.what, seen)
		}
		// While all that may be are in use, the next one is told at once.
		begun := time.Now()
		if _, got := tunneltest.AskProxy(t, proxy, []byte(kind.say), len(kind.told)); got != kind.told {
			t.Errorf("beside %s in use: %q", kind.what, got)
		}
		if took := time.Since(begun); took > 30*time.Second {
			t.Errorf("it was told after %v", took)
		}
		for _, c := range conns {
			c.Close()
		}
		close(stop)
		watch.Wait()
		tunneltest.Eventually(t, "no connection in use", func() bool { return p.Use().Used == 0 })
	}
	close(hold)
	if most > turnstile.FilesFor(files) {
		t.Errorf("%d descriptors were taken, of %d", most, turnstile.FilesFor(files))
	}
	t.Logf("adversary: %s | bound: %s | seen: %d descriptors of the proxy at most", "700 requests at once of SOCKS5 and of CONNECT, where 512 descriptors are allowed",
		"each is served or told so, and the proxy takes 192 descriptors at most", most)
}

// accepted are the inodes of this process's ends of connections that a proxy on loopback has accepted.
func accepted(proxy string) map[string]bool {
	inodes := make(map[string]bool)
	b, _ := os.ReadFile("/proc/self/net/tcp")
	want := fmt.Sprintf("0100007F:%04X", netip.MustParseAddrPort(proxy).Port())
	for line := range strings.Lines(string(b)) {
		// Local address, state (0A listens), and the inode, which is 0 before it is accepted and after it is closed.
		if f := strings.Fields(line); len(f) > 9 && f[1] == want && f[3] != "0A" && f[9] != "0" {
			inodes[f[9]] = true
		}
	}
	return inodes
}

// An association counts with both of its descriptors.
func TestProxyCountsEveryDescriptor(t *testing.T) {
	p, proxy := proxyWith(t, "127.0.0.1:0", Config{Dialer: new(direct), Users: me, files: 192}) // 32 for the proxy
	associate := "\x05\x01\x00\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00"
	var told int
	for range 24 {
		c := tunneltest.DialProxy(t, proxy)
		io.WriteString(c, associate)
		b := make([]byte, 4)
		if _, err := io.ReadFull(bufio.NewReader(c), b); err != nil {
			t.Fatal(err)
		}
		if b[3] != 0 {
			told++
		}
	}
	if told != 24-14 {
		t.Errorf("%d of 24 associations were told that there is no room, want 10", told)
	}
	p.silent.mu.Lock()
	open := p.silent.open
	p.silent.mu.Unlock()
	if open > 32 {
		t.Errorf("%d descriptors are counted", open)
	}
}
