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

// TestNetAdversaryDeletedStateIsWrittenAgainOrDoneWithout deletes what is written down of a machine that is shut: while a
// daemon runs, after it was killed, and by half.
func TestNetAdversaryDeletedStateIsWrittenAgainOrDoneWithout(t *testing.T) {
	w := newWorld(t)
	w.start(w.internet, "internet").do(request{Op: "check"})
	provider := w.start(w.provider, "provider")
	provider.do(request{Op: "start"})
	path := filepath.Join(w.stateDir, "routes.json")
	lose := func() {
		t.Helper()
		for _, name := range []string{path, filepath.Join(w.stateDir, "routes.lock")} {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := w.machine()
	shutReason := func() string {
		t.Helper()
		if s := w.shut(); s != nil && !s.Held {
			return s.Reason
		}
		return ""
	}
	for _, c := range []struct {
		name  string
		spoil func()
		says  string
		lost  bool
	}{
		{"deleted while a daemon runs", lose, "", false},
		{"deleted after kill -9", lose, "was removed", true},
		{"cut to half after kill -9", func() {
			b, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, b[:len(b)/2], 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, "is damaged", true},
	} {
		daemon := w.start(w.consumer, "consumer")
		daemon.do(request{Op: "lock", Config: &route.Config{StateDir: w.stateDir}})
		w.session(daemon, provider, plenty, provider4)
		daemon.do(request{Op: "up"})
		w.works()
		if !c.lost {
			c.spoil()
			w.eventually("the state is there again", func() error {
				if got := daemon.do(request{Op: "trouble"}).Text; !strings.Contains(got, "the file of what is to be restored was removed") {
					return fmt.Errorf("the daemon says %q", got)
				}
				_, err := os.Stat(path)
				return err
			})
			// Another daemon does not come between.
			if err := inNamespace(w, request{Op: "restore", Text: w.stateDir}); err == nil {
				t.Errorf("%s: the machine was opened while a daemon held it", c.name)
			}
			w.works()
			daemon.kill()
			if err := inNamespace(w, request{Op: "restore", Text: w.stateDir}); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			w.sameMachine(c.name, before)
			t.Logf("adversary: what is to be restored, %s | bound: written again, all restored | seen: so", c.name)
			continue
		}
		daemon.kill()
		c.spoil()
		if _, err := w.try(w.consumer, "ping", "-c1", "-W1", web4); err == nil {
			t.Errorf("%s: the machine is open", c.name)
		}
		reason := shutReason()
		if !strings.Contains(reason, c.says) || !strings.Contains(reason, path) {
			t.Errorf("%s: it is shut because %q", c.name, reason)
		}
		err := inNamespace(w, request{Op: "restore", Text: w.stateDir})
		if err == nil || !strings.Contains(err.Error(), "/etc/resolv.conf") {
			t.Errorf("%s: opened, it says %v, and not that the resolver is lost", c.name, err)
		}
		if _, err := w.try(w.consumer, "ping", "-c1", "-W2", web4); err != nil {
			t.Errorf("%s: unlocked, the machine reaches nothing: %v", c.name, err)
		}
		if again := shutReason(); again != "" {
			t.Errorf("%s: opened, it is shut because %q", c.name, again)
		}
		if err := os.WriteFile(w.resolv, []byte(formerResolv), 0o640); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(w.resolv, 0o640); err != nil {
			t.Fatal(err)
		}
		w.in(w.consumer, "sysctl", "-qw", "net.ipv4.conf.all.src_valid_mark=0")
		w.sameMachine(c.name, before)
		t.Logf("adversary: what is to be restored, %s | bound: shut, said, opened by unlock | seen: %q", c.name, reason)
	}
}
