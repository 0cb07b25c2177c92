package chain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// maxLag is how many blocks an endpoint may be behind the others before they are preferred.
	maxLag = 3
	// probeEvery is how often the endpoints' heads are compared.
	probeEvery = 3 * time.Second
)

// Health is what is known of an endpoint.
type Health struct {
	URL      string    // scheme and host alone
	OK       bool      // it is used, and its last answer was one
	Head     uint64    // the newest block that it named; 0: none yet
	Lagging  bool      // it is behind the others
	Slow     bool      // others answer sooner
	LeftOut  bool      // it is not believed: it serves another chain, or said what no chain can say
	Failures int       // since it last answered
	Error    error     // what is wrong, nil where nothing is
	Since    time.Time // since when; the zero time where nothing is wrong
}

// Health tells how the endpoints do, in the configured order. It asks nobody.
func (c *Client) Health() []Health {
	all := make([]Health, len(c.endpoints))
	due := c.isDue()
	for i, e := range c.endpoints {
		out := e.leftOut()
		e.mu.Lock()
		h := Health{URL: e.name, Head: e.newest.Number, Lagging: e.lagging, Slow: e.slow, Failures: e.failures}
		switch {
		case out != nil:
			h.LeftOut, h.Error, h.Since = true, out.Err, out.Since
		case e.failures > 0:
			h.Error, h.Since = e.err, e.failing
		case !e.trust.ever.Load():
			h.Error = errors.New("it has not answered yet")
		case due && e.stalledLocked() != nil:
			h.Error, h.Since = e.stalledLocked(), e.moved
		}
		h.OK = h.Error == nil && !h.Lagging
		e.mu.Unlock()
		all[i] = h
	}
	return all
}

// isSlow notes whether others answer sooner.
func (e *endpoint) isSlow(slow bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.slow = slow
}

// ranked returns the endpoints that are believed, the best first: those that work, then those that are slow or lag, then
// those that failed lately, each in the configured order, so that as long as nothing fails one endpoint tells the whole
// story. Where none is believed all are returned: each says why.
func (c *Client) ranked() []*endpoint {
	now := time.Now()
	rank := make(map[*endpoint]int, len(c.endpoints))
	var ranked []*endpoint
	for _, e := range c.endpoints {
		if e.leftOut() != nil {
			continue
		}
		ranked = append(ranked, e)
		e.mu.Lock()
		switch {
		case now.Before(e.until):
			rank[e] = 4
		case !e.trust.ever.Load():
			rank[e] = 3
		case e.lagging:
			rank[e] = 2
		case e.slow:
			rank[e] = 1
		}
		e.mu.Unlock()
	}
	if len(ranked) == 0 {
		return slices.Clone(c.endpoints)
	}
	slices.SortStableFunc(ranked, func(a, b *endpoint) int { return rank[a] - rank[b] })
	return ranked
}

// pauseAfter waits until some endpoint may be tried again.
func (c *Client) pauseAfter(ctx context.Context, round int) error {
	wait := maxRetryAfter
	for _, e := range c.endpoints {
		e.mu.Lock()
		wait = min(wait, time.Until(e.until))
		e.mu.Unlock()
	}
	wait = min(max(wait, min(50*time.Millisecond<<min(round, 6), time.Second)), c.timeout)
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < wait {
		return fmt.Errorf("the next attempt would be in %s, after the deadline: %w", wait.Round(time.Millisecond),
			context.DeadlineExceeded)
	}
	return sleep(ctx, wait)
}

// probe compares the heads of all endpoints from time to time, and looks at their chains again, until ctx ends.
func (c *Client) probe(ctx context.Context) {
	for sleep(ctx, probeEvery) == nil {
		c.lookAtAll(ctx)
		if len(c.endpoints) > 1 {
			c.compareHeads(ctx)
		}
	}
}

// lookAtAll has those looked at that are not believed yet, or not any more, or were last looked at long ago.
func (c *Client) lookAtAll(ctx context.Context) {
	now := time.Now()
	for _, e := range c.endpoints {
		e.trust.mu.Lock()
		out, due := e.trust.out != nil, now.After(e.trust.again)
		if e.trust.out == nil {
			due = now.Sub(e.trust.checked) > verifyEvery
		}
		e.trust.mu.Unlock()
		e.mu.Lock()
		due = due && now.After(e.until)
		e.mu.Unlock()
		if !due {
			continue
		}
		if !out && e.trust.verified.Load() {
			c.verifyBeside(e)
			continue
		}
		c.spawn(func(context.Context) {
			_ = c.onOne(ctx, e, func(context.Context, *endpoint) error { return nil }) // its health says what came of it
		})
	}
}

// compareHeads asks everyone for its head, all at once, and notes who is behind, and who takes long.
func (c *Client) compareHeads(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, probeEvery)
	defer cancel()
	var on []*endpoint
	for _, e := range c.endpoints {
		if e.leftOut() == nil {
			on = append(on, e)
		}
	}
	heads := askAll(ctx, c, on, func(ctx context.Context, e *endpoint) (header, error) {
		began := time.Now()
		h, err := c.headerOf(ctx, e, "latest")
		if err == nil {
			e.isSlow(time.Since(began) > hedgeAfter)
		}
		return h, err
	})
	var best uint64
	for _, h := range heads {
		if h.err == nil {
			best = max(best, h.v.block.Number)
		}
	}
	for _, h := range heads {
		if h.err != nil {
			if ctx.Err() != nil && c.run.Err() == nil && errors.Is(h.err, context.DeadlineExceeded) {
				h.on.isSlow(true)
				if h.on.failed(errNoAnswer) {
					c.log.Warn("chain endpoint does not answer", "endpoint", h.on.name, "waited", probeEvery)
				}
			}
			continue
		}
		lagging := h.v.block.Number+maxLag < best
		h.on.mu.Lock()
		changed := h.on.lagging != lagging
		h.on.lagging = lagging
		h.on.mu.Unlock()
		if changed && lagging {
			c.log.Warn("chain endpoint lags", "endpoint", h.on.name, "head", h.v.block.Number, "best", best)
		}
	}
}

// sleep waits for d or for ctx to end, whichever is first; the latter is an error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// poll paces repeated questions: quick at first, slower while nothing happens.
type poll struct {
	first, most, next time.Duration
}

func newPoll(first, most time.Duration) *poll { return &poll{first, most, first} }

// reset makes the next wait short again.
func (p *poll) reset() { p.next = p.first }

// step returns how long to wait now, and makes the next wait longer.
func (p *poll) step() time.Duration {
	now := p.next
	p.next = min(p.next*3/2, p.most)
	return now
}

// wait pauses until it is time to ask again, or wake is closed.
func (p *poll) wait(ctx context.Context, wake <-chan struct{}) error {
	timer := time.NewTimer(p.step())
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-wake:
		return nil
	case <-timer.C:
		return nil
	}
}

// stallAfter is for how long an endpoint may name no newer block, while a transaction waits for one, before it is said to
// stand still. Chains make a block every few seconds, and leave one out at times.
const stallAfter = 25 * time.Second

// stalledError says that an endpoint shows no new block although one is due. Whether the chain stands still or the endpoint
// is not told; with others to compare it with it is called behind instead.
type stalledError struct {
	URL string        // scheme and host
	At  Block         // its newest
	For time.Duration // since that was first seen
}

// Error implements error.
func (e *stalledError) Error() string {
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
func (e *endpoint) stalledLocked() *stalledError {
	if e.moved.IsZero() || time.Since(e.moved) < stallAfter {
		return nil
	}
	return &stalledError{e.name, e.newest, time.Since(e.moved)}
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
