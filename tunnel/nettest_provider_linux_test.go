package tunnel

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"byway/tunnel/dialer"
	"byway/tunnel/packet"
	"byway/tunnel/policy"
	"byway/tunnel/tunneltest"
	"byway/tunnel/wireguard"
)

func TestNetPrivilegedExitForwardsBothFamilies(t *testing.T) {
	inNetwork(t, func(t *testing.T, n network) {
		e := n.exit(t, ExitConfig{Mode: Privileged})
		n.join(t, e, math.MaxUint64)
		for _, a := range []netip.Addr{host4, host6} {
			to := n.listen(t, "i", netip.AddrPortFrom(a, 0), func(c net.Conn) { io.Copy(c, c) })
			c, err := n.dial(t, "c", "tcp", to, 3*time.Second)
			if err != nil {
				t.Fatalf("tcp %v: %v\n%s", a, err, run(t, "nft", "list", "ruleset"))
			}
			if err := echoes(c, tunneltest.Random(t, 100_000)); err != nil {
				t.Errorf("tcp %v: %v", a, err)
			}
			c.Close()
			c, err = n.dial(t, "c", "udp", n.listenUDP(t, "i", netip.AddrPortFrom(a, 0)), time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if err := echoes(c, tunneltest.Random(t, 1300)); err != nil {
				t.Errorf("udp %v: %v", a, err)
			}
			c.Close()
			out, err := exec.Command("ip", "netns", "exec", n.ns("c"), "ping", "-c2", "-i0.1", "-W2", a.String()).CombinedOutput()
			if err != nil {
				t.Errorf("ping %v: %v\n%s", a, err, out)
			}
		}
	})
}

// hostState is everything of the host that an exit might change.
func hostState(t *testing.T) string {
	t.Helper()
	return run(t, "sh", "-c", `nft list ruleset; ip rule; ip -6 rule; ip route show table all; ip -6 route show table all; ip -br link | sed 's/ .*//'; ip -br addr;
		grep -H . /proc/sys/net/ipv4/conf/*/forwarding /proc/sys/net/ipv6/conf/*/*forwarding /proc/sys/net/ipv6/conf/*/accept_ra`)
}

func hostIsAsItWas(t *testing.T, when, before string) {
	t.Helper()
	if after := hostState(t); after != before {
		t.Errorf("%s, the host is not as it was.\nbefore:\n%s\nafter:\n%s", when, before, after)
	}
}

const exitChildEnv = "BYWAY_TEST_EXIT_CHILD"

// TestExitChild is no test: it is an exit in a process of its own, for tests that kill it.
func TestExitChild(t *testing.T) {
	if os.Getenv(exitChildEnv) == "" {
		t.Skip("a helper of other tests")
	}
	p, err := policy.New(policy.Config{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewExit(ExitConfig{Mode: Privileged, Policy: p, Listen: netip.AddrPortFrom(provider4, 0)})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		k, _ := wireguard.GenerateKey()
		if _, err := e.Add(Peer{PublicKey: k.Public(), Limit: 1 << 20}); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Println("ready")
	select {}
}

// startExitChild starts an exit that can be killed.
func startExitChild(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestExitChild$", "-test.v")
	cmd.Env = append(os.Environ(), exitChildEnv+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "ready") {
			return cmd
		}
	}
	t.Fatal("the exit did not start")
	return nil
}

func TestNetNothingIsLeftAfterCloseAndAfterKill(t *testing.T) {
	inNetwork(t, func(t *testing.T, n network) {
		before := hostState(t)
		same := func(when string) { t.Helper(); hostIsAsItWas(t, when, before) }
		open := func() *Exit { return n.exit(t, ExitConfig{Mode: Privileged}) }

		e := open()
		if hostState(t) == before {
			t.Fatal("an exit changed nothing: the comparison proves nothing")
		}
		n.join(t, e, math.MaxUint64)
		e.Close()
		same("after close")

		// Two exits have networks, interfaces and tables of their own; the one that stays is not harmed by the other.
		a, b := open(), open()
		if a.DNS() == b.DNS() {
			t.Errorf("two exits share %v", a.DNS())
		}
		a.Close()
		n.join(t, b, math.MaxUint64)
		to := n.listen(t, "i", netip.AddrPortFrom(host4, 0), func(c net.Conn) { io.Copy(c, c) })
		c, err := n.dial(t, "c", "tcp", to, 3*time.Second)
		if err != nil {
			t.Fatalf("through the second exit, after the first was closed: %v", err)
		}
		c.Close()
		b.Close()
		same("after two exits")

		for round := range 3 {
			child := startExitChild(t)
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			child.Wait()
			if hostState(t) == before {
				t.Fatal("kill -9 left nothing behind: nothing was there to clean")
			}
			// While nobody cleans up, the host still forwards for nobody else.
			c, err := n.dial(t, "l", "tcp", netip.AddrPortFrom(host4, to.Port()), 300*time.Millisecond)
			if err == nil {
				c.Close()
				t.Error("the host forwards from its lan")
			}
			open().Close()
			same(fmt.Sprintf("after kill -9 and another start (%d)", round+1))
		}
	})
}

func TestNetHostForwardsForNobodyElse(t *testing.T) {
	inNetwork(t, func(t *testing.T, n network) {
		passes := n.stranger(t)
		e := n.exit(t, ExitConfig{Mode: Privileged})
		n.join(t, e, math.MaxUint64)
		to := n.listen(t, "i", netip.AddrPortFrom(host4, 0), func(c net.Conn) { io.Copy(c, c) })
		// From the internet to the lan, and to a session, through the interface that now forwards.
		n.in(t, "i", func() {
			exec.Command("ip", "route", "add", "10.213.0.0/16", "via", provider4.String()).Run()
		})
		v4, _ := e.nets.Addrs(firstIndex)
		inside := n.listen(t, "c", netip.AddrPortFrom(v4, 0), func(c net.Conn) { io.Copy(c, c) })
		if c, err := n.dial(t, "i", "tcp", inside, 300*time.Millisecond); err == nil {
			c.Close()
			t.Errorf("%v is reached from the internet", inside)
		}
		if passes() {
			t.Error("the lan is reached from the internet")
		}
		if c, err := n.dial(t, "l", "tcp", to, 300*time.Millisecond); err == nil {
			c.Close()
			t.Error("the lan gets out through the exit's host")
		}
		c, err := n.dial(t, "c", "tcp", to, 3*time.Second)
		if err != nil {
			t.Fatalf("the canary: %v", err)
		}
		c.Close()
	})
}

func TestNetPrivilegedExitSendsNothingToForbiddenDestinations(t *testing.T) {
	inNetwork(t, func(t *testing.T, n network) {
		e := n.exit(t, ExitConfig{Mode: Privileged, Limits: Limits{NewFlows: 1 << 20}})
		p, other := n.client(t, e, math.MaxUint64), n.client(t, e, math.MaxUint64)
		r := watchReached(t)
		v4, v6 := p.session.Addrs()
		send := func(proto packet.Proto, dst netip.Addr, port uint16) {
			p.client.net.Inject(summed(tunneltest.Probe(proto, v4, v6, dst, port)))
			time.Sleep(20 * time.Microsecond) // within what queues hold
		}
		other4, other6 := other.session.Addrs()
		idle := other.session.Counters()
		exit4, exit6 := e.nets.Addrs(exitIndex)
		mine := []netip.Addr{
			provider4, provider6, lanHere, lanHost, other4, other6, exit4, exit6,
			netip.MustParseAddr("2002:505:502::1"), netip.MustParseAddr("64:ff9b::505:502"),
			netip.MustParseAddr("2400:cb00::5efe:505:502"),
		}
		vectors := 0
		for _, dst := range append(tunneltest.Forbidden(), mine...) {
			for i, proto := range []packet.Proto{packet.TCP, packet.UDP, packet.ICMP} {
				if proto == packet.ICMP && (dst == exit4 || dst == exit6) {
					continue // answered, as in userspace
				}
				send(proto, dst, uint16(80+i))
				vectors++
			}
		}
		for _, dst := range []netip.Addr{host4, host6} {
			send(packet.TCP, dst, 25)
			vectors++
		}
		// The probe works: what is allowed gets out, last of all.
		want := make(map[string]bool)
		for _, dst := range []netip.Addr{host4, host6} {
			for i, proto := range []packet.Proto{packet.TCP, packet.UDP, packet.ICMP} {
				send(proto, dst, uint16(80+i))
				want[fmt.Sprintf("%v %v", proto, dst)] = true
			}
		}
		seen := map[string]bool{}
		for end := time.Now().Add(30 * time.Second); len(seen) < len(want) && time.Now().Before(end); {
			time.Sleep(20 * time.Millisecond)
			seen = r.seen()
		}
		time.Sleep(200 * time.Millisecond)
		seen = r.seen()
		for key := range want {
			if !seen[key] {
				t.Errorf("the canary %s did not get out: the probe proves nothing", key)
			}
			delete(seen, key)
		}
		if len(seen) > 0 {
			t.Errorf("forbidden destinations were reached: %v", seen)
		}
		if r.port(25) || !r.port(80) {
			t.Errorf("port 25 was reached: %v, port 80: %v", r.port(25), r.port(80))
		}
		if got := other.session.Counters(); got != idle {
			t.Errorf("the other session moved bytes: %v before, %v after", idle, got)
		}
		if got := p.session.Counters().Rx; vectors < 500 || got < uint64(vectors)*20 {
			t.Errorf("%d vectors, and %d bytes came from the consumer", vectors, got)
		}
		t.Logf("%d vectors, 0 reached", vectors)
	})
}

func TestNetTwentyThousandDeniedDialsAreFollowedByASuccess(t *testing.T) {
	inNetwork(t, func(t *testing.T, n network) {
		e := n.exit(t, ExitConfig{Mode: Privileged})
		p := n.client(t, e, math.MaxUint64)
		to := n.listen(t, "i", netip.AddrPortFrom(host4, 0), func(c net.Conn) { io.Copy(c, c) })
		dial := func(dst string) error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			c, err := p.client.DialContext(ctx, "tcp", dst)
			if err == nil {
				c.Close()
			}
			return err
		}
		for _, dst := range []string{"10.0.0.1:80", "[fd00::1]:80", "8.8.8.8:25"} {
			start := time.Now()
			if err := dial(dst); !errors.Is(err, dialer.ErrDenied) {
				t.Errorf("%s: %v, want it denied", dst, err)
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("%s: denied after %v", dst, took)
			}
		}
		count := 20_000
		start := time.Now()
		var wg sync.WaitGroup
		for w := range 20 {
			wg.Go(func() {
				for i := range count / 20 {
					if err := dial(fmt.Sprintf("10.%d.%d.%d:80", w, i>>8, i&255)); err == nil {
						t.Errorf("a denied destination answered")
						return
					}
				}
			})
		}
		wg.Wait()
		t.Logf("%d denied dials in %v", count, time.Since(start))
		if err := dial(to.String()); err != nil {
			t.Errorf("after the denied ones: %v", err)
		}
		v4, _ := p.session.Addrs()
		if c := connections(t, v4); c > 1 {
			t.Errorf("%d connections are left", c)
		}
	})
}

// connections counts what the kernel tracks for an inner address.
func connections(t *testing.T, of netip.Addr) int {
	t.Helper()
	flows, err := netlink.ConntrackTableList(netlink.ConntrackTable, unix.AF_INET)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range flows {
		if a, _ := netip.AddrFromSlice(f.Forward.SrcIP); a.Unmap() == of {
			n++
		}
	}
	return n
}

func TestNetLimitsOfASessionHoldInTheKernel(t *testing.T) {
	inQuietNetwork(t, func(t *testing.T, n network) {
		const flows, rate = 100, 50
		e := n.exit(t, ExitConfig{Mode: Privileged, Limits: Limits{Flows: flows, NewFlows: rate}})
		p, q := n.client(t, e, math.MaxUint64), n.client(t, e, math.MaxUint64)
		// r opens so many, waits until enough are there, and returns how many are.
		r := func(p pair, count int, every time.Duration, enough int) (open int) {
			v4, v6 := p.session.Addrs()
			for i := range count {
				p.client.net.Inject(summed(tunneltest.Probe(packet.UDP, v4, v6, host4, uint16(1000+i))))
				time.Sleep(every)
			}
			time.Sleep(100 * time.Millisecond)
			tunneltest.Eventually(t, fmt.Sprintf("%d connections are open", enough), func() bool {
				open = connections(t, v4)
				return open >= enough
			})
			return open
		}
		start := time.Now()
		fast := r(p, 300, 0, rate)
		if most := min(flows, 2*rate+int(time.Since(start).Seconds()*rate)+1); fast > most || fast < rate {
			t.Errorf("%d connections were opened at once, %d may be", fast, most)
		}
		if slow := r(q, 160, time.Second/45, flows); slow != flows {
			t.Errorf("%d connections are open, %d may be", slow, flows)
		}
		v4, _ := q.session.Addrs()
		if err := q.session.Remove(); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(30 * time.Second); connections(t, v4) > 0; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d connections of a removed session are left", connections(t, v4))
			}
		}
	})
}

