package payments

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/contracts/chain"
)

// What is settled on a channel is the chain's word, and the chain speaks through endpoints that can lag, lie and be
// mended. So no answer is final. Each is stored with its block, that block's hash and time, and when it was read; a
// newer one takes its place also where it says less. What makes a channel owe nothing is asked for again after a
// minute, after two, after four and so on: a false answer costs minutes, not the channel.

const (
	// lagPatience is for how long an answer out of an older block than the last one is put down to an endpoint that lags.
	lagPatience = 2 * time.Minute
	// firstRecheck is how soon an answer that leaves nothing owed is asked for again; each time that it is the same the
	// wait doubles, up to lastRecheck.
	firstRecheck = time.Minute
	lastRecheck  = 30 * 24 * time.Hour
	// believedAfter is the wait that an answer above everything that was ever promised has come to when it is believed: a
	// ledger out of a backup may well know less than the chain.
	believedAfter = 4 * firstRecheck
	// recheckBatch is how many channels that owe nothing one round asks about.
	recheckBatch = 100
	// failuresInRow ends a round's reading; the next round goes on behind them.
	failuresInRow = 3
)

// blockHasher is a [Chain] that can say what a block's hash is now.
type blockHasher interface {
	BlockHash(ctx context.Context, number uint64) (common.Hash, error)
}

// believed is what counts as settled: more than was ever promised counts once the chain has said it several times.
func (a account) believed() contracts.Amount {
	if a.total.Less(a.settled) && a.recheckAt.Sub(a.settledAt) < believedAfter {
		return a.total
	}
	return a.settled
}

// supersedes says why an answer does not take the place of the one before it, nil where it does.
func (c *Claimer) supersedes(ctx context.Context, a account, s ChannelState) error {
	age := time.Since(a.settledAt)
	if s.Block >= a.settledBlock || age < 0 || age > lagPatience {
		return nil
	}
	// A block of a later time with a lower number: one of the two numbers is false, and this one was just read.
	if !s.Time.IsZero() && s.Time.After(a.settledTime) {
		return nil
	}
	if h, ok := c.cfg.Chain.(blockHasher); ok && a.settledHash != (common.Hash{}) {
		if now, err := h.BlockHash(ctx, a.settledBlock); err == nil && now != a.settledHash {
			return nil // that block is not in the chain any more
		}
	}
	return fmt.Errorf("the endpoint is at block %d, the channel was read in block %d %s ago: it lags behind, or one of "+
		"the two answers is false", s.Block, a.settledBlock, age.Round(time.Second))
}

// unconfirmed returns channels of the group that owe nothing, by what the chain said, and should be asked about again.
func (l *Ledger) unconfirmed(ctx context.Context, g claimGroup, now time.Time) ([]account, error) {
	zero := blob(contracts.Amount{})
	return l.accounts(ctx, "id IN (SELECT id FROM channel WHERE role = 2 AND owed_since IS NULL AND recheck_at <= ?"+
		" AND total != ? AND settled != ? AND chain_id = ? AND contract = ? AND token = ? AND payee = ?"+
		" ORDER BY recheck_at LIMIT ?)",
		append(append([]any{now.UnixMilli(), zero, zero}, g.args()...), recheckBatch)...)
}

// Skipped is a channel that the claimer could not use, and why.
type Skipped struct {
	Channel contracts.Channel
	Reason  error
}

