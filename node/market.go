package node

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/gofrs/flock"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/crypto"

	"byway/contracts"
	"byway/contracts/chain"
	"byway/contracts/disk"
	"byway/ipfs"
	"byway/registry"
	"byway/registry/choose"
)

const (
	indexFile = "index.db"
	bookFile  = "choices.db"
	tokenFile = "token.json"

	// chainPatience bounds the wait for a chain that did not answer before, joinPatience that for IPFS peers, once a
	// block is needed that the index lacks.
	chainPatience       = 2 * time.Second
	joinPatience        = 15 * time.Second
	joinPatiencePrivate = 3 * time.Second

	settledPatience = time.Second // beyond the listing, for the events of settlements

	collectTime = 10 * time.Second // for the deletion of superseded blocks
	finishTime  = 3 * time.Minute  // for the search for offers that a listing did not wait for

	// listPatiencePrivate is how long a listing on a private network waits for offers that nobody has sent yet; on public ones
	// it is the registry's own.
	listPatiencePrivate = 800 * time.Millisecond

	reachTimeout = 3 * time.Second // to dial one provider's host
	reachAtOnce  = 32
)

// Market is a consumer's view of who sells: the registered offers, remembered on disk, and its own opinion of them. It
// needs neither chain nor peers to say what it knew last. Safe for concurrent use.
type Market struct {
	network  Network
	token    Token
	log      *slog.Logger
	chain    *chain.Client
	last     lastTime // of the chain's clock, before this market was opened
	ipfs     *ipfs.Node
	registry *registry.Registry
	book     *choose.Book

	measuring sync.WaitGroup // sessions whose measurements are not written yet, and the collection of blocks
	collects  bool           // the block store is this home's own: superseded blocks are deleted once a life
	collected sync.Once

	mu    sync.Mutex
	lapse error // why the last listing could not bring the index up to date

	life context.Context // of what goes on in the background; ended by Close
	stop context.CancelFunc

	closers []func() error // in the order of opening
}

// MarketConfig says where a market is remembered.
type MarketConfig struct {
	Network Network
	// Home keeps index and opinions; nil: nothing is kept. While another process has the index open, this one works on a
	// copy of it.
	Home *Home
	Log  *slog.Logger
}

// OpenMarket connects to a network to look around in it, without an account: with an IPFS node in memory and a name of
// its own. Where no endpoint of the chain answers it opens all the same, provided that the home knows the network.
func OpenMarket(ctx context.Context, cfg MarketConfig) (_ *Market, err error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	m := &Market{network: cfg.Network, log: cfg.Log}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	if m.chain, err = dialLazy(ctx, cfg.Network, cfg.Log); err != nil {
		return nil, err
	}
	m.onClose(func() error { m.chain.Close(); return nil })
	if cfg.Home != nil {
		m.last = recallTime(*cfg.Home, cfg.Network, cfg.Log)
	}
	if m.token, err = rememberToken(ctx, m.chain, cfg.Network, cfg.Home); err != nil {
		return nil, err
	}
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make host key: %w", err)
	}
	m.ipfs, err = ipfs.Open(ctx, ipfs.Config{
		Key: key, Network: cfg.Network.ipfs(), Client: true, Timeout: cfg.Network.fetchTimeout(), Log: cfg.Log,
	})
	if err != nil {
		return nil, err
	}
	m.onClose(m.ipfs.Close)
	book := ""
	if cfg.Home != nil {
		book = cfg.Home.path(bookFile)
	}
	if m.book, err = choose.LoadBook(book); err != nil {
		return nil, err
	}
	return m, m.openIndex(ctx, cfg.Home)
}

// openMarket is the market of a consumer whose home is locked and whose parts are open. It keeps what it learns.
func openMarket(ctx context.Context, p *parts) (_ *Market, err error) {
	m := &Market{network: p.network, token: p.token, log: p.log, chain: p.chain, last: p.last, ipfs: p.ipfs, collects: true}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	if m.book, err = choose.OpenBook(p.home.path(bookFile)); err != nil {
		return nil, err
	}
	m.onClose(m.book.Close)
	if err := saveToken(p.home, p.network, p.token); err != nil {
		return nil, err
	}
	return m, m.openIndex(ctx, &p.home)
}

