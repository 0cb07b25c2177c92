package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"byway/node/api/spec"
	"byway/node/home"
)

// How something stands that doctor has looked at.
const (
	findingOK      = "ok"
	findingWarning = "warning"
	findingFault   = "fault"
)

// finding is what doctor has to say of one thing.
type finding struct {
	Check string `json:"check"`
	State string `json:"state"`
	Says  string `json:"says"`
	Cure  string `json:"cure,omitempty"` // what to do about it
}

// doctorJSON is byway.doctor/1.
type doctorJSON struct {
	Schema   string    `json:"schema"`
	Home     string    `json:"home"`
	OK       bool      `json:"ok"` // there is no fault
	Faults   int       `json:"faults"`
	Warnings int       `json:"warnings"`
	Checks   []finding `json:"checks"`
}

const (
	// checkPatience bounds one check, and all of them, which run side by side.
	checkPatience = 5 * time.Second
	// checkGrace is what a check has beyond that to say what it has seen.
	checkGrace = time.Second
)

func (e env) doctorCommand() *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "look for what keeps this node from working, and say what to do about it",
		Description: "Looks at the home, its keys and daemon, the chain, the contracts, the clock, the account's money, IPFS, the\n" +
			"market and this machine's network, in a few seconds, and changes nothing. It asks for no password, and works with\n" +
			"the daemon and without. It ends with 1 where it has found a fault.",
		Action: e.doctor,
	}
}

// patient is what is known of a node before it is looked at.
type patient struct {
	env
	c       *cli.Context
	folder  home.Home
	ours    bool // the folder is there and this user's
	network home.Network
	daemon  *daemon      // nil where none answers
	status  *spec.Status // the daemon's
	account bool
	owner   common.Address
	session common.Address

	provider, consumer bool // what the node is, as far as that is known
}

func (e env) doctor(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	folder, err := e.nameHome(c)
	if err != nil {
		return err
	}
	p := &patient{env: e, c: c, folder: folder}
	found := p.learn(c.Context, "home", (*patient).lookAtHome)
	found = append(found, p.learn(c.Context, "daemon", (*patient).lookAtDaemon)...)
	p.learnRoles()
	checks := []check{
		{"disk", p.lookAtDisk}, {"machine", p.lookAtMachine}, {"tun", p.lookAtTUN}, {"route", p.lookAtRoute}, {"port", p.lookAtPort},
	}
	if p.network, err = e.network(c); err != nil {
		found = append(found, finding{"network", findingFault, err.Error(), "name a network file that can be read with --network" + hint(err)})
	} else {
		found = append(found, finding{"network", findingOK, networkLine(p.network), ""})
		checks = append(checks, check{"chain", p.lookAtChain}, check{"account", p.lookAtMoney}, check{"ipfs", p.lookAtIPFS},
			check{"market", p.lookAtMarket})
	}
	found = append(found, bounded(c.Context, checks)...)
	if err := c.Context.Err(); err != nil {
		return err
	}
	return e.tellFindings(c, folder.Dir(), found)
}

func networkLine(n home.Network) string {
	return fmt.Sprintf("%s, chain %d, %s", n.Name, n.ChainID, plural(len(n.RPC), "endpoint"))
}

// learnRoles finds out what the node is: by what runs, by what was wanted last, and by its configuration. Where nothing says
// so it is looked at as a consumer, which every node can be.
func (p *patient) learnRoles() {
	has := func(name string) bool { _, err := os.Stat(p.folder.Path(name)); return err == nil }
	roles, _ := p.roles(p.c) // a mistake in the file was told before this command began
	p.provider = slices.Contains(roles, roleProvider) || has("selling.json") || p.status != nil && p.status.Provider != nil
	p.consumer = slices.Contains(roles, roleConsumer) || has("wanted.json") || p.status != nil && p.status.Connection != nil
}

// check looks at one thing.
type check struct {
	name string
	look func(context.Context) []finding
}

// bounded runs checks side by side, and gives none of them longer than its time. The order of what is found is theirs.
func bounded(ctx context.Context, checks []check) (all []finding) {
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	results := make([]chan []finding, len(checks))
	for i, c := range checks {
		results[i] = make(chan []finding, 1)
		go func() { results[i] <- c.look(ctx) }() // ends with ctx; what hangs in the kernel, with the process
	}
	last := time.NewTimer(checkPatience + checkGrace)
	defer last.Stop()
	over := false
	for i, c := range checks {
		if !over {
			select {
			case found := <-results[i]:
				all = append(all, found...)
				continue
			case <-last.C:
				over = true
			}
		}
		select {
		case found := <-results[i]:
			all = append(all, found...)
		default:
			all = append(all, finding{c.name, findingFault, fmt.Sprintf("gave no answer within %s", checkPatience),
				"see whether the machine, or what it asks there, is overloaded, and try again"})
		}
	}
	return all
}

// learn runs one check that finds out what the others go by. What it learns after its time is left to itself.
func (p *patient) learn(ctx context.Context, name string, look func(*patient, context.Context) []finding) []finding {
	learned := make(chan patient, 1)
	of := *p
	found := bounded(ctx, []check{{name, func(ctx context.Context) []finding {
		found := look(&of, ctx)
		learned <- of
		return found
	}}})
	select {
	case *p = <-learned:
	default:
	}
	return found
}

// tellFindings tells what was found; the error is one where there is a fault.
func (e env) tellFindings(c *cli.Context, dir string, found []finding) error {
	out := doctorJSON{Schema: "byway.doctor/1", Home: dir, Checks: found}
	for i, f := range found {
		found[i].Says, found[i].Cure = safe(oneLined(f.Says)), safe(oneLined(strings.TrimLeft(f.Cure, ":;, ")))
		switch f.State {
		case findingFault:
			out.Faults++
		case findingWarning:
			out.Warnings++
		}
	}
	out.OK = out.Faults == 0
	if c.Bool("json") {
		if err := e.printJSON(out); err != nil {
			return err
		}
	} else {
		e.showFindings(out)
	}
	if out.OK {
		return nil
	}
	return programError(exitFailure) // what is wrong was said
}

func oneLined(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", "; ") }

func (e env) showFindings(out doctorJSON) {
	marks := map[string]string{findingOK: "✓", findingWarning: "!", findingFault: "✗"}
	for _, f := range out.Checks {
		fmt.Fprintf(e.Out, "  %s %-9s %s\n", marks[f.State], f.Check, f.Says)
		if f.Cure != "" {
			fmt.Fprintf(e.Out, "    %-9s → %s\n", "", f.Cure)
		}
	}
	switch {
	case out.Faults+out.Warnings == 0:
		fmt.Fprintln(e.Out, "\nNothing is wrong.")
	default:
		fmt.Fprintf(e.Out, "\n%s, %s.\n", plural(out.Faults, "fault"), plural(out.Warnings, "warning"))
	}
}

// failed is a finding about something that could not be looked at, or is broken. The cure is for errors that have none.
func failed(name string, err error, cure string) finding {
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("gave no answer within %s: %w", checkPatience, err)
	}
	for _, fact := range hintedFacts(err) { // it knows better
		cure = hint(fact)
	}
	return finding{name, findingFault, err.Error(), cure}
}
