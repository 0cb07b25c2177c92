package chain

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// stallAfter is for how long an endpoint may name no newer block, while a transaction waits for one, before it is said to
// stand still. Chains make a block every few seconds, and leave one out at times.
const stallAfter = 25 * time.Second

// StalledError says that an endpoint shows no new block although one is due. Whether the chain stands still or the endpoint
// is not told; with others to compare it with it is called behind instead.
type StalledError struct {
	URL string        // scheme and host
	At  Block         // its newest
	For time.Duration // since that was first seen
}

// Error implements error.
func (e *StalledError) Error() string {
	return fmt.Sprintf("endpoint %s stands still: its newest block is %d of %s by the chain's time, and no newer one has come "+
		"for %s: %s", e.URL, e.At.Number, e.At.Time.UTC().Format(time.RFC3339), e.For.Round(time.Second), mendIt)
}

// saw notes a head that is believed.
func (e *endpoint) saw(head Block) {
	if head.Number != e.newest.Number || e.moved.IsZero() {
		e.moved = time.Now()
	}
	e.newest = head
}

// stalledLocked says for how long e has named no new block, nil where it has lately.
func (e *endpoint) stalledLocked() *StalledError {
	if e.moved.IsZero() || time.Since(e.moved) < stallAfter {
		return nil
	}
	return &StalledError{e.name, e.newest, time.Since(e.moved)}
}

// stalled is to be called while a block is due: it returns which endpoints show none, nil once one that is believed does.
func (c *Client) stalled(ctx context.Context) error {
	c.due.Store(time.Now().UnixNano())
	if _, err := c.Head(ctx); err != nil {
		return err
	}
	var all []error
	for _, e := range c.endpoints {
		if e.leftOut() != nil {
			continue
		}
		e.mu.Lock()
		still := e.stalledLocked()
		works := e.failures == 0 && !e.lagging && !e.moved.IsZero()
		e.mu.Unlock()
		switch {
		case still != nil:
			all = append(all, still)
		case works:
			return nil
		}
	}
	return errors.Join(all...)
}

// isDue reports whether somebody has waited for a block a moment ago.
func (c *Client) isDue() bool {
	return time.Since(time.Unix(0, c.due.Load())) < stallAfter/2
}
