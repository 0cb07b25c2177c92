package cli

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"byway/contracts"
	"byway/node/api"
	"byway/node/api/spec"
	"byway/node/path"
	"byway/node/token"
	"byway/node/wire"
	"byway/payments/claim"
	"byway/registry/directory"
	"byway/tunnel"
	"byway/tunnel/route"
)

func (e env) statusCommand() *cli.Command {
	return &cli.Command{
		Name:   "status",
		Usage:  "show what the daemon of this home does",
		Action: e.status,
	}
}

func (e env) status(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	d, err := e.daemon(c)
	if errors.Is(err, api.ErrNotRunning) {
		shut, shutErr := path.InspectMachine()
		if shutErr != nil {
			fmt.Fprintln(e.Err, "byway: note:", safe(hinted(shutErr)))
		}
		if shut != nil {
			return errors.Join(e.shutStatus(c, shut), err)
		}
	}
	if err != nil {
		return err
	}
	status, err := d.status(c.Context)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(status)
	}
	return e.showStatus(status)
}

// showStatus shows what a daemon does.
func (e env) showStatus(s spec.Status) error {
	if s.Shut != nil && s.Connection == nil {
		fmt.Fprintln(e.Err, "byway: note:", safe(hinted(&path.ShutError{Shut: route.Shut{
			Since: s.Shut.Since, Reason: s.Shut.Reason, Lockdown: s.Shut.Lockdown,
		}})))
	}
	lock := "unlocked"
	if s.Locked {
		lock = "locked: a command that needs its key asks for the password"
	}
	rows := []row{
		{"daemon", fmt.Sprintf("up for %s, on %s", formatDuration(time.Since(s.Since)), safe(s.Network))},
		{"account", lock},
	}
	if len(s.Chain) > 0 {
		rows = append(rows, row{"chain", chainLine(s.Chain)})
	}
	if s.Trouble != "" {
		rows = append(rows, row{"trouble", safe(s.Trouble)})
	}
	e.rows(e.Out, rows...)
	if s.Provider == nil && s.Connection == nil {
		fmt.Fprintln(e.Out, "\nNothing runs: byway connect opens a connection, byway provider up sells.")
	}
	if s.Provider != nil {
		fmt.Fprintln(e.Out, "\nProvider")
		if err := e.providerStatus(s); err != nil {
			return err
		}
	}
	if s.Connection != nil {
		fmt.Fprintln(e.Out, "\nConnection")
		return e.connectionStatus(s)
	}
	return nil
}

func (e env) connectionStatus(s spec.Status) error {
	c := s.Connection
	rows := []row{{"state", connectionState(s.Token, c) + ", for " + formatDuration(time.Since(c.Since))}}
	if c.Exit != nil {
		exit := c.Exit.Provider.Hex()
		if c.Exit.Country != "" {
			exit += ", " + safe(c.Exit.Country)
		}
		rows = append(rows, row{"exit", exit}, row{"price", show(s.Token, c.Exit.PricePerGb) + " per GB"})
	}
	if c.Proxy != "" {
		rows = append(rows, row{"proxy", c.Proxy})
	}
	if c.Machine != "" {
		rows = append(rows, row{"this machine", string(c.Machine)})
	}
	if c.ProxyUse != nil {
		rows = append(rows, row{"proxy use", proxyUse(*c.ProxyUse)})
	}
	if c.Session != nil && c.Session.State == wire.StateResting.String() {
		rows = append(rows, row{"resting", "the provider's places are all in use: the session asks for one with the next packet it has to send"})
	}
	if c.MachineBlocked != "" {
		rows = append(rows, row{"blocked", safe(c.MachineBlocked)})
	}
	rows = append(rows, row{"traffic", fmt.Sprintf("%s down, %s up; now %s", formatBytes(c.RxBytes), formatBytes(c.TxBytes),
		formatRate(c.RateRx+c.RateTx, time.Second))})
	rows = append(rows, budgetRows(s.Token, c.Budget)...)
	e.rows(e.Out, rows...)
	if c.Session == nil {
		return nil
	}
	fmt.Fprintln(e.Out, "Session so far")
	return e.sessionRows(s.Token, *c.Session)
}

// budgetRows tell what was spent, of what, and how long the rest does.
func budgetRows(unit token.Token, b spec.Budget) []row {
	of := func(spent contracts.Amount, most *contracts.Amount) string {
		if most == nil {
			return show(unit, spent)
		}
		return show(unit, spent) + " of " + show(unit, *most)
	}
	rows := []row{{"spent", of(b.Spent, b.Spend)}}
	if b.Day != nil {
		rows = append(rows, row{"today", of(b.DaySpent, b.Day)})
	}
	if b.Month != nil {
		rows = append(rows, row{"this month", of(b.MonthSpent, b.Month)})
	}
	if b.Left != nil {
		left := show(unit, *b.Left)
		if b.BurnSeconds != nil && *b.BurnSeconds < int64(longBurn/time.Second) {
			left += fmt.Sprintf(", for %s at this rate", formatDuration(time.Duration(*b.BurnSeconds)*time.Second))
		}
		rows = append(rows, row{"left", left})
	}
	return rows
}

// longBurn is for how long a budget's end is told.
const longBurn = 30 * 24 * time.Hour