func TestNetExitAnswersDNSOnItsInnerAddresses(t *testing.T) {
	inNetwork(t, func(t *testing.T, n network) {
		server := netip.AddrPortFrom(host4, 53)
		answer := func(w dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg).SetReply(q)
			if q.Question[0].Qtype == dns.TypeA {
				m.Answer = append(m.Answer, &dns.A{
					Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: net.IP{9, 9, 9, 9},
				})
			}
			w.WriteMsg(m)
		}
		n.in(t, "i", func() {
			pc, err := net.ListenPacket("udp", server.String())
			if err != nil {
				t.Error(err)
				return
			}
			l, err := net.Listen("tcp", server.String())
			if err != nil {
				t.Error(err)
				return
			}
			for _, s := range []*dns.Server{{PacketConn: pc}, {Listener: l}} {
				s.Handler = dns.HandlerFunc(answer)
				go s.ActivateAndServe()
				t.Cleanup(func() { s.Shutdown() })
			}
		})
		e := n.exit(t, ExitConfig{Mode: Privileged, DNS: []netip.AddrPort{server}})
		p := n.client(t, e, math.MaxUint64)
		addrs, err := p.client.Resolve(t.Context(), "byway.example")
		if err != nil || len(addrs) != 1 || addrs[0] != netip.MustParseAddr("9.9.9.9") {
			t.Errorf("resolved %v, %v", addrs, err)
		}
		v4, v6 := e.nets.Addrs(exitIndex)
		for _, a := range []netip.Addr{v4, v6} {
			for _, proto := range []string{"udp", "tcp"} {
				c, err := p.client.DialContext(t.Context(), proto, netip.AddrPortFrom(a, 53).String())
				if err != nil {
					t.Errorf("%s %v: %v", proto, a, err)
					continue
				}
				c.SetDeadline(time.Now().Add(10 * time.Second))
				dc := &dns.Conn{Conn: c}
				if err := dc.WriteMsg(new(dns.Msg).SetQuestion("byway.example.", dns.TypeA)); err != nil {
					t.Errorf("%s %v: %v", proto, a, err)
				}
				reply, err := dc.ReadMsg()
				c.Close()
				if err != nil || len(reply.Answer) != 1 {
					t.Errorf("%s %v: %v, %v", proto, a, reply, err)
				}
			}
		}
	})
}

