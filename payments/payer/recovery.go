package payer

import (
	"context"
	"fmt"

	"byway/contracts"
	"byway/payments"
	"byway/payments/ledger"
)

// A ledger that was lost, or restored from a copy, or whose key pays on another machine too, knows less of its channels
// than the payee does. What follows catches up.

// Adopt takes the payee's word for our latest promise, which is checked by our own signature: a ledger that was lost or
// restored from a backup catches up. What it knew to be unused counts as used: the sessions that it has lost may have used
// it. Ask [Payer.First] for the promise to send then. A promise that the ledger knows, or knows to be outdated, changes
// nothing.
func (p *Payer) Adopt(ctx context.Context, latest payments.Promise) error {
	if latest.Channel != p.cfg.Terms.Channel {
		return fmt.Errorf("adopt promise: %w: %s", payments.ErrWrongChannel, latest.Channel)
	}
	if err := p.cfg.Domain.Verify(latest); err != nil {
		return fmt.Errorf("adopt promise: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return payments.ErrSessionClosed
	}
	p.ch.mu.Lock()
	defer p.ch.mu.Unlock()
	a := p.ch.account
	if !a.Total.Less(latest.Cumulative) {
		return nil
	}
	up := latest.Cumulative.SubFloor(a.Total)
	a.Total, a.Sig = latest.Cumulative, latest.Sig
	a.Other, a.Credit = a.Other.AddCap(up.AddCap(a.Credit)), contracts.Amount{}
	if err := p.keepLocked(ctx, a); err != nil {
		return err
	}
	p.restored = p.restored.AddCap(up)
	p.book.commit(p.ch, a.Total)
	return nil
}

// Restored is how much of the channel's total, in base units, this ledger did not know of: it was restored from a copy, is
// new, or another machine pays with the same key.
func (p *Payer) Restored() contracts.Amount {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.restored
}

// GiveUp takes the payee's word that it holds no whole tick for us, though it has all our promises: another machine has
// used what this ledger has as unused. That can't be shown, so in the life of a channel no more is given up than a tick and
// 3 % of what sessions were billed; an error beyond that. Ask [Payer.First] for the promise to send then.
func (p *Payer) GiveUp(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return payments.ErrSessionClosed
	}
	p.ch.mu.Lock()
	defer p.ch.mu.Unlock()
	a := p.ch.account
	if a.Credit.IsZero() {
		return nil
	}
	billed := a.Total.SubFloor(a.Other).SubFloor(a.Credit)
	part, err := billed.MulDiv(givenUpPart, 100)
	if err != nil {
		return err
	}
	if lost := a.Lost.AddCap(a.Credit); p.tick.AddCap(part).Less(lost) {
		return fmt.Errorf("the provider says that another machine has used %s base units which this home has paid ahead and not "+
			"used, and it has said so before, for %s of %s billed: choose another provider", a.Credit, a.Lost, billed)
	}
	a.Lost, a.Other, a.Credit = a.Lost.AddCap(a.Credit), a.Other.AddCap(a.Credit), contracts.Amount{}
	return p.keepLocked(ctx, a)
}

// keepLocked makes a the channel's account, on the disk first. p.ch.mu is held.
func (p *Payer) keepLocked(ctx context.Context, a ledger.Account) error {
	if err := p.cfg.Ledger.Do(ctx, func(tx *ledger.Tx) error { return tx.StoreAccount(a) }); err != nil {
		return err
	}
	p.ch.account = a
	return nil
}

// givenUpPart is, in per cent of what was billed, what may be given up beside a tick.
const givenUpPart = 3
