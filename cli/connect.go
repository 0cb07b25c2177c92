package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"byway/contracts"
	"byway/contracts/chain"
	"byway/node"
	"byway/node/api"
	"byway/node/path"
	"byway/node/probe"
	"byway/node/token"
	"byway/payments/payer"
	"byway/registry"
	"byway/registry/choose"
	"byway/registry/directory"
	"byway/tunnel/proxy"
	"byway/tunnel/wireguard"
)

func (e env) connectCommand() *cli.Command {
	return &cli.Command{
		Name:  "connect",
		Usage: "open a paid session with a provider, and stay",
		Description: "Chooses among the offers that fit by what earlier sessions measured and by price, deposits what the\n" +
			"channel lacks, opens a WireGuard session and offers it as a SOCKS5 and HTTP proxy on this machine.\n" +
			"It needs no root. With --tun the whole machine goes through it instead.\n\n" +
			"With --tun only you open the machine again: byway disconnect, Ctrl-C, TERM, a closed terminal or\n" +
			"byway unlock. Any other end of a session (its --spend is used up, the provider went away, an error)\n" +
			"leaves the machine shut, and says so here and in byway status. A connect that fails before it has a\n" +
			"session leaves the machine as it found it, open or shut; so does Ctrl-C before there is one.",
		Flags: append(append(criteriaFlags(), proxyFlags()...),
			&cli.StringFlag{Name: "spend", Value: "1", Usage: "the most that this session may cost, in `TOKENS`"},
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
		Usage:  "end the session of this home and show its receipt",
		Action: e.disconnect,
	}
}

// connectJSON is byway.connect/1: one line when the session is up, one when it has ended. A disconnect that finds no session
// but what one has left of the machine's network says that this is restored.
type connectJSON struct {
	Schema  string       `json:"schema"`
	Event   string       `json:"event"` // "connected", "closed" or "restored"
	Proxy   string       `json:"proxy,omitempty"`
	Error   string       `json:"error,omitempty"`
	Shut    *shutJSON    `json:"shut,omitempty"` // the end has left this machine shut
	Session path.Receipt `json:"session"`
}

// shutJSON says that this machine stays shut, and how it is opened.
type shutJSON struct {
	Since    time.Time `json:"since"`
	Reason   string    `json:"reason"`
	Lockdown bool      `json:"lockdown,omitempty"`
	Trouble  string    `json:"trouble,omitempty"` // what is wrong with what keeps it shut
	OpenWith string    `json:"open_with"`
}

func newShutJSON(s *path.ShutError) *shutJSON {
	if s == nil {
		return nil
	}
	return &shutJSON{s.Since, safe(s.Reason), s.Lockdown, safe(s.Trouble), "byway unlock"}
}

func (e env) connect(c *cli.Context) (err error) {
	if err := noArgs(c); err != nil {
		return err
	}
	if err := checkNumbers(c, "max-price", "min-stake", "spend"); err != nil {
		return err
	}
	var listener *proxyListener // nil where the whole machine goes through the session
	if !c.Bool("tun") {
		if listener, err = e.listenProxy(c); err != nil {
			return err
		}
		defer listener.Close()
	} else if c.IsSet("proxy-auth") {
		return usagef("--proxy-auth goes without --tun: there is no proxy then")
	}
	e.heedStreams()
	consumer, err := e.openConsumer(c)
	if err != nil {
		return err
	}
	session, err := e.openSession(c, consumer)
	if err != nil {
		err = errors.Join(err, consumer.letGo(c.Context.Err() != nil, err))
		if shut := e.leftShut(c); shut != nil {
			fmt.Fprintln(e.Err, "byway: note:", safe(hinted(shut)))
		}
		return err
	}
	return e.carry(c, consumer, session, listener)
}

// letGo closes the consumer. It gives the machine back where the user ended what was going on; err is what ended it
// otherwise.
func (c *consumer) letGo(user bool, err error) error {
	if user {
		return c.Close()
	}
	return c.Abandon(endReason(err, c.Token))
}

// leftShut says whether the end of a connect has left this machine shut.
func (e env) leftShut(c *cli.Context) *path.ShutError {
	if !c.Bool("tun") {
		return nil
	}
	shut, err := path.InspectMachine()
	if err != nil {
		fmt.Fprintln(e.Err, "byway: note:", safe(hinted(err)))
	}
	return shut
}

// consumer is an open consumer, with what the command line asked of it.
type consumer struct {
	*node.Consumer
	want  directory.Criteria
	spend contracts.Amount
}

// openConsumer reads the flags and opens this home as a consumer, which asks for the password.
func (e env) openConsumer(c *cli.Context) (*consumer, error) {
	log, err := e.logger(c)
	if err != nil {
		return nil, err
	}
	home, _, _, err := e.account(c)
	if err != nil {
		return nil, err
	}
	network, err := e.network(c)
	if err != nil {
		return nil, err
	}
	// What this machine lacks is said before anybody is asked for a password, and long before anything is paid for.
	engine, err := wireguard.Parse(c.String("engine"))
	if err != nil {
		return nil, usagef("--engine: %v", err)
	}
	machine, err := machineConfig(c, log)
	if err != nil {
		return nil, err
	}
	if machine == nil {
		if shut, err := path.InspectMachine(); err == nil && shut != nil {
			return nil, shut
		}
	}
	token, err := token.Known(c.Context, network, home)
	if err != nil {
		return nil, notUp(network, err)
	}
	out := &consumer{}
	if out.want, err = criteria(c, token); err != nil {
		return nil, err
	}
	if out.spend, err = tokenFlag(c, "spend", token); err != nil {
		return nil, err
	}
	if out.spend.IsZero() {
		return nil, usagef("--spend must be above zero: it is the most that the session may cost")
	}
	password, err := e.password(c, false)
	if err != nil {
		return nil, err
	}
	owner, session, err := home.Unlock(password)
	if err != nil {
		return nil, err
	}
	out.Consumer, err = node.OpenConsumer(c.Context, node.ConsumerConfig{
		Home: home, Network: network, Key: owner, Machine: machine, Log: log,
		Config: path.Config{
			Session: session, SpendCap: out.spend, Engine: engine, OneWayUDP: c.Bool("one-way-udp"),
		},
	})
	if err == nil {
		e.tellClock(out.ClockTrouble(c.Context))
	}
	return out, err
}

// openSession goes from the list of offers to an open session, saying what it does.
func (e env) openSession(c *cli.Context, consumer *consumer) (session *path.Session, err error) {
	ctx := c.Context
	steps := e.newSteps(!c.Bool("json"))
	defer func() { steps.end(err == nil) }()
	steps.begin("offers")
	offers, skipped, err := collect(consumer.Offers(ctx))
	if err != nil {
		return nil, err
	}
	ranked, err := consumer.Market().Rank(offers, consumer.want)
	if err != nil {
		return nil, explainNoOffer(err, consumer.want, consumer.Token, len(skipped))
	}
	for i, chosen := range ranked[:min(len(ranked), attempts)] {
		if i > 0 {
			fmt.Fprintf(e.Err, "byway: note: %s; trying the next\n", safe(hinted(err)))
		}
		if consumer.Probes() {
			steps.begin("deposit")
			if err = e.fund(ctx, consumer, chosen.Offer, consumer.FundProbe); err == nil {
				steps.begin("check")
				err = consumer.Inspect(ctx, chosen.SignedOffer, signed(ranked[i+1:]))
			}
			if errors.As(err, new(*probe.LieError)) {
				continue
			}
			if err != nil && ctx.Err() == nil && consumer.Market().Reach(ctx, chosen.Offer) == nil {
				// Nothing is known against it: the targets may be down.
				fmt.Fprintf(e.Err, "byway: note: not checked: %s\n", safe(hinted(err)))
			}
		}
		steps.begin("deposit")
		if err = e.fund(ctx, consumer, chosen.Offer, consumer.Fund); err != nil {
			if consumer.Market().Reach(ctx, chosen.Offer) != nil && ctx.Err() == nil {
				consumer.Market().Unreached(chosen.Offer.Provider)
				continue // nothing was deposited for a host that does not answer
			}
			return nil, err
		}
		steps.begin("session")
		session, err = consumer.Connect(ctx, chosen.SignedOffer)
		break
	}
	return session, explainEnd(err, consumer)
}

// fund deposits with what it is given. While the chain can't be read it goes by what this node knows.
func (e env) fund(ctx context.Context, consumer *consumer, offer registry.Offer,
	deposit func(context.Context, registry.Offer, contracts.Amount) (chain.Result, error),
) error {
	_, err := deposit(ctx, offer, consumer.spend)
	if offline := (*path.OfflineError)(nil); errors.As(err, &offline) && !offline.Can.IsZero() {
		cause := safe(strings.ReplaceAll(offline.Cause.Error(), "\n", "; "))
		fmt.Fprintf(e.Err, "byway: note: %s. Opening from what this node knows, as of %s: %s is left to pay with\n",
			cause, day(offline.AsOf), show(consumer.Token, offline.Can))
		return nil
	}
	return err
}

func signed(ranked []choose.Candidate) (out []registry.SignedOffer) {
	for _, r := range ranked {
		out = append(out, r.SignedOffer)
	}
	return out
}

// attempts is how many providers one connect turns to before it gives up.
const attempts = 3

// carry runs the proxy and the local API until the session ends, by a signal, by byway disconnect or by itself.
func (e env) carry(c *cli.Context, consumer *consumer, session *path.Session, listener *proxyListener) error {
	log, err := e.logger(c)
	if err != nil {
		return err
	}
	address := ""
	if listener != nil {
		address = listener.Addr().String()
	}
	ctx, cancel := context.WithCancel(c.Context)
	group, running := errgroup.WithContext(ctx)
	var proxy *proxy.Proxy
	if listener != nil {
		proxy = listener.proxy(session.Tunnel(), log)
		group.Go(func() error { return proxy.Serve(running, listener.Listener) })
	}
	ready := make(chan struct{})
	group.Go(func() error { return consumer.ServeAPI(running, session, proxy, address, func() { close(ready) }) })
	select {
	case <-ready: // who reads that it is connected may disconnect at once
		if c.Bool("json") {
			err = e.printJSON(connectJSON{
				Schema: "byway.connect/1", Event: "connected", Proxy: address, Session: session.Receipt(),
			})
		} else {
			err = e.connected(consumer.Token, session, address)
		}
	case <-running.Done():
	}
	group.Go(func() error {
		defer cancel()
		e.watchSession(running, consumer.Token, session)
		return nil
	})
	err = errors.Join(err, group.Wait())
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	// The interrupt that ended the command must not end the payment of the rest.
	closing, done := context.WithTimeout(context.WithoutCancel(c.Context), 30*time.Second)
	defer done()
	receipt, closeErr := session.Close(closing)
	if closeErr != nil {
		log.Info("the session failed", "error", closeErr)
	}
	user := c.Context.Err() != nil || consumer.Disconnected()
	err = errors.Join(err, consumer.letGo(user, errors.Join(closeErr, err)), explainEnd(closeErr, consumer))
	shut := e.leftShut(c)
	if c.Bool("json") {
		last := connectJSON{Schema: "byway.connect/1", Event: "closed", Shut: newShutJSON(shut), Session: receipt}
		if err != nil {
			last.Error = err.Error()
		}
		return errors.Join(err, e.printJSON(last))
	}
	err = errors.Join(err, e.sessionReceipt(consumer.Token, receipt))
	if shut != nil {
		fmt.Fprintln(e.Err, "byway: note:", safe(hinted(shut)))
	}
	return err
}

// endReason says in a few words why a session has ended that its user has not ended: byway status will show them.
func endReason(err error, token token.Token) string {
	var capped *payer.SpendCapError
	switch {
	case err == nil:
		return "the session ended by itself"
	case errors.As(err, &capped) && capped.Funds:
		return "the deposit is used up"
	case errors.As(err, &capped):
		return "the session has cost " + show(token, capped.Limit) + ", and might cost no more"
	case errors.Is(err, path.ErrProviderGone):
		return "the provider went away"
	}
	return strings.ReplaceAll(safe(hinted(err)), "\n", "; ")
}

// explainEnd says for people why there is no session any more, and what they can do.
func explainEnd(err error, consumer *consumer) error {
	var capped *payer.SpendCapError
	amount := func(a contracts.Amount) string { return show(consumer.Token, a) }
	switch {
	case err == nil:
		return nil
	case errors.As(err, &capped) && capped.Funds:
		return plainly(err, "the deposit pays for %s of this session, and that is used up: "+
			"byway account balance shows what is there", amount(capped.Limit))
	case errors.As(err, &capped):
		return plainly(err, "the session may cost %s, and that is used up: connect again, with a higher --spend for more",
			amount(capped.Limit))
	case errors.Is(err, path.ErrProviderGone):
		return plainly(err, "the provider went away in the middle of the session and can claim no more than it was "+
			"promised: byway connect finds another one")
	case strings.HasPrefix(err.Error(), "the provider closed the session"):
		return plainly(err, "%v: byway connect finds another one", err)
	}
	return err
}

func (e env) connected(unit token.Token, session *path.Session, address string) error {
	offer := session.Offer().Offer
	perGB, err := token.PerGB(offer.PricePerGiB)
	if err != nil {
		return err
	}
	fmt.Fprintln(e.Out, "Connected. Ctrl-C, or byway disconnect, ends the session.")
	fmt.Fprintln(e.Out)
	rows := []row{{"provider", offer.Provider.Hex()}, {"price", show(unit, perGB) + " per GB"}}
	switch session.Machine() {
	case path.MachineWhole:
		rows = append(rows, row{"this machine", "goes through the provider whole; nothing leaves past the tunnel"})
	case path.MachinePrograms:
		rows = append(rows, row{"programs", "go through the provider when started by: byway exec -- PROGRAM"})
	case path.MachineSplit:
		rows = append(rows, row{"this machine", "goes through the provider, but for what --include and --exclude leave out"})
	default:
		rows = append(rows,
			row{"proxy", "socks5h://" + address + "  and  http://" + address},
			row{"try", "curl --proxy socks5h://" + address + " https://example.org"},
		)
	}
	e.rows(e.Out, rows...)
	fmt.Fprintln(e.Out)
	return nil
}

// watchSession keeps the live line, and says when the machine's traffic is blocked, until the session or the command ends.
func (e env) watchSession(ctx context.Context, token token.Token, session *path.Session) {
	live := e.newLive()
	defer live.end()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var last uint64
	blocked := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-session.Done():
			return
		case <-tick.C:
			if now := session.Blocked(); now != blocked {
				live.end()
				if blocked = now; now == "" {
					fmt.Fprintln(e.Err, "byway: note: this machine's traffic goes through the session again")
				} else {
					fmt.Fprintln(e.Err, "byway: note: this machine's traffic is blocked, or was:", safe(now))
				}
			}
			r := session.Receipt()
			total := r.Rx + r.Tx
			live.show("%s · %s down, %s up · spent %s", formatRate(total-min(last, total), time.Second),
				formatBytes(r.Rx), formatBytes(r.Tx), show(token, r.Paid))
			last = total
		}
	}
}

