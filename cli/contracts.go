package cli

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"byway/contracts"
	"byway/contracts/chain"
	"byway/contracts/deploy"
	"byway/node/token"
)

func (e env) contractsCommand() *cli.Command {
	return &cli.Command{
		Name:  "contracts",
		Usage: "put the market's contracts onto a chain",
		Subcommands: []*cli.Command{{
			Name:  "deploy",
			Usage: "deploy the contracts that the chain of --rpc lacks, and check those that it has",
			Description: "The same parameters give the same addresses on every chain, whoever deploys; deploying again sends\n" +
				"nothing. Nobody owns the contracts afterwards.\n\n" +
				"    byway contracts deploy --rpc https://… --funder-key key.hex --token 0x…\n" +
				"    byway contracts deploy --rpc http://127.0.0.1:8545 --funder-key key.hex --dev-token",
			Flags: []cli.Flag{
				funderFlag(),
				&cli.StringFlag{Name: "token", Usage: "`ADDRESS` of the ERC-20 token that the market pays in"},
				&cli.StringFlag{Name: "stake-token", Usage: "`ADDRESS` of the token that providers stake (default: --token)"},
				&cli.BoolFlag{Name: "dev-token", Usage: "deploy a token that anybody can mint and use it; test chains only"},
				&cli.DurationFlag{Name: "exit-delay", Value: 24 * time.Hour,
					Usage: "`TIME` that a payer waits for what it has reserved and its provider does not release"},
				&cli.DurationFlag{Name: "unbond-delay", Value: 7 * 24 * time.Hour,
					Usage: "`TIME` that a provider which has left waits for its stake"},
				&cli.StringFlag{Name: "min-stake", Value: "0", Usage: "`TOKENS` of the stake token that a provider must stake at least: " +
					"without it registering any number of digests of nothing costs gas alone"},
			},
			Action: e.deployContracts,
		}},
	}
}

// deploymentJSON is byway.deployment/1.
type deploymentJSON struct {
	Schema      string         `json:"schema"`
	ChainID     uint64         `json:"chain_id"`
	Channels    common.Address `json:"channels"`
	Registry    common.Address `json:"registry"`
	Token       common.Address `json:"token"`
	StakeToken  common.Address `json:"stake_token"`
	ExitDelay   uint64         `json:"exit_delay_seconds"`
	UnbondDelay uint64         `json:"unbond_delay_seconds"`
	// MinStake is in base units of the stake token.
	MinStake contracts.Amount `json:"min_stake"`
	Sent     uint64           `json:"transactions"`

	leastStake string // for people
}

func (e env) deployContracts(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	out, err := e.runDeploy(c)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(out)
	}
	e.rows(e.Out,
		row{"chain", fmt.Sprint(out.ChainID)},
		row{"channels", out.Channels.Hex()},
		row{"registry", out.Registry.Hex()},
		row{"token", out.Token.Hex()},
		row{"stakes in", out.StakeToken.Hex()},
		row{"exit delay", (time.Duration(out.ExitDelay) * time.Second).String()},
		row{"unbonding", (time.Duration(out.UnbondDelay) * time.Second).String()},
		row{"least stake", out.leastStake},
		row{"sent", fmt.Sprintf("%d transactions; the code on the chain is this version's", out.Sent)},
	)
	return nil
}

// deployConfig reads the flags that say what to deploy.
func deployConfig(c *cli.Context) (cfg deploy.Config, err error) {
	address := func(name string) (a common.Address) {
		text := c.String(name)
		if text != "" && !common.IsHexAddress(text) {
			err = errors.Join(err, usagef("--%s %q is no address: 0x and 40 hexadecimal digits", name, text))
		}
		return common.HexToAddress(text)
	}
	cfg = deploy.Config{
		Token: address("token"), StakeToken: address("stake-token"), DevToken: c.Bool("dev-token"),
		ExitDelay: c.Duration("exit-delay"), UnbondDelay: c.Duration("unbond-delay"),
	}
	switch {
	case err != nil:
	case c.IsSet("token") == cfg.DevToken:
		err = usagef("say what the market pays in: either --token ADDRESS or, on a test chain, --dev-token")
	case cfg.ExitDelay%time.Second != 0 || cfg.UnbondDelay%time.Second != 0:
		err = usagef("--exit-delay and --unbond-delay are whole seconds")
	default:
		err = checkNumbers(c, "min-stake")
	}
	return cfg, err
}

func (e env) runDeploy(c *cli.Context) (out deploymentJSON, err error) {
	ctx := c.Context
	cfg, err := deployConfig(c)
	if err != nil {
		return out, err
	}
	if cfg.Log, err = e.logger(c); err != nil {
		return out, err
	}
	rpc, key, err := ownChain(c)
	if err != nil {
		return out, err
	}
	if key == nil {
		return out, usagef("contracts deploy needs --rpc URL and --funder-key KEY: the chain, and a key that has gas there")
	}
	client, err := chain.Dial(ctx, chain.Config{URLs: rpc, Log: cfg.Log})
	if err != nil {
		return out, err
	}
	defer client.Close()
	// What was sent need not be remembered: a contract that is there already is not sent again.
	folder, err := os.MkdirTemp("", "byway-deploy-")
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	journal, err := chain.OpenJournal(filepath.Join(folder, "journal.db"))
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, journal.Close()) }()
	sender, err := chain.NewSender(chain.SenderConfig{Client: client, Signer: *key, Journal: journal, Log: cfg.Log})
	if err != nil {
		return out, err
	}
	leastStake := "none"
	if strings.Trim(c.String("min-stake"), "0.") != "" {
		unit := devToken
		if at := cmp.Or(cfg.StakeToken, cfg.Token); at != (common.Address{}) {
			if unit, err = token.At(ctx, client.Agreed().OrAlone(), at); err != nil {
				return out, err
			}
		}
		if cfg.MinStake, err = tokenFlag(c, "min-stake", unit); err != nil {
			return out, err
		}
		leastStake = show(unit, cfg.MinStake)
	}
	cfg.Backend, cfg.Sender = client.Agreed().OrAlone(), sender
	before, err := client.PendingNonceAt(ctx, sender.Address())
	if err != nil {
		return out, fmt.Errorf("read the nonce of %s: %w", sender.Address(), err)
	}
	d, err := deploy.Contracts(ctx, cfg)
	if err != nil {
		return out, err
	}
	after, err := client.PendingNonceAt(ctx, sender.Address())
	if err != nil {
		return out, fmt.Errorf("read the nonce of %s: %w", sender.Address(), err)
	}
	given, err := deploy.Inspect(ctx, client, d)
	if err != nil {
		return out, err
	}
	return deploymentJSON{
		Schema: "byway.deployment/1", ChainID: d.ChainID, Channels: d.Channels, Registry: d.Registry, Token: d.Token,
		StakeToken: given.StakeToken, ExitDelay: uint64(given.ExitDelay / time.Second),
		UnbondDelay: uint64(given.UnbondDelay / time.Second), MinStake: given.MinStake, Sent: after - before,
		leastStake: leastStake,
	}, nil
}

// devToken is the development token, which need not be deployed yet.
var devToken = token.Token{Symbol: "BYW", Decimals: 18}
