package dialer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"byway/tunnel/relay"
)

// Happy eyeballs (RFC 8305): addresses of a name are tried in turns of the families, a quarter of a second apart or as soon as
// one has failed, and the first connection wins.
const (
	attemptDelay = 250 * time.Millisecond
	mostAttempts = 64              // of one connection
	mostAtOnce   = 8               // then the oldest attempt is given up, which has had two seconds
	lastAnswer   = time.Second     // for an answer that is missing when all that are known have failed
	failedFor    = 5 * time.Minute // an address or a family is remembered as failed
)

// race is one connection to a name.
type race struct {
	names  *names
	paths  *paths
	host   string
	port   uint16
	dial   func(ctx context.Context, dst netip.AddrPort) (net.Conn, error)
	usable func(netip.Addr) bool

	left    []netip.Addr // not tried yet, as they came
	running []*attempt   // the oldest first
	tried   int
	last    netip.Addr // tried last
	err     error
}

// attempt is a connection that is being made.
type attempt struct {
	dst    netip.AddrPort
	cancel context.CancelFunc
	conn   net.Conn
	err    error
}

// run returns the first connection, or the error that says most. Answers gets one answer for each of its places.
func (r *race) run(ctx context.Context, answers <-chan familyAnswer) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	open := cap(answers)
	ended := make(chan *attempt)
	var hold, next, patience <-chan time.Time // nil: not waited for
	begun := false
	take := func(a familyAnswer) {
		open--
		if a.err != nil && r.err == nil {
			r.err = a.err
		}
		for _, addr := range a.addrs {
			if r.usable(addr) {
				r.left = append(r.left, addr)
			}
		}
	}
	for {
		// What has been answered already is taken before anything is decided.
		for more := open > 0; more; {
			select {
			case a := <-answers:
				take(a)
				more = open > 0
			default:
				more = false
			}
		}
		if !begun && len(r.left) > 0 {
			wait := r.wait(open)
			if begun = wait == 0; begun {
				hold = nil
			} else if hold == nil {
				hold = time.After(wait)
			}
		}
		if begun && next == nil && len(r.left) > 0 && r.tried < mostAttempts {
			r.start(ctx, ended)
			next = time.After(attemptDelay)
		}
		switch {
		case len(r.running) > 0 || !begun && len(r.left) > 0:
			patience = nil
		case open == 0:
			return nil, r.failure()
		case r.tried > 0 && patience == nil:
			patience = time.After(lastAnswer)
		}
		select {
		case a := <-answers:
			take(a)
			if open == 0 {
				answers = nil
			}
		case <-hold:
			hold, begun = nil, true
			r.names.noteLate(r.host)
		case <-next:
			next = nil
		case a := <-ended:
			if r.end(a) {
				return a.conn, nil
			}
			next = nil // the next at once
		case <-patience:
			return nil, r.failure()
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				for _, a := range r.running {
					r.paths.fail(a.dst, true)
				}
			}
			return nil, fmt.Errorf("dial %s: %w", r.host, ctx.Err())
		}
	}
}

// wait is how long the first attempt waits for answers that are still missing.
func (r *race) wait(open int) time.Duration {
	if open == 0 || r.names.late(r.host) {
		return 0
	}
	first6 := !r.paths.broken6()
	if slices.ContainsFunc(r.left, func(a netip.Addr) bool { return a.Is6() == first6 }) {
		return 0 // the family that goes first is there
	}
	return resolutionDelay
}

// start tries the next address: of the other family than the last one, what has failed lately at the end.
func (r *race) start(ctx context.Context, ended chan<- *attempt) {
	six := !r.paths.broken6()
	if r.last.IsValid() {
		six = r.last.Is4()
	}
	best, rank := 0, 4
	for i, a := range r.left {
		n := 0
		if a.Is6() != six {
			n++
		}
		if r.paths.failed(netip.AddrPortFrom(a, r.port)) {
			n += 2
		}
		if n < rank {
			best, rank = i, n
		}
	}
	r.last = r.left[best]
	r.left = append(r.left[:best:best], r.left[best+1:]...)
	if len(r.running) >= mostAtOnce {
		r.running[0].cancel()
	}
	a := &attempt{dst: netip.AddrPortFrom(r.last, r.port)}
	dialing, cancel := context.WithCancel(ctx)
	a.cancel = cancel
	r.running = append(r.running, a)
	r.tried++
	go func() {
		defer cancel()
		a.conn, a.err = r.dial(dialing, a.dst)
		select {
		case ended <- a:
		case <-ctx.Done(): // another one has won, or nobody waits any more
			if a.conn != nil {
				relay.Reset(a.conn)
			}
		}
	}()
}

// end notes how an attempt ended. It says whether that was with a connection.
func (r *race) end(a *attempt) bool {
	for i, b := range r.running {
		if b == a {
			r.running = append(r.running[:i:i], r.running[i+1:]...)
			break
		}
		if a.err == nil {
			r.paths.fail(b.dst, true) // it began before, and was overtaken
		}
	}
	if a.err == nil {
		r.paths.succeed(a.dst)
		return true
	}
	r.paths.fail(a.dst, !answered(a.err))
	if r.err == nil || says(a.err) > says(r.err) {
		r.err = a.err
	}
	return false
}

func (r *race) failure() error {
	if r.err != nil {
		return r.err
	}
	return &net.DNSError{Err: "no suitable address", Name: r.host, IsNotFound: true}
}

// answered tells whether an error came from the destination or the provider's policy, so that the way there works.
func answered(err error) bool {
	return errors.Is(err, ErrDenied) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET)
}

// says orders errors by what they tell a person.
func says(err error) int {
	if errors.Is(err, context.Canceled) {
		return 1 // an attempt that was given up
	}
	switch Classify(err) {
	case FailDenied:
		return 6
	case FailRefused:
		return 5
	case FailGeneral:
		return 4
	case FailHost:
		return 3
	case FailNet:
		return 2
	case FailTimeout:
		return 1
	}
	return 0
}

// paths remembers which addresses and whether IPv6 have failed lately. Two generations bound it. It is safe for concurrent
// use.
type paths struct {
	mu        sync.Mutex
	list, old map[netip.AddrPort]time.Time
	good6     time.Time // IPv6 worked
	bad6      time.Time // IPv6 failed, where it had not worked lately
}

const mostPaths = 1024 // of a generation

// fail notes that dst could not be reached, or was slower than another; silent says that nothing answered.
func (p *paths) fail(dst netip.AddrPort, silent bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if _, ok := p.list[dst]; !ok && (p.list == nil || len(p.list) >= mostPaths) {
		p.old, p.list = p.list, make(map[netip.AddrPort]time.Time)
	}
	p.list[dst] = now
	if silent && dst.Addr().Is6() && now.Sub(p.good6) > failedFor {
		p.bad6 = now
	}
}

func (p *paths) succeed(dst netip.AddrPort) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.list, dst)
	delete(p.old, dst)
	if dst.Addr().Is6() {
		p.good6, p.bad6 = time.Now(), time.Time{}
	}
}

func (p *paths) failed(dst netip.AddrPort) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, ok := p.list[dst]
	if !ok {
		at, ok = p.old[dst]
	}
	return ok && time.Since(at) < failedFor
}

// broken6 reports whether IPv6 failed lately and never worked since.
func (p *paths) broken6() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.bad6.IsZero() && time.Since(p.bad6) < failedFor
}

// proven6 reports whether IPv6 worked lately.
func (p *paths) proven6() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.good6.IsZero() && time.Since(p.good6) < failedFor
}
