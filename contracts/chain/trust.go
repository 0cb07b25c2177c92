package chain

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
)

// An endpoint is believed once it serves the right chain: the id, the first blocks, the contracts. One that does not, or
// that says later what no chain can say, is left out: it is named, nothing is asked of it and nothing sent to it, and
// after a while it is looked at again. With others left it costs nothing but a note.

const (
	// recheckFirst and recheckMost are how soon one that was left out is looked at again.
	recheckFirst, recheckMost = 5 * time.Second, time.Minute
	// forgiveAfter is how long it must have been believed before its next lie counts as the first.
	forgiveAfter = 10 * time.Minute
	// verifyEvery is how often the first blocks of one that is believed are asked for again.
	verifyEvery = time.Minute
	// maxDrop is by how many blocks an endpoint's head may fall before its chain is looked at anew.
	maxDrop = 64
)

// trust is what an endpoint has shown of itself.
type trust struct {
	verified atomic.Bool
	ever     atomic.Bool
	busy     chan struct{} // holds a token while it is being looked at

	mu      sync.Mutex
	origins map[uint64][]common.Hash // its first blocks, by each name that they may have
	checked time.Time                // when it was last looked at
	out     error                    // why it is left out, nil: it isn't
	since   time.Time
	again   time.Time // not to be looked at before
	back    time.Time // when it was last believed again
	pause   time.Duration
}

// impossibleError says that an endpoint answers what no chain can.
type impossibleError struct{ What string }

// Error implements error.
func (e *impossibleError) Error() string { return e.What }

// LeftOutError says that no endpoint can be believed, and why.
type LeftOutError struct {
	URL   string // without credentials, path or query
	Since time.Time
	Err   error
}

// Error implements error.
func (e *LeftOutError) Error() string {
	return fmt.Sprintf("endpoint %s is left out: %v", e.URL, e.Err)
}

// Unwrap returns the reason.
func (e *LeftOutError) Unwrap() error { return e.Err }

// expectation is what the client knows of its chain's beginning.
type expectation struct {
	mu      sync.Mutex
	origins map[uint64]common.Hash
	journal string // the file that says so, empty: endpoints have said it to this process
}

// expect makes the client believe no endpoint whose chain begins in another way than a journal's.
func (c *Client) expect(origins map[uint64]common.Hash, path string) {
	if len(origins) == 0 {
		return
	}
	c.expected.mu.Lock()
	defer c.expected.mu.Unlock()
	if c.expected.origins == nil {
		c.expected.origins = make(map[uint64]common.Hash)
	}
	maps.Copy(c.expected.origins, origins)
	c.expected.journal = path
	c.lookAgain()
}

// lookAgain has those looked at anew before they are next asked whose first blocks are not known to be the expected ones.
// It is called with what is expected locked.
func (c *Client) lookAgain() {
	for _, e := range c.endpoints {
		e.trust.mu.Lock()
		for number, want := range c.expected.origins {
			if names := e.trust.origins[number]; len(names) == 0 || names[0] != want && names[1] != want {
				e.trust.verified.Store(false)
			}
		}
		e.trust.mu.Unlock()
	}
}

// leftOut returns why e is left out, nil where it isn't.
func (e *endpoint) leftOut() *LeftOutError {
	e.trust.mu.Lock()
	defer e.trust.mu.Unlock()
	if e.trust.out == nil {
		return nil
	}
	return &LeftOutError{e.name, e.trust.since, e.trust.out}
}

// reason is why e is left out, nil where it isn't.
func (e *endpoint) reason() error {
	if out := e.leftOut(); out != nil {
		return out.Err
	}
	return nil
}

