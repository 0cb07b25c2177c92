package node_test

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"byway/contracts"
	"byway/node"
	"byway/node/path"
	"byway/payments/pace"
	"byway/registry"
)

// onChain asks something of the development chain that only such a chain does.
func (m *world) onChain(method string, args ...any) {
	m.t.Helper()
	c, err := rpc.DialContext(m.ctx, m.Network.RPC[0])
	if err != nil {
		m.t.Fatal(err)
	}
	defer c.Close()
	if err := c.CallContext(m.ctx, nil, method, args...); err != nil {
		m.t.Fatal(err)
	}
}

func TestProviderCountsOnADepositOnceItIsDeep(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{deposit: "0"})
	check(t, m.stop())
	const line = 1_000_000_000 // bit/s
	m.startProviderWith(func(cfg *node.ProviderConfig) {
		cfg.NoTrust, cfg.Depth, cfg.Terms.Capacity = true, 12, registry.Capacity{Down: line, Up: line}
	})
	offer := m.offer().Offer
	if want := pace.OfferWindow(pace.MinTick, line/8); offer.Window != want || offer.Capacity.Down != line {
		t.Errorf("the offer has a window of %d and %d bit/s, want %d and %d", offer.Window, offer.Capacity.Down, want, line)
	}
	if _, err := m.consumer.Fund(m.ctx, offer, tokens("1")); err != nil {
		t.Fatal(err)
	}
	if s, err := m.consumer.Connect(m.ctx, m.offer()); err == nil {
		s.Close(m.ctx)
		t.Fatal("a deposit of the newest block was counted on")
	}
	m.onChain("anvil_mine", 12)
	var s *path.Session
	eventually(t, time.Minute, "a deposit twelve blocks deep is counted on", func() bool {
		var err error
		s, err = m.consumer.Connect(m.ctx, m.offer())
		return err == nil
	})
	if err := m.download(s.Tunnel(), 3<<20); err != nil {
		t.Fatal(err)
	}
	m.settled(s)
}

func TestDepositThatAReorganisationDropsIsMadeAgain(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{deposit: "0"})
	before, err := m.TokenBalance(m.ctx, m.cfg.Key.Address())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.consumer.Fund(m.ctx, m.offer().Offer, tokens("1")); err != nil {
		t.Fatal(err)
	}
	has := func() contracts.Amount {
		b, err := m.TokenBalance(m.ctx, m.cfg.Key.Address())
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	m.onChain("evm_setAutomine", false)
	m.onChain("anvil_mine", 2)
	m.onChain("anvil_reorg", 3, []any{})
	if got := has(); got != before {
		t.Fatalf("the reorganisation left the deposit: the wallet has %s of %s", got, before)
	}
	m.onChain("evm_setAutomine", true)
	// Nobody asks for it: the consumer's node notices by itself.
	looks := 0
	eventually(t, time.Minute, "the deposit is in the chain again", func() bool {
		if looks++; looks%100 == 0 { // a chain goes on, with or without transactions
			m.onChain("anvil_mine", 1)
		}
		return has() == before.SubFloor(tokens("1"))
	})
	var s *path.Session
	eventually(t, time.Minute, "the provider counts on it", func() bool {
		s, err = m.consumer.Connect(m.ctx, m.offer())
		return err == nil
	})
	if err := m.download(s.Tunnel(), 3<<20); err != nil {
		t.Fatal(err)
	}
	if receipt := m.settled(s); m.claimed() != receipt.Paid {
		t.Errorf("not claimed: %s", receipt.Paid)
	}
	if got := has(); got != before.SubFloor(tokens("1")) {
		t.Errorf("the deposit was made twice: the wallet has %s of %s", got, before)
	}
}
