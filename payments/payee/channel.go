package payee

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

// payeeChannel is one channel of the payee's, in memory while it is in use.
type payeeChannel struct {
	mu       sync.Mutex     // held from reading the latest total until the next one is stored
	account  ledger.Account // without an ID as long as nothing was stored
	state    chainview.State
	readAt   time.Time     // when state was read
	slow     time.Duration // by how much this machine's clock had to be put back then
	triedAt  time.Time     // when that was last tried
	storedAt time.Time     // when state was last written down
	stored   chainview.State
	released waiver

	sessions map[payments.SessionID]*payeeSession // that are open
	ended    contracts.Amount                     // what the bytes cost of those that are not
	pace     pace.Gauge                           // of what was forwarded and paid
	gate     Gate                                 // nil while no session is open
	gone     bool                                 // not in Payee.channels any more: whoever waited for mu looks there again

	// Guarded by Payee.mu.
	exposure         contracts.Amount // promised above the reserve
	promised         contracts.Amount // account.Total
	window           uint64           // bytes that may stay unpaid
	until, freeUntil time.Time        // when what is set aside, and what is not, stops to count while the chain is down
}

// mostChannels bounds how many channels are kept in memory beside those with open sessions.
const mostChannels = 4096

// hold returns the channel, locked. [Payee.letGo] must follow.
func (p *Payee) hold(ctx context.Context, c contracts.Channel) (*payeeChannel, error) {
	for {
		ch, err := p.channel(ctx, c)
		if err != nil {
			return nil, err
		}
		ch.mu.Lock()
		if !ch.gone {
			return ch, nil
		}
		ch.mu.Unlock()
	}
}

// Knows reports whether a channel is in use: then it has shown money.
func (p *Payee) Knows(c contracts.Channel) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.channels[c] != nil
}

// letGo unlocks a channel, and forgets it where nothing of it was ever stored.
func (p *Payee) letGo(ch *payeeChannel) {
	if ch.account.ID == 0 && len(ch.sessions) == 0 {
		p.mu.Lock()
		delete(p.channels, ch.account.Channel)
		p.mu.Unlock()
		ch.gone = true
	}
	ch.mu.Unlock()
}

