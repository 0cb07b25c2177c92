package chain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
)

const (
	// requestTimeout bounds one request to one endpoint.
	requestTimeout = 10 * time.Second
	// rounds is how often every endpoint is tried before a read fails.
	rounds = 4
)

// Config says where a chain is reached.
type Config struct {
	// URLs are the JSON-RPC endpoints, http, https, ws or wss, the preferred one first. With several, reads go to the
	// next one when one fails or lags, and [Client.Agreed] compares two.
	URLs []string
	// ChainID is the chain that the endpoints must serve. 0: the one that the first endpoint names.
	ChainID uint64
	// Lazy lets [Dial] succeed although no endpoint answers; ChainID must then say which chain it is. [Client.Down] tells.
	Lazy bool
	// Timeout bounds one request to one endpoint, 10 s by default.
	Timeout time.Duration
	// Dialer opens the connections to the endpoints, where they must take a way of their own; nil for a plain one.
	Dialer *net.Dialer
	Log    *slog.Logger
}

// Block names a block.
type Block struct {
	Number uint64
	Hash   common.Hash
	Time   time.Time
}

func blockOf(h *types.Header) Block {
	return Block{h.Number.Uint64(), h.Hash(), time.Unix(int64(h.Time), 0)}
}

// Client reads one chain through its endpoints. It implements the backend interfaces of go-ethereum's bindings
// (bind.ContractBackend) and the reading interfaces of package ethereum, and is safe for concurrent use.
type Client struct {
	chainID   *big.Int
	endpoints []*endpoint
	timeout   time.Duration
	log       *slog.Logger
	heads     *heads
	cancel    context.CancelFunc
	wg        sync.WaitGroup
	closing   sync.Once
}

// ChainIDError says that an endpoint serves another chain than the one wanted.
type ChainIDError struct {
	URL       string // without credentials, path or query
	Got, Want uint64
}

// Error implements error.
func (e *ChainIDError) Error() string {
	return fmt.Sprintf("endpoint %s serves chain %d, not chain %d: give the URL of an endpoint of chain %[3]d",
		e.URL, e.Got, e.Want)
}

// Dial connects to a chain. Every endpoint that answers must serve the same chain, else the error is a
// [*ChainIDError]; one that doesn't answer is taken up later, unless none does.
func Dial(ctx context.Context, cfg Config) (*Client, error) {
	if len(cfg.URLs) == 0 {
		return nil, errors.New("dial chain: no endpoint given")
	}
	run, cancel := context.WithCancel(context.Background())
	c := &Client{timeout: cfg.Timeout, log: cfg.Log, heads: newHeads(), cancel: cancel}
	if c.timeout <= 0 {
		c.timeout = requestTimeout
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	for _, url := range cfg.URLs {
		e, err := newEndpoint(url, cfg.Dialer)
		if err != nil {
			c.Close()
			return nil, fmt.Errorf("dial chain: %w", err)
		}
		c.endpoints = append(c.endpoints, e)
	}
	if cfg.ChainID != 0 {
		c.chainID = new(big.Int).SetUint64(cfg.ChainID)
	}
	err := c.identify(ctx)
	if wrong := (*ChainIDError)(nil); err != nil && (!cfg.Lazy || c.chainID == nil || errors.As(err, &wrong)) {
		c.Close()
		return nil, fmt.Errorf("dial chain: %w", err)
	}
	c.wg.Go(func() { c.watchHeads(run) })
	if len(c.endpoints) > 1 {
		c.wg.Go(func() { c.probe(run) })
	}
	return c, nil
}

// identify asks every endpoint for its chain, all at once.
func (c *Client) identify(ctx context.Context) error {
	errs := make([]error, len(c.endpoints))
	var wg sync.WaitGroup
	for i, e := range c.endpoints {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, c.timeout)
			defer cancel()
			errs[i] = e.identify(ctx)
		})
	}
	wg.Wait()
	answered := false
	for i, e := range c.endpoints {
		if errs[i] != nil {
			e.failed(redact(errs[i]))
			continue
		}
		answered = true
		if c.chainID == nil {
			c.chainID = new(big.Int).SetUint64(e.chainID.Load())
		}
		if got, want := e.chainID.Load(), c.chainID.Uint64(); got != want {
			return &ChainIDError{URL: e.name, Got: got, Want: want}
		}
	}
	if !answered {
		return errors.Join(errs...)
	}
	return nil
}

