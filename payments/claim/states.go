package claim

import (
	"context"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts/chain"
	"byway/payments/chainview"
	"byway/payments/ledger"
)

// How the chain's word on what is settled is judged before the ledger takes it over: it comes through endpoints that can
// lag, lie and be mended, so that no answer is final.

const (
	// lagPatience is for how long an answer out of an older block than the last one is put down to an endpoint that lags.
	lagPatience = 2 * time.Minute
	// recheckBatch is how many channels that owe nothing one round asks about.
	recheckBatch = 100
	// failuresInRow ends a round's reading; the next round goes on behind them.
	failuresInRow = 3
)

// blockHasher is a [chainview.Chain] that can say what a block's hash is now.
type blockHasher interface {
	BlockHash(ctx context.Context, number uint64) (common.Hash, error)
}

// supersedes says why an answer does not take the place of the one before it, nil where it does.
func (c *Claimer) supersedes(ctx context.Context, a ledger.Account, s chainview.State) error {
	age := time.Since(a.SettledAt)
	if s.Block >= a.SettledBlock || age < 0 || age > lagPatience {
		return nil
	}
	// A block of a later time with a lower number: one of the two numbers is false, and this one was just read.
	if !s.Time.IsZero() && s.Time.After(a.SettledTime) {
		return nil
	}
	if h, ok := c.cfg.Chain.(blockHasher); ok && a.SettledHash != (common.Hash{}) {
		if now, err := h.BlockHash(ctx, a.SettledBlock); err == nil && now != a.SettledHash {
			return nil // that block is not in the chain any more
		}
	}
	return fmt.Errorf("the endpoint is at block %d, the channel was read in block %d %s ago: it lags behind, or one of "+
		"the two answers is false", s.Block, a.SettledBlock, age.Round(time.Second))
}

// readStates asks the chain about channels. One that can't be read, or whose answer can't be used, is skipped and
// named, and the others are read on; when several in a row can't be read the chain itself is taken to be down, and the
// next round begins behind them. The error says that none could be read.
func (c *Claimer) readStates(ctx context.Context, list []ledger.Account) (map[int64]chainview.State, error) {
	states := map[int64]chainview.State{}
	var skipped []Omission
	start := 0
	if len(list) > 0 {
		start = c.start % len(list)
	}
	row := 0
	for i := range list {
		a := list[(start+i)%len(list)]
		s, err := c.cfg.Chain.State(ctx, a.Channel)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err == nil {
			row = 0
			err = c.supersedes(ctx, a, s)
		} else {
			row++
		}
		if err != nil {
			skipped = append(skipped, Omission{a.Channel, err})
		} else {
			states[a.ID] = s
		}
		if row == failuresInRow {
			c.start = (start + i + 1) % len(list)
			break
		}
	}
	c.skippedMu.Lock()
	c.skipped = skipped
	c.skippedMu.Unlock()
	if len(skipped) == 0 {
		return states, nil
	}
	if len(states) == 0 {
		return nil, fmt.Errorf("no channel could be read: %s: %w", skipped[0].Channel, skipped[0].Reason)
	}
	for _, s := range skipped[:min(len(skipped), failuresInRow)] {
		c.log.Warn("channel is left out: what the chain says of it can't be used", "channel", s.Channel.String(),
			"error", s.Reason, "left_out", len(skipped))
	}
	return states, nil
}

// reread reads channels after a reorganisation. Those that can't be read are returned beside.
func (c *Claimer) reread(ctx context.Context, list []ledger.Account) (states map[int64]chainview.State, unread []int64, err error) {
	states = map[int64]chainview.State{}
	var last error
	for _, a := range list {
		s, err := c.cfg.Chain.State(ctx, a.Channel)
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if err != nil {
			last = err
			unread = append(unread, a.ID)
			if len(states) == 0 && len(unread) == failuresInRow {
				break
			}
			continue
		}
		states[a.ID] = s
	}
	if len(states) == 0 && len(unread) > 0 {
		return nil, nil, chain.Outage(fmt.Errorf("read channels after a reorganisation: %w", last))
	}
	return states, unread, nil
}

// setSettled takes over what the chain says of some channels.
func (c *Claimer) setSettled(ctx context.Context, states map[int64]chainview.State) error {
	if len(states) == 0 {
		return nil
	}
	return c.cfg.Ledger.Do(ctx, func(tx *ledger.Tx) error { return storeSettled(tx, states) })
}

// rolledBack takes over what the chain says after a reorganisation from that block on. What could not be read is asked
// for again at once, and claims of those blocks are on their way again.
func (c *Claimer) rolledBack(ctx context.Context, from uint64, states map[int64]chainview.State, unread []int64) error {
	return c.cfg.Ledger.Do(ctx, func(tx *ledger.Tx) error {
		if err := storeSettled(tx, states); err != nil {
			return err
		}
		for _, id := range unread {
			if err := tx.DoubtSettled(id); err != nil {
				return err
			}
		}
		return tx.ReopenClaims(c.claimant, from)
	})
}

func storeSettled(tx *ledger.Tx, states map[int64]chainview.State) error {
	for id, s := range states {
		if err := tx.StoreSettled(id, s.Reading(time.Time{})); err != nil {
			return err
		}
	}
	return nil
}
