package ledger

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"

	"modernc.org/sqlite"

	"byway/contracts"
)

// Every row of the ledger ends in a checksum over all its columns. Signatures protect the totals from whoever can
// write to the file; the checksums name the row where a disk, a program or a hand has changed anything else: a time,
// a counter, the sum of a day. They are made in the statement that changes the row, by a function that only this
// program's connections have, so that another program's UPDATE can't fail to be noticed.

// rowSumFunc is the SQL function's name: byway_row_sum(table, column, …) returns 16 bytes.
const rowSumFunc = "byway_row_sum"

// addFunc is another function of SQL: byway_add(amount, amount) is an amount, and fails beyond 96 bits.
const addFunc = "byway_add"

// rowTable is a table as its rows' checksums see it.
type rowTable struct {
	name string
	key  []string // names a row
	rest []string
	noun string // how a person is told of a row; takes the key's values
}

var (
	channelTable = rowTable{"channel", []string{"id"}, []string{
		"role", "chain_id", "contract", "token", "payer", "signer", "payee", "total", "sig", "other", "settled",
		"settled_block", "owed_since", "changed_at", "settled_hash", "settled_time", "settled_at", "recheck_at", "credit",
		"base", "counted", "granted", "lost", "win", "forgiven_at",
	}, "channel %v"}
	sessionTable = rowTable{"session", []string{"id"}, []string{
		"role", "session", "channel", "offer", "price", "tick", "win", "amount", "promises", "rx", "tx", "peer_rx",
		"opened_at", "closed_at", "ending",
	}, "session %v"}
	claimTable = rowTable{"claim", []string{"id"}, []string{
		"intent", "chain_id", "contract", "token", "payee", "state", "tx", "block", "paid", "gas", "fee", "reason",
		"created_at", "done_at",
	}, "claim %v"}
	claimRowTable = rowTable{"claim_row", []string{"claim", "channel"}, []string{"cumulative", "before", "row"},
		"claim %v, channel %v"}
	dayTable     = rowTable{"day", []string{"day", "role", "token"}, tallyColumns, "day %v, role %v, token %x"}
	bookTable    = rowTable{"book", []string{"channel", "day"}, tallyColumns, "books of channel %v, day %v"}
	pastTable    = rowTable{"past", []string{"channel"}, tallyColumns, "past of channel %v"}
	entryTable   = rowTable{"entry", []string{"id"}, []string{"claim", "day", "undone", "paid", "fee"}, "entry %v of a claim"}
	releaseTable = rowTable{"release", []string{"channel"}, []string{"ceiling", "epoch", "valid_until"},
		"release of channel %v"}
	reserveTable = rowTable{"reserve", []string{"channel"}, []string{"ceiling", "epoch", "valid_until", "sig"},
		"reserve of channel %v"}
	readingTable = rowTable{"reading", []string{"channel"}, []string{
		"settled", "ceiling", "epoch", "exit_at", "block", "hash", "time", "since", "read_at",
	}, "reading of channel %v"}
	lossTable = rowTable{"loss", []string{"id"}, []string{"channel", "at", "amount"}, "loss %v"}

	rowTables = []rowTable{
		channelTable, sessionTable, claimTable, claimRowTable, dayTable, releaseTable, reserveTable, readingTable,
		lossTable, bookTable, pastTable, entryTable,
	}
	tallyColumns = []string{"sessions", "promises", "rx", "tx", "amount", "carried"}
)

// registerRowSum gives the functions to every connection that is opened from then on.
var registerRowSum = sync.OnceValue(func() error {
	return errors.Join(
		sqlite.RegisterDeterministicScalarFunction(rowSumFunc, -1,
			func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) { return rowSum(args) }),
		sqlite.RegisterDeterministicScalarFunction(addFunc, 2,
			func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) { return addAmounts(args) }),
	)
})

func addAmounts(args []driver.Value) ([]byte, error) {
	var sum contracts.Amount
	for _, v := range args {
		b, ok := v.([]byte)
		if !ok {
			return nil, fmt.Errorf("%s takes no %T", addFunc, v)
		}
		one, err := contracts.AmountFromBytes(b)
		if err == nil {
			sum, err = sum.Add(one)
		}
		if err != nil {
			return nil, err
		}
	}
	return blob(sum), nil
}

// rowSum hashes values with their types and lengths, so that no two rows have the same input.
func rowSum(values []driver.Value) ([]byte, error) {
	b := make([]byte, 0, 512)
	for _, v := range values {
		switch v := v.(type) {
		case nil:
			b = append(b, 'n')
		case int64:
			b = binary.BigEndian.AppendUint64(append(b, 'i'), uint64(v))
		case float64: // in a damaged row only
			b = binary.BigEndian.AppendUint64(append(b, 'f'), math.Float64bits(v))
		case []byte:
			b = append(binary.BigEndian.AppendUint32(append(b, 'b'), uint32(len(v))), v...)
		case string:
			b = append(binary.BigEndian.AppendUint32(append(b, 't'), uint32(len(v))), v...)
		default:
			return nil, fmt.Errorf("%s takes no %T", rowSumFunc, v)
		}
	}
	sum := sha256.Sum256(b)
	return sum[:16], nil
}

// sum is the expression for a row's checksum, with some columns replaced by what they are about to become.
func (t rowTable) sum(set map[string]string) string {
	args := []string{"'" + t.name + "'"}
	for _, column := range append(append([]string(nil), t.key...), t.rest...) {
		if value, ok := set[column]; ok {
			column = "(" + value + ")"
		}
		args = append(args, column)
	}
	return rowSumFunc + "(" + strings.Join(args, ", ") + ")"
}

// update is the statement that sets columns, each "column = expression", and the checksum with them. Its parameters
// are numbered, since each is used twice.
func (t rowTable) update(where string, set ...string) string {
	values := map[string]string{}
	for _, s := range set {
		column, value, _ := strings.Cut(s, " = ")
		values[column] = value
	}
	return "UPDATE " + t.name + " SET " + strings.Join(set, ", ") + ", sum = " + t.sum(values) + " WHERE " + where
}

// byKey is the condition that selects one row.
func (t rowTable) byKey() string { return strings.Join(t.key, " = ? AND ") + " = ?" }

// seal renews the checksums of the rows that a condition selects, after they were written.
func (tx *Tx) seal(t rowTable, where string, args ...any) error {
	return tx.exec("UPDATE "+t.name+" SET sum = "+t.sum(nil)+" WHERE "+where, args...)
}

// sums compares every row with its checksum.
func (v *Verification) sums(ctx context.Context, db *sql.DB, t rowTable) error {
	rows, err := db.QueryContext(ctx, "SELECT sum IS "+t.sum(nil)+", "+strings.Join(t.key, ", ")+" FROM "+t.name)
	if err != nil {
		return err
	}
	defer rows.Close()
	var right bool
	key := make([]any, len(t.key))
	to := []any{&right}
	for i := range key {
		to = append(to, &key[i])
	}
	for rows.Next() {
		if err := rows.Scan(to...); err != nil {
			return err
		}
		v.Rows++
		if !right {
			v.Problem(t.noun+": the row is not what was written: its checksum denies it", key...)
		}
	}
	return rows.Err()
}
