package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"byway/contracts/chain"
	"byway/contracts/disk"
	"byway/node/account"
	"byway/node/api"
	"byway/node/api/spec"
	"byway/node/connection"
	"byway/node/home"
	"byway/node/provide"
	"byway/node/serve"
	"byway/node/token"
	"byway/registry/directory"
)

// A Node lives on a home from [Open] to the end of its Run. What it does there is written down before it is done, and taken
// up again at the next start:
//
//	selling.json  the provider's settings, from PUT /v2/provider until DELETE
//	wanted.json   the connection, from POST /v2/connection until DELETE (package path)
//
// Both roles share one account, one ledger and one vault key, so that what one earns the other may spend. One change runs at a
// time (turn): it closes what does not fit the wishes and opens what they lack. The account is opened anew where a change
// needs another host or another way to the network: sessions are settled before, and opened again after.

// Config says which home a node lives on.
type Config struct {
	Home    home.Home
	Network home.Network
	Version string // as status tells it
	// OnDemand ends the node when nothing is wanted of it any more: a command has started it, not its user.
	OnDemand bool
	// Sale reads what a provider is wanted to sell. What it leaves out is the config file's or a default.
	Sale func(w Wish, t token.Token) (Sale, error)
	Log  *slog.Logger
}

// Sale says what a provider sells and where it is reached.
type Sale struct {
	provide.Config
	HostListen []string // libp2p multiaddrs; empty: ipfs's default
}

// Node is the daemon of one home: a provider, a consumer, both, or neither yet.
type Node struct {
	cfg   Config
	keys  *home.Keys
	since time.Time
	log   *slog.Logger
	life  context.Context // of what runs
	end   context.CancelFunc
	free  func() error // unlocks the home

	server     *api.Server
	events     *api.Events
	operations *api.Operations

	works  atomic.Int64  // that may come to a wish
	turn   sync.Mutex    // one change at a time
	opened chan struct{} // holds one token: the account was unlocked

	mu       sync.Mutex
	open     *opened
	selling  *selling
	buying   *buying
	trouble  string              // why a provider that is wanted does not run
	last     *spec.ConnectReport // of the connection that ended last
	change   context.CancelFunc  // ends the change that goes on
	changeOf string              // what it is about
}

// selling is a provider that runs.
type selling struct {
	*provide.Provider
	cancel context.CancelFunc
	done   chan struct{} // closed once it has ended
	err    error         // why, after that
}

// over reports whether the provider has ended by itself.
func (s *selling) over() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// Wish is what a provider is wanted to sell, in the words of the config file: settings by their names, and the file of an offer
// that was signed elsewhere.
type Wish struct {
	Schema   string              `json:"schema"`
	Settings map[string][]string `json:"settings"`
	Offer    string              `json:"offer,omitempty"` // the file of one that was signed elsewhere
}

const saleFile, saleSchema = "selling.json", "byway.selling/1"

// operationsFile keeps which requests have begun what, for a day.
const operationsFile = "operations.json"

// maxSale bounds selling.json, in bytes.
const maxSale = 64 << 10

// decodeSale reads selling.json.
func decodeSale(text []byte) (s Wish, err error) {
	if len(text) > maxSale {
		return s, fmt.Errorf("longer than %d bytes", maxSale)
	}
	if err := home.DecodeJSON(text, &s); err != nil {
		return s, err
	}
	if s.Schema != saleSchema {
		return s, fmt.Errorf("it is %q, and not %s", s.Schema, saleSchema)
	}
	return s, nil
}

