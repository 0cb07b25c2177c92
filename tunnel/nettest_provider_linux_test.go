package tunnel

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
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
			if err := echoes(c, random(t, 100_000)); err != nil {
				t.Errorf("tcp %v: %v", a, err)
			}
			c.Close()
			c, err = n.dial(t, "c", "udp", n.listenUDP(t, "i", netip.AddrPortFrom(a, 0)), time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if err := echoes(c, random(t, 1300)); err != nil {
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

const exitChildEnv = "BYWAY_TEST_EXIT_CHILD"

// TestExitChild is no test: it is an exit in a process of its own, for tests that kill it.
func TestExitChild(t *testing.T) {
	if os.Getenv(exitChildEnv) == "" {
		t.Skip("a helper of other tests")
	}
	p, err := NewPolicy(PolicyConfig{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewExit(ExitConfig{Mode: Privileged, Policy: p, Listen: netip.AddrPortFrom(provider4, 0)})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		k, _ := GenerateKey()
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
		same := func(when string) {
			t.Helper()
			if after := hostState(t); after != before {
				t.Errorf("%s, the host is not as it was.\nbefore:\n%s\nafter:\n%s", when, before, after)
			}
		}
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
		e := n.exit(t, ExitConfig{Mode: Privileged})
		n.join(t, e, math.MaxUint64)
		to := n.listen(t, "i", netip.AddrPortFrom(host4, 0), func(c net.Conn) { io.Copy(c, c) })
		// From the internet to the lan, and to a session, through the interface that now forwards.
		n.in(t, "i", func() {
			exec.Command("ip", "route", "add", "192.168.77.0/24", "via", provider4.String()).Run()
			exec.Command("ip", "route", "add", "10.213.0.0/16", "via", provider4.String()).Run()
		})
		v4, _ := e.nets.Addrs(firstIndex)
		inside := n.listen(t, "c", netip.AddrPortFrom(v4, 0), func(c net.Conn) { io.Copy(c, c) })
		lan := n.listen(t, "l", netip.AddrPortFrom(lanHost, 0), func(c net.Conn) { io.Copy(c, c) })
		for _, at := range []netip.AddrPort{inside, lan} {
			if c, err := n.dial(t, "i", "tcp", at, 300*time.Millisecond); err == nil {
				c.Close()
				t.Errorf("%v is reached from the internet", at)
			}
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
