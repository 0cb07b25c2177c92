package node

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestProxyIsForTheHomesOwnerRootAndWhoeverBecameRoot(t *testing.T) {
	home := t.TempDir()
	t.Setenv("SUDO_UID", "1234")
	users, err := proxyUsers(home)
	if err != nil {
		t.Fatal(err)
	}
	me := uint32(os.Geteuid())
	if !slices.Contains(users, 0) || !slices.Contains(users, me) || slices.Contains(users, 1234) != (me == 0) {
		t.Errorf("users %v of a home of user %d", users, me)
	}
	if me != 0 {
		return
	}
	if err := os.Chown(home, 4321, 4321); err != nil {
		t.Fatal(err)
	}
	for env, want := range map[string][]uint32{"": {0, 4321}, "-1": {0, 4321}, "4294967296": {0, 4321}, "77": {0, 4321, 77}} {
		t.Setenv("SUDO_UID", env)
		if users, err := proxyUsers(home); err != nil || !slices.Equal(users, want) {
			t.Errorf("SUDO_UID %q: %v, %v, want %v", env, users, err, want)
		}
	}
}

func TestThePasswordOfAProxyIsTheFirstLineOfItsFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte("user:pass:word\r\nmore\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := proxyPassword(path, []uint32{0})
	if err != nil || got.User != "user" || got.Password != "pass:word" || strings.Contains(got.String(), "pass") {
		t.Errorf("%v, %v", got, err)
	}
}
