//go:build linux

package route

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// fakeResolved records what it is told, in the types of systemd-resolved's interface.
type fakeResolved struct {
	mu    sync.Mutex
	calls []string
	gone  bool // the link
}

func (f *fakeResolved) note(format string, args ...any) *dbus.Error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
	if f.gone && strings.HasPrefix(format, "Revert") {
		return dbus.NewError(noSuchLink, nil)
	}
	return nil
}

// told returns what was noted since the last time.
func (f *fakeResolved) told() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

func (f *fakeResolved) SetLinkDNS(link int32, list []linkAddress) *dbus.Error {
	return f.note("SetLinkDNS %d %v", link, list)
}

func (f *fakeResolved) SetLinkDomains(link int32, list []linkDomain) *dbus.Error {
	return f.note("SetLinkDomains %d %v", link, list)
}

func (f *fakeResolved) SetLinkDefaultRoute(link int32, on bool) *dbus.Error {
	return f.note("SetLinkDefaultRoute %d %v", link, on)
}

func (f *fakeResolved) SetLinkLLMNR(link int32, mode string) *dbus.Error {
	return f.note("SetLinkLLMNR %d %s", link, mode)
}

func (f *fakeResolved) SetLinkMulticastDNS(link int32, mode string) *dbus.Error {
	return f.note("SetLinkMulticastDNS %d %s", link, mode)
}

func (f *fakeResolved) SetLinkDNSOverTLS(link int32, mode string) *dbus.Error {
	return f.note("SetLinkDNSOverTLS %d %s", link, mode)
}

func (f *fakeResolved) SetLinkDNSSEC(link int32, mode string) *dbus.Error {
	return f.note("SetLinkDNSSEC %d %s", link, mode)
}

func (f *fakeResolved) RevertLink(link int32) *dbus.Error { return f.note("RevertLink %d", link) }

func (f *fakeResolved) FlushCaches() *dbus.Error { return f.note("FlushCaches") }

// privateBus starts a bus daemon that stands for the system's.
func privateBus(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("dbus-daemon"); err != nil {
		t.Skip("needs dbus-daemon")
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "bus.conf")
	const text = `<busconfig><type>system</type><listen>unix:dir=%s</listen><policy context="default">` +
		`<allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>`
	if err := os.WriteFile(config, fmt.Appendf(nil, text, dir), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("dbus-daemon", "--config-file="+config, "--nofork", "--print-address")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal("the bus daemon gave no address")
	}
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", lines.Text())
}

func TestResolvedIsToldOfTheTunnelsResolverAndForgetsIt(t *testing.T) {
	privateBus(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if resolvedRuns(ctx) {
		t.Fatal("resolved runs before it was started")
	}
	s := dnsState{Method: dnsResolved, Interface: "byway0", Index: 7, Server: netip.MustParseAddr("10.213.0.1")}
	if err := s.revert(ctx); err != nil {
		t.Errorf("reverting where resolved does not run: %v", err)
	}

	bus, err := dbus.ConnectSystemBus()
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	fake := new(fakeResolved)
	if err := bus.Export(fake, resolvedPath, resolvedName+".Manager"); err != nil {
		t.Fatal(err)
	}
	if _, err := bus.RequestName(resolvedName, dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	if !resolvedRuns(ctx) {
		t.Fatal("resolved is not found")
	}
	if err := s.apply(ctx); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"SetLinkDNS 7 [{2 [10 213 0 1]}]", "SetLinkDomains 7 [{. true}]", "SetLinkDefaultRoute 7 true", "SetLinkLLMNR 7 no",
		"SetLinkMulticastDNS 7 no", "SetLinkDNSOverTLS 7 no", "SetLinkDNSSEC 7 no", "FlushCaches",
	}
	if got := fake.told(); !slices.Equal(got, want) {
		t.Errorf("resolved was told %q", got)
	}
	err = s.revert(ctx)
	if got := fake.told(); err != nil || !slices.Equal(got, []string{"RevertLink 7", "FlushCaches"}) {
		t.Errorf("reverting told resolved %q (%v)", got, err)
	}
	fake.mu.Lock()
	fake.gone = true
	fake.mu.Unlock()
	if err := s.revert(ctx); err != nil {
		t.Errorf("reverting a link that is gone: %v", err)
	}
}

func TestResolvedIsUsedOnlyWhereProgramsAskIt(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		target, content string
		want            bool
	}{
		{"../run/systemd/resolve/stub-resolv.conf", "nameserver 127.0.0.53\n", true},
		{"/run/systemd/resolve/resolv.conf", "nameserver 192.0.2.1\n", true},
		{"", "nameserver 127.0.0.53\noptions edns0\n", true},
		{"", "nameserver 192.0.2.1\n", false},
		{"/run/resolvconf/resolv.conf", "nameserver 192.0.2.1\n", false},
	} {
		if got := asksResolved(tc.target, []byte(tc.content)); got != tc.want {
			t.Errorf("%q %q: %v", tc.target, tc.content, got)
		}
	}
}
