package cli

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"byway/contracts"
	"byway/node/api"
	"byway/node/api/spec"
)

// endDaemon ends the daemon of a home with its test.
func endDaemon(t *testing.T, dir string, flags []string) {
	t.Cleanup(func() {
		if code, out, errOut := byway(t, with(flags[:2], "down")...); code != 0 && code != exitNotRunning {
			t.Errorf("down: %d: %s%s", code, out, errOut)
		}
		if t.Failed() {
			said, _ := os.ReadFile(filepath.Join(dir, logFile))
			t.Logf("the daemon of %s: %s", dir, said)
		}
	})
}

// statusOf asks the daemon of a home.
func statusOf(t *testing.T, flags []string) (s spec.Status) {
	t.Helper()
	decodeText(t, must(t, with(flags[:2], "status", "--json")...), &s)
	return s
}

// bytesAt serves so many bytes on loopback.
func bytesAt(t *testing.T, n int) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, n)) }))
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return server.URL
}

// fetchAll loads a page through a proxy.
func fetchAll(t *testing.T, proxy, url string, want int) {
	t.Helper()
	response, err := through(t, "socks5h", proxy).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if n, err := io.Copy(io.Discard, response.Body); err != nil || n != int64(want) {
		t.Fatalf("%d of %d bytes: %v", n, want, err)
	}
}

// holdings adds up what an account and its vault hold.
func holdings(t *testing.T, flags []string) (sum contracts.Amount) {
	t.Helper()
	var v spec.Vault
	decodeText(t, must(t, with(flags, "vault", "show", "--json")...), &v)
	for _, part := range []*contracts.Amount{v.Wallet, v.Free, v.Reserved} {
		if part == nil {
			t.Fatalf("the vault is not known: %+v", v)
		}
		sum = sum.AddCap(*part)
	}
	return sum
}

func TestDaemonsWithBothRolesSpendWhatTheyEarnAndSumsAreExact(t *testing.T) {
	t.Parallel()
	const size = 3 << 20
	page := bytesAt(t, size)
	type home struct {
		dir    string
		flags  []string
		before contracts.Amount
	}
	var homes [2]home
	for i := range homes {
		h := &homes[i]
		h.dir, h.flags = funded(t)
		endDaemon(t, h.dir, h.flags)
		h.before = holdings(t, h.flags)
	}
	for i, h := range homes {
		for _, setting := range [][]string{
			{"roles", "provider", "consumer"}, {"provider.price", "1"}, {"provider.allow", "127.0.0.1/32"}, {"provider.to-vault", "true"},
			{"consumer.proxy", "127.0.0.1:0"}, {"consumer.spend", "0.5"}, {"consumer.provider", onlyFrom(t, homes[1-i].dir)[1]},
		} {
			must(t, with(with(h.flags[:2], "config", "set"), setting...)...)
		}
		must(t, with(h.flags, "provider", "up")...) // each buys from the other, so both sell first
	}
	var paid, earned [2]contracts.Amount
	for i, h := range homes {
		must(t, with(h.flags, "up")...)
		s := statusOf(t, h.flags)
		if s.Provider == nil || s.Connection == nil || s.Connection.State != spec.ConnectionStateConnected {
			t.Fatalf("home %d runs %+v, %+v", i, s.Provider, s.Connection)
		}
		fetchAll(t, s.Connection.Proxy, page, size)
	}
	// A daemon that is killed takes up both by itself; its proxy's port was left to the system.
	pid := statusOf(t, homes[0].flags).Pid
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the daemon is gone", func() bool { return syscall.Kill(pid, 0) != nil })
	if code, out, errOut := byway(t, with(homes[0].flags[:4], "up")...); code != 0 || !strings.Contains(out, "locked") {
		t.Fatalf("up without a password: %d: %s%s", code, out, errOut)
	}
	waitFor(t, "the connection is back", func() bool {
		s := statusOf(t, homes[0].flags)
		return s.Locked && s.Connection != nil && s.Connection.State == spec.ConnectionStateConnected
	})
	fetchAll(t, statusOf(t, homes[0].flags).Connection.Proxy, page, size)
	must(t, with(homes[0].flags, "account", "unlock")...)
	// Its host has another port now, which an offer must say that only the account signs.
	waitFor(t, "the provider is back, and its consumer", func() bool {
		p, c := statusOf(t, homes[0].flags).Provider, statusOf(t, homes[1].flags).Connection
		return p != nil && p.State == spec.ProviderStatusStateUp && c != nil && c.State == spec.ConnectionStateConnected
	})
	fetchAll(t, statusOf(t, homes[1].flags).Connection.Proxy, page, size)
	for i, h := range homes {
		var closed spec.ConnectReport
		decodeText(t, must(t, with(h.flags[:2], "disconnect", "--json")...), &closed)
		if closed.Session == nil {
			t.Fatalf("home %d has no receipt", i)
		}
	}
	for i, h := range homes {
		var days spec.Days
		decodeText(t, must(t, with(h.flags, "earnings", "--by", "day", "--spent", "--json")...), &days)
		for _, d := range days.Days {
			paid[i] = paid[i].AddCap(d.Amount)
		}
		must(t, with(h.flags, "provider", "claim", "--to-vault")...)
		var report spec.EarningsReport
		decodeText(t, must(t, with(h.flags, "earnings", "--json")...), &report)
		earned[i] = report.Promised
		if report.Settled != report.Promised || paid[i].IsZero() {
			t.Errorf("home %d: %s of %s are settled, it has paid %s", i, report.Settled, report.Promised, paid[i])
		}
	}
	for i, h := range homes {
		if paid[i] != earned[1-i] {
			t.Errorf("home %d paid %s, the other one earned %s", i, paid[i], earned[1-i])
		}
		after := holdings(t, h.flags)
		if after.AddCap(paid[i]) != h.before.AddCap(earned[i]) {
			t.Errorf("home %d had %s, paid %s, earned %s and has %s", i, h.before, paid[i], earned[i], after)
		}
	}
}

