package cli

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"byway/contracts"
	"byway/contracts/text"
	"byway/node"
	"byway/node/api"
	"byway/node/api/spec"
	"byway/node/token"
	"byway/payments/claim"
	"byway/payments/ledger"
)

func (e env) earningsCommand() *cli.Command {
	return &cli.Command{
		Name:  "earnings",
		Usage: "show what a provider was promised and where that money is now",
		Description: "unsettled + claiming + settled is all that was ever promised. The numbers are the ledger's, the\n" +
			"same as in byway status and in the metrics; it asks the daemon where one runs.\n" +
			"--by day adds up each day (UTC), from the ledger alone: a promise counts on the day on which it arrived, a session on\n" +
			"that of its end, a claim when it was mined; what a reorganisation took back stands on its own day. A past day never\n" +
			"changes. What was promised before a day of its own was kept, or was learned after a restore, is told as carried.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "by", Usage: "one row for each `PERIOD`: day"},
			&cli.StringFlag{Name: "from", Usage: "with --by: the first `DAY`, as 2026-01-31"},
			&cli.StringFlag{Name: "to", Usage: "with --by: the last `DAY`"},
			&cli.BoolFlag{Name: "spent", Usage: "with --by: what this home has promised as a consumer"},
			&cli.BoolFlag{Name: "csv", Usage: "with --by: answer with CSV (RFC 4180), amounts in tokens and exact"},
		},
		Action: e.earnings,
	}
}

// dayFlag reads a day; the zero time where the flag is not given.
func dayFlag(c *cli.Context, name string) (time.Time, error) {
	if !c.IsSet(name) {
		return time.Time{}, nil
	}
	day, err := time.Parse(time.DateOnly, c.String(name))
	if err != nil || day.Year() < 1970 {
		return time.Time{}, usagef("--%s must be a day from 1970 on, as 2026-01-31", name)
	}
	return day, nil
}

func (e env) earningsByDay(c *cli.Context) error {
	if by := c.String("by"); by != "day" {
		return usagef("--by must be day")
	}
	if c.Bool("csv") && c.Bool("json") {
		return usagef("--csv and --json can't be given together")
	}
	from, err := dayFlag(c, "from")
	if err != nil {
		return err
	}
	to, err := dayFlag(c, "to")
	if err != nil {
		return err
	}
	if !to.IsZero() && to.Before(from) {
		return usagef("--to is before --from")
	}
	side := spec.SideEarned
	if c.Bool("spent") {
		side = spec.SideSpent
	}
	out, err := e.readDays(c, side, from, to)
	if err != nil {
		return err
	}
	switch {
	case c.Bool("json"):
		return e.printJSON(out)
	case c.Bool("csv"):
		return daysCSV(out, text.Behind(e.Out)) // whose line ends stay; the one text of a stranger is escaped by cell
	case len(out.Days) == 0:
		fmt.Fprintln(e.Out, "No day on which anything was", string(out.Side)+".")
		return nil
	}
	var sum contracts.Amount
	rows := []row{}
	for _, d := range out.Days {
		sum = sum.AddCap(d.Amount)
		said := fmt.Sprintf("%s, %s ended, %s in, %s out", show(out.Token, d.Amount), plural(d.Sessions, "session"), formatBytes(d.RxBytes),
			formatBytes(d.TxBytes))
		if !d.Carried.IsZero() {
			said += fmt.Sprintf("; %s of it carried", show(out.Token, d.Carried))
		}
		if d.Claims > 0 {
			said += fmt.Sprintf("; claimed %s in %s", show(out.Token, d.Claimed), plural(d.Claims, "claim"))
		}
		if d.UndoneClaims > 0 {
			said += fmt.Sprintf("; %s of %s undone by the chain", show(out.Token, d.Undone), plural(d.UndoneClaims, "claim"))
		}
		rows = append(rows, row{d.Date, said})
	}
	e.rows(e.Out, append(rows, row{"all " + string(out.Side), show(out.Token, sum)})...)
	return nil
}

// readDays asks the daemon or, where none runs, the ledger.
func (e env) readDays(c *cli.Context, side spec.Side, from, to time.Time) (out spec.Days, err error) {
	d, err := e.daemon(c)
	if err == nil {
		r, err := d.GetDaysWithResponse(c.Context, &spec.GetDaysParams{Side: side, From: c.String("from"), To: c.String("to")})
		if err != nil {
			return out, err
		}
		return *r.JSON200, nil
	}
	if !errors.Is(err, api.ErrNotRunning) {
		return out, err
	}
	out = spec.Days{Schema: "byway.days/1", Side: side, Days: []spec.Day{}}
	err = e.viewLedger(c, func(ctx context.Context, l *ledger.Ledger, t token.Token, of common.Address) (err error) {
		out, err = node.NewDays(ctx, l, side, from, to, t, of)
		return err
	})
	return out, err
}

