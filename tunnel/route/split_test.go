//go:build linux

package route_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"byway/tunnel/route"
)

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

// TestNetAdversaryProgramsInsideStayInside removes the firewall under programs that are to go through the tunnel alone.
func TestNetAdversaryProgramsInsideStayInside(t *testing.T) {
	w := newWorld(t)
	w.start(w.internet, "internet").do(request{Op: "check"})
	provider := w.start(w.provider, "provider")
	provider.do(request{Op: "start"})
	mount := t.TempDir()
	cfg := &route.Config{StateDir: w.stateDir, OnlyPrograms: true}
	for _, layer := range []string{"", "owner"} {
		daemon := w.start(w.consumer, "consumer")
		if _, err := daemon.try(request{Op: "cgroup", Text: mount}); err != nil {
			t.Skipf("needs cgroup v2: %v", err)
		}
		daemon.do(request{Op: "without", Text: layer})
		daemon.do(request{Op: "lock", Config: cfg})
		w.session(daemon, provider, plenty, provider4)
		daemon.do(request{Op: "up"})
		inside := "mount -t cgroup2 none " + mount + " && echo $$ > " +
			filepath.Join(mount, route.Inside.Group(), "cgroup.procs") + " && exec "
		ask := func(what string) (string, error) { return w.try(w.consumer, "sh", "-ec", inside+what) }
		for name, line := range map[string]string{
			"nothing": ":", "nft flush ruleset": "nft flush ruleset",
			"ip rule flush": "ip rule flush; ip -6 rule flush; ip rule add priority 32766 lookup main; ip -6 rule add priority 32766 lookup main",
		} {
			stop := w.attack(w.consumer, line)
			past, tried := 0, 0
			for range 3 {
				for addr, self := range map[string]string{web4: consumer4, "[" + web6 + "]": consumer6} {
					out, err := ask("curl -sS --max-time 1 http://" + addr + "/")
					tried++
					if err == nil && out == self {
						past++
					}
				}
			}
			stop()
			w.in(w.consumer, "sh", "-c", "ip rule add priority 32766 lookup main; ip -6 rule add priority 32766 lookup main; :")
			if past > 0 {
				t.Errorf("while another program does %s, %d of %d connections went past the tunnel", name, past, tried)
			}
			t.Logf("adversary: programs inside, without %q, during %s | bound: 0 connections past the tunnel | seen: %d of %d",
				layer, name, past, tried)
		}
		daemon.kill()
		w.in(w.consumer, "nft", "flush", "ruleset")
		resolver := w.start(w.consumer, "listener")
		resolver.do(request{Op: "count"})
		for _, at := range []string{"127.0.0.53", "::1"} {
			for _, proto := range []string{"+notcp", "+tcp"} {
				ask("dig +short +tries=1 +time=1 @" + at + " " + proto + " " + webName)
			}
		}
		asked := resolver.do(request{Op: "count"})
		if asked.Count > 0 {
			t.Errorf("after kill -9 and a flush, programs inside asked the machine's resolver: %s", asked.Text)
		}
		t.Logf("adversary: programs inside ask the machine's resolver, after kill -9 and a flush | bound: 0 questions | seen: %d", asked.Count)
		w.try(w.consumer, "dig", "+tries=1", "+time=1", "@127.0.0.1", webName)
		if resolver.do(request{Op: "count"}).Count == 0 {
			t.Error("another program's question (positive control) was not seen")
		}
		resolver.kill()
		for _, addr := range []string{web4, "[" + web6 + "]", web4 + " --interface eth0", "[" + web6 + "] --interface eth0"} {
			if out, err := ask("curl -sS --max-time 2 http://" + addr); err == nil {
				t.Errorf("after kill -9 and a flush, a program inside reached %s as %q", addr, out)
			}
		}
		if out, err := w.fetch("http://" + web4 + "/"); err != nil || out != consumer4 {
			t.Errorf("another program (positive control): %v: %s", err, out)
		}
		if err := inNamespace(w, request{Op: "restore", Text: w.stateDir}); err != nil {
			t.Error(err)
		}
	}
}

func TestNetProgramsOutsideReachTheLinkToo(t *testing.T) {
	w := newWorld(t)
	w.start(w.internet, "internet").do(request{Op: "check"})
	w.start(w.provider, "internet").try(request{Op: "check"}) // a web page on the LAN
	provider := w.start(w.provider, "provider")
	provider.do(request{Op: "start"})
	mount := t.TempDir()
	daemon := w.start(w.consumer, "consumer")
	if _, err := daemon.try(request{Op: "cgroup", Text: mount}); err != nil {
		t.Skipf("needs cgroup v2: %v", err)
	}
	daemon.do(request{Op: "lock", Config: &route.Config{StateDir: w.stateDir}})
	w.session(daemon, provider, plenty, provider4)
	daemon.do(request{Op: "up"})
	outside := "mount -t cgroup2 none " + mount + " && echo $$ > " +
		filepath.Join(mount, route.Outside.Group(), "cgroup.procs") + " && exec curl -sS --max-time 5 http://"
	for addr, self := range map[string]string{
		lanHost: lanSelf, provider4: consumer4, "[" + provider6 + "]": consumer6, web4: consumer4, "[" + web6 + "]": consumer6,
	} {
		if out, err := w.try(w.consumer, "sh", "-ec", outside+addr+"/"); err != nil || out != self {
			t.Errorf("outside, %s saw %q, not %s (%v)", addr, out, self, err)
		}
		if out, err := w.fetch("http://"+addr+"/", "--max-time", "2"); err == nil && out == self {
			t.Errorf("another program reached %s past the tunnel", addr)
		}
	}
	daemon.do(request{Op: "hangup"})
	daemon.do(request{Op: "close"})
}
