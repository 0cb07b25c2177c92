package node_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/node/home"
	"byway/node/path"
	"byway/node/vault"
)

// Whatever a wallet command took out of the vault, a consumer that meets a chain that is down promises nothing of it.
func TestAdversaryNothingWithdrawnIsPromisedWithoutTheChain(t *testing.T) {
	t.Parallel()
	// left returns how much the channel can pay after the command, of the tokens that it could pay before.
	for name, test := range map[string]struct {
		run  func(m *world, w *vault.Wallet, provider common.Address) error
		left func(before contracts.Amount) contracts.Amount
	}{
		"nothing (the control)": {
			func(*world, *vault.Wallet, common.Address) error { return nil },
			func(before contracts.Amount) contracts.Amount { return before },
		},
		"vault withdraw all": {
			func(m *world, w *vault.Wallet, _ common.Address) error {
				_, err := w.Withdraw(m.ctx, nil, common.Address{})
				return err
			},
			func(before contracts.Amount) contracts.Amount { return before.SubFloor(tokens("0.5")) },
		},
		"channel open for another": {
			func(m *world, w *vault.Wallet, _ common.Address) error {
				_, err := w.Reserve(m.ctx, common.Address{7}, tokens("0.4"))
				return err
			},
			func(before contracts.Amount) contracts.Amount { return before.SubFloor(tokens("0.4")) },
		},
		"vault deposit": {
			func(m *world, w *vault.Wallet, _ common.Address) error {
				_, err := w.Deposit(m.ctx, tokens("0.25"))
				return err
			},
			func(before contracts.Amount) contracts.Amount { a, _ := before.Add(tokens("0.25")); return a },
		},
		"channel exit": {
			func(m *world, w *vault.Wallet, provider common.Address) error {
				_, err := w.StartExit(m.ctx, provider)
				return err
			},
			func(contracts.Amount) contracts.Amount { return contracts.Amount{} },
		},
		"channel exit, finished": {
			func(m *world, w *vault.Wallet, provider common.Address) error {
				if _, err := w.StartExit(m.ctx, provider); err != nil {
					return err
				}
				if err := m.Chain.Advance(home.DevnetExitDelay + time.Minute); err != nil {
					return err
				}
				if _, err := w.FinishExit(m.ctx, provider); err != nil {
					return err
				}
				_, err := w.Withdraw(m.ctx, nil, common.Address{})
				return err
			},
			func(contracts.Amount) contracts.Amount { return contracts.Amount{} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := startMarket(t, marketConfig{deposit: "0"})
			if _, err := m.consumer.Fund(m.ctx, m.offer().Offer, tokens("1")); err != nil {
				t.Fatal(err)
			}
			w, err := m.consumer.Wallet()
			check(t, err)
			if _, err := w.Deposit(m.ctx, tokens("0.5")); err != nil {
				t.Fatal(err)
			}
			paid := m.metBefore().Paid
			before := tokens("1.5").SubFloor(paid)
			w, done := m.wallet()
			if err := test.run(m, w, m.offer().Offer.Payee); err != nil {
				t.Fatal(err)
			}
			done()
			m.cfg.Network.RPC, m.cfg.Network.Bootstrap = []string{"http://127.0.0.1:1"}, nil
			m.openConsumer()
			var offline *path.OfflineError
			if _, err := m.consumer.Fund(m.ctx, m.offer().Offer, tokens("1")); !errors.As(err, &offline) {
				t.Fatalf("funding while the chain is down: %v", err)
			}
			want := test.left(before)
			t.Logf("adversary: %s, then no chain | bound: %s promised at most | seen: %s", name, want, offline.Can)
			if offline.Can != want {
				t.Errorf("%s can be promised, want %s", offline.Can, want)
			}
		})
	}
}

