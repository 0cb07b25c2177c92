package devchain

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

// maxMine bounds the blocks of one request.
const maxMine = 100_000

// number reads what clients send for a number: 5, "5" or "0x5".
type number uint64

// UnmarshalJSON implements [json.Unmarshaler].
func (n *number) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if len(s) > 20 {
		return fmt.Errorf("%.30q is not a number", s)
	}
	base, digits := 10, s
	if rest, ok := strings.CutPrefix(s, "0x"); ok {
		base, digits = 16, rest
	}
	v, err := strconv.ParseUint(digits, base, 63)
	if err != nil {
		return fmt.Errorf("%q is not a number", s)
	}
	*n = number(v)
	return nil
}

func (n number) seconds() (time.Duration, error) {
	if n > math.MaxInt32 {
		return 0, fmt.Errorf("%d seconds are too many", n)
	}
	return time.Duration(n) * time.Second, nil
}

// evmAPI serves the evm_ methods that ganache introduced and anvil and hardhat kept.
type evmAPI struct{ chain *Chain }

// IncreaseTime moves the chain's clock and returns the sum of all moves in seconds.
func (a *evmAPI) IncreaseTime(seconds number) (int64, error) {
	d, err := seconds.seconds()
	if err != nil {
		return 0, err
	}
	var offset time.Duration
	err = a.chain.locked(func() error {
		a.chain.clock.advance(d)
		offset = a.chain.clock.offset
		return nil
	})
	return int64(offset / time.Second), err
}

// SetNextBlockTimestamp fixes the time of the next block, in Unix seconds.
func (a *evmAPI) SetNextBlockTimestamp(t number) error {
	return a.chain.locked(func() error {
		if head := a.chain.producer.head().Time; uint64(t) <= head {
			return fmt.Errorf("timestamp %d is not after the head's %d", t, head)
		}
		a.chain.clock.forced = uint64(t)
		return nil
	})
}

// mineOptions is the object form of evm_mine's argument; the other form is a bare timestamp.
type mineOptions struct {
	Timestamp *number `json:"timestamp"`
	Blocks    *number `json:"blocks"`
}

// UnmarshalJSON implements [json.Unmarshaler].
func (o *mineOptions) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '{' {
		type plain mineOptions
		return json.Unmarshal(b, (*plain)(o))
	}
	if string(b) == "null" {
		return nil
	}
	o.Timestamp = new(number)
	return o.Timestamp.UnmarshalJSON(b)
}

// Mine makes a block, or as many as the options say.
func (a *evmAPI) Mine(o *mineOptions) (string, error) {
	blocks := number(1)
	if o != nil && o.Timestamp != nil {
		if err := a.SetNextBlockTimestamp(*o.Timestamp); err != nil {
			return "", err
		}
	}
	if o != nil && o.Blocks != nil {
		blocks = *o.Blocks
	}
	if blocks > maxMine {
		return "", fmt.Errorf("%d blocks in one request are more than %d", blocks, maxMine)
	}
	return "0x0", a.chain.Mine(int(blocks))
}

// SetAutomine switches the making of blocks on and off.
func (a *evmAPI) SetAutomine(on bool) error { return a.chain.SetAutomine(on) }

// Snapshot remembers the head and the clock and returns a number for [evmAPI.Revert].
func (a *evmAPI) Snapshot() (hexutil.Uint64, error) {
	var id int
	err := a.chain.locked(func() error {
		a.chain.snapshots = append(a.chain.snapshots, snapshot{a.chain.producer.head().Hash(), a.chain.clock})
		id = len(a.chain.snapshots) - 1
		return nil
	})
	return hexutil.Uint64(id), err
}

// Revert goes back to a snapshot and forgets it and all later ones. It reports false where there is no such snapshot.
func (a *evmAPI) Revert(id number) (bool, error) {
	c := a.chain
	var found bool
	err := c.locked(func() error {
		if uint64(id) >= uint64(len(c.snapshots)) {
			return nil
		}
		found = true
		s := c.snapshots[id]
		c.snapshots = c.snapshots[:id]
		if err := c.producer.rewind(s.head); err != nil {
			return err
		}
		c.clock = s.clock
		return nil
	})
	return found && err == nil, err
}

// anvilAPI serves the methods of anvil's that tests and scripts use most.
type anvilAPI struct{ chain *Chain }

// Mine makes blocks (1 by default), interval seconds of chain time apart (1 by default).
func (a *anvilAPI) Mine(blocks, interval *number) error {
	n, every := number(1), number(1)
	if blocks != nil {
		n = *blocks
	}
	if interval != nil && *interval > 1 {
		every = *interval
	}
	if n > maxMine || every > math.MaxInt32 {
		return fmt.Errorf("%d blocks %d seconds apart are too many", n, every)
	}
	return a.chain.mine(int(n), uint64(every))
}

// reorgTransaction is one of anvil's pairs of a signed transaction and the replacement block, from 0, that gets it.
type reorgTransaction struct {
	tx    *types.Transaction
	block number
}

// UnmarshalJSON implements [json.Unmarshaler].
func (p *reorgTransaction) UnmarshalJSON(b []byte) error {
	var raw hexutil.Bytes
	pair := []any{&raw, &p.block}
	if err := json.Unmarshal(b, &pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return errors.New("want a pair of a signed transaction and the index of its block")
	}
	p.tx = new(types.Transaction)
	return p.tx.UnmarshalBinary(raw)
}

// Reorg replaces the last depth blocks by as many that hold only the given transactions.
func (a *anvilAPI) Reorg(depth number, txs *[]reorgTransaction) error {
	blocks := make(map[int][]*types.Transaction)
	if txs != nil {
		for _, p := range *txs {
			if p.block >= depth {
				return fmt.Errorf("block index %d is not below the depth %d", p.block, depth)
			}
			blocks[int(p.block)] = append(blocks[int(p.block)], p.tx)
		}
	}
	return a.chain.locked(func() error {
		return a.chain.producer.reorg(int(min(depth, math.MaxInt32)), func(i int, _ *types.Block) []*types.Transaction {
			return blocks[i]
		})
	})
}

// DropAllTransactions empties the pool.
func (a *anvilAPI) DropAllTransactions() error {
	return a.chain.locked(func() error { return a.chain.producer.resetPool(nil) })
}
