package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"byway/contracts"
	"byway/contracts/bindings/channels"
	"byway/contracts/chain"
	"byway/payments"
	"byway/registry"
)

// The release protocol ends a channel together, so that the consumer need not wait out an exit:
//
//	consumer                                provider
//	AskRelease{channel, time, signature} ──▶
//	                                     ◀── Release | Refused
//
// The request is signed by the channel's session key over the hash of what it says, the stream's two hosts included:
// a provider counts on less of a reserve once it has released it, so nobody else may ask, and no request serves twice.

// ReleaseProtocol is the libp2p protocol of a cooperative close.
const ReleaseProtocol protocol.ID = "/byway/release/1"

const (
	// releaseValid is how long a release may be used: a transaction's time, with room for a slow chain.
	releaseValid = 15 * time.Minute
	// closeTries is how often a close is sent whose release was of an epoch that had ended.
	closeTries = 3
	// releaseSkew is how far what the two take for the chain's time may differ.
	releaseSkew = 5 * time.Minute
)

// askReleaseFrame asks a provider to give the reserve above what was promised back.
type askReleaseFrame struct {
	Payer     [20]byte           `cbor:"1,keyasint"`
	Signer    [20]byte           `cbor:"2,keyasint"`
	Token     [20]byte           `cbor:"3,keyasint"`
	Time      uint64             `cbor:"4,keyasint"` // the chain's, in Unix seconds
	Signature payments.Signature `cbor:"5,keyasint"` // by the signer, EIP-2098
}

func (*askReleaseFrame) frameType() frameType { return typeAskRelease }

// digest is what the session key signs.
func (f *askReleaseFrame) digest(d payments.Domain, payee common.Address, from, to peer.ID) common.Hash {
	separator := d.Separator()
	var when [8]byte
	for i := range when {
		when[i] = byte(f.Time >> (8 * (7 - i)))
	}
	// The hosts go in by their hashes: every part has one length.
	return crypto.Keccak256Hash([]byte("byway ask release 1"), separator[:], f.Token[:], f.Payer[:], f.Signer[:], payee[:],
		when[:], crypto.Keccak256([]byte(from)), crypto.Keccak256([]byte(to)))
}

// answerRelease serves one request for a release.
func (p *Provider) answerRelease(ctx context.Context, stream network.Stream) {
	p.mu.Lock()
	if p.stopping {
		p.mu.Unlock()
		stream.Reset()
		return
	}
	p.serving.Add(1)
	p.mu.Unlock()
	defer p.serving.Done()

	wire := frameStream{stream}
	knock := p.releases.enter(stream, p.ipfs)
	if knock == nil {
		stream.ResetWithError(network.StreamResourceLimitExceeded) //nolint:errcheck // it is gone in any case
		return
	}
	defer knock.leave()
	release, err := p.release(ctx, knock)
	knock.listen() // who does not take the answer is as good as silent
	if err != nil {
		p.log.Debug("release refused", "error", err)
		refuse(wire, err)
		return
	}
	if wire.write(&releaseFrame{
		Ceiling: release.Ceiling.Bytes(), Epoch: release.Epoch, ValidUntil: release.ValidUntil, Signature: release.Sig[:],
	}) != nil {
		wire.Reset()
		return
	}
	wire.Close()
}