// ChainID is the chain that the client is connected to.
func (c *Client) ChainID() uint64 { return c.chainID.Uint64() }

// Down returns why no endpoint has answered yet, nil once one has. It asks nobody.
func (c *Client) Down() error {
	var errs []error
	for _, e := range c.endpoints {
		if e.chainID.Load() != 0 {
			return nil
		}
		e.mu.Lock()
		errs = append(errs, e.err)
		e.mu.Unlock()
	}
	return errors.Join(errs...)
}

// Close drops every connection. Requests under way end with an error.
func (c *Client) Close() {
	c.closing.Do(func() {
		c.cancel()
		for _, e := range c.endpoints {
			e.close()
		}
		c.wg.Wait()
	})
}

// Head returns the newest block of the endpoint in use.
func (c *Client) Head(ctx context.Context) (Block, error) {
	h, err := c.HeaderByNumber(ctx, nil)
	if err != nil {
		return Block{}, err
	}
	b := blockOf(h)
	c.heads.saw(b.Number)
	return b, nil
}

// WaitHead returns the head once it is above after. It asks by itself, the more slowly the longer nothing happens,
// and at once when a WebSocket announces a block.
func (c *Client) WaitHead(ctx context.Context, after uint64) (Block, error) {
	poll := newPoll(50*time.Millisecond, 2*time.Second)
	for {
		wake := c.heads.wake()
		head, err := c.Head(ctx)
		if err == nil && head.Number > after {
			return head, nil
		}
		if err != nil && ctx.Err() != nil {
			return Block{}, fmt.Errorf("wait for a block after %d: %w", after, err)
		}
		if err := poll.wait(ctx, wake); err != nil {
			return Block{}, fmt.Errorf("wait for a block after %d: %w", after, err)
		}
	}
}

// onEach runs f against one endpoint after the other, the best first, until one gives an answer, right or wrong. The
// whole of f sees the same endpoint. While no endpoint answers it pauses and tries them all again, a few times.
func (c *Client) onEach(ctx context.Context, what string, f func(context.Context, *endpoint) error) error {
	var last error
	for round := range rounds {
		if round > 0 {
			if err := c.pauseAfter(ctx, round); err != nil {
				return fmt.Errorf("%s: %w", what, errors.Join(err, last))
			}
		}
		var errs []error
		var missing error
		for _, e := range c.ranked() {
			err := c.onOne(ctx, e, f)
			switch {
			case err == nil:
				return nil
			case ctx.Err() != nil:
				return fmt.Errorf("%s: %w", what, errors.Join(ctx.Err(), last))
			case isMissing(err):
				missing = err // a lagging endpoint doesn't have it yet: another might
			case isAnswer(err):
				return fmt.Errorf("%s: %w", what, err)
			default:
				errs = append(errs, err)
			}
		}
		if missing != nil {
			return fmt.Errorf("%s: %w", what, missing)
		}
		last = errors.Join(errs...)
	}
	return fmt.Errorf("%s: %w", what, last)
}

// onOne runs f against e within the time limit and keeps e's health.
func (c *Client) onOne(ctx context.Context, e *endpoint, f func(context.Context, *endpoint) error) error {
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	err := e.ready(limited, c.chainID.Uint64())
	if err == nil {
		err = f(limited, e)
	}
	switch {
	case err == nil || isAnswer(err) || isMissing(err):
		e.succeeded()
		return err
	case ctx.Err() != nil:
		return err
	}
	err = redact(err)
	if e.failed(err) {
		c.log.Warn("chain endpoint fails", "endpoint", e.name, "error", err)
	}
	if named := (*EndpointError)(nil); errors.As(err, &named) {
		return err
	}
	return &EndpointError{URL: e.name, Err: err}
}

// read is onEach for requests that return one value.
func read[T any](ctx context.Context, c *Client, what string, f func(context.Context, *ethclient.Client) (T, error),
) (T, error) {
	var v T
	err := c.onEach(ctx, what, func(ctx context.Context, e *endpoint) (err error) {
		v, err = f(ctx, e.eth)
		return err
	})
	if err != nil {
		var none T
		return none, err
	}
	return v, nil
}
