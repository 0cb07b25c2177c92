package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"byway/node"
	"byway/node/account"
	"byway/node/api"
	"byway/node/path"
	"byway/node/provide"
	"byway/node/token"
	"byway/node/wire"
	"byway/tunnel"
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
	_, _, raw, err := e.daemon(c)
	shut, shutErr := path.InspectMachine()
	if shutErr != nil {
		fmt.Fprintln(e.Err, "byway: note:", safe(hinted(shutErr)))
	}
	if errors.Is(err, api.ErrNotRunning) && shut != nil {
		return errors.Join(e.shutStatus(c, shut), err)
	}
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(raw)
	}
	var head struct {
		Role string `json:"role"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return fmt.Errorf("status: %w", err)
	}
	if shut != nil {
		fmt.Fprintln(e.Err, "byway: note:", safe(hinted(shut)))
	}
	if head.Role == "provider" {
		return e.providerStatus(raw)
	}
	var s node.ConsumerStatus
	if err := json.Unmarshal(raw, &s); err != nil {
		return fmt.Errorf("status: %w", err)
	}
	way := row{"proxy", s.Proxy}
	if s.Machine != "" {
		way = row{"this machine", s.Machine}
	}
	rows := []row{{"role", "consumer, session " + s.Session.State.String()}, way}
	if s.ProxyUse != nil {
		rows = append(rows, row{"proxy use", proxyUse(*s.ProxyUse)})
	}
	if s.Session.State == wire.StateResting {
		rows = append(rows, row{"resting", "the provider's places are all in use: the session asks for one with the next packet it has to send"})
	}
	if s.Blocked != "" {
		rows = append(rows, row{"blocked", safe(s.Blocked)})
	}
	rows = append(rows, row{"chain", chainLine(s.Chain)})
	e.rows(e.Out, rows...)
	fmt.Fprintln(e.Out, "Session so far")
	return e.sessionRows(s.Token, s.Session)
}

// shutStatus says what a session has left of this machine where no daemon runs that could.
func (e env) shutStatus(c *cli.Context, shut *path.ShutError) error {
	if c.Bool("json") {
		return e.printJSON(struct {
			Schema string    `json:"schema"`
			Role   string    `json:"role"` // "none": no daemon runs on this home
			Shut   *shutJSON `json:"shut"`
		}{"byway.status/1", "none", newShutJSON(shut)})
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

func (e env) providerStatus(raw json.RawMessage) error {
	var s provide.Status
	if err := json.Unmarshal(raw, &s); err != nil {
		return fmt.Errorf("status: %w", err)
	}
	perGB, err := token.PerGB(s.Price)
	if err != nil {
		return err
	}
	e.rows(e.Out, append([]row{
		{"role", "provider, up for " + formatDuration(time.Since(s.Since))},
		{"provider", s.Provider},
		{"offer", s.Offer},
		{"price", show(s.Token, perGB) + " per GB"},
		{"exit", exitState(s.Exit, s.Trouble)},
		{"in use", exitUse(s.Use)},
		{"earned", show(s.Token, s.Earnings.Promised)},
		{"not yet claimed", show(s.Token, s.Earnings.Unsettled)},
		{"strangers", fmt.Sprintf("%s at stake on %s, %s lost in the last hour, of %s", show(s.Token, s.Strangers.AtStake),
			plural(s.Strangers.Vaults, "vault"), show(s.Token, s.Strangers.Lost), show(s.Token, s.Strangers.Budget))},
		{"claims", hintedRule(s)},
		{"chain", chainLine(s.Chain)},
	}, peersRows(s.Peers)...)...)
	if s.Unpublished != "" {
		fmt.Fprintf(e.Out, "  the offer is the one of before: it is published when the chain can be read again: %s\n", safe(s.Unpublished))
	}
	e.leftRows(s.Token, s.Left)
	if s.Unbonding != nil {
		e.comesBack(s.Token, *s.Unbonding)
	}
	for _, session := range s.Sessions {
		fmt.Fprintf(e.Out, "    %s  %s  %s in, %s out, paid %s\n", session.Payer, session.State,
			formatBytes(session.Rx), formatBytes(session.Tx), show(s.Token, session.Paid))
		fmt.Fprintf(e.Out, "        %s\n", withoutChain(session.ServeUntil, s.Chain))
		fmt.Fprintf(e.Out, "        %d of %d flows, %d waiting, %d delayed, %d ended for new ones\n", session.Use.Flows,
			s.Use.SessionFlows, session.Use.Waiting, session.Use.Delayed, session.Use.Evicted)
	}
	return nil
}

// withoutChain is for how long a session can be served should the chain be out of reach. What was read of it is as old
// as the last promise that asked, so a session that rests may have to ask again.
func withoutChain(until time.Time, chain []account.ChainStatus) string {
	if until.IsZero() {
		return "ends"
	}
	if time.Until(until) > 0 {
		return "goes on without the chain until " + showTime(until, time.Now())
	}
	for _, c := range chain {
		if c.OK {
			return "asks the chain again with its next promise"
		}
	}
	return "takes no further promise until the chain answers"
}

// exitUse prints how much all sessions together take of what they share.
func exitUse(u tunnel.ExitUse) string {
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
