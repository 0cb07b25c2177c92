package payments

import (
	"errors"
	"flag"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
)

var turns = flag.Int("turns", 150, "how many bits TestVerifyFindsEveryTurnedBit turns")

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

// Whoever makes the checksums anew is still found out by signatures, sums and the chain.
func TestVerifyFindsWhatAForgerOfChecksumsHasAltered(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ change, want string }{
		"total":     {"UPDATE channel SET total = x'0000000000ffffffffffffff' WHERE id = 2", "channel 2"},
		"signature": {"UPDATE channel SET sig = CAST(substr(sig, 1, 63) || x'77' AS BLOB) WHERE id = 3", "channel 3"},
		"rest":      {"UPDATE channel SET other = x'000000000000000000000001' WHERE id = 1", "channel 1"},
		"share":     {"UPDATE session SET amount = x'000000000000000000000001' WHERE id = 4", "channel 2"},
		"price":     {"UPDATE session SET price = x'000000000000000000000001' WHERE id = 1", "session 1"},
		"counter":   {"UPDATE session SET rx = rx - 1 WHERE id = 1", "session 1"},
		"payer":     {"UPDATE channel SET payer = x'0000000000000000000000000000000000000001' WHERE id = 4", "channel 4"},
		"settled": {
			"UPDATE channel SET settled = x'000000000000000000000001', settled_block = 1 WHERE id = 2", "channel 2",
		},
		"too much": {"UPDATE channel SET settled = x'0fffffffffffffffffffffff' WHERE id = 2", "channel 2"},
		"day":      {"UPDATE day SET rx = rx + 1 WHERE role = 2", "day "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, chain := filledLedger(t)
			if err := l.do(t.Context(), func(w *writer) error {
				if err := w.exec(test.change); err != nil {
					return err
				}
				for _, table := range rowTables {
					if err := w.seal(table, "true"); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			v := must(VerifyLedger(t.Context(), l.path, chain))(t)
			if len(v.Problems) == 0 || !strings.HasPrefix(v.Problems[0], test.want) {
				t.Fatalf("problems: %q, want %s first", v.Problems, test.want)
			}
		})
	}
}

// completeLedger has a row in every table.
func completeLedger(t *testing.T) *Ledger {
	t.Helper()
	l, _ := filledLedger(t)
	accounts := must(l.accounts(t.Context(), "role = 2"))(t)
	a := accounts[0]
	group := claimGroup{a.domain, a.channel.Token, a.channel.Payee}
	record := claimRecord{intent: "claim/1"}
	for _, a := range accounts {
		record.rows = append(record.rows, claimRow{account: a.id, cumulative: a.total, row: a.promise().Row()})
	}
	if err := l.storeClaim(t.Context(), group, &record); err != nil {
		t.Fatal(err)
	}
	if err := l.settleClaim(t.Context(), record, settlement{
		tx: common.Hash{1}, block: 7, gas: 90_000, fee: big.NewInt(12345), paid: a.total,
		settled: map[int64]contracts.Amount{a.id: a.total},
	}); err != nil {
		t.Fatal(err)
	}
	payee := newPayee(t, l, &fakeChain{any: &ChannelState{Free: contracts.MaxAmount(), Block: 8}})
	c, key := testChannel(9)
	until := uint64(time.Now().Add(time.Hour).Unix())
	reserve := must(testDomain.SignReserve(Reserve{Channel: c, Ceiling: testPrice, ValidUntil: until}, key))(t)
	if err := payee.KeepReserve(t.Context(), reserve); err != nil {
		t.Fatal(err)
	}
	own := testKey(77)
	c.Payee = own.Address()
	payee = must(NewPayee(PayeeConfig{
		Domain: testDomain, Ledger: l, Chain: &fakeChain{any: &ChannelState{Ceiling: contracts.MaxAmount()}},
		Payee: c.Payee, Token: testToken, ExitDelay: time.Hour, // with it the reading is kept
	}))(t)
	must(payee.Release(t.Context(), c, own, time.Hour))(t)
	v := must(VerifyLedger(t.Context(), l.path, nil))(t)
	if len(v.Problems) > 0 {
		t.Fatal(strings.Join(v.Problems, "\n"))
	}
	return l
}

// altered is the expression for another value of a column, as close to the old one as its table allows.
func altered(table, column string) string {
	switch table + "." + column {
	case "channel.role", "session.role":
		return "3 - role"
	case "claim.state":
		return "CASE state WHEN 1 THEN 2 ELSE state - 1 END"
	case "session.channel":
		return "channel - 1"
	case "session.closed_at":
		return "COALESCE(closed_at + 1, 1)"
	case "channel.owed_since":
		return "COALESCE(owed_since + 1, 1)"
	case "reading.exit_at":
		return "COALESCE(exit_at + 1, 1)"
	case "channel.settled_hash":
		return "CAST(settled_hash || 'A' AS BLOB)"
	case "session.offer", "claim.intent", "claim.fee", "claim.reason":
		return column + " || '1'"
	}
	return "CASE typeof(" + column + ") WHEN 'integer' THEN " + column + " + 1 ELSE CAST(substr(" + column +
		", 1, length(" + column + ") - 1) || CASE substr(" + column + ", -1) WHEN x'41' THEN 'B' ELSE 'A' END AS BLOB) END"
}

// Every column of every table, changed by as little as can be, gives its row away by name.
func TestVerifyNamesTheRowOfEveryAlteredColumn(t *testing.T) {
	t.Parallel()
	l := completeLedger(t)
	n := 0
	for _, table := range rowTables {
		key := make([]any, len(table.key))
		to := make([]any, len(key))
		for i := range key {
			to[i] = &key[i]
		}
		query := "SELECT " + strings.Join(table.key, ", ") + " FROM " + table.name + " ORDER BY 1 LIMIT 1"
		if err := l.read.QueryRow(query).Scan(to...); err != nil {
			t.Fatal(table.name, err)
		}
		for _, column := range append(table.rest, "sum") {
			path := filepath.Join(t.TempDir(), "ledger.db")
			if err := l.Backup(t.Context(), path); err != nil {
				t.Fatal(err)
			}
			db := must(openDB(path, ""))(t)
			if column == "role" && len(key) == 1 { // the other side's row is in the way
				must(db.Exec("DELETE FROM "+table.name+" WHERE id <> ?", key...))(t)
			}
			change := "UPDATE " + table.name + " SET " + column + " = " + altered(table.name, column) + " WHERE " + table.byKey()
			if _, err := db.Exec(change, key...); err != nil {
				t.Fatalf("%s.%s: %v", table.name, column, err)
			}
			db.Close()
			v := must(VerifyLedger(t.Context(), path, nil))(t)
			want := fmt.Sprintf(table.noun, key...) + ":"
			if !slices.ContainsFunc(v.Problems, func(p string) bool { return strings.HasPrefix(p, want) }) {
				t.Fatalf("%s.%s was altered: %q, want %s", table.name, column, v.Problems, want)
			}
			n++
		}
	}
	t.Logf("%d columns altered, %d rows named", n, n)
}

// content is all that a ledger says, in words; it fails where the file can't be read.
func content(path string) (string, error) {
	db, err := readOnlyDB(path)
	if err != nil {
		return "", err
	}
	defer db.Close()
	var b strings.Builder
	for _, table := range rowTables {
		rows, err := db.Query("SELECT * FROM " + table.name + " ORDER BY " + strings.Join(table.key, ", "))
		if err != nil {
			return "", err
		}
		columns, _ := rows.Columns()
		values, to := make([]any, len(columns)), make([]any, len(columns))
		for i := range to {
			to[i] = &values[i]
		}
		for rows.Next() {
			if err := rows.Scan(to...); err != nil {
				return "", errors.Join(err, rows.Close())
			}
			fmt.Fprintf(&b, "%s %#v\n", table.name, values)
		}
		if err := rows.Err(); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// One bit of the file is turned at random: either the ledger says what it said (the bit lay in unused space), or the
// check says what is wrong.
func TestVerifyFindsEveryTurnedBit(t *testing.T) {
	t.Parallel()
	l := completeLedger(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "ledger.db")
	if err := l.Backup(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	whole := must(os.ReadFile(path))(t)
	before := must(content(path))(t)
	random := rand.New(rand.NewPCG(4, 5))
	found, unused := 0, 0
	for range *turns {
		at := random.IntN(len(whole))
		for whole[at] == 0 && random.IntN(20) > 0 { // most zeros are unused space
			at = random.IntN(len(whole))
		}
		b := slices.Clone(whole)
		b[at] ^= 1 << random.IntN(8)
		for _, end := range []string{"", "-wal", "-shm"} {
			os.Remove(path + end)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		v, err := VerifyLedger(t.Context(), path, nil)
		if err != nil || len(v.Problems) > 0 {
			found++
			continue
		}
		if after, err := content(path); err != nil || after != before {
			t.Fatalf("byte %d was %02x and is %02x: the check finds nothing (%v)", at, whole[at], b[at], err)
		}
		unused++
	}
	t.Logf("%d bits turned: %d found, %d in unused space, 0 missed", *turns, found, unused)
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
