package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"byway/contracts"
	"byway/node/api"
	"byway/node/token"
	"byway/node/vault"
)

func (e env) vaultCommand() *cli.Command {
	return &cli.Command{
		Name:  "vault",
		Usage: "the deposit that this account's sessions are paid from",
		Subcommands: []*cli.Command{
			{
				Name:      "deposit",
				Usage:     "move tokens from the account into its vault",
				ArgsUsage: "AMOUNT",
				Description: "What is in the vault is the most that the session key of this home can ever spend. It pays whichever\n" +
					"provider a session is opened with, and what is not promised can be taken out again.",
				Flags:  []cli.Flag{unsignedFlag()},
				Action: e.vaultDeposit,
			},
			{
				Name:      "withdraw",
				Usage:     "take out what is set aside for nobody",
				ArgsUsage: "[AMOUNT | all]",
				Description: "Nobody's consent is needed. What is set aside for a provider comes back first with byway channel\n" +
					"exit, or at once with byway channel close where the provider answers.",
				Flags: []cli.Flag{
					receiverFlag(), unsignedFlag(),
				},
				Action: e.vaultWithdraw,
			},
			{Name: "show", Usage: "show what the vault holds", Action: e.vaultShow},
		},
	}
}

func receiverFlag() cli.Flag {
	return &cli.StringFlag{Name: "to", Usage: "`ADDRESS` that receives it (default: the account)"}
}

// receiver reads --to; zero is the account.
func receiver(c *cli.Context) (to common.Address, err error) {
	if c.IsSet("to") {
		to, err = parseAddress("--to", c.String("to"))
	}
	return to, err
}

func unsignedFlag() cli.Flag {
	return &cli.BoolFlag{Name: "unsigned", Usage: "print the transaction as JSON instead of " +
		"sending it, to be signed elsewhere and sent with byway tx submit; asks for no password"}
}

// vaultJSON is byway.vault/1: what was done, if anything, and how the vault stands now.
type vaultJSON struct {
	Schema string         `json:"schema"`
	Sent   *vault.Receipt `json:"sent,omitempty"`
	vault.Status
}

// unsignedJSON is byway.unsigned/1.
type unsignedJSON struct {
	Schema       string             `json:"schema"`
	Transactions []vault.UnsignedTx `json:"transactions"`
}

// openWallet opens the money of this home: with the account's key, or with --unsigned, or for looking, without.
func (e env) openWallet(c *cli.Context, signs bool) (*vault.Wallet, error) {
	home, owner, session, err := e.account(c)
	if err != nil {
		return nil, err
	}
	cfg := vault.Config{Home: home, Owner: owner, Session: session}
	if cfg.Log, err = e.logger(c); err != nil {
		return nil, err
	}
	if cfg.Network, err = e.network(c); err != nil {
		return nil, err
	}
	if signs && !c.Bool("unsigned") {
		password, err := e.password(c, false)
		if err != nil {
			return nil, err
		}
		if cfg.Key, _, err = home.Unlock(password); err != nil {
			return nil, err
		}
	}
	w, err := vault.Open(c.Context, cfg)
	if err != nil {
		return nil, notUp(cfg.Network, err)
	}
	return w, nil
}

