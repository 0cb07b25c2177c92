package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/schollz/progressbar/v3"
	"github.com/urfave/cli/v2"

	"byway/contracts"
	"byway/contracts/text"
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

func funderFlag() cli.Flag {
	return &cli.StringFlag{Name: "funder-key", EnvVars: []string{"BYWAY_FUNDER_KEY"},
		Usage: "`KEY` that has gas on the chain of --rpc: hexadecimal, or a file that holds it; test chains only"}
}

// funderKey reads --funder-key; nil where it is not given.
func funderKey(c *cli.Context) (*contracts.Key, error) {
	value := c.String("funder-key")
	if value == "" {
		return nil, nil
	}
	text := value
	if f, err := os.Open(value); err == nil {
		defer f.Close()
		b, err := io.ReadAll(io.LimitReader(f, 256))
		if err != nil {
			return nil, fmt.Errorf("funder key: %w", err)
		}
		text = string(b)
	}
	private, err := crypto.HexToECDSA(strings.TrimPrefix(strings.TrimSpace(text), "0x"))
	if err != nil {
		// The error of the parser could show a part of the key.
		return nil, usagef("--funder-key is neither a file nor a private key of 64 hexadecimal digits")
	}
	key := contracts.NewKey(private)
	return &key, nil
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

// ownChain reads --rpc and --funder-key, which go together: the chain to use in place of an embedded one, if any.
func ownChain(c *cli.Context) (rpc []string, key *contracts.Key, err error) {
	if key, err = funderKey(c); err != nil {
		return nil, nil, err
	}
	switch rpc = c.StringSlice("rpc"); {
	case len(rpc) > 0 && key == nil:
		return nil, nil, usagef("--rpc (or BYWAY_RPC) needs --funder-key: a key that has gas on that chain")
	case len(rpc) == 0 && key != nil:
		return nil, nil, usagef("--funder-key goes with --rpc: the embedded chain has funded keys of its own")
	}
	return rpc, key, nil
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

// steps shows how far a long command has come: a line for each step on stderr, and a bar on a terminal.
type steps struct {
	env
	shown bool
	name  string
	since time.Time
	bar   *progressbar.ProgressBar
}

func (e env) newSteps(shown bool) *steps { return &steps{env: e, shown: shown} }

func (s *steps) begin(name string) {
	s.end(true)
	s.name, s.since = name, time.Now()
	if s.shown && s.Terminal {
		fmt.Fprintf(s.Err, "  · %s …", name)
	}
}

// end finishes the step's line.
func (s *steps) end(ok bool) {
	if s.name == "" || !s.shown {
		return
	}
	mark := "✓"
	if !ok {
		mark = "✗"
	}
	if s.bar != nil {
		s.bar.Clear() //nolint:errcheck // a bar that can't be cleared is no failure
		s.bar = nil
	}
	if s.Terminal {
		fmt.Fprint(text.Behind(s.Err), "\r\x1b[K")
	}
	fmt.Fprintf(s.Err, "  %s %-20s %8s\n", mark, s.name, formatDuration(time.Since(s.since)))
	s.name = ""
}

func (s *steps) progress(got, total uint64) {
	if !s.shown || !s.Terminal {
		return
	}
	if s.bar == nil {
		fmt.Fprint(text.Behind(s.Err), "\r\x1b[K")
		s.bar = progressbar.NewOptions64(int64(total),
			progressbar.OptionSetWriter(text.Behind(s.Err)), progressbar.OptionSetDescription("  · "+s.name),
			progressbar.OptionShowBytes(true), progressbar.OptionSetWidth(30), progressbar.OptionThrottle(65*time.Millisecond),
			progressbar.OptionSetTheme(progressbar.Theme{Saucer: "█", SaucerPadding: "░", BarStart: "", BarEnd: ""}))
	}
	s.bar.Set64(int64(got)) //nolint:errcheck // a bar that can't be drawn is no failure
}
