// Package account owns what a provider and a consumer have in common: the locked home with the chain, the ledger, the
// sender of transactions and the IPFS node opened on it, in order, and closed in reverse. It keeps what the chain said
// last, of its time and of the home's channels, for a start without the chain, and reports balance and earnings. Moving
// the money is package vault's.
package account

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/protocol"

	"byway/contracts"
	"byway/contracts/chain"
	"byway/ipfs"
	"byway/ipfs/admission"
	"byway/node/home"
	"byway/node/token"
	"byway/payments"
	"byway/payments/chainview"
	"byway/payments/ledger"
	"byway/registry/directory"
)

// Account is a locked home with everything that is opened on it, for a provider as for a consumer.
type Account struct {
	Home     home.Home
	Network  home.Network
	Key      contracts.Signer // the account's; nil where it is only looked at
	Token    token.Token
	Log      *slog.Logger
	Chain    *chain.Client
	Last     LastTime        // of the chain's clock, before the account was opened
	View     *chainview.View // of channels, for decisions about the home's own money
	Journal  *chain.Journal
	Sender   *chain.Sender // sends the account's transactions
	Ledger   *ledger.Ledger
	HostKey  crypto.PrivKey
	IPFS     *ipfs.Node
	Registry *directory.Directory
	Domain   payments.Domain

	closers []io.Closer // in the order of opening

	waking sync.Mutex
	awake  bool // the chain is the journal's

	resumed chan struct{} // closed once what was in flight at the start is mined
}

type closerFunc func() error

func (f closerFunc) Close() error { return f() }

// Config says which home is opened, for whom, and how its IPFS node meets the network.
type Config struct {
	Home       home.Home
	Network    home.Network
	Key        contracts.Signer
	HostListen []string
	Sessions   int                            // that a provider has at most
	Pools      map[protocol.ID]admission.Pool // of streams, by protocol
	Keep       time.Duration                  // how long ended sessions keep their rows; 0: ledger.DefaultKeep, below 0: for ever
	Client     bool                           // a consumer, who serves nobody: a DHT client, which starts while the chain is down too
	// Held: the home is locked by the caller, who holds it for longer than this account.
	Held bool
	Log  *slog.Logger
}

// Open opens an account with all that it needs, in dependency order. Where something fails, what was opened before it
// is closed again.
func Open(ctx context.Context, cfg Config) (_ *Account, err error) {
	p, err := OpenMoney(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.CloseAll())
		}
	}()
	if p.HostKey, err = ipfs.LoadKey(cfg.Home.Path("host.key")); err != nil {
		return nil, err
	}
	p.IPFS, err = ipfs.Open(ctx, ipfs.Config{
		Dir: cfg.Home.Path("blocks"), Key: p.HostKey, Listen: cfg.HostListen, Network: cfg.Network.IPFS(),
		Client: cfg.Client, Timeout: cfg.Network.FetchTimeout(), Dialer: cfg.Network.Dialer, Log: p.Log,
		Sessions: cfg.Sessions, Pools: cfg.Pools,
	})
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, p.IPFS)
	p.Registry, err = directory.New(directory.Config{
		Backend: p.Chain, Deployment: cfg.Network.Deployment, Blobs: p.IPFS, Log: p.Log,
		ChainTime: func() time.Time { return p.Times().Now },
	})
	return p, err
}

