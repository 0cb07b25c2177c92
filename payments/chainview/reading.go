package chainview

import (
	"time"

	"byway/payments/ledger"
)

// Reading returns the part of the state, read at that time, that the ledger keeps. The vault's free balance is not
// kept: it can be gone in the next block.
func (s State) Reading(at time.Time) ledger.Reading {
	return ledger.Reading{
		Settled: s.Settled, Ceiling: s.Ceiling, Epoch: s.Epoch, ExitAt: s.ExitAt, Block: s.Block, Hash: s.Hash, Time: s.Time,
		Since: s.Since, ReadAt: at,
	}
}

// StateOf is the state that a reading of the ledger remembers. How far back the epoch was at depth is not kept: any of
// them may come back.
func StateOf(r ledger.Reading) State {
	return State{
		Settled: r.Settled, Ceiling: r.Ceiling, Epoch: r.Epoch, Behind: r.Epoch, ExitAt: r.ExitAt, Block: r.Block, Hash: r.Hash,
		Time: r.Time, Since: r.Since,
	}
}
