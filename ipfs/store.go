package ipfs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/cockroachdb/pebble/v2"
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

// store keeps blocks and pins in one datastore. It implements bitswap's Blockstore; a call after close gives ErrClosed,
// where pebble itself would panic.
type store struct {
	data ds.Batching

	mu     sync.RWMutex // held for reading around every use of data, for writing by close
	closed bool
}

var _ blockstore.Blockstore = (*store)(nil)

// openStore opens the pebble store in dir, or one in memory when dir is empty.
func openStore(dir string, log *slog.Logger) (*store, error) {
	if dir == "" {
		return &store{data: dssync.MutexWrap(ds.NewMapDatastore())}, nil
	}
	data, err := pebbleds.NewDatastore(dir, pebbleds.WithPebbleOpts(&pebble.Options{Logger: pebbleLog{log}}))
	if err != nil {
		return nil, fmt.Errorf("open block store %s: %w; if another node uses this folder, stop it or choose another "+
			"folder, and if the folder is damaged, move it away: blocks are fetched again, own offers must be "+
			"published again", dir, err)
	}
	return &store{data: data}, nil
}

// enter must be called before data is used; the caller calls leave when it got nil.
func (s *store) enter() error {
	s.mu.RLock()
	if s.closed {
		s.mu.RUnlock()
		return ErrClosed
	}
	return nil
}

func (s *store) leave() { s.mu.RUnlock() }

func (s *store) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if err := s.data.Close(); err != nil {
		return fmt.Errorf("close block store: %w", err)
	}
	return nil
}

func blockKey(c cid.Cid) ds.Key { return blockPrefix.Child(dshelp.MultihashToDsKey(c.Hash())) }
func pinKey(c cid.Cid) ds.Key   { return pinPrefix.ChildString(c.String()) }

// pin stores a block together with its pin. Both are on the disk when it returns.
func (s *store) pin(ctx context.Context, c cid.Cid, block []byte) error {
	return s.batch(ctx, func(b ds.Batch) error {
		return errors.Join(b.Put(ctx, blockKey(c), block), b.Put(ctx, pinKey(c), nil))
	})
}

// drop deletes a block and its pin.
func (s *store) drop(ctx context.Context, c cid.Cid) error {
	return s.batch(ctx, func(b ds.Batch) error {
		return errors.Join(b.Delete(ctx, pinKey(c)), b.Delete(ctx, blockKey(c)))
	})
}

func (s *store) batch(ctx context.Context, fill func(ds.Batch) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
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
}

// collect deletes the blocks that are neither pinned nor wanted.
func (s *store) collect(ctx context.Context, keep func(cid.Cid) bool) (int, error) {
	pins, err := s.pins(ctx)
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
	gone := 0
	err = s.batch(ctx, func(b ds.Batch) error {
		for c := range all {
			if _, own := pinned[c]; own || keep(c) {
				continue
			}
			if err := b.Delete(ctx, blockKey(c)); err != nil {
				return err
			}
			gone++
		}
		return nil
	})
	return gone, err
}

// pins lists the CIDs of all pinned blocks.
func (s *store) pins(ctx context.Context) ([]cid.Cid, error) {
	var pins []cid.Cid
	err := s.keys(ctx, pinPrefix, func(name string) error {
		c, err := cid.Decode(name)
		if err != nil {
			return fmt.Errorf("pin %q: %w", name, err)
		}
		pins = append(pins, c)
		return nil
	})
	return pins, err
}

// keys calls each with the last part of every key below prefix.
func (s *store) keys(ctx context.Context, prefix ds.Key, each func(name string) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	results, err := s.data.Query(ctx, query.Query{Prefix: prefix.String(), KeysOnly: true})
	if err != nil {
		return err
	}
	defer results.Close()
	for r := range results.Next() {
		if r.Error != nil {
			return r.Error
		}
		if err := each(ds.RawKey(r.Key).BaseNamespace()); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// read gives the bytes of a block, or ds.ErrNotFound. A block that rotted on the disk is deleted and not found: its
// bytes can be fetched again by the same name.
func (s *store) read(ctx context.Context, c cid.Cid) ([]byte, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	block, err := s.data.Get(ctx, blockKey(c))
	if err != nil {
		return nil, err
	}
	if check(c, block) != nil {
		if err := s.data.Delete(ctx, blockKey(c)); err != nil {
			return nil, fmt.Errorf("delete damaged block %s: %w", c, err)
		}
		return nil, ds.ErrNotFound
	}
	return block, nil
}

// write stores a fetched block. It is not synced: after a power cut it would be fetched again.
func (s *store) write(ctx context.Context, c cid.Cid, block []byte) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	return s.data.Put(ctx, blockKey(c), block)
}

// Get implements Blockstore.
func (s *store) Get(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	block, err := s.read(ctx, c)
	if errors.Is(err, ds.ErrNotFound) || errors.Is(err, ErrForm) {
		return nil, ipld.ErrNotFound{Cid: c}
	}
	if err != nil {
		return nil, err
	}
	return blocks.NewBlockWithCid(block, c)
}

// GetSize implements Blockstore.
func (s *store) GetSize(ctx context.Context, c cid.Cid) (int, error) {
	if err := s.enter(); err != nil {
		return -1, err
	}
	defer s.leave()
	size, err := s.data.GetSize(ctx, blockKey(c))
	if errors.Is(err, ds.ErrNotFound) {
		return -1, ipld.ErrNotFound{Cid: c}
	}
	return size, err
}

// Has implements Blockstore.
func (s *store) Has(ctx context.Context, c cid.Cid) (bool, error) {
	if err := s.enter(); err != nil {
		return false, err
	}
	defer s.leave()
	return s.data.Has(ctx, blockKey(c))
}

// Put implements Blockstore. It refuses what Node.Get would refuse, whoever calls it.
func (s *store) Put(ctx context.Context, b blocks.Block) error {
	if err := check(b.Cid(), b.RawData()); err != nil {
		return fmt.Errorf("store block %s: %w", b.Cid(), err)
	}
	return s.write(ctx, b.Cid(), b.RawData())
}

// PutMany implements Blockstore.
func (s *store) PutMany(ctx context.Context, bs []blocks.Block) error {
	for _, b := range bs {
		if err := s.Put(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// DeleteBlock implements Blockstore.
func (s *store) DeleteBlock(ctx context.Context, c cid.Cid) error { return s.drop(ctx, c) }

// AllKeysChan implements Blockstore.
func (s *store) AllKeysChan(ctx context.Context) (<-chan cid.Cid, error) {
	var all []cid.Cid
	err := s.keys(ctx, blockPrefix, func(name string) error {
		mh, err := dshelp.DsKeyToMultihash(ds.NewKey(name))
		if err != nil {
			return fmt.Errorf("block %q: %w", name, err)
		}
		all = append(all, cid.NewCidV1(cid.DagCBOR, mh))
		return nil
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
type pebbleLog struct{ log *slog.Logger }

func (l pebbleLog) Infof(format string, args ...any) {
	l.log.Debug("block store", "message", fmt.Sprintf(format, args...))
}

func (l pebbleLog) Errorf(format string, args ...any) {
	l.log.Warn("block store", "message", fmt.Sprintf(format, args...))
}

// Fatalf must not return: pebble calls it when it cannot write its log, and to go on would be to lose blocks that a
// caller was told are stored.
func (l pebbleLog) Fatalf(format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	l.log.Error("block store cannot write", "message", message)
	panic("ipfs: block store cannot write: " + message)
}
