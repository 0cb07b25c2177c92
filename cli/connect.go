package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"byway/contracts"
	"byway/node"
	"byway/node/api"
	"byway/node/api/spec"
	"byway/node/connection"
	"byway/node/home"
	"byway/node/path"
	"byway/node/token"
	"byway/registry/directory"
	"byway/tunnel/wireguard"
)

func (e env) connectCommand() *cli.Command {
	return &cli.Command{
		Name:  "connect",
		Usage: "go through a provider, paid per megabyte, until byway disconnect",
		Description: "Chooses among the offers that fit by what earlier sessions measured and by price, deposits what the\n" +
			"channel lacks, opens a WireGuard session and offers it as a SOCKS5 and HTTP proxy on this machine.\n" +
			"It needs no root. With --tun the whole machine goes through it instead. The daemon keeps the\n" +
			"connection: where a provider goes away it takes the next best offer by itself, within --max-price and\n" +
			"--spend; with --foreground this command is the daemon.\n\n" +
			"With --tun only you open the machine again: byway disconnect, Ctrl-C, TERM, a closed terminal or\n" +
			"byway unlock. Any other end of a session (its --spend is used up, the provider went away, an error)\n" +
			"leaves the machine shut, and says so here and in byway status. A connect that fails before it has a\n" +
			"session leaves the machine as it found it, open or shut; so does Ctrl-C before there is one.",
		Flags: append(append(criteriaFlags(), proxyFlags()...),
			&cli.StringFlag{Name: "spend", Value: "1", Usage: "the most that this connection may cost, in `TOKENS`: then it holds, " +
				"and byway spend lets it go on"},
			&cli.StringFlag{Name: "day", Usage: "the most that all connections of a day (UTC) may cost, in `TOKENS`"},
			&cli.StringFlag{Name: "month", Usage: "the most that all connections of a month (UTC) may cost, in `TOKENS`"},
			&cli.DurationFlag{Name: "rotate", Usage: "go on through another exit each `TIME`, such as 30m"},
			foregroundFlag(),
			engineFlag(),
			&cli.BoolFlag{Name: "one-way-udp", Usage: "take UDP streams that are seldom answered (RTP, IPTV): what an exit sends on a " +
				"UDP flow that was opened once is then billed, answered or not"},
			&cli.BoolFlag{Name: "tun", Usage: "send the whole machine through the session, behind a kill switch; needs root or CAP_NET_ADMIN"},
			&cli.BoolFlag{Name: "lan", Usage: "with --tun: let the local network be reached directly"},
			&cli.StringSliceFlag{Name: "exclude", Usage: "with --tun: `PREFIX` that goes past the tunnel"},
			&cli.StringSliceFlag{Name: "include", Usage: "with --tun: `PREFIX` that alone goes through the tunnel"},
			&cli.BoolFlag{Name: "programs", Usage: "with --tun: only what byway exec starts goes through the tunnel"},
			&cli.BoolFlag{Name: "lockdown", Usage: "with --tun: keep the kill switch on after the session, until byway unlock"},
		),
		Action: e.connect,
	}
}

func (e env) disconnectCommand() *cli.Command {
	return &cli.Command{
		Name:   "disconnect",
		Usage:  "end the connection of this home and show its receipt",
		Action: e.disconnect,
	}
}

func (e env) connect(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	if err := checkNumbers(c, "max-price", "min-stake", "spend", "day", "month"); err != nil {
		return err
	}
	if err := e.checkConnect(c); err != nil {
		return err
	}
	if c.Bool("foreground") {
		return e.host(c, node.Config{OnDemand: true}, func(d *daemon) error { return e.connectBy(c, d) }, e.stayConnected)
	}
	d, err := e.start(c)
	if err != nil {
		return err
	}
	return e.connectBy(c, d)
}

