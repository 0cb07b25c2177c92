package chain

import (
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// Time is the chain's time as far as this client knows without asking: that of the newest block that was believed, and
// what has gone by since it was heard of, by the monotonic clock. What this machine takes the time of day to be plays no
// part. Ok is false while no block was heard of.
func (c *Client) Time() (at time.Time, ok bool) {
	c.newest.mu.Lock()
	defer c.newest.mu.Unlock()
	if c.newest.block.Hash == (common.Hash{}) {
		return time.Time{}, false
	}
	return c.newest.block.Time.Add(max(time.Since(c.newest.at), 0)), true
}

// Newest is the block that Time goes by, and when it was heard of, by this machine's clock; ok is false where none was.
func (c *Client) Newest() (b Block, at time.Time, ok bool) {
	c.newest.mu.Lock()
	defer c.newest.mu.Unlock()
	return c.newest.block, c.newest.at, c.newest.block.Hash != (common.Hash{})
}
