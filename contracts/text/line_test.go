package text

import (
	"strings"
	"testing"
)

func TestALineLeavesNothingThatMovesATerminal(t *testing.T) {
	got := Line("ok \x1b[2J\u202e\r\n" + strings.Repeat("é", maxLine))
	if strings.ContainsAny(got, "\x1b\r\n\u202e") || len(got) > maxLine+8 || !strings.HasPrefix(got, `ok \u{1b}[2J\u{202e}\u{d}\u{a}é`) {
		t.Errorf("Line gave %q", got)
	}
}
