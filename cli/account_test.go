package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"byway/node/home"
)

func TestAccountPasswordIsChanged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	old, fresh, empty := file("old", "old\n"), file("new", "new\r\n"), file("empty", "\n")
	flags := []string{"--home", filepath.Join(dir, "home")}
	must(t, with(flags, "account", "new", "--light", "--password-file", old)...)
	for _, r := range []refusal{
		{"account password --password-file " + fresh + " --new-password-file " + fresh, 1, []string{"wrong password", "restore"}},
		{"account password --password-file " + old, 2, []string{"no terminal", "--new-password-file"}},
		{"account password --new-password-file " + fresh, 2, []string{"no terminal", "--password-file"}},
		{"account password --password-file " + old + " --new-password-file " + empty, 1, []string{"first line is empty"}},
		{"account password now", 2, []string{`"now"`, "byway account password --help"}},
	} {
		r.check(t, flags...)
	}
	folder, err := home.Open(flags[1])
	if err != nil {
		t.Fatal(err)
	}
	// Not under a running node, which holds the home.
	unlock, err := folder.Lock()
	if err != nil {
		t.Fatal(err)
	}
	refusal{"account password --password-file " + old + " --new-password-file " + fresh, 1, []string{"another byway process"}}.
		check(t, flags...)
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	out := must(t, with(flags, "account", "password", "--light", "--password-file", old, "--new-password-file", fresh, "--json")...)
	if !strings.Contains(out, `"schema":"byway.account/1"`) {
		t.Errorf("it answered %s", out)
	}
	if _, _, err := folder.Unlock("old"); !errors.Is(err, home.ErrPassword) {
		t.Errorf("the old password gave %v", err)
	}
	if _, _, err := folder.Unlock("new"); err != nil {
		t.Errorf("the new password gave %v", err)
	}
	nowhere := filepath.Join(dir, "nowhere")
	refusal{"account password --password-file " + old, 1, []string{"byway account new"}}.check(t, "--home", nowhere)
	if _, err := os.Stat(nowhere); err == nil {
		t.Error("a refused command made a home")
	}
}
