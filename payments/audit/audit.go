// Package audit holds a ledger against what the ledger can't know itself: what bytes cost, who signed a promise, what the
// chain has settled.
package audit

import (
	"context"

	"byway/payments"
	"byway/payments/chainview"
	"byway/payments/ledger"
)

// Restore puts a backup in the place of a ledger that is gone: it verifies the copy and never overwrites a file.
func Restore(ctx context.Context, backup, path string) error {
	return ledger.Restore(ctx, backup, path, ledgerChecks(nil))
}

// Verify checks a ledger, also while another process uses it: the file's structure, every row's checksum, every
// signature, every sum, every day, every claim and, where chain is not nil, every settlement. An error says that it
// could not look; what it found wrong is in the Verification.
func Verify(ctx context.Context, path string, chain chainview.Chain) (ledger.Verification, error) {
	return ledger.Verify(ctx, path, ledgerChecks(chain))
}

// ledgerChecks looks at prices, signatures and, where chain is not nil, at settlements.
func ledgerChecks(chain chainview.Chain) ledger.Checks {
	return ledger.Checks{
		Session: verifySession,
		Account: func(ctx context.Context, v *ledger.Verification, a ledger.Account) error {
			verifyAccount(v, a)
			if chain == nil {
				return nil
			}
			return verifySettlement(ctx, v, a, chain)
		},
		Claim: verifyClaim,
	}
}

// verifySession holds what a payer has paid against the counters that are stored with each promise that they justify.
func verifySession(v *ledger.Verification, s ledger.Session) {
	if s.Received {
		return
	}
	billed, err := payments.Cost(s.Terms.PricePerGiB, s.Usage.Billed())
	first, err2 := payments.Cost(s.Terms.PricePerGiB, s.Terms.Tick)
	if err != nil || err2 != nil || first.Max(billed).Less(s.Amount) {
		v.Problem("session %d: %s was paid, its bytes cost %s and its first tick %s", s.ID, s.Amount, billed, first)
	}
}

func verifyAccount(v *ledger.Verification, a ledger.Account) {
	p := a.Promise()
	if p == nil {
		return
	}
	v.Signatures++
	if err := a.Domain.Verify(*p); err != nil {
		v.Problem("channel %d (%s): the promise of %s: %v", a.ID, a.Channel, a.Total, err)
	}
}

// verifySettlement compares a channel with the chain.
func verifySettlement(ctx context.Context, v *ledger.Verification, a ledger.Account, chain chainview.Chain) error {
	s, err := chain.State(ctx, a.Channel)
	if err != nil {
		return err
	}
	if a.Total.Less(s.Settled) {
		v.Problem("channel %d (%s): the chain has settled %s, the ledger knows of %s only", a.ID, a.Channel, s.Settled,
			a.Total)
	}
	if a.SettledBlock > 0 && a.Settled != s.Settled {
		v.Problem("channel %d (%s): settled is %s in the ledger (block %d) and %s on the chain (block %d)", a.ID, a.Channel,
			a.Settled, a.SettledBlock, s.Settled, s.Block)
	}
	return nil
}

func verifyClaim(v *ledger.Verification, claim int64, row ledger.ClaimRow, a ledger.Account) {
	v.Signatures++
	p, err := a.Domain.ParseRow(a.Channel.Token, a.Channel.Payee, row.Row[:])
	switch {
	case err != nil:
		v.Problem("claim %d, channel %d: %v", claim, a.ID, err)
	case p.Channel != a.Channel:
		v.Problem("claim %d, channel %d: its row is signed for %s", claim, a.ID, p.Channel)
	case p.Cumulative != row.Cumulative:
		v.Problem("claim %d, channel %d: its row says %s, the ledger %s", claim, a.ID, p.Cumulative, row.Cumulative)
	}
}
