package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"byway/contracts"
	"byway/payments"
)

// Session is a session as one side's ledger has it.
type Session struct {
	ID      int64 // of the row
	Account int64 // the row of its channel
	Terms   payments.Terms
	// Amount is how much the session has paid, in base units, in so many promises.
	Amount   contracts.Amount
	Promises int
	// Usage holds the final counters of this side; on the payer's, those of the latest promise until the end.
	Usage    payments.Usage
	Opened   time.Time
	Closed   time.Time // zero while it is open
	Received bool      // whether this side is the payee
}

// OpenSession makes the row of a session on that account and returns it. The error is [payments.ErrSessionClosed] or
// [payments.ErrSessionExists] where there is one of its id.
func (tx *Tx) OpenSession(a Account, t payments.Terms) (int64, error) {
	var closed sql.NullInt64
	err := tx.row("SELECT closed_at FROM session WHERE role = ? AND session = ?", a.Side, t.Session[:]).Scan(&closed)
	switch {
	case err == nil && closed.Valid:
		return 0, fmt.Errorf("session %s: %w", t.Session, payments.ErrSessionClosed)
	case err == nil:
		return 0, fmt.Errorf("session %s: %w", t.Session, payments.ErrSessionExists)
	case !errors.Is(err, sql.ErrNoRows):
		return 0, err
	}
	id, err := tx.insert("INSERT INTO session (role, session, channel, offer, price, tick, win, amount, opened_at)"+
		" VALUES (?,?,?,?,?,?,?,?,?)", a.Side, t.Session[:], a.ID, t.Offer, blob(t.PricePerGiB), int64(t.Tick),
		int64(t.Window), blob(contracts.Amount{}), nowMillis())
	if err != nil {
		return 0, err
	}
	return id, tx.seal(sessionTable, sessionTable.byKey(), id)
}

// Session returns one session of the payer's side or, with received set, of the payee's: [payments.ErrUnknownSession] where it
// has none of that id.
func (l *Ledger) Session(ctx context.Context, id payments.SessionID, received bool) (Session, error) {
	side := Payer
	if received {
		side = Payee
	}
	var s Session
	found := false
	err := l.sessions(ctx, func(row Session) error { s, found = row, true; return nil },
		"s.role = ? AND s.session = ?", side, id[:])
	switch {
	case err != nil:
		return s, fmt.Errorf("read session %s of the ledger: %w", id, err)
	case !found:
		return s, fmt.Errorf("session %s: %w", id, payments.ErrUnknownSession)
	}
	return s, nil
}

// Sessions returns the latest sessions of either side, newest first.
func (l *Ledger) Sessions(ctx context.Context, limit int) ([]Session, error) {
	var list []Session
	if err := l.sessions(ctx, func(s Session) error { list = append(list, s); return nil },
		"1 = 1 ORDER BY s.id DESC LIMIT ?", limit); err != nil {
		return nil, fmt.Errorf("read sessions of the ledger: %w", err)
	}
	return list, nil
}

// sessions calls each with the sessions that a condition selects, until that fails.
func (l *Ledger) sessions(ctx context.Context, each func(Session) error, where string, args ...any) error {
	rows, err := l.read.QueryContext(ctx, "SELECT s.id, s.channel, s.role, s.session, s.offer, s.price, s.tick, s.win,"+
		" s.amount, s.promises, s.rx, s.tx, s.peer_rx, s.opened_at, s.closed_at, c.token, c.payer, c.signer, c.payee"+
		" FROM session s JOIN channel c ON c.id = s.channel WHERE "+where, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var s Session
		var id, price, amount, token, payer, signer, payee []byte
		var side Side
		var tick, window, rx, tx, peerRx, opened int64
		var closed sql.NullInt64
		if err := rows.Scan(&s.ID, &s.Account, &side, &id, &s.Terms.Offer, &price, &tick, &window, &amount, &s.Promises,
			&rx, &tx, &peerRx, &opened, &closed, &token, &payer, &signer, &payee); err != nil {
			return err
		}
		s.Received = side == Payee
		copy(s.Terms.Session[:], id)
		s.Terms.Tick, s.Terms.Window = uint64(tick), uint64(window)
		if s.Terms.PricePerGiB, err = contracts.AmountFromBytes(price); err != nil {
			return err
		}
		if s.Amount, err = contracts.AmountFromBytes(amount); err != nil {
			return err
		}
		s.Terms.Channel = channelOf(token, payer, signer, payee)
		s.Usage = payments.Usage{Rx: uint64(rx), Tx: uint64(tx), PeerRx: uint64(peerRx)}
		s.Opened = time.UnixMilli(opened)
		if closed.Valid {
			s.Closed = time.UnixMilli(closed.Int64)
		}
		if err := each(s); err != nil {
			return err
		}
	}
	return rows.Err()
}

