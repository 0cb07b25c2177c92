package node_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	registryabi "byway/contracts/bindings/registry"
	"byway/contracts/chain"
	"byway/node"
	"byway/node/market"
)

// TestAdversaryDeadProviderDoesNotHoldUpListings is about a provider whose offer nobody has any more.
func TestAdversaryDeadProviderDoesNotHoldUpListings(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{deposit: "0"})
	digest := sha256.Sum256([]byte("an offer that is gone"))
	data, err := registryabi.NewRegistry().TryPackRegister(digest, contracts.Amount{}.Big())
	if err != nil {
		t.Fatal(err)
	}
	key, err := contracts.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	check(t, m.Fund(m.ctx, key.Address(), tokens("5")))
	journal, err := chain.OpenJournal(t.TempDir() + "/chain.db")
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	sender, err := chain.NewSender(chain.SenderConfig{Client: m.Client, Signer: key, Journal: journal})
	if err != nil {
		t.Fatal(err)
	}
	at := m.Network.Registry
	if _, err := sender.Send(m.ctx, chain.Intent{ID: "junk", To: &at, Data: data}); err != nil {
		t.Fatal(err)
	}
	list := func(market *market.Market) (good, missing int, took time.Duration) {
		t.Helper()
		began := time.Now()
		seen := map[common.Address]bool{}
		for l, err := range market.Offers(m.ctx) {
			if seen[l.Registration.Provider] {
				t.Errorf("%s is listed twice", l.Registration.Provider)
			}
			seen[l.Registration.Provider] = true
			if err != nil {
				missing++
			} else {
				good++
			}
		}
		return good, missing, time.Since(began)
	}
	var times []time.Duration
	for range 3 {
		good, missing, took := list(m.consumer.Market())
		if good != 1 || missing != 1 {
			t.Fatalf("%d good offers and %d missing ones, want one each", good, missing)
		}
		times = append(times, took)
	}
	// A new offer is found all the same, on a machine that is not busy by the first listing.
	m.startProviderWith(func(*node.ProviderConfig) {})
	var took time.Duration
	eventually(t, time.Minute, "the new offer is listed", func() bool {
		var good, missing int
		good, missing, took = list(m.consumer.Market())
		return good == 2 && missing == 1
	})
	if slow := max(times[1], times[2], took); slow > 20*time.Second {
		t.Errorf("a listing took %s", slow)
	}
	t.Logf("adversary: %s | bound: %s | seen: first %s, then %s, %s, with a new provider %s",
		"a registered offer that nobody has", "0.8 s once, then no wait", times[0].Round(time.Millisecond),
		times[1].Round(time.Millisecond), times[2].Round(time.Millisecond), took.Round(time.Millisecond))
}
