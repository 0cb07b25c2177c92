package directory

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/contracts/disk"
)

// indexFormats are the steps from an empty file to the present format; user_version counts those that were made.
var indexFormats = []string{`
	CREATE TABLE market (
		chain    INTEGER NOT NULL,
		registry BLOB    NOT NULL,
		number   INTEGER NOT NULL, -- the block up to which the index is complete; -1: it never was
		hash     BLOB    NOT NULL,
		synced   INTEGER NOT NULL, -- Unix seconds of the own clock
		PRIMARY KEY (chain, registry)
	) STRICT;
	-- One row for each registered provider. kind is empty where the registered offer is good, and then block is it.
	-- Where it could not be fetched, block is the provider's last good one, if there ever was one.
	CREATE TABLE offers (
		chain    INTEGER NOT NULL,
		registry BLOB    NOT NULL,
		provider BLOB    NOT NULL,
		digest   BLOB    NOT NULL,
		sequence INTEGER NOT NULL,
		stake    BLOB    NOT NULL,
		since    INTEGER NOT NULL,
		kind     TEXT    NOT NULL,
		reason   TEXT    NOT NULL,
		tries    INTEGER NOT NULL,
		retry    INTEGER NOT NULL, -- Unix seconds before which it is not fetched again; 0: the verdict is final
		block    BLOB,
		pass     INTEGER NOT NULL, -- the last full reading of the registry that saw this provider
		PRIMARY KEY (chain, registry, provider)
	) STRICT;`, `
	-- What the chain has settled, for weak evidence. vault is the first 20 bytes of a vault's id, total the greatest
	-- lifetime total that was settled from it to payee.
	CREATE TABLE settled (
		chain    INTEGER NOT NULL,
		channels BLOB    NOT NULL,
		payee    BLOB    NOT NULL,
		vault    BLOB    NOT NULL,
		total    BLOB    NOT NULL,
		PRIMARY KEY (chain, channels, payee, vault)
	) STRICT, WITHOUT ROWID;
	CREATE TABLE vaults (
		chain    INTEGER NOT NULL,
		channels BLOB    NOT NULL,
		vault    BLOB    NOT NULL,
		payer    BLOB    NOT NULL,
		PRIMARY KEY (chain, channels, vault)
	) STRICT, WITHOUT ROWID;
	CREATE TABLE settled_to (
		chain    INTEGER NOT NULL,
		channels BLOB    NOT NULL,
		number   INTEGER NOT NULL, -- the block up to which the events were read
		PRIMARY KEY (chain, channels)
	) STRICT;`,
}

// Index remembers a market on disk: every registration, the blocks of the good offers and why the others are not, so
// that a restart fetches only what changed and a listing needs neither chain nor peers. It holds nothing that could
// not be fetched again, so it is not synced with every write: a power cut may cost its last seconds, never its form.
// It may serve several markets and is safe for concurrent use; a file belongs to one process at a time.
type Index struct {
	db   *sql.DB
	path string
}

// OpenIndex opens or creates the index in the file path, whose folder must exist.
func OpenIndex(path string) (*Index, error) {
	x, err := openIndex(path)
	if err != nil {
		return nil, fmt.Errorf("open offer index %s: %w", path, err)
	}
	return x, nil
}

