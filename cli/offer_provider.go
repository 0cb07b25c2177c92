package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"byway/contracts"
	"byway/node"
	"byway/node/home"
	"byway/node/offer"
	"byway/node/token"
	"byway/registry"
	"byway/registry/directory"
)

// providerOfferCommand prepares and publishes offers by hand; byway provider up does all of it by itself.
func (e env) providerOfferCommand() *cli.Command {
	file := &cli.StringFlag{Name: "file", Usage: "the offer `FILE`; offer.toml in the home without it"}
	return &cli.Command{
		Name:  "offer",
		Usage: "write, sign, publish and retire an offer by hand",
		Subcommands: []*cli.Command{
			{Name: "edit", Usage: "make an offer file with every key explained, and check the one that is there",
				Flags: []cli.Flag{file}, Action: e.offerEdit},
			{Name: "host", Usage: "write down which host is to serve, for byway provider offer sign on another machine",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "out", Required: true, Usage: "write it to this `FILE`"},
					&cli.StringSliceFlag{Name: "host-addr", Required: true, Usage: "`MULTIADDR` at which this host is reached"},
				}, Action: e.offerHost},
			{Name: "sign", Usage: "sign the offer file; with --sequence this needs no network",
				Flags: []cli.Flag{
					file,
					&cli.StringFlag{Name: "out", Required: true, Usage: "write the signed offer to this `FILE`"},
					&cli.StringSliceFlag{Name: "host-addr", Usage: "`MULTIADDR` at which this home's host is reached, which is to serve"},
					&cli.StringFlag{Name: "host", Usage: "the `FILE` of byway provider offer host, where another home is to serve"},
					&cli.Uint64Flag{Name: "sequence", Usage: "the `NUMBER` of this offer, where the chain cannot be asked"},
					&cli.BoolFlag{Name: "unsigned", Usage: "print what is to be signed instead, as EIP-712 typed data in the form of " +
						"eth_signTypedData_v4; byway provider offer attach takes the signature"},
				}, Action: e.offerSign},
			{Name: "attach", Usage: "join an offer with its signature, which was made elsewhere", ArgsUsage: "FILE SIGNATURE",
				Action: e.offerAttach},
			{Name: "publish", Usage: "put a signed offer on IPFS and into the registry", ArgsUsage: "FILE",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "stake", Value: "0", Usage: "`TOKENS` to lock in the registry"}, unsignedFlag(),
				},
				Action: e.offerPublish},
			{Name: "retire", Usage: "take the offer out of the registry and begin to unbond the stake",
				Flags: []cli.Flag{unsignedFlag()}, Action: e.offerRetire},
			{Name: "unstake", Usage: "take back what is unbonded of the stake",
				Flags: []cli.Flag{
					receiverFlag(), unsignedFlag(),
				},
				Action: e.offerUnstake},
		},
	}
}

// desk opens the home's account for dealing with offers.
func (e env) desk(c *cli.Context) (desk offer.Desk, err error) {
	if desk.Log, err = e.logger(c); err != nil {
		return desk, err
	}
	var owner common.Address
	if desk.Home, owner, _, err = e.account(c); err != nil {
		return desk, err
	}
	if desk.Network, err = e.network(c); err != nil {
		return desk, err
	}
	if c.Bool("unsigned") {
		desk.Key = home.Cold(owner)
		return desk, nil
	}
	password, err := e.password(c, false)
	if err != nil {
		return desk, err
	}
	desk.Key, _, err = desk.Home.Unlock(password)
	return desk, err
}

func draftPath(c *cli.Context, home home.Home) string {
	if path := c.String("file"); path != "" {
		return path
	}
	return filepath.Join(home.Dir(), "offer.toml")
}

// maxOfferFile bounds what is read of an offer file, in bytes; the parsers' own limits are lower.
const maxOfferFile = 1 << 20

func readOfferFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not there: byway provider offer edit makes an offer file", path)
	}
	if err != nil {
		return nil, fmt.Errorf("offer file: %w", err)
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxOfferFile))
}

func (e env) offerEdit(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	home, err := e.home(c)
	if err != nil {
		return err
	}
	path := draftPath(c, home)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		_, err = f.WriteString(registry.DraftExample)
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("offer file: %w", err)
		}
		fmt.Fprintf(e.Out, "Made %s: edit it, then run byway provider offer edit again to check it.\n", path)
		return nil
	}
	if !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("offer file: %w", err)
	}
	text, err := readOfferFile(path)
	if err != nil {
		return err
	}
	// The form does not depend on the token; how fine its price may be does, and signing checks that.
	if _, err := registry.ParseDraft(text, 18); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	fmt.Fprintf(e.Out, "%s is a valid offer file: byway provider offer sign signs it.\n", path)
	return nil
}

func (e env) offerSign(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	desk, err := e.desk(c)
	if err != nil {
		return err
	}
	text, err := readOfferFile(draftPath(c, desk.Home))
	if err != nil {
		return err
	}
	facts, err := desk.Facts(c.Context, desk.Key.Address())
	if err != nil {
		return err
	}
	desk.Now = facts.Now
	if c.IsSet("sequence") {
		facts.Sequence = c.Uint64("sequence")
	}
	if facts.Sequence == 0 {
		return usagef("the chain does not answer: say --sequence, one more than that of the last offer, 1 for the first")
	}
	draft, err := registry.ParseDraft(text, facts.Token.Decimals)
	if err != nil {
		return err
	}
	host, err := offerHostOf(c, desk)
	if err != nil {
		return err
	}
	if c.Bool("unsigned") {
		offer, err := desk.Offer(draft, facts.Sequence, host)
		if err != nil {
			return err
		}
		return e.offerUnsigned(offer, c.String("out"))
	}
	signed, err := desk.Sign(draft, facts.Sequence, host)
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.String("out"), signed.Block, 0o600); err != nil {
		return fmt.Errorf("signed offer: %w", err)
	}
	return e.offerDone(c, "signed", signed, nil)
}

// offerHost writes the host's consent to serve this home's account.
func (e env) offerHost(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	home, owner, _, err := e.account(c)
	if err != nil {
		return err
	}
	network, err := e.network(c)
	if err != nil {
		return err
	}
	host, err := offer.Desk{Home: home, Network: network}.Host(owner, c.StringSlice("host-addr"))
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(host, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.String("out"), append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("host file: %w", err)
	}
	if c.Bool("json") {
		return e.printJSON(struct {
			Schema   string         `json:"schema"`
			Provider common.Address `json:"provider"`
			registry.Host
		}{"byway.provider-host/1", owner, host})
	}
	fmt.Fprintf(e.Out, "Host %s serves %s: byway provider offer sign --host takes this file.\n", host.Peer, owner)
	return nil
}

// offerHostOf is the host that a new offer is to be served by.
func offerHostOf(c *cli.Context, desk offer.Desk) (registry.Host, error) {
	path, addrs := c.String("host"), c.StringSlice("host-addr")
	switch {
	case path == "" && len(addrs) == 0:
		return registry.Host{}, usagef("say who serves: --host-addr for this home's host, or --host FILE for another one")
	case path == "":
		return desk.Host(desk.Key.Address(), addrs)
	case len(addrs) > 0:
		return registry.Host{}, usagef("--host names the addresses already: leave --host-addr out")
	}
	text, err := readOfferFile(path)
	if err != nil {
		return registry.Host{}, err
	}
	var host registry.Host
	if err := json.Unmarshal(text, &host); err != nil {
		return host, fmt.Errorf("%s is no host file: %w", path, err)
	}
	return host, nil
}

