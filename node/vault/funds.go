package vault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/contracts/chain"
	"byway/node/account"
)

// What a home believes to have while the chain is down is written down in funds.json. Everything that moves money keeps
// it true: before a transaction is sent it takes away what that may take, and once it is mined the chain is read again.
// Where that fails the home knows less than it has, never more.

// learnPatience bounds the reading after a transaction, which is only there for what the chain says later.
const learnPatience = 10 * time.Second

// vault is the account's.
func (w *Wallet) vault() contracts.Vault { return w.ChannelTo(common.Address{}).Vault }

// Send sends one transaction of the account's, with what it may take taken from what the home knows first.
func (w *Wallet) Send(ctx context.Context, takes func(*account.ChannelFunds), payee common.Address,
	send func() (chain.Result, error),
) (chain.Result, error) {
	unlock, err := w.holdFunds()
	if err != nil {
		return chain.Result{}, err
	}
	defer func() { _ = unlock() }() // the lock ends with the process anyway
	if takes != nil {
		if err := w.known.Expect(w.vault(), takes); err != nil {
			return chain.Result{}, fmt.Errorf("nothing was sent: write down what is about to change: %w", err)
		}
	}
	r, err := send()
	if w.Collector == nil {
		w.learn(ctx, payee)
	}
	return r, w.Token.InTokens(err)
}

// holdFunds makes sure that no daemon keeps what the home knows. A wallet that signs has the home for itself already;
// one that prepares for a key elsewhere takes it for the moment, and where a daemon has it, it is told by the chain.
func (w *Wallet) holdFunds() (func() error, error) {
	none := func() error { return nil }
	if w.Collector == nil || w.shared {
		return none, nil
	}
	unlock, err := w.Home.Lock()
	if err != nil {
		w.known = &account.Funds{Home: w.Home, Network: w.Network} // knows nothing, writes nothing
		return none, nil                                           //nolint:nilerr // a daemon has it
	}
	if w.known, err = account.ReadFunds(w.Home, w.Network); err != nil {
		return none, errors.Join(err, unlock())
	}
	return unlock, nil
}

// learn reads the vault's free balance again and, where one is named, a channel.
func (w *Wallet) learn(ctx context.Context, payee common.Address) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), learnPatience)
	defer cancel()
	c := w.ChannelTo(payee)
	if payee == (common.Address{}) {
		c = w.ChannelTo(w.cfg.Owner)
	}
	s, err := w.View.State(ctx, c)
	if err == nil {
		err = w.known.Remember(c, s)
	}
	if err != nil {
		w.Log.Warn("what this home knows of its funds is less than there may be, until the chain is read again", "error", err)
	}
}

// TakesFree takes that much from the free balance.
func TakesFree(amount contracts.Amount) func(*account.ChannelFunds) {
	return func(k *account.ChannelFunds) { k.Free = k.Free.SubFloor(amount) }
}

// TakesReserve takes what is set aside for one provider.
func TakesReserve(payee common.Address) func(*account.ChannelFunds) {
	return func(k *account.ChannelFunds) {
		if k.Payee == payee {
			k.Ceiling = k.Settled
		}
	}
}
