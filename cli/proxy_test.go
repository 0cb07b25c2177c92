package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestAdversaryPasswordFileThatOthersReadIsRefused(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // whatever the umask is
			t.Fatal(err)
		}
		return path
	}
	fifo := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	good, link := file("good", "user:pass:word\r\nmore\n", 0o600), filepath.Join(dir, "link")
	open := file("open", "user:password\n", 0o644)
	if err := os.Symlink(open, link); err != nil {
		t.Fatal(err)
	}
	refused := 0
	run := func(args ...string) (int, string) {
		var out, err bytes.Buffer
		args = append([]string{"byway", "--home", filepath.Join(dir, "home"), "connect"}, args...)
		return Run(context.Background(), args, Streams{Out: &out, Err: &err}), err.String()
	}
	type attempt struct{ path, want string }
	attempts := []attempt{
		{open, "0644"}, {file("group", "a:b\n", 0o640), "chmod 600"}, {file("written", "a:b\n", 0o602), "chmod 600"},
		{link, "chmod 600"}, {fifo, "no regular file"}, {dir, "no regular file"}, {filepath.Join(dir, "none"), "no such file"},
		{file("empty", "", 0o600), "user:password"}, {file("one", "user\n", 0o600), "user:password"},
		{file("half", "user:\n", 0o600), "user:password"}, {file("other half", ":password\n", 0o600), "user:password"},
		{file("long", "u:"+strings.Repeat("x", 256)+"\n", 0o600), "255"},
	}
	if os.Geteuid() == 0 {
		theirs := file("theirs", "a:b\n", 0o600)
		if err := os.Chown(theirs, 4321, 4321); err != nil {
			t.Fatal(err)
		}
		attempts = append(attempts, attempt{theirs, "belongs to user 4321"})
	}
	for _, a := range attempts {
		code, said := run("--proxy", "127.0.0.1:0", "--proxy-auth", a.path)
		if code != exitUsage || !strings.Contains(said, a.want) || !strings.Contains(said, "--proxy-auth") {
			t.Errorf("%s: %d, %q, want %q", a.path, code, said, a.want)
			continue
		}
		refused++
	}
	for _, address := range []string{"0.0.0.0:0", "[::]:0", "192.0.2.1:1080"} {
		if code, said := run("--proxy", address); code != exitUsage || !strings.Contains(said, "proxy-auth file") {
			t.Errorf("--proxy %s without a password: %d, %q", address, code, said)
		}
	}
	if code, said := run("--tun", "--proxy-auth", good); code != exitUsage || !strings.Contains(said, "goes without --tun") {
		t.Errorf("--proxy-auth with --tun: %d, %q", code, said)
	}
	t.Logf("adversary: %s | bound: %s | seen: %d of %d", "a password file that others can read or have written, or that holds none",
		"refused before anything is paid", refused, len(attempts))
}