// OpenMoney opens what an account needs to deal with the chain, and nothing of IPFS: the locked home, the chain, the
// sender, and the ledger. It takes up the transactions that a crash left in flight, a consumer once the chain answers.
func OpenMoney(ctx context.Context, cfg Config) (_ *Account, err error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p := &Account{Home: cfg.Home, Network: cfg.Network, Key: cfg.Key, Log: cfg.Log}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.CloseAll())
		}
	}()
	if !cfg.Held {
		unlock, err := cfg.Home.Lock()
		if err != nil {
			return nil, err
		}
		p.closers = append(p.closers, closerFunc(unlock))
	}
	p.Last = RecallTime(cfg.Home, cfg.Network, cfg.Log)

	// A provider that has sold before serves what it knows.
	lazy := cfg.Client
	if cfg.Sessions > 0 {
		_, err := token.Recall(cfg.Network, cfg.Home)
		lazy = err == nil
	}
	dial := cfg.Network.Dial
	if lazy {
		dial = cfg.Network.DialLazy
	}
	if p.Chain, err = dial(ctx, cfg.Log); err != nil {
		return nil, err
	}
	p.closers = append(p.closers, closerFunc(func() error { p.Chain.Close(); return nil }))
	p.keepTime()
	if p.Token, err = token.Remember(ctx, p.Chain, cfg.Network, &cfg.Home); err != nil {
		return nil, err
	}
	p.View = chainview.New(p.Chain.Agreed().OrAlone(), cfg.Network.Deployment)
	if p.Journal, err = chain.OpenJournal(cfg.Home.Path("chain.db")); err != nil {
		return nil, err
	}
	p.closers = append(p.closers, p.Journal)
	p.Sender, err = chain.NewSender(chain.SenderConfig{
		Client: p.Chain, Signer: cfg.Key, Journal: p.Journal, Log: cfg.Log,
	})
	if err != nil {
		return nil, err
	}
	if down := p.Chain.Down(); down != nil {
		p.Log.Warn("no endpoint of the chain can be relied on: going on with what this home knows", "error", down)
		p.warnTime()
	} else if err := p.Online(ctx); err != nil && (!lazy || !chain.IsOutage(err) || p.Chain.Reset() != nil) {
		return nil, err
	}
	if err := p.watchSender(ctx, cfg); err != nil {
		return nil, err
	}

	p.Domain = payments.Domain{ChainID: cfg.Network.ChainID, Contract: cfg.Network.Channels}
	if p.Ledger, err = ledger.Open(cfg.Home.Path("ledger.db"), ""); err != nil {
		return nil, err
	}
	p.closers = append(p.closers, p.Ledger)
	p.Ledger.SetClock(p.bookClock())
	// Nothing runs here yet: what is open was left so by a crash.
	if n, err := p.Ledger.EndSessions(ctx); err != nil {
		return nil, err
	} else if n > 0 {
		p.Log.Warn("closed the sessions that a crash had left open", "sessions", n)
	}
	if cfg.Client || cfg.Sessions > 0 { // a node that stays
		return p, p.forget(cfg.Keep)
	}
	return p, nil
}

// forgetEvery is how often rows are looked for that have been kept for long enough.
const forgetEvery = 6 * time.Hour

// forget merges the ledger's rows that name a payer and a time once they have been kept for that long, until the account is
// closed.
func (p *Account) forget(keep time.Duration) error {
	switch {
	case keep < 0:
		return nil
	case keep == 0:
		keep = ledger.DefaultKeep
	case keep < ledger.LeastKeep:
		return fmt.Errorf("keep sessions for %s: %s is the least, a promise may be said again for so long", keep, ledger.LeastKeep)
	}
	running, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	p.closers = append(p.closers, closerFunc(func() error { cancel(); done.Wait(); return nil }))
	done.Go(func() {
		for running.Err() == nil {
			n, err := p.Ledger.Forget(running, keep)
			if err != nil && running.Err() == nil {
				p.Log.Warn("old sessions stay in the ledger for now", "error", err)
			}
			if n > 0 {
				p.Log.Info("merged sessions that have been kept for long enough", "sessions", n, "keep", keep)
			}
			Pause(running, forgetEvery)
		}
	})
	return nil
}

// catchUpPatience is how long a provider waits for transactions that a crash left in flight before it begins to serve.
const catchUpPatience = 30 * time.Second

// watchSender keeps what the account has sent in the chain, through reorganisations, until the account is closed, and
// takes up what a crash left in flight. Whoever is about to send by what the chain says waits for that, see
// [Account.CaughtUp]: a deposit that is under way would be made twice. A session that spends what is deposited already
// does not wait.
func (p *Account) watchSender(ctx context.Context, cfg Config) error {
	open, err := p.Sender.Open(ctx)
	if err != nil {
		return err
	}
	p.resumed = make(chan struct{})
	if open == 0 {
		close(p.resumed)
	}
	running, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	p.closers = append(p.closers, closerFunc(func() error { cancel(); done.Wait(); return nil }))
	done.Go(func() {
		for {
			err := p.Sender.Watch(running)
			switch {
			case running.Err() != nil:
				return
			case !errors.Is(err, chain.ErrChainReset): // the client has said that, once
				p.Log.Error("mined transactions are no longer watched", "error", err)
				return
			}
			Pause(running, watchPause)
		}
	})
	if open == 0 {
		return nil
	}
	done.Go(func() {
		for wait := time.Second; running.Err() == nil; wait = min(2*wait, watchPause) {
			err := p.Sender.Resume(running)
			if err == nil {
				close(p.resumed)
				return
			}
			if wait == time.Second && running.Err() == nil {
				p.Log.Warn("earlier transactions are still under way", "count", open, "error", err)
			}
			Pause(running, wait)
		}
	})
	switch {
	case cfg.Client:
		return nil
	case cfg.Sessions > 0:
		waiting, cancel := context.WithTimeout(ctx, catchUpPatience)
		defer cancel()
		if err := p.CaughtUp(waiting); err != nil && ctx.Err() == nil {
			p.Log.Warn("serving although earlier transactions are still under way", "error", err)
		}
		return ctx.Err()
	}
	return p.CaughtUp(ctx)
}

