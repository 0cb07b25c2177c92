package tunnel

import (
	"net/netip"
	"sync"

	"golang.org/x/time/rate"
)

// Session is one consumer's share of an exit: a WireGuard peer, its inner addresses, its counters and its gate.
// It is safe for concurrent use.
type Session struct {
	exit   *Exit
	key    Key
	index  uint16
	v4, v6 netip.Addr
	acct   *account
	rate   *rate.Limiter // new flows
	copies *rate.Limiter // payload of TCP flows, in bytes

	mu     sync.Mutex
	flows  map[*flow]struct{}
	udp    map[udpKey]*udpFlow
	closed bool
}

// flow is one forwarded connection, socket or query of a session. It ends when its session does.
type flow struct {
	session *Session
	stop    func() // may be called more than once, and must not block
}

// Addrs are the consumer's inner addresses.
func (s *Session) Addrs() (v4, v6 netip.Addr) { return s.v4, s.v6 }

// Counters are the bytes that passed since the session's start, as the provider sees it: Rx came from the consumer.
func (s *Session) Counters() Counters { return s.acct.counters() }

// SetRate bounds Rx+Tx to so many bytes a second; zero for no bound. Bursts of 500 ms, and of 128 KiB at least, pass.
// Connections should be opened after it. What goes to the consumer is held back to it, in privileged mode by the kernel
// and else by the copying of TCP flows, so that senders slow down before they lose much; what comes faster all the same
// is dropped. An error says that the kernel does not hold back: the bound is kept all the same.
func (s *Session) SetRate(bytesPerSecond uint64) error {
	s.acct.setPace(bytesPerSecond)
	// A little below the bound, which counts headers and acknowledgements as well.
	payload := 0.94 * float64(bytesPerSecond)
	if bytesPerSecond == 0 {
		s.copies.SetLimit(rate.Inf)
	} else {
		s.copies.SetBurst(max(2*copySize, int(payload/20)))
		s.copies.SetLimit(rate.Limit(payload))
	}
	if s.exit.kernel == nil {
		return nil
	}
	return s.exit.kernel.router.Shape(s.index, uint64(payload))
}

// Dropped are the bytes that the gate or the rate refused.
func (s *Session) Dropped() Counters {
	_, dropped, _, _ := s.acct.state()
	return dropped
}

// Allow lets Rx+Tx reach total, counted from the session's start. It takes effect with the next packet. Lower values
// than before are ignored.
func (s *Session) Allow(total uint64) { s.acct.allow(total) }

// Allowed is the highest value given to Allow, or the limit that the session began with.
func (s *Session) Allowed() uint64 {
	_, _, limit, _ := s.acct.state()
	return limit
}

// Held reports whether the gate has refused a packet since Allow last opened it.
func (s *Session) Held() bool {
	_, _, _, refused := s.acct.state()
	return refused
}

// SetTick asks for a wake-up each time that Rx+Tx crosses a multiple of n bytes; zero for none.
func (s *Session) SetTick(n uint64) { s.acct.setTick(n) }

// Notify wakes when a tick is crossed or the gate closes. Wake-ups that nobody waited for become one.
func (s *Session) Notify() <-chan struct{} { return s.acct.wake }

// Flows is how many connections, sockets and queries are being forwarded by this process. In privileged mode those are
// queries alone: the kernel forwards, and counts, the rest.
func (s *Session) Flows() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.flows)
}

// open admits a new flow, or returns nil when the session has too many, opens them too fast, or has ended.
func (s *Session) open() *flow {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.flows) >= s.exit.limits.Flows || !s.rate.Allow() {
		return nil
	}
	f := &flow{session: s}
	s.flows[f] = struct{}{}
	return f
}

// onStop says how to end the flow. It reports false, having called stop, when the session has ended meanwhile.
func (f *flow) onStop(stop func()) bool {
	f.session.mu.Lock()
	closed := f.session.closed
	f.stop = stop
	f.session.mu.Unlock()
	if closed {
		stop()
	}
	return !closed
}

// end takes the flow off its session's count.
func (f *flow) end() {
	f.session.mu.Lock()
	defer f.session.mu.Unlock()
	delete(f.session.flows, f)
}

// stopFlows ends every flow and admits no more. It reports whether there were any.
func (s *Session) stopFlows() bool {
	s.mu.Lock()
	s.closed = true
	var stops []func()
	for f := range s.flows {
		if f.stop != nil {
			stops = append(stops, f.stop)
		}
	}
	s.mu.Unlock()
	for _, stop := range stops {
		stop()
	}
	return len(stops) > 0
}

// Remove ends the session: its flows are reset, its peer is forgotten, its addresses become free. Counters stay
// readable. Removing twice does nothing.
func (s *Session) Remove() error { return s.exit.remove(s) }
