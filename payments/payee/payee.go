// Package payee owns the provider's side of the money: it accepts promises and opens the gates of the vaults that made
// them. It keeps one account a channel, for life ([Account]): whatever a payer does with sessions, it does to that.
// What strangers may cost together, and what of the chain's last word counts while the chain is down, are its to judge.
package payee

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/payments"
	"byway/payments/chainview"
	"byway/payments/ledger"
)

const (
	// stateAge is how old the chain's word on a channel may be where nothing hangs on it but what was there before.
	stateAge = 10 * time.Second
	// stateMaxAge is how old the chain's word on what the payer can take away at once may get while the chain can't be
	// reached. What is set aside counts for longer: see reading.go.
	stateMaxAge = time.Minute
	// statePatience is how long the chain may take to answer where an older answer would do.
	statePatience = 3 * time.Second
	// stateRetry is how soon the chain is asked again about a channel that could not pay.
	stateRetry = 250 * time.Millisecond
	// lossPerMille is how much of what is sent may get lost on the way without anyone paying for it.
	lossPerMille = 20
	// stepPart is the part (one in so many) of a tick that a promise must raise the total by, unless it is a session's
	// last or a second has gone by since the one before.
	stepPart = 8
	stepTime = time.Second
)

// Config says who is paid. Domain, Ledger, Chain, Payee and Token are required.
type Config struct {
	Domain payments.Domain
	Ledger *ledger.Ledger
	Chain  chainview.Chain
	// Payee is paid, in Token.
	Payee, Token common.Address
	// Trust is the most, in base units, that one vault's exposure may come to: what it has promised above its reserve,
	// covered by its free balance, which the payer can take away, and debt and window, which no reserve covers since nobody
	// has signed for those bytes.
	// Zero: the price of 64 MiB. NoTrust: nothing above the reserve, and each tick is prepaid.
	Trust   contracts.Amount
	NoTrust bool
	// Budget is the most, in base units, that all strangers together may cost: what is at stake on their accounts
	// ([Account.Stake]) and what was lost to them in the last hour. Zero: the price of 1 GiB.
	Budget contracts.Amount
	// LossPerMille is the part of the paid bytes, in thousandths, that is forwarded on top, since a consumer pays
	// for what arrives. Zero: 20. Negative: none.
	LossPerMille int
	// ExitDelay is how long an exit runs, a constant of the contract: what is set aside counts for the better part of it
	// while the chain can't be reached. Zero: not known, and it counts for a minute.
	ExitDelay time.Duration
	// NewGate makes a shut gate for a vault's sessions, which the payee opens as they pay. Nil: the caller keeps to
	// [Credit].Left by itself.
	NewGate func() Gate
	// Log may be nil.
	Log *slog.Logger
}

// Gate lets the packets of one vault's sessions through until they have come to a limit together. The tunnel's is
// [byway/tunnel/meter.Gate].
type Gate interface {
	// Passed is how many bytes its sessions have passed, those that have ended included.
	Passed() uint64
	// Allow lets Passed come to total. It takes effect with the next packet; lower values than before are ignored.
	Allow(total uint64)
}

// Credit bounds what a session may have forwarded now.
type Credit struct {
	// Promised is the channel's lifetime total that is stored, Paid what of it this session has been billed, by its
	// consumer, both in base units.
	Promised, Paid contracts.Amount
	// Left is how many bytes may still be forwarded to all sessions of the vault together.
	Left uint64
	// Window is how many bytes may stay unpaid: what is forgiven, and what was earned beyond it.
	Window uint64
}

// Payee is the provider's side of all its sessions' payments. Safe for concurrent use; promises of different channels
// are checked in parallel and share commits.
type Payee struct {
	cfg   Config
	log   *slog.Logger
	now   func() time.Time // paces sessions
	retry time.Duration    // stateRetry, save in tests

	promises  payments.Verifier
	mu        sync.Mutex // taken after payeeChannel.mu
	sessions  map[payments.SessionID]*payeeSession
	channels  map[contracts.Channel]*payeeChannel
	strangers budget
	bare      idRing    // sessions that ended without a row
	downAt    time.Time // when the chain was last found down
	down      error     // why; nil while it answers
	sight     sight     // of the chain's clock
	warned    bool      // that it and this machine's are far apart
}

type payeeSession struct {
	terms   payments.Terms
	channel *payeeChannel    // nil while it is being opened
	tick    contracts.Amount // price of one
	step    contracts.Amount // the least that a promise must raise, the last one apart

	// Guarded by channel.mu.
	row     int64
	share   contracts.Amount
	counted func() payments.Usage // by this side's meter; nil until there is one
	tookAt  time.Time             // when its latest promise was taken
}

// usage reads the session's meter, in bytes.
func (s *payeeSession) usage() payments.Usage {
	if s.counted == nil {
		return payments.Usage{}
	}
	return s.counted()
}

