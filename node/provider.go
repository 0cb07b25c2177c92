package node

import (
	"context"
	"errors"
	"log/slog"

	"byway/contracts"
	"byway/node/account"
	"byway/node/home"
	"byway/node/provide"
	"byway/node/serve"
)

// ProviderConfig says what a provider sells, and where it lives.
type ProviderConfig struct {
	Home       home.Home
	Network    home.Network
	Key        contracts.Signer // registers, is paid, and sends the transactions
	HostListen []string         // libp2p multiaddrs; empty: ipfs's default
	Log        *slog.Logger
	provide.Config
}

// Provider is a provider on an account of its own, in a process that has several: a devnet, a measurement, a test. A home's
// daemon is a [Node].
type Provider struct{ *provide.Provider }

// OpenProvider opens a provider's home, checks the chain's contracts and starts the exit. It serves nobody yet: Run does.
func OpenProvider(ctx context.Context, cfg ProviderConfig) (*Provider, error) {
	plan, err := cfg.Plan(cfg.Network, cfg.Key.Address())
	if err != nil {
		return nil, err
	}
	if err := provide.CheckHostListen(cfg.Network, cfg.HostListen); err != nil {
		return nil, err
	}
	account, err := account.Open(ctx, account.Config{
		Home: cfg.Home, Network: cfg.Network, Key: cfg.Key, HostListen: cfg.HostListen, Sessions: plan.Peers(),
		Pools: serve.Pools(plan.Peers()), Keep: cfg.Keep, Log: cfg.Log,
	})
	if err != nil {
		return nil, err
	}
	p, err := provide.Open(ctx, account, plan)
	if err != nil {
		return nil, errors.Join(err, account.CloseAll())
	}
	return &Provider{p}, nil
}

// Run runs the provider until ctx ends. Then it ends every session in order and closes everything.
func (n *Provider) Run(ctx context.Context) error {
	return errors.Join(n.Provider.Run(ctx), n.Account.CloseAll())
}
