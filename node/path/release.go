package path

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ipfs/go-cid"

	"byway/contracts"
	"byway/contracts/bindings/channels"
	"byway/contracts/chain"
	"byway/node/account"
	"byway/node/vault"
	"byway/node/wire"
	"byway/payments"
	"byway/registry"
)

// closeTries is how often a close is sent whose release was of an epoch that had ended.
const closeTries = 3

// OfferOf fetches and checks the offer that a provider has registered.
func (c *Consumer) OfferOf(ctx context.Context, provider common.Address) (registry.SignedOffer, error) {
	registration, err := c.Registry.Registration(ctx, provider)
	if err != nil {
		return registry.SignedOffer{}, err
	}
	if !registration.Registered() {
		return registry.SignedOffer{}, fmt.Errorf("provider %s has left the registry, so that it can't be found", provider)
	}
	for block, err := range c.IPFS.Get(ctx, []cid.Cid{registration.CID()}, nil) {
		if err != nil {
			return registry.SignedOffer{}, fmt.Errorf("offer of %s: %w", provider, err)
		}
		signed, err := registry.Decode(block)
		if err == nil {
			err = signed.Verify(ctx, c.Chain, c.Network.Deployment)
		}
		if err == nil && signed.Offer.Provider != provider {
			err = errors.New("it names another provider")
		}
		if err != nil {
			return registry.SignedOffer{}, fmt.Errorf("offer of %s: %w", provider, err)
		}
		return signed, nil
	}
	return registry.SignedOffer{}, ctx.Err()
}

// AskRelease asks a provider to agree that the channel is closed.
func (c *Consumer) AskRelease(ctx context.Context, o registry.Offer) (payments.Release, error) {
	stream, err := c.dialProtocol(ctx, o, wire.ReleaseProtocol)
	if err != nil {
		return payments.Release{}, err
	}
	over := wire.NewStream(stream)
	defer over.Close()
	channel := c.Channel(o)
	ask := &wire.AskRelease{
		Payer: channel.Payer, Signer: channel.Signer, Token: channel.Token, Time: uint64(c.Times().Now.Unix()),
	}
	hosts := wire.Hosts{Consumer: c.IPFS.Host().ID(), Provider: stream.Conn().RemotePeer()}
	if err := ask.Sign(c.Domain, o.Payee, hosts, c.cfg.Session); err != nil {
		return payments.Release{}, err
	}
	if err := over.Send(ask); err != nil {
		return payments.Release{}, err
	}
	reply, err := over.Receive(welcomeTimeout)
	if errors.Is(err, io.EOF) {
		err = errors.New("the provider hung up")
	}
	if err != nil {
		return payments.Release{}, fmt.Errorf("wait for the provider's release: %w", err)
	}
	switch f := reply.(type) {
	case *wire.Release:
		r, err := f.On(channel)
		if err != nil {
			return payments.Release{}, err
		}
		return r, c.Domain.VerifyRelease(r)
	case *wire.Refusal:
		return payments.Release{}, f.Err()
	}
	return payments.Release{}, &wire.ProtocolError{Err: fmt.Errorf("%s does not answer AskRelease", wire.Name(reply))}
}

// CloseChannel ends the channel to a provider in one transaction, with the provider's consent: it pays what is owed,
// takes the rest of the reserve back and withdraws the vault's whole free balance to an address, the account's own where
// that is zero. What it says was moved is what the vault gave. A provider that has a reserve posted while its consent is on
// its way, which ends the epoch that it consented in, is asked again.
func (c *Consumer) CloseChannel(ctx context.Context, provider common.Address, to common.Address) (vault.Receipt, error) {
	w, err := c.Wallet()
	if err != nil {
		return vault.Receipt{}, err
	}
	return c.closeChannel(ctx, w, provider, to)
}

// UnsignedClose returns what [Consumer.CloseChannel] would send, to be signed where the account's key is. It is good for
// as long as the provider's consent: a quarter of an hour.
func (c *Consumer) UnsignedClose(ctx context.Context, provider, to common.Address) ([]vault.UnsignedTx, error) {
	w, err := vault.New(c.Account, vault.Config{
		Home: c.Home, Network: c.Network, Owner: c.Key.Address(), Session: c.cfg.Session.Address(), Log: c.Log,
	})
	if err != nil {
		return nil, err
	}
	w.Share(c.known)
	if _, err := c.closeChannel(ctx, w, provider, to); err != nil {
		return nil, err
	}
	return w.Unsigned(ctx)
}

func (c *Consumer) closeChannel(ctx context.Context, w *vault.Wallet, provider, to common.Address) (vault.Receipt, error) {
	status, err := w.Channel(ctx, provider)
	if err != nil {
		return vault.Receipt{}, err
	}
	if status.Reserved.IsZero() {
		return vault.Receipt{}, fmt.Errorf("%s: %w", provider, vault.ErrNoReserve)
	}
	offer, err := c.OfferOf(ctx, provider)
	if err != nil {
		return vault.Receipt{}, err
	}
	// The provider may know of promises that this disk has lost, and they stay owed. It must not keep more than those.
	var last *payments.Promise
	if !status.Owed.IsZero() {
		// The same total signed again is the same promise.
		p, err := c.Domain.Sign(payments.Promise{Channel: w.ChannelTo(provider), Cumulative: status.Promised}, c.cfg.Session)
		if err != nil {
			return vault.Receipt{}, err
		}
		last = &p
	}
	if to == (common.Address{}) {
		to = c.Key.Address()
	}
	takes := func(k *account.ChannelFunds) {
		k.Free = contracts.Amount{}
		vault.TakesReserve(provider)(k)
	}
	var r chain.Result
	for try := 1; ; try++ {
		release, err := c.AskRelease(ctx, offer.Offer)
		if err != nil {
			return vault.Receipt{}, err
		}
		r, err = w.Send(ctx, takes, provider, func() (chain.Result, error) {
			return w.Funding.Close(ctx, "", last, release, to)
		})
		if err == nil {
			break
		}
		if try == closeTries || !chain.Reverted(err, "WrongEpoch") {
			return vault.Receipt{}, err
		}
	}
	for _, log := range r.Logs {
		if e, err := channels.NewChannels().UnpackWithdrawnEvent(log); err == nil && log.Address == c.Network.Channels {
			amount, err := contracts.AmountFromBig(e.Amount)
			return vault.NewReceipt("close", amount, r), err
		}
	}
	return vault.NewReceipt("close", contracts.Amount{}, r), nil
}
