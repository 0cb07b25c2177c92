package payments

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
)

const dayMillis = 24 * 60 * 60 * 1000

// Day is what one day (UTC) came to on one side in one token. A session counts on the day of its end.
type Day struct {
	Date     time.Time // its midnight
	Received bool      // the payee's side
	Token    common.Address
	Sessions int
	Promises int
	// Rx and Tx are in bytes, as this side counted them.
	Rx, Tx uint64
	// Amount was paid or received in promises, Claimed was paid out on chain by so many claims, in base units.
	Amount  contracts.Amount
	Claims  int
	Claimed contracts.Amount
	// GasSpent on them is in wei.
	GasSpent *big.Int
}

// addToDay adds to the day of that moment. Sums are made here and not by SQLite, whose integers end at 63 bits.
func addToDay(w *writer, at int64, side role, token []byte, d Day) error {
	day := at / dayMillis
	var amount, claimed []byte
	var fee string
	err := w.row("SELECT amount, claimed, fee FROM day WHERE day = ? AND role = ? AND token = ?", day, side, token).
		Scan(&amount, &claimed, &fee)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		zero := blob(contracts.Amount{})
		amount, claimed, fee = zero, zero, "0"
		if err := w.exec("INSERT INTO day (day, role, token, amount, claimed) VALUES (?,?,?,?,?)", day, side, token, zero,
			zero); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	sums := [2]contracts.Amount{d.Amount, d.Claimed}
	for i, b := range [][]byte{amount, claimed} {
		had, err := contracts.AmountFromBytes(b)
		if err == nil {
			sums[i], err = sums[i].Add(had)
		}
		if err != nil {
			return fmt.Errorf("sums of day %d: %w", day, err)
		}
	}
	wei, ok := new(big.Int).SetString(fee, 10)
	if !ok {
		return fmt.Errorf("fee %q of day %d is no number", fee, day)
	}
	if d.GasSpent != nil {
		wei.Add(wei, d.GasSpent)
	}
	return w.exec("UPDATE day SET sessions = sessions + ?, promises = promises + ?, rx = rx + ?, tx = tx + ?, amount = ?,"+
		" claims = claims + ?, claimed = ?, fee = ? WHERE day = ? AND role = ? AND token = ?", d.Sessions, d.Promises,
		count(d.Rx), count(d.Tx), blob(sums[0]), d.Claims, blob(sums[1]), wei.String(), day, side, token)
}

// Days returns the latest days on which anything was closed or claimed, newest first.
func (l *Ledger) Days(ctx context.Context, limit int) ([]Day, error) {
	list, err := l.readDays(ctx, limit)
	if err != nil {
		return nil, fmt.Errorf("read days of the ledger: %w", err)
	}
	return list, nil
}

func (l *Ledger) readDays(ctx context.Context, limit int) ([]Day, error) {
	rows, err := l.read.QueryContext(ctx, "SELECT day, role, token, sessions, promises, rx, tx, amount, claims, claimed,"+
		" fee FROM day ORDER BY day DESC, role, token LIMIT ?", limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []Day
	for rows.Next() {
		var d Day
		var day, rx, tx int64
		var side role
		var token, amount, claimed []byte
		var fee string
		if err := rows.Scan(&day, &side, &token, &d.Sessions, &d.Promises, &rx, &tx, &amount, &d.Claims, &claimed,
			&fee); err != nil {
			return nil, err
		}
		d.Date, d.Received, d.Token = time.UnixMilli(day*dayMillis).UTC(), side == payeeRole, common.BytesToAddress(token)
		d.Rx, d.Tx = uint64(rx), uint64(tx)
		if d.Amount, err = contracts.AmountFromBytes(amount); err != nil {
			return nil, err
		}
		if d.Claimed, err = contracts.AmountFromBytes(claimed); err != nil {
			return nil, err
		}
		var ok bool
		if d.GasSpent, ok = new(big.Int).SetString(fee, 10); !ok {
			return nil, fmt.Errorf("fee %q is no number", fee)
		}
		list = append(list, d)
	}
	return list, rows.Err()
}

// EndSessions closes every session that a crash has left open, with the counters that were last stored, and returns
// how many there were. It is for a node's start, before it opens any.
func (l *Ledger) EndSessions(ctx context.Context) (int, error) {
	rows, err := l.read.QueryContext(ctx, "SELECT id FROM session WHERE closed_at IS NULL")
	if err != nil {
		return 0, fmt.Errorf("read open sessions of the ledger: %w", err)
	}
	defer rows.Close()
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return 0, fmt.Errorf("read open sessions of the ledger: %w", err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		return 0, fmt.Errorf("read open sessions of the ledger: %w", err)
	}
	if len(ids) == 0 {
		return 0, nil
	}
	return len(ids), l.do(ctx, func(w *writer) error {
		for _, id := range ids {
			if err := closeSession(w, id); err != nil {
				return err
			}
		}
		return nil
	})
}
