package directory_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	p2pcrypto "github.com/libp2p/go-libp2p/core/crypto"

	"byway/contracts"
	"byway/contracts/chain"
	"byway/contracts/devchain"
	"byway/ipfs"
	"byway/registry"
	"byway/registry/directory"
)

// openNode starts an IPFS node of a private network and closes it with the test.
func openNode(t testing.TB, cfg ipfs.Config, bootstrap ...*ipfs.Node) *ipfs.Node {
	t.Helper()
	key, _, err := p2pcrypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Key, cfg.Network = key, ipfs.Network{Name: "registry-test", Private: true}
	for _, b := range bootstrap {
		cfg.Network.Bootstrap = append(cfg.Network.Bootstrap, b.Addrs()...)
	}
	n, err := ipfs.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	if err := n.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestConsumerListsOffersOfProvidersThatItHasNeverMet runs the whole way of an offer on real parts: each provider puts
// its block onto its own IPFS node and registers it on the chain; the consumer knows the chain and one bootstrap node.
func TestConsumerListsOffersOfProvidersThatItHasNeverMet(t *testing.T) {
	t.Parallel()
	n := startNetwork(t)
	meeting := openNode(t, ipfs.Config{})
	want := map[common.Address]registry.SignedOffer{}
	for account := 1; account <= 3; account++ {
		s := n.signed(t, account, n.offer(t, account, 1, uint64(1000*account)))
		r := n.market(t, openNode(t, ipfs.Config{}, meeting))
		if _, err := r.Publish(t.Context(), n.sender(t, account), s, contracts.Amount{}); err != nil {
			t.Fatal(err)
		}
		want[s.Offer.Provider] = s
	}
	offers, skipped := listed(t, n.market(t, openNode(t, ipfs.Config{Client: true}, meeting)))
	if len(offers) != len(want) || len(skipped) != 0 {
		t.Fatalf("listed %d of %d, skipped %v", len(offers), len(want), skipped)
	}
	for provider, s := range want {
		if got := offers[provider]; got.CID != s.CID || !bytes.Equal(got.Block, s.Block) {
			t.Errorf("%s: listed %s, want %s", provider, got.CID, s.CID)
		}
	}
	all := make([]directory.Listing, 0, len(offers))
	for _, l := range offers {
		all = append(all, l)
	}
	if best, err := directory.Choose(all, directory.Criteria{}); err != nil || best.Offer.Provider != devchain.Account(1).Address() {
		t.Fatalf("chose %s, %v", best.Offer.Provider, err)
	}
}

// walletCode is a wallet that accepts any signature whose first byte is 1: what ERC-1271 asks for, and no more.
//
//	sig[0] == 1 ? 0x1626ba7e… : 0
const walletCode = "60643560f81c600114631626ba7e60e01b025f5260205ff3"

func TestSmartWalletAnswersForItsOffer(t *testing.T) {
	t.Parallel()
	n := startNetwork(t)
	runtime := common.FromHex(walletCode)
	init := append([]byte{0x60, byte(len(runtime)), 0x80, 0x60, 0x09, 0x5f, 0x39, 0x5f, 0xf3}, runtime...)
	res, err := n.sender(t, 0).Send(t.Context(), chain.Intent{ID: "wallet", Data: init})
	if err != nil {
		t.Fatal(err)
	}
	sign := func(provider common.Address, sig ...byte) registry.SignedOffer {
		t.Helper()
		o := n.offer(t, 1, 1, 1000)
		key, _, err := p2pcrypto.GenerateEd25519Key(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		o.Provider = provider
		o.Host, err = registry.BindHost(key, o.ChainID, o.Registry, provider, o.Host.Addrs)
		if err != nil {
			t.Fatal(err)
		}
		s, err := registry.Attach(o, sig)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	wallet := res.ContractAddress
	if err := sign(wallet, 1, 2, 3).Verify(t.Context(), n.client, n.deployment); err != nil {
		t.Errorf("a signature that the wallet accepts: %v", err)
	}
	sixtyFive := bytes.Repeat([]byte{1}, 65) // as long as a plain key's, and the last byte must stay what it is
	if err := sign(wallet, sixtyFive...).Verify(t.Context(), n.client, n.deployment); err != nil {
		t.Errorf("65 bytes that the wallet accepts: %v", err)
	}
	for name, s := range map[string]registry.SignedOffer{
		"refused by the wallet":        sign(wallet, 2),
		"a contract that is no wallet": sign(n.deployment.Registry, 1),
		"no contract":                  sign(common.Address{9}, 1),
	} {
		if err := s.Verify(t.Context(), n.client, n.deployment); !errors.Is(err, registry.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := sign(wallet, 1).Verify(t.Context(), nil, n.deployment); !errors.Is(err, registry.ErrSignature) {
		t.Errorf("without a chain to ask: %v", err)
	}
	n.chain.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := sign(wallet, 1).Verify(ctx, n.client, n.deployment); err == nil || errors.Is(err, registry.ErrSignature) {
		t.Errorf("a dead chain is no verdict about a signature: %v", err)
	}
}
