package market

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ipfs/go-cid"

	"byway/ipfs"
	"byway/node/account"
	"byway/node/home"
	"byway/registry/directory"
)

// joinedBlobs waits until the node has joined its network before it asks others for blocks: a node that knows nobody
// would call every block missing.
type joinedBlobs struct {
	*ipfs.Node
	patience time.Duration
}

// Get implements [directory.Blobs].
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

func listPatience(n home.Network) time.Duration {
	if n.Private {
		return listPatiencePrivate
	}
	return 0 // the registry's own
}

func joinPatienceOf(n home.Network) time.Duration {
	if n.Private {
		return joinPatiencePrivate
	}
	return joinPatience
}

// Known lists what the index holds, at once, with neither chain nor peers. A provider's last good offer is marked stale
// where its present one could not be fetched; what has expired comes as a [*directory.Omission].
func (m *Market) Known(ctx context.Context) iter.Seq2[directory.Listing, error] {
	return m.registry.Known(ctx)
}

// Offers brings the index up to date and lists the market: what is new as it comes, then the rest. An offer that cannot
// be listed is a [*directory.Omission], and the sequence goes on. Once there is something to list it does not wait for
// offers that do not come: they are looked for in the background, and are in the next listing.
//
// Where chain or IPFS fail the index alone is listed; [Market.State] then says why and how old it is. An index that was
// never filled is no list: then the sequence ends with the failure.
func (m *Market) Offers(ctx context.Context) iter.Seq2[directory.Listing, error] {
	return func(yield func(directory.Listing, error) bool) {
		seen := map[common.Address]struct{}{}
		failure := m.ready(ctx)
		if failure == nil {
			settled := m.readSettled(ctx)
			defer settled()
			for l, err := range m.registry.Refresh(ctx) {
				var skip *directory.Omission
				if err != nil && !errors.As(err, &skip) {
					failure = err
					break
				}
				if errors.Is(err, directory.ErrLeft) {
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
				yield(directory.Listing{}, errors.Join(failure, err))
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

// Refresh brings the index up to date and yields what changed, as [directory.Directory.Refresh] does.
func (m *Market) Refresh(ctx context.Context) iter.Seq2[directory.Listing, error] {
	return func(yield func(directory.Listing, error) bool) {
		if err := m.ready(ctx); err != nil {
			yield(directory.Listing{}, err)
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

// ready gives a chain that was down a short moment to be up again.
func (m *Market) ready(ctx context.Context) error {
	if m.chain.Down() != nil {
		waiting, cancel := context.WithTimeout(ctx, account.ChainPatience)
		defer cancel()
		if _, err := m.chain.Head(waiting); err != nil {
			return err
		}
	}
	return nil
}

// State says how fresh a listing is.
type State struct {
	directory.State
	// Lapse is why the last listing could not bring the index up to date; nil where it did.
	Lapse error
}

// State says how fresh the last listing was.
func (m *Market) State(ctx context.Context) (State, error) {
	state, err := m.registry.State(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	return State{state, m.lapse}, err
}

// Collect deletes the blocks of superseded offers from this node's store, and returns how many there were. It keeps
// what the index lists.
func (m *Market) Collect(ctx context.Context) (int, error) {
	keep := map[cid.Cid]struct{}{}
	for l, err := range m.registry.Known(ctx) {
		if skip := (*directory.Omission)(nil); err != nil && !errors.As(err, &skip) {
			return 0, err
		}
		keep[l.Registration.CID()] = struct{}{}
		if err == nil {
			keep[l.CID] = struct{}{}
		}
	}
	return m.ipfs.Collect(ctx, func(c cid.Cid) bool { _, ok := keep[c]; return ok })
}
