//go:build unix

package home

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"byway/contracts"
	"byway/contracts/devchain"
	"byway/contracts/disk"
)

// madeHome is a home with an account under the password "secret".
func madeHome(t *testing.T) Home {
	t.Helper()
	home := testHome(t)
	if _, err := home.NewAccount("secret", Light); err != nil {
		t.Fatal(err)
	}
	return home
}

func openKeys(t *testing.T, home Home) *Keys {
	t.Helper()
	keys, err := home.OpenKeys()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// signs makes sure that a signer signs in its own name, or says why it does not.
func signs(t *testing.T, s contracts.Signer) error {
	t.Helper()
	digest := common.Hash{1}
	sig, err := s.SignDigest(digest)
	if err != nil {
		return err
	}
	public, err := crypto.SigToPub(digest[:], sig)
	if err != nil || crypto.PubkeyToAddress(*public) != s.Address() {
		t.Errorf("a signature of %s recovers to another address, %v", s.Address(), err)
	}
	return nil
}

func TestSessionKeySignsWithoutAPasswordAndTheAccountDoesNot(t *testing.T) {
	t.Parallel()
	home := madeHome(t)
	owner, session, err := home.Accounts()
	if err != nil {
		t.Fatal(err)
	}
	keys := openKeys(t, home)
	if keys.Owner().Address() != owner || keys.Session().Address() != session || !keys.Locked() {
		t.Errorf("opened %s and %s, locked %t", keys.Owner().Address(), keys.Session().Address(), keys.Locked())
	}
	if err := signs(t, keys.Session()); err != nil {
		t.Errorf("session key: %v", err)
	}
	shut := func(when string) {
		t.Helper()
		if err := signs(t, keys.Owner()); !errors.Is(err, ErrLocked) {
			t.Errorf("%s the account signed: %v", when, err)
		}
	}
	shut("before the password")
	if err := keys.Unlock("Secret"); !errors.Is(err, ErrPassword) {
		t.Errorf("a wrong password gave %v", err)
	}
	shut("after a wrong password")
	if err := keys.Unlock("secret"); err != nil {
		t.Fatal(err)
	}
	if err := signs(t, keys.Owner()); err != nil || keys.Locked() {
		t.Errorf("unlocked, the account does not sign: %v", err)
	}
	// Open as it is, it tells nobody that a wrong password is right.
	if err := keys.Unlock("Secret"); !errors.Is(err, ErrPassword) || signs(t, keys.Owner()) != nil {
		t.Errorf("a wrong password for an open account gave %v", err)
	}
	private := keys.account.key.Private()
	keys.Lock()
	shut("after Lock")
	if private.D.Sign() != 0 { //nolint:staticcheck // where the secret lies
		for _, word := range private.D.Bits() { //nolint:staticcheck // as above
			if word != 0 {
				t.Fatal("the key stayed in memory")
			}
		}
	}
	if err := signs(t, keys.Session()); err != nil {
		t.Errorf("Lock shut the session key: %v", err)
	}
	if err := keys.Unlock("secret"); err != nil || signs(t, keys.Owner()) != nil {
		t.Errorf("it does not open again: %v", err)
	}
	for _, s := range []contracts.Signer{keys.Owner(), keys.Session()} {
		text := fmt.Sprintf("%v %+v %#v %s", s, s, s, s)
		if strings.Contains(text, "D:") || !strings.Contains(text, s.Address().Hex()) {
			t.Errorf("a key prints as %s", text)
		}
	}
}

func TestColdAccountHasNothingToUnlock(t *testing.T) {
	t.Parallel()
	home := testHome(t)
	account := devchain.Account(3).Address()
	if err := home.NewColdAccount(account, "secret", Light); err != nil {
		t.Fatal(err)
	}
	keys := openKeys(t, home)
	if keys.Owner().Address() != account || !IsCold(keys.Owner()) || keys.Locked() {
		t.Errorf("a cold account opened as %v, locked %t", keys.Owner(), keys.Locked())
	}
	if err := keys.Unlock("wrong"); !errors.Is(err, ErrPassword) {
		t.Errorf("a wrong password gave %v", err)
	}
	if err := keys.Unlock("secret"); err != nil {
		t.Error(err)
	}
	if err := signs(t, keys.Owner()); !errors.Is(err, ErrCold) {
		t.Errorf("a cold account signed: %v", err)
	}
	keys.Lock()
	if err := signs(t, keys.Session()); err != nil || keys.Locked() {
		t.Errorf("session key: %v", err)
	}
}

func TestOlderHomeOpensItsSessionKeyAtTheFirstPassword(t *testing.T) {
	t.Parallel()
	for name, unlock := range map[string]func(Home) error{
		"home": func(h Home) error { _, _, err := h.Unlock("secret"); return err },
		"keys": func(h Home) error { return openKeys(t, h).Unlock("secret") },
	} {
		home := madeHome(t)
		if err := os.Remove(home.sessionKeyPath()); err != nil {
			t.Fatal(err)
		}
		before := openKeys(t, home)
		if err := signs(t, before.Session()); !errors.Is(err, ErrLocked) || !before.Locked() {
			t.Errorf("%s: without a password the session key of an older home signed: %v", name, err)
		}
		if err := unlock(home); err != nil {
			t.Fatal(name, err)
		}
		info, err := os.Lstat(home.sessionKeyPath())
		if err != nil || info.Mode() != 0o600 {
			t.Fatalf("%s: session.key is %v, %v", name, info.Mode(), err)
		}
		if err := signs(t, openKeys(t, home).Session()); err != nil {
			t.Errorf("%s: after the first password: %v", name, err)
		}
		if err := before.Unlock("secret"); err != nil || signs(t, before.Session()) != nil || before.Locked() {
			t.Errorf("%s: keys that were opened before: %v", name, err)
		}
	}
}

// Whoever may write to the folder of the keys by a fault of their permissions, or swaps files of a backup, gets no signature:
// neither does the node sign with a key that others have read, nor with one that is not the account's.
func TestAdversarySessionKeyIsUsedOnlyAsItWasLeft(t *testing.T) {
	t.Parallel()
	other := madeHome(t)
	replace := func(t *testing.T, h Home, content string) {
		t.Helper()
		if err := os.WriteFile(h.sessionKeyPath(), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	attacks := map[string]struct {
		do      func(t *testing.T, h Home)
		exposed bool
		want    string
	}{
		"readable by the group": {func(t *testing.T, h Home) { must(t, os.Chmod(h.sessionKeyPath(), 0o640)) }, true, "0640"},
		"readable by everybody": {func(t *testing.T, h Home) { must(t, os.Chmod(h.sessionKeyPath(), 0o604)) }, true, "0604"},
		"writable by everybody": {func(t *testing.T, h Home) { must(t, os.Chmod(h.sessionKeyPath(), 0o602)) }, true, "0602"},
		"a link to the same key": {func(t *testing.T, h Home) {
			must(t, os.Rename(h.sessionKeyPath(), h.Path("elsewhere")))
			must(t, os.Symlink(h.Path("elsewhere"), h.sessionKeyPath()))
		}, true, "symbolic link"},
		"a pipe nobody writes to": {func(t *testing.T, h Home) {
			must(t, os.Remove(h.sessionKeyPath()))
			must(t, syscall.Mkfifo(h.sessionKeyPath(), 0o600))
		}, true, "pipe"},
		"a folder": {func(t *testing.T, h Home) {
			must(t, os.Remove(h.sessionKeyPath()))
			must(t, os.Mkdir(h.sessionKeyPath(), 0o700))
		}, true, "folder"},
		"another user's": {func(t *testing.T, h Home) {
			if os.Geteuid() != 0 {
				t.Skip("only root gives files away")
			}
			must(t, os.Chown(h.sessionKeyPath(), 12345, 12345))
		}, true, "user 12345"},
		"another account's": {func(t *testing.T, h Home) {
			key, err := os.ReadFile(other.sessionKeyPath())
			must(t, err)
			replace(t, h, string(key))
		}, false, "is the key of"},
		"beside another session.json": {func(t *testing.T, h Home) {
			file, err := os.ReadFile(other.keyPath(sessionAccount))
			must(t, err)
			must(t, os.WriteFile(h.keyPath(sessionAccount), file, 0o600))
		}, false, "is the key of"},
		"empty":     {func(t *testing.T, h Home) { replace(t, h, "") }, false, "64 hexadecimal digits"},
		"zero":      {func(t *testing.T, h Home) { replace(t, h, strings.Repeat("0", 64)) }, false, "holds no key"},
		"no hex":    {func(t *testing.T, h Home) { replace(t, h, strings.Repeat("x", 64)) }, false, "64 hexadecimal digits"},
		"too short": {func(t *testing.T, h Home) { replace(t, h, strings.Repeat("1", 62)) }, false, "64 hexadecimal digits"},
		"huge":      {func(t *testing.T, h Home) { replace(t, h, strings.Repeat("1", 1<<20)) }, false, "longer"},
	}
	for name, attack := range attacks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			home := madeHome(t)
			attack.do(t, home)
			_, keysErr := home.OpenKeys()
			_, _, unlockErr := home.Unlock("secret")
			for _, err := range []error{keysErr, unlockErr} {
				if err == nil || !strings.Contains(err.Error(), attack.want) ||
					!strings.Contains(err.Error(), home.sessionKeyPath()) {
					t.Errorf("it gave %v", err)
				}
				if exposed := new(disk.ExposedError); errors.As(err, &exposed) != attack.exposed {
					t.Errorf("%v: exposed %t, want %t", err, !attack.exposed, attack.exposed)
				}
			}
		})
	}
	t.Logf("adversary: session.key exposed, linked, given away, swapped or damaged | bound: no signature | seen: %d of %[1]d "+
		"refused", len(attacks))
}

