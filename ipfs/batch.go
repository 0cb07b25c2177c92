package ipfs

import (
	"context"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
)

// result is the outcome of one want. Exactly one of block and err is set.
type result struct {
	cid   cid.Cid
	block []byte
	err   error
}

// batch is a set of wants that is being fetched, from several sources at once.
type batch struct {
	admit   func([]byte) error
	results chan<- result
	stop    <-chan struct{} // closed when nobody takes results any more

	mu       sync.Mutex // guards what follows
	left     map[cid.Cid]struct{}
	progress time.Time // when the last block came, or when the batch began
	sending  int       // results that wait for the caller to take them

	done chan struct{} // closed when left is empty
}

func newBatch(want []cid.Cid, admit func([]byte) error, results chan<- result, stop <-chan struct{}) *batch {
	b := &batch{
		admit: admit, results: results, stop: stop,
		left: make(map[cid.Cid]struct{}, len(want)), progress: time.Now(), done: make(chan struct{}),
	}
	for _, c := range want {
		b.left[c] = struct{}{}
	}
	return b
}

// missing gives those of some wants that have not come yet, in their order.
func (b *batch) missing(of []cid.Cid) []cid.Cid {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]cid.Cid, 0, min(len(of), len(b.left)))
	for _, c := range of {
		if _, ok := b.left[c]; ok {
			out = append(out, c)
		}
	}
	return out
}

func (b *batch) wants(c cid.Cid) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.left[c]
	return ok
}

// idle gives how long no block has come. While the caller is the slow one, nobody else is idle.
func (b *batch) idle() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sending > 0 {
		return 0
	}
	return time.Since(b.progress)
}

// take claims a want for the caller, who then owes its result.
func (b *batch) take(c cid.Cid) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.left[c]; !ok {
		return false
	}
	delete(b.left, c)
	b.progress = time.Now()
	if len(b.left) == 0 {
		close(b.done)
	}
	return true
}

// send hands over a result. It heeds the end of the whole fetch only, not that of the source it comes from: the want
// has been taken, and nobody else would bring it.
func (b *batch) send(r result) {
	b.count(1)
	select {
	case b.results <- r:
	case <-b.stop:
	}
	b.count(-1)
}

// count changes how many results wait for the caller.
func (b *batch) count(by int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sending += by
	b.progress = time.Now()
}

// blocked reports whether results wait for the caller.
func (b *batch) blocked() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sending > 0
}

// part is the share of a batch that one bitswap session works on.
type part struct {
	*batch
	own []cid.Cid

	mu      sync.Mutex // guards what follows
	left    int        // how many of own were missing when last counted
	changed time.Time  // when that number last fell
}

func newPart(b *batch, own []cid.Cid) *part {
	return &part{batch: b, own: own, left: len(own), changed: time.Now()}
}

// begin starts the clock of a part that has waited for its turn.
func (p *part) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changed = time.Now()
}

// missing gives what has not come yet, whichever source brings it.
func (p *part) missing() []cid.Cid { return p.batch.missing(p.own) }

// idle gives how long the part has made no progress, to within the time between calls.
func (p *part) idle() time.Duration {
	left, blocked := len(p.missing()), p.blocked()
	p.mu.Lock()
	defer p.mu.Unlock()
	if left != p.left || blocked {
		p.left, p.changed = left, time.Now()
	}
	return time.Since(p.changed)
}

// giveUp ends the wants that are left, unless ctx has ended, whose cause is the better reason.
func (p *part) giveUp(ctx context.Context, cause error) {
	for _, c := range p.missing() {
		if ctx.Err() != nil {
			return
		}
		if p.take(c) {
			p.send(result{cid: c, err: &NotFoundError{c, cause}})
		}
	}
}
