package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"math/big"
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
	parts := map[int64]tally{} // what the sessions of each channel have paid and carried, those without a row first
	if err := readTallies(ctx, l, func(id, _ int64, _ []byte, t tally) error { parts[id] = t; return nil },
		"SELECT channel, 0, x'', "+tallyList+" FROM past"); err != nil {
		return err
	}
	if err := l.sessions(ctx, func(s Session) error {
		v.Sessions++
		one := tally{rx: s.Usage.Rx, tx: s.Usage.Tx, amount: s.Amount}
		if !s.Closed.IsZero() {
			one.sessions = 1
		}
		sum := parts[s.Account]
		if err := sum.add(one); err != nil {
			v.Problem("session %d: the sessions of channel %d exceed 96 bits", s.ID, s.Account)
		}
		parts[s.Account] = sum
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
		v.account(a, parts[a.ID].amount)
		if checks.Account != nil {
			if err := checks.Account(ctx, v, a); err != nil {
				return err
			}
		}
	}
	books, err := v.books(ctx, l, byID, parts)
	if err != nil {
		return err
	}
	if err := v.days(ctx, l, books); err != nil {
		return err
	}
	if err := v.entries(ctx, l); err != nil {
		return err
	}
	return v.claims(ctx, l, byID, checks)
}

// readTallies calls each with the rows of a table of tallies, whose first columns are a key of two.
func readTallies(ctx context.Context, l *Ledger, each func(first, second int64, token []byte, t tally) error,
	query string,
) error {
	rows, err := l.read.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var first, second int64
		var token []byte
		var t tally
		if err := t.scan(rows.Scan, &first, &second, &token); err != nil {
			return err
		}
		if err := each(first, second, token, t); err != nil {
			return err
		}
	}
	return rows.Err()
}

const tallyList = "sessions, promises, rx, tx, amount, carried"

// below reports whether a tally is no more than another, in everything.
func (t tally) below(o tally) bool {
	return t.sessions <= o.sessions && t.promises <= o.promises && t.rx <= o.rx && t.tx <= o.tx && !o.amount.Less(t.amount) &&
		!o.carried.Less(t.carried)
}

// less is what a tally that is not below another leaves of it.
func (t tally) less(o tally) tally {
	return tally{
		t.sessions - o.sessions, t.promises - o.promises, t.rx - o.rx, t.tx - o.tx, t.amount.SubFloor(o.amount),
		t.carried.SubFloor(o.carried),
	}
}

// books holds what was booked of each channel against its total and what its sessions carried, in sums. It returns what all books of each day come to.
func (v *Verification) books(ctx context.Context, l *Ledger, byID map[int64]Account, sums map[int64]tally,
) (map[dayKey]tally, error) {
	days, booked := map[dayKey]tally{}, map[int64]tally{}
	err := readTallies(ctx, l, func(id, day int64, _ []byte, t tally) error {
		k := dayKey{day, byID[id].Side, byID[id].Channel.Token}
		ofDay, ofChannel := days[k], booked[id]
		if errors.Join(ofDay.add(t), ofChannel.add(t)) != nil {
			v.Problem(bookTable.noun+": with the others they exceed 96 bits", id, day)
		}
		days[k], booked[id] = ofDay, ofChannel
		return nil
	}, "SELECT channel, day, x'', "+tallyList+" FROM book")
	if err != nil {
		return nil, err
	}
	for id, a := range byID {
		b, s := booked[id], sums[id]
		if b.amount != a.Total {
			v.Problem("channel %d (%s): the total is %s, its days %s", id, a.Channel, a.Total, b.amount)
		}
		if b.rx != s.rx || b.tx != s.tx || b.sessions != s.sessions {
			v.Problem("channel %d (%s): its sessions carried %d and %d bytes and %d have ended, its days say %d, %d and %d", id,
				a.Channel, s.rx, s.tx, s.sessions, b.rx, b.tx, b.sessions)
		}
	}
	return days, nil
}