func TestKeystoreFileThatStatesAnotherAddressIsRefused(t *testing.T) {
	t.Parallel()
	home := madeHome(t)
	file, err := os.ReadFile(home.keyPath(ownerAccount))
	if err != nil {
		t.Fatal(err)
	}
	owner, session, err := home.Accounts()
	if err != nil {
		t.Fatal(err)
	}
	hex := func(a common.Address) []byte { return []byte(strings.ToLower(a.Hex()[2:])) }
	file = bytes.Replace(file, hex(owner), hex(session), 1)
	if err := os.WriteFile(home.keyPath(ownerAccount), file, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := openKeys(t, home).Unlock("secret"); err == nil || !strings.Contains(err.Error(), "states the address") {
		t.Errorf("the file of another address gave %v", err)
	}
}

func TestKeystoreSwappedUnderARunningNodeIsRefused(t *testing.T) {
	t.Parallel()
	home, other := madeHome(t), madeHome(t)
	keys := openKeys(t, home)
	for _, name := range []string{"owner.json", "session.json", "session.key"} {
		if err := os.Rename(other.Path("keystore/"+name), home.Path("keystore/"+name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := keys.Unlock("secret"); err == nil || !strings.Contains(err.Error(), "changed while the node ran") {
		t.Errorf("another account's keystore gave %v", err)
	}
	if err := signs(t, keys.Owner()); !errors.Is(err, ErrLocked) {
		t.Errorf("it signed: %v", err)
	}
}

func TestKeysLockAndSignAtOnce(t *testing.T) {
	t.Parallel()
	keys := openKeys(t, madeHome(t))
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 200 {
				if err := signs(t, keys.Owner()); err != nil && !errors.Is(err, ErrLocked) {
					t.Error(err)
				}
				if err := signs(t, keys.Session()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 2 {
		all.Go(func() {
			for range 4 {
				if err := keys.Unlock("secret"); err != nil {
					t.Error(err)
				}
				keys.Lock()
			}
		})
	}
	all.Wait()
	if err := signs(t, keys.Owner()); !errors.Is(err, ErrLocked) {
		t.Errorf("after the last Lock: %v", err)
	}
}

func TestPasswordIsChanged(t *testing.T) {
	t.Parallel()
	cold := testHome(t)
	if err := cold.NewColdAccount(devchain.Account(3).Address(), "secret", Light); err != nil {
		t.Fatal(err)
	}
	older := madeHome(t)
	if err := os.Remove(older.sessionKeyPath()); err != nil {
		t.Fatal(err)
	}
	for name, home := range map[string]Home{"usual": madeHome(t), "cold": cold, "older": older} {
		owner, session, err := home.Accounts()
		if err != nil {
			t.Fatal(err)
		}
		before := listing(t, home)
		if err := home.ChangePassword("wrong", "fresh", Light); !errors.Is(err, ErrPassword) {
			t.Errorf("%s: a wrong password gave %v", name, err)
		}
		if err := home.ChangePassword("secret", "", Light); err == nil {
			t.Errorf("%s: an empty password was taken", name)
		}
		if name != "older" {
			if after := listing(t, home); after != before {
				t.Errorf("%s: a refused change left\n%s\nof\n%s", name, after, before)
			}
		}
		if err := home.ChangePassword("secret", "fresh", Light); err != nil {
			t.Fatal(name, err)
		}
		if _, _, err := home.Unlock("secret"); !errors.Is(err, ErrPassword) {
			t.Errorf("%s: the old password gave %v", name, err)
		}
		gotOwner, gotSession, err := home.Unlock("fresh")
		if err != nil || gotOwner.Address() != owner || gotSession.Address() != session {
			t.Errorf("%s: the new password opened %v and %v, %v", name, gotOwner, gotSession, err)
		}
		// Both files took it, and nothing else lies there.
		if err := os.Remove(home.sessionKeyPath()); err != nil {
			t.Fatal(err)
		}
		if _, _, err := home.Unlock("fresh"); err != nil {
			t.Errorf("%s: session.json did not take the new password: %v", name, err)
		}
		onlyKeys(t, home)
	}
}

// listing is every file of a home's keystore and its content.
func listing(t *testing.T, home Home) string {
	t.Helper()
	entries, err := os.ReadDir(home.Path("keystore"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, entry := range entries {
		content, err := os.ReadFile(home.Path("keystore/" + entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %s\n", entry.Name(), content)
	}
	return b.String()
}

// onlyKeys makes sure that no copy of a key lies in the keystore under a name of its own.
func onlyKeys(t *testing.T, home Home) {
	t.Helper()
	files, err := filepath.Glob(home.Path("keystore/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		switch filepath.Base(path) {
		case "owner.json", "owner.address", "session.json", "session.key":
		default:
			t.Errorf("%s was left behind", path)
		}
	}
}

// killEnv names, for a child process, the home whose password it changes, and the step at which it is killed.
const killEnv = "BYWAY_TEST_KILL"

// TestKilledWhileThePasswordChanges is the child of the test below.
func TestKilledWhileThePasswordChanges(t *testing.T) {
	dir, step, ok := strings.Cut(os.Getenv(killEnv), "|")
	if !ok {
		t.Skip("run by TestPasswordChangeThatIsKilledLeavesOneOfBoth")
	}
	home, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	kill := func() {
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		select {}
	}
	n := 0
	err = home.changePassword("secret", "fresh", Light, func(path string, content []byte, perm os.FileMode) error {
		n++
		if step == fmt.Sprint(n, " writing") { // as disk.WriteFile stands before the file gets its name
			if err := os.WriteFile(filepath.Join(filepath.Dir(path), ".new-123"), content, 0o600); err != nil {
				return err
			}
			kill()
		}
		err := disk.WriteFile(path, content, perm)
		if step == fmt.Sprint(n, " written") {
			kill()
		}
		return err
	})
	t.Fatalf("it went on: %v", err)
}

func TestPasswordChangeThatIsKilledLeavesOneOfBoth(t *testing.T) {
	t.Parallel()
	for step, want := range map[string]string{
		"1 writing": "secret", "1 written": "secret", "2 writing": "secret", "2 written": "fresh",
	} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			home := madeHome(t)
			owner, session, err := home.Accounts()
			if err != nil {
				t.Fatal(err)
			}
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledWhileThePasswordChanges$")
			child.Env = append(os.Environ(), killEnv+"="+home.Dir()+"|"+step)
			out, err := child.CombinedOutput()
			if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != -1 {
				t.Fatalf("the child was not killed: %v\n%s", err, out)
			}
			opens := func(home Home, password string) {
				t.Helper()
				gotOwner, gotSession, err := home.Unlock(password)
				if err != nil || gotOwner.Address() != owner || gotSession.Address() != session {
					t.Errorf("%q opened %v and %v, %v", password, gotOwner, gotSession, err)
				}
			}
			opens(home, want)
			if err := signs(t, openKeys(t, home).Session()); err != nil {
				t.Errorf("session key: %v", err)
			}
			// The next start removes what the killed one was writing, and the next change mends the rest.
			unlock, err := home.Lock()
			if err != nil {
				t.Fatal(err)
			}
			onlyKeys(t, home)
			if err := home.ChangePassword(want, "third", Light); err != nil {
				t.Fatal(err)
			}
			if err := unlock(); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(home.sessionKeyPath()); err != nil {
				t.Fatal(err)
			}
			opens(home, "third")
			onlyKeys(t, home)
		})
	}
}

func TestPasswordStaysWhereTheDiskFails(t *testing.T) {
	t.Parallel()
	full := errors.New("no space left")
	for fails := range 2 {
		home, n := madeHome(t), 0
		err := home.changePassword("secret", "fresh", Light, func(path string, content []byte, perm os.FileMode) error {
			if n++; n-1 == fails {
				return full
			}
			return disk.WriteFile(path, content, perm)
		})
		if !errors.Is(err, full) {
			t.Errorf("write %d failed and gave %v", fails, err)
		}
		if _, _, err := home.Unlock("secret"); err != nil {
			t.Errorf("write %d failed, and the old password gave %v", fails, err)
		}
	}
}

func TestHomeOfAnotherUserIsNotOpened(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root gives folders away")
	}
	theirs := filepath.Join(t.TempDir(), "theirs")
	if err := os.Mkdir(theirs, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(theirs, 4321, 4321); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(theirs, link); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{theirs, filepath.Join(theirs, "a"), filepath.Join(theirs, "a", "b"), link, filepath.Join(link, "a")} {
		_, err := Open(dir)
		if foreign := new(ForeignError); !errors.As(err, &foreign) || foreign.Owner != 4321 || foreign.User != 0 {
			t.Errorf("%s gave %v", dir, err)
		}
		if home, err := Look(dir); err != nil || home.Dir() != dir {
			t.Errorf("%s is named %s, %v", dir, home.Dir(), err)
		}
	}
	if left, err := os.ReadDir(theirs); err != nil || len(left) != 0 {
		t.Errorf("%v was left, %v", left, err)
	}
	// Where everybody may write, root has homes too.
	public := filepath.Join(t.TempDir(), "tmp")
	if err := os.Mkdir(public, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chown(public, 4321, 4321), os.Chmod(public, 0o777|os.ModeSticky)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(public, "mine")); err != nil {
		t.Error(err)
	}
}
