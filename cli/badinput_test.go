package cli

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"byway/contracts/devchain"
	"byway/node/home"
)

// refusal is a command line that fails, with what it answers.
type refusal struct {
	args string
	code int
	says []string
}

func (r refusal) check(t *testing.T, flags ...string) {
	t.Helper()
	args := with(flags, strings.Fields(r.args)...)
	code, out, errOut := byway(t, args...)
	if code != r.code {
		t.Errorf("byway %s: %d, want %d: %s", r.args, code, r.code, errOut)
	}
	for _, text := range r.says {
		if !strings.Contains(errOut, text) {
			t.Errorf("byway %s does not say %q: %s", r.args, text, errOut)
		}
	}
	if out != "" {
		t.Errorf("byway %s wrote to stdout: %s", r.args, out)
	}
	if !strings.HasPrefix(errOut, "byway: ") || strings.Contains(errOut, "goroutine") {
		t.Errorf("byway %s: %q", r.args, errOut)
	}
}

func TestMistakesOnTheCommandLineAreNamed(t *testing.T) {
	t.Parallel()
	nowhere := "--home " + filepath.Join(t.TempDir(), "nowhere")
	for _, r := range []refusal{
		{"foo", 2, []string{`no command "foo"`, "byway --help"}},
		{"--foo", 2, []string{"no flag --foo", "byway --help"}},
		{"--price 1 provider up", 2, []string{"no flag --price"}},
		{"provider foo", 2, []string{`byway provider has no command "foo"`}},
		{"help foo", 2, []string{`no command "foo"`}},
		{"connect foo", 2, []string{`takes flags alone, not "foo"`, "byway connect --help"}},
		{"connect --spent 1", 2, []string{"no flag --spent", "byway connect --help"}},
		{"demo now", 2, []string{`"now"`, "byway demo --help"}},
		{"status now", 2, []string{`"now"`, "byway status --help"}},
		{"disconnect now", 2, []string{`"now"`, "byway disconnect --help"}},
		{"devnet up now", 2, []string{`"now"`, "byway devnet up --help"}},
		{"provider up now", 2, []string{`"now"`, "byway provider up --help"}},
		{"provider claim now", 2, []string{`"now"`, "byway provider claim --help"}},
		{"offers list now", 2, []string{`"now"`, "byway offers list --help"}},
		{"account new now", 2, []string{`"now"`, "byway account new --help"}},
		{"account list now", 2, []string{`"now"`, "byway account list --help"}},
		{"account balance now", 2, []string{`"now"`, "byway account balance --help"}},
		{"connect --spend", 2, []string{"--spend needs a value"}},
		{"provider up --max-sessions many", 2, []string{"many", "byway provider up --help"}},
		{"--log loud status", 2, []string{`--log "loud"`, "debug, info, warn or error"}},
		{"status --log loud", 2, []string{`--log "loud"`}},
		{"--home= status", 2, []string{"--home is empty"}},

		{"demo --network x", 2, []string{"--rpc, not --network"}},
		{"devnet up --network x", 2, []string{"--rpc, not --network"}},
		{"demo --rpc http://127.0.0.1:1", 2, []string{"--funder-key"}},
		{"--rpc http://127.0.0.1:1 demo", 2, []string{"--funder-key"}},
		{"devnet up --rpc http://127.0.0.1:1", 2, []string{"--funder-key"}},
		{"demo --funder-key " + strings.Repeat("11", 32), 2, []string{"--rpc"}},
		{"demo --rpc http://127.0.0.1:1 --funder-key 0x12", 2, []string{"--funder-key", "64 hexadecimal digits"}},
		{"devnet up --listen 8545", 2, []string{`--listen "8545"`, "127.0.0.1:8545"}},
		{"devnet up --ipfs-port 65536", 2, []string{"--ipfs-port 65536"}},
		{"devnet up --ipfs-port -1", 2, []string{"--ipfs-port -1"}},
		{"devnet up --period -1s", 2, []string{"--period"}},
		{"devnet up --listen 127.0.0.1:0 --rpc http://127.0.0.1:1 --funder-key " + strings.Repeat("11", 32), 2,
			[]string{"--listen", "--rpc"}},
		{"devnet fund 0x12", 2, []string{`"0x12" is no address`}},
		{"devnet fund 0x0000000000000000000000000000000000000001 2", 2, []string{"one ADDRESS", `"2"`}},
		{"devnet fund --network nowhere.toml", 1, []string{"nowhere.toml", "byway devnet up --write"}},

		{"provider up --price abc", 2, []string{`--price "abc"`}},
		{"provider up --price -1", 2, []string{`--price "-1"`}},
		{"provider up --price 1.", 2, []string{`--price "1."`}},
		{"provider up --stake 1e3", 2, []string{`--stake "1e3"`}},
		{"connect --max-price cheap", 2, []string{`--max-price "cheap"`}},
		{"connect --spend all", 2, []string{`--spend "all"`}},
		{"connect --proxy 1080", 2, []string{`--proxy "1080"`, "127.0.0.1:1080"}},
		{"offers list --max-price 0x1", 2, []string{`--max-price "0x1"`}},

		{"status " + nowhere, 3, []string{"no byway daemon", "byway provider up"}},
		{"disconnect " + nowhere, 3, []string{"no byway daemon", "byway connect"}},
		{"provider claim " + nowhere, 3, []string{"no byway daemon"}},
		{"account list " + nowhere, 1, []string{"no account here", "byway account new"}},
		{"account balance " + nowhere, 1, []string{"byway account new"}},
		{"provider up " + nowhere, 1, []string{"byway account new"}},
		{"connect --proxy 127.0.0.1:0 " + nowhere, 1, []string{"byway account new"}},
		{"devnet fund " + nowhere, 1, []string{"byway account new"}},
		{"account new " + nowhere, 2, []string{"no terminal", "--password-file"}},
		{"account new --password-file " + os.DevNull + " " + nowhere, 1, []string{os.DevNull, "empty"}},
		{"account new --password-file /does/not/exist " + nowhere, 1, []string{"/does/not/exist"}},
	} {
		r.check(t)
	}
	// Whatever is a term of an offer is not a flag's to say where the offer is signed.
	for _, name := range termFlags {
		value := map[string]string{"country": "=NL", "allow": "=127.0.0.1/32", "deny": "=1.2.3.0/24", "p2p": "=false"}[name]
		if value == "" {
			value = "=7"
		}
		refusal{"provider up --offer nowhere --" + name + value + " " + nowhere, 2,
			[]string{"--" + name, "--offer", "sign an offer"}}.check(t)
	}
}

