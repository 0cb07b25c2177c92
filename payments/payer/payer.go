// Package payer owns the consumer's side of the money: the promises of its sessions, which share a vault's funds; how it
// catches up where its ledger was lost; and [Funding], which moves its tokens into vaults and out again.
package payer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"byway/contracts"
	"byway/payments"
	"byway/payments/chainview"
	"byway/payments/ledger"
	"byway/payments/pace"
)

// aheadParts is by how many promises a prepaid tick is made up: each brings a quarter.
const aheadParts = 4

// Config says who pays for a session and how much at most. Everything but Funds is required.
type Config struct {
	Domain payments.Domain
	Ledger *ledger.Ledger
	// Signer is the session key: the channel's signer.
	Signer contracts.Signer
	Terms  payments.Terms
	// SpendCap is the most that this session may cost, in base units.
	SpendCap contracts.Amount
	// Funds reads a channel from the chain ([chainview.View.State]), so that no promise exceeds what the channel can pay,
	// with what other payees hold of the same vault left to them. It is asked when the payer is made, and again
	// when the funds seem to end. Nil: only the cap holds.
	Funds func(context.Context, contracts.Channel) (chainview.State, error)
	// Purse bounds what several sessions promise together; nil: there is none.
	Purse Purse
	// Now is the clock that paces promises. Nil: this machine's.
	Now func() time.Time
}

// Purse is a budget that several payers draw on. It is asked before a promise is signed, so that what all of them have
// promised together is never more than it gave. Safe for concurrent use; it must not wait.
type Purse interface {
	// Take grants as much of a sum as is left, and counts it as spent. With whole set it grants all or nothing.
	Take(sum contracts.Amount, whole bool) contracts.Amount
	// Put gives back what was granted and not promised.
	Put(sum contracts.Amount)
}

// Payer is the consumer's side of one session's payments. Sessions of one channel share its lifetime total through the
// ledger. Safe for concurrent use.
type Payer struct {
	cfg  Config
	tick contracts.Amount // price of one
	book *vaultBook
	ch   *payerChannel
	now  func() time.Time

	mu       sync.Mutex
	row      int64
	share    contracts.Amount // what this session was billed
	usage    payments.Usage
	promises int
	last     payments.Promise
	lastAt   time.Time        // when it was signed
	restored contracts.Amount // of the channel's total, not known to this ledger
	closed   bool
	ending   ledger.Ending
}

// New records the session and reads the channel's lifetime total from the ledger. The id is used once:
// [payments.ErrSessionClosed] and [payments.ErrSessionExists] say that it was. A tick above [pace.MaxTick] is refused.
func New(ctx context.Context, cfg Config) (*Payer, error) {
	terms, err := pace.Complete(cfg.Terms)
	if err != nil {
		return nil, err
	}
	cfg.Terms = terms
	if got := cfg.Signer.Address(); got != terms.Channel.Signer {
		return nil, fmt.Errorf("%w: key is %s, the channel's is %s", payments.ErrSecondSigner, got, terms.Channel.Signer)
	}
	if terms.Tick > pace.MaxTick {
		return nil, fmt.Errorf("terms: a tick of %d bytes would be prepaid, %d is the most that is: choose another offer",
			terms.Tick, uint64(pace.MaxTick))
	}
	p := &Payer{cfg: cfg, now: cfg.Now, ending: ledger.EndDone}
	if p.now == nil {
		p.now = time.Now
	}
	if p.tick, err = payments.Cost(terms.PricePerGiB, terms.Tick); err != nil {
		return nil, err
	}
	account, err := cfg.Ledger.OpenAccount(ctx, ledger.Payer, cfg.Domain, terms.Channel)
	if err != nil {
		return nil, err
	}
	if p.book, p.ch, err = openBook(ctx, cfg.Ledger, account); err != nil {
		return nil, err
	}
	if cfg.Funds != nil {
		if err := p.book.refresh(ctx, cfg.Funds, time.Time{}); err != nil {
			return nil, err
		}
	}
	// Last: whoever gets no payer ends no session.
	if err := cfg.Ledger.Do(ctx, func(tx *ledger.Tx) (err error) {
		p.row, err = tx.OpenSession(account, terms)
		return err
	}); err != nil {
		return nil, err
	}
	return p, nil
}

// First returns the promise that a session is opened with: the channel then holds the price of a tick that no session was
// billed for. Where it holds that already, since a provider took a tick and has not served it, nothing is added: a refusal
// costs nothing, however often it comes. Called again, also after [Payer.Adopt], it returns the latest promise, raised
// where it must be. [ErrSpendCap] where the cap or the funds don't cover a tick.
func (p *Payer) First(ctx context.Context) (payments.Promise, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return payments.Promise{}, payments.ErrSessionClosed
	}
	if p.cfg.SpendCap.Less(p.tick) {
		return payments.Promise{}, &SpendCapError{Limit: p.cfg.SpendCap, Spent: p.share, Want: p.tick}
	}
	if err := p.raiseLocked(ctx, raise{share: p.share, ahead: p.tick, whole: true}); err != nil {
		return payments.Promise{}, err
	}
	return p.last, nil
}

