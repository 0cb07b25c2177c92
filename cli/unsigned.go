package cli

import (
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"byway/contracts"
	"byway/node"
	"byway/node/offer"
	"byway/node/token"
	"byway/node/vault"
	"byway/registry"
	"byway/registry/directory"
)

func (e env) txCommand() *cli.Command {
	return &cli.Command{
		Name:  "tx",
		Usage: "send what was signed elsewhere",
		Subcommands: []*cli.Command{{
			Name:      "submit",
			Usage:     "send signed transactions and wait until they are mined",
			ArgsUsage: "SIGNED...",
			Description: "Each SIGNED is a raw transaction in hexadecimal, or a file that holds it, as wallets give it out.\n" +
				"They are sent in the order given. It needs no home and no password, and the same one may be submitted again.",
			Action: e.txSubmit,
		}},
	}
}

// txJSON is byway.tx/1, one for each transaction.
type txJSON struct {
	Schema string         `json:"schema"`
	From   common.Address `json:"from"`
	vault.Receipt
}

func (e env) txSubmit(c *cli.Context) error {
	if !c.Args().Present() {
		return usagef("byway tx submit takes signed transactions: hexadecimal, or files")
	}
	network, err := e.network(c)
	if err != nil {
		return err
	}
	var list [][]byte
	for _, arg := range c.Args().Slice() {
		raw, err := readSigned(arg)
		if err != nil {
			return err
		}
		list = append(list, raw)
	}
	for _, raw := range list {
		from, sent, err := vault.SubmitSigned(c.Context, network, raw)
		if err != nil {
			return notUp(network, err)
		}
		if c.Bool("json") {
			if err := e.printJSON(txJSON{"byway.tx/1", from, sent}); err != nil {
				return err
			}
			continue
		}
		e.rows(e.Out,
			row{"from", from.Hex()},
			row{"gas", fmt.Sprintf("%d, %s", sent.Gas, showEther(orZero(sent.Fee.Int)))},
			row{"block", fmt.Sprintf("%d, %s", sent.Block, sent.TxHash)},
		)
	}
	return nil
}

// maxSigned bounds a signed transaction as text, in bytes: nodes take no larger ones.
const maxSigned = 300 << 10

func readSigned(arg string) ([]byte, error) {
	text := arg
	if f, err := os.Open(arg); err == nil {
		defer f.Close()
		b, err := io.ReadAll(io.LimitReader(f, maxSigned+1))
		if err != nil {
			return nil, fmt.Errorf("signed transaction: %w", err)
		}
		if text = string(b); len(b) > maxSigned {
			return nil, fmt.Errorf("signed transaction %s: longer than %d bytes", arg, maxSigned)
		}
	}
	raw, err := hex.DecodeString(strings.TrimPrefix(strings.TrimSpace(text), "0x"))
	if err != nil || len(raw) == 0 {
		return nil, usagef("%.40q is neither a file nor a signed transaction in hexadecimal", arg)
	}
	return raw, nil
}

// unstakedJSON is byway.unstaked/1.
type unstakedJSON struct {
	Schema string           `json:"schema"`
	Amount contracts.Amount `json:"amount"`
	directory.Unbonding
}

// offerUnstake takes the stake back, or prints what does.
func (e env) offerUnstake(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	to, err := receiver(c)
	if err != nil {
		return err
	}
	desk, err := e.desk(c)
	if err != nil {
		return err
	}
	if c.Bool("unsigned") {
		list, err := node.NewUnsigned(desk.UnsignedWithdrawStake(c.Context, to))
		if err != nil {
			return err
		}
		return e.printUnsigned(list, desk.Key.Address())
	}
	token, err := token.Read(c.Context, desk.Network)
	if err != nil {
		return notUp(desk.Network, err)
	}
	amount, left, err := desk.WithdrawStake(c.Context, to)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(unstakedJSON{"byway.unstaked/1", amount, left})
	}
	fmt.Fprintf(e.Out, "Taken back: %s.\n", show(token, amount))
	e.comesBack(token, left)
	return nil
}

// noSignature stands in an offer file for the signature that is still to be made.
var noSignature = []byte{0}

// offerUnsigned writes an offer that nobody has signed, and prints what is to be signed.
func (e env) offerUnsigned(offer registry.Offer, out string) error {
	typed, err := offer.TypedData()
	if err != nil {
		return err
	}
	open, err := registry.Attach(offer, noSignature)
	if err != nil {
		return err
	}
	if err := os.WriteFile(out, open.Block, 0o600); err != nil {
		return fmt.Errorf("unsigned offer: %w", err)
	}
	fmt.Fprintf(e.Err, "To be signed with the key of %s as typed data (EIP-712); then: byway provider offer attach %s SIGNATURE\n",
		offer.Provider, out)
	return e.printJSON(typed.Map())
}

// offerAttach joins an offer file with the signature that a wallet gave out.
func (e env) offerAttach(c *cli.Context) error {
	if c.NArg() != 2 {
		return usagef("byway provider offer attach takes the FILE of byway provider offer sign --unsigned, and the SIGNATURE")
	}
	network, err := e.network(c)
	if err != nil {
		return err
	}
	path := c.Args().First()
	open, err := readSignedOffer(path)
	if err != nil {
		return err
	}
	sig, err := hex.DecodeString(strings.TrimPrefix(c.Args().Get(1), "0x"))
	if err != nil {
		return usagef("the signature %.40q is not in hexadecimal", c.Args().Get(1))
	}
	signed, err := registry.Attach(open.Offer, sig)
	if err != nil {
		return err
	}
	if err := offer.Check(c.Context, network, signed); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := os.WriteFile(path, signed.Block, 0o600); err != nil {
		return fmt.Errorf("signed offer: %w", err)
	}
	return e.offerDone(c, "signed", signed, nil)
}