// readSignedOffer reads what byway provider offer sign wrote.
func readSignedOffer(path string) (registry.SignedOffer, error) {
	block, err := readOfferFile(path)
	if err != nil {
		return registry.SignedOffer{}, err
	}
	signed, err := registry.Decode(block)
	if err != nil {
		return signed, fmt.Errorf("%s is no signed offer: %w", path, err)
	}
	return signed, nil
}

// offerDoneJSON is byway.provider-offer/1.
type offerDoneJSON struct {
	Schema   string           `json:"schema"`
	Event    string           `json:"event"` // "signed" or "published"
	Provider common.Address   `json:"provider"`
	Offer    string           `json:"offer"`
	Sequence uint64           `json:"sequence"`
	Price    contracts.Amount `json:"price_per_gib"`
	GasUsed  uint64           `json:"gas_used,omitempty"`
}

func (e env) offerDone(c *cli.Context, event string, s registry.SignedOffer, receipt *directory.Receipt) error {
	out := offerDoneJSON{
		Schema: "byway.provider-offer/1", Event: event, Provider: s.Offer.Provider, Offer: s.CID.String(),
		Sequence: s.Offer.Sequence, Price: s.Offer.PricePerGiB,
	}
	if receipt != nil {
		out.GasUsed = receipt.GasUsed
	}
	if c.Bool("json") {
		return e.printJSON(out)
	}
	e.rows(e.Out, row{event, out.Offer}, row{"provider", out.Provider.Hex()},
		row{"number", fmt.Sprint(out.Sequence)}, row{"valid", day(s.Offer.NotBefore) + " to " + day(s.Offer.Expires)})
	return nil
}

func (e env) offerPublish(c *cli.Context) error {
	if c.NArg() != 1 {
		return usagef("byway provider offer publish takes the file that byway provider offer sign wrote")
	}
	if err := checkNumbers(c, "stake"); err != nil {
		return err
	}
	signed, err := readSignedOffer(c.Args().First())
	if err != nil {
		return err
	}
	desk, err := e.desk(c)
	if err != nil {
		return err
	}
	token, err := token.Read(c.Context, desk.Network)
	if err != nil {
		return notUp(desk.Network, err)
	}
	stake, err := tokenFlag(c, "stake", token)
	if err != nil {
		return err
	}
	if c.Bool("unsigned") {
		list, err := node.NewUnsigned(desk.UnsignedPublish(c.Context, signed, stake))
		if err != nil {
			return err
		}
		return e.printUnsigned(list, desk.Key.Address())
	}
	receipt, err := desk.Publish(c.Context, signed, stake)
	if err != nil {
		return err
	}
	return e.offerDone(c, "published", signed, &receipt)
}

func (e env) offerRetire(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	desk, err := e.desk(c)
	if err != nil {
		return err
	}
	if c.Bool("unsigned") {
		list, err := node.NewUnsigned(desk.UnsignedRetire(c.Context))
		if err != nil {
			return err
		}
		return e.printUnsigned(list, desk.Key.Address())
	}
	unbonding, err := desk.Retire(c.Context)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(struct {
			Schema string `json:"schema"`
			directory.Unbonding
		}{"byway.provider-offer-retired/1", unbonding})
	}
	fmt.Fprintln(e.Out, "The offer is retired: sessions that run go on, and new ones find nobody here.")
	if unbonding.IsZero() {
		return nil
	}
	token, err := token.Read(c.Context, desk.Network)
	if err != nil {
		return notUp(desk.Network, err)
	}
	e.comesBack(token, unbonding)
	return nil
}

// comesBack tells what of a provider's stakes can be had back, and when.
func (e env) comesBack(token token.Token, u directory.Unbonding) {
	if !u.Withdrawable.IsZero() {
		fmt.Fprintf(e.Out, "%s of earlier stakes can be had back now: byway provider offer unstake\n", show(token, u.Withdrawable))
	}
	if !u.Locked.IsZero() {
		fmt.Fprintf(e.Out, "%s of stake are locked, and can be had back after %s.\n", show(token, u.Locked), day(u.ReleaseAt))
	}
}
