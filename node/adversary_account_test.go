package node_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"byway/contracts"
	"byway/node"
	"byway/node/wire"
	"byway/payments"
	"byway/payments/pace"
)

// windowOf is how many bytes a vault may have unpaid on an offer's terms when so many were forwarded and paid.
func windowOf(t *testing.T, m *world, paid uint64) uint64 {
	t.Helper()
	o := m.offer().Offer
	terms := payments.Terms{Tick: o.Tick, Window: o.Window}
	return pace.EarnedWindow(terms, paid, 0) + 2*o.Tick + paid/50
}

func TestAdversaryChurnOverTheWireBuysNoSecondWindow(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	var got uint64
	const sessions = 12
	for range sessions {
		f, err := m.consumer.OpenFreeloader(m.ctx, m.offer())
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- m.download(f.Tunnel, 8<<20) }()
		eventually(t, time.Minute, "the gate shuts", func() bool {
			_, _, state := m.provider.Counted(f.ID)
			return state == wire.StateHeld
		})
		total, _, _ := m.provider.Counted(f.ID)
		got += total
		f.Tunnel.Close()
		<-done
		f.Stream.Reset()
	}
	tick := m.offer().Offer.Tick
	bound := tick + windowOf(t, m, tick)
	m.held(fmt.Sprintf("%d sessions one after the other, each takes what the gate lets through and goes away", sessions),
		fmt.Sprintf("what was paid, one window and the tolerance: %d bytes", bound), fmt.Sprintf("%d bytes", got))
	if got > bound {
		t.Errorf("%d bytes were forwarded for one tick, %d is the bound", got, bound)
	}
}

// An empty vault costs its owner nothing: it must cost the provider no more than a look at the chain.
func TestAdversaryEmptyVaultsLeaveNothing(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	rows := m.rows()
	const keys = 50
	for range keys {
		stranger, err := contracts.GenerateKey()
		check(t, err)
		err = m.consumer.Greet(m.ctx, m.offer().Offer, m.greeting(t, stranger, func(p *payments.Promise) { p.Signer = stranger.Address() }))
		if code := codeOf(t, err); code != wire.RefusedUnfunded {
			t.Fatalf("an empty vault: %v", err)
		}
	}
	m.held(fmt.Sprintf("%d Hellos of keys whose vaults hold nothing", keys), "no row", fmt.Sprintf("%d rows more", m.rows()-rows))
	if m.rows() != rows {
		t.Errorf("%d rows more", m.rows()-rows)
	}
}

// A provider that takes a tick and says that it is busy has had all that it gets.
func TestAdversaryRefusalsAreNotPaidFor(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{deposit: "0"})
	check(t, m.stop())
	m.startProviderWith(func(cfg *node.ProviderConfig) { cfg.Terms.Capacity.Sessions = 1 })
	if _, err := m.consumer.Fund(m.ctx, m.offer().Offer, tokens("1")); err != nil {
		t.Fatal(err)
	}
	m.settled(m.connect())
	held := m.another().connect()
	defer inUse(m, held.Tunnel())()
	promised := func() contracts.Amount {
		sum, err := m.consumer.Ledger.Promised(m.ctx, m.consumer.Domain, m.consumer.Channel(m.offer().Offer))
		check(t, err)
		return sum
	}
	before := promised()
	const times = 5
	for range times {
		var refused *wire.RefusalError
		if s, err := m.consumer.Connect(m.ctx, m.offer()); !errors.As(err, &refused) || refused.Code != wire.RefusedBusy {
			if s != nil {
				s.Close(m.ctx)
			}
			t.Fatalf("the second session: %v", err)
		}
	}
	m.held(fmt.Sprintf("a provider refuses %d times what it was prepaid for", times), "nothing is promised for a refusal",
		fmt.Sprintf("%s base units before, %s after", before, promised()))
	if promised() != before {
		t.Errorf("promised are %s, before the refusals %s", promised(), before)
	}
}

// The budget for strangers is used up by others: a newcomer sets something aside, by itself, and is served.
func TestNewcomerIsServedThoughTheBudgetIsUsedUp(t *testing.T) {
	t.Parallel()
	m := newcomer(t, "1", func(*node.ProviderConfig) {})
	w, err := m.consumer.Wallet()
	check(t, err)
	from, err := m.Client.Head(m.ctx)
	check(t, err)
	s := m.connect()
	if err := m.download(s.Tunnel(), 1<<20); err != nil {
		t.Fatal(err)
	}
	to, err := m.Client.Head(m.ctx)
	check(t, err)
	m.settled(s)
	c, err := w.Channel(m.ctx, m.offer().Offer.Payee)
	check(t, err)
	t.Logf("the first megabyte after %d blocks, %s base units set aside", to.Number-from.Number, c.Ceiling)
	if to.Number-from.Number > 2 || c.Ceiling.IsZero() {
		t.Errorf("%d blocks went by, %s base units are set aside", to.Number-from.Number, c.Ceiling)
	}
}
