package node_test

import (
	"strconv"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"byway/contracts"
	"byway/node"
	"byway/node/account"
	"byway/node/token"
	"byway/node/vault"
)

// TestEarningsAreTheSameEverywhere: in the API, in the metrics, in the status, and in the ledger when the daemon is off.
func TestEarningsAreTheSameEverywhere(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{deposit: "0"})
	check(t, m.stop())
	var provider node.ProviderConfig
	m.startProviderWith(func(cfg *node.ProviderConfig) { provider = *cfg })
	if _, err := m.consumer.Fund(m.ctx, m.offer().Offer, tokens("1")); err != nil {
		t.Fatal(err)
	}
	serve := func() contracts.Amount {
		s := m.connect()
		if err := m.download(s.Tunnel(), 2<<20); err != nil {
			t.Fatal(err)
		}
		return m.settled(s).Paid
	}
	// same compares every source with the first and returns what they say.
	same := func(when string) account.EarningsReport {
		t.Helper()
		want, err := m.provider.Earnings(m.ctx)
		if err != nil {
			t.Fatal(err)
		}
		report, err := m.provider.EarningsReport(m.ctx)
		if err != nil {
			t.Fatal(err)
		}
		status, err := m.provider.Status(m.ctx)
		if err != nil {
			t.Fatal(err)
		}
		for name, got := range map[string]account.Earnings{"earnings": report.Earnings, "status": status.Earnings} {
			equalEarnings(t, when+": "+name, got, want)
		}
		registry := prometheus.NewRegistry()
		if err := registry.Register(m.provider.Collector()); err != nil {
			t.Fatal(err)
		}
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		shown := map[string]float64{}
		for _, family := range families {
			for _, metric := range family.GetMetric() {
				name := family.GetName()
				if labels := metric.GetLabel(); len(labels) > 0 {
					name += " " + labels[0].GetValue()
				}
				shown[name] = metric.GetGauge().GetValue() + metric.GetCounter().GetValue()
			}
		}
		for name, amount := range map[string]contracts.Amount{
			"unsettled": want.Unsettled, "claiming": want.Claiming, "settled": want.Settled,
		} {
			f, err := strconv.ParseFloat(amount.Tokens(18), 64)
			if err != nil {
				t.Fatal(err)
			}
			if got := shown["byway_earnings_tokens "+name]; got != f {
				t.Errorf("%s: %s is %v in the metrics, %v in the ledger", when, name, got, f)
			}
		}
		if got := shown["byway_claims_total"]; got != float64(want.Claims) {
			t.Errorf("%s: %v claims in the metrics, %d in the ledger", when, got, want.Claims)
		}
		return report
	}
	first := serve()
	if r := same("before the claim"); r.Unsettled != first || !r.Settled.IsZero() || r.Claims != 0 {
		t.Errorf("before the claim: %+v, paid were %s", r, first)
	}
	m.claimed()
	second := serve()
	last := same("after the claim")
	if last.Settled != first || last.Unsettled != second || last.Claims != 1 || last.GasSpent.Sign() <= 0 ||
		last.Promised.SubFloor(first) != second {
		t.Errorf("after the claim: %+v, paid were %s and %s", last, first, second)
	}
	if wallet, err := m.TokenBalance(m.ctx, provider.Key.Address()); err != nil || last.Wallet == nil || *last.Wallet != wallet {
		t.Errorf("in the wallet are %s, shown are %s, %v", wallet, last.Wallet, err)
	}
	check(t, m.stop())
	w, err := vault.Open(m.ctx, vault.Config{
		Home: provider.Home, Network: m.Network, Owner: provider.Key.Address(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { check(t, w.Close()) }()
	off, err := w.EarningsReport(m.ctx)
	if err != nil {
		t.Fatal(err)
	}
	equalEarnings(t, "with the daemon off", off.Earnings, last.Earnings)
	if off.Wallet == nil || *off.Wallet != *last.Wallet {
		t.Errorf("with the daemon off the wallet has %s, %s before", off.Wallet, last.Wallet)
	}
}

func equalEarnings(t *testing.T, where string, got, want account.Earnings) {
	t.Helper()
	if got.GasSpent.Cmp(want.GasSpent.Int) != 0 {
		t.Errorf("%s: gas spent is %s, want %s", where, got.GasSpent, want.GasSpent)
	}
	got.GasSpent, want.GasSpent = token.Wei{}, token.Wei{}
	if got != want {
		t.Errorf("%s: %+v, want %+v", where, got, want)
	}
}
