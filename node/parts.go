package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"
	"github.com/libp2p/go-libp2p/core/crypto"

	"byway/contracts"
	"byway/contracts/bindings/erc20"
	"byway/contracts/chain"
	"byway/ipfs"
	"byway/node/serve"
	"byway/payments"
	"byway/registry"
)

// parts are what a provider and a consumer have in common: a locked home and everything that is opened on it.
type parts struct {
	home     Home
	network  Network
	token    Token
	log      *slog.Logger
	chain    *chain.Client
	last     lastTime            // of the chain's clock, before these parts were opened
	view     *payments.ChainView // of channels, for decisions about the home's own money
	journal  *chain.Journal
	sender   *chain.Sender // sends the account's transactions
	ledger   *payments.Ledger
	hostKey  crypto.PrivKey
	ipfs     *ipfs.Node
	registry *registry.Registry
	domain   payments.Domain

	api     atomic.Pointer[net.Listener] // of the local API, until it is served
	closers []io.Closer                  // in the order of opening

	waking sync.Mutex
	awake  bool // the chain is the journal's

	resumed chan struct{} // closed once what was in flight at the start is mined
}

type closerFunc func() error

func (f closerFunc) Close() error { return f() }

type partsConfig struct {
	Home       Home
	Network    Network
	Key        contracts.Signer
	HostListen []string
	Sessions   int  // that a provider has at most
	Client     bool // a consumer, who serves nobody: a DHT client, which starts while the chain is down too
	Log        *slog.Logger
}

// openParts opens everything in dependency order. Where something fails, what was opened before it is closed again.
func openParts(ctx context.Context, cfg partsConfig) (_ *parts, err error) {
	p, err := openMoney(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if p.hostKey, err = ipfs.LoadKey(cfg.Home.path("host.key")); err != nil {
		return nil, err
	}
	p.ipfs, err = ipfs.Open(ctx, ipfs.Config{
		Dir: cfg.Home.path("blocks"), Key: p.hostKey, Listen: cfg.HostListen, Network: cfg.Network.ipfs(),
		Client: cfg.Client, Timeout: cfg.Network.fetchTimeout(), Dialer: cfg.Network.Dialer, Log: p.log,
		Sessions: cfg.Sessions, Pools: serve.Pools(cfg.Sessions),
	})
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, p.ipfs)
	p.registry, err = registry.New(registry.Config{
		Backend: p.chain, Deployment: cfg.Network.Deployment, Blobs: p.ipfs, Log: p.log,
		ChainTime: func() time.Time { return p.chainTimes().now },
	})
	return p, err
}

// openMoney opens what an account needs to deal with the chain, and nothing of IPFS: the locked home, the chain, the
// sender, and the ledger. It takes up the transactions that a crash left in flight, a consumer once the chain answers.
func openMoney(ctx context.Context, cfg partsConfig) (_ *parts, err error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p := &parts{home: cfg.Home, network: cfg.Network, log: cfg.Log}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	unlock, err := cfg.Home.Lock()
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, closerFunc(unlock))
	p.last = recallTime(cfg.Home, cfg.Network, cfg.Log)

	// A provider that has sold before serves what it knows.
	lazy := cfg.Client
	if cfg.Sessions > 0 {
		_, err := recallToken(cfg.Network, cfg.Home)
		lazy = err == nil
	}
	dial := dialChain
	if lazy {
		dial = dialLazy
	}
	if p.chain, err = dial(ctx, cfg.Network, cfg.Log); err != nil {
		return nil, err
	}
	p.closers = append(p.closers, closerFunc(func() error { p.chain.Close(); return nil }))
	p.keepTime()
	if p.token, err = rememberToken(ctx, p.chain, cfg.Network, &cfg.Home); err != nil {
		return nil, err
	}
	p.view = payments.NewChainView(p.chain.Agreed().OrAlone(), cfg.Network.Deployment)
	if p.journal, err = chain.OpenJournal(cfg.Home.path("chain.db")); err != nil {
		return nil, err
	}
	p.closers = append(p.closers, p.journal)
	p.sender, err = chain.NewSender(chain.SenderConfig{
		Client: p.chain, Signer: cfg.Key, Journal: p.journal, Log: cfg.Log,
	})
	if err != nil {
		return nil, err
	}
	if down := p.chain.Down(); down != nil {
		p.log.Warn("no endpoint of the chain can be relied on: going on with what this home knows", "error", down)
		p.warnTime()
	} else if err := p.online(ctx); err != nil && (!lazy || !chain.IsOutage(err) || p.chain.Reset() != nil) {
		return nil, err
	}
	if err := p.watchSender(ctx, cfg); err != nil {
		return nil, err
	}

	p.domain = payments.Domain{ChainID: cfg.Network.ChainID, Contract: cfg.Network.Channels}
	if p.ledger, err = payments.OpenLedger(cfg.Home.path("ledger.db")); err != nil {
		return nil, err
	}
	p.closers = append(p.closers, p.ledger)
	// Nothing runs here yet: what is open was left so by a crash.
	if n, err := p.ledger.EndSessions(ctx); err != nil {
		return nil, err
	} else if n > 0 {
		p.log.Warn("closed the sessions that a crash had left open", "sessions", n)
	}
	return p, nil
}

