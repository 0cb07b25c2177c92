package ledger

import (
	"context"
	"fmt"
	"time"

	"byway/contracts"
)

// Loss is what a payee forwarded, or was promised, and can't have.
type Loss struct {
	At     time.Time
	Amount contracts.Amount // in base units
}

// lossesKept is for how long losses are kept.
const lossesKept = 24 * time.Hour

// Lose records a loss on an account, and drops losses that are older than a day. A loss of nothing is none.
func (tx *Tx) Lose(account int64, at time.Time, amount contracts.Amount) error {
	if amount.IsZero() {
		return nil
	}
	if err := tx.exec("DELETE FROM loss WHERE at < ?", at.Add(-lossesKept).UnixMilli()); err != nil {
		return err
	}
	id, err := tx.insert("INSERT INTO loss (channel, at, amount) VALUES (?,?,?)", account, at.UnixMilli(), blob(amount))
	if err != nil {
		return err
	}
	return tx.seal(lossTable, lossTable.byKey(), id)
}

// LossesSince returns what a payee has lost since then, oldest first. It reaches a day back.
func (l *Ledger) LossesSince(ctx context.Context, p Claimant, since time.Time) ([]Loss, error) {
	list, err := l.readLosses(ctx, p, since)
	if err != nil {
		return nil, fmt.Errorf("read losses of the ledger: %w", err)
	}
	return list, nil
}

func (l *Ledger) readLosses(ctx context.Context, p Claimant, since time.Time) ([]Loss, error) {
	rows, err := l.read.QueryContext(ctx, "SELECT l.at, l.amount FROM loss l JOIN channel c ON c.id = l.channel"+
		" WHERE c.chain_id = ? AND c.contract = ? AND c.token = ? AND c.payee = ? AND l.at >= ? ORDER BY l.at",
		append(p.args(), since.UnixMilli())...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []Loss
	for rows.Next() {
		var at int64
		var amount []byte
		if err := rows.Scan(&at, &amount); err != nil {
			return nil, err
		}
		sum, err := contracts.AmountFromBytes(amount)
		if err != nil {
			return nil, err
		}
		list = append(list, Loss{time.UnixMilli(at), sum})
	}
	return list, rows.Err()
}
