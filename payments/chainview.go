package payments

import (
	"context"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"byway/contracts"
	"byway/contracts/bindings/channels"
)

// ChannelState is what the chain says about a channel, all of one block.
type ChannelState struct {
	// Free is the vault's free balance, in base units, which all its channels share.
	Free contracts.Amount
	// Settled is what has been paid, ever; Ceiling the lifetime total that is guaranteed, never below it.
	Settled, Ceiling contracts.Amount
	// ExitAt is when the payer can take the reserve back; zero where it has not asked for that.
	ExitAt time.Time
	// Epoch counts how often the ceiling was lowered, a signed reserve was used or all of them were revoked: what was signed
	// for an earlier one is worth nothing.
	Epoch uint32
	// Behind is by how many epochs the channel was behind at a payee's depth: a reorganisation may bring those back, and
	// with them releases that were signed for them.
	Behind uint32
	// Block is the block's number, Hash its hash and Time its time; hash and time are zero where only a number was asked
	// for.
	Block uint64
	Hash  common.Hash
	Time  time.Time
	// Since is the time of the oldest block that the ceiling was read in: Time, or that of the block at a payee's depth.
	// An exit that the answer does not show was announced after it.
	Since time.Time
}

// CanPay is the highest lifetime total that a claim would be paid in full now.
func (s ChannelState) CanPay() contracts.Amount {
	sum, err := maxAmount(s.Ceiling, s.Settled).Add(s.Free)
	if err != nil {
		return contracts.MaxAmount()
	}
	return sum
}

// Exiting reports whether the payer has begun to take the reserve back.
func (s ChannelState) Exiting() bool { return !s.ExitAt.IsZero() }

// Chain reads channels. It may answer from a block that is not yet final, never from a wrong chain; it is used by many
// goroutines at once. [ChainView] is the real one.
type Chain interface {
	State(ctx context.Context, c contracts.Channel) (ChannelState, error)
}

// ChainView reads channels from the Channels contract of a deployment.
type ChainView struct {
	backend  bind.ContractBackend
	contract *channels.Channels
	bound    *bind.BoundContract
}

// NewChainView reads through that backend, a [byway/contracts/chain.Client] for instance.
func NewChainView(backend bind.ContractBackend, d contracts.Deployment) *ChainView {
	c := channels.NewChannels()
	return &ChainView{backend, c, c.Instance(backend, d.Channels)}
}

// State implements [Chain]: it reads the newest block.
func (v *ChainView) State(ctx context.Context, c contracts.Channel) (ChannelState, error) {
	return v.stateIn(ctx, c, nil)
}

// stateIn reads a block with its hash and time; nil is the newest.
func (v *ChainView) stateIn(ctx context.Context, c contracts.Channel, number *big.Int) (ChannelState, error) {
	head, err := v.backend.HeaderByNumber(ctx, number)
	if err != nil && number == nil {
		return ChannelState{}, fmt.Errorf("read head: %w", err)
	}
	if err != nil {
		return ChannelState{}, fmt.Errorf("read block %s: %w", number, err)
	}
	return v.stateOf(ctx, c, head)
}

// stateOf reads the block of that header.
func (v *ChainView) stateOf(ctx context.Context, c contracts.Channel, head *types.Header) (ChannelState, error) {
	s, err := v.StateAt(ctx, c, head.Number.Uint64())
	s.Hash, s.Time = head.Hash(), blockTime(head)
	s.Since = s.Time
	return s, err
}

// Snapshot is the chain as it is in the newest block now, with the block's time, for several readings in a row. It
// answers as long as the endpoints keep that block's state, which is 128 blocks.
func (v *ChainView) Snapshot(ctx context.Context) (view Chain, at time.Time, err error) {
	head, err := v.backend.HeaderByNumber(ctx, nil)
	if err != nil {
		return nil, at, fmt.Errorf("read head: %w", err)
	}
	return blockView{v, head}, blockTime(head), nil
}

func blockTime(head *types.Header) time.Time {
	return time.Unix(int64(min(head.Time, maxBlockTime)), 0)
}

// blockView reads one block.
type blockView struct {
	view *ChainView
	head *types.Header
}

// State implements [Chain].
func (v blockView) State(ctx context.Context, c contracts.Channel) (ChannelState, error) {
	return v.view.stateOf(ctx, c, v.head)
}

// maxBlockTime is as far into the future, in Unix seconds, as a block's time is believed to be a time at all.
const maxBlockTime = 1 << 40

// BlockHash is the hash of the block of that number, as the chain is now.
func (v *ChainView) BlockHash(ctx context.Context, number uint64) (common.Hash, error) {
	h, err := v.backend.HeaderByNumber(ctx, new(big.Int).SetUint64(number))
	if err != nil {
		return common.Hash{}, fmt.Errorf("read block %d: %w", number, err)
	}
	return h.Hash(), nil
}

// StateAt reads a block of that number; it does not ask for the block's hash and time. What no channel can be is an
// error.
func (v *ChainView) StateAt(ctx context.Context, c contracts.Channel, block uint64) (ChannelState, error) {
	opts := &bind.CallOpts{Context: ctx, BlockNumber: new(big.Int).SetUint64(block)}
	out, err := bind.Call(v.bound, opts, v.contract.PackChannelOf(c.Token, c.Payer, c.Signer, c.Payee),
		v.contract.UnpackChannelOf)
	if err != nil {
		return ChannelState{}, fmt.Errorf("read %s in block %d: %w", c, block, err)
	}
	s := ChannelState{Epoch: uint32(out.Epoch.Uint64()), Block: block}
	for _, f := range []struct {
		to   *contracts.Amount
		from *big.Int
	}{{&s.Free, out.Free}, {&s.Settled, out.Settled}, {&s.Ceiling, out.Ceiling}} {
		if *f.to, err = contracts.AmountFromBig(f.from); err != nil {
			return ChannelState{}, fmt.Errorf("read %s in block %d: %w", c, block, err)
		}
	}
	if s.Ceiling.Less(s.Settled) {
		// The contract never lets it come to this.
		return ChannelState{}, fmt.Errorf("read %s in block %d: the endpoint says that %s is settled and only %s set "+
			"aside, which no channel can be", c, block, s.Settled, s.Ceiling)
	}
	if out.ExitAt.Sign() > 0 {
		s.ExitAt = time.Unix(out.ExitAt.Int64(), 0)
	}
	return s, nil
}
