package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"strings"

	"github.com/urfave/cli/v2"

	"byway/node"
	"byway/node/path"
	"byway/tunnel/route"
)

// machineConfig reads what --tun and its companions ask for; nil without --tun.
func machineConfig(c *cli.Context, log *slog.Logger) (*route.Config, error) {
	exclude, err := prefixes(c, "exclude")
	if err != nil {
		return nil, err
	}
	include, err := prefixes(c, "include")
	if err != nil {
		return nil, err
	}
	if !c.Bool("tun") {
		for _, name := range []string{"lan", "exclude", "include", "programs", "lockdown"} {
			if c.IsSet(name) {
				return nil, usagef("--%s goes with --tun", name)
			}
		}
		return nil, nil
	}
	if c.Bool("programs") && len(exclude)+len(include) > 0 {
		return nil, usagef("--programs sends single programs through the session: it does not go with --exclude and --include")
	}
	machine := &route.Config{
		LAN: c.Bool("lan"), Exclude: exclude, Include: include, OnlyPrograms: c.Bool("programs"),
		Lockdown: c.Bool("lockdown"), Log: log,
	}
	switch err := route.Check(c.Context, *machine); {
	case errors.Is(err, route.ErrCapability):
		return nil, usagef("--tun: %w; without --tun the session is a proxy", err)
	case err != nil:
		return nil, fmt.Errorf("--tun: %w", err)
	}
	return machine, nil
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
	restored, err := route.Restore("")
	switch {
	case errors.Is(err, route.ErrInUse):
		who := ""
		if shut, err := route.Inspect(""); err == nil && shut != nil && shut.PID != 0 {
			who = fmt.Sprintf(", or, where its home is gone, with kill -TERM %d", shut.PID)
		}
		return plainly(err, "a session runs and holds the machine's routes: end it first with byway disconnect%s", who)
	case errors.Is(err, fs.ErrPermission):
		return plainly(err, "the machine's network is root's to change: sudo byway unlock")
	case err != nil:
		return err
	case restored:
		fmt.Fprintln(e.Out, "The machine's network is as it was before.")
	default:
		fmt.Fprintln(e.Out, "Nothing to unlock: no session holds this machine's network.")
	}
	return nil
}

func (e env) execCommand() *cli.Command {
	return &cli.Command{
		Name:      "exec",
		Usage:     "run one program through the session of this home",
		ArgsUsage: "-- PROGRAM [ARGUMENT …]",
		Description: "Any user: the program is told of the session's proxy by the usual environment variables; what\n" +
			"ignores them does not go through. Where the whole machine goes through the session, so does the program;\n" +
			"--outside lets it go past. After connect --tun --programs, only what this command starts goes through.\n" +
			"Both put the program into a control group and need root; add sudo -u NAME to run it as somebody else.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "outside", Usage: "past the session of the whole machine; names are still resolved through it"},
		},
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
	if err := joinSide(c.Bool("outside"), status); err != nil {
		return err
	}
	program := exec.CommandContext(c.Context, c.Args().First(), c.Args().Tail()...)
	program.Stdout, program.Stderr = inherited(e.Out), inherited(e.Err)
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

// joinSide moves this process, and what it starts, to its side of a machine's session.
func joinSide(outside bool, status node.ConsumerStatus) error {
	side := route.Inside
	switch {
	case outside && status.Machine != path.MachineWhole && status.Machine != path.MachineSplit:
		return usagef("--outside goes past a session of the whole machine: this one takes only what is sent to it")
	case outside:
		side = route.Outside
	case status.Machine != path.MachinePrograms:
		return nil
	}
	if os.Geteuid() != 0 {
		return usagef("the program must be put into a control group, which needs root: sudo byway exec")
	}
	return route.Join(side, os.Getpid())
}
