// Package text makes what a stranger wrote safe to show. An endpoint's error, an offer's fields, a token's symbol, the
// reason of a refusal, a revert, the name of a file or a host can hold whatever their author liked: sequences that move a
// terminal's cursor, set its title or answer in the user's name, marks that reverse a line, characters that nobody sees.
//
// [Safe] is the one function; everything else applies it where something leaves the program: [Writer] to a terminal or a
// pipe, [Handler] to a log, [JSON] to whoever reads JSON.
package text

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Safe returns s with everything that is not a visible character or a plain space written as \u{…}, bytes that are no
// UTF-8 as \x{…}, and the backslash doubled, so that no text can pretend to be escaped. A newline is escaped too: what
// has one line shows as one.
func Safe(s string) string { return escape(s, "", true) }

// Lines is [Safe] of each line of a text that the program itself has laid out: newlines and tabs stay, and so does the
// backslash, which no terminal obeys.
func Lines(s string) string { return escape(s, "\n\t", false) }

// Cut is [Safe] of s, cut to so many bytes at the boundary of a character; what was cut off is marked by "…" behind them.
func Cut(s string, most int) string {
	begin := func(s string) string {
		at := most
		for at > 0 && !utf8.RuneStart(s[at]) {
			at--
		}
		return s[:at]
	}
	cut := len(s) > most
	if cut {
		s = begin(s)
	}
	if s = Safe(s); len(s) > most {
		s, cut = begin(s), true
	}
	if cut {
		s += "…"
	}
	return s
}

// maxLine bounds [Line], in bytes.
const maxLine = 480

// Line is [Cut] for a remark of a stranger's within a text of the program's own: 480 bytes of it at most.
func Line(s string) string { return Cut(s, maxLine) }

// plain reports whether nothing of s needs a look.
func plain(s, keep string, backslash bool) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < ' ' && strings.IndexByte(keep, c) < 0) || c > '~' || (c == '\\' && backslash) {
			return false
		}
	}
	return true
}

func escape(s, keep string, backslash bool) string {
	if plain(s, keep, backslash) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '\\' && backslash:
			b.WriteString(`\\`)
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)):
			fmt.Fprintf(&b, `\x{%02x}`, s[i])
		case visible(r) || strings.ContainsRune(keep, r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
	}
	return b.String()
}

// visible reports whether a reader sees the character. Characters that Unicode calls printable, and that show nothing,
// are not: fillers of Hangul, and the blank of Braille.
func visible(r rune) bool {
	switch r {
	case 0x115f, 0x1160, 0x3164, 0xffa0, 0x2800:
		return false
	}
	return unicode.IsPrint(r)
}

// JSON returns an encoded JSON text with every character that a terminal might obey, or a reader not see, written as an
// escape of JSON: the same value, in visible characters. Line ends between values stay.
func JSON(encoded []byte) []byte {
	if plain(string(encoded), "\n\t", false) {
		return encoded
	}
	out := make([]byte, 0, len(encoded)+16)
	for i := 0; i < len(encoded); {
		r, n := utf8.DecodeRune(encoded[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			out = append(out, `\ufffd`...)
		case visible(r) || r == '\n' || r == '\t' || r == '\r':
			out = append(out, encoded[i:i+n]...)
		case r > 0xffff:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		i += n
	}
	return out
}
