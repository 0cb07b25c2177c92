package payments

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/payments/ledger"
)

// fundsAge is how old the chain's word on a vault may be before a payer asks again at the end of its funds.
const fundsAge = time.Second

// PayerConfig says who pays for a session and how much at most. Everything but Funds is required.
type PayerConfig struct {
	Domain Domain
	Ledger *Ledger
	// Signer is the session key: the channel's signer.
	Signer contracts.Signer
	Terms  Terms
	// SpendCap is the most that this session may cost, in base units.
	SpendCap contracts.Amount
	// Funds reads a channel from the chain ([ChainView.State]), so that no promise exceeds what the channel can pay,
	// with what other payees hold of the same vault left to them. It is asked when the payer is made, and again
	// when the funds seem to end. Nil: only the cap holds.
	Funds func(context.Context, contracts.Channel) (ChannelState, error)
}

// Payer is the consumer's side of one session's payments. Sessions of one channel share its lifetime total through the
// ledger. Safe for concurrent use.
type Payer struct {
	cfg   PayerConfig
	first contracts.Amount // price of one tick
	book  *vaultBook
	ch    *payerChannel
	now   func() time.Time

	mu       sync.Mutex
	row      int64
	share    contracts.Amount // what this session has paid
	usage    Usage
	promises int
	last     Promise
	lastAt   time.Time // when it was signed
	closed   bool
}

// vaultKey names a vault of one contract.
type vaultKey struct {
	Domain
	contracts.Vault
}

// vaultBook is the payer's side of one vault: its channels share the free balance.
type vaultBook struct {
	mu       sync.Mutex // taken after payerChannel.mu
	channels map[common.Address]*payerChannel
	free     contracts.Amount
	readAt   time.Time // when the chain was last asked; zero: never
}

// payerChannel is one channel of a vault.
type payerChannel struct {
	channel contracts.Channel
	mu      sync.Mutex // held from the choice of a total until it is stored
	account ledger.Account

	// Guarded by vaultBook.mu. Committed is the highest total that was ever about to be signed.
	committed, ceiling contracts.Amount
}

