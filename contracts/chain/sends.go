package chain

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// sendState is how far a send has come:
//
//	inFlight ──mined──▶ succeeded
//	   ▲  └────mined──▶ reverted
//	   └──reorganised── (either, until it is final)
type sendState int

const (
	inFlight sendState = iota
	succeeded
	reverted
)

// send is a row of the journal: an intent bound to a nonce, and everything that was signed for it.
type send struct {
	Intent
	nonce    uint64
	state    sendState
	mined    common.Hash
	block    uint64
	reason   string
	attempts []*types.Transaction // oldest first
	taken    bool                 // by an endpoint, in this process
}

func (s *send) last() *types.Transaction { return s.attempts[len(s.attempts)-1] }

// sends is the part of a journal that belongs to one account on one chain.
type sends struct {
	*Journal
	chain  uint64
	sender common.Address
}

// find returns the send of that ID, nil where there is none.
func (j sends) find(ctx context.Context, id string) (*send, error) {
	rows, err := j.query(ctx, "id = ?", id)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[0], nil
}

// pending returns the sends in flight in the order of their nonces.
func (j sends) pending(ctx context.Context) ([]*send, error) { return j.query(ctx, "state = 0") }

// mined returns the sends that are mined and that a reorganisation may still take back, in the order of their nonces.
func (j sends) mined(ctx context.Context) ([]*send, error) {
	return j.query(ctx, "final = 0 AND state <> 0")
}

// unsettled reports whether anything is in flight or not final.
func (j sends) unsettled(ctx context.Context) (bool, error) {
	var n int
	err := j.db.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM sends
		WHERE chain = ? AND sender = ? AND final = 0 LIMIT 1)`, int64(j.chain), j.sender[:]).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("journal: read sends: %w", err)
	}
	return n != 0, nil
}

// finalNonce is the highest nonce of a final send, false where there is none.
func (j sends) finalNonce(ctx context.Context) (uint64, bool, error) {
	var n sql.NullInt64
	err := j.db.QueryRowContext(ctx, `SELECT max(nonce) FROM sends WHERE chain = ? AND sender = ? AND final = 1`,
		int64(j.chain), j.sender[:]).Scan(&n)
	if err != nil {
		return 0, false, fmt.Errorf("journal: read nonce: %w", err)
	}
	return uint64(n.Int64), n.Valid, nil
}

// finalise records that a mined send can't be taken back any more.
func (j sends) finalise(ctx context.Context, s *send) error {
	return j.update(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE sends SET final = 1 WHERE chain = ? AND sender = ? AND id = ? AND mined = ?
			AND block = ?`, int64(j.chain), j.sender[:], s.ID, s.mined[:], int64(s.block))
		if err != nil {
			return fmt.Errorf("finalise %q: %w", s.ID, err)
		}
		return nil
	})
}

func (j sends) query(ctx context.Context, where string, args ...any) ([]*send, error) {
	args = append([]any{int64(j.chain), j.sender[:]}, args...)
	rows, err := j.db.QueryContext(ctx, `SELECT id, nonce, state, target, data, value, gas, mined, block, reason
		FROM sends WHERE chain = ? AND sender = ? AND `+where+` ORDER BY nonce`, args...)
	if err != nil {
		return nil, fmt.Errorf("journal: read sends: %w", err)
	}
	var found []*send
	err = each(rows, func() error {
		var s send
		var target, value, mined []byte
		var block sql.NullInt64
		var reason sql.NullString
		var nonce, gas int64
		if err := rows.Scan(&s.ID, &nonce, &s.state, &target, &s.Data, &value, &gas, &mined, &block, &reason); err != nil {
			return err
		}
		if target != nil {
			to := common.BytesToAddress(target)
			s.To = &to
		}
		s.nonce, s.Gas, s.block, s.reason = uint64(nonce), uint64(gas), uint64(block.Int64), reason.String
		s.Value, s.mined = new(big.Int).SetBytes(value), common.BytesToHash(mined)
		found = append(found, &s)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("journal: read sends: %w", err)
	}
	for _, s := range found {
		if err := j.readAttempts(ctx, s); err != nil {
			return nil, fmt.Errorf("journal: read attempts of %q: %w", s.ID, err)
		}
	}
	return found, nil
}

func (j sends) readAttempts(ctx context.Context, s *send) error {
	rows, err := j.db.QueryContext(ctx,
		`SELECT raw FROM attempts WHERE chain = ? AND sender = ? AND id = ? ORDER BY seq`, int64(j.chain), j.sender[:], s.ID)
	if err != nil {
		return err
	}
	err = each(rows, func() error {
		var raw []byte
		if err := rows.Scan(&raw); err != nil {
			return err
		}
		tx := new(types.Transaction)
		if err := tx.UnmarshalBinary(raw); err != nil {
			return err
		}
		s.attempts = append(s.attempts, tx)
		return nil
	})
	if err == nil && len(s.attempts) == 0 {
		return errors.New("there are none")
	}
	return err
}

func each(rows *sql.Rows, f func() error) error {
	defer rows.Close()
	for rows.Next() {
		if err := f(); err != nil {
			return err
		}
	}
	return rows.Err()
}

// nextNonce is above every nonce that the journal has ever used.
func (j sends) nextNonce(ctx context.Context) (uint64, error) {
	var n sql.NullInt64
	err := j.db.QueryRowContext(ctx, `SELECT max(nonce) FROM sends WHERE chain = ? AND sender = ?`,
		int64(j.chain), j.sender[:]).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("journal: read nonce: %w", err)
	}
	if !n.Valid {
		return 0, nil
	}
	return uint64(n.Int64) + 1, nil
}

