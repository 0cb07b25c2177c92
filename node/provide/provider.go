// Package provide owns the provider's life: its plan, checked before anything is opened, its offer, published and
// renewed, the exit that keeps the offer's terms, and the claims of what was promised. Strangers' sessions are package
// serve's, and the local API is package node's.
package provide

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/libp2p/go-libp2p/core/network"
	"golang.org/x/sync/errgroup"

	"byway/contracts"
	"byway/node/account"
	"byway/node/home"
	"byway/node/serve"
	"byway/node/token"
	"byway/node/wire"
	"byway/payments"
	"byway/payments/chainview"
	"byway/payments/claim"
	"byway/payments/payee"
	"byway/registry"
	"byway/registry/directory"
	"byway/tunnel"
	"byway/tunnel/policy"
	"byway/tunnel/route"
	"byway/tunnel/wireguard"
)

// The bounds of a provider.
const (
	// DefaultMaxSessions is how many sessions a provider serves at once.
	DefaultMaxSessions = 5000
	// MostSessions bounds a provider's sessions, resting ones too: an exit has inner addresses for no more.
	MostSessions = 50_000
)

// Config says what a provider sells, and how it is paid.
type Config struct {
	// Terms are the provider's own: price, exit policy, limits. It makes offers of them and renews them.
	Terms registry.Draft
	// Offer was signed by hand, perhaps where the provider's key is: it is sold as it stands in the place of Terms, and none
	// is signed here. Nil: Terms are sold.
	Offer *registry.SignedOffer
	Stake contracts.Amount // locked in the registry
	// Depth is how many blocks old a deposit or reserve must be before more of it counts than the price of 10 GiB, or the
	// trust in one payer where that is more; with NoTrust before any of it counts. 0: the default, none on a private
	// network. Negative: none.
	Depth int

	Listen    netip.AddrPort           // UDP for WireGuard
	Endpoints []string                 // "address:port" for WireGuard as consumers reach it; empty: where they reached the host
	Mode      tunnel.Mode              // how the exit forwards; empty: in userspace
	Engine    wireguard.Implementation // the WireGuard implementation; empty: upstream's
	DNS       []netip.AddrPort         // upstream resolvers; empty: the system's
	// Trust is the most that one vault's exposure may come to, in base units: what it has promised beyond its reserve, and
	// what may be forwarded to it unpaid. Zero: the price of 64 MiB, or of half a second of the line where that is more.
	// With NoTrust each tick is prepaid out of a reserve.
	Trust   contracts.Amount
	NoTrust bool
	// Budget is the most that all vaults without a reserve or a past may cost in an hour, in base units; zero: 16 times
	// Trust.
	Budget contracts.Amount
	Claims claim.Policy
	// ToVault claims into the vault of this session key of the account's own, to be spent from there; Vault alone lets
	// [Provider.Claim] do so.
	Vault   common.Address
	ToVault bool
	// Places are shared by sessions, beyond the offer's word on how many there may be.
	Places serve.Places
	Wishes
	// Trouble says why the exit is to forward nothing at the moment, beside what it finds itself; empty: nothing is against
	// it. Nil: nothing ever is.
	Trouble func() string
}

// Plan is a provider's configuration applied to a network, all of it checked before anything is opened.
type Plan struct {
	cfg    Config
	sells  registry.Offer // what cfg sells; without host, sequence and times where it is not signed by hand
	terms  exitTerms      // of sells
	places serve.Places
}

