// Package cli owns the command line: one file for each command, which reads flags and files, calls package node and
// designs what a person sees.
//
// Rules of output: results go to stdout and everything else to stderr; with --json stdout carries exactly one JSON
// object with a "schema" key, or one a line where a command streams; amounts are decimal strings of base units.
// Progress is drawn on a terminal only. An error says what failed, why, and what to type next.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"byway/contracts/text"
	"byway/node/api"
	"byway/node/home"
	"byway/node/wire"
	"byway/registry/directory"
)

// Exit codes: a script can tell these apart.
const (
	exitOK          = 0
	exitFailure     = 1 // the command failed
	exitUsage       = 2 // the command line is wrong
	exitNotRunning  = 3 // no daemon runs on this home
	exitNoOffer     = 4 // no offer fits
	exitRefused     = 5 // the provider refused the session
	exitInterrupted = 130
)

// Streams connect a command to whoever runs it.
type Streams struct {
	In       *os.File // nil: nothing to ask a person with
	Out, Err io.Writer
	Terminal bool // Err is a terminal that a person looks at

	heed func() // see heedStreams; nil where nobody can close the streams
}

// usageError is a mistake on the command line.
type usageError struct{ error }

// Unwrap returns what was wrong.
func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Run carries out one command line and returns the process's exit code.
func Run(ctx context.Context, args []string, s Streams) int {
	// Whatever a stranger wrote, and whichever way it takes through the program, is printed by one of these two.
	out, errs := text.NewWriter(s.Out), text.NewWriter(s.Err)
	s.Out, s.Err = out, errs
	code := outcome(ctx, args, s)
	if out.Flush() != nil || errs.Flush() != nil { // what is left of a character
		return max(code, exitFailure)
	}
	return code
}

// outcome carries out a command line and says on s.Err what went wrong.
func outcome(ctx context.Context, args []string, s Streams) int {
	err := run(ctx, args, s)
	if err == nil {
		return exitOK
	}
	var program programError
	if errors.As(err, &program) {
		return int(program)
	}
	code := exitCode(ctx, err)
	if code == exitInterrupted {
		fmt.Fprintln(s.Err, "byway: interrupted")
		return code
	}
	// Errors that were joined come on lines of their own.
	fmt.Fprintln(s.Err, "byway:", strings.ReplaceAll(strings.TrimSpace(hinted(err)), "\n", "; "))
	return code
}

func run(ctx context.Context, args []string, s Streams) error {
	app := newApp(s)
	line, err := arrange(app, args)
	if err != nil {
		return err
	}
	notes, err := line.check()
	if err != nil {
		return err
	}
	switch {
	case line.help:
		help(s.Out, app, line.path)
		return nil
	case line.version:
		fmt.Fprintln(s.Out, "byway", version())
		return nil
	}
	for _, note := range notes {
		fmt.Fprintln(s.Err, "byway: note:", note)
	}
	if err := line.settle(app); err != nil {
		return err
	}
	app.Metadata = map[string]any{typedFlags: line.typed}
	return line.told(app.RunContext(ctx, line.args()))
}

func exitCode(ctx context.Context, err error) int {
	var usage usageError
	var noOffer *directory.NoOfferError
	var refused *wire.RefusalError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, api.ErrNotRunning):
		return exitNotRunning
	case errors.Is(err, api.ErrRequest):
		return exitUsage
	case errors.As(err, &noOffer), errors.Is(err, api.ErrNoOffer):
		return exitNoOffer
	case errors.As(err, &refused), errors.Is(err, api.ErrRefused):
		return exitRefused
	}
	return exitFailure
}

// env gives every command its streams, beside its flags.
type env struct {
	Streams
}

func newApp(s Streams) *cli.App {
	e := env{s}
	app := &cli.App{
		Name: "byway", HelpName: "byway",
		Usage: "a marketplace for bandwidth: earn tokens by forwarding traffic, pay per megabyte for privacy",
		Description: devnetIntro +
			"Earn as a provider:                    byway provider up\n" +
			"Browse as a consumer:                  byway connect\n" +
			"Both, as byway.toml says:              byway up",
		Writer:      s.Out,
		ErrWriter:   s.Err,
		HideHelp:    true,
		HideVersion: true,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "home", Value: defaultHome(), EnvVars: []string{"BYWAY_HOME"},
				Usage: "`FOLDER` that holds everything this node knows and owns"},
			&cli.StringFlag{Name: "network", Value: home.DevnetName, EnvVars: []string{"BYWAY_NETWORK"},
				Usage: "network: devnet, or the `FILE` that describes one"},
			&cli.StringSliceFlag{Name: "rpc", EnvVars: []string{"BYWAY_RPC"},
				Usage: "chain endpoint `URL` instead of the network's; give it again for a second one to fall back on"},
			&cli.StringFlag{Name: "password-file", EnvVars: []string{"BYWAY_PASSWORD_FILE"},
				Usage: "`FILE` whose first line opens the account; asked for on the terminal without it"},
			&cli.StringFlag{Name: "log", Value: "warn", Usage: "log `LEVEL`: debug, info, warn or error"},
			&cli.BoolFlag{Name: "json", Usage: "answer with JSON on stdout"},
		},
		Before: func(c *cli.Context) error { _, err := e.logger(c); return err },
		Commands: []*cli.Command{
			e.demoCommand(), e.devnetCommand(), e.upCommand(), e.downCommand(), e.providerCommand(), e.offersCommand(), e.connectCommand(),
			e.disconnectCommand(), e.spendCommand(), e.rotateCommand(), e.pauseCommand(), e.unlockCommand(), e.execCommand(), e.statusCommand(), e.openCommand(), e.earningsCommand(), e.sessionsCommand(), e.accountCommand(), e.vaultCommand(),
			e.channelCommand(), e.ledgerCommand(), e.txCommand(), e.contractsCommand(), e.configCommand(), e.doctorCommand(),
		},
		OnUsageError:   onUsageError,
		ExitErrHandler: func(*cli.Context, error) {},
		Action:         func(c *cli.Context) error { help(s.Out, c.App, ""); return nil },
	}
	prepare(app.Commands)
	return app
}

