package registry

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text is a string that a stranger wrote. It prints escaped, so that an offer can move no cursor, set no title and
// reverse no line of the terminal that shows it; string(t) is the raw text.
type Text string

// String returns t with everything that is not a visible character or a plain space written as \u{…}, and the
// backslash doubled.
func (t Text) String() string {
	plain := true
	for i := 0; i < len(t); i++ {
		if c := t[i]; c < ' ' || c > '~' || c == '\\' {
			plain = false
			break
		}
	}
	if plain {
		return string(t)
	}
	var b strings.Builder
	for i, r := range string(t) {
		switch {
		case r == '\\':
			b.WriteString(`\\`)
		case r == utf8.RuneError && !strings.HasPrefix(string(t[i:]), string(utf8.RuneError)):
			fmt.Fprintf(&b, `\x{%02x}`, t[i])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
	}
	return b.String()
}

// problem says why the text may not stand in an offer, or returns "".
func (t Text) problem(limit int) string {
	if len(t) > limit {
		return fmt.Sprintf("has %d bytes, at most %d are allowed", len(t), limit)
	}
	if !utf8.ValidString(string(t)) {
		return "is not valid UTF-8"
	}
	for _, r := range string(t) {
		if !unicode.IsPrint(r) {
			return fmt.Sprintf("holds the control character U+%04X", r)
		}
	}
	return ""
}
