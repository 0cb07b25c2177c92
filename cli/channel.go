package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"byway/contracts"
	"byway/node"
	"byway/node/home"
	"byway/node/path"
	"byway/node/token"
	"byway/node/vault"
)

func (e env) channelCommand() *cli.Command {
	return &cli.Command{
		Name:  "channel",
		Usage: "what is set aside for providers, and the way out",
		Subcommands: []*cli.Command{
			{
				Name:  "list",
				Usage: "show every channel: promised, settled, set aside, exits",
				Flags: []cli.Flag{&cli.Uint64Flag{Name: "since", Usage: "look for channels that this home has forgotten " +
					"in the chain's events from this `BLOCK` on (default: on a devnet all, elsewhere none)"}},
				Action: e.channelList,
			},
			{
				Name:        "open",
				Usage:       "set tokens aside for a provider, deposited where the vault lacks them",
				ArgsUsage:   "PROVIDER AMOUNT",
				Description: "byway connect does this by itself. It is for an account whose key is kept elsewhere, with --unsigned.",
				Flags:       []cli.Flag{unsignedFlag()},
				Action:      e.channelOpen,
			},
			{
				Name:      "exit",
				Usage:     "take back what is set aside for a provider, without it",
				ArgsUsage: "PROVIDER",
				Description: "The first time it announces the exit: from then on the provider has the exit delay to claim what it\n" +
					"was promised. When the delay is over, the same command finishes the exit, and what is left is free.",
				Flags: []cli.Flag{
					&cli.BoolFlag{Name: "cancel", Usage: "take the announcement back"},
					&cli.BoolFlag{Name: "wait", Usage: "stay until the delay is over, and finish"},
					unsignedFlag(),
				},
				Action: e.channelExit,
			},
			{
				Name:      "revoke",
				Usage:     "take back what was signed to be set aside for a provider and was not used yet",
				ArgsUsage: "PROVIDER",
				Description: "byway connect signs a reserve that its provider may post within a day. After this none of those is worth\n" +
					"anything, also where nothing was ever set aside. What is set aside stays so: byway channel exit is for that.",
				Flags:  []cli.Flag{unsignedFlag()},
				Action: e.channelRevoke,
			},
			{
				Name:      "close",
				Usage:     "end a channel at once, with the provider's consent",
				ArgsUsage: "PROVIDER",
				Description: "Asks the provider to agree, then pays what is owed, takes back what was set aside and withdraws all\n" +
					"that is free in the vault, in one transaction. byway channel exit needs no provider that answers.",
				Flags: []cli.Flag{
					receiverFlag(),
					&cli.BoolFlag{Name: "unsigned", Usage: "print the transaction as JSON instead of sending it, to be signed " +
						"elsewhere and sent with byway tx submit within 15 minutes"},
				},
				Action: e.channelClose,
			},
		},
	}
}

// channelJSON is byway.channel/1: the channels of a vault, or the one that something was done with.
type channelJSON struct {
	Schema   string                `json:"schema"`
	Sent     *vault.Receipt        `json:"sent,omitempty"`
	Token    token.Token           `json:"token"`
	Channel  *vault.ChannelStatus  `json:"channel,omitempty"`
	Channels []vault.ChannelStatus `json:"channels,omitempty"`
	Next     string                `json:"next,omitempty"` // the command to type next
}

const channelSchema = "byway.channel/1"

func (e env) channelList(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	var since *uint64
	if c.IsSet("since") {
		block := c.Uint64("since")
		since = &block
	}
	v, err := e.lookVault(c, since)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(struct {
			channelJSON
			Channels    []vault.ChannelStatus `json:"channels"` // also where there is none
			Unavailable string                `json:"unavailable,omitempty"`
		}{channelJSON{Schema: channelSchema, Token: v.Token}, v.Channels, v.Unavailable})
	}
	if len(v.Channels) == 0 && v.Unavailable == "" {
		fmt.Fprintln(e.Out, "No channels: nothing was ever set aside for a provider.")
	}
	for _, channel := range v.Channels {
		e.channelRows(v.Token, channel)
		fmt.Fprintln(e.Out)
	}
	e.vaultRows(v)
	return nil
}

func (e env) channelRows(token token.Token, c vault.ChannelStatus) {
	if c.Unavailable != "" {
		e.rows(e.Out,
			row{"provider", c.Provider.Hex()},
			row{"promised", show(token, c.Promised)},
			row{"settled", "unavailable, owed unavailable"},
			row{"set aside", "unavailable"},
			row{"exit", "unavailable"},
		)
		return
	}
	exit := "none"
	switch c.Exit {
	case vault.NoticeRunning:
		exit = "under way, to be finished from " + showTime(*c.ExitAt, c.Time)
	case vault.NoticeOver:
		exit = "over: byway channel exit " + c.Provider.Hex() + " finishes it"
	}
	e.rows(e.Out,
		row{"provider", c.Provider.Hex()},
		row{"promised", show(token, c.Promised)},
		row{"settled", show(token, c.Settled) + ", owed " + show(token, c.Owed)},
		row{"set aside", show(token, c.Reserved)},
		row{"exit", exit},
	)
}

func (e env) channelOpen(c *cli.Context) error {
	if c.Args().Len() != 2 {
		return usagef("byway channel open takes a PROVIDER and an AMOUNT of tokens")
	}
	provider, err := parseAddress("PROVIDER", c.Args().First())
	if err != nil {
		return err
	}
	return e.act(c, func(w *vault.Wallet) (vault.Receipt, error) {
		amount, err := parseTokens(w.Token, c.Args().Get(1))
		if err != nil {
			return vault.Receipt{}, err
		}
		return w.Reserve(c.Context, provider, amount)
	}, func(w *vault.Wallet, sent vault.Receipt) error {
		return e.channelAfter(c, w, provider, sent, "Set aside.", "byway connect --provider "+provider.Hex())
	})
}

