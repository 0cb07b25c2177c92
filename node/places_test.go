package node_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"byway/contracts"
	"byway/node"
	"byway/node/path"
	"byway/node/serve"
	"byway/node/wire"
	"byway/payments"
	"byway/tunnel"
)

// sell starts the provider anew with so many places.
func (m *world) sell(places uint32) {
	m.t.Helper()
	check(m.t, m.stop())
	m.startProviderWith(func(cfg *node.ProviderConfig) {
		cfg.Terms.Capacity.Sessions = places
		cfg.Places = serve.Places{Resting: int(places), Keep: time.Second}
	})
	if _, err := m.consumer.Fund(m.ctx, m.offer().Offer, tokens("0.5")); err != nil {
		m.t.Fatal(err)
	}
}

// another is a second consumer with a home of its own.
func (m *world) another() *world {
	other := *m
	other.startConsumer(tokens("1"))
	if _, err := other.consumer.Fund(m.ctx, m.offer().Offer, tokens("0.5")); err != nil {
		m.t.Fatal(err)
	}
	return &other
}

func (m *world) state(s *path.Session) wire.State {
	_, _, state := m.provider.Counted(s.ID())
	return state
}

// Sessions of one tick each hold every place and say nothing: who comes and pays is served.
func TestAdversarySilentSessionsHoldEveryPlace(t *testing.T) {
	t.Parallel()
	m := startMarketFor(t, marketConfig{deposit: "0"}, 5*time.Minute)
	const places = 4
	m.sell(places)
	silent, host := m.vaults(2*places+4), m.hostOf()
	attack := func(payer contracts.Signer) error {
		p := someone(t)
		if err := p.Connect(m.ctx, host); err != nil {
			return err
		}
		_, err := node.GreetOver(func() (network.Stream, error) {
			return p.Open(m.ctx, host.ID, wire.SessionProtocol)
		}, m.consumer.Domain, m.offer(), payer)
		return err
	}
	for _, payer := range silent[:places] {
		check(t, attack(payer))
	}
	if use := m.provider.PeersUse(); use.Sessions != places {
		t.Fatalf("%d silent sessions have places, want %d", use.Sessions, places)
	}
	// More of them come until they hold all places and rest as often as may be.
	eventually(t, 2*time.Minute, "silent sessions rest too", func() bool {
		for _, payer := range silent[places:] {
			if err := attack(payer); err != nil && codeOf(t, err) != wire.RefusedBusy && codeOf(t, err) != wire.RefusedStale {
				t.Fatal(err)
			}
		}
		return m.provider.PeersUse().Resting >= places
	})
	// The first try may find too many of them waiting.
	var s *path.Session
	eventually(t, 2*time.Minute, "the newcomer is served", func() bool {
		var err error
		s, err = m.consumer.Connect(m.ctx, m.offer())
		return err == nil
	})
	m.closeAtTheEnd(s)
	if err := m.download(s.Tunnel(), 2<<20); err != nil {
		t.Fatal(err)
	}
	use := m.provider.PeersUse()
	if use.Sessions > places || use.Resting > places+1 {
		t.Errorf("%d sessions have one of %d places, %d rest", use.Sessions, places, use.Resting)
	}
	m.held(fmt.Sprintf("silent sessions of a tick each have all %d places, and as many rest", places), "who comes and pays is served",
		fmt.Sprintf("served; %d have places, %d rest", use.Sessions, use.Resting))
	m.settled(s)
}

// A session that was idle rests while another is served, and has its place again with its next packet. Neither pays for
// anything but its bytes.
func TestSessionRestsForAnotherAndWakesWithItsNextPacket(t *testing.T) {
	t.Parallel()
	m := startMarketFor(t, marketConfig{deposit: "0"}, 5*time.Minute)
	m.sell(1)
	first := m.connect()
	const size = 100 << 10 // less than what keeps a place
	check(t, m.download(first.Tunnel(), size))
	other := m.another()
	var second *path.Session
	eventually(t, time.Minute, "the second session is served", func() (ok bool) {
		var err error
		second, err = other.consumer.Connect(m.ctx, m.offer())
		if err != nil && codeOf(t, err) != wire.RefusedBusy {
			t.Fatal(err)
		}
		return err == nil
	})
	m.closeAtTheEnd(second)
	check(t, m.download(second.Tunnel(), size))
	eventually(t, time.Minute, "the first one knows that it rests", func() bool {
		return first.Receipt().State == wire.StateResting && m.state(first) == wire.StateResting
	})
	if use := m.provider.PeersUse(); use.Sessions != 1 || use.Resting != 1 {
		t.Errorf("%d sessions have a place, %d rest: want one of each", use.Sessions, use.Resting)
	}
	for _, s := range []*path.Session{first, second, first} {
		if err := m.download(s.Tunnel(), size); err != nil {
			t.Fatalf("%v; the session: %v", err, s.Err())
		}
	}
	m.settled(first)
	m.settled(second)
}

// A session that rests ends in order like any other, and so does its provider.
func TestRestingSessionsEndInOrder(t *testing.T) {
	t.Parallel()
	m := startMarketFor(t, marketConfig{deposit: "0"}, 5*time.Minute)
	m.sell(1)
	const size = 100 << 10
	var sessions [3]*path.Session
	for i := range sessions {
		own := m
		if i > 0 {
			own = m.another()
		}
		eventually(t, time.Minute, "a session is served", func() bool {
			var err error
			sessions[i], err = own.consumer.Connect(m.ctx, m.offer())
			return err == nil
		})
		m.closeAtTheEnd(sessions[i])
		check(t, m.download(sessions[i].Tunnel(), size))
		if i == 1 { // while it rests
			m.settled(sessions[0])
		}
	}
	check(t, m.stop())
	var closed *wire.ClosedError
	for _, s := range sessions[1:] {
		<-s.Done()
		if err := s.Err(); !errors.As(err, &closed) || closed.Code != wire.ClosedStopping {
			t.Errorf("the provider stopped, and a session ended with %v", err)
		}
	}
}