// act opens the wallet, does one thing, and shows what was sent, or with --unsigned what is to be signed. next says
// what a person should know then.
func (e env) act(c *cli.Context, do func(*vault.Wallet) (vault.Receipt, error), next func(*vault.Wallet, vault.Receipt) error,
) (err error) {
	w, err := e.openWallet(c, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	sent, err := do(w)
	if err != nil {
		return err
	}
	if c.Bool("unsigned") {
		list, err := w.Unsigned(c.Context)
		if err != nil {
			return err
		}
		return e.printUnsigned(list, w.Owner())
	}
	return next(w, sent)
}

// printUnsigned gives out what the account's key is to sign.
func (e env) printUnsigned(list []vault.UnsignedTx, owner common.Address) error {
	fmt.Fprintf(e.Err, "%s to sign, in this order, with the key of %s; then: byway tx submit SIGNED\n",
		plural(len(list), "transaction"), owner)
	return e.printJSON(unsignedJSON{"byway.unsigned/1", list})
}

// sentRows prints a transaction's effect and its cost.
func sentRows(token token.Token, s vault.Receipt) []row {
	return []row{
		{"amount", show(token, s.Amount)},
		{"gas", fmt.Sprintf("%d, %s", s.Gas, showEther(orZero(s.Fee.Int)))},
		{"block", fmt.Sprintf("%d, %s", s.Block, s.TxHash)},
	}
}

func orZero(b *big.Int) *big.Int {
	if b == nil {
		return new(big.Int)
	}
	return b
}

// oneArg returns the one word behind a command; none or several are a usage error.
func oneArg(c *cli.Context, what string) (string, error) {
	if c.Args().Len() != 1 {
		return "", usagef("%s takes one %s: see %[1]s --help", c.Command.HelpName, what)
	}
	return c.Args().First(), nil
}

// oneAddress reads the one argument of a command that takes an address.
func oneAddress(c *cli.Context, what string) (common.Address, error) {
	text, err := oneArg(c, what)
	if err != nil {
		return common.Address{}, err
	}
	return parseAddress(what, text)
}

func parseAddress(what, text string) (common.Address, error) {
	if !common.IsHexAddress(text) {
		return common.Address{}, usagef("%s %q is no address: 40 hexadecimal digits after 0x", what, text)
	}
	return common.HexToAddress(text), nil
}

func parseTokens(token token.Token, text string) (contracts.Amount, error) {
	amount, err := token.Parse(text)
	if err != nil {
		return amount, usagef("AMOUNT %q: %w", text, err)
	}
	if amount.IsZero() {
		return amount, usagef("AMOUNT must be above zero")
	}
	return amount, nil
}

func (e env) vaultDeposit(c *cli.Context) error {
	text, err := oneArg(c, "AMOUNT of tokens")
	if err != nil {
		return err
	}
	return e.act(c, func(w *vault.Wallet) (vault.Receipt, error) {
		amount, err := parseTokens(w.Token, text)
		if err != nil {
			return vault.Receipt{}, err
		}
		return w.Deposit(c.Context, amount)
	}, func(w *vault.Wallet, sent vault.Receipt) error { return e.vaultAfter(c, w, sent, "Deposited.") })
}

func (e env) vaultWithdraw(c *cli.Context) error {
	text := c.Args().First()
	if c.Args().Len() > 1 {
		return usagef("byway vault withdraw takes one AMOUNT, or all")
	}
	to, err := receiver(c)
	if err != nil {
		return err
	}
	return e.act(c, func(w *vault.Wallet) (vault.Receipt, error) {
		if text == "" || text == "all" {
			return w.Withdraw(c.Context, nil, to)
		}
		amount, err := parseTokens(w.Token, text)
		if err != nil {
			return vault.Receipt{}, err
		}
		return w.Withdraw(c.Context, &amount, to)
	}, func(w *vault.Wallet, sent vault.Receipt) error { return e.vaultAfter(c, w, sent, "Withdrawn.") })
}

// vaultAfter shows a transaction and the vault after it.
func (e env) vaultAfter(c *cli.Context, w *vault.Wallet, sent vault.Receipt, said string) error {
	v, err := w.Vault(c.Context, nil)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(vaultJSON{"byway.vault/1", &sent, v})
	}
	fmt.Fprintln(e.Out, said)
	e.rows(e.Out, append(sentRows(v.Token, sent), row{})...)
	e.vaultRows(v)
	return nil
}

func (e env) vaultRows(v vault.Status) {
	e.rows(e.Out,
		row{"in wallet", showKnown(v.Token, v.Wallet)},
		row{"in vault", showKnown(v.Token, v.Free) + " free"},
		row{"", fmt.Sprintf("%s set aside on %s", showKnown(v.Token, v.Reserved), plural(reservedOn(v), "channel"))},
	)
	if v.Unavailable == "" {
		return
	}
	asOf := "This home knows nothing of the vault."
	if v.Block != 0 {
		asOf = fmt.Sprintf("This is what was known as of block %d, of %s.", v.Block, v.Time.Local().Format("2006-01-02 15:04:05"))
	}
	fmt.Fprintf(e.Out, "%s The chain can't be read: %s\n", asOf, safe(strings.ReplaceAll(v.Unavailable, "\n", "; ")))
}

// showKnown writes an amount that may not be known.
func showKnown(token token.Token, a *contracts.Amount) string {
	if a == nil {
		return "unavailable"
	}
	return show(token, *a)
}

func reservedOn(v vault.Status) (n int) {
	for _, c := range v.Channels {
		if !c.Reserved.IsZero() {
			n++
		}
	}
	return n
}

func (e env) vaultShow(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	v, err := e.lookVault(c, nil)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(vaultJSON{"byway.vault/1", nil, v})
	}
	e.rows(e.Out, row{"account", v.Owner.Hex()}, row{"session key", v.Session.Hex()})
	e.vaultRows(v)
	return nil
}

// lookVault reads the vault: through the daemon that holds the home, where one runs, since it knows what was promised.
func (e env) lookVault(c *cli.Context, since *uint64) (v vault.Status, err error) {
	home, _, _, err := e.account(c)
	if err != nil {
		return v, err
	}
	if daemon, err := api.Dial(home); err == nil {
		var raw json.RawMessage
		err = daemon.Get(c.Context, "/v1/vault", &raw)
		switch {
		case err == nil && since != nil:
			return v, fmt.Errorf("a daemon runs on %s: end it with byway disconnect, then look with --since", home.Dir())
		case err == nil:
			return v, json.Unmarshal(raw, &v)
		}
		if !errors.Is(err, api.ErrNotRunning) {
			return v, fmt.Errorf("the daemon on %s: %w", home.Dir(), err)
		}
	}
	w, err := e.openWallet(c, false)
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	return w.Vault(c.Context, since)
}

// showTime writes a time for people, with how far it is from now, by the clock that it belongs to.
func showTime(at, now time.Time) string {
	if left := at.Sub(now).Round(time.Second); left > 0 {
		return fmt.Sprintf("%s (in %s)", at.Local().Format("2006-01-02 15:04:05"), left)
	}
	return at.Local().Format("2006-01-02 15:04:05") + " (now)"
}