// sessionReceipt prints how a session ended.
func (e env) sessionReceipt(token token.Token, r path.Receipt) error {
	fmt.Fprintln(e.Out, "Receipt")
	return e.sessionRows(token, r)
}

// sessionRows prints a session's receipt, or how it stands so far.
func (e env) sessionRows(unit token.Token, r path.Receipt) error {
	perMB, err := token.PerMB(r.Price)
	if err != nil {
		return err
	}
	e.rows(e.Out,
		row{"provider", r.Provider},
		row{"time", fmt.Sprintf("%s, up in %s", formatDuration(r.Duration), formatDuration(r.Setup))},
		row{"traffic", fmt.Sprintf("%s down, %s up", formatBytes(r.Rx), formatBytes(r.Tx))},
		row{"price", show(unit, perMB) + " per MB"},
		row{"paid", fmt.Sprintf("%s in %s", show(unit, r.Paid), plural(r.Promises, "promise"))},
	)
	return nil
}

func (e env) disconnect(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	home, daemon, raw, err := e.daemon(c)
	if errors.Is(err, api.ErrNotRunning) {
		restored, recoverErr := path.RecoverMachine()
		if errors.As(recoverErr, new(*path.ShutError)) {
			recoverErr = fmt.Errorf("%w; it is root's to open: sudo byway disconnect", recoverErr)
		}
		if restored && c.Bool("json") {
			return e.printJSON(connectJSON{Schema: "byway.connect/1", Event: "restored"})
		}
		if restored {
			fmt.Fprintln(e.Out, "No session runs any more; its kill switch, routes and resolver are gone from this machine.")
			return nil
		}
		err = errors.Join(recoverErr, err)
	}
	if err != nil {
		return err
	}
	var status node.ConsumerStatus
	if err := json.Unmarshal(raw, &status); err != nil {
		return fmt.Errorf("status: %w", err)
	}
	if status.Role != "consumer" {
		return fmt.Errorf("a %s runs on %s: only a consumer's session can be disconnected", status.Role, home.Dir())
	}
	var receipt path.Receipt
	if err := daemon.Post(c.Context, "/v1/disconnect", &receipt); err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(connectJSON{Schema: "byway.connect/1", Event: "closed", Session: receipt})
	}
	return e.sessionReceipt(status.Token, receipt)
}
