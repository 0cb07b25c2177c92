package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// unit reads a unit file: the values of each key, in order.
func unit(t *testing.T, path string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == '[' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			t.Fatalf("%s: %q is no assignment", path, line)
		}
		values[key] = append(values[key], value)
	}
	return values
}

func units(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("../deploy/systemd/*.service")
	if err != nil || len(paths) < 2 {
		t.Fatalf("%v: %v", paths, err)
	}
	return paths
}

// The service manager starts what this program understands, and holds it to what it does: it tells when it is up and that it
// lives, and finds its password under the name that it looks for.
func TestServicesStartTheDaemon(t *testing.T) {
	t.Parallel()
	for _, path := range units(t) {
		u := unit(t, path)
		one := func(key string) string {
			t.Helper()
			if len(u[key]) != 1 {
				t.Errorf("%s: %s is %q", path, key, u[key])
				return ""
			}
			return u[key][0]
		}
		words := strings.Fields(strings.ReplaceAll(one("ExecStart"), "%S", "/var/lib"))
		if words[0] != "/usr/local/bin/byway" {
			t.Errorf("%s starts %s", path, words[0])
		}
		app := newApp(Streams{Out: t.Output(), Err: t.Output()})
		line, err := arrange(app, words)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		notes, err := line.check()
		if err != nil || len(notes) > 0 || len(line.rest) > 0 {
			t.Errorf("%s: %v, %v, and %q is left", path, err, notes, line.rest)
		}
		if line.path != "up" || !slices.Contains(line.typed, "foreground") {
			t.Errorf("%s starts byway %s %v", path, line.path, line.typed)
		}
		if name := filepath.Base(line.homeDir(app)); filepath.Dir(line.homeDir(app)) != "/var/lib" ||
			!slices.Contains(strings.Fields(one("StateDirectory")), name) {
			t.Errorf("%s: the home %s is no folder of the service's state, %s", path, line.homeDir(app), one("StateDirectory"))
		}
		if name, _, _ := strings.Cut(one("LoadCredential"), ":"); name != credentialName {
			t.Errorf("%s: the password is called %s, and looked for as %s", path, name, credentialName)
		}
		if one("Type") != "notify" || one("WatchdogSec") == "" || one("RuntimeDirectory") != "byway" || one("NoNewPrivileges") != "yes" {
			t.Errorf("%s: %v", path, u)
		}
	}
}

func TestServicesAreWellFormed(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("needs systemd-analyze")
	}
	args := []string{"verify"}
	for _, path := range units(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		// What it starts must be there.
		copied := filepath.Join(t.TempDir(), filepath.Base(path))
		if err := os.WriteFile(copied, []byte(strings.ReplaceAll(string(text), "/usr/local/bin/byway", "/bin/true")), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, copied)
	}
	if out, err := exec.Command(analyze, args...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
}
