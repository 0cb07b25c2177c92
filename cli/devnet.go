//go:build !nodevnet

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"byway/contracts"
	"byway/contracts/chain"
	"byway/contracts/devchain"
	"byway/node/devnet"
	"byway/node/home"
	"byway/node/token"
)

// devnetIntro begins the program's help.
const devnetIntro = "See a whole market on this machine:    byway demo\n" +
	"Start a devnet that others join:       byway devnet up\n"

func (e env) devnetCommand() *cli.Command {
	return &cli.Command{
		Name:  "devnet",
		Usage: "a chain, contracts and an IPFS meeting point on this machine, for tests",
		Subcommands: []*cli.Command{
			{
				Name:  "up",
				Usage: "start the devnet and stay",
				Description: "Other processes find it with --network devnet, the default. Its chain is as good as anvil's:\n" +
					"the same chain id, the same funded accounts. With --rpc and --funder-key it stands on a chain that\n" +
					"runs already.\n\n" +
					"For a second devnet on this machine choose other ports, and tell the others where it is:\n\n" +
					"   byway devnet up --listen 127.0.0.1:0 --ipfs-port 0 --write second.toml\n" +
					"   byway --network second.toml offers list",
				Flags: []cli.Flag{
					&cli.BoolFlag{Name: "keep", Usage: "keep the chain in --home, to go on with it next time"},
					&cli.StringFlag{Name: "listen", Value: home.DevnetRPC,
						Usage: "`ADDRESS:PORT` for JSON-RPC over HTTP and WebSocket, port 0 for any free one; " +
							"the IPFS meeting point is at the same address"},
					&cli.IntFlag{Name: "ipfs-port", Value: home.DevnetIPFSPort,
						Usage: "`PORT` of the IPFS meeting point, TCP and UDP; 0 for any free one"},
					&cli.DurationFlag{Name: "period",
						Usage: "`TIME` between blocks, such as 2s; without it each transaction gets its block at once"},
					&cli.StringFlag{Name: "write",
						Usage: "write the network to a `FILE` for --network, for ports or a chain of your own"},
					funderFlag(),
				},
				Action: e.devnetUp,
			},
			{
				Name:        "fund",
				Usage:       "give an account test tokens, and ether for gas",
				ArgsUsage:   "[ADDRESS]",
				Description: "Without an ADDRESS it is the account of this home that gets them.",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "tokens", Value: "100", Usage: "`NUMBER` of tokens"},
					funderFlag(),
				},
				Action: e.devnetFund,
			},
		},
	}
}

// devnetJSON is byway.devnet/1.
type devnetJSON struct {
	Schema    string   `json:"schema"`
	RPC       []string `json:"rpc"`
	Bootstrap []string `json:"bootstrap"`
	contracts.Deployment
}

func (e env) devnetUp(c *cli.Context) (err error) {
	if err := noArgs(c); err != nil {
		return err
	}
	cfg, err := e.devnetConfig(c)
	if err != nil {
		return err
	}
	if c.Bool("keep") {
		home, err := e.home(c)
		if err != nil {
			return err
		}
		unlock, err := home.Lock()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, unlock()) }()
		cfg.Dir = filepath.Join(home.Dir(), "devnet")
	}
	d, err := devnet.Start(c.Context, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	path := c.String("write")
	if path != "" {
		if err := d.Network.Write(path); err != nil {
			return err
		}
	}
	if err := e.devnetIsUp(c, d, path); err != nil {
		return err
	}
	e.heedStreams()
	<-c.Context.Done()
	return nil
}

// devnetConfig turns the flags into a devnet's configuration, and makes sure that its ports are free: a devnet whose
// ports are somebody else's would be found by nobody.
func (e env) devnetConfig(c *cli.Context) (cfg devnet.Config, err error) {
	if cfg.Log, err = e.logger(c); err != nil {
		return cfg, err
	}
	if cfg.RPC, cfg.Funder, err = ownChain(c); err != nil {
		return cfg, err
	}
	cfg.Listen, cfg.Period = c.String("listen"), c.Duration("period")
	listen, err := netip.ParseAddrPort(cfg.Listen)
	switch {
	case err != nil:
		return cfg, usagef("--listen %q is no address:port, such as %s", cfg.Listen, home.DevnetRPC)
	case cfg.Period < 0:
		return cfg, usagef("--period %s is below zero", cfg.Period)
	case len(cfg.RPC) > 0 && (c.IsSet("listen") || c.IsSet("period")):
		return cfg, usagef("--listen and --period are for the embedded chain, and --rpc names another one")
	}
	port := c.Int("ipfs-port")
	if port < 0 || port > math.MaxUint16 {
		return cfg, usagef("--ipfs-port %d is no port: give 0 to %d", port, math.MaxUint16)
	}
	meeting, family := netip.AddrPortFrom(listen.Addr(), uint16(port)), "ip4" // both are reached by the same machines
	if listen.Addr().Is6() {
		family = "ip6"
	}
	cfg.HostListen = []string{
		fmt.Sprintf("/%s/%s/udp/%d/quic-v1", family, meeting.Addr(), port),
		fmt.Sprintf("/%s/%s/tcp/%d", family, meeting.Addr(), port),
	}
	if len(cfg.RPC) == 0 {
		err = portFree("tcp", listen, "--listen")
	}
	err = cmp.Or(err, portFree("tcp", meeting, "--ipfs-port"), portFree("udp", meeting, "--ipfs-port"))
	if err != nil {
		return cfg, err
	}
	cfg.HostKey, err = home.DevnetHostKey()
	return cfg, err
}

