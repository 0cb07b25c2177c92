package tunnel

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/tun"

	"byway/tunnel/meter"
	"byway/tunnel/packet"
	"byway/tunnel/policy"
	"byway/tunnel/tunneltest"
	"byway/tunnel/wireguard"
)

// prey holds addresses that an attacker behind an exit would like to reach, and counts its hits.
type prey struct {
	names  map[netip.Addr]string
	port   uint16
	hits   map[string]*atomic.Int64
	remote netip.AddrPort // the positive control
}

// setPrey opens listeners for TCP and UDP, under one port, at the addresses of a namespace each.
func (n network) setPrey(t *testing.T, at map[string][2]string) *prey {
	t.Helper()
	p := &prey{names: make(map[netip.Addr]string), hits: make(map[string]*atomic.Int64)}
	echo := n.listen(t, "i", netip.AddrPortFrom(host4, 0), func(c net.Conn) { io.Copy(c, c) })
	p.port, p.remote = echo.Port(), echo
	n.listenUDP(t, "i", echo)
	for name, where := range at {
		a := netip.MustParseAddr(where[1])
		hits := new(atomic.Int64)
		p.names[a], p.hits[name] = name, hits
		at := netip.AddrPortFrom(a, p.port)
		n.listen(t, where[0], at, func(net.Conn) { hits.Add(1) })
		var c net.PacketConn
		var err error
		n.in(t, where[0], func() { c, err = net.ListenPacket("udp", at.String()) })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		go func() {
			buf := make([]byte, 100)
			for {
				if _, _, err := c.ReadFrom(buf); err == nil {
					hits.Add(1)
				} else if errors.Is(err, net.ErrClosed) {
					return
				}
			}
		}()
	}
	return p
}

// reached says what was, and how often.
func (p *prey) reached() (list []string) {
	for name, hits := range p.hits {
		if got := hits.Load(); got > 0 {
			list = append(list, fmt.Sprintf("%s (%d times)", name, got))
		}
	}
	return list
}

func (p *prey) forget() {
	for _, hits := range p.hits {
		hits.Store(0)
	}
}