// openIndex opens the home's index or, where another process has it, a copy that is given up with the market.
func (m *Market) openIndex(ctx context.Context, home *Home) error {
	path := ""
	if home != nil {
		path = home.path(indexFile)
		lock := flock.New(path + ".lock")
		held, err := lock.TryLock()
		if err != nil {
			return fmt.Errorf("lock offer index: %w", err)
		}
		if held {
			m.onClose(lock.Unlock)
		} else {
			home = nil
		}
	}
	if home == nil {
		dir, err := os.MkdirTemp("", "byway-index-")
		if err != nil {
			return fmt.Errorf("offer index: %w", err)
		}
		m.onClose(func() error { return os.RemoveAll(dir) })
		mine := filepath.Join(dir, indexFile)
		if path != "" {
			if err := registry.CopyIndex(ctx, path, mine); err != nil {
				return err
			}
		}
		path = mine
	}
	index, err := registry.OpenIndex(path)
	if err != nil {
		return err
	}
	m.onClose(index.Close)
	m.life, m.stop = context.WithCancel(context.WithoutCancel(ctx))
	m.registry, err = registry.New(registry.Config{
		Backend: m.chain, Deployment: m.network.Deployment, Blobs: joinedBlobs{m.ipfs, m.network.joinPatience()},
		Index: index, Patience: m.network.listPatience(), Log: m.log, ChainTime: m.Time,
	})
	return err
}

func (m *Market) onClose(f func() error) { m.closers = append(m.closers, f) }

// Close closes what was opened, the last first.
func (m *Market) Close() error {
	if m.stop != nil {
		m.stop()
	}
	m.measuring.Wait()
	var errs []error
	for _, f := range slices.Backward(m.closers) {
		errs = append(errs, f())
	}
	m.closers = nil
	return errors.Join(errs...)
}

// Token returns the metadata of the network's token.
func (m *Market) Token() Token { return m.token }

// Book is what this home thinks of providers.
func (m *Market) Book() *choose.Book { return m.book }

// joinedBlobs waits until the node has joined its network before it asks others for blocks: a node that knows nobody
// would call every block missing.
type joinedBlobs struct {
	*ipfs.Node
	patience time.Duration
}

// Get implements [registry.Blobs].
func (b joinedBlobs) Get(ctx context.Context, want []cid.Cid, admit func([]byte) error) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		joining, cancel := context.WithTimeout(ctx, b.patience)
		defer cancel()
		if err := b.WaitReady(joining); err != nil {
			yield(nil, err)
			return
		}
		for block, err := range b.Node.Get(ctx, want, admit) {
			if !yield(block, err) {
				return
			}
		}
	}
}

func (n Network) listPatience() time.Duration {
	if n.Private {
		return listPatiencePrivate
	}
	return 0 // the registry's own
}

func (n Network) joinPatience() time.Duration {
	if n.Private {
		return joinPatiencePrivate
	}
	return joinPatience
}

// dialLazy connects to a network's chain, or will once an endpoint answers.
func dialLazy(ctx context.Context, n Network, log *slog.Logger) (*chain.Client, error) {
	cfg := n.chainConfig(log)
	cfg.Lazy = n.ChainID != 0
	return chain.Dial(ctx, cfg)
}

// remembered is token.json: how a home that was online once shows amounts when it is not.
type remembered struct {
	ChainID uint64         `json:"chain_id"`
	Address common.Address `json:"address"`
	Token
}

// rememberToken reads the network's token from the chain, and from the home while the chain is down.
func rememberToken(ctx context.Context, client *chain.Client, n Network, home *Home) (Token, error) {
	down := client.Down()
	if down != nil {
		down = fmt.Errorf("dial chain: %w", down)
	}
	if down == nil {
		token, err := TokenAt(ctx, client, n.Token)
		switch {
		case err == nil && home == nil:
			return token, nil
		case err == nil:
			return token, saveToken(*home, n, token)
		case !chain.IsOutage(errors.Unwrap(err)):
			return token, err
		}
		down = err
	}
	if home == nil {
		return Token{}, down
	}
	token, err := recallToken(n, *home)
	switch {
	case errors.Is(err, errNotRemembered):
		return Token{}, down
	case err != nil:
		return Token{}, errors.Join(down, err)
	}
	return token, nil
}

// viewToken does so for who only looks, and writes nothing: the home may be another process's, or read-only.
func viewToken(ctx context.Context, client *chain.Client, n Network, home Home) (Token, error) {
	down := client.Down()
	if down == nil {
		token, err := TokenAt(ctx, client, n.Token)
		if err == nil || ctx.Err() == nil && !chain.IsOutage(errors.Unwrap(err)) {
			return token, err
		}
		down = err
	} else {
		down = fmt.Errorf("dial chain: %w", down)
	}
	token, err := recallToken(n, home)
	if errors.Is(err, errNotRemembered) {
		return token, down
	}
	if err != nil {
		return token, errors.Join(down, err)
	}
	return token, nil
}

// errNotRemembered says that a home has never read the network's token.
var errNotRemembered = errors.New("the home does not know the token")

