package account

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"byway/node/token"
	"byway/payments"
	"byway/payments/chainview"
	"byway/payments/ledger"
)

// OpenView opens what it takes to look, and to prepare what is signed elsewhere: the chain, and the ledger as it
// stands, whoever holds it. It does not take the home's lock.
func OpenView(ctx context.Context, cfg Config) (_ *Account, err error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p := &Account{Home: cfg.Home, Network: cfg.Network, Log: cfg.Log, Domain: payments.DomainOf(cfg.Network.Deployment)}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.CloseAll())
		}
	}()
	// Where the home knows what there is to know of the token, a chain that takes long is not waited for.
	looking, cancel := ctx, context.CancelFunc(func() {})
	if _, err := token.Recall(cfg.Network, cfg.Home); err == nil {
		looking, cancel = context.WithTimeout(ctx, LookPatience/2)
	}
	defer cancel()
	if p.Chain, err = cfg.Network.DialLazy(looking, cfg.Log); err != nil {
		return nil, err
	}
	p.closers = append(p.closers, closerFunc(func() error { p.Chain.Close(); return nil }))
	p.Last = RecallTime(cfg.Home, cfg.Network, cfg.Log)
	p.View = chainview.New(p.Chain.Agreed().OrAlone(), cfg.Network.Deployment)
	if p.Token, err = token.View(looking, p.Chain, cfg.Network, cfg.Home); err != nil {
		return nil, err
	}
	switch p.Ledger, err = ledger.View(ctx, cfg.Home.Path("ledger.db")); {
	case errors.Is(err, fs.ErrNotExist):
		p.Ledger = nil // nothing was ever promised here
	case err != nil:
		return nil, err
	default:
		p.closers = append(p.closers, p.Ledger)
	}
	return p, nil
}

// LookPatience is how long the chain may take to answer who only wants to look.
const LookPatience = 6 * time.Second

// LookPatience is shorter where no endpoint has answered yet: they were waited for already.
func (p *Account) LookPatience() time.Duration {
	if p.Chain.Down() != nil {
		return ChainPatience
	}
	return LookPatience
}

// ChainPatience bounds the wait for a chain that did not answer before.
const ChainPatience = 2 * time.Second
