package cli

import (
	"fmt"
	"path/filepath"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"byway/node"
)

func (e env) accountCommand() *cli.Command {
	return &cli.Command{
		Name:  "account",
		Usage: "make and look at the account of this home",
		Subcommands: []*cli.Command{
			{
				Name:  "new",
				Usage: "make an account, and the session key that signs its promises",
				Flags: []cli.Flag{
					&cli.BoolFlag{Name: "light", Usage: "a key file that opens at once but is easy to guess at: devnets only"},
				},
				Action: e.accountNew,
			},
			{Name: "list", Usage: "show the addresses of this home", Action: e.accountList},
			{Name: "balance", Usage: "show what the account owns on the chain", Action: e.accountBalance},
		},
	}
}

// accountJSON is byway.account/1.
type accountJSON struct {
	Schema  string         `json:"schema"`
	Home    string         `json:"home"`
	Address common.Address `json:"address"`
	Session common.Address `json:"session_key"`
}

func (e env) accountNew(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	home, err := e.home(c)
	if err != nil {
		return err
	}
	if address, _, err := home.Accounts(); err == nil {
		return fmt.Errorf("%s already holds the account %s: use another --home for another account",
			home.Dir(), address)
	}
	password, err := e.password(c, true)
	if err != nil {
		return err
	}
	if _, err := home.NewAccount(password, node.Strength(c.Bool("light"))); err != nil {
		return err
	}
	if !c.Bool("json") {
		fmt.Fprintln(e.Err, "New account. Only its key file and your password together open it: keep copies of both.")
	}
	return e.showAccount(c, home)
}

func (e env) accountList(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	home, _, _, err := e.account(c)
	if err != nil {
		return err
	}
	return e.showAccount(c, home)
}

func (e env) showAccount(c *cli.Context, home node.Home) error {
	owner, session, err := home.Accounts()
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(accountJSON{"byway.account/1", home.Dir(), owner, session})
	}
	e.rows(e.Out,
		row{"account", owner.Hex()},
		row{"session key", session.Hex()},
		row{"files", filepath.Join(home.Dir(), "keystore")},
	)
	return nil
}

// balanceJSON is byway.balance/1.
type balanceJSON struct {
	Schema   string         `json:"schema"`
	Address  common.Address `json:"address"`
	Token    string         `json:"token"`
	Decimals uint8          `json:"decimals"`
	node.Balance
}

func (e env) accountBalance(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	_, owner, session, err := e.account(c)
	if err != nil {
		return err
	}
	network, err := e.network(c)
	if err != nil {
		return err
	}
	balance, token, err := node.ReadBalance(c.Context, network, owner, session)
	if err != nil {
		return notUp(network, err)
	}
	if c.Bool("json") {
		return e.printJSON(balanceJSON{"byway.balance/1", owner, token.Symbol, token.Decimals, balance})
	}
	e.rows(e.Out,
		row{"account", owner.Hex()},
		row{"in wallet", show(token, balance.Wallet)},
		row{"in vault", show(token, balance.Vault) + " free, beside what is set aside for providers"},
		row{"for gas", showEther(balance.Gas.Int)},
	)
	return nil
}