// wantedSale is the sale that was wanted when the node ended last; nil where none was.
func (n *Node) wantedSale() (*Wish, error) {
	text, err := os.ReadFile(n.cfg.Home.Path(saleFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s, err := decodeSale(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: remove it, and start the provider again", n.cfg.Home.Path(saleFile), err)
	}
	return &s, nil
}

func (n *Node) writeSale(s *Wish) error {
	at := n.cfg.Home.Path(saleFile)
	if s == nil {
		if err := os.Remove(at); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return disk.WriteFile(at, text, 0o600)
}

// ForgetSale takes back what a home's provider was wanted to sell, where no daemon runs. It reports whether it was.
func ForgetSale(h home.Home) (bool, error) {
	n := &Node{cfg: Config{Home: h}}
	wish, err := n.wantedSale()
	if err != nil || wish == nil {
		return false, err
	}
	return true, n.writeSale(nil)
}

// token is the network's token, asked of the chain where this home has not met it yet.
func (n *Node) token(ctx context.Context) (token.Token, error) {
	return token.Known(ctx, n.cfg.Network, n.cfg.Home)
}

// planned reads settings and checks what can be checked before anything is opened.
func (n *Node) planned(ctx context.Context, wish Wish) (sold Sale, plan provide.Plan, err error) {
	t, err := n.token(ctx)
	if err != nil {
		return sold, plan, err
	}
	if sold, err = n.cfg.Sale(wish, t); err != nil {
		return sold, plan, err
	}
	sold.Vault = n.keys.Session().Address()
	if err := provide.CheckHostListen(n.cfg.Network, sold.HostListen); err != nil {
		return sold, plan, err
	}
	plan, err = sold.Plan(n.cfg.Network, n.keys.Owner().Address())
	return sold, plan, err
}

// What a change is about.
const (
	everything = ""
	theSale    = "sale"
	theLine    = "connection"
)

// begin makes the caller the only one who changes what runs, until done. A change of the same that goes on is ended for it:
// the user's last word holds. Of something else it is waited for.
func (n *Node) begin(ctx context.Context, of string) (changing context.Context, done func()) {
	n.mu.Lock()
	if n.change != nil && (of == everything || of == n.changeOf) {
		n.change()
	}
	n.mu.Unlock()
	return n.await(ctx, of)
}

// await is begin that ends nobody's change: what a node does by itself gives way to its user.
func (n *Node) await(ctx context.Context, of string) (changing context.Context, done func()) {
	n.turn.Lock()
	changing, cancel := context.WithCancel(ctx)
	n.mu.Lock()
	n.change, n.changeOf = cancel, of
	n.mu.Unlock()
	return changing, func() {
		n.mu.Lock()
		n.change = nil
		n.mu.Unlock()
		cancel()
		n.turn.Unlock()
		n.changed()
	}
}

// Sell starts the provider with those settings, in the place of the one that runs, and returns once its offer can be
// bought. The wish stays on disk until [Node.StopSelling], but where it never came to be. step hears what is done.
func (n *Node) Sell(ctx context.Context, wish Wish, step func(string)) (directory.Receipt, error) {
	ctx, done := n.begin(ctx, theSale)
	defer done()
	sold, plan, err := n.planned(ctx, wish)
	if err != nil {
		return directory.Receipt{}, err
	}
	if b := n.bought(); b != nil && b.want.Machine != nil {
		return directory.Receipt{}, &BothError{}
	}
	if n.keys.Locked() && sold.Offer == nil && !n.sellsBefore() {
		return directory.Receipt{}, fmt.Errorf("an offer must be signed: %w", home.ErrLocked)
	}
	before, err := n.wantedSale()
	if err != nil {
		return directory.Receipt{}, err
	}
	if err := n.writeSale(&wish); err != nil {
		return directory.Receipt{}, err
	}
	receipt, err := n.sell(ctx, sold, plan, step)
	if err != nil {
		err = errors.Join(err, n.writeSale(before))
		if before != nil { // what was sold before goes on
			go n.takeUpSale() // ends with the provider's return, or the node
		}
	}
	return receipt, err
}

// sellsBefore reports whether this home has published an offer before, which a locked account can sell again.
func (n *Node) sellsBefore() bool {
	_, err := os.Stat(n.cfg.Home.Path("offer.cbor"))
	return err == nil
}

// sell opens account and provider.
func (n *Node) sell(ctx context.Context, sold Sale, plan provide.Plan, step func(string),
) (receipt directory.Receipt, err error) {
	want := n.pauseBuying()
	if _, err := n.stopSelling(); err != nil {
		n.log.Warn("the provider that ran before ended badly", "error", err)
	}
	defer func() { err = errors.Join(err, n.resumeBuying(want)) }()
	a, err := n.openAccount(ctx, account.Config{
		HostListen: sold.HostListen, Sessions: plan.Peers(), Pools: serve.Pools(plan.Peers()), Keep: sold.Keep,
	})
	if err != nil {
		return receipt, err
	}
	if trouble := a.ClockTrouble(ctx); trouble != "" {
		step("note: " + trouble)
	}
	p, err := provide.Open(ctx, a, plan)
	if errors.Is(err, syscall.EADDRINUSE) {
		err = setting("listen", "%s: UDP port %d is in use: choose another, or port 0 for any: %w", sold.Listen.Addr(), sold.Listen.Port(), err)
	}
	if err != nil {
		return receipt, err
	}
	step("publish")
	if receipt, err = n.publish(ctx, p, step); err != nil {
		return receipt, errors.Join(err, p.Close())
	}
	running, cancel := context.WithCancel(n.life)
	s := &selling{Provider: p, cancel: cancel, done: make(chan struct{})}
	go func() { // ends with running
		defer close(s.done)
		if s.err = p.Run(running); s.err != nil {
			n.log.Error("the provider ended", "error", s.err)
			n.say(s.err.Error())
		}
		if running.Err() == nil { // by itself: it is wanted still
			n.mu.Lock()
			if n.selling == s {
				n.selling = nil
			}
			n.mu.Unlock()
			go func() { // ends with the provider's return, or the node
				account.Pause(n.life, takeUpRetry)
				n.takeUpSale()
			}()
		}
	}()
	select {
	case <-p.Ready():
	case <-s.done:
		cancel()
		return receipt, s.err
	}
	n.mu.Lock()
	n.selling, n.trouble = s, ""
	n.mu.Unlock()
	return receipt, nil
}

// publishRetry is how often a provider tries to publish while the chain can't be read.
const publishRetry = 5 * time.Second

// publish publishes the offer. While the chain can't be read, and nothing like it was sold before, it waits.
func (n *Node) publish(ctx context.Context, p *provide.Provider, step func(string)) (directory.Receipt, error) {
	for said := false; ; said = true {
		receipt, err := p.Publish(ctx)
		if !chain.IsOutage(err) || ctx.Err() != nil {
			return receipt, err
		}
		if !said {
			step("note: " + err.Error() + ". The offer can't be published, and none like it was before: waiting for the chain")
		}
		account.Pause(ctx, publishRetry)
	}
}

// BothError says that a node can't sell while its whole machine goes through a session: its exit's traffic would too.
type BothError struct{}

// Error implements error.
func (*BothError) Error() string {
	return "a provider's traffic can't leave a machine whose own goes through a session: use the session as a proxy, or sell " +
		"from another machine"
}

// StopSelling ends the provider in order, and the wish for it. It reports whether there was any.
func (n *Node) StopSelling() (bool, error) {
	_, done := n.begin(context.Background(), theSale)
	defer done()
	n.say("")
	if err := n.writeSale(nil); err != nil {
		return false, err
	}
	return n.stopSelling()
}

// stopSelling ends the provider that runs: each of its sessions is settled.
func (n *Node) stopSelling() (bool, error) {
	n.mu.Lock()
	s := n.selling
	n.selling = nil
	n.mu.Unlock()
	if s == nil {
		return false, nil
	}
	s.cancel()
	<-s.done
	return true, s.err
}

// opened is an account that is open. Who uses it without being the provider or the connection has a lease.
type opened struct {
	*account.Account
	life   context.Context // ends when the account is to be closed
	end    context.CancelFunc
	leases sync.WaitGroup
}

// openAccount opens the account as cfg asks, in the place of the one that is open: what leases of that one do is ended
// first.
func (n *Node) openAccount(ctx context.Context, cfg account.Config) (*account.Account, error) {
	if err := n.closeAccount(); err != nil {
		return nil, err
	}
	past := cfg.Network.Dialer // the machine's tunnel, where there is one
	cfg.Home, cfg.Network, cfg.Key, cfg.Log, cfg.Held = n.cfg.Home, n.cfg.Network, n.keys.Owner(), n.log, true
	cfg.Network.Dialer = past
	a, err := account.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	o := &opened{Account: a}
	o.life, o.end = context.WithCancel(n.life)
	n.mu.Lock()
	n.open = o
	n.mu.Unlock()
	return a, nil
}

func (n *Node) closeAccount() error {
	n.mu.Lock()
	o := n.open
	n.open = nil
	n.mu.Unlock()
	if o == nil {
		return nil
	}
	o.end()
	o.leases.Wait()
	return o.CloseAll()
}

// lease gives the open account to work that is neither the provider's nor the connection's, until release. Where none is
// open it opens one, which serves nobody. The context ends with ctx, and when the account is to be closed.
func (n *Node) lease(ctx context.Context) (a *account.Account, work context.Context, release func(), err error) {
	o := n.takeLease()
	if o == nil {
		n.turn.Lock()
		if n.peek() == nil {
			_, err = n.openAccount(ctx, account.Config{Client: true})
		}
		o = n.takeLease()
		n.turn.Unlock()
	}
	if o == nil {
		return nil, nil, nil, errors.Join(errChanging, err)
	}
	work, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(o.life, cancel)
	return o.Account, work, func() { stop(); cancel(); o.leases.Done() }, nil
}

// errChanging says that the node was opening what it runs anew at that very moment.
var errChanging = errors.New("the node is just starting or ending something: try again")

func (n *Node) peek() *opened {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.open
}

func (n *Node) takeLease() *opened {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.open != nil {
		n.open.leases.Add(1)
	}
	return n.open
}

// say notes why a provider that is wanted does not run; empty where there is nothing to say.
func (n *Node) say(why string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.trouble = why
}

// sold is the provider that runs; nil where none does.
func (n *Node) sold() *selling {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.selling
}

// bought is the connection that is wanted; nil where none is.
func (n *Node) bought() *buying {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.buying
}

// changed tells who follows the events that the status is another one.
func (n *Node) changed() { n.events.Publish("status", struct{}{}) }

// Open locks the home and its machine where a connection is wanted, and takes the local API's socket. It starts nothing:
// [Node.Run] does. The keys are locked.
func Open(ctx context.Context, cfg Config) (_ *Node, err error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	n := &Node{cfg: cfg, since: time.Now(), log: cfg.Log, events: api.NewEvents(), opened: make(chan struct{}, 1)}
	if n.free, err = cfg.Home.Lock(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.free())
		}
	}()
	if n.keys, err = cfg.Home.OpenKeys(); err != nil {
		return nil, err
	}
	n.operations = api.NewOperations(n.events, kinds)
	if err = n.operations.Remember(cfg.Home.Path(operationsFile)); err != nil {
		return nil, err
	}
	n.life, n.end = context.WithCancel(context.WithoutCancel(ctx))
	if n.server, err = api.Listen(ctx, cfg.Home); err != nil {
		n.end()
	}
	return n, err
}

// End ends the node: Run settles what runs, and returns.
func (n *Node) End() { n.end() }

// Run answers the local API and does what is wanted until ctx or the node ends. Then it settles every session, keeps the
// wishes for the next start, and frees the home. ready is called once commands are answered.
func (n *Node) Run(ctx context.Context, ready func()) error {
	stop := context.AfterFunc(ctx, n.end)
	defer stop()
	serving, closeAPI := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { // ends with serving
		served <- n.server.Serve(serving, api.Config{
			Handler: answers{n, n.operations}, Events: n.events, Kinds: kinds, Metrics: http.HandlerFunc(n.metrics), Log: n.log,
		}, ready)
	}()
	var work sync.WaitGroup
	work.Go(n.takeUpLine)
	work.Go(n.takeUpSale)
	work.Go(n.tick)
	var err error
	select {
	case <-n.life.Done():
	case err = <-served: // commands would find nobody
		n.end()
		served <- nil
	}
	work.Wait()
	_, done := n.begin(context.Background(), everything)
	err = errors.Join(err, n.operations.Close(), n.closeBuying(), n.endSelling(), n.closeAccount())
	done()
	n.keys.Lock()
	closeAPI()
	return errors.Join(err, <-served, n.free())
}

// endSelling settles the provider's sessions at the node's end.
func (n *Node) endSelling() error {
	_, err := n.stopSelling()
	return err
}

// takeUpRetry is how often a node tries to start what it was asked for in an earlier life.
const takeUpRetry = 10 * time.Second

// takeUpLine starts the connection that was wanted when the node ended last.
func (n *Node) takeUpLine() {
	if err := n.restoreBuying(); err != nil {
		n.log.Error("the connection that is wanted can't be taken up", "error", err)
	}
}

// takeUpSale starts the provider that was wanted when the node ended last. What can't be started is tried again, until it runs
// or is not wanted any more.
func (n *Node) takeUpSale() {
	for said := ""; n.life.Err() == nil; n.awaitKey(takeUpRetry) {
		wish, err := n.wantedSale()
		if err == nil && (wish == nil || n.sold() != nil) {
			return
		}
		if err == nil {
			err = n.sellAgain(*wish)
		}
		if err == nil {
			return
		}
		n.say(err.Error())
		n.changed()
		if err.Error() != said && n.life.Err() == nil {
			said = err.Error()
			n.log.Warn("the provider that is wanted does not run yet", "error", err)
		}
	}
}

// awaitKey waits until the account is unlocked, or so long.
func (n *Node) awaitKey(most time.Duration) {
	select {
	case <-n.life.Done():
	case <-n.opened:
	case <-time.After(most):
	}
}

// sellAgain starts a provider that is wanted already.
func (n *Node) sellAgain(wish Wish) error {
	ctx, done := n.await(n.life, theSale)
	defer done()
	if n.sold() != nil || n.life.Err() != nil { // its user was quicker
		return nil
	}
	sold, plan, err := n.planned(ctx, wish)
	if err != nil {
		return err
	}
	_, err = n.sell(ctx, sold, plan, func(string) {})
	return err
}

// idlePatience is how long a node that a command has started waits to be told what for, and for the password: a person may
// have to look for it.
const idlePatience = 10 * time.Minute

// tick ends a node that a command has started, and that nothing is wanted of any more.
func (n *Node) tick() {
	if !n.cfg.OnDemand {
		return
	}
	account.Pause(n.life, idlePatience)
	n.settle()
}

// settleLook is between the two looks of a node that is about to end.
const settleLook = 100 * time.Millisecond

// busy keeps a node from ending as not needed until done.
func (n *Node) busy() (done func()) {
	n.works.Add(1)
	return func() { n.works.Add(-1) }
}

// settle ends a node that a command has started where nothing is wanted of it. The answer that is on its way is sent.
func (n *Node) settle() {
	for range 2 { // a request may have come a moment ago, and not be busy yet
		if !n.cfg.OnDemand || n.sold() != nil || n.bought() != nil || n.works.Load() > 0 {
			return
		}
		account.Pause(n.life, settleLook)
	}
	wish, err := n.wantedSale()
	_, wanted, wantedErr := connection.Wanted(n.cfg.Home)
	if wish == nil && !wanted && err == nil && wantedErr == nil {
		n.end()
	}
}

// unlockKeys opens the account's key, and lets what waits for it go on.
func (n *Node) unlockKeys(password string) error {
	if err := n.keys.Unlock(password); err != nil {
		return err
	}
	select {
	case n.opened <- struct{}{}:
	default:
	}
	if s := n.sold(); s != nil {
		s.Unlocked()
	}
	if b := n.bought(); b != nil {
		b.unlocked()
	}
	n.changed()
	return nil
}

// drainLook is how often a node that drains looks whether its sessions have ended.
const drainLook = 200 * time.Millisecond

// drain takes no new sessions, and waits until those that are served have ended, or ctx has.
func (n *Node) drain(ctx context.Context) {
	s := n.sold()
	if s == nil {
		return
	}
	s.Drain(true)
	for ctx.Err() == nil && len(s.Sessions()) > 0 {
		account.Pause(ctx, drainLook)
	}
	if ctx.Err() != nil {
		s.Drain(false)
	}
}

// metrics answers with the figures of the provider; there are none where none runs.
func (n *Node) metrics(w http.ResponseWriter, r *http.Request) {
	registry := prometheus.NewRegistry()
	if s := n.sold(); s != nil {
		registry.MustRegister(providerMetrics{s.Provider})
	}
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
}
