// Package tunnel is the data plane: it carries a consumer's packets to a provider and from there to the internet.
//
// An Exit is a provider's WireGuard device. It serves all sessions, each with inner addresses of its own, meters and
// gates every packet by session, and forwards flows to the hosts that its policy allows. A Client is a consumer's side
// of one session, in this process; a TUNClient is one on a network interface of the kernel.
//
// From the outside in, a packet passes the underlay and its guard (can it be WireGuard, and is it one too many), the engine
// (package wireguard), the meter (who pays for it, and may it pass), and the router: the stack (package netstack) with
// its forwarders or, where the host allows it, the kernel (package forward). New flows pass the turnstile, and names the
// nameserver. On the consumer's side, a porter in place of the meter bills what answers and lets in nothing else, the
// dialer connects, and package proxy serves programs.
package tunnel

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"byway/tunnel/meter"
	"byway/tunnel/relay"
	"byway/tunnel/turnstile"
	"byway/tunnel/wireguard"
)

// Session is one consumer's share of an exit: a WireGuard peer, its inner addresses, its counters and its gate.
// It is safe for concurrent use.
type Session struct {
	exit   *Exit
	key    wireguard.Key
	index  uint16
	v4, v6 netip.Addr
	acct   *meter.Account
	copies *rate.Limiter // payload of TCP flows, in bytes

	// New flows wait here for their turn, and then for a place. Queries have both of their own.
	turns, queryTurns *turnstile.Turns
	flows, queries    *turnstile.Share
	echoes            atomic.Int64 // that wait for an answer

	mu     sync.Mutex
	udp    map[udpKey]*udpFlow
	held   int // bytes of datagrams that wait for their flows
	names  []*nameConn
	closed bool
}

// Addrs are the consumer's inner addresses.
func (s *Session) Addrs() (v4, v6 netip.Addr) { return s.v4, s.v6 }

// Counters are the bytes that passed since the session's start, as the provider sees it: Rx came from the consumer.
func (s *Session) Counters() meter.Counters { return s.acct.Counters() }

// SetRate bounds Rx+Tx to so many bytes a second; zero for no bound. Bursts of 500 ms, and of 128 KiB at least, pass.
// Connections should be opened after it. What goes to the consumer is held back to it, in privileged mode by the kernel
// and else by the copying of TCP flows, so that senders slow down before they lose much; what comes faster all the same
// is dropped. An error says that the kernel does not hold back: the bound is kept all the same.
func (s *Session) SetRate(bytesPerSecond uint64) error {
	s.acct.SetPace(bytesPerSecond)
	// A little below the bound, which counts headers and acknowledgements as well.
	payload := 0.94 * float64(bytesPerSecond)
	if bytesPerSecond == 0 {
		s.copies.SetLimit(rate.Inf)
	} else {
		s.copies.SetBurst(max(2*relay.CopySize, int(payload/20)))
		s.copies.SetLimit(rate.Limit(payload))
	}
	if s.exit.kernel == nil {
		return nil
	}
	return s.exit.kernel.router.Shape(s.index, uint64(payload))
}

// Pause has nothing pass, or lets what the gate lets again. Peer, addresses and flows stay meanwhile, and what comes is
// dropped: its senders try again.
func (s *Session) Pause(on bool) { s.acct.Pause(on) }

// Dropped are the bytes that the gate, the rate or a pause refused.
func (s *Session) Dropped() meter.Counters { return s.acct.Dropped() }

// Allow opens the session's gate up to total bytes. On a gate of its own that is its Rx+Tx since its start; on one that
// it shares, the sum of all. It takes effect with the next packet. Lower values than before are ignored.
func (s *Session) Allow(total uint64) { s.acct.Allowance().Allow(total) }

// Allowed is the highest value given to Allow, of the session or its gate, or the limit that the gate began with.
func (s *Session) Allowed() uint64 { return s.acct.Allowance().Allowed() }

// Left are the bytes that the session's gate still lets through.
func (s *Session) Left() uint64 { return s.acct.Allowance().Left() }

// Held reports whether the gate has refused a packet of this session since it was last opened further.
func (s *Session) Held() bool { return s.acct.Held() }

