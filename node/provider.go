package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/libp2p/go-libp2p/core/network"
	"golang.org/x/sync/errgroup"

	"byway/contracts"
	"byway/contracts/disk"
	"byway/ipfs"
	"byway/node/serve"
	"byway/node/wire"
	"byway/payments"
	"byway/registry"
	"byway/tunnel"
	"byway/tunnel/route"
)

// The bounds of a provider.
const (
	// DefaultMaxSessions is how many sessions a provider serves at once.
	DefaultMaxSessions = 5000
	// MostSessions is what an exit has inner addresses for, with those that rest.
	MostSessions = 50_000
)

// ProviderConfig is what a provider decides.
type ProviderConfig struct {
	Home    Home
	Network Network
	Key     contracts.Signer // registers, is paid, and sends the transactions

	// Terms are what this provider sells: price, exit policy, limits. It makes offers of them and renews them.
	Terms registry.Draft
	// Offer was signed by hand, perhaps where the provider's key is: it is sold as it stands in the place of Terms, and none
	// is signed here. Nil: Terms are sold.
	Offer *registry.Signed
	Stake contracts.Amount // locked in the registry
	// Depth is how many blocks old a deposit or reserve must be before more of it counts than the price of 10 GiB, or the
	// trust in one payer where that is more; with NoTrust before any of it counts. 0: the default, none on a private
	// network. Negative: none.
	Depth int

	HostListen []string         // libp2p multiaddrs; empty: ipfs's default
	Listen     netip.AddrPort   // UDP for WireGuard
	Endpoints  []string         // "address:port" for WireGuard as consumers reach it; empty: where they reached the host
	Mode       tunnel.Mode      // how the exit forwards; empty: in userspace
	Engine     tunnel.Engine    // the WireGuard implementation; empty: upstream's
	DNS        []netip.AddrPort // upstream resolvers; empty: the system's
	// Trust is the most that one vault's exposure may come to, in base units: what it has promised beyond its reserve, and
	// what may be forwarded to it unpaid. Zero: the price of 64 MiB, or of half a second of the line where that is more.
	// With NoTrust each tick is prepaid out of a reserve.
	Trust   contracts.Amount
	NoTrust bool
	// Budget is the most that all vaults without a reserve or a past may cost in an hour, in base units; zero: 16 times
	// Trust.
	Budget contracts.Amount
	Claims payments.Policy

	Log *slog.Logger

	places serve.Places // where tests want others; Sessions are those of the terms
}

// Provider earns tokens: it publishes an offer, serves sessions and claims what it was promised.
type Provider struct {
	*parts
	cfg     ProviderConfig
	sells   registry.Offer // what cfg sells; without host, sequence and times where it is not signed by hand
	terms   exitTerms      // of sells
	policy  *tunnel.Policy
	exit    *tunnel.Exit
	payee   *payments.Payee
	claimer *payments.Claimer
	claims  payments.Policy // cfg's, with what follows from network and price
	started time.Time
	ready   chan struct{} // closed once Run serves

	server *serve.Server

	troubled atomic.Pointer[string] // nil, save where tests make trouble for the exit

	mu          sync.Mutex
	offer       registry.Signed // the one that is sold now
	unpublished error           // see Unpublished
}

