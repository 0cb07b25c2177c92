package node_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"byway/contracts"
	"byway/node/home"
	"byway/node/path"
	"byway/node/wire"
	"byway/payments/payee"
	"byway/payments/payer"
)

// TestSessionOpensAndPaysWhileTheChainIsDown is about a home that has dealt with a provider before, and whose endpoint of
// the chain is gone. No IPFS peer answers either: the provider is reached at the addresses in its offer.
func TestSessionOpensAndPaysWhileTheChainIsDown(t *testing.T) {
	t.Parallel()
	deposit := tokens("0.002") // pays for 20 MiB
	m := startMarket(t, marketConfig{deposit: "0.002"})
	before := m.metBefore()
	m.cfg.Network.RPC, m.cfg.Network.Bootstrap = []string{"http://127.0.0.1:1"}, nil
	m.openConsumer()
	listed := 0
	for l, err := range m.consumer.Offers(m.ctx) {
		if err != nil || l.Offer.Provider != m.offer().Offer.Provider {
			t.Fatal(l.Offer.Provider, err)
		}
		listed++
	}
	state, err := m.consumer.Market().State(m.ctx)
	if err != nil || listed != 1 || state.Lapse == nil || time.Since(state.Synced) > time.Hour {
		t.Fatalf("%d offers, %+v, %v", listed, state, err)
	}
	var offline *path.OfflineError
	_, err = m.consumer.Fund(m.ctx, m.offer().Offer, tokens("1"))
	if !errors.As(err, &offline) {
		t.Fatalf("funding while the chain is down: %v", err)
	}
	left, err := deposit.Sub(before.Paid)
	if err != nil || offline.Can != left || offline.AsOf.IsZero() || time.Since(offline.AsOf) > time.Hour {
		t.Errorf("left are %s, known %+v, %v", left, offline, err)
	}

	s := m.connect()
	check(t, m.download(s.Tunnel(), 3<<20))
	second := m.settled(s)
	if second.Paid.IsZero() {
		t.Error("nothing was paid")
	}

	// What was known to be deposited is the most that is promised.
	s = m.connect()
	if err := m.download(s.Tunnel(), 60<<20); err == nil {
		t.Error("60 MiB went through a deposit for 20")
	}
	select {
	case <-s.Done():
	case <-m.ctx.Done():
		t.Fatal("the session goes on without money")
	}
	if err := s.Err(); !errors.Is(err, payer.ErrSpendCap) {
		t.Errorf("the session ended with: %v", err)
	}
	total := sum(t, before.Paid, second.Paid, s.Receipt().Paid)
	if deposit.Less(total) {
		t.Errorf("promised %s of a deposit of %s", total, deposit)
	}
	_, err = m.consumer.Fund(m.ctx, m.offer().Offer, tokens("1"))
	if !errors.As(err, &offline) || sum(t, total, offline.Can) != deposit {
		t.Errorf("promised %s, left %+v, %v", total, offline, err)
	}
}

// TestSessionOpensWhileTheChainIsDownAndTheClockIsDaysOff: a provider takes no Hello of another day, so the home remembers
// how far this machine's clock is off.
func TestSessionOpensWhileTheChainIsDownAndTheClockIsDaysOff(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{-72 * time.Hour, 72 * time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			t.Parallel()
			deposit := tokens("0.002") // pays for 20 MiB
			m := startMarket(t, marketConfig{deposit: "0.002", ahead: ahead})
			before := m.metBefore()
			m.cfg.Network.RPC, m.cfg.Network.Bootstrap = []string{"http://127.0.0.1:1"}, nil
			if ahead > 0 { // on a private network a chain that is behind may rest: this machine's clock is taken then too
				m.refusedWithoutMemory()
			}
			m.openConsumer()
			for l, err := range m.consumer.Offers(m.ctx) {
				if err != nil || l.Offer.Provider != m.offer().Offer.Provider {
					t.Error(l.Offer.Provider, err)
				}
			}
			s := m.connect()
			check(t, m.download(s.Tunnel(), 3<<20))
			second := m.settled(s)

			// Whatever time it is, no more is promised than was known to be deposited.
			s = m.connect()
			if err := m.download(s.Tunnel(), 60<<20); err == nil {
				t.Error("60 MiB went through a deposit for 20")
			}
			select {
			case <-s.Done():
			case <-m.ctx.Done():
				t.Fatal("the session goes on without money")
			}
			if total := sum(t, before.Paid, second.Paid, s.Receipt().Paid); deposit.Less(total) {
				t.Errorf("promised %s of a deposit of %s", total, deposit)
			}
		})
	}
}

