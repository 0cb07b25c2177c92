package cli

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"byway/contracts"
	"byway/payments/ledger"
)

// stays is a process of the binary that stays until it is ended, with its streams where the test wants them.
type stays struct {
	*exec.Cmd
	out, err output   // where they are the process's
	pipe     *os.File // the reading end of its standard output, where it has one
	term     *terminal
	done     chan error
}

// The streams of a process that stays.
const (
	onOutput   = "output"   // is collected
	onPipe     = "pipe"     // standard output is a pipe that the test can close
	onTerminal = "terminal" // its controlling terminal, which the test can close
	onNohup    = "nohup"    // hang-ups are ignored when it starts
)

// built is the binary, which the tests of this file share.
func built(t *testing.T) program {
	t.Helper()
	devnetFile(t) // makes the folder that the tests have in common
	binary.Do(func() {
		binary.path = filepath.Join(shared.dir, "byway")
		binary.out, binary.err = exec.Command("go", "build", "-o", binary.path, "byway/cli/byway").CombinedOutput()
	})
	if binary.err != nil {
		t.Fatalf("go build: %v\n%s", binary.err, binary.out)
	}
	return program{t, binary.path}
}

var binary struct {
	sync.Once
	path string
	out  []byte
	err  error
}

func (p program) stay(t *testing.T, streams string, args ...string) *stays {
	t.Helper()
	s := &stays{Cmd: exec.Command(p.path, args...), done: make(chan error, 1)}
	s.Env = append(os.Environ(), "HOME="+t.TempDir())
	s.Stdout, s.Stderr = &s.out, &s.err
	switch streams {
	case onPipe:
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		t.Cleanup(func() { r.Close() })
		s.pipe, s.Stdout = r, w
	case onTerminal:
		s.term = openTerminal(t)
		s.term.hold(s.Cmd)
	case onNohup:
		s.Args = append([]string{"sh", "-c", `trap "" HUP; exec "$0" "$@"`, p.path}, args...)
		var err error
		if s.Path, err = exec.LookPath("sh"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.done <- s.Wait() }() // ends with the process
	t.Cleanup(func() {
		s.Process.Kill() // it has ended, where the test did not fail
		if t.Failed() {
			t.Logf("%v:\n%s%s", s.Args, &s.out, &s.err)
		}
	})
	return s
}

// says waits until the process has said the text on standard output.
func (s *stays) says(t *testing.T, text string) string {
	t.Helper()
	if s.pipe != nil {
		in, found := bufio.NewReader(s.pipe), make(chan string, 1)
		go func() { // ends with the pipe
			for {
				line, err := in.ReadString('\n')
				if err != nil || strings.Contains(line, text) {
					found <- line
					return
				}
			}
		}()
		select {
		case line := <-found:
			if strings.Contains(line, text) {
				return line
			}
		case <-time.After(time.Minute):
		}
		t.Fatalf("%v did not say %q", s.Args, text)
	}
	all := s.out.String
	if s.term != nil {
		all = s.term.text
	}
	line := ""
	waitFor(t, "the process says "+text, func() bool {
		for line = range strings.Lines(all()) {
			if strings.Contains(line, text) && strings.HasSuffix(line, "\n") {
				return true
			}
		}
		return false
	})
	return line
}

// code waits for the end of the process and returns its exit code, -1 where a signal killed it.
func (s *stays) code(t *testing.T) int {
	t.Helper()
	select {
	case <-s.done:
	case <-time.After(time.Minute):
		t.Fatalf("%v did not end", s.Args)
	}
	return s.ProcessState.ExitCode()
}

// ends are the ways in which a user ends a command that stays, beside disconnect.
var ends = []struct {
	name, streams string
	end           func(*testing.T, *stays)
}{
	{"INT", onOutput, signals(syscall.SIGINT)},
	{"TERM", onOutput, signals(syscall.SIGTERM)},
	{"a Ctrl-C that bounces", onOutput, signals(syscall.SIGINT, syscall.SIGINT, syscall.SIGTERM, syscall.SIGINT)},
	{"HUP", onOutput, signals(syscall.SIGHUP)},
	{"HUP by the kernel and by the shell", onOutput, signals(syscall.SIGHUP, syscall.SIGHUP, syscall.SIGHUP)},
	{"TERM and HUP, as systemd can be told to", onOutput, signals(syscall.SIGTERM, syscall.SIGHUP)},
	{"standard output is closed", onPipe, func(t *testing.T, s *stays) {
		if err := s.pipe.Close(); err != nil {
			t.Fatal(err)
		}
	}},
	{"the terminal is closed", onTerminal, func(t *testing.T, s *stays) { s.term.close(t) }},
	{"TERM after a HUP that nohup ignores", onNohup, func(t *testing.T, s *stays) {
		signals(syscall.SIGHUP)(t, s)
		select {
		case <-s.done:
			t.Error("a HUP that was to be ignored ended the process")
		case <-time.After(time.Second): // that it goes on can't be waited for
		}
		signals(syscall.SIGTERM)(t, s)
	}},
}

func signals(list ...os.Signal) func(*testing.T, *stays) {
	return func(t *testing.T, s *stays) {
		for _, signal := range list {
			if err := s.Process.Signal(signal); err != nil && s.ProcessState == nil {
				t.Errorf("%v: %v", signal, err)
			}
		}
	}
}

// inOrder checks what two homes hold after a session that was ended in order: what one gave the other took, and neither
// ledger has a session that a crash left open.
func inOrder(t *testing.T, flags []string, consumer, provider string) (billed string) {
	t.Helper()
	for _, home := range []string{consumer, provider} {
		ledger, err := ledger.Open(filepath.Join(home, "ledger.db"), "")
		if err != nil {
			t.Fatal(err)
		}
		if n, err := ledger.EndSessions(t.Context()); n > 0 || err != nil {
			t.Errorf("%s was left with %d open sessions, %v", home, n, err)
		}
		if err := ledger.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var gave, took ledgerJSON
	for home, to := range map[string]*ledgerJSON{consumer: &gave, provider: &took} {
		out := must(t, "--home", home, "--network", flags[3], "ledger", "verify", "--json")
		if err := json.Unmarshal([]byte(out), to); err != nil {
			t.Fatal(err)
		}
	}
	if gave.Given != took.Taken || gave.Given == "0" || !gave.Exact || !took.Exact {
		t.Errorf("given %s, taken %s", gave.Given, took.Taken)
	}
	all, err := contracts.ParseAmount(gave.Given)
	if err != nil {
		t.Fatal(err)
	}
	unused, err := contracts.ParseAmount(gave.Unused)
	if err != nil {
		t.Fatal(err)
	}
	return all.SubFloor(unused).String()
}

// TestAdversaryNoEndOfTheUserSkipsTheSettlement ends each role in each way that a user has, with bytes in the session
// that are not paid for yet.
func TestAdversaryNoEndOfTheUserSkipsTheSettlement(t *testing.T) {
	t.Parallel()
	p := built(t)
	web := startOutside(t)
	for _, role := range []string{"consumer", "provider"} {
		for _, e := range ends {
			t.Run(role+", "+e.name, func(t *testing.T) {
				t.Parallel()
				sellerDir, seller := funded(t)
				buyerDir, buyer := funded(t)
				up := with(seller, "provider", "up", "--foreground", "--price", "0.05", "--allow", "127.0.0.1/32", "--json")
				connect := with(with(buyer, "connect", "--foreground", "--proxy", "127.0.0.1:0", "--json"), onlyFrom(t, sellerDir)...)
				ways := map[string]string{"provider": onOutput, "consumer": onOutput}
				ways[role] = e.streams
				provider := p.stay(t, ways["provider"], up...)
				provider.says(t, "byway.provider/1")
				consumer := p.stay(t, ways["consumer"], connect...)
				var connected closedJSON
				decodeText(t, consumer.says(t, `"event":"connected"`), &connected)
				got, err := fetch(t, "socks5h", connected.Proxy, "http://"+web.host)
				web.same(t, "SOCKS5", got, err)

				ended, other := consumer, provider
				if role == "provider" {
					ended, other = provider, consumer
				}
				e.end(t, ended)
				if code := ended.code(t); code != 0 {
					t.Errorf("the %s ended with %d", role, code)
				}
				signals(syscall.SIGTERM)(t, other) // a connection waits for another provider, until its user ends it
				if code := other.code(t); code != 0 {
					t.Errorf("the other side ended with %d", code)
				}
				given := inOrder(t, buyer, buyerDir, sellerDir)
				if role == "consumer" && ended.pipe == nil && ended.term == nil {
					var closed closedJSON
					decodeText(t, ended.says(t, `"event":"closed"`), &closed)
					if paid := closed.Session.Paid.String(); paid != given || closed.Error != "" {
						t.Errorf("the receipt says %s, the ledger %s: %s", paid, given, closed.Error)
					}
				}
				t.Logf("adversary: the %s's end by: %s | bound: the rest is paid, exit code 0 | seen: %s given and taken, code %d",
					role, e.name, given, ended.ProcessState.ExitCode())
			})
		}
	}
}

// TestAdversaryShortCommandsSurviveAReaderThatLeaves has a pipe's reader leave before a command has written.
func TestAdversaryShortCommandsSurviveAReaderThatLeaves(t *testing.T) {
	t.Parallel()
	p := built(t)
	_, flags := funded(t)
	s := p.stay(t, onPipe, with(flags, "account", "list")...)
	s.pipe.Close()
	if code := s.code(t); code != 0 {
		t.Errorf("the command ended with %d", code)
	}
	t.Logf("adversary: a reader that leaves | bound: the process is not killed | seen: %v", s.ProcessState)
}

// TestAdversaryAPromptEndsAtOnce interrupts each prompt, and looks at what is left of the terminal.
func TestAdversaryAPromptEndsAtOnce(t *testing.T) {
	t.Parallel()
	p := built(t)
	dir, flags := newHome(t)
	account := flags[:4]
	for _, c := range []struct {
		prompt string
		args   []string
	}{
		{"Password: ", with(account, "account", "password")},
		{"Password: ", with(account, "provider", "up", "--foreground")},
		{"New password: ", []string{"--home", filepath.Join(dir, "new"), "account", "new", "--light"}},
		{"Phrase (it is not shown): ", []string{"--home", filepath.Join(dir, "old"), "account", "restore", "--light"}},
	} {
		for _, key := range []string{"\x03", "HUP"} {
			t.Run(strings.Trim(c.prompt, ": ")+" "+c.args[len(c.args)-1]+" "+strconv.Quote(key), func(t *testing.T) {
				t.Parallel()
				s := p.stay(t, onTerminal, c.args...)
				s.term.says(t, c.prompt)
				if s.term.echoes(t) {
					t.Error("what is typed at the prompt is shown")
				}
				began := time.Now()
				if key == "HUP" {
					signals(syscall.SIGHUP)(t, s)
				} else if _, err := s.term.master.WriteString(key); err != nil {
					t.Fatal(err)
				}
				if code := s.code(t); code != exitInterrupted {
					t.Errorf("the command ended with %d", code)
				}
				took := time.Since(began)
				if !s.term.echoes(t) {
					t.Error("the terminal does not show any more what is typed")
				}
				t.Logf("adversary: %q at %q | bound: code 130 and the echo back, at once | seen: code %d after %s", key,
					c.prompt, s.ProcessState.ExitCode(), took.Round(time.Millisecond))
			})
		}
	}
}

// TestAdversaryAStandardKeyLeavesNoMemoryBehind reads what a process with a key of full strength holds after it is up.
func TestAdversaryAStandardKeyLeavesNoMemoryBehind(t *testing.T) {
	if testing.Short() {
		t.Skip("scrypt at full strength takes seconds")
	}
	t.Parallel()
	p := built(t)
	dir := filepath.Join(t.TempDir(), "home")
	flags := []string{"--home", dir, "--network", devnetFile(t), "--password-file", passwordFile(t)}
	must(t, with(flags, "account", "new")...)
	must(t, with(flags, "devnet", "fund")...)
	provider := p.stay(t, onOutput, with(flags, "provider", "up", "--foreground", "--json")...)
	provider.says(t, "byway.provider/1")
	const bound = 120 << 10 // kB
	resident := func() int {
		status, err := os.ReadFile("/proc/" + strconv.Itoa(provider.Process.Pid) + "/status")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(status)) {
			if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
				kb, err := strconv.Atoi(strings.Fields(rest)[0])
				if err != nil {
					t.Fatal(err)
				}
				return kb
			}
		}
		t.Fatal("no VmRSS")
		return 0
	}
	seen := resident()
	for began := time.Now(); seen > bound && time.Since(began) < 10*time.Second; time.Sleep(100 * time.Millisecond) {
		seen = resident()
	}
	if seen > bound {
		t.Errorf("the process holds %d kB ten seconds after it was up", seen)
	}
	t.Logf("adversary: scrypt at full strength | bound: %d kB | seen: %d kB", bound, seen)
	signals(syscall.SIGTERM)(t, provider)
	if code := provider.code(t); code != 0 {
		t.Errorf("the provider ended with %d", code)
	}
}
