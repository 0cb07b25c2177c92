package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/payments"
)

// claimState is how far a claim has come: sending → settled | failed. Only a reorganisation leads back from settled
// to sending; nothing leaves failed.
type claimState int

const (
	claimSending claimState = 1 // recorded; its transaction may or may not be on its way
	claimSettled claimState = 2 // mined
	claimFailed  claimState = 3 // reverted: its promises are unsettled again
)

// Claimant is who one claim transaction pays, in what and where.
type Claimant struct {
	Domain       payments.Domain
	Token, Payee common.Address
}

func (p Claimant) args() []any {
	return []any{int64(p.Domain.ChainID), p.Domain.Contract[:], p.Token[:], p.Payee[:]}
}

// ClaimRow is one promise of a claim.
type ClaimRow struct {
	Account    int64 // the row of its channel
	Cumulative contracts.Amount
	Before     contracts.Amount // settled when the claim was made
	Row        [96]byte         // the promise as the transaction carries it
}

// Claim is one claim as the ledger has it.
type Claim struct {
	ID     int64 // of the row
	Intent string
	Rows   []ClaimRow
}

// Settlement records the effect of a mined claim transaction.
type Settlement struct {
	Tx      common.Hash
	Block   uint64
	Gas     uint64
	Fee     *big.Int                   // in wei
	Paid    contracts.Amount           // in base units
	Settled map[int64]contracts.Amount // the new lifetime totals, by the channel's row
}

// ClaimsOnTheirWay returns the claims that were stored and are neither settled nor failed, oldest first.
func (l *Ledger) ClaimsOnTheirWay(ctx context.Context, p Claimant) ([]Claim, error) {
	list, err := l.readClaims(ctx, p, claimSending)
	if err != nil {
		return nil, fmt.Errorf("read claims of the ledger: %w", err)
	}
	return list, nil
}

