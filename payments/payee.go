package payments

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/payments/ledger"
)

const (
	// stateAge is how old the chain's word on a channel may be where nothing hangs on it but what was there before.
	stateAge = 10 * time.Second
	// stateMaxAge is how old the chain's word on what the payer can take away at once may get while the chain can't be
	// reached. What is set aside counts for longer: see blind.go.
	stateMaxAge = time.Minute
	// statePatience is how long the chain may take to answer where an older answer would do.
	statePatience = 3 * time.Second
	// stateRetry is how soon the chain is asked again about a channel that could not pay.
	stateRetry = 250 * time.Millisecond
	// lossPerMille is how much of what is sent may get lost on the way without anyone paying for it.
	lossPerMille = 20
)

// PayeeConfig says who is paid. Domain, Ledger, Chain, Payee and Token are required.
type PayeeConfig struct {
	Domain Domain
	Ledger *Ledger
	Chain  Chain
	// Payee is paid, in Token.
	Payee, Token common.Address
	// Trust is the most, in base units, that one payer's promises may exceed its reserves by, covered by the vault's
	// free balance, which the payer can take away. Zero: the price of 64 MiB. NoTrust: nothing above the reserve.
	Trust   contracts.Amount
	NoTrust bool
	// LossPerMille is the part of the paid bytes, in thousandths, that is forwarded on top, since a consumer pays
	// for what arrives. Zero: 20. Negative: none.
	LossPerMille int
	// ExitDelay is how long an exit runs, a constant of the contract: what is set aside counts for the better part of it
	// while the chain can't be reached. Zero: not known, and it counts for a minute.
	ExitDelay time.Duration
	// Log may be nil.
	Log *slog.Logger
}

// Credit is what a session's promises are worth.
type Credit struct {
	// Paid is what the session has paid, in base units, and Bytes how many bytes that covers.
	Paid  contracts.Amount
	Bytes uint64
	// Window is how many bytes may be forwarded beyond Bytes: the window of the terms, grown by the speed at which the
	// session pays ([SpeedWindow]) and by what the payer has settled in the past, and the tolerance for loss. It is zero
	// until the first tick is paid.
	Window uint64
	// Limit is Bytes + Window: how far the gate may open.
	Limit uint64
}

// Payee is the provider's side of all its sessions' payments. Safe for concurrent use; promises of different channels
// are checked in parallel and share commits.
type Payee struct {
	cfg       PayeeConfig
	separator common.Hash // of the domain
	log       *slog.Logger
	now       func() time.Time // paces sessions

	mu       sync.Mutex // taken after payeeChannel.mu
	sessions map[SessionID]*payeeSession
	channels map[contracts.Channel]*payeeChannel
	payers   map[common.Address][]*payeeChannel
	downAt   time.Time // when the chain was last found down
	down     error     // why; nil while it answers
	sight    sight     // of the chain's clock
	warned   bool      // that it and this machine's are far apart
}

// payeeChannel is one channel of the payee's.
type payeeChannel struct {
	mu       sync.Mutex // held from reading the latest total until the next one is stored
	account  ledger.Account
	state    ChannelState
	readAt   time.Time     // when state was read
	slow     time.Duration // by how much this machine's clock had to be put back then
	triedAt  time.Time     // when that was last tried
	storedAt time.Time     // when state was last written down
	stored   ChannelState

	released released

	// Guarded by Payee.mu.
	exposure         contracts.Amount // above the reserve
	until, freeUntil time.Time        // when what is set aside, and what is not, stops to count while the chain is down
}

type payeeSession struct {
	terms   Terms
	channel *payeeChannel
	tick    contracts.Amount // price of one
	row     int64

	// Guarded by channel.mu.
	share contracts.Amount
	pace  pace // of what it has paid for
}

// NewPayee makes a payee out of what its ledger remembers.
func NewPayee(cfg PayeeConfig) (*Payee, error) {
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
	return &Payee{
		cfg: cfg, separator: cfg.Domain.Separator(), log: cfg.Log, now: time.Now,
		sessions: map[SessionID]*payeeSession{},
		channels: map[contracts.Channel]*payeeChannel{},
		payers:   map[common.Address][]*payeeChannel{},
	}, nil
}

