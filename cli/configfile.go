package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"byway/contracts/disk"
	"byway/contracts/text"
)

const (
	configName = "byway.toml"
	maxConfig  = 64 << 10 // bytes
)

// configFile is a home's configuration as a person wrote it: what it sets, and where.
type configFile struct {
	path       string
	text       []byte
	values     map[string]any // by the full key, "consumer.max-price"
	statements []statement
}

// readConfig reads the configuration of the home in a folder; one that is not there sets nothing. What decides about money
// must be this user's own file, which nobody else could have written; root reads that of the home's user.
func readConfig(dir string) (*configFile, error) {
	user := os.Geteuid()
	if info, err := os.Stat(dir); err == nil && user == 0 {
		if owner, known := disk.OwnerOf(info); known {
			user = owner.UID
		}
	}
	path := filepath.Join(dir, configName)
	text, err := disk.ReadOf(user, path, maxConfig, 0o022)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return parseConfig(path, text)
}

// parseConfig reads a configuration's text.
func parseConfig(path string, content []byte) (*configFile, error) {
	if len(content) > maxConfig {
		return nil, fmt.Errorf("%s is longer than %d bytes", path, maxConfig)
	}
	var tree map[string]any
	if _, err := toml.Decode(string(content), &tree); err != nil {
		if syntax := new(toml.ParseError); errors.As(err, syntax) {
			return nil, fmt.Errorf("%s:%d: %s", path, syntax.Position.Line, text.Line(syntax.Message))
		}
		return nil, fmt.Errorf("%s: %s", path, text.Line(err.Error()))
	}
	f := &configFile{path: path, text: content, values: make(map[string]any), statements: statements(content)}
	flattenKeys(f.values, "", tree)
	return f, nil
}

// flattenKeys puts the values of a tree under their full keys.
func flattenKeys(into map[string]any, prefix string, tree map[string]any) {
	for key, value := range tree {
		full := joinKey(prefix, plainKey(key))
		if table, ok := value.(map[string]any); ok {
			flattenKeys(into, full, table)
			continue
		}
		into[full] = value
	}
}

// joinKey is a full key: "consumer" and "spend" make "consumer.spend".
func joinKey(section, key string) string {
	if section == "" || key == "" {
		return section + key
	}
	return section + "." + key
}

// at finds where a key is set: by a statement of its own, or in that of a table around it.
func (f *configFile) at(key string) (s statement, own bool) {
	for _, s := range f.statements {
		if s.key != "" && s.full() == key {
			return s, true
		}
	}
	for _, s := range f.statements {
		if strings.HasPrefix(key, s.full()+".") {
			return s, false
		}
	}
	return statement{}, false
}

// place is "file:line" of a key.
func (f *configFile) place(key string) string {
	s, _ := f.at(key)
	return fmt.Sprintf("%s:%d", f.path, max(s.line, 1))
}

// keys are what the file sets, in the order of its lines.
func (f *configFile) keys() []string {
	keys := slices.Sorted(maps.Keys(f.values))
	slices.SortStableFunc(keys, func(a, b string) int {
		first, _ := f.at(a)
		second, _ := f.at(b)
		return first.line - second.line
	})
	return keys
}

// errByHand says that a key is set in a way that no line of its own stands for.
var errByHand = errors.New("is set in a way that only a person can edit: change it there by hand")

// with is the file's text with a key set to a literal of TOML. Everything else in it stays, comments too.
func (f *configFile) with(section, name, literal string) ([]byte, error) {
	key := joinKey(section, name)
	if _, set := f.values[key]; set {
		s, own := f.at(key)
		if !own {
			return nil, fmt.Errorf("%s %w", f.place(key), errByHand)
		}
		edited := slices.Concat(f.text[:s.value], []byte(literal), f.text[s.valueEnd:])
		return edited, f.proves(edited, key, literal)
	}
	line := name + " = " + literal + "\n"
	// Behind the last line of the section, or on top where the file has none above its sections.
	at, found := 0, section == ""
	for _, s := range f.statements {
		if s.section == section {
			at, found = s.end, true
		}
	}
	if !found {
		at = len(f.text)
		line = "[" + section + "]\n" + line
		if at > 0 {
			line = "\n" + line
		}
	}
	before := f.text[:at]
	if len(before) > 0 && before[len(before)-1] != '\n' {
		line = "\n" + line
	}
	edited := slices.Concat(before, []byte(line), f.text[at:])
	return edited, f.proves(edited, key, literal)
}

// without is the file's text with the lines of a key taken out.
func (f *configFile) without(key string) ([]byte, error) {
	s, own := f.at(key)
	if !own {
		return nil, fmt.Errorf("%s %w", f.place(key), errByHand)
	}
	edited := slices.Concat(f.text[:s.start], f.text[s.end:])
	return edited, f.proves(edited, key, "")
}

