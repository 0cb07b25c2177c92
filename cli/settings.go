package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/ethereum/go-ethereum/common"
	"github.com/multiformats/go-multiaddr"
	"github.com/urfave/cli/v2"

	"byway/contracts/text"
	"byway/node/home"
	"byway/node/provide"
	"byway/tunnel"
	"byway/tunnel/wireguard"
)

// A setting is a flag that byway.toml can give a value too, under the same name: those of the program on top, those of a
// command in the section of its role. A flag decides before the environment, the environment before the file, and the file
// before what is built in.
type setting struct {
	section, name string
	flag          cli.Flag
}

func (s setting) key() string { return joinKey(s.section, s.name) }

// sections are the commands whose flags can be set, by the section of the file.
var sections = []struct{ section, command string }{{"provider", "provider up"}, {"consumer", "connect"}}

// unsettable are the flags that say something of one run alone.
var unsettable = map[string]string{
	"home":       "the file lies there",
	"json":       "who reads the answer of one run",
	"foreground": "how one run ends",
	"on-demand":  "how one run ends",
}

// rolesFlag says what a node does when it is started with neither role named.
func rolesFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "roles", Usage: "what the node does, `ROLE`: provider, consumer or both"}
}

// settings are the keys of the configuration, made of the program's flags.
func settings(app *cli.App) (list []setting) {
	add := func(section string, flags []cli.Flag) {
		for _, f := range flags {
			name := f.Names()[0]
			if _, not := unsettable[name]; !not {
				list = append(list, setting{section, name, f})
			}
		}
	}
	add("", append(slices.Clone(app.Flags), rolesFlag()))
	for _, s := range sections {
		add(s.section, commandFlags(app, s.command))
	}
	return list
}

// commandFlags are the flags of a command by its path, "provider up".
func commandFlags(app *cli.App, path string) (flags []cli.Flag) {
	commands := app.Commands
	for word := range strings.FieldsSeq(path) {
		at := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(word) })
		if at < 0 {
			return nil
		}
		flags, commands = commands[at].Flags, commands[at].Subcommands
	}
	return flags
}

// findSetting is the setting of a key; the error names the nearest one there is.
func findSetting(list []setting, key string) (setting, error) {
	var keys []string
	for _, s := range list {
		if s.key() == key {
			return s, nil
		}
		keys = append(keys, s.key())
	}
	near := ""
	for _, s := range list { // the right word in the wrong section, or in none
		if s.name == key[strings.LastIndex(key, ".")+1:] {
			near = s.key()
		}
	}
	if near == "" {
		near = nearest(key, keys)
	}
	if near != "" {
		return setting{}, fmt.Errorf("there is no key %q, did you mean %s?", text.Line(key), near)
	}
	return setting{}, fmt.Errorf("there is no key %q", text.Line(key))
}

// given is a setting's value from the file, as words for the flag.
type given struct {
	setting
	words []string
	place string // file:line
}

// given are the values that the file sets. What is unknown or no value of its key is an error that names the line.
func (f *configFile) given(list []setting) (values []given, err error) {
	for _, key := range f.keys() {
		s, err := findSetting(list, key)
		if err == nil {
			var words []string
			if words, err = s.words(f.values[key], f.raw(key)); err == nil {
				values = append(values, given{s, words, f.place(key)})
				continue
			}
			err = fmt.Errorf("%s: %w", key, err)
		}
		return nil, fmt.Errorf("%s: %w", f.place(key), err)
	}
	return values, nil
}

// raw is a value as it is written; empty where it has no line of its own.
func (f *configFile) raw(key string) string {
	s, own := f.at(key)
	if !own {
		return ""
	}
	return string(f.text[s.value:s.valueEnd])
}

// words are what a value of the file is for the flag. Amounts may be numbers, and are taken as they are written.
func (s setting) words(value any, raw string) ([]string, error) {
	if list, ok := value.([]any); ok {
		if !s.many() {
			return nil, errors.New("takes one value, not a list")
		}
		var words []string
		for _, one := range list {
			if _, nested := one.([]any); nested {
				return nil, errors.New("takes a list of values, not of lists")
			}
			word, err := s.words(one, "")
			if err != nil {
				return nil, err
			}
			words = append(words, word...)
		}
		return words, nil
	}
	var word string
	number := s.kind() == "number" || s.placeholder() == "TOKENS"
	switch v := value.(type) {
	case bool:
		if s.kind() != "bool" {
			return nil, errors.New("is no true or false: put it in quotes")
		}
		return []string{strconv.FormatBool(v)}, nil
	case string:
		if s.kind() == "bool" || s.kind() == "number" {
			return nil, fmt.Errorf("%q is in quotes: a %s stands without", text.Line(v), s.kind())
		}
		word = v
	case int64:
		if !number {
			return nil, errors.New("is no number: put it in quotes")
		}
		word = strconv.FormatInt(v, 10)
	case float64:
		if s.placeholder() != "TOKENS" || raw == "" {
			return nil, errors.New("takes no number with a point: put it in quotes")
		}
		word = strings.ReplaceAll(raw, "_", "") // as it is written: a float would round it
	default:
		return nil, fmt.Errorf("takes no value of this kind (%T)", value)
	}
	return []string{word}, s.check(word)
}