// SetTick asks for a wake-up each time that Rx+Tx crosses a multiple of n bytes; zero for none.
func (s *Session) SetTick(n uint64) { s.acct.SetTick(n) }

// Notify wakes when a tick is crossed or the gate refuses a packet of this session. Wake-ups that nobody waited for become one.
func (s *Session) Notify() <-chan struct{} { return s.acct.Notified() }

// Flows is how many TCP connections and UDP sockets are being forwarded by this process. In privileged mode the kernel
// forwards, and counts, them.
func (s *Session) Flows() int {
	held, _ := s.flows.Use()
	return held
}

// Use counts how much of its limits a session takes, and how often they held it up.
type Use struct {
	// Flows are TCP connections and UDP sockets; in privileged mode what the kernel tracks, counted every few seconds.
	Flows   int `json:"flows"`
	Queries int `json:"queries"` // of DNS, being asked
	Echoes  int `json:"echoes"`  // requests that wait for an answer
	Waiting int `json:"waiting"` // new flows and queries that wait for their turn or a place
	// Delayed are new flows and queries that had to wait, Evicted those that were ended for others, Deferred packets that
	// were dropped because too many waited; their senders try again. All since the session began.
	Delayed  uint64 `json:"delayed"`
	Evicted  uint64 `json:"evicted"`
	Deferred uint64 `json:"deferred"`
}

// Use tells what the session has of its limits.
func (s *Session) Use() Use {
	flows, flowsWait := s.flows.Use()
	queries, queriesWait := s.queries.Use()
	u := Use{
		Flows: flows, Queries: queries, Echoes: int(s.echoes.Load()),
		Waiting: flowsWait + queriesWait + s.turns.Waiting() + s.queryTurns.Waiting(),
	}
	for _, t := range []*turnstile.Turns{s.turns, s.queryTurns} {
		delayed, refused := t.Waits()
		u.Delayed, u.Deferred = u.Delayed+delayed, u.Deferred+refused
	}
	for _, f := range []*turnstile.Share{s.flows, s.queries} {
		delayed, evicted := f.Waits()
		u.Delayed, u.Evicted = u.Delayed+delayed, u.Evicted+evicted
	}
	if s.exit.kernel != nil {
		u.Flows = s.exit.kernel.flows(s.index)
	}
	return u
}

// restOf is how long a flow of a lane must have rested before its own session gives it up for another.
func restOf(l turnstile.Lane) time.Duration {
	if l == turnstile.LaneUDP {
		return turnstile.RestUDP
	}
	return turnstile.RestTCP
}

// open admits a new flow when its turn has come and a place is free. It returns turnstile.ErrBusy when too many wait
// already, turnstile.ErrEnded, or an error of ctx; then the packet that wanted the flow is dropped, and its sender
// tries again.
func (s *Session) open(ctx context.Context, l turnstile.Lane) (*turnstile.Flow, error) {
	ctx, cancel := context.WithTimeout(ctx, turnstile.AdmitTime)
	defer cancel()
	if err := s.turns.Wait(ctx, l); err != nil {
		s.exit.held(err)
		return nil, err
	}
	f, err := s.flows.Take(ctx, restOf(l))
	if err != nil {
		s.exit.held(err)
	}
	return f, err
}

// tryOpen admits a new flow if nothing makes it wait. Where it must wait for a place alone, turn is true.
func (s *Session) tryOpen(l turnstile.Lane) (f *turnstile.Flow, turn bool) {
	if !s.turns.Try() {
		return nil, false
	}
	return s.flows.Try(restOf(l)), true
}

// over reports whether the session has ended.
func (s *Session) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// stopFlows ends every flow and admits no more. It reports whether there were any.
func (s *Session) stopFlows() bool {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.turns.Close()
	s.queryTurns.Close()
	s.exit.echo.leave(s)
	flows, queries := s.flows.Close(), s.queries.Close()
	return s.closeNames() || flows || queries
}

// Remove ends the session: its flows are reset, its peer is forgotten, its addresses become free. Counters stay
// readable. Removing twice does nothing.
func (s *Session) Remove() error { return s.exit.remove(s) }
