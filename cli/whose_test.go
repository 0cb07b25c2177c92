//go:build unix

package cli

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/urfave/cli/v2"
)

func TestHomeIsNeverWhereACommandWasStarted(t *testing.T) {
	me, err := user.LookupId(strconv.Itoa(os.Geteuid()))
	if err != nil || !filepath.IsAbs(me.HomeDir) {
		t.Skip("the user database does not know this user")
	}
	nobody, nobodyErr := user.LookupId("65534")
	for _, c := range []struct{ home, data, sudo, want string }{
		{"/h", "", "", "/h"},
		{"/h", "/d", "", "/d"},
		{"/h", "d", "", "/h"},
		{"", "", "", me.HomeDir},
		{"h", "", "", me.HomeDir},
		{".", "./d", "", me.HomeDir},
		{"/h", "/d", "65534", "sudo"},
		{"/h", "", "1999999999", "none"},
		{"/h", "", "0", "/h"},
		{"/h", "", "evil", "/h"},
		{"/h", "", "-1", "/h"},
	} {
		if c.want == "sudo" || c.want == "none" {
			if os.Geteuid() != 0 || nobodyErr != nil {
				continue
			}
		}
		t.Setenv("HOME", c.home)
		t.Setenv("XDG_DATA_HOME", c.data)
		t.Setenv("SUDO_UID", c.sudo)
		got := defaultHome()
		switch c.want {
		case "none":
			if got != "" {
				t.Errorf("%+v: %s", c, got)
			}
			refusal{"account new", 2, []string{"no home folder", "--home"}}.check(t)
			refusal{"status", 2, []string{"no home folder", "--home"}}.check(t)
			continue
		case "sudo":
			c.want = nobody.HomeDir
			// Neither does root make a home where that user's would be.
			refusal{"account new", 1, []string{got, "belongs to user 65534", "without sudo"}}.check(t)
			if _, err := os.Stat(got); err == nil {
				t.Errorf("%s was made", got)
			}
		}
		if !filepath.IsAbs(got) || !strings.HasPrefix(got, c.want+"/") || filepath.Base(got) != "byway" {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// inventory is every file below a folder, with its owner, mode, size and time.
func inventory(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	if err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		stat := info.Sys().(*syscall.Stat_t)
		fmt.Fprintln(&b, path, stat.Uid, stat.Gid, info.Mode(), info.Size(), info.ModTime())
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// untouching are the commands that have nothing to do with a home, and do something else that a test must not.
var untouching = map[string]string{
	"demo":   "makes a home of its own, in a temporary folder",
	"unlock": "opens this machine",
}

// Whatever is run by sudo in a user's home leaves it as it was: neither a file of root's, nor a changed one.
func TestAdversarySudoLeavesNothingInAUsersHome(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	const alice = 4321
	top := t.TempDir()
	for dir := top; dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(top, "alice")
	dir := filepath.Join(folder, "byway")
	must(t, "--home", dir, "--password-file", password, "account", "new", "--light")
	must(t, "--home", dir, "config", "set", "consumer.spend", "2")
	if err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			err = os.Lchown(path, alice, alice)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SUDO_UID", strconv.Itoa(alice))
	t.Setenv("BYWAY_PASSWORD_FILE", password)
	// With an address that refuses at once, no command gets as far as any chain.
	t.Setenv("BYWAY_RPC", "http://127.0.0.1:1")
	before := inventory(t, folder)
	args := map[string]string{
		"account password":       "--new-password-file " + password,
		"config set":             "log debug",
		"config unset":           "consumer.spend",
		"devnet up":              "--keep --listen 127.0.0.1:0 --ipfs-port 0",
		"devnet fund":            "",
		"vault deposit":          "1",
		"vault withdraw":         "1",
		"channel open":           "0x70997970C51812dc3A010C7d01b50e0d17dc79C8 1",
		"channel exit":           "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
		"channel close":          "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
		"exec":                   "-- true",
		"ledger backup":          filepath.Join(t.TempDir(), "backup"),
		"ledger restore":         filepath.Join(t.TempDir(), "backup"),
		"offers show":            "x",
		"provider offer sign":    "x",
		"provider offer edit":    "x",
		"provider offer publish": "x",
		"tx submit":              "x",
	}
	refused := 0
	var walk func(path string, commands []*cli.Command)
	walk = func(path string, commands []*cli.Command) {
		for _, c := range commands {
			name := strings.TrimSpace(path + " " + c.Name)
			if len(c.Subcommands) > 0 {
				walk(name, c.Subcommands)
				continue
			}
			if untouching[name] != "" {
				continue
			}
			for _, home := range []string{dir, filepath.Join(folder, "none")} {
				line := append(append([]string{"--home", home}, strings.Fields(name)...), strings.Fields(args[name])...)
				if name == "devnet up" && os.Unsetenv("BYWAY_RPC") != nil {
					t.Fatal("unset")
				}
				code, _, errOut := byway(t, line...)
				t.Setenv("BYWAY_RPC", "http://127.0.0.1:1")
				if strings.Contains(errOut, fmt.Sprintf("belongs to user %d", alice)) {
					refused++
					if code == 0 || !strings.Contains(errOut, "without sudo") {
						t.Errorf("%s: %d, %s", name, code, errOut)
					}
				}
				if after := inventory(t, folder); after != before {
					t.Fatalf("byway %s, run by sudo, left\n%s\nof\n%s\n%s", strings.Join(line, " "), after, before, errOut)
				}
			}
		}
	}
	walk("", newApp(Streams{Out: io.Discard, Err: io.Discard}).Commands)
	if refused < 10 {
		t.Errorf("only %d commands were refused", refused)
	}
	t.Logf("adversary: every command, run by sudo, in a user's home and beside it | bound: no file made or changed | seen: %d "+
		"refused, none made", refused)
}
