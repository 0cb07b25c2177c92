//go:build linux

package route_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"byway/tunnel/route"
)

// fetch gets the page that says who asked for it.
func (w *world) fetch(url string, args ...string) (string, error) {
	return w.try(w.consumer, append([]string{"curl", "-sS", "--max-time", "5", url}, args...)...)
}

// works shows that names and both families go through the tunnel: the web server sees the provider.
func (w *world) works() {
	w.t.Helper()
	for flag, exit := range map[string]string{"-4": "203.0.113.1", "-6": "2001:db8:2::1"} {
		w.eventually("curl "+flag, func() error {
			out, err := w.fetch("http://"+webName+"/", flag)
			if err == nil && out != exit {
				err = errors.New("the server saw another address")
			}
			if err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return nil
		})
	}
	for _, args := range [][]string{
		{"A", "+notcp"}, {"A", "+tcp"}, {"AAAA", "+notcp"}, {"A", "@" + dns4}, {"A", "@" + dns6, "+tcp"},
	} {
		out, err := w.try(w.consumer, append([]string{"dig", "+short", "+tries=2", "+time=3", webName}, args...)...)
		if err != nil || strings.TrimSpace(out) != web4 && strings.TrimSpace(out) != web6 {
			w.t.Errorf("dig %v: %v: %s", args, err, out)
		}
	}
}

const plenty = 1 << 40

// controls are the phases without a kill switch, in which everything that is tried must be seen.
var controls = []string{"open (positive control)", "restored (positive control)"}

// kinds of packets that the programs try to send.
var kinds = []string{
	"udp4 with the canary", "udp4 port 53 with the canary", "udp4 port 853 with the canary", "udp6 with the canary",
	"udp6 port 53 with the canary", "udp6 port 853 with the canary", "tcp4", "tcp4 port 53", "tcp4 port 853", "tcp6",
	"tcp6 port 53", "tcp6 port 853", "ip4 protocol 1 with the canary", "ip4 protocol 2", "ip4 protocol 41 with the canary",
	"ip4 protocol 47 with the canary", "ip4 protocol 132 with the canary", "ip6 protocol 58 with the canary",
	"ip6 protocol 47 with the canary", "ip6 protocol 132 with the canary",
}

