package chain

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
)

// trailLength is how many blocks below its cursor a follower remembers by hash.
const trailLength = 256

// cursor is how far a follower has come.
type cursor struct {
	number    uint64
	hash      common.Hash
	floor     uint64          // nothing below is scanned again
	trail     []Block         // blocks known by hash, the highest first; the first is the cursor's own
	delivered map[logKey]bool // logs of the blocks that are scanned again
}

type logKey struct {
	number uint64
	hash   common.Hash
	index  uint
}

// journalError marks what a follower can't survive.
type journalError struct{ error }

// Unwrap returns the cause.
func (e *journalError) Unwrap() error { return e.error }

// cursors is the part of a journal that belongs to one follower.
type cursors struct {
	*Journal
	chain uint64
	name  string
}

// load returns the cursor, nil where there is none yet.
func (c cursors) load(ctx context.Context) (*cursor, error) {
	at, err := c.read(ctx)
	if err != nil {
		return nil, &journalError{fmt.Errorf("journal: read cursor: %w", err)}
	}
	return at, nil
}

func (c cursors) read(ctx context.Context) (*cursor, error) {
	var at cursor
	var number, floor int64
	var hash []byte
	err := c.db.QueryRowContext(ctx, `SELECT number, hash, floor FROM cursors WHERE chain = ? AND name = ?`,
		int64(c.chain), c.name).Scan(&number, &hash, &floor)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	at.number, at.hash, at.floor = uint64(number), common.BytesToHash(hash), uint64(floor)
	rows, err := c.db.QueryContext(ctx, `SELECT number, hash FROM followed WHERE chain = ? AND name = ?
		ORDER BY number DESC`, int64(c.chain), c.name)
	if err != nil {
		return nil, err
	}
	err = each(rows, func() error {
		if err := rows.Scan(&number, &hash); err != nil {
			return err
		}
		at.trail = append(at.trail, Block{Number: uint64(number), Hash: common.BytesToHash(hash)})
		return nil
	})
	if err != nil {
		return nil, err
	}
	at.delivered = make(map[logKey]bool)
	rows, err = c.db.QueryContext(ctx, `SELECT number, hash, log FROM delivered WHERE chain = ? AND name = ?`,
		int64(c.chain), c.name)
	if err != nil {
		return nil, err
	}
	err = each(rows, func() error {
		var index int64
		if err := rows.Scan(&number, &hash, &index); err != nil {
			return err
		}
		at.delivered[logKey{uint64(number), common.BytesToHash(hash), uint(index)}] = true
		return nil
	})
	return &at, err
}

// store moves the cursor past an update that was handled.
func (c cursors) store(ctx context.Context, u Update) error {
	err := c.update(ctx, func(tx *sql.Tx) error {
		exec := func(query string, args ...any) error {
			_, err := tx.Exec(query, append([]any{int64(c.chain), c.name}, args...)...)
			return err
		}
		if u.Rollback {
			for _, table := range []string{"followed", "delivered"} {
				if err := exec(`DELETE FROM `+table+` WHERE chain = ? AND name = ? AND number >= ?`, int64(u.From)); err != nil {
					return err
				}
			}
			if u.To.Hash == (common.Hash{}) {
				return exec(`DELETE FROM cursors WHERE chain = ? AND name = ?`)
			}
		}
		note := func(number uint64, hash common.Hash) error {
			return exec(`INSERT OR REPLACE INTO followed (chain, name, number, hash) VALUES (?, ?, ?, ?)`,
				int64(number), hash[:])
		}
		if u.Rollback {
			// A floor above what is known to be delivered came from a cursor that was wrong.
			if err := exec(`UPDATE cursors SET floor = min(floor, ?3) WHERE chain = ?1 AND name = ?2`, int64(u.From)); err != nil {
				return err
			}
		}
		if err := exec(`INSERT INTO cursors (chain, name, number, hash, floor) VALUES (?1, ?2, ?3, ?4, max(0, ?3 - ?5))
			ON CONFLICT DO UPDATE SET number = excluded.number, hash = excluded.hash, floor = max(floor, excluded.floor)`,
			int64(u.To.Number), u.To.Hash[:], overlap); err != nil {
			return err
		}
		if u.parent != (common.Hash{}) && u.To.Number > 0 {
			if err := note(u.To.Number-1, u.parent); err != nil {
				return err
			}
		}
		for _, l := range u.Logs {
			if err := note(l.BlockNumber, l.BlockHash); err != nil {
				return err
			}
			if l.BlockNumber+overlap < u.To.Number {
				continue
			}
			if err := exec(`INSERT OR IGNORE INTO delivered (chain, name, number, hash, log) VALUES (?, ?, ?, ?, ?)`,
				int64(l.BlockNumber), l.BlockHash[:], int64(l.Index)); err != nil {
				return err
			}
		}
		if err := note(u.To.Number, u.To.Hash); err != nil {
			return err
		}
		if err := exec(`DELETE FROM delivered WHERE chain = ?1 AND name = ?2 AND number <
			(SELECT floor FROM cursors WHERE chain = ?1 AND name = ?2)`); err != nil {
			return err
		}
		return exec(`DELETE FROM followed WHERE chain = ?1 AND name = ?2 AND number NOT IN
			(SELECT number FROM followed WHERE chain = ?1 AND name = ?2 ORDER BY number DESC LIMIT ?3)`, trailLength)
	})
	if err != nil {
		return &journalError{fmt.Errorf("journal: store cursor: %w", err)}
	}
	return nil
}
