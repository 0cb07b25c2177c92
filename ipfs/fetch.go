package ipfs

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"

	"byway/ipfs/store"
)

const (
	// A session asks every connected peer for its first 64 wants at once; small sessions are also the cheaper ones, since
	// each message is held against all wants of its session. A default server drops what exceeds 1,024 wants of one
	// peer, so all fresh sessions of a node together stay below that.
	sessionWants    = 64
	sessions        = 6  // sessions of one Get at a time
	freshSessions   = 10 // and of the whole node, not counting those that found nothing at first
	exchangeWorkers = 16 // goroutines that read blocks for bitswap's server
	maxCID          = 64 // bytes of a CID in a request; ours have 36

	smallGet  = 16                     // a list so short is asked of bitswap at once, beside the seeds
	seedsIdle = 500 * time.Millisecond // without a block for so long, bitswap joins the seeds
	seedsMost = 5 * time.Second        // and after so long in any case

	sessionCheck = 100 * time.Millisecond
	// Without a block for so long, a session is replaced by a fresh one; the time doubles while that does not help.
	sessionPatience, sessionPatienceMax = 600 * time.Millisecond, 4 * time.Second

	findAfter      = 150 * time.Millisecond // without a block for so long, the DHT is asked
	findWorkers    = 8                      // searches for one session at a time
	maxSearches    = 32                     // and of the whole node
	findTimeout    = 15 * time.Second
	findProviders  = 5 // providers of one block that are dialled
	findAgain      = 500 * time.Millisecond
	findAgainMax   = 5 * time.Second
	connectTimeout = 5 * time.Second
)

// Get gives the wanted blocks in the order in which they come: those in the store first, the others from peers. Every
// wanted CID yields exactly once, however often it is listed: either (block, nil), or (nil, err) with err a
// *[NotFoundError] that names it. A block is checked for size, for its hash and by admit before it is stored; admit
// may be nil, must be safe for concurrent use and must not keep the slice it is given. Since a CID stands for one
// content, a block that admit refuses is refused for good.
//
// Get gives up on what is missing when no block has come for Config.Timeout, or when ctx ends. Leaving the loop early
// ends the fetch.
func (n *Node) Get(ctx context.Context, want []cid.Cid, admit func(block []byte) error) iter.Seq2[[]byte, error] {
	if admit == nil {
		admit = func([]byte) error { return nil }
	}
	return func(yield func([]byte, error) bool) {
		seen := make(map[cid.Cid]struct{}, len(want))
		var missing []cid.Cid
		for _, c := range want {
			if _, twice := seen[c]; twice {
				continue
			}
			seen[c] = struct{}{}
			block, err := n.local(ctx, c, admit)
			switch {
			case errors.Is(err, ds.ErrNotFound):
				missing = append(missing, c)
			case err != nil:
				if !yield(nil, &NotFoundError{c, err}) {
					return
				}
			case !yield(block, nil):
				return
			}
		}
		if len(missing) > 0 {
			n.yieldRemote(ctx, missing, admit, yield)
		}
	}
}