func TestNetKillSwitchByCapture(t *testing.T) {
	w := newWorld(t)
	internet := w.start(w.internet, "internet")
	internet.do(request{Op: "check"})
	provider := w.start(w.provider, "provider")
	provider.do(request{Op: "start"})
	daemon := w.start(w.consumer, "consumer")
	programs := w.start(w.consumer, "programs")
	c := w.capture()
	// The programs never stop. What they send while there is no kill switch shows that the capture sees it.
	c.phase(controls[0])
	programs.rounds(2)

	daemon.do(request{Op: "lock", Config: &route.Config{StateDir: w.stateDir}})
	c.phase("locked, no tunnel yet")
	programs.rounds(2)
	if out, err := w.fetch("http://" + web4 + "/"); err == nil {
		t.Errorf("a locked machine reached the internet as %q", out)
	}

	c.phase("connect")
	w.session(daemon, provider, plenty, provider4)
	daemon.do(request{Op: "up"})
	programs.rounds(1)

	c.phase("up")
	w.works()
	programs.rounds(2)

	c.phase("roam: address")
	w.script(w.consumer, `
		ip addr del `+consumer4+`/24 dev eth0
		ip addr add `+consumer4b+`/24 dev eth0
		ip addr add `+consumer6b+`/64 dev eth0 nodad
		ip addr del `+consumer6+`/64 dev eth0
		ip route replace default via `+provider4+` metric 100
		ip -6 route replace default via `+provider6+` metric 100`)
	programs.rounds(2)
	w.works()

	c.phase("roam: link down and up")
	w.script(w.consumer, "ip link set eth0 down")
	programs.rounds(1)
	w.script(w.consumer, `
		ip link set eth0 up
		ip addr replace `+consumer6b+`/64 dev eth0 nodad
		ip route replace default via `+provider4+` metric 100
		ip -6 route replace default via `+provider6+` metric 100`)
	programs.rounds(1)
	w.works()

	c.phase("provider death")
	provider.kill()
	programs.rounds(2)
	if out, err := w.fetch("http://"+web4+"/", "--max-time", "1"); err == nil {
		t.Errorf("without a provider the internet was reached as %q", out)
	}
	c.phase("session ended")
	daemon.do(request{Op: "hangup"})
	programs.rounds(2)

	c.phase("another session, held")
	provider = w.start(w.provider, "provider")
	provider.do(request{Op: "start"})
	const window = 1 << 20
	w.session(daemon, provider, window, provider4)
	daemon.do(request{Op: "up"})
	if out, err := w.fetch("http://"+web4+"/?bytes=4000000", "-o", "/dev/null", "--max-time", "3"); err == nil {
		t.Errorf("4 MB passed a window of %d bytes: %s", window, out)
	}
	w.eventually("the provider holds the session", func() error {
		if s := provider.do(request{Op: "state"}); !s.Held {
			return fmt.Errorf("open after %d bytes", s.Count)
		}
		return nil
	})
	programs.rounds(2)
	c.phase("paid")
	provider.do(request{Op: "allow", Limit: plenty})
	w.works()
	if out, err := w.fetch("http://"+web4+"/?bytes=4000000", "-o", "/dev/null"); err != nil {
		t.Errorf("after paying: %v: %s", err, out)
	}
	programs.rounds(1)

	c.phase("kill -9 of the daemon")
	daemon.kill()
	programs.rounds(3)
	if out, err := w.fetch("http://" + web4 + "/"); err == nil {
		t.Errorf("after kill -9 the internet was reached as %q", out)
	}

	c.phase("next start, lockdown")
	daemon = w.start(w.consumer, "consumer")
	daemon.do(request{Op: "lock", Config: &route.Config{StateDir: w.stateDir, Lockdown: true}})
	programs.rounds(1)
	w.session(daemon, provider, plenty, provider6)
	daemon.do(request{Op: "up"})
	w.works()
	programs.rounds(1)

	c.phase("disconnect under lockdown")
	daemon.do(request{Op: "hangup"})
	daemon.do(request{Op: "close"})
	programs.rounds(2)
	daemon.do(request{Op: "recover", Text: w.stateDir}) // the next start without a tunnel
	programs.rounds(1)

	// This phase begins while the machine is still closed, and so takes all that follows it.
	c.phase(controls[1])
	daemon.do(request{Op: "restore", Text: w.stateDir})
	programs.rounds(3)
	counts := c.end()
	programs.kill()

	for _, p := range c.phases {
		if n := counts[p.name].clearTotal(); n != 0 && !slices.Contains(controls, p.name) {
			t.Errorf("%s: %d packets left in the clear: %v", p.name, n, counts[p.name].clear)
		}
	}
	for _, name := range controls {
		for _, kind := range kinds {
			if counts[name].clear[kind] == 0 {
				t.Errorf("%s: the capture saw no %s, so that its absence proves nothing", name, kind)
			}
		}
	}
	if counts["up"].tunnel == 0 {
		t.Error("the capture saw no packet of the tunnel")
	}
}

func TestNetCloseRestoresTheMachineByteForByte(t *testing.T) {
	w := newWorld(t)
	w.start(w.internet, "internet").do(request{Op: "check"})
	provider := w.start(w.provider, "provider")
	provider.do(request{Op: "start"})
	before := w.machine()
	for _, cfg := range []route.Config{
		{},
		{LAN: true},
		{Lockdown: true},
	} {
		cfg.StateDir = w.stateDir
		daemon := w.start(w.consumer, "consumer")
		daemon.do(request{Op: "lock", Config: &cfg})
		w.session(daemon, provider, plenty, provider4)
		daemon.do(request{Op: "up"})
		w.works()
		daemon.do(request{Op: "hangup"})
		if cfg.Lockdown {
			daemon.do(request{Op: "release"})
		} else {
			daemon.do(request{Op: "close"})
		}
		w.sameMachine(fmt.Sprintf("after closing %+v", cfg), before)
		if left, _ := filepath.Glob(filepath.Join(w.stateDir, "routes.json")); len(left) > 0 {
			t.Errorf("closing left %v", left)
		}
		daemon.kill()
	}
}

