package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"byway/contracts"
	"byway/contracts/chain"
	"byway/node"
	"byway/node/provide"
	"byway/node/token"
	"byway/registry"
	"byway/registry/directory"
	"byway/tunnel"
	"byway/tunnel/wireguard"
)

func (e env) providerCommand() *cli.Command {
	return &cli.Command{
		Name:  "provider",
		Usage: "earn tokens by forwarding traffic",
		Subcommands: []*cli.Command{
			{
				Name:   "up",
				Usage:  "publish an offer, serve sessions and stay",
				Flags:  append(providerFlags(), claimFlags()...),
				Action: e.providerUp,
			},
			e.providerOfferCommand(),
			{
				Name:   "claim",
				Usage:  "turn every promise into tokens now",
				Action: e.providerClaim,
			},
		},
	}
}

func providerFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "price", Value: "0.05",
			Usage: "`TOKENS` for a gigabyte (10^9 bytes), both directions together"},
		&cli.StringFlag{Name: "offer", Usage: "serve the signed offer in `FILE` as it stands, and sign none: " +
			"see byway provider offer"},
		&cli.StringFlag{Name: "stake", Value: "0", Usage: "`TOKENS` to lock in the registry"},
		&cli.StringFlag{Name: "country", Usage: "where the exit is: two letters, `CC`"},
		&cli.StringFlag{Name: "listen",
			Usage: "UDP `ADDRESS:PORT` for WireGuard (default: port 51820; on a devnet any port of loopback)"},
		&cli.StringSliceFlag{Name: "endpoint",
			Usage: "`ADDRESS:PORT` at which consumers reach WireGuard, where it differs from --listen"},
		&cli.StringSliceFlag{Name: "host-listen", Usage: "libp2p `MULTIADDR` to listen on"},
		&cli.StringSliceFlag{Name: "allow", Usage: "`PREFIX` that may be reached although it is private: an exact exception"},
		&cli.StringSliceFlag{Name: "deny", Usage: "`PREFIX` that may not be reached"},
		&cli.StringSliceFlag{Name: "dns", Usage: "`ADDRESS:PORT` of a resolver for the consumers, instead of the system's"},
		&cli.StringFlag{Name: "mode", Usage: "how to forward, as `MODE`: privileged (the kernel does it; needs root), " +
			"userspace, or auto for the better one that works (default: auto; on a devnet userspace)"},
		engineFlag(),
		&cli.IntSliceFlag{Name: "deny-port", Usage: "`PORT` that may not be reached (default: 25)"},
		&cli.BoolFlag{Name: "p2p", Value: true, Usage: "welcome file sharing between peers; --p2p=false says that it is not, " +
			"and closes the usual ports of BitTorrent"},
		&cli.Uint64Flag{Name: "line", Usage: "what this machine's line does each way, in `MBIT/S`: a claim in the offer, " +
			"from which the unpaid window follows (default: not said)"},
		&cli.Uint64Flag{Name: "session-rate", Usage: "what one session may move at most, both directions together, in " +
			"`MBIT/S`; 0 for no bound"},
		&cli.IntFlag{Name: "max-sessions", Value: provide.DefaultMaxSessions, Usage: "`NUMBER` of sessions at once"},
	}
}

// termFlags say what the offer says. An offer that was signed by hand leaves them nothing to say.
var termFlags = []string{"price", "country", "allow", "deny", "deny-port", "p2p", "max-sessions", "line", "session-rate"}

