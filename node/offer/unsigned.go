package offer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/contracts/disk"
	"byway/node/account"
	"byway/node/home"
	"byway/node/vault"
	"byway/registry"
	"byway/registry/directory"
)

// Check says what is wrong with an offer that was signed elsewhere. Where the provider is a smart wallet, its
// contract is asked.
func Check(ctx context.Context, n home.Network, signed registry.SignedOffer) error {
	client, err := n.DialLazy(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer client.Close()
	return signed.Verify(ctx, client, n.Deployment)
}

// UnsignedPublish keeps a signed offer's block in the home, as [Desk.Publish] does, and returns what puts it into the
// registry, to be signed where the provider's key is. The block is announced whenever a node runs on this home.
func (d Desk) UnsignedPublish(ctx context.Context, signed registry.SignedOffer, stake contracts.Amount) ([]vault.UnsignedTx, error) {
	return d.collect(ctx, func(p *account.Account, sender directory.Sender) error {
		p.HearTime(ctx)
		if _, err := p.Registry.Publish(ctx, sender, signed, stake); err != nil {
			return p.Token.InTokens(err)
		}
		return disk.WriteFile(p.Home.Path("offer.cbor"), signed.Block, 0o600)
	})
}

// UnsignedRetire returns what takes the provider's offer out of the registry. Nothing is left to sign where it is out.
func (d Desk) UnsignedRetire(ctx context.Context) ([]vault.UnsignedTx, error) {
	return d.collect(ctx, func(p *account.Account, sender directory.Sender) error {
		_, err := p.Registry.Leave(ctx, sender)
		return err
	})
}

// ErrNoStake says that a provider has no stake to take back: none was locked, or it is locked still.
var ErrNoStake = errors.New("no stake is being unbonded")

// WithdrawStake pays out what of the stake has waited for its unbonding delay, to the provider where to is zero, and tells
// what is left.
func (d Desk) WithdrawStake(ctx context.Context, to common.Address) (_ contracts.Amount, left directory.Unbonding, err error) {
	p, err := d.open(ctx)
	if err != nil {
		return contracts.Amount{}, left, err
	}
	defer func() { err = errors.Join(err, p.CloseAll()) }()
	amount, err := withdrawStake(ctx, p, p.Sender, to)
	if err != nil {
		return amount, left, err
	}
	if left, err = p.Registry.Unbonding(ctx, p.Sender.Address()); err != nil {
		err = fmt.Errorf("%s were taken back, and what is left can't be read: %w", p.Token.Format(amount), err)
	}
	return amount, left, err
}

// UnsignedWithdrawStake returns what [Desk.WithdrawStake] would send.
func (d Desk) UnsignedWithdrawStake(ctx context.Context, to common.Address) ([]vault.UnsignedTx, error) {
	return d.collect(ctx, func(p *account.Account, sender directory.Sender) error {
		_, err := withdrawStake(ctx, p, sender, to)
		return err
	})
}

func withdrawStake(ctx context.Context, p *account.Account, sender directory.Sender, to common.Address) (contracts.Amount, error) {
	if to == (common.Address{}) {
		to = sender.Address()
	}
	amount, err := p.Registry.Withdraw(ctx, sender, to)
	if err == nil && amount.IsZero() {
		err = fmt.Errorf("%s: %w", sender.Address(), ErrNoStake)
	}
	return amount, err
}

// collect keeps what an action would send, instead of sending it.
func (d Desk) collect(ctx context.Context, act func(*account.Account, directory.Sender) error) (_ []vault.UnsignedTx, err error) {
	p, err := d.open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.CloseAll()) }()
	w, err := vault.New(p, vault.Config{Home: d.Home, Network: d.Network, Owner: d.Key.Address(), Log: d.Log})
	if err != nil {
		return nil, err
	}
	if err := act(p, w.Collector); err != nil {
		return nil, err
	}
	return w.Unsigned(ctx)
}
