package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"byway/contracts/text"
	"byway/node/account"
	"byway/node/api"
	"byway/node/api/spec"
	"byway/node/home"
)

func (e env) accountCommand() *cli.Command {
	return &cli.Command{
		Name:  "account",
		Usage: "make and look at the account of this home",
		Subcommands: []*cli.Command{
			{
				Name:  "new",
				Usage: "make an account, and the session key that signs its promises",
				Description: "On a terminal it shows a phrase of twelve words (BIP-39), once: both keys come back from it with\n" +
					"byway account restore, on any machine. With --owner the account's key stays elsewhere: this home gets\n" +
					"a session key alone, and what the account is to do is printed with --unsigned.",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "phrase-file", Usage: "write the phrase to a new `FILE` instead of showing it"},
					&cli.StringFlag{Name: "owner", Usage: "`ADDRESS` of an account whose key is kept elsewhere"},
					lightFlag(),
				},
				Action: e.accountNew,
			},
			{
				Name:  "restore",
				Usage: "make the account and the session key again that a phrase stands for",
				Description: "It asks for the phrase on the terminal and does not show it, or reads it from --phrase-file. What was\n" +
					"promised before comes back from the providers; byway channel list --since BLOCK finds every channel.",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "phrase-file", Usage: "read the phrase from a `FILE`"}, lightFlag(),
				},
				Action: e.accountRestore,
			},
			{
				Name:  "password",
				Usage: "change the password of the account",
				Description: "It asks for the old password, and twice for the new one, on the terminal; --password-file and\n" +
					"--new-password-file give them without. A phrase that was written down\n" +
					"stays good, and so does a copy of the old key file with the old password.",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "new-password-file", Usage: "`FILE` whose first line is the new password"}, lightFlag(),
				},
				Action: e.accountPassword,
			},
			{
				Name: "unlock", Usage: "give the daemon the password, so that it can deposit and claim", Action: e.accountUnlock,
			},
			{Name: "lock", Usage: "have the daemon forget the account's key", Action: e.accountLock},
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

func lightFlag() cli.Flag {
	return &cli.BoolFlag{Name: "light", Usage: "a key file that opens at once but is easy to guess at: devnets only"}
}

// vacantHome opens the folder of a home that has no account yet.
func (e env) vacantHome(c *cli.Context) (home.Home, error) {
	if err := noArgs(c); err != nil {
		return home.Home{}, err
	}
	home, err := e.home(c)
	if err != nil {
		return home, err
	}
	if address, _, err := home.Accounts(); err == nil {
		return home, fmt.Errorf("%s already holds the account %s: use another --home for another account",
			home.Dir(), address)
	}
	return home, nil
}

func (e env) accountNew(c *cli.Context) error {
	folder, err := e.vacantHome(c)
	if err != nil {
		return err
	}
	if c.IsSet("owner") {
		return e.accountCold(c, folder)
	}
	password, err := e.password(c, true)
	if err != nil {
		return err
	}
	phrase := home.NewPhrase()
	note := "New account. Only its key file and your password together open it: keep copies of both."
	switch path := c.String("phrase-file"); {
	case path != "":
		if err := writePhrase(path, phrase); err != nil {
			return err
		}
		note = "New account. " + path + " brings it back without any password: keep it where nobody else can read it."
	case e.asks() && !c.Bool("json"):
		if err := showPhrase(e.Err, untilEnded{c.Context, e.In}, phrase); err != nil {
			return err
		}
		note = "New account. The phrase brings it back; it is not kept here."
	}
	if _, err := folder.RestoreAccount(phrase, password, home.Strength(c.Bool("light"))); err != nil {
		return err
	}
	if !c.Bool("json") {
		fmt.Fprintln(e.Err, note)
	}
	return e.showAccount(c, folder)
}

// accountCold makes a home for an account whose key is elsewhere.
func (e env) accountCold(c *cli.Context, folder home.Home) error {
	owner, err := parseAddress("--owner", c.String("owner"))
	if err != nil {
		return err
	}
	if c.IsSet("phrase-file") {
		return usagef("--phrase-file is for a key that is made here, and --owner names one that is not")
	}
	password, err := e.password(c, true)
	if err != nil {
		return err
	}
	if err := folder.NewColdAccount(owner, password, home.Strength(c.Bool("light"))); err != nil {
		return err
	}
	if !c.Bool("json") {
		fmt.Fprintln(e.Err, "New session key. It can spend what the account deposits for it, and no more.\n"+
			"Next: byway vault deposit AMOUNT --unsigned")
	}
	return e.showAccount(c, folder)
}

func (e env) accountRestore(c *cli.Context) error {
	folder, err := e.vacantHome(c)
	if err != nil {
		return err
	}
	text, err := e.readPhrase(c)
	if err != nil {
		return err
	}
	phrase, err := home.ParsePhrase(text)
	if err != nil {
		return fmt.Errorf("phrase: %w", err)
	}
	password, err := e.password(c, true)
	if err != nil {
		return err
	}
	if _, err := folder.RestoreAccount(phrase, password, home.Strength(c.Bool("light"))); err != nil {
		return err
	}
	return e.showAccount(c, folder)
}