func TestADaemonThatACommandStartedEndsWithTheLastWish(t *testing.T) {
	t.Parallel()
	sellerDir, seller := funded(t)
	endDaemon(t, sellerDir, seller)
	must(t, with(seller, "provider", "up", "--allow", "127.0.0.1/32")...)
	buyerDir, buyer := funded(t)
	endDaemon(t, buyerDir, buyer)
	must(t, with(with(buyer, "connect", "--proxy", "127.0.0.1:0"), onlyFrom(t, sellerDir)...)...)
	// A command that needs no key and no wish leaves it alone.
	must(t, with(buyer, "vault", "show")...)
	must(t, with(buyer[:2], "disconnect")...)
	must(t, with(seller[:2], "provider", "down")...)
	for _, dir := range []string{buyerDir, sellerDir} {
		waitFor(t, "the daemon of "+dir+" has ended", func() bool {
			_, err := api.DialDir(dir)
			return errors.Is(err, api.ErrNotRunning)
		})
	}
}

// Who asks a daemon without its password gets nothing signed, and is told what to do.
func TestALockedDaemonSpendsNothingNew(t *testing.T) {
	t.Parallel()
	dir, flags := funded(t)
	endDaemon(t, dir, flags)
	must(t, with(flags[:4], "up")...)
	for _, args := range [][]string{{"vault", "deposit", "1"}, {"vault", "withdraw", "all"}, {"provider", "up", "--allow", "127.0.0.1/32"}} {
		code, out, errOut := byway(t, with(flags[:4], args...)...)
		if code == 0 || !strings.Contains(errOut, "password") {
			t.Errorf("%q of a locked daemon: %d: %s%s", args, code, out, errOut)
		}
	}
	if code, _, errOut := byway(t, with(flags[:4], "account", "unlock", "--password-file", wrongPassword(t))...); code == 0 ||
		!strings.Contains(errOut, "wrong password") {
		t.Errorf("a wrong password: %d: %s", code, errOut)
	}
	must(t, with(flags, "vault", "deposit", "1")...)
	if s := statusOf(t, flags); s.Locked {
		t.Error("the password did not unlock it")
	}
	must(t, with(flags[:2], "account", "lock")...)
	if code, _, _ := byway(t, with(flags[:4], "vault", "withdraw", "all")...); code == 0 {
		t.Error("it withdrew while it was locked again")
	}
	var v spec.Vault
	decodeText(t, must(t, with(flags, "vault", "show", "--json")...), &v)
	if v.Free == nil || v.Free.Tokens(18) != "1" {
		t.Errorf("the vault holds %v", v.Free)
	}
	if time.Since(statusOf(t, flags).Since) < 0 {
		t.Error("it began later than now")
	}
}

func wrongPassword(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wrong")
	if err := os.WriteFile(path, []byte("battery staple\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