// watchPause is how long a journal whose chain is gone is left alone.
const watchPause = 30 * time.Second

func Pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// SettledAtOnce reports whether nothing that was in flight at the start is any more.
func (p *Account) SettledAtOnce() bool {
	select {
	case <-p.resumed:
		return true
	default:
		return false
	}
}

// PendingError says that nothing can be sent before earlier transactions are mined.
type PendingError struct {
	Transactions int
	Account      common.Address
}

// Error implements error.
func (e *PendingError) Error() string {
	return fmt.Sprintf("%d earlier transactions of account %s are not mined yet, so that another might do the same twice",
		e.Transactions, e.Account)
}

// CaughtUp waits until what was in flight at the start is mined: [*PendingError] where ctx ends before.
func (p *Account) CaughtUp(ctx context.Context) error {
	select {
	case <-p.resumed:
		return nil
	case <-ctx.Done():
	}
	n, err := p.Sender.Open(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: %w", &PendingError{n, p.Sender.Address()}, ctx.Err())
}

// Online makes sure, before anything is sent, that the chain answers and is the one that this home's journal tells of.
// That its contracts are the ones this binary knows was made sure of for each endpoint before it was believed.
func (p *Account) Online(ctx context.Context) error {
	p.waking.Lock()
	defer p.waking.Unlock()
	if err := p.Chain.Reset(); err != nil || p.awake {
		return err
	}
	if p.Chain.Down() != nil {
		waiting, cancel := context.WithTimeout(ctx, ChainPatience)
		defer cancel()
		if _, err := p.Chain.Head(waiting); err != nil {
			return err
		}
	}
	if err := p.Sender.Recognise(ctx); err != nil {
		return fmt.Errorf("recognise the chain: %w", err)
	}
	p.awake = true
	return nil
}

// CloseAll closes what was opened, the last first.
func (p *Account) CloseAll() error {
	var errs []error
	for i := len(p.closers) - 1; i >= 0; i-- {
		errs = append(errs, p.closers[i].Close())
	}
	p.closers = nil
	return errors.Join(errs...)
}

// ChainStatus is an endpoint of the chain, as status tells it.
type ChainStatus struct {
	Endpoint string    `json:"endpoint"` // scheme and host
	OK       bool      `json:"ok"`
	Head     uint64    `json:"head,omitempty"`
	Problem  string    `json:"problem,omitempty"` // what is wrong
	LeftOut  bool      `json:"left_out,omitempty"`
	Since    time.Time `json:"since,omitzero"` // since when
}

// ChainStatus tells how the endpoints of the chain do.
func (p *Account) ChainStatus() []ChainStatus {
	all := []ChainStatus{}
	for _, h := range p.Chain.Health() {
		s := ChainStatus{Endpoint: h.URL, OK: h.OK, Head: h.Head, LeftOut: h.LeftOut, Since: h.Since}
		switch {
		case h.Error != nil:
			s.Problem = h.Error.Error()
		case h.Lagging:
			s.Problem = "behind the others"
		case h.Slow:
			s.Problem = "slow"
		}
		all = append(all, s)
	}
	return all
}

// LetGo drops the blocks of this node's own offers but for one: superseded, nobody asks for them any more.
func (p *Account) LetGo(ctx context.Context, but cid.Cid) error {
	pinned, err := p.IPFS.Pinned(ctx)
	if err != nil {
		return err
	}
	for _, c := range pinned {
		if c == but {
			continue
		}
		if err := p.IPFS.Drop(ctx, c); err != nil {
			return err
		}
	}
	return nil
}