// Due returns the next promise where one is due ([pace.TickDue]). It is stored before it is returned. Short says that
// the provider forwards little or nothing ahead of what it is paid: then up to a tick is prepaid. At the cap it pays
// what the cap still covers; once that is used up it returns [ErrSpendCap]. The same holds for the funds.
func (p *Payer) Due(ctx context.Context, u payments.Usage, short bool) (payments.Promise, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	cost, err := p.countLocked(u)
	if err != nil {
		return payments.Promise{}, false, err
	}
	paid := p.share.AddCap(p.ch.credit())
	r := raise{share: cost}
	switch {
	case short && p.prepays(cost, paid):
		r.ahead = p.tick
	case !paid.Less(cost):
		return payments.Promise{}, false, nil
	case cost.Less(p.cfg.SpendCap):
		billed := p.usage.Billed()
		unpaid := billed - min(billed, payments.Bytes(p.cfg.Terms.PricePerGiB, paid))
		if !pace.TickDue(p.cfg.Terms.Tick, billed, unpaid, p.now().Sub(p.lastAt)) {
			return payments.Promise{}, false, nil
		}
	}
	return p.payLocked(ctx, r)
}

// prepays reports whether so little is left of what is prepaid that more should be: three quarters of a tick, so that each
// promise brings a quarter, or less at the cap.
func (p *Payer) prepays(cost, paid contracts.Amount) bool {
	least := p.cfg.Terms.Price(p.cfg.Terms.Tick - p.cfg.Terms.Tick/aheadParts)
	least = least.Min(p.cfg.SpendCap.SubFloor(cost))
	return !least.IsZero() && !least.Less(paid.SubFloor(cost))
}

// Final returns the promise that bills the session for exactly what it cost and closes it, as far as cap and funds go. What
// was prepaid and not used stays the channel's. There is none where nothing changes; [ErrSpendCap] says that something
// is left to pay, and nothing more will be signed. Called again it returns none.
func (p *Payer) Final(ctx context.Context, u payments.Usage) (payments.Promise, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return payments.Promise{}, false, nil
	}
	cost, err := p.countLocked(u)
	if err != nil {
		return payments.Promise{}, false, err
	}
	promise, ok, err := payments.Promise{}, false, error(nil)
	if p.share.Less(cost) {
		promise, ok, err = p.payLocked(ctx, raise{share: cost, final: true})
	}
	if err != nil && !errors.Is(err, ErrSpendCap) {
		return payments.Promise{}, false, err
	}
	if !p.closed {
		if err := p.cfg.Ledger.Do(ctx, func(tx *ledger.Tx) error { return tx.EndSession(p.row, p.usage, p.ending) }); err != nil {
			return payments.Promise{}, false, err
		}
		p.closed = true
	}
	return promise, ok, err
}

// EndsBy says how the session ends, for the row that [Payer.Final] leaves of it. Unsaid it was as this side asked.
func (p *Payer) EndsBy(how ledger.Ending) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ending = how
}

// Abandon closes the session with what was promised for it so far: nobody is there to take more. Called again, or after
// [Payer.Final], it changes nothing.
func (p *Payer) Abandon(ctx context.Context, how ledger.Ending) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	if err := p.cfg.Ledger.Do(ctx, func(tx *ledger.Tx) error { return tx.EndSession(p.row, p.usage, how) }); err != nil {
		return err
	}
	p.closed = true
	return nil
}

// Last returns the session's latest promise, for sending it again; the zero promise where there is none.
func (p *Payer) Last() payments.Promise {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// Spent returns how much this session was billed, in base units.
func (p *Payer) Spent() contracts.Amount {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.share
}

// Billed is how many bytes this session is charged for.
func (p *Payer) Billed() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.usage.Billed()
}

// Promises is how many promises this session has signed since this payer was made.
func (p *Payer) Promises() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.promises
}

// countLocked takes new counters, which never fall, and returns what they come to.
func (p *Payer) countLocked(u payments.Usage) (contracts.Amount, error) {
	if p.closed {
		return contracts.Amount{}, payments.ErrSessionClosed
	}
	p.usage.Rx = max(p.usage.Rx, u.Rx)
	p.usage.Tx = max(p.usage.Tx, u.Tx)
	p.usage.PeerRx = max(p.usage.PeerRx, u.PeerRx)
	cost, err := payments.Cost(p.cfg.Terms.PricePerGiB, p.usage.Billed())
	if err != nil {
		return cost, fmt.Errorf("cost of %d bytes: %w", p.usage.Billed(), err)
	}
	return cost, nil
}

// raise says how far a promise shall lift the channel's total.
type raise struct {
	share contracts.Amount // what the session is billed with it
	ahead contracts.Amount // what the channel then holds that no session is billed for
	whole bool             // less than all of it is of no use
	final bool             // the session ends with it
}