// recallToken is the network's token as the home knows it.
func recallToken(n Network, home Home) (Token, error) {
	path := home.path(tokenFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Token{}, errNotRemembered
	}
	var r remembered
	if err == nil {
		err = decodeJSON(text, &r)
	}
	if err != nil {
		return Token{}, fmt.Errorf("read %s: %w; delete it, the chain tells it again", path, err)
	}
	if r.ChainID != n.ChainID || r.Address != n.Token {
		return Token{}, errNotRemembered
	}
	return r.Token, nil
}

// saveToken writes token.json where it says something else.
func saveToken(home Home, n Network, token Token) error {
	r := remembered{n.ChainID, n.Token, token}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if old, err := os.ReadFile(home.path(tokenFile)); err == nil && string(old) == string(text) {
		return nil
	}
	return disk.WriteFile(home.path(tokenFile), text, 0o600)
}

// Known lists what the index holds, at once, with neither chain nor peers. A provider's last good offer is marked stale
// where its present one could not be fetched; what has expired comes as a [*registry.Skipped].
func (m *Market) Known(ctx context.Context) iter.Seq2[registry.Listing, error] {
	return m.registry.Known(ctx)
}

// Offers brings the index up to date and lists the market: what is new as it comes, then the rest. An offer that cannot
// be listed is a [*registry.Skipped], and the sequence goes on. Once there is something to list it does not wait for
// offers that do not come: they are looked for in the background, and are in the next listing.
//
// Where chain or IPFS fail the index alone is listed; [Market.State] then says why and how old it is. An index that was
// never filled is no list: then the sequence ends with the failure.
func (m *Market) Offers(ctx context.Context) iter.Seq2[registry.Listing, error] {
	return func(yield func(registry.Listing, error) bool) {
		seen := map[common.Address]struct{}{}
		failure := m.ready(ctx)
		if failure == nil {
			settled := m.readSettled(ctx)
			defer settled()
			for l, err := range m.registry.Refresh(ctx) {
				var skip *registry.Skipped
				if err != nil && !errors.As(err, &skip) {
					failure = err
					break
				}
				if errors.Is(err, registry.ErrLeft) {
					continue // who has left is nowhere to be listed
				}
				seen[l.Registration.Provider] = struct{}{}
				if !yield(l, err) {
					return
				}
			}
		}
		m.finish()
		m.mu.Lock()
		m.lapse = failure
		m.mu.Unlock()
		if failure != nil {
			state, err := m.registry.State(ctx)
			if err != nil || ctx.Err() != nil || !state.Known && state.Offers == 0 {
				yield(registry.Listing{}, errors.Join(failure, err))
				return
			}
			m.log.Debug("listing from the index", "offers", state.Offers, "synced", state.Synced, "error", failure)
		}
		for l, err := range m.registry.Known(ctx) {
			if _, twice := seen[l.Registration.Provider]; twice {
				continue
			}
			if !yield(l, err) {
				return
			}
		}
		if failure == nil && m.collects {
			m.collected.Do(func() { m.measuring.Go(m.collect) })
		}
	}
}

// collect deletes what a complete listing has superseded. It ends by itself, and Close waits for it.
func (m *Market) collect() {
	ctx, cancel := context.WithTimeout(context.Background(), collectTime)
	defer cancel()
	gone, err := m.Collect(ctx)
	if err != nil {
		m.log.Warn("blocks of superseded offers are left", "error", err)
		return
	}
	m.log.Debug("blocks of superseded offers deleted", "blocks", gone)
}

// readSettled reads meanwhile what was settled on chain since the last time. The returned function waits a moment for it
// and then ends it: a choice without it is little worse.
func (m *Market) readSettled(ctx context.Context) (wait func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := m.registry.ReadSettled(ctx); err != nil {
			m.log.Debug("settlements not read", "error", err)
		}
	}()
	return func() {
		select {
		case <-done:
		case <-time.After(settledPatience):
		}
		cancel()
		<-done
	}
}

// Refresh brings the index up to date and yields what changed, as [registry.Registry.Refresh] does.
func (m *Market) Refresh(ctx context.Context) iter.Seq2[registry.Listing, error] {
	return func(yield func(registry.Listing, error) bool) {
		if err := m.ready(ctx); err != nil {
			yield(registry.Listing{}, err)
			return
		}
		m.registry.Refresh(ctx)(yield)
		m.finish()
	}
}

// finish has the registry look for what the last refresh did not wait for. It ends by itself or with the market.
func (m *Market) finish() {
	m.measuring.Go(func() {
		ctx, cancel := context.WithTimeout(m.life, finishTime)
		defer cancel()
		if err := m.registry.Finish(ctx); err != nil && ctx.Err() == nil {
			m.log.Debug("offers that a listing did not wait for", "error", err)
		}
	})
}