func (l *Ledger) readClaims(ctx context.Context, p Claimant, s claimState) ([]Claim, error) {
	rows, err := l.read.QueryContext(ctx, "SELECT c.id, c.intent, r.channel, r.cumulative, r.before, r.row FROM claim c"+
		" JOIN claim_row r ON r.claim = c.id WHERE c.chain_id = ? AND c.contract = ? AND c.token = ? AND c.payee = ?"+
		" AND c.state = ? ORDER BY c.id, r.channel", append(p.args(), s)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []Claim
	for rows.Next() {
		var c Claim
		var r ClaimRow
		var cumulative, before, row []byte
		if err := rows.Scan(&c.ID, &c.Intent, &r.Account, &cumulative, &before, &row); err != nil {
			return nil, err
		}
		if r.Cumulative, err = contracts.AmountFromBytes(cumulative); err != nil {
			return nil, err
		}
		if r.Before, err = contracts.AmountFromBytes(before); err != nil {
			return nil, err
		}
		if len(row) != len(r.Row) {
			return nil, fmt.Errorf("row of claim %d has %d bytes", c.ID, len(row))
		}
		copy(r.Row[:], row)
		if n := len(list); n == 0 || list[n-1].ID != c.ID {
			list = append(list, c)
		}
		last := &list[len(list)-1]
		last.Rows = append(last.Rows, r)
	}
	return list, rows.Err()
}

// StoreClaim records a claim before its transaction is sent, and returns its row.
func (tx *Tx) StoreClaim(p Claimant, c Claim) (int64, error) {
	args := append([]any{c.Intent}, p.args()...)
	args = append(args, claimSending, blob(contracts.Amount{}), nowMillis())
	id, err := tx.insert("INSERT INTO claim (intent, chain_id, contract, token, payee, state, paid, created_at)"+
		" VALUES (?,?,?,?,?,?,?,?)", args...)
	if err != nil {
		return 0, err
	}
	for _, r := range c.Rows {
		if err := tx.exec("INSERT INTO claim_row (claim, channel, cumulative, before, row) VALUES (?,?,?,?,?)",
			id, r.Account, blob(r.Cumulative), blob(r.Before), r.Row[:]); err != nil {
			return 0, err
		}
	}
	if err := tx.seal(claimRowTable, "claim = ?", id); err != nil {
		return 0, err
	}
	return id, tx.seal(claimTable, claimTable.byKey(), id)
}

// SettleClaim records what a claim, named by its row, has done once it was mined, and books it on the present day. One that
// is settled already is booked again only where that says something else.
func (tx *Tx) SettleClaim(claim int64, s Settlement) error {
	for account, total := range s.Settled {
		if err := tx.StoreSettled(account, Reading{Settled: total, Block: s.Block}); err != nil {
			return err
		}
	}
	var was claimState
	var paid []byte
	var fee string
	if err := tx.row("SELECT state, paid, fee FROM claim WHERE id = ?", claim).Scan(&was, &paid, &fee); err != nil {
		return fmt.Errorf("claim %d: %w", claim, err)
	}
	if was != claimSettled || !bytes.Equal(paid, blob(s.Paid)) || fee != s.Fee.String() {
		if err := tx.undoClaims("id = ?", claim); err != nil {
			return err
		}
		if err := tx.bookClaim(claim, s.Paid, s.Fee.String()); err != nil {
			return err
		}
	}
	if err := tx.exec("UPDATE claim SET state = ?, tx = ?, block = ?, paid = ?, gas = ?, fee = ?, done_at = ?"+
		" WHERE id = ?", claimSettled, s.Tx[:], int64(s.Block), blob(s.Paid), count(s.Gas), s.Fee.String(), nowMillis(),
		claim); err != nil {
		return err
	}
	return tx.seal(claimTable, claimTable.byKey(), claim)
}

// FailClaim records that a claim was reverted by that transaction, and why: its promises are unsettled again.
func (tx *Tx) FailClaim(claim int64, hash common.Hash, reason string) error {
	if err := tx.undoClaims("id = ?", claim); err != nil {
		return err
	}
	if err := tx.exec("UPDATE claim SET state = ?, tx = ?, reason = ?, done_at = ? WHERE id = ?",
		claimFailed, hash[:], reason, nowMillis(), claim); err != nil {
		return err
	}
	return tx.seal(claimTable, claimTable.byKey(), claim)
}

// ReopenClaims puts claims that were mined in that block or later on their way again, after a reorganisation: their
// intents, sent once more, are the same transactions wherever they are now. The days that they were booked on stay: what
// was undone is booked on the present one.
func (tx *Tx) ReopenClaims(p Claimant, from uint64) error {
	const again = "block >= ? AND chain_id = ? AND contract = ? AND token = ? AND payee = ?"
	where := append([]any{count(from)}, p.args()...)
	if err := tx.undoClaims(again, where...); err != nil {
		return err
	}
	if err := tx.exec("UPDATE claim SET state = ? WHERE state = ? AND "+again,
		append([]any{claimSending, claimSettled}, where...)...); err != nil {
		return err
	}
	return tx.seal(claimTable, again, where...)
}

// Earnings sum a payee's promises and say where they stand, in base units: the one source of these numbers.
type Earnings struct {
	// Promised is all that was ever promised: Unsettled + Claiming + Settled.
	Promised contracts.Amount
	// Unsettled is promised and neither settled nor in a claim that is on its way.
	Unsettled contracts.Amount
	// Claiming is in claims that are on their way.
	Claiming contracts.Amount
	// Settled has been paid on chain.
	Settled contracts.Amount
	// GasSpent is the cost of mined claims, in wei.
	GasSpent *big.Int
	// Claims is how many have been mined.
	Claims int
}

// Earnings adds up what the ledger holds for a claimant.
func (l *Ledger) Earnings(ctx context.Context, p Claimant) (Earnings, error) {
	e := Earnings{GasSpent: new(big.Int)}
	if err := l.addEarnings(ctx, p, &e); err != nil {
		return Earnings{}, fmt.Errorf("add up earnings: %w", err)
	}
	return e, nil
}

func (l *Ledger) addEarnings(ctx context.Context, p Claimant, e *Earnings) error {
	list, err := l.accounts(ctx, "role = 2 AND chain_id = ? AND contract = ? AND token = ? AND payee = ?", p.args()...)
	if err != nil {
		return err
	}
	claims, err := l.ClaimsOnTheirWay(ctx, p)
	if err != nil {
		return err
	}
	inClaim := map[int64]contracts.Amount{}
	for _, c := range claims {
		for _, r := range c.Rows {
			inClaim[r.Account] = inClaim[r.Account].Max(r.Cumulative)
		}
	}
	for _, a := range list {
		settled := a.Believed()
		claiming := inClaim[a.ID].SubFloor(settled)
		unsettled := a.Total.SubFloor(settled.Max(inClaim[a.ID]))
		var errs [4]error
		e.Settled, errs[0] = e.Settled.Add(settled)
		e.Claiming, errs[1] = e.Claiming.Add(claiming)
		e.Unsettled, errs[2] = e.Unsettled.Add(unsettled)
		e.Promised, errs[3] = e.Promised.Add(a.Total.Max(settled))
		if err := errors.Join(errs[:]...); err != nil {
			return err
		}
	}
	rows, err := l.read.QueryContext(ctx, "SELECT fee FROM claim WHERE chain_id = ? AND contract = ? AND token = ?"+
		" AND payee = ? AND state = ?", append(p.args(), claimSettled)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var fee string
		if err := rows.Scan(&fee); err != nil {
			return err
		}
		wei, ok := new(big.Int).SetString(fee, 10)
		if !ok {
			return fmt.Errorf("fee %q of a claim is no number", fee)
		}
		e.GasSpent.Add(e.GasSpent, wei)
		e.Claims++
	}
	return rows.Err()
}
