package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// output collects what a command writes while it runs.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// running is a command that goes on in this process.
type running struct {
	args     []string
	out, err output
	stop     context.CancelFunc // as Ctrl-C
	code     int
	done     chan struct{}
}

// start runs a command line until it ends or the test does.
func start(t *testing.T, args ...string) *running {
	t.Helper()
	r := launch(args...)
	t.Cleanup(func() {
		r.stop()
		select {
		case <-r.done:
		case <-time.After(40 * time.Second):
			t.Errorf("byway %s did not end", strings.Join(args, " "))
		}
		if t.Failed() {
			t.Logf("byway %s: %d\n%s%s", strings.Join(args, " "), r.code, r.out.String(), r.err.String())
		}
	})
	return r
}

func launch(args ...string) *running {
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{args: args, stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.code = Run(ctx, append([]string{"byway"}, args...), Streams{Out: &r.out, Err: &r.err})
	}()
	return r
}

// line waits for a line on stdout that is a JSON object and has all of these texts.
func (r *running) line(within time.Duration, texts ...string) (string, error) {
	deadline := time.Now().Add(within)
	for {
	lines:
		for line := range strings.Lines(r.out.String()) {
			for _, text := range append(texts, "{", "}\n") {
				if !strings.Contains(line, text) {
					continue lines
				}
			}
			return line, nil
		}
		select {
		case <-r.done:
			if strings.Contains(r.out.String(), texts[0]) {
				continue
			}
			return "", fmt.Errorf("byway %s ended with %d: %s%s", strings.Join(r.args, " "), r.code, &r.out, &r.err)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return "", fmt.Errorf("byway %s said no %q within %s: %s%s",
				strings.Join(r.args, " "), texts, within, &r.out, &r.err)
		}
	}
}

// saysErr waits until the command has said all of these texts, in their order, on stderr.
func (r *running) saysErr(t *testing.T, texts ...string) {
	t.Helper()
	waitFor(t, "byway "+strings.Join(r.args, " ")+" says "+strings.Join(texts, " … "), func() bool {
		said := r.err.String()
		for _, text := range texts {
			at := strings.Index(said, text)
			if at < 0 {
				return false
			}
			said = said[at+len(text):]
		}
		return true
	})
}

// decode waits for a line as [running.line] does and decodes it.
func (r *running) decode(t *testing.T, within time.Duration, v any, texts ...string) {
	t.Helper()
	line, err := r.line(within, texts...)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(line), v); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
}

// end waits for the command's own end and returns its exit code.
func (r *running) end(t *testing.T, within time.Duration) int {
	t.Helper()
	select {
	case <-r.done:
	case <-time.After(within):
		t.Fatalf("byway %s did not end within %s: %s%s", strings.Join(r.args, " "), within, &r.out, &r.err)
	}
	return r.code
}

// byway runs a command line to its end.
func byway(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	r := launch(args...)
	defer r.stop()
	r.end(t, 3*time.Minute)
	return r.code, r.out.String(), r.err.String()
}

// must runs a command line that succeeds and returns its stdout.
func must(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errOut := byway(t, args...)
	if code != 0 {
		t.Fatalf("byway %s: %d\n%s%s", strings.Join(args, " "), code, out, errOut)
	}
	return out
}

// shared is the devnet that the tests of this package have in common.
var shared struct {
	once sync.Once
	dir  string
	net  *running
	err  error
}

// devnetFile returns the network file of a devnet that runs on free ports until the tests have ended.
func devnetFile(t *testing.T) string {
	t.Helper()
	shared.once.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "byway-cli-test-"); shared.err != nil {
			return
		}
		shared.net = launch("devnet", "up", "--listen", "127.0.0.1:0", "--ipfs-port", "0",
			"--write", filepath.Join(shared.dir, "net.toml"), "--json")
		_, shared.err = shared.net.line(60*time.Second, "byway.devnet/1")
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return filepath.Join(shared.dir, "net.toml")
}

// asProgram has the test binary be the program: a daemon that a command starts is a process of its own.
const asProgram = "BYWAY_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(Main(os.Args))
	}
	os.Setenv(asProgram, "yes")
	// What is started from here takes hang-ups as usual, also where these tests themselves run under nohup.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	code := m.Run()
	if shared.net != nil {
		shared.net.stop()
		<-shared.net.done
		if shared.net.code != 0 {
			fmt.Fprintf(os.Stderr, "devnet up: %d: %s\n", shared.net.code, &shared.net.err)
			code = 1
		}
	}
	if shared.dir != "" {
		os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

// passwordFile writes a password that opens every account of the tests.
func passwordFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// newHome makes a home with an account, and returns the flags that name it, the shared devnet and the password.
func newHome(t *testing.T) (dir string, flags []string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "home")
	flags = []string{"--home", dir, "--network", devnetFile(t), "--password-file", passwordFile(t)}
	must(t, append(flags, "account", "new", "--light")...)
	return dir, flags
}

// funded is a new home whose account has test tokens.
func funded(t *testing.T) (dir string, flags []string) {
	t.Helper()
	dir, flags = newHome(t)
	must(t, append(flags, "devnet", "fund")...)
	return dir, flags
}

// with adds words to flags, in a slice of its own.
func with(flags []string, words ...string) []string {
	return append(append([]string{}, flags...), words...)
}
