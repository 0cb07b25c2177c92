//go:build linux

package route_test

import (
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"byway/tunnel/route"
)

// attack runs a line of shell over and over in a namespace, as another program of the machine does, until it is stopped.
func (w *world) attack(ns, line string) (stop func()) {
	w.t.Helper()
	cmd := exec.Command("ip", "netns", "exec", ns, "sh", "-c", "while :; do "+line+"; sleep 0.02; done >/dev/null 2>&1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			cmd.Wait()
		}
	}
	w.t.Cleanup(stop)
	return stop
}

// What other programs of a machine do to its network, over and over.
var disturbances = []struct {
	name, line string
	undo       string // what removes what it has added
	held       bool   // only where a daemon puts things back: it takes every layer away
	says       string // what Trouble is to say of it, while it goes on or after; empty: nothing needs to be put back
}{
	{name: "nft flush ruleset", line: "nft flush ruleset"},
	{name: "nft delete our table", line: "nft flush table inet byway-route; nft delete table inet byway-route"},
	{
		name: "another VPN's rules, before all", line: "ip rule add priority 0 not fwmark 0xca6c lookup 51820; " +
			"ip rule add priority 0 lookup 51820; ip -6 rule add priority 0 lookup 51820; ip rule add priority 1 lookup 51820; " +
			"ip -6 rule add lookup main suppress_prefixlength 0; ip rule add lookup main suppress_prefixlength 0; ip rule add ipproto udp dport 53 lookup main; " +
			"ip route replace default via " + provider4 + " table 51820; ip -6 route replace default via " + provider6 + " table 51820",
		undo: "ip rule del priority 0 not fwmark 0xca6c lookup 51820; ip rule del priority 0 lookup 51820; " +
			"ip -6 rule del priority 0 lookup 51820; ip rule del priority 1 lookup 51820; ip -6 rule del priority 0 lookup main suppress_prefixlength 0; " +
			"ip rule del priority 0 lookup main suppress_prefixlength 0; ip rule del priority 0 ipproto udp dport 53 lookup main; " +
			"ip route flush table 51820; ip -6 route flush table 51820",
	},
	{
		name: "ip rule flush", line: "ip rule flush; ip -6 rule flush", says: "routing rules were removed",
	},
	{
		name: "our rules removed one by one", line: `for f in -4 -6; do ip $f rule list | grep "proto 98" | while read p r; do ` +
			`ip $f rule del priority ${p%:} $r; done; done`, says: "routing rules were removed",
	},
	{
		name: "another VPN's rules, in place of ours", line: `for f in -4 -6; do ip $f rule list | grep "proto 98" | while read p r; do ` +
			`ip $f rule del priority ${p%:} $r; done; ip $f rule add priority 0 lookup 51820; done; ` +
			"ip route replace default via " + provider4 + " table 51820; ip -6 route replace default via " + provider6 + " table 51820",
		undo: "ip rule del priority 0 lookup 51820; ip -6 rule del priority 0 lookup 51820; " +
			"ip route flush table 51820; ip -6 route flush table 51820",
		says: "routing rule 0 of another program goes before Byway's",
	},
	{
		name: "our routes removed", line: "ip route flush table 25207; ip -6 route flush table 25207",
		says: "routes of the tunnel were removed",
	},
	{
		name: "a way out in our table", line: "ip route replace default via " + provider4 + " table 25207; " +
			"ip -6 route replace default via " + provider6 + " table 25207", says: "another program's routes",
	},
	{name: "ip xfrm policy flush", line: "ip xfrm policy flush", says: "policies were removed"},
	{
		name: "all of it at once", line: "nft flush ruleset; ip xfrm policy flush; ip rule flush; ip -6 rule flush; " +
			`for f in -4 -6; do ip $f route flush table 25207; ip $f rule list | grep "proto 98" | while read p r; do ` +
			`ip $f rule del priority ${p%:} $r; done; done`,
		held: true, says: "policies were removed",
	},
	{
		name: "tunnel's interface taken down", line: "ip link set byway0 down; ip addr flush dev byway0; sleep 0.2",
		says: "interface was taken down",
	},
	{
		name: "tunnel's interface renamed", line: "ip link set byway0 name other0 || { ip link set byway0 down; ip link set byway0 name other0; }; " +
			"ip link set other0 up; sleep 0.2", says: "interface was renamed",
	},
	{name: "tunnel's interface of another MTU", line: "ip link set byway0 mtu 1300; sleep 0.2; ip link set byway0 mtu 600; sleep 0.2", says: "MTU of the tunnel's interface"},
}

