package directory

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// defaultPatience is how long a refresh waits, while no block comes, for offers that were never asked for before.
	defaultPatience = 3 * time.Second
	// retryPatience is the same for those that nobody had before: where somebody has them by now, they come at once.
	retryPatience = 100 * time.Millisecond
	// mostPatience is how many times its patience a refresh goes on while blocks come.
	mostPatience = 10
	// maxUnfinished and maxFound bound what is remembered between a refresh and the next.
	maxUnfinished, maxFound = 1024, 1024
)

// errLater says that a refresh did not wait for a block. It is no verdict: [Directory.Finish] goes on looking.
var errLater = errors.New("not found yet, looked for in the background")

// search bounds how long one refresh waits for blocks: what is not needed is not waited for. Anybody can register a digest
// of nothing, and a provider that is gone leaves one behind; so once there is something to list, a page of registrations
// is given up as soon as no block has come for a while, and what it lacks is left to [Directory.Finish].
type search struct {
	patience time.Duration
	until    time.Time
	known    bool         // the index had good offers before
	good     atomic.Int64 // offers that this refresh found good

	mu      sync.Mutex     // guards what follows
	later   []Registration // what the first round did not get
	retries []retry        // to be asked for at the end
	left    []Registration // what is left to the background
}

// searchRound says how a fetch waits.
type searchRound int

const (
	firstRound  searchRound = iota // a page at a time: none holds up the others, whether there is something to list or not
	secondRound                    // what the first did not get, where there is nothing to list
	retryRound                     // what nobody had before
)

// retry is a registration whose block could not be had before.
type retry struct {
	reg   Registration
	tries int
	due   time.Time
}

func newSearch(patience time.Duration, known bool) *search {
	return &search{patience: patience, until: time.Now().Add(mostPatience * patience), known: known}
}

// enough reports whether there is something to list, so that the rest can wait.
func (s *search) enough() bool { return s.known || s.good.Load() > 0 }

// again notes a registration to be retried.
func (s *search) again(m shelfmark, reg Registration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retries = append(s.retries, retry{reg, m.tries, m.retry})
}

// due gives the registrations to retry, no more of them than one refresh should cost: half of them by stake, so that
// digests of nothing, which cost nothing, can't keep an offer waiting; and half of them by how seldom they failed and how
// long they have waited, so that each has its turn.
func (s *search) due() []Registration {
	s.mu.Lock()
	defer s.mu.Unlock()
	seldom := func(a, b retry) int { return cmp.Or(cmp.Compare(a.tries, b.tries), a.due.Compare(b.due)) }
	slices.SortFunc(s.retries, func(a, b retry) int { return cmp.Or(b.reg.Stake.Cmp(a.reg.Stake), seldom(a, b)) })
	slices.SortFunc(s.retries[min(len(s.retries), maxRetries/2):], seldom)
	var regs []Registration
	for _, r := range s.retries[:min(len(s.retries), maxRetries)] {
		regs = append(regs, r.reg)
	}
	return regs
}

// put keeps what the first round did not get, and rest takes it.
func (s *search) put(regs []Registration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.later = append(s.later, regs...)
}

func (s *search) rest() []Registration {
	s.mu.Lock()
	defer s.mu.Unlock()
	regs := s.later
	s.later = nil
	return regs
}

// leave notes registrations that were not waited for.
func (s *search) leave(regs []Registration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = append(s.left, regs...)
}

// worthiest puts those first that are most likely to be offers: a stake costs something, a digest nothing.
func worthiest(regs []Registration) {
	slices.SortStableFunc(regs, func(a, b Registration) int { return b.Stake.Cmp(a.Stake) })
}

// watch ends a fetch, with errLater as its cause, once no block has come for a while or the whole search has taken its
// time; after the first round not before there is something to list. Each block must be told to came; stop ends the
// watch.
func (s *search) watch(ctx context.Context, round searchRound) (_ context.Context, came, stop func()) {
	patience, needed := s.patience, round != firstRound
	if round == retryRound {
		patience = min(patience, retryPatience)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var last atomic.Int64
	began := time.Now()
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(max(patience/8, time.Millisecond))
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			idle := time.Since(began) - time.Duration(last.Load())
			if (idle >= patience || time.Now().After(s.until)) && (!needed || s.enough()) {
				cancel(errLater)
				return
			}
		}
	}()
	return ctx, func() { last.Store(int64(time.Since(began))) }, func() { close(done); <-ended; cancel(nil) }
}

// remember keeps what a refresh did not wait for, in the place of what the one before left.
func (r *Directory) remember(s *search) {
	s.mu.Lock()
	left := s.left
	s.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	worthiest(left)
	r.unfinished = left[:min(len(left), maxUnfinished)]
}

// Finish goes on looking, with all patience, for what the last [Directory.Refresh] did not wait for, and keeps what
// it learns in the index: an offer that it finds is yielded by the next Refresh. It looks for a bounded number, the largest
// stakes first, and of equal ones those that were never looked for. It may run beside a refresh, and once at a time.
func (r *Directory) Finish(ctx context.Context) error {
	if r.index == nil {
		return ErrNoIndex
	}
	r.mu.Lock()
	if r.finishing {
		r.mu.Unlock()
		return ErrRefreshing
	}
	r.finishing = true
	regs := r.unfinished
	r.unfinished = nil
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.finishing = false
	}()
	if len(regs) == 0 {
		return nil
	}
	rows := r.rows()
	k := keeper{r: r, rows: rows}
	var failure error
	r.stream(ctx, func(_ context.Context, _ *verifiers, fetch func([]Registration) error) error { return fetch(regs) }, nil,
		func(l Listing, err error) bool {
			if skip := (*Omission)(nil); err != nil && !errors.As(err, &skip) {
				failure = err
				return false
			}
			held, err2 := rows.find(context.WithoutCancel(ctx), []Registration{l.Registration})
			if err2 == nil {
				old := held[l.Registration.Provider]
				if old.reg.Digest != l.Registration.Digest || old.reg.Sequence != l.Registration.Sequence {
					return true // superseded meanwhile
				}
				err2 = rows.settle(context.WithoutCancel(ctx), k.mark(result{l, err}, old))
			}
			if err2 != nil {
				failure = err2
				return false
			}
			if err == nil {
				r.mu.Lock()
				defer r.mu.Unlock()
				if len(r.found) < maxFound {
					r.found = append(r.found, l.Registration)
				}
			}
			return true
		}, nil)
	return failure
}

// news gives the offers that were found since the last refresh.
func (r *Directory) news() []Registration {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := r.found
	r.found = nil
	return found
}
