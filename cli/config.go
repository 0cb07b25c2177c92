package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"byway/contracts/disk"
	"byway/contracts/text"
)

func (e env) configCommand() *cli.Command {
	return &cli.Command{
		Name:  "config",
		Usage: "look at and change the settings of this home",
		Subcommands: []*cli.Command{
			{
				Name:  "show",
				Usage: "show every setting, and with --origin who decided it",
				Description: "Settings lie in byway.toml in the home, named as the flags: those of the program on top, those of\n" +
					"byway provider up in [provider], those of byway connect in [consumer]. A flag decides before the\n" +
					"environment, the environment before the file, the file before what is built in.",
				Flags: []cli.Flag{
					&cli.BoolFlag{Name: "origin", Usage: "say where each value comes from"},
				},
				Action: e.configShow,
			},
			{
				Name: "set", ArgsUsage: "KEY VALUE...",
				Usage:  "write a setting into byway.toml",
				Action: e.configSet,
			},
			{
				Name: "unset", ArgsUsage: "KEY",
				Usage:  "take a setting out of byway.toml",
				Action: e.configUnset,
			},
		},
	}
}

// configJSON is byway.config/1.
type configJSON struct {
	Schema string        `json:"schema"`
	File   string        `json:"file"`
	Keys   []settingJSON `json:"keys"`
}

type settingJSON struct {
	Key string `json:"key"`
	// Value has one entry, or for a list any number.
	Value []string `json:"value"`
	List  bool     `json:"list"`
	// Origin is "flag", "environment", "file" or "default"; Place is the variable's name or file:line.
	Origin string `json:"origin"`
	Place  string `json:"place,omitempty"`
}

func (e env) configShow(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	folder, err := e.nameHome(c)
	if err != nil {
		return err
	}
	file, err := readConfig(folder.Dir())
	if err != nil {
		return err
	}
	list := settings(c.App)
	values, err := file.given(list)
	if err != nil {
		return err
	}
	typed, _ := c.App.Metadata[typedFlags].([]string)
	out := configJSON{Schema: "byway.config/1", File: file.path}
	for _, s := range list {
		out.Keys = append(out.Keys, s.decided(c, values, typed))
	}
	if c.Bool("json") {
		return e.printJSON(out)
	}
	for _, k := range out.Keys {
		shown := strings.Join(k.Value, ", ")
		if k.List {
			shown = "[" + shown + "]"
		}
		line := fmt.Sprintf("%s = %s", k.Key, text.Line(shown))
		if c.Bool("origin") {
			line += "   # " + strings.TrimSpace(k.Origin+" "+k.Place)
		}
		fmt.Fprintln(e.Out, line)
	}
	return nil
}

// decided is a setting's value and who decided it.
func (s setting) decided(c *cli.Context, values []given, typed []string) settingJSON {
	k := settingJSON{Key: s.key(), List: s.many(), Value: []string{}}
	if variable := fromEnvironment(s.flag); s.section == "" && (variable != "" || slices.Contains(typed, s.name)) {
		if k.Origin = "flag"; !slices.Contains(typed, s.name) {
			k.Origin, k.Place = "environment", variable
		}
		if s.many() {
			k.Value = c.StringSlice(s.name)
		} else {
			k.Value = []string{fmt.Sprint(c.Value(s.name))}
		}
		return k
	}
	if at := slices.IndexFunc(values, func(g given) bool { return g.key() == k.Key }); at >= 0 {
		k.Value, k.Origin, k.Place = values[at].words, "file", values[at].place
		return k
	}
	k.Origin = "default"
	switch f := s.flag.(type) {
	case *cli.StringSliceFlag, *cli.IntSliceFlag: // none of them has one
	case *cli.StringFlag:
		k.Value = []string{f.Value}
	case *cli.BoolFlag:
		k.Value = []string{fmt.Sprint(f.Value)}
	case *cli.IntFlag:
		k.Value = []string{fmt.Sprint(f.Value)}
	case *cli.Uint64Flag:
		k.Value = []string{fmt.Sprint(f.Value)}
	case *cli.DurationFlag:
		k.Value = []string{f.Value.String()}
	}
	return k
}

func (e env) configSet(c *cli.Context) error {
	key, words := c.Args().First(), c.Args().Tail()
	if key == "" || len(words) == 0 {
		return usagef("%s KEY VALUE: see %[1]s --help", c.Command.HelpName)
	}
	s, err := findSetting(settings(c.App), key)
	if err != nil {
		return usagef("%w: byway config show lists them", err)
	}
	literal, err := s.literal(words)
	if err != nil {
		return usagef("%s: %w", key, err)
	}
	return e.editConfig(c, func(file *configFile) ([]byte, error) { return file.with(s.section, s.name, literal) })
}

