package node_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"byway/contracts"
	"byway/node"
	"byway/node/devnet"
	"byway/node/home"
	"byway/node/market"
	"byway/node/offer"
	"byway/node/provide"
	"byway/registry"
)

func TestOfferIsSignedOfflinePublishedElsewhereAndRetired(t *testing.T) {
	t.Parallel()
	d, err := devnet.Start(t.Context(), devnet.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, d.Close()) })
	key, err := contracts.GenerateKey()
	check(t, err)
	check(t, d.Fund(t.Context(), key.Address(), tokens("1")))
	cold, err := home.Open(t.TempDir())
	check(t, err)
	hot, err := home.Open(t.TempDir())
	check(t, err)
	draft, err := registry.ParseDraft([]byte(registry.DraftExample), 18)
	check(t, err)
	down := d.Network
	down.RPC = []string{"http://127.0.0.1:1"}
	offline := offer.Desk{Home: cold, Network: down, Key: key}
	host, err := offline.Host(key.Address(), []string{"/ip4/192.0.2.1/tcp/4001"})
	check(t, err)
	signed, err := offline.Sign(draft, 1, host)
	if err != nil {
		t.Fatal(err)
	}
	desk := offer.Desk{Home: hot, Network: d.Network, Key: key}
	facts, err := desk.Facts(t.Context(), key.Address())
	if err != nil || facts.Sequence != 1 || facts.Token.Symbol == "" {
		t.Fatalf("facts %+v, %v", facts, err)
	}
	carried, err := registry.Decode(signed.Block) // as a file carries it
	check(t, err)
	receipt, err := desk.Publish(t.Context(), carried, contracts.Amount{})
	if err != nil || receipt.Digest != signed.Digest() {
		t.Fatalf("published %+v, %v", receipt, err)
	}
	if facts, err = desk.Facts(t.Context(), key.Address()); err != nil || facts.Sequence != 2 {
		t.Errorf("after publishing: facts %+v, %v", facts, err)
	}
	if _, err := desk.Retire(t.Context()); err != nil {
		t.Fatal(err)
	}
	market, err := market.Open(t.Context(), market.Config{Network: d.Network})
	check(t, err)
	defer market.Close()
	for l, err := range market.Offers(t.Context()) {
		t.Errorf("a retired offer is listed: %s, %v", l.Registration.Provider, err)
	}
}

// TestOfferThatWasSignedElsewhereIsSoldAsItStands: the provider's key signs the offer and registers it from one home, and
// another home, which has not got that key, serves it.
func TestOfferThatWasSignedElsewhereIsSoldAsItStands(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{deposit: "0"})
	key, err := contracts.GenerateKey()
	check(t, err)
	check(t, m.Fund(m.ctx, key.Address(), tokens("1")))
	cold, err := home.Open(t.TempDir())
	check(t, err)
	serving, err := home.Open(t.TempDir())
	check(t, err)

	host, err := offer.Desk{Home: serving, Network: m.Network}.Host(key.Address(), []string{"/ip4/192.0.2.1/tcp/4001"})
	check(t, err)
	draft, err := registry.ParseDraft([]byte(registry.DraftExample), 18)
	check(t, err)
	draft.Exit.Allowed = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")} // where this test's downloads come from
	desk := offer.Desk{Home: cold, Network: m.Network, Key: key}
	signed, err := desk.Sign(draft, 1, host)
	check(t, err)
	if _, err := desk.Publish(m.ctx, signed, contracts.Amount{}); err != nil {
		t.Fatal(err)
	}

	elsewhere := signed
	elsewhere.Offer.Host.Peer = m.offer().Offer.Host.Peer
	stranger, err := home.Open(t.TempDir())
	check(t, err)
	p, err := node.OpenProvider(m.ctx, node.ProviderConfig{
		Home: stranger, Network: m.Network, Key: home.Cold(key.Address()),
		Config: provide.Config{Offer: &elsewhere, Listen: netip.MustParseAddrPort("127.0.0.1:0")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(m.ctx); err == nil || !strings.Contains(err.Error(), "is to be served by host") {
		t.Errorf("an offer for another host: %v", err)
	}

	m.startProviderWith(func(cfg *node.ProviderConfig) {
		cfg.Home, cfg.Key, cfg.Offer = serving, home.Cold(key.Address()), &signed
	})
	// The address in the offer is nobody's: the consumer has met the host before.
	serves := m.provider.Host()
	check(t, m.consumer.Host().Connect(m.ctx, peer.AddrInfo{ID: serves.ID(), Addrs: serves.Addrs()}))
	if m.offer().CID != signed.CID {
		t.Fatalf("sold is %s, signed was %s", m.offer().CID, signed.CID)
	}
	if _, err := m.consumer.Fund(m.ctx, signed.Offer, tokens("0.5")); err != nil {
		t.Fatal(err)
	}
	s := m.connect()
	check(t, m.download(s.Tunnel(), 2<<20))
	if m.settled(s).Paid.IsZero() {
		t.Error("nothing was paid")
	}
}

// TestAdversaryHandSignedOfferIsNotServedUnderOtherTerms: an offer that denies loopback is served by an operator who would
// allow it; what the consumer was shown holds. The positive control is the offer that allows it.
func TestAdversaryHandSignedOfferIsNotServedUnderOtherTerms(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{deposit: "0"})
	reached := 0
	for _, allowed := range [][]netip.Prefix{nil, {netip.MustParsePrefix("127.0.0.1/32")}} {
		key, err := contracts.GenerateKey()
		check(t, err)
		check(t, m.Fund(m.ctx, key.Address(), tokens("1")))
		home, err := home.Open(t.TempDir())
		check(t, err)
		desk := offer.Desk{Home: home, Network: m.Network, Key: key}
		host, err := desk.Host(key.Address(), []string{"/ip4/127.0.0.1/tcp/4001"})
		check(t, err)
		draft := registry.DefaultDraft()
		draft.Price, draft.Exit.Allowed, draft.Exit.Connections = tokens("0.1"), allowed, 7
		signed, err := desk.Sign(draft, 1, host)
		check(t, err)
		if _, err := desk.Publish(m.ctx, signed, contracts.Amount{}); err != nil {
			t.Fatal(err)
		}
		m.startProviderWith(func(cfg *node.ProviderConfig) {
			// The terms beside the offer, which allow 127.0.0.1, are not to be looked at.
			cfg.Home, cfg.Key, cfg.Offer = home, key, &signed
		})
		serves := m.provider.Host()
		check(t, m.consumer.Host().Connect(m.ctx, peer.AddrInfo{ID: serves.ID(), Addrs: serves.Addrs()}))
		if _, err := m.consumer.Fund(m.ctx, signed.Offer, tokens("0.5")); err != nil {
			t.Fatal(err)
		}
		s := m.connect()
		switch err := m.download(s.Tunnel(), 1<<16); {
		case allowed == nil && err == nil:
			reached++
			t.Error("an offer that denies loopback was served under terms that allow it")
		case allowed != nil && err != nil:
			t.Errorf("positive control: the offer allows 127.0.0.1, and a download fails: %v", err)
		}
		m.settled(s)
	}
	t.Logf("adversary: %s | bound: %s | seen: %s", "an offer signed by hand, served with looser flags",
		"0 downloads from a denied range", fmt.Sprintf("%d, and 1 of 1 where the offer allows it", reached))
}
