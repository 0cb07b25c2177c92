package home

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func testHome(t *testing.T) Home {
	t.Helper()
	home, err := Open(filepath.Join(t.TempDir(), "home"))
	if err != nil {
		t.Fatal(err)
	}
	return home
}

func TestAccountOpensWithItsPasswordAlone(t *testing.T) {
	t.Parallel()
	home := testHome(t)
	if _, _, err := home.Unlock("secret"); !errors.Is(err, ErrNoAccount) {
		t.Errorf("an empty home gave %v", err)
	}
	address, err := home.NewAccount("secret", Light)
	if err != nil {
		t.Fatal(err)
	}
	owner, session, err := home.Unlock("secret")
	if err != nil {
		t.Fatal(err)
	}
	if owner.Address() != address || session.Address() == address {
		t.Errorf("unlocked %s and %s, the account is %s", owner, session, address)
	}
	listed, listedSession, err := home.Accounts()
	if err != nil || listed != address || listedSession != session.Address() {
		t.Errorf("listed %s and %s, %v", listed, listedSession, err)
	}
	if _, _, err := home.Unlock("Secret"); !errors.Is(err, ErrPassword) {
		t.Errorf("a wrong password gave %v", err)
	}
	if _, err := home.NewAccount("other", Light); err == nil {
		t.Error("a second account overwrote the first")
	}
}

func TestDamagedKeyFileIsNamed(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{"empty": "", "garbage": "\x00\x01", "no key": `{"address":"xyz"}`, "two": "{}{}"} {
		home := testHome(t)
		if err := os.WriteFile(home.keyPath(ownerAccount), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := home.Unlock("x")
		_, _, listErr := home.Accounts()
		for _, err := range []error{err, listErr} {
			if err == nil || !strings.Contains(err.Error(), home.keyPath(ownerAccount)) {
				t.Errorf("%s: %v does not name the file", name, err)
			}
		}
	}
}

func TestHomeServesOneProcess(t *testing.T) {
	t.Parallel()
	home := testHome(t)
	unlock, err := home.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := home.Lock(); err == nil || !strings.Contains(err.Error(), home.Dir()) {
		t.Errorf("locking twice gave %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := home.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if err := again(); err != nil {
		t.Error(err)
	}
}

func TestSecretsAreReadableByTheirOwnerAlone(t *testing.T) {
	t.Parallel()
	home := testHome(t)
	if _, err := home.NewAccount("secret", Light); err != nil {
		t.Fatal(err)
	}
	if err := filepath.WalkDir(home.Dir(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", path, info.Mode())
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestNetworkFileRoundTrip(t *testing.T) {
	t.Parallel()
	n, err := Devnet()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "net.toml")
	if err := n.Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := LoadNetwork(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.Deployment != n.Deployment || got.Bootstrap[0] != n.Bootstrap[0] || !got.Private || got.RPC[0] != n.RPC[0] {
		t.Errorf("read %+v, wrote %+v", got, n)
	}
	if _, err := LoadNetwork("mainnet"); err == nil || !strings.Contains(err.Error(), `"mainnet"`) {
		t.Errorf("an unknown network gave %v", err)
	}
}

func TestNetworkFileSaysWhatItLacks(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                       "name",
		"name='x'":               "rpc",
		"name='x'\nrpc=['y']":    "chain_id",
		"name='x'\ncolour='red'": "colour",
		"name=1":                 "name",
		"name='x'\nrpc=['y']\nchain_id=1\nchannels='0x0000000000000000000000000000000000000001'": "missing",
		"name='x'\nchannels='zz'":   "",
		strings.Repeat("#", 70_000): "longer",
	} {
		if _, err := parseNetwork([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q gave %v, want a word about %q", text, err, want)
		}
	}
}

func FuzzParseNetwork(f *testing.F) {
	f.Add([]byte("name='x'\nrpc=['y']\nchain_id=1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := parseNetwork(text)
		if err == nil && (n.Name == "" || len(n.RPC) == 0 || n.ChainID == 0) {
			t.Fatalf("%q was read as %+v", text, n)
		}
	})
}
