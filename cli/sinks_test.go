package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"byway/contracts"
	"byway/contracts/text"
	"byway/node/api"
	"byway/node/home"
	"byway/node/token"
	"byway/node/wire"
)

// evil holds text that a stranger would like a terminal to obey, and a reader not to see.
const evil = "no\x1b[2J\x1b]0;owned\a\u202ekcab\u009b1A\u200b\r\b"

// obeyed returns the first character of an output that is no visible one, line ends apart.
func obeyed(s string) (rune, bool) {
	for _, r := range s {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return r, true
		}
	}
	return 0, false
}

// hostileEndpoint answers every request of JSON-RPC with an error, or with a page, of hostile text.
func hostileEndpoint(t *testing.T, page bool) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if page {
			w.WriteHeader(http.StatusBadGateway)
			fmt.Fprint(w, "<html>"+evil)
			return
		}
		var request struct {
			ID     json.RawMessage `json:"id"`
			Method string          `json:"method"`
		}
		if json.NewDecoder(r.Body).Decode(&request) != nil {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if request.Method == "eth_chainId" {
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":"0x7a69"}`, request.ID)
			return
		}
		text, _ := json.Marshal(evil)
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32000,"message":%s}}`, request.ID, text)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestAdversaryNothingHostileReachesTheTerminal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(dir, "home")
	base := []string{"--home", home, "--password-file", password, "--log", "debug"}
	if code, _, errOut := byway(t, with(base, "account", "new", "--light")...); code != 0 {
		t.Fatal(errOut)
	}
	// A daemon of another program's, or a broken one, whose answers are hostile.
	answers := filepath.Join(dir, "answers")
	if code, _, errOut := byway(t, "--home", answers, "--password-file", password, "account", "new", "--light"); code != 0 {
		t.Fatal(errOut)
	}
	hostileDaemon(t, answers)
	n, _ := json.Marshal(map[string]string{"name": evil})
	network := filepath.Join(dir, "network.json")
	if err := os.WriteFile(network, n, 0o600); err != nil {
		t.Fatal(err)
	}
	called := filepath.Join(dir, evil)
	cases := map[string][]string{
		"status of a hostile daemon":   {"--home", answers, "status"},
		"earnings of a hostile daemon": {"--home", answers, "earnings"},
		"a home's name":                {"--home", called, "status"},
		"a password file's name":       {"--password-file", called, "account", "new"},
		"a network file's name":        {"--network", called, "account", "balance"},
		"a network file's content":     {"--network", network, "account", "balance"},
		"a host's name":                {"--rpc", "http://evil\u202e\x1b[2J.invalid", "account", "balance"},
		"a command's name":             {evil},
		"a flag's value":               {"--log", evil, "status"},
		"a ledger's name":              {"ledger", "restore", called},
	}
	for _, page := range []bool{false, true} {
		url := hostileEndpoint(t, page)
		for _, command := range []string{
			"account balance", "earnings", "vault deposit 1",
		} {
			cases[fmt.Sprintf("an endpoint (page: %t), %s", page, command)] = append([]string{"--rpc", url},
				strings.Fields(command)...)
		}
	}
	for name, args := range cases {
		for _, asJSON := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, json %t", name, asJSON), func(t *testing.T) {
				t.Parallel()
				line := with(base, args...)
				if asJSON {
					line = with([]string{"--json"}, line...)
				}
				_, out, errOut := byway(t, line...)
				r, raw := obeyed(out + errOut)
				t.Logf("adversary: hostile text from %s | bound: no character that a terminal obeys | seen: %.120q", name, errOut)
				if raw {
					t.Errorf("%U reaches the terminal: %q %q", r, out, errOut)
				}
			})
		}
	}
}

// hostileDaemon runs on a home and answers everything with what a terminal obeys.
func hostileDaemon(t *testing.T, dir string) {
	t.Helper()
	folder, err := home.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := folder.Lock()
	if err != nil {
		t.Fatal(err)
	}
	server, err := api.Listen(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	hostile := func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, evil)
	}
	served := make(chan error, 1)
	go func() {
		served <- server.Serve(ctx, api.Config{Routes: map[string]http.HandlerFunc{"/v1/": hostile, "/v2/": hostile}}, func() {})
	}()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-served, unlock()); err != nil {
			t.Error(err)
		}
	})
}

// What strangers put into answers that are printed as they come: rows, JSON and errors.
func TestAdversaryAnswersOfStrangersArePrintedSafely(t *testing.T) {
	t.Parallel()
	var out, errs strings.Builder
	s := Streams{Out: &out, Err: &errs}
	code := outcomeOf(s, func(e env) error {
		token := token.Token{Symbol: evil, Decimals: 18}
		e.rows(e.Out, row{"price", token.Format(contracts.NewAmount(1))}, row{"reason", "one\n  paid  1000000 BYW"})
		if err := e.printJSON(map[string]string{"symbol": evil}); err != nil {
			return err
		}
		return &wire.RefusalError{Code: wire.RefusedBusy, Reason: evil}
	})
	if r, raw := obeyed(out.String() + errs.String()); raw || code == 0 {
		t.Errorf("%d, %U: %q %q", code, r, out.String(), errs.String())
	}
	if strings.Contains(out.String(), "\n  paid") {
		t.Errorf("a value made a row of its own: %s", out.String())
	}
	t.Logf("adversary: a symbol, a refusal's reason and a forged row | bound: escaped, one row each | seen: %q", out.String())
}

// outcomeOf prints through the streams as a command does.
func outcomeOf(s Streams, do func(env) error) int {
	s.Out, s.Err = text.NewWriter(s.Out), text.NewWriter(s.Err)
	if err := do(env{s}); err != nil {
		fmt.Fprintln(s.Err, "byway:", err)
		return exitCode(context.Background(), err)
	}
	return exitOK
}