// portFree says which port is taken, and the flag that gives another one. Any free port is always free.
func portFree(network string, at netip.AddrPort, flag string) (err error) {
	if at.Port() == 0 {
		return nil
	}
	var taken io.Closer
	if network == "udp" {
		taken, err = net.ListenUDP(network, net.UDPAddrFromAddrPort(at))
	} else {
		taken, err = net.ListenTCP(network, net.TCPAddrFromAddrPort(at))
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s port %d on %s is in use, perhaps by another devnet: choose another with %s, or 0 for any",
			strings.ToUpper(network), at.Port(), at.Addr(), flag)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", flag, err)
	}
	return taken.Close()
}

// devnetIsUp says where the devnet is, and what to type next.
func (e env) devnetIsUp(c *cli.Context, d *devnet.Devnet, written string) error {
	n := d.Network
	if c.Bool("json") {
		return e.printJSON(devnetJSON{"byway.devnet/1", n.RPC, n.Bootstrap, n.Deployment})
	}
	fmt.Fprintf(e.Out, "Devnet is up (%s). Leave it running; Ctrl-C ends it.\n\n", formatDuration(d.DeployTime))
	e.rows(e.Out,
		row{"chain", fmt.Sprintf("%s  (id %d)", n.RPC[0], n.ChainID)},
		row{"channels", n.Channels.Hex()},
		row{"registry", n.Registry.Hex()},
		row{"token", n.Token.Hex()},
		row{"meeting point", n.Bootstrap[0]},
	)
	// The others find the devnet by themselves only where it is in its usual place.
	usual, err := home.Devnet()
	if err != nil {
		return err
	}
	slices.Sort(usual.Bootstrap)
	found := slices.Equal(n.RPC, usual.RPC) && n.Deployment == usual.Deployment &&
		slices.Equal(slices.Sorted(slices.Values(n.Bootstrap)), usual.Bootstrap)
	byway, fund := "byway", ""
	if !found {
		if written == "" {
			fmt.Fprint(e.Out, "\nIt is not in the usual place: others find it with the file that --write makes.\n")
			return nil
		}
		byway += " --network " + written
	}
	if len(c.StringSlice("rpc")) > 0 {
		fund = " --funder-key KEY"
	}
	fmt.Fprintf(e.Out, "\nIn another terminal:\n"+
		"  byway --home provider account new\n"+
		"  %[1]s --home provider devnet fund%[2]s\n"+
		"  %[1]s --home provider provider up --price 0.05\n", byway, fund)
	return nil
}

// fundJSON is byway.fund/1.
type fundJSON struct {
	Schema  string           `json:"schema"`
	Address common.Address   `json:"address"`
	Tokens  contracts.Amount `json:"tokens"`
	Gas     string           `json:"gas_wei"`
}

func (e env) devnetFund(c *cli.Context) error {
	network, err := e.network(c)
	if err != nil {
		return err
	}
	if !network.Private {
		return fmt.Errorf("network %q is no devnet: nobody mints tokens there", network.Name)
	}
	funder, err := funderKey(c)
	if err != nil {
		return err
	}
	if funder == nil {
		key := devchain.Account(0)
		funder = &key
	}
	to, err := e.fundTarget(c)
	if err != nil {
		return err
	}
	// This makes sure as well that the devnet's contracts are there: minting where there is no token would do nothing.
	token, err := token.Read(c.Context, network)
	if err != nil {
		return notUp(network, err)
	}
	tokens, err := tokenFlag(c, "tokens", token)
	if err != nil {
		return err
	}
	if tokens.IsZero() {
		return usagef("--tokens must be above zero")
	}
	ctx, cancel := context.WithTimeout(c.Context, time.Minute)
	defer cancel()
	if err := fund(ctx, network, *funder, to, tokens); err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(fundJSON{"byway.fund/1", to, tokens, devnet.GasGift.String()})
	}
	fmt.Fprintf(e.Out, "%s has %s more for tests, and %s for gas.\n", to, show(token, tokens), showEther(devnet.GasGift))
	return nil
}

// fundTarget is the address on the command line, else the account of this home.
func (e env) fundTarget(c *cli.Context) (common.Address, error) {
	switch arg := c.Args().First(); {
	case arg == "":
		_, owner, _, err := e.account(c)
		return owner, err
	case c.Args().Len() > 1:
		return common.Address{}, usagef("byway devnet fund takes one ADDRESS, not %q as well", c.Args().Get(1))
	case !common.IsHexAddress(arg):
		return common.Address{}, usagef("%q is no address: 40 hexadecimal digits after 0x", arg)
	default:
		return common.HexToAddress(arg), nil
	}
}

// fund pays from the funder's account, with a journal that lives as long as the command.
func fund(
	ctx context.Context, network home.Network, funder contracts.Key, to common.Address, tokens contracts.Amount,
) error {
	client, err := chain.Dial(ctx, chain.Config{URLs: network.RPC, ChainID: network.ChainID})
	if err != nil {
		return err
	}
	defer client.Close()
	dir, err := os.MkdirTemp("", "byway-fund-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	journal, err := chain.OpenJournal(filepath.Join(dir, "fund.db"))
	if err != nil {
		return err
	}
	defer journal.Close()
	sender, err := chain.NewSender(chain.SenderConfig{Client: client, Signer: funder, Journal: journal})
	if err != nil {
		return err
	}
	err = devnet.Fund(ctx, sender, network.Token, to, tokens, fmt.Sprint(time.Now().UnixNano()))
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the devnet's chain did not answer within a minute: %w", err)
	}
	return err
}
