package audit

import (
	"database/sql"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"byway/contracts"
	"byway/payments"
	"byway/payments/chainview"
	"byway/payments/ledger"
	"byway/payments/pace"
)

// schema4 is the ledger of testdata/schema4.sql, in a file that nobody has open.
func schema4(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger.db")
	db := must(sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(wal)"))(t)
	must(db.Exec(string(must(os.ReadFile("testdata/schema4.sql"))(t))))(t)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// rowsOf are the rows of some columns of tables, in words.
func rowsOf(t *testing.T, db *sql.DB, tables map[string]string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for table, columns := range tables {
		rows := must(db.Query("SELECT " + columns + " FROM " + table + " ORDER BY 1, 2"))(t)
		n := strings.Count(columns, ",") + 1
		values, to := make([]any, n), make([]any, n)
		for i := range to {
			to[i] = &values[i]
		}
		for rows.Next() {
			if err := rows.Scan(to...); err != nil {
				t.Fatal(err)
			}
			all[table] = append(all[table], fmt.Sprintf("%x", values))
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		rows.Close()
	}
	return all
}

// checkOfSchema4 fails unless that ledger has what testdata/schema4.sql has, to the unit, as an older program said it.
func checkOfSchema4(t *testing.T, path string) {
	t.Helper()
	// What the program that made the file said of it.
	earned := ledger.Earnings{
		Promised: amount("879076123237611"), Unsettled: amount("97656250000000"), Claiming: amount("537241995334626"),
		Settled: amount("244177877902985"), GasSpent: big.NewInt(12345), Claims: 1,
	}
	l := ledgerAt(t, path)
	v := must(Verify(t.Context(), path, nil))(t)
	if len(v.Problems) > 0 {
		t.Fatal(strings.Join(v.Problems, "\n"))
	}
	if v.Channels != 4 || v.Sessions != 8 || v.Claims != 3 || v.Signatures != 7 || v.Given != earned.Promised ||
		v.Taken != earned.Promised {
		t.Fatalf("%+v", v)
	}
	if e := must(l.Earnings(t.Context(), ledger.Claimant{Domain: testDomain, Token: testToken, Payee: testPayee}))(t); fmt.Sprint(e) != fmt.Sprint(earned) {
		t.Fatalf("earnings are %+v, want %+v", e, earned)
	}
	days := must(l.Days(t.Context(), 0, time.Time{}, time.Time{}))(t)
	if len(days) != 2 {
		t.Fatalf("days: %+v", days)
	}
	for _, d := range days {
		rx, tx, claimed := uint64(7_343_880), uint64(1800), contracts.Amount{}
		if d.Received {
			rx, tx, claimed = tx, uint64(5_243_880), earned.Settled
		}
		// What was open then, prepaid or used up was promised by the channel's last change.
		if d.Sessions != 2 || d.Promises != 10 || d.Amount != earned.Promised || d.Carried != d.Amount || d.Rx != rx || d.Tx != tx || d.Claimed != claimed {
			t.Fatalf("day: %+v", d)
		}
	}
	for n := range int64(2) {
		c, _ := testChannel(n + 1)
		for _, side := range []ledger.Side{ledger.Payer, ledger.Payee} {
			a, found, err := l.Account(t.Context(), side, testDomain, c)
			if err != nil || !found || a.Total.IsZero() {
				t.Fatalf("%+v, %v, %v", a, found, err)
			}
			base := contracts.Amount{}
			if side == ledger.Payee {
				base = a.Total
			}
			zero := contracts.Amount{}
			if a.Base != base || a.Credit != zero || a.Counted != zero || a.Granted != zero || a.Lost != zero || a.Window != 0 {
				t.Fatalf("the books of side %d of %s begin with %+v", side, c, a)
			}
		}
	}
}

func TestLedgerOfSchema4KeepsEveryUnit(t *testing.T) {
	t.Parallel()
	newLedger(t) // the first that is opened gives SQLite the function that makes checksums
	path := schema4(t)
	db := must(sql.Open("sqlite", "file:"+path))(t)
	defer db.Close()
	tables := columnsOf(t, db)
	delete(tables, "day") // booked anew: checkOfSchema4 looks at them
	before := rowsOf(t, db, tables)
	checkOfSchema4(t, path)
	after := rowsOf(t, db, tables)
	for table := range tables {
		if fmt.Sprint(after[table]) != fmt.Sprint(before[table]) {
			t.Errorf("table %s had\n%s\nand has\n%s", table, before[table], after[table])
		}
		if len(before[table]) == 0 && table != "release" {
			t.Errorf("table %s is empty in the fixture", table)
		}
	}
}

// Both sides go on where they stood: nothing that was promised before is a credit, or a stranger's stake.
func TestSessionsGoOnInALedgerOfSchema4(t *testing.T) {
	t.Parallel()
	newLedger(t)
	l := ledgerAt(t, schema4(t))
	if n := must(l.EndSessions(t.Context()))(t); n != 4 {
		t.Fatalf("%d sessions were left open", n)
	}
	payee := newPayee(t, l, &fakeChain{any: &chainview.State{Ceiling: testPrice, Block: 9}})
	if s := payee.Strangers(); s.Vaults != 0 || !s.AtStake.IsZero() || !s.Lost.IsZero() {
		t.Fatalf("strangers: %+v", s)
	}
	for n := range int64(2) {
		c, key := testChannel(n + 1)
		before := must(l.Promised(t.Context(), testDomain, c))(t)
		terms := testTerms(c)
		payer := newPayer(t, l, key, terms, contracts.MaxAmount())
		first := must(payer.First(t.Context()))(t)
		wantAmount(t, "the first promise", first.Cumulative, must(before.Add(cost(testPrice, pace.MinTick)))(t))
		opened := must(payee.Open(t.Context(), terms, first, nil))(t)
		if opened.Latest == nil || opened.Latest.Cumulative != before {
			t.Fatalf("the latest was %s, the payee says %+v", before, opened.Latest)
		}
		// The tick and the part of it that may get lost, what is forgiven of any channel, and the first window.
		want := uint64(pace.MinTick + pace.MinTick*20/1000 + 4*pace.MinTick)
		if left := opened.Credit.Left; left < want || left > want+1 { // rounded once
			t.Fatalf("%d bytes are left, want %d", left, want)
		}
		last := must2(payer.Final(t.Context(), payments.Usage{Rx: 5 * mib}))(t, true)
		must(payee.Accept(t.Context(), terms.Session, last, true))(t)
		if err := payee.Close(t.Context(), terms.Session, payments.Usage{Tx: 5 * mib}); err != nil {
			t.Fatal(err)
		}
		wantAmount(t, "the last promise", last.Cumulative, must(before.Add(cost(testPrice, 5*mib)))(t))
	}
	checkSums(t, l)
}

func TestBackupOfSchema4IsRestored(t *testing.T) {
	t.Parallel()
	newLedger(t)
	to := filepath.Join(t.TempDir(), "restored", "ledger.db")
	if err := Restore(t.Context(), schema4(t), to); err != nil {
		t.Fatal(err)
	}
	checkOfSchema4(t, to)
}

// An older program leaves a newer one's file alone, and says which program to use.
func TestLedgerOfANewerProgramIsRefused(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	path := filepath.Join(t.TempDir(), "ledger.db")
	if err := l.Backup(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	db := must(sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(wal)"))(t)
	var version int
	if err := db.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		t.Fatal(err)
	}
	must(db.Exec(fmt.Sprintf("PRAGMA user_version = %d", version+1)))(t)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	was := must(os.ReadFile(path))(t)
	_, opens := ledger.Open(path, "")
	_, looks := ledger.View(t.Context(), path)
	restores := Restore(t.Context(), path, filepath.Join(t.TempDir(), "restored.db"))
	for what, err := range map[string]error{"opened": opens, "looked at": looks, "restored": restores} {
		if err == nil || !strings.Contains(err.Error(), "newer") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if string(must(os.ReadFile(path))(t)) != string(was) {
		t.Error("the file was changed")
	}
}