func onUsageError(c *cli.Context, err error, _ bool) error {
	return usagef("%w: see %s --help", err, c.Command.HelpName)
}

// prepare gives every command what the library does not hand down.
func prepare(commands []*cli.Command) {
	for _, c := range commands {
		c.OnUsageError, c.HideHelp = onUsageError, true
		if len(c.Subcommands) > 0 {
			c.Action = func(ctx *cli.Context) error { help(ctx.App.Writer, ctx.App, c.Name); return nil }
		}
		prepare(c.Subcommands)
	}
}

// logger writes to stderr at the level asked for.
func (e env) logger(c *cli.Context) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.String("log"))); err != nil {
		return nil, usagef("--log %q: use debug, info, warn or error", c.String("log"))
	}
	return slog.New(text.NewHandler(slog.NewTextHandler(e.Err, &slog.HandlerOptions{Level: level}))), nil
}

// home opens the folder that --home names, and makes it where it is missing.
func (e env) home(c *cli.Context) (home.Home, error) {
	folder, err := e.nameHome(c)
	if err != nil {
		return folder, err
	}
	if invoker, sudo := sudoUser(); sudo && folder.Dir() == defaultHome() {
		// Root makes no home for somebody else, wherever it would be.
		if _, err := os.Stat(folder.Dir()); errors.Is(err, fs.ErrNotExist) {
			return folder, &home.ForeignError{Dir: folder.Dir(), Owner: invoker, User: os.Geteuid()}
		}
	}
	return home.Open(folder.Dir())
}

// nameHome names the folder of the node for who talks to its daemon; it makes and reads nothing.
func (e env) nameHome(c *cli.Context) (home.Home, error) {
	dir := c.String("home")
	switch {
	case dir == "" && !c.IsSet("home"):
		return home.Home{}, usagef("this user has no home folder: name the node's with --home")
	case dir == "":
		return home.Home{}, usagef("--home is empty: give a folder")
	}
	return home.Look(dir)
}

// account opens the folder that --home names for what needs an account there; it makes nothing.
func (e env) account(c *cli.Context) (folder home.Home, owner, session common.Address, err error) {
	if folder, err = e.lookHome(c, home.ErrNoAccount); err != nil {
		return folder, owner, session, err
	}
	owner, session, err = folder.Accounts()
	return folder, owner, session, err
}

// homeDir is the folder that --home names, which is not touched.
func (e env) homeDir(c *cli.Context) (string, error) {
	folder, err := e.nameHome(c)
	return folder.Dir(), err
}

// lookHome opens a folder that must be there; missing is what is missing where it is not.
func (e env) lookHome(c *cli.Context, missing error) (home.Home, error) {
	dir := c.String("home")
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) && dir != "" {
		return home.Home{}, fmt.Errorf("%s: %w", dir, missing)
	}
	return e.home(c)
}

// network loads what --network names, with --rpc in the place of its endpoints.
func (e env) network(c *cli.Context) (home.Network, error) {
	n, err := home.LoadNetwork(c.String("network"))
	if err != nil {
		return n, err
	}
	if rpc := c.StringSlice("rpc"); len(rpc) > 0 {
		n.RPC = rpc
	}
	return n, nil
}

// noArgs refuses what stands behind a command that takes flags alone.
func noArgs(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("%s takes flags alone, not %q: see %[1]s --help", c.Command.HelpName, c.Args().First())
	}
	return nil
}

// maxPassword bounds a password file in bytes.
const maxPassword = 4096

// password reads the account's password: from --password-file, else from the terminal, twice where it is a new one.
func (e env) password(c *cli.Context, fresh bool) (string, error) {
	path := c.String("password-file")
	switch {
	case fresh:
		return e.newPassword(c, path, "--password-file")
	case path != "":
		return readPassword(path)
	case !e.asks():
		return "", usageError{errNoTerminal}
	}
	return e.ask(c.Context, "Password: ")
}

// errNoTerminal says that there is nobody to ask.
var errNoTerminal = errors.New("no terminal to ask for the password: give --password-file")

// newPassword reads a new password: from a file, which the flag names, else twice from the terminal.
func (e env) newPassword(c *cli.Context, path, flag string) (string, error) {
	if path != "" {
		return readPassword(path)
	}
	if !e.asks() {
		return "", usagef("no terminal to ask for the password: give %s", flag)
	}
	first, err := e.ask(c.Context, "New password: ")
	if err != nil {
		return "", err
	}
	again, err := e.ask(c.Context, "Once more: ")
	if err != nil {
		return "", err
	}
	switch {
	case first != again:
		return "", errors.New("the two passwords differ: nothing was made")
	case first == "":
		return "", errors.New("the password is empty: nothing was made")
	}
	return first, nil
}

// readPassword reads the first line of a password file.
func readPassword(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("password file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPassword+1))
	if err != nil {
		return "", fmt.Errorf("password file: %w", err)
	}
	if len(text) > maxPassword {
		return "", fmt.Errorf("password file %s: longer than %d bytes", path, maxPassword)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	if first = strings.TrimSuffix(first, "\r"); first == "" {
		return "", fmt.Errorf("password file %s: its first line is empty", path)
	}
	return first, nil
}