// days holds each day against the books of all channels on it. What is not kept by day any more stands under the day
// [earlier] of a channel: that is what the books of past days may lack.
func (v *Verification) days(ctx context.Context, l *Ledger, books map[dayKey]tally) error {
	lacking, kept := map[dayKey]tally{}, int64(math.MaxInt64)
	for k := range books {
		if k.day != earlier {
			kept = min(kept, k.day) // what is before has been merged, of this day perhaps a part
		}
	}
	if err := readTallies(ctx, l, func(day, side int64, token []byte, t tally) error {
		k := dayKey{day, Side(side), common.BytesToAddress(token)}
		b := books[k]
		delete(books, k)
		k.day = earlier
		_, merged := books[k]
		if !b.below(t) || b != t && (!merged || day > kept) {
			v.Problem(dayTable.noun+": it is not what the channels' books of it add up to", day, int(k.side), k.token)
			return nil
		}
		sum := lacking[k]
		if err := sum.add(t.less(b)); err != nil {
			v.Problem(dayTable.noun+": with the others it exceeds 96 bits", day, int(k.side), k.token)
		}
		lacking[k] = sum
		return nil
	}, "SELECT day, role, token, "+tallyList+" FROM day"); err != nil {
		return err
	}
	for k, t := range books {
		if k.day != earlier {
			v.Problem(dayTable.noun+": channels have books of it, and it has no row", k.day, int(k.side), k.token)
		} else if lacking[k] != t {
			v.Problem("the days of side %d, token %x: they are not what the channels' books add up to", int(k.side), k.token)
		}
		delete(lacking, k)
	}
	for k, t := range lacking {
		if t != (tally{}) {
			v.Problem("the days of side %d, token %x: they come to more than the channels' books", int(k.side), k.token)
		}
	}
	return nil
}

// entries holds what was booked of each claim against the claim.
func (v *Verification) entries(ctx context.Context, l *Ledger) error {
	rows, err := l.read.QueryContext(ctx, "SELECT c.id, c.state, c.paid, c.fee, e.undone, e.paid, e.fee FROM claim c"+
		" LEFT JOIN entry e ON e.claim = c.id ORDER BY c.id, e.id")
	if err != nil {
		return err
	}
	defer rows.Close()
	type sums struct{ paid, fee *big.Int }
	left, order := map[int64]sums{}, []int64{}
	for rows.Next() {
		var id int64
		var state claimState
		var paid, booked []byte
		var fee string
		var undone sql.NullInt64
		var bookedFee sql.NullString
		if err := rows.Scan(&id, &state, &paid, &fee, &undone, &booked, &bookedFee); err != nil {
			return err
		}
		if _, ok := left[id]; !ok {
			s := sums{new(big.Int), new(big.Int)}
			if state == claimSettled {
				s.paid.SetBytes(paid)
				addDecimal(s.fee, fee, 1)
			}
			left[id], order = s, append(order, id)
		}
		if !undone.Valid {
			continue
		}
		sign := int64(-1)
		if undone.Int64 == 1 {
			sign = 1
		}
		s := left[id]
		s.paid.Add(s.paid, new(big.Int).Mul(big.NewInt(sign), new(big.Int).SetBytes(booked)))
		addDecimal(s.fee, bookedFee.String, sign)
	}
	for _, id := range order {
		if left[id].paid.Sign() != 0 || left[id].fee.Sign() != 0 {
			v.Problem("claim %d: what was booked of it is not what it has paid", id)
		}
	}
	return rows.Err()
}

// addDecimal adds a number of the file, signed. What is no number adds something that nothing equals.
func addDecimal(sum *big.Int, text string, sign int64) {
	n, ok := new(big.Int).SetString(text, 10)
	if !ok {
		n = new(big.Int).Lsh(big.NewInt(1), 4096)
	}
	sum.Add(sum, n.Mul(n, big.NewInt(sign)))
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