// leaveOut leaves e out, and says so where that is news.
func (c *Client) leaveOut(e *endpoint, why error) {
	now := time.Now()
	e.trust.verified.Store(false)
	e.trust.mu.Lock()
	news := e.trust.out == nil || e.trust.out.Error() != why.Error()
	if e.trust.out == nil {
		e.trust.since = now
	}
	if e.trust.out == nil && now.Sub(e.trust.back) > forgiveAfter {
		e.trust.pause = recheckFirst
	} else { // one that lies now and then is believed the more seldom
		e.trust.pause = min(2*e.trust.pause, recheckMost)
	}
	e.trust.out, e.trust.again = why, now.Add(e.trust.pause)
	e.trust.mu.Unlock()
	switch {
	case !news:
	case errors.Is(why, ErrChainReset):
		c.log.Error("the chain was started anew, or this is another one: nothing is sent there", "endpoint", e.name, "error", why)
	case len(c.endpoints) > 1: // of the only one, each call's own error says it
		c.log.Warn("chain endpoint is left out", "endpoint", e.name, "error", why)
	}
}

// takeBack believes e again.
func (c *Client) takeBack(e *endpoint) {
	e.trust.mu.Lock()
	was := e.trust.out
	if e.trust.out = nil; was != nil {
		e.trust.back = time.Now()
	}
	e.trust.mu.Unlock()
	e.trust.verified.Store(true)
	e.trust.ever.Store(true)
	if was != nil {
		c.log.Info("chain endpoint is used again", "endpoint", e.name)
	}
}

