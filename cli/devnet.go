package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"byway/contracts"
	"byway/contracts/chain"
	"byway/contracts/devchain"
	"byway/node"
	"byway/node/devnet"
)

func (e env) devnetCommand() *cli.Command {
	return &cli.Command{
		Name:  "devnet",
		Usage: "a chain, contracts and an IPFS meeting point on this machine, for tests",
		Subcommands: []*cli.Command{
			{
				Name:  "up",
				Usage: "start the devnet and stay",
				Description: "Other processes find it with --network devnet, the default. Its chain is as good as anvil's:\n" +
					"the same chain id, the same funded accounts.",
				Flags: []cli.Flag{
					jsonFlag(),
					&cli.BoolFlag{Name: "keep", Usage: "keep the chain in --home, to go on with it next time"},
					&cli.StringFlag{Name: "listen", Value: node.DevnetRPC, Usage: "`ADDRESS:PORT` for JSON-RPC over HTTP and WebSocket"},
					&cli.DurationFlag{Name: "period", Usage: "`TIME` between blocks; without it each transaction gets its block at once"},
					&cli.StringFlag{Name: "write", Usage: "write the network to a `FILE` for --network, for ports or a chain of your own"},
					&cli.StringSliceFlag{Name: "rpc", Usage: "chain endpoint `URL` to use instead of an embedded chain"},
					funderFlag(),
				},
				Action: e.devnetUp,
			},
			{
				Name:      "fund",
				Usage:     "give an account test tokens, and ether for gas",
				ArgsUsage: "[ADDRESS]",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "tokens", Value: "100", Usage: "`NUMBER` of tokens"},
				},
				Action: e.devnetFund,
			},
		},
	}
}

// devnetJSON is byway.devnet/1.
type devnetJSON struct {
	Schema    string   `json:"schema"`
	RPC       []string `json:"rpc"`
	Bootstrap []string `json:"bootstrap"`
	contracts.Deployment
}

func (e env) devnetUp(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	log, err := e.logger(c)
	if err != nil {
		return err
	}
	funder, err := funderKey(c)
	if err != nil {
		return err
	}
	cfg := devnet.Config{
		RPC: c.StringSlice("rpc"), Funder: funder, Listen: c.String("listen"), Period: c.Duration("period"), Log: log,
	}
	if c.Bool("keep") {
		home, err := e.home(c)
		if err != nil {
			return err
		}
		unlock, err := home.Lock()
		if err != nil {
			return err
		}
		defer unlock() //nolint:errcheck // the process ends here
		cfg.Dir = filepath.Join(home.Dir(), "devnet")
	}
	if cfg.HostKey, err = node.DevnetHostKey(); err != nil {
		return err
	}
	cfg.HostListen = node.DevnetListen()
	d, err := devnet.Start(c.Context, cfg)
	if err != nil {
		return err
	}
	defer d.Close()
	if path := c.String("write"); path != "" {
		if err := d.Network.Write(path); err != nil {
			return err
		}
	}
	if c.Bool("json") {
		if err := e.printJSON(devnetJSON{"byway.devnet/1", d.Network.RPC, d.Network.Bootstrap, d.Network.Deployment}); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(e.Out, "Devnet is up (%s). Leave it running.\n\n", formatDuration(d.DeployTime))
		e.rows(e.Out,
			row{"chain", fmt.Sprintf("%s  (id %d)", d.Network.RPC[0], d.Network.ChainID)},
			row{"channels", d.Network.Channels.Hex()},
			row{"registry", d.Network.Registry.Hex()},
			row{"token", d.Network.Token.Hex()},
			row{"meeting point", d.Network.Bootstrap[0]},
		)
		fmt.Fprint(e.Out, "\nIn another terminal:\n"+
			"  byway --home provider account new\n"+
			"  byway --home provider devnet fund\n"+
			"  byway --home provider provider up --price 0.05\n")
	}
	<-c.Context.Done()
	return nil
}

func (e env) devnetFund(c *cli.Context) error {
	network, err := e.network(c)
	if err != nil {
		return err
	}
	if !network.Private {
		return fmt.Errorf("network %q is no devnet: nobody mints tokens there", network.Name)
	}
	to, err := e.fundTarget(c)
	if err != nil {
		return err
	}
	tokens, err := contracts.ParseTokens(c.String("tokens"), 18)
	if err != nil {
		return usageError{err}
	}
	ctx, cancel := context.WithTimeout(c.Context, time.Minute)
	defer cancel()
	if err := fund(ctx, network, to, tokens); err != nil {
		return err
	}
	fmt.Fprintf(e.Out, "%s has %s more test tokens, and gas to use them.\n", to, c.String("tokens"))
	return nil
}

// fundTarget is the address on the command line, else the account of this home.
func (e env) fundTarget(c *cli.Context) (common.Address, error) {
	if arg := c.Args().First(); arg != "" {
		if !common.IsHexAddress(arg) || c.Args().Len() > 1 {
			return common.Address{}, usagef("%q is no address", arg)
		}
		return common.HexToAddress(arg), nil
	}
	home, err := e.home(c)
	if err != nil {
		return common.Address{}, err
	}
	owner, _, err := home.Accounts()
	return owner, err
}

// fund pays from the devnet's well-known first account, with a journal that lives as long as the command.
func fund(ctx context.Context, network node.Network, to common.Address, tokens contracts.Amount) error {
	client, err := chain.Dial(ctx, chain.Config{URLs: network.RPC, ChainID: network.ChainID})
	if err != nil {
		return fmt.Errorf("%w: is the devnet up? Start it with byway devnet up", err)
	}
	defer client.Close()
	dir, err := os.MkdirTemp("", "byway-fund-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	journal, err := chain.OpenJournal(filepath.Join(dir, "fund.db"))
	if err != nil {
		return err
	}
	defer journal.Close()
	sender, err := chain.NewSender(chain.SenderConfig{
		Client: client, Signer: devchain.Account(0), Journal: journal, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	err = devnet.Fund(ctx, sender, network.Token, to, tokens, fmt.Sprint(time.Now().UnixNano()))
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the devnet's chain did not answer within a minute: %w", err)
	}
	return err
}