// literal is TOML for words that were typed, checked.
func (s setting) literal(words []string) (string, error) {
	if len(words) != 1 && !s.many() {
		return "", fmt.Errorf("takes one value, not %d", len(words))
	}
	var parts []string
	for _, word := range words {
		if s.placeholder() == "FILE" && !(s.name == "network" && word == home.DevnetName) && word != "" {
			abs, err := filepath.Abs(word) // the node reads it from elsewhere
			if err != nil {
				return "", err
			}
			word = abs
		}
		if err := s.check(word); err != nil {
			return "", err
		}
		switch s.kind() {
		case "bool", "number":
			parts = append(parts, word)
		default:
			parts = append(parts, quoted(word))
		}
	}
	if s.many() {
		return "[" + strings.Join(parts, ", ") + "]", nil
	}
	return parts[0], nil
}

// quoted is a basic string of TOML.
func quoted(word string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range word {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// kind is what a setting's value is in the file: "bool", "number" or "text"; empty for a flag of another kind.
func (s setting) kind() string {
	switch s.flag.(type) {
	case *cli.BoolFlag:
		return "bool"
	case *cli.IntFlag, *cli.Uint64Flag, *cli.IntSliceFlag:
		return "number"
	case *cli.StringFlag, *cli.StringSliceFlag, *cli.DurationFlag:
		return "text"
	}
	return ""
}

// many reports whether a setting takes a list.
func (s setting) many() bool {
	switch s.flag.(type) {
	case *cli.StringSliceFlag, *cli.IntSliceFlag:
		return true
	}
	return false
}

// placeholder is the word in a flag's usage that stands for its value.
func (s setting) placeholder() string {
	doc, ok := s.flag.(cli.DocGenerationFlag)
	if !ok {
		return ""
	}
	_, after, _ := strings.Cut(doc.GetUsage(), "`")
	word, _, _ := strings.Cut(after, "`")
	return word
}

// check says what is wrong with one word for a setting.
func (s setting) check(word string) error {
	shown := text.Line(word)
	if strings.ContainsFunc(word, unicode.IsControl) {
		return fmt.Errorf("%q has control characters", shown)
	}
	switch s.flag.(type) {
	case *cli.BoolFlag:
		if word != "true" && word != "false" {
			return fmt.Errorf("%q is neither true nor false", shown)
		}
		return nil
	case *cli.IntFlag, *cli.IntSliceFlag:
		if n, err := strconv.Atoi(word); err != nil || n < 0 {
			return fmt.Errorf("%q is no whole number from 0", shown)
		}
	case *cli.Uint64Flag:
		if _, err := strconv.ParseUint(word, 10, 64); err != nil {
			return fmt.Errorf("%q is no whole number from 0", shown)
		}
	case *cli.DurationFlag:
		if d, err := time.ParseDuration(word); err != nil || d < 0 {
			return fmt.Errorf("%q is no time such as 90s, 30m or 720h", shown)
		}
	}
	if s.many() && strings.Contains(word, ",") {
		return fmt.Errorf("%q is more than one value: make each one of the list", shown)
	}
	if s.name == "network" && word == home.DevnetName {
		return nil
	}
	if s.name == "country" && len(word) == 2 && strings.Trim(strings.ToUpper(word), "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" {
		return nil
	}
	check, ok := checks[s.placeholder()]
	if !ok {
		return fmt.Errorf("there is no rule for a value of the kind %s", s.placeholder())
	}
	if want := check(word); want != "" {
		return fmt.Errorf("%q is no %s", shown, want)
	}
	return nil
}

// checks say what a word should have been that is no value of its kind; empty where it is one. The kind is the word that
// stands for the value in the flag's usage.
var checks = map[string]func(string) string{
	"TOKENS":      wanted("number of tokens, such as 0.05", isTokens),
	"FILE":        wanted("absolute path of a file", filepath.IsAbs),
	"URL":         wanted("URL of an endpoint, such as https://rpc.example.org", isEndpoint),
	"LEVEL":       wanted("level: use debug, info, warn or error", isLevel),
	"CC":          wanted("country of two letters", func(string) bool { return false }), // see check
	"ADDRESS":     wanted("address of 0x and 40 hexadecimal digits", common.IsHexAddress),
	"MULTIADDR":   wanted("multiaddr, such as /ip4/0.0.0.0/tcp/4001", isMultiaddr),
	"PREFIX":      wanted("prefix such as 192.0.2.0/24", isPrefix),
	"WORD":        wanted("word", func(s string) bool { return s != "" && !strings.ContainsAny(s, " \t\r\n") }),
	"MODE":        wanted("mode: use privileged, userspace or auto", parses(tunnel.ParseMode)),
	"ENGINE":      wanted("engine: use upstream or tailscale", parses(wireguard.Parse)),
	"ROLE":        wanted("role: use provider or consumer", func(s string) bool { return s == "provider" || s == "consumer" }),
	"PORT":        wanted("port from 1 to 65535", func(s string) bool { n, err := strconv.ParseUint(s, 10, 16); return err == nil && n > 0 }),
	"NUMBER":      number, // checked by the flag's type
	"MBIT/S":      number,
	"BLOCKS":      number,
	"THOUSANDTHS": number,
	"TIMES":       number,
	"DURATION":    number,
	"TIME":        number,
	"BYTES":       wanted("number of bytes, such as 500GB", parses(provide.ParseQuota)),
	"HOURS":       wanted("part of a day, such as 22:00-06:00", parses(provide.ParseHours)),

	"ADDRESS:PORT": wanted("address:port, such as 127.0.0.1:1080", isHostPort),
}

func number(string) string { return "" }

func wanted(what string, is func(string) bool) func(string) string {
	return func(s string) string {
		if s == "" || !is(s) {
			return what
		}
		return ""
	}
}

func parses[T any](parse func(string) (T, error)) func(string) bool {
	return func(s string) bool { _, err := parse(s); return err == nil }
}

func isTokens(s string) bool {
	whole, frac, point := strings.Cut(s, ".")
	return whole != "" && strings.Trim(whole+frac, "0123456789") == "" && (!point || frac != "")
}

func isEndpoint(s string) bool {
	u, err := url.Parse(s)
	return err == nil && slices.Contains([]string{"http", "https", "ws", "wss"}, u.Scheme) && u.Host != ""
}

func isLevel(s string) bool {
	var level slog.Level
	return level.UnmarshalText([]byte(s)) == nil
}

func isMultiaddr(s string) bool { _, err := multiaddr.NewMultiaddr(s); return err == nil }

func isPrefix(s string) bool {
	p, err := netip.ParsePrefix(s)
	return err == nil && p == p.Masked()
}

func isHostPort(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || strings.ContainsAny(host, " \t") {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

// fromEnvironment is the variable that gives a flag its value; empty where none does.
func fromEnvironment(f cli.Flag) string {
	doc, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return ""
	}
	for _, name := range doc.GetEnvVars() {
		if _, found := os.LookupEnv(name); found {
			return name
		}
	}
	return ""
}

// typed reports whether a flag stands on this command line.
func typed(c *cli.Context, name string) bool {
	names, _ := c.App.Metadata[typedFlags].([]string)
	return slices.Contains(names, name)
}

// configured is a command line of the command of a role, as it would be typed with these words for its flags, and with
// what the config file of the home says of those that are left out.
func (e env) configured(c *cli.Context, command string, words map[string][]string) (*cli.Context, error) {
	folder, err := e.homeDir(c)
	if err != nil {
		return nil, err
	}
	file, err := readConfig(folder)
	if err != nil {
		return nil, err
	}
	values, err := file.given(settings(c.App))
	if err != nil {
		return nil, err
	}
	set := flag.NewFlagSet(command, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	for _, f := range commandFlags(c.App, command) {
		if err := f.Apply(set); err != nil {
			return nil, err
		}
	}
	put := func(name string, list []string) error {
		for _, word := range list {
			if err := set.Set(name, word); err != nil {
				return usagef("--%s %q: %v", name, word, err)
			}
		}
		return nil
	}
	for name, list := range words {
		if err := put(name, list); err != nil {
			return nil, err
		}
	}
	for _, v := range values {
		if _, said := words[v.name]; said || !slices.ContainsFunc(sections, func(s struct{ section, command string }) bool {
			return s.command == command && s.section == v.section
		}) {
			continue
		}
		if err := put(v.name, v.words); err != nil {
			return nil, fmt.Errorf("%s: %w", v.place, err)
		}
	}
	return cli.NewContext(c.App, set, c), nil
}

// roles are what the config file says that this home is.
func (e env) roles(c *cli.Context) (list []string, err error) {
	folder, err := e.homeDir(c)
	if err != nil {
		return nil, err
	}
	file, err := readConfig(folder)
	if err != nil {
		return nil, err
	}
	values, err := file.given(settings(c.App))
	for _, v := range values {
		if v.section == "" && v.name == "roles" {
			list = v.words
		}
	}
	return list, err
}