func openIndex(path string) (*Index, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	db, err := disk.Open(path, disk.Database{
		Access: disk.Create, Commit: disk.Late, Wait: 5 * time.Second, Immediate: true,
		Conns: 4, // readers beside the one writer
	})
	if err != nil {
		return nil, err
	}
	x := &Index{db, path}
	if err := x.migrate(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return x, nil
}

// CopyIndex makes the index file to out of the one in from, which another process may be using. A from that is not there
// makes no copy and is no error.
func CopyIndex(ctx context.Context, from, to string) error {
	if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	db, err := disk.Open(from, disk.Database{Access: disk.Read, Wait: 5 * time.Second})
	if err != nil {
		return fmt.Errorf("copy offer index %s: %w", from, err)
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", to); err != nil {
		return fmt.Errorf("copy offer index %s: %w", from, err)
	}
	return nil
}

func (x *Index) migrate() error {
	var version int
	if err := x.db.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version > len(indexFormats) {
		return fmt.Errorf("its format %d is newer than this program's %d: delete it, it will be fetched again",
			version, len(indexFormats))
	}
	for ; version < len(indexFormats); version++ {
		tx, err := x.db.Begin()
		if err != nil {
			return err
		}
		if _, err := tx.Exec(indexFormats[version] + fmt.Sprintf("PRAGMA user_version = %d;", version+1)); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		if err := tx.Commit(); err != nil {
			return err
		}
	}
	return nil
}

// Close closes the file.
func (x *Index) Close() error {
	if err := x.db.Close(); err != nil {
		return fmt.Errorf("close offer index %s: %w", x.path, err)
	}
	return nil
}

// State says how fresh what an index holds of a market is.
type State struct {
	// Block is the one up to which it is complete, Hash its hash. Known is false where the market was never read.
	Known bool
	Block uint64
	Hash  common.Hash
	// Synced is when that was, by the own clock.
	Synced time.Time
	// Offers counts the registered providers, good offers and others.
	Offers int
}

// shelfmark is the index's entry for one provider.
type shelfmark struct {
	reg    Registration
	kind   string
	reason string
	tries  int
	retry  time.Time
	block  []byte
}

// good reports whether block is the registered offer and has passed every check.
func (m shelfmark) good() bool { return m.kind == "" }

// other reports whether a registration is not the one that is held.
func (m shelfmark) other(reg Registration) bool {
	return m.reg.Digest != reg.Digest || m.reg.Sequence != reg.Sequence
}

// due reports whether an offer that could not be had may be asked for again.
func (m shelfmark) due(now time.Time) bool {
	return !m.good() && !m.retry.IsZero() && !now.Before(m.retry)
}

// entry is one market within an index.
type entry struct {
	x *Index
	d contracts.Deployment
}

func (m entry) state(ctx context.Context) (State, error) {
	var s State
	var number, synced int64
	var hash []byte
	err := m.x.db.QueryRowContext(ctx, `SELECT number, hash, synced FROM market WHERE chain = ? AND registry = ?`,
		int64(m.d.ChainID), m.d.Registry[:]).Scan(&number, &hash, &synced)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return State{}, fmt.Errorf("read offer index: %w", err)
	}
	if err == nil {
		s = State{Known: true, Block: uint64(number), Hash: common.BytesToHash(hash), Synced: time.Unix(synced, 0)}
	}
	err = m.x.db.QueryRowContext(ctx, `SELECT count(*) FROM offers WHERE chain = ? AND registry = ?`,
		int64(m.d.ChainID), m.d.Registry[:]).Scan(&s.Offers)
	if err != nil {
		return State{}, fmt.Errorf("read offer index: %w", err)
	}
	return s, nil
}

const markColumns = `provider, digest, sequence, stake, since, kind, reason, tries, retry, block`

func scanMark(scan func(...any) error) (m shelfmark, err error) {
	var provider, digest, stake []byte
	var sequence, since, retry int64
	err = scan(&provider, &digest, &sequence, &stake, &since, &m.kind, &m.reason, &m.tries, &retry, &m.block)
	if err != nil {
		return m, err
	}
	amount, err := contracts.AmountFromBytes(stake)
	if err != nil {
		return m, err
	}
	m.reg = Registration{
		Provider: common.BytesToAddress(provider), Digest: common.BytesToHash(digest), Sequence: uint64(sequence),
		Stake: amount, Since: chainTime(uint64(since)),
	}
	if retry != 0 {
		m.retry = time.Unix(retry, 0)
	}
	return m, nil
}

// marks reads everything that is held, in the order of the providers' addresses, a batch at a time, so that neither
// the caller's pace nor its size holds the database.
func (m entry) marks(ctx context.Context, visit func([]shelfmark) error) error {
	const batch = 512
	after := []byte{}
	for {
		rows, err := m.x.db.QueryContext(ctx, `SELECT `+markColumns+` FROM offers
			WHERE chain = ? AND registry = ? AND provider > ? ORDER BY provider LIMIT ?`,
			int64(m.d.ChainID), m.d.Registry[:], after, batch)
		if err != nil {
			return fmt.Errorf("read offer index: %w", err)
		}
		marks, err := scanMarks(rows)
		if err != nil {
			return fmt.Errorf("read offer index: %w", err)
		}
		if len(marks) > 0 {
			if err := visit(marks); err != nil {
				return err
			}
		}
		if len(marks) < batch {
			return nil
		}
		after = marks[len(marks)-1].reg.Provider.Bytes()
	}
}

