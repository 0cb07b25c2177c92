// Package store owns the blocks that a node keeps: their names and their form, which of them are pinned, and what happens
// when the disk takes no more.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	blockstore "github.com/ipfs/boxo/blockstore"
	"github.com/ipfs/boxo/datastore/dshelp"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	dssync "github.com/ipfs/go-datastore/sync"
	pebbleds "github.com/ipfs/go-ds-pebble"
	ipld "github.com/ipfs/go-ipld-format"
)

var (
	blockPrefix = ds.NewKey("/blocks") // + base32 of the multihash, as in any IPFS block store
	pinPrefix   = ds.NewKey("/pins")   // + the CID as text; no value
)

// errClosed says that the store has been closed.
var errClosed = errors.New("the block store is closed")

// Store keeps blocks and pins in one datastore. It implements bitswap's Blockstore; a call after Close gives an error,
// where pebble itself would panic.
//
// Where the disk takes no more, pebble means to end the process, and with it sessions that need no blocks. Here it is the
// store alone that ends: what is under way and every later call gets an error that says so.
type Store struct {
	data   ds.Batching
	broken *breakage // nil for a store in memory

	mu     sync.RWMutex // held for reading around every use of data, for writing by Close
	closed bool
}

var _ blockstore.Blockstore = (*Store)(nil)

// Open opens the pebble store in dir, or one in memory when dir is empty.
func Open(dir string, log *slog.Logger) (*Store, error) {
	if dir == "" {
		return &Store{data: dssync.MutexWrap(ds.NewMapDatastore())}, nil
	}
	return openPebble(dir, log, &pebble.Options{FS: vfs.Default})
}

func openPebble(dir string, log *slog.Logger, options *pebble.Options) (*Store, error) {
	broken := &breakage{log: log, done: make(chan struct{})}
	options.Logger = pebbleLog{log, broken}
	options.FS = firmDisk{options.FS, broken}
	open := func() (ds.Batching, error) { return pebbleds.NewDatastore(dir, pebbleds.WithPebbleOpts(options)) }
	data, err := unlessBroken(broken, open)
	if err != nil {
		return nil, fmt.Errorf("open block store %s: %w; if another node uses this folder, stop it or choose another "+
			"folder, and if the folder is damaged, move it away: blocks are fetched again, own offers must be "+
			"published again", dir, err)
	}
	return &Store{data: data, broken: broken}, nil
}

// use runs an operation on the data of a store that is open. What the operation touches is its own where this returns
// an error: it may still be at work.
func use[T any](s *Store, operation func() (T, error)) (T, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		var none T
		return none, errClosed
	}
	return unlessBroken(s.broken, operation)
}

// do is use for an operation that gives nothing.
func (s *Store) do(operation func() error) error {
	_, err := use(s, func() (struct{}, error) { return struct{}{}, operation() })
	return err
}

// Shared is the datastore itself, for what else a node keeps, below a key of its own.
func (s *Store) Shared() ds.Batching { return s.data }

// Close ends the store and its files. It may be called twice.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	_, err := unlessBroken(s.broken, func() (struct{}, error) { return struct{}{}, s.data.Close() })
	if err != nil {
		return fmt.Errorf("close block store: %w", err)
	}
	return nil
}

func blockKey(c cid.Cid) ds.Key { return blockPrefix.Child(dshelp.MultihashToDsKey(c.Hash())) }
func pinKey(c cid.Cid) ds.Key   { return pinPrefix.ChildString(c.String()) }

// Pin stores a block together with its pin. Both are on the disk when it returns.
func (s *Store) Pin(ctx context.Context, c cid.Cid, block []byte) error {
	return s.batch(ctx, func(b ds.Batch) error {
		return errors.Join(b.Put(ctx, blockKey(c), block), b.Put(ctx, pinKey(c), nil))
	})
}

// Drop deletes a block and its pin.
func (s *Store) Drop(ctx context.Context, c cid.Cid) error {
	return s.batch(ctx, func(b ds.Batch) error {
		return errors.Join(b.Delete(ctx, pinKey(c)), b.Delete(ctx, blockKey(c)))
	})
}

func (s *Store) batch(ctx context.Context, fill func(ds.Batch) error) error {
	return s.do(func() error {
		b, err := s.data.Batch(ctx)
		if err != nil {
			return err
		}
		if err := fill(b); err != nil {
			return err
		}
		if err := b.Commit(ctx); err != nil {
			return err
		}
		return s.data.Sync(ctx, ds.NewKey("/"))
	})
}