// EndSessions closes every session that a crash has left open, with the counters that were last stored, and returns
// how many there were. It is for a node's start, before it opens any.
//
// What a payee forwarded between the last promise and the crash nobody knows, only that it came to no more than was
// granted. Once a day and vault that is the payee's own loss: a payer does not answer for its provider's power. A second
// time within a day it counts as forwarded.
func (l *Ledger) EndSessions(ctx context.Context) (int, error) {
	var open []Session
	if err := l.sessions(ctx, func(s Session) error { open = append(open, s); return nil },
		"s.closed_at IS NULL"); err != nil {
		return 0, fmt.Errorf("read open sessions of the ledger: %w", err)
	}
	if len(open) == 0 {
		return 0, nil
	}
	return len(open), l.Do(ctx, func(tx *Tx) error {
		torn := map[int64]bool{}
		for _, s := range open {
			if err := tx.closeSession(s.ID); err != nil {
				return err
			}
			if s.Received && !torn[s.Account] {
				torn[s.Account] = true
				if err := tx.forgive(s, time.Now()); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// forgiveEvery is how often a crash between forwarding and its promise is held against nobody.
const forgiveEvery = 24 * time.Hour

func (tx *Tx) forgive(s Session, now time.Time) error {
	a, err := scanAccount(tx.row("SELECT "+accountColumns+" FROM channel WHERE id = ?", s.Account).Scan)
	if err != nil {
		return err
	}
	gap := a.Granted.SubFloor(a.Counted)
	if gap.IsZero() {
		return nil
	}
	if now.Sub(a.ForgivenAt) < forgiveEvery { // also by a clock that was set back since
		// What is prepaid counts as not forwarded, a tick at most: its payer prepays no other before it has come.
		tick, err := s.Terms.PricePerGiB.MulDivCeil(s.Terms.Tick, 1<<30)
		if err != nil {
			return err
		}
		if a.Credit.Less(tick) {
			tick = a.Credit
		}
		if charged := a.Granted.SubFloor(tick); a.Counted.Less(charged) {
			a.Counted = charged
		}
		return tx.StoreAccount(a)
	}
	a.ForgivenAt = now
	if err := tx.StoreAccount(a); err != nil {
		return err
	}
	return tx.Lose(a.ID, now, gap)
}

var (
	updateUsage  = sessionTable.update("id = ?4", "rx = ?1", "tx = ?2", "peer_rx = ?3")
	updateClosed = sessionTable.update("id = ?2", "closed_at = ?1")
)

// EndSession records a session's final counters and adds it to its day. A session that has ended stays as it is. One of a
// payee that carried nothing leaves no row: to open it cost nothing.
func (tx *Tx) EndSession(session int64, u payments.Usage) error {
	var side Side
	var amount []byte
	err := tx.row("SELECT role, amount FROM session WHERE id = ? AND closed_at IS NULL", session).Scan(&side, &amount)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	billed, err := contracts.AmountFromBytes(amount)
	if err != nil {
		return err
	}
	if side == Payee && u == (payments.Usage{}) && billed.IsZero() {
		return tx.exec("DELETE FROM session WHERE id = ?", session)
	}
	if err := tx.exec(updateUsage, count(u.Rx), count(u.Tx), count(u.PeerRx), session); err != nil {
		return err
	}
	return tx.closeSession(session)
}

func (tx *Tx) closeSession(session int64) error {
	now := nowMillis()
	var side Side
	var token, amount []byte
	var d Day
	if err := tx.row("SELECT s.role, c.token, s.promises, s.rx, s.tx, s.amount FROM session s"+
		" JOIN channel c ON c.id = s.channel WHERE s.id = ?", session).
		Scan(&side, &token, &d.Promises, &d.Rx, &d.Tx, &amount); err != nil {
		return err
	}
	var err error
	if d.Amount, err = contracts.AmountFromBytes(amount); err != nil {
		return err
	}
	d.Sessions = 1
	if err := tx.addToDay(now, side, token, d); err != nil {
		return err
	}
	return tx.exec(updateClosed, now, session)
}