// catchUpPatience is how long a provider waits for transactions that a crash left in flight before it begins to serve.
const catchUpPatience = 30 * time.Second

// watchSender keeps what the account has sent in the chain, through reorganisations, until the parts are closed, and takes
// up what a crash left in flight. Whoever is about to send by what the chain says waits for that, see [parts.caughtUp]: a
// deposit that is under way would be made twice. A session that spends what is deposited already does not wait.
func (p *parts) watchSender(ctx context.Context, cfg partsConfig) error {
	open, err := p.sender.Open(ctx)
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
			err := p.sender.Watch(running)
			switch {
			case running.Err() != nil:
				return
			case !errors.Is(err, chain.ErrChainReset): // the client has said that, once
				p.log.Error("mined transactions are no longer watched", "error", err)
				return
			}
			pause(running, watchPause)
		}
	})
	if open == 0 {
		return nil
	}
	done.Go(func() {
		for wait := time.Second; running.Err() == nil; wait = min(2*wait, watchPause) {
			err := p.sender.Resume(running)
			if err == nil {
				close(p.resumed)
				return
			}
			if wait == time.Second && running.Err() == nil {
				p.log.Warn("earlier transactions are still under way", "count", open, "error", err)
			}
			pause(running, wait)
		}
	})
	switch {
	case cfg.Client:
		return nil
	case cfg.Sessions > 0:
		waiting, cancel := context.WithTimeout(ctx, catchUpPatience)
		defer cancel()
		if err := p.caughtUp(waiting); err != nil && ctx.Err() == nil {
			p.log.Warn("serving although earlier transactions are still under way", "error", err)
		}
		return ctx.Err()
	}
	return p.caughtUp(ctx)
}

// watchPause is how long a journal whose chain is gone is left alone.
const watchPause = 30 * time.Second

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// settledAtOnce reports whether nothing that was in flight at the start is any more.
func (p *parts) settledAtOnce() bool {
	select {
	case <-p.resumed:
		return true
	default:
		return false
	}
}