// payLocked bills the session for the cost, or for the cap.
func (p *Payer) payLocked(ctx context.Context, r raise) (payments.Promise, bool, error) {
	cost := r.share
	r.share = cost.Min(p.cfg.SpendCap)
	r.ahead = r.ahead.Min(p.cfg.SpendCap.SubFloor(r.share))
	if !p.share.Less(r.share) && r.ahead.IsZero() {
		return payments.Promise{}, false, &SpendCapError{Limit: p.cfg.SpendCap, Spent: p.share, Want: cost}
	}
	before := p.promises
	if err := p.raiseLocked(ctx, r); err != nil {
		return payments.Promise{}, false, err
	}
	return p.last, p.promises > before, nil
}

// raiseLocked signs and stores a promise that bills the session and holds ahead what r says, or what the funds cover of
// it. What the channel holds already is used first. A lifetime total that does not fit 96 bits is
// [contracts.ErrOverflow].
func (p *Payer) raiseLocked(ctx context.Context, r raise) error {
	p.ch.mu.Lock()
	defer p.ch.mu.Unlock()
	a := p.ch.account
	bill, err := r.share.Sub(p.share)
	if err != nil {
		return fmt.Errorf("raise promise: %w", err)
	}
	used := bill.Min(a.Credit)
	more, held := bill.SubFloor(used), a.Credit.SubFloor(used)
	ahead := r.ahead.SubFloor(held)
	// What the chain has settled was promised, whatever this ledger knows.
	lost := p.book.settledOn(p.ch).SubFloor(a.Total)
	from := a.Total.AddCap(lost)
	total, err := from.Add(more.AddCap(ahead))
	if err != nil {
		return fmt.Errorf("raise promise of %s by %s: %w", a.Channel, more.AddCap(ahead), err)
	}
	if total == from {
		if bill.IsZero() && p.promises > 0 && p.last.Cumulative == a.Total {
			return nil
		}
		lost, total = contracts.Amount{}, a.Total // the same promise, signed for this session's share
	}
	allowed := p.take(total.SubFloor(from), r.whole)
	most := from.AddCap(allowed)
	granted, err := p.fundedLocked(ctx, most, r.whole)
	if err != nil {
		p.put(allowed)
		return err
	}
	p.put(most.SubFloor(granted))
	if granted.Less(total) {
		can := granted.SubFloor(from)
		funds := granted.Less(most)
		if !funds && more.IsZero() && used.IsZero() && !r.whole {
			return nil // the purse does not prepay, and nothing is owed yet
		}
		more = more.Min(can)
		ahead = ahead.Min(can.SubFloor(more))
		if r.whole || used.IsZero() && more.IsZero() && ahead.IsZero() {
			p.put(can)
			limit := p.share.AddCap(a.Credit).AddCap(can)
			return &SpendCapError{Limit: limit, Spent: p.share, Want: r.share.AddCap(r.ahead), Funds: funds}
		}
	}
	share := p.share.AddCap(used.AddCap(more))
	a.Total, a.Other = a.Total.AddCap(lost).AddCap(more.AddCap(ahead)), a.Other.AddCap(lost)
	a.Credit = held.AddCap(ahead)
	promise, err := p.signLocked(a.Total, share)
	if err != nil {
		return err
	}
	a.Sig = promise.Sig
	if err := p.cfg.Ledger.Do(ctx, func(tx *ledger.Tx) error {
		if err := tx.StorePromise(a, ledger.Share{Session: p.row, Amount: share, Usage: p.usage}); err != nil || !r.final {
			return err
		}
		return tx.EndSession(p.row, p.usage, p.ending)
	}); err != nil {
		return err
	}
	p.ch.account = a
	p.share, p.last, p.lastAt, p.closed = share, promise, p.now(), r.final
	p.restored = p.restored.AddCap(lost)
	p.promises++
	return nil
}

// fundedLocked returns how much of a total the channel can pay, and commits it.
func (p *Payer) fundedLocked(ctx context.Context, total contracts.Amount, whole bool) (contracts.Amount, error) {
	if p.cfg.Funds == nil || total == p.ch.account.Total {
		p.book.commit(p.ch, total)
		return total, nil
	}
	granted := p.book.grant(p.ch, total, true)
	if granted.Less(total) {
		if err := p.book.refresh(ctx, p.cfg.Funds, time.Now().Add(-fundsAge)); err != nil {
			return granted, err
		}
		granted = p.book.grant(p.ch, total, whole)
	}
	return granted, nil
}

// take draws on the purse; without one the sum itself is granted.
func (p *Payer) take(sum contracts.Amount, whole bool) contracts.Amount {
	if p.cfg.Purse == nil || sum.IsZero() {
		return sum
	}
	return p.cfg.Purse.Take(sum, whole).Min(sum)
}

func (p *Payer) put(sum contracts.Amount) {
	if p.cfg.Purse != nil && !sum.IsZero() {
		p.cfg.Purse.Put(sum)
	}
}

func (p *Payer) signLocked(total, share contracts.Amount) (payments.Promise, error) {
	return p.cfg.Domain.Sign(payments.Promise{Channel: p.cfg.Terms.Channel, Cumulative: total, Share: share}, p.cfg.Signer)
}
