package payments

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
)

// role is the side that a row of the ledger belongs to.
type role int

const (
	payerRole role = 1
	payeeRole role = 2
)

// account is a channel as the ledger has it: total = other + the amounts of its sessions.
type account struct {
	id      int64
	role    role
	domain  Domain
	channel contracts.Channel
	total   contracts.Amount // highest promise given or received
	other   contracts.Amount // what of it no recorded session has paid
	settled contracts.Amount // as last read from the chain
	sig     Signature        // of total

	// The block that said so, its time, and when it was read here. None of it is believed for good: see settled.go.
	settledBlock uint64
	settledHash  common.Hash
	settledTime  time.Time
	settledAt    time.Time
	recheckAt    time.Time // when the chain is asked again although nothing is owed

	owedSince time.Time // zero while nothing is owed
}

// promise returns the account's latest promise, or nil where there was none.
func (a account) promise() *Promise {
	if a.total.IsZero() {
		return nil
	}
	return &Promise{Channel: a.channel, Cumulative: a.total, Sig: a.sig}
}

// sessionRow is a session as the ledger has it.
type sessionRow struct {
	id      int64
	account int64
	terms   Terms // without the channel's addresses
	amount  contracts.Amount
	closed  bool
}

const accountColumns = "id, role, chain_id, contract, token, payer, signer, payee, total, other, settled, sig," +
	" settled_block, owed_since, settled_hash, settled_time, settled_at, recheck_at"

func scanAccount(scan func(...any) error) (a account, err error) {
	var contract, token, payer, signer, payee, total, other, settled, sig, hash []byte
	var chainID, block, blockTime, readAt, recheckAt int64
	var since sql.NullInt64
	if err = scan(&a.id, &a.role, &chainID, &contract, &token, &payer, &signer, &payee, &total, &other, &settled,
		&sig, &block, &since, &hash, &blockTime, &readAt, &recheckAt); err != nil {
		return a, err
	}
	a.settledBlock, a.settledHash = uint64(block), common.BytesToHash(hash)
	a.settledTime, a.settledAt = time.UnixMilli(blockTime), time.UnixMilli(readAt)
	a.recheckAt = time.UnixMilli(recheckAt)
	if since.Valid {
		a.owedSince = time.UnixMilli(since.Int64)
	}
	a.domain = Domain{uint64(chainID), common.BytesToAddress(contract)}
	a.channel.Token, a.channel.Payer = common.BytesToAddress(token), common.BytesToAddress(payer)
	a.channel.Signer, a.channel.Payee = common.BytesToAddress(signer), common.BytesToAddress(payee)
	for _, f := range []struct {
		to   *contracts.Amount
		from []byte
	}{{&a.total, total}, {&a.other, other}, {&a.settled, settled}} {
		if *f.to, err = contracts.AmountFromBytes(f.from); err != nil {
			return a, fmt.Errorf("channel row %d: %w", a.id, err)
		}
	}
	if len(sig) == SignatureSize {
		a.sig = Signature(sig)
	}
	return a, nil
}

// accounts reads the channels that a condition selects, in the order of their ids.
func (l *Ledger) accounts(ctx context.Context, where string, args ...any) ([]account, error) {
	rows, err := l.read.QueryContext(ctx, "SELECT "+accountColumns+" FROM channel WHERE "+where+" ORDER BY id", args...)
	if err != nil {
		return nil, fmt.Errorf("read channels of the ledger: %w", err)
	}
	defer rows.Close()
	var list []account
	for rows.Next() {
		a, err := scanAccount(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("read channels of the ledger: %w", err)
		}
		list = append(list, a)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read channels of the ledger: %w", err)
	}
	return list, nil
}

// openAccount returns the channel's row, made now where there is none.
func (l *Ledger) openAccount(ctx context.Context, r role, d Domain, c contracts.Channel) (account, error) {
	find := func() ([]account, error) {
		return l.accounts(ctx, "role = ? AND chain_id = ? AND contract = ? AND token = ? AND payer = ? AND signer = ?"+
			" AND payee = ?", r, int64(d.ChainID), d.Contract[:], c.Token[:], c.Payer[:], c.Signer[:], c.Payee[:])
	}
	list, err := find()
	if err == nil && len(list) == 0 {
		zero := blob(contracts.Amount{})
		if err = l.do(ctx, func(w *writer) error {
			key := []any{r, int64(d.ChainID), d.Contract[:], c.Token[:], c.Payer[:], c.Signer[:], c.Payee[:]}
			if err := w.exec("INSERT OR IGNORE INTO channel (role, chain_id, contract, token, payer, signer, payee, total,"+
				" sig, other, settled, changed_at) VALUES (?,?,?,?,?,?,?,?,x'',?,?,?)",
				append(key, zero, zero, zero, nowMillis())...); err != nil {
				return err
			}
			return w.seal(channelTable, "role = ? AND chain_id = ? AND contract = ? AND token = ? AND payer = ?"+
				" AND signer = ? AND payee = ? AND sum = x''", key...)
		}); err == nil {
			list, err = find()
		}
	}
	if err != nil {
		return account{}, err
	}
	if len(list) != 1 {
		return account{}, fmt.Errorf("ledger has %d rows for %s", len(list), c)
	}
	return list[0], nil
}

