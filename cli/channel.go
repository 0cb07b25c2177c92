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
	"byway/node/api"
	"byway/node/api/spec"
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
			Schema      string         `json:"schema"`
			Token       token.Token    `json:"token"`
			Channels    []spec.Channel `json:"channels"` // also where there is none
			Unavailable string         `json:"unavailable,omitempty"`
		}{"byway.channel/1", v.Token, v.Channels, v.Unavailable})
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

func (e env) channelRows(token token.Token, c spec.Channel) {
	exit := "unavailable"
	if c.Exit != nil {
		switch exit = "none"; *c.Exit {
		case string(vault.NoticeRunning):
			exit = "under way, to be finished from " + showTime(*c.ExitAt, *c.Time)
		case string(vault.NoticeOver):
			exit = "over: byway channel exit " + c.Provider.Hex() + " finishes it"
		}
	}
	e.rows(e.Out,
		row{"provider", c.Provider.Hex()},
		row{"promised", show(token, c.Promised)},
		row{"settled", showKnown(token, c.Settled) + ", owed " + showKnown(token, c.Owed)},
		row{"set aside", showKnown(token, c.Reserved)},
		row{"exit", exit},
	)
}

// signing is what a request says that sends a transaction and nothing else.
func signing(c *cli.Context) spec.Signing { return spec.Signing{Unsigned: c.Bool("unsigned")} }

// toldChannel tells of a channel after a transaction.
func toldChannel(c *cli.Context, provider common.Address, outcome *spec.ChannelReportOutcome,
) func(*vault.Wallet, vault.Receipt) (spec.ChannelReport, error) {
	return func(w *vault.Wallet, sent vault.Receipt) (spec.ChannelReport, error) {
		return node.NewChannelReport(c.Context, w, provider, *outcome, sent)
	}
}

func (e env) channelOpen(c *cli.Context) error {
	if c.Args().Len() != 2 {
		return usagef("byway channel open takes a PROVIDER and an AMOUNT of tokens")
	}
	provider, err := parseAddress("PROVIDER", c.Args().First())
	if err != nil {
		return err
	}
	outcome := spec.ChannelReportOutcomeOpened
	return act(e, c, func(d *daemon, unit token.Token) (*spec.Operation, error) {
		amount, err := parseTokens(unit, c.Args().Get(1))
		if err != nil {
			return nil, err
		}
		r, err := d.OpenChannelWithResponse(c.Context, provider, nil, spec.Deposit{Amount: amount, Unsigned: c.Bool("unsigned")})
		if err != nil {
			return nil, err
		}
		return r.JSON202, nil
	}, func(w *vault.Wallet) (vault.Receipt, error) {
		amount, err := parseTokens(w.Token, c.Args().Get(1))
		if err != nil {
			return vault.Receipt{}, err
		}
		return w.Reserve(c.Context, provider, amount)
	}, toldChannel(c, provider, &outcome), func(r spec.ChannelReport) error { return e.channelAfter(c, r) })
}

