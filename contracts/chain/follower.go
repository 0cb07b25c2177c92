package chain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

const (
	// overlap is how many blocks below the cursor are scanned again: endpoints have been seen to serve a fresh block
	// before all of its logs.
	overlap = 12
	// aheadPatience is for how long a cursor may be ahead of the chain before it is the cursor that is doubted.
	aheadPatience = time.Minute
)

// Update is a piece of what a follower has to tell.
type Update struct {
	// Rollback says that the chain was reorganised: forget everything at and above block From. Logs is empty then.
	Rollback bool
	From     uint64
	// Logs are new ones, in the order of the chain.
	Logs []types.Log
	// To is the block up to and including which the logs delivered so far are complete.
	To     Block
	parent common.Hash // of To
}

// FollowerConfig says which events to follow.
type FollowerConfig struct {
	Client  *Client
	Journal *Journal
	// Name tells this follower's cursor from those of others in the journal. With other addresses or topics it needs
	// another name.
	Name      string
	Addresses []common.Address
	Topics    [][]common.Hash
	// Start is the first block of interest, where the journal has no cursor yet.
	Start uint64
	Log   *slog.Logger
}

// Follower delivers the logs of contracts, in order and through reorganisations, and goes on where it stopped after a
// restart. It asks by itself; a WebSocket only makes it ask sooner.
type Follower struct {
	cfg    FollowerConfig
	cursor cursors
	log    *slog.Logger

	mu    sync.Mutex
	ahead time.Time // since when the cursor is ahead of every endpoint's head; zero: it isn't
}

// NewFollower returns a follower; nothing happens before [Follower.Run].
func NewFollower(cfg FollowerConfig) *Follower {
	f := &Follower{cfg: cfg, log: cfg.Log}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	f.cursor = cursors{cfg.Journal, cfg.Client.ChainID(), cfg.Name}
	return f
}

// Run calls handle with one update after the other until ctx ends or handle or the journal fails; endpoints may fail
// for as long as they like. The cursor moves after handle has returned nil, so an update is delivered again after a
// crash in between: handle must bear that. Where handle fails because the chain can't be asked ([IsOutage]), the same
// update is delivered again after a while.
func (f *Follower) Run(ctx context.Context, handle func(ctx context.Context, u Update) error) error {
	if f.cfg.Name == "" {
		return errors.New("follow chain: the follower needs a name")
	}
	err := f.run(ctx, handle)
	return fmt.Errorf("follow chain for %q: %w", f.cfg.Name, err)
}

func (f *Follower) run(ctx context.Context, handle func(ctx context.Context, u Update) error) error {
	poll := newPoll(50*time.Millisecond, 2*time.Second)
	again := newPoll(200*time.Millisecond, 30*time.Second)
	handled := true // the last update
	for {
		wake := f.cfg.Client.heads.wake()
		at, err := f.cursor.load(ctx)
		if err != nil {
			return err
		}
		u, err := ask(ctx, f.cfg.Client, "follow", func(ctx context.Context, e *endpoint) (*Update, error) {
			return f.step(ctx, e, at)
		})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && errors.As(err, new(*journalError)):
			return err
		case err != nil:
			f.log.Debug("follower has to wait", "follower", f.cfg.Name, "error", err)
		case u != nil:
			err := handle(ctx, *u)
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case err != nil && !IsOutage(err):
				return err
			case err != nil:
				if handled {
					f.log.Warn("news of the chain waits until the chain can be asked again", "follower", f.cfg.Name,
						"rollback", u.Rollback, "block", u.To.Number, "error", err)
				}
				handled = false
				if err := again.wait(ctx, nil); err != nil {
					return err
				}
				continue
			}
			handled = true
			again.reset()
			if err := f.cursor.store(ctx, *u); err != nil {
				return err
			}
			poll.reset()
			continue
		}
		if err := poll.wait(ctx, wake); err != nil {
			return err
		}
	}
}

// step finds the next update at one endpoint, nil where there is nothing new.
func (f *Follower) step(ctx context.Context, e *endpoint, at *cursor) (*Update, error) {
	top, err := f.cfg.Client.headerOf(ctx, e, "latest")
	if err != nil {
		return nil, err
	}
	if at != nil && top.is(at.hash) {
		f.isAhead(false)
		return nil, nil
	}
	from := f.cfg.Start
	if at != nil {
		// The next block names its parent: then the chain needs not be asked whether the cursor is in it.
		if next := top.block.Number == at.number+1 && top.ParentHash == at.hash; !next {
			fork, err := f.fork(ctx, e, at, top.block)
			if err != nil || fork != nil {
				return fork, err
			}
		}
		from = at.number + 1
	}
	if top.block.Number < from {
		if at != nil || !f.isAhead(true) {
			return nil, nil // the endpoint lags, or the start lies ahead
		}
		from = top.block.Number // the start was taken from a head that there never was
	}
	f.isAhead(false)
	return f.scan(ctx, e, at, from, top)
}