func (p *Provider) release(ctx context.Context, knock *hello) (payments.Release, error) {
	from := knock.remote
	first, err := frameStream{knock.stream}.read(helloTimeout)
	if err != nil {
		p.releases.refuse(reasonSilent)
		return payments.Release{}, err
	}
	ask, ok := first.(*askReleaseFrame)
	if !ok {
		return payments.Release{}, &RefusedError{RefusedProtocol, "a release is asked for with AskRelease"}
	}
	if err := knock.look(ctx); err != nil {
		return payments.Release{}, err
	}
	payee := p.cfg.Key.Address()
	asked, chain := time.Unix(int64(min(ask.Time, 1<<40)), 0), p.hearTime(ctx)
	if asked.Before(chain.now.Add(-releaseSkew)) || asked.After(chain.next.Add(releaseSkew)) {
		return payments.Release{}, &RefusedError{RefusedPromise, fmt.Sprintf("the request is of %s, and by the chain's time it is %s: "+
			"one of the two endpoints of the chain is behind", asked.UTC().Format(time.RFC3339), chain.now.UTC().Format(time.RFC3339))}
	}
	signer, err := recoverSigner(ask.digest(p.domain, payee, from, p.ipfs.Host().ID()), ask.Signature)
	if err != nil || signer != common.Address(ask.Signer) {
		return payments.Release{}, &RefusedError{RefusedPromise, "the request is not signed by the channel's session key"}
	}
	channel := contracts.Channel{
		Vault: contracts.Vault{Token: ask.Token, Payer: ask.Payer, Signer: ask.Signer}, Payee: payee,
	}
	release, err := p.payee.Release(ctx, channel, p.cfg.Key, releaseValid)
	switch {
	case errors.Is(err, payments.ErrSessionExists):
		return release, &RefusedError{RefusedBusy, "a session is open on this channel: end it first"}
	case errors.Is(err, payments.ErrWrongChannel):
		return release, &RefusedError{RefusedPromise, err.Error()}
	}
	return release, err
}

// recoverSigner returns who signed a digest in the compact form of EIP-2098.
func recoverSigner(digest common.Hash, sig payments.Signature) (common.Address, error) {
	var full [65]byte
	copy(full[:], sig[:])
	full[64] = sig[32] >> 7
	full[32] &= 0x7f
	key, err := crypto.SigToPub(digest[:], full[:])
	if err != nil {
		return common.Address{}, err
	}
	return crypto.PubkeyToAddress(*key), nil
}

// compactSignature brings r || s || v into the compact form of EIP-2098.
func compactSignature(sig []byte) (c payments.Signature) {
	copy(c[:], sig[:64])
	c[32] |= sig[64] << 7
	return c
}

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
	stream, err := c.dialProtocol(ctx, o, ReleaseProtocol)
	if err != nil {
		return payments.Release{}, err
	}
	wire := frameStream{stream}
	defer wire.Close()
	channel := c.Channel(o)
	ask := &askReleaseFrame{
		Payer: channel.Payer, Signer: channel.Signer, Token: channel.Token, Time: uint64(c.chainTimes().now.Unix()),
	}
	sig, err := c.cfg.Session.SignDigest(ask.digest(c.domain, o.Payee, c.ipfs.Host().ID(), stream.Conn().RemotePeer()))
	if err != nil {
		return payments.Release{}, fmt.Errorf("sign request: %w", err)
	}
	ask.Signature = compactSignature(sig)
	if err := wire.write(ask); err != nil {
		return payments.Release{}, err
	}
	reply, err := wire.read(welcomeTimeout)
	if errors.Is(err, io.EOF) {
		err = errors.New("the provider hung up")
	}
	if err != nil {
		return payments.Release{}, fmt.Errorf("wait for the provider's release: %w", err)
	}
	switch f := reply.(type) {
	case *releaseFrame:
		if len(f.Signature) != payments.SignatureSize {
			return payments.Release{}, &ProtocolError{errors.New("the release's signature has a wrong length")}
		}
		r := payments.Release{
			Channel: channel, Ceiling: amountOf(f.Ceiling), Epoch: f.Epoch, ValidUntil: f.ValidUntil,
			Sig: payments.Signature(f.Signature),
		}
		return r, c.domain.VerifyRelease(r)
	case *refusedFrame:
		return payments.Release{}, &RefusedError{f.Code, f.Reason}
	}
	return payments.Release{}, &ProtocolError{fmt.Errorf("%s does not answer AskRelease", frameName(reply))}
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