func TestNetRestoreAfterKillAtEveryStep(t *testing.T) {
	w := newWorld(t)
	w.start(w.internet, "internet").do(request{Op: "check"})
	provider := w.start(w.provider, "provider")
	provider.do(request{Op: "start"})
	before := w.machine()
	for _, step := range []string{"lock", "dial", "up", "hangup", "up again"} {
		daemon := w.start(w.consumer, "consumer")
		steps := []func(){
			func() { daemon.do(request{Op: "lock", Config: &route.Config{StateDir: w.stateDir}}) },
			func() { w.session(daemon, provider, plenty, provider4) },
			func() { daemon.do(request{Op: "up"}) },
			func() { daemon.do(request{Op: "hangup"}) },
			func() { w.session(daemon, provider, plenty, provider4); daemon.do(request{Op: "up"}); w.works() },
		}
		for i, name := range []string{"lock", "dial", "up", "hangup", "up again"} {
			steps[i]()
			if name == step {
				break
			}
		}
		if err := inNamespace(w, request{Op: "restore", Text: w.stateDir}); err == nil || !strings.Contains(err.Error(), "held") {
			t.Errorf("restoring under a running daemon: %v", err)
		}
		daemon.kill()
		if out, err := w.fetch("http://"+web4+"/", "--max-time", "2"); err == nil {
			t.Errorf("killed after %s, the machine reached the internet as %q", step, out)
		}
		for range 2 { // the second time there is nothing to do
			if err := inNamespace(w, request{Op: "restore", Text: w.stateDir}); err != nil {
				t.Error(err)
			}
			w.sameMachine("killed after "+step+" and restored", before)
		}
	}
}

// inNamespace does one thing in a process of its own.
func inNamespace(w *world, r request) error {
	c := w.start(w.consumer, "consumer")
	defer c.kill()
	_, err := c.try(r)
	return err
}

func TestNetLANIsReachedOnlyWhenAsked(t *testing.T) {
	w := newWorld(t)
	w.start(w.internet, "internet").do(request{Op: "check"})
	provider := w.start(w.provider, "provider")
	provider.do(request{Op: "start"})
	for _, lan := range []bool{false, true} {
		daemon := w.start(w.consumer, "consumer")
		daemon.do(request{Op: "lock", Config: &route.Config{StateDir: w.stateDir, LAN: lan}})
		w.session(daemon, provider, plenty, provider4)
		daemon.do(request{Op: "up"})
		if _, err := w.try(w.consumer, "ping", "-c1", "-W1", lanHost); (err == nil) != lan {
			t.Errorf("LAN %v: ping of a host on the link: %v", lan, err)
		}
		// The provider's address is on the link, but it is no private one.
		if _, err := w.try(w.consumer, "ping", "-c1", "-W1", provider4); err == nil {
			t.Errorf("LAN %v: a public address on the link was reached outside the tunnel", lan)
		}
		if out, err := w.try(w.consumer, "dig", "+tries=1", "+time=1", "@"+lanHost, webName); err == nil {
			t.Errorf("LAN %v: a resolver on the LAN was asked: %s", lan, out)
		}
		w.works()
		daemon.do(request{Op: "hangup"})
		daemon.do(request{Op: "close"})
		daemon.kill()
	}
}

func TestNetPrefixesAreSplit(t *testing.T) {
	w := newWorld(t)
	w.start(w.internet, "internet").do(request{Op: "check"})
	provider := w.start(w.provider, "provider")
	provider.do(request{Op: "start"})
	before := w.machine()
	const exit4, exit6 = "203.0.113.1", "2001:db8:2::1"
	for _, tc := range []struct {
		name             string
		cfg              route.Config
		web4, dns4, web6 string // whom the server is to see
	}{
		{"exclude", route.Config{Exclude: prefixes(web4 + "/32")}, consumer4, exit4, exit6},
		{"exclude IPv6", route.Config{Exclude: prefixes("2001:db8:2::/64")}, exit4, exit4, consumer6},
		{"include", route.Config{Include: prefixes(web4 + "/32")}, exit4, consumer4, exit6},
		{"include IPv6", route.Config{Include: prefixes("2001:db8:2::/64")}, exit4, exit4, exit6},
		{"include less", route.Config{Include: prefixes(web4+"/32", "2001:db8:3::/64")}, exit4, consumer4, consumer6},
		{"include and exclude", route.Config{Include: prefixes("203.0.113.0/24"), Exclude: prefixes(dns4 + "/32")},
			exit4, consumer4, exit6},
	} {
		tc.cfg.StateDir = w.stateDir
		daemon := w.start(w.consumer, "consumer")
		daemon.do(request{Op: "lock", Config: &tc.cfg})
		w.session(daemon, provider, plenty, provider4)
		daemon.do(request{Op: "up"})
		for addr, want := range map[string]string{web4: tc.web4, dns4: tc.dns4, "[" + web6 + "]": tc.web6} {
			if out, err := w.fetch("http://" + addr + "/"); err != nil || out != want {
				t.Errorf("%s: %s saw %q, want %s (%v)", tc.name, addr, out, want, err)
			}
		}
		// Names are resolved through the tunnel whatever is split.
		if out, err := w.try(w.consumer, "dig", "+short", webName); err != nil || strings.TrimSpace(out) != web4 {
			t.Errorf("%s: dig: %v: %s", tc.name, err, out)
		}
		if tc.web4 == consumer4 || tc.dns4 == consumer4 {
			if _, err := w.try(w.consumer, "dig", "+tcp", "+tries=1", "+time=1", "-b", consumer4, "@"+dns4, webName); err == nil &&
				tc.dns4 == consumer4 {
				t.Errorf("%s: a resolver outside the tunnel was asked", tc.name)
			}
		}
		daemon.do(request{Op: "hangup"})
		for addr, want := range map[string]string{web4: tc.web4, dns4: tc.dns4, "[" + web6 + "]": tc.web6} {
			if out, err := w.fetch("http://" + addr + "/"); (want == exit4 || want == exit6) && err == nil {
				t.Errorf("%s: without a tunnel, %s saw %q", tc.name, addr, out)
			}
		}
		daemon.do(request{Op: "close"})
		daemon.kill()
		w.sameMachine(tc.name, before)
	}
}

