package node_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/node"
	"byway/node/home"
	"byway/node/vault"
	"byway/payments"
	"byway/registry/directory"
)

// Whatever this machine's clock says: offers that live for hours are listed and used, a reserve that was signed is
// posted, a release that was signed is taken, and an exit is finished when the chain lets it.
func TestAdversaryClocksApartFromTheChains(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{-25 * time.Hour, -time.Hour, time.Hour, 25 * time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			t.Parallel()
			m := startMarket(t, marketConfig{deposit: "0", ahead: ahead})
			check(t, m.stop())
			const trusted = 16 << 20
			m.startProviderWith(func(cfg *node.ProviderConfig) {
				cfg.Terms.Lifetime = 12 * time.Hour
				trust, err := payments.Cost(cfg.Terms.Price, trusted)
				check(t, err)
				cfg.Trust = trust
			})
			head, err := m.Client.Head(m.ctx)
			check(t, err)
			if off := time.Until(head.Time); (off - ahead).Abs() > 2*time.Minute {
				t.Fatalf("the chain's clock is %s ahead, want %s", off, ahead)
			}
			o := m.offer().Offer
			if head.Time.Before(o.NotBefore) || !head.Time.Before(o.Expires) {
				t.Errorf("the chain's time is %s, the offer is valid from %s to %s", head.Time, o.NotBefore, o.Expires)
			}
			var offers []directory.Listing
			for l, err := range m.consumer.Offers(m.ctx) {
				if skip := (*directory.Omission)(nil); err != nil && !errors.As(err, &skip) {
					t.Fatal(err)
				}
				if err == nil && l.Offer.Provider == o.Provider {
					offers = append(offers, l)
				}
			}
			if len(offers) != 1 {
				t.Errorf("%d offers of the provider are listed", len(offers))
			}
			if _, err := m.consumer.Market().Rank(offers, directory.Criteria{MinAge: 2 * time.Hour}); err == nil {
				t.Error("a registration of this moment passes for one of hours ago")
			}

			// Nothing is set aside on chain; the reserve in the Hello carries a session beyond what a stranger is trusted with.
			w, err := m.consumer.Wallet()
			check(t, err)
			if _, err := w.Deposit(m.ctx, tokens("1")); err != nil {
				t.Fatal(err)
			}
			c := m.outspendsTrust(w, o.Payee, trusted, tokens("1"))

			// A release, once; then an exit of what is set aside anew.
			if _, err := m.consumer.CloseChannel(m.ctx, o.Provider, common.Address{}); err != nil {
				t.Errorf("close: %v", err)
			}
			if _, err := w.Reserve(m.ctx, o.Payee, tokens("0.5")); err != nil {
				t.Fatal(err)
			}
			if _, err := w.StartExit(m.ctx, o.Payee); err != nil {
				t.Fatal(err)
			}
			var early *vault.EarlyError
			if _, err := w.FinishExit(m.ctx, o.Payee); !errors.As(err, &early) || early.At.Sub(early.Now) > home.DevnetExitDelay {
				t.Errorf("an exit that was announced a moment ago: %v", err)
			}
			check(t, m.Chain.Advance(home.DevnetExitDelay+time.Minute))
			if _, err := w.FinishExit(m.ctx, o.Payee); err != nil {
				t.Errorf("an exit that is over: %v", err)
			}
			t.Logf("adversary: %s | bound: %s | seen: %s", fmt.Sprintf("the chain's clock is %s ahead of this machine's", ahead),
				"offers of 12 h valid by the chain's time, reserve posted, channel closed together, exit finished",
				fmt.Sprintf("valid %s to %s around the head, ceiling %s", o.NotBefore.Sub(head.Time), o.Expires.Sub(head.Time), c.Ceiling))
		})
	}
}
