package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"byway/node"
	"byway/registry"
	"byway/tunnel"
)

func (e env) connectCommand() *cli.Command {
	return &cli.Command{
		Name:  "connect",
		Usage: "open a paid session with a provider, and stay",
		Description: "Chooses the cheapest offer that fits, deposits what the channel lacks, opens a WireGuard session and\n" +
			"offers it as a SOCKS5 and HTTP proxy on this machine. It needs no root.",
		Flags: append(criteriaFlags(), jsonFlag(),
			&cli.StringFlag{Name: "spend", Value: "1", Usage: "the most that this session may cost, in `TOKENS`"},
			&cli.StringFlag{Name: "proxy", Value: "127.0.0.1:1080", Usage: "`ADDRESS:PORT` for the proxy"},
		),
		Action: e.connect,
	}
}

func (e env) disconnectCommand() *cli.Command {
	return &cli.Command{
		Name:   "disconnect",
		Usage:  "end the session of this home and show its receipt",
		Flags:  []cli.Flag{jsonFlag()},
		Action: e.disconnect,
	}
}

// connectJSON is byway.connect/1: one line when the session is up, one when it has ended.
type connectJSON struct {
	Schema  string       `json:"schema"`
	Event   string       `json:"event"` // "connected" or "closed"
	Proxy   string       `json:"proxy,omitempty"`
	Error   string       `json:"error,omitempty"`
	Session node.Receipt `json:"session"`
}

func (e env) connect(c *cli.Context) (err error) {
	if err := noArgs(c); err != nil {
		return err
	}
	consumer, err := e.openConsumer(c, c.String("spend"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, consumer.Close()) }()
	listener, err := net.Listen("tcp", c.String("proxy"))
	if err != nil {
		return fmt.Errorf("proxy: %w: choose another port with --proxy", err)
	}
	defer listener.Close()
	session, err := e.openSession(c, consumer)
	if err != nil {
		return err
	}
	return e.carry(c, consumer, session, listener)
}

// openSession goes from the list of offers to an open session, saying what it does.
func (e env) openSession(c *cli.Context, consumer *node.Consumer) (*node.Session, error) {
	ctx := c.Context
	want, err := criteria(c, consumer.Token())
	if err != nil {
		return nil, err
	}
	steps := e.newSteps(!c.Bool("json"))
	defer func() { steps.end(err == nil) }()
	steps.begin("offers")
	if err = consumer.WaitReady(ctx); err != nil {
		return nil, err
	}
	offers, _, err := collect(consumer.Offers(ctx))
	if err != nil {
		return nil, err
	}
	chosen, err := registry.Choose(offers, want)
	if err != nil {
		return nil, err
	}
	steps.begin("deposit")
	spend, err := consumer.Token().Parse(c.String("spend"))
	if err != nil {
		return nil, err
	}
	if _, err = consumer.Fund(ctx, chosen.Offer, spend); err != nil {
		return nil, err
	}
	steps.begin("session")
	session, err := consumer.Connect(ctx, chosen.Signed)
	return session, err
}

// carry runs the proxy and the local API until the session ends, by a signal, by byway disconnect or by itself.
func (e env) carry(c *cli.Context, consumer *node.Consumer, session *node.Session, listener net.Listener) error {
	log, err := e.logger(c)
	if err != nil {
		return err
	}
	address := listener.Addr().String()
	if c.Bool("json") {
		err = e.printJSON(connectJSON{Schema: "byway.connect/1", Event: "connected", Proxy: address, Session: session.Receipt()})
	} else {
		err = e.connected(consumer.Token(), session, address)
	}
	ctx, cancel := context.WithCancel(c.Context)
	group, running := errgroup.WithContext(ctx)
	proxy := tunnel.NewProxy(tunnel.ProxyConfig{Dialer: session.Tunnel(), Log: log})
	group.Go(func() error { return proxy.Serve(running, listener) })
	group.Go(func() error { return session.ServeAPI(running, address) })
	group.Go(func() error {
		defer cancel()
		e.watchSession(running, consumer.Token(), session)
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
	err = errors.Join(err, closeErr)
	if c.Bool("json") {
		last := connectJSON{Schema: "byway.connect/1", Event: "closed", Session: receipt}
		if err != nil {
			last.Error = err.Error()
		}
		return errors.Join(err, e.printJSON(last))
	}
	return errors.Join(err, e.sessionReceipt(consumer.Token(), receipt))
}

func (e env) connected(token node.Token, session *node.Session, address string) error {
	offer := session.Offer().Offer
	perGB, err := node.PerGB(offer.PricePerGiB)
	if err != nil {
		return err
	}
	fmt.Fprintln(e.Out, "Connected. Ctrl-C, or byway disconnect, ends the session.")
	fmt.Fprintln(e.Out)
	e.rows(e.Out,
		row{"provider", offer.Provider.Hex()},
		row{"price", token.Format(perGB) + " per GB"},
		row{"proxy", "socks5h://" + address + "  and  http://" + address},
		row{"try", "curl --proxy socks5h://" + address + " https://example.org"},
	)
	fmt.Fprintln(e.Out)
	return nil
}

// watchSession keeps the live line until the session or the command ends.
func (e env) watchSession(ctx context.Context, token node.Token, session *node.Session) {
	live := e.newLive()
	defer live.end()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var last uint64
	for {
		select {
		case <-ctx.Done():
			return
		case <-session.Done():
			return
		case <-tick.C:
			r := session.Receipt()
			total := r.Rx + r.Tx
			live.show("%s · %s down, %s up · spent %s", formatRate(total-min(last, total), time.Second),
				formatBytes(r.Rx), formatBytes(r.Tx), token.Format(r.Paid))
			last = total
		}
	}
}

// sessionReceipt says what a session came to.
func (e env) sessionReceipt(token node.Token, r node.Receipt) error {
	perMB, err := node.PerMB(r.Price)
	if err != nil {
		return err
	}
	fmt.Fprintln(e.Out, "Receipt")
	e.rows(e.Out,
		row{"provider", r.Provider},
		row{"time", fmt.Sprintf("%s, up in %s", formatDuration(r.Duration), formatDuration(r.Setup))},
		row{"traffic", fmt.Sprintf("%s down, %s up", formatBytes(r.Rx), formatBytes(r.Tx))},
		row{"price", token.Format(perMB) + " per MB"},
		row{"paid", fmt.Sprintf("%s in %s", token.Format(r.Paid), plural(r.Promises, "promise"))},
	)
	return nil
}

func (e env) disconnect(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	home, err := e.home(c)
	if err != nil {
		return err
	}
	api, err := node.DialAPI(home)
	if err != nil {
		return err
	}
	var status node.ConsumerStatus
	if err := api.Get(c.Context, "/v1/status", &status); err != nil {
		return err
	}
	if status.Role != "consumer" {
		return fmt.Errorf("a %s runs on %s: only a consumer's session can be disconnected", status.Role, home.Dir())
	}
	var receipt node.Receipt
	if err := api.Post(c.Context, "/v1/disconnect", &receipt); err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(connectJSON{Schema: "byway.connect/1", Event: "closed", Session: receipt})
	}
	return e.sessionReceipt(status.Token, receipt)
}
