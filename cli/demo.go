//go:build !nodevnet

package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"byway/contracts"
	"byway/node/devnet"
	"byway/node/token"
)

func (e env) demoCommand() *cli.Command {
	return &cli.Command{
		Name:  "demo",
		Usage: "run a whole market on this machine: the first paid 64 MiB, in seconds",
		Description: "Starts a chain, deploys the contracts, starts two providers and a consumer with an IPFS node each,\n" +
			"downloads 64 MiB through the cheaper provider over WireGuard, pays for it and claims the payment on chain.\n" +
			"It needs no root and, without --keep, leaves nothing behind.\n\n" +
			"With --rpc it uses a chain that runs already; --funder-key then names a key that has gas there.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "keep", Usage: "keep the nodes' folders and the chain in `FOLDER`, for byway ledger verify"},
			funderFlag(),
		},
		Action: e.demo,
	}
}

// demoJSON is byway.demo/1.
type demoJSON struct {
	Schema   string       `json:"schema"`
	OK       bool         `json:"ok"`
	Step     string       `json:"step,omitempty"` // the one that failed
	Error    string       `json:"error,omitempty"`
	Download demoDownload `json:"download"`
	Session  demoSession  `json:"session"`
	Money    demoMoney    `json:"money"`
	Timings  demoTimings  `json:"timings_ms"`
}

type demoDownload struct {
	Bytes    uint64  `json:"bytes"`
	SHA256OK bool    `json:"sha256_ok"`
	Seconds  float64 `json:"seconds"`
}

type demoSession struct {
	SetupMS  float64 `json:"setup_ms"`
	Rx       uint64  `json:"rx_bytes"`
	Tx       uint64  `json:"tx_bytes"`
	Promises int     `json:"promises"`
}

type demoMoney struct {
	PricePerGiB contracts.Amount `json:"price_per_gib"`
	Promised    contracts.Amount `json:"promised"`
	Ledger      contracts.Amount `json:"ledger"`
	Claimed     contracts.Amount `json:"claimed_on_chain"`
	Delta       contracts.Amount `json:"provider_balance_delta"`
}

type demoTimings struct {
	Chain     float64 `json:"chain"`
	List      float64 `json:"list"`
	Connect   float64 `json:"connect"`
	FirstByte float64 `json:"first_byte"`
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func newDemoJSON(r devnet.DemoResult, err error) demoJSON {
	out := demoJSON{
		Schema: "byway.demo/1", OK: err == nil,
		Download: demoDownload{r.Bytes, r.SHA256OK, r.Download.Seconds()},
		Session:  demoSession{milliseconds(r.Session.Setup), r.Session.Rx, r.Session.Tx, r.Session.Promises},
		Money:    demoMoney{r.Session.Price, r.Promised, r.Ledger, r.Claimed, r.Delta},
		Timings: demoTimings{
			milliseconds(r.ChainTime), milliseconds(r.ListTime), milliseconds(r.Session.Setup), milliseconds(r.FirstByte),
		},
	}
	var step *devnet.StepError
	if errors.As(err, &step) {
		out.Step = step.Step
	}
	if err != nil {
		out.Error = err.Error()
	}
	return out
}

func (e env) demo(c *cli.Context) error {
	result, err := e.runDemo(c)
	if c.Bool("json") {
		if printErr := e.printJSON(newDemoJSON(result, err)); printErr != nil {
			return printErr
		}
		return err
	}
	if err != nil {
		return err
	}
	if err := e.demoReceipt(result); err != nil || c.String("keep") == "" {
		return err
	}
	fmt.Fprintf(e.Out, "Kept in %[1]s. Its chain runs again with byway --home %[1]s devnet up --keep, and then\n"+
		"byway --home %[1]s/consumer ledger verify checks every figure.\n", c.String("keep"))
	return nil
}

func (e env) runDemo(c *cli.Context) (result devnet.DemoResult, err error) {
	if err := noArgs(c); err != nil {
		return result, err
	}
	log, err := e.logger(c)
	if err != nil {
		return result, err
	}
	rpc, key, err := ownChain(c)
	if err != nil {
		return result, err
	}
	cfg := devnet.Config{RPC: rpc, Funder: key, Log: log}
	if keep := c.String("keep"); keep != "" {
		// The very places where devnet up --keep finds the chain again, and --home the nodes.
		cfg.Dir, cfg.Homes = filepath.Join(keep, "devnet"), keep
		if _, err := os.Stat(cfg.Dir); err == nil {
			return result, usagef("--keep %s: a demo or a devnet is kept there already, choose another folder", keep)
		}
	}
	steps := e.newSteps(!c.Bool("json"))
	result, err = devnet.RunDemo(c.Context, cfg,
		devnet.Observer{Step: steps.begin, Progress: steps.progress})
	steps.end(err == nil)
	return result, err
}

// demoReceipt prints the receipt: who, how much, what it cost, and that every figure agrees.
func (e env) demoReceipt(r devnet.DemoResult) error {
	perMB, err := token.PerMB(r.Session.Price)
	if err != nil {
		return err
	}
	perGB, err := token.PerGB(r.Session.Price)
	if err != nil {
		return err
	}
	format := func(a contracts.Amount) string { return show(r.Token, a) }
	billed := r.Session.Rx + r.Session.Tx
	wallet := func(p devnet.Party) string { return format(p.Before) + "  →  " + format(p.After) }
	fmt.Fprintln(e.Out, "\nReceipt")
	rows := []row{
		{"provider", r.Provider.Address.Hex()},
		{"consumer", r.Consumer.Address.Hex()},
		{"session", fmt.Sprintf("%s, up in %s", formatDuration(r.Session.Duration), formatDuration(r.Session.Setup))},
		{"download", fmt.Sprintf("%s in %s, %s, SHA-256 matches", formatBytes(r.Bytes), formatDuration(r.Download),
			formatRate(r.Bytes, r.Download))},
		{"traffic", fmt.Sprintf("%d bytes in, %d bytes out, as billed", r.Session.Rx, r.Session.Tx)},
		{"price", fmt.Sprintf("%s per MB (%s per GB)", format(perMB), format(perGB))},
		{"promises", fmt.Sprintf("%d sent", r.Session.Promises)},
		{"claimed", fmt.Sprintf("on chain %d in one transaction, %d gas", r.Network.ChainID, r.ClaimGas)},
		{"deposit", fmt.Sprintf("%s, %d gas; what is left stays the consumer's", format(r.Deposit), r.FundGas)},
		{},
		{"provider had", wallet(r.Provider)},
		{"consumer had", wallet(r.Consumer)},
		{},
		{"bytes × price", fmt.Sprintf("%s  (%d × %s ÷ 2^30, rounded up once)", r.Price, billed, r.Session.Price)},
		{"= promised", r.Promised.String()},
		{"= ledger", r.Ledger.String()},
		{"= on chain", r.Claimed.String()},
		{"= in wallet", r.Delta.String() + "  exact, in base units"},
	}
	e.rows(e.Out, rows...)
	fmt.Fprintf(e.Out, "\nok: the first paid %s, %s after the start. Next: byway devnet up\n",
		formatBytes(r.Bytes), formatDuration(r.Total))
	return nil
}