func TestNetProgramsAreSplit(t *testing.T) {
	w := newWorld(t)
	w.start(w.internet, "internet").do(request{Op: "check"})
	provider := w.start(w.provider, "provider")
	provider.do(request{Op: "start"})
	before := w.machine()
	mount := t.TempDir()
	for _, only := range []bool{false, true} {
		daemon := w.start(w.consumer, "consumer")
		if _, err := daemon.try(request{Op: "cgroup", Text: mount}); err != nil {
			t.Skipf("needs cgroup v2: %v", err)
		}
		daemon.do(request{Op: "lock", Config: &route.Config{StateDir: w.stateDir, OnlyPrograms: only}})
		w.session(daemon, provider, plenty, provider4)
		daemon.do(request{Op: "up"})
		side := route.Outside
		if only {
			side = route.Inside
		}
		group := "mount -t cgroup2 none " + mount + " && echo $$ > " + filepath.Join(mount, side.Group(), "cgroup.procs") + " && "
		for flag, want := range map[string]map[bool]string{
			"-4": {true: "203.0.113.1", false: consumer4},
			"-6": {true: "2001:db8:2::1", false: consumer6},
		} {
			for _, member := range []bool{false, true} {
				run := "exec curl -sS --max-time 5 " + flag + " http://" + webName + "/"
				if member {
					run = group + run
				}
				through := member == only
				if out, err := w.try(w.consumer, "sh", "-ec", run); err != nil || out != want[through] {
					t.Errorf("only programs %v, a member %v, %s: the server saw %q, want %s (%v)",
						only, member, flag, out, want[through], err)
				}
			}
		}
		// What a program outside asks is asked through the tunnel.
		if !only {
			out, err := w.try(w.consumer, "sh", "-ec", group+"exec dig +short +tries=1 +time=2 "+webName)
			if err != nil || strings.TrimSpace(out) != web4 {
				t.Errorf("dig outside: %v: %s", err, out)
			}
		}
		if only {
			// A resolver on loopback, as systemd-resolved is, would ask outside: these programs don't get to it.
			if err := os.WriteFile(w.resolv, []byte("nameserver 127.0.0.53\n"), 0o640); err != nil {
				t.Fatal(err)
			}
			for _, proto := range []string{"+notcp", "+tcp"} {
				out, err := w.try(w.consumer, "sh", "-ec", group+"exec dig +short +tries=1 +time=2 "+proto+" "+webName)
				if err != nil || strings.TrimSpace(out) != web4 {
					t.Errorf("dig %s inside, with a resolver on loopback: %v: %s", proto, err, out)
				}
			}
			if err := os.WriteFile(w.resolv, []byte(formerResolv), 0o640); err != nil {
				t.Fatal(err)
			}
		}
		daemon.do(request{Op: "hangup"})
		if only {
			if out, err := w.try(w.consumer, "sh", "-ec", group+"exec curl -sS --max-time 2 http://"+web4+"/"); err == nil {
				t.Errorf("a program that is to be inside went outside, as %q", out)
			}
			if out, err := w.fetch("http://" + web4 + "/"); err != nil || out != consumer4 {
				t.Errorf("another program: %v: %s", err, out)
			}
		}
		daemon.do(request{Op: "close"})
		daemon.kill()
		w.sameMachine(fmt.Sprintf("only programs %v", only), before)
	}
}