// checkConnect finds what is wrong with the flags, and with this machine, before anything is started.
func (e env) checkConnect(c *cli.Context) error {
	if c.Bool("tun") {
		if c.IsSet("proxy-auth") {
			return usagef("--proxy-auth goes without --tun: there is no proxy then")
		}
	} else if dir, err := e.homeDir(c); err != nil {
		return err
	} else if err := node.CheckProxy(dir, c.String("proxy"), c.String("proxy-auth")); err != nil {
		return usageError{fmt.Errorf("--%w", err)}
	}
	if _, err := wireguard.Parse(c.String("engine")); err != nil {
		return usagef("--engine: %v", err)
	}
	if every := c.Duration("rotate"); every < 0 {
		return usagef("--rotate %s is below zero", every)
	}
	network, err := e.network(c)
	if err != nil {
		return err
	}
	_, err = e.want(c, e.unit(c, network))
	return err
}

// unit is the network's token as this home knows it. Where it does not yet, the daemon asks the chain, and amounts are checked
// here as those of nearly all tokens.
func (e env) unit(c *cli.Context, network home.Network) token.Token {
	if folder, err := e.nameHome(c); err == nil {
		if known, err := token.Recall(network, folder); err == nil {
			return known
		}
	}
	return token.Token{Decimals: 18}
}

// connectBy has a daemon want a connection, waits until it is up, and says so.
func (e env) connectBy(c *cli.Context, d *daemon) error {
	var report spec.ConnectReport
	if err := e.wantConnection(c, d, &report); err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(report)
	}
	status, err := d.status(c.Context)
	if err != nil {
		return err
	}
	return e.connected(c.Bool("foreground"), status, report)
}

// wantConnection has a daemon want the connection of these flags, and waits until it is up.
func (e env) wantConnection(c *cli.Context, d *daemon, report *spec.ConnectReport) error {
	status, err := d.status(c.Context)
	if err != nil {
		return err
	}
	unit := status.Token
	if unit == (token.Token{}) { // the chain has not told yet
		network, err := e.network(c)
		if err != nil {
			return err
		}
		folder, err := e.nameHome(c)
		if err != nil {
			return err
		}
		if unit, err = token.Known(c.Context, network, folder); err != nil {
			return notUp(network, err)
		}
	}
	want, err := e.want(c, unit)
	if err != nil {
		return err
	}
	steps := e.newSteps(!c.Bool("json"))
	err = e.unlocked(c, d, func() error {
		r, err := d.ConnectWithResponse(c.Context, nil, want)
		if err != nil {
			return err
		}
		return follow(c.Context, d, r.JSON202, func(text string) { e.connectStep(steps, text) }, report)
	})
	steps.end(err == nil)
	return e.notUp(c, explainNoOffer(err, directory.Criteria{MaxPricePerGiB: want.MaxPricePerGib}, status.Token, 0))
}

// connectStep tells a step of an operation: one of the parts of every connect, or a note.
func (e env) connectStep(steps *steps, text string) {
	if note, ok := strings.CutPrefix(text, "note: "); ok {
		fmt.Fprintln(e.Err, "byway: note:", safe(strings.ReplaceAll(note, "\n", "; ")))
		return
	}
	steps.begin(text)
}

