package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/contracts/disk"
)

// Verification reports the findings of a check of a ledger.
type Verification struct {
	// Channels, Sessions and Claims have been looked at, and so many signatures recovered by the checks.
	Channels, Sessions, Claims, Signatures int
	// Rows have been compared with their checksums, in all tables.
	Rows int
	// Given and Taken are the sums of all promises of the payer's and the payee's side, in base units.
	Given, Taken contracts.Amount
	// Unused is the part of Given that no session was billed for yet: prepaid, for the next session with the same payee.
	Unused contracts.Amount
	// Problems says what is wrong, one line each, naming the row. Empty: everything is exact.
	Problems []string
}

// Problem adds a line to Problems.
func (v *Verification) Problem(format string, args ...any) {
	v.Problems = append(v.Problems, fmt.Sprintf(format, args...))
}

// Checks look at rows in ways that the ledger can't, since it knows no prices, signatures or chain. Each names what is
// wrong in the Verification and counts the signatures that it has recovered there. None of them may ask the ledger for
// more. What is nil is not looked at.
type Checks struct {
	Session func(*Verification, Session)
	// Account fails where it can't look.
	Account func(context.Context, *Verification, Account) error
	// Claim is called for each row of the claim with that id, with the row's account.
	Claim func(v *Verification, claim int64, row ClaimRow, a Account)
}

// Verify checks a ledger, also while another process uses it: the file's structure, every row's checksum, every sum,
// every day, every claim, and whatever else the checks look at. An error says that it could not look; what it found
// wrong is in the Verification.
func Verify(ctx context.Context, path string, checks Checks) (Verification, error) {
	v := Verification{}
	path, err := filepath.Abs(path)
	if err != nil {
		return v, fmt.Errorf("verify ledger: %w", err)
	}
	db, err := readOnlyDB(path)
	if err != nil {
		return v, fmt.Errorf("verify ledger %s: %w", path, err)
	}
	defer db.Close()
	// All that is asked of one moment, also while somebody writes.
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, "BEGIN"); err != nil {
		v.Problem("the file is no ledger: %v", err)
		return v, ctx.Err()
	}
	if err := v.structure(ctx, db); err != nil {
		return v, fmt.Errorf("verify ledger %s: %w", path, err)
	}
	whole := len(v.Problems) == 0
	for _, t := range rowTables {
		if err := v.sums(ctx, db, t); err != nil {
			v.Problem("table %s can't be read: %v", t.name, err)
			whole = false
		}
	}
	if ctx.Err() != nil || !whole {
		return v, ctx.Err() // what such a file says means nothing
	}
	err = v.content(ctx, &Ledger{path: path, read: db}, checks)
	if len(v.Problems) > 0 && ctx.Err() == nil && err != nil {
		v.Problem("%v", err) // it comes of what was altered
		return v, nil
	}
	if err != nil {
		return v, fmt.Errorf("verify ledger %s: %w", path, err)
	}
	return v, nil
}

func (v *Verification) structure(ctx context.Context, db *sql.DB) error {
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); disk.Busy(err) {
		return fmt.Errorf("%w, and nothing in it can be looked at: %w", ErrInUse, err)
	} else if err != nil {
		v.Problem("the file is no ledger: %v", err)
		return ctx.Err()
	}
	if version != len(migrations) {
		return fmt.Errorf("schema is %d, this program's %d: open the ledger with this program first", version,
			len(migrations))
	}
	for _, pragma := range []string{"integrity_check", "foreign_key_check"} {
		rows, err := db.QueryContext(ctx, "PRAGMA "+pragma)
		if err != nil {
			v.Problem("%s: %v", pragma, err)
			continue
		}
		for rows.Next() {
			var text string
			if pragma == "integrity_check" {
				if err = rows.Scan(&text); err == nil && text != "ok" {
					v.Problem("the file is damaged: %s", text)
				}
				continue
			}
			var row sql.NullInt64
			var parent string
			var key int
			if err = rows.Scan(&text, &row, &parent, &key); err == nil {
				v.Problem("row %d of table %s names a row of table %s that is not there", row.Int64, text, parent)
			}
		}
		if err := rows.Err(); err != nil {
			v.Problem("%s: %v", pragma, err)
		}
		rows.Close()
	}
	return ctx.Err()
}

func (v *Verification) content(ctx context.Context, l *Ledger, checks Checks) error {
	accounts, err := l.accounts(ctx, "1 = 1")
	if err != nil {
		return err
	}
	parts := map[int64]contracts.Amount{} // what the sessions of each channel have paid
	if err := l.sessions(ctx, func(s Session) error {
		v.Sessions++
		var err error
		if parts[s.Account], err = parts[s.Account].Add(s.Amount); err != nil {
			v.Problem("session %d: the sessions of channel %d exceed 96 bits", s.ID, s.Account)
		}
		if checks.Session != nil {
			checks.Session(v, s)
		}
		return nil
	}, "1 = 1 ORDER BY s.id"); err != nil {
		return err
	}
	byID := map[int64]Account{}
	for _, a := range accounts {
		byID[a.ID] = a
		v.Channels++
		v.account(a, parts[a.ID])
		if checks.Account != nil {
			if err := checks.Account(ctx, v, a); err != nil {
				return err
			}
		}
	}
	if err := v.days(ctx, l); err != nil {
		return err
	}
	return v.claims(ctx, l, byID, checks)
}