// Open records a session before anything is served and returns the latest promise of its channel, nil where there is
// none. A session that was opened with the same terms goes on. The errors: [ErrWrongChannel], [ErrSecondSigner] (the
// session belongs to another key), [ErrSessionExists], [ErrSessionClosed], [ErrExiting], an [*UnfundedError] where the
// channel could not pay for the first tick.
func (p *Payee) Open(ctx context.Context, terms Terms) (*Promise, error) {
	terms, err := withDefaults(terms)
	if err != nil {
		return nil, err
	}
	c := terms.Channel
	if c.Payee != p.cfg.Payee || c.Token != p.cfg.Token {
		return nil, fmt.Errorf("%w: %s is not paid to %s in %s", ErrWrongChannel, c, p.cfg.Payee, p.cfg.Token)
	}
	tick, err := Cost(terms.PricePerGiB, terms.Tick)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	open := p.sessions[terms.Session]
	p.mu.Unlock()
	if open != nil {
		if open.terms.Channel.Signer != c.Signer {
			return nil, ErrSecondSigner
		}
		if open.terms != terms {
			return nil, fmt.Errorf("session %s: %w", terms.Session, ErrSessionExists)
		}
	}
	ch, err := p.channel(ctx, c)
	if err != nil {
		return nil, err
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if err := p.refreshLocked(ctx, ch, 0); err != nil {
		return nil, err
	}
	if err := p.refreshOthersLocked(ctx, ch); err != nil {
		return nil, err
	}
	if ch.state.Exiting() {
		return nil, fmt.Errorf("%s: %w", c, ErrExiting)
	}
	want, err := ch.account.Total.Add(tick)
	if err != nil {
		return nil, fmt.Errorf("%s: lifetime total: %w", c, err)
	}
	if err := p.fundedLocked(ch, terms, want, false); err != nil {
		return nil, err
	}
	row, err := p.cfg.Ledger.OpenSession(ctx, ch.account, terms)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sessions[terms.Session] == nil {
		p.sessions[terms.Session] = &payeeSession{
			terms: terms, channel: ch, tick: tick, row: row.ID, share: row.Amount,
		}
	}
	return promiseOf(ch.account), nil
}

// Accept checks a promise, stores it and returns what the session has paid for with it; the promise is on the disk
// then. The latest promise again is no error and no new credit. One below the latest is an error, except that it may
// carry a share which the latest, having overtaken it on another session of the channel, has left unclaimed.
//
// The errors: [ErrUnknownSession], [ErrSessionClosed], [ErrWrongChannel], [ErrSecondSigner], [ErrNotRising],
// [ErrBadSignature], an [*UnfundedError], [ErrLedger]: nothing has changed then. With [ErrExiting] the promise has been
// stored, since it is money, but the credit does not grow.
func (p *Payee) Accept(ctx context.Context, id SessionID, promise Promise) (Credit, error) {
	s, err := p.find(ctx, id)
	if err != nil {
		return Credit{}, err
	}
	c := s.terms.Channel
	if promise.Channel != c {
		same := promise.Channel
		same.Signer = c.Signer
		if same == c {
			return Credit{}, ErrSecondSigner
		}
		return Credit{}, fmt.Errorf("%w: promise is for %s, the session pays %s", ErrWrongChannel, promise.Channel, c)
	}
	if err := verifyPromise(p.separator, promise); err != nil {
		return Credit{}, err
	}
	ch := s.channel
	ch.mu.Lock()
	defer ch.mu.Unlock()
	a := ch.account
	share := s.share
	again := promise.Cumulative == a.Total && promise.Sig == a.Sig
	if raise, err := promise.Cumulative.Sub(a.Total); err == nil {
		// What a promise raises is nobody's until a session's share takes it.
		if a.Other, err = a.Other.Add(raise); err != nil {
			return Credit{}, err
		}
		if !raise.IsZero() {
			a.Total, a.Sig = promise.Cumulative, promise.Sig
		}
		share = claimShare(&a, share, raise, promise.Share)
	} else {
		share = claimShare(&a, share, contracts.Amount{}, promise.Share)
	}
	free := s.terms.PricePerGiB.IsZero() && promise.Cumulative == a.Total
	if a.Total == ch.account.Total && share == s.share && !again && !free {
		return Credit{}, fmt.Errorf("%w: promised are %s, latest %s", ErrNotRising, promise.Cumulative, a.Total)
	}
	if ch.account.Total.Less(a.Total) {
		if err := p.payableLocked(ctx, ch, s.terms, a.Total); err != nil {
			return Credit{}, err
		}
	}
	if a != ch.account || share != s.share {
		if err := p.cfg.Ledger.Do(ctx, func(tx *ledger.Tx) error { return tx.StorePromise(a, s.row, share) }); err != nil {
			return Credit{}, err
		}
		ch.account = a
		s.share = share
		s.pace.add(p.now(), Bytes(s.terms.PricePerGiB, share))
	}
	credit := s.creditLocked(p.cfg.LossPerMille)
	if ch.state.Exiting() {
		return credit, fmt.Errorf("%s: %w", c, ErrExiting)
	}
	return credit, nil
}

// Credit returns what a session has paid for so far.
func (p *Payee) Credit(ctx context.Context, id SessionID) (Credit, error) {
	s, err := p.find(ctx, id)
	if err != nil {
		return Credit{}, err
	}
	s.channel.mu.Lock()
	defer s.channel.mu.Unlock()
	return s.creditLocked(p.cfg.LossPerMille), nil
}

// Exposure is what is promised above what is set aside on a session's channel, in base units; nothing where the session is
// not known.
func (p *Payee) Exposure(id SessionID) contracts.Amount {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.sessions[id]; s != nil {
		return s.channel.exposure
	}
	return contracts.Amount{}
}

// Close records a session's final counters, as this side sees them. Closing again changes nothing.
func (p *Payee) Close(ctx context.Context, id SessionID, u Usage) error {
	s, err := p.find(ctx, id)
	if errors.Is(err, ErrSessionClosed) {
		return nil
	}
	if err != nil {
		return err
	}
	s.channel.mu.Lock() // a promise that is being stored is stored first.
	defer s.channel.mu.Unlock()
	if err := p.cfg.Ledger.Do(ctx, func(tx *ledger.Tx) error { return tx.EndSession(s.row, u) }); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.sessions, id)
	return nil
}