func TestNothingButAccountNewMakesAHome(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "nowhere")
	for _, args := range []string{
		"status", "disconnect", "provider claim", "account list", "account balance", "provider up",
	} {
		byway(t, with([]string{"--home", dir}, strings.Fields(args)...)...)
		if _, err := os.Stat(dir); err == nil {
			t.Fatalf("byway %s made the folder that --home names", args)
		}
	}
}

func TestErrorsSayHowToStartTheDevnet(t *testing.T) {
	t.Parallel()
	dir, _ := newHome(t)
	flags := []string{"--home", dir, "--rpc", "http://127.0.0.1:1", "--password-file", passwordFile(t)}
	for _, args := range []string{
		"account balance", "provider up", "connect --proxy 127.0.0.1:0", "offers list", "devnet fund",
	} {
		refusal{args, 1, []string{"127.0.0.1:1", "byway devnet up"}}.check(t, flags...)
	}
}

func TestErrorsSayHowContractsGetOntoAChain(t *testing.T) {
	t.Parallel()
	chain, err := devchain.Start(devchain.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := chain.Close(); err != nil {
			t.Error(err)
		}
	})
	refusal{"offers list", 1, []string{"is not there", "byway devnet up", "--funder-key"}}.check(t, "--rpc", chain.URL())
}

func TestBadNetworkFilesAreNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good, err := os.ReadFile(devnetFile(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"garbage.toml": "\x00\xff garbage {{{",
		"empty.toml":   "",
		"unknown.toml": string(good) + "\nsurprise = 1\n",
		"huge.toml":    string(good) + strings.Repeat("#", 128<<10),
		"binary.toml":  strings.Repeat("\x80", 100),
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		refusal{"offers list --network " + path, 1, []string{path}}.check(t)
	}
	refusal{"offers list --network " + dir, 1, []string{dir}}.check(t)
}

