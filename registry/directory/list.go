package directory

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"math/big"
	"runtime"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/ipfs/go-cid"
	"golang.org/x/sync/errgroup"

	"byway/registry"
)

const (
	// firstPage is small, so that the first offers, which have the largest stakes, are on screen while the rest is still
	// being read.
	firstPage = 128
	// maxPage is the contract's own bound (MAX_PAGE): who asks for more gets no more, and would take it for the end.
	maxPage = 500
	minPage = 16
	// pagesAtOnce bounds both memory (4 KiB an offer) and how long one page with unreachable blocks holds up others.
	pagesAtOnce = 4
	// idlePeriod is how soon a half-full batch goes on when nothing more comes: before a person notices.
	idlePeriod = 50 * time.Millisecond
)

// Listing is a registered offer that has passed every check.
type Listing struct {
	registry.SignedOffer
	Registration Registration
	// Stale marks the provider's last good offer where the one now registered could not be fetched. Only
	// [Directory.Refresh] and [Directory.Known] list such.
	Stale bool
}

// List reads the whole registry as of one block, the largest stakes first, and yields each offer as soon as it is fetched
// and verified. One that fails comes as a [*Omission], with its registration beside it. Any other error is the
// chain's or, as a [*StoreError], the block store's, and ends the sequence.
//
// An offer is listed if its block has the registered hash and the canonical form, is valid on this market and now, is
// signed by the account that registered it, carries the sequence that it is registered under, and its host agreed.
func (r *Directory) List(ctx context.Context) iter.Seq2[Listing, error] {
	return func(yield func(Listing, error) bool) {
		head, err := r.backend.HeaderByNumber(ctx, nil)
		if err != nil {
			yield(Listing{}, fmt.Errorf("read the chain's head: %w", err))
			return
		}
		r.stream(ctx, func(ctx context.Context, _ *verifiers, fetch func([]Registration) error) error {
			return r.pages(ctx, head.Number, fetch)
		}, nil, yield, nil)
	}
}

// pages reads the registry at one block and hands on each page as it comes, the largest stakes first: anybody can register
// any number of digests of nothing, and has to stake more than an offer for each that is to be read before it.
func (r *Directory) pages(ctx context.Context, block *big.Int, emit func([]Registration) error) error {
	limit := uint64(firstPage)
	for last := (Registration{}); ; {
		page, err := r.page(ctx, block, last, limit)
		if refused := rpc.Error(nil); err != nil && limit > minPage && errors.As(err, &refused) {
			// The node grants less gas or time to a call than we need: ask for less.
			limit /= 2
			continue
		}
		if err != nil {
			return err
		}
		full := uint64(len(page)) == limit
		if full {
			last = page[len(page)-1] // now: what becomes of the page may sort it
		}
		if err := emit(page); err != nil || !full {
			return err
		}
		limit = min(limit*2, maxPage)
	}
}

// result is one line of a listing on its way to the caller.
type result struct {
	listing Listing
	err     error
}

// reader finds registrations. It hands those whose blocks are needed to fetch, a page at a time, and those whose blocks
// it has itself to the verifiers.
type reader func(ctx context.Context, work *verifiers, fetch func([]Registration) error) error

