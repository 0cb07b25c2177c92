package payments

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"byway/contracts"
)

// filledLedger has two channels on each side, one session of each ended and one open.
func filledLedger(t *testing.T) (*Ledger, *fakeChain) {
	t.Helper()
	l := newLedger(t)
	chain := &fakeChain{any: &ChannelState{Ceiling: contracts.MaxAmount(), Block: 1}}
	payee := newPayee(t, l, chain)
	for i := range int64(2) {
		c, key := testChannel(i)
		for _, end := range []bool{true, false} {
			terms := testTerms(c)
			payer := newPayer(t, l, key, terms, contracts.MaxAmount())
			must(payee.Open(t.Context(), terms))(t)
			must(payee.Accept(t.Context(), terms.Session, must(payer.First(t.Context()))(t)))(t)
			must(payee.Accept(t.Context(), terms.Session, must2(payer.Due(t.Context(), Usage{Rx: 3 * mib}))(t, true)))(t)
			if end {
				last := must2(payer.Final(t.Context(), Usage{Rx: 4 * mib, Tx: 50, PeerRx: 40}))(t, true)
				must(payee.Accept(t.Context(), terms.Session, last))(t)
				if err := payee.Close(t.Context(), terms.Session, Usage{Rx: 40, Tx: 5 * mib}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return l, chain
}

func TestVerifyFindsNothingInAHealthyLedger(t *testing.T) {
	t.Parallel()
	l, chain := filledLedger(t)
	v := must(VerifyLedger(t.Context(), l.path, chain))(t)
	if len(v.Problems) > 0 {
		t.Fatal(strings.Join(v.Problems, "\n"))
	}
	want := must(cost(testPrice, 4*mib+40).Add(cost(testPrice, 3*mib)))(t)
	want = must(want.Add(want))(t)
	if v.Channels != 4 || v.Sessions != 8 || v.Signatures != 4 || v.Given != want || v.Taken != want {
		t.Fatalf("%+v", v)
	}
}

func TestVerifyNamesWhatWasAltered(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ change, want string }{
		"total":     {"UPDATE channel SET total = x'0000000000ffffffffffffff' WHERE id = 2", "channel 2"},
		"signature": {"UPDATE channel SET sig = CAST(substr(sig, 1, 63) || x'77' AS BLOB) WHERE id = 3", "channel 3"},
		"rest":      {"UPDATE channel SET other = x'000000000000000000000001' WHERE id = 1", "channel 1"},
		"share":     {"UPDATE session SET amount = x'000000000000000000000001' WHERE id = 4", "channel 2"},
		"price":     {"UPDATE session SET price = x'000000000000000000000001' WHERE id = 1", "session 1"},
		"counter":   {"UPDATE session SET rx = rx - 1 WHERE id = 1", "session 1"},
		"payer":     {"UPDATE channel SET payer = x'0000000000000000000000000000000000000001' WHERE id = 4", "channel 4"},
		"settled":   {"UPDATE channel SET settled = x'000000000000000000000001', settled_block = 1 WHERE id = 2", "channel 2"},
		"too much":  {"UPDATE channel SET settled = x'0fffffffffffffffffffffff' WHERE id = 2", "channel 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, chain := filledLedger(t)
			if err := l.do(t.Context(), func(w *writer) error { return w.exec(test.change) }); err != nil {
				t.Fatal(err)
			}
			v := must(VerifyLedger(t.Context(), l.path, chain))(t)
			if len(v.Problems) == 0 || !strings.HasPrefix(v.Problems[0], test.want) {
				t.Fatalf("problems: %q, want %s first", v.Problems, test.want)
			}
		})
	}
}

func TestVerifyReportsADamagedFile(t *testing.T) {
	t.Parallel()
	l, _ := filledLedger(t)
	path := filepath.Join(t.TempDir(), "copy.db")
	if err := l.Backup(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copy(b[4096:], strings.Repeat("\xff", 64)) // the head of a page of the tree
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	v, err := VerifyLedger(t.Context(), path, nil)
	if err == nil && len(v.Problems) == 0 {
		t.Fatal("a damaged file passes")
	}
	if err := RestoreLedger(t.Context(), path, filepath.Join(t.TempDir(), "ledger.db")); err == nil {
		t.Fatal("a damaged backup was restored")
	}
}

func TestBackupIsRestoredWholeAndOverwritesNothing(t *testing.T) {
	t.Parallel()
	l, chain := filledLedger(t)
	dir := t.TempDir()
	backup, restored := filepath.Join(dir, "backup.db"), filepath.Join(dir, "new", "ledger.db")
	if err := l.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	if err := l.Backup(t.Context(), backup); err == nil {
		t.Fatal("a backup was overwritten")
	}
	if info, err := os.Stat(backup); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info.Mode(), err)
	}
	if err := RestoreLedger(t.Context(), backup, restored); err != nil {
		t.Fatal(err)
	}
	if err := RestoreLedger(t.Context(), backup, restored); err == nil {
		t.Fatal("a ledger was overwritten")
	}
	a, b := must(VerifyLedger(t.Context(), l.path, chain))(t), must(VerifyLedger(t.Context(), restored, chain))(t)
	if fmt.Sprint(a) != fmt.Sprint(b) || len(b.Problems) > 0 {
		t.Fatalf("%v\n%v", a, b)
	}
	ledgerAt(t, restored)
}

func TestDaysAddUpWhatEnded(t *testing.T) {
	t.Parallel()
	l, _ := filledLedger(t)
	days := must(l.Days(t.Context(), 10))(t)
	if len(days) != 2 && len(days) != 4 { // four around midnight
		t.Fatalf("%d days", len(days))
	}
	one := cost(testPrice, 4*mib+40)
	if d := days[0]; len(days) == 2 && (d.Received || d.Sessions != 2 || d.Promises != 6 || d.Rx != 8*mib || d.Tx != 100 ||
		d.Amount != must(one.Add(one))(t) || time.Since(d.Date) > 25*time.Hour) {
		t.Fatalf("%+v", d)
	}
	if n := must(l.EndSessions(t.Context()))(t); n != 4 {
		t.Fatalf("%d sessions were left open", n)
	}
	if n := must(l.EndSessions(t.Context()))(t); n != 0 {
		t.Fatalf("%d sessions were left open, still", n)
	}
	sum := contracts.Amount{}
	for _, d := range must(l.Days(t.Context(), 10))(t) {
		if d.Received {
			sum = must(sum.Add(d.Amount))(t)
		}
	}
	wantAmount(t, "sum of the days", sum, must(VerifyLedger(t.Context(), l.path, nil))(t).Taken)
}
