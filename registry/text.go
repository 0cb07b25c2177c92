package registry

import (
	"fmt"
	"unicode"
	"unicode/utf8"

	"byway/contracts/text"
)

// Text is a string that a stranger wrote. It prints escaped ([text.Safe]), so that an offer can move no cursor, set no
// title and reverse no line of the terminal that shows it; string(t) is the raw text.
type Text string

// String implements [fmt.Stringer].
func (t Text) String() string { return text.Safe(string(t)) }

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
