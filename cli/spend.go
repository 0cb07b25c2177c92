package cli

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"byway/node/api/spec"
)

func (e env) spendCommand() *cli.Command {
	return &cli.Command{
		Name:      "spend",
		Usage:     "let the connection cost more",
		ArgsUsage: "AMOUNT",
		Description: "Raises what --spend has allowed by so many tokens. A connection that holds because that is used up goes\n" +
			"on, and loses no flow that its programs have kept open.",
		Action: e.spend,
	}
}

func (e env) rotateCommand() *cli.Command {
	return &cli.Command{
		Name:        "rotate",
		Usage:       "go on through another exit",
		Description: "The next session is open before the present one is left; what is settled of that shows in byway sessions.",
		Action:      e.rotate,
	}
}

func (e env) spend(c *cli.Context) error {
	text, err := oneArg(c, "AMOUNT of tokens")
	if err != nil {
		return err
	}
	d, status, err := e.daemonStatus(c)
	if err != nil {
		return err
	}
	amount, err := parseTokens(status.Token, strings.TrimPrefix(text, "+"))
	if err != nil {
		return err
	}
	var now spec.Connection
	err = e.unlocked(c, d, func() error {
		r, err := d.SpendWithResponse(c.Context, nil, spec.More{Amount: amount})
		if err != nil {
			return err
		}
		return follow(c.Context, d, r.JSON202, func(string) {}, &now)
	})
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(now)
	}
	fmt.Fprintln(e.Out, "The connection may cost more.")
	e.rows(e.Out, append([]row{{"state", connectionState(status.Token, &now)}}, budgetRows(status.Token, now.Budget)...)...)
	return nil
}

func (e env) rotate(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	d, err := e.daemon(c)
	if err != nil {
		return err
	}
	steps := e.newSteps(!c.Bool("json"))
	var report spec.ConnectReport
	err = e.unlocked(c, d, func() error {
		r, err := d.RotateWithResponse(c.Context, nil)
		if err != nil {
			return err
		}
		return follow(c.Context, d, r.JSON202, func(text string) { e.connectStep(steps, text) }, &report)
	})
	steps.end(err == nil)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(report)
	}
	if report.Session != nil {
		fmt.Fprintln(e.Out, "The connection goes through another exit now.")
		e.rows(e.Out, row{"provider", report.Session.Provider.Hex()})
	}
	return nil
}
