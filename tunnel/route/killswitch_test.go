//go:build linux

package route_test

import (
	"errors"
	"fmt"
	"net"
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
		w.eventually(fmt.Sprintf("dig %v", args), func() error { // what another program has undone is put back a moment later
			out, err := w.try(w.consumer, append([]string{"dig", "+short", "+tries=2", "+time=3", webName}, args...)...)
			if err == nil && strings.TrimSpace(out) != web4 && strings.TrimSpace(out) != web6 {
				err = errors.New("another answer")
			}
			if err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return nil
		})
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
