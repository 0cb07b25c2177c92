//go:build linux

package route

import (
	"encoding/json"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"byway/contracts/disk"
)

func TestConfigIsCheckedBeforeAnythingIsChanged(t *testing.T) {
	t.Parallel()
	many := make([]netip.Prefix, maxPrefixes+1)
	for i := range many {
		many[i] = netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}), 32)
	}
	for _, tc := range []struct {
		cfg  Config
		says string
	}{
		{Config{Interface: "byway-0123456789"}, "more than 15 bytes"},
		{Config{Exclude: []netip.Prefix{{}}}, "is no prefix"},
		{Config{Exclude: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}}, "is no prefix"},
		{Config{Include: []netip.Prefix{netip.MustParsePrefix("::ffff:192.0.2.0/120")}}, "is no prefix"},
		{Config{Exclude: prefixes("::/0")}, "leave nothing"},
		{Config{Include: many}, "257 prefixes"},
		{Config{OnlyPrograms: true, Exclude: prefixes("192.0.2.0/24")}, "programs and prefixes"},
		{Config{OnlyPrograms: true, Include: prefixes("192.0.2.0/24")}, "programs and prefixes"},
	} {
		if _, err := tc.cfg.withDefaults(); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%+v: %v, not %q", tc.cfg, err, tc.says)
		}
	}
	if _, err := (Config{Include: prefixes("0.0.0.0/0")}).withDefaults(); err != nil {
		t.Error(err)
	}
}

func TestFamilyThatIncludeDoesNotNameGoesThroughTheTunnelWhole(t *testing.T) {
	t.Parallel()
	c := Config{Include: prefixes("192.0.2.0/24", "198.51.100.0/24")}
	if got := c.throughTunnel(2); !reflect.DeepEqual(got, c.Include) {
		t.Errorf("IPv4: %v", got)
	}
	if got := c.throughTunnel(10); !reflect.DeepEqual(got, prefixes("::/0")) {
		t.Errorf("IPv6: %v", got)
	}
}

func TestNameserversOnLoopbackAreNotAsked(t *testing.T) {
	t.Parallel()
	got := nameservers([]byte("# comment\nnameserver 127.0.0.53\nnameserver\nnameserver bad\n\tnameserver 192.0.2.1 # x\n" +
		"nameserver fe80::1%eth0\nsearch a b\nnameserver ::1"))
	want := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("fe80::1%eth0")}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
}

func TestFileIsReplacedWithItsModeAndOwner(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, []byte("longer than what replaces it"), 0o600); err != nil {
		t.Fatal(err)
	}
	who := disk.Owner{UID: os.Getuid(), GID: os.Getgid()}
	if err := replaceFile(path, []byte("short"), 0o640, &who); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "short" || info.Mode().Perm() != 0o640 {
		t.Errorf("%q, mode %v (%v)", b, info.Mode(), err)
	}
	if err := replaceLink(path, "elsewhere"); err != nil {
		t.Fatal(err)
	}
	if target, err := os.Readlink(path); err != nil || target != "elsewhere" {
		t.Errorf("%q (%v)", target, err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func TestResolvconfIsToldOfTheTunnelsResolverAndForgetsIt(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\n{ echo \"$@\"; [ \"$1\" = -d ] || cat; } >>" + dir + "/told\n[ \"$2\" != broken ]\n"
	if err := os.WriteFile(filepath.Join(dir, "resolvconf"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	s := dnsState{Method: dnsResolvconf, Interface: "byway0", Server: netip.MustParseAddr("10.213.0.1")}
	if err := s.apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.revert(t.Context()); err != nil {
		t.Fatal(err)
	}
	const want = "-a byway0 -m 0 -x\nnameserver 10.213.0.1\n-d byway0\n"
	if b, err := os.ReadFile(filepath.Join(dir, "told")); err != nil || string(b) != want {
		t.Errorf("resolvconf was told %q (%v)", b, err)
	}
	s.Interface = "broken"
	if err := s.apply(t.Context()); err == nil || !strings.Contains(err.Error(), "resolvconf -a") {
		t.Errorf("a failure of resolvconf: %v", err)
	}
}

func TestStateSurvivesItsOwnEncoding(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if s, err := readState(dir); s != nil || err != nil {
		t.Fatalf("state of an empty folder: %v, %v", s, err)
	}
	want := &state{
		Version: stateVersion, Boot: "boot", Interface: "byway0", Lockdown: true,
		Sysctls: map[string]string{srcValidMark: "0"},
		DNS: &dnsState{
			Method: dnsFile, Interface: "byway0", Index: 3, Server: netip.MustParseAddr("10.213.0.1"),
			Content: []byte("nameserver \xff\n"), Mode: 0o640, Owner: disk.Owner{UID: 1, GID: 2},
		},
	}
	if err := want.write(dir); err != nil {
		t.Fatal(err)
	}
	got, err := readState(dir)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if info, err := os.Stat(filepath.Join(dir, stateName)); err != nil || info.Mode() != fs.FileMode(0o644) {
		t.Errorf("%v %v", info, err)
	}
	if err := removeState(dir); err != nil {
		t.Fatal(err)
	}
	if err := removeState(dir); err != nil {
		t.Errorf("removing twice: %v", err)
	}
}

func TestAnotherBootLeavesFilesAloneToRestore(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		method dnsMethod
		boot   string
		left   bool
	}{
		{dnsFile, "this", true}, {dnsFile, "other", true}, {dnsResolved, "this", true}, {dnsResolved, "other", false},
		{dnsResolvconf, "other", false},
	} {
		s := state{Boot: "this", DNS: &dnsState{Method: tc.method}}
		if got := s.leftDNS(tc.boot) != nil; got != tc.left {
			t.Errorf("%s after boot %s: %v", tc.method, tc.boot, got)
		}
	}
}

func TestStateThatIsNotOursIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "{}", `{"version":3}`, `{"version":0}`, `{"version":1,"sysctls":{"/etc/passwd":"x"}}`,
		`{"version":1,"sysctls":{"/proc/sys/net/../kernel/core_pattern":"x"}}`, "[" + strings.Repeat(" ", maxState) + "]",
	} {
		if s, err := decodeState("routes.json", []byte(text)); err == nil {
			t.Errorf("%.40q was read as %+v", text, s)
		}
	}
}

func FuzzState(f *testing.F) {
	f.Add([]byte(`{"version":1,"boot":"b","sysctls":{"/proc/sys/net/a":"1"},"dns":{"method":"file","server":"10.0.0.1"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeState("routes.json", b)
		if err != nil {
			return
		}
		for path := range s.Sysctls {
			if !strings.HasPrefix(filepath.Clean(path), "/proc/sys/net/") {
				t.Errorf("setting %q", path)
			}
		}
		if _, err := json.Marshal(s); err != nil {
			t.Error(err)
		}
	})
}

func FuzzNameservers(f *testing.F) {
	f.Add([]byte("nameserver 192.0.2.1\nnameserver ::1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, a := range nameservers(b) {
			if !a.IsValid() || a.IsLoopback() {
				t.Errorf("%v", a)
			}
		}
	})
}
