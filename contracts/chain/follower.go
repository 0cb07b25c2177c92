package chain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

const (
	// overlap is how many blocks below the cursor are scanned again: endpoints have been seen to serve a fresh block
	// before all of its logs.
	overlap = 12
	// firstRange and maxRange bound how many blocks one request for logs covers.
	firstRange, maxRange = 2_000, 10_000
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
	span   uint64 // blocks to ask for at once
	log    *slog.Logger
}

// NewFollower returns a follower; nothing happens before [Follower.Run].
func NewFollower(cfg FollowerConfig) *Follower {
	f := &Follower{cfg: cfg, span: firstRange, log: cfg.Log}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	f.cursor = cursors{cfg.Journal, cfg.Client.ChainID(), cfg.Name}
	return f
}

// Run calls handle with one update after the other until ctx ends or handle or the journal fails; endpoints may fail
// for as long as they like. The cursor moves after handle has returned nil, so an update is delivered again after a
// crash in between: handle must bear that.
func (f *Follower) Run(ctx context.Context, handle func(ctx context.Context, u Update) error) error {
	if f.cfg.Name == "" {
		return errors.New("follow chain: the follower needs a name")
	}
	err := f.run(ctx, handle)
	return fmt.Errorf("follow chain for %q: %w", f.cfg.Name, err)
}

func (f *Follower) run(ctx context.Context, handle func(ctx context.Context, u Update) error) error {
	poll := newPoll(50*time.Millisecond, 2*time.Second)
	for {
		wake := f.cfg.Client.heads.wake()
		at, err := f.cursor.load(ctx)
		if err != nil {
			return err
		}
		var u *Update
		err = f.cfg.Client.onEach(ctx, "follow", func(ctx context.Context, e *endpoint) (err error) {
			u, err = f.step(ctx, e, at)
			return err
		})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && errors.As(err, new(*journalError)):
			return err
		case err != nil:
			f.log.Debug("follower has to wait", "follower", f.cfg.Name, "blocks", f.span, "error", err)
		case u != nil:
			if err := handle(ctx, *u); err != nil {
				return err
			}
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
	head, err := e.eth.HeaderByNumber(ctx, nil)
	if err != nil {
		return nil, err
	}
	top := blockOf(head)
	if at != nil && top.Hash == at.hash {
		return nil, nil
	}
	from := f.cfg.Start
	if at != nil {
		fork, err := f.fork(ctx, e, at, top)
		if err != nil {
			return nil, err
		}
		if fork != nil {
			return fork, nil
		}
		from = at.number + 1
	}
	if top.Number < from {
		return nil, nil // the endpoint lags, or the start lies ahead
	}
	to := min(top.Number, from+f.span-1)
	u, err := f.scan(ctx, e, at, from, to)
	if err != nil && ctx.Err() == nil {
		// Some limit of the endpoint's, perhaps: whatever it was, less is easier.
		f.span = max(1, (to-from+1)/2)
		return nil, err
	}
	if err == nil && to-from+1 == f.span {
		f.span = min(f.span*2, maxRange)
	}
	return u, err
}

// fork finds out whether the endpoint's chain still contains the cursor. If not, the update rolls back to the highest
// block that both know; where the endpoint is merely behind, there is neither update nor error.
func (f *Follower) fork(ctx context.Context, e *endpoint, at *cursor, top Block) (*Update, error) {
	ahead := at.number > top.Number
	for i, b := range at.trail {
		if b.Number > top.Number {
			continue
		}
		h, err := e.eth.HeaderByNumber(ctx, new(big.Int).SetUint64(b.Number))
		if err != nil {
			return nil, err
		}
		if h.Hash() != b.Hash {
			continue
		}
		if i == 0 || ahead && b.Number == top.Number {
			return nil, nil
		}
		if ahead && lowestAbove(at.trail, top.Number) == i-1 {
			// Nothing that we know contradicts the endpoint: its chain may be ours, cut off.
			return nil, nil
		}
		return &Update{Rollback: true, From: b.Number + 1, To: blockOf(h)}, nil
	}
	if len(at.trail) > 0 && at.trail[len(at.trail)-1].Number > top.Number {
		return nil, nil // the endpoint is far behind
	}
	f.log.Warn("the chain has nothing in common with what was followed: starting again", "follower", f.cfg.Name)
	return &Update{Rollback: true, From: f.cfg.Start}, nil
}

// lowestAbove is the index of the lowest block of a trail above number, -1 where there is none.
func lowestAbove(trail []Block, number uint64) int {
	for i := len(trail) - 1; i >= 0; i-- {
		if trail[i].Number > number {
			return i
		}
	}
	return -1
}

// scan reads the logs of from..to, and those just below again.
func (f *Follower) scan(ctx context.Context, e *endpoint, at *cursor, from, to uint64) (*Update, error) {
	end, err := e.eth.HeaderByNumber(ctx, new(big.Int).SetUint64(to))
	if err != nil {
		return nil, err
	}
	lowest := from
	if at != nil {
		lowest = min(from, max(f.cfg.Start, at.floor, from-min(from, overlap)))
	}
	logs, err := e.eth.FilterLogs(ctx, ethereum.FilterQuery{
		FromBlock: new(big.Int).SetUint64(lowest), ToBlock: new(big.Int).SetUint64(to),
		Addresses: f.cfg.Addresses, Topics: f.cfg.Topics,
	})
	if err != nil {
		return nil, err
	}
	// Had the chain changed under the question, either end would have changed with it.
	again, err := e.eth.HeaderByNumber(ctx, new(big.Int).SetUint64(to))
	if err != nil {
		return nil, err
	}
	if again.Hash() != end.Hash() {
		return nil, errReorganised
	}
	if at != nil {
		h, err := e.eth.HeaderByNumber(ctx, new(big.Int).SetUint64(at.number))
		if err != nil {
			return nil, err
		}
		if h.Hash() != at.hash {
			return nil, errReorganised
		}
	}
	u := &Update{To: blockOf(end)}
	for i, l := range logs {
		if l.Removed || l.BlockNumber < lowest || l.BlockNumber > to ||
			i > 0 && (logs[i-1].BlockNumber > l.BlockNumber ||
				logs[i-1].BlockNumber == l.BlockNumber && logs[i-1].Index >= l.Index) {
			return nil, fmt.Errorf("endpoint %s answers with logs out of order or range", e.name)
		}
		if at == nil || !at.delivered[logKey{l.BlockNumber, l.BlockHash, l.Index}] {
			u.Logs = append(u.Logs, l)
		}
	}
	u.parent = end.ParentHash
	return u, nil
}

var errReorganised = errors.New("the chain was reorganised meanwhile")