// Collect deletes the blocks that are neither pinned nor wanted.
func (s *Store) Collect(ctx context.Context, keep func(cid.Cid) bool) (int, error) {
	pins, err := s.Pins(ctx)
	if err != nil {
		return 0, err
	}
	pinned := make(map[cid.Cid]struct{}, len(pins))
	for _, c := range pins {
		pinned[c] = struct{}{}
	}
	all, err := s.AllKeysChan(ctx)
	if err != nil {
		return 0, err
	}
	var gone []cid.Cid
	for c := range all {
		if _, own := pinned[c]; !own && !keep(c) {
			gone = append(gone, c)
		}
	}
	err = s.batch(ctx, func(b ds.Batch) error {
		for _, c := range gone {
			if err := b.Delete(ctx, blockKey(c)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(gone), nil
}

// Pins lists the CIDs of all pinned blocks.
func (s *Store) Pins(ctx context.Context) ([]cid.Cid, error) {
	return s.keys(ctx, pinPrefix, func(name string) (cid.Cid, error) {
		c, err := cid.Decode(name)
		if err != nil {
			return cid.Undef, fmt.Errorf("pin %q: %w", name, err)
		}
		return c, nil
	})
}

// keys reads a CID out of the last part of every key below prefix.
func (s *Store) keys(ctx context.Context, prefix ds.Key, decode func(name string) (cid.Cid, error)) ([]cid.Cid, error) {
	return use(s, func() ([]cid.Cid, error) {
		results, err := s.data.Query(ctx, query.Query{Prefix: prefix.String(), KeysOnly: true})
		if err != nil {
			return nil, err
		}
		defer results.Close()
		var all []cid.Cid
		for r := range results.Next() {
			if r.Error != nil {
				return nil, r.Error
			}
			c, err := decode(ds.RawKey(r.Key).BaseNamespace())
			if err != nil {
				return nil, err
			}
			all = append(all, c)
		}
		return all, ctx.Err()
	})
}

// Read gives the bytes of a block, or ds.ErrNotFound. A block that rotted on the disk is deleted and not found: its
// bytes can be fetched again by the same name.
func (s *Store) Read(ctx context.Context, c cid.Cid) ([]byte, error) {
	return use(s, func() ([]byte, error) {
		block, err := s.data.Get(ctx, blockKey(c))
		if err != nil {
			return nil, err
		}
		if Check(c, block) != nil {
			if err := s.data.Delete(ctx, blockKey(c)); err != nil {
				return nil, fmt.Errorf("delete damaged block %s: %w", c, err)
			}
			return nil, ds.ErrNotFound
		}
		return block, nil
	})
}

// Write stores a fetched block. It is not synced: after a power cut it would be fetched again.
func (s *Store) Write(ctx context.Context, c cid.Cid, block []byte) error {
	return s.do(func() error { return s.data.Put(ctx, blockKey(c), block) })
}

// Get implements Blockstore.
func (s *Store) Get(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	block, err := s.Read(ctx, c)
	if errors.Is(err, ds.ErrNotFound) || errors.Is(err, ErrForm) {
		return nil, ipld.ErrNotFound{Cid: c}
	}
	if err != nil {
		return nil, err
	}
	return blocks.NewBlockWithCid(block, c)
}

// GetSize implements Blockstore.
func (s *Store) GetSize(ctx context.Context, c cid.Cid) (int, error) {
	size, err := use(s, func() (int, error) { return s.data.GetSize(ctx, blockKey(c)) })
	if errors.Is(err, ds.ErrNotFound) {
		return -1, ipld.ErrNotFound{Cid: c}
	}
	if err != nil {
		return -1, err
	}
	return size, nil
}

// Has implements Blockstore.
func (s *Store) Has(ctx context.Context, c cid.Cid) (bool, error) {
	return use(s, func() (bool, error) { return s.data.Has(ctx, blockKey(c)) })
}

// Put implements Blockstore. It refuses what Node.Get would refuse, whoever calls it.
func (s *Store) Put(ctx context.Context, b blocks.Block) error {
	if err := Check(b.Cid(), b.RawData()); err != nil {
		return fmt.Errorf("store block %s: %w", b.Cid(), err)
	}
	return s.Write(ctx, b.Cid(), b.RawData())
}

// PutMany implements Blockstore.
func (s *Store) PutMany(ctx context.Context, bs []blocks.Block) error {
	for _, b := range bs {
		if err := s.Put(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// DeleteBlock implements Blockstore.
func (s *Store) DeleteBlock(ctx context.Context, c cid.Cid) error { return s.Drop(ctx, c) }

// AllKeysChan implements Blockstore.
func (s *Store) AllKeysChan(ctx context.Context) (<-chan cid.Cid, error) {
	all, err := s.keys(ctx, blockPrefix, func(name string) (cid.Cid, error) {
		mh, err := dshelp.DsKeyToMultihash(ds.NewKey(name))
		if err != nil {
			return cid.Undef, fmt.Errorf("block %q: %w", name, err)
		}
		return cid.NewCidV1(cid.DagCBOR, mh), nil
	})
	if err != nil {
		return nil, err
	}
	ch := make(chan cid.Cid, len(all))
	for _, c := range all {
		ch <- c
	}
	close(ch)
	return ch, nil
}

// pebbleLog carries pebble's own messages to the node's log.
type pebbleLog struct {
	log    *slog.Logger
	broken *breakage
}

func (l pebbleLog) Infof(format string, args ...any) {
	l.log.Debug("block store", "message", fmt.Sprintf(format, args...))
}

func (l pebbleLog) Errorf(format string, args ...any) {
	l.log.Warn("block store", "message", fmt.Sprintf(format, args...))
}

// Fatalf does not return: pebble calls it when it can't go on.
func (l pebbleLog) Fatalf(format string, args ...any) { l.broken.keep(fmt.Errorf(format, args...)) }