// channel returns the channel as it is in memory or in the ledger; one of nobody's is not stored.
func (p *Payee) channel(ctx context.Context, c contracts.Channel) (*payeeChannel, error) {
	p.mu.Lock()
	ch := p.channels[c]
	p.mu.Unlock()
	if ch != nil {
		return ch, nil
	}
	d := p.cfg.Domain
	a, found, err := p.cfg.Ledger.Account(ctx, ledger.Payee, d, c)
	if err != nil {
		return nil, err
	}
	if !found {
		a = ledger.Account{Side: ledger.Payee, Domain: d, Channel: c}
	}
	ch = &payeeChannel{
		account: a, ended: a.Counted, sessions: map[payments.SessionID]*payeeSession{}, exposure: a.Total.SubFloor(a.Believed()),
	}
	if found {
		away, err := p.cfg.Ledger.Released(ctx, a.ID)
		if err != nil {
			return nil, err
		}
		ch.released = waiver(away)
		r, read, err := p.cfg.Ledger.Reading(ctx, a.ID)
		if err != nil {
			return nil, err
		}
		if read {
			ch.state, ch.readAt = chainview.StateOf(r), r.ReadAt
			ch.stored, ch.storedAt = ch.state, ch.readAt
			ch.until, ch.freeUntil = p.secureUntil(ch.state, ch.readAt, 0), ch.readAt.Add(stateMaxAge)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if other := p.channels[c]; other != nil {
		return other, nil
	}
	if len(p.channels) >= mostChannels+len(p.sessions) {
		p.forgetLocked()
	}
	p.channels[c] = ch
	return ch, nil
}

// forgetLocked drops channels that nobody uses from memory, half of what is kept.
func (p *Payee) forgetLocked() {
	for c, ch := range p.channels {
		if len(p.channels) <= mostChannels/2 {
			return
		}
		if ch.mu.TryLock() { // else somebody uses it
			if len(ch.sessions) == 0 {
				ch.gone = true
				delete(p.channels, c)
			}
			ch.mu.Unlock()
		}
	}
}

// withRow is the account with a row in the ledger, made now where there is none. A write may be tried twice: a row that was
// made by a try that failed is not there.
func withRow(tx *ledger.Tx, a ledger.Account) (ledger.Account, error) {
	if a.ID != 0 {
		return a, nil
	}
	opened, err := tx.OpenAccount(ledger.Payee, a.Domain, a.Channel)
	a.ID = opened.ID
	return a, err
}

// countedLocked prices all bytes of the channel that were ever forwarded, by this side's meter.
func (ch *payeeChannel) countedLocked() contracts.Amount {
	sum := ch.ended
	for _, s := range ch.sessions {
		sum = sum.AddCap(s.cost())
	}
	return sum
}

// booksLocked is a row of the ledger as an account, with what was counted until now and what the chain guarantees of it.
func (ch *payeeChannel) booksLocked(a ledger.Account, counted contracts.Amount, counts chainview.State) Account {
	return Account{
		Promised: a.Total.SubFloor(a.Base), Counted: counted, Granted: a.Granted, Window: a.Window,
		Unsecured: a.Total.SubFloor(ch.released.floor(counts)), Backing: counts.Ceiling.Max(counts.Settled),
	}
}

// grantLocked works out how far the account that a promise makes may be served, and takes what it puts at stake from the
// budget. It asks the chain where what is known does not suffice or is old.
func (p *Payee) grantLocked(ctx context.Context, ch *payeeChannel, s *payeeSession, a ledger.Account) (ledger.Account, error) {
	if err := p.refreshLocked(ctx, ch, p.stateAge()); err != nil {
		return a, err
	}
	granted, err := p.granted(ch, s.terms, a)
	if err == nil {
		return granted, nil
	}
	// A session does not end for what was set aside a moment ago: the chain is asked again, once it may be.
	if wait := p.retry - time.Since(ch.triedAt); wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return a, err
		}
	}
	if err := p.refreshLocked(ctx, ch, p.retry); err != nil {
		return a, err
	}
	var newcomer *NewcomerError
	if errors.As(err, &newcomer) {
		if err := p.lookAtStakes(ctx, ch, stakesAtOnce); err != nil {
			return a, err
		}
	}
	return p.granted(ch, s.terms, a)
}

// granted compares what was promised with reserve, trust, free balance and budget, and returns the account with its window
// and how far it may be served. ch.mu is held.
func (p *Payee) granted(ch *payeeChannel, t payments.Terms, a ledger.Account) (ledger.Account, error) {
	now := time.Now()
	counts, stale := p.countsLocked(ch, now), !ch.fresh(now, stateMaxAge)
	// What was lost and has been paid since is lost no more.
	counted := ch.countedLocked()
	a.Lost = a.Lost.Min(ch.booksLocked(ch.account, counted, counts).Stake(len(ch.sessions) > 0))
	books := ch.booksLocked(a, counted, counts)
	if len(ch.sessions) > 0 { // each session rounds up, and together they come to more than the gate let through
		books.Counted = books.Counted.Min(books.Granted)
	}
	trust, limit := p.trust(t), p.budgetFor(t)
	if room := trust.Min(counts.Free); room.Less(books.Unsecured) {
		var blind error
		if stale { // more may be there, which nobody has seen
			blind = p.whyDown()
		}
		return a, &payments.UnfundedError{
			Channel: a.Channel, Have: ch.released.floor(counts).AddCap(room), Want: a.Total, Free: counts.Free, Trust: trust,
			Blind: blind,
		}
	}
	perMille := p.cfg.LossPerMille
	both := payments.Bytes(t.PricePerGiB, books.Counted.Min(books.Promised))
	ch.pace.Add(p.now(), both)
	books.Window = max(books.Window, pace.EarnedWindow(t, both, ch.pace.Rate))
	window := t.Price(books.Window).Min(trust.SubFloor(books.Unsecured))
	before := books.Granted
	if len(ch.sessions) == 0 { // the gate that it was granted to is gone
		before = books.Counted
	}
	books.Granted = before.Max(books.Limit(t, perMille, window))

	p.mu.Lock()
	defer p.mu.Unlock()
	left := p.strangers.left(a.Channel, limit, now)
	if over := books.Stake(true).SubFloor(a.Lost).SubFloor(left); !over.IsZero() {
		// What strangers cost together is bounded: this one is served less ahead of what it pays, and in the end each tick
		// when it is prepaid.
		least := books.Limit(t, perMille, contracts.Amount{})
		books.Granted = before.Max(least.Max(books.Granted.SubFloor(over)))
	}
	stake := books.Stake(true).SubFloor(a.Lost)
	if left.Less(stake) && p.strangers.stakes[a.Channel].Less(stake) {
		return a, &NewcomerError{Channel: a.Channel, Need: a.Total.AddCap(trust)}
	}
	p.strangers.set(a.Channel, stake)
	ch.exposure = books.Unsecured
	a.Counted, a.Granted, a.Window = books.Counted, books.Granted, books.Window
	return a, nil
}