// TestSessionOpensWhileTheChainIsDownForBothSides: a provider serves a consumer whose channel it has read a moment ago.
func TestSessionOpensWhileTheChainIsDownForBothSides(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	began := time.Now()
	m.metBefore()
	check(t, m.Chain.Close())
	m.openConsumer()
	s, err := m.consumer.Connect(m.ctx, m.offer())
	if err == nil {
		m.closeAtTheEnd(s)
		err = m.download(s.Tunnel(), 3<<20)
	}
	if time.Since(began) > payee.BlindTime(home.DevnetExitDelay) {
		t.Skip("this machine is so slow that the provider's knowledge is too old to be relied on")
	}
	if err != nil {
		t.Fatal(err)
	}
	if m.settled(s).Paid.IsZero() {
		t.Error("nothing was paid")
	}
}

// TestAdversaryEndpointsThatContradictEachOtherAreCalledThat: the chain is up, one of its two endpoints lies, and nobody can
// tell which. Nothing is deposited on either's word, what was set aside can still be spent, and what is said is true.
func TestAdversaryEndpointsThatContradictEachOtherAreCalledThat(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	m.metBefore()
	honest := m.Network.RPC[0]
	liar := startLiar(t, honest, m.Network.Channels.Hex())
	m.cfg.Network.RPC = []string{honest, liar}
	m.openConsumer()
	var offline *path.OfflineError
	_, err := m.consumer.Fund(m.ctx, m.offer().Offer, tokens("1"))
	if !errors.As(err, &offline) || offline.Can.IsZero() {
		t.Fatalf("funding while endpoints contradict each other: %v", err)
	}
	for _, s := range []string{honest, liar, "no two endpoints agree"} {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%q does not say %q", err, s)
		}
	}
	if strings.Contains(err.Error(), "down") {
		t.Errorf("nothing is down: %q", err)
	}
	s := m.connect()
	check(t, m.download(s.Tunnel(), 1<<20))
	m.settled(s)
	t.Logf("adversary: one of two endpoints lies about the channel | bound: nothing is deposited, both are named, what was "+
		"set aside can be spent | seen: %v", err)
}

// refusedWithoutMemory makes sure that a home that does not know how far its clock is off is refused.
func (m *world) refusedWithoutMemory() {
	m.t.Helper()
	file := filepath.Join(m.cfg.Home.Dir(), "chain_time.json")
	check(m.t, os.Rename(file, file+".kept"))
	m.openConsumer()
	var refused *wire.RefusalError
	if _, err := m.consumer.Connect(m.ctx, m.offer()); !errors.As(err, &refused) || refused.Code != wire.RefusedClock {
		m.t.Errorf("a Hello of days ago: %v", err)
	}
	check(m.t, m.consumer.Close())
	check(m.t, os.Rename(file+".kept", file))
}

// metBefore lists the market, runs one session and closes the consumer.
func (m *world) metBefore() path.Receipt {
	m.t.Helper()
	for _, err := range m.consumer.Offers(m.ctx) {
		check(m.t, err)
	}
	s := m.connect()
	check(m.t, m.download(s.Tunnel(), 6<<20))
	receipt := m.settled(s)
	check(m.t, m.consumer.Close())
	return receipt
}

func sum(t *testing.T, amounts ...contracts.Amount) (out contracts.Amount) {
	t.Helper()
	for _, a := range amounts {
		var err error
		if out, err = out.Add(a); err != nil {
			t.Fatal(err)
		}
	}
	return out
}
