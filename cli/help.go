package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
)

// helpWidth is how wide help texts are, in columns.
const helpWidth = 100

// help prints what the command of that path is for, and its flags: the path "" is the program itself.
func help(w io.Writer, app *cli.App, path string) {
	if path == "" {
		fmt.Fprintf(w, "%s: %s\n\nUSAGE\n   byway COMMAND [flags]\n\n", app.Name, app.Usage)
		fmt.Fprintf(w, "%s\nCOMMANDS\n", indented(app.Description))
		commandTable(w, "", app.Commands)
		fmt.Fprint(w, "\n   byway help COMMAND says more about one.\n\nFLAGS, before or after the command\n")
		flagTable(w, app.Flags)
		return
	}
	var command *cli.Command
	commands := app.Commands
	for word := range strings.FieldsSeq(path) {
		at := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(word) })
		command, commands = commands[at], commands[at].Subcommands
	}
	name := "byway " + path
	fmt.Fprintf(w, "%s: %s\n\n", name, command.Usage)
	if len(commands) > 0 {
		fmt.Fprint(w, "COMMANDS\n")
		commandTable(w, name+" ", commands)
		fmt.Fprint(w, "\n   Each has --help.\n")
		return
	}
	fmt.Fprintf(w, "USAGE\n   %s\n\n", strings.TrimSpace(name+" [flags] "+command.ArgsUsage))
	if command.Description != "" {
		fmt.Fprintf(w, "%s\n", indented(command.Description))
	}
	if len(command.Flags) > 0 {
		fmt.Fprint(w, "FLAGS\n")
		flagTable(w, command.Flags)
		fmt.Fprintln(w)
	}
	var also []string
	for _, f := range app.Flags {
		if global := f.Names()[0]; !slices.Contains(idle[path], global) {
			also = append(also, "--"+global)
		}
	}
	fmt.Fprintf(w, "Takes %s too: see byway --help\n", strings.Join(also, ", "))
}

// indented is a text of several lines, each set in.
func indented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text + "\n") {
		if line != "\n" {
			b.WriteString("   ")
		}
		b.WriteString(line)
	}
	return b.String()
}

func commandTable(w io.Writer, before string, commands []*cli.Command) {
	var table [][2]string
	for _, c := range commands {
		if c.Hidden {
			continue
		}
		table = append(table, [2]string{before + c.Name, c.Usage})
	}
	columns(w, table)
}

func flagTable(w io.Writer, flags []cli.Flag) {
	var table [][2]string
	for _, f := range flags {
		doc, ok := f.(cli.DocGenerationFlag)
		if !ok {
			continue
		}
		// What stands in backquotes is the name of the value.
		before, value, after := doc.GetUsage(), "", ""
		if parts := strings.SplitN(before, "`", 3); len(parts) == 3 {
			before, value, after = parts[0], parts[1], parts[2]
		}
		name := "--" + f.Names()[0]
		if doc.TakesValue() {
			name += " " + cmp.Or(value, "VALUE")
		}
		usage := before + value + after
		if text := strings.Trim(doc.GetDefaultText(), `"`); doc.TakesValue() && text != "" && text != "0s" {
			usage += " (default " + text + ")"
		}
		if env := doc.GetEnvVars(); len(env) > 0 {
			usage += " [$" + env[0] + "]"
		}
		table = append(table, [2]string{name, usage})
	}
	columns(w, table)
}

// columns prints names and what they mean side by side, the meanings broken into lines.
func columns(w io.Writer, table [][2]string) {
	width := 0
	for _, row := range table {
		width = max(width, utf8.RuneCountInString(row[0]))
	}
	for _, row := range table {
		name := row[0]
		for _, line := range broken(row[1], helpWidth-width-6) {
			fmt.Fprintf(w, "   %-*s   %s\n", width, name, line)
			name = ""
		}
	}
}

// broken breaks a text between words into lines of at most that width; a longer word has a line of its own.
func broken(text string, width int) []string {
	lines := []string{""}
	for word := range strings.FieldsSeq(text) {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case utf8.RuneCountInString(*last)+1+utf8.RuneCountInString(word) <= width:
			*last += " " + word
		default:
			lines = append(lines, word)
		}
	}
	return lines
}
