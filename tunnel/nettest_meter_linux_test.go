package tunnel

import (
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"byway/tunnel/meter"
)

// countAtHosts lets nftables count what the hosts of the internet get from the provider and send to it. Interfaces
// there cut and join no packets, so that each is counted as it is on a wire.
func (n network) countAtHosts(t *testing.T) (read func() meter.Counters) {
	t.Helper()
	if _, err := exec.LookPath("ethtool"); err != nil {
		t.Skip("needs the program ethtool")
	}
	for _, x := range [][2]string{{"p", "wan"}, {"i", "provider"}} {
		run(t, "ip", "netns", "exec", n.ns(x[0]), "ethtool", "-K", x[1],
			"tso", "off", "gso", "off", "gro", "off", "tx-udp-segmentation", "off")
	}
	// Where packets arrive, they have been cut: a host's TCP hands its own link many at once.
	count := func(ns, link, field string) func() uint64 {
		cmd := exec.Command("ip", "netns", "exec", n.ns(ns), "nft", "-f", "-")
		cmd.Stdin = strings.NewReader(fmt.Sprintf(`table inet count {
			counter hosts {
			}
			chain pre {
				type filter hook prerouting priority -300;
				iifname %[1]s ip %[2]s %[3]v meta l4proto { tcp, udp, icmp } counter name hosts
				iifname %[1]s ip6 %[2]s %[4]v meta l4proto { tcp, udp, ipv6-icmp } counter name hosts
			}
		}
		`, link, field, host4, host6))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("nft: %v: %s", err, out)
		}
		bytes := regexp.MustCompile(`bytes (\d+)`)
		return func() uint64 {
			out := run(t, "ip", "netns", "exec", n.ns(ns), "nft", "list", "counter", "inet", "count", "hosts")
			v, err := strconv.ParseUint(bytes.FindStringSubmatch(out)[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	got, gave := count("i", "provider", "daddr"), count("p", "wan", "saddr")
	return func() meter.Counters { return meter.Counters{Rx: got(), Tx: gave()} }
}

func TestNetMeterAgreesWithTheKernelToTheByte(t *testing.T) {
	inQuietNetwork(t, func(t *testing.T, n network) {
		e := n.exit(t, ExitConfig{Mode: Privileged})
		u := n.join(t, e, math.MaxUint64)
		read := n.countAtHosts(t)
		// Room for bursts: a packet that the interface drops has been counted by its host, and rightly not by us.
		run(t, "ip", "link", "set", e.kernel.router.Name(), "txqueuelen", "50000")
		dropped := func() uint64 { return linkNamed(t, e.kernel.router.Name()).Attrs().Statistics.TxDropped }
		drops := dropped()

		stream, datagrams, pings := int64(24<<20), 8<<20, 500
		if long() {
			stream, datagrams, pings = 220<<20, 64<<20, 5000
		}
		start := time.Now()
		for _, a := range []netip.Addr{host4, host6} {
			source := n.listen(t, "i", netip.AddrPortFrom(a, 0), func(c net.Conn) { io.CopyN(c, zeros{}, stream) })
			c, err := n.dial(t, "c", "tcp", source, 3*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.Copy(io.Discard, c); got != stream || err != nil {
				t.Fatalf("download: %d bytes, %v", got, err)
			}
			c.Close()
			done := make(chan int64, 1)
			sink := n.listen(t, "i", netip.AddrPortFrom(a, 0), func(c net.Conn) { got, _ := io.Copy(io.Discard, c); done <- got })
			if c, err = n.dial(t, "c", "tcp", sink, 3*time.Second); err != nil {
				t.Fatal(err)
			}
			if _, err := io.CopyN(c, zeros{}, stream); err != nil {
				t.Fatal(err)
			}
			c.Close()
			if got := <-done; got != stream {
				t.Fatalf("upload: %d bytes", got)
			}
			if c, err = n.dial(t, "c", "udp", n.listenUDP(t, "i", netip.AddrPortFrom(a, 0)), time.Second); err != nil {
				t.Fatal(err)
			}
			bounce(c, datagrams/2)
			c.Close()
			run(t, "ip", "netns", "exec", n.ns("c"), "ping", "-f", "-q", "-s", "1000", "-c", strconv.Itoa(pings), a.String())
		}
		took := time.Since(start)
		var meter, kernel meter.Counters
		for range 20 {
			time.Sleep(200 * time.Millisecond)
			m, k := u.session.Counters(), read()
			if m == meter && k == kernel {
				break
			}
			meter, kernel = m, k
		}
		t.Logf("meter %+v, nftables %+v, %.2f GiB in %v", meter, kernel, float64(meter.Total())/(1<<30), took)
		if meter != kernel {
			t.Errorf("the meter counted %+v, nftables %+v; the interface dropped %d packets", meter, kernel, dropped()-drops)
		}
		// All of it was asked for, and the consumer pays for what its programs got.
		if s, billed := u.porter.Strays(), u.acct.Counters().Rx; s.Packets != 0 || billed < 2*uint64(stream) {
			t.Errorf("an honest exit was paid %d bytes: %+v", billed, s)
		}
		if long() && meter.Total() < 1<<30 {
			t.Errorf("only %d bytes", meter.Total())
		}
	})
}

func TestNetAdversaryInjectedPacketsReachNoInterfaceAndNoBill(t *testing.T) {
	inNetwork(t, func(t *testing.T, n network) {
		e := n.exit(t, ExitConfig{Mode: Userspace})
		u := n.join(t, e, math.MaxUint64)
		v4, _ := u.session.Addrs()
		reached := func() (got uint64) {
			n.in(t, "c", func() { got = linkNamed(t, u.name).Attrs().Statistics.RxPackets })
			return got
		}
		before, billed, sent := reached(), u.acct.Counters().Rx, 0
		for i := 0; u.porter.Offence() == nil; i++ {
			if i == 20_000 {
				t.Fatalf("%d bytes were sent, and nobody is accused: %+v", sent, u.porter.Strays())
			}
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{8, 8, byte(i >> 8), byte(i)}), 53)
			back, err := e.net.Datagrams(from, netip.AddrPortFrom(v4, uint16(1024+i)))
			if err != nil {
				t.Fatal(err)
			}
			back.Send(make([]byte, 1200))
			sent += 1200
			if i%50 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		if got := reached() - before; got != 0 || u.acct.Counters().Rx != billed {
			t.Errorf("%d packets reached the interface, %d bytes billed", got, u.acct.Counters().Rx-billed)
		}
		t.Logf("adversary: %d bytes of datagrams to a whole machine | bound: 0 packets in, 0 bytes billed, accused | seen: %d, %d, %v", sent, reached()-before, u.acct.Counters().Rx-billed, u.porter.Offence())
	})
}

// zeros is an endless source.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

// bounce sends so many bytes in datagrams to a host that answers with the same, a few at a time.
func bounce(c net.Conn, bytes int) {
	buf := make([]byte, 1200)
	for sent := 0; sent < bytes; {
		for range 32 {
			n, _ := c.Write(buf[:100+sent%1100])
			sent += n
		}
		c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		for range 32 {
			if _, err := c.Read(buf); err != nil {
				break
			}
		}
	}
}

func TestNetHeldSessionMovesNothing(t *testing.T) {
	inQuietNetwork(t, func(t *testing.T, n network) {
		for _, mode := range []Mode{Privileged, Userspace} {
			const limit = 4 << 20
			e := n.exit(t, ExitConfig{Mode: mode})
			u := n.join(t, e, limit)
			var atHost atomic.Int64
			source := n.listen(t, "i", netip.AddrPortFrom(host4, 0), func(c net.Conn) { io.Copy(c, zeros{}) })
			sink := n.listen(t, "i", netip.AddrPortFrom(host6, 0), func(c net.Conn) { count(c, &atHost) })
			echo := n.listenUDP(t, "i", netip.AddrPortFrom(host4, 0))
			down, err := n.dial(t, "c", "tcp", source, 10*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			up, err := n.dial(t, "c", "tcp", sink, 10*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			flood, err := n.dial(t, "c", "udp", echo, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			var stop atomic.Bool
			go io.Copy(io.Discard, down)
			go io.Copy(up, zeros{})
			go func() {
				for buf := make([]byte, 500); !stop.Load(); time.Sleep(100 * time.Microsecond) {
					flood.Write(buf)
				}
			}()
			for end := time.Now().Add(30 * time.Second); !u.session.Held(); time.Sleep(5 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%s: never held: %+v", mode, u.session.Counters())
				}
			}
			time.Sleep(time.Second) // whatever had passed the gate is through
			consumer, provider, host := u.acct.Counters().Rx, u.session.Counters(), atHost.Load()
			refused := u.session.Dropped().Total()
			time.Sleep(2 * time.Second)
			if got := u.session.Counters(); got != provider || got.Total() > limit {
				t.Errorf("%s: the session moved on from %+v to %+v of %d", mode, provider, got, limit)
			}
			if got := u.acct.Counters().Rx - consumer; got != 0 {
				t.Errorf("%s: %d bytes came to the consumer", mode, got)
			}
			if got := atHost.Load() - host; got != 0 {
				t.Errorf("%s: %d bytes came to the host", mode, got)
			}
			if u.session.Dropped().Total() == refused {
				t.Errorf("%s: nothing was sent meanwhile: the test proves nothing", mode)
			}
			u.session.Allow(2 * limit)
			for end := time.Now().Add(30 * time.Second); u.session.Counters() == provider; time.Sleep(5 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%s: nothing moved after it was paid", mode)
				}
			}
			t.Logf("%s: held at %+v of %d, 0 bytes in 2 s, %d refused", mode, provider, limit, u.session.Dropped().Total()-refused)
			stop.Store(true)
			for _, c := range []net.Conn{down, up, flood} {
				c.Close()
			}
			u.leave()
			e.Close()
		}
	})
}
