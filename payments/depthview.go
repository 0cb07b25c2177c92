package payments

import (
	"context"
	"math/big"

	"byway/contracts"
)

// DepthView is a [Chain] for a payee that does not take the newest block's word for much: what a channel guarantees
// beyond Above counts once it is Depth blocks deep, since a reorganisation may take it back until then. Exits and
// settlements count at once.
type DepthView struct {
	View *ChainView
	// Depth is in blocks below the newest one; nodes keep the state of 128.
	Depth uint64
	// Above is how much, in base units, may be lost to a reorganisation.
	Above contracts.Amount
}

// State implements [Chain].
func (v DepthView) State(ctx context.Context, c contracts.Channel) (ChannelState, error) {
	s, err := v.View.State(ctx, c)
	if err != nil {
		return s, err
	}
	if !v.Above.Less(s.CanPay().SubFloor(s.Settled)) || s.Block == 0 {
		return s, nil
	}
	deep, err := v.View.stateIn(ctx, c, new(big.Int).SetUint64(s.Block-min(s.Block-1, v.Depth)))
	if err != nil {
		return ChannelState{}, err
	}
	// The lower of both, and never less than may be lost.
	floor := maxAmount(s.Settled, deep.Ceiling)
	ceiling, free := minAmount(s.Ceiling, floor), minAmount(s.Free, deep.Free)
	guaranteed, err := ceiling.SubFloor(s.Settled).Add(free)
	if err == nil && guaranteed.Less(v.Above) {
		ceiling = minAmount(s.Ceiling, maxAmount(ceiling, addFloor(s.Settled, v.Above)))
		free = minAmount(s.Free, v.Above.SubFloor(ceiling.SubFloor(s.Settled)))
	}
	s.Ceiling, s.Free, s.Since = ceiling, free, deep.Time
	return s, nil
}

// addFloor adds, to 96 bits at most.
func addFloor(a, b contracts.Amount) contracts.Amount {
	sum, err := a.Add(b)
	if err != nil {
		return contracts.MaxAmount()
	}
	return sum
}
