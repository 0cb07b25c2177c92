package node

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
	"byway/node/wire"
	"byway/payments"
	"byway/registry"
)

// closeTries is how often a close is sent whose release was of an epoch that had ended.
const closeTries = 3

// OfferOf fetches and checks the offer that a provider has registered.
func (c *Consumer) OfferOf(ctx context.Context, provider common.Address) (registry.Signed, error) {
	registration, err := c.registry.Registration(ctx, provider)
	if err != nil {
		return registry.Signed{}, err
	}
	if !registration.Registered() {
		return registry.Signed{}, fmt.Errorf("provider %s has left the registry, so that it can't be found", provider)
	}
	for block, err := range c.ipfs.Get(ctx, []cid.Cid{registration.CID()}, nil) {
		if err != nil {
			return registry.Signed{}, fmt.Errorf("offer of %s: %w", provider, err)
		}
		signed, err := registry.Decode(block)
		if err == nil {
			err = signed.Verify(ctx, c.chain, c.network.Deployment)
		}
		if err == nil && signed.Offer.Provider != provider {
			err = errors.New("it names another provider")
		}
		if err != nil {
			return registry.Signed{}, fmt.Errorf("offer of %s: %w", provider, err)
		}
		return signed, nil
	}
	return registry.Signed{}, ctx.Err()
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
		Payer: channel.Payer, Signer: channel.Signer, Token: channel.Token, Time: uint64(c.chainTimes().now.Unix()),
	}
	hosts := wire.Hosts{Consumer: c.ipfs.Host().ID(), Provider: stream.Conn().RemotePeer()}
	if err := ask.Sign(c.domain, o.Payee, hosts, c.cfg.Session); err != nil {
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
		return r, c.domain.VerifyRelease(r)
	case *wire.Refused:
		return payments.Release{}, f.Err()
	}
	return payments.Release{}, &wire.ProtocolError{Err: fmt.Errorf("%s does not answer AskRelease", wire.Name(reply))}
}

// CloseChannel ends the channel to a provider in one transaction, with the provider's consent: it pays what is owed,
// takes the rest of the reserve back and withdraws the vault's whole free balance to an address, the account's own where
// that is zero. What it says was moved is what the vault gave. A provider that has a reserve posted while its consent is on
// its way, which ends the epoch that it consented in, is asked again.
func (c *Consumer) CloseChannel(ctx context.Context, provider common.Address, to common.Address) (Sent, error) {
	w, err := c.Wallet()
	if err != nil {
		return Sent{}, err
	}
	return c.closeChannel(ctx, w, provider, to)
}

// UnsignedClose returns what [Consumer.CloseChannel] would send, to be signed where the account's key is. It is good for
// as long as the provider's consent: a quarter of an hour.
func (c *Consumer) UnsignedClose(ctx context.Context, provider, to common.Address) ([]UnsignedTx, error) {
	w, err := c.wallet(WalletConfig{
		Home: c.cfg.Home, Network: c.cfg.Network, Owner: c.cfg.Key.Address(), Session: c.cfg.Session.Address(), Log: c.cfg.Log,
	})
	if err != nil {
		return nil, err
	}
	w.known, w.shared = c.known, true
	if _, err := c.closeChannel(ctx, w, provider, to); err != nil {
		return nil, err
	}
	return w.Unsigned(ctx)
}

func (c *Consumer) closeChannel(ctx context.Context, w *Wallet, provider, to common.Address) (Sent, error) {
	status, err := w.Channel(ctx, provider)
	if err != nil {
		return Sent{}, err
	}
	if status.Reserved.IsZero() {
		return Sent{}, fmt.Errorf("%s: %w: byway vault withdraw takes out what is free", provider, ErrNoReserve)
	}
	offer, err := c.OfferOf(ctx, provider)
	if err != nil {
		return Sent{}, err
	}
	// The provider may know of promises that this disk has lost, and they stay owed. It must not keep more than those.
	var last *payments.Promise
	if !status.Owed.IsZero() {
		// The same total signed again is the same promise.
		p, err := c.domain.Sign(payments.Promise{Channel: w.channel(provider), Cumulative: status.Promised}, c.cfg.Session)
		if err != nil {
			return Sent{}, err
		}
		last = &p
	}
	if to == (common.Address{}) {
		to = c.cfg.Key.Address()
	}
	takes := func(k *knownState) {
		k.Free = contracts.Amount{}
		takesReserve(provider)(k)
	}
	var r chain.Result
	for try := 1; ; try++ {
		release, err := c.AskRelease(ctx, offer.Offer)
		if err != nil {
			return Sent{}, err
		}
		r, err = w.send(ctx, takes, provider, func() (chain.Result, error) {
			return w.funding.Close(ctx, "", last, release, to)
		})
		if err == nil {
			break
		}
		if try == closeTries || !chain.Reverted(err, "WrongEpoch") {
			return Sent{}, err
		}
	}
	for _, log := range r.Logs {
		if e, err := channels.NewChannels().UnpackWithdrawnEvent(log); err == nil && log.Address == c.network.Channels {
			amount, err := contracts.AmountFromBig(e.Amount)
			return newSent("close", amount, r), err
		}
	}
	return newSent("close", contracts.Amount{}, r), nil
}
