package payments

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"path/filepath"

	"byway/contracts"
)

// Verification is what a check of a ledger found.
type Verification struct {
	// Channels, Sessions and Claims have been looked at, and so many signatures recovered.
	Channels, Sessions, Claims, Signatures int
	// Given and Taken are the sums of all promises of the payer's and the payee's side, in base units.
	Given, Taken contracts.Amount
	// Problems says what is wrong, one line each, naming the row. Empty: everything is exact.
	Problems []string
}

func (v *Verification) problem(format string, args ...any) {
	v.Problems = append(v.Problems, fmt.Sprintf(format, args...))
}

// VerifyLedger checks a ledger, also while another process uses it: the file's structure, every signature, every sum,
// every claim and, where chain is not nil, every settlement. An error says that it could not look; what it found
// wrong is in the Verification.
func VerifyLedger(ctx context.Context, path string, chain Chain) (Verification, error) {
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
	if err := v.structure(ctx, db); err != nil {
		return v, fmt.Errorf("verify ledger %s: %w", path, err)
	}
	if len(v.Problems) > 0 {
		return v, nil // what such a file says means nothing
	}
	l := &Ledger{path: path, read: db}
	if err := v.content(ctx, l, chain); err != nil {
		return v, fmt.Errorf("verify ledger %s: %w", path, err)
	}
	return v, nil
}

func (v *Verification) structure(ctx context.Context, db *sql.DB) error {
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		v.problem("the file is no ledger: %v", err)
		return ctx.Err()
	}
	if version != len(migrations) {
		return fmt.Errorf("schema is %d, this program's %d: open the ledger with this program first", version,
			len(migrations))
	}
	for _, pragma := range []string{"integrity_check", "foreign_key_check"} {
		rows, err := db.QueryContext(ctx, "PRAGMA "+pragma)
		if err != nil {
			v.problem("%s: %v", pragma, err)
			continue
		}
		for rows.Next() {
			var text string
			if pragma == "integrity_check" {
				if err = rows.Scan(&text); err == nil && text != "ok" {
					v.problem("the file is damaged: %s", text)
				}
				continue
			}
			var row sql.NullInt64
			var parent string
			var key int
			if err = rows.Scan(&text, &row, &parent, &key); err == nil {
				v.problem("row %d of table %s names a row of table %s that is not there", row.Int64, text, parent)
			}
		}
		if err := rows.Err(); err != nil {
			v.problem("%s: %v", pragma, err)
		}
		rows.Close()
	}
	return ctx.Err()
}

func (v *Verification) content(ctx context.Context, l *Ledger, chain Chain) error {
	accounts, err := l.accounts(ctx, "1 = 1")
	if err != nil {
		return err
	}
	parts, err := v.sessions(ctx, l)
	if err != nil {
		return err
	}
	byID := map[int64]account{}
	for _, a := range accounts {
		byID[a.id] = a
		v.Channels++
		v.account(a, parts[a.id])
		if chain != nil {
			if err := v.settlement(ctx, a, chain); err != nil {
				return err
			}
		}
	}
	return v.claims(ctx, l, byID)
}

// sessions checks every session by itself and returns what those of each channel have paid.
func (v *Verification) sessions(ctx context.Context, l *Ledger) (map[int64]contracts.Amount, error) {
	rows, err := l.read.QueryContext(ctx, "SELECT id, channel, role, price, tick, amount, rx, tx, peer_rx FROM session")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	parts := map[int64]contracts.Amount{}
	for rows.Next() {
		var id, channel, tick, rx, tx, peerRx int64
		var side role
		var priceBytes, amountBytes []byte
		if err := rows.Scan(&id, &channel, &side, &priceBytes, &tick, &amountBytes, &rx, &tx, &peerRx); err != nil {
			return nil, err
		}
		v.Sessions++
		price, err := contracts.AmountFromBytes(priceBytes)
		if err != nil {
			return nil, err
		}
		paid, err := contracts.AmountFromBytes(amountBytes)
		if err != nil {
			return nil, err
		}
		if parts[channel], err = parts[channel].Add(paid); err != nil {
			v.problem("session %d: the sessions of channel %d exceed 96 bits", id, channel)
		}
		if side != payerRole {
			continue
		}
		// The payer's counters are stored with each promise that they justify.
		billed, err := Cost(price, Usage{uint64(rx), uint64(tx), uint64(peerRx)}.Billed())
		first, err2 := Cost(price, uint64(tick))
		if err != nil || err2 != nil || maxAmount(first, billed).Less(paid) {
			v.problem("session %d: %s was paid, its bytes cost %s and its first tick %s", id, paid, billed, first)
		}
	}
	return parts, rows.Err()
}

