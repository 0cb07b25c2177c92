package chainview

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

// View reads channels from the Channels contract of a deployment.
type View struct {
	backend  bind.ContractBackend
	contract *channels.Channels
	bound    *bind.BoundContract
}

// New reads through that backend, a [byway/contracts/chain.Client] for instance.
func New(backend bind.ContractBackend, d contracts.Deployment) *View {
	c := channels.NewChannels()
	return &View{backend, c, c.Instance(backend, d.Channels)}
}

// State implements [Chain]: it reads the newest block.
func (v *View) State(ctx context.Context, c contracts.Channel) (State, error) {
	return v.stateIn(ctx, c, nil)
}

// stateIn reads a block with its hash and time; nil is the newest.
func (v *View) stateIn(ctx context.Context, c contracts.Channel, number *big.Int) (State, error) {
	head, err := v.backend.HeaderByNumber(ctx, number)
	if err != nil && number == nil {
		return State{}, fmt.Errorf("read head: %w", err)
	}
	if err != nil {
		return State{}, fmt.Errorf("read block %s: %w", number, err)
	}
	return v.stateOf(ctx, c, head)
}

// stateOf reads the block of that header.
func (v *View) stateOf(ctx context.Context, c contracts.Channel, head *types.Header) (State, error) {
	s, err := v.StateAt(ctx, c, head.Number.Uint64())
	s.Hash, s.Time = head.Hash(), blockTime(head)
	s.Since = s.Time
	return s, err
}

// Snapshot is the chain as it is in the newest block now, with the block's time, for several readings in a row. It
// answers as long as the endpoints keep that block's state, which is 128 blocks.
func (v *View) Snapshot(ctx context.Context) (view Chain, at time.Time, err error) {
	head, err := v.backend.HeaderByNumber(ctx, nil)
	if err != nil {
		return nil, at, fmt.Errorf("read head: %w", err)
	}
	return blockView{v, head}, blockTime(head), nil
}

// blockView reads one block.
type blockView struct {
	view *View
	head *types.Header
}

// State implements [Chain].
func (v blockView) State(ctx context.Context, c contracts.Channel) (State, error) {
	return v.view.stateOf(ctx, c, v.head)
}

// BlockHash is the hash of the block of that number, as the chain is now.
func (v *View) BlockHash(ctx context.Context, number uint64) (common.Hash, error) {
	h, err := v.backend.HeaderByNumber(ctx, new(big.Int).SetUint64(number))
	if err != nil {
		return common.Hash{}, fmt.Errorf("read block %d: %w", number, err)
	}
	return h.Hash(), nil
}

// StateAt reads a block of that number; it does not ask for the block's hash and time. What no channel can be is an
// error.
func (v *View) StateAt(ctx context.Context, c contracts.Channel, block uint64) (State, error) {
	opts := &bind.CallOpts{Context: ctx, BlockNumber: new(big.Int).SetUint64(block)}
	out, err := bind.Call(v.bound, opts, v.contract.PackChannelOf(c.Token, c.Payer, c.Signer, c.Payee),
		v.contract.UnpackChannelOf)
	if err != nil {
		return State{}, fmt.Errorf("read %s in block %d: %w", c, block, err)
	}
	s := State{Epoch: uint32(out.Epoch.Uint64()), Block: block}
	for _, f := range []struct {
		to   *contracts.Amount
		from *big.Int
	}{{&s.Free, out.Free}, {&s.Settled, out.Settled}, {&s.Ceiling, out.Ceiling}} {
		if *f.to, err = contracts.AmountFromBig(f.from); err != nil {
			return State{}, fmt.Errorf("read %s in block %d: %w", c, block, err)
		}
	}
	if s.Ceiling.Less(s.Settled) {
		// The contract never lets it come to this.
		return State{}, fmt.Errorf("read %s in block %d: the endpoint says that %s is settled and only %s set "+
			"aside, which no channel can be", c, block, s.Settled, s.Ceiling)
	}
	if out.ExitAt.Sign() > 0 {
		s.ExitAt = time.Unix(out.ExitAt.Int64(), 0)
	}
	return s, nil
}
