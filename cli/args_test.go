package cli

import (
	"io"
	"slices"
	"strings"
	"testing"
)

func TestFlagsMayStandAnywhere(t *testing.T) {
	t.Parallel()
	app := newApp(Streams{Out: io.Discard, Err: io.Discard})
	for typed, want := range map[string]string{
		"provider up --home X --price 1":          "--home X provider up --price 1",
		"--home X provider up":                    "--home X provider up",
		"provider --home=X up --json":             "--home=X --json provider up",
		"devnet fund 0x1 --tokens 5 --rpc A":      "--rpc A devnet fund --tokens 5 -- 0x1",
		"status --json":                           "--json status",
		"demo --rpc A --funder-key B --rpc C":     "--rpc A --rpc C demo --funder-key B",
		"connect --log debug --spend --home":      "--log debug connect --spend --home",
		"account balance --password-file F -home": "",
		"devnet fund -- --json":                   "devnet fund -- --json",
	} {
		line, err := arrange(app, append([]string{"byway"}, strings.Fields(typed)...))
		if want == "" {
			if err == nil {
				t.Errorf("%s: accepted", typed)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", typed, err)
			continue
		}
		if got := line.args()[1:]; !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s: read as %q, want %s", typed, got, want)
		}
	}
}

func TestGlobalFlagsActBeforeAndAfterEveryCommand(t *testing.T) {
	t.Parallel()
	dir, flags := newHome(t)
	for _, args := range [][]string{
		with(flags, "account", "balance", "--json"),
		with([]string{"account", "balance", "--json"}, flags...),
		with(with([]string{"--json", "account"}, flags...), "balance"),
	} {
		if out := must(t, args...); !strings.Contains(out, `"schema":"byway.balance/1"`) {
			t.Errorf("byway %s: %s", strings.Join(args, " "), out)
		}
	}
	for _, args := range [][]string{
		{"account", "list", "--home", dir, "--json"}, {"--json", "--home", dir, "account", "list"},
	} {
		if out := must(t, args...); !strings.Contains(out, `"schema":"byway.account/1"`) {
			t.Errorf("byway %s: %s", strings.Join(args, " "), out)
		}
	}
	_, _, note := byway(t, "account", "list", "--home", dir, "--rpc", "http://127.0.0.1:1")
	if !strings.Contains(note, "byway account list has no use for --rpc") {
		t.Errorf("a flag without a use is dropped silently: %q", note)
	}
}

func TestHelpKnowsEveryCommand(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"":                       "byway demo",
		"help":                   "COMMANDS",
		"-h":                     "--password-file FILE",
		"help connect":           "--max-price TOKENS",
		"connect --help":         "WireGuard implementation: upstream or tailscale, as ENGINE",
		"provider":               "byway provider claim",
		"provider -h":            "byway provider up",
		"help devnet up":         "--ipfs-port PORT",
		"devnet fund --help":     "byway devnet fund [flags] [ADDRESS]",
		"status --help --home x": "Takes --home, --log, --json too",
		"--version":              "byway ",
		"-v":                     "byway ",
	} {
		out := must(t, strings.Fields(typed)...)
		if !strings.Contains(out, want) {
			t.Errorf("byway %s lacks %q:\n%s", typed, want, out)
		}
		for line := range strings.Lines(out) {
			if width := len([]rune(strings.TrimRight(line, "\n"))); width > helpWidth+5 || strings.Contains(line, " \n") ||
				strings.Contains(line, "`") {
				t.Errorf("byway %s: %d columns: %q", typed, width, line)
			}
		}
	}
}
