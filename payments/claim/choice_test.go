package claim

import (
	"context"
	"errors"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"time"

	"byway/contracts"
	"byway/payments/chainview"
	"byway/payments/ledger"
)

// gasAt is a price of gas, in wei.
type gasAt struct {
	wei int64
	err error
}

func (g gasAt) SuggestGasPrice(context.Context) (*big.Int, error) { return big.NewInt(g.wei), g.err }

func TestAdversaryDustIsNeverClaimedAtALoss(t *testing.T) {
	t.Parallel()
	const gwei = 1_000_000_000
	coin := amount("2000000000000000000000") // one coin is worth 2,000 tokens: a claim of one costs 0.113 at 1 gwei
	units := func(s string) contracts.Amount { return amount(s) }
	dust, little, much := units("156000000000000"), units("100000000000000000"), units("1000000000000000000")
	big := units("1000000000000000000000")
	floor := units("50000000000000000")
	now := time.Now()
	exiting := func(o debt) debt { o.state.ExitAt = now.Add(time.Hour); return o }
	aged := func(o debt) debt { o.account.OwedSince = now.Add(-48 * time.Hour); return o }
	full := func(o debt) debt { o.state.Ceiling = o.value; return o }
	owes := func(v contracts.Amount) debt {
		return debt{account: ledger.Account{ID: 1, Total: v, OwedSince: now}, state: chainview.State{Ceiling: contracts.MaxAmount()}, value: v}
	}
	for name, test := range map[string]struct {
		policy Policy
		gas    GasPricer
		list   []debt
		claims int
		left   string // a part of why; "" where nothing is left
	}{
		"dust for its age, price unknown":        {Policy{}, nil, []debt{aged(owes(dust))}, 0, "age alone"},
		"much for its age, price unknown":        {Policy{}, nil, []debt{aged(owes(big))}, 0, "age alone"},
		"dust for its age, a floor":              {Policy{Floor: floor}, nil, []debt{aged(owes(dust))}, 0, "dust, less than"},
		"much for its age, a floor":              {Policy{Floor: floor}, nil, []debt{aged(owes(much))}, 1, ""},
		"dust at an exit, price unknown":         {Policy{MustFloor: floor}, nil, []debt{exiting(owes(dust))}, 0, "dust, less than"},
		"much at an exit, price unknown":         {Policy{MustFloor: floor}, nil, []debt{exiting(owes(much))}, 1, ""},
		"dust that fills a channel":              {Policy{MustFloor: floor}, nil, []debt{full(owes(dust))}, 0, "dust, less than"},
		"much that fills a channel":              {Policy{MustFloor: floor}, nil, []debt{full(owes(much))}, 1, ""},
		"a floor goes before the default":        {Policy{Floor: dust, MustFloor: floor}, nil, []debt{exiting(owes(dust))}, 1, ""},
		"dust for its age, price known":          {Policy{GasTokenPrice: coin}, gasAt{wei: gwei}, []debt{aged(owes(dust))}, 0, "not worth its gas"},
		"dust at an exit, price known":           {Policy{GasTokenPrice: coin}, gasAt{wei: gwei}, []debt{exiting(owes(dust))}, 0, "not worth its gas"},
		"its row's gas alone, at an exit":        {Policy{GasTokenPrice: coin}, gasAt{wei: gwei}, []debt{exiting(owes(little))}, 0, "not worth its gas"},
		"together they pay for the transaction":  {Policy{GasTokenPrice: coin}, gasAt{wei: gwei}, []debt{exiting(owes(little)), exiting(owes(much))}, 2, ""},
		"twice its gas, at an exit":              {Policy{GasTokenPrice: coin}, gasAt{wei: gwei}, []debt{exiting(owes(much))}, 1, ""},
		"less than ten times its gas":            {Policy{GasTokenPrice: coin, Least: 10}, gasAt{wei: gwei}, []debt{exiting(owes(much))}, 0, "10 times"},
		"an exit when gas is dear for a moment":  {Policy{GasTokenPrice: coin}, gasAt{wei: 1000 * gwei}, []debt{exiting(owes(much))}, 0, "not worth its gas"},
		"no price from the endpoint, much":       {Policy{GasTokenPrice: coin, MustFloor: floor}, gasAt{err: errors.New("out of reach")}, []debt{exiting(owes(much))}, 1, ""},
		"no price from the endpoint, dust":       {Policy{GasTokenPrice: coin, MustFloor: floor}, gasAt{err: errors.New("out of reach")}, []debt{exiting(owes(dust))}, 0, "dust"},
		"gas that is free":                       {Policy{GasFree: true}, nil, []debt{aged(owes(dust)), exiting(owes(dust))}, 2, ""},
		"what is not due is not dust":            {Policy{GasTokenPrice: coin}, gasAt{wei: gwei}, []debt{owes(dust)}, 0, ""},
		"cheap gas pays for all, the dust stays": {Policy{GasTokenPrice: coin}, gasAt{wei: gwei}, []debt{owes(big), aged(owes(dust))}, 1, "not worth its gas"},
	} {
		for i := range test.list {
			test.list[i].account.ID = int64(i)
		}
		c := &Claimer{cfg: Config{Policy: test.policy.withDefaults(), Gas: test.gas}, log: discardLog()}
		chosen, err := c.worth(t.Context(), test.list)
		if err != nil {
			t.Fatal(name, err)
		}
		why := ""
		for _, u := range c.Unclaimed() {
			why += u.Why
			if u.Amount.IsZero() || u.Channels == 0 {
				t.Errorf("%s: left without a figure: %+v", name, u)
			}
		}
		t.Logf("adversary: %s | bound: %d claimed, left %q | seen: %d claimed, left %q", name, test.claims, test.left,
			len(chosen), why)
		if len(chosen) != test.claims || (test.left == "") != (why == "") || !strings.Contains(why, test.left) {
			t.Errorf("%s: %d claimed, left %q", name, len(chosen), why)
		}
	}
	// What a payer took away before it could be claimed does not look as if it were on its way.
	c := &Claimer{cfg: Config{Policy: Policy{}.withDefaults()}, log: discardLog(), unpayable: []contracts.Amount{dust}}
	if _, err := c.worth(t.Context(), nil); err != nil || len(c.Unclaimed()) != 1 || c.Unclaimed()[0].Amount != dust {
		t.Errorf("lost money is not named: %+v, %v", c.Unclaimed(), err)
	}
	// A context that ends is no unknown price.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c = &Claimer{cfg: Config{Policy: Policy{GasTokenPrice: coin}.withDefaults(), Gas: gasAt{err: ctx.Err()}}, log: discardLog()}
	if _, err := c.worth(ctx, []debt{exiting(owes(much))}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled round: %v", err)
	}
}

func discardLog() *slog.Logger { return slog.New(slog.DiscardHandler) }