// stream fetches and verifies what read hands on and yields the results. When it returns, its goroutines have ended:
// they stop with the context, which ends when the caller breaks off. It reports whether all of it was yielded.
// Where idle is not nil it is called while nothing comes, like yield. Where s is not nil it bounds the wait for blocks.
func (r *Directory) stream(
	ctx context.Context, read reader, s *search, yield func(Listing, error) bool, idle func() bool,
) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan result, 64)
	work := newVerifiers(ctx, r, results)
	work.search = s
	var failure error
	go func() {
		defer close(results)
		fetch, fetchCtx := errgroup.WithContext(work.ctx)
		fetch.SetLimit(pagesAtOnce)
		failure = read(fetchCtx, work, func(page []Registration) error {
			fetch.Go(func() error { return r.fetch(fetchCtx, page, work, firstRound) })
			return fetchCtx.Err()
		})
		// The cause of both failing is the one that came first: a cancelled read follows a failed fetch.
		if err := fetch.Wait(); err != nil && (failure == nil || errors.Is(failure, context.Canceled)) {
			failure = err
		}
		if s != nil && failure == nil {
			failure = r.goOn(work.ctx, s, work)
		}
		if err := work.wait(); err != nil && (failure == nil || errors.Is(failure, context.Canceled)) {
			failure = err
		}
	}()
	var tick <-chan time.Time
	if idle != nil {
		ticker := time.NewTicker(idlePeriod)
		defer ticker.Stop()
		tick = ticker.C
	}
	stopped, quiet := false, false
	for open := true; open; {
		goOn := true
		select {
		case res, ok := <-results:
			open, quiet = ok, false
			if ok && !stopped {
				goOn = yield(res.listing, res.err)
			}
		case <-tick:
			if quiet && !stopped {
				goOn = idle()
			}
			quiet = true
		}
		if !goOn {
			stopped = true
			cancel() // and drain, so that nobody is left behind a full channel
		}
	}
	if !stopped && failure != nil {
		yield(Listing{}, failure)
	}
	return !stopped && failure == nil
}

// fetch gets the blocks of a page's registrations and passes each on to be verified. In a search the round says how long
// it waits for what does not come.
func (r *Directory) fetch(ctx context.Context, page []Registration, work *verifiers, round searchRound) error {
	outer, came := ctx, func() {}
	if work.search != nil {
		worthiest(page)
		var stop func()
		ctx, came, stop = work.search.watch(ctx, round)
		defer stop()
	}
	waiting := make(map[[32]byte][]Registration, len(page))
	want := make([]cid.Cid, 0, len(page))
	for _, reg := range page {
		if waiting[reg.Digest] == nil {
			want = append(want, reg.CID())
		}
		waiting[reg.Digest] = append(waiting[reg.Digest], reg)
	}
	foreign := 0
	var broken error
	for block, err := range r.blobs.Get(ctx, want, registry.CheckForm) {
		if err != nil {
			var missing interface{ Missing() cid.Cid }
			if errors.Is(context.Cause(ctx), errLater) {
				continue // it was we who gave up
			}
			if !errors.As(err, &missing) {
				broken = err
				break
			}
			digest, ok := digestOf(missing.Missing())
			if !ok {
				continue
			}
			for _, reg := range waiting[digest] {
				if err := work.skip(reg, fmt.Errorf("%w: %w", ErrMissing, err)); err != nil {
					return err
				}
			}
			delete(waiting, digest)
			continue
		}
		digest := sha256.Sum256(block)
		regs, ok := waiting[digest]
		if !ok {
			foreign++
			continue
		}
		delete(waiting, digest)
		for _, reg := range regs {
			if err := work.verify(reg, block); err != nil {
				return err
			}
		}
		came() // the time that we took ourselves is not the others'
	}
	if err := outer.Err(); err != nil {
		return err
	}
	later := errors.Is(context.Cause(ctx), errLater)
	if broken != nil {
		// Not a word about any offer: to skip them all would keep this verdict in the index.
		return &StoreError{broken}
	}
	why := ErrMissing
	if foreign > 0 {
		why = fmt.Errorf("%w: the store answered with %d other blocks", registry.ErrHash, foreign)
	}
	var left []Registration // in the page's order, which is that of the next attempt
	for _, reg := range page {
		if waiting[reg.Digest] != nil {
			left = append(left, reg)
		}
	}
	switch {
	case later && round == firstRound:
		work.search.put(left)
		return nil
	case later:
		return r.leave(work.search, left, work)
	}
	for _, reg := range left {
		if err := work.skip(reg, why); err != nil {
			return err
		}
	}
	return nil
}

// goOn follows the first round of a search. What that lacks is waited for only where there is nothing to list
// without it; then comes what nobody had before.
func (r *Directory) goOn(ctx context.Context, s *search, work *verifiers) error {
	rest := s.rest()
	if s.enough() {
		if err := r.leave(s, rest, work); err != nil {
			return err
		}
	} else if len(rest) > 0 {
		if err := r.fetch(ctx, rest, work, secondRound); err != nil {
			return err
		}
	}
	if again := s.due(); len(again) > 0 {
		return r.fetch(ctx, again, work, retryRound)
	}
	return nil
}

