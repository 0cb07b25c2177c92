package dialer

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Bounds of what a client remembers of names, for its session.
const (
	mostNames    = 1024 // of a generation
	mostPositive = 5 * time.Minute
	mostNegative = time.Minute
	mostAsking   = 512 // questions at a time
	lateFor      = time.Minute
)

// question is one question of the DNS.
type question struct {
	host  string // with the dot at its end, in lower case
	qtype uint16
}

func newQuestion(host string, qtype uint16) question {
	return question{strings.ToLower(dns.Fqdn(host)), qtype}
}

// names remembers what the DNS answered, and makes one of equal questions. Two generations bound it. It is safe for
// concurrent use.
type names struct {
	lookup func(ctx context.Context, q question) (addrs []netip.Addr, keep time.Duration, err error)
	slots  chan struct{}

	mu        sync.Mutex
	list, old map[question]keptAnswer
	asking    map[question]*asking
	closed    bool
}

type keptAnswer struct {
	addrs []netip.Addr // never written to
	until time.Time
}

// asking is a question on its way. It is given up when nobody waits for it any more.
type asking struct {
	done   chan struct{}
	cancel context.CancelFunc
	wanted int
	addrs  []netip.Addr
	err    error
}

func newNames(lookup func(context.Context, question) ([]netip.Addr, time.Duration, error)) *names {
	return &names{lookup: lookup, slots: make(chan struct{}, mostAsking), asking: make(map[question]*asking)}
}

// known returns an answer that still holds.
func (n *names) known(q question) ([]netip.Addr, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.knownLocked(q)
}

func (n *names) knownLocked(q question) ([]netip.Addr, bool) {
	a, ok := n.list[q]
	if !ok {
		a, ok = n.old[q]
	}
	if !ok || !time.Now().Before(a.until) {
		return nil, false
	}
	return a.addrs, true
}

func (n *names) keepLocked(q question, addrs []netip.Addr, d time.Duration) {
	if d <= 0 {
		return
	}
	if _, ok := n.list[q]; !ok && (n.list == nil || len(n.list) >= mostNames) {
		n.old, n.list = n.list, make(map[question]keptAnswer)
	}
	n.list[q] = keptAnswer{addrs, time.Now().Add(d)}
}

// noteLate remembers that a question of this host was not answered in the time that is waited for it.
func (n *names) noteLate(host string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.keepLocked(newQuestion(host, dns.TypeNone), nil, lateFor)
}

// late reports whether that was so lately.
func (n *names) late(host string) bool {
	_, late := n.known(newQuestion(host, dns.TypeNone))
	return late
}

// ask returns the answer to a question, which may be one that somebody else asks.
func (n *names) ask(ctx context.Context, q question) ([]netip.Addr, error) {
	n.mu.Lock()
	if known, ok := n.knownLocked(q); ok {
		n.mu.Unlock()
		return known, nil
	}
	if n.closed {
		n.mu.Unlock()
		return nil, ErrClosed
	}
	a := n.asking[q]
	if a == nil {
		a = &asking{done: make(chan struct{})}
		var asked context.Context
		asked, a.cancel = context.WithCancel(context.WithoutCancel(ctx))
		n.asking[q] = a
		go n.run(asked, q, a)
	}
	a.wanted++
	n.mu.Unlock()
	select {
	case <-a.done:
		return a.addrs, a.err
	case <-ctx.Done():
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if a.wanted--; a.wanted == 0 {
		a.cancel()
		if n.asking[q] == a { // whoever asks next does not want the answer to what was given up
			delete(n.asking, q)
		}
	}
	return nil, ctx.Err()
}

// run asks, and keeps the answer.
func (n *names) run(ctx context.Context, q question, a *asking) {
	defer a.cancel()
	defer close(a.done)
	var keep time.Duration
	select {
	case n.slots <- struct{}{}:
		a.addrs, keep, a.err = n.lookup(ctx, q)
		<-n.slots
	case <-ctx.Done():
		a.err = ctx.Err()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.asking[q] == a {
		delete(n.asking, q)
	}
	if a.err == nil {
		n.keepLocked(q, a.addrs, keep)
	}
}

// close gives up every question.
func (n *names) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	for _, a := range n.asking {
		a.cancel()
	}
}
