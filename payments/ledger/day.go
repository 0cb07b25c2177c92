package ledger

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

// Day sums one day (UTC) on one side in one token. A session counts on the day of its end.
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

// addToDay adds a session to the day of that moment. Sums are made here and not by SQLite, whose integers end at
// 63 bits.
func (tx *Tx) addToDay(at int64, side Side, token []byte, d Day) error {
	day := at / dayMillis
	var amount []byte
	err := tx.row("SELECT amount FROM day WHERE day = ? AND role = ? AND token = ?", day, side, token).Scan(&amount)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		amount = blob(contracts.Amount{})
		if err := tx.exec("INSERT INTO day (day, role, token, amount) VALUES (?,?,?,?)", day, side, token,
			amount); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	sum, err := contracts.AmountFromBytes(amount)
	if err == nil {
		sum, err = sum.Add(d.Amount)
	}
	if err != nil {
		return fmt.Errorf("sum of day %d: %w", day, err)
	}
	return tx.exec(updateDay, d.Sessions, d.Promises, count(d.Rx), count(d.Tx), blob(sum), day, side, token)
}

var updateDay = dayTable.update("day = ?6 AND role = ?7 AND token = ?8", "sessions = sessions + ?1",
	"promises = promises + ?2", "rx = rx + ?3", "tx = tx + ?4", "amount = ?5")

// Days returns the latest days on which anything was closed or claimed, newest first.
func (l *Ledger) Days(ctx context.Context, limit int) ([]Day, error) {
	list, err := l.readDays(ctx, limit)
	if err != nil {
		return nil, fmt.Errorf("read days of the ledger: %w", err)
	}
	return list, nil
}

func (l *Ledger) readDays(ctx context.Context, limit int) ([]Day, error) {
	// The days of sessions are rolled up as they end; claims are few, and a reorganisation may take one back.
	rows, err := l.read.QueryContext(ctx, "SELECT day, role, token, sessions, promises, rx, tx, amount, '0' FROM day"+
		" UNION ALL SELECT done_at / ?, ?, token, -1, 0, 0, 0, paid, fee FROM claim WHERE state = ?"+
		" ORDER BY 1 DESC, 2, 3", dayMillis, Payee, claimSettled)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []Day
	for rows.Next() {
		r := Day{GasSpent: new(big.Int)}
		var day, rx, tx int64
		var side Side
		var token, amount []byte
		var fee string
		if err := rows.Scan(&day, &side, &token, &r.Sessions, &r.Promises, &rx, &tx, &amount, &fee); err != nil {
			return nil, err
		}
		r.Date, r.Received, r.Token = time.UnixMilli(day*dayMillis).UTC(), side == Payee, common.BytesToAddress(token)
		last := len(list) - 1
		if last < 0 || list[last].Date != r.Date || list[last].Received != r.Received || list[last].Token != r.Token {
			if len(list) == limit {
				break
			}
			list = append(list, Day{Date: r.Date, Received: r.Received, Token: r.Token, GasSpent: r.GasSpent})
			last++
		}
		d := &list[last]
		sum, err := contracts.AmountFromBytes(amount)
		if err != nil {
			return nil, err
		}
		if r.Sessions >= 0 {
			d.Sessions, d.Promises, d.Rx, d.Tx, d.Amount = r.Sessions, r.Promises, uint64(rx), uint64(tx), sum
			continue
		}
		wei, ok := new(big.Int).SetString(fee, 10)
		if !ok {
			return nil, fmt.Errorf("fee %q of a claim is no number", fee)
		}
		d.Claims++
		d.GasSpent.Add(d.GasSpent, wei)
		if d.Claimed, err = d.Claimed.Add(sum); err != nil {
			return nil, err
		}
	}
	return list, rows.Err()
}