func TestNetDaemonReachesItsOwnThroughTheKillSwitch(t *testing.T) {
	w := newWorld(t)
	w.start(w.internet, "internet").do(request{Op: "check"})
	daemon := w.start(w.consumer, "consumer")
	daemon.do(request{Op: "lock", Config: &route.Config{StateDir: w.stateDir}})
	if a := daemon.do(request{Op: "resolve", Text: webName}); !strings.Contains(a.Text, web4) {
		t.Errorf("resolved %s to %s", webName, a.Text)
	}
	for _, host := range []string{web4, web6, webName} {
		daemon.do(request{Op: "underlay", Text: net.JoinHostPort(host, "80")})
	}
	if err := inNamespace(w, request{Op: "lock", Config: &route.Config{StateDir: w.stateDir}}); err == nil ||
		!strings.Contains(err.Error(), route.ErrInUse.Error()) {
		t.Errorf("a second daemon: %v", err)
	}
	daemon.do(request{Op: "close"})
}

func TestNetResolvConfOfAnotherNetworkIsKeptForLater(t *testing.T) {
	w := newWorld(t)
	w.start(w.internet, "internet").do(request{Op: "check"})
	provider := w.start(w.provider, "provider")
	provider.do(request{Op: "start"})
	const newer = "nameserver 192.0.2.1\n" // as a DHCP client would write
	for _, killed := range []bool{false, true} {
		if err := os.WriteFile(w.resolv, []byte(formerResolv), 0o644); err != nil {
			t.Fatal(err)
		}
		daemon := w.start(w.consumer, "consumer")
		daemon.do(request{Op: "lock", Config: &route.Config{StateDir: w.stateDir}})
		w.session(daemon, provider, plenty, provider4)
		daemon.do(request{Op: "up"})
		if err := os.WriteFile(w.resolv, []byte(newer), 0o644); err != nil {
			t.Fatal(err)
		}
		w.works() // once the tunnel's resolver is back in its place
		if killed {
			daemon.kill()
			if err := inNamespace(w, request{Op: "restore", Text: w.stateDir}); err != nil {
				t.Error(err)
			}
		} else {
			daemon.do(request{Op: "hangup"})
			daemon.do(request{Op: "close"})
		}
		if b, err := os.ReadFile(w.resolv); err != nil || string(b) != newer {
			t.Errorf("killed %v: resolv.conf is now %q (%v)", killed, b, err)
		}
	}
}

func TestNetGuestsOfTheMachineUseTheTunnelToo(t *testing.T) {
	w := newWorld(t)
	w.start(w.internet, "internet").do(request{Op: "check"})
	provider := w.start(w.provider, "provider")
	provider.do(request{Op: "start"})
	guest := w.guest()
	daemon := w.start(w.consumer, "consumer")
	daemon.do(request{Op: "lock", Config: &route.Config{StateDir: w.stateDir}})
	ask := func(addr string) (string, error) {
		return w.try(guest, "curl", "-sS", "--max-time", "2", "http://"+addr+"/")
	}
	for _, addr := range []string{web4, "[" + web6 + "]"} {
		if out, err := ask(addr); err == nil {
			t.Errorf("a guest of a locked machine reached the internet as %q", out)
		}
	}
	w.session(daemon, provider, plenty, provider4)
	daemon.do(request{Op: "up"})
	for addr, exit := range map[string]string{web4: "203.0.113.1", "[" + web6 + "]": "2001:db8:2::1"} {
		if out, err := ask(addr); err != nil || out != exit {
			t.Errorf("a guest reached %s as %q (%v), not as %s", addr, out, err, exit)
		}
	}
	daemon.kill()
	if out, err := ask(web4); err == nil {
		t.Errorf("after kill -9, a guest reached the internet as %q", out)
	}
}

