package payments

import (
	"context"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"

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
	// Epoch counts how often the ceiling was lowered.
	Epoch uint32
	// Block is the block's number.
	Block uint64
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
	head, err := v.backend.HeaderByNumber(ctx, nil)
	if err != nil {
		return ChannelState{}, fmt.Errorf("read head: %w", err)
	}
	return v.StateAt(ctx, c, head.Number.Uint64())
}

// StateAt reads a block of that number.
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
	if out.ExitAt.Sign() > 0 {
		s.ExitAt = time.Unix(out.ExitAt.Int64(), 0)
	}
	return s, nil
}
