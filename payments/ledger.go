package payments

import (
	"context"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/payments/ledger"
)

// What the ledger's rows are made of, under the names that sessions know them by.
type (
	// SessionRecord is one session in the ledger's history.
	SessionRecord = ledger.Session
	// Day is what one day (UTC) came to on one side in one token.
	Day = ledger.Day
	// Earnings is what a payee has been promised and where that stands, in base units.
	Earnings = ledger.Earnings
	// Verification is what a check of a ledger found.
	Verification = ledger.Verification
)

// Ledger is the file that remembers every promise given and received, and what this process's payers and claimers have
// in common on top of it. Safe for concurrent use.
type Ledger struct {
	*ledger.Ledger

	mu    sync.Mutex
	books map[vaultKey]*vaultBook         // the payer's side, loaded on demand
	turns map[ledger.Claimant]*sync.Mutex // one claim at a time for each payee and token
}

// OpenLedger opens or creates the ledger in that file. [ErrLedgerInUse] says that another process has it.
func OpenLedger(path string) (*Ledger, error) {
	return withEngine(ledger.Open(path, ""))
}

// ViewLedger opens a ledger for looking at it, also while another process holds it: what it says is then what that
// process has stored. One that an older program made is brought to this program's schema first, which a process that
// holds it forbids ([ErrLedgerInUse]). There must be a file: [fs.ErrNotExist] says that nothing was ever promised here.
func ViewLedger(ctx context.Context, path string) (*Ledger, error) {
	return withEngine(ledger.View(ctx, path))
}

// RestoreLedger puts a backup in the place of a ledger that is gone: it verifies the copy and never overwrites a file.
func RestoreLedger(ctx context.Context, backup, path string) error {
	return ledger.Restore(ctx, backup, path, ledgerChecks(nil))
}

func withEngine(l *ledger.Ledger, err error) (*Ledger, error) {
	if err != nil {
		return nil, err
	}
	return &Ledger{Ledger: l, books: map[vaultKey]*vaultBook{}, turns: map[ledger.Claimant]*sync.Mutex{}}, nil
}

// Promised is all that this payer has ever promised on a channel, in base units; nothing where the ledger does not know
// the channel.
func (l *Ledger) Promised(ctx context.Context, d Domain, c contracts.Channel) (contracts.Amount, error) {
	a, _, err := l.Account(ctx, ledger.Payer, ledger.Domain(d), c)
	return a.Total, err
}

// Earnings adds up what the ledger holds for a payee in a token.
func (l *Ledger) Earnings(ctx context.Context, d Domain, token, payee common.Address) (Earnings, error) {
	return l.Ledger.Earnings(ctx, ledger.Claimant{Domain: ledger.Domain(d), Token: token, Payee: payee})
}

// promiseOf returns the account's latest promise, or nil where there was none.
func promiseOf(a ledger.Account) *Promise {
	if a.Total.IsZero() {
		return nil
	}
	return &Promise{Channel: a.Channel, Cumulative: a.Total, Sig: a.Sig}
}
