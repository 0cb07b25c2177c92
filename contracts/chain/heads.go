package chain

import (
	"context"
	"net/url"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
)

// heads spreads the news of blocks to all who wait for one. It is a wake-up, never a source of truth.
type heads struct {
	mu   sync.Mutex
	last uint64
	next chan struct{} // closed by the next piece of news
}

func newHeads() *heads { return &heads{next: make(chan struct{})} }

// wake returns a channel that is closed when something has happened since.
func (h *heads) wake() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.next
}

// news wakes everybody.
func (h *heads) news() {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.next)
	h.next = make(chan struct{})
}

// saw wakes everybody if n is another block than before.
func (h *heads) saw(n uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n != h.last {
		h.last = n
		close(h.next)
		h.next = make(chan struct{})
	}
}

// watchHeads keeps a WebSocket subscription to new blocks at one of the endpoints, until ctx ends. Without one
// everything works as well, only later: so failures are not even reported.
func (c *Client) watchHeads(ctx context.Context) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 500*time.Millisecond, 5*time.Minute
	for {
		for _, e := range c.ranked() {
			if e.trust.verified.Load() && c.subscribe(ctx, e) {
				pause.Reset()
			}
		}
		if sleep(ctx, pause.NextBackOff()) != nil {
			return
		}
	}
}

// subscribe reports new blocks of e until the subscription breaks; it reports whether there was one.
func (c *Client) subscribe(ctx context.Context, e *endpoint) bool {
	address, ok := webSocketURL(e.url)
	if !ok || ctx.Err() != nil {
		return false
	}
	dialled, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	conn, err := rpc.DialOptions(dialled, address, rpc.WithWebsocketMessageSizeLimit(1<<20),
		rpc.WithWebsocketDialer(e.webSocket))
	if err != nil {
		return false
	}
	defer conn.Close()
	blocks := make(chan *types.Header, 16)
	sub, err := ethclient.NewClient(conn).SubscribeNewHead(dialled, blocks)
	if err != nil {
		return false
	}
	defer sub.Unsubscribe()
	c.log.Debug("chain endpoint announces blocks", "endpoint", e.name)
	for {
		select {
		case <-ctx.Done():
			return true
		case err := <-sub.Err():
			c.log.Debug("chain endpoint announces no more blocks", "endpoint", e.name, "error", err)
			return true
		case <-blocks:
			c.heads.news()
		}
	}
}

// webSocketURL is where an endpoint's WebSocket would be: nodes serve it beside HTTP, at the same address.
func webSocketURL(raw string) (string, bool) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", false
	}
	switch u.Scheme {
	case "http":
		u.Scheme = "ws"
	case "https":
		u.Scheme = "wss"
	}
	return u.String(), true
}

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