// OpenProvider opens a provider's home, checks the chain's contracts and starts the exit. It serves nobody yet: [Run]
// does. Where the chain is down, and the home knows the network, it opens all the same: see [Provider.Publish].
func OpenProvider(ctx context.Context, cfg ProviderConfig) (_ *Provider, err error) {
	if len(cfg.Endpoints) > wire.MaxEndpoints {
		return nil, fmt.Errorf("%d endpoints are named, consumers are told %d at most: leave out some", len(cfg.Endpoints),
			wire.MaxEndpoints)
	}
	sells, err := cfg.sold()
	if err != nil {
		return nil, err
	}
	terms, err := exitTermsOf(sells)
	if err != nil {
		return nil, err
	}
	if cfg.Trust, err = trustOf(cfg, sells); err != nil {
		return nil, err
	}
	if cfg.Budget.IsZero() {
		if cfg.Budget, err = cfg.Trust.MulDiv(budgetTimes, 1); err != nil {
			return nil, fmt.Errorf("budget for strangers: %w", err)
		}
	}
	places := cfg.places
	places.Sessions = terms.sessions
	parts, err := openParts(ctx, partsConfig{
		Home: cfg.Home, Network: cfg.Network, Key: cfg.Key, HostListen: cfg.HostListen, Sessions: places.Peers(), Log: cfg.Log,
	})
	if err != nil {
		return nil, err
	}
	p := &Provider{
		parts: parts, cfg: cfg, sells: sells, terms: terms, started: time.Now(), ready: make(chan struct{}),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if err := p.openAPI(ctx); err != nil {
		return nil, err
	}
	if cfg.Mode == tunnel.Privileged { // whose errors name what is missing; auto goes on without
		if err := route.CheckTUN("byway%d"); err != nil {
			return nil, fmt.Errorf("mode %s: %w", cfg.Mode, err)
		}
	}
	if p.policy, err = tunnel.NewPolicy(terms.policy); err != nil {
		return nil, err
	}
	p.exit, err = tunnel.NewExit(tunnel.ExitConfig{
		Listen: cfg.Listen, Policy: p.policy, Limits: terms.limits, DNS: cfg.DNS, Mode: cfg.Mode, Engine: cfg.Engine,
		Log: p.log,
	})
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, p.exit)
	p.learnEndpoints()
	view, err := p.payeeView()
	if err != nil {
		return nil, err
	}
	exitDelay, err := p.exitDelay(ctx)
	if err != nil {
		return nil, err
	}
	p.payee, err = payments.NewPayee(payments.PayeeConfig{
		Domain: p.domain, Ledger: p.ledger, Chain: view, Payee: cfg.Key.Address(), Token: cfg.Network.Token,
		Trust: cfg.Trust, NoTrust: cfg.NoTrust, Budget: cfg.Budget, ExitDelay: exitDelay, NewGate: serve.NewGate, Log: p.log,
	})
	if err != nil {
		return nil, err
	}
	if p.claims, err = p.claimPolicy(); err != nil {
		return nil, err
	}
	p.claimer, err = payments.NewClaimer(payments.ClaimerConfig{
		Ledger: p.ledger, Chain: p.view, Sender: onlineSender{p.parts}, Deployment: cfg.Network.Deployment, Policy: p.claims,
		Gas: p.chain, Events: p.claimEvents, Withdrawn: p.payee.VaultChanged, Log: p.log,
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
		Domain: p.domain, Payee: p.payee, Private: p.network.Private, Key: cfg.Key, Exit: p.exit, Host: p.ipfs, Self: p.ipfs.Host().ID(),
		Offer: p.Offer, Places: places, Rate: terms.rate, Endpoints: endpoints, Trouble: p.exitTrouble,
		Time: func(ctx context.Context) (now, next time.Time) {
			t := p.hearTime(ctx)
			return t.now, t.next
		},
		SecureAbove: secure, Secure: p.claimer.Wake, SetAside: p.claimer.SetAside, Log: p.log,
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
func (p *Provider) payeeView() (payments.Chain, error) {
	depth := p.cfg.Depth
	if depth == 0 && !p.network.Private {
		depth = DefaultDepth
	}
	// Credit is given to strangers on the chain's word: where the network names several endpoints, two must say it.
	view := payments.NewChainView(p.chain.Agreed(), p.network.Deployment)
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
	return payments.DepthView{View: view, Depth: uint64(depth), Above: above}, nil
}

// Publish puts the offer on IPFS and into the registry. An offer that is published already and still says the same is
// left alone. While the chain can't be read, the one that this home published last is sold where it says the same and has
// not ended, and published when the chain answers: see [Provider.Unpublished]. Else the error is an outage
// ([chain.IsOutage]), and calling again tries again.
func (p *Provider) Publish(ctx context.Context) (registry.Receipt, error) {
	return p.publishOrSell(ctx)
}

func (p *Provider) publish(ctx context.Context) (registry.Receipt, error) {
	signed, err := p.prepareOffer(ctx)
	if err != nil {
		return registry.Receipt{}, err
	}
	receipt, err := p.registry.Publish(ctx, onlineSender{p.parts}, signed, p.cfg.Stake)
	if err != nil {
		return registry.Receipt{}, fmt.Errorf("publish offer: %w", p.token.inTokens(err))
	}
	if err := disk.WriteFile(p.home.path("offer.cbor"), signed.Block, 0o600); err != nil {
		return registry.Receipt{}, err
	}
	p.mu.Lock()
	p.offer, p.unpublished = signed, nil
	p.mu.Unlock()
	return receipt, p.letGo(ctx, signed.CID)
}

// Ready is closed once [Provider.Run] takes sessions and the local API answers.
func (p *Provider) Ready() <-chan struct{} { return p.ready }

// Run serves sessions, renews the offer, claims what is due and answers the local API, until ctx ends. Then it ends
// every session in order, so that each consumer can pay what it still owes, and closes everything.
func (p *Provider) Run(ctx context.Context) error {
	p.mu.Lock()
	published := p.offer.CID.Defined()
	p.mu.Unlock()
	if !published {
		if _, err := p.Publish(ctx); err != nil {
			return errors.Join(err, p.close())
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	p.ipfs.Host().SetStreamHandler(wire.SessionProtocol, func(s network.Stream) { p.server.Session(ctx, s) })
	p.ipfs.Host().SetStreamHandler(wire.ReleaseProtocol, func(s network.Stream) { p.server.Release(ctx, s) })
	group.Go(func() error { return p.renewOffer(ctx) })
	group.Go(func() error { return p.publishLater(ctx) })
	group.Go(func() error { return p.followAddrs(ctx) })
	group.Go(func() error { return p.claimer.Run(ctx) })
	group.Go(func() error { return p.payee.Run(ctx) })
	group.Go(func() error { return p.ledger.Failure(ctx) })
	group.Go(func() error { return p.serveAPI(ctx, p.routes(), func() { close(p.ready) }) })
	err := group.Wait()

	p.ipfs.Host().RemoveStreamHandler(wire.SessionProtocol)
	p.ipfs.Host().RemoveStreamHandler(wire.ReleaseProtocol)
	p.server.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, p.close())
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
		case <-time.After(min(max(due.Sub(p.chainTimes().next), time.Minute), renewLook)):
		}
		if p.chainTimes().next.Before(due) {
			continue
		}
		if p.cfg.Offer != nil {
			p.log.Warn("the signed offer ends soon: sign the next one with byway provider offer sign, and serve that",
				"expires", o.Expires)
			<-ctx.Done()
			return ctx.Err()
		}
		if _, err := p.publish(ctx); err != nil {
			p.log.Warn("the offer could not be renewed; trying again in a minute", "error", err)
		}
	}
}

// Claim turns every promise into tokens now.
func (p *Provider) Claim(ctx context.Context) (Claimed, error) {
	c, err := p.claimer.Claim(ctx)
	return Claimed{c.Total, c.Channels, c.GasUsed, Wei{c.Fee}, c.TxHash}, err
}

// Earnings reads what was promised and where that stands.
func (p *Provider) Earnings(ctx context.Context) (Earnings, error) {
	e, err := p.claimer.Earnings(ctx)
	return newEarnings(e), err
}

// ProviderStatus is byway.status/1 of a provider.
type ProviderStatus struct {
	Schema   string                `json:"schema"`
	Role     string                `json:"role"`
	Provider string                `json:"provider"`
	Offer    string                `json:"offer"`
	Price    contracts.Amount      `json:"price_per_gib"`
	Token    Token                 `json:"token"`
	Since    time.Time             `json:"since"`
	Hosts    []string              `json:"hosts"`
	Exit     tunnel.Mode           `json:"exit"`                   // how it forwards, which "auto" chose at the start
	Trouble  string                `json:"exit_trouble,omitempty"` // why it forwards nothing at the moment
	Use      tunnel.ExitUse        `json:"use"`                    // what all sessions have of what they share
	Sessions []serve.SessionStatus `json:"sessions"`
	Peers    PeersUse              `json:"peers"`
	Earnings Earnings              `json:"earnings"`
	Chain    []ChainStatus         `json:"chain"`
	Claims   string                `json:"claims"` // by which rule they are made, for people
	Left     []Left                `json:"left"`   // what is owed and is not claimed by it
	// Strangers is what vaults that have set nothing aside cost, and may.
	Strangers Strangers `json:"strangers"`
	// Unbonding is what of earlier stakes comes back, and when; null where the chain can't be read.
	Unbonding *registry.Unbonding `json:"unbonding"`
	// Unpublished is why the chain can't be read, where the offer is the one that was published before the start.
	Unpublished string `json:"unpublished,omitempty"`
}

// PeersUse is what a provider's peers hold of it, and their limits.
type PeersUse struct {
	ipfs.Use
	Sessions     int            `json:"sessions"`         // that have a place
	Resting      int            `json:"sessions_resting"` // that have none at the moment
	SessionsMost int            `json:"sessions_most"`
	Hellos       serve.HelloUse `json:"hellos"`
	Releases     serve.HelloUse `json:"releases"`
}

func (p *Provider) peersUse() PeersUse {
	use := p.server.Use()
	return PeersUse{p.ipfs.Use(), use.Sessions, use.Resting, use.SessionsMost, use.Hellos, use.Releases}
}

// Strangers is what all vaults that have set nothing aside cost a provider, in base units.
type Strangers struct {
	AtStake contracts.Amount `json:"at_stake"`       // now
	Lost    contracts.Amount `json:"lost_last_hour"` // to them
	Budget  contracts.Amount `json:"budget"`         // for both
	Vaults  int              `json:"vaults"`
}

// Earnings is what a provider was promised and where that stands, in base units; GasSpent is in wei.
type Earnings struct {
	Promised  contracts.Amount `json:"promised"` // the sum of the next three
	Unsettled contracts.Amount `json:"unsettled"`
	Claiming  contracts.Amount `json:"claiming"`
	Settled   contracts.Amount `json:"settled"`
	GasSpent  Wei              `json:"gas_spent_wei"`
	Claims    int              `json:"claims"`
}

// Claimed is what one round of claims brought, in base units; Fee is in wei.
type Claimed struct {
	Total    contracts.Amount `json:"total"`
	Channels int              `json:"channels"`
	GasUsed  uint64           `json:"gas_used"`
	Fee      Wei              `json:"fee_wei"`
	TxHash   common.Hash      `json:"tx_hash"`
}

// Status reports what the provider does and has earned.
func (p *Provider) Status(ctx context.Context) (ProviderStatus, error) {
	earnings, err := p.Earnings(ctx)
	if err != nil {
		return ProviderStatus{}, err
	}
	peers, sessions, unbonding := p.peersUse(), p.server.Sessions(), p.unbonding(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	status := ProviderStatus{
		Schema: "byway.status/1", Role: "provider", Provider: p.cfg.Key.Address().Hex(), Offer: p.offer.CID.String(),
		Price: p.sells.PricePerGiB, Token: p.token, Since: p.started, Hosts: p.ipfs.Addrs(), Exit: p.exit.Mode(),
		Sessions: sessions,
		Peers:    peers, Earnings: earnings, Trouble: p.exitTrouble(), Use: p.exit.Use(),
		Chain:  p.chainStatus(),
		Claims: p.claimRule(p.claims), Left: p.left(), Unbonding: unbonding, Strangers: p.strangers(),
	}
	if p.unpublished != nil {
		status.Unpublished = printable(p.unpublished.Error())
	}
	return status, nil
}

func (p *Provider) strangers() Strangers {
	s := p.payee.Strangers()
	return Strangers{AtStake: s.AtStake, Lost: s.Lost, Budget: p.cfg.Budget, Vaults: s.Vaults}
}

// statusPatience is how long the chain may take to tell what a status is not held up for.
const statusPatience = time.Second

// unbonding reads what of the provider's stakes comes back; nil where the chain does not tell at once.
func (p *Provider) unbonding(ctx context.Context) *registry.Unbonding {
	if p.chain.Down() != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, statusPatience)
	defer cancel()
	u, err := p.registry.Unbonding(ctx, p.cfg.Key.Address())
	if err != nil {
		return nil
	}
	return &u
}

// exitTrouble says why the exit forwards nothing at the moment; empty when it does.
func (p *Provider) exitTrouble() string {
	if t := p.troubled.Load(); t != nil {
		return *t
	}
	return p.exit.Trouble()
}

// Ledger gives read access to what the provider recorded.
func (p *Provider) Ledger() *payments.Ledger { return p.ledger }

// Offer returns the offer that is sold now.
func (p *Provider) Offer() registry.Signed {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.offer
}

// ExitMode is how the provider forwards what its sessions send.
func (p *Provider) ExitMode() tunnel.Mode { return p.exit.Mode() }

// Token returns the metadata of the token that the offer is priced in.
func (p *Provider) Token() Token { return p.token }

func (p *Provider) routes() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"GET /v1/status": func(w http.ResponseWriter, r *http.Request) {
			status, err := p.Status(r.Context())
			answer(w, status, err)
		},
		"GET /metrics": p.metrics().ServeHTTP,
		"GET /v1/earnings": func(w http.ResponseWriter, r *http.Request) {
			report, err := p.EarningsReport(r.Context())
			answer(w, report, err)
		},
		"POST /v1/backup": p.backup,
		"POST /v1/claim": func(w http.ResponseWriter, r *http.Request) {
			claimed, err := p.Claim(r.Context())
			answer(w, claimed, err)
		},
	}
}

// savedOffer reads the offer that this home published last; none is no error, a damaged one is.
func (p *Provider) savedOffer() (registry.Signed, bool, error) {
	block, err := os.ReadFile(p.home.path("offer.cbor"))
	if errors.Is(err, os.ErrNotExist) {
		return registry.Signed{}, false, nil
	}
	if err != nil {
		return registry.Signed{}, false, err
	}
	signed, err := registry.Decode(block)
	if err != nil {
		return registry.Signed{}, false, fmt.Errorf("%s: %w: remove the file to publish a new offer",
			p.home.path("offer.cbor"), err)
	}
	return signed, true, nil
}
