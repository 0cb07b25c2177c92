package cli

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"byway/contracts"
	"byway/node"
	"byway/node/account"
	"byway/node/api"
	"byway/node/token"
	"byway/payments/claim"
)

func (e env) earningsCommand() *cli.Command {
	return &cli.Command{
		Name:  "earnings",
		Usage: "show what a provider was promised and where that money is now",
		Description: "unsettled + claiming + settled is all that was ever promised. The numbers are the ledger's, the\n" +
			"same as in byway status and in the metrics; it asks the daemon where one runs.",
		Action: e.earnings,
	}
}

func (e env) earnings(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	r, err := e.readEarnings(c)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(r)
	}
	wallet, gas := "unavailable: "+safe(r.Unavailable), "unavailable"
	if r.Wallet != nil && r.Gas.Int != nil {
		wallet, gas = show(r.Token, *r.Wallet), showEther(r.Gas.Int)
	}
	e.rows(e.Out,
		row{"promised", show(r.Token, r.Promised)},
		row{"unsettled", show(r.Token, r.Unsettled)},
		row{"claiming", show(r.Token, r.Claiming)},
		row{"settled", fmt.Sprintf("%s in %s", show(r.Token, r.Settled), plural(r.Claims, "claim"))},
		row{"in wallet", wallet},
		row{"gas spent", showEther(orZero(r.GasSpent.Int)) + ", left " + gas},
	)
	e.leftRows(r.Token, r.Left)
	return nil
}

// leftRows tells what is owed and is not claimed.
func (e env) leftRows(token token.Token, list []account.Left) {
	for _, l := range list {
		amount := show(token, l.Amount)
		if l.Amount.IsZero() {
			amount = "an amount that is not known"
		}
		fmt.Fprintf(e.Out, "  not claimed: %s on %s: %s\n", amount, plural(l.Channels, "channel"), safe(hintedLeft(l)))
	}
}

func (e env) readEarnings(c *cli.Context) (r account.EarningsReport, err error) {
	home, _, _, err := e.account(c)
	if err != nil {
		return r, err
	}
	if daemon, err := api.Dial(home); err == nil {
		if err = daemon.Get(c.Context, "/v1/earnings", &r); !errors.Is(err, api.ErrNotRunning) {
			return r, err
		}
	}
	w, err := e.openWallet(c, false)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	return w.EarningsReport(c.Context)
}

// claimFlags are the thresholds of a provider's claims and trust.
func claimFlags() []cli.Flag {
	return []cli.Flag{
		&cli.Uint64Flag{Name: "claim-gas", Value: 20, Usage: "claim when its gas costs at most so many " +
			"`THOUSANDTHS` of what it brings; needs --gas-price"},
		&cli.StringFlag{Name: "gas-price", Usage: "what one whole coin of the chain (10^18 wei) is worth, in `TOKENS`"},
		&cli.Uint64Flag{Name: "claim-least", Value: 2, Usage: "an automatic claim brings at least so many `TIMES` its gas; " +
			"less is left as dust, see byway earnings; needs --gas-price"},
		&cli.StringFlag{Name: "claim-floor", Usage: "without --gas-price: how many `TOKENS` a channel must owe to be claimed " +
			"for an exit, a nearly full channel or its age (default: the price of 64 MiB, and nothing for its age)"},
		&cli.Uint64Flag{Name: "claim-full", Value: 800, Usage: "claim a channel when what it owes is so many " +
			"`THOUSANDTHS` of what it can pay"},
		&cli.DurationFlag{Name: "claim-age", Usage: "claim a channel when something was owed for that " +
			"`TIME` (default 24h)"},
		&cli.IntFlag{Name: "claim-batch", Value: 100, Usage: "`NUMBER` of channels that one transaction settles at most"},
		&cli.StringFlag{Name: "reserve-above", Usage: "post a consumer's signed reserve when its promises exceed what " +
			"is set aside by so many `TOKENS` (default: a quarter of --trust; by anything where gas is free)"},
		&cli.StringFlag{Name: "trust", Usage: "how many `TOKENS` one vault may cost beyond what it has set aside: promised, or " +
			"forwarded unpaid; 0 for none (default: the price of 64 MiB, or of half a second of --line)"},
		&cli.StringFlag{Name: "stranger-budget", Usage: "how many `TOKENS` all vaults that have set nothing aside may cost " +
			"in an hour; beyond it a newcomer sets something aside first (default: 16 times --trust)"},
		&cli.DurationFlag{Name: "claim-interval", Usage: "how often all this is looked at, as `TIME` (default 30s)"},
		&cli.IntFlag{Name: "depth", Usage: "how many `BLOCKS` deep a deposit must be before more of it counts than " +
			"the price of 10 GiB, or --trust; -1 for none (default: 12, none on a private network)"},
	}
}

// claimPolicy reads them.
func claimPolicy(c *cli.Context, token token.Token, cfg *node.ProviderConfig) error {
	for name, most := range map[string]uint64{"claim-gas": 1000, "claim-full": 1000, "claim-least": 1_000_000} {
		if n := c.Uint64(name); n == 0 || n > most {
			return usagef("--%s must be between 1 and %d", name, most)
		}
	}
	if n := c.Int("claim-batch"); n < 1 || n > 500 {
		return usagef("--claim-batch must be between 1 and 500")
	}
	for _, name := range []string{"claim-age", "claim-interval"} {
		if c.Duration(name) < 0 {
			return usagef("--%s is below zero", name)
		}
	}
	if n := c.Int("depth"); n < -1 || n > 100 {
		return usagef("--depth must be between -1 and 100: nodes keep the state of 128 blocks")
	}
	cfg.Depth = c.Int("depth")
	cfg.Claims = claim.Policy{
		GasPerMille: c.Uint64("claim-gas"), CeilingPerMille: c.Uint64("claim-full"), MaxAge: c.Duration("claim-age"),
		Batch: c.Int("claim-batch"), Interval: c.Duration("claim-interval"), Least: c.Uint64("claim-least"),
	}
	for _, f := range []struct {
		name string
		to   *contracts.Amount
	}{{"gas-price", &cfg.Claims.GasTokenPrice}, {"claim-floor", &cfg.Claims.Floor}, {"reserve-above", &cfg.Claims.ReserveAbove}, {"trust", &cfg.Trust},
		{"stranger-budget", &cfg.Budget}} {
		if !c.IsSet(f.name) {
			continue
		}
		amount, err := tokenFlag(c, f.name, token)
		if err != nil {
			return err
		}
		*f.to = amount
	}
	cfg.NoTrust = c.IsSet("trust") && cfg.Trust.IsZero()
	return nil
}
