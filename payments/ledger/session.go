package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
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
	Ending   Ending
}

// Ending says how a session ended.
type Ending int

// The endings, as the file has them: they are added to and never changed.
const (
	EndUnknown  Ending = iota // of an open session, and of one that an older program has ended
	EndDone                   // as its consumer asked
	EndUnpaid                 // promises did not come
	EndUnfunded               // the channel could not pay any more
	EndGaveWay                // others took its place
	EndExit                   // the exit forwarded nothing
	EndStopping               // the provider stopped
	EndProtocol               // the other side broke the protocol
	EndCrash                  // this node did not live to see it
	EndLost                   // the other side did not come back
)

// endings are their names, in the same order.
var endings = []string{
	"unknown", "done", "unpaid", "unfunded", "gave_way", "exit_closed", "provider_stopped", "protocol", "crash", "lost",
}

// String is the ending's name, for programs.
func (e Ending) String() string {
	if e < 0 || int(e) >= len(endings) {
		return endings[EndUnknown]
	}
	return endings[e]
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

// Sessions returns the latest sessions of either side whose rows are below that id, or the latest of all where it is zero,
// newest first. The id of the last one leads to those before it.
func (l *Ledger) Sessions(ctx context.Context, limit int, before int64) ([]Session, error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	var list []Session
	if err := l.sessions(ctx, func(s Session) error { list = append(list, s); return nil },
		"s.id < ? ORDER BY s.id DESC LIMIT ?", before, limit); err != nil {
		return nil, fmt.Errorf("read sessions of the ledger: %w", err)
	}
	return list, nil
}

// sessions calls each with the sessions that a condition selects, until that fails.
func (l *Ledger) sessions(ctx context.Context, each func(Session) error, where string, args ...any) error {
	rows, err := l.read.QueryContext(ctx, "SELECT s.id, s.channel, s.role, s.session, s.offer, s.price, s.tick, s.win,"+
		" s.amount, s.promises, s.rx, s.tx, s.peer_rx, s.opened_at, s.closed_at, s.ending, c.token, c.payer, c.signer, c.payee"+
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
			&rx, &tx, &peerRx, &opened, &closed, &s.Ending, &token, &payer, &signer, &payee); err != nil {
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
			if err := tx.closeSession(s.ID, tally{}, EndCrash); err != nil {
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
	updateUsage  = sessionTable.update("id = ?4", "rx = max(rx, ?1)", "tx = max(tx, ?2)", "peer_rx = max(peer_rx, ?3)")
	updateClosed = sessionTable.update("id = ?2", "closed_at = ?1", "ending = ?3")
)

// EndSession records a session's final counters and how it ended, and books that on the present day. A session that has
// ended stays as it is. One of a payee that carried nothing leaves no row: to open it cost nothing.
func (tx *Tx) EndSession(session int64, u payments.Usage, how Ending) error {
	var side Side
	var amount []byte
	var rx, sent int64
	err := tx.row("SELECT role, amount, rx, tx FROM session WHERE id = ? AND closed_at IS NULL", session).
		Scan(&side, &amount, &rx, &sent)
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
	if side == Payee && u == (payments.Usage{}) && billed.IsZero() && rx == 0 && sent == 0 {
		return tx.exec("DELETE FROM session WHERE id = ?", session)
	}
	if err := tx.exec(updateUsage, count(u.Rx), count(u.Tx), count(u.PeerRx), session); err != nil {
		return err
	}
	return tx.closeSession(session, tally{rx: more(rx, u.Rx), tx: more(sent, u.Tx)}, how)
}

// closeSession marks a session as ended, and books that with what it carried since its last promise.
func (tx *Tx) closeSession(session int64, t tally, how Ending) error {
	var b booked
	if err := b.read(tx.row("SELECT c.id, c.role, c.token, c.total, c.other FROM session s"+
		" JOIN channel c ON c.id = s.channel WHERE s.id = ?", session)); err != nil {
		return err
	}
	t.sessions = 1
	if err := tx.book(b, t); err != nil {
		return err
	}
	return tx.exec(updateClosed, nowMillis(), session, how)
}

// How long the rows stay that name a payer and a time.
const (
	// DefaultKeep is after which time they are merged.
	DefaultKeep = 30 * 24 * time.Hour
	// LeastKeep is the least that may be asked for: an id that could be said again must be known for longer than a Hello is
	// of now, also by a clock that is off.
	LeastKeep = 24 * time.Hour
)

// The most rows that one transaction of [Ledger.Forget] merges: promises wait for it.
const forgetBatch = 128

// Forget merges what names a payer and a time, in small transactions, and returns how many sessions it has merged:
// sessions that ended longer ago than keep into their channels, and what was booked on days longer ago into one row of
// each channel. Money stays exact to the unit, and so do the days of each side. A payee's session stays until what its
// channel has promised is settled, but no longer than twice keep: a claim needs the channel, and no session. What is
// merged is overwritten in the file.
func (l *Ledger) Forget(ctx context.Context, keep time.Duration) (sessions int, err error) {
	if keep < LeastKeep {
		return 0, fmt.Errorf("forget sessions: %s is less than %s", keep, LeastKeep)
	}
	for done := false; !done; {
		n, m := 0, 0
		if err := l.Do(ctx, func(tx *Tx) (err error) {
			if n, err = tx.mergeSessions(keep); err == nil {
				m, err = tx.mergeBooks(keep)
			}
			return err
		}); err != nil {
			return sessions, err
		}
		sessions += n
		done = n < forgetBatch && m < forgetBatch
	}
	return sessions, nil
}

// horizon is the moment from which on rows are kept, on a day's edge, by the day that is booked on.
func (tx *Tx) horizon(keep time.Duration) (millis int64, err error) {
	day, err := tx.today()
	return day*dayMillis - keep.Milliseconds(), err
}

func (tx *Tx) mergeSessions(keep time.Duration) (n int, err error) {
	before, err := tx.horizon(keep)
	if err != nil {
		return 0, err
	}
	sums, ids := map[int64]tally{}, []int64{}
	if err := tx.tallies(func(id, channel int64, t tally) error {
		t.sessions = 1
		sum := sums[channel]
		err := sum.add(t)
		sums[channel], ids = sum, append(ids, id)
		return err
	}, "SELECT s.id, s.channel, 1, s.promises, s.rx, s.tx, s.amount, x'000000000000000000000000' FROM session s"+
		" JOIN channel c ON c.id = s.channel WHERE s.closed_at < ?1 AND (s.role = 1 OR c.owed_since IS NULL"+
		" OR s.closed_at < ?1 - ?2) LIMIT ?3", before, keep.Milliseconds(), forgetBatch); err != nil {
		return 0, err
	}
	for channel, t := range sums {
		if err := tx.exec(addToPast, t.args(channel)...); err != nil {
			return 0, err
		}
	}
	for _, id := range ids {
		if err := tx.exec("DELETE FROM session WHERE id = ?", id); err != nil {
			return 0, err
		}
	}
	return len(ids), nil
}

func (tx *Tx) mergeBooks(keep time.Duration) (n int, err error) {
	before, err := tx.horizon(keep)
	if err != nil {
		return 0, err
	}
	type row struct {
		channel, day int64
		t            tally
	}
	var list []row
	if err := tx.tallies(func(channel, day int64, t tally) error { list = append(list, row{channel, day, t}); return nil },
		"SELECT channel, day, "+tallyList+" FROM book WHERE day > ? AND day < ? ORDER BY day LIMIT ?", earlier, before/dayMillis,
		forgetBatch); err != nil {
		return 0, err
	}
	for _, r := range list {
		if err := tx.exec(addToBook, r.t.args(r.channel, earlier)...); err != nil {
			return 0, err
		}
		if err := tx.exec("DELETE FROM book WHERE channel = ? AND day = ?", r.channel, r.day); err != nil {
			return 0, err
		}
	}
	return len(list), nil
}

// tallies reads within the transaction, and calls each with what a query selects: two keys and the columns of a tally.
func (tx *Tx) tallies(each func(first, second int64, t tally) error, query string, args ...any) error {
	s, err := tx.stmt(query)
	if err != nil {
		return err
	}
	rows, err := s.Query(args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var first, second int64
		var t tally
		if err := t.scan(rows.Scan, &first, &second); err != nil {
			return err
		}
		if err := each(first, second, t); err != nil {
			return err
		}
	}
	return rows.Err()
}
