package devchain

// This file holds every call whose signature go-ethereum does not promise to keep.

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/beacon/engine"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/event"
	"github.com/ethereum/go-ethereum/miner"
)

// producer makes the blocks. Its methods are not safe for concurrent use.
type producer struct {
	eth     *eth.Ethereum
	durable bool
	// salt varies the extra data, so that a block that replaces another with the same content has another hash.
	salt uint64
}

// order says what the next block holds.
type order struct {
	time  uint64
	empty bool                 // no transactions at all
	txs   []*types.Transaction // exactly these; nil: what the pool has
}

func (p *producer) head() *types.Header { return p.eth.BlockChain().CurrentBlock() }

// build makes a block on parent without adopting it.
func (p *producer) build(parent common.Hash, o order) (*types.Block, error) {
	p.salt++
	args := &miner.BuildPayloadArgs{
		Parent:      parent,
		Timestamp:   o.time,
		Random:      common.BigToHash(new(big.Int).SetUint64(p.salt)),
		Withdrawals: types.Withdrawals{},
		BeaconRoot:  &common.Hash{},
		Version:     engine.PayloadV3,
	}
	chain := p.eth.BlockChain()
	if h := chain.GetHeaderByHash(parent); h != nil && chain.Config().IsAmsterdam(h.Number, o.time) {
		slot := h.Number.Uint64() + 1
		args.SlotNum, args.Version = &slot, engine.PayloadV4
	}
	block, _, err := p.eth.Miner().BuildTestingPayload(args, o.txs, o.empty, binary.BigEndian.AppendUint64([]byte("byway/"), p.salt))
	if err != nil {
		return nil, fmt.Errorf("build block on %s: %w", parent, err)
	}
	return block, nil
}

// insert executes a block and stores it beside the canonical chain.
func (p *producer) insert(block *types.Block) error {
	if _, err := p.eth.BlockChain().InsertBlockWithoutSetHead(context.Background(), block, false); err != nil {
		return fmt.Errorf("insert block %d: %w", block.NumberU64(), err)
	}
	return nil
}

// adopt makes a stored block the head and waits until the pool has taken notice. On disk, the block has reached the
// medium when adopt returns: a killed process comes back at this head or a later one.
func (p *producer) adopt(block *types.Block) error {
	if _, err := p.eth.BlockChain().SetCanonical(block); err != nil {
		return fmt.Errorf("adopt block %d: %w", block.NumberU64(), err)
	}
	if p.durable {
		if err := p.eth.ChainDb().SyncKeyValue(); err != nil {
			return fmt.Errorf("sync block %d: %w", block.NumberU64(), err)
		}
	}
	return p.syncPool()
}

func (p *producer) syncPool() error {
	if err := p.eth.TxPool().Sync(); err != nil {
		return fmt.Errorf("sync transaction pool: %w", err)
	}
	return nil
}

// mine makes one block on the head. With skipEmpty it makes none where no transaction fits; it reports whether it did.
func (p *producer) mine(o order, skipEmpty bool) (bool, error) {
	if err := p.syncPool(); err != nil {
		return false, err
	}
	block, err := p.build(p.head().Hash(), o)
	if err != nil {
		return false, err
	}
	if skipEmpty && len(block.Transactions()) == 0 {
		return false, nil
	}
	if err := p.insert(block); err != nil {
		return false, err
	}
	return true, p.adopt(block)
}

// pending counts the transactions that could be executed now, fees aside.
func (p *producer) pending() int {
	n, _ := p.eth.TxPool().Stats()
	return n
}

// subscribe reports new executable transactions, those that a reorganisation returned included.
func (p *producer) subscribe(ch chan<- core.NewTxsEvent) event.Subscription {
	return p.eth.TxPool().SubscribeTransactions(ch, true)
}

// reorg replaces the last depth blocks by as many others with the same timestamps. txs chooses the transactions of
// the replacement of a block.
func (p *producer) reorg(depth int, txs func(i int, old *types.Block) []*types.Transaction) error {
	chain := p.eth.BlockChain()
	head := p.head().Number.Uint64()
	// Block 1 stays: with it the node knows that its transaction index is complete.
	if depth < 1 || uint64(depth) >= head {
		return fmt.Errorf("reorganise %d blocks: the chain can lose between 1 and %d", depth, head-1)
	}
	if err := p.syncPool(); err != nil {
		return err
	}
	waiting := p.poolTransactions()
	parent := chain.GetBlockByNumber(head - uint64(depth))
	for i := range depth {
		old := chain.GetBlockByNumber(head - uint64(depth-1-i))
		if parent == nil || old == nil {
			return errors.New("reorganise: a canonical block is missing")
		}
		o := order{time: old.Time(), txs: txs(i, old)}
		o.empty = len(o.txs) == 0
		block, err := p.build(parent.Hash(), o)
		if err != nil {
			return err
		}
		if err := p.insert(block); err != nil {
			return err
		}
		parent = block
	}
	if err := p.adopt(parent); err != nil {
		return err
	}
	return p.resetPool(waiting)
}

// rewind makes an earlier block the head again and empties the pool.
func (p *producer) rewind(hash common.Hash) error {
	block := p.eth.BlockChain().GetBlockByHash(hash)
	if block == nil {
		return fmt.Errorf("rewind: no block %s", hash)
	}
	if err := p.adopt(block); err != nil {
		return err
	}
	return p.resetPool(nil)
}

func (p *producer) poolTransactions() []*types.Transaction {
	var all []*types.Transaction
	executable, queued := p.eth.TxPool().Content()
	for _, txs := range executable {
		all = append(all, txs...)
	}
	for _, txs := range queued {
		all = append(all, txs...)
	}
	slices.SortFunc(all, func(a, b *types.Transaction) int {
		switch {
		case a.Nonce() < b.Nonce():
			return -1
		case a.Nonce() > b.Nonce():
			return 1
		}
		return 0
	})
	return all
}

// resetPool leaves exactly txs in the pool: a reorganisation puts what it threw out of the chain back by itself.
func (p *producer) resetPool(txs []*types.Transaction) error {
	p.eth.TxPool().Clear()
	// A transaction that the new chain has made impossible is refused here, and that is its fate on a real chain too.
	p.eth.TxPool().Add(txs, true)
	return p.syncPool()
}

// waitIndex returns once look-ups of transactions work: until then the node answers that indexing is in progress.
func (p *producer) waitIndex() error {
	for deadline := time.Now().Add(10 * time.Second); !p.eth.BlockChain().TxIndexDone(); {
		if time.Now().After(deadline) {
			return errors.New("the node did not finish its transaction index within 10 s")
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}
