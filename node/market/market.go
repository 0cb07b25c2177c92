// Package market owns a consumer's view of who sells: the registered offers as they were last seen, this home's opinion
// of providers, the ranking that follows from both, and who can be reached. Which of them is used, and what a session
// with it is worth, is package path's to say.
package market

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/libp2p/go-libp2p/core/crypto"

	"byway/contracts/chain"
	"byway/ipfs"
	"byway/node/account"
	"byway/node/home"
	"byway/node/token"
	"byway/registry/choose"
	"byway/registry/directory"
)

const (
	indexFile = "index.db"
	bookFile  = "choices.db"

	// joinPatience bounds the wait for IPFS peers, once a block is needed that the index lacks.
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
	network  home.Network
	Token    token.Token
	log      *slog.Logger
	chain    *chain.Client
	last     account.LastTime // of the chain's clock, before this market was opened
	ipfs     *ipfs.Node
	registry *directory.Directory
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

// Config says where a market is remembered.
type Config struct {
	Network home.Network
	// Home keeps index and opinions; nil: nothing is kept. While another process has the index open, this one works on a
	// copy of it.
	Home *home.Home
	Log  *slog.Logger
}

// Open connects to a network to look around in it, without an account: with an IPFS node in memory and a name of
// its own. Where no endpoint of the chain answers it opens all the same, provided that the home knows the network.
func Open(ctx context.Context, cfg Config) (_ *Market, err error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	m := &Market{network: cfg.Network, log: cfg.Log}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	if m.chain, err = cfg.Network.DialLazy(ctx, cfg.Log); err != nil {
		return nil, err
	}
	m.onClose(func() error { m.chain.Close(); return nil })
	if cfg.Home != nil {
		m.last = account.RecallTime(*cfg.Home, cfg.Network, cfg.Log)
	}
	if m.Token, err = token.Remember(ctx, m.chain, cfg.Network, cfg.Home); err != nil {
		return nil, err
	}
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make host key: %w", err)
	}
	m.ipfs, err = ipfs.Open(ctx, ipfs.Config{
		Key: key, Network: cfg.Network.IPFS(), Client: true, Timeout: cfg.Network.FetchTimeout(), Log: cfg.Log,
	})
	if err != nil {
		return nil, err
	}
	m.onClose(m.ipfs.Close)
	book := ""
	if cfg.Home != nil {
		book = cfg.Home.Path(bookFile)
	}
	if m.book, err = choose.LoadBook(book); err != nil {
		return nil, err
	}
	return m, m.openIndex(ctx, cfg.Home)
}

// OpenOn opens a consumer's market on its account, whose home is locked. It keeps what it learns.
func OpenOn(ctx context.Context, p *account.Account) (_ *Market, err error) {
	m := &Market{network: p.Network, Token: p.Token, log: p.Log, chain: p.Chain, last: p.Last, ipfs: p.IPFS, collects: true}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	if m.book, err = choose.OpenBook(p.Home.Path(bookFile)); err != nil {
		return nil, err
	}
	m.onClose(m.book.Close)
	if err := token.Save(p.Home, p.Network, p.Token); err != nil {
		return nil, err
	}
	return m, m.openIndex(ctx, &p.Home)
}

// openIndex opens the home's index or, where another process has it, a copy that is given up with the market.
func (m *Market) openIndex(ctx context.Context, home *home.Home) error {
	path := ""
	if home != nil {
		path = home.Path(indexFile)
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
			if err := directory.CopyIndex(ctx, path, mine); err != nil {
				return err
			}
		}
		path = mine
	}
	index, err := directory.OpenIndex(path)
	if err != nil {
		return err
	}
	m.onClose(index.Close)
	m.life, m.stop = context.WithCancel(context.WithoutCancel(ctx))
	m.registry, err = directory.New(directory.Config{
		Backend: m.chain, Deployment: m.network.Deployment, Blobs: joinedBlobs{m.ipfs, joinPatienceOf(m.network)},
		Index: index, Patience: listPatience(m.network), Log: m.log, ChainTime: m.Time,
	})
	return err
}

// Background runs f beside what the market does; Close waits for it.
func (m *Market) Background(f func()) { m.measuring.Go(f) }

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

// Time is the chain's time, as offers are held against it.
func (m *Market) Time() time.Time { return account.TimesOf(m.chain, m.network, m.last).Now }
