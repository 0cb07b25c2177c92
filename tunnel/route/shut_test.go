//go:build linux

package route_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"byway/tunnel/route"
)

// shut asks a process of its own whether the machine is shut, as any user.
func (w *world) shut() *route.Shut {
	w.t.Helper()
	c := w.start(w.consumer, "consumer")
	defer c.kill()
	return c.do(request{Op: "inspect", Text: w.stateDir}).Shut
}

func TestNetAdversaryOnlyTheUserOpensTheMachine(t *testing.T) {
	w := newWorld(t)
	w.start(w.internet, "internet").do(request{Op: "check"})
	provider := w.start(w.provider, "provider")
	provider.do(request{Op: "start"})
	before := w.machine()
	if s := w.shut(); s != nil {
		t.Errorf("before anything: %+v", s)
	}
	began := time.Now().Add(-time.Second)
	up := func(cfg route.Config) *child {
		cfg.StateDir = w.stateDir
		daemon := w.start(w.consumer, "consumer")
		daemon.do(request{Op: "lock", Config: &cfg})
		w.session(daemon, provider, plenty, provider4)
		daemon.do(request{Op: "up"})
		return daemon
	}
	closed := func(when string) {
		t.Helper()
		seen := "shut"
		for _, addr := range []string{web4, "[" + web6 + "]"} {
			if out, err := w.fetch("http://"+addr+"/", "--max-time", "1"); err == nil {
				seen = "open"
				t.Errorf("%s the machine reached %s as %q", when, addr, out)
			}
		}
		t.Logf("adversary: session ends: %s | bound: shut until the user opens it | seen: %s", when, seen)
	}
	daemon := up(route.Config{})
	if s := w.shut(); s == nil || !s.Held || s.Reason != "" || s.Trouble != "" || s.Since.Before(began) {
		t.Errorf("while a session holds it: %+v", s)
	}

	// An end that is not the user's, and the same daemon still running.
	daemon.do(request{Op: "hangup"})
	daemon.do(request{Op: "abandon", Text: "the spending limit is reached"})
	closed("abandoned")
	s := w.shut()
	if s == nil || s.Held || s.Reason != "the spending limit is reached" || s.Trouble != "" || s.Since.Before(began) {
		t.Errorf("abandoned: %+v", s)
	}
	daemon.do(request{Op: "close"}) // which has nothing to close any more
	closed("abandoned and closed")
	daemon.kill()

	daemon = up(route.Config{})
	w.works()
	if s := w.shut(); s == nil || !s.Held {
		t.Errorf("taken over: %+v", s)
	}
	daemon.kill()
	closed("killed")
	if s := w.shut(); s == nil || s.Held || !strings.Contains(s.Reason, "killed") || s.Trouble != "" {
		t.Errorf("killed: %+v", s)
	}
	w.in(w.consumer, "nft", "flush", "ruleset")
	if s := w.shut(); s == nil || !strings.Contains(s.Trouble, "firewall table") {
		t.Errorf("killed, and the table flushed: %+v", s)
	}
	closed("killed, and the table flushed")
	if err := inNamespace(w, request{Op: "restore", Text: w.stateDir}); err != nil {
		t.Error(err)
	}
	w.script(w.consumer, `
		nft add table inet mine
		nft add chain inet mine out '{ type filter hook output priority 0; policy accept; }'
		nft add rule inet mine out ip daddr 192.0.2.99 drop`)
	w.sameMachine("after restoring", before)
	if s := w.shut(); s != nil {
		t.Errorf("after restoring: %+v", s)
	}

	// Lockdown says so.
	daemon = up(route.Config{Lockdown: true})
	daemon.do(request{Op: "hangup"})
	daemon.do(request{Op: "close"})
	closed("closed under lockdown")
	if s := w.shut(); s == nil || !s.Lockdown || s.Held || s.Reason == "" {
		t.Errorf("lockdown: %+v", s)
	}
	if err := inNamespace(w, request{Op: "restore", Text: w.stateDir}); err != nil {
		t.Error(err)
	}
	w.sameMachine("after lockdown", before)

	// The user's own end opens.
	daemon = up(route.Config{})
	daemon.do(request{Op: "hangup"})
	daemon.do(request{Op: "close"})
	w.sameMachine("after closing (positive control)", before)
}

func TestNetStateOfTheFirstVersionIsRestored(t *testing.T) {
	w := newWorld(t)
	before := w.machine()
	daemon := w.start(w.consumer, "consumer")
	daemon.do(request{Op: "lock", Config: &route.Config{StateDir: w.stateDir}})
	daemon.kill()
	// What the release before left: its table, its rules, and a state that says less.
	path := filepath.Join(w.stateDir, "routes.json")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var state map[string]any
	if err := json.Unmarshal(b, &state); err != nil {
		t.Fatal(err)
	}
	state["version"] = 1
	for _, name := range []string{"since", "holder", "ended"} {
		delete(state, name)
	}
	if b, err = json.Marshal(state); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	w.script(w.consumer, `
		nft delete table inet byway-route
		nft add table inet byway-route
		nft add chain inet byway-route output '{ type filter hook output priority 200; policy drop; }'
		ip rule add priority 19910 lookup main suppress_prefixlength 0 protocol 98
		ip rule add priority 19920 not fwmark 0x62770000/0xffff0000 lookup 25207 protocol 98
		ip -6 rule add priority 19920 not fwmark 0x62770000/0xffff0000 lookup 25207 protocol 98`)
	if s := w.shut(); s == nil || s.Held {
		t.Errorf("left by an older release: %+v", s)
	}
	if err := inNamespace(w, request{Op: "restore", Text: w.stateDir}); err != nil {
		t.Fatal(err)
	}
	w.sameMachine("after restoring", before)
}

func TestNetEverybodyMayAskWhetherTheMachineIsShut(t *testing.T) {
	w := newWorld(t)
	daemon := w.start(w.consumer, "consumer")
	dir := filepath.Join("/var/tmp", filepath.Base(w.consumer))
	t.Cleanup(func() { os.RemoveAll(dir) })
	daemon.do(request{Op: "lock", Config: &route.Config{StateDir: dir}})
	for _, held := range []bool{true, false} {
		if !held {
			daemon.do(request{Op: "abandon", Text: "the provider was killed"})
		}
		nobody := w.start(w.consumer, "consumer")
		nobody.do(request{Op: "nobody"})
		got, err := nobody.try(request{Op: "inspect", Text: dir})
		if err != nil || got.Shut == nil || got.Shut.Held != held {
			t.Errorf("held %v: %+v, %v", held, got.Shut, err)
		}
		nobody.kill()
	}
	if err := inNamespace(w, request{Op: "restore", Text: dir}); err != nil {
		t.Error(err)
	}
}