// readPhrase reads a phrase from --phrase-file, else from the terminal.
func (e env) readPhrase(c *cli.Context) (string, error) {
	if path := c.String("phrase-file"); path != "" {
		f, err := os.Open(path)
		if err != nil {
			return "", fmt.Errorf("phrase file: %w", err)
		}
		defer f.Close()
		b, err := io.ReadAll(io.LimitReader(f, maxPassword))
		if err != nil {
			return "", fmt.Errorf("phrase file: %w", err)
		}
		return string(b), nil
	}
	if !e.asks() {
		return "", usagef("no terminal to ask for the phrase: give --phrase-file")
	}
	return e.ask(c.Context, "Phrase (it is not shown): ")
}

// writePhrase writes a phrase to a file that this user alone can read; it never overwrites one.
func writePhrase(path string, phrase home.Phrase) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("phrase file: %w", err)
	}
	_, err = fmt.Fprintln(f, strings.Join(phrase.Reveal(), " "))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("phrase file: %w", err)
	}
	return nil
}

// showPhrase shows a phrase once and makes sure that it was written down: two of its words are asked for. Nothing is
// made before.
func showPhrase(w io.Writer, in io.Reader, phrase home.Phrase) error {
	words := phrase.Reveal()
	fmt.Fprintln(w, "Write these words down, in this order. Whoever has them has the account; they are never shown again.")
	fmt.Fprintln(w)
	for i, word := range words {
		fmt.Fprintf(w, "  %2d %-10s", i+1, word)
		if i%4 == 3 {
			fmt.Fprintln(w)
		}
	}
	fmt.Fprintln(w)
	lines := bufio.NewScanner(in)
	half := len(words) / 2
	for _, at := range []int{rand.IntN(half), half + rand.IntN(half)} {
		fmt.Fprintf(w, "Word %d, to make sure: ", at+1)
		if !lines.Scan() && lines.Err() != nil {
			return lines.Err()
		}
		if strings.TrimSpace(lines.Text()) != words[at] {
			return fmt.Errorf("that is not word %d: nothing was made, begin again with byway account new", at+1)
		}
	}
	fmt.Fprint(text.Behind(w), "\x1b[2J\x1b[3J\x1b[H") // off the screen, and out of what can be scrolled back to
	return nil
}

func (e env) accountPassword(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	d, err := e.daemon(c)
	if err != nil && !errors.Is(err, api.ErrNotRunning) {
		return err
	}
	if d == nil {
		if _, _, _, err := e.account(c); err != nil {
			return err
		}
	}
	old, err := e.password(c, false)
	if err != nil {
		return err
	}
	fresh, err := e.newPassword(c, c.String("new-password-file"), "--new-password-file")
	if err != nil {
		return err
	}
	if d != nil {
		_, err = d.ChangePasswordWithResponse(c.Context, spec.PasswordChange{Old: old, New: fresh})
	} else {
		err = e.changePassword(c, old, fresh)
	}
	if err != nil {
		return err
	}
	if !c.Bool("json") {
		fmt.Fprintln(e.Err, "The new password opens the account. Copies of the old key file still open with the old one.")
	}
	folder, _, _, err := e.account(c)
	if err != nil {
		return err
	}
	return e.showAccount(c, folder)
}

// changePassword changes it where no daemon runs.
func (e env) changePassword(c *cli.Context, old, fresh string) (err error) {
	folder, _, _, err := e.account(c)
	if err != nil {
		return err
	}
	unlock, err := folder.Lock()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	return folder.ChangePassword(old, fresh, home.Strength(c.Bool("light")))
}

func (e env) accountUnlock(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	d, err := e.daemon(c)
	if err != nil {
		return err
	}
	password, err := e.password(c, false)
	if err != nil {
		return err
	}
	if _, err := d.UnlockWithResponse(c.Context, spec.Password{Password: password}); err != nil {
		return err
	}
	return e.lockSaid(c, false)
}

func (e env) accountLock(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	d, err := e.daemon(c)
	if err != nil {
		return err
	}
	if _, err := d.LockWithResponse(c.Context); err != nil {
		return err
	}
	return e.lockSaid(c, true)
}

// lockSaid says how the account's key is now.
func (e env) lockSaid(c *cli.Context, locked bool) error {
	if c.Bool("json") {
		return e.printJSON(struct {
			Schema string `json:"schema"`
			Locked bool   `json:"locked"`
		}{"byway.lock/1", locked})
	}
	if locked {
		fmt.Fprintln(e.Out, "The account is locked: what is deposited is spent, and nothing more is deposited or claimed until it is unlocked.")
		return nil
	}
	fmt.Fprintln(e.Out, "The account is unlocked until byway account lock, or the daemon's end.")
	return nil
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

func (e env) showAccount(c *cli.Context, home home.Home) error {
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
	account.Balance
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
	balance, token, err := account.ReadBalance(c.Context, network, owner, session)
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
