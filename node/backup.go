package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"byway/payments"
)

// LedgerReport is what a check of a home's ledger found: byway.ledger/1.
type LedgerReport struct {
	Path string `json:"path"`
	payments.Verification
	// Chain says whether settlements were compared with the chain, and NoChain why not.
	Chain   bool   `json:"chain"`
	NoChain string `json:"no_chain,omitempty"`
	Exact   bool   `json:"exact"`
}

// VerifyLedger checks every signature and sum of a home's ledger, also while a daemon runs on it, and compares every
// settlement with the chain where the network can be reached.
func VerifyLedger(ctx context.Context, home Home, n Network) (LedgerReport, error) {
	r := LedgerReport{Path: home.path("ledger.db")}
	if _, err := os.Stat(r.Path); errors.Is(err, fs.ErrNotExist) {
		return r, fmt.Errorf("%s has no ledger: nothing was ever promised here", home.dir)
	}
	var view payments.Chain
	looking, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	client, err := dialChain(looking, n, slog.New(slog.DiscardHandler))
	if err != nil {
		r.NoChain = err.Error()
	} else {
		defer client.Close()
		view, r.Chain = payments.NewChainView(client.Agreed().OrAlone(), n.Deployment), true
	}
	if r.Verification, err = payments.VerifyLedger(ctx, r.Path, view); err != nil {
		return r, err
	}
	r.Exact = len(r.Problems) == 0
	return r, nil
}

// BackupLedger copies a home's ledger to a new file. A daemon that runs there makes the copy itself.
func BackupLedger(ctx context.Context, home Home, file string) error {
	file, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	api, err := DialAPI(home)
	if err == nil {
		var done struct{}
		err = api.Post(ctx, "/v1/backup?"+url.Values{"file": {file}}.Encode(), &done)
	}
	if !errors.Is(err, ErrNotRunning) {
		return err
	}
	path := home.path("ledger.db")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s has no ledger: nothing was ever promised here", home.dir)
	}
	ledger, err := payments.ViewLedger(ctx, path)
	if err != nil {
		return err
	}
	return errors.Join(ledger.Backup(ctx, file), ledger.Close())
}

// backup answers the local API's request for a copy.
func (p *parts) backup(w http.ResponseWriter, r *http.Request) {
	file := r.URL.Query().Get("file")
	if !filepath.IsAbs(file) {
		http.Error(w, "backup: file is no absolute path", http.StatusBadRequest)
		return
	}
	answer(w, struct{}{}, p.ledger.Backup(r.Context(), file))
}

// RestoreLedger puts a backup in the place of a ledger that is gone; it never overwrites one.
func RestoreLedger(ctx context.Context, home Home, file string) (err error) {
	unlock, err := home.Lock()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	// What was known of the chain belongs to a ledger that knew what had been promised: a copy may have forgotten some of it.
	if err := os.Remove(home.path(fundsFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return payments.RestoreLedger(ctx, file, home.path("ledger.db"))
}