func TestNetRateOfASessionIsKeptInBothModes(t *testing.T) {
	inQuietNetwork(t, func(t *testing.T, n network) {
		for _, mode := range []Mode{Privileged, Userspace} {
			e := n.exit(t, ExitConfig{Mode: mode})
			u := n.join(t, e, math.MaxUint64)
			source := n.listen(t, "i", netip.AddrPortFrom(host4, 0), func(c net.Conn) { io.Copy(c, zeros{}) })
			// speed returns the bytes that pass in a second, in all and to the consumer.
			speed := func() (all, useful float64) {
				c, err := n.dial(t, "c", "tcp", source, 30*time.Second)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				go io.Copy(io.Discard, c)
				time.Sleep(500 * time.Millisecond)
				start, before, consumer := time.Now(), u.session.Counters().Total(), u.acct.Counters().Rx
				time.Sleep(2 * time.Second)
				took := time.Since(start).Seconds()
				return float64(u.session.Counters().Total()-before) / took, float64(u.acct.Counters().Rx-consumer) / took
			}
			rates := []uint64{4 << 20}
			if long() {
				rates = append(rates, 32<<20, 256<<10)
			}
			for _, rate := range rates {
				if err := u.session.SetRate(rate); err != nil {
					t.Fatal(err)
				}
				var all, useful float64
				for range 3 { // a machine with other work may need more than one try
					all, useful = speed()
					if all, useful = all/float64(rate), useful/float64(rate); useful > 0.6 {
						break
					}
				}
				t.Logf("%s, %d KiB/s: %.2f of the rate, %.2f of it to the consumer", mode, rate>>10, all, useful)
				// The short form runs beside other tests: what is reached at least is asserted in the long one.
				if all > 1.1 || long() && useful < 0.6 {
					t.Errorf("%s, %d KiB/s: %.2f of the rate, %.2f of it to the consumer", mode, rate>>10, all, useful)
				}
			}
			if err := u.session.SetRate(0); err != nil {
				t.Fatal(err)
			}
			if all, _ := speed(); long() && all < 4<<20 {
				t.Errorf("%s: only %.0f bytes/s without a rate", mode, all)
			}
			if err := u.session.SetRate(1 << 20); err != nil {
				t.Fatal(err)
			}
			u.leave()
			if mode == Privileged {
				ruled := func() bool {
					return strings.Contains(run(t, "nft", "list", "map", "inet", "byway_exit_"+e.kernel.router.Name(), "class4"), "10.213.")
				}
				if !ruled() {
					t.Error("the session has no class")
				}
				if err := u.session.Remove(); err != nil {
					t.Error(err)
				}
				if ruled() {
					t.Error("the session's class is left in the table")
				}
				if classes := run(t, "tc", "class", "show", "dev", e.kernel.router.Name()); classes != "" {
					t.Errorf("the session's class is left: %s", classes)
				}
			}
			e.Close()
		}
	})
}