func (e env) providerUp(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	cfg, err := e.providerConfig(c)
	if err != nil {
		return err
	}
	provider, err := node.OpenProvider(c.Context, cfg)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("UDP port %d on %s is in use: choose another with --listen, or port 0 for any: %w",
			cfg.Listen.Port(), cfg.Listen.Addr(), err)
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(c.Context)
	defer cancel()
	e.heedStreams()
	e.tellClock(provider.ClockTrouble(ctx))
	fmt.Fprintln(e.Err, "Publishing the offer …")
	published, err := provider.Publish(ctx)
	for said := false; chain.IsOutage(err) && ctx.Err() == nil; said = true {
		if !said {
			fmt.Fprintf(e.Err, "byway: note: %s. The offer can't be published, and none like it was before: waiting for the chain. "+
				"Ctrl-C ends that\n", safe(strings.ReplaceAll(hinted(err), "\n", "; ")))
		}
		select {
		case <-ctx.Done():
		case <-time.After(publishRetry):
			published, err = provider.Publish(ctx)
		}
	}
	if err != nil {
		cancel() // Run then only closes what was opened.
		return errors.Join(err, provider.Run(ctx))
	}
	done := make(chan error, 1)
	go func() { done <- provider.Run(ctx) }() // ends with ctx
	select {
	case <-provider.Ready(): // who reads that it is up may ask it for its status at once
	case err := <-done:
		return err
	}
	if c.Bool("json") {
		err = e.printJSON(newProviderJSON(provider, published))
	} else {
		err = e.providerIsUp(provider, published)
	}
	if err != nil {
		cancel()
		return errors.Join(err, <-done)
	}
	return e.watchProvider(ctx, provider, done)
}

// publishRetry is how often a provider tries to publish while the chain can't be read.
const publishRetry = 5 * time.Second

// providerJSON is byway.provider/1: one line when the provider is up.
type providerJSON struct {
	Schema   string           `json:"schema"`
	Event    string           `json:"event"` // "up"
	Provider common.Address   `json:"provider"`
	Offer    string           `json:"offer"`
	Price    contracts.Amount `json:"price_per_gib"`
	Token    string           `json:"token"`
	Decimals uint8            `json:"decimals"`
	Exit     tunnel.Mode      `json:"exit"`
	TxHash   *common.Hash     `json:"tx_hash,omitempty"` // none where the offer was registered already
	GasUsed  uint64           `json:"gas_used"`
	// Unpublished is why the chain can't be read; the offer is the one that was published last then.
	Unpublished string `json:"unpublished,omitempty"`
}

func newProviderJSON(p *node.Provider, published directory.Receipt) providerJSON {
	offer, token := p.Offer(), p.Token
	out := providerJSON{
		Schema: "byway.provider/1", Event: "up", Provider: offer.Offer.Provider, Offer: offer.CID.String(),
		Price: offer.Offer.PricePerGiB, Token: token.Symbol, Decimals: token.Decimals, Exit: p.Exit().Mode(), GasUsed: published.GasUsed,
	}
	if published.GasUsed > 0 {
		out.TxHash = &published.TxHash
	}
	if err := p.Unpublished(); err != nil {
		out.Unpublished = err.Error()
	}
	return out
}

func (e env) providerIsUp(provider *node.Provider, published directory.Receipt) error {
	offer := provider.Offer()
	perGB, err := token.PerGB(offer.Offer.PricePerGiB)
	if err != nil {
		return err
	}
	fmt.Fprintln(e.Out, "Provider is up. Leave it running; Ctrl-C ends every session in order.")
	fmt.Fprintln(e.Out)
	rows := []row{
		{"provider", offer.Offer.Provider.Hex()},
		{"price", show(provider.Token, perGB) + " per GB"},
		{"offer", offer.CID.String()},
		{"exit", exitMode(provider.Exit().Mode())},
	}
	if err := provider.Unpublished(); err != nil {
		rows = append(rows, row{"registered", "before; the chain can't be read now, and known channels alone are served: " +
			safe(strings.ReplaceAll(hinted(err), "\n", "; "))})
	} else if published.GasUsed > 0 {
		rows = append(rows, row{"registered", fmt.Sprintf("%s, %d gas", published.TxHash, published.GasUsed)})
	} else {
		rows = append(rows, row{"registered", "already, unchanged"})
	}
	e.rows(e.Out, rows...)
	fmt.Fprintln(e.Out)
	return nil
}

// exitMode says how an exit forwards.
func exitMode(m tunnel.Mode) string {
	if m == tunnel.Privileged {
		return "in the kernel (TUN and nftables)"
	}
	return "in userspace"
}

