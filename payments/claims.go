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

// claimState is how far a claim has come: sending → settled | failed. Only a reorganisation leads back from settled
// to sending; nothing leaves failed.
type claimState int

const (
	claimSending claimState = 1 // recorded; its transaction may or may not be on its way
	claimSettled claimState = 2 // mined
	claimFailed  claimState = 3 // reverted: its promises are unsettled again
)

// claimGroup is what one claim transaction has in common.
type claimGroup struct {
	domain       Domain
	token, payee common.Address
}

// claimRow is one promise of a claim.
type claimRow struct {
	account    int64
	cumulative contracts.Amount
	before     contracts.Amount // settled when the claim was made
	row        [RowSize]byte
}

// claimRecord is one claim as the ledger has it.
type claimRecord struct {
	id     int64
	intent string
	rows   []claimRow
}

func (g claimGroup) args() []any {
	return []any{int64(g.domain.ChainID), g.domain.Contract[:], g.token[:], g.payee[:]}
}

// owed returns the channels of the group that have promised more than is settled.
func (l *Ledger) owed(ctx context.Context, g claimGroup) ([]account, error) {
	return l.accounts(ctx, "role = 2 AND owed_since IS NOT NULL AND chain_id = ? AND contract = ? AND token = ?"+
		" AND payee = ?", g.args()...)
}

// settledSince returns the group's channels whose settled total was read in that block or later.
func (l *Ledger) settledSince(ctx context.Context, g claimGroup, block uint64) ([]account, error) {
	return l.accounts(ctx, "role = 2 AND settled_block >= ? AND chain_id = ? AND contract = ? AND token = ?"+
		" AND payee = ?", append([]any{count(block)}, g.args()...)...)
}

// claimsInState returns the claims of the group that are in that state, oldest first.
func (l *Ledger) claimsInState(ctx context.Context, g claimGroup, s claimState) ([]claimRecord, error) {
	list, err := l.readClaims(ctx, g, s)
	if err != nil {
		return nil, fmt.Errorf("read claims of the ledger: %w", err)
	}
	return list, nil
}

