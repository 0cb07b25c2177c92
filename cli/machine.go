package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"

	"github.com/urfave/cli/v2"

	"byway/node"
	"byway/tunnel/route"
)

// machineConfig reads what --tun and its companions ask for; nil without --tun.
func machineConfig(c *cli.Context, log *slog.Logger) (*route.Config, error) {
	exclude, err := prefixes(c, "exclude")
	if err != nil {
		return nil, err
	}
	if !c.Bool("tun") {
		if c.Bool("lan") || c.Bool("lockdown") || len(exclude) > 0 {
			return nil, usagef("--lan, --exclude and --lockdown go with --tun")
		}
		return nil, nil
	}
	if os.Geteuid() != 0 {
		return nil, usagef("--tun changes the machine's routes and needs root: without it the session is a proxy")
	}
	return &route.Config{LAN: c.Bool("lan"), Exclude: exclude, Lockdown: c.Bool("lockdown"), Log: log}, nil
}

func (e env) unlockCommand() *cli.Command {
	return &cli.Command{
		Name:  "unlock",
		Usage: "give the machine back as it was before byway connect --tun",
		Description: "After --lockdown, or after a daemon that was killed: opens the kill switch and restores routes and\n" +
			"resolver. It needs root, and does nothing where there is nothing to do.",
		Action: e.unlock,
	}
}

func (e env) unlock(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	err := route.Restore("")
	if errors.Is(err, route.ErrInUse) {
		return plainly(err, "a session runs and holds the machine's routes: end it first with byway disconnect")
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(e.Out, "The machine's network is as it was before.")
	return nil
}

func (e env) execCommand() *cli.Command {
	return &cli.Command{
		Name:      "exec",
		Usage:     "run one program through the session of this home",
		ArgsUsage: "-- PROGRAM [ARGUMENT …]",
		Description: "Any user: the program is told of the session's proxy by the usual environment variables; what\n" +
			"ignores them does not go through. Where the whole machine goes through the session, so does the program.",
		Action: e.exec,
	}
}

// programError is the exit code of a program that byway exec ran; the program has said why itself.
type programError int

func (e programError) Error() string { return fmt.Sprintf("the program ended with %d", int(e)) }

func (e env) exec(c *cli.Context) error {
	if !c.Args().Present() {
		return usagef("name a program: byway exec -- curl https://example.org")
	}
	home, _, raw, err := e.daemon(c)
	if err != nil {
		return err
	}
	var status node.ConsumerStatus
	if err := json.Unmarshal(raw, &status); err != nil {
		return fmt.Errorf("status: %w", err)
	}
	if status.Role != "consumer" {
		return fmt.Errorf("a %s runs on %s: byway exec needs a consumer's session", status.Role, home.Dir())
	}
	program := exec.CommandContext(c.Context, c.Args().First(), c.Args().Tail()...)
	program.Stdout, program.Stderr = e.Out, e.Err
	if e.In != nil {
		program.Stdin = e.In
	}
	program.Env = os.Environ()
	if status.Proxy != "" {
		for name, scheme := range map[string]string{"all_proxy": "socks5h", "http_proxy": "http", "https_proxy": "http"} {
			for _, name := range []string{name, strings.ToUpper(name)} {
				program.Env = append(program.Env, name+"="+scheme+"://"+status.Proxy)
			}
		}
		program.Env = append(program.Env, "no_proxy=", "NO_PROXY=")
	}
	err = program.Run()
	var failed *exec.ExitError
	if errors.As(err, &failed) && failed.ExitCode() > 0 {
		return programError(failed.ExitCode())
	}
	return err
}