// ready makes sure that e serves the client's chain before anything it says is believed. The looking goes on when ctx
// ends, so that an endpoint which takes long for an answer is ready in the end.
func (c *Client) ready(ctx context.Context, e *endpoint) error {
	for !e.trust.verified.Load() {
		if out := e.leftOut(); out != nil && time.Now().Before(e.againAt()) {
			return out
		}
		select {
		case e.trust.busy <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		if e.trust.verified.Load() {
			<-e.trust.busy
			break
		}
		done := make(chan error, 1)
		if !c.spawn(func(run context.Context) {
			defer func() { <-e.trust.busy }()
			limited, cancel := context.WithTimeout(run, 3*c.timeout)
			defer cancel()
			err := c.verify(limited, e)
			if run.Err() == nil {
				done <- err
			} else {
				done <- errClosed
			}
		}) {
			<-e.trust.busy
			return errClosed
		}
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// verifyBeside looks at an endpoint that is believed, while it is used.
func (c *Client) verifyBeside(e *endpoint) {
	select {
	case e.trust.busy <- struct{}{}:
	default:
		return // somebody does
	}
	if !c.spawn(func(run context.Context) {
		defer func() { <-e.trust.busy }()
		limited, cancel := context.WithTimeout(run, 3*c.timeout)
		defer cancel()
		if err := c.verify(limited, e); err != nil && run.Err() == nil {
			c.log.Debug("chain endpoint can't be looked at", "endpoint", e.name, "error", err)
		}
	}) {
		<-e.trust.busy
	}
}

func (e *endpoint) againAt() time.Time {
	e.trust.mu.Lock()
	defer e.trust.mu.Unlock()
	return e.trust.again
}

var errClosed = errors.New("the client is closed")

// spawn runs f beside, until the client is closed; it reports false where it is closed already.
func (c *Client) spawn(f func(ctx context.Context)) bool {
	c.spawning.Lock()
	defer c.spawning.Unlock()
	if c.run.Err() != nil {
		return false
	}
	c.wg.Go(func() { f(c.run) })
	return true
}

// verify looks at e's chain: everything at once, since one question after the other takes long where answers do.
func (c *Client) verify(ctx context.Context, e *endpoint) error {
	if err := e.connect(ctx); err != nil {
		return e.quote(err)
	}
	var wg sync.WaitGroup
	var id *big.Int
	var idErr, checkErr error
	heads, headErrs := make([]header, len(origins)), make([]error, len(origins))
	wg.Go(func() { id, idErr = e.eth.ChainID(ctx) })
	for i, number := range origins {
		wg.Go(func() { heads[i], headErrs[i] = e.header(ctx, number) })
	}
	if c.check != nil {
		wg.Go(func() { checkErr = c.check(ctx, codeReader{e}) })
	}
	wg.Wait()

	if idErr != nil {
		return &endpointError{e.name, fmt.Errorf("ask for the chain id: %w", e.quote(idErr))}
	}
	if !id.IsUint64() || id.Sign() == 0 {
		return &endpointError{e.name, fmt.Errorf("chain id %.40s is out of range", id)}
	}
	e.chainID.Store(id.Uint64())
	if want := c.knownChain(id.Uint64()); want != id.Uint64() {
		err := &chainIDError{URL: e.name, Got: id.Uint64(), Want: want}
		c.leaveOut(e, err)
		return err
	}
	e.trust.mu.Lock()
	e.trust.checked = time.Now()
	e.trust.origins = make(map[uint64][]common.Hash)
	e.trust.mu.Unlock()
	for i, number := range origins {
		switch err := headErrs[i]; {
		case err == nil:
			e.trust.mu.Lock()
			if e.trust.origins != nil { // else it gave another one not
				e.trust.origins[number] = []common.Hash{heads[i].block.Hash, heads[i].Hash()}
			}
			e.trust.mu.Unlock()
		case errors.Is(err, ethereum.NotFound) || isMissing(err):
		case errors.As(err, new(*impossibleError)):
			c.leaveOut(e, err)
			return &LeftOutError{e.name, time.Now(), err}
		case spoke(err) && !isRefusal(err): // it does not give old blocks
			e.trust.mu.Lock()
			e.trust.origins = nil
			e.trust.mu.Unlock()
		default:
			return &endpointError{e.name, fmt.Errorf("ask for block %d: %w", number, e.quote(err))}
		}
	}
	if err := c.compareOrigins(e); err != nil {
		c.leaveOut(e, err)
		return &LeftOutError{e.name, time.Now(), err}
	}
	if checkErr != nil {
		if !errors.As(checkErr, new(*WrongError)) {
			return &endpointError{e.name, e.quote(checkErr)}
		}
		c.leaveOut(e, checkErr)
		return &LeftOutError{e.name, time.Now(), checkErr}
	}
	c.takeBack(e)
	return nil
}

// WrongError is what [Config.Check] returns where an endpoint answers and what it serves is not what it should.
type WrongError struct{ Err error }

// Error implements error.
func (e *WrongError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *WrongError) Unwrap() error { return e.Err }

// knownChain is the chain that the endpoints must serve: the first to name one decides where nobody else did.
func (c *Client) knownChain(id uint64) uint64 {
	c.expected.mu.Lock()
	defer c.expected.mu.Unlock()
	if c.chainID == nil {
		c.chainID = new(big.Int).SetUint64(id)
	}
	return c.chainID.Uint64()
}

// compareOrigins holds the first blocks of e's chain against what is expected. What two endpoints say, or the only one,
// is expected from then on.
func (c *Client) compareOrigins(e *endpoint) error {
	c.expected.mu.Lock()
	defer c.expected.mu.Unlock()
	e.trust.mu.Lock()
	mine := e.trust.origins
	e.trust.mu.Unlock()
	if mine == nil {
		return nil
	}
	for _, number := range origins {
		names, ok := mine[number]
		want, expected := c.expected.origins[number]
		switch {
		case expected && !ok:
			return c.resetError(fmt.Sprintf("block %d was %s and is missing now", number, want))
		case expected && names[0] != want && names[1] != want:
			return c.resetError(fmt.Sprintf("block %d was %s and is %s now", number, want, names[0]))
		case !expected && ok && c.vouched(e, number, names[0]):
			if c.expected.origins == nil {
				c.expected.origins = make(map[uint64]common.Hash)
			}
			c.expected.origins[number] = names[0]
			c.lookAgain()
		}
	}
	return nil
}

// vouched reports whether another endpoint than e says the same, or there is none.
func (c *Client) vouched(e *endpoint, number uint64, hash common.Hash) bool {
	for _, other := range c.endpoints {
		if other == e {
			continue
		}
		other.trust.mu.Lock()
		names := other.trust.origins[number]
		other.trust.mu.Unlock()
		if len(names) > 0 && names[0] == hash {
			return true
		}
	}
	return len(c.endpoints) == 1
}

func (c *Client) resetError(how string) error {
	if path := c.expected.journal; path != "" {
		return fmt.Errorf("%w: chain %d, %s: if the chain was started anew, move %s away (mv %[4]s %[4]s.old) and start again;"+
			" if not, give the URL of an endpoint that has all of the chain", ErrChainReset, c.chainID, how, path)
	}
	return fmt.Errorf("%w: chain %d, %s: if the chain was started anew, start again; if not, give the URL of an endpoint "+
		"that has all of the chain", ErrChainReset, c.chainID, how)
}

// Reset returns [ErrChainReset], with what to do about it, once every endpoint that answers serves another chain than the
// one that this client or its journal began with; nil else. It asks nobody.
func (c *Client) Reset() error {
	var found error
	for _, e := range c.endpoints {
		if e.trust.verified.Load() {
			return nil
		}
		if out := e.leftOut(); out != nil && errors.Is(out, ErrChainReset) {
			found = out
		}
	}
	return found
}

// codeReader reads from one endpoint alone.
type codeReader struct{ e *endpoint }

// CodeAt returns a contract's code at a block, nil for the newest.
func (r codeReader) CodeAt(ctx context.Context, contract common.Address, block *big.Int) ([]byte, error) {
	return r.e.eth.CodeAt(ctx, contract, block)
}

// observe looks at a head that e names, and leaves e out where no chain can have come to it.
func (c *Client) observe(e *endpoint, head Block) error {
	if err := c.plausible(head); err != nil {
		c.leaveOut(e, err)
		return &LeftOutError{e.name, time.Now(), err}
	}
	e.mu.Lock()
	fell := head.Number+maxDrop < e.newest.Number
	e.saw(head)
	e.mu.Unlock()
	if fell {
		c.suspect(e)
	}
	return nil
}

// suspect has e looked at anew before it is next asked.
func (c *Client) suspect(e *endpoint) { e.trust.verified.Store(false) }

const (
	// fastest is how many blocks a second are believed of a chain, by its own clock, and mostAtOnce how many of one time.
	fastest, mostAtOnce = 100, 10_000
)

// firstChain is before the first block of every chain that there is.
var firstChain = time.Date(2015, 7, 1, 0, 0, 0, 0, time.UTC)

// plausible holds a head against the newest block that was believed: between them lies time, and no chain makes blocks
// without end in it. The endpoint's word for the time is bounded too, widely: chains for development travel.
func (c *Client) plausible(head Block) error {
	const travel = 10 * 365 * 24 * time.Hour
	if head.Time.After(time.Now().Add(travel)) {
		return &impossibleError{fmt.Sprintf("it names block %d of %s", head.Number, head.Time.UTC().Format(time.RFC3339))}
	}
	if head.Number > 0 && head.Time.Before(firstChain) {
		return &impossibleError{fmt.Sprintf("it names block %d of %s, when there was no chain", head.Number,
			head.Time.UTC().Format(time.RFC3339))}
	}
	c.newest.mu.Lock()
	defer c.newest.mu.Unlock()
	was := c.newest.block
	if was.Hash == (common.Hash{}) {
		was = Block{Time: time.Unix(0, 0)} // nothing is known yet but that time began in 1970
	}
	if head.Number > was.Number {
		most := uint64(mostAtOnce) + fastest*uint64(max(head.Time.Sub(was.Time), 0)/time.Second)
		if head.Number-was.Number > most {
			return &impossibleError{fmt.Sprintf("it names block %d of %s, and block %d was of %s: no chain is so fast", head.Number,
				head.Time.UTC().Format(time.RFC3339), was.Number, was.Time.UTC().Format(time.RFC3339))}
		}
	}
	if head.Number > was.Number || time.Since(c.newest.at) > time.Minute {
		c.newest.block, c.newest.at = head, time.Now()
	}
	return nil
}

// Canonical reports whether a block is in the chain now. False is no error; it is false too where the chain is shorter
// now.
func (c *Client) Canonical(ctx context.Context, b Block) (bool, error) {
	h, err := c.Agreed().OrAlone().header(ctx, new(big.Int).SetUint64(b.Number))
	switch {
	case errors.Is(err, ethereum.NotFound) || isMissing(err):
		return false, nil
	case err != nil:
		return false, err
	}
	return h.is(b.Hash), nil
}