// proves makes sure that an edit did what it was to do, and nothing else.
func (f *configFile) proves(edited []byte, key, literal string) error {
	if len(edited) > maxConfig {
		return fmt.Errorf("%s would be longer than %d bytes: nothing was changed", f.path, maxConfig)
	}
	want := maps.Clone(f.values)
	delete(want, key)
	if literal != "" {
		one, err := parseConfig(f.path, []byte("x = "+literal))
		if err != nil {
			return err
		}
		want[key] = one.values["x"]
	}
	got, err := parseConfig(f.path, edited)
	if err != nil || !reflect.DeepEqual(got.values, want) {
		return fmt.Errorf("%s %w", f.place(key), errByHand)
	}
	return nil
}

// statement is one setting in a file of TOML, or the header of a section, whose key is empty. What stands between two of
// them is comments.
type statement struct {
	section, key    string
	line            int // the first is 1
	start, end      int // offsets of its lines, with the end of the last
	value, valueEnd int // offsets of the value
}

func (s statement) full() string { return joinKey(s.section, s.key) }

// statements finds the statements of a text that is TOML. Of one that is not it finds something.
func statements(b []byte) (list []statement) {
	section := ""
	for at, line := 0, 1; at < len(b); {
		start := at
		first := at + len(b[at:]) - len(bytes.TrimLeft(b[at:], " \t"))
		s := statement{section: section, line: line, start: start}
		switch {
		case first == len(b) || b[first] == '#' || b[first] == '\n' || b[first] == '\r':
			at = lineEnd(b, first)
			line++
			continue
		case b[first] == '[':
			at = lineEnd(b, first)
			header, _, _ := strings.Cut(string(b[first:at]), "#")
			section = keyPath(strings.Trim(strings.TrimSpace(header), "[]"))
			s.section = section
		default:
			equals := 0
			for first+equals < len(b) && b[first+equals] != '=' {
				if c := b[first+equals]; c == '"' || c == '\'' {
					equals = stringEnd(b, first+equals) - first
					continue
				}
				equals++
			}
			if first+equals >= len(b) {
				return list
			}
			s.key = keyPath(string(b[first : first+equals]))
			s.value = first + equals + 1
			s.value += len(b[s.value:]) - len(bytes.TrimLeft(b[s.value:], " \t"))
			s.valueEnd = valueEnd(b, s.value)
			at = lineEnd(b, s.valueEnd)
		}
		s.end = at
		line += bytes.Count(b[start:at], []byte("\n"))
		list = append(list, s)
	}
	return list
}

// keyPath is a key as it is typed, without the spaces and quotes that it may have.
func keyPath(typed string) string {
	path := ""
	for rest := []byte(strings.TrimSpace(typed)); len(rest) > 0; {
		part := ""
		if rest[0] == '"' || rest[0] == '\'' {
			end := stringEnd(rest, 0)
			part = plainKey(string(rest[1:max(end-1, 1)]))
			rest = bytes.TrimLeft(rest[end:], " \t.")
		} else {
			before, after, _ := bytes.Cut(rest, []byte("."))
			part, rest = plainKey(string(bytes.TrimSpace(before))), bytes.TrimLeft(after, " \t")
		}
		path = joinKey(path, part)
	}
	return path
}

// plainKey is a part of a key as it stands in a full one: in quotes where a dot in it would make two of it.
func plainKey(part string) string {
	const bare = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
	if part != "" && strings.Trim(part, bare) == "" {
		return part
	}
	return quoted(part)
}

// lineEnd is the offset behind the end of the line.
func lineEnd(b []byte, at int) int {
	if n := bytes.IndexByte(b[at:], '\n'); n >= 0 {
		return at + n + 1
	}
	return len(b)
}

// valueEnd is the offset behind a value: strings and arrays may go over several lines.
func valueEnd(b []byte, at int) int {
	end, depth := at, 0 // end: behind the last character of the value so far
	for at < len(b) {
		switch c := b[at]; c {
		case '"', '\'':
			at = stringEnd(b, at)
			end = at
			continue
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		case '#':
			if depth <= 0 {
				return end
			}
			at = lineEnd(b, at)
			continue
		case '\n':
			if depth <= 0 {
				return end
			}
		}
		if c := b[at]; c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			end = at + 1
		}
		at++
	}
	return end
}

// stringEnd is the offset behind a string of any of the four kinds.
func stringEnd(b []byte, at int) int {
	quote := b[at : at+1]
	if triple := bytes.Repeat(quote, 3); bytes.HasPrefix(b[at:], triple) {
		quote = triple
	}
	for at += len(quote); at < len(b); at++ {
		if b[at] == '\\' && quote[0] == '"' {
			at++
			continue
		}
		if bytes.HasPrefix(b[at:], quote) {
			at += len(quote)
			for len(quote) == 3 && at < len(b) && b[at] == quote[0] { // a string may end in quotes of its own
				at++
			}
			return at
		}
	}
	return len(b)
}