// Unreached writes down that a provider's host did not answer.
func (m *Market) Unreached(provider common.Address) {
	m.observe(choose.Observation{Provider: provider, At: time.Now(), Failed: true})
}

// ready gives a chain that was down a short moment to be up again.
func (m *Market) ready(ctx context.Context) error {
	if m.chain.Down() != nil {
		waiting, cancel := context.WithTimeout(ctx, chainPatience)
		defer cancel()
		if _, err := m.chain.Head(waiting); err != nil {
			return err
		}
	}
	return nil
}

// MarketState says how fresh a listing is.
type MarketState struct {
	registry.State
	// Lapse is why the last listing could not bring the index up to date; nil where it did.
	Lapse error
}

// State says how fresh the last listing was.
func (m *Market) State(ctx context.Context) (MarketState, error) {
	state, err := m.registry.State(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	return MarketState{state, m.lapse}, err
}

// Rank orders the offers that fit by what this home has measured, by price, and a little by what was settled on chain:
// the first is the one to take. See [choose.Book.Rank].
func (m *Market) Rank(offers []registry.Listing, want registry.Criteria) ([]choose.Ranked, error) {
	want.Now = m.Time()
	cfg := choose.Config{Criteria: want}
	if perPayer, scale, ok := evidenceScale(offers); ok {
		paid, err := m.registry.Settled(context.Background(), perPayer) // from the index
		if err != nil {
			m.log.Warn("choosing without what was settled on chain", "error", err)
		}
		cfg.EvidenceScale, cfg.Settled = scale, make(map[common.Address]contracts.Amount, len(paid))
		for _, l := range offers {
			if sum, ok := paid[l.Offer.Payee]; ok {
				cfg.Settled[l.Offer.Provider] = sum
			}
		}
	}
	return m.book.Rank(offers, cfg)
}

const (
	// evidenceGiB is how much traffic, at the market's median price, counts of what one payer settled, and evidencePayers
	// how many such payers earn two thirds of what settlements can add to a score.
	evidenceGiB, evidencePayers = 10, 20
)

// evidenceScale says what counts of one payer's settlements, and how much in all counts for two thirds.
func evidenceScale(offers []registry.Listing) (perPayer, scale contracts.Amount, ok bool) {
	if len(offers) == 0 {
		return perPayer, scale, false
	}
	prices := make([]contracts.Amount, len(offers))
	for i := range offers {
		prices[i] = offers[i].Offer.PricePerGiB
	}
	slices.SortFunc(prices, contracts.Amount.Cmp)
	perPayer, err := prices[len(prices)/2].MulDiv(evidenceGiB, 1)
	if err != nil || perPayer.IsZero() {
		return perPayer, scale, false
	}
	scale, err = perPayer.MulDiv(evidencePayers, 1)
	return perPayer, scale, err == nil
}

// Reachable returns those of the offers whose host answers a dial now, in their order. It dials a bounded number at a
// time and each for a bounded time; ctx bounds all of it.
func (m *Market) Reachable(ctx context.Context, offers []registry.Listing) []registry.Listing {
	up := make([]bool, len(offers))
	slots := make(chan struct{}, reachAtOnce)
	var dials sync.WaitGroup
	for i := range offers {
		dials.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			up[i] = m.Reach(ctx, offers[i].Offer) == nil
		})
	}
	dials.Wait()
	var out []registry.Listing
	for i, l := range offers {
		if up[i] {
			out = append(out, l)
		}
	}
	return out
}

// Reach dials the host that an offer names; libp2p proves that it is that host.
func (m *Market) Reach(ctx context.Context, o registry.Offer) error {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	host, err := dialable(o, m.network.Private)
	if err != nil {
		return err
	}
	if err := m.ipfs.Host().Connect(ctx, host); err != nil {
		return fmt.Errorf("provider %s cannot be reached: %w", o.Provider, err)
	}
	return nil
}

// Collect deletes the blocks of superseded offers from this node's store, and returns how many there were. It keeps
// what the index lists.
func (m *Market) Collect(ctx context.Context) (int, error) {
	keep := map[cid.Cid]struct{}{}
	for l, err := range m.registry.Known(ctx) {
		if skip := (*registry.Skipped)(nil); err != nil && !errors.As(err, &skip) {
			return 0, err
		}
		keep[l.Registration.CID()] = struct{}{}
		if err == nil {
			keep[l.CID] = struct{}{}
		}
	}
	return m.ipfs.Collect(ctx, func(c cid.Cid) bool { _, ok := keep[c]; return ok })
}