// New makes a payee out of what its ledger remembers.
func New(cfg Config) (*Payee, error) {
	if cfg.Ledger == nil || cfg.Chain == nil {
		return nil, errors.New("payee: ledger and chain are required")
	}
	if cfg.Payee == (common.Address{}) || cfg.Token == (common.Address{}) {
		return nil, errors.New("payee: payee and token are required")
	}
	if cfg.LossPerMille == 0 {
		cfg.LossPerMille = lossPerMille
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p := &Payee{
		cfg: cfg, log: cfg.Log, now: time.Now, retry: stateRetry, promises: cfg.Domain.Verifier(),
		sessions:  map[payments.SessionID]*payeeSession{},
		channels:  map[contracts.Channel]*payeeChannel{},
		strangers: newBudget(),
	}
	if err := p.recallStakes(context.Background()); err != nil {
		return nil, err
	}
	return p, nil
}

// owns checks that a channel is paid to this payee.
func (p *Payee) owns(c contracts.Channel) error {
	if c.Payee != p.cfg.Payee || c.Token != p.cfg.Token {
		return fmt.Errorf("%w: %s is not paid to %s in %s", payments.ErrWrongChannel, c, p.cfg.Payee, p.cfg.Token)
	}
	return nil
}

// check checks that a promise is for the channel, and signed.
func (p *Payee) check(promise payments.Promise, c contracts.Channel) error {
	if promise.Channel != c {
		same := promise.Channel
		same.Signer = c.Signer
		if same == c {
			return payments.ErrSecondSigner
		}
		return fmt.Errorf("%w: promise is for %s, the session pays %s", payments.ErrWrongChannel, promise.Channel, c)
	}
	return p.promises.Verify(promise)
}

// Attach tells how much a session's meter has counted. It is called once, before the meter counts anything.
func (p *Payee) Attach(id payments.SessionID, counted func() payments.Usage) {
	s := p.session(id)
	if s == nil {
		return
	}
	s.channel.mu.Lock()
	defer s.channel.mu.Unlock()
	s.counted = counted
}

// session returns an open session, nil where there is none of that id.
func (p *Payee) session(id payments.SessionID) *payeeSession {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sessionLocked(id)
}

func (p *Payee) sessionLocked(id payments.SessionID) *payeeSession {
	if s := p.sessions[id]; s != nil && s.channel != nil {
		return s
	}
	return nil
}

func (p *Payee) find(ctx context.Context, id payments.SessionID) (*payeeSession, error) {
	if s := p.session(id); s != nil {
		return s, nil
	}
	row, err := p.cfg.Ledger.Session(ctx, id, true)
	if err == nil && !row.Closed.IsZero() {
		return nil, fmt.Errorf("session %s: %w", id, payments.ErrSessionClosed)
	}
	if err == nil { // of a process that has ended
		err = fmt.Errorf("session %s: %w", id, payments.ErrUnknownSession)
	}
	return nil, err
}

// Accept checks a promise, stores it, opens the vault's gate as far as it goes, and returns what the session may have
// forwarded then; the promise is on the disk before. One that brings nothing, neither to the channel nor to its session,
// is no error and no new credit: it was said before, or one of another session of the channel has overtaken it. One below
// the latest bills its session for what the latest has left, and is an error where that is nothing. One that raises the
// total by less than an eighth of a tick is left for the next one to bring, unless it is the session's last or a second
// has passed since the one before.
//
// The errors: [payments.ErrUnknownSession], [payments.ErrSessionClosed], [payments.ErrWrongChannel],
// [payments.ErrSecondSigner], [ErrNotRising], [contracts.ErrBadSignature], an [*payments.UnfundedError], a
// [*NewcomerError], [ledger.ErrStore]: nothing has changed then. With [payments.ErrExiting] the promise has been
// stored, since it is money, but the credit does not grow.
func (p *Payee) Accept(ctx context.Context, id payments.SessionID, promise payments.Promise, last bool) (Credit, error) {
	s, err := p.find(ctx, id)
	if err != nil {
		return Credit{}, err
	}
	ch := s.channel
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if promise.Channel == s.terms.Channel && (s.hasLocked(promise) || p.tooSmallLocked(s, promise, last)) {
		return p.allowLocked(ch, s), nil
	}
	if err := p.check(promise, s.terms.Channel); err != nil {
		return Credit{}, err
	}
	before := ch.account
	a, share, rises := ch.takeLocked(s, promise)
	if !rises {
		return Credit{}, fmt.Errorf("%w: promised are %s, latest %s", ErrNotRising, promise.Cumulative,
			before.Total.Max(ch.state.Settled))
	}
	if before.Total.Less(a.Total) {
		if a, err = p.grantLocked(ctx, ch, s, a); err != nil {
			return Credit{}, err
		}
	}
	changed := a != before || share != s.share
	if changed {
		usage := s.usage()
		if err := p.cfg.Ledger.Do(ctx, func(tx *ledger.Tx) error {
			return tx.StorePromise(a, ledger.Share{Session: s.row, Amount: share, Usage: usage})
		}); err != nil {
			return Credit{}, err
		}
		ch.account, s.share, s.tookAt = a, share, p.now()
	}
	var credit Credit
	if ch.state.Exiting() {
		credit, err = ch.creditLocked(s), fmt.Errorf("%s: %w", s.terms.Channel, payments.ErrExiting)
	} else {
		credit = p.allowLocked(ch, s)
	}
	if changed {
		p.mu.Lock()
		defer p.mu.Unlock()
		ch.promised, ch.window = a.Total, credit.Window
	}
	return credit, err
}

// hasLocked reports whether a promise brings nothing that was not promised and billed before. It is not looked at then:
// who repeats old ones costs no signature's check.
func (s *payeeSession) hasLocked(promise payments.Promise) bool {
	return !s.channel.account.Total.Less(promise.Cumulative) && !s.share.Less(promise.Share)
}

// tooSmallLocked reports whether a promise is too little to be looked at.
func (p *Payee) tooSmallLocked(s *payeeSession, promise payments.Promise, last bool) bool {
	a := s.channel.account
	if last || promise.Cumulative.Less(a.Total) || p.now().Sub(s.tookAt) >= stepTime {
		return false
	}
	return promise.Cumulative.SubFloor(a.Total).Less(s.step)
}

// takeLocked works out what a promise makes of the account and of its session's share. It rises where it brings
// anything. What the chain has settled is the floor: where the ledger knows of less, what lies between
// was served in a life that it has lost.
func (ch *payeeChannel) takeLocked(s *payeeSession, promise payments.Promise) (
	a ledger.Account, share contracts.Amount, rises bool,
) {
	a, share = ch.account, s.share
	floor := a.Total.Max(ch.state.Settled)
	if raise := promise.Cumulative.SubFloor(floor); !raise.IsZero() {
		lost := floor.SubFloor(a.Total)
		a.Other, a.Base = a.Other.AddCap(lost), a.Base.AddCap(lost)
		a.Total, a.Sig = promise.Cumulative, promise.Sig
		a.Credit = a.Credit.AddCap(raise)
		rises = true
	}
	if bill := promise.Share.SubFloor(share).Min(a.Credit); !bill.IsZero() {
		a.Credit, share = a.Credit.SubFloor(bill), share.AddCap(bill)
		rises = true
	}
	return a, share, rises
}

// Exposure returns how much of the promises on a session's channel is not set aside, in base units; zero where the
// session is not known.
func (p *Payee) Exposure(id payments.SessionID) contracts.Amount {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.sessionLocked(id); s != nil {
		return s.channel.exposure
	}
	return contracts.Amount{}
}

// Standing returns what is stored on a session's channel, whichever of its sessions it came by: the lifetime total that
// was promised, in base units, and how many bytes may stay unpaid. It never waits; both are zero where the session is
// not known.
func (p *Payee) Standing(id payments.SessionID) (promised contracts.Amount, window uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.sessionLocked(id); s != nil {
		return s.channel.promised, s.channel.window
	}
	return promised, window
}

// Close records a session's final counters, as this side sees them, and that it ended as its consumer asked. Closing again
// changes nothing.
func (p *Payee) Close(ctx context.Context, id payments.SessionID, u payments.Usage) error {
	return p.End(ctx, id, u, ledger.EndDone)
}

// End is Close for a session that ended in any way.
func (p *Payee) End(ctx context.Context, id payments.SessionID, u payments.Usage, how ledger.Ending) error {
	s, err := p.find(ctx, id)
	if errors.Is(err, payments.ErrSessionClosed) {
		return nil
	}
	if err != nil {
		return err
	}
	ch := s.channel
	ch.mu.Lock() // a promise that is being stored is stored first.
	defer p.letGo(ch)
	if ch.sessions[id] != s {
		return nil
	}
	s.counted = func() payments.Usage { return u }
	a := ch.account
	a.Counted = ch.countedLocked()
	lost := contracts.Amount{}
	if len(ch.sessions) == 1 {
		a, lost = p.lostLocked(ch, a)
	}
	at := time.Now()
	if err := p.cfg.Ledger.Do(ctx, func(tx *ledger.Tx) error {
		if err := tx.EndSession(s.row, u, how); err != nil {
			return err
		}
		if err := tx.StoreAccount(a); err != nil {
			return err
		}
		return tx.Lose(a.ID, at, lost)
	}); err != nil {
		return err
	}
	ch.account, ch.ended = a, ch.ended.AddCap(s.cost())
	delete(ch.sessions, id)
	if len(ch.sessions) == 0 {
		ch.gate = nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.sessions, id)
	if u == (payments.Usage{}) && s.share.IsZero() {
		p.bare.add(id)
	}
	p.strangers.lose(at, lost)
	p.strangers.set(s.terms.Channel, ch.stakeLocked(p, a))
	return nil
}

// cost prices the session's bytes, by this side's meter.
func (s *payeeSession) cost() contracts.Amount {
	u := s.usage()
	return s.terms.Price(saturated(u.Rx, u.Tx))
}
