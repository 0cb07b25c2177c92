package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"byway/contracts"
	"byway/node"
	"byway/node/api"
	"byway/node/api/spec"
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

// act moves money: through the daemon that holds the home, where one runs, and else by itself. ask asks the daemon for it; do
// does it with the opened wallet, and told tells of it then as the daemon would. show shows that. With --unsigned what is to
// be signed is shown instead.
func act[T any](e env, c *cli.Context, ask func(*daemon, token.Token) (*spec.Operation, error),
	do func(*vault.Wallet) (vault.Receipt, error), told func(*vault.Wallet, vault.Receipt) (T, error), show func(T) error,
) (err error) {
	d, err := e.daemon(c)
	if errors.Is(err, api.ErrNotRunning) {
		return actAlone(e, c, do, told, show)
	}
	if err != nil {
		return err
	}
	status, err := d.status(c.Context)
	if err != nil {
		return err
	}
	result, err := e.asked(c, d, func() (*spec.Operation, error) { return ask(d, status.Token) })
	if err != nil {
		return err
	}
	return showAnswer(e, c, *status.Owner, result, show)
}

// asked has a daemon do what begins an operation, and returns its result.
func (e env) asked(c *cli.Context, d *daemon, begin func() (*spec.Operation, error)) (result json.RawMessage, err error) {
	err = e.unlocked(c, d, func() error {
		begun, err := begin()
		if err != nil {
			return err
		}
		return follow(c.Context, d, begun, func(text string) { e.waiting(c, safe(text)) }, &result)
	})
	return result, err
}

// showAnswer shows a result or, with --unsigned, what the owner is to sign.
func showAnswer[T any](e env, c *cli.Context, owner common.Address, result json.RawMessage, show func(T) error) error {
	if c.Bool("unsigned") {
		var list spec.Unsigned
		if err := json.Unmarshal(result, &list); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
		return e.printUnsigned(list, owner)
	}
	var out T
	if err := json.Unmarshal(result, &out); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	return show(out)
}

// actAlone does it where no daemon runs.
func actAlone[T any](e env, c *cli.Context, do func(*vault.Wallet) (vault.Receipt, error),
	told func(*vault.Wallet, vault.Receipt) (T, error), show func(T) error,
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
		return e.printUnsignedOf(c.Context, w)
	}
	out, err := told(w, sent)
	if err != nil {
		return err
	}
	return show(out)
}

// printUnsignedOf gives out what a wallet has collected.
func (e env) printUnsignedOf(ctx context.Context, w *vault.Wallet) error {
	list, err := node.NewUnsigned(w.Unsigned(ctx))
	if err != nil {
		return err
	}
	return e.printUnsigned(list, w.Owner())
}

// printUnsigned gives out what the account's key is to sign.
func (e env) printUnsigned(list spec.Unsigned, owner common.Address) error {
	fmt.Fprintf(e.Err, "%s to sign, in this order, with the key of %s; then: byway tx submit SIGNED\n",
		plural(len(list.Transactions), "transaction"), owner)
	return e.printJSON(list)
}

// sentRows prints a transaction's effect and its cost.
func sentRows(token token.Token, s spec.Sent) []row {
	return []row{
		{"amount", show(token, s.Amount)},
		{"gas", fmt.Sprintf("%d, %s", s.GasUsed, showEther(orZero(s.FeeWei.Int)))},
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
	return act(e, c, func(d *daemon, unit token.Token) (*spec.Operation, error) {
		amount, err := parseTokens(unit, text)
		if err != nil {
			return nil, err
		}
		r, err := d.DepositWithResponse(c.Context, nil, spec.Deposit{Amount: amount, Unsigned: c.Bool("unsigned")})
		if err != nil {
			return nil, err
		}
		return r.JSON202, nil
	}, func(w *vault.Wallet) (vault.Receipt, error) {
		amount, err := parseTokens(w.Token, text)
		if err != nil {
			return vault.Receipt{}, err
		}
		return w.Deposit(c.Context, amount)
	}, e.toldVault(c), func(v spec.Vault) error { return e.vaultAfter(c, v, "Deposited.") })
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
	some := func(unit token.Token) (*contracts.Amount, error) {
		if text == "" || text == "all" {
			return nil, nil
		}
		amount, err := parseTokens(unit, text)
		return &amount, err
	}
	return act(e, c, func(d *daemon, unit token.Token) (*spec.Operation, error) {
		amount, err := some(unit)
		if err != nil {
			return nil, err
		}
		want := spec.Withdrawal{Amount: amount, Unsigned: c.Bool("unsigned")}
		if to != (common.Address{}) {
			want.To = &to
		}
		r, err := d.WithdrawWithResponse(c.Context, nil, want)
		if err != nil {
			return nil, err
		}
		return r.JSON202, nil
	}, func(w *vault.Wallet) (vault.Receipt, error) {
		amount, err := some(w.Token)
		if err != nil {
			return vault.Receipt{}, err
		}
		return w.Withdraw(c.Context, amount, to)
	}, e.toldVault(c), func(v spec.Vault) error { return e.vaultAfter(c, v, "Withdrawn.") })
}

// toldVault tells of the vault after a transaction.
func (e env) toldVault(c *cli.Context) func(*vault.Wallet, vault.Receipt) (spec.Vault, error) {
	return func(w *vault.Wallet, sent vault.Receipt) (spec.Vault, error) {
		status, err := w.Vault(c.Context, nil)
		if err != nil {
			return spec.Vault{}, err
		}
		return node.NewVault(status, &sent)
	}
}

// vaultAfter shows a transaction and the vault after it.
func (e env) vaultAfter(c *cli.Context, v spec.Vault, said string) error {
	if c.Bool("json") {
		return e.printJSON(v)
	}
	fmt.Fprintln(e.Out, said)
	e.rows(e.Out, append(sentRows(v.Token, *v.Sent), row{})...)
	e.vaultRows(v)
	return nil
}

func (e env) vaultRows(v spec.Vault) {
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

func reservedOn(v spec.Vault) (n int) {
	for _, c := range v.Channels {
		if c.Reserved != nil && !c.Reserved.IsZero() {
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
		return e.printJSON(v)
	}
	e.rows(e.Out, row{"account", v.Owner.Hex()}, row{"session key", v.SessionKey.Hex()})
	e.vaultRows(v)
	return nil
}

// lookVault reads the vault: through the daemon that holds the home, where one runs, since it knows what was promised.
func (e env) lookVault(c *cli.Context, since *uint64) (v spec.Vault, err error) {
	d, err := e.daemon(c)
	if err == nil {
		r, err := d.GetVaultWithResponse(c.Context, &spec.GetVaultParams{Since: since})
		if err != nil {
			return v, err
		}
		return *r.JSON200, nil
	}
	if !errors.Is(err, api.ErrNotRunning) {
		return v, err
	}
	w, err := e.openWallet(c, false)
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	status, err := w.Vault(c.Context, since)
	if err != nil {
		return v, err
	}
	return node.NewVault(status, nil)
}

// showTime writes a time for people, with how far it is from now, by the clock that it belongs to.
func showTime(at, now time.Time) string {
	if left := at.Sub(now).Round(time.Second); left > 0 {
		return fmt.Sprintf("%s (in %s)", at.Local().Format("2006-01-02 15:04:05"), left)
	}
	return at.Local().Format("2006-01-02 15:04:05") + " (now)"
}
