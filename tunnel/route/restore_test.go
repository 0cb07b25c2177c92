//go:build linux

package route_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"byway/tunnel/route"
)

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

func TestNetRestoreAfterRebootTouchesNothingButTheFile(t *testing.T) {
	w := newWorld(t)
	w.start(w.internet, "internet").do(request{Op: "check"})
	provider := w.start(w.provider, "provider")
	provider.do(request{Op: "start"})
	daemon := w.start(w.consumer, "consumer")
	daemon.do(request{Op: "lock", Config: &route.Config{StateDir: w.stateDir, Lockdown: true}})
	w.session(daemon, provider, plenty, provider4)
	daemon.do(request{Op: "up"})
	daemon.kill()
	// What a reboot leaves: the state and the file, and nothing of the kernel's.
	path := filepath.Join(w.stateDir, "routes.json")
	state, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Replace(string(state), strings.TrimSpace(string(boot)), "another-boot", 1)
	if err := os.WriteFile(path, []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	rules := w.in(w.consumer, "ip", "rule")
	if s := w.shut(); s == nil || s.Held || !strings.Contains(s.Reason, "restarted") {
		t.Errorf("after the restart: %+v", s)
	}
	if err := inNamespace(w, request{Op: "restore", Text: w.stateDir}); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(w.resolv); err != nil || string(b) != formerResolv {
		t.Errorf("resolv.conf is %q (%v)", b, err)
	}
	if now := w.in(w.consumer, "ip", "rule"); now != rules {
		t.Errorf("rules of this boot were changed:\n%s", now)
	}
}
