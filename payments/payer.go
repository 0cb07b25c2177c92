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
	cfg  PayerConfig
	tick contracts.Amount // price of one
	book *vaultBook
	ch   *payerChannel
	now  func() time.Time

	mu       sync.Mutex
	row      int64
	share    contracts.Amount // what this session was billed
	usage    Usage
	promises int
	last     Promise
	lastAt   time.Time        // when it was signed
	restored contracts.Amount // of the channel's total, not known to this ledger
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
	committed, ceiling, settled contracts.Amount
}

// NewPayer records the session and reads the channel's lifetime total from the ledger. The id is used once:
// [ErrSessionClosed] and [ErrSessionExists] say that it was. A tick above [MaxTick] is refused.
func NewPayer(ctx context.Context, cfg PayerConfig) (*Payer, error) {
	terms, err := withDefaults(cfg.Terms)
	if err != nil {
		return nil, err
	}
	cfg.Terms = terms
	if got := cfg.Signer.Address(); got != terms.Channel.Signer {
		return nil, fmt.Errorf("%w: key is %s, the channel's is %s", ErrSecondSigner, got, terms.Channel.Signer)
	}
	if terms.Tick > MaxTick {
		return nil, fmt.Errorf("terms: a tick of %d bytes would be prepaid, %d is the most that is: choose another offer",
			terms.Tick, uint64(MaxTick))
	}
	p := &Payer{cfg: cfg, now: time.Now}
	if p.tick, err = Cost(terms.PricePerGiB, terms.Tick); err != nil {
		return nil, err
	}
	account, err := cfg.Ledger.OpenAccount(ctx, ledger.Payer, ledger.Domain(cfg.Domain), terms.Channel)
	if err != nil {
		return nil, err
	}
	if p.book, p.ch, err = cfg.Ledger.payerChannel(ctx, account); err != nil {
		return nil, err
	}
	if err := cfg.Ledger.Do(ctx, func(tx *ledger.Tx) (err error) {
		p.row, err = tx.OpenSession(account, terms)
		return err
	}); err != nil {
		return nil, err
	}
	if cfg.Funds != nil {
		if err := p.book.refresh(ctx, cfg.Funds, time.Time{}); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// First returns the promise that a session is opened with: the channel then holds the price of a tick that no session was
// billed for. Where it holds that already, since a provider took a tick and has not served it, nothing is added: a refusal
// costs nothing, however often it comes. Called again, also after [Payer.Adopt], it returns the latest promise, raised
// where it must be. [ErrSpendCap] where the cap or the funds don't cover a tick.
func (p *Payer) First(ctx context.Context) (Promise, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return Promise{}, ErrSessionClosed
	}
	if p.cfg.SpendCap.Less(p.tick) {
		return Promise{}, &SpendCapError{Limit: p.cfg.SpendCap, Spent: p.share, Want: p.tick}
	}
	if err := p.raiseLocked(ctx, raise{share: p.share, ahead: p.tick, whole: true}); err != nil {
		return Promise{}, err
	}
	return p.last, nil
}

// Due returns the next promise where one is due ([TickDue]). It is stored before it is returned. Short says that the
// provider forwards little or nothing ahead of what it is paid: then up to a tick is prepaid. At the cap it pays what the
// cap still covers; once that is used up it returns [ErrSpendCap]. The same holds for the funds.
func (p *Payer) Due(ctx context.Context, u Usage, short bool) (Promise, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	cost, err := p.countLocked(u)
	if err != nil {
		return Promise{}, false, err
	}
	paid := addFloor(p.share, p.ch.credit())
	r := raise{share: cost}
	switch {
	case short && p.prepays(cost, paid):
		r.ahead = p.tick
	case !paid.Less(cost):
		return Promise{}, false, nil
	case cost.Less(p.cfg.SpendCap):
		billed := p.usage.Billed()
		unpaid := billed - min(billed, Bytes(p.cfg.Terms.PricePerGiB, paid))
		if !TickDue(p.cfg.Terms.Tick, billed, unpaid, p.now().Sub(p.lastAt)) {
			return Promise{}, false, nil
		}
	}
	return p.payLocked(ctx, r)
}

// prepays reports whether so little is left of what is prepaid that more should be: three quarters of a tick, so that each
// promise brings a quarter, or less at the cap.
func (p *Payer) prepays(cost, paid contracts.Amount) bool {
	least := priceOf(p.cfg.Terms, p.cfg.Terms.Tick-p.cfg.Terms.Tick/earlyParts)
	least = minAmount(least, p.cfg.SpendCap.SubFloor(cost))
	return !least.IsZero() && !least.Less(paid.SubFloor(cost))
}

// Final returns the promise that bills the session for exactly what it cost and closes it, as far as cap and funds go. What
// was prepaid and not used stays the channel's. There is none where nothing changes; [ErrSpendCap] says that something
// is left to pay, and nothing more will be signed. Called again it returns none.
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
		promise, ok, err = p.payLocked(ctx, raise{share: cost, final: true})
	}
	if err != nil && !errors.Is(err, ErrSpendCap) {
		return Promise{}, false, err
	}
	if !p.closed {
		if err := p.cfg.Ledger.Do(ctx, func(tx *ledger.Tx) error { return tx.EndSession(p.row, p.usage) }); err != nil {
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

// Spent is what this session was billed, in base units.
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

// raise is what a promise shall bring.
type raise struct {
	share contracts.Amount // what the session is billed with it
	ahead contracts.Amount // what the channel then holds that no session is billed for
	whole bool             // less than all of it is of no use
	final bool             // the session ends with it
}

// payLocked bills the session for the cost, or for the cap.
func (p *Payer) payLocked(ctx context.Context, r raise) (Promise, bool, error) {
	cost := r.share
	r.share = minAmount(cost, p.cfg.SpendCap)
	r.ahead = minAmount(r.ahead, p.cfg.SpendCap.SubFloor(r.share))
	if !p.share.Less(r.share) && r.ahead.IsZero() {
		return Promise{}, false, &SpendCapError{Limit: p.cfg.SpendCap, Spent: p.share, Want: cost}
	}
	before := p.promises
	if err := p.raiseLocked(ctx, r); err != nil {
		return Promise{}, false, err
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
	used := minAmount(bill, a.Credit)
	more, held := bill.SubFloor(used), a.Credit.SubFloor(used)
	ahead := r.ahead.SubFloor(held)
	// What the chain has settled was promised, whatever this ledger knows.
	lost := p.book.settledOn(p.ch).SubFloor(a.Total)
	from := addFloor(a.Total, lost)
	total, err := from.Add(addFloor(more, ahead))
	if err != nil {
		return fmt.Errorf("raise promise of %s by %s: %w", a.Channel, addFloor(more, ahead), err)
	}
	if total == from {
		if bill.IsZero() && p.promises > 0 && p.last.Cumulative == a.Total {
			return nil
		}
		lost, total = contracts.Amount{}, a.Total // the same promise, signed for this session's share
	}
	granted := total
	switch {
	case p.cfg.Funds == nil, total == a.Total:
		p.book.commit(p.ch, total)
	default:
		if granted = p.book.grant(p.ch, total, true); granted.Less(total) {
			if err := p.book.refresh(ctx, p.cfg.Funds, time.Now().Add(-fundsAge)); err != nil {
				return err
			}
			granted = p.book.grant(p.ch, total, r.whole)
		}
	}
	if granted.Less(total) {
		can := granted.SubFloor(from)
		more = minAmount(more, can)
		ahead = minAmount(ahead, can.SubFloor(more))
		if r.whole || used.IsZero() && more.IsZero() && ahead.IsZero() {
			limit := addFloor(addFloor(p.share, a.Credit), can)
			return &SpendCapError{Limit: limit, Spent: p.share, Want: addFloor(r.share, r.ahead), Funds: true}
		}
	}
	share := addFloor(p.share, addFloor(used, more))
	a.Total, a.Other = addFloor(addFloor(a.Total, lost), addFloor(more, ahead)), addFloor(a.Other, lost)
	a.Credit = addFloor(held, ahead)
	promise, err := p.signLocked(a.Total, share)
	if err != nil {
		return err
	}
	a.Sig = promise.Sig
	if err := p.cfg.Ledger.Do(ctx, func(tx *ledger.Tx) error {
		if err := tx.StorePromise(a, ledger.Share{Session: p.row, Amount: share, Usage: p.usage}); err != nil || !r.final {
			return err
		}
		return tx.EndSession(p.row, p.usage)
	}); err != nil {
		return err
	}
	p.ch.account = a
	p.share, p.last, p.lastAt, p.closed = share, promise, p.now(), r.final
	p.restored = addFloor(p.restored, lost)
	p.promises++
	return nil
}

// credit is what the channel holds that no session was billed for.
func (ch *payerChannel) credit() contracts.Amount {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.account.Credit
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

// settledOn is what the chain has settled on a channel, as far as it was read.
func (b *vaultBook) settledOn(ch *payerChannel) contracts.Amount {
	b.mu.Lock()
	defer b.mu.Unlock()
	return ch.settled
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
	ceilings, settled := make([]contracts.Amount, len(list)), make([]contracts.Amount, len(list))
	for i, ch := range list {
		state, err := funds(ctx, ch.channel)
		if err != nil {
			return fmt.Errorf("read funds of %s: %w", ch.channel, err)
		}
		// A claim between two reads moves a sum from free to settled: the lower free is on the safe side.
		free = minAmount(free, state.Free)
		ceilings[i], settled[i] = maxAmount(state.Ceiling, state.Settled), state.Settled
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, ch := range list {
		ch.ceiling, ch.settled = ceilings[i], settled[i]
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
