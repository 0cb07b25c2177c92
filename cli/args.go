package cli

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// idle names the global flags that a command has no use for. Given to it all the same they are not silently dropped:
// a note says so. Scripts put the same flags in front of every command, so it is no error.
var idle = map[string][]string{
	"demo":             {"home", "network", "password-file"},
	"devnet up":        {"network", "password-file"},
	"devnet fund":      {"password-file"},
	"provider claim":   {"network", "rpc"},
	"offers list":      {"password-file"},
	"offers show":      {"password-file"},
	"offers watch":     {"password-file"},
	"provider down":    {"network", "rpc", "password-file"},
	"down":             {"network", "rpc", "password-file"},
	"disconnect":       {"network", "rpc", "password-file"},
	"open":             {"network", "rpc", "password-file"},
	"spend":            {"network", "rpc"},
	"rotate":           {"network", "rpc"},
	"pause":            {"network", "rpc", "password-file"},
	"account unlock":   {"network", "rpc"},
	"account lock":     {"network", "rpc", "password-file"},
	"status":           {"network", "rpc", "password-file"},
	"exec":             {"network", "rpc", "password-file"},
	"unlock":           {"home", "network", "rpc", "password-file"},
	"account new":      {"network", "rpc"},
	"account password": {"network", "rpc"},
	"account list":     {"network", "rpc", "password-file"},
	"account balance":  {"password-file"},
	"account restore":  {"network", "rpc"},
	"earnings":         {"password-file"},
	"vault show":       {"password-file"},
	"channel list":     {"password-file"},
	"ledger verify":    {"password-file"},
	"ledger backup":    {"network", "rpc", "password-file"},
	"ledger restore":   {"network", "rpc", "password-file"},
	"config show":      {},
	"config set":       {"network", "rpc", "password-file"},
	"config unset":     {"network", "rpc", "password-file"},
	"tx submit":        {"home", "password-file"},
	"doctor":           {"password-file"},
}

// commandLine holds the typed words in the order that the parser of flags wants: global flags, then each command with
// its flags, then what is left. People put flags anywhere, and mean the same.
type commandLine struct {
	program string
	globals []string
	given   []string // the names of the globals
	typed   []string // the names of all flags
	settled []given  // what the home's configuration added
	words   []string // the commands, each followed by its flags
	rest    []string // what is neither
	path    string   // the commands alone: "provider up"

	help, version bool // what is asked for is a text
}

// arrange sorts out a command line. Flags and commands that do not exist are usage errors that name what there is.
func arrange(app *cli.App, args []string) (*commandLine, error) {
	line := &commandLine{program: args[0]}
	args = args[1:]
	if line.help = len(args) > 0 && args[0] == "help"; line.help {
		args = args[1:]
	}
	flags, commands := app.Flags, app.Commands
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			line.rest = append(line.rest, args[i+1:]...)
			break
		}
		if len(arg) > 1 && arg[0] == '-' {
			words, global, err := line.flag(app, flags, args[i:])
			if err != nil {
				return nil, err
			}
			i += len(words) - 1
			if global {
				line.globals = append(line.globals, words...)
			} else {
				line.words = append(line.words, words...)
			}
			continue
		}
		next := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(arg) })
		switch {
		case next >= 0:
			line.path = strings.TrimSpace(line.path + " " + arg)
			line.words = append(line.words, arg)
			flags, commands = commands[next].Flags, commands[next].Subcommands
		case len(commands) > 0:
			return nil, usagef("%s has no command %q%s: see %[1]s --help", line.name(), arg, meant(arg, commandNames(commands)))
		default:
			line.rest = append(line.rest, arg)
		}
	}
	return line, nil
}

// homeDir is the folder of the node: by flag, by environment, or the usual one.
func (l *commandLine) homeDir(app *cli.App) string {
	for i := len(l.globals) - 1; i >= 0; i-- {
		name, value, joined := strings.Cut(strings.TrimLeft(l.globals[i], "-"), "=")
		switch {
		case name != "home" || !strings.HasPrefix(l.globals[i], "-"):
		case joined:
			return value
		case i+1 < len(l.globals):
			return l.globals[i+1]
		}
	}
	if value, found := os.LookupEnv("BYWAY_HOME"); found {
		return value
	}
	return defaultHome()
}

// name is the command as it is typed: "byway provider up".
func (l *commandLine) name() string { return strings.TrimSpace("byway " + l.path) }

// flag reads one flag, with its value, from the front of args; global says that it is one of the program's own.
func (l *commandLine) flag(app *cli.App, own []cli.Flag, args []string) (words []string, global bool, err error) {
	name, _, joined := strings.Cut(strings.TrimLeft(args[0], "-"), "=")
	switch {
	case name == "help", name == "h":
		l.help = true
		return args[:1], true, nil
	case l.path == "" && (name == "version" || name == "v"):
		l.version = true
		return args[:1], true, nil
	}
	named := func(f cli.Flag) bool { return slices.Contains(f.Names(), name) }
	flags := own
	at, global := slices.IndexFunc(own, named), false
	if at < 0 || l.path == "" {
		own, global = app.Flags, true
		at = slices.IndexFunc(own, named)
	}
	if at < 0 {
		known := append(flagNames(app.Flags), flagNames(flags)...)
		return nil, false, usagef("%s has no flag --%s%s: see %[1]s --help", l.name(), name, meant(name, known))
	}
	if global {
		l.given = append(l.given, name)
	}
	l.typed = append(l.typed, own[at].Names()[0])
	if f, ok := own[at].(cli.DocGenerationFlag); ok && f.TakesValue() && !joined {
		if len(args) < 2 {
			return nil, false, usagef("--%s needs a value: see %s --help", name, l.name())
		}
		return args[:2], global, nil
	}
	return args[:1], global, nil
}

// check refuses a global flag that contradicts the command, and returns the notes about those that it has no use for.
func (l *commandLine) check() (notes []string, err error) {
	for _, name := range l.given {
		if !slices.Contains(idle[l.path], name) {
			continue
		}
		if name == "network" && (l.path == "demo" || l.path == "devnet up") {
			return nil, usagef("%s makes a network of its own: give the chain with --rpc, not --network", l.name())
		}
		notes = append(notes, fmt.Sprintf("%s has no use for --%s", l.name(), name))
	}
	return notes, nil
}

// args is the line as the parser of flags wants it.
func (l *commandLine) args() []string {
	out := append([]string{l.program}, l.globals...)
	out = append(out, l.words...)
	if len(l.rest) > 0 {
		out = append(append(out, "--"), l.rest...)
	}
	return out
}
