package ledger

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"byway/contracts"
	"byway/contracts/disk"
	"byway/contracts/disk/faultdisk"
	"byway/payments"
)

func TestLedgerServesOneProcess(t *testing.T) {
	t.Parallel()
	l := opened(t, filepath.Join(t.TempDir(), "ledger.db"), "")
	if _, err := Open(l.path, ""); !errors.Is(err, ErrInUse) {
		t.Fatalf("a second one: %v", err)
	}
}

func TestViewSeesWhatItsHolderStoresAndWritesNothing(t *testing.T) {
	t.Parallel()
	l := opened(t, filepath.Join(t.TempDir(), "ledger.db"), "")
	view := must(View(t.Context(), l.path))(t)
	defer view.Close()
	want := must(l.OpenAccount(t.Context(), Payer, testDomain, testChannel(1)))(t)
	if a, found, err := view.Account(t.Context(), Payer, testDomain, testChannel(1)); err != nil || !found || a != want {
		t.Fatalf("%+v is seen, %v, %v", a, found, err)
	}
	_, err := view.OpenAccount(t.Context(), Payer, testDomain, testChannel(2))
	if !errors.Is(err, ErrStore) || !errors.Is(err, ErrViewOnly) {
		t.Fatalf("a write: %v", err)
	}
}