// A place that is used is nobody else's: who comes then hears that there is none, and has paid nothing.
func TestUsedPlaceIsKept(t *testing.T) {
	t.Parallel()
	m := startMarketFor(t, marketConfig{deposit: "0"}, 5*time.Minute)
	m.sell(1)
	s := m.connect()
	use := inUse(m, s.Tunnel())
	defer use()
	other := m.another()
	for began := time.Now(); time.Since(began) < 3*time.Second; time.Sleep(100 * time.Millisecond) {
		if _, err := other.consumer.Connect(m.ctx, m.offer()); codeOf(t, err) != wire.RefusedBusy {
			t.Fatalf("the second session: %v", err)
		}
	}
	use()
	sum, err := other.consumer.Ledger.Promised(m.ctx, other.consumer.Domain, other.consumer.Channel(m.offer().Offer))
	check(t, err)
	tick, err := payments.Cost(m.offer().Offer.PricePerGiB, m.offer().Offer.Tick)
	check(t, err)
	if tick.Less(sum) {
		t.Errorf("refusals brought %s base units, a tick costs %s", sum, tick)
	}
	m.settled(s)
}

// inUse keeps a session's place in use until what it returns is called, which waits.
func inUse(m *world, c *tunnel.Client) (stop func()) {
	var over atomic.Bool
	done, moved := make(chan struct{}), make(chan struct{}, 1)
	go func() {
		defer close(done)
		for !over.Load() && m.download(c, 2<<20) == nil {
			select {
			case moved <- struct{}{}:
			default:
			}
			select {
			case <-m.ctx.Done():
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	select {
	case <-moved:
	case <-done:
		m.t.Fatal("the session moves nothing")
	}
	return func() {
		over.Store(true)
		<-done
	}
}

// Whoever has paid a tick may say its promise again as often as it likes: it costs the provider some frames a second.
func TestAdversaryPromiseIsSaidAMillionTimes(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{deposit: "0"})
	payer, host, p := m.vaults(1)[0], m.hostOf(), someone(t)
	check(t, p.Connect(m.ctx, host))
	stream, err := node.GreetOver(func() (network.Stream, error) {
		return p.Open(m.ctx, host.ID, wire.SessionProtocol)
	}, m.consumer.Domain, m.offer(), payer)
	check(t, err)
	tick, err := payments.Cost(m.offer().Offer.PricePerGiB, m.offer().Offer.Tick)
	check(t, err)
	over, said := wire.NewStream(stream), make(chan int)
	began := time.Now()
	go func() {
		n, pay := 0, &wire.Pay{Promise: wire.NewPromise(payments.Promise{Cumulative: tick}), Wake: true}
		for n < 1e6 && over.Send(pay) == nil {
			n++
		}
		said <- n
	}()
	answers := 0
	for ; time.Since(began) < 3*time.Second; answers++ {
		if _, err := over.Receive(time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	seconds := time.Since(began).Seconds()
	check(t, stream.Reset())
	seen := fmt.Sprintf("%d said, %d answered in %.1f s", <-said, answers, seconds)
	if float64(answers) > 100*(seconds+1) {
		t.Error(seen)
	}
	m.held("one promise is said again as fast as the stream takes it", "100 a second are looked at", seen)
}

// A session that is held for want of a promise stays held where an old one is said again: it ends if no new one comes.
func TestPromiseThatWasSaidBeforeLeavesTheSessionHeld(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	f, err := m.consumer.OpenFreeloader(m.ctx, m.offer())
	check(t, err)
	done := make(chan error, 1)
	go func() { done <- m.download(f.Tunnel, 32<<20) }()
	state := func() wire.State {
		_, _, state := m.provider.Counted(f.ID)
		return state
	}
	eventually(t, time.Minute, "the gate shuts", func() bool { return state() == wire.StateHeld })
	for range 100 {
		check(t, f.SendPromise(f.Last()))
		time.Sleep(5 * time.Millisecond)
		if now := state(); now != wire.StateHeld {
			t.Fatalf("the session is %s after a promise that was said before", now)
		}
	}
	check(t, f.PayFor(m.ctx, payments.Usage{Rx: 64 << 20}))
	eventually(t, time.Minute, "a new promise opens the session", func() bool { return state() == wire.StateOpen })
	check(t, f.Tunnel.Close())
	<-done
	check(t, f.Stream.Reset())
}

// A session has one stream: who takes it up on another one while the first stands loses the first.
func TestResumeEndsTheStreamBefore(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	f, err := m.consumer.OpenFreeloader(m.ctx, m.offer())
	check(t, err)
	stream, err := m.consumer.Host().NewStream(m.ctx, m.provider.Host().ID(), wire.SessionProtocol)
	check(t, err)
	over := wire.NewStream(stream)
	check(t, over.Send(&wire.Resume{Session: f.ID}))
	if reply, err := over.Receive(time.Minute); err != nil || wire.Name(reply) != "Status" {
		t.Fatalf("Resume is answered with %v, %v", reply, err)
	}
	eventually(t, time.Minute, "the stream before ends", func() bool { return f.SendPromise(f.Last()) != nil })
	if n := len(m.provider.Sessions()); n != 1 {
		t.Errorf("the provider serves %d sessions, want the one", n)
	}
	check(t, f.Tunnel.Close())
	check(t, stream.Reset())
}