// NewPayer records the session and reads the channel's lifetime total from the ledger. A session that was opened
// before with the same terms goes on; [ErrSessionClosed] and [ErrSessionExists] say why it can't.
func NewPayer(ctx context.Context, cfg PayerConfig) (*Payer, error) {
	terms, err := withDefaults(cfg.Terms)
	if err != nil {
		return nil, err
	}
	cfg.Terms = terms
	if got := cfg.Signer.Address(); got != terms.Channel.Signer {
		return nil, fmt.Errorf("%w: key is %s, the channel's is %s", ErrSecondSigner, got, terms.Channel.Signer)
	}
	p := &Payer{cfg: cfg, now: time.Now}
	if p.first, err = Cost(terms.PricePerGiB, terms.Tick); err != nil {
		return nil, err
	}
	account, err := cfg.Ledger.OpenAccount(ctx, ledger.Payer, ledger.Domain(cfg.Domain), terms.Channel)
	if err != nil {
		return nil, err
	}
	if p.book, p.ch, err = cfg.Ledger.payerChannel(ctx, account); err != nil {
		return nil, err
	}
	row, err := cfg.Ledger.OpenSession(ctx, account, terms)
	if err != nil {
		return nil, err
	}
	p.row, p.share = row.ID, row.Amount
	if cfg.Funds != nil {
		if err := p.book.refresh(ctx, cfg.Funds, time.Time{}); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// First returns the promise that prepays one tick. Called again, also after [Payer.Adopt], it returns the session's
// latest promise. [ErrSpendCap] where the cap or the funds don't cover a tick.
func (p *Payer) First(ctx context.Context) (Promise, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return Promise{}, ErrSessionClosed
	}
	if p.promises > 0 && !p.share.Less(p.first) {
		return p.last, nil
	}
	if p.cfg.SpendCap.Less(p.first) {
		return Promise{}, &SpendCapError{Limit: p.cfg.SpendCap, Spent: p.share, Want: p.first}
	}
	// A resumed session has prepaid already: its latest promise is signed once more.
	if _, err := p.raiseLocked(ctx, maxAmount(p.share, p.first), true, false); err != nil {
		return Promise{}, err
	}
	return p.last, nil
}

// Adopt takes the payee's word for our latest promise, which is checked by our own signature: a ledger that was lost or
// restored from a backup catches up, and this session's share comes on top. Ask [Payer.First] or [Payer.Last] for the
// promise to send then. A promise that the ledger knows, or knows to be outdated, changes nothing.
func (p *Payer) Adopt(ctx context.Context, latest Promise) error {
	if latest.Channel != p.cfg.Terms.Channel {
		return fmt.Errorf("adopt promise: %w: %s", ErrWrongChannel, latest.Channel)
	}
	if err := p.cfg.Domain.Verify(latest); err != nil {
		return fmt.Errorf("adopt promise: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrSessionClosed
	}
	p.ch.mu.Lock()
	defer p.ch.mu.Unlock()
	a := p.ch.account
	if !a.Total.Less(latest.Cumulative) {
		return nil
	}
	// What other sessions have paid is part of the adopted total; what this one has, the payee can't have counted.
	var err error
	was := a.Total
	if a.Total, err = latest.Cumulative.Add(p.share); err != nil {
		return fmt.Errorf("adopt promise: %w", err)
	}
	up, _ := a.Total.Sub(was)
	if a.Other, err = a.Other.Add(up); err != nil {
		return fmt.Errorf("adopt promise: %w", err)
	}
	signed := latest
	if !p.share.IsZero() {
		if signed, err = p.signLocked(a.Total, p.share); err != nil {
			return err
		}
	}
	a.Sig = signed.Sig
	if err := p.cfg.Ledger.Do(ctx, func(tx *ledger.Tx) error { return tx.StorePromise(a, p.row, p.share) }); err != nil {
		return err
	}
	p.ch.account = a
	p.book.commit(p.ch, a.Total)
	if !p.share.IsZero() {
		p.last = signed
		p.promises++
	}
	return nil
}

// Due returns the next promise where one is due: when a tick or more is unpaid, and not more often than every 100 ms on
// a session that has reached its speed ([TickDue]). It is stored before it is returned. At the cap it pays what the cap
// still covers; once that is used up it returns [ErrSpendCap]. The same holds for the funds.
func (p *Payer) Due(ctx context.Context, u Usage) (Promise, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	cost, err := p.countLocked(u)
	if err != nil || !p.share.Less(cost) {
		return Promise{}, false, err
	}
	billed := p.usage.Billed()
	unpaid := billed - min(billed, Bytes(p.cfg.Terms.PricePerGiB, p.share))
	if cost.Less(p.cfg.SpendCap) && !TickDue(p.cfg.Terms.Tick, billed, unpaid, p.now().Sub(p.lastAt)) {
		return Promise{}, false, nil
	}
	return p.payLocked(ctx, cost, false)
}

// Final returns the promise that pays the exact rest and closes the session: max(first tick, cost of what is billed) in
// all, as far as cap and funds go. There is none where nothing is left to pay; [ErrSpendCap] says that something is,
// and nothing more will be signed. Called again it returns none.
func (p *Payer) Final(ctx context.Context, u Usage) (Promise, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return Promise{}, false, nil
	}
	cost, err := p.countLocked(u)
	if err != nil {
		return Promise{}, false, err
	}
	promise, ok, err := Promise{}, false, error(nil)
	if p.share.Less(cost) {
		promise, ok, err = p.payLocked(ctx, cost, true)
	}
	if err != nil && !errors.Is(err, ErrSpendCap) {
		return Promise{}, false, err
	}
	if !p.closed {
		if err := p.cfg.Ledger.Do(ctx, func(tx *ledger.Tx) error {
			return tx.EndSession(p.row, p.usage)
		}); err != nil {
			return Promise{}, false, err
		}
		p.closed = true
	}
	return promise, ok, err
}

// Last returns the session's latest promise, for sending it again; the zero promise where there is none.
func (p *Payer) Last() Promise {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// Spent is what this session has paid, in base units.
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
func (p *Payer) countLocked(u Usage) (contracts.Amount, error) {
	if p.closed {
		return contracts.Amount{}, ErrSessionClosed
	}
	p.usage.Rx = max(p.usage.Rx, u.Rx)
	p.usage.Tx = max(p.usage.Tx, u.Tx)
	p.usage.PeerRx = max(p.usage.PeerRx, u.PeerRx)
	cost, err := Cost(p.cfg.Terms.PricePerGiB, p.usage.Billed())
	if err != nil {
		return cost, fmt.Errorf("cost of %d bytes: %w", p.usage.Billed(), err)
	}
	return cost, nil
}

// payLocked raises the session's share to the cost, or to the cap.
func (p *Payer) payLocked(ctx context.Context, cost contracts.Amount, final bool) (Promise, bool, error) {
	want := minAmount(cost, p.cfg.SpendCap)
	if !p.share.Less(want) {
		return Promise{}, false, &SpendCapError{Limit: p.cfg.SpendCap, Spent: p.share, Want: cost}
	}
	ok, err := p.raiseLocked(ctx, want, false, final)
	if err != nil || !ok {
		return Promise{}, false, err
	}
	return p.last, true, nil
}

// raiseLocked signs and stores a promise that lifts the session's share to want, or to what the funds cover. Whole says
// that less than want is of no use. A lifetime total that does not fit 96 bits is [contracts.ErrOverflow].
func (p *Payer) raiseLocked(ctx context.Context, want contracts.Amount, whole, final bool) (bool, error) {
	p.ch.mu.Lock()
	defer p.ch.mu.Unlock()
	a := p.ch.account
	up, err := want.Sub(p.share)
	if err != nil {
		return false, fmt.Errorf("raise promise: %w", err)
	}
	total, err := a.Total.Add(up)
	if err != nil {
		return false, fmt.Errorf("raise promise of %s by %s: %w", a.Channel, up, err)
	}
	granted := total
	if p.cfg.Funds == nil {
		p.book.commit(p.ch, total)
	} else if granted = p.book.grant(p.ch, total, true); granted.Less(total) {
		if err := p.book.refresh(ctx, p.cfg.Funds, time.Now().Add(-fundsAge)); err != nil {
			return false, err
		}
		granted = p.book.grant(p.ch, total, whole)
	}
	if granted.Less(total) && (whole || !a.Total.Less(granted)) {
		limit, err := p.share.Add(granted.SubFloor(a.Total))
		if err != nil {
			return false, err
		}
		return false, &SpendCapError{Limit: limit, Spent: p.share, Want: want, Funds: true}
	}
	share, err := p.share.Add(granted.SubFloor(a.Total))
	if err != nil {
		return false, err
	}
	promise, err := p.signLocked(granted, share)
	if err != nil {
		return false, err
	}
	a.Total, a.Sig = granted, promise.Sig
	if err := p.cfg.Ledger.Do(ctx, func(tx *ledger.Tx) error {
		if err := tx.StorePromise(a, p.row, share); err != nil {
			return err
		}
		if final {
			return tx.EndSession(p.row, p.usage)
		}
		return tx.StoreUsage(p.row, p.usage)
	}); err != nil {
		return false, err
	}
	p.ch.account = a
	p.share, p.last, p.lastAt, p.closed = share, promise, p.now(), final
	p.promises++
	return true, nil
}

func (p *Payer) signLocked(total, share contracts.Amount) (Promise, error) {
	return p.cfg.Domain.Sign(Promise{Channel: p.cfg.Terms.Channel, Cumulative: total, Share: share}, p.cfg.Signer)
}

// payerChannel finds a channel's book, loading its vault from the ledger first.
func (l *Ledger) payerChannel(ctx context.Context, a ledger.Account) (*vaultBook, *payerChannel, error) {
	d, c := a.Domain, a.Channel
	l.mu.Lock()
	defer l.mu.Unlock()
	key := vaultKey{Domain(d), c.Vault}
	book := l.books[key]
	if book == nil {
		list, err := l.AccountsOfVault(ctx, d, c.Vault)
		if err != nil {
			return nil, nil, err
		}
		book = &vaultBook{channels: map[common.Address]*payerChannel{}}
		for _, other := range list {
			book.channels[other.Channel.Payee] = newPayerChannel(other)
		}
		l.books[key] = book
	}
	book.mu.Lock()
	defer book.mu.Unlock()
	ch := book.channels[c.Payee]
	if ch == nil {
		ch = newPayerChannel(a)
		book.channels[c.Payee] = ch
	}
	return book, ch, nil
}

func newPayerChannel(a ledger.Account) *payerChannel {
	return &payerChannel{channel: a.Channel, account: a, committed: a.Total}
}

// grant returns how much of a total the vault can pay on that channel, and commits it: with whole set only where it
// can pay all of it.
func (b *vaultBook) grant(ch *payerChannel, total contracts.Amount, whole bool) contracts.Amount {
	b.mu.Lock()
	defer b.mu.Unlock()
	free := b.free
	for _, other := range b.channels {
		if other != ch {
			free = free.SubFloor(other.committed.SubFloor(other.ceiling))
		}
	}
	can, err := ch.ceiling.Add(free)
	if err != nil {
		can = contracts.MaxAmount()
	}
	// What has been promised stays promised, whatever the chain says now.
	granted := minAmount(total, maxAmount(can, ch.committed))
	if granted == total || !whole {
		ch.committed = maxAmount(ch.committed, granted)
	}
	return granted
}

func (b *vaultBook) commit(ch *payerChannel, total contracts.Amount) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ch.committed = maxAmount(ch.committed, total)
}

// refresh reads the vault's channels from the chain where that was last done before the time given, or never.
func (b *vaultBook) refresh(ctx context.Context, funds func(context.Context, contracts.Channel) (ChannelState, error),
	before time.Time,
) error {
	b.mu.Lock()
	if !before.IsZero() && b.readAt.After(before) {
		b.mu.Unlock()
		return nil
	}
	list := make([]*payerChannel, 0, len(b.channels))
	for _, ch := range b.channels {
		list = append(list, ch)
	}
	b.mu.Unlock()
	free := contracts.MaxAmount()
	ceilings := make([]contracts.Amount, len(list))
	for i, ch := range list {
		state, err := funds(ctx, ch.channel)
		if err != nil {
			return fmt.Errorf("read funds of %s: %w", ch.channel, err)
		}
		// A claim between two reads moves a sum from free to settled: the lower free is on the safe side.
		free = minAmount(free, state.Free)
		ceilings[i] = maxAmount(state.Ceiling, state.Settled)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, ch := range list {
		ch.ceiling = ceilings[i]
	}
	b.free, b.readAt = free, time.Now()
	return nil
}

func minAmount(a, b contracts.Amount) contracts.Amount {
	if b.Less(a) {
		return b
	}
	return a
}

func maxAmount(a, b contracts.Amount) contracts.Amount {
	if a.Less(b) {
		return b
	}
	return a
}