func TestWrongPricesPasswordsAndHomesOfOthers(t *testing.T) {
	t.Parallel()
	dir, flags := newHome(t)
	for _, r := range []refusal{
		{"account new", 1, []string{"already holds the account", "--home"}},
		{"provider up --price 0", 2, []string{"--price must be above zero"}},
		{"provider up --price 0.0000000000000000001", 2, []string{"--price", "18 decimals"}},
		{"provider up --price 99999999999", 2, []string{"--price"}},
		{"provider up --allow 10.0.0.1/8", 2, []string{`--allow "10.0.0.1/8"`}},
		{"provider up --deny x", 2, []string{`--deny "x"`}},
		{"provider up --dns 9.9.9.9", 2, []string{`--dns "9.9.9.9"`}},
		{"provider up --listen x", 2, []string{`--listen "x"`}},
		{"provider up --endpoint x", 2, []string{`--endpoint "x"`}},
		{"provider up --endpoint 192.0.2.1:0", 2, []string{"has port 0", "name the one that consumers reach"}},
		{"provider up --max-sessions 0", 2, []string{"--max-sessions"}},
		{"connect --proxy 127.0.0.1:0 --spend 0", 2, []string{"--spend must be above zero"}},
		{"connect --proxy 127.0.0.1:0 --max-price 0", 2, []string{"--max-price must be above zero"}},
		{"connect --proxy 127.0.0.1:0 --country Germany", 2, []string{`--country "Germany"`}},
		{"connect --proxy 127.0.0.1:0 --provider 0x1", 2, []string{`--provider "0x1"`}},
		{"devnet fund --tokens 0", 2, []string{"--tokens"}},
		{"devnet fund --tokens many", 2, []string{"--tokens"}},
		{"status", 3, []string{"no byway daemon", dir}},
	} {
		r.check(t, flags...)
	}
	wrong := filepath.Join(t.TempDir(), "wrong")
	if err := os.WriteFile(wrong, []byte("staple\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	refusal{"provider up --foreground --password-file " + wrong, 1, []string{"wrong password"}}.check(t, flags[:4]...)
	refusal{"provider up --foreground", 2, []string{"no terminal", "--password-file"}}.check(t, flags[:4]...)

	home, err := home.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := home.Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	for _, args := range []string{
		"provider up --foreground", "connect --foreground --proxy 127.0.0.1:0", "up --foreground", "devnet up --keep --listen 127.0.0.1:0 --ipfs-port 0",
	} {
		if strings.HasPrefix(args, "devnet") {
			flags = []string{"--home", dir}
		}
		refusal{args, 1, []string{"another byway process runs on " + dir}}.check(t, flags...)
	}
}

func TestPortsThatAreTakenAreNamedWithTheirFlag(t *testing.T) {
	t.Parallel()
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	tcpPort := strconv.Itoa(tcp.Addr().(*net.TCPAddr).Port)
	udpPort := strconv.Itoa(udp.LocalAddr().(*net.UDPAddr).Port)
	for _, r := range []refusal{
		{"devnet up --ipfs-port 0 --listen 127.0.0.1:" + tcpPort, 1, []string{tcpPort, "--listen"}},
		{"devnet up --listen 127.0.0.1:0 --ipfs-port " + tcpPort, 1, []string{tcpPort, "--ipfs-port"}},
		{"devnet up --listen 127.0.0.1:0 --ipfs-port " + udpPort, 1, []string{udpPort, "--ipfs-port"}},
	} {
		r.check(t)
	}
	_, flags := funded(t)
	refusal{"provider up --foreground --json --listen 127.0.0.1:" + udpPort, exitUsage, []string{udpPort, "--listen"}}.check(t, flags...)
	refusal{"connect --foreground --proxy 127.0.0.1:" + tcpPort, exitUsage, []string{tcpPort, "--proxy"}}.check(t, flags...)
}