func (p *Payee) find(ctx context.Context, id SessionID) (*payeeSession, error) {
	p.mu.Lock()
	s := p.sessions[id]
	p.mu.Unlock()
	if s != nil {
		return s, nil
	}
	switch row, err := p.cfg.Ledger.Session(ctx, id, true); {
	case err != nil:
		return nil, err
	case !row.Closed.IsZero():
		return nil, fmt.Errorf("session %s: %w", id, ErrSessionClosed)
	default:
		return nil, fmt.Errorf("session %s: %w", id, ErrUnknownSession)
	}
}

// channel returns the channel's live state, with all the payer's other channels, whose exposure counts too.
func (p *Payee) channel(ctx context.Context, c contracts.Channel) (*payeeChannel, error) {
	p.mu.Lock()
	ch := p.channels[c]
	p.mu.Unlock()
	if ch != nil {
		return ch, nil
	}
	d := ledger.Domain(p.cfg.Domain)
	if _, err := p.cfg.Ledger.OpenAccount(ctx, ledger.Payee, d, c); err != nil {
		return nil, err
	}
	list, err := p.cfg.Ledger.AccountsOfPayer(ctx, ledger.Claimant{Domain: d, Token: c.Token, Payee: c.Payee}, c.Payer)
	if err != nil {
		return nil, err
	}
	away := map[int64]ledger.Release{}
	past := map[int64]ledger.Reading{}
	for _, a := range list {
		if away[a.ID], err = p.cfg.Ledger.Released(ctx, a.ID); err != nil {
			return nil, err
		}
		r, found, err := p.cfg.Ledger.Reading(ctx, a.ID)
		if err != nil {
			return nil, err
		}
		if found {
			past[a.ID] = r
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range list {
		if p.channels[a.Channel] == nil {
			other := &payeeChannel{account: a, exposure: a.Total.SubFloor(a.Believed()), released: released(away[a.ID])}
			if r, ok := past[a.ID]; ok {
				s := stateOf(r)
				other.state, other.readAt, other.storedAt, other.stored = s, r.ReadAt, r.ReadAt, s
				other.until, other.freeUntil = p.secureUntil(s, r.ReadAt, 0), r.ReadAt.Add(stateMaxAge)
			}
			p.channels[a.Channel] = other
			p.payers[c.Payer] = append(p.payers[c.Payer], other)
		}
	}
	return p.channels[c], nil
}

// payableLocked checks that a total may be counted on, asking the chain where what is known does not suffice or is old.
func (p *Payee) payableLocked(ctx context.Context, ch *payeeChannel, t Terms, total contracts.Amount) error {
	if err := p.refreshLocked(ctx, ch, p.stateAge()); err != nil {
		return err
	}
	err := p.fundedLocked(ch, t, total, true)
	if err == nil {
		return nil
	}
	// A session does not end for what was set aside a moment ago: the chain is asked again, once it may be.
	if wait := stateRetry - time.Since(ch.triedAt); wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err
		}
	}
	if err := p.refreshLocked(ctx, ch, stateRetry); err != nil {
		return err
	}
	if err := p.refreshOthersLocked(ctx, ch); err != nil {
		return err
	}
	return p.fundedLocked(ch, t, total, true)
}

