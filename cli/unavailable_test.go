package cli

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// amounts are the keys of answers under which money stands.
var amounts = map[string]bool{
	"wallet": true, "free": true, "reserved": true, "promised": true, "settled": true, "owed": true, "ceiling": true, "vault": true,
	"unsettled": true, "claiming": true, "gas_wei": true, "gas_spent_wei": true, "given": true, "taken": true,
}

// unknown reports whether an answer has an amount that is not known.
func unknown(out string) bool {
	for key := range amounts {
		if strings.Contains(out, `"`+key+`":null`) {
			return true
		}
	}
	return false
}

// differs says where an answer names an amount that is not the true one; null is no amount.
func differs(path string, truth, got any) string {
	switch truth := truth.(type) {
	case map[string]any:
		got, ok := got.(map[string]any)
		if !ok {
			return ""
		}
		for key, want := range truth {
			value, there := got[key]
			if amounts[key] && there && value != nil && !reflect.DeepEqual(want, value) {
				return fmt.Sprintf("%s.%s is %v, want %v or null", path, key, value, want)
			}
			if d := differs(path+"."+key, want, value); d != "" {
				return d
			}
		}
	case []any:
		got, _ := got.([]any)
		if strings.HasSuffix(path, ".channels") && len(got) != len(truth) {
			return fmt.Sprintf("%s has %d channels, want %d", path, len(got), len(truth))
		}
		for i := range got {
			if d := differs(fmt.Sprintf("%s[%d]", path, i), truth[i], got[i]); d != "" {
				return d
			}
		}
	}
	return ""
}

// silent takes connections and says nothing.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var held []net.Conn
	ended := make(chan struct{})
	go func() { // ends with the listener
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			held = append(held, c)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
		for _, c := range held {
			c.Close()
		}
	})
	return "http://" + l.Addr().String()
}

// Whatever a command reads may be out of reach: the chain in any way, the ledger, what the home remembers. Then an amount
// is the true one as far as it was known, or null, or the command fails and says why; it is never another number, and
// nobody waits long for it.
func TestAdversaryUnavailableIsNeverZero(t *testing.T) {
	t.Parallel()
	sellerDir, seller := funded(t)
	buyerDir, buyer := funded(t)
	provider := startProvider(t, seller)
	connect := with(buyer, "connect", "--foreground", "--json", "--proxy", "127.0.0.1:0", "--spend", "0.01")
	session := start(t, with(connect, onlyFrom(t, sellerDir)...)...)
	if _, err := session.line(90*time.Second, `"event":"connected"`); err != nil {
		t.Fatal(err)
	}
	session.stop()
	session.end(t, time.Minute)
	provider.stop()
	provider.end(t, time.Minute)

	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprint(w, "<html>bad gateway")
	}))
	t.Cleanup(page.Close)
	rpc := func(url string) func(*testing.T, string) []string {
		return func(*testing.T, string) []string { return []string{"--rpc", url} }
	}
	spoil := func(names ...string) func(*testing.T, string) []string {
		return func(t *testing.T, dir string) []string {
			for _, name := range names {
				path := filepath.Join(dir, name)
				if b, err := os.ReadFile(path); err == nil {
					copy(b, bytes.Repeat([]byte{0xa5}, len(b)))
					if err := os.WriteFile(path, b, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			return nil
		}
	}
	both := func(a, b func(*testing.T, string) []string) func(*testing.T, string) []string {
		return func(t *testing.T, dir string) []string { return append(a(t, dir), b(t, dir)...) }
	}
	locked := func(t *testing.T, dir string) []string {
		db, err := sql.Open("sqlite", filepath.Join(dir, "ledger.db"))
		if err != nil {
			t.Fatal(err)
		}
		db.SetMaxOpenConns(1)
		for _, query := range []string{"PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE"} {
			if _, err := db.Exec(query); err != nil {
				t.Fatal(err)
			}
		}
		t.Cleanup(func() { db.Close() })
		return nil
	}
	gone := rpc("http://127.0.0.1:1")
	faults := map[string]func(*testing.T, string) []string{
		"nothing (the control)":                 func(*testing.T, string) []string { return nil },
		"chain refuses":                         gone,
		"chain says nothing":                    rpc(silent(t)),
		"chain is a page":                       rpc(page.URL),
		"ledger locked":                         locked,
		"ledger spoilt":                         spoil("ledger.db", "ledger.db-wal"),
		"funds.json spoilt":                     spoil("funds.json"),
		"token.json spoilt":                     spoil("token.json"),
		"chain refuses, ledger locked":          both(gone, locked),
		"chain refuses, ledger spoilt":          both(gone, spoil("ledger.db", "ledger.db-wal")),
		"chain refuses, funds and token spoilt": both(gone, spoil("funds.json", "token.json")),
		"chain refuses, chain_time.json spoilt": both(gone, spoil("chain_time.json")),
		"chain refuses, funds gone": both(gone, func(t *testing.T, dir string) []string {
			if err := os.Remove(filepath.Join(dir, "funds.json")); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			return nil
		}),
	}
	for _, as := range []struct {
		role, dir string
		flags     []string
		commands  []string
	}{
		{"consumer", buyerDir, buyer, []string{"vault show", "channel list", "account balance", "ledger verify"}},
		{"provider", sellerDir, seller, []string{"earnings", "account balance", "ledger verify"}},
	} {
		for _, command := range as.commands {
			words := append(strings.Fields(command), "--json")
			var truth any
			if err := json.Unmarshal([]byte(must(t, with(as.flags, words...)...)), &truth); err != nil {
				t.Fatal(err)
			}
			for name, fault := range faults {
				t.Run(as.role+" "+command+": "+name, func(t *testing.T) {
					t.Parallel()
					dir := filepath.Join(t.TempDir(), "home")
					if err := os.CopyFS(dir, os.DirFS(as.dir)); err != nil {
						t.Fatal(err)
					}
					more := fault(t, dir)
					line := append([]string{"--home", dir, "--network", devnetFile(t), "--password-file", passwordFile(t)}, more...)
					began := time.Now()
					code, out, errOut := byway(t, with(line, words...)...)
					took := time.Since(began)
					seen := fmt.Sprintf("%d after %s: %.150s%.150s", code, took.Round(100*time.Millisecond), out, errOut)
					t.Logf("adversary: %s, %s | bound: the true amounts, null, or an error, within seconds | seen: %s", command, name, seen)
					switch {
					case code == 0:
						var got any
						if err := json.Unmarshal([]byte(out), &got); err != nil {
							t.Fatal(err)
						}
						if d := differs("", truth, got); d != "" {
							t.Errorf("%s\n%s", d, out)
						}
					case errOut == "":
						t.Error("it failed and said nothing")
					case name == "nothing (the control)":
						t.Error(errOut)
					}
					// The screen says as much as the JSON.
					screen, text, why := byway(t, with(line, strings.Fields(command)...)...)
					if screen != code || screen == 0 && unknown(out) && !strings.Contains(text, "unavailable") {
						t.Errorf("on the screen: %d, want %d: %s%s", screen, code, text, why)
					}
					if took > 30*time.Second {
						t.Errorf("it took %s", took)
					}
				})
			}
		}
	}
}