// session reads a session's row; found is false where there is none.
func (l *Ledger) session(ctx context.Context, r role, id SessionID) (s sessionRow, found bool, err error) {
	var price, amount []byte
	var closed sql.NullInt64
	var tick, window int64
	err = l.read.QueryRowContext(ctx, "SELECT id, channel, offer, price, tick, win, amount, closed_at FROM session"+
		" WHERE role = ? AND session = ?", r, id[:]).
		Scan(&s.id, &s.account, &s.terms.Offer, &price, &tick, &window, &amount, &closed)
	if errors.Is(err, sql.ErrNoRows) {
		return s, false, nil
	}
	if err == nil {
		s.terms.Session, s.terms.Tick, s.terms.Window, s.closed = id, uint64(tick), uint64(window), closed.Valid
		if s.terms.PricePerGiB, err = contracts.AmountFromBytes(price); err == nil {
			s.amount, err = contracts.AmountFromBytes(amount)
		}
	}
	if err != nil {
		return s, false, fmt.Errorf("read session %s of the ledger: %w", id, err)
	}
	return s, true, nil
}

// openSession returns the session's row, made now where there is none: then, and where it was opened before with the
// same terms and has not ended, the session may go on.
func (l *Ledger) openSession(ctx context.Context, r role, accountID int64, t Terms) (sessionRow, error) {
	s, found, err := l.session(ctx, r, t.Session)
	if err != nil {
		return s, err
	}
	if !found {
		s = sessionRow{account: accountID, terms: t}
		err := l.do(ctx, func(w *writer) (err error) {
			price := blob(t.PricePerGiB)
			s.id, err = w.insert("INSERT INTO session (role, session, channel, offer, price, tick, win, amount, opened_at)"+
				" VALUES (?,?,?,?,?,?,?,?,?)", r, t.Session[:], accountID, t.Offer, price, int64(t.Tick), int64(t.Window),
				blob(contracts.Amount{}), nowMillis())
			if err != nil {
				return err
			}
			return w.seal(sessionTable, sessionTable.byKey(), s.id)
		})
		return s, err
	}
	if s.closed {
		return s, fmt.Errorf("session %s: %w", t.Session, ErrSessionClosed)
	}
	same := t
	same.Channel = contracts.Channel{}
	if s.account != accountID || s.terms != same {
		return s, fmt.Errorf("session %s: %w", t.Session, ErrSessionExists)
	}
	return s, nil
}

// The statements of a promise are made once: they are what a busy ledger does.
var (
	updateTotal = channelTable.update("id = ?5", "total = ?1", "other = ?2", "sig = ?3", "changed_at = ?4",
		"owed_since = COALESCE(owed_since, ?4)")
	updateShare  = sessionTable.update("id = ?2", "amount = ?1", "promises = promises + 1")
	updateUsage  = sessionTable.update("id = ?4", "rx = ?1", "tx = ?2", "peer_rx = ?3")
	updateClosed = sessionTable.update("id = ?2", "closed_at = ?1")
)

// storePromise makes a promise the account's latest and moves one session's share of it.
func storePromise(w *writer, a account, session int64, share contracts.Amount) error {
	if err := w.exec(updateTotal, blob(a.total), blob(a.other), sigBlob(a), nowMillis(), a.id); err != nil {
		return err
	}
	return w.exec(updateShare, blob(share), session)
}

func storeUsage(w *writer, session int64, u Usage) error {
	return w.exec(updateUsage, count(u.Rx), count(u.Tx), count(u.PeerRx), session)
}

// endSession records the final counters and adds the session to its day. A session that has ended stays as it is.
func endSession(w *writer, session int64, u Usage) error {
	var open int
	err := w.row("SELECT count(*) FROM session WHERE id = ? AND closed_at IS NULL", session).Scan(&open)
	if err != nil || open == 0 {
		return err
	}
	if err := storeUsage(w, session, u); err != nil {
		return err
	}
	return closeSession(w, session)
}

func closeSession(w *writer, session int64) error {
	now := nowMillis()
	var side role
	var token, amount []byte
	var d Day
	if err := w.row("SELECT s.role, c.token, s.promises, s.rx, s.tx, s.amount FROM session s"+
		" JOIN channel c ON c.id = s.channel WHERE s.id = ?", session).
		Scan(&side, &token, &d.Promises, &d.Rx, &d.Tx, &amount); err != nil {
		return err
	}
	var err error
	if d.Amount, err = contracts.AmountFromBytes(amount); err != nil {
		return err
	}
	d.Sessions = 1
	if err := addToDay(w, now, side, token, d); err != nil {
		return err
	}
	return w.exec(updateClosed, now, session)
}

func sigBlob(a account) []byte {
	if a.total.IsZero() {
		return []byte{}
	}
	return a.sig[:]
}

func blob(a contracts.Amount) []byte {
	b := a.Bytes()
	return b[:]
}

// count fits a byte count to SQLite's 63 bits: nine exabytes in one session are not counted further.
func count(n uint64) int64 { return int64(min(n, math.MaxInt64)) }
