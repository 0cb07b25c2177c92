package chain

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"byway/contracts/disk"
)

// migrations bring a journal from the version that is their index to the next. They are never edited, only added to.
var migrations = []string{
	`CREATE TABLE sends (
		chain   INTEGER NOT NULL,
		sender  BLOB    NOT NULL,
		id      TEXT    NOT NULL,
		nonce   INTEGER NOT NULL,
		-- 0 in flight, 1 mined and successful, 2 mined and reverted
		state   INTEGER NOT NULL DEFAULT 0,
		target  BLOB,             -- NULL: contract creation
		data    BLOB    NOT NULL,
		value   BLOB    NOT NULL, -- big-endian wei
		gas     INTEGER NOT NULL,
		mined   BLOB,             -- hash of the attempt that was mined
		block   INTEGER,
		reason  TEXT,             -- why it reverted
		PRIMARY KEY (chain, sender, id),
		UNIQUE (chain, sender, nonce)
	) STRICT;
	-- Each signed transaction of a send. Any of them may be mined, so none is ever forgotten.
	CREATE TABLE attempts (
		hash    BLOB    NOT NULL PRIMARY KEY,
		chain   INTEGER NOT NULL,
		sender  BLOB    NOT NULL,
		id      TEXT    NOT NULL,
		raw     BLOB    NOT NULL,
		seq     INTEGER NOT NULL,
		FOREIGN KEY (chain, sender, id) REFERENCES sends ON UPDATE CASCADE ON DELETE CASCADE
	) STRICT;
	CREATE INDEX attempts_of_send ON attempts (chain, sender, id, seq);
	-- How far a follower has come, and the hashes of blocks below by which it recognises its chain.
	CREATE TABLE cursors (
		chain   INTEGER NOT NULL,
		name    TEXT    NOT NULL,
		number  INTEGER NOT NULL,
		hash    BLOB    NOT NULL,
		PRIMARY KEY (chain, name)
	) STRICT;
	CREATE TABLE followed (
		chain   INTEGER NOT NULL,
		name    TEXT    NOT NULL,
		number  INTEGER NOT NULL,
		hash    BLOB    NOT NULL,
		PRIMARY KEY (chain, name, number)
	) STRICT;
	-- The logs delivered from blocks that are still scanned again.
	CREATE TABLE delivered (
		chain   INTEGER NOT NULL,
		name    TEXT    NOT NULL,
		number  INTEGER NOT NULL,
		hash    BLOB    NOT NULL,
		log     INTEGER NOT NULL,
		PRIMARY KEY (chain, name, number, hash, log)
	) STRICT;`,
	// Nothing below the floor is scanned again, since what was delivered from there is forgotten.
	`ALTER TABLE cursors ADD COLUMN floor INTEGER NOT NULL DEFAULT 0`,
	// 1: so many blocks stand on it that no reorganisation takes it back. Until then it is looked at after each.
	`ALTER TABLE sends ADD COLUMN final INTEGER NOT NULL DEFAULT 0;
	UPDATE sends SET final = 1 WHERE state <> 0
		AND block + 64 < (SELECT max(b.block) FROM sends b WHERE b.chain = sends.chain AND b.sender = sends.sender);
	CREATE INDEX sends_open ON sends (chain, sender, nonce) WHERE final = 0;
	-- The first blocks of a chain, by which it is told from another with the same id.
	CREATE TABLE origins (
		chain   INTEGER NOT NULL,
		number  INTEGER NOT NULL,
		hash    BLOB    NOT NULL,
		PRIMARY KEY (chain, number)
	) STRICT`,
}

// Journal is the memory of senders and followers on disk: SQLite in write-ahead mode, synced with every write, so
// that what it has taken survives the process and a power cut. It is safe for concurrent use; a file belongs to one
// process at a time.
type Journal struct {
	db   *sql.DB
	path string
}

// OpenJournal opens or creates the journal in the file path, whose folder must exist.
func OpenJournal(path string) (*Journal, error) {
	j, err := openJournal(path, "")
	if err != nil {
		return nil, fmt.Errorf("open journal %s: %w", path, disk.Advise(err))
	}
	return j, nil
}

// openJournal works through the SQLite VFS of that name, the system's where it is empty.
func openJournal(path, vfs string) (*Journal, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	db, err := disk.Open(path, disk.Database{
		Access: disk.Create, Commit: disk.Synced, Wait: 5 * time.Second, Conns: 1,
		ForeignKeys: true, Immediate: true, VFS: vfs,
	})
	if err != nil {
		return nil, err
	}
	j := &Journal{db: db, path: path}
	if err := j.migrate(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return j, nil
}

func (j *Journal) migrate() error {
	var version int
	if err := j.db.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version > len(migrations) {
		return fmt.Errorf("its format %d is newer than this program's %d: use a newer version", version, len(migrations))
	}
	for ; version < len(migrations); version++ {
		err := j.update(context.Background(), func(tx *sql.Tx) error {
			if _, err := tx.Exec(migrations[version]); err != nil {
				return err
			}
			_, err := tx.Exec(fmt.Sprintf("PRAGMA user_version = %d", version+1))
			return err
		})
		if err != nil {
			return fmt.Errorf("migrate to format %d: %w", version+1, err)
		}
	}
	return nil
}

// update runs f in a transaction that is on disk when update returns nil. It takes milliseconds and is seen through
// even when ctx ends meanwhile: what has happened must be written down.
func (j *Journal) update(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := j.db.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return fmt.Errorf("journal %s: %w", j.path, disk.Advise(err))
	}
	if err := f(tx); err != nil {
		// SQLite may have rolled back by itself already: then this says nothing new.
		_ = tx.Rollback()
		return fmt.Errorf("journal %s: %w", j.path, disk.Advise(err))
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("journal %s: commit: %w", j.path, disk.Advise(err))
	}
	return nil
}

// Close closes the file.
func (j *Journal) Close() error {
	if err := j.db.Close(); err != nil {
		return fmt.Errorf("close journal %s: %w", j.path, err)
	}
	return nil
}