// watchProvider keeps one live line on a terminal until the provider has ended.
func (e env) watchProvider(ctx context.Context, provider *node.Provider, done <-chan error) error {
	token := provider.Token
	live := e.newLive()
	defer live.end()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var last uint64
	for {
		select {
		case err := <-done:
			return err
		case <-tick.C:
			if ctx.Err() != nil {
				live.show("ending sessions …")
				continue
			}
			status, err := provider.Status(ctx)
			if err != nil {
				continue // The ledger says why to those who need it; the next second asks again.
			}
			var total uint64
			for _, s := range status.Sessions {
				total += s.Rx + s.Tx
			}
			live.show("%s · %s · earned %s, not yet claimed %s", plural(len(status.Sessions), "session"),
				formatRate(total-min(last, total), time.Second), show(token, status.Earnings.Promised),
				show(token, status.Earnings.Unsettled))
			last = total
		}
	}
}

// providerConfig turns the flags into what a provider decides.
func (e env) providerConfig(c *cli.Context) (cfg node.ProviderConfig, err error) {
	if cfg.Log, err = e.logger(c); err != nil {
		return cfg, err
	}
	if err = checkNumbers(c, "price", "stake", "gas-price", "reserve-above", "trust", "stranger-budget"); err != nil {
		return cfg, err
	}
	if c.String("offer") != "" {
		for _, name := range termFlags {
			if c.IsSet(name) {
				return cfg, usagef("--%s is a term of the offer, and --offer is sold as it was signed: leave --%[1]s out, or "+
					"sign an offer that says it", name)
			}
		}
	}
	if cfg.Home, _, _, err = e.account(c); err != nil {
		return cfg, err
	}
	if cfg.Network, err = e.network(c); err != nil {
		return cfg, err
	}
	for _, text := range c.StringSlice("dns") {
		resolver, err := netip.ParseAddrPort(text)
		if err != nil {
			return cfg, usagef("--dns %q is no address:port", text)
		}
		cfg.DNS = append(cfg.DNS, resolver)
	}
	listen := c.String("listen")
	switch {
	case listen == "" && cfg.Network.Private:
		listen = "127.0.0.1:0"
	case listen == "":
		listen = "0.0.0.0:51820"
	}
	if cfg.Listen, err = netip.ParseAddrPort(listen); err != nil {
		return cfg, usagef("--listen %q is no address:port", listen)
	}
	for _, text := range c.StringSlice("endpoint") {
		at, err := netip.ParseAddrPort(text)
		if err != nil {
			return cfg, usagef("--endpoint %q is no address:port", text)
		}
		if at.Port() == 0 {
			return cfg, usagef("--endpoint %q has port 0: name the one that consumers reach", text)
		}
		cfg.Endpoints = append(cfg.Endpoints, text)
	}
	cfg.HostListen = c.StringSlice("host-listen")
	mode := c.String("mode")
	switch {
	case mode == "" && cfg.Network.Private:
		mode = string(tunnel.Userspace)
	case mode == "":
		mode = string(tunnel.Auto)
	}
	if cfg.Mode, err = tunnel.ParseMode(mode); err != nil {
		return cfg, usagef("--mode: %v", err)
	}
	if cfg.Engine, err = wireguard.Parse(c.String("engine")); err != nil {
		return cfg, usagef("--engine: %v", err)
	}
	token, err := token.Known(c.Context, cfg.Network, cfg.Home)
	if err != nil {
		return cfg, notUp(cfg.Network, err)
	}
	if cfg.Stake, err = tokenFlag(c, "stake", token); err != nil {
		return cfg, err
	}
	if path := c.String("offer"); path == "" {
		cfg.Terms, err = offerTerms(c, token)
	} else {
		var signed registry.SignedOffer
		signed, err = readSignedOffer(path)
		cfg.Offer = &signed
	}
	if err != nil {
		return cfg, err
	}
	if err = claimPolicy(c, token, &cfg); err != nil {
		return cfg, err
	}
	password, err := e.password(c, false)
	if err != nil {
		return cfg, err
	}
	cfg.Key, _, err = cfg.Home.Unlock(password)
	return cfg, err
}

