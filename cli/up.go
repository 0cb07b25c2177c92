package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	daemonsd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/urfave/cli/v2"

	"byway/node"
	"byway/node/api"
	"byway/node/api/spec"
	"byway/node/token"
)

func foregroundFlag() cli.Flag {
	return &cli.BoolFlag{Name: "foreground", Usage: "be the daemon, and stay until Ctrl-C, instead of talking to one"}
}

func (e env) upCommand() *cli.Command {
	return &cli.Command{
		Name:  "up",
		Usage: "start this home's daemon, with the roles that the config file names",
		Description: "The daemon is a provider, a consumer, or both on one account: roles = [\"provider\", \"consumer\"] in\n" +
			"byway.toml, with what they sell and spend. What was wanted of an earlier daemon is taken up again, a\n" +
			"connection through the whole machine with its kill switch shut until it is up.\n\n" +
			"The account's key stays locked until a command asks for the password. A service finds the password as the\n" +
			"systemd credential byway-password, or by --password-file.",
		Flags: []cli.Flag{
			foregroundFlag(),
			&cli.BoolFlag{Name: "on-demand", Hidden: true, Usage: "end when nothing is wanted any more"},
			&cli.BoolFlag{Name: "spawned", Hidden: true, Usage: "leave the roles to the command that has started it"},
		},
		Action: e.up,
	}
}

func (e env) downCommand() *cli.Command {
	return &cli.Command{
		Name:  "down",
		Usage: "end this home's daemon; what it was asked for is taken up by the next one",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "wait", Usage: "take no new sessions, and wait until those that are served have ended"},
		},
		Action: e.down,
	}
}

func (e env) up(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	if c.Bool("foreground") {
		return e.host(c, node.Config{OnDemand: c.Bool("on-demand")}, func(d *daemon) error {
			if c.Bool("on-demand") || c.Bool("spawned") {
				return nil // whoever has started it says what for
			}
			err := e.takeRoles(c, d)
			if errors.Is(err, errNoTerminal) {
				fmt.Fprintln(e.Err, "byway: note: the account is locked: what needs its key waits for byway account unlock")
				go e.takeRolesLater(c, d) // ends with the command
				err = nil
			}
			return errors.Join(err, e.isUp(c, d))
		}, e.stay)
	}
	folder, _, _, err := e.account(c)
	if err != nil {
		return err
	}
	if _, err := e.network(c); err != nil {
		return err
	}
	d, err := e.daemon(c)
	if err != nil {
		if d, err = e.spawn(c, folder, "--spawned"); err != nil {
			return err
		}
	}
	err = e.takeRoles(c, d)
	if errors.Is(err, errNoTerminal) {
		err = fmt.Errorf("%w, or unlock the daemon that runs now with byway account unlock", err)
	}
	return errors.Join(err, e.isUp(c, d))
}

// takeRoles starts what the config file says that this home is, where it does not run yet.
func (e env) takeRoles(c *cli.Context, d *daemon) error {
	roles, err := e.roles(c)
	if err != nil {
		return err
	}
	status, err := d.status(c.Context)
	if err != nil {
		return err
	}
	for _, role := range roles {
		switch {
		case role == roleProvider && status.Provider == nil:
			err = e.sell(c, d, spec.ProviderWant{Settings: map[string][]string{}}, nil)
		case role == roleConsumer && status.Connection == nil:
			var as *cli.Context
			if as, err = e.configured(c, "connect", nil); err == nil {
				err = e.wantConnection(as, d, new(spec.ConnectReport))
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", role, err)
		}
	}
	return nil
}

// takeRolesLater starts them once the account is unlocked.
func (e env) takeRolesLater(c *cli.Context, d *daemon) {
	for c.Context.Err() == nil {
		status, err := d.status(c.Context)
		if err == nil && !status.Locked {
			if err = e.takeRoles(c, d); err == nil {
				return
			}
			fmt.Fprintln(e.Err, "byway: note:", safe(hinted(err)))
		}
		select {
		case <-c.Context.Done():
		case <-time.After(rolesRetry):
		}
	}
}

// rolesRetry is how often a daemon whose account was locked looks whether it is unlocked.
const rolesRetry = time.Second

// isUp says what the daemon does.
func (e env) isUp(c *cli.Context, d *daemon) error {
	status, err := d.status(c.Context)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(status)
	}
	return e.showStatus(status)
}

