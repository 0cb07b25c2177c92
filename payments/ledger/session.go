package ledger

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"time"

	"byway/contracts"
)

var (
	// ErrUnknownSession says that no such session was opened.
	ErrUnknownSession = errors.New("unknown session")
	// ErrSessionClosed says that the session has ended; its final counters are recorded.
	ErrSessionClosed = errors.New("session is closed")
	// ErrSessionExists says that a session of that id was opened with other terms.
	ErrSessionExists = errors.New("session id is in use with other terms")
)

// SessionID names one session, for both sides.
type SessionID [16]byte

// String is the id in hexadecimal.
func (id SessionID) String() string { return hex.EncodeToString(id[:]) }

// Terms is what both sides of a session have agreed on.
type Terms struct {
	Session SessionID
	Channel contracts.Channel
	// PricePerGiB is in base units of the channel's token per 2^30 bytes.
	PricePerGiB contracts.Amount
	// Tick is how many bytes a promise covers and Window how many may be forwarded unpaid.
	Tick, Window uint64
	// Offer is the CID of the offer that says so.
	Offer string
}

// Usage is what a session's meter has counted since its start, in bytes of inner packets.
type Usage struct {
	// Rx is what this side received, Tx what it sent.
	Rx, Tx uint64
	// PeerRx is what the other side says it received.
	PeerRx uint64
}

// Billed is what a consumer pays for, in bytes: everything it received, and of what it sent as much as it and the
// provider both say has arrived. It saturates.
func (u Usage) Billed() uint64 {
	sent := min(u.Tx, u.PeerRx)
	if u.Rx > math.MaxUint64-sent {
		return math.MaxUint64
	}
	return u.Rx + sent
}

// Session is a session as one side's ledger has it.
type Session struct {
	ID      int64 // of the row
	Account int64 // the row of its channel
	Terms   Terms
	// Amount is what it has paid, in base units, in so many promises.
	Amount   contracts.Amount
	Promises int
	// Usage holds the final counters of this side; on the payer's, those of the latest promise until the end.
	Usage    Usage
	Opened   time.Time
	Closed   time.Time // zero while it is open
	Received bool      // whether this side is the payee
}

// OpenSession returns the row of a session on that account, made now where there is none: then, and where it was opened
// before with the same terms and has not ended, the session may go on. The errors are [ErrSessionClosed] and
// [ErrSessionExists].
func (l *Ledger) OpenSession(ctx context.Context, a Account, t Terms) (Session, error) {
	s, err := l.Session(ctx, t.Session, a.Side == Payee)
	if errors.Is(err, ErrUnknownSession) {
		s = Session{Account: a.ID, Terms: t, Received: a.Side == Payee}
		err := l.Do(ctx, func(tx *Tx) (err error) {
			s.ID, s.Opened, err = tx.openSession(a, t)
			return err
		})
		return s, err
	}
	if err != nil {
		return s, err
	}
	if !s.Closed.IsZero() {
		return s, fmt.Errorf("session %s: %w", t.Session, ErrSessionClosed)
	}
	if s.Account != a.ID || s.Terms != t {
		return s, fmt.Errorf("session %s: %w", t.Session, ErrSessionExists)
	}
	return s, nil
}

// Session returns one session of the payer's side or, with received set, of the payee's: [ErrUnknownSession] where it
// has none of that id.
func (l *Ledger) Session(ctx context.Context, id SessionID, received bool) (Session, error) {
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
		return s, fmt.Errorf("session %s: %w", id, ErrUnknownSession)
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
		s.Usage = Usage{uint64(rx), uint64(tx), uint64(peerRx)}
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
func (l *Ledger) EndSessions(ctx context.Context) (int, error) {
	var open []int64
	if err := l.sessions(ctx, func(s Session) error { open = append(open, s.ID); return nil },
		"s.closed_at IS NULL"); err != nil {
		return 0, fmt.Errorf("read open sessions of the ledger: %w", err)
	}
	if len(open) == 0 {
		return 0, nil
	}
	return len(open), l.Do(ctx, func(tx *Tx) error {
		for _, id := range open {
			if err := tx.closeSession(id); err != nil {
				return err
			}
		}
		return nil
	})
}

var (
	updateUsage  = sessionTable.update("id = ?4", "rx = ?1", "tx = ?2", "peer_rx = ?3")
	updateClosed = sessionTable.update("id = ?2", "closed_at = ?1")
)

func (tx *Tx) openSession(a Account, t Terms) (id int64, opened time.Time, err error) {
	now := nowMillis()
	id, err = tx.insert("INSERT INTO session (role, session, channel, offer, price, tick, win, amount, opened_at)"+
		" VALUES (?,?,?,?,?,?,?,?,?)", a.Side, t.Session[:], a.ID, t.Offer, blob(t.PricePerGiB), int64(t.Tick),
		int64(t.Window), blob(contracts.Amount{}), now)
	if err != nil {
		return 0, opened, err
	}
	return id, time.UnixMilli(now), tx.seal(sessionTable, sessionTable.byKey(), id)
}

// StoreUsage records what a session, named by its row, has counted so far.
func (tx *Tx) StoreUsage(session int64, u Usage) error {
	return tx.exec(updateUsage, count(u.Rx), count(u.Tx), count(u.PeerRx), session)
}

// EndSession records a session's final counters and adds it to its day. A session that has ended stays as it is.
func (tx *Tx) EndSession(session int64, u Usage) error {
	var open int
	err := tx.row("SELECT count(*) FROM session WHERE id = ? AND closed_at IS NULL", session).Scan(&open)
	if err != nil || open == 0 {
		return err
	}
	if err := tx.StoreUsage(session, u); err != nil {
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