// want reads the flags.
func (e env) want(c *cli.Context, unit token.Token) (want spec.Want, err error) {
	fits, err := criteria(c, unit)
	if err != nil {
		return want, err
	}
	want = spec.Want{
		Country: fits.Country, Provider: fits.Provider, MaxPricePerGib: fits.MaxPricePerGiB, MinStake: fits.MinStake,
		MinAgeSeconds: int64(fits.MinAge / time.Second), Features: fits.Features, Transport: fits.Transport, P2P: fits.P2P,
		RotateSeconds: int64(c.Duration("rotate") / time.Second), OneWayUDP: c.Bool("one-way-udp"), Engine: c.String("engine"),
	}
	for name, into := range map[string]**contracts.Amount{"spend": &want.Spend, "day": &want.Day, "month": &want.Month} {
		if c.String(name) == "" {
			continue
		}
		amount, err := tokenFlag(c, name, unit)
		if err != nil {
			return want, err
		}
		if amount.IsZero() {
			return want, usagef("--%s must be above zero: it is the most that may be spent", name)
		}
		*into = &amount
	}
	if want.Tun, err = machineWant(c); err != nil {
		return want, err
	}
	if want.Tun == nil {
		want.Proxy = c.String("proxy")
		if auth := c.String("proxy-auth"); auth != "" {
			if want.ProxyAuth, err = filepath.Abs(auth); err != nil {
				return want, fmt.Errorf("--proxy-auth: %w", err)
			}
		}
	}
	return want, nil
}

// connected says that a connection is up.
func (e env) connected(stays bool, status spec.Status, report spec.ConnectReport) error {
	if stays {
		fmt.Fprintln(e.Out, "Connected. Ctrl-C, or byway disconnect, ends it.")
	} else {
		fmt.Fprintln(e.Out, "Connected. byway disconnect ends it, byway status shows it.")
	}
	fmt.Fprintln(e.Out)
	conn := status.Connection
	if conn == nil || conn.Exit == nil {
		return nil // it has ended meanwhile
	}
	rows := []row{{"provider", conn.Exit.Provider.Hex()}, {"price", show(status.Token, conn.Exit.PricePerGb) + " per GB"}}
	switch string(conn.Machine) {
	case path.MachineWhole:
		rows = append(rows, row{"this machine", "goes through the provider whole; nothing leaves past the tunnel"})
	case path.MachinePrograms:
		rows = append(rows, row{"programs", "go through the provider when started by: byway exec -- PROGRAM"})
	case path.MachineSplit:
		rows = append(rows, row{"this machine", "goes through the provider, but for what --include and --exclude leave out"})
	default:
		rows = append(rows,
			row{"proxy", "socks5h://" + report.Proxy + "  and  http://" + report.Proxy},
			row{"try", "curl --proxy socks5h://" + report.Proxy + " https://example.org"},
		)
	}
	e.rows(e.Out, rows...)
	fmt.Fprintln(e.Out)
	return nil
}

// stayConnected keeps the live line, and says when the connection's state changes, until its user or another command ends it;
// then it shows the receipt.
func (e env) stayConnected(c *cli.Context, h *hosted) error {
	live := e.newLive()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	said, blocked := string(spec.ConnectionStateConnected), ""
	var unit token.Token
	for c.Context.Err() == nil && !h.over() {
		select {
		case <-c.Context.Done():
		case <-h.ended:
		case <-tick.C:
			status, err := h.status(c.Context)
			if err != nil || status.Connection == nil {
				continue
			}
			conn := status.Connection
			unit = status.Token
			if now := connectionState(status.Token, conn); now != said {
				live.end()
				said = now
				fmt.Fprintln(e.Err, "byway: note: the connection is", now)
			}
			if now := conn.MachineBlocked; now != blocked {
				live.end()
				if blocked = now; now == "" {
					fmt.Fprintln(e.Err, "byway: note: this machine's traffic goes through the session again")
				} else {
					fmt.Fprintln(e.Err, "byway: note: this machine's traffic is blocked, or was:", safe(now))
				}
			}
			live.show("%s · %s down, %s up · spent %s", formatRate(conn.RateRx+conn.RateTx, time.Second), formatBytes(conn.RxBytes),
				formatBytes(conn.TxBytes), show(status.Token, conn.Budget.Spent))
		}
	}
	live.end()
	// The interrupt that ended the command must not end the payment of the rest.
	ending, done := context.WithTimeout(context.WithoutCancel(c.Context), endPatience)
	defer done()
	report, err := h.node.Disconnect(ending)
	if last := h.node.LastConnection(); errors.Is(err, api.ErrIdle) && last != nil { // another command has ended it
		report, err = *last, nil
	}
	if err != nil {
		return err
	}
	return e.closed(c, unit, report)
}

