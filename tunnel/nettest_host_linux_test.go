package tunnel

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/nftables"
)

// stranger is a host on the provider's wan that sends through the provider to a host of its lan. It needs no answer: what
// the lan's host sends back comes in by another interface.
func (n network) stranger(t *testing.T) (passes func() bool) {
	t.Helper()
	run(t, "ip", "-n", n.ns("i"), "route", "add", lanHost.String(), "via", provider4.String())
	var at net.PacketConn
	var err error
	n.in(t, "l", func() { at, err = net.ListenPacket("udp", netip.AddrPortFrom(lanHost, 0).String()) })
	if err != nil {
		t.Fatal(err)
	}
	var from net.Conn
	n.in(t, "i", func() { from, err = net.Dial("udp", at.LocalAddr().String()) })
	if err != nil {
		t.Fatal(err)
	}
	var sent byte
	passes = func() bool {
		sent++
		for range 5 {
			from.Write([]byte{sent}) // refused, it may be told of the one before
			at.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			for b := []byte{0}; ; {
				if _, _, err := at.ReadFrom(b); err != nil {
					break
				}
				if b[0] == sent {
					return true
				}
			}
		}
		return false
	}
	t.Cleanup(func() {
		at.Close()
		from.Close()
		run(t, "ip", "-n", n.ns("i"), "route", "del", lanHost.String(), "via", provider4.String())
	})
	// The control: a host that forwards what comes in by its wan.
	const forwards = "ipv4/conf/wan/forwarding"
	setting(t, forwards, "1")
	becomes(t, "a host that forwards is passed", passes)
	setting(t, forwards, "0")
	becomes(t, "a host that doesn't is not", func() bool { return !passes() })
	return passes
}

func setting(t *testing.T, path, value string) {
	t.Helper()
	if err := os.WriteFile("/proc/sys/net/"+path, []byte(value), 0o644); err != nil {
		t.Fatal(err)
	}
}

// wanForwards says whether the provider's host forwards what comes in by its wan, in either family.
func wanForwards(t *testing.T) string {
	t.Helper()
	return run(t, "sh", "-c", "cd /proc/sys/net; cat ipv4/conf/wan/forwarding ipv6/conf/wan/forwarding; cat ipv6/conf/wan/force_forwarding 2>/dev/null || true")
}

func hostTable(t *testing.T) string {
	t.Helper()
	return run(t, "sh", "-c", "nft -s list table inet byway_exits 2>/dev/null || true")
}

// flushing empties nftables again and again, with pauses.
func flushing(t *testing.T, pause time.Duration) (stop func() int) {
	t.Helper()
	end, flushed := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		defer func() { flushed <- n }()
		for {
			select {
			case <-end:
				return
			default:
			}
			c, err := nftables.New()
			if err != nil {
				t.Error(err)
				return
			}
			c.FlushRuleset()
			if c.Flush() == nil {
				n++
			}
			time.Sleep(pause)
		}
	}()
	return func() int { close(end); return <-flushed }
}

