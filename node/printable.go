package node

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxReason bounds, in bytes, a text that the other side gave and that a person will read.
const maxReason = 480

// printable makes a text from a stranger safe for a terminal or a log: control and other invisible characters become
// question marks, and it is cut at [maxReason].
func printable(s string) string {
	if len(s) > maxReason {
		cut := maxReason
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