// refreshOthersLocked reads the payer's other channels where they are exposed, so that what has been reserved or
// settled there no longer counts. One that is busy is looked after by whoever keeps it so.
func (p *Payee) refreshOthersLocked(ctx context.Context, ch *payeeChannel) error {
	p.mu.Lock()
	var exposed []*payeeChannel
	for _, other := range p.payers[ch.account.Channel.Payer] {
		if other != ch && !other.exposure.IsZero() {
			exposed = append(exposed, other)
		}
	}
	p.mu.Unlock()
	for _, other := range exposed {
		p.mu.Lock()
		down := p.down != nil && time.Since(p.downAt) < statePatience
		p.mu.Unlock()
		if down {
			return nil
		}
		if other.mu.TryLock() {
			err := p.refreshLocked(ctx, other, stateRetry)
			other.mu.Unlock()
			if ctx.Err() != nil || errors.Is(err, ErrLedger) {
				return err
			}
			// What could not be read stays exposed as it was: this channel is not held up by that one.
		}
	}
	return nil
}

// fundedLocked compares a total with the reserve, the trust and the free balance, and books the exposure if told to.
func (p *Payee) fundedLocked(ch *payeeChannel, t Terms, total contracts.Amount, book bool) error {
	trust := p.cfg.Trust
	if p.cfg.NoTrust {
		trust = contracts.Amount{}
	} else if trust.IsZero() {
		var err error
		if trust, err = Cost(t.PricePerGiB, TrustBytes); err != nil {
			trust = contracts.MaxAmount()
		}
	}
	now := time.Now()
	state, stale := p.countsLocked(ch, now), !ch.fresh(now, stateMaxAge)
	floor := ch.released.floor(state)
	p.mu.Lock()
	defer p.mu.Unlock()
	left := trust
	for _, other := range p.payers[ch.account.Channel.Payer] {
		if other != ch {
			left = left.SubFloor(other.exposure)
		}
	}
	left = minAmount(left, state.Free)
	have, err := floor.Add(left)
	if err != nil {
		have = contracts.MaxAmount()
	}
	if have.Less(total) {
		var blind error
		if stale { // more may be there, which nobody has seen
			blind = p.down
		}
		return &UnfundedError{
			Channel: ch.account.Channel, Have: have, Want: total, Free: state.Free, Trust: trust, Blind: blind,
		}
	}
	if book {
		ch.exposure = total.SubFloor(floor)
	}
	return nil
}

// claimShare moves what a promise says is its session's from the part that is nobody's, as far as that goes, and
// returns the session's share. Without a hint the session gets what the promise raises.
func claimShare(a *ledger.Account, share, raise, hint contracts.Amount) contracts.Amount {
	want := raise
	if !hint.IsZero() {
		want = hint.SubFloor(share)
	}
	want = minAmount(want, a.Other)
	a.Other = a.Other.SubFloor(want)
	sum, err := share.Add(want)
	if err != nil {
		panic("payments: a session's share exceeds its channel's total")
	}
	return sum
}

func (s *payeeSession) creditLocked(loss int) Credit {
	c := Credit{Paid: s.share, Bytes: Bytes(s.terms.PricePerGiB, s.share)}
	if !s.share.Less(s.tick) {
		history := Bytes(s.terms.PricePerGiB, s.channel.state.Settled)
		window := grownWindow(SpeedWindow(s.terms.Window, c.Bytes, s.pace.rate), history)
		c.Window = addSat(window, c.Bytes/1000*uint64(max(0, loss)))
	}
	c.Limit = addSat(c.Bytes, c.Window)
	return c
}