// hunt tries everything from the consumer's namespace until it is told to stop, and counts its rounds.
func (n network) hunt(t *testing.T, p *prey) (rounds *atomic.Int64, stop func()) {
	t.Helper()
	rounds = new(atomic.Int64)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for a := range p.names {
		to := netip.AddrPortFrom(a, p.port)
		wg.Go(func() {
			c, err := n.dial(t, "c", "udp", to, time.Second)
			if err != nil {
				return
			}
			defer c.Close()
			for {
				select {
				case <-done:
					return
				case <-time.After(time.Millisecond):
					c.Write([]byte("x"))
				}
			}
		})
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if c, err := n.dial(t, "c", "tcp", to, 200*time.Millisecond); err == nil {
					c.Close()
				}
				rounds.Add(1)
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	return rounds, sync.OnceFunc(func() { close(done); wg.Wait() })
}

// countInnerSources counts what comes to the internet from an inner address.
func (n network) countInnerSources(t *testing.T) (read func() int) {
	t.Helper()
	in := func(args ...string) string {
		return run(t, append([]string{"ip", "netns", "exec", n.ns("i"), "nft"}, args...)...)
	}
	exec.Command("ip", "netns", "exec", n.ns("i"), "nft", "delete", "table", "inet", "leaks").Run()
	in("add table inet leaks; add counter inet leaks inner; add chain inet leaks pre { type filter hook prerouting priority -400; };" +
		"add rule inet leaks pre iifname provider ip saddr 10.213.0.0/16 counter name inner;" +
		"add rule inet leaks pre iifname provider ip6 saddr fd62::/16 counter name inner")
	return func() int {
		var packets int
		out := in("list counter inet leaks inner")
		if _, err := fmt.Sscanf(out[strings.Index(out, "packets"):], "packets %d", &packets); err != nil {
			t.Fatal(err, out)
		}
		return packets
	}
}

// becomes waits half a minute for something.
func becomes(t *testing.T, what string, is func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	for !is() {
		if time.Since(start) > 30*time.Second {
			t.Fatalf("half a minute later, still not: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
	return time.Since(start)
}

// works opens a connection to the internet through the exit.
func (n network) works(t *testing.T, p *prey) bool {
	c, err := n.dial(t, "c", "tcp", p.remote, time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	return echoes(c, []byte("through")) == nil
}

// standardPrey leaves out the host's IPv4 address, to which the consumer's namespace has a way of its own: the engine's.
func (n network) standardPrey(t *testing.T, e *Exit) *prey {
	inner, _ := e.nets.Addrs(exitIndex)
	return n.setPrey(t, map[string][2]string{
		"the host on its lan":  {"p", lanHere.String()},
		"a host of the lan":    {"l", lanHost.String()},
		"the host's wan, IPv6": {"p", provider6.String()},
		"the gateway":          {"i", gate4.String()},
		"the exit itself":      {"p", inner.String()},
		"the host's loopback":  {"p", "127.0.0.1"},
	})
}

// without runs an exit whose nftables table anybody may change.
func without(t *testing.T) {
	t.Helper()
	unowned = true
	t.Cleanup(func() { unowned = false })
}

func TestNetAdversaryFirewallReloadOpensNothing(t *testing.T) {
	inNetwork(t, func(t *testing.T, n network) {
		for _, owned := range []bool{true, false} {
			t.Run(fmt.Sprintf("owned=%v", owned), func(t *testing.T) {
				if !owned {
					without(t)
				}
				e := n.exit(t, ExitConfig{Mode: Privileged})
				u := n.join(t, e, math.MaxUint64)
				other := n.client(t, e, math.MaxUint64)
				p := n.standardPrey(t, e)
				defer u.leave()
				table := "byway_exit_" + e.kernel.router.Name()
				held, err := n.dial(t, "c", "tcp", p.remote, 10*time.Second)
				if err != nil {
					t.Fatal(err)
				}
				defer held.Close()
				if err := echoes(held, tunneltest.Random(t, 10_000)); err != nil {
					t.Fatal(err)
				}
				idle := other.session.Counters()

				// What leaves with an inner source, and traffic that would.
				leaked := n.countInnerSources(t)
				flood, err := n.dial(t, "c", "udp", p.remote, time.Second)
				if err != nil {
					t.Fatal(err)
				}
				defer flood.Close()
				go func() {
					for {
						if _, err := flood.Write([]byte("x")); errors.Is(err, net.ErrClosed) {
							return
						}
						time.Sleep(500 * time.Microsecond)
					}
				}()

				// An exit that has just started still takes in what is near, with rests of five seconds at most.
				want := steady(t, table, 7*time.Second)
				rounds, stop := n.hunt(t, p)
				defer stop()
				var worst time.Duration
				for i, attack := range []string{
					"nft flush ruleset", "nft delete table inet " + table, "nft flush table inet " + table,
					"nft flush chain inet " + table + " sessions", "nft flush set inet " + table + " closed4",
					"nft flush set inet " + table + " own4", "nft flush chain inet " + table + " srcnat",
					"nft insert rule inet " + table + " forward accept", "nft flush table inet byway_exits",
					"nft delete table inet byway_exits", "nft insert rule inet byway_exits forward accept", "nft flush ruleset",
					"nft 'add table inet " + table + " { flags dormant; }'", "nft 'add table inet byway_exits { flags dormant; }'",
					"ip addr flush dev " + e.kernel.router.Name(), "ip -6 addr flush dev " + e.kernel.router.Name(), "ip rule del pref 98; ip -6 rule del pref 98",
					"nft flush ruleset; ip rule del pref 98; ip route flush table all proto 97; nft flush ruleset",
				} {
					before := rounds.Load()
					out, _ := exec.Command("sh", "-c", attack).CombinedOutput()
					var now string
					t.Cleanup(func() {
						if now != want {
							t.Logf("before %s:\n%s\nhalf a minute after it:\n%s", attack, want, now)
						}
					})
					took := becomes(t, "what was removed is back: "+attack, func() bool { now = state(t, table); return now == want })
					worst = max(worst, took)
					if trouble := e.Trouble(); trouble != "" {
						t.Errorf("%s: after it is back, still trouble: %s", attack, trouble)
					}
					becomes(t, "each attacker tried", func() bool { return rounds.Load() > before+int64(2*len(p.names)) })
					becomes(t, "the exit forwards after "+attack, func() bool { return n.works(t, p) })
					t.Logf("%2d %s: back after %v (%s)", i, attack, took.Round(time.Millisecond), strings.TrimSpace(string(out)))
				}
				stop()
				// Without an owned table a packet may leave untranslated in the gap, and what it meets ends the connection.
				if err := echoes(held, tunneltest.Random(t, 10_000)); err != nil && owned {
					t.Errorf("the connection that was open all the time: %v", err)
				}
				if got := other.session.Counters(); got != idle {
					t.Errorf("the other session moved bytes: %+v, %+v before", got, idle)
				}
				if got := p.reached(); len(got) > 0 {
					t.Errorf("reached: %v", got)
				}
				left := leaked()
				if owned && left > 0 {
					t.Errorf("%d packets left with an inner source", left)
				}
				if worst > time.Second {
					t.Logf("back later than in a second: %v (a loaded machine)", worst)
				}
				t.Logf("adversary: %s | bound: %s | seen: %d reached of %d tries, back after %v at most, %d packets left untranslated",
					fmt.Sprintf("the firewall is reloaded, table owned by the exit: %v", owned),
					"0 reached, back within a second; 0 untranslated where tables have owners",
					len(p.reached()), rounds.Load(), worst.Round(time.Millisecond), left)
			})
		}
	})
}

// state prints what keeps an exit shut on its host, without what packets change. The kernel lists addresses and routes
// in the order in which they came.
func state(t *testing.T, table string) string {
	t.Helper()
	out, _ := exec.Command("sh", "-c", fmt.Sprintf(`for t in %s byway_exits; do nft -s list table inet $t; done |
		sed '/set \(told\|fresh.*\|assured\|connections\|knocks.\) {/,/^\t}$/d'
		(ip rule; ip -6 rule; ip -br addr; ip route show table all proto 97; ip -6 route show table all proto 97) | sort`, table)).CombinedOutput()
	if !strings.Contains(string(out), table) {
		return ""
	}
	return string(out)
}

// steady is the state once it has been the same for a while.
func steady(t *testing.T, table string, while time.Duration) string {
	t.Helper()
	last, since := state(t, table), time.Now()
	becomes(t, "the state is steady", func() bool {
		time.Sleep(100 * time.Millisecond)
		if now := state(t, table); now != last || now == "" {
			last, since = now, time.Now()
		}
		return time.Since(since) > while
	})
	return last
}

// squat takes the exit's table for a program that keeps it: the exit can't have its own any more.
func squat(t *testing.T, table string) (leave func()) {
	t.Helper()
	cmd := exec.Command("nft", "-i")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	leave = sync.OnceFunc(func() { cmd.Process.Kill(); cmd.Wait() })
	t.Cleanup(leave)
	fmt.Fprintf(in, "flush ruleset; add table inet %s { flags owner; };\n", table)
	return leave
}

func TestNetAdversaryExitWithoutItsFirewallIsShutAndSaysSo(t *testing.T) {
	inNetwork(t, func(t *testing.T, n network) {
		without(t)
		e := n.exit(t, ExitConfig{Mode: Privileged})
		u := n.join(t, e, math.MaxUint64)
		p := n.standardPrey(t, e)
		if !n.works(t, p) {
			t.Fatal("the exit does not forward")
		}
		rounds, stop := n.hunt(t, p)
		defer stop()
		leave := squat(t, "byway_exit_"+e.kernel.router.Name())
		took := becomes(t, "the exit says that it is closed", func() bool { return strings.HasPrefix(e.Trouble(), "closed: ") })
		t.Logf("after %v: %s", took, e.Trouble())
		before, paid := rounds.Load(), u.session.Counters().Rx
		becomes(t, "three rounds of attacks", func() bool { return rounds.Load() > before+3 })
		if n.works(t, p) {
			t.Error("a closed exit forwards, untranslated or untold")
		}
		if got := u.session.Counters().Rx; got != paid {
			t.Errorf("what a closed exit drops is counted: %d bytes", got-paid)
		}
		leave()
		back := becomes(t, "trouble ends", func() bool { return e.Trouble() == "" && n.works(t, p) })
		stop()
		if got := p.reached(); len(got) > 0 {
			t.Errorf("reached: %v", got)
		}
		t.Logf("adversary: %s | bound: %s | seen: %d reached of %d tries, closed after %v, back after %v",
			"another program takes the exit's firewall table and keeps it", "0 reached, said, 0 bytes counted",
			len(p.reached()), rounds.Load(), took.Round(time.Millisecond), back.Round(time.Millisecond))
	})
}

// TestNetAdversaryEachLayerHoldsWithoutTheFirewall takes away all layers but one: the policy's check, and the routing rules. The last run,
// without any, is the positive control: the same attack reaches what the others keep shut.
func TestNetAdversaryEachLayerHoldsWithoutTheFirewall(t *testing.T) {
	inNetwork(t, func(t *testing.T, n network) {
		without(t)
		for _, layer := range []string{"check", "routes", "none"} {
			t.Run(layer, func(t *testing.T) {
				rules, err := policy.New(policy.Config{})
				if err != nil {
					t.Fatal(err)
				}
				// The gate of a closed exit is left out of all three: it would hide what the layers do.
				e, err := newExitWith(ExitConfig{Mode: Privileged, Policy: rules, Listen: netip.AddrPortFrom(provider4, 0)},
					func(metered, bare tun.Device) tun.Device {
						metered.(*meter.Meter).Shut = nil
						if layer != "check" {
							metered.(*meter.Meter).Device = bare.(*policy.Sentry).Device
						}
						return metered
					})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { e.Close() })
				u := n.join(t, e, math.MaxUint64)
				defer u.leave()
				p := n.standardPrey(t, e)
				squat(t, "byway_exit_"+e.kernel.router.Name())
				becomes(t, "the exit is closed", func() bool { return e.Trouble() != "" })
				if layer != "routes" {
					// While the table can't be put back, nothing else is.
					run(t, "ip", "rule", "del", "pref", "98")
					run(t, "ip", "-6", "rule", "del", "pref", "98")
				}
				p.forget()
				rounds, stop := n.hunt(t, p)
				becomes(t, "five rounds of attacks", func() bool { return rounds.Load() > int64(5*len(p.names)) })
				if layer == "none" {
					becomes(t, "without any layer, the attack works", func() bool { return p.hits["a host of the lan"].Load() > 0 })
				}
				stop()
				got := p.reached()
				switch layer {
				case "check":
					if len(got) > 0 {
						t.Errorf("reached: %v", got)
					}
				case "routes":
					// The kernel decides about its own addresses before any rule.
					for _, name := range []string{"a host of the lan", "the gateway"} {
						if p.hits[name].Load() > 0 {
							t.Errorf("%s was reached", name)
						}
					}
				}
				t.Logf("adversary: %s | bound: %s | seen: %v reached of %d tries", "no firewall, and of the other layers only: "+layer,
					map[string]string{"check": "0 reached", "routes": "no other host reached", "none": "the control: hosts are reached"}[layer],
					got, rounds.Load())
			})
		}
	})
}

func TestNetAdversaryForeignSourcesPassNoLayer(t *testing.T) {
	inNetwork(t, func(t *testing.T, n network) {
		without(t)
		for _, engine := range []wireguard.Implementation{wireguard.Upstream, wireguard.Tailscale} {
			e := n.exit(t, ExitConfig{Mode: Privileged, Engine: engine})
			p := n.client(t, e, math.MaxUint64)
			other := n.client(t, e, math.MaxUint64)
			leave := squat(t, "byway_exit_"+e.kernel.router.Name())
			becomes(t, "the exit is closed", func() bool { return e.Trouble() != "" })
			e.kernel.router.Shut().Store(false) // the gate is not what this is about
			v4, v6 := p.session.Addrs()
			o4, o6 := other.session.Addrs()
			x4, x6 := e.nets.Addrs(exitIndex)
			inject := func(pkt []byte) {
				e.kernel.router.Shut().Store(false)
				p.client.net.Inject(summed(pkt))
			}
			entered := func() uint64 { return linkNamed(t, e.kernel.router.Name()).Attrs().Statistics.RxPackets }
			before, idle := entered(), other.session.Counters().Rx
			sent, canaries := 0, uint64(0)
			for _, src := range [][2]netip.Addr{
				{o4, o6}, {x4, x6}, {host4, host6}, {provider4, provider6}, {lanHost, host6}, {netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()},
			} {
				for _, dst := range []netip.Addr{host4, host6} {
					for _, proto := range []packet.Proto{packet.TCP, packet.UDP, packet.ICMP} {
						inject(tunneltest.Probe(proto, src[0], src[1], dst, 80))
						sent++
					}
				}
			}
			// The canary is the session's own, and comes behind them.
			becomes(t, "the canary gets through", func() bool {
				inject(tunneltest.Probe(packet.UDP, v4, v6, host4, 80))
				canaries++
				time.Sleep(20 * time.Millisecond)
				return entered() > before
			})
			passed := entered() - before
			if passed > canaries {
				t.Errorf("%v: %d packets entered the kernel, of %d canaries", engine, passed, canaries)
			}
			if got := other.session.Counters().Rx; got != idle {
				t.Errorf("%v: %d bytes were counted for another session", engine, got-idle)
			}
			t.Logf("adversary: %s | bound: %s | seen: %d sent, %d entered the kernel beside %d canaries",
				"packets with the sources of others, no firewall, engine "+string(engine), "0 pass", sent, max(passed, canaries)-canaries, canaries)
			leave()
			becomes(t, "trouble ends", func() bool { return e.Trouble() == "" })
			e.Close()
		}
	})
}

// TestNetSentryCostsNothingMeasurable turns the check of flows on and off every 250 ms under one running upload.
func TestNetSentryCostsNothingMeasurable(t *testing.T) {
	inQuietNetwork(t, func(t *testing.T, n network) {
		rules, err := policy.New(policy.Config{})
		if err != nil {
			t.Fatal(err)
		}
		var tg *toggle
		e, err := newExitWith(ExitConfig{Mode: Privileged, Policy: rules, Listen: netip.AddrPortFrom(provider4, 0)},
			func(metered, bare tun.Device) tun.Device {
				m := metered.(*meter.Meter)
				tg = &toggle{Device: &meter.Meter{Device: bare.(*policy.Sentry).Device, Table: m.Table}, metered: m}
				return tg
			})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { e.Close() })
		n.join(t, e, math.MaxUint64)
		var got atomic.Int64
		sink := n.listen(t, "i", netip.AddrPortFrom(host4, 0), func(c net.Conn) { count(c, &got) })
		c, err := n.dial(t, "c", "tcp", sink, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		go io.Copy(c, zeros{})
		becomes(t, "the upload runs", func() bool { return got.Load() > 1<<20 })
		rounds := toggles()
		throughput, cpu := tg.cost(&got, rounds)
		t.Logf("with the check of flows: %.3f of the throughput, %.3f of the CPU for each byte (medians of %d)", throughput, cpu, rounds)
		if long() && throughput < 0.8 { // far below what other work does to a median of the long form
			t.Errorf("the check of flows leaves %.3f of the throughput", throughput)
		}
	})
}

// toggles is how many times a test turns a defence on and off.
func toggles() int {
	if long() {
		return 60
	}
	return 12
}

// TestNetPorterCostsNothingMeasurable does the same with the check of answers, under one running download.
func TestNetPorterCostsNothingMeasurable(t *testing.T) {
	inQuietNetwork(t, func(t *testing.T, n network) {
		e := n.exit(t, ExitConfig{Mode: Privileged})
		var tg *toggle
		n.joinBy(t, e, math.MaxUint64, func(bare tun.Device, p *meter.Porter) tun.Device {
			tg = &toggle{Device: bare, metered: p}
			return inToggle{p, tg} // it must know what leaves
		})
		source := n.listen(t, "i", netip.AddrPortFrom(host4, 0), func(c net.Conn) { io.Copy(c, zeros{}) })
		c, err := n.dial(t, "c", "tcp", source, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		var got atomic.Int64
		go count(c, &got)
		becomes(t, "the download runs", func() bool { return got.Load() > 1<<20 })
		rounds := toggles()
		throughput, cpu := tg.cost(&got, rounds)
		t.Logf("with the check of answers: %.3f of the throughput, %.3f of the CPU for each byte (medians of %d)", throughput, cpu, rounds)
		if long() && throughput < 0.8 { // far below what other work does to a median of the long form
			t.Errorf("the check of answers leaves %.3f of the throughput", throughput)
		}
	})
}