// readStates asks the chain about channels. One that can't be read, or whose answer can't be used, is skipped and
// named, and the others are read on; when several in a row can't be read the chain itself is taken to be down, and the
// next round begins behind them. The error says that none could be read.
func (c *Claimer) readStates(ctx context.Context, list []account) (map[int64]ChannelState, error) {
	states := map[int64]ChannelState{}
	var skipped []Skipped
	start := 0
	if len(list) > 0 {
		start = c.start % len(list)
	}
	row := 0
	for i := range list {
		a := list[(start+i)%len(list)]
		s, err := c.cfg.Chain.State(ctx, a.channel)
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
			skipped = append(skipped, Skipped{a.channel, err})
		} else {
			states[a.id] = s
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

// Skipped returns the channels that the last round left out.
func (c *Claimer) Skipped() []Skipped {
	c.skippedMu.Lock()
	defer c.skippedMu.Unlock()
	return c.skipped
}

// reread reads channels after a reorganisation. Those that can't be read are returned beside.
func (c *Claimer) reread(ctx context.Context, list []account) (states map[int64]ChannelState, unread []int64, err error) {
	states = map[int64]ChannelState{}
	var last error
	for _, a := range list {
		s, err := c.cfg.Chain.State(ctx, a.channel)
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if err != nil {
			last = err
			unread = append(unread, a.id)
			if len(states) == 0 && len(unread) == failuresInRow {
				break
			}
			continue
		}
		states[a.id] = s
	}
	if len(states) == 0 && len(unread) > 0 {
		return nil, nil, chain.Outage(fmt.Errorf("read channels after a reorganisation: %w", last))
	}
	return states, unread, nil
}

// setSettled takes over what the chain says of some channels.
func (l *Ledger) setSettled(ctx context.Context, states map[int64]ChannelState) error {
	if len(states) == 0 {
		return nil
	}
	return l.do(ctx, func(w *writer) error {
		for id, s := range states {
			if err := storeSettled(w, id, s); err != nil {
				return err
			}
		}
		return nil
	})
}

// rolledBack takes over what the chain says after a reorganisation from that block on. What could not be read is asked
// for again at once. Claims of those blocks are on their way again: their intents, sent once more, are the same
// transactions wherever they are now.
func (l *Ledger) rolledBack(ctx context.Context, g claimGroup, from uint64, states map[int64]ChannelState, unread []int64,
) error {
	return l.do(ctx, func(w *writer) error {
		for id, s := range states {
			if err := storeSettled(w, id, s); err != nil {
				return err
			}
		}
		for _, id := range unread {
			if err := w.exec(updateRecheck, id); err != nil {
				return err
			}
		}
		const again = "block >= ? AND chain_id = ? AND contract = ? AND token = ? AND payee = ?"
		where := append([]any{count(from)}, g.args()...)
		if err := w.exec("UPDATE claim SET state = ? WHERE state = ? AND "+again,
			append([]any{claimSending, claimSettled}, where...)...); err != nil {
			return err
		}
		return w.seal(claimTable, again, where...)
	})
}

var (
	updateSettled = channelTable.update("id = ?4", "settled = ?1", "settled_block = ?2", "settled_hash = ?5",
		"settled_time = ?6", "settled_at = ?3",
		fmt.Sprintf("recheck_at = ?3 + CASE WHEN settled = ?1 AND settled_at > 0 AND recheck_at > settled_at THEN"+
			" min(2 * (recheck_at - settled_at), %d) ELSE %d END", lastRecheck.Milliseconds(), firstRecheck.Milliseconds()),
		"owed_since = CASE WHEN total > ?1 THEN COALESCE(owed_since, ?3) END")
	updateRecheck = channelTable.update("id = ?1", "settled_block = 0", "settled_at = 0", "recheck_at = 0")
)

// storeSettled stores what the chain says of a channel.
func storeSettled(w *writer, id int64, s ChannelState) error {
	hash := []byte{}
	if s.Hash != (common.Hash{}) {
		hash = s.Hash[:]
	}
	blockTime := int64(0)
	if !s.Time.IsZero() {
		blockTime = s.Time.UnixMilli()
	}
	return w.exec(updateSettled, blob(s.Settled), count(s.Block), nowMillis(), id, hash, blockTime)
}

// reading is what the ledger remembers of what a payee last read of a channel.
func (l *Ledger) reading(ctx context.Context, accountID int64) (s ChannelState, readAt time.Time, found bool, err error) {
	list, err := l.readings(ctx, "channel = ?", accountID)
	if err != nil {
		return s, readAt, false, err
	}
	r, found := list[accountID]
	return r.state, r.readAt, found, nil
}

// pastReading is a channel's state as it was read at some time.
type pastReading struct {
	state  ChannelState
	readAt time.Time
}

func (l *Ledger) readings(ctx context.Context, where string, args ...any) (_ map[int64]pastReading, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("read the chain's answers in the ledger: %w", err)
		}
	}()
	rows, err := l.read.QueryContext(ctx, "SELECT channel, settled, ceiling, epoch, COALESCE(exit_at, 0), block, hash, time,"+
		" since, read_at FROM reading WHERE "+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := map[int64]pastReading{}
	for rows.Next() {
		var r pastReading
		var id, epoch, exitAt, block, at, since, readAt int64
		var settled, ceiling, hash []byte
		if err := rows.Scan(&id, &settled, &ceiling, &epoch, &exitAt, &block, &hash, &at, &since, &readAt); err != nil {
			return nil, err
		}
		var errs [2]error
		r.state.Settled, errs[0] = contracts.AmountFromBytes(settled)
		r.state.Ceiling, errs[1] = contracts.AmountFromBytes(ceiling)
		if err := errors.Join(errs[:]...); err != nil {
			return nil, err
		}
		r.state.Epoch, r.state.Block, r.state.Hash = uint32(epoch), uint64(block), common.BytesToHash(hash)
		r.state.Behind = r.state.Epoch // how far back it was at depth is not kept: any of them may come back
		r.state.Time, r.state.Since = time.UnixMilli(at), time.UnixMilli(since)
		if exitAt != 0 {
			r.state.ExitAt = time.Unix(exitAt, 0)
		}
		r.readAt = time.UnixMilli(readAt)
		list[id] = r
	}
	return list, rows.Err()
}

// storeReading remembers what a payee has read. The vault's free balance is not kept: it can be gone in the next block.
func (l *Ledger) storeReading(ctx context.Context, accountID int64, s ChannelState, readAt time.Time) error {
	var exitAt any
	if s.Exiting() {
		exitAt = s.ExitAt.Unix()
	}
	return l.do(ctx, func(w *writer) error {
		if err := w.exec("INSERT OR REPLACE INTO reading (channel, settled, ceiling, epoch, exit_at, block, hash, time, since,"+
			" read_at) VALUES (?,?,?,?,?,?,?,?,?,?)", accountID, blob(s.Settled), blob(s.Ceiling), int64(s.Epoch), exitAt,
			count(s.Block), s.Hash[:], s.Time.UnixMilli(), s.Since.UnixMilli(), readAt.UnixMilli()); err != nil {
			return err
		}
		return w.seal(readingTable, readingTable.byKey(), accountID)
	})
}
