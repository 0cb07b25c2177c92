package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"byway/node"
	"byway/node/api"
	"byway/node/api/spec"
	"byway/node/token"
	"byway/payments/ledger"
)

// mostSessions bounds one answer: the next one goes on where it ends.
const mostSessions = 1000

func (e env) sessionsCommand() *cli.Command {
	return &cli.Command{
		Name:  "sessions",
		Usage: "show the sessions of this home, as a consumer and as a provider, newest first",
		Description: "Read from the ledger, also while a daemon runs. A session shows until its row is merged into its channel,\n" +
			fmt.Sprintf("%.0f days after its end where nothing else is said; what it came to stays in earnings and in the sums.",
				ledger.DefaultKeep.Hours()/24),
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "limit", Value: 20, Usage: fmt.Sprintf("show so many `SESSIONS` at most, %d or fewer", mostSessions)},
			&cli.Int64Flag{Name: "before", Usage: "show those before the session of that `NUMBER`"},
		},
		Action: e.sessions,
	}
}

// endingWords are how a person is told of an ending.
var endingWords = map[string]string{
	"open": "is open", "unknown": "ended", "done": "ended in order", "unpaid": "ended: promises did not come",
	"unfunded": "ended: the channel could not pay any more", "gave_way": "ended: others took its place",
	"exit_closed": "ended: the exit forwarded nothing", "provider_stopped": "ended: the provider stopped",
	"protocol": "ended: the other side broke the protocol", "crash": "ended by a crash of this node",
	"lost": "ended: the other side did not come back",
}

func (e env) sessions(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	limit := c.Int("limit")
	if limit < 1 || limit > mostSessions {
		return usagef("--limit must be between 1 and %d", mostSessions)
	}
	if c.Int64("before") < 0 {
		return usagef("--before is below zero")
	}
	out, err := e.readSessions(c, limit)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(out)
	}
	if len(out.Sessions) == 0 {
		fmt.Fprintln(e.Out, "No session.")
		return nil
	}
	for _, s := range out.Sessions {
		fmt.Fprintf(e.Out, "%d  %s  %s\n", s.Number, s.Opened.Format(time.DateTime)+" UTC", endingWords[s.Ending])
		lasted := "until now"
		if s.Closed != nil {
			lasted = "for " + s.Closed.Sub(s.Opened).Round(time.Second).String()
		}
		with := "to provider"
		if s.Side == spec.SideEarned {
			with = "from consumer"
		}
		e.rows(e.Out,
			row{string(s.Side), fmt.Sprintf("%s in %s %s %s", show(out.Token, s.Amount), plural(s.Promises, "promise"), with, s.Counterpart)},
			row{"carried", fmt.Sprintf("%s in, %s out, %s", formatBytes(s.RxBytes), formatBytes(s.TxBytes), lasted)},
		)
	}
	return nil
}

// readSessions asks the daemon or, where none runs, the ledger.
func (e env) readSessions(c *cli.Context, limit int) (out spec.Sessions, err error) {
	d, err := e.daemon(c)
	if err == nil {
		r, err := d.GetSessionsWithResponse(c.Context, &spec.GetSessionsParams{Limit: limit, Before: c.Int64("before")})
		if err != nil {
			return out, err
		}
		return *r.JSON200, nil
	}
	if !errors.Is(err, api.ErrNotRunning) {
		return out, err
	}
	out = spec.Sessions{Schema: "byway.sessions/1", Sessions: []spec.PastSession{}}
	err = e.viewLedger(c, func(ctx context.Context, l *ledger.Ledger, t token.Token, _ common.Address) (err error) {
		out, err = node.NewSessions(ctx, l, limit, c.Int64("before"), t)
		return err
	})
	return out, err
}

// viewLedger shows a home's ledger, with how its amounts are written, to a function. One that is not there yet is empty:
// it is not shown.
func (e env) viewLedger(c *cli.Context, look func(context.Context, *ledger.Ledger, token.Token, common.Address) error) (
	err error,
) {
	home, err := e.ledgerHome(c)
	if err != nil {
		return err
	}
	network, err := e.network(c)
	if err != nil {
		return err
	}
	books, err := ledger.View(c.Context, home.Path("ledger.db"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, books.Close()) }()
	t, err := token.Known(c.Context, network, home)
	if err != nil {
		return err
	}
	return look(c.Context, books, t, network.Token)
}