// TestNetAdversaryNothingLeavesInTheClear lets other programs of the machine undo each layer in a loop, while programs try
// to reach the internet by every way there is, in every part of the life of a session.
func TestNetAdversaryNothingLeavesInTheClear(t *testing.T) {
	w := newWorld(t)
	w.start(w.internet, "internet").do(request{Op: "check"})
	provider := w.start(w.provider, "provider")
	provider.do(request{Op: "start"})
	daemon := w.start(w.consumer, "consumer")
	programs := w.start(w.consumer, "programs")
	c := w.capture()
	c.phase(controls[0])
	programs.rounds(2)

	cfg := &route.Config{StateDir: w.stateDir}
	daemon.do(request{Op: "lock", Config: cfg})
	// Where no daemon puts anything back, each disturbance finds all layers standing: renew makes another session end.
	disturb := func(when string, held bool, renew func()) {
		for _, d := range disturbances {
			if strings.Contains(d.line, "byway0") && when != "up" || d.held && !held {
				continue
			}
			if renew != nil {
				c.phase(when + ", between")
				renew()
			}
			c.phase(when + ": " + d.name)
			stop := w.attack(w.consumer, d.line)
			programs.rounds(2)
			if held && d.says != "" {
				w.eventually("the daemon says what is done to it", func() error {
					if got := daemon.do(request{Op: "trouble"}).Text; !strings.Contains(got, d.says) {
						return fmt.Errorf("it says %q", got)
					}
					return nil
				})
			}
			stop()
			if d.undo != "" {
				w.in(w.consumer, "sh", "-c", d.undo+"; :")
			}
			if when == "up" {
				w.works()
			}
		}
	}
	disturb("locked", true, nil)

	c.phase("connect")
	w.session(daemon, provider, plenty, provider4)
	daemon.do(request{Op: "up"})
	w.works()
	disturb("up", true, nil)

	c.phase("up: tunnel's interface deleted")
	w.in(w.consumer, "ip", "link", "del", "byway0")
	programs.rounds(2)
	w.eventually("the daemon says that its interface is gone", func() error {
		if got := daemon.do(request{Op: "trouble"}).Text; !strings.Contains(got, "no interface byway0") {
			return fmt.Errorf("it says %q", got)
		}
		return nil
	})

	c.phase("abandoned")
	daemon.do(request{Op: "hangup"})
	daemon.do(request{Op: "abandon", Text: "the provider stopped"})
	programs.rounds(1)
	lock := func() {
		daemon = w.start(w.consumer, "consumer")
		daemon.do(request{Op: "lock", Config: cfg})
	}
	disturb("abandoned", false, func() {
		daemon.kill()
		lock()
		daemon.do(request{Op: "abandon", Text: "the spending limit is reached"})
	})
	c.phase("next session")
	lock()
	w.session(daemon, provider, plenty, provider4)
	daemon.do(request{Op: "up"})
	w.works()
	c.phase("kill -9")
	daemon.kill()
	programs.rounds(1)
	disturb("kill -9", false, func() { lock(); daemon.kill() })

	// Kernels that lack a layer: what is flushed there is put back.
	for _, layer := range []string{"owner", "ipsec"} {
		c.phase("a kernel without " + layer)
		daemon = w.start(w.consumer, "consumer")
		daemon.do(request{Op: "without", Text: layer})
		daemon.do(request{Op: "lock", Config: cfg})
		programs.rounds(1)
		for _, d := range disturbances {
			if strings.Contains(d.line, "byway0") || d.held || strings.Contains(d.line, "xfrm") {
				continue
			}
			c.phase("without " + layer + ": " + d.name)
			stop := w.attack(w.consumer, d.line)
			programs.rounds(2)
			stop()
			if d.undo != "" {
				w.in(w.consumer, "sh", "-c", d.undo+"; :")
			}
		}
		c.phase("without " + layer + ": kill -9")
		daemon.kill()
		programs.rounds(1)
	}

	c.phase(controls[1])
	w.in(w.consumer, "sh", "-c", "ip rule add priority 32766 lookup main; ip -6 rule add priority 32766 lookup main; :")
	if err := inNamespace(w, request{Op: "restore", Text: w.stateDir}); err != nil {
		t.Fatal(err)
	}
	programs.rounds(2)
	counts := c.end()
	programs.kill()
	total := 0
	reported := make(map[string]bool)
	for _, p := range c.phases {
		if reported[p.name] {
			continue
		}
		reported[p.name] = true
		if slices.Contains(controls, p.name) {
			continue
		}
		n := counts[p.name].clearTotal()
		if total += n; n != 0 {
			t.Errorf("%s: %d packets left in the clear: %v", p.name, n, counts[p.name].clear)
		}
		t.Logf("adversary: %s | bound: 0 packets in the clear | seen: %d", p.name, n)
	}
	for _, name := range controls {
		for _, kind := range kinds {
			if counts[name].clear[kind] == 0 {
				t.Errorf("%s: the capture saw no %s, so that its absence proves nothing", name, kind)
			}
		}
	}
}

