package chainview

import (
	"context"
	"fmt"
	"math/big"
	"time"

	"byway/contracts"
)

// DepthView is a [Chain] for a payee that does not take the newest block's word for much: what a channel guarantees
// beyond Above counts once it is Depth blocks deep, since a reorganisation may take it back until then. Exits and
// settlements count at once; that an epoch is over, and what was released in it can't be used any more, counts once it is
// deep.
type DepthView struct {
	View *View
	// Depth is in blocks below the newest one; nodes keep the state of 128.
	Depth uint64
	// Above is how much, in base units, may be lost to a reorganisation.
	Above contracts.Amount
}

// State implements [Chain].
func (v DepthView) State(ctx context.Context, c contracts.Channel) (State, error) {
	return v.state(ctx, c, v.View, func(ctx context.Context, number *big.Int) (State, error) {
		return v.View.stateIn(ctx, c, number)
	})
}

// Snapshot is the same for several readings in a row, see [View.Snapshot].
func (v DepthView) Snapshot(ctx context.Context) (view Chain, at time.Time, err error) {
	top, at, err := v.View.Snapshot(ctx)
	if err != nil {
		return nil, at, err
	}
	number := top.(blockView).head.Number.Uint64()
	deep, err := v.View.backend.HeaderByNumber(ctx, new(big.Int).SetUint64(v.below(number)))
	if err != nil {
		return nil, at, fmt.Errorf("read block %d: %w", v.below(number), err)
	}
	return depthSnapshot{v, top, blockView{v.View, deep}}, at, nil
}

// depthSnapshot is a [DepthView] at one block.
type depthSnapshot struct {
	DepthView
	top, deep Chain
}

// State implements [Chain].
func (v depthSnapshot) State(ctx context.Context, c contracts.Channel) (State, error) {
	return v.state(ctx, c, v.top, func(ctx context.Context, _ *big.Int) (State, error) { return v.deep.State(ctx, c) })
}

// below is the number of the block at depth.
func (v DepthView) below(block uint64) uint64 { return block - min(block-1, v.Depth) }

func (v DepthView) state(ctx context.Context, c contracts.Channel, top Chain,
	at func(ctx context.Context, number *big.Int) (State, error),
) (State, error) {
	s, err := top.State(ctx, c)
	if err != nil {
		return s, err
	}
	if !v.Above.Less(s.CanPay().SubFloor(s.Settled)) || s.Block == 0 {
		return s, nil
	}
	deep, err := at(ctx, new(big.Int).SetUint64(v.below(s.Block)))
	if err != nil {
		return State{}, err
	}
	// The lower of both, and never less than may be lost.
	floor := s.Settled.Max(deep.Ceiling)
	ceiling, free := s.Ceiling.Min(floor), s.Free.Min(deep.Free)
	guaranteed, err := ceiling.SubFloor(s.Settled).Add(free)
	if err == nil && guaranteed.Less(v.Above) {
		ceiling = s.Ceiling.Min(ceiling.Max(s.Settled.AddCap(v.Above)))
		free = s.Free.Min(v.Above.SubFloor(ceiling.SubFloor(s.Settled)))
	}
	s.Ceiling, s.Free, s.Since = ceiling, free, deep.Time
	s.Behind = s.Epoch - min(s.Epoch, deep.Epoch)
	return s, nil
}