func TestNetWorksWithoutIPv6(t *testing.T) {
	w := newWorld(t)
	w.start(w.internet, "internet").do(request{Op: "check"})
	provider := w.start(w.provider, "provider")
	provider.do(request{Op: "start"})
	w.script(w.consumer, "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1")
	before := w.machine()
	daemon := w.start(w.consumer, "consumer")
	daemon.do(request{Op: "lock", Config: &route.Config{StateDir: w.stateDir}})
	w.session(daemon, provider, plenty, provider4)
	daemon.do(request{Op: "up"})
	if out, err := w.fetch("http://"+webName+"/", "-4"); err != nil || out != "203.0.113.1" {
		t.Errorf("the server saw %q (%v)", out, err)
	}
	daemon.do(request{Op: "hangup"})
	daemon.do(request{Op: "close"})
	w.sameMachine("without IPv6", before)
}

func TestNetKillSwitchComesBackWhenAnotherProgramFlushesIt(t *testing.T) {
	w := newWorld(t)
	w.start(w.internet, "internet").do(request{Op: "check"})
	daemon := w.start(w.consumer, "consumer")
	daemon.do(request{Op: "lock", Config: &route.Config{StateDir: w.stateDir}})
	loaded := w.in(w.consumer, "nft", "list", "table", "inet", "byway-route")
	for range 3 {
		w.in(w.consumer, "nft", "flush", "ruleset")
		began := time.Now()
		w.eventually("the kill switch is back", func() error {
			out, err := w.try(w.consumer, "nft", "list", "table", "inet", "byway-route")
			if err == nil && out != loaded {
				err = errors.New("it is another one")
			}
			return err
		})
		t.Logf("back within %s", time.Since(began).Round(time.Millisecond))
	}
	daemon.do(request{Op: "close"})
	if out := w.in(w.consumer, "nft", "list", "ruleset"); out != "" {
		t.Errorf("after closing there is %s", out)
	}
}

func TestNetResolvConfOfEveryKindComesBack(t *testing.T) {
	w := newWorld(t)
	w.start(w.internet, "internet").do(request{Op: "check"})
	provider := w.start(w.provider, "provider")
	provider.do(request{Op: "start"})
	for _, kind := range []string{"file", "link", "dangling", "missing"} {
		daemon := w.start(w.consumer, "consumer")
		daemon.do(request{Op: "etc", Text: kind})
		before := daemon.do(request{Op: "resolv.conf"}).Text
		daemon.do(request{Op: "lock", Config: &route.Config{StateDir: w.stateDir}})
		w.session(daemon, provider, plenty, provider4)
		daemon.do(request{Op: "up"})
		during := daemon.do(request{Op: "resolv.conf"}).Text
		if !strings.Contains(during, "\nnameserver 10.213.0.1\n") {
			t.Errorf("%s: while the tunnel is up: %s", kind, during)
		}
		daemon.do(request{Op: "hangup"})
		daemon.do(request{Op: "close"})
		if after := daemon.do(request{Op: "resolv.conf"}).Text; after != before {
			t.Errorf("%s: was %s, and is %s", kind, before, after)
		}
		daemon.kill()
	}
}

func TestNetRestoreAfterKillAtAnyMoment(t *testing.T) {
	w := newWorld(t)
	w.start(w.internet, "internet").do(request{Op: "check"})
	provider := w.start(w.provider, "provider")
	provider.do(request{Op: "start"})
	before := w.machine()
	locked := 0
	for i := range 20 {
		daemon := w.start(w.consumer, "consumer")
		key := daemon.do(request{Op: "key"})
		welcome := provider.do(request{Op: "add", Key: key.Key, Limit: plenty})
		welcome.Endpoint = netip.AddrPortFrom(netip.MustParseAddr(provider4), port)
		// What is sent is done one after the other, until the kill.
		for _, r := range []request{
			{Op: "lock", Config: &route.Config{StateDir: w.stateDir}}, {Op: "dial", Welcome: &welcome}, {Op: "up"},
			{Op: "hangup"}, {Op: "close"},
		} {
			if err := daemon.in.Encode(r); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Duration(i) * 8 * time.Millisecond)
		daemon.kill()
		if _, err := os.Stat(filepath.Join(w.stateDir, "routes.json")); err == nil {
			locked++
		}
		if err := inNamespace(w, request{Op: "restore", Text: w.stateDir}); err != nil {
			t.Error(err)
		}
		w.sameMachine(fmt.Sprintf("killed after %d ms and restored", i*8), before)
	}
	t.Logf("%d of 20 kills found the machine changed", locked)
	if locked < 3 {
		t.Error("too few kills hit the middle to show anything")
	}
}