// endPatience bounds the settling of a connection at its end.
const endPatience = 45 * time.Second

// closed shows how a connection has ended.
func (e env) closed(c *cli.Context, unit token.Token, report spec.ConnectReport) error {
	if c.Bool("json") {
		return e.printJSON(report)
	}
	if report.Event == spec.ConnectReportEventRestored {
		fmt.Fprintln(e.Out, "No session runs any more; its kill switch, routes and resolver are gone from this machine.")
		return nil
	}
	if report.Session == nil {
		fmt.Fprintln(e.Out, "The connection is off: no session was open.")
		return nil
	}
	return e.sessionReceipt(unit, *report.Session)
}

// connectionState says in a few words where a connection stands, and why.
func connectionState(unit token.Token, conn *spec.Connection) string {
	text := string(conn.State)
	if conn.Reason != nil {
		text += ": " + safe(unit.Words(strings.ReplaceAll(conn.Reason.Text, "\n", "; "))) + hintedReason(conn.Reason.Code)
	}
	return text
}

// sessionReceipt prints how a session ended.
func (e env) sessionReceipt(token token.Token, r spec.Receipt) error {
	fmt.Fprintln(e.Out, "Receipt")
	return e.sessionRows(token, r)
}

// sessionRows prints a session's receipt, or how it stands so far.
func (e env) sessionRows(unit token.Token, r spec.Receipt) error {
	perMB, err := token.PerMB(r.PricePerGib)
	if err != nil {
		return err
	}
	e.rows(e.Out,
		row{"provider", r.Provider.Hex()},
		row{"time", fmt.Sprintf("%s, up in %s", formatDuration(time.Duration(r.DurationNs)), formatDuration(time.Duration(r.SetupNs)))},
		row{"traffic", fmt.Sprintf("%s down, %s up", formatBytes(r.RxBytes), formatBytes(r.TxBytes))},
		row{"price", show(unit, perMB) + " per MB"},
		row{"paid", fmt.Sprintf("%s in %s", show(unit, r.Paid), plural(r.Promises, "promise"))},
	)
	return nil
}

// forget takes back what was wanted of a daemon that does not run any more, so that the next one does not take it up.
func (e env) forget(c *cli.Context, wish func(home.Home) (bool, error)) (forgotten bool, err error) {
	folder, _, _, err := e.account(c)
	if err != nil {
		return false, nil // nothing was wanted where there is no account
	}
	unlock, err := folder.Lock()
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	return wish(folder)
}

func (e env) disconnect(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	d, err := e.daemon(c)
	var status spec.Status
	if err == nil {
		status, err = d.status(c.Context)
	}
	if errors.Is(err, api.ErrNotRunning) || err == nil && status.Connection == nil && status.Shut != nil {
		restored, recoverErr := path.RecoverMachine()
		if errors.As(recoverErr, new(*path.ShutError)) {
			recoverErr = fmt.Errorf("%w; it is root's to open: sudo byway disconnect", recoverErr)
		}
		forgotten, forgetErr := e.forget(c, connection.Forget)
		recoverErr = errors.Join(recoverErr, forgetErr)
		if restored || forgotten && recoverErr == nil {
			if !restored {
				return e.closed(c, token.Token{}, spec.ConnectReport{Schema: "byway.connect/1", Event: spec.ConnectReportEventClosed})
			}
			return e.closed(c, token.Token{}, spec.ConnectReport{Schema: "byway.connect/1", Event: spec.ConnectReportEventRestored})
		}
		err = errors.Join(recoverErr, err)
	}
	if err != nil {
		return err
	}
	r, err := d.DisconnectWithResponse(c.Context)
	if err != nil {
		return err
	}
	return e.closed(c, status.Token, *r.JSON200)
}
