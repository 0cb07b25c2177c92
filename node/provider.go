package node

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"golang.org/x/sync/errgroup"

	"byway/contracts"
	"byway/node/account"
	"byway/node/api"
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

// Provider is a provider with its home and the local API that answers for it.
type Provider struct {
	*provide.Provider
	api   *api.Server
	ready chan struct{} // closed once Run serves and the local API answers
}

// OpenProvider opens a provider's home, checks the chain's contracts, takes the local API's port and starts the exit.
// It serves nobody yet: Run does.
func OpenProvider(ctx context.Context, cfg ProviderConfig) (_ *Provider, err error) {
	plan, err := cfg.Plan(cfg.Network, cfg.Key.Address())
	if err != nil {
		return nil, err
	}
	account, err := account.Open(ctx, account.Config{
		Home: cfg.Home, Network: cfg.Network, Key: cfg.Key, HostListen: cfg.HostListen, Sessions: plan.Peers(),
		Pools: serve.Pools(plan.Peers()), Log: cfg.Log,
	})
	if err != nil {
		return nil, err
	}
	n := &Provider{ready: make(chan struct{})}
	if n.api, err = api.Listen(ctx, cfg.Home); err != nil {
		return nil, errors.Join(err, account.CloseAll())
	}
	if n.Provider, err = provide.Open(ctx, account, plan); err != nil {
		return nil, errors.Join(err, n.api.Close(), account.CloseAll())
	}
	return n, nil
}

// Ready is closed once Run takes sessions and the local API answers.
func (n *Provider) Ready() <-chan struct{} { return n.ready }

// Run runs the provider and answers the local API until ctx ends. Then it ends every session in order and closes
// everything.
func (n *Provider) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return n.Provider.Run(ctx) })
	group.Go(func() error {
		select {
		case <-n.Provider.Ready():
			return n.api.Serve(ctx, n.routes(), func() { close(n.ready) })
		case <-ctx.Done():
			return n.api.Close()
		}
	})
	err := group.Wait()
	return errors.Join(err, n.Account.CloseAll())
}

func (n *Provider) routes() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"GET /v1/status": func(w http.ResponseWriter, r *http.Request) {
			status, err := n.Status(r.Context())
			api.Answer(w, status, err)
		},
		"GET /metrics": metrics(n.Provider).ServeHTTP,
		"GET /v1/earnings": func(w http.ResponseWriter, r *http.Request) {
			report, err := n.EarningsReport(r.Context())
			api.Answer(w, report, err)
		},
		"POST /v1/backup": backupOf(n.Account.Ledger),
		"POST /v1/claim": func(w http.ResponseWriter, r *http.Request) {
			claimed, err := n.Claim(r.Context())
			api.Answer(w, claimed, err)
		},
	}
}