func (e env) configUnset(c *cli.Context) error {
	key := c.Args().First()
	if c.Args().Len() != 1 {
		return usagef("%s KEY: see %[1]s --help", c.Command.HelpName)
	}
	return e.editConfig(c, func(file *configFile) ([]byte, error) {
		if _, set := file.values[key]; set { // also one that means nothing
			return file.without(key)
		}
		if _, err := findSetting(settings(c.App), key); err != nil {
			return nil, usagef("%w: byway config show lists them", err)
		}
		return nil, errNotSet
	})
}

// errNotSet says that there was nothing to take out.
var errNotSet = errors.New("not set")

// editConfig changes the configuration of the home. What else is wrong with it stays for its reader to find.
func (e env) editConfig(c *cli.Context, edit func(*configFile) ([]byte, error)) error {
	folder, err := e.home(c)
	if err != nil {
		return err
	}
	file, err := readConfig(folder.Dir())
	if err != nil {
		return err
	}
	edited, err := edit(file)
	if errors.Is(err, errNotSet) {
		fmt.Fprintf(e.Err, "byway: note: %s does not set it\n", file.path)
		return nil
	}
	if err != nil {
		return err
	}
	return disk.WriteFile(file.path, edited, 0o600)
}

// typedFlags is where the program keeps the names of the flags of its own that were typed.
const typedFlags = "typed"

// settle adds to a command line what the configuration of its home says and neither a flag nor the environment does. It
// looks for it only where it could matter: what undoes or mends something must work with a file that is broken.
func (l *commandLine) settle(app *cli.App) error {
	section := ""
	for _, s := range sections {
		if s.command == l.path {
			section = s.section
		}
	}
	wants := func(s setting) bool {
		switch {
		case s.section != "":
			return s.section == section
		case s.name == "roles":
			return false
		case s.name == "rpc":
			// Endpoints belong to the network of the file, and not to another one that was named.
			return !slices.Contains(idle[l.path], "network") && !l.decides(app, "network")
		case s.name == "log":
			return true
		}
		return !slices.Contains(idle[l.path], s.name)
	}
	list := settings(app)
	if !l.configurable(app, list, wants) {
		return nil
	}
	dir := l.homeDir(app)
	if dir == "" {
		return nil // refused by the command itself
	}
	file, err := readConfig(dir)
	if err != nil {
		return err
	}
	values, err := file.given(list)
	if err != nil {
		return err
	}
	for _, v := range values {
		if !wants(v.setting) || slices.Contains(l.typed, v.name) || fromEnvironment(v.flag) != "" {
			continue
		}
		for _, word := range v.words {
			word = "--" + v.name + "=" + word
			if v.section == "" {
				l.globals = append(l.globals, word)
			} else {
				l.words = append(l.words, word)
			}
		}
		l.settled = append(l.settled, v)
	}
	return nil
}

// configurable reports whether a command heeds more of the file than how much is logged.
func (l *commandLine) configurable(app *cli.App, list []setting, wants func(setting) bool) bool {
	if l.path == "" || l.path == "config" || strings.HasPrefix(l.path, "config ") || slices.Contains(idle[l.path], "home") {
		return false
	}
	return slices.ContainsFunc(list, func(s setting) bool { return s.name != "log" && wants(s) })
}

// decides reports whether a flag of the program was typed, or comes from the environment.
func (l *commandLine) decides(app *cli.App, name string) bool {
	if slices.Contains(l.typed, name) {
		return true
	}
	at := slices.IndexFunc(app.Flags, func(f cli.Flag) bool { return f.Names()[0] == name })
	return at >= 0 && fromEnvironment(app.Flags[at]) != ""
}

// told adds to an error of the command line where the file gave the flag its value that the error is about.
func (l *commandLine) told(err error) error {
	if usage := new(usageError); !errors.As(err, usage) {
		return err
	}
	for _, v := range l.settled {
		if words := strings.FieldsFunc(err.Error(), func(r rune) bool { return strings.ContainsRune(` ,:;="`, r) }); slices.Contains(words, "--"+v.name) {
			err = fmt.Errorf("%w (%s has %s)", err, v.place, v.key())
		}
	}
	return err
}