// daysCSV writes the days as RFC 4180 has it: a header, lines that end in CRLF, amounts in tokens to the last digit.
func daysCSV(j spec.Days, to io.Writer) error {
	w := csv.NewWriter(to)
	w.UseCRLF = true
	tokens := func(a contracts.Amount) string { return a.Tokens(j.Token.Decimals) }
	list := [][]string{{
		"date", "side", "token", "sessions", "promises", "rx_bytes", "tx_bytes", "amount", "carried", "claims", "claimed",
		"undone_claims", "undone", "gas_spent_wei",
	}}
	for _, d := range j.Days {
		gas := new(big.Int)
		if d.GasSpentWei != nil {
			gas = orZero(d.GasSpentWei.Int)
		}
		list = append(list, []string{
			d.Date, string(j.Side), cell(j.Token.Symbol), strconv.Itoa(d.Sessions), strconv.Itoa(d.Promises), strconv.FormatUint(d.RxBytes, 10),
			strconv.FormatUint(d.TxBytes, 10), tokens(d.Amount), tokens(d.Carried), strconv.Itoa(d.Claims), tokens(d.Claimed),
			strconv.Itoa(d.UndoneClaims), tokens(d.Undone), gas.String(),
		})
	}
	if err := w.WriteAll(list); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}

// cell is a stranger's text as a cell of a table that a spreadsheet may open: one that begins like a formula is none.
func cell(s string) string {
	s = safe(s)
	if strings.ContainsAny(s[:min(1, len(s))], "=+-@\t\r") {
		return "'" + s
	}
	return s
}

func (e env) earnings(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	if c.IsSet("by") {
		return e.earningsByDay(c)
	}
	for _, name := range []string{"from", "to", "spent", "csv"} {
		if c.IsSet(name) {
			return usagef("--%s goes with --by day", name)
		}
	}
	r, err := e.readEarnings(c)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(r)
	}
	wallet, gas := "unavailable: "+safe(r.Unavailable), "unavailable"
	if r.Wallet != nil && r.GasWei.Int != nil {
		wallet, gas = show(r.Token, *r.Wallet), showEther(r.GasWei.Int)
	}
	e.rows(e.Out,
		row{"promised", show(r.Token, r.Promised)},
		row{"unsettled", show(r.Token, r.Unsettled)},
		row{"claiming", show(r.Token, r.Claiming)},
		row{"settled", fmt.Sprintf("%s in %s", show(r.Token, r.Settled), plural(r.Claims, "claim"))},
		row{"in wallet", wallet},
		row{"gas spent", showEther(orZero(r.GasSpentWei.Int)) + ", left " + gas},
	)
	e.leftRows(r.Token, r.Left)
	return nil
}

// leftRows tells what is owed and is not claimed.
func (e env) leftRows(token token.Token, list []spec.Left) {
	for _, l := range list {
		amount := show(token, l.Amount)
		if l.Amount.IsZero() {
			amount = "an amount that is not known"
		}
		fmt.Fprintf(e.Out, "  not claimed: %s on %s: %s\n", amount, plural(l.Channels, "channel"), safe(hintedLeft(l.Why, claim.Lacks(l.Lacks))))
	}
}

func (e env) readEarnings(c *cli.Context) (r spec.EarningsReport, err error) {
	d, err := e.daemon(c)
	if err == nil {
		r, err := d.GetEarningsWithResponse(c.Context)
		if err != nil {
			return spec.EarningsReport{}, err
		}
		return *r.JSON200, nil
	}
	if !errors.Is(err, api.ErrNotRunning) {
		return r, err
	}
	w, err := e.openWallet(c, false)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	return node.NewEarnings(w.EarningsReport(c.Context))
}

// claimFlags are the thresholds of a provider's claims and trust.
func claimFlags() []cli.Flag {
	return []cli.Flag{
		&cli.Uint64Flag{Name: "claim-gas", Value: 20, Usage: "claim when its gas costs at most so many " +
			"`THOUSANDTHS` of what it brings; needs --gas-price"},
		&cli.StringFlag{Name: "gas-price", Usage: "what one whole coin of the chain (10^18 wei) is worth, in `TOKENS`"},
		&cli.Uint64Flag{Name: "claim-least", Value: 2, Usage: "an automatic claim brings at least so many `TIMES` its gas; " +
			"less is left as dust, see byway earnings; needs --gas-price"},
		&cli.BoolFlag{Name: "to-vault", Usage: "claim into this account's own vault, from which its sessions are paid"},
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
func claimPolicy(c *cli.Context, token token.Token, cfg *node.Sale) error {
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
	cfg.Depth, cfg.ToVault = c.Int("depth"), c.Bool("to-vault")
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