// shutStatus says what a session has left of this machine where no daemon runs that could.
func (e env) shutStatus(c *cli.Context, shut *path.ShutError) error {
	if c.Bool("json") {
		return e.printJSON(struct {
			Schema string     `json:"schema"`
			Shut   *spec.Shut `json:"shut"`
		}{"byway.shut/1", &spec.Shut{
			Since: shut.Since, Reason: safe(shut.Reason), Lockdown: shut.Lockdown, Trouble: safe(shut.Trouble), OpenWith: "byway unlock",
		}})
	}
	rows := []row{
		{"this machine", "shut since " + shut.Since.Local().Format("2006-01-02 15:04:05") + ", because " + safe(shut.Reason)},
		{"to open it", "byway unlock, or byway disconnect"},
		{"to go on", "byway connect --tun"},
	}
	if shut.Lockdown {
		rows[1].value = "byway unlock"
	}
	if shut.Trouble != "" {
		rows = append(rows, row{"trouble", safe(shut.Trouble)})
	}
	e.rows(e.Out, rows...)
	return nil
}

func (e env) providerStatus(status spec.Status) error {
	s := status.Provider
	unit := status.Token
	rows := []row{{"state", string(s.State) + ", for " + formatDuration(time.Since(s.Since))}, {"provider", s.Provider.Hex()}}
	if s.Reason != nil {
		rows = append(rows, row{"because", safe(strings.ReplaceAll(s.Reason.Text, "\n", "; "))})
	}
	if s.State == spec.ProviderStatusStateStarting {
		e.rows(e.Out, rows...)
		return nil
	}
	e.rows(e.Out, append(append(rows, []row{
		{"offer", s.Offer},
		{"price", show(unit, s.PricePerGb) + " per GB"},
		{"reachable", reachLine(s.Reachable)},
		{"endpoints", safe(strings.Join(s.Endpoints, ", "))},
		{"exit", exitState(tunnel.Mode(s.Exit), s.ExitTrouble)},
		{"in use", exitUse(s.Use)},
		{"earned", show(unit, s.Earnings.Promised)},
		{"today", sumLine(unit, s.Today)},
		{"this month", sumLine(unit, s.Month) + quotaLine(s.QuotaBytes)},
		{"all", sumLine(unit, s.Total) + ", " + plural(int(min(s.Refusals, math.MaxInt32)), "session") + " refused since the start"},
		{"not yet claimed", show(unit, s.Earnings.Unsettled)},
		{"strangers", fmt.Sprintf("%s at stake on %s, %s lost in the last hour, of %s", show(unit, s.Strangers.AtStake),
			plural(s.Strangers.Vaults, "vault"), show(unit, s.Strangers.LostLastHour), show(unit, s.Strangers.Budget))},
		{"claims", hintedRule(s.Claims, claim.Lacks(s.ClaimsLack))},
	}...), peersRows(s.Peers)...)...)
	if s.Held != "" {
		fmt.Fprintf(e.Out, "  newcomers are refused and promises wait until the ledger can be written: %s\n", safe(s.Held))
	}
	if s.Closed != "" {
		fmt.Fprintf(e.Out, "  nobody is served at the moment: %s\n", safe(s.Closed))
	}
	if s.Unpublished != "" {
		fmt.Fprintf(e.Out, "  the offer is the one of before: it is published when that can be done again: %s\n", safe(s.Unpublished))
	}
	e.leftRows(unit, s.Left)
	if s.Unbonding != nil {
		e.comesBack(unit, directory.Unbonding{
			Withdrawable: s.Unbonding.Withdrawable, Locked: s.Unbonding.Locked, ReleaseAt: s.Unbonding.ReleaseAt,
		})
	}
	for _, session := range s.Sessions {
		fmt.Fprintf(e.Out, "    %s  %s  %s in, %s out, paid %s\n", session.Payer, session.State,
			formatBytes(session.RxBytes), formatBytes(session.TxBytes), show(unit, session.Paid))
		fmt.Fprintf(e.Out, "        %s\n", withoutChain(session.ServeWithoutChainUntil, status.Chain))
		fmt.Fprintf(e.Out, "        %d of %d flows, %d waiting, %d delayed, %d ended for new ones\n", session.Use.Flows,
			s.Use.SessionFlows, session.Use.Waiting, session.Use.Delayed, session.Use.Evicted)
	}
	return nil
}

// reachLine says whether consumers reach a provider, and how that is known.
func reachLine(r spec.Reachable) string {
	line := r.Reachable + ": " + safe(r.Why)
	if !r.At.IsZero() {
		line += ", " + formatDuration(time.Since(r.At)) + " ago"
	}
	return line
}

func sumLine(t token.Token, s spec.Sum) string {
	return fmt.Sprintf("%s forwarded, %s earned, %s ended", formatBytes(s.Bytes), show(t, s.Earned), plural(s.SessionsEnded, "session"))
}

func quotaLine(quota uint64) string {
	if quota == 0 {
		return ""
	}
	return ", quota " + formatBytes(quota)
}

// withoutChain is for how long a session can be served should the chain be out of reach. What was read of it is as old
// as the last promise that asked, so a session that rests may have to ask again.
func withoutChain(until time.Time, chain []spec.ChainStatus) string {
	if until.IsZero() {
		return "ends"
	}
	if time.Until(until) > 0 {
		return "goes on without the chain until " + showTime(until, time.Now())
	}
	for _, c := range chain {
		if c.Ok {
			return "asks the chain again with its next promise"
		}
	}
	return "takes no further promise until the chain answers"
}

// exitUse prints how much all sessions together take of what they share.
func exitUse(u spec.ExitUse) string {
	text := fmt.Sprintf("%d of %d flows, %d of %d queries, %d of %d echoes, %d waiting", u.Flows, u.FlowsMax, u.Queries,
		u.QueriesMax, u.Echoes, u.EchoesMax, u.Waiting)
	if u.TrackedMax > 0 {
		text += fmt.Sprintf("; the kernel tracks %d of %d connections", u.Tracked, u.TrackedMax)
	}
	return text
}

// exitState is how an exit forwards, or why it does not.
func exitState(m tunnel.Mode, trouble string) string {
	if trouble != "" {
		return trouble
	}
	return exitMode(m)
}
