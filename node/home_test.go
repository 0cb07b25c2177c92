package node

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"byway/node/serve"
	"byway/node/wire"
)

func testHome(t *testing.T) Home {
	t.Helper()
	home, err := OpenHome(filepath.Join(t.TempDir(), "home"))
	if err != nil {
		t.Fatal(err)
	}
	return home
}

func TestAccountOpensWithItsPasswordAlone(t *testing.T) {
	t.Parallel()
	home := testHome(t)
	if _, _, err := home.Unlock("secret"); !errors.Is(err, ErrNoAccount) {
		t.Errorf("an empty home gave %v", err)
	}
	address, err := home.NewAccount("secret", Light)
	if err != nil {
		t.Fatal(err)
	}
	owner, session, err := home.Unlock("secret")
	if err != nil {
		t.Fatal(err)
	}
	if owner.Address() != address || session.Address() == address {
		t.Errorf("unlocked %s and %s, the account is %s", owner, session, address)
	}
	listed, listedSession, err := home.Accounts()
	if err != nil || listed != address || listedSession != session.Address() {
		t.Errorf("listed %s and %s, %v", listed, listedSession, err)
	}
	if _, _, err := home.Unlock("Secret"); !errors.Is(err, ErrPassword) {
		t.Errorf("a wrong password gave %v", err)
	}
	if _, err := home.NewAccount("other", Light); err == nil {
		t.Error("a second account overwrote the first")
	}
}