func (v *Verification) account(a account, parts contracts.Amount) {
	sum, err := parts.Add(a.other)
	if err != nil || sum != a.total {
		v.problem("channel %d (%s): the total is %s, its sessions %s and the rest %s", a.id, a.channel, a.total, parts,
			a.other)
	}
	if p := a.promise(); p != nil {
		v.Signatures++
		if err := a.domain.Verify(*p); err != nil {
			v.problem("channel %d (%s): the promise of %s: %v", a.id, a.channel, a.total, err)
		}
	}
	if a.total.Less(a.settled) {
		v.problem("channel %d (%s): %s is settled, only %s was promised", a.id, a.channel, a.settled, a.total)
	}
	if owes := a.settled.Less(a.total); a.role == payeeRole && owes == a.owedSince.IsZero() {
		v.problem("channel %d (%s): %s of %s is settled, which its mark denies", a.id, a.channel, a.settled, a.total)
	}
}

// settlement compares a channel with the chain.
func (v *Verification) settlement(ctx context.Context, a account, chain Chain) error {
	s, err := chain.State(ctx, a.channel)
	if err != nil {
		return err
	}
	if a.total.Less(s.Settled) {
		v.problem("channel %d (%s): the chain has settled %s, the ledger knows of %s only", a.id, a.channel, s.Settled,
			a.total)
	}
	if a.settledBlock > 0 && a.settled != s.Settled {
		v.problem("channel %d (%s): settled is %s in the ledger (block %d) and %s on the chain (block %d)", a.id, a.channel,
			a.settled, a.settledBlock, s.Settled, s.Block)
	}
	return nil
}

func (v *Verification) claims(ctx context.Context, l *Ledger, byID map[int64]account) error {
	rows, err := l.read.QueryContext(ctx, "SELECT c.id, c.state, c.tx, c.paid, r.channel, r.cumulative, r.before, r.row"+
		" FROM claim c JOIN claim_row r ON r.claim = c.id ORDER BY c.id")
	if err != nil {
		return err
	}
	defer rows.Close()
	last := int64(-1)
	for rows.Next() {
		var id, channel int64
		var state claimState
		var tx, paid, cumulative, before, row []byte
		if err := rows.Scan(&id, &state, &tx, &paid, &channel, &cumulative, &before, &row); err != nil {
			return err
		}
		if id != last {
			v.Claims++
			last = id
			if state == claimSettled && len(tx) != 32 {
				v.problem("claim %d: it is settled without a transaction", id)
			}
		}
		a := byID[channel]
		v.Signatures++
		p, err := a.domain.ParseRow(a.channel.Token, a.channel.Payee, row)
		sum := p.Cumulative.Bytes()
		switch {
		case err != nil:
			v.problem("claim %d, channel %d: %v", id, channel, err)
		case p.Channel != a.channel:
			v.problem("claim %d, channel %d: its row is signed for %s", id, channel, p.Channel)
		case !bytes.Equal(sum[:], cumulative):
			v.problem("claim %d, channel %d: its row says %s, the ledger %x", id, channel, p.Cumulative, cumulative)
		case a.total.Less(p.Cumulative):
			v.problem("claim %d, channel %d: %s was claimed, %s promised", id, channel, p.Cumulative, a.total)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, a := range byID {
		sum := &v.Given
		if a.role == payeeRole {
			sum = &v.Taken
		}
		if *sum, err = sum.Add(a.total); err != nil {
			v.problem("the promises of all channels exceed 96 bits")
			return nil
		}
	}
	return nil
}
