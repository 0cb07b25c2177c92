package tunnel

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/tun"

	"byway/tunnel/packet"
	"byway/tunnel/policy"
	"byway/tunnel/tunneltest"
	"byway/tunnel/wireguard"
)

// trackedNow is how many connections the kernel tracks in this namespace, and how many it can.
func trackedNow(t *testing.T) (n, most int) {
	t.Helper()
	read := func(name string) int {
		b, err := os.ReadFile("/proc/sys/net/netfilter/" + name)
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return read("nf_conntrack_count"), read("nf_conntrack_max")
}

// TestNetAdversaryTableOfConnectionsIsSharedBy275Sessions floods the kernel's own table of connections from 275 sessions,
// which filled it in five seconds once: then nobody on the host could connect. The packets go to the exit where its engine
// would hand them over. The long form takes the table as it is, the short one plays one of 16,384 places.
func TestNetAdversaryTableOfConnectionsIsSharedBy275Sessions(t *testing.T) {
	inNetwork(t, func(t *testing.T, n network) {
		const attackers, mine = 275, 20
		policy, err := policy.New(policy.Config{})
		if err != nil {
			t.Fatal(err)
		}
		cfg := ExitConfig{Mode: Privileged, Policy: policy, Listen: netip.AddrPortFrom(provider4, 0), tracks: 16384}
		if long() {
			cfg.tracks = 0
		}
		var door tun.Device
		e, err := newExitWith(cfg, func(metered, _ tun.Device) tun.Device { door = metered; return metered })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { e.Close() })
		table := e.Use().TrackedMax
		if _, most := trackedNow(t); cfg.tracks == 0 && table != most {
			t.Errorf("status shows a table of %d, the kernel's has %d", table, most)
		}
		var sources []netip.Addr
		indexes := make(map[uint16]bool)
		for range attackers {
			k, err := wireguard.GenerateKey()
			if err != nil {
				t.Fatal(err)
			}
			s, err := e.Add(Peer{PublicKey: k.Public(), Limit: math.MaxUint64})
			if err != nil {
				t.Fatal(err)
			}
			v4, _ := s.Addrs()
			sources, indexes[s.index] = append(sources, v4), true
		}
		victim := n.client(t, e, math.MaxUint64)
		v4, v6 := victim.session.Addrs()

		stop, end := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		defer wg.Wait()
		defer end()
		var sent atomic.Int64
		wg.Go(func() {
			var batch [][]byte
			for port := 1024; stop.Err() == nil; port = 1024 + (port-1023)%60000 {
				for _, src := range sources {
					pkt := summed(tunneltest.Probe(packet.UDP, src, netip.Addr{}, host4, uint16(port)))
					batch = append(batch, append(make([]byte, 16), pkt...))
					if len(batch) < 64 {
						continue
					}
					door.Write(batch, 16)
					sent.Add(int64(len(batch)))
					batch = batch[:0]
					time.Sleep(time.Millisecond)
				}
			}
		})
		wg.Go(func() { // the victim's own connections
			for stop.Err() == nil {
				for i := range mine {
					victim.client.net.Inject(summed(tunneltest.Probe(packet.UDP, v4, v6, host4, uint16(2000+i))))
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
		l := n.listen(t, "i", netip.AddrPortFrom(host4, 0), func(c net.Conn) { c.Write([]byte("hello")) })

		// Sessions have what they get, as far as a table of that size is within their reach.
		most := 0
		look := func() (all int) {
			all, _ = trackedNow(t)
			most = max(most, all)
			return all
		}
		for end := time.Now().Add(time.Minute); look() < min(table*45/100, 50_000); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d connections in a table of %d: the attack itself does not work", most, table)
			}
		}
		took := time.Now()
		for time.Since(took) < 8*time.Second {
			look()
			time.Sleep(20 * time.Millisecond)
		}
		// A new session and an old one connect meanwhile.
		newcomer := n.client(t, e, math.MaxUint64)
		var slowest time.Duration
		for i := range 10 {
			for who, p := range map[string]pair{"a new session": newcomer, "an old session": victim} {
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				c, err := p.client.DialContext(ctx, "tcp", l.String())
				cancel()
				if err != nil {
					t.Fatalf("connection %d of %s: %v", i, who, err)
				}
				c.Close()
				slowest = max(slowest, time.Since(began))
				look()
			}
		}
		// And so does the host itself.
		if c, err := net.DialTimeout("tcp", l.String(), 30*time.Second); err != nil {
			t.Errorf("the host itself: %v", err)
		} else {
			c.Close()
		}
		// In one and a half seconds the kernel's own limits let 28 % of the table begin, above the 60 % from which the exit ends some.
		// A machine that is too busy to look in time lets more begin.
		if pause := e.kernel.router.Use().Pause; pause > 1500*time.Millisecond {
			t.Logf("%d connections in a table of %d; the exit could not look for %v (a loaded machine)", most, table, pause)
		} else if most > table*9/10 {
			t.Errorf("%d connections in a table of %d", most, table)
		}
		var counts []int
		becomes(t, "sessions are counted", func() bool {
			counts = counts[:0]
			for index, n := range e.kernel.router.Use().Sessions {
				if indexes[index] {
					counts = append(counts, n)
				}
			}
			return len(counts) == attackers
		})
		slices.Sort(counts)
		fair := min(table/2, most) / attackers
		least, greatest := counts[0], counts[len(counts)-1]
		if least < fair/4 || greatest > 4*fair {
			t.Errorf("sessions have %d to %d connections, a fair share is %d", least, greatest, fair)
		}
		if got := connections(t, v4); got < mine {
			t.Errorf("the victim has %d connections of %d", got, mine)
		}
		u := e.Use()
		if u.TrackedMax != table || u.FlowsMax != table/2 || u.Tracked == 0 || u.Flows == 0 {
			t.Errorf("status shows %+v", u)
		}
		t.Logf("adversary: %s | bound: %s | seen: %s",
			fmt.Sprintf("%d sessions open connections without an end, %d packets in a kernel's table of %d", attackers, sent.Load(), table),
			"under 90 % of it, each session a fair share, an old session keeps its own, a new one and the host connect",
			fmt.Sprintf("%d at most; sessions have %d to %d, fair is %d; 20 connections, the slowest in %.2f s; status shows %d of %d",
				most, least, greatest, fair, slowest.Seconds(), u.Tracked, u.TrackedMax))
	})
}