func scanMarks(rows *sql.Rows) ([]shelfmark, error) {
	defer rows.Close()
	var marks []shelfmark
	for rows.Next() {
		m, err := scanMark(rows.Scan)
		if err != nil {
			return nil, err
		}
		marks = append(marks, m)
	}
	return marks, rows.Err()
}

// find reads what is held of those providers.
func (m entry) find(ctx context.Context, regs []Registration) (map[common.Address]shelfmark, error) {
	query, err := m.x.db.PrepareContext(ctx,
		`SELECT `+markColumns+` FROM offers WHERE chain = ? AND registry = ? AND provider = ?`)
	if err != nil {
		return nil, fmt.Errorf("read offer index: %w", err)
	}
	defer query.Close()
	found := make(map[common.Address]shelfmark, len(regs))
	for _, reg := range regs {
		row := query.QueryRowContext(ctx, int64(m.d.ChainID), m.d.Registry[:], reg.Provider[:])
		mark, err := scanMark(row.Scan)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read offer index: %w", err)
		}
		found[reg.Provider] = mark
	}
	return found, nil
}

// write runs f in one transaction.
func (m entry) write(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := m.x.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("write offer index: %w", err)
	}
	if err := f(tx); err != nil {
		return fmt.Errorf("write offer index: %w", errors.Join(err, tx.Rollback()))
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("write offer index: %w", err)
	}
	return nil
}

// put stores marks as of a pass.
func (m entry) put(ctx context.Context, pass int64, marks []shelfmark) error {
	return m.write(ctx, func(tx *sql.Tx) error {
		insert, err := tx.PrepareContext(ctx, `INSERT OR REPLACE INTO offers
			(chain, registry, pass, `+markColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
		if err != nil {
			return err
		}
		defer insert.Close()
		for _, k := range marks {
			stake, retry, since := k.reg.Stake.Bytes(), int64(0), int64(0)
			if !k.retry.IsZero() {
				retry = k.retry.Unix()
			}
			if !k.reg.Since.IsZero() {
				since = k.reg.Since.Unix()
			}
			_, err := insert.ExecContext(ctx, int64(m.d.ChainID), m.d.Registry[:], pass, k.reg.Provider[:],
				k.reg.Digest[:], int64(k.reg.Sequence), stake[:], since, k.kind, k.reason, k.tries, retry, k.block)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// remove forgets providers that have left.
func (m entry) remove(ctx context.Context, providers []common.Address) error {
	return m.write(ctx, func(tx *sql.Tx) error {
		for _, p := range providers {
			_, err := tx.ExecContext(ctx, `DELETE FROM offers WHERE chain = ? AND registry = ? AND provider = ?`,
				int64(m.d.ChainID), m.d.Registry[:], p[:])
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// unseen returns the providers that a full pass did not meet.
func (m entry) unseen(ctx context.Context, pass int64) ([]shelfmark, error) {
	rows, err := m.x.db.QueryContext(ctx, `SELECT `+markColumns+` FROM offers
		WHERE chain = ? AND registry = ? AND pass <> ?`, int64(m.d.ChainID), m.d.Registry[:], pass)
	if err != nil {
		return nil, fmt.Errorf("read offer index: %w", err)
	}
	marks, err := scanMarks(rows)
	if err != nil {
		return nil, fmt.Errorf("read offer index: %w", err)
	}
	return marks, nil
}

// finish records the block up to which the index is complete.
func (m entry) finish(ctx context.Context, number uint64, hash common.Hash, now time.Time) error {
	return m.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO market (chain, registry, number, hash, synced)
			VALUES (?, ?, ?, ?, ?)`, int64(m.d.ChainID), m.d.Registry[:], int64(number), hash[:], now.Unix())
		return err
	})
}

// intact reports whether a mark's block is what it is held for: the index's own file may have been damaged.
func (m shelfmark) intact() bool { return sha256.Sum256(m.block) == m.reg.Digest }
