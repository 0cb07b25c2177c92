package node_test

import (
	"strings"
	"testing"
	"time"

	"byway/contracts"
	"byway/node"
	"byway/node/devnet"
	"byway/node/home"
	"byway/node/market"
	"byway/node/offer"
	"byway/registry"
	"byway/registry/choose"
	"byway/registry/directory"
)

// TestMarketIsListedWithItsAgeWhenChainAndPeersAreDown is about a home that was online once.
func TestMarketIsListedWithItsAgeWhenChainAndPeersAreDown(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{deposit: "0"})
	provider := m.offer().Offer.Provider
	for l, err := range m.consumer.Offers(m.ctx) {
		if err != nil || l.Offer.Provider != provider {
			t.Fatal(l.Offer.Provider, err)
		}
	}
	if gone, err := m.consumer.Market().Collect(m.ctx); err != nil || gone != 0 {
		t.Errorf("collected %d blocks of offers that are registered, %v", gone, err)
	}
	check(t, m.consumer.Close())
	m.consumer = nil
	dead := m.Network
	dead.RPC, dead.Bootstrap = []string{"http://127.0.0.1:1"}, nil
	list := func(home home.Home) (got []directory.Listing, state market.State) {
		t.Helper()
		market, err := market.Open(m.ctx, market.Config{Network: dead, Home: &home})
		if err != nil {
			t.Fatal(err)
		}
		defer market.Close()
		began := time.Now()
		for l, err := range market.Known(m.ctx) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, l)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("what is known took %s", took)
		}
		for l, err := range market.Offers(m.ctx) {
			if err != nil || l.Offer.Provider != provider {
				t.Fatal(l.Offer.Provider, err)
			}
			got = append(got, l)
		}
		if market.Token.Symbol == "" {
			t.Error("the token's name is forgotten")
		}
		if state, err = market.State(m.ctx); err != nil {
			t.Fatal(err)
		}
		return got, state
	}
	got, state := list(m.cfg.Home)
	if len(got) != 2 || state.Lapse == nil || !state.Known || time.Since(state.Synced) > time.Minute {
		t.Errorf("%d offers, state %+v", len(got), state)
	}
	other, err := home.Open(t.TempDir())
	check(t, err)
	if _, err := market.Open(m.ctx, market.Config{Network: dead, Home: &other}); err == nil {
		t.Error("a home that knows nothing opened a market that is down")
	}
}

func TestTwoMarketsShareAHome(t *testing.T) {
	t.Parallel()
	d, err := devnet.Start(t.Context(), devnet.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, d.Close()) })
	home, err := home.Open(t.TempDir())
	check(t, err)
	for range 2 { // the second works on a copy
		market, err := market.Open(t.Context(), market.Config{Network: d.Network, Home: &home})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { check(t, market.Close()) })
		for l, err := range market.Offers(t.Context()) {
			t.Errorf("an empty market lists %v, %v", l, err)
		}
	}
}

func TestSessionsAreRememberedByTheChoice(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	offer := m.offer()
	ranked, err := m.consumer.Market().Rank([]directory.Listing{{SignedOffer: offer}}, directory.Criteria{})
	if err != nil || len(ranked) != 1 || ranked[0].Sessions != 0 {
		t.Fatal(ranked, err)
	}
	s, err := m.consumer.Connect(m.ctx, offer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Close(m.ctx); err != nil {
		t.Fatal(err)
	}
	check(t, m.consumer.Close()) // waits for the measurement
	m.openConsumer()
	met := m.consumer.Market().Book().Opinion(offer.Offer.Provider)
	if met.Sessions < 0.9 || met.Worth < 0.3 || met.Liar {
		t.Errorf("after a good session the opinion is %+v", met)
	}
	check(t, m.stop())
	gone := offer
	gone.Offer.PricePerGiB = contracts.NewAmount(1)
	if _, err := m.consumer.Connect(m.ctx, gone); err == nil {
		t.Fatal("connected to a provider that is gone")
	}
	if now := m.consumer.Market().Book().Opinion(offer.Offer.Provider); now.Worth >= met.Worth {
		t.Errorf("a provider that is gone is worth %.2f after %.2f", now.Worth, met.Worth)
	}
}

// TestSettlementsAreWeakEvidence is about what others paid a provider, which the chain tells.
func TestSettlementsAreWeakEvidence(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	ranked := func() choose.Candidate {
		t.Helper()
		var offers []directory.Listing
		for l, err := range m.consumer.Offers(m.ctx) {
			check(t, err)
			offers = append(offers, l)
		}
		r, err := m.consumer.Market().Rank(offers, directory.Criteria{})
		if err != nil || len(r) != 1 {
			t.Fatal(r, err)
		}
		return r[0]
	}
	if before := ranked(); before.Evidence != 0 {
		t.Errorf("nothing was settled, and that counts for %f", before.Evidence)
	}
	s := m.connect()
	check(t, m.download(s.Tunnel(), 8<<20))
	m.settled(s)
	if m.claimed().IsZero() {
		t.Fatal("nothing was claimed")
	}
	after := ranked()
	// One payer, whatever it pays, earns a provider no more than a twentieth of the weight of settlements.
	if after.Evidence <= 0 || after.Evidence > 0.003 || !strings.Contains(after.Explain(), "settled") {
		t.Errorf("evidence %f: %s", after.Evidence, after.Explain())
	}
	eventually(t, time.Minute, "the session's measurements are kept", func() bool {
		return m.consumer.Market().Book().Opinion(m.offer().Offer.Provider).Sessions > 0
	})
}

// TestSupersededBlocksAreCollectedByTheNextLife is about a consumer's block store.
func TestSupersededBlocksAreCollectedByTheNextLife(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{deposit: "0"})
	list := func() registry.SignedOffer {
		t.Helper()
		var only registry.SignedOffer
		for l, err := range m.consumer.Offers(m.ctx) {
			check(t, err)
			only = l.SignedOffer
		}
		return only
	}
	old := list()
	if held, err := m.consumer.Holds(m.ctx, old.CID); err != nil || !held {
		t.Fatalf("a listed offer's block is not held: %v", err)
	}
	desk := offer.Desk{Network: m.Network, Key: m.providerKey, Home: m.providerHome}
	check(t, m.stop())
	host, err := desk.Host(m.providerKey.Address(), old.Offer.Host.Addrs)
	check(t, err)
	draft, err := registry.ParseDraft([]byte("price = \"0.3\"\n"), 18)
	check(t, err)
	next, err := desk.Sign(draft, old.Offer.Sequence+1, host)
	check(t, err)
	if _, err := desk.Publish(m.ctx, next, contracts.Amount{}); err != nil {
		t.Fatal(err)
	}
	m.startProviderWith(func(cfg *node.ProviderConfig) {
		cfg.Home, cfg.Key, cfg.Offer = m.providerHome, m.providerKey, &next
	})
	check(t, m.consumer.Close())
	m.openConsumer()
	if got := list(); got.CID != next.CID {
		t.Fatalf("listed is %s, want %s", got.CID, next.CID)
	}
	eventually(t, time.Minute, "the superseded block is deleted", func() bool {
		held, err := m.consumer.Holds(m.ctx, old.CID)
		return err == nil && !held
	})
	if held, err := m.consumer.Holds(m.ctx, next.CID); err != nil || !held {
		t.Errorf("the block that is registered now is gone: %v", err)
	}
}