func (l *Ledger) readClaims(ctx context.Context, g claimGroup, s claimState) ([]claimRecord, error) {
	rows, err := l.read.QueryContext(ctx, "SELECT c.id, c.intent, r.channel, r.cumulative, r.before, r.row FROM claim c"+
		" JOIN claim_row r ON r.claim = c.id WHERE c.chain_id = ? AND c.contract = ? AND c.token = ? AND c.payee = ?"+
		" AND c.state = ? ORDER BY c.id, r.channel", append(g.args(), s)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []claimRecord
	for rows.Next() {
		var c claimRecord
		var r claimRow
		var cumulative, before, row []byte
		if err := rows.Scan(&c.id, &c.intent, &r.account, &cumulative, &before, &row); err != nil {
			return nil, err
		}
		if r.cumulative, err = contracts.AmountFromBytes(cumulative); err != nil {
			return nil, err
		}
		if r.before, err = contracts.AmountFromBytes(before); err != nil {
			return nil, err
		}
		if len(row) != RowSize {
			return nil, fmt.Errorf("row of claim %d has %d bytes", c.id, len(row))
		}
		r.row = [RowSize]byte(row)
		if n := len(list); n == 0 || list[n-1].id != c.id {
			list = append(list, c)
		}
		last := &list[len(list)-1]
		last.rows = append(last.rows, r)
	}
	return list, rows.Err()
}

// storeClaim records a claim before its transaction is sent.
func (l *Ledger) storeClaim(ctx context.Context, g claimGroup, c *claimRecord) error {
	return l.do(ctx, func(w *writer) error {
		args := append([]any{c.intent}, g.args()...)
		args = append(args, claimSending, blob(contracts.Amount{}), nowMillis())
		id, err := w.insert("INSERT INTO claim (intent, chain_id, contract, token, payee, state, paid, created_at)"+
			" VALUES (?,?,?,?,?,?,?,?)", args...)
		if err != nil {
			return err
		}
		for _, r := range c.rows {
			if err := w.exec("INSERT INTO claim_row (claim, channel, cumulative, before, row) VALUES (?,?,?,?,?)",
				id, r.account, blob(r.cumulative), blob(r.before), r.row[:]); err != nil {
				return err
			}
		}
		c.id = id
		if err := w.seal(claimRowTable, "claim = ?", id); err != nil {
			return err
		}
		return w.seal(claimTable, claimTable.byKey(), id)
	})
}

// settlement is what a mined claim transaction has done.
type settlement struct {
	tx      common.Hash
	block   uint64
	gas     uint64
	fee     *big.Int // wei
	paid    contracts.Amount
	settled map[int64]contracts.Amount // by account: the new totals
}

func (l *Ledger) settleClaim(ctx context.Context, c claimRecord, s settlement) error {
	return l.do(ctx, func(w *writer) error {
		for id, total := range s.settled {
			if err := storeSettled(w, id, ChannelState{Settled: total, Block: s.block}); err != nil {
				return err
			}
		}
		if err := w.exec("UPDATE claim SET state = ?, tx = ?, block = ?, paid = ?, gas = ?, fee = ?, done_at = ?"+
			" WHERE id = ?", claimSettled, s.tx[:], int64(s.block), blob(s.paid), count(s.gas), s.fee.String(), nowMillis(),
			c.id); err != nil {
			return err
		}
		return w.seal(claimTable, claimTable.byKey(), c.id)
	})
}

func (l *Ledger) failClaim(ctx context.Context, c claimRecord, tx common.Hash, reason string) error {
	return l.do(ctx, func(w *writer) error {
		if err := w.exec("UPDATE claim SET state = ?, tx = ?, reason = ?, done_at = ? WHERE id = ?",
			claimFailed, tx[:], reason, nowMillis(), c.id); err != nil {
			return err
		}
		return w.seal(claimTable, claimTable.byKey(), c.id)
	})
}

// Earnings is what a payee has been promised and where that stands, in base units: the one source of these numbers.
type Earnings struct {
	// Promised is all that was ever promised: Unsettled + Claiming + Settled.
	Promised contracts.Amount
	// Unsettled is promised and neither settled nor in a claim that is on its way.
	Unsettled contracts.Amount
	// Claiming is in claims that are on their way.
	Claiming contracts.Amount
	// Settled has been paid on chain.
	Settled contracts.Amount
	// GasSpent is what mined claims have cost, in wei.
	GasSpent *big.Int
	// Claims is how many have been mined.
	Claims int
}

// Earnings adds up what the ledger holds for a payee in a token.
func (l *Ledger) Earnings(ctx context.Context, d Domain, token, payee common.Address) (Earnings, error) {
	e := Earnings{GasSpent: new(big.Int)}
	if err := l.addEarnings(ctx, claimGroup{d, token, payee}, &e); err != nil {
		return Earnings{}, fmt.Errorf("add up earnings: %w", err)
	}
	return e, nil
}

func (l *Ledger) addEarnings(ctx context.Context, g claimGroup, e *Earnings) error {
	list, err := l.accounts(ctx, "role = 2 AND chain_id = ? AND contract = ? AND token = ? AND payee = ?", g.args()...)
	if err != nil {
		return err
	}
	claims, err := l.claimsInState(ctx, g, claimSending)
	if err != nil {
		return err
	}
	inClaim := map[int64]contracts.Amount{}
	for _, c := range claims {
		for _, r := range c.rows {
			inClaim[r.account] = maxAmount(inClaim[r.account], r.cumulative)
		}
	}
	for _, a := range list {
		settled := a.believed()
		claiming := inClaim[a.id].SubFloor(settled)
		unsettled := a.total.SubFloor(maxAmount(settled, inClaim[a.id]))
		var errs [4]error
		e.Settled, errs[0] = e.Settled.Add(settled)
		e.Claiming, errs[1] = e.Claiming.Add(claiming)
		e.Unsettled, errs[2] = e.Unsettled.Add(unsettled)
		e.Promised, errs[3] = e.Promised.Add(maxAmount(a.total, settled))
		if err := errors.Join(errs[:]...); err != nil {
			return err
		}
	}
	rows, err := l.read.QueryContext(ctx, "SELECT fee FROM claim WHERE chain_id = ? AND contract = ? AND token = ?"+
		" AND payee = ? AND state = ?", append(g.args(), claimSettled)...)
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

// SessionRecord is one session in the ledger's history.
type SessionRecord struct {
	Terms Terms
	// Amount is what it has paid, in base units, in so many promises.
	Amount   contracts.Amount
	Promises int
	// Usage holds the final counters of this side; on the payer's, those of the latest promise until the end.
	Usage    Usage
	Opened   time.Time
	Closed   time.Time // zero while it is open
	Received bool      // whether this side is the payee
}

// Sessions returns the latest sessions of either side, newest first.
func (l *Ledger) Sessions(ctx context.Context, limit int) ([]SessionRecord, error) {
	list, err := l.readSessions(ctx, "1 = 1 ORDER BY s.id DESC LIMIT ?", limit)
	if err != nil {
		return nil, fmt.Errorf("read sessions of the ledger: %w", err)
	}
	return list, nil
}

// Session returns one session of the payer's side or, with received set, of the payee's: [ErrUnknownSession] where it
// has none of that id.
func (l *Ledger) Session(ctx context.Context, id SessionID, received bool) (SessionRecord, error) {
	r := payerRole
	if received {
		r = payeeRole
	}
	list, err := l.readSessions(ctx, "s.role = ? AND s.session = ?", r, id[:])
	if err != nil {
		return SessionRecord{}, fmt.Errorf("read session %s of the ledger: %w", id, err)
	}
	if len(list) == 0 {
		return SessionRecord{}, fmt.Errorf("session %s: %w", id, ErrUnknownSession)
	}
	return list[0], nil
}

func (l *Ledger) readSessions(ctx context.Context, where string, args ...any) ([]SessionRecord, error) {
	rows, err := l.read.QueryContext(ctx, "SELECT s.role, s.session, s.offer, s.price, s.tick, s.win, s.amount,"+
		" s.promises, s.rx, s.tx, s.peer_rx, s.opened_at, s.closed_at, c.token, c.payer, c.signer, c.payee"+
		" FROM session s JOIN channel c ON c.id = s.channel WHERE "+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []SessionRecord
	for rows.Next() {
		var s SessionRecord
		var id, price, amount, token, payer, signer, payee []byte
		var side role
		var tick, window, rx, tx, peerRx, opened int64
		var closed sql.NullInt64
		if err := rows.Scan(&side, &id, &s.Terms.Offer, &price, &tick, &window, &amount, &s.Promises, &rx, &tx, &peerRx,
			&opened, &closed, &token, &payer, &signer, &payee); err != nil {
			return nil, err
		}
		s.Received = side == payeeRole
		copy(s.Terms.Session[:], id)
		s.Terms.Tick, s.Terms.Window = uint64(tick), uint64(window)
		if s.Terms.PricePerGiB, err = contracts.AmountFromBytes(price); err != nil {
			return nil, err
		}
		if s.Amount, err = contracts.AmountFromBytes(amount); err != nil {
			return nil, err
		}
		s.Terms.Channel.Token, s.Terms.Channel.Payer = common.BytesToAddress(token), common.BytesToAddress(payer)
		s.Terms.Channel.Signer, s.Terms.Channel.Payee = common.BytesToAddress(signer), common.BytesToAddress(payee)
		s.Usage = Usage{uint64(rx), uint64(tx), uint64(peerRx)}
		s.Opened = time.UnixMilli(opened)
		if closed.Valid {
			s.Closed = time.UnixMilli(closed.Int64)
		}
		list = append(list, s)
	}
	return list, rows.Err()
}
