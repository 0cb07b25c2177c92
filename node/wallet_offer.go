package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/contracts/disk"
	"byway/registry"
)

// Cold is an account whose key is elsewhere: it names itself, and signs nothing.
func Cold(account common.Address) contracts.Signer { return coldSigner{account} }

// CheckOffer says what is wrong with an offer that was signed elsewhere. Where the provider is a smart wallet, its
// contract is asked.
func CheckOffer(ctx context.Context, n Network, signed registry.Signed) error {
	client, err := dialLazy(ctx, n, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer client.Close()
	return signed.Verify(ctx, client, n.Deployment)
}

// UnsignedPublish keeps a signed offer's block in the home, as [OfferDesk.Publish] does, and returns what puts it into the
// registry, to be signed where the provider's key is. The block is announced whenever a node runs on this home.
func (d OfferDesk) UnsignedPublish(ctx context.Context, signed registry.Signed, stake contracts.Amount) ([]UnsignedTx, error) {
	return d.collect(ctx, func(p *parts, sender registry.Sender) error {
		p.hearTime(ctx)
		if _, err := p.registry.Publish(ctx, sender, signed, stake); err != nil {
			return p.token.inTokens(err)
		}
		return disk.WriteFile(p.home.path("offer.cbor"), signed.Block, 0o600)
	})
}

// UnsignedRetire returns what takes the provider's offer out of the registry. Nothing is left to sign where it is out.
func (d OfferDesk) UnsignedRetire(ctx context.Context) ([]UnsignedTx, error) {
	return d.collect(ctx, func(p *parts, sender registry.Sender) error {
		_, err := p.registry.Leave(ctx, sender)
		return err
	})
}

// ErrNoStake says that a provider has no stake to take back: none was locked, or it is locked still.
var ErrNoStake = errors.New("no stake is being unbonded: byway provider offer retire begins it")

// WithdrawStake pays out what of the stake has waited for its unbonding delay, to the provider where to is zero, and tells
// what is left.
func (d OfferDesk) WithdrawStake(ctx context.Context, to common.Address) (_ contracts.Amount, left registry.Unbonding, err error) {
	p, err := d.open(ctx)
	if err != nil {
		return contracts.Amount{}, left, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	amount, err := p.withdrawStake(ctx, p.sender, to)
	if err != nil {
		return amount, left, err
	}
	if left, err = p.registry.Unbonding(ctx, p.sender.Address()); err != nil {
		err = fmt.Errorf("%s were taken back, and what is left can't be read: %w", p.token.Format(amount), err)
	}
	return amount, left, err
}

// UnsignedWithdrawStake returns what [OfferDesk.WithdrawStake] would send.
func (d OfferDesk) UnsignedWithdrawStake(ctx context.Context, to common.Address) ([]UnsignedTx, error) {
	return d.collect(ctx, func(p *parts, sender registry.Sender) error {
		_, err := p.withdrawStake(ctx, sender, to)
		return err
	})
}

func (p *parts) withdrawStake(ctx context.Context, sender registry.Sender, to common.Address) (contracts.Amount, error) {
	if to == (common.Address{}) {
		to = sender.Address()
	}
	amount, err := p.registry.Withdraw(ctx, sender, to)
	if err == nil && amount.IsZero() {
		err = fmt.Errorf("%s: %w", sender.Address(), ErrNoStake)
	}
	return amount, err
}

// collect keeps what an action would send, instead of sending it.
func (d OfferDesk) collect(ctx context.Context, act func(*parts, registry.Sender) error) (_ []UnsignedTx, err error) {
	p, err := d.open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	w, err := p.wallet(WalletConfig{Home: d.Home, Network: d.Network, Owner: d.Key.Address(), Log: d.Log})
	if err != nil {
		return nil, err
	}
	if err := act(p, w.unsent); err != nil {
		return nil, err
	}
	return w.Unsigned(ctx)
}
