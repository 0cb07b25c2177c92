package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"byway/node/api/spec"
	"byway/node/path"
	"byway/tunnel/route"
)

// machineWant reads what --tun and its companions ask for; nil without --tun.
func machineWant(c *cli.Context) (*spec.MachineWant, error) {
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
	return &spec.MachineWant{
		Lan: c.Bool("lan"), Exclude: c.StringSlice("exclude"), Include: c.StringSlice("include"), Programs: c.Bool("programs"),
		Lockdown: c.Bool("lockdown"),
	}, nil
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
			&cli.BoolFlag{Name: "portal", Usage: "past the session of the whole machine, as far as a captive portal needs: see byway pause"},
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
	d, status, err := e.daemonStatus(c)
	if err != nil {
		return err
	}
	conn := status.Connection
	if conn == nil {
		return fmt.Errorf("%s has no connection: byway connect makes one", d.dir)
	}
	if err := joinSide(c, conn); err != nil {
		return err
	}
	program := exec.CommandContext(c.Context, c.Args().First(), c.Args().Tail()...)
	program.Stdout, program.Stderr = inherited(e.Out), inherited(e.Err)
	if e.In != nil {
		program.Stdin = e.In
	}
	program.Env = os.Environ()
	if conn.Proxy != "" {
		for name, scheme := range map[string]string{"all_proxy": "socks5h", "http_proxy": "http", "https_proxy": "http"} {
			for _, name := range []string{name, strings.ToUpper(name)} {
				program.Env = append(program.Env, name+"="+scheme+"://"+conn.Proxy)
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
func joinSide(c *cli.Context, conn *spec.Connection) error {
	side, outside, portal := route.Inside, c.Bool("outside"), c.Bool("portal")
	whole := conn.Machine == path.MachineWhole || conn.Machine == path.MachineSplit
	switch {
	case outside && portal:
		return usagef("--outside and --portal don't go together")
	case (outside || portal) && !whole:
		return usagef("--outside and --portal go past a session of the whole machine: this one takes only what is sent to it")
	case portal && conn.PortalUntil.IsZero():
		return usagef("there is no hole for a portal: byway pause --portal opens one")
	case portal:
		side = route.Portal
	case outside:
		side = route.Outside
	case conn.Machine != path.MachinePrograms:
		return nil
	}
	if os.Geteuid() != 0 {
		return usagef("the program must be put into a control group, which needs root: sudo byway exec")
	}
	return route.Join(side, os.Getpid())
}

func (e env) pauseCommand() *cli.Command {
	return &cli.Command{
		Name:  "pause",
		Usage: "open a hole for a captive portal, which closes itself",
		Description: "A hotel or a train lets nobody out before a page of its own was answered. With --portal the kernel lets\n" +
			"programs that are started by byway exec --portal reach such a page, past the tunnel, and nothing else:\n" +
			"the local network's resolver, and ports 80 and 443. It closes the hole by itself when the time is over,\n" +
			"also where no daemon runs any more.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "portal", Usage: "for a captive portal: the one hole that there is"},
			&cli.DurationFlag{Name: "for", Value: 5 * time.Minute, Usage: "for so long, `TIME`; 0 closes it at once"},
		},
		Action: e.pause,
	}
}

func (e env) pause(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	if !c.Bool("portal") {
		return usagef("say what for: byway pause --portal; to leave the connection, byway disconnect")
	}
	if d := c.Duration("for"); d < 0 || d > route.PortalMost {
		return usagef("--for must be between 0 and %s", route.PortalMost)
	}
	d, err := e.daemon(c)
	if err != nil {
		return err
	}
	r, err := d.PauseWithResponse(c.Context, spec.Pause{Portal: true, Seconds: int64(c.Duration("for") / time.Second)})
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(r.JSON200)
	}
	if r.JSON200.PortalUntil.IsZero() {
		fmt.Fprintln(e.Out, "The hole is closed.")
		return nil
	}
	fmt.Fprintf(e.Out, "A hole for a captive portal is open until %s.\nNext: sudo byway exec --portal -- sudo -u YOU firefox\n",
		showTime(r.JSON200.PortalUntil, time.Now()))
	return nil
}
