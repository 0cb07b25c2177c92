package provide

import (
	"log/slog"
	"testing"

	"byway/contracts"
	"byway/node/account"
	"byway/payments/claim"
	"byway/registry"
)

// Where the price of gas is known but no endpoint says what gas costs, an exit of dust is not answered at any cost, and no
// policy of a public network posts a reserve for a crumb.
func TestAdversaryNoPolicyClaimsAtAnyCost(t *testing.T) {
	t.Parallel()
	price := contracts.NewAmount(50_000_000_000_000_000)
	for name, p := range map[string]claim.Policy{
		"gas price known":   {GasTokenPrice: contracts.NewAmount(1)},
		"gas price unknown": {},
		"a floor":           {Floor: contracts.NewAmount(7)},
	} {
		provider := &Provider{Account: &account.Account{Log: slog.New(slog.DiscardHandler)}, cfg: Config{Claims: p}, sells: registry.Offer{PricePerGiB: price}}
		var err error
		if provider.cfg.Trust, err = trustOf(provider.cfg, provider.sells); err != nil {
			t.Fatal(err)
		}
		got, err := provider.claimPolicy()
		t.Logf("adversary: dust, %s | bound: a floor for exits and for posted reserves | seen: %s, %s", name, got.MustFloor, got.ReserveAbove)
		if err != nil || got.GasFree || got.MustFloor.IsZero() || got.ReserveAbove.IsZero() {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