// TestNetAdversaryNamesStayInTheTunnel flushes the firewall of a kernel that can't own a table, in the modes that let
// something past the tunnel: DNS is never part of that, and neither is the rest of the internet.
func TestNetAdversaryNamesStayInTheTunnel(t *testing.T) {
	w := newWorld(t)
	w.start(w.internet, "internet").do(request{Op: "check"})
	provider := w.start(w.provider, "provider")
	provider.do(request{Op: "start"})
	programs := w.start(w.consumer, "programs")
	c := w.capture()
	c.phase("control")
	programs.rounds(2)
	modes := map[string]route.Config{
		"lan": {LAN: true}, "include": {Include: prefixes("8.8.0.0/16", "2001:4860::/32")},
		"exclude": {Exclude: prefixes("203.0.113.0/24", "2001:db8:2::/64", "192.168.77.0/24")},
	}
	for _, name := range slices.Sorted(maps.Keys(modes)) {
		cfg := modes[name]
		cfg.StateDir = w.stateDir
		daemon := w.start(w.consumer, "consumer")
		daemon.do(request{Op: "without", Text: "owner"})
		daemon.do(request{Op: "lock", Config: &cfg})
		c.phase(name)
		w.session(daemon, provider, plenty, provider4)
		daemon.do(request{Op: "up"})
		stop := w.attack(w.consumer, "nft flush ruleset")
		programs.rounds(2)
		stop()
		daemon.kill()
		w.in(w.consumer, "nft", "flush", "ruleset")
		programs.rounds(2)
		c.phase("between")
		if err := inNamespace(w, request{Op: "restore", Text: w.stateDir}); err != nil {
			t.Fatal(err)
		}
	}
	counts := c.end()
	names := func(s seen) int {
		n := 0
		for kind, count := range s.clear {
			if strings.Contains(kind, "port 53") || strings.Contains(kind, "port 853") {
				n += count
			}
		}
		return n
	}
	if names(counts["control"]) == 0 {
		t.Error("the capture saw no question in the clear, so that their absence proves nothing")
	}
	for name := range modes {
		n := names(counts[name])
		if n != 0 {
			t.Errorf("%s: %d packets of DNS left in the clear: %v", name, n, counts[name].clear)
		}
		t.Logf("adversary: nft flush ruleset in mode %s, then kill -9 | bound: 0 packets of DNS in the clear | seen: %d", name, n)
	}
}

// TestNetLocalAddressesAreFoundWhereTheirRuleWasMoved: some systems put the kernel's rule for the machine's addresses
// behind others.
func TestNetLocalAddressesAreFoundWhereTheirRuleWasMoved(t *testing.T) {
	w := newWorld(t)
	w.start(w.internet, "internet").do(request{Op: "check"})
	provider := w.start(w.provider, "provider")
	provider.do(request{Op: "start"})
	w.script(w.consumer, `
		for f in -4 -6; do ip $f rule add priority 200 lookup local; ip $f rule del priority 0 lookup local; done`)
	before := w.machine()
	daemon := w.start(w.consumer, "consumer")
	daemon.do(request{Op: "lock", Config: &route.Config{StateDir: w.stateDir}})
	w.session(daemon, provider, plenty, provider4)
	daemon.do(request{Op: "up"})
	w.works()
	for _, addr := range []string{"127.0.0.1", "::1", consumer4, consumer6} {
		if out, err := w.try(w.consumer, "ping", "-c1", "-W2", addr); err != nil {
			t.Errorf("the machine does not reach itself at %s: %s", addr, out)
		}
	}
	daemon.do(request{Op: "hangup"})
	daemon.do(request{Op: "close"})
	w.sameMachine("after closing", before)
}
