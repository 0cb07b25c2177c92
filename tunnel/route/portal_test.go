//go:build linux

package route_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"byway/tunnel/route"
)

// A hole for a captive portal lets portal programs out and nobody else, closes when it is told to, and closes by itself
// when the daemon that opened it is killed.
func TestNetAdversaryPortalHoleClosesByItself(t *testing.T) {
	w := newWorld(t)
	w.start(w.internet, "internet").do(request{Op: "check"})
	w.start(w.provider, "internet").try(request{Op: "check"}) // a portal on the LAN
	mount := t.TempDir()
	daemon := w.start(w.consumer, "consumer")
	if _, err := daemon.try(request{Op: "cgroup", Text: mount}); err != nil {
		t.Skipf("needs cgroup v2: %v", err)
	}
	programs := w.start(w.consumer, "programs")
	c := w.capture()
	c.phase(controls[0])
	programs.rounds(2)
	daemon.do(request{Op: "lock", Config: &route.Config{StateDir: w.stateDir}})
	inside := "mount -t cgroup2 none " + mount + " && echo $$ > " + filepath.Join(mount, route.Portal.Group(), "cgroup.procs") + " && exec "
	asks := func(what string) (string, error) { return w.try(w.consumer, "sh", "-ec", inside+what) }
	const page = "curl -sS --max-time 2 http://"
	closed := func(when string) {
		t.Helper()
		for _, what := range []string{
			page + web4 + "/", page + lanHost + "/", page + "[" + web6 + "]/", page + web4 + "/ --interface eth0",
			page + "[" + web6 + "]/ --interface eth0", "dig +tries=1 +time=1 @" + dns4 + " " + webName,
		} {
			if out, err := asks(what); err == nil {
				t.Errorf("%s, a portal program did %s: %s", when, what, out)
			}
		}
	}
	closed("before there is a hole")
	for _, d := range []uint64{0, uint64(route.PortalMost/time.Second) + 1} {
		if _, err := daemon.try(request{Op: "open portal", Limit: d}); err == nil {
			t.Errorf("a hole was opened for %d seconds", d)
		}
	}

	a := daemon.do(request{Op: "open portal", Limit: 120})
	if !strings.Contains(a.Text, dns4) {
		t.Errorf("the local network's resolvers are %s, not %s", a.Text, dns4)
	}
	if got := daemon.do(request{Op: "trouble"}).Text; !strings.Contains(got, route.Portal.Group()) {
		t.Errorf("the daemon does not say that there is a hole: %q", got)
	}
	if got := daemon.do(request{Op: "inspect", Text: w.stateDir}).Shut; got == nil || got.Hole == nil {
		t.Errorf("nobody is told of the hole: %+v", got)
	}
	for layer, has := range map[string]string{"nft list set inet byway-route portal": "elements", "ip xfrm policy": "mark 0x62770004"} {
		if out := w.in(w.consumer, strings.Fields(layer)...); !strings.Contains(out, has) {
			t.Errorf("%s does not show the hole:\n%s", layer, out)
		}
	}
	for addr, self := range map[string]string{web4: consumer4, lanHost: lanSelf} {
		if out, err := asks(page + addr + "/"); err != nil || out != self {
			t.Errorf("a portal program reaches %s as %q, not %s (%v)", addr, out, self, err)
		}
	}
	// Whichever resolver it asks, the local one answers.
	for _, server := range []string{dns4, "192.0.2.53"} {
		for _, proto := range []string{"+notcp", "+tcp"} {
			out, err := asks("dig +short +tries=2 +time=2 " + proto + " @" + server + " " + webName)
			if err != nil || strings.TrimSpace(out) != web4 {
				t.Errorf("a portal program asks %s by %s for a name: %v: %s", server, proto, err, out)
			}
		}
	}
	for _, what := range []string{
		page + web4 + ":853/", page + "[" + web6 + "]/", "ping -c1 -W1 " + web4, "dig +tries=1 +time=1 @" + dns6 + " " + webName,
	} {
		if out, err := asks(what); err == nil {
			t.Errorf("while there is a hole, a portal program did %s: %s", what, out)
		}
	}
	c.phase("others, while there is a hole")
	programs.rounds(2)
	c.phase("portal programs")
	w.in(w.consumer, "nft", "flush", "ruleset")
	if out, err := asks(page + web4 + "/"); err != nil || out != consumer4 {
		t.Errorf("after another program's flush, a portal program reaches %s as %q (%v)", web4, out, err)
	}
	daemon.do(request{Op: "close portal"})
	closed("after the hole was closed")
	if got := daemon.do(request{Op: "inspect", Text: w.stateDir}).Shut; got == nil || got.Hole != nil {
		t.Errorf("a hole that was closed is said to be open: %+v", got)
	}

	// Killed, and nobody is there to close it but the kernel.
	const open = 6 * time.Second
	daemon.do(request{Op: "open portal", Limit: uint64(open / time.Second)})
	began := time.Now()
	daemon.kill()
	if out, err := asks(page + web4 + "/"); err != nil || out != consumer4 {
		t.Logf("the machine is busy: the hole was not used before it closed (%v: %s)", err, out)
	}
	w.eventually("the hole closes by itself", func() error {
		if out := w.in(w.consumer, "nft", "list", "set", "inet", "byway-route", "portal"); strings.Contains(out, "elements") {
			return fmt.Errorf("%s", out)
		}
		if out := w.in(w.consumer, "ip", "xfrm", "policy"); strings.Contains(out, "mark 0x62770004") {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	took := time.Since(began)
	closed("after the hole has closed by itself")
	if got := w.start(w.consumer, "consumer").do(request{Op: "inspect", Text: w.stateDir}).Shut; got == nil || got.Hole != nil {
		t.Errorf("a hole that has closed by itself is said to be open: %+v", got)
	}
	c.phase("others, after it has closed")
	programs.rounds(2)
	w.in(w.consumer, "nft", "flush", "ruleset")
	if out, err := asks(page + web4 + "/"); err == nil {
		t.Errorf("after kill -9 and a flush, a portal program reached %s as %q", web4, out)
	}
	c.phase(controls[1])
	if err := inNamespace(w, request{Op: "restore", Text: w.stateDir}); err != nil {
		t.Error(err)
	}
	programs.rounds(2)
	counts := c.end()
	clear := counts["others, while there is a hole"].clearTotal() + counts["others, after it has closed"].clearTotal()
	if clear > 0 {
		t.Errorf("%d packets of others left in the clear", clear)
	}
	for _, name := range controls {
		if counts[name].clearTotal() == 0 {
			t.Errorf("%s: nothing was seen, so that the rest proves nothing", name)
		}
	}
	t.Logf("adversary: the daemon is killed while a hole of %v is open for a captive portal | "+
		"bound: it closes by then, and 0 packets of other programs leave | seen: closed after %v, %d packets", open, took.Round(time.Second), clear)
}