// caughtUp waits until what was in flight at the start is mined.
func (p *parts) caughtUp(ctx context.Context) error {
	select {
	case <-p.resumed:
		return nil
	case <-ctx.Done():
	}
	n, err := p.sender.Open(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	return fmt.Errorf("%d earlier transactions of account %s are not mined yet, so that another might do the same twice: "+
		"wait for them, or see byway status for what is wrong with the chain: %w", n, p.sender.Address(), ctx.Err())
}

// online makes sure, before anything is sent, that the chain answers and is the one that this home's journal tells of.
// That its contracts are the ones this binary knows was made sure of for each endpoint before it was believed.
func (p *parts) online(ctx context.Context) error {
	p.waking.Lock()
	defer p.waking.Unlock()
	if err := p.chain.Reset(); err != nil || p.awake {
		return err
	}
	if p.chain.Down() != nil {
		waiting, cancel := context.WithTimeout(ctx, chainPatience)
		defer cancel()
		if _, err := p.chain.Head(waiting); err != nil {
			return err
		}
	}
	if err := p.sender.Recognise(ctx); err != nil {
		return fmt.Errorf("recognise the chain: %w", err)
	}
	p.awake = true
	return nil
}

// close closes what was opened, the last first.
func (p *parts) close() error {
	var errs []error
	for i := len(p.closers) - 1; i >= 0; i-- {
		errs = append(errs, p.closers[i].Close())
	}
	p.closers = nil
	return errors.Join(errs...)
}

// dialChain connects to a network's chain and makes sure that the contracts there are the ones this binary knows.
func dialChain(ctx context.Context, n Network, log *slog.Logger) (*chain.Client, error) {
	return chain.Dial(ctx, n.chainConfig(log))
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

// chainStatus tells how the endpoints of the chain do.
func (p *parts) chainStatus() []ChainStatus {
	all := []ChainStatus{}
	for _, h := range p.chain.Health() {
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

// Token is how the network's token is shown to people.
type Token struct {
	Symbol   string `json:"symbol"`
	Decimals uint8  `json:"decimals"`
}

// ReadToken reads the network's token. It needs no running node.
func ReadToken(ctx context.Context, n Network) (Token, error) {
	client, err := dialChain(ctx, n, slog.New(slog.DiscardHandler))
	if err != nil {
		return Token{}, err
	}
	defer client.Close()
	return TokenAt(ctx, client, n.Token)
}

// KnownToken reads the network's token as [ReadToken] does and, while the chain is down, as the home knows it.
func KnownToken(ctx context.Context, n Network, home Home) (Token, error) {
	client, err := dialLazy(ctx, n, slog.New(slog.DiscardHandler))
	if err != nil {
		return Token{}, err
	}
	defer client.Close()
	return rememberToken(ctx, client, n, &home)
}

// maxSymbol bounds a token's symbol, in bytes: anyone can deploy a token with any symbol.
const maxSymbol = 16

// TokenAt reads what amounts of a token look like.
func TokenAt(ctx context.Context, backend bind.ContractBackend, address common.Address) (Token, error) {
	binding := erc20.NewERC20()
	token := binding.Instance(backend, address)
	opts := &bind.CallOpts{Context: ctx}
	decimals, err := bind.Call(token, opts, binding.PackDecimals(), binding.UnpackDecimals)
	if err != nil {
		return Token{}, fmt.Errorf("read token %s: %w", address, err)
	}
	symbol, err := bind.Call(token, opts, binding.PackSymbol(), binding.UnpackSymbol)
	if err != nil {
		return Token{}, fmt.Errorf("read token %s: %w", address, err)
	}
	if decimals > 28 { // 2^96 has 29 digits.
		return Token{}, fmt.Errorf("token %s has %d decimals: 28 are the most that amounts of 96 bits allow",
			address, decimals)
	}
	if len(symbol) > maxSymbol {
		symbol = symbol[:maxSymbol]
	}
	return Token{Symbol: printable(symbol), Decimals: decimals}, nil
}

// Format writes an amount for people: "0.05 BYW".
func (t Token) Format(a contracts.Amount) string { return a.Tokens(t.Decimals) + " " + t.Symbol }

// Parse reads a number of whole tokens as people type it.
func (t Token) Parse(s string) (contracts.Amount, error) { return contracts.ParseTokens(s, t.Decimals) }

const (
	megabyte = 1_000_000
	gigabyte = 1_000_000_000
)

// PerMB returns the price of a megabyte (10^6 bytes), rounded up, where perGiB is the price of 2^30 bytes.
func PerMB(perGiB contracts.Amount) (contracts.Amount, error) { return payments.Cost(perGiB, megabyte) }

// PerGB returns the price of a gigabyte (10^9 bytes), rounded up.
func PerGB(perGiB contracts.Amount) (contracts.Amount, error) { return payments.Cost(perGiB, gigabyte) }

// PerGiB returns the price of 2^30 bytes, rounded down, where perGB is the price of 10^9: [PerGB] gives back the very
// number that a person typed.
func PerGiB(perGB contracts.Amount) (contracts.Amount, error) { return contracts.PerGiB(perGB) }
