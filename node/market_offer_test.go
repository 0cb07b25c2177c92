package node_test

import (
	"testing"

	"byway/contracts"
	"byway/node"
	"byway/node/devnet"
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
	cold, err := node.OpenHome(t.TempDir())
	check(t, err)
	hot, err := node.OpenHome(t.TempDir())
	check(t, err)
	draft, err := registry.ParseDraft([]byte(registry.DraftExample), 18)
	check(t, err)
	down := d.Network
	down.RPC = []string{"http://127.0.0.1:1"}
	signed, err := node.OfferDesk{Home: cold, Network: down, Key: key}.Sign(draft, 1, []string{"/ip4/192.0.2.1/tcp/4001"})
	if err != nil {
		t.Fatal(err)
	}
	desk := node.OfferDesk{Home: hot, Network: d.Network, Key: key}
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
	market, err := node.OpenMarket(t.Context(), node.MarketConfig{Network: d.Network})
	check(t, err)
	defer market.Close()
	for l, err := range market.Offers(t.Context()) {
		t.Errorf("a retired offer is listed: %s, %v", l.Registration.Provider, err)
	}
}