// A transaction that was sent and whose fate nobody saw counts as done.
func TestAdversaryUnseenWithdrawalCountsAsDone(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{deposit: "0"})
	w, err := m.consumer.Wallet()
	check(t, err)
	if _, err := w.Deposit(m.ctx, tokens("0.5")); err != nil {
		t.Fatal(err)
	}
	m.metBefore()
	// Prepared for a key elsewhere: it may be sent any moment.
	cold, err := vault.Open(m.ctx, vault.Config{
		Home: m.cfg.Home, Network: m.Network, Owner: m.cfg.Key.Address(), Session: m.cfg.Session.Address(),
	})
	check(t, err)
	if _, err := cold.Withdraw(m.ctx, nil, common.Address{}); err != nil {
		t.Fatal(err)
	}
	check(t, cold.Close())
	m.cfg.Network.RPC, m.cfg.Network.Bootstrap = []string{"http://127.0.0.1:1"}, nil
	m.openConsumer()
	var offline *path.OfflineError
	if _, err := m.consumer.Fund(m.ctx, m.offer().Offer, tokens("1")); !errors.As(err, &offline) {
		t.Fatalf("funding while the chain is down: %v", err)
	}
	t.Logf("adversary: a withdrawal signed elsewhere, then no chain | bound: nothing promised | seen: %s", offline.Can)
	if !offline.Can.IsZero() {
		t.Errorf("%s can be promised", offline.Can)
	}
}

// A ledger that another process holds shows what it holds, never nothing.
func TestAdversaryLockedLedgerIsNeverShownAsZero(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	s := m.connect()
	check(t, m.download(s.Tunnel(), 2<<20))
	paid := m.settled(s).Paid
	look := func(home home.Home, owner contracts.Signer) *vault.Wallet {
		t.Helper()
		w, err := vault.Open(m.ctx, vault.Config{
			Home: home, Network: m.Network, Owner: owner.Address(), Session: m.cfg.Session.Address(),
		})
		check(t, err)
		t.Cleanup(func() { check(t, w.Close()) })
		return w
	}
	for i := range 24 { // while the consumer holds its home, and two look at once
		a, b := look(m.cfg.Home, m.cfg.Key), look(m.cfg.Home, m.cfg.Key)
		for _, w := range []*vault.Wallet{a, b} {
			c, err := w.Channel(m.ctx, m.offer().Offer.Payee)
			if err != nil || c.Owed != paid || c.Promised != paid {
				t.Fatalf("look %d: %+v, %v, want %s owed", i, c, err, paid)
			}
		}
	}
	t.Logf("adversary: a ledger that its daemon holds, looked at 48 times | bound: %s owed, or an error | seen: %[1]s", paid)
}

func TestErrorsOfTheChainAreInTokens(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{deposit: "0"})
	w, err := m.consumer.Wallet()
	check(t, err)
	_, err = w.Deposit(m.ctx, tokens("1000000000"))
	if err == nil || strings.Contains(err.Error(), "base units") || !strings.Contains(err.Error(), "1000000000 ") {
		t.Errorf("a deposit of what is not there: %v", err)
	}
}

// What a provider has earned is its ledger's to tell, and what the chain alone knows is unavailable without it, not zero.
func TestAdversaryEarningsWithoutTheChainAreNotZero(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	s := m.connect()
	check(t, m.download(s.Tunnel(), 2<<20))
	paid := m.settled(s).Paid
	r, err := m.provider.EarningsReport(m.ctx)
	check(t, err)
	if r.Wallet == nil || r.Gas.Int == nil || r.Unavailable != "" {
		t.Fatalf("with the chain: %+v", r)
	}
	check(t, m.Chain.Close())
	r, err = m.provider.EarningsReport(m.ctx)
	check(t, err)
	text, err := json.Marshal(r)
	check(t, err)
	t.Logf("adversary: earnings while the chain is down | bound: promised %s, wallet and gas null with a reason | seen: %s",
		paid, text)
	if r.Promised != paid || r.Wallet != nil || r.Gas.Int != nil || r.Unavailable == "" ||
		!strings.Contains(string(text), `"wallet":null`) || !strings.Contains(string(text), `"gas_wei":null`) {
		t.Errorf("%s", text)
	}
}