// Whatever moment another program chooses to empty the firewall, and however many exits the host has: in the end the host
// forwards for them and for nobody else, and after the last one as it did before the first.
func TestNetAdversaryFlushAtAnyMomentLeavesTheHostShut(t *testing.T) {
	inNetwork(t, func(t *testing.T, n network) {
		for _, owned := range []bool{true, false} {
			t.Run(fmt.Sprintf("owned=%v", owned), func(t *testing.T) {
				if !owned {
					without(t)
				}
				passes, before, never := n.stranger(t), hostState(t), wanForwards(t)
				exits := []*Exit{n.exit(t, ExitConfig{Mode: Privileged}), n.exit(t, ExitConfig{Mode: Privileged})}
				want, on := hostTable(t), wanForwards(t)
				if on == never || !strings.Contains(want, `"wan"`) {
					t.Fatalf("the host does not forward for its exits: %s%s", on, want)
				}
				flushes := 0
				settled := func(when string) {
					t.Helper()
					for _, e := range exits {
						becomes(t, "trouble ends "+when, func() bool { return e.Trouble() == "" })
					}
					becomes(t, "the host's table is back "+when, func() bool { return hostTable(t) == want && wanForwards(t) == on })
					if passes() {
						t.Errorf("the host forwards for a stranger %s", when)
					}
				}
				for range 3 {
					stop := flushing(t, 0)
					for range 4 {
						for _, e := range exits {
							_ = e.kernel.router.Refresh() // it may say that others change nftables all the time
						}
					}
					flushes += stop()
					settled("after flushes")
				}
				// Another exit comes, and those who were there leave, while the table is not there for long.
				pause := 25 * time.Millisecond
				for opened := 0; opened < 3; {
					stop := flushing(t, pause)
					next, err := n.tryExit(t, ExitConfig{Mode: Privileged})
					if err == nil {
						opened++
						t.Cleanup(func() { next.Close() })
						for _, e := range exits {
							if err := e.Close(); err != nil {
								t.Logf("close while others flush: %v", err)
							}
						}
						exits = []*Exit{next}
					} else {
						pause *= 2 // a slow machine
					}
					flushes += stop()
					settled("after others have left")
				}
				p := n.standardPrey(t, exits[0])
				u := n.join(t, exits[0], math.MaxUint64)
				becomes(t, "the exit that stays forwards", func() bool { return n.works(t, p) })
				u.leave()
				run(t, "nft", "flush", "ruleset")
				if err := exits[0].Close(); err != nil {
					t.Errorf("close: %v", err)
				}
				hostIsAsItWas(t, "after the last exit", before)

				// An exit that dies, a flush, and another exit.
				child := startExitChild(t)
				child.Process.Kill()
				child.Wait()
				run(t, "nft", "flush", "ruleset")
				last := n.exit(t, ExitConfig{Mode: Privileged})
				exits = []*Exit{last}
				settled("after a crash and a flush")
				last.Close()
				hostIsAsItWas(t, "after a crash, a flush and another exit", before)
				if flushes < 100 {
					t.Errorf("only %d flushes: the test proves little", flushes)
				}
				t.Logf("adversary: %s | bound: %s | seen: %d flushes, 0 passed, all as before", fmt.Sprintf(
					"the firewall is emptied all the time while exits look, come, go and die, tables owned by them: %v", owned),
					"a stranger is not forwarded, in the end the host is as it was", flushes)
			})
		}
	})
}

// An exit that opens, or closes, beside one that closes is not in its way.
func TestNetExitsComeAndGoAtOnce(t *testing.T) {
	inNetwork(t, func(t *testing.T, n network) {
		before := hostState(t)
		for range 3 {
			a, b := n.exit(t, ExitConfig{Mode: Privileged}), n.exit(t, ExitConfig{Mode: Privileged})
			var wg sync.WaitGroup
			for _, e := range []*Exit{a, b} {
				wg.Go(func() {
					if err := e.Close(); err != nil {
						t.Errorf("close: %v", err)
					}
				})
			}
			c, err := n.tryExit(t, ExitConfig{Mode: Privileged})
			wg.Wait()
			if err != nil {
				t.Fatalf("open beside two that close: %v", err)
			}
			if err := c.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
		hostIsAsItWas(t, "after exits came and went", before)
	})
}

// An exit that has given up its interface owns its table a moment longer. Who takes the name meanwhile waits for it.
func TestNetExitWaitsForTheTableOfOneThatCloses(t *testing.T) {
	inNetwork(t, func(t *testing.T, n network) {
		before := hostState(t)
		leave := squat(t, "byway_exit_bwexit0")
		becomes(t, "the table has an owner", func() bool {
			return exec.Command("nft", "list", "table", "inet", "byway_exit_bwexit0").Run() == nil
		})
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			time.Sleep(300 * time.Millisecond)
			leave()
		}()
		e, err := n.tryExit(t, ExitConfig{Mode: Privileged})
		if err != nil {
			t.Fatalf("open while the table of that name has an owner: %v", err)
		}
		select {
		case <-gone:
		default:
			t.Error("the exit is open, and the table still has another owner")
		}
		if err := e.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		hostIsAsItWas(t, "after the exit", before)
	})
}