func TestDamagedKeyFileIsNamed(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{"empty": "", "garbage": "\x00\x01", "no key": `{"address":"xyz"}`, "two": "{}{}"} {
		home := testHome(t)
		if err := os.WriteFile(home.keyPath(ownerAccount), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := home.Unlock("x")
		_, _, listErr := home.Accounts()
		for _, err := range []error{err, listErr} {
			if err == nil || !strings.Contains(err.Error(), home.keyPath(ownerAccount)) {
				t.Errorf("%s: %v does not name the file", name, err)
			}
		}
	}
}

func TestHomeServesOneProcess(t *testing.T) {
	t.Parallel()
	home := testHome(t)
	unlock, err := home.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := home.Lock(); err == nil || !strings.Contains(err.Error(), home.Dir()) {
		t.Errorf("locking twice gave %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := home.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if err := again(); err != nil {
		t.Error(err)
	}
}

func TestSecretsAreReadableByTheirOwnerAlone(t *testing.T) {
	t.Parallel()
	home := testHome(t)
	if _, err := home.NewAccount("secret", Light); err != nil {
		t.Fatal(err)
	}
	if err := filepath.WalkDir(home.Dir(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", path, info.Mode())
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestLocalAPIAnswersTheHolderOfTheTokenAlone(t *testing.T) {
	t.Parallel()
	home := testHome(t)
	if _, err := DialAPI(home); !errors.Is(err, ErrNotRunning) {
		t.Errorf("dialling nobody gave %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served, ready := make(chan error, 1), make(chan struct{})
	listener, err := listenAPI(ctx)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		served <- serveAPI(ctx, home, listener, map[string]http.HandlerFunc{
			"GET /v1/status": func(w http.ResponseWriter, _ *http.Request) { answer(w, "fine", nil) },
			"POST /v1/fail":  func(w http.ResponseWriter, _ *http.Request) { answer(w, nil, errors.New("it broke")) },
		}, func() { close(ready) })
	}()
	select {
	case <-ready:
	case err := <-served:
		t.Fatal(err)
	}
	api, err := DialAPI(home)
	if err != nil {
		t.Fatal(err)
	}
	var got string
	if err := api.Get(ctx, "/v1/status", &got); err != nil || got != "fine" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := api.Post(ctx, "/v1/fail", &got); err == nil || err.Error() != "it broke" {
		t.Errorf("a failing call gave %v", err)
	}
	for name, change := range map[string]func(*http.Request){
		"no token":     func(r *http.Request) { r.Header.Del("Authorization") },
		"wrong token":  func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+strings.Repeat("0", 64)) },
		"rebound name": func(r *http.Request) { r.Host = "evil.example" },
	} {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+api.where.Address+"/v1/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+api.where.Token)
		change(r)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %s", name, response.Status)
		}
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if _, err := DialAPI(home); !errors.Is(err, ErrNotRunning) {
		t.Errorf("after the end the API is found: %v", err)
	}
}

func TestKilledDaemonIsNotTakenForARunningOne(t *testing.T) {
	t.Parallel()
	home := testHome(t)
	left, err := json.Marshal(apiAddress{"127.0.0.1:1", "00"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(home.path("api.json"), left, 0o600); err != nil {
		t.Fatal(err)
	}
	api, err := DialAPI(home)
	if err == nil {
		err = api.Get(t.Context(), "/v1/status", new(string))
	}
	if !errors.Is(err, ErrNotRunning) {
		t.Errorf("got %v", err)
	}
}

func TestNetworkFileRoundTrip(t *testing.T) {
	t.Parallel()
	n, err := Devnet()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "net.toml")
	if err := n.Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := LoadNetwork(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.Deployment != n.Deployment || got.Bootstrap[0] != n.Bootstrap[0] || !got.Private || got.RPC[0] != n.RPC[0] {
		t.Errorf("read %+v, wrote %+v", got, n)
	}
	if _, err := LoadNetwork("mainnet"); err == nil || !strings.Contains(err.Error(), `"mainnet"`) {
		t.Errorf("an unknown network gave %v", err)
	}
}

func TestNetworkFileSaysWhatItLacks(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                       "name",
		"name='x'":               "rpc",
		"name='x'\nrpc=['y']":    "chain_id",
		"name='x'\ncolour='red'": "colour",
		"name=1":                 "name",
		"name='x'\nrpc=['y']\nchain_id=1\nchannels='0x0000000000000000000000000000000000000001'": "missing",
		"name='x'\nchannels='zz'":   "",
		strings.Repeat("#", 70_000): "longer",
	} {
		if _, err := parseNetwork([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q gave %v, want a word about %q", text, err, want)
		}
	}
}

func FuzzParseNetwork(f *testing.F) {
	f.Add([]byte("name='x'\nrpc=['y']\nchain_id=1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := parseNetwork(text)
		if err == nil && (n.Name == "" || len(n.RPC) == 0 || n.ChainID == 0) {
			t.Fatalf("%q was read as %+v", text, n)
		}
	})
}

func TestPriceAGigabyteReadsBackAsItWasTyped(t *testing.T) {
	t.Parallel()
	token := Token{Symbol: "T", Decimals: 18}
	for _, typed := range []string{"0.05", "0.000000000000000001", "1", "12.345678901234567891", "0.1"} {
		perGB, err := token.Parse(typed)
		if err != nil {
			t.Fatal(err)
		}
		perGiB, err := PerGiB(perGB)
		if err != nil {
			t.Fatal(err)
		}
		back, err := PerGB(perGiB)
		if err != nil || token.Format(back) != typed+" T" {
			t.Errorf("%s became %s for 2^30 bytes and reads %s, %v", typed, perGiB, token.Format(back), err)
		}
	}
}

func TestWhatTheLocalAPISaysReadsBack(t *testing.T) {
	t.Parallel()
	said := ProviderStatus{
		Schema: "byway.status/1", Sessions: []serve.SessionStatus{{State: wire.StateHeld}},
		Earnings: Earnings{GasSpent: Wei{new(big.Int).Lsh(big.NewInt(1), 200)}},
	}
	b, err := json.Marshal(said)
	if err != nil {
		t.Fatal(err)
	}
	var heard ProviderStatus
	if err := json.Unmarshal(b, &heard); err != nil {
		t.Fatal(err)
	}
	if heard.Sessions[0].State != wire.StateHeld || heard.Earnings.GasSpent.Cmp(said.Earnings.GasSpent.Int) != 0 {
		t.Errorf("said %s, heard %+v", b, heard)
	}
	for _, bad := range []string{`1`, `"-1"`, `"x"`, `""`, `"` + strings.Repeat("9", 100) + `"`} {
		if err := new(Wei).UnmarshalJSON([]byte(bad)); err == nil {
			t.Errorf("%.20s was read as wei", bad)
		}
	}
	if err := new(wire.State).UnmarshalText([]byte("paused")); err == nil {
		t.Error("an unknown state was read")
	}
}
