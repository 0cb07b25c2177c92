package devchain

import (
	"math"
	"time"
)

// maxLead bounds how far blocks on demand run ahead of the chain's clock.
const maxLead = 10 * time.Minute

// clock tells chain time: the wall clock and an offset, the sum of all jumps.
//
// Consensus demands that timestamps rise by at least a second from block to block, yet blocks on demand may follow
// each other within milliseconds. Each of those puts the head a second further ahead of the clock (its lead), which
// idle time pays back. So that a long burst does not run away, blocks on demand are made the more slowly the larger
// the lead: at once for the first dozens of blocks, a second apart, which is as fast as time passes, as the lead nears
// maxLead. Transactions that come in between share a block, so what is bounded is the rate of blocks, not of
// transactions.
type clock struct {
	offset time.Duration
	forced uint64 // the exact time of the next block, 0: none
}

func (c *clock) now() time.Time { return time.Now().Add(c.offset) }

// next is the timestamp of a block on a parent with that timestamp.
func (c *clock) next(parent uint64) uint64 {
	t := uint64(c.now().Unix())
	if c.forced != 0 {
		t = c.forced
	}
	return max(t, parent+1)
}

// made notes that a block of that time exists: a forced time is used up, and the clock goes on from it.
func (c *clock) made(t uint64) {
	if c.forced != 0 {
		c.follow(t)
		c.forced = 0
	}
}

// pause is how long to wait before a block on demand on a parent with that timestamp.
func (c *clock) pause(parent uint64) time.Duration {
	lead := time.Unix(int64(parent), 0).Sub(c.now())
	if lead <= 0 {
		return 0
	}
	return time.Duration(float64(time.Second) * math.Pow(min(1, lead.Seconds()/maxLead.Seconds()), 3))
}

func (c *clock) advance(d time.Duration) { c.offset += d }

// follow moves the clock forward to t where it is behind.
func (c *clock) follow(t uint64) {
	if behind := time.Unix(int64(t), 0).Sub(c.now()); behind > 0 {
		c.offset += behind
	}
}

// resume takes up the clock of a chain that was kept on disk: jumps of its past are jumps still.
func (c *clock) resume(head uint64) {
	if time.Unix(int64(head), 0).Sub(c.now()) > maxLead {
		c.follow(head)
	}
}
