package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"byway/node/account"
	"byway/node/api"
	"byway/node/api/spec"
	"byway/node/home"
	"byway/payments/audit"
	"byway/payments/chainview"
	"byway/payments/ledger"
)

// LedgerReport tells the findings of a check of a home's ledger: byway.ledger/1.
type LedgerReport struct {
	Path string `json:"path"`
	ledger.Verification
	// Chain says whether settlements were compared with the chain, and NoChain why not.
	Chain   bool   `json:"chain"`
	NoChain string `json:"no_chain,omitempty"`
	Exact   bool   `json:"exact"`
}

// VerifyLedger checks every signature and sum of a home's ledger, also while a daemon runs on it, and compares every
// settlement with the chain where the network can be reached.
func VerifyLedger(ctx context.Context, home home.Home, n home.Network) (LedgerReport, error) {
	r := LedgerReport{Path: home.Path("ledger.db")}
	if _, err := os.Stat(r.Path); errors.Is(err, fs.ErrNotExist) {
		return r, fmt.Errorf("%s has no ledger: nothing was ever promised here", home.Dir())
	}
	var view chainview.Chain
	looking, cancel := context.WithTimeout(ctx, account.LookPatience)
	defer cancel()
	client, err := n.Dial(looking, slog.New(slog.DiscardHandler))
	if err != nil {
		r.NoChain = err.Error()
	} else {
		defer client.Close()
		view, r.Chain = chainview.New(client.Agreed().OrAlone(), n.Deployment), true
	}
	if r.Verification, err = audit.Verify(ctx, r.Path, view); err != nil {
		return r, err
	}
	r.Exact = len(r.Problems) == 0
	return r, nil
}

// BackupLedger copies a home's ledger to a new file. A daemon that runs there makes the copy itself.
func BackupLedger(ctx context.Context, home home.Home, file string) error {
	file, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	daemon, err := api.Dial(home)
	if err == nil {
		_, err = daemon.BackupWithResponse(ctx, spec.Backup{File: file})
	}
	if !errors.Is(err, api.ErrNotRunning) {
		return err
	}
	path := home.Path("ledger.db")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s has no ledger: nothing was ever promised here", home.Dir())
	}
	ledger, err := ledger.View(ctx, path)
	if err != nil {
		return err
	}
	return errors.Join(ledger.Backup(ctx, file), ledger.Close())
}

// RestoreLedger puts a backup in the place of a ledger that is gone; it never overwrites one.
func RestoreLedger(ctx context.Context, home home.Home, file string) (err error) {
	unlock, err := home.Lock()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	// What was known of the chain belongs to a ledger that knew what had been promised: a copy may have forgotten some of it.
	if err := os.Remove(home.Path(account.FundsFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return audit.Restore(ctx, file, home.Path("ledger.db"))
}