// trust is the most that one vault's exposure may come to.
func (p *Payee) trust(t payments.Terms) contracts.Amount {
	switch {
	case p.cfg.NoTrust:
		return contracts.Amount{}
	case p.cfg.Trust.IsZero():
		return t.Price(pace.TrustBytes)
	}
	return p.cfg.Trust
}

// budgetFor is the most that all strangers may cost.
func (p *Payee) budgetFor(t payments.Terms) contracts.Amount {
	if p.cfg.Budget.IsZero() {
		return t.Price(pace.BudgetBytes)
	}
	return p.cfg.Budget
}

// creditLocked returns how much a session may have forwarded now.
func (ch *payeeChannel) creditLocked(s *payeeSession) Credit {
	a := ch.account
	promised := a.Total.SubFloor(a.Base)
	return Credit{
		Promised: a.Total, Paid: s.share, Left: payments.Bytes(ch.dearestLocked(s), a.Granted.SubFloor(ch.countedLocked())),
		Window: payments.Bytes(s.terms.PricePerGiB, a.Granted.SubFloor(promised)),
	}
}

// saturated adds, to 2^64-1 at most.
func saturated(a, b uint64) uint64 { return a + min(b, ^a) }

// allowLocked opens the vault's gate as far as was granted, and tells the session's credit. The gate is read before the
// meters: what passes in between is counted against it.
func (p *Payee) allowLocked(ch *payeeChannel, s *payeeSession) Credit {
	var passed uint64
	if ch.gate != nil {
		passed = ch.gate.Passed()
	}
	credit := ch.creditLocked(s)
	if ch.gate != nil {
		ch.gate.Allow(saturated(passed, credit.Left))
	}
	return credit
}

// dearestLocked is the highest price of the channel's open sessions: what one gate lets through may go to any of them.
func (ch *payeeChannel) dearestLocked(s *payeeSession) contracts.Amount {
	price := s.terms.PricePerGiB
	for _, other := range ch.sessions {
		price = price.Max(other.terms.PricePerGiB)
	}
	return price
}

// NewcomerError says that strangers cost this payee enough for now, and what admits one of them all the same.
type NewcomerError struct {
	Channel contracts.Channel
	// Need is the lifetime total that must be set aside for the payee on chain.
	Need contracts.Amount
}

// Error implements error.
func (e *NewcomerError) Error() string {
	return fmt.Sprintf("this provider trusts no more strangers for now: reserve %s base units in all for it on chain, and it serves you",
		e.Need)
}

// ErrNotRising says that a promise does not exceed the channel's latest one and is not that very promise again.
var ErrNotRising = errors.New("promise does not rise above the latest one of its channel")

// StaleError says that a promise does not bring the price of a tick above what was promised before.
type StaleError struct {
	// Latest is the newest promise that the payee has; nil where it has none.
	Latest *payments.Promise
	// Settled is settled on chain, and Credit promised but billed to no session, in base units.
	Settled, Credit contracts.Amount
}

// Error implements error.
func (e *StaleError) Error() string {
	latest := e.Settled
	if e.Latest != nil {
		latest = latest.Max(e.Latest.Cumulative)
	}
	return fmt.Sprintf("%v: the latest is %s base units, of which %s are still to be used", ErrNotRising, latest, e.Credit)
}

// Is makes every StaleError an [ErrNotRising].
func (e *StaleError) Is(target error) bool { return target == ErrNotRising }
