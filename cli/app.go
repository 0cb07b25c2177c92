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
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/adrg/xdg"
	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"byway/node"
	"byway/registry"
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

// Streams are what a command reads from and writes to.
type Streams struct {
	In       *os.File // nil: nothing to ask a person with
	Out, Err io.Writer
	Terminal bool // Err is a terminal that a person looks at
}

// System returns the process's own streams.
func System() Streams {
	return Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Terminal: term.IsTerminal(int(os.Stderr.Fd()))}
}

// usageError is a mistake on the command line.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Run carries out one command line and returns the process's exit code.
func Run(ctx context.Context, args []string, s Streams) int {
	app := newApp(s)
	err := app.RunContext(ctx, args)
	if err == nil {
		return exitOK
	}
	code := exitCode(ctx, err)
	if code == exitInterrupted {
		fmt.Fprintln(s.Err, "byway: interrupted")
		return code
	}
	fmt.Fprintln(s.Err, "byway:", strings.TrimSpace(err.Error()))
	return code
}

func exitCode(ctx context.Context, err error) int {
	var usage usageError
	var noOffer *registry.NoOfferError
	var refused *node.RefusedError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, node.ErrNotRunning):
		return exitNotRunning
	case errors.As(err, &noOffer):
		return exitNoOffer
	case errors.As(err, &refused):
		return exitRefused
	}
	return exitFailure
}

// env is what every command gets beside its flags.
type env struct {
	Streams
}

func newApp(s Streams) *cli.App {
	e := env{s}
	return &cli.App{
		Name:  "byway",
		Usage: "a marketplace for bandwidth: earn tokens by forwarding traffic, pay per megabyte for privacy",
		Description: "See a whole market on this machine:    byway demo\n" +
			"Start a devnet that others join:       byway devnet up\n" +
			"Earn as a provider:                    byway provider up\n" +
			"Browse as a consumer:                  byway connect",
		Writer:          s.Out,
		ErrWriter:       s.Err,
		HideHelpCommand: true,
		Version:         version(),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "home", Value: defaultHome(), EnvVars: []string{"BYWAY_HOME"},
				Usage: "`FOLDER` that holds everything this node knows and owns"},
			&cli.StringFlag{Name: "network", Value: node.DevnetName, EnvVars: []string{"BYWAY_NETWORK"},
				Usage: "network: devnet, or the `FILE` that describes one"},
			&cli.StringSliceFlag{Name: "rpc", EnvVars: []string{"BYWAY_RPC"},
				Usage: "chain endpoint `URL` instead of the network's; give several for fail-over"},
			&cli.StringFlag{Name: "password-file", EnvVars: []string{"BYWAY_PASSWORD_FILE"},
				Usage: "`FILE` whose first line opens the account; asked for on the terminal without it"},
			&cli.StringFlag{Name: "log", Value: "warn", Usage: "log `LEVEL`: debug, info, warn or error"},
			&cli.BoolFlag{Name: "json", Usage: "answer with JSON"},
		},
		Commands: []*cli.Command{
			e.demoCommand(), e.devnetCommand(), e.providerCommand(), e.offersCommand(), e.connectCommand(),
			e.disconnectCommand(), e.statusCommand(), e.accountCommand(),
		},
		OnUsageError:   func(_ *cli.Context, err error, _ bool) error { return usageError{err} },
		ExitErrHandler: func(*cli.Context, error) {},
		CommandNotFound: func(c *cli.Context, name string) {
			fmt.Fprintf(s.Err, "byway: no command %q: see byway --help\n", name)
		},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usagef("no command %q: see byway --help", c.Args().First())
			}
			return cli.ShowAppHelp(c)
		},
	}
}

func defaultHome() string { return filepath.Join(xdg.DataHome, "byway") }

// jsonFlag is given to every command too, so that `byway demo --json` reads as people type it.
func jsonFlag() cli.Flag { return &cli.BoolFlag{Name: "json", Usage: "answer with JSON"} }

// logger writes to stderr at the level asked for.
func (e env) logger(c *cli.Context) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.String("log"))); err != nil {
		return nil, usagef("--log %q: use debug, info, warn or error", c.String("log"))
	}
	return slog.New(slog.NewTextHandler(e.Err, &slog.HandlerOptions{Level: level})), nil
}

// home opens the folder that --home names.
func (e env) home(c *cli.Context) (node.Home, error) { return node.OpenHome(c.String("home")) }

// network loads what --network names, with --rpc in the place of its endpoints.
func (e env) network(c *cli.Context) (node.Network, error) {
	n, err := node.LoadNetwork(c.String("network"))
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
		return usagef("byway %s takes no argument %q", c.Command.FullName(), c.Args().First())
	}
	return nil
}

// maxPassword bounds a password file in bytes.
const maxPassword = 4096

// password reads the account's password: from --password-file, else from the terminal, twice where it is a new one.
func (e env) password(c *cli.Context, fresh bool) (string, error) {
	if path := c.String("password-file"); path != "" {
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
		return strings.TrimSuffix(first, "\r"), nil
	}
	if e.In == nil || !term.IsTerminal(int(e.In.Fd())) {
		return "", usagef("no terminal to ask for the password: give --password-file")
	}
	ask := func(prompt string) (string, error) {
		fmt.Fprint(e.Err, prompt)
		b, err := term.ReadPassword(int(e.In.Fd()))
		fmt.Fprintln(e.Err)
		if err != nil {
			return "", fmt.Errorf("read password: %w", err)
		}
		return string(b), nil
	}
	if !fresh {
		return ask("Password: ")
	}
	first, err := ask("New password: ")
	if err != nil {
		return "", err
	}
	again, err := ask("Once more: ")
	if err != nil {
		return "", err
	}
	if first != again {
		return "", errors.New("the two passwords differ")
	}
	return first, nil
}