func (e env) down(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	d, status, err := e.daemonStatus(c)
	if err != nil {
		return err
	}
	r, err := d.DownWithResponse(c.Context, nil, spec.Down{Wait: c.Bool("wait")})
	if err != nil {
		return err
	}
	steps := e.newSteps(!c.Bool("json"))
	err = follow(c.Context, d, r.JSON202, steps.begin, new(struct{}))
	steps.end(err == nil)
	if err != nil && !d.gone() {
		return err
	}
	if err := d.awaitEnd(c.Context); err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(struct {
			Schema string `json:"schema"`
			Home   string `json:"home"`
		}{"byway.down/1", d.dir})
	}
	fmt.Fprintln(e.Out, "The daemon has ended, and every session is settled.")
	if status.Connection != nil && status.Connection.Machine != "" {
		fmt.Fprintln(e.Out, "This machine stays shut until the next daemon has its connection up, or you open it: byway unlock")
	}
	return nil
}

// gone reports whether the daemon answers no more.
func (d *daemon) gone() bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err := d.status(ctx)
	return err != nil
}

// awaitEnd waits until the daemon has ended.
func (d *daemon) awaitEnd(ctx context.Context) error {
	for ctx.Err() == nil {
		if _, err := api.DialDir(d.dir); errors.Is(err, api.ErrNotRunning) {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	return ctx.Err()
}

// hosted is a daemon that this process is.
type hosted struct {
	*daemon
	node  *node.Node
	ended chan struct{}
	err   error // of its Run, once it has ended
}

func (h *hosted) over() bool {
	select {
	case <-h.ended:
		return true
	default:
		return false
	}
}

// host is this home's daemon until its end: it does something through the local API, as another command would, and stays.
func (e env) host(c *cli.Context, cfg node.Config, do func(*daemon) error, stay func(*cli.Context, *hosted) error) (err error) {
	if cfg.Log, err = e.logger(c); err != nil {
		return err
	}
	if cfg.Home, _, _, err = e.account(c); err != nil {
		return err
	}
	if cfg.Network, err = e.network(c); err != nil {
		return err
	}
	cfg.Version, cfg.Sale = version(), func(wish node.Wish, unit token.Token) (node.Sale, error) { return e.saleOf(c, cfg, wish, unit) }
	e.heedStreams()
	n, err := node.Open(c.Context, cfg)
	if err != nil {
		return err
	}
	h := &hosted{node: n, ended: make(chan struct{})}
	ready := make(chan struct{})
	go func() { // ends with the node
		defer close(h.ended)
		h.err = n.Run(context.WithoutCancel(c.Context), func() { close(ready) })
	}()
	defer func() {
		n.End()
		<-h.ended
		err = errors.Join(err, h.err)
	}()
	select {
	case <-ready:
	case <-h.ended:
		return nil
	}
	if h.daemon, err = e.daemon(c); err != nil {
		return err
	}
	if password, err := e.credential(c); err != nil {
		return err
	} else if password != "" {
		if _, err := h.UnlockWithResponse(c.Context, spec.Password{Password: password}); err != nil {
			return err
		}
	}
	notify(daemonsd.SdNotifyReady)
	defer notify(daemonsd.SdNotifyStopping)
	go keepWatched(h.ended) // ends with the node
	if err := do(h.daemon); err != nil {
		return err
	}
	return stay(c, h)
}

// notify tells the service manager how the daemon stands, where one has started it.
func notify(state string) { _, _ = daemonsd.SdNotify(false, state) } // Nobody is left to tell where it does not listen.

// keepWatched tells a service manager that asks for it that the daemon lives, until the daemon has ended.
func keepWatched(ended <-chan struct{}) {
	every, err := daemonsd.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		return
	}
	tick := time.NewTicker(every / 2)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
			notify(daemonsd.SdNotifyWatchdog)
		}
	}
}

// stay keeps the daemon until its user or another command ends it.
func (e env) stay(c *cli.Context, h *hosted) error {
	select {
	case <-c.Context.Done():
	case <-h.ended:
	}
	return nil
}

// credentialName names the password among the credentials that a service manager hands over.
const credentialName = "byway-password"

// credential is the password that a daemon was given for its start: by --password-file, or by the service manager. Empty: it
// starts locked.
func (e env) credential(c *cli.Context) (string, error) {
	if c.String("password-file") != "" {
		return e.password(c, false)
	}
	folder := os.Getenv("CREDENTIALS_DIRECTORY")
	if folder == "" {
		return "", nil
	}
	password, err := readPassword(filepath.Join(folder, credentialName))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return password, err
}

// The roles that a home may have.
const (
	roleProvider = "provider"
	roleConsumer = "consumer"
)