// local gives a block from the store; ds.ErrNotFound means that it may be had elsewhere.
func (n *Node) local(ctx context.Context, c cid.Cid, admit func([]byte) error) ([]byte, error) {
	if _, err := store.Digest(c); err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	block, err := n.store.Read(ctx, c)
	if errors.Is(err, store.ErrDisk) { // what is not stored here may be had elsewhere
		return nil, ds.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	if err := admit(block); err != nil {
		return nil, err
	}
	return block, nil
}

// yieldRemote fetches in the background and yields results as they come. What has no result when the fetch has ended,
// because ctx did or the node was closed, is yielded with that cause.
func (n *Node) yieldRemote(
	ctx context.Context, missing []cid.Cid, admit func([]byte) error, yield func([]byte, error) bool,
) {
	results := make(chan result)
	var cause error // why the fetch ended early; written before results is closed
	cancel, err := n.begin(ctx, func(ctx context.Context) {
		defer close(results)
		n.fetch(ctx, missing, admit, results)
		cause = context.Cause(ctx)
	})
	if err != nil {
		for _, c := range missing {
			if !yield(nil, &NotFoundError{c, err}) {
				return
			}
		}
		return
	}
	defer cancel()
	pending := make(map[cid.Cid]struct{}, len(missing))
	for _, c := range missing {
		pending[c] = struct{}{}
	}
	for r := range results {
		delete(pending, r.cid)
		if !yield(r.block, r.err) {
			return
		}
	}
	for _, c := range missing {
		if _, left := pending[c]; left && !yield(nil, &NotFoundError{c, cause}) {
			return
		}
	}
}

// fetch sends one result for each wanted CID, unless ctx ends first. Seeds come first, since they move a long list in a
// few round trips. What they do not give, or are slow with, is fetched by bitswap while they go on.
func (n *Node) fetch(ctx context.Context, want []cid.Cid, admit func([]byte) error, results chan<- result) {
	b := newBatch(want, admit, results, ctx.Done())
	ctx, cancel := context.WithCancel(ctx)
	seeded := make(chan struct{})
	go func() {
		defer close(seeded)
		n.fetchSeeds(ctx, b, want)
	}()
	defer func() { cancel(); <-seeded }()
	if len(want) > smallGet {
		awaitSeeds(ctx, b, seeded)
	}
	var group errgroup.Group
	group.SetLimit(sessions)
	for left := b.missing(want); len(left) > 0 && ctx.Err() == nil; {
		p := newPart(b, left[:min(len(left), sessionWants)])
		left = left[len(p.own):]
		group.Go(func() error {
			n.exchangePart(ctx, p)
			p.giveUp(ctx, fmt.Errorf("%w within %s", ErrNotProvided, n.cfg.Timeout))
			return nil
		})
	}
	_ = group.Wait() // no part fails: each names what it lacks
}

// awaitSeeds returns when the seeds have nothing more to give or give too little.
func awaitSeeds(ctx context.Context, b *batch, seeded <-chan struct{}) {
	limit := time.NewTimer(seedsMost)
	defer limit.Stop()
	tick := time.NewTicker(seedsIdle / 4)
	defer tick.Stop()
	for b.idle() < seedsIdle {
		select {
		case <-ctx.Done():
			return
		case <-seeded:
			return
		case <-b.done:
			return
		case <-limit.C:
			return
		case <-tick.C:
		}
	}
}

// accept takes in what came under the name c. Wrong bytes leave the want open and give [ErrHash]: another peer may have
// the right ones. The right bytes settle it, also if they are too large or not admitted.
func (n *Node) accept(ctx context.Context, b *batch, c cid.Cid, block []byte) error {
	if !b.wants(c) {
		return nil
	}
	err, refused := store.Check(c, block), ""
	switch {
	case errors.Is(err, store.ErrHash):
		n.counts.refuse("hash")
		return err
	case errors.Is(err, store.ErrEmpty):
		n.counts.refuse("empty")
		return err
	case err != nil:
		refused = "too_large"
	default:
		if err = b.admit(block); err != nil {
			refused = "not_admitted"
		}
	}
	if !b.take(c) {
		return nil // another source was faster
	}
	if err == nil {
		err = n.store.Write(ctx, c, block)
		if errors.Is(err, store.ErrDisk) { // whoever asked has use of it all the same
			err = nil
		}
		if err != nil {
			refused = "not_stored"
		} else {
			n.counts.fetched.Add(1)
			n.offer(ctx, c, block)
		}
	}
	if err != nil {
		n.counts.refuse(refused)
		b.send(result{cid: c, err: &NotFoundError{c, err}})
		return nil
	}
	b.send(result{cid: c, block: block})
	return nil
}

// exchangePart fetches a part by bitswap, with the DHT and the web to fall back on. It returns when everything has
// come, when nothing has for Config.Timeout, or when ctx ends.
func (n *Node) exchangePart(ctx context.Context, p *part) {
	ctx, cancel := context.WithCancel(ctx)
	var others sync.WaitGroup
	defer others.Wait()
	defer cancel()
	leave := n.enter(ctx)
	defer leave()
	p.begin()
	others.Go(func() { n.find(ctx, p) })
	others.Go(func() { n.fetchWeb(ctx, p) })
	patience := sessionPatience
	for ctx.Err() == nil && p.idle() < n.cfg.Timeout && len(p.missing()) > 0 {
		before := len(p.missing())
		err := n.session(ctx, p, min(patience, n.cfg.Timeout))
		// What nobody had at once may take its time, but not that of others.
		leave()
		if len(p.missing()) < before {
			patience = sessionPatience
		} else {
			patience = min(2*patience, sessionPatienceMax)
		}
		if err != nil {
			n.log.Debug("bitswap session failed", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(findAgain):
			}
		}
	}
}

// enter waits for one of the node's slots for a fresh session. The returned function frees it, and may be called twice.
func (n *Node) enter(ctx context.Context) (leave func()) {
	select {
	case n.fresh <- struct{}{}:
		return sync.OnceFunc(func() { <-n.fresh })
	case <-ctx.Done():
		return func() {}
	}
}

// session runs one bitswap session over what is missing, until all has come or nothing has for a while. A stuck session
// is cheaper to replace than to understand, and a fresh one asks every connected peer again.
func (n *Node) session(ctx context.Context, p *part, patience time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	blocks, err := n.exchange.NewSession(ctx).GetBlocks(ctx, p.missing())
	if err != nil {
		return err
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	// Another source may bring what this session waits for.
	check := time.NewTicker(sessionCheck)
	defer check.Stop()
	for {
		select {
		case block, open := <-blocks:
			if !open {
				return nil
			}
			if err := n.accept(ctx, p.batch, block.Cid(), block.RawData()); err != nil {
				n.log.Debug("block refused", "cid", block.Cid(), "error", err)
			}
			timer.Reset(patience)
		case <-check.C:
			if len(p.missing()) == 0 {
				return nil
			}
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// find asks the DHT for providers of what is missing and connects to them, upon which bitswap asks them. It works only
// while no blocks come by themselves: a look-up for every block of a long list would not scale. It ends with ctx.
func (n *Node) find(ctx context.Context, p *part) {
	again := findAgain
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(findAfter):
		}
		if p.idle() < findAfter {
			continue
		}
		var group errgroup.Group
		group.SetLimit(findWorkers)
		for _, c := range p.missing() {
			if ctx.Err() != nil || p.idle() < findAfter {
				break
			}
			group.Go(func() error {
				if p.wants(c) {
					n.findOne(ctx, c)
				}
				return nil
			})
		}
		_ = group.Wait() // a search does not fail, it finds nothing
		select {
		case <-ctx.Done():
			return
		case <-time.After(again):
		}
		again = min(2*again, findAgainMax)
	}
}

// findOne searches providers of one block and connects to a few of them.
func (n *Node) findOne(ctx context.Context, c cid.Cid) {
	select {
	case n.searches <- struct{}{}:
		defer func() { <-n.searches }()
	case <-ctx.Done():
		return
	}
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	found := func(info peer.AddrInfo) {
		if info.ID != n.host.ID() && !connected(n.host, info.ID) {
			wg.Go(func() { n.connect(ctx, info) })
		}
	}
	wg.Go(func() { n.web.providers(ctx, c, found) })
	for info := range n.dht.FindProvidersAsync(ctx, c, findProviders) {
		found(info)
	}
}

func (n *Node) connect(ctx context.Context, info peer.AddrInfo) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if err := n.host.Connect(ctx, info); err != nil {
		n.log.Debug("provider not reached", "peer", info.ID, "error", err)
	}
}

var (
	// ErrClosed says that the node has been closed.
	ErrClosed = errors.New("ipfs node is closed")
	// ErrNotProvided says that nobody who was asked had the block.
	ErrNotProvided = errors.New("nobody who was asked has the block")
)

// NotFoundError says that a wanted block could not be had, and why.
type NotFoundError struct {
	CID   cid.Cid // the wanted block
	Cause error   // never nil: a refusal of the store's, ErrNotProvided, or the context's error
}

// Error implements error.
func (e *NotFoundError) Error() string { return fmt.Sprintf("fetch block %s: %v", e.CID, e.Cause) }

// Unwrap gives the cause.
func (e *NotFoundError) Unwrap() error { return e.Cause }

// Missing gives the CID of the block that is missing.
func (e *NotFoundError) Missing() cid.Cid { return e.CID }
