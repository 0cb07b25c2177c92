package ledger

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/big"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/contracts/disk"
	"byway/payments"
)

// clocked is a ledger with a clock of the test's.
type clocked struct {
	*Ledger
	now   atomic.Int64 // Unix milliseconds
	chain atomic.Int64 // 0: not known
}

func newClocked(t *testing.T, now time.Time) *clocked {
	t.Helper()
	c := &clocked{Ledger: opened(t, filepath.Join(t.TempDir(), "ledger.db"), "")}
	c.at(now)
	c.runs()
	return c
}

func (c *clocked) runs() {
	c.SetClock(func() (now, chain time.Time) {
		if at := c.chain.Load(); at != 0 {
			chain = time.UnixMilli(at)
		}
		return time.UnixMilli(c.now.Load()), chain
	})
}

func (c *clocked) at(now time.Time) { c.now.Store(now.UnixMilli()) }

// days are what was booked, by day and side, in words.
func (c *clocked) days(t *testing.T) map[string]string {
	t.Helper()
	list := map[string]string{}
	for _, d := range must(c.Days(t.Context(), 0, time.Time{}, time.Time{}))(t) {
		list[fmt.Sprintf("%s %t", d.Date.Format(time.DateOnly), d.Received)] = fmt.Sprintf("%+v", d)
	}
	return list
}

func (c *clocked) exact(t *testing.T) {
	t.Helper()
	if v := must(Verify(t.Context(), c.path, Checks{}))(t); len(v.Problems) > 0 {
		t.Fatal(v.Problems)
	}
}

// promises raises a channel's total by one promise of a session that it opens, and returns the account after it.
func (c *clocked) promises(t *testing.T, side Side, channel int64, n int64) (Account, int64) {
	t.Helper()
	a := must(c.OpenAccount(t.Context(), side, testDomain, testChannel(channel)))(t)
	row := must(opensSession(t.Context(), c.Ledger, a, testTerms(a.Channel)))(t)
	return c.raises(t, a, row, n), row
}

func (c *clocked) raises(t *testing.T, a Account, row, n int64) Account {
	t.Helper()
	s := must(c.sessionShare(t.Context(), row))(t)
	a.Total, a.Sig[0] = a.Total.AddCap(tokens(n)), byte(n)
	if err := c.Do(t.Context(), func(tx *Tx) error {
		return tx.StorePromise(a, Share{Session: row, Amount: s.Amount.AddCap(tokens(n)), Usage: payments.Usage{
			Rx: s.Usage.Rx + uint64(n), Tx: s.Usage.Tx + 1,
		}})
	}); err != nil {
		t.Fatal(err)
	}
	return a
}

