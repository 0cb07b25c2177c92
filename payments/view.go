package payments

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"byway/contracts/chain"
)

// ErrViewOnly says that a ledger was opened for looking at it.
var ErrViewOnly = errors.New("this ledger was opened for reading")

// ViewLedger opens a ledger for looking at it, also while another process holds it: what it says is then what that
// process has stored. One that an older program made is brought to this program's schema first, which a process that
// holds it forbids ([ErrLedgerInUse]). There must be a file: [fs.ErrNotExist] says that nothing was ever promised here.
func ViewLedger(ctx context.Context, path string) (*Ledger, error) {
	l, err := viewLedger(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("look at ledger %s: %w", path, chain.DiskError(err))
	}
	return l, nil
}

func viewLedger(ctx context.Context, path string) (*Ledger, error) {
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
		case locked(err):
			return nil, errors.Join(fmt.Errorf("%w: %w", ErrLedgerInUse, err), db.Close())
		case err != nil:
		case version > len(migrations):
			err = fmt.Errorf("schema %d is newer than this program's %d: use the newer program", version, len(migrations))
		case version == len(migrations):
			closed := make(chan struct{})
			close(closed)
			db.SetMaxOpenConns(4)
			return &Ledger{
				path: path, read: db, view: true, quit: closed, done: closed,
				books: map[vaultKey]*vaultBook{}, claims: map[claimGroup]*sync.Mutex{}, failure: make(chan error, 1),
			}, nil
		}
		if err = errors.Join(err, db.Close()); err != nil || raised {
			return nil, errors.Join(err, errors.New("its schema can't be read"))
		}
		held, err := openLedger(path, "")
		if err != nil {
			return nil, err
		}
		if err := held.Close(); err != nil {
			return nil, err
		}
	}
}