// The host's table is put back whatever was done to it; while that can't be, the host forwards nothing, and says so.
func TestNetAdversaryHostTableIsPutBackOrNothingIsForwarded(t *testing.T) {
	inNetwork(t, func(t *testing.T, n network) {
		passes, before, never := n.stranger(t), hostState(t), wanForwards(t)
		e := n.exit(t, ExitConfig{Mode: Privileged})
		n.join(t, e, math.MaxUint64)
		p := n.standardPrey(t, e)
		want := hostTable(t)
		for _, attack := range []string{
			"insert rule inet byway_exits forward accept", "delete element inet byway_exits switched4 { wan }",
			"flush set inet byway_exits switched6", "flush chain inet byway_exits forward", "add table inet byway_exits { flags dormant; }",
			"add chain inet byway_exits forward { policy drop; }", "delete table inet byway_exits",
		} {
			if passes() {
				t.Fatalf("before %s, the host forwards for a stranger", attack)
			}
			run(t, "nft", attack)
			becomes(t, "the host's table is back after "+attack, func() bool { return hostTable(t) == want })
		}
		becomes(t, "the exit forwards", func() bool { return n.works(t, p) })

		leave := squat(t, "byway_exits")
		took := becomes(t, "the exit says that it is closed", func() bool { return strings.HasPrefix(e.Trouble(), "closed: ") })
		t.Logf("after %v: %s", took, e.Trouble())
		becomes(t, "the host forwards nothing", func() bool { return wanForwards(t) == never })
		if passes() || n.works(t, p) {
			t.Error("a host without its table forwards")
		}
		leave()
		becomes(t, "all is back", func() bool { return hostTable(t) == want && e.Trouble() == "" && n.works(t, p) })
		if passes() {
			t.Error("the host forwards for a stranger")
		}
		// An interface that is renamed is the same one.
		if exec.Command("ip", "link", "set", "wan", "name", "wan9").Run() == nil { // some kernels refuse, while it is up
			renamed := strings.ReplaceAll(want, `"wan"`, `"wan9"`)
			becomes(t, "the host's table knows the new name", func() bool { return hostTable(t) == renamed })
			run(t, "nft", "flush", "ruleset")
			becomes(t, "the host's table is back", func() bool { return hostTable(t) == renamed && n.works(t, p) })
			if passes() {
				t.Error("the host forwards for a stranger, from an interface that was renamed")
			}
			run(t, "ip", "link", "set", "wan9", "name", "wan")
		}

		// Whoever keeps the exits' lock keeps nothing open.
		var hold net.Listener
		becomes(t, "the exit lets go of the lock", func() bool {
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: "\x00byway-exits", Net: "unix"})
			hold = l
			return err == nil
		})
		defer hold.Close()
		run(t, "nft", "flush", "ruleset")
		becomes(t, "the host forwards nothing", func() bool { return wanForwards(t) == never })
		if passes() {
			t.Error("the host forwards for a stranger while its exits can't be locked")
		}
		if err := e.Close(); err == nil || !strings.Contains(err.Error(), "lock") {
			t.Errorf("close without the lock: %v", err)
		}
		hostIsAsItWas(t, "after a close without the lock", before)
		t.Logf("adversary: another program changes or keeps the host's table, or the exits' lock | bound: put back, or nothing forwarded and said | seen: 7 changes undone, shut after %v",
			took.Round(time.Millisecond))
	})
}

// An owner who makes the host a router while an exit runs has one, whatever happens to the table; it stays one after the exit.
// It is also the control of the other tests: this stranger passes.
func TestNetOwnersRouterForwardsForAll(t *testing.T) {
	inNetwork(t, func(t *testing.T, n network) {
		passes := n.stranger(t)
		e := n.exit(t, ExitConfig{Mode: Privileged})
		n.join(t, e, math.MaxUint64)
		p := n.standardPrey(t, e)
		if passes() {
			t.Error("the host forwards for a stranger")
		}
		router := func(on string) { t.Helper(); setting(t, "ipv4/conf/all/forwarding", on) }
		router("1")
		becomes(t, "an owner's router forwards", passes)
		run(t, "nft", "flush", "ruleset")
		becomes(t, "the host's table is back", func() bool { return hostTable(t) != "" })
		becomes(t, "an owner's router forwards after a flush", passes)

		// And an owner who thinks again.
		router("0")
		becomes(t, "the exit has what it needs", func() bool { return strings.Contains(hostTable(t), `"wan"`) && n.works(t, p) })
		if passes() {
			t.Error("the host forwards for a stranger")
		}
		router("1")
		becomes(t, "an owner's router forwards again", passes)
		e.Close()
		if !passes() {
			t.Error("the exit has turned off what the owner turned on")
		}

		// A router whose owner keeps this way shut is no exit, unless its owner says so.
		for _, s := range [][2]string{{"ipv4/conf/all/forwarding", "ipv4/conf/wan/forwarding"}, {"ipv6/conf/all/force_forwarding", "ipv6/conf/wan/force_forwarding"}} {
			if _, err := os.Stat("/proc/sys/net/" + s[0]); err != nil {
				continue // a kernel before 6.17
			}
			setting(t, s[0], "1")
			setting(t, s[1], "0")
			before := hostState(t)
			refused, err := n.tryExit(t, ExitConfig{Mode: Privileged})
			if err == nil {
				refused.Close()
			}
			if err == nil || !strings.Contains(err.Error(), s[1]) {
				t.Errorf("an exit on a router that keeps %s off: %v", s[1], err)
			}
			hostIsAsItWas(t, "after a router that is no exit", before)
			setting(t, s[0], "0")
		}
	})
}
