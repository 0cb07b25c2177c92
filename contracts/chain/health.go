package chain

import (
	"context"
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
	URL      string // without credentials, path or query
	Head     uint64 // the newest block that it named when the endpoints were last compared; 0 with a single endpoint
	Lagging  bool   // it is behind the others
	Failures int    // since it last answered
	Error    error  // of the last failure, while Failures is not 0
}

// Health tells how the endpoints do, in the configured order.
func (c *Client) Health() []Health {
	all := make([]Health, len(c.endpoints))
	for i, e := range c.endpoints {
		e.mu.Lock()
		all[i] = Health{URL: e.name, Head: e.head, Lagging: e.lagging, Failures: e.failures}
		if e.failures > 0 {
			all[i].Error = e.err
		}
		e.mu.Unlock()
	}
	return all
}

// ranked returns the endpoints, the best first: those that work, then those that lag, then those that failed lately,
// each in the configured order, so that as long as nothing fails one endpoint tells the whole story.
func (c *Client) ranked() []*endpoint {
	now := time.Now()
	rank := make(map[*endpoint]int, len(c.endpoints))
	for _, e := range c.endpoints {
		e.mu.Lock()
		switch {
		case now.Before(e.until):
			rank[e] = 2
		case e.lagging:
			rank[e] = 1
		}
		e.mu.Unlock()
	}
	ranked := slices.Clone(c.endpoints)
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
	wait = min(max(wait, 50*time.Millisecond<<round), c.timeout)
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < wait {
		return fmt.Errorf("the next attempt would be in %s, after the deadline: %w", wait.Round(time.Millisecond),
			context.DeadlineExceeded)
	}
	return sleep(ctx, wait)
}

// probe compares the heads of all endpoints from time to time, until ctx ends.
func (c *Client) probe(ctx context.Context) {
	for {
		c.compareHeads(ctx)
		if sleep(ctx, probeEvery) != nil {
			return
		}
	}
}

func (c *Client) compareHeads(ctx context.Context) {
	var best uint64
	heads := make(map[*endpoint]uint64)
	for _, e := range c.endpoints {
		err := c.onOne(ctx, e, func(ctx context.Context, e *endpoint) error {
			n, err := e.eth.BlockNumber(ctx)
			heads[e] = n
			best = max(best, n)
			return err
		})
		if err != nil {
			delete(heads, e)
		}
	}
	for e, n := range heads {
		lagging := n+maxLag < best
		e.mu.Lock()
		changed := e.lagging != lagging
		e.head, e.lagging = n, lagging
		e.mu.Unlock()
		if changed && lagging {
			c.log.Warn("chain endpoint lags", "endpoint", e.name, "head", n, "best", best)
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

// wait pauses until it is time to ask again, or wake is closed.
func (p *poll) wait(ctx context.Context, wake <-chan struct{}) error {
	timer := time.NewTimer(p.next)
	defer timer.Stop()
	p.next = min(p.next*3/2, p.most)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-wake:
		return nil
	case <-timer.C:
		return nil
	}
}