// Plan checks what can be checked without a chain and without peers: what is sold, and what it is worth. provider signs
// the offer and is paid.
func (cfg Config) Plan(n home.Network, provider common.Address) (Plan, error) {
	if len(cfg.Endpoints) > wire.MaxEndpoints {
		return Plan{}, fmt.Errorf("%d endpoints are named, consumers are told %d at most: leave out some", len(cfg.Endpoints),
			wire.MaxEndpoints)
	}
	if err := cfg.checkListen(n); err != nil {
		return Plan{}, err
	}
	sells, err := cfg.sold(n, provider)
	if err != nil {
		return Plan{}, err
	}
	terms, err := exitTermsOf(sells)
	if err != nil {
		return Plan{}, err
	}
	if cfg.Trust, err = trustOf(cfg, sells); err != nil {
		return Plan{}, err
	}
	if cfg.Budget.IsZero() {
		if cfg.Budget, err = cfg.Trust.MulDiv(budgetTimes, 1); err != nil {
			return Plan{}, fmt.Errorf("budget for strangers: %w", err)
		}
	}
	places := cfg.Places
	places.Sessions = terms.sessions
	return Plan{cfg, sells, terms, places}, nil
}

// Peers is how many peers may have a session at once.
func (p Plan) Peers() int { return p.places.Peers() }

// Provider earns tokens: it publishes an offer, serves sessions and claims what it was promised. The account that earns is
// its caller's to close, after it.
type Provider struct {
	*account.Account
	cfg     Config
	sells   registry.Offer // what cfg sells; without host, sequence and times where it is not signed by hand
	terms   exitTerms      // of sells
	policy  *policy.Policy
	exit    *tunnel.Exit
	payee   *payee.Payee
	claimer *claim.Claimer
	claims  claim.Policy // cfg's, with what follows from network and price
	started time.Time
	ready   chan struct{} // closed once Run serves

	unlocked chan struct{} // holds one token: the account's key was opened

	server *serve.Server

	wish     atomic.Pointer[string] // see Closed
	reopened chan struct{}          // told when no wish is against serving any more

	mu          sync.Mutex
	offer       registry.SignedOffer // the one that is sold now
	unpublished error                // see Unpublished
	heard       heard                // see Reach
}

