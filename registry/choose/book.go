package choose

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts/disk"
)

const bookFormat = 1

// Book remembers what is thought of each provider, in memory and on disk. It is safe for concurrent use; a file belongs
// to one process at a time. It says whom its owner dealt with, so the file is readable by the owner only.
type Book struct {
	db   *sql.DB
	path string

	mu      sync.Mutex
	beliefs map[common.Address]belief
}

// OpenBook opens or creates the book in the file path, whose folder must exist.
func OpenBook(path string) (*Book, error) {
	b, err := openBook(path)
	if err != nil {
		return nil, fmt.Errorf("open book of measurements %s: %w", path, err)
	}
	return b, nil
}

// LoadBook reads the book in the file path without keeping it: what is observed is forgotten with the value, so it may be
// another process's. A file that is not there is an empty book, and so is an empty path.
func LoadBook(path string) (*Book, error) {
	b := &Book{path: path, beliefs: map[common.Address]belief{}}
	if path == "" {
		return b, nil
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	db, err := disk.Open(path, disk.Database{Access: disk.Read, Wait: 5 * time.Second})
	if err != nil {
		return nil, fmt.Errorf("read book of measurements %s: %w", path, err)
	}
	defer db.Close()
	if err := b.read(db); err != nil {
		return nil, fmt.Errorf("read book of measurements %s: %w", path, err)
	}
	return b, nil
}

func openBook(path string) (*Book, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	db, err := disk.Open(path, disk.Database{
		Access: disk.Create, Commit: disk.Late, Wait: 5 * time.Second, Conns: 1,
	})
	if err != nil {
		return nil, err
	}
	b := &Book{db: db, path: path, beliefs: map[common.Address]belief{}}
	if err := b.load(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return b, nil
}

func (b *Book) load() error {
	var version int
	if err := b.db.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version > bookFormat {
		return fmt.Errorf("its format %d is newer than this program's %d: use a newer version", version, bookFormat)
	}
	if version == 0 {
		_, err := b.db.Exec(`BEGIN;
			CREATE TABLE beliefs (provider BLOB PRIMARY KEY, weight REAL NOT NULL, sum REAL NOT NULL,
				last INTEGER NOT NULL, liar INTEGER NOT NULL) STRICT;
			PRAGMA user_version = 1;
			COMMIT;`)
		if err != nil {
			return err
		}
	}
	return b.read(b.db)
}

func (b *Book) read(db *sql.DB) error {
	rows, err := db.Query("SELECT provider, weight, sum, last, liar FROM beliefs")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var provider []byte
		var k belief
		var last int64
		if err := rows.Scan(&provider, &k.weight, &k.sum, &last, &k.liar); err != nil {
			return err
		}
		k.last = time.Unix(last, 0)
		b.beliefs[common.BytesToAddress(provider)] = k
	}
	return rows.Err()
}

// Observe learns from one session.
func (b *Book) Observe(ctx context.Context, o Observation) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.beliefs[o.Provider].learn(o)
	if b.db == nil {
		b.beliefs[o.Provider] = k
		return nil
	}
	_, err := b.db.ExecContext(ctx, "INSERT OR REPLACE INTO beliefs (provider, weight, sum, last, liar) VALUES (?, ?, ?, ?, ?)",
		o.Provider[:], k.weight, k.sum, k.last.Unix(), k.liar)
	if err != nil {
		return fmt.Errorf("remember a measurement: %w", err)
	}
	b.beliefs[o.Provider] = k
	return nil
}

// Forget drops everything that is known about a provider, its lies included.
func (b *Book) Forget(ctx context.Context, provider common.Address) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.db == nil {
		delete(b.beliefs, provider)
		return nil
	}
	if _, err := b.db.ExecContext(ctx, "DELETE FROM beliefs WHERE provider = ?", provider[:]); err != nil {
		return fmt.Errorf("forget measurements: %w", err)
	}
	delete(b.beliefs, provider)
	return nil
}

// Close closes the file.
func (b *Book) Close() error {
	if b.db == nil {
		return nil
	}
	if err := b.db.Close(); err != nil {
		return fmt.Errorf("close book of measurements %s: %w", b.path, err)
	}
	return nil
}

// Opinion is a book's judgement of one provider.
type Opinion struct {
	// Sessions is how many sessions it rests on, each counting the less the older it is; Worth their mean reward, 0 to 1.
	Sessions, Worth float64
	// Last is when it was met last; the zero time: never.
	Last time.Time
	Liar bool
}

// Opinion returns what is thought of a provider now.
func (b *Book) Opinion(provider common.Address) Opinion {
	b.mu.Lock()
	k := b.beliefs[provider]
	b.mu.Unlock()
	o := Opinion{Last: k.last, Liar: k.liar}
	if k = k.at(time.Now()); k.weight > 0 {
		o.Sessions, o.Worth = k.weight, k.sum/k.weight
	}
	return o
}

// snapshot returns the beliefs about some providers at a time, and the mean worth of all that are known.
func (b *Book) snapshot(providers []common.Address, now time.Time) (known []belief, market float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	sum, weight := priorMean*3, 3.0 // the general prior counts as three providers
	for _, k := range b.beliefs {
		if k.weight > 0 && !k.liar {
			// Each provider counts once: the good ones are met more often, which says nothing about the others.
			sum += k.sum / k.weight
			weight++
		}
	}
	known = make([]belief, len(providers))
	for i, p := range providers {
		known[i] = b.beliefs[p].at(now)
	}
	return known, sum / weight
}