// channelAfter shows a transaction, the channel after it, and what comes next.
func (e env) channelAfter(
	c *cli.Context, w *vault.Wallet, provider common.Address, sent vault.Receipt, said, next string,
) error {
	status, err := w.Channel(c.Context, provider)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(channelJSON{Schema: channelSchema, Sent: &sent, Token: w.Token, Channel: &status, Next: next})
	}
	fmt.Fprintln(e.Out, said)
	e.rows(e.Out, append(sentRows(w.Token, sent), row{})...)
	e.channelRows(w.Token, status)
	fmt.Fprintf(e.Out, "\nNext: %s\n", next)
	return nil
}

func (e env) channelExit(c *cli.Context) error {
	provider, err := oneAddress(c, "PROVIDER")
	if err != nil {
		return err
	}
	if c.Bool("wait") && (c.Bool("cancel") || c.Bool("unsigned")) {
		return usagef("--wait goes with neither --cancel nor --unsigned")
	}
	var said, next string
	exit := "byway channel exit " + provider.Hex()
	return e.act(c, func(w *vault.Wallet) (vault.Receipt, error) {
		status, err := w.Channel(c.Context, provider)
		if err != nil {
			return vault.Receipt{}, err
		}
		if c.Bool("cancel") {
			said, next = "The exit is cancelled: what is set aside stays so.", exit
			return w.CancelExit(c.Context, provider)
		}
		if status.Exit == vault.NoticeNone {
			said, next = "The exit is announced. The provider can claim what it was promised until it is over.", exit
			if sent, err := w.StartExit(c.Context, provider); err != nil || !c.Bool("wait") {
				return sent, err
			}
			e.waiting(c, "The exit is announced.")
		}
		said = "The exit is finished: what the provider had not claimed is free in the vault."
		next = "byway vault withdraw all"
		return e.finishExit(c, w, provider)
	}, func(w *vault.Wallet, sent vault.Receipt) error {
		return e.channelAfter(c, w, provider, sent, said, next)
	})
}

func (e env) channelRevoke(c *cli.Context) error {
	provider, err := oneAddress(c, "PROVIDER")
	if err != nil {
		return err
	}
	return e.act(c, func(w *vault.Wallet) (vault.Receipt, error) { return w.RevokeReserves(c.Context, provider) },
		func(w *vault.Wallet, sent vault.Receipt) error {
			return e.channelAfter(c, w, provider, sent, "Revoked: the provider can set nothing aside any more by what you signed before.",
				"byway vault withdraw all")
		})
}

func (e env) waiting(c *cli.Context, text string) {
	if !c.Bool("json") {
		fmt.Fprintln(e.Err, text)
	}
}

// finishExit finishes an exit, where it was told to wait once the chain lets it: when that is the chain's clock decides.
func (e env) finishExit(c *cli.Context, w *vault.Wallet, provider common.Address) (vault.Receipt, error) {
	for said := false; ; said = true {
		sent, err := w.FinishExit(c.Context, provider)
		var early *vault.EarlyError
		if !errors.As(err, &early) || !c.Bool("wait") {
			return sent, err
		}
		if !said {
			e.waiting(c, "It can be finished from "+showTime(early.At, early.Now)+".")
		}
		select {
		case <-c.Context.Done():
			return sent, c.Context.Err()
		case <-time.After(min(max(early.At.Sub(early.Now), time.Second), time.Minute)): // of the chain's time
		}
	}
}

// closePatience bounds what a cooperative close may take.
const closePatience = 3 * time.Minute

func (e env) channelClose(c *cli.Context) (err error) {
	provider, err := oneAddress(c, "PROVIDER")
	if err != nil {
		return err
	}
	to, err := receiver(c)
	if err != nil {
		return err
	}
	home, _, _, err := e.account(c)
	if err != nil {
		return err
	}
	network, err := e.network(c)
	if err != nil {
		return err
	}
	log, err := e.logger(c)
	if err != nil {
		return err
	}
	password, err := e.password(c, false)
	if err != nil {
		return err
	}
	owner, session, err := home.Unlock(password)
	if err != nil {
		return err
	}
	consumer, err := node.OpenConsumer(c.Context, node.ConsumerConfig{
		Home: home, Network: network, Key: owner, Log: log,
		Config: path.Config{Session: session, SpendCap: contracts.NewAmount(1)}, // it opens no session
	})
	if err != nil {
		return notUp(network, err)
	}
	defer func() { err = errors.Join(err, consumer.Close()) }()
	ctx, cancel := context.WithTimeout(c.Context, closePatience)
	defer cancel()
	if err := consumer.WaitReady(ctx); err != nil {
		return err
	}
	if c.Bool("unsigned") {
		list, err := consumer.UnsignedClose(ctx, provider, to)
		if err != nil {
			return closeError(err, provider)
		}
		return e.printUnsigned(list, owner.Address())
	}
	sent, err := consumer.CloseChannel(ctx, provider, to)
	if err != nil {
		return closeError(err, provider)
	}
	w, err := consumer.Wallet()
	if err != nil {
		return err
	}
	return e.channelAfter(c, w, provider, sent, "The channel is closed: what was owed is paid, and the rest is withdrawn.",
		"byway account balance")
}

func closeError(err error, provider common.Address) error {
	if errors.Is(err, vault.ErrNoReserve) || errors.Is(err, home.ErrCold) {
		return err
	}
	return fmt.Errorf("%w: byway channel exit %s needs nobody's consent", err, provider)
}
