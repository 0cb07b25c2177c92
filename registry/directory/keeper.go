package directory

import (
	"context"
	"errors"
)

// keeper writes results into the index, in batches, before the caller sees them.
type keeper struct {
	r     *Directory
	rows  entry
	pass  int64
	yield func(Listing, error) bool
	batch []result
	// stopped is set once the caller wants no more, failure once the chain or the index failed.
	stopped bool
	failure error
}

// take keeps one result of a stream; it returns false to end the stream.
func (k *keeper) take(ctx context.Context, l Listing, err error) bool {
	if skip := (*Omission)(nil); err != nil && !errors.As(err, &skip) {
		k.failure = err
		return false
	}
	k.batch = append(k.batch, result{l, err})
	return len(k.batch) < writeBatch || k.flush(ctx)
}

// flush stores the batch and then hands it on; it returns false where the caller wants no more or the index failed. It
// does not obey the caller's deadline: what has been fetched and verified is kept, and the write takes milliseconds.
func (k *keeper) flush(ctx context.Context) bool {
	if len(k.batch) == 0 || k.stopped {
		return !k.stopped
	}
	marks, err := k.store(context.WithoutCancel(ctx))
	batch := k.batch
	k.batch = nil // the caller may still be reading from it
	if err != nil {
		k.failure = err
		return false
	}
	for i, m := range marks {
		listing, err := batch[i].listing, batch[i].err
		if err != nil { // an earlier offer may stand in
			listing, err = k.r.known(m)
		}
		if !k.yield(listing, err) {
			k.stopped = true
			return false
		}
	}
	return true
}

func (k *keeper) store(ctx context.Context) ([]shelfmark, error) {
	regs := make([]Registration, 0, len(k.batch))
	for _, res := range k.batch {
		regs = append(regs, res.listing.Registration)
	}
	held, err := k.rows.find(ctx, regs)
	if err != nil {
		return nil, err
	}
	marks := make([]shelfmark, 0, len(k.batch))
	for _, res := range k.batch {
		marks = append(marks, k.mark(res, held[res.listing.Registration.Provider]))
	}
	return marks, k.rows.put(ctx, k.pass, marks)
}

// mark is the row that a result makes of what was held before.
func (k *keeper) mark(res result, old shelfmark) shelfmark {
	m := shelfmark{reg: res.listing.Registration}
	var skip *Omission
	if !errors.As(res.err, &skip) {
		m.block = res.listing.Block
		return m
	}
	m.kind, m.reason = skip.Kind(), skip.Reason.Error()
	switch m.kind {
	case "missing", "hash", "not_yet_valid":
		// Time may change this verdict. The last good offer stands in until then.
		m.block = old.block
		if old.reg.Digest == m.reg.Digest {
			m.tries = old.tries
			if !errors.Is(skip.Reason, errLater) {
				m.tries++ // it was looked for with all patience
			}
		}
		wait := lastRetry
		if m.tries < 7 {
			wait = min(firstRetry<<m.tries, lastRetry)
		}
		m.retry = k.r.now().Add(wait)
	}
	return m
}