// Open starts a provider's exit. It serves nobody yet: [Provider.Run] does. Where the chain is down, and the home
// knows the network, it opens all the same: see [Provider.Publish].
func Open(ctx context.Context, account *account.Account, plan Plan) (_ *Provider, err error) {
	cfg := plan.cfg
	p := &Provider{
		Account: account, cfg: cfg, sells: plan.sells, terms: plan.terms, started: time.Now(), ready: make(chan struct{}),
		unlocked: make(chan struct{}, 1), reopened: make(chan struct{}, 1),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if cfg.Mode == tunnel.Privileged { // whose errors name what is missing; auto goes on without
		if err := route.CheckTUN("byway%d"); err != nil {
			return nil, fmt.Errorf("mode %s: %w", cfg.Mode, err)
		}
	}
	if p.policy, err = policy.New(p.terms.policy); err != nil {
		return nil, err
	}
	p.exit, err = tunnel.NewExit(tunnel.ExitConfig{
		Listen: cfg.Listen, Policy: p.policy, Limits: p.terms.limits, DNS: cfg.DNS, Mode: cfg.Mode, Engine: cfg.Engine,
		Log: p.Log,
	})
	if err != nil {
		return nil, err
	}
	p.learnEndpoints()
	view, err := p.payeeView()
	if err != nil {
		return nil, err
	}
	exitDelay, err := p.ExitDelay(ctx)
	if err != nil {
		return nil, err
	}
	p.payee, err = payee.New(payee.Config{
		Domain: p.Domain, Ledger: p.Ledger, Chain: view, Payee: p.Key.Address(), Token: p.Network.Token,
		Trust: cfg.Trust, NoTrust: cfg.NoTrust, Budget: cfg.Budget, ExitDelay: exitDelay, NewGate: serve.NewGate, Log: p.Log,
	})
	if err != nil {
		return nil, err
	}
	if p.claims, err = p.claimPolicy(); err != nil {
		return nil, err
	}
	p.claimer, err = claim.New(claim.Config{
		Ledger: p.Ledger, Chain: p.View, Sender: onlineSender{p.Account}, Deployment: p.Network.Deployment, Policy: p.claims,
		Gas: p.Chain, Events: p.claimEvents, Withdrawn: p.payee.VaultChanged, Log: p.Log,
		Vault: cfg.Vault, ToVault: cfg.ToVault, Hold: p.held,
	})
	if err != nil {
		return nil, err
	}
	secure, err := p.trustedWith()
	if err != nil {
		return nil, err
	}
	endpoints := make([]wire.Endpoint, 0, len(cfg.Endpoints))
	for _, address := range cfg.Endpoints {
		endpoints = append(endpoints, wire.Endpoint{Transport: wire.TransportUDP, Address: address})
	}
	p.server = serve.New(serve.Config{
		Domain: p.Domain, Payee: p.payee, Private: p.Network.Private, Key: p.Key, Exit: p.exit, Host: p.IPFS, Self: p.IPFS.Host().ID(),
		Offer: p.Offer, Places: plan.places, Rate: p.terms.rate, Endpoints: endpoints, Trouble: p.exitTrouble,
		Closed: p.Closed, Held: p.heldWords,
		Time: func(ctx context.Context) (now, next time.Time) {
			t := p.HearTime(ctx)
			return t.Now, t.Next
		},
		SecureAbove: secure, Secure: p.claimer.Wake, SetAside: p.claimer.SetAside, Log: p.Log,
	})
	return p, nil
}

// DefaultDepth is how many blocks deep what guarantees much money must be: the reorganisations of a chain with proof of
// stake that were ever seen are shorter.
const DefaultDepth = 12

// reorgBytes is how much traffic's price a provider leaves to the chance of a reorganisation for each payer: nobody
// rewrites a chain for that, and a session can begin in the block after its deposit.
const reorgBytes = 10 << 30

// payeeView is the chain as sessions are funded by it: what is worth much must be so deep that no reorganisation takes
// it back.
func (p *Provider) payeeView() (chainview.Chain, error) {
	depth := p.cfg.Depth
	if depth == 0 && !p.Network.Private {
		depth = DefaultDepth
	}
	// Credit is given to strangers on the chain's word: where the network names several endpoints, two must say it.
	view := chainview.New(p.Chain.Agreed(), p.Network.Deployment)
	if depth <= 0 {
		return view, nil
	}
	above, err := payments.Cost(p.sells.PricePerGiB, reorgBytes)
	if err != nil {
		return nil, fmt.Errorf("price of %d bytes: %w", uint64(reorgBytes), err)
	}
	if above.Less(p.cfg.Trust) {
		above = p.cfg.Trust
	}
	if p.cfg.NoTrust {
		above = contracts.Amount{}
	}
	return chainview.DepthView{View: view, Depth: uint64(depth), Above: above}, nil
}

// Publish puts the offer on IPFS and into the registry. An offer that is published already and still says the same is
// left alone. While the chain can't be read, the one that this home published last is sold where it says the same and has
// not ended, and published when the chain answers: see [Provider.Unpublished]. Else the error is an outage
// ([byway/contracts/chain.IsOutage]), and calling again tries again.
func (p *Provider) Publish(ctx context.Context) (directory.Receipt, error) {
	return p.publishOrSell(ctx)
}

// Close ends the exit of a provider that does not run: [Provider.Run] ends its own.
func (p *Provider) Close() error {
	if p.exit == nil {
		return nil
	}
	return p.exit.Close()
}

// Ready is closed once [Provider.Run] takes sessions.
func (p *Provider) Ready() <-chan struct{} { return p.ready }

// Run serves sessions, renews the offer and claims what is due, until ctx ends. Then it ends every session in order, so
// that each consumer can pay what it still owes, and closes the exit.
func (p *Provider) Run(ctx context.Context) error {
	p.mu.Lock()
	published := p.offer.CID.Defined()
	p.mu.Unlock()
	if !published {
		if _, err := p.Publish(ctx); err != nil {
			return errors.Join(err, p.Close())
		}
	}
	p.lookAtWishes(ctx, time.Now())
	group, ctx := errgroup.WithContext(ctx)
	p.IPFS.Host().SetStreamHandler(wire.SessionProtocol, func(s network.Stream) { p.server.Session(ctx, s) })
	p.IPFS.Host().SetStreamHandler(wire.ReleaseProtocol, func(s network.Stream) { p.server.Release(ctx, s) })
	group.Go(func() error { return p.renewOffer(ctx) })
	group.Go(func() error { return p.publishLater(ctx) })
	group.Go(func() error { return p.followAddrs(ctx) })
	group.Go(func() error { return p.followWishes(ctx) })
	group.Go(func() error { return p.followReach(ctx) })
	group.Go(func() error { return p.steady(ctx, p.claimer.Run) })
	group.Go(func() error { return p.steady(ctx, p.payee.Run) })
	group.Go(func() error { return p.followLedger(ctx) })
	close(p.ready)
	err := group.Wait()

	p.IPFS.Host().RemoveStreamHandler(wire.SessionProtocol)
	p.IPFS.Host().RemoveStreamHandler(wire.ReleaseProtocol)
	p.server.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, p.Close())
}