// offerTerms reads from the flags what an offer file says of an offer.
func offerTerms(c *cli.Context, token token.Token) (terms registry.Draft, err error) {
	terms = registry.DefaultDraft()
	if terms.Price, err = priceFlag(c, "price", token); err != nil {
		return terms, err
	}
	if terms.Price.IsZero() {
		return terms, usagef("--price must be above zero: nobody would have to pay")
	}
	terms.Country = c.String("country")
	if terms.Exit.Allowed, err = prefixes(c, "allow"); err != nil {
		return terms, err
	}
	if terms.Exit.Denied, err = prefixes(c, "deny"); err != nil {
		return terms, err
	}
	for _, p := range terms.Exit.Denied {
		if slices.Contains(terms.Exit.Allowed, p) {
			return terms, usagef("--allow and --deny both name %s", p)
		}
	}
	if c.IsSet("deny-port") {
		terms.Exit.DeniedPorts = nil
	}
	for _, n := range c.IntSlice("deny-port") {
		if n < 1 || n > 65535 {
			return terms, usagef("--deny-port %d is no port", n)
		}
		terms.Exit.DeniedPorts = append(terms.Exit.DeniedPorts, uint16(n))
	}
	terms.Exit.P2P = c.Bool("p2p")
	for _, name := range []string{"line", "session-rate"} {
		if c.Uint64(name) > 1_000_000 {
			return terms, usagef("--%s is in Mbit/s, and at most 1000000", name)
		}
	}
	line := c.Uint64("line") * 1_000_000
	terms.Exit.Rate = c.Uint64("session-rate") * 1_000_000
	sessions := c.Int("max-sessions")
	if sessions < 1 || sessions > provide.MostSessions {
		return terms, usagef("--max-sessions must be between 1 and %d", provide.MostSessions)
	}
	terms.Capacity = registry.Capacity{Down: line, Up: line, Sessions: uint32(sessions)}
	return terms, nil
}

// priceFlag reads a price for a gigabyte and returns the one for 2^30 bytes.
func priceFlag(c *cli.Context, name string, unit token.Token) (contracts.Amount, error) {
	perGB, err := tokenFlag(c, name, unit)
	if err != nil {
		return perGB, err
	}
	price, err := token.PerGiB(perGB)
	if err != nil {
		return price, usagef("--%s %q: %v", name, c.String(name), err)
	}
	return price, nil
}

// checkNumbers refuses amounts that are no numbers before the chain is asked how many decimals the token has.
func checkNumbers(c *cli.Context, names ...string) error {
	for _, name := range names {
		text := c.String(name)
		whole, frac, point := strings.Cut(text, ".")
		if c.IsSet(name) && (strings.Trim(whole+frac, "0123456789") != "" || whole == "" || point && frac == "") {
			return usagef("--%s %q is no number of tokens, such as 0.05", name, text)
		}
	}
	return nil
}

func tokenFlag(c *cli.Context, name string, token token.Token) (contracts.Amount, error) {
	a, err := token.Parse(c.String(name))
	if err != nil {
		return a, usagef("--%s: %v", name, err)
	}
	return a, nil
}

func prefixes(c *cli.Context, name string) (list []netip.Prefix, err error) {
	for _, text := range c.StringSlice(name) {
		p, err := netip.ParsePrefix(text)
		if err != nil || p != p.Masked() {
			return nil, usagef("--%s %q is no prefix such as 192.0.2.0/24", name, text)
		}
		list = append(list, p)
	}
	return list, nil
}

func (e env) providerClaim(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	home, api, raw, err := e.daemon(c)
	if err != nil {
		return err
	}
	var status provide.Status
	if err := json.Unmarshal(raw, &status); err != nil {
		return fmt.Errorf("status: %w", err)
	}
	if status.Role != "provider" {
		return fmt.Errorf("a %s runs on %s: claims are a provider's, name its --home", status.Role, home.Dir())
	}
	var claimed provide.Proceeds
	if err := api.Post(c.Context, "/v1/claim", &claimed); err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(struct {
			Schema string `json:"schema"`
			provide.Proceeds
		}{"byway.claim/1", claimed})
	}
	if claimed.Channels == 0 {
		fmt.Fprintln(e.Out, "Nothing to claim: every promise has been turned into tokens.")
		return nil
	}
	fmt.Fprintf(e.Out, "Claimed %s from %s, %d gas: %s\n", show(status.Token, claimed.Total),
		plural(claimed.Channels, "channel"), claimed.GasUsed, claimed.TxHash)
	return nil
}

func engineFlag() cli.Flag {
	return &cli.StringFlag{Name: "engine", Value: string(wireguard.Upstream),
		Usage: "WireGuard implementation: upstream or tailscale, as `ENGINE`; the two sides may differ"}
}