// days adds the ended sessions up once more and compares that with the days.
func (v *Verification) days(ctx context.Context, l *Ledger) error {
	type key struct {
		day   int64
		side  Side
		token common.Address
	}
	sums := map[key]*Day{}
	read := func(query string, sign int) error {
		rows, err := l.read.QueryContext(ctx, query)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var k key
			var d Day
			var token, amount []byte
			var rx, tx int64
			if err := rows.Scan(&k.day, &k.side, &token, &d.Sessions, &d.Promises, &rx, &tx, &amount); err != nil {
				return err
			}
			k.token = common.BytesToAddress(token)
			if d.Amount, err = contracts.AmountFromBytes(amount); err != nil {
				return err
			}
			sum := sums[k]
			if sum == nil {
				sum = &Day{}
				sums[k] = sum
			}
			sum.Sessions += sign * d.Sessions
			sum.Promises += sign * d.Promises
			sum.Rx, sum.Tx = sum.Rx+uint64(sign)*uint64(rx), sum.Tx+uint64(sign)*uint64(tx)
			if sign > 0 {
				sum.Amount, err = sum.Amount.Add(d.Amount)
			} else if sum.Amount == d.Amount {
				sum.Amount = contracts.Amount{}
			} else {
				sum.Promises = -1 // whatever else is equal, the amounts are not
			}
			if err != nil {
				return err
			}
		}
		return rows.Err()
	}
	if err := read("SELECT s.closed_at / 86400000, s.role, c.token, 1, s.promises, s.rx, s.tx, s.amount FROM session s"+
		" JOIN channel c ON c.id = s.channel WHERE s.closed_at IS NOT NULL", 1); err != nil {
		return err
	}
	if err := read("SELECT day, role, token, sessions, promises, rx, tx, amount FROM day", -1); err != nil {
		return err
	}
	for k, sum := range sums {
		if *sum != (Day{}) {
			v.Problem(dayTable.noun+": it is not what the sessions that ended on it add up to", k.day, int(k.side), k.token)
		}
	}
	return nil
}

func (v *Verification) account(a Account, parts contracts.Amount) {
	sum, err := parts.Add(a.Other)
	if err == nil {
		sum, err = sum.Add(a.Credit)
	}
	if err != nil || sum != a.Total {
		v.Problem("channel %d (%s): the total is %s, its sessions %s, the credit %s and the rest %s", a.ID, a.Channel, a.Total,
			parts, a.Credit, a.Other)
	}
	if a.Total.Less(a.Settled) {
		v.Problem("channel %d (%s): %s is settled, only %s was promised", a.ID, a.Channel, a.Settled, a.Total)
	}
	if owes := a.Settled.Less(a.Total); a.Side == Payee && owes == a.OwedSince.IsZero() {
		v.Problem("channel %d (%s): %s of %s is settled, which its mark denies", a.ID, a.Channel, a.Settled, a.Total)
	}
	side := &v.Given
	if a.Side == Payee {
		side = &v.Taken
	} else if v.Unused, err = v.Unused.Add(a.Credit); err != nil {
		v.Problem("what is prepaid on all channels exceeds 96 bits")
	}
	if *side, err = side.Add(a.Total); err != nil {
		v.Problem("the promises of all channels exceed 96 bits")
	}
}

func (v *Verification) claims(ctx context.Context, l *Ledger, byID map[int64]Account, checks Checks) error {
	rows, err := l.read.QueryContext(ctx, "SELECT c.id, c.state, c.tx, r.channel, r.cumulative, r.before, r.row"+
		" FROM claim c JOIN claim_row r ON r.claim = c.id ORDER BY c.id")
	if err != nil {
		return err
	}
	defer rows.Close()
	last := int64(-1)
	for rows.Next() {
		var id int64
		var state claimState
		var r ClaimRow
		var hash, cumulative, before, row []byte
		if err := rows.Scan(&id, &state, &hash, &r.Account, &cumulative, &before, &row); err != nil {
			return err
		}
		var errs [2]error
		r.Cumulative, errs[0] = contracts.AmountFromBytes(cumulative)
		r.Before, errs[1] = contracts.AmountFromBytes(before)
		if err := errors.Join(errs[:]...); err != nil {
			return err
		}
		copy(r.Row[:], row)
		if id != last {
			v.Claims++
			last = id
			if state == claimSettled && len(hash) != common.HashLength {
				v.Problem("claim %d: it is settled without a transaction", id)
			}
		}
		a := byID[r.Account]
		if a.Total.Less(r.Cumulative) {
			v.Problem("claim %d, channel %d: %s was claimed, %s promised", id, a.ID, r.Cumulative, a.Total)
		}
		if checks.Claim != nil {
			checks.Claim(v, id, r, a)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return v.emptyClaims(ctx, l)
}

func (v *Verification) emptyClaims(ctx context.Context, l *Ledger) error {
	rows, err := l.read.QueryContext(ctx, "SELECT id FROM claim WHERE id NOT IN (SELECT claim FROM claim_row)")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return err
		}
		v.Problem("claim %d: it claims nothing", id)
	}
	return rows.Err()
}