// channelAfter shows a transaction, the channel after it, and what comes next.
func (e env) channelAfter(c *cli.Context, r spec.ChannelReport) error {
	provider := r.Channel.Provider.Hex()
	said, next := "", ""
	switch r.Outcome {
	case spec.ChannelReportOutcomeOpened:
		said, next = "Set aside.", "byway connect --provider "+provider
	case spec.ChannelReportOutcomeAnnounced:
		said = "The exit is announced. The provider can claim what it was promised until it is over."
		next = "byway channel exit " + provider
	case spec.ChannelReportOutcomeFinished:
		said, next = "The exit is finished: what the provider had not claimed is free in the vault.", "byway vault withdraw all"
	case spec.ChannelReportOutcomeCancelled:
		said, next = "The exit is cancelled: what is set aside stays so.", "byway channel exit "+provider
	case spec.ChannelReportOutcomeRevoked:
		said = "Revoked: the provider can set nothing aside any more by what you signed before."
		next = "byway vault withdraw all"
	case spec.ChannelReportOutcomeClosed:
		said = "The channel is closed: what was owed is paid, and the rest is withdrawn."
		next = "byway account balance"
	}
	if c.Bool("json") {
		r.Next = next
		return e.printJSON(r)
	}
	fmt.Fprintln(e.Out, said)
	e.rows(e.Out, append(sentRows(r.Token, *r.Sent), row{})...)
	e.channelRows(r.Token, *r.Channel)
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
	outcome := spec.ChannelReportOutcomeFinished
	return act(e, c, func(d *daemon, _ token.Token) (*spec.Operation, error) {
		if c.Bool("cancel") {
			r, err := d.CancelExitWithResponse(c.Context, provider, nil, signing(c))
			if err != nil {
				return nil, err
			}
			return r.JSON202, nil
		}
		r, err := d.ExitChannelWithResponse(c.Context, provider, nil, spec.Exiting{Wait: c.Bool("wait"), Unsigned: c.Bool("unsigned")})
		if err != nil {
			return nil, err
		}
		return r.JSON202, nil
	}, func(w *vault.Wallet) (sent vault.Receipt, err error) {
		if c.Bool("cancel") {
			outcome = spec.ChannelReportOutcomeCancelled
			return w.CancelExit(c.Context, provider)
		}
		sent, outcome, err = node.ExitChannel(c.Context, w, provider, c.Bool("wait"), func(text string) { e.waiting(c, text) })
		return sent, err
	}, toldChannel(c, provider, &outcome), func(r spec.ChannelReport) error { return e.channelAfter(c, r) })
}

func (e env) channelRevoke(c *cli.Context) error {
	provider, err := oneAddress(c, "PROVIDER")
	if err != nil {
		return err
	}
	outcome := spec.ChannelReportOutcomeRevoked
	return act(e, c, func(d *daemon, _ token.Token) (*spec.Operation, error) {
		r, err := d.RevokeReservesWithResponse(c.Context, provider, nil, signing(c))
		if err != nil {
			return nil, err
		}
		return r.JSON202, nil
	}, func(w *vault.Wallet) (vault.Receipt, error) { return w.RevokeReserves(c.Context, provider) },
		toldChannel(c, provider, &outcome), func(r spec.ChannelReport) error { return e.channelAfter(c, r) })
}

func (e env) waiting(c *cli.Context, text string) {
	if !c.Bool("json") {
		fmt.Fprintln(e.Err, text)
	}
}

// closePatience bounds what a cooperative close may take.
const closePatience = 3 * time.Minute

func (e env) channelClose(c *cli.Context) error {
	provider, err := oneAddress(c, "PROVIDER")
	if err != nil {
		return err
	}
	to, err := receiver(c)
	if err != nil {
		return err
	}
	d, err := e.daemon(c)
	if errors.Is(err, api.ErrNotRunning) {
		return e.channelCloseAlone(c, provider, to)
	}
	if err != nil {
		return err
	}
	status, err := d.status(c.Context)
	if err != nil {
		return err
	}
	want := spec.Closing{Unsigned: c.Bool("unsigned")}
	if to != (common.Address{}) {
		want.To = &to
	}
	result, err := e.asked(c, d, func() (*spec.Operation, error) {
		r, err := d.CloseChannelWithResponse(c.Context, provider, nil, want)
		if err != nil {
			return nil, err
		}
		return r.JSON202, nil
	})
	if err != nil {
		return closeError(err, provider)
	}
	return showAnswer(e, c, *status.Owner, result, func(r spec.ChannelReport) error { return e.channelAfter(c, r) })
}

// channelCloseAlone closes a channel where no daemon runs.
func (e env) channelCloseAlone(c *cli.Context, provider, to common.Address) (err error) {
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
		list, err := node.NewUnsigned(consumer.UnsignedClose(ctx, provider, to))
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
	report, err := node.NewChannelReport(c.Context, w, provider, spec.ChannelReportOutcomeClosed, sent)
	if err != nil {
		return err
	}
	return e.channelAfter(c, report)
}

func closeError(err error, provider common.Address) error {
	if errors.Is(err, vault.ErrNoReserve) || errors.Is(err, home.ErrCold) || errors.Is(err, api.ErrNoReserve) ||
		errors.Is(err, api.ErrCold) {
		return err
	}
	return fmt.Errorf("%w: byway channel exit %s needs nobody's consent", err, provider)
}
