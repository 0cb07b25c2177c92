package cli

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"byway/contracts"
	"byway/node"
	"byway/node/api"
	"byway/node/api/spec"
	"byway/node/home"
	"byway/node/provide"
	"byway/node/token"
	"byway/registry"
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
				Usage:  "publish an offer, and serve sessions until byway provider down",
				Flags:  append(saleFlags(), foregroundFlag()),
				Action: e.providerUp,
			},
			{
				Name:   "down",
				Usage:  "end every session in order, and sell no more",
				Flags:  []cli.Flag{&cli.BoolFlag{Name: "wait", Usage: "take no new sessions, and wait until those that are served have ended"}},
				Action: e.providerDown,
			},
			e.providerOfferCommand(),
			{
				Name:   "claim",
				Usage:  "turn every promise into tokens now",
				Flags:  []cli.Flag{&cli.BoolFlag{Name: "to-vault", Usage: "into this account's own vault, from which its sessions are paid"}},
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
	want, err := providerWant(c)
	if err != nil {
		return err
	}
	network, err := e.network(c)
	if err != nil {
		return err
	}
	// What is wrong with the flags is said before anything is started.
	if _, err := e.providerSale(c, network, e.unit(c, network)); err != nil {
		return err
	}
	if c.Bool("foreground") {
		return e.host(c, node.Config{OnDemand: true}, func(d *daemon) error { return e.sell(c, d, want, e.providerIsUp) }, e.watchProvider)
	}
	d, err := e.start(c)
	if err != nil {
		return err
	}
	return e.sell(c, d, want, e.providerIsUp)
}

// providerWant collects the flags that were typed: what they leave out the daemon finds in the config file, or is a default.
func providerWant(c *cli.Context) (want spec.ProviderWant, err error) {
	if err := checkNumbers(c, "price", "stake", "gas-price", "reserve-above", "trust", "stranger-budget"); err != nil {
		return want, err
	}
	if typed(c, "offer") && c.String("offer") != "" {
		if want.Offer, err = filepath.Abs(c.String("offer")); err != nil {
			return want, fmt.Errorf("--offer: %w", err)
		}
	}
	want.Settings = map[string][]string{}
	for _, flag := range saleFlags() {
		name := flag.Names()[0]
		if !typed(c, name) || name == "offer" {
			continue
		}
		switch flag.(type) {
		case *cli.StringSliceFlag:
			want.Settings[name] = c.StringSlice(name)
		case *cli.IntSliceFlag:
			for _, n := range c.IntSlice(name) {
				want.Settings[name] = append(want.Settings[name], strconv.Itoa(n))
			}
		default:
			want.Settings[name] = []string{fmt.Sprint(c.Value(name))}
		}
	}
	return want, nil
}

// saleFlags are the flags that say what a provider sells.
func saleFlags() []cli.Flag { return slices.Concat(providerFlags(), wishFlags(), claimFlags()) }

// saleOf reads a provider's settings in its daemon, as the flags of provider up.
func (e env) saleOf(c *cli.Context, cfg node.Config, wish node.Wish, unit token.Token) (sale node.Sale, err error) {
	words := map[string][]string{}
	maps.Copy(words, wish.Settings)
	if wish.Offer != "" {
		words["offer"] = []string{wish.Offer}
	}
	settings, err := e.configured(c, "provider up", words)
	if err == nil {
		sale, err = e.providerSale(settings, cfg.Network, unit)
	}
	if usage := (usageError{}); errors.As(err, &usage) {
		err = &node.SettingError{Err: usage.error}
	}
	return sale, err
}

// sell has a daemon sell, waits until the offer is published, and says so with told.
func (e env) sell(c *cli.Context, d *daemon, want spec.ProviderWant, told func(*cli.Context, spec.ProviderReport) error) error {
	var report spec.ProviderReport
	err := e.unlocked(c, d, func() error {
		r, err := d.ProvideWithResponse(c.Context, nil, want)
		if err != nil {
			return err
		}
		return follow(c.Context, d, r.JSON202, func(text string) {
			if note, ok := strings.CutPrefix(text, "note: "); ok {
				fmt.Fprintln(e.Err, "byway: note:", safe(strings.ReplaceAll(note, "\n", "; ")))
			} else if text == "publish" {
				fmt.Fprintln(e.Err, "Publishing the offer …")
			}
		}, &report)
	})
	if err != nil {
		return e.notUp(c, err)
	}
	if told == nil {
		return nil
	}
	return told(c, report)
}