// leave reports registrations as missing that are looked for later.
func (r *Directory) leave(s *search, regs []Registration, work *verifiers) error {
	s.leave(regs)
	for _, reg := range regs {
		if err := work.skip(reg, fmt.Errorf("%w: %w", ErrMissing, errLater)); err != nil {
			return err
		}
	}
	return nil
}

// admit holds a block against its registration: every check that a listed offer has passed. The cheap ones come first.
func (r *Directory) admit(ctx context.Context, reg Registration, block []byte) (registry.SignedOffer, error) {
	if sha256.Sum256(block) != reg.Digest {
		return registry.SignedOffer{}, registry.ErrHash
	}
	s, body, err := registry.DecodeBody(block)
	if err != nil {
		return registry.SignedOffer{}, err
	}
	if err := s.Offer.CheckMarket(r.deployment); err != nil {
		return registry.SignedOffer{}, err
	}
	if s.Offer.Provider != reg.Provider {
		return registry.SignedOffer{}, fmt.Errorf("%w: it is %s's, registered by %s", ErrProvider, s.Offer.Provider, reg.Provider)
	}
	if s.Offer.Sequence != reg.Sequence {
		return registry.SignedOffer{}, fmt.Errorf("%w: it carries %d, registered is %d", ErrSequence, s.Offer.Sequence, reg.Sequence)
	}
	if err := s.Offer.CheckTime(r.chainTime()); err != nil {
		return registry.SignedOffer{}, err
	}
	return s, s.VerifyKeys(ctx, r.backend, body)
}

// verifiers checks signatures on every core. Its goroutines end with the context or with wait.
type verifiers struct {
	ctx     context.Context
	group   *errgroup.Group
	results chan<- result
	queue   chan func() error
	once    sync.Once
	r       *Directory
	search  *search // nil where every block is waited for
}

func newVerifiers(ctx context.Context, r *Directory, results chan<- result) *verifiers {
	group, ctx := errgroup.WithContext(ctx)
	v := &verifiers{ctx: ctx, group: group, results: results, queue: make(chan func() error), r: r}
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() error {
			for {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case job, ok := <-v.queue:
					if !ok {
						return nil
					}
					if err := job(); err != nil {
						return err
					}
				}
			}
		})
	}
	return v
}

// verify queues a block. Its error says that the listing is over, not that the block is bad.
func (v *verifiers) verify(reg Registration, block []byte) error {
	job := func() error {
		s, err := v.r.admit(v.ctx, reg, block)
		if err == nil {
			v.r.stats.listed.Add(1)
			if v.search != nil {
				v.search.good.Add(1)
			}
			return v.send(result{listing: Listing{SignedOffer: s, Registration: reg}})
		}
		if kindOf(err) == "other" {
			return err // the chain's: no verdict about the offer
		}
		return v.skip(reg, err)
	}
	select {
	case v.queue <- job:
		return nil
	case <-v.ctx.Done():
		return v.ctx.Err()
	}
}

// skip reports a registration that is not listed.
func (v *verifiers) skip(reg Registration, reason error) error {
	v.r.stats.skip(kindOf(reason))
	v.r.log.Debug("offer skipped", "provider", reg.Provider, "kind", kindOf(reason), "reason", reason)
	return v.send(result{Listing{Registration: reg}, &Omission{reg.Provider, reg.CID(), reason}})
}

func (v *verifiers) send(res result) error {
	select {
	case v.results <- res:
		return nil
	case <-v.ctx.Done():
		return v.ctx.Err()
	}
}

// wait returns when everything queued is done; nothing may be queued after it.
func (v *verifiers) wait() error {
	v.once.Do(func() { close(v.queue) })
	return v.group.Wait()
}

// digestOf returns the SHA-256 in a CID.
func digestOf(c cid.Cid) ([32]byte, bool) {
	h := []byte(c.Hash())
	if len(h) != 34 {
		return [32]byte{}, false
	}
	return common.BytesToHash(h[2:]), true
}
