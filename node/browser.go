package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"log/slog"

	"github.com/libp2p/go-libp2p/core/crypto"

	"byway/contracts/chain"
	"byway/ipfs"
	"byway/registry"
)

// Browser lists offers and needs no account and no home: an IPFS node in memory, with a name of its own.
type Browser struct {
	token    Token
	chain    *chain.Client
	ipfs     *ipfs.Node
	registry *registry.Registry
}

// OpenBrowser connects to a network's chain and IPFS.
func OpenBrowser(ctx context.Context, n Network, log *slog.Logger) (_ *Browser, err error) {
	b := &Browser{}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	if b.chain, err = dialChain(ctx, n, log); err != nil {
		return nil, err
	}
	if b.token, err = readToken(ctx, b.chain, n.Token); err != nil {
		return nil, err
	}
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make host key: %w", err)
	}
	b.ipfs, err = ipfs.Open(ctx, ipfs.Config{
		Key: key, Network: n.ipfs(), Client: true, Timeout: n.fetchTimeout(), Log: log,
	})
	if err != nil {
		return nil, err
	}
	if err := b.ipfs.WaitReady(ctx); err != nil {
		return nil, err
	}
	b.registry, err = registry.New(registry.Config{Backend: b.chain, Deployment: n.Deployment, Blobs: b.ipfs, Log: log})
	return b, err
}

// Offers lists what is registered, as [Consumer.Offers] does.
func (b *Browser) Offers(ctx context.Context) iter.Seq2[registry.Listing, error] {
	return b.registry.List(ctx)
}

// Token returns the metadata of the network's token.
func (b *Browser) Token() Token { return b.token }

// Close ends the connections.
func (b *Browser) Close() error {
	var err error
	if b.ipfs != nil {
		err = b.ipfs.Close()
	}
	if b.chain != nil {
		b.chain.Close()
	}
	return err
}
