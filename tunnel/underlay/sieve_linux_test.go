package underlay

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

func TestSievePassesSessionsAndKnownSourcesAndLittleElse(t *testing.T) {
	for _, family := range []struct{ name, known, other string }{
		{"udp4", "127.0.0.2", "127.0.0.1"},
		{"udp6", "::1", "::1"}, // loopback has one address: it is a stranger until it is known
	} {
		t.Run(family.name, func(t *testing.T) {
			s := NewSockets(netip.MustParseAddr(family.other), 0)
			open, port, err := s.open(0)
			if err != nil {
				t.Skipf("no %s here: %v", family.name, err)
			}
			defer s.Close()
			sock := open[0]
			to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(family.other), port))
			// arrived sends n messages from an address, and counts what comes before a last one that always comes.
			arrived := func(from string, kind uint32, size, n int) (got int) {
				t.Helper()
				c, err := net.DialUDP(family.name, &net.UDPAddr{IP: net.ParseIP(from)}, to)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				const chunk = 50 // well within the socket's buffer
				for range n / chunk {
					for range chunk {
						if _, err := c.Write(message(kind, size)); err != nil {
							t.Fatal(err)
						}
					}
					if _, err := c.Write(message(Transport, 99)); err != nil {
						t.Fatal(err)
					}
					sock.conn.SetReadDeadline(time.Now().Add(30 * time.Second))
					for b := make([]byte, 1<<16); ; got++ {
						m, err := sock.conn.Read(b)
						if err != nil {
							t.Fatal(err)
						}
						if m == 99 {
							break
						}
					}
				}
				return got
			}
			const n = 1000
			known := []netip.Addr{site(netip.MustParseAddr("192.0.2.1")), site(netip.MustParseAddr("2001:db8::1")),
				site(netip.MustParseAddr(family.known))}
			stranger := known[:2]
			for range sieveKnown - 3 { // as many as there may be
				known, stranger = append(known, known[0], known[1]), append(stranger, known[0], known[1])
			}
			if err := s.sift(0.01, stranger); err != nil {
				t.Fatal(err)
			}
			if got := arrived(family.other, Initiation, InitiationSize, n); got > n/10 {
				t.Errorf("%d of %d handshakes of a stranger came through a share of 1 %%", got, n)
			}
			if got := arrived(family.other, 7, 200, n); got != 0 {
				t.Errorf("%d of %d datagrams that cannot be WireGuard came through", got, n)
			}
			if got := arrived(family.other, Transport, 200, n); got != n {
				t.Errorf("%d of %d packets of sessions came through", got, n)
			}
			if err := s.sift(0.01, known); err != nil {
				t.Fatal(err)
			}
			for _, m := range []struct {
				kind uint32
				size int
			}{{Initiation, InitiationSize}, {Response, ResponseSize}, {Cookie, CookieSize}} {
				if got := arrived(family.known, m.kind, m.size, n); got != n {
					t.Errorf("%d of %d messages of type %d came through from a known source", got, n, m.kind)
				}
			}
			if err := s.sift(1, nil); err != nil {
				t.Fatal(err)
			}
			if got := arrived(family.other, 7, 200, n); got != n {
				t.Errorf("%d of %d datagrams came after the sieve was taken away", got, n)
			}
			if err := s.sift(1, nil); err != nil {
				t.Errorf("taking away no sieve: %v", err)
			}
		})
	}
}

func TestSocketsThatAreClosedSiftNothing(t *testing.T) {
	if err := NewSockets(netip.Addr{}, 0).sift(0.5, nil); err == nil {
		t.Error("closed sockets took a filter")
	}
}