// insert records a new send with its first attempt.
func (j sends) insert(ctx context.Context, s *send) error {
	return j.update(ctx, func(tx *sql.Tx) error {
		var target []byte
		if s.To != nil {
			target = s.To[:]
		}
		_, err := tx.Exec(`INSERT INTO sends (chain, sender, id, nonce, target, data, value, gas)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, int64(j.chain), j.sender[:], s.ID, int64(s.nonce), target,
			nonNil(s.Data), nonNil(s.Value.Bytes()), int64(s.Gas))
		if err != nil {
			return fmt.Errorf("record send %q: %w", s.ID, err)
		}
		return j.insertAttempt(ctx, tx, s, s.last())
	})
}

// addAttempt records one more signed transaction of a send.
func (j sends) addAttempt(ctx context.Context, s *send, signed *types.Transaction) error {
	err := j.update(ctx, func(tx *sql.Tx) error { return j.insertAttempt(ctx, tx, s, signed) })
	if err == nil {
		s.attempts = append(s.attempts, signed)
	}
	return err
}

func (j sends) insertAttempt(ctx context.Context, tx *sql.Tx, s *send, signed *types.Transaction) error {
	raw, err := signed.MarshalBinary()
	if err != nil {
		return fmt.Errorf("journal: encode transaction: %w", err)
	}
	hash := signed.Hash()
	_, err = tx.Exec(`INSERT INTO attempts (hash, chain, sender, id, raw, seq) VALUES (?, ?, ?, ?, ?,
		(SELECT count(*) FROM attempts WHERE chain = ?2 AND sender = ?3 AND id = ?4))`,
		hash[:], int64(j.chain), j.sender[:], s.ID, raw)
	if err != nil {
		return fmt.Errorf("record attempt of %q: %w", s.ID, err)
	}
	return nil
}

// settle records what became of a send, or with inFlight that it is open again.
func (j sends) settle(ctx context.Context, s *send, state sendState, mined common.Hash, block uint64, reason string,
) error {
	err := j.update(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE sends SET state = ?, mined = ?, block = ?, reason = ?, final = 0
			WHERE chain = ? AND sender = ? AND id = ?`, int(state), mined[:], int64(block), reason,
			int64(j.chain), j.sender[:], s.ID)
		if err != nil {
			return fmt.Errorf("settle %q: %w", s.ID, err)
		}
		return nil
	})
	if err == nil {
		s.state, s.mined, s.block, s.reason = state, mined, block, reason
	}
	return err
}

// move gives a send another nonce and replaces its attempts, which can no longer be mined.
func (j sends) move(ctx context.Context, s *send, nonce uint64, signed *types.Transaction) error {
	err := j.update(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE sends SET nonce = ? WHERE chain = ? AND sender = ? AND id = ?`,
			int64(nonce), int64(j.chain), j.sender[:], s.ID)
		if err != nil {
			return fmt.Errorf("move send %q to nonce %d: %w", s.ID, nonce, err)
		}
		return j.insertAttempt(ctx, tx, s, signed)
	})
	if err == nil {
		s.nonce = nonce
		s.attempts = append(s.attempts, signed)
	}
	return err
}

// forget removes a send of which nothing was ever accepted.
func (j sends) forget(ctx context.Context, s *send) error {
	return j.update(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec(`DELETE FROM sends WHERE chain = ? AND sender = ? AND id = ?`,
			int64(j.chain), j.sender[:], s.ID)
		if err != nil {
			return fmt.Errorf("forget send %q: %w", s.ID, err)
		}
		return nil
	})
}

// same reports whether an intent asks for what the send does.
func (s *send) same(i Intent) bool {
	if (s.To == nil) != (i.To == nil) || (s.To != nil && *s.To != *i.To) || !bytes.Equal(s.Data, i.Data) {
		return false
	}
	value := i.Value
	if value == nil {
		value = new(big.Int)
	}
	return s.Value.Cmp(value) == 0
}

func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// Sent reports whether a transaction of that ID is in the journal, mined or not: then [Sender.Send] will not make
// another one of it, whatever has changed on chain since.
func (s *Sender) Sent(ctx context.Context, id string) (bool, error) {
	known, err := s.sends.find(ctx, id)
	return known != nil, err
}