func (c *clocked) sessionShare(ctx context.Context, row int64) (s Session, err error) {
	err = c.sessions(ctx, func(one Session) error { s = one; return nil }, "s.id = ?", row)
	return s, err
}

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// A promise counts on the day on which it arrives, not on that of its session's end; what comes later, a repetition and
// the end itself leave the days before as they are.
func TestPromiseIsBookedOnTheDayItArrives(t *testing.T) {
	t.Parallel()
	for _, side := range []Side{Payer, Payee} {
		c := newClocked(t, noon)
		a, row := c.promises(t, side, 1, 10)
		first := c.days(t)
		c.at(noon.Add(24 * time.Hour))
		a = c.raises(t, a, row, 5)
		c.at(noon.Add(48 * time.Hour))
		for range 3 { // said again it brings nothing, and no row
			if err := c.Do(t.Context(), func(tx *Tx) error {
				return tx.StorePromise(a, Share{Session: row, Amount: tokens(15)})
			}); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(c.days(t)); n != 2 {
			t.Fatalf("%d days", n)
		}
		if err := c.Do(t.Context(), func(tx *Tx) error { return tx.EndSession(row, payments.Usage{Rx: 99, Tx: 2}, EndDone) }); err != nil {
			t.Fatal(err)
		}
		days := must(c.Days(t.Context(), side, time.Time{}, time.Time{}))(t)
		if len(days) != 3 {
			t.Fatalf("%+v", days)
		}
		for i, want := range []Day{
			{Promises: 1, Rx: 10, Tx: 1, Amount: tokens(10)}, {Promises: 1, Rx: 5, Tx: 1, Amount: tokens(5)}, {Sessions: 1, Rx: 84},
		} {
			want.Date, want.Received, want.Token = noon.Truncate(24*time.Hour).AddDate(0, 0, i), side == Payee, testClaimant.Token
			want.GasSpent = new(big.Int)
			if fmt.Sprintf("%+v", days[i]) != fmt.Sprintf("%+v", want) {
				t.Errorf("day %d of side %d: %+v, want %+v", i, side, days[i], want)
			}
		}
		for day, said := range first {
			if now := c.days(t)[day]; now != said {
				t.Errorf("%s was %s, is %s", day, said, now)
			}
		}
		if got := must(c.Days(t.Context(), side, noon.Add(12*time.Hour), noon.Add(24*time.Hour)))(t); len(got) != 1 ||
			got[0].Amount != tokens(5) {
			t.Errorf("the second day: %+v", got)
		}
		if got := must(c.Days(t.Context(), 3-side, time.Time{}, time.Time{}))(t); len(got) != 0 {
			t.Errorf("the other side: %+v", got)
		}
		c.exact(t)
	}
}

// Promises of parallel sessions around midnight share commits: each is on one day, none is lost and none counts twice.
func TestParallelPromisesAroundMidnightAreBookedOnce(t *testing.T) {
	t.Parallel()
	midnight := noon.Truncate(24*time.Hour).AddDate(0, 0, 1)
	c := newClocked(t, midnight.Add(-time.Second))
	const sessions, each = 24, 20
	refused := errors.New("refused")
	var wg sync.WaitGroup
	for i := range int64(sessions) {
		a := must(c.OpenAccount(t.Context(), Payer, testDomain, testChannel(i/2)))(t)
		if i%2 == 1 {
			a = must(c.OpenAccount(t.Context(), Payee, testDomain, testChannel(i/2)))(t)
		}
		row := must(opensSession(t.Context(), c.Ledger, a, testTerms(a.Channel)))(t)
		wg.Go(func() {
			for n := range int64(each) {
				if n == each/2 && i == sessions/2 {
					c.at(midnight.Add(time.Second))
				}
				a.Total, a.Sig[0] = tokens(n+1), 1
				share := Share{Session: row, Amount: a.Total, Usage: payments.Usage{Rx: uint64(n + 1)}}
				if err := c.Do(t.Context(), func(tx *Tx) error { return tx.StorePromise(a, share) }); err != nil {
					t.Error(err)
				}
				if n%5 == 0 { // one that fails takes back what it has booked, and no other's
					if err := c.Do(t.Context(), func(tx *Tx) error {
						more := a
						more.Total = tokens(1000)
						return errors.Join(tx.StorePromise(more, share), refused)
					}); !errors.Is(err, refused) {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	for _, side := range []Side{Payer, Payee} {
		var sum contracts.Amount
		var rx uint64
		promises := 0
		for _, d := range must(c.Days(t.Context(), side, time.Time{}, time.Time{}))(t) {
			sum, rx, promises = sum.AddCap(d.Amount), rx+d.Rx, promises+d.Promises
		}
		if sum != tokens(sessions/2*each) || rx != sessions/2*each || promises != sessions/2*each {
			t.Errorf("side %d: %s, %d bytes, %d promises", side, sum, rx, promises)
		}
	}
	c.exact(t)
}

// A clock that steps back books on the last day that was booked on, also after a start; one that runs ahead is held by the
// chain's time, and what it booked beyond that binds nobody once the time is known.
func TestClockRewritesNoPastDay(t *testing.T) {
	t.Parallel()
	c := newClocked(t, noon)
	a, row := c.promises(t, Payer, 1, 1)
	c.at(noon.AddDate(0, 0, -20))
	a = c.raises(t, a, row, 2)
	c.at(time.UnixMilli(0)) // a machine without a clock
	a = c.raises(t, a, row, 4)
	booked := func(want ...string) {
		t.Helper()
		var got []string
		for _, d := range must(c.Days(t.Context(), Payer, time.Time{}, time.Time{}))(t) {
			got = append(got, d.Date.Format(time.DateOnly)+" "+d.Amount.String())
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("booked is %s, want %s", got, want)
		}
	}
	booked("2026-11-30 7")
	path := c.path
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c.Ledger = opened(t, path, "")
	c.runs()
	a = c.raises(t, a, row, 8)
	booked("2026-11-30 15")

	c.chain.Store(noon.AddDate(0, 0, 1).UnixMilli())
	for _, wrong := range []time.Time{noon.AddDate(4, 0, 0), time.UnixMilli(0)} {
		c.at(wrong)
		a = c.raises(t, a, row, 16)
	}
	booked("2026-11-30 15", "2026-12-01 32")
	c.chain.Store(0)
	c.at(noon.AddDate(4, 0, 0)) // nobody knows better
	a = c.raises(t, a, row, 64)
	booked("2026-11-30 15", "2026-12-01 32", "2030-11-30 64")
	c.chain.Store(noon.AddDate(0, 0, 2).UnixMilli())
	c.at(noon.AddDate(0, 0, 2))
	a = c.raises(t, a, row, 128)
	c.at(noon.AddDate(0, 0, 1)) // a step back within what the chain's time allows
	c.raises(t, a, row, 256)
	booked("2026-11-30 15", "2026-12-01 32", "2026-12-02 384", "2030-11-30 64")
	if got := must(c.SpentSince(t.Context(), noon.AddDate(0, 0, 2)))(t); got != tokens(448) {
		t.Fatalf("spent is %s", got) // the day of a wrong clock counts, too much rather than too little
	}
	c.exact(t)
}

// What is spent is exact to the unit at every moment, and only the payer's side.
func TestSpentSinceCountsThisSidesPromises(t *testing.T) {
	t.Parallel()
	c := newClocked(t, noon)
	c.promises(t, Payer, 1, 3)
	c.promises(t, Payee, 1, 1000)
	c.at(noon.AddDate(0, 0, 1))
	a, row := c.promises(t, Payer, 2, 5)
	for since, want := range map[time.Time]int64{
		{}: 8, noon.AddDate(0, 0, -1): 8, noon.Add(time.Hour): 8, noon.Add(12 * time.Hour): 5, noon.AddDate(0, 0, 1): 5,
		noon.AddDate(0, 0, 2): 0,
	} {
		if got := must(c.SpentSince(t.Context(), since))(t); got != tokens(want) {
			t.Errorf("since %s: %s, want %d", since, got, want)
		}
	}
	// What a restored ledger learns of counts on the day that it learns of it, and is marked.
	a = must(c.AccountByID(t.Context(), a.ID))(t)
	a.Total, a.Other = tokens(25), tokens(20)
	if err := c.Do(t.Context(), func(tx *Tx) error { return tx.StoreAccount(a) }); err != nil {
		t.Fatal(err)
	}
	c.raises(t, a, row, 1)
	days := must(c.Days(t.Context(), Payer, noon.AddDate(0, 0, 1), time.Time{}))(t)
	if len(days) != 1 || days[0].Amount != tokens(26) || days[0].Carried != tokens(20) {
		t.Fatalf("%+v", days)
	}
	c.exact(t)
}

// A reorganisation takes a claim of a past day back: the past day stays, and the day of the discovery says so.
func TestClaimUndoneLaterLeavesItsDay(t *testing.T) {
	t.Parallel()
	c := newClocked(t, noon)
	a, _ := c.promises(t, Payee, 1, 50)
	var claim int64
	if err := c.Do(t.Context(), func(tx *Tx) (err error) {
		claim, err = tx.StoreClaim(testClaimant, Claim{Intent: "claim/1", Rows: []ClaimRow{{Account: a.ID, Cumulative: tokens(50)}}})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	settles := func(paid, fee int64) {
		t.Helper()
		if err := c.Do(t.Context(), func(tx *Tx) error {
			return tx.SettleClaim(claim, Settlement{
				Tx: common.Hash{1}, Block: 7, Fee: big.NewInt(fee), Paid: tokens(paid),
				Settled: map[int64]contracts.Amount{a.ID: tokens(paid)},
			})
		}); err != nil {
			t.Fatal(err)
		}
	}
	settles(50, 9)
	settles(50, 9) // heard of again
	first := c.days(t)
	c.at(noon.AddDate(0, 0, 1))
	for range 2 {
		if err := c.Do(t.Context(), func(tx *Tx) error { return tx.ReopenClaims(testClaimant, 7) }); err != nil {
			t.Fatal(err)
		}
	}
	c.exact(t)
	c.at(noon.AddDate(0, 0, 2))
	settles(40, 11)
	settles(45, 11)
	c.exact(t)
	days := must(c.Days(t.Context(), Payee, time.Time{}, time.Time{}))(t)
	if len(days) != 3 || days[0].Claims != 1 || days[0].Claimed != tokens(50) || days[0].GasSpent.Int64() != 9 ||
		days[1].Claims != 0 || days[1].UndoneClaims != 1 || days[1].Undone != tokens(50) || days[1].GasSpent.Int64() != -9 ||
		days[2].Claims != 2 || days[2].Claimed != tokens(85) || days[2].UndoneClaims != 1 || days[2].Undone != tokens(40) ||
		days[2].GasSpent.Int64() != 11 {
		t.Fatalf("%+v", days)
	}
	for day, said := range first {
		if now := c.days(t)[day]; now != said {
			t.Errorf("%s was %s, is %s", day, said, now)
		}
	}
	c.at(noon.AddDate(0, 0, 3))
	if err := c.Do(t.Context(), func(tx *Tx) error { return tx.FailClaim(claim, common.Hash{2}, "reverted") }); err != nil {
		t.Fatal(err)
	}
	c.exact(t)
}

// What is merged is gone from sessions and books, and no unit and no byte with it; the days of each side stay.
func TestForgetMergesOldRowsToTheUnit(t *testing.T) {
	t.Parallel()
	c := newClocked(t, noon)
	keep := 30 * 24 * time.Hour
	type channel struct {
		a   Account
		row int64
	}
	var list []channel
	for i := range int64(300) { // more than one transaction merges
		side := []Side{Payer, Payee}[i%2]
		a, row := c.promises(t, side, i/4, i+1)
		if err := c.Do(t.Context(), func(tx *Tx) error {
			return tx.EndSession(row, payments.Usage{Rx: 1000 + uint64(i), Tx: 7}, EndDone)
		}); err != nil {
			t.Fatal(err)
		}
		list = append(list, channel{a, row})
	}
	open, openRow := c.promises(t, Payer, 400, 5) // one that never ends
	settled := must(c.OpenAccount(t.Context(), Payee, testDomain, list[1].a.Channel))(t)
	if err := c.Do(t.Context(), func(tx *Tx) error {
		return tx.StoreSettled(settled.ID, Reading{Settled: settled.Total, Block: 1})
	}); err != nil {
		t.Fatal(err)
	}
	count := func(table string) (n int) {
		t.Helper()
		if err := c.read.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	days, totals := c.days(t), must(c.accounts(t.Context(), "1 = 1"))(t)
	if _, err := c.Forget(t.Context(), LeastKeep-1); err == nil {
		t.Error("what a Hello may still name was forgotten")
	}
	real := time.Now() // sessions end by the machine's clock
	for _, step := range []struct {
		after time.Duration
		want  int // sessions merged: the payer's 150 and the settled channel's 2, then what is owed for too long
	}{{keep - 48*time.Hour, 0}, {keep + 48*time.Hour, 152}, {keep + 48*time.Hour, 0}, {2*keep + 48*time.Hour, 148}} {
		c.at(real.Add(step.after))
		if n := must(c.Forget(t.Context(), keep))(t); n != step.want {
			t.Fatalf("%s later %d sessions were merged, want %d", step.after, n, step.want)
		}
		c.exact(t)
		if now := c.days(t); fmt.Sprint(now) != fmt.Sprint(days) {
			t.Fatalf("the days were\n%s\nand are\n%s", days, now)
		}
		if now := must(c.accounts(t.Context(), "1 = 1"))(t); fmt.Sprint(now) != fmt.Sprint(totals) {
			t.Fatal("an account has changed")
		}
	}
	if n := count("session"); n != 1 {
		t.Errorf("%d sessions are left", n)
	}
	if n := count("book WHERE day <> 0"); n != 0 {
		t.Errorf("%d rows name a payer and a day", n)
	}
	c.raises(t, open, openRow, 3) // it goes on
	if n := must(c.EndSessions(t.Context()))(t); n != 1 {
		t.Errorf("%d sessions were open", n)
	}
	c.exact(t)
	var v Verification
	if v = must(Verify(t.Context(), c.path, Checks{}))(t); v.Given.AddCap(v.Taken) != tokens(300*301/2+8) {
		t.Errorf("given are %s, taken %s", v.Given, v.Taken)
	}
}

// A ledger of an older program is carried over day by day, to the unit; a day that was altered stays one that was.
func TestOlderLedgerIsCarriedOver(t *testing.T) {
	t.Parallel()
	path := old(t, 5)
	db := must(openDB(path, disk.Database{Wait: patience}))(t)
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := db.Exec(query, args...); err != nil {
			t.Fatal(query, err)
		}
	}
	// Five are used up already; a session of 7 ended on day 20000, one of 2 is open; 4 are prepaid.
	changed := int64(20001) * dayMillis
	exec("UPDATE channel SET total = ?, credit = ?, changed_at = ?", blob(tokens(18)), blob(tokens(4)), changed)
	exec("UPDATE channel SET sum = byway_row_sum('channel', id, role, chain_id, contract, token, payer, signer, payee, total," +
		" sig, other, settled, settled_block, owed_since, changed_at, settled_hash, settled_time, settled_at, recheck_at, credit," +
		" base, counted, granted, lost, win, forgiven_at)")
	for i, s := range []struct {
		amount int64
		closed any
	}{{7, 20000*dayMillis + 5}, {2, nil}} {
		exec("INSERT INTO session (role, session, channel, offer, price, tick, win, amount, promises, rx, tx, opened_at, closed_at)"+
			" VALUES (2, ?, 1, 'offer', ?, 1, 1, ?, 3, 100, 10, 1, ?)", append(make([]byte, 15), byte(i)), blob(tokens(1)),
			blob(tokens(s.amount)), s.closed)
	}
	exec("UPDATE session SET sum = byway_row_sum('session', id, role, session, channel, offer, price, tick, win, amount," +
		" promises, rx, tx, peer_rx, opened_at, closed_at)")
	token := testClaimant.Token
	exec("INSERT INTO day (day, role, token, sessions, promises, rx, tx, amount) VALUES (20000, 2, ?, 1, 3, 100, 10, ?)",
		token[:], blob(tokens(7)))
	exec("UPDATE day SET sum = byway_row_sum('day', day, role, token, sessions, promises, rx, tx, amount)")
	copied := filepath.Join(t.TempDir(), "ledger.db")
	exec("VACUUM INTO ?", copied)
	exec("UPDATE day SET rx = 101")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	l := opened(t, copied, "")
	days := must(l.Days(t.Context(), Payee, time.Time{}, time.Time{}))(t)
	if len(days) != 2 || days[0].Amount != tokens(7) || days[0].Sessions != 1 || days[1].Amount != tokens(11) ||
		days[0].Carried != tokens(7) || days[1].Carried != tokens(11) || days[1].Sessions != 0 ||
		days[0].Date.Unix() != 20000*86400 {
		t.Fatalf("%+v", days)
	}
	if v := must(Verify(t.Context(), copied, Checks{}))(t); len(v.Problems) > 0 {
		t.Fatal(v.Problems)
	}
	opened(t, path, "")
	if v := must(Verify(t.Context(), path, Checks{}))(t); len(v.Problems) != 1 {
		t.Fatalf("a day that was altered: %q", v.Problems)
	}
}

// Counters that no 63 bits hold end there, and money goes on.
func TestBytesBeyondTheFileAreNotCounted(t *testing.T) {
	t.Parallel()
	c := newClocked(t, noon)
	for i := range int64(2) {
		a, row := c.promises(t, Payee, i, 1)
		a.Total = tokens(2)
		if err := c.Do(t.Context(), func(tx *Tx) error {
			return tx.StorePromise(a, Share{Session: row, Amount: tokens(2), Usage: payments.Usage{Rx: math.MaxUint64}})
		}); err != nil {
			t.Fatal(err)
		}
	}
	if d := must(c.Days(t.Context(), Payee, time.Time{}, time.Time{}))(t); len(d) != 1 || d[0].Rx != math.MaxInt64 ||
		d[0].Amount != tokens(4) {
		t.Fatalf("%+v", d)
	}
}
