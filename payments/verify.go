package payments

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"path/filepath"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
)

// Verification is what a check of a ledger found.
type Verification struct {
	// Channels, Sessions and Claims have been looked at, and so many signatures recovered.
	Channels, Sessions, Claims, Signatures int
	// Rows have been compared with their checksums, in all tables.
	Rows int
	// Given and Taken are the sums of all promises of the payer's and the payee's side, in base units.
	Given, Taken contracts.Amount
	// Problems says what is wrong, one line each, naming the row. Empty: everything is exact.
	Problems []string
}

func (v *Verification) problem(format string, args ...any) {
	v.Problems = append(v.Problems, fmt.Sprintf(format, args...))
}

// VerifyLedger checks a ledger, also while another process uses it: the file's structure, every row's checksum, every
// signature, every sum, every day, every claim and, where chain is not nil, every settlement. An error says that it
// could not look; what it found wrong is in the Verification.
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
	// All that is asked of one moment, also while somebody writes.
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, "BEGIN"); err != nil {
		v.problem("the file is no ledger: %v", err)
		return v, ctx.Err()
	}
	if err := v.structure(ctx, db); err != nil {
		return v, fmt.Errorf("verify ledger %s: %w", path, err)
	}
	whole := len(v.Problems) == 0
	for _, t := range rowTables {
		if err := v.sums(ctx, db, t); err != nil {
			v.problem("table %s can't be read: %v", t.name, err)
			whole = false
		}
	}
	if ctx.Err() != nil || !whole {
		return v, ctx.Err() // what such a file says means nothing
	}
	l := &Ledger{path: path, read: db}
	err = v.content(ctx, l, chain)
	if len(v.Problems) > 0 && ctx.Err() == nil && err != nil {
		v.problem("%v", err) // it comes of what was altered
		return v, nil
	}
	if err != nil {
		return v, fmt.Errorf("verify ledger %s: %w", path, err)
	}
	return v, nil
}

func (v *Verification) structure(ctx context.Context, db *sql.DB) error {
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); locked(err) {
		return fmt.Errorf("%w, and nothing in it can be looked at: %w", ErrLedgerInUse, err)
	} else if err != nil {
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
	if err := v.days(ctx, l); err != nil {
		return err
	}
	return v.claims(ctx, l, byID)
}

// days adds the ended sessions up once more and compares that with the days.
func (v *Verification) days(ctx context.Context, l *Ledger) error {
	type key struct {
		day   int64
		side  role
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
			v.problem(dayTable.noun+": it is not what the sessions that ended on it add up to", k.day, int(k.side), k.token)
		}
	}
	return nil
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
	if err := v.emptyClaims(ctx, l); err != nil {
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
		v.problem("claim %d: it claims nothing", id)
	}
	return rows.Err()
}
