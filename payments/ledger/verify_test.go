package ledger

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"byway/contracts/disk"
)

var turns = flag.Int("turns", 150, "how many bits TestVerifyFindsEveryTurnedBit turns")

func TestVerifyFindsNothingInAHealthyLedger(t *testing.T) {
	t.Parallel()
	v := must(Verify(t.Context(), filled(t).path, Checks{}))(t)
	if len(v.Problems) > 0 {
		t.Fatal(strings.Join(v.Problems, "\n"))
	}
	if v.Channels != 4 || v.Sessions != 8 || v.Claims != 2 || v.Given != tokens(107) || v.Taken != tokens(100) {
		t.Fatalf("%+v", v)
	}
}

// Every row is shown to the checks of the caller, once, with the account that it belongs to.
func TestVerifyShowsEveryRowToItsChecks(t *testing.T) {
	t.Parallel()
	l := filled(t)
	sessions, accounts, claims := map[int64]bool{}, map[int64]Account{}, 0
	v := must(Verify(t.Context(), l.path, Checks{
		Session: func(_ *Verification, s Session) { sessions[s.ID] = true },
		Account: func(_ context.Context, v *Verification, a Account) error {
			accounts[a.ID] = a
			v.Problem("channel %d is disliked", a.ID)
			return nil
		},
		Claim: func(_ *Verification, _ int64, row ClaimRow, a Account) {
			if a != accounts[row.Account] {
				t.Errorf("a row of channel %d comes with channel %d", row.Account, a.ID)
			}
			claims++
		},
	}))(t)
	if len(sessions) != 8 || len(accounts) != 4 || claims != 3 || len(v.Problems) != 4 {
		t.Fatalf("%d sessions, %d channels, %d rows of claims were shown, %q", len(sessions), len(accounts), claims, v.Problems)
	}
}

// altered is the expression for another value of a column, as close to the old one as its table allows.
func altered(table, column string) string {
	switch table + "." + column {
	case "entry.undone":
		return "1 - undone"
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
	case "session.offer", "claim.intent", "claim.fee", "claim.reason", "entry.fee":
		return column + " || '1'"
	}
	return "CASE typeof(" + column + ") WHEN 'integer' THEN " + column + " + 1 ELSE CAST(substr(" + column +
		", 1, length(" + column + ") - 1) || CASE substr(" + column + ", -1) WHEN x'41' THEN 'B' ELSE 'A' END AS BLOB) END"
}

// Every column of every table, changed by as little as can be, gives its row away by name.
func TestVerifyNamesTheRowOfEveryAlteredColumn(t *testing.T) {
	t.Parallel()
	l := filled(t)
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
			db := must(openDB(path, disk.Database{Wait: patience}))(t)
			if column == "role" && len(key) == 1 { // the other side's row is in the way
				must(db.Exec("DELETE FROM "+table.name+" WHERE id <> ?", key...))(t)
			}
			change := "UPDATE " + table.name + " SET " + column + " = " + altered(table.name, column) + " WHERE " + table.byKey()
			if _, err := db.Exec(change, key...); err != nil {
				t.Fatalf("%s.%s: %v", table.name, column, err)
			}
			db.Close()
			v := must(Verify(t.Context(), path, Checks{}))(t)
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
	l := filled(t)
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
		v, err := Verify(t.Context(), path, Checks{})
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
	l := filled(t)
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
	v, err := Verify(t.Context(), path, Checks{})
	if err == nil && len(v.Problems) == 0 {
		t.Fatal("a damaged file passes")
	}
	if err := Restore(t.Context(), path, filepath.Join(t.TempDir(), "ledger.db"), Checks{}); err == nil {
		t.Fatal("a damaged backup was restored")
	}
}
