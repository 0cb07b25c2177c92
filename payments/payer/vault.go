package payer

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/payments"
	"byway/payments/chainview"
	"byway/payments/ledger"
)

// fundsAge is how old the chain's word on a vault may be before a payer asks again at the end of its funds.
const fundsAge = time.Second

// vaultKey names a vault of one contract.
type vaultKey struct {
	payments.Domain
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

// credit returns how much of the channel's total no session was billed for.
func (ch *payerChannel) credit() contracts.Amount {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.account.Credit
}

// openBook finds a channel's book, loading its vault from the ledger first.
func openBook(ctx context.Context, l *ledger.Ledger, a ledger.Account) (*vaultBook, *payerChannel, error) {
	d, c := a.Domain, a.Channel
	list, err := l.AccountsOfVault(ctx, d, c.Vault)
	if err != nil {
		return nil, nil, err
	}
	book := &vaultBook{channels: map[common.Address]*payerChannel{}}
	for _, other := range list {
		book.channels[other.Channel.Payee] = newPayerChannel(other)
	}
	book = l.Shared(vaultKey{d, c.Vault}, book).(*vaultBook)
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
	granted := total.Min(can.Max(ch.committed))
	if granted == total || !whole {
		ch.committed = ch.committed.Max(granted)
	}
	return granted
}

// settledOn returns how much the chain has settled on a channel, as far as it was read.
func (b *vaultBook) settledOn(ch *payerChannel) contracts.Amount {
	b.mu.Lock()
	defer b.mu.Unlock()
	return ch.settled
}

func (b *vaultBook) commit(ch *payerChannel, total contracts.Amount) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ch.committed = ch.committed.Max(total)
}

// refresh reads the vault's channels from the chain where that was last done before the time given, or never.
func (b *vaultBook) refresh(ctx context.Context, funds func(context.Context, contracts.Channel) (chainview.State, error),
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
		free = free.Min(state.Free)
		ceilings[i], settled[i] = state.Ceiling.Max(state.Settled), state.Settled
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, ch := range list {
		ch.ceiling, ch.settled = ceilings[i], settled[i]
	}
	b.free, b.readAt = free, time.Now()
	return nil
}