// renewLook is how often a provider looks at the chain's time to see whether its offer is to be renewed: it may run
// ahead of this machine's timers.
const renewLook = 10 * time.Minute

// renewOffer publishes the next offer before the present one ends. One that was signed by hand is its operator's to
// renew.
func (p *Provider) renewOffer(ctx context.Context) error {
	for {
		p.mu.Lock()
		o := p.offer.Offer
		p.mu.Unlock()
		due := o.Expires.Add(-o.Expires.Sub(o.NotBefore) / 3)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.reopened:
		case <-time.After(min(max(due.Sub(p.Times().Next), time.Minute), renewLook)):
		}
		if p.Times().Next.Before(due) || p.Closed() != "" { // what sells nothing is not renewed
			continue
		}
		if p.cfg.Offer != nil {
			p.Log.Warn("the signed offer ends soon: sign the next one, and serve that",
				"expires", o.Expires)
			<-ctx.Done()
			return ctx.Err()
		}
		if _, err := p.publish(ctx); err != nil {
			p.Log.Warn("the offer could not be renewed; trying again in a minute", "error", err)
		}
	}
}

// held says why no transaction can be signed now; nil: one can.
func (p *Provider) held() error {
	if key, ok := p.Key.(interface{ Locked() bool }); ok && key.Locked() {
		return home.ErrLocked
	}
	return nil
}

// Unlocked says that the account's key is open now: what waited for it goes on.
func (p *Provider) Unlocked() {
	p.claimer.Wake()
	select {
	case p.unlocked <- struct{}{}:
	default:
	}
}

// Drain has the provider take no new sessions, or take them again. Those that it serves go on.
func (p *Provider) Drain(drains bool) { p.server.Drain(drains) }

// Claim turns every promise into tokens now: into the account's own vault, or to the account.
func (p *Provider) Claim(ctx context.Context, toVault bool) (Proceeds, error) {
	c, err := p.claimer.Claim(ctx, toVault)
	return Proceeds{c.Total, c.Channels, c.GasUsed, token.Wei{Int: c.Fee}, c.TxHash}, err
}

// Earnings reads what was promised and where that stands.
func (p *Provider) Earnings(ctx context.Context) (account.Earnings, error) {
	e, err := p.claimer.Earnings(ctx)
	return account.NewEarnings(e), err
}

// Offer returns the offer that is sold now.
func (p *Provider) Offer() registry.SignedOffer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.offer
}

// Sessions is how each session stands that is served now.
func (p *Provider) Sessions() []serve.SessionStatus { return p.server.Sessions() }

// Exit returns the exit, which forwards as long as the provider is open.
func (p *Provider) Exit() *tunnel.Exit { return p.exit }