// providerIsUp says that a provider is up.
func (e env) providerIsUp(c *cli.Context, report spec.ProviderReport) error {
	if c.Bool("json") {
		return e.printJSON(report)
	}
	unit := token.Token{Symbol: report.Token, Decimals: report.Decimals}
	perGB, err := token.PerGB(report.PricePerGib)
	if err != nil {
		return err
	}
	if c.Bool("foreground") {
		fmt.Fprintln(e.Out, "Provider is up. Leave it running; Ctrl-C ends every session in order.")
	} else {
		fmt.Fprintln(e.Out, "Provider is up. byway status shows it, byway provider down ends every session in order.")
	}
	fmt.Fprintln(e.Out)
	rows := []row{
		{"provider", report.Provider.Hex()},
		{"price", show(unit, perGB) + " per GB"},
		{"offer", report.Offer},
		{"exit", exitMode(tunnel.Mode(report.Exit))},
	}
	switch {
	case report.Unpublished != "":
		rows = append(rows, row{"registered", "before; the chain can't be read now, and known channels alone are served: " +
			safe(strings.ReplaceAll(report.Unpublished, "\n", "; "))})
	case report.TxHash != nil:
		rows = append(rows, row{"registered", fmt.Sprintf("%s, %d gas", *report.TxHash, report.GasUsed)})
	default:
		rows = append(rows, row{"registered", "already, unchanged"})
	}
	e.rows(e.Out, rows...)
	fmt.Fprintln(e.Out)
	return nil
}

func (e env) providerDown(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	d, err := e.daemon(c)
	if errors.Is(err, api.ErrNotRunning) {
		forgotten, forgetErr := e.forget(c, node.ForgetSale)
		if forgotten && forgetErr == nil {
			fmt.Fprintln(e.Err, "No daemon runs; the next one will not sell.")
			return nil
		}
		err = errors.Join(err, forgetErr)
	}
	if err != nil {
		return err
	}
	r, err := d.StopProvidingWithResponse(c.Context, &spec.StopProvidingParams{Drain: c.Bool("wait")})
	if err != nil {
		return err
	}
	steps := e.newSteps(!c.Bool("json"))
	var report spec.ProviderReport
	err = follow(c.Context, d, r.JSON202, steps.begin, &report)
	steps.end(err == nil)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(report)
	}
	fmt.Fprintln(e.Out, "The provider is down: every session is settled. byway earnings shows what it has earned.")
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
func (e env) watchProvider(c *cli.Context, h *hosted) error {
	live := e.newLive()
	defer live.end()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var last uint64
	for {
		select {
		case <-h.ended:
			return nil
		case <-c.Context.Done():
			live.show("ending sessions …")
			_, err := h.node.StopSelling()
			return err
		case <-tick.C:
			status, err := h.status(c.Context)
			if err != nil || status.Provider == nil {
				continue // the next second asks again
			}
			p := status.Provider
			var total uint64
			for _, s := range p.Sessions {
				total += s.RxBytes + s.TxBytes
			}
			live.show("%s · %s · earned %s, not yet claimed %s", plural(len(p.Sessions), "session"),
				formatRate(total-min(last, total), time.Second), show(status.Token, p.Earnings.Promised),
				show(status.Token, p.Earnings.Unsettled))
			last = total
		}
	}
}

// providerSale turns the flags into what a provider decides.
func (e env) providerSale(c *cli.Context, network home.Network, unit token.Token) (cfg node.Sale, err error) {
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
	for _, text := range c.StringSlice("dns") {
		resolver, err := netip.ParseAddrPort(text)
		if err != nil {
			return cfg, usagef("--dns %q is no address:port", text)
		}
		cfg.DNS = append(cfg.DNS, resolver)
	}
	listen := c.String("listen")
	switch {
	case listen == "" && network.Private:
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
	if cfg.Wishes, err = wishes(c); err != nil {
		return cfg, err
	}
	mode := c.String("mode")
	switch {
	case mode == "" && network.Private:
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
	if cfg.Stake, err = tokenFlag(c, "stake", unit); err != nil {
		return cfg, err
	}
	if path := c.String("offer"); path == "" {
		cfg.Terms, err = offerTerms(c, unit)
	} else {
		var signed registry.SignedOffer
		signed, err = readSignedOffer(path)
		cfg.Offer = &signed
	}
	if err != nil {
		return cfg, err
	}
	if err = claimPolicy(c, unit, &cfg); err != nil {
		return cfg, err
	}
	return cfg, nil
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
	d, status, err := e.daemonStatus(c)
	if err != nil {
		return err
	}
	var claimed spec.Proceeds
	err = e.unlocked(c, d, func() error {
		r, err := d.ClaimWithResponse(c.Context, nil, spec.Claim{ToVault: c.Bool("to-vault")})
		if err != nil {
			return err
		}
		return follow(c.Context, d, r.JSON202, func(string) {}, &claimed)
	})
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(claimed)
	}
	if claimed.Channels == 0 {
		fmt.Fprintln(e.Out, "Nothing to claim: every promise has been turned into tokens.")
		return nil
	}
	where := ""
	if c.Bool("to-vault") {
		where = " into the vault"
	}
	fmt.Fprintf(e.Out, "Claimed %s from %s%s, %d gas: %s\n", show(status.Token, claimed.Total),
		plural(claimed.Channels, "channel"), where, claimed.GasUsed, claimed.TxHash)
	return nil
}

func engineFlag() cli.Flag {
	return &cli.StringFlag{Name: "engine", Value: string(wireguard.Upstream),
		Usage: "WireGuard implementation: upstream or tailscale, as `ENGINE`; the two sides may differ"}
}