// Many writes share a commit: those of it that fail leave nothing behind, and take no other along.
func TestFailedWriteTakesNoOtherAlong(t *testing.T) {
	t.Parallel()
	l := opened(t, filepath.Join(t.TempDir(), "ledger.db"), "")
	refused := errors.New("refused")
	var wg sync.WaitGroup
	for i := range int64(64) {
		wg.Go(func() {
			err := l.Do(t.Context(), func(tx *Tx) error {
				if _, err := tx.OpenAccount(Payee, testDomain, testChannel(i)); err != nil {
					return err
				}
				if i%8 == 0 {
					return refused
				}
				return nil
			})
			if i%8 == 0 != errors.Is(err, refused) || err != nil && !errors.Is(err, ErrStore) {
				t.Errorf("write %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	for i := range int64(64) {
		if _, found, err := l.Account(t.Context(), Payee, testDomain, testChannel(i)); err != nil || found == (i%8 == 0) {
			t.Errorf("channel %d: %v, %v", i, found, err)
		}
	}
}

// What was stored is there after a cut of the power at any moment, whoever else's writes shared its commit.
func TestPowerCutLosesNothingThatWasStored(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	disk := faultdisk.New(t, dir)
	l := must(Open(filepath.Join(dir, "ledger.db"), faultdisk.VFS))(t)
	const writers = 8
	var mu sync.Mutex
	var stored [writers]contracts.Amount
	begun := make(chan struct{}, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			a, err := l.OpenAccount(context.Background(), Payer, testDomain, testChannel(int64(i)))
			if err != nil {
				t.Error(err)
				return
			}
			row, err := opensSession(context.Background(), l, a, testTerms(a.Channel))
			if err != nil {
				t.Error(err)
				return
			}
			for n := int64(1); ; n++ {
				a.Total = tokens(n)
				a.Sig[0] = byte(n)
				if err := l.Do(context.Background(), func(tx *Tx) error {
					return tx.StorePromise(a, Share{Session: row, Amount: a.Total})
				}); err != nil {
					return
				}
				mu.Lock()
				stored[i] = a.Total
				mu.Unlock()
				if n == 1 {
					begun <- struct{}{}
				}
			}
		})
	}
	for range writers {
		<-begun
	}
	random := rand.New(rand.NewPCG(6, 7))
	for range 10 {
		time.Sleep(time.Duration(random.Int64N(int64(10 * time.Millisecond))))
		mu.Lock()
		want := stored
		mu.Unlock()
		left := t.TempDir()
		disk.Cut(t, left, random)
		after := opened(t, filepath.Join(left, "ledger.db"), "")
		for i := range writers {
			a, _, err := after.Account(t.Context(), Payer, testDomain, testChannel(int64(i)))
			if err != nil || a.Total.Less(want[i]) {
				t.Fatalf("%s was stored, %s is there: %v", want[i], a.Total, err)
			}
		}
		if v := must(Verify(t.Context(), after.path, Checks{}))(t); len(v.Problems) > 0 {
			t.Fatal(v.Problems)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
}

// An id is used once on each side, whatever became of its session.
func TestSessionIDIsUsedOnce(t *testing.T) {
	t.Parallel()
	l := opened(t, filepath.Join(t.TempDir(), "ledger.db"), "")
	a := must(l.OpenAccount(t.Context(), Payee, testDomain, testChannel(1)))(t)
	other := must(l.OpenAccount(t.Context(), Payee, testDomain, testChannel(2)))(t)
	mine := must(l.OpenAccount(t.Context(), Payer, testDomain, testChannel(1)))(t)
	terms := testTerms(a.Channel)
	if _, err := l.Session(t.Context(), terms.Session, true); !errors.Is(err, payments.ErrUnknownSession) {
		t.Fatalf("before it is opened: %v", err)
	}
	row := must(opensSession(t.Context(), l, a, terms))(t)
	if s := must(l.Session(t.Context(), terms.Session, true))(t); s.ID != row || s.Account != a.ID || s.Terms != terms {
		t.Fatalf("opened is %+v", s)
	}
	dearer := terms
	dearer.PricePerGiB = tokens(9)
	refused := func(want error) {
		t.Helper()
		for _, try := range []struct {
			account Account
			terms   payments.Terms
		}{{a, terms}, {a, dearer}, {other, terms}} {
			if _, err := opensSession(t.Context(), l, try.account, try.terms); !errors.Is(err, want) {
				t.Fatalf("on channel %d at %s: %v, want %v", try.account.ID, try.terms.PricePerGiB, err, want)
			}
		}
	}
	refused(payments.ErrSessionExists)
	must(opensSession(t.Context(), l, mine, terms))(t)                       // the other side's is another session
	for _, u := range []payments.Usage{{Rx: 1, Tx: 2, PeerRx: 3}, {Rx: 7}} { // ended twice, it has ended once
		if err := l.Do(t.Context(), func(tx *Tx) error { return tx.EndSession(row, u, EndDone) }); err != nil {
			t.Fatal(err)
		}
	}
	refused(payments.ErrSessionClosed)
	if s := must(l.Session(t.Context(), terms.Session, true))(t); s.Usage != (payments.Usage{Rx: 1, Tx: 2, PeerRx: 3}) {
		t.Fatalf("ended with %+v", s.Usage)
	}
}

// What a payee's session leaves behind was paid for: one that carried nothing and was billed nothing has no row and is
// in no day. A payer keeps its own.
func TestSessionOfNothingLeavesNoRow(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		side   Side
		amount contracts.Amount
		usage  payments.Usage
		want   error
	}{
		"a payee's":             {Payee, contracts.Amount{}, payments.Usage{}, payments.ErrUnknownSession},
		"a payee's, billed":     {Payee, tokens(1), payments.Usage{}, nil},
		"a payee's, that sent":  {Payee, contracts.Amount{}, payments.Usage{Tx: 1}, nil},
		"a payer's":             {Payer, contracts.Amount{}, payments.Usage{}, nil},
		"a payer's, that got 1": {Payer, contracts.Amount{}, payments.Usage{Rx: 1}, nil},
	} {
		l := opened(t, filepath.Join(t.TempDir(), "ledger.db"), "")
		a := must(l.OpenAccount(t.Context(), test.side, testDomain, testChannel(1)))(t)
		terms := testTerms(a.Channel)
		row := must(opensSession(t.Context(), l, a, terms))(t)
		a.Total, a.Sig, a.Credit = tokens(5), [64]byte{5}, tokens(5).SubFloor(test.amount)
		if err := l.Do(t.Context(), func(tx *Tx) error {
			return errors.Join(tx.StorePromise(a, Share{Session: row, Amount: test.amount}), tx.EndSession(row, test.usage, EndDone))
		}); err != nil {
			t.Fatal(name, err)
		}
		s, err := l.Session(t.Context(), terms.Session, test.side == Payee)
		if !errors.Is(err, test.want) || err == nil && s.Closed.IsZero() {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
		want := 1
		if test.want != nil {
			want = 0
		}
		days := must(l.Days(t.Context(), 0, time.Time{}, time.Time{}))(t)
		if len(days) != 1 || days[0].Sessions != want || days[0].Amount != tokens(5) { // what was promised stays promised
			t.Errorf("%s: %+v", name, days)
		}
		if v := must(Verify(t.Context(), l.path, Checks{}))(t); len(v.Problems) > 0 {
			t.Errorf("%s: %v", name, v.Problems)
		}
	}
}

// A crash with bytes between the last promise and the grant is the payee's own loss once in a day, and the vault's debt
// the second time.
func TestSecondCrashOfADayIsHeldAgainstTheVault(t *testing.T) {
	t.Parallel()
	l := opened(t, filepath.Join(t.TempDir(), "ledger.db"), "")
	a := must(l.OpenAccount(t.Context(), Payee, testDomain, testChannel(1)))(t)
	crash := func() Account {
		t.Helper()
		for range 2 { // parallel sessions of one vault crash once
			must(opensSession(t.Context(), l, a, testTerms(a.Channel)))(t)
		}
		if n := must(l.EndSessions(t.Context()))(t); n != 2 {
			t.Fatalf("%d sessions were left open", n)
		}
		return must(l.AccountByID(t.Context(), a.ID))(t)
	}
	if got := crash(); got != a { // nothing was granted: nothing is lost
		t.Fatalf("%+v, was %+v", got, a)
	}
	a.Counted, a.Granted = tokens(40), tokens(60)
	if err := l.Do(t.Context(), func(tx *Tx) error { return tx.StoreAccount(a) }); err != nil {
		t.Fatal(err)
	}
	lost := func() (sum contracts.Amount) {
		t.Helper()
		for _, loss := range must(l.LossesSince(t.Context(), testClaimant, time.Now().Add(-time.Hour)))(t) {
			sum = must(sum.Add(loss.Amount))(t)
		}
		return sum
	}
	first := crash()
	if first.Counted != tokens(40) || time.Since(first.ForgivenAt) > time.Hour || lost() != tokens(20) {
		t.Fatalf("the first: %+v, lost %s", first, lost())
	}
	if second := crash(); second.Counted != tokens(60) || second.ForgivenAt != first.ForgivenAt || lost() != tokens(20) {
		t.Fatalf("the second: %+v, lost %s", second, lost())
	}
	a = must(l.AccountByID(t.Context(), a.ID))(t)
	a.Counted, a.ForgivenAt = tokens(40), time.Now().Add(-forgiveEvery)
	if err := l.Do(t.Context(), func(tx *Tx) error { return tx.StoreAccount(a) }); err != nil {
		t.Fatal(err)
	}
	if third := crash(); third.Counted != tokens(40) || lost() != tokens(40) {
		t.Fatalf("a day later: %+v, lost %s", third, lost())
	}
	if v := must(Verify(t.Context(), l.path, Checks{}))(t); len(v.Problems) > 0 {
		t.Fatal(v.Problems)
	}
}

func TestReopenedClaimsAreOnTheirWayAgain(t *testing.T) {
	t.Parallel()
	l := filled(t)
	for from, want := range []int{1, 1, 0} { // the claim of block 7, from blocks 6, 7 and 8 on
		path := filepath.Join(t.TempDir(), "ledger.db")
		if err := l.Backup(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		after := opened(t, path, "")
		if err := after.Do(t.Context(), func(tx *Tx) error {
			return tx.ReopenClaims(testClaimant, uint64(6+from))
		}); err != nil {
			t.Fatal(err)
		}
		claims := must(after.ClaimsOnTheirWay(t.Context(), testClaimant))(t)
		if len(claims) != want || want == 1 && (claims[0].Intent != "claim/1" || len(claims[0].Rows) != 2) {
			t.Fatalf("from block %d on: %+v", 6+from, claims)
		}
		if v := must(Verify(t.Context(), path, Checks{}))(t); len(v.Problems) > 0 {
			t.Fatal(v.Problems)
		}
	}
}

func TestBackupIsRestoredWholeAndOverwritesNothing(t *testing.T) {
	t.Parallel()
	l := filled(t)
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
	if err := Restore(t.Context(), backup, restored, Checks{}); err != nil {
		t.Fatal(err)
	}
	if err := Restore(t.Context(), backup, restored, Checks{}); err == nil {
		t.Fatal("a ledger was overwritten")
	}
	a, b := must(Verify(t.Context(), l.path, Checks{}))(t), must(Verify(t.Context(), restored, Checks{}))(t)
	if fmt.Sprint(a) != fmt.Sprint(b) || len(b.Problems) > 0 {
		t.Fatalf("%v\n%v", a, b)
	}
	opened(t, restored, "")
}

func TestDaysAddUpWhatEnded(t *testing.T) {
	t.Parallel()
	l := filled(t)
	sums := func() (d Day) {
		for _, day := range must(l.Days(t.Context(), 0, time.Time{}, time.Time{}))(t) { // twice as many around midnight
			if day.Received {
				d.Sessions, d.Promises, d.Rx, d.Tx = d.Sessions+day.Sessions, d.Promises+day.Promises, d.Rx+day.Rx, d.Tx+day.Tx
				d.Amount, d.Claimed = must(d.Amount.Add(day.Amount))(t), must(d.Claimed.Add(day.Claimed))(t)
				d.Claims += day.Claims
			}
			if time.Since(day.Date) > 49*time.Hour && day.Received {
				t.Fatalf("a day of %s", day.Date)
			}
		}
		return d
	}
	want := Day{Sessions: 2, Promises: 4, Rx: 14, Tx: 100, Amount: tokens(100), Claims: 1, Claimed: tokens(30)}
	if got := sums(); got != want {
		t.Fatalf("%+v, want %+v", got, want)
	}
	if n := must(l.EndSessions(t.Context()))(t); n != 4 {
		t.Fatalf("%d sessions were left open", n)
	}
	if n := must(l.EndSessions(t.Context()))(t); n != 0 {
		t.Fatalf("%d sessions were left open, still", n)
	}
	if got, taken := sums().Amount, must(Verify(t.Context(), l.path, Checks{}))(t).Taken; got != taken {
		t.Fatalf("the days have %s, the channels %s", got, taken)
	}
}

// old is a ledger as the schema of that many steps had it, with what one channel was promised.
func old(t *testing.T, steps int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger.db")
	db := must(openDB(path, disk.Database{Access: disk.Create, Commit: disk.Synced, Wait: patience}))(t)
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := db.Exec(query, args...); err != nil {
			t.Fatal(query, err)
		}
	}
	for _, step := range migrations[:steps] {
		exec(step)
	}
	exec(fmt.Sprintf("PRAGMA user_version = %d", steps))
	total, sig := blob(tokens(5)), [64]byte{5}
	exec("INSERT INTO channel (role, chain_id, contract, token, payer, signer, payee, total, sig, other, settled,"+
		" owed_since, changed_at) VALUES (?,?,?,?,?,?,?,?,?,?,?,1,1)",
		append(accountArgs(Payee, testDomain, testChannel(1)), total, sig[:], total, blob(contracts.Amount{}))...)
	if steps >= 3 { // since then there are checksums, over all columns that there were
		var columns string
		if err := db.QueryRow("SELECT group_concat(name, ', ') FROM pragma_table_info('channel') WHERE name <> 'sum'").
			Scan(&columns); err != nil {
			t.Fatal(err)
		}
		exec("UPDATE channel SET sum = " + rowSumFunc + "('channel', " + columns + ")")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBackupOfAnOlderProgramIsRestored(t *testing.T) {
	t.Parallel()
	for steps := 1; steps < len(migrations); steps++ {
		to := filepath.Join(t.TempDir(), "ledger.db")
		if err := Restore(t.Context(), old(t, steps), to, Checks{}); err != nil {
			t.Fatal(steps, err)
		}
		a, _, err := opened(t, to, "").Account(t.Context(), Payee, testDomain, testChannel(1))
		if err != nil || a.Total != tokens(5) {
			t.Fatalf("%s was promised, %v", a.Total, err)
		}
	}
}

func TestChangeOfSchemaMakesNoWrongChecksumRight(t *testing.T) {
	t.Parallel()
	damaged := old(t, 3)
	db := must(openDB(damaged, disk.Database{Wait: patience}))(t)
	if _, err := db.Exec("UPDATE channel SET changed_at = 2"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	if err := Restore(t.Context(), damaged, filepath.Join(t.TempDir(), "ledger.db"), Checks{}); err == nil {
		t.Fatal("a damaged backup was restored")
	}
}

// A disk that is full holds the ledger until it has room: whoever waits is told of both, and what was refused is in no day.
func TestLedgerIsHeldWhileTheDiskIsFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := faultdisk.New(t, dir)
	l := opened(t, filepath.Join(dir, "ledger.db"), faultdisk.VFS)
	a := must(l.OpenAccount(t.Context(), Payer, testDomain, testChannel(1)))(t)
	row := must(opensSession(t.Context(), l, a, testTerms(a.Channel)))(t)
	promise := func(n int64) error {
		a.Total, a.Sig[0] = tokens(n), 1
		return l.Do(t.Context(), func(tx *Tx) error { return tx.StorePromise(a, Share{Session: row, Amount: a.Total}) })
	}
	if err := promise(1); err != nil || l.Held() != nil {
		t.Fatal(err, l.Held())
	}
	if err := l.Mended(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, fault := range []faultdisk.Fault{faultdisk.FailFull, faultdisk.FailReadOnly, faultdisk.FailBefore, faultdisk.FailAfter} {
		told := make(chan error, 2)
		for range 2 {
			go func() { told <- l.Failure(t.Context()) }()
		}
		d.SetFail(func(int) faultdisk.Fault { return fault })
		before := a.Total
		if err := promise(1000); !errors.Is(err, ErrStore) {
			t.Fatalf("fault %d: %v", fault, err)
		}
		for range 2 {
			if err := <-told; !errors.Is(err, ErrStore) || !strings.Contains(err.Error(), "disk") {
				t.Fatalf("fault %d: told was %v", fault, err)
			}
		}
		// What writes nothing succeeds, and shows nothing.
		if err := l.Do(t.Context(), func(tx *Tx) error { return tx.EndSession(-1, payments.Usage{}, EndDone) }); err != nil || l.Held() == nil {
			t.Fatalf("fault %d: %v, held %v after a write of nothing", fault, err, l.Held())
		}
		waiting, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond) // it tries once, in vain
		if err := l.Mended(waiting); !errors.Is(err, context.DeadlineExceeded) || l.Held() == nil {
			t.Fatalf("fault %d: mended with %v while the disk fails, held %v", fault, err, l.Held())
		}
		cancel()
		d.SetFail(nil)
		if err := l.Mended(t.Context()); err != nil || l.Held() != nil {
			t.Fatalf("fault %d: %v, held %v", fault, err, l.Held())
		}
		if err := promise(before.Big().Int64() + 1); err != nil {
			t.Fatalf("fault %d: after it %v", fault, err)
		}
		if v := must(Verify(t.Context(), l.path, Checks{}))(t); len(v.Problems) > 0 || v.Given != a.Total {
			t.Fatalf("fault %d: %v, given are %s of %s", fault, v.Problems, v.Given, a.Total)
		}
	}
	d.SetFail(func(int) faultdisk.Fault { return faultdisk.FailFull })
	if err := promise(2000); err == nil {
		t.Fatal("a full disk took a promise")
	}
	waits := make(chan error, 1)
	go func() { waits <- l.Mended(context.Background()) }()
	d.SetFail(nil)
	l.Close()
	if err := <-waits; err != nil && !errors.Is(err, ErrStore) {
		t.Fatalf("closed while it waited: %v", err)
	}
}
