package cli

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"byway/node"
	"byway/node/home"
)

func (e env) ledgerCommand() *cli.Command {
	return &cli.Command{
		Name:  "ledger",
		Usage: "check, back up and restore the record of every promise",
		Subcommands: []*cli.Command{
			{
				Name:  "verify",
				Usage: "check every signature, every sum and, against the chain, every settlement",
				Description: "Works on any home, also while a daemon runs on it, and asks for no password. Where the chain cannot\n" +
					"be reached it says so and checks the rest. What is wrong is named by its row, and the exit code is 1.",
				Action: e.ledgerVerify,
			},
			{
				Name:        "backup",
				Usage:       "write a consistent copy to a new file, also while a daemon runs",
				ArgsUsage:   "FILE",
				Description: "A provider that restores a copy has lost what it was promised since: claim first, and copy often.",
				Action:      e.ledgerBackup,
			},
			{
				Name:        "restore",
				Usage:       "put a copy in the place of a ledger that is gone",
				ArgsUsage:   "FILE",
				Description: "It checks the copy first, and never overwrites a ledger that is there.",
				Action:      e.ledgerRestore,
			},
		},
	}
}

// ledgerJSON is byway.ledger/1.
type ledgerJSON struct {
	Schema     string   `json:"schema"`
	Path       string   `json:"path"`
	Exact      bool     `json:"exact"`
	Chain      bool     `json:"chain"` // settlements were compared with the chain
	NoChain    string   `json:"no_chain,omitempty"`
	Channels   int      `json:"channels"`
	Sessions   int      `json:"sessions"`
	Claims     int      `json:"claims"`
	Signatures int      `json:"signatures"`
	Given      string   `json:"given"`
	Taken      string   `json:"taken"`
	Unused     string   `json:"unused"` // of what is given: prepaid, and the next session's
	Problems   []string `json:"problems"`
}

// errNotExact is the verdict on a ledger that does not add up; what is wrong was printed.
var errNotExact = errors.New(
	"the ledger is not exact: keep this folder as it is, and restore a backup into another --home")

func (e env) ledgerVerify(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	home, err := e.ledgerHome(c)
	if err != nil {
		return err
	}
	network, err := e.network(c)
	if err != nil {
		return err
	}
	r, err := node.VerifyLedger(c.Context, home, network)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		out := ledgerJSON{
			"byway.ledger/1", r.Path, r.Exact, r.Chain, r.NoChain, r.Channels, r.Sessions, r.Claims, r.Signatures,
			r.Given.String(), r.Taken.String(), r.Unused.String(), append([]string{}, r.Problems...),
		}
		if err := e.printJSON(out); err != nil {
			return err
		}
	} else {
		e.ledgerReport(r)
	}
	if !r.Exact {
		return errNotExact
	}
	return nil
}

func (e env) ledgerReport(r node.LedgerReport) {
	for _, problem := range r.Problems {
		fmt.Fprintln(e.Out, "✗", safe(problem))
	}
	compared := "settlements compared with the chain"
	if !r.Chain {
		compared = "settlements not compared: " + safe(r.NoChain)
	}
	verdict := "exact"
	if !r.Exact {
		verdict = plural(len(r.Problems), "problem")
	}
	e.rows(e.Out,
		row{"ledger", r.Path},
		row{"checked", fmt.Sprintf("%s, %s, %s, %s", plural(r.Channels, "channel"), plural(r.Sessions, "session"),
			plural(r.Claims, "claim"), plural(r.Signatures, "signature"))},
		row{"promised", fmt.Sprintf("given %s, of which %s are not used yet, taken %s base units", r.Given, r.Unused, r.Taken)},
		row{"chain", compared},
		row{"verdict", verdict},
	)
}

var errNoFolder = errors.New("no such folder")

// ledgerHome opens a folder that is there already.
func (e env) ledgerHome(c *cli.Context) (home.Home, error) {
	return e.lookHome(c, errNoFolder)
}

// fileJSON is byway.ledger/1 of a backup or a restoration.
type fileJSON struct {
	Schema string `json:"schema"`
	Done   string `json:"done"`
	File   string `json:"file"`
}

func (e env) ledgerBackup(c *cli.Context) error {
	file, err := oneArg(c, "FILE")
	if err != nil {
		return err
	}
	home, err := e.ledgerHome(c)
	if err != nil {
		return err
	}
	if err := node.BackupLedger(c.Context, home, file); err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(fileJSON{"byway.ledger/1", "backup", file})
	}
	fmt.Fprintf(e.Out, "The ledger of %s is copied to %s.\n", home.Dir(), file)
	return nil
}

func (e env) ledgerRestore(c *cli.Context) error {
	file, err := oneArg(c, "FILE")
	if err != nil {
		return err
	}
	home, err := e.home(c)
	if err != nil {
		return err
	}
	if err := node.RestoreLedger(c.Context, home, file); err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(fileJSON{"byway.ledger/1", "restore", file})
	}
	fmt.Fprintf(e.Out, "%s is in place. A consumer's providers will tell it what it promised since.\n",
		filepath.Join(home.Dir(), "ledger.db"))
	return nil
}
