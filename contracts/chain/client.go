package chain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethclient"
)

const (
	// requestTimeout bounds one request to one endpoint: some take 12 s for one, and are better than none.
	requestTimeout = 20 * time.Second
	// rounds is how often every endpoint is tried before a read fails, and refusedRounds how often where it is only asked
	// too often.
	rounds, refusedRounds = 4, 20
	// hedgeAfter is how long one endpoint has to answer before another is asked as well.
	hedgeAfter = 1500 * time.Millisecond
	// settleTime is how long a client waits for its other endpoints once one is there.
	settleTime = 400 * time.Millisecond
	// lazyTime bounds the wait for the first endpoint, where it need not be there.
	lazyTime = 10 * time.Second
)

// Config says where a chain is reached.
type Config struct {
	// URLs are the JSON-RPC endpoints, http, https, ws or wss, the preferred one first. With several, reads go to the
	// next one when one fails or lags, and [Client.Agreed] compares two.
	URLs []string
	// ChainID is the chain that the endpoints must serve. 0: the one that the first to answer names.
	ChainID uint64
	// Lazy lets [Dial] succeed although no endpoint answers; ChainID must then say which chain it is. [Client.Down] tells.
	Lazy bool
	// Check looks at what one endpoint serves before it is first believed, at the contracts' code for instance. A
	// [*WrongError] leaves the endpoint out. Nil: nothing is looked at but the chain's id and first blocks.
	Check func(ctx context.Context, on CodeReader) error
	// Timeout bounds one request to one endpoint, 20 s by default.
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

// CodeReader reads code from a chain.
type CodeReader interface {
	CodeAt(ctx context.Context, contract common.Address, block *big.Int) ([]byte, error)
}

// Client reads one chain through its endpoints. It implements the backend interfaces of go-ethereum's bindings
// (bind.ContractBackend) and the reading interfaces of package ethereum, and is safe for concurrent use.
type Client struct {
	chainID   *big.Int
	endpoints []*endpoint
	check     func(ctx context.Context, on CodeReader) error
	timeout   time.Duration
	log       *slog.Logger
	heads     *heads
	expected  expectation
	alone     soloNotice
	due       atomic.Int64 // when somebody last waited for a block that was due, in Unix nanoseconds

	newest struct {
		mu    sync.Mutex
		block Block // the highest that was believed of late
		at    time.Time
	}

	run      context.Context // ends when the client is closed
	cancel   context.CancelFunc
	spawning sync.Mutex // held while something is begun that the closing waits for
	wg       sync.WaitGroup
	closing  sync.Once
}

// chainIDError says that an endpoint serves another chain than the one wanted.
type chainIDError struct {
	URL       string // without credentials, path or query
	Got, Want uint64
}

// Error implements error.
func (e *chainIDError) Error() string {
	return fmt.Sprintf("endpoint %s serves chain %d, not chain %d: give the URL of an endpoint of chain %[3]d",
		e.URL, e.Got, e.Want)
}

// Dial connects to a chain. An endpoint that doesn't answer is taken up later, unless none does; one that serves another
// chain, or what [Config.Check] refuses, is named and left out. Where that leaves none, the error says why.
func Dial(ctx context.Context, cfg Config) (*Client, error) {
	if len(cfg.URLs) == 0 {
		return nil, errors.New("dial chain: no endpoint given")
	}
	c := &Client{timeout: cfg.Timeout, check: cfg.Check, log: cfg.Log, heads: newHeads()}
	c.run, c.cancel = context.WithCancel(context.Background())
	if c.timeout <= 0 {
		c.timeout = requestTimeout
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	for i, url := range cfg.URLs {
		e, err := newEndpoint(url, cfg.Dialer)
		if err != nil {
			c.Close()
			return nil, fmt.Errorf("dial chain: endpoint %d: %w", i+1, err)
		}
		c.endpoints = append(c.endpoints, e)
	}
	if cfg.ChainID != 0 {
		c.chainID = new(big.Int).SetUint64(cfg.ChainID)
	}
	patience := c.timeout
	if cfg.Lazy {
		patience = min(patience, lazyTime)
	}
	err := c.identify(ctx, patience)
	if err == nil && cfg.ChainID == 0 {
		// Nobody said which of them is right.
		for _, e := range c.endpoints {
			if wrong := (*chainIDError)(nil); errors.As(e.reason(), &wrong) {
				err = wrong
			}
		}
	}
	if err != nil && (!cfg.Lazy || cfg.ChainID == 0 || c.allWrong()) {
		c.Close()
		return nil, fmt.Errorf("dial chain: %w", advised(err))
	}
	c.spawn(c.watchHeads)
	c.spawn(c.probe)
	return c, nil
}

// advised adds what to do about endpoints that don't answer. Errors about what they serve say that themselves.
func advised(err error) error {
	if errors.As(err, new(*chainIDError)) || errors.As(err, new(*WrongError)) || errors.Is(err, ErrChainReset) ||
		errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w: %s", err, mendIt)
}

// mendIt is the next step where an endpoint is of no use.
const mendIt = "mend that endpoint, or give another in the network's rpc list"

// identify looks at every endpoint, all at once, and returns soon after the first is found to serve what it should.
func (c *Client) identify(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	errs := make(chan error, len(c.endpoints))
	look := func(e *endpoint) {
		if !c.spawn(func(context.Context) { // ends with ctx
			err := c.readySoon(ctx, e)
			if err != nil && !errors.As(err, new(*LeftOutError)) && !errors.As(err, new(*chainIDError)) {
				if err = e.quote(err); !errors.Is(err, context.Canceled) {
					e.failed(err)
				}
			}
			errs <- c.named(e, err)
		}) {
			errs <- errClosed
		}
	}
	for _, e := range c.endpoints {
		look(e)
	}
	var all []error
	found := false
	var settled <-chan time.Time
	for range c.endpoints {
		select {
		case err := <-errs:
			if err != nil {
				all = append(all, err)
			} else if !found {
				found, settled = true, time.After(settleTime)
			}
		case <-settled:
			return nil // the others are taken up as they come
		}
	}
	if !found {
		return errors.Join(all...)
	}
	return nil
}

// readySoon is ready that does not give up an endpoint which is only too busy, while there is time.
func (c *Client) readySoon(ctx context.Context, e *endpoint) error {
	var busy error
	for {
		err := c.ready(ctx, e)
		if busy != nil && ctx.Err() != nil {
			return busy // which says more than that the time is over
		}
		if !isBusy(err) {
			return err
		}
		busy = err
		e.mu.Lock()
		wait := max(e.retryAfter, busyPause)
		e.mu.Unlock()
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < wait || sleep(ctx, wait) != nil {
			return busy
		}
	}
}

// allWrong reports whether every endpoint answers and none serves what it should: waiting would not mend that.
func (c *Client) allWrong() bool {
	for _, e := range c.endpoints {
		if e.leftOut() == nil {
			return false
		}
	}
	return true
}

// named makes an error say which endpoint it is about.
func (c *Client) named(e *endpoint, err error) error {
	switch err.(type) { //nolint:errorlint // only what it is itself says which endpoint it is about
	case nil, *endpointError, *chainIDError, *LeftOutError:
		return err
	}
	return &endpointError{e.name, err}
}

// ChainID is the chain that the client is connected to.
func (c *Client) ChainID() uint64 { return c.chainID.Uint64() }

// Down returns why no endpoint has answered yet as one of the chain, nil once one has. It asks nobody.
func (c *Client) Down() error {
	var errs []error
	for _, e := range c.endpoints {
		if e.trust.ever.Load() {
			return nil
		}
		if out := e.leftOut(); out != nil {
			errs = append(errs, out)
			continue
		}
		e.mu.Lock()
		err := e.err
		e.mu.Unlock()
		if err == nil {
			err = errors.New("it has not answered yet")
		}
		errs = append(errs, c.named(e, err))
	}
	return errors.Join(errs...)
}

// Close drops every connection. Requests under way end with an error.
func (c *Client) Close() {
	c.closing.Do(func() {
		c.spawning.Lock()
		c.cancel()
		c.spawning.Unlock()
		for _, e := range c.endpoints {
			e.close()
		}
		c.wg.Wait()
	})
}

// Head returns the newest block of the endpoint in use.
func (c *Client) Head(ctx context.Context) (Block, error) {
	h, err := c.header(ctx, nil)
	if err != nil {
		return Block{}, err
	}
	c.heads.saw(h.block.Number)
	return h.block, nil
}

// header reads a block's header, the newest for nil.
func (c *Client) header(ctx context.Context, number *big.Int) (header, error) {
	return ask(ctx, c, "read header", func(ctx context.Context, e *endpoint) (header, error) {
		return c.headerOf(ctx, e, tag(number))
	})
}

// headerOf reads a header from one endpoint; a head is held against what is known.
func (c *Client) headerOf(ctx context.Context, e *endpoint, at any) (header, error) {
	h, err := e.header(ctx, at)
	if err == nil && at == "latest" {
		err = c.observe(e, h.block)
	}
	return h, err
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

// ask puts a question to one endpoint after the other, the best first, until one gives an answer, right or wrong. All of
// f sees the same endpoint. One that takes long is not waited for alone: another is asked beside it. While none answers it
// pauses and asks them all again, a few times. An error that is no answer is an [*outageError].
func ask[T any](ctx context.Context, c *Client, what string, f func(context.Context, *endpoint) (T, error)) (T, error) {
	var none T
	var last error
	began := time.Now()
	for round := 0; ; round++ {
		if round > 0 {
			if err := c.pauseAfter(ctx, round); err != nil {
				return none, &outageError{what, errors.Join(err, last)}
			}
		}
		v, err := askRound(ctx, c, c.ranked(), f)
		switch {
		case err == nil:
			return v, nil
		case ctx.Err() != nil:
			return none, &outageError{what, errors.Join(ctx.Err(), err, last)}
		case errors.Is(err, errReorganised):
			return none, &outageError{what, err}
		case isAnswer(err):
			return none, fmt.Errorf("%s: %w", what, err)
		case isMissing(err):
			return none, &outageError{what, err}
		}
		last = err
		waited := time.Since(began)
		if round+1 >= rounds && !(allRefused(err) && round+1 < refusedRounds && waited < c.timeout) || waited > 2*c.timeout ||
			errors.As(err, new(*LeftOutError)) && c.allWrong() {
			return none, &outageError{what, last}
		}
	}
}

// askRound asks each endpoint once.
func askRound[T any](ctx context.Context, c *Client, ranked []*endpoint, f func(context.Context, *endpoint) (T, error),
) (T, error) {
	var none T
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer[T], len(ranked))
	next, waiting := 0, 0
	start := func() {
		e := ranked[next]
		next++
		waiting++
		go func() {
			var v T
			err := c.onOne(ctx, e, func(ctx context.Context, e *endpoint) (err error) {
				v, err = f(ctx, e)
				return err
			})
			answers <- answer[T]{e, v, err}
		}()
	}
	start()
	hedge := time.NewTimer(hedgeAfter)
	defer hedge.Stop()
	var missing error
	var errs []error
	for waiting > 0 {
		select {
		case a := <-answers:
			waiting--
			switch {
			case a.err == nil:
				return a.v, nil
			case isMissing(a.err):
				missing = a.err // a lagging endpoint doesn't have it yet: another might
			case isAnswer(a.err):
				return none, a.err
			default:
				errs = append(errs, a.err)
			}
			if next < len(ranked) && ctx.Err() == nil {
				start()
				hedge.Reset(hedgeAfter)
			}
		case <-hedge.C:
			if next < len(ranked) {
				ranked[next-1].isSlow(true)
				start()
				hedge.Reset(hedgeAfter)
			}
		case <-ctx.Done():
			for _, e := range ranked[:next] {
				errs = append(errs, &endpointError{e.name, errNoAnswer})
			}
			return none, errors.Join(errs...)
		}
	}
	if missing != nil {
		return none, missing
	}
	return none, errors.Join(errs...)
}

var errNoAnswer = errors.New("no answer in time")

// allRefused reports whether every endpoint only says that it was asked too often.
func allRefused(err error) bool {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return isRefusal(err)
	}
	for _, e := range joined.Unwrap() {
		if !isRefusal(e) {
			return false
		}
	}
	return true
}

// onOne runs f against e within the time limit and keeps e's health.
func (c *Client) onOne(ctx context.Context, e *endpoint, f func(context.Context, *endpoint) error) error {
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	err := c.ready(limited, e)
	if err == nil {
		err = f(limited, e)
	}
	// Not the reason why it is left out already: who asks often would never see it believed again.
	if impossible := (*impossibleError)(nil); errors.As(err, &impossible) && !errors.As(err, new(*LeftOutError)) {
		c.leaveOut(e, impossible)
		err = &LeftOutError{e.name, time.Now(), impossible}
	}
	switch {
	case err == nil:
		e.succeeded()
		return nil
	case isAnswer(err) || isMissing(err):
		e.succeeded()
		return e.quote(err)
	case ctx.Err() != nil:
		return c.named(e, e.quote(err))
	case errors.As(err, new(*LeftOutError)) || errors.As(err, new(*chainIDError)) || errors.Is(err, errClosed):
		return err
	}
	err = c.named(e, e.quote(err))
	if e.failed(err) {
		c.log.Warn("chain endpoint fails", "endpoint", e.name, "error", err)
	}
	return err
}

// read is [ask] for requests that return one value.
func read[T any](ctx context.Context, c *Client, what string, f func(context.Context, *ethclient.Client) (T, error),
) (T, error) {
	return ask(ctx, c, what, func(ctx context.Context, e *endpoint) (T, error) { return f(ctx, e.eth) })
}