// isAhead notes whether the cursor is ahead of an endpoint's chain, and reports whether it has been for too long.
func (f *Follower) isAhead(ahead bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case !ahead:
		f.ahead = time.Time{}
	case f.ahead.IsZero():
		f.ahead = time.Now()
	}
	return ahead && time.Since(f.ahead) > aheadPatience
}

// fork finds out whether the endpoint's chain still contains the cursor. If not, the update rolls back to the highest
// block that both know; where the endpoint is merely behind, there is neither update nor error. A cursor that stays ahead
// of the chain, or that no chain can have reached, was put there by an answer that was false: it goes back as well.
func (f *Follower) fork(ctx context.Context, e *endpoint, at *cursor, top Block) (*Update, error) {
	ahead := at.number > top.Number
	doubted := ahead && (at.number-top.Number > mostAhead || f.isAhead(true))
	for i, b := range at.trail {
		if b.Number > top.Number {
			continue
		}
		h, err := e.header(ctx, b.Number)
		if err != nil {
			return nil, err
		}
		if !h.is(b.Hash) {
			continue
		}
		if i == 0 || ahead && b.Number == top.Number && !doubted {
			return nil, nil
		}
		if ahead && !doubted && lowestAbove(at.trail, top.Number) == i-1 {
			// Nothing that we know contradicts the endpoint: its chain may be ours, cut off.
			return nil, nil
		}
		if doubted {
			f.log.Warn("the chain is not where it was said to be: going back", "follower", f.cfg.Name, "from", at.number,
				"to", h.block.Number, "endpoint", e.name)
		}
		return &Update{Rollback: true, From: b.Number + 1, To: h.block}, nil
	}
	if len(at.trail) > 0 && at.trail[len(at.trail)-1].Number > top.Number && !doubted {
		return nil, nil // the endpoint is far behind
	}
	// Is it the same chain at all? If not, the endpoint is left out, and the cursor stays.
	f.cfg.Client.suspect(e)
	if err := f.cfg.Client.ready(ctx, e); err != nil {
		return nil, err
	}
	f.log.Warn("the chain has nothing in common with what was followed: starting again", "follower", f.cfg.Name)
	return &Update{Rollback: true, From: min(f.cfg.Start, top.Number)}, nil
}

// mostAhead is by how many blocks a cursor can be ahead of an endpoint that merely lags.
const mostAhead = 100_000

// lowestAbove is the index of the lowest block of a trail above number, -1 where there is none.
func lowestAbove(trail []Block, number uint64) int {
	for i := len(trail) - 1; i >= 0; i-- {
		if trail[i].Number > number {
			return i
		}
	}
	return -1
}

// scan reads the logs from a block on, as far as one question goes, and those just below again.
func (f *Follower) scan(ctx context.Context, e *endpoint, at *cursor, from uint64, top header) (*Update, error) {
	lowest := from
	if at != nil {
		lowest = min(from, max(f.cfg.Start, at.floor, from-min(from, overlap)))
	}
	end, to := top, min(top.block.Number, from+e.quirks.logWidth()-1)
	if to < top.block.Number {
		var err error
		if end, err = e.header(ctx, to); err != nil {
			return nil, err
		}
	}
	logs, err := e.logs(ctx, ethereum.FilterQuery{Addresses: f.cfg.Addresses, Topics: f.cfg.Topics}, lowest, to)
	if err != nil {
		return nil, err
	}
	// Had the chain changed under the question, its end would have changed with it: each block names the one below.
	again, err := e.header(ctx, to)
	if err != nil {
		return nil, err
	}
	if again.block.Hash != end.block.Hash {
		return nil, errReorganised
	}
	if at != nil && end.ParentHash != at.hash {
		h, err := e.header(ctx, at.number)
		if err != nil {
			return nil, err
		}
		if !h.is(at.hash) {
			return nil, errReorganised
		}
	}
	u := &Update{To: end.block}
	for i, l := range logs {
		if l.Removed || l.BlockNumber < lowest || l.BlockNumber > to ||
			i > 0 && (logs[i-1].BlockNumber > l.BlockNumber ||
				logs[i-1].BlockNumber == l.BlockNumber && logs[i-1].Index >= l.Index) {
			return nil, errors.New("it answers with logs out of order or range")
		}
		if at == nil || !at.delivered[logKey{l.BlockNumber, l.BlockHash, l.Index}] {
			u.Logs = append(u.Logs, l)
		}
	}
	u.parent = end.ParentHash
	return u, nil
}

var errReorganised = errors.New("the chain was reorganised meanwhile")
