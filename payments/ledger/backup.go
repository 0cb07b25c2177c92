package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"byway/contracts/disk"
)

// Backup writes a consistent copy of the ledger to a new file while the ledger goes on; it is on the disk when Backup
// returns. A backup is older than the ledger by the time it is needed: a payer that restores one learns its latest
// totals from its payees; a payee loses what it was promised since.
func (l *Ledger) Backup(ctx context.Context, path string) error {
	if err := l.backup(ctx, path); err != nil {
		return fmt.Errorf("back up ledger to %s: %w", path, err)
	}
	return nil
}

func (l *Ledger) backup(ctx context.Context, path string) (err error) {
	part := path + ".part"
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return errors.Join(os.ErrExist, err)
	}
	if err := os.Remove(part); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(part)
		}
	}()
	// SQLite takes an empty file as a place for the copy: this one has the right mode.
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	db, err := openDB(l.path, disk.Database{Wait: patience})
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", part); err != nil {
		return err
	}
	return disk.Finish(f, path)
}

// Restore puts a backup in the place of a ledger that is gone: it verifies the copy, with those checks, and never
// overwrites a file.
func Restore(ctx context.Context, backup, path string, checks Checks) error {
	if err := restore(ctx, backup, path, checks); err != nil {
		return fmt.Errorf("restore ledger %s from %s: %w", path, backup, err)
	}
	return nil
}

func restore(ctx context.Context, backup, path string, checks Checks) (err error) {
	for _, p := range []string{path, path + "-wal"} {
		if _, err := os.Lstat(p); !errors.Is(err, os.ErrNotExist) {
			return errors.Join(fmt.Errorf("%s: %w: move it away first", p, os.ErrExist), err)
		}
	}
	from, err := os.Open(backup)
	if err != nil {
		return err
	}
	defer from.Close()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	defer func() {
		if err != nil {
			os.Remove(part)
		}
	}()
	if _, err := io.Copy(f, from); err != nil {
		return err
	}
	// A copy that an older program made is brought to this one's form; a row whose checksum is wrong keeps a wrong one.
	if err := migrateFile(ctx, part); err != nil {
		return err
	}
	report, err := Verify(ctx, part, checks)
	if err != nil {
		return err
	}
	for _, s := range []string{"-wal", "-shm"} { // what looking at it may have made
		if err := os.Remove(part + s); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if len(report.Problems) > 0 {
		return fmt.Errorf("the backup is damaged: %s", report.Problems[0])
	}
	return disk.Finish(f, path)
}

// migrateFile brings a ledger that nobody uses to this program's schema.
func migrateFile(ctx context.Context, path string) (err error) {
	db, err := openDB(path, disk.Database{Wait: patience})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return migrate(ctx, conn)
}

// View opens a ledger for looking at it, also while another process holds it: what it says is then what that
// process has stored. One that an older program made is brought to this program's schema first, which a process that
// holds it forbids ([ErrInUse]). There must be a file: [io/fs.ErrNotExist] says that nothing was ever promised here.
func View(ctx context.Context, path string) (*Ledger, error) {
	l, err := view(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("look at ledger %s: %w", path, disk.Advise(err))
	}
	return l, nil
}

func view(ctx context.Context, path string) (*Ledger, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	for raised := false; ; raised = true {
		db, err := readOnlyDB(path)
		if err != nil {
			return nil, err
		}
		var version int
		err = db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version)
		switch {
		case disk.Busy(err):
			return nil, errors.Join(fmt.Errorf("%w: %w", ErrInUse, err), db.Close())
		case err != nil:
		case version > len(migrations):
			err = fmt.Errorf("schema %d is newer than this program's %d: use the newer program", version, len(migrations))
		case version == len(migrations):
			closed := make(chan struct{})
			close(closed)
			db.SetMaxOpenConns(4)
			return &Ledger{
				path: path, read: db, view: true, quit: closed, done: closed,
			}, nil
		}
		if err = errors.Join(err, db.Close()); err != nil || raised {
			return nil, errors.Join(err, errors.New("its schema can't be read"))
		}
		held, err := open(path, "")
		if err != nil {
			return nil, err
		}
		if err := held.Close(); err != nil {
			return nil, err
		}
	}
}

// readOnlyDB opens a ledger for looking at it, also while another process writes.
func readOnlyDB(path string) (*sql.DB, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	return openDB(path, disk.Database{Access: disk.Query, Wait: 3 * time.Second}) // who only looks does not wait long
}
