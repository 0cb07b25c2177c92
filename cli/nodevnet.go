//go:build nodevnet

package cli

import (
	"errors"

	"github.com/urfave/cli/v2"
)

// A build with the tag nodevnet has no devnet, no demo and no chain of its own, and so no EVM. It joins a devnet that another
// program has started like any other network.

var errNoDevnet = errors.New("this program was built without a devnet (-tags nodevnet): build it with make build, or take the " +
	"whole one")

const devnetIntro = ""

func (env) demoCommand() *cli.Command { return absent("demo") }

func (env) devnetCommand() *cli.Command {
	c := absent("devnet")
	c.Subcommands = []*cli.Command{absent("up"), absent("fund")}
	return c
}

// absent is a command that this build lacks. It is not listed, and says why where it is named.
func absent(name string) *cli.Command {
	return &cli.Command{Name: name, Usage: "not in this build", Hidden: true, Action: func(*cli.Context) error { return errNoDevnet }}
}
