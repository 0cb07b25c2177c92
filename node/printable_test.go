package node

import (
	"strings"
	"testing"

	"byway/node/wire"
)

func TestPrintableLeavesNothingThatMovesATerminal(t *testing.T) {
	got := printable("ok \x1b[2J\u202e\r\n" + strings.Repeat("é", wire.MaxReason))
	if strings.ContainsAny(got, "\x1b\r\n\u202e") || len(got) > wire.MaxReason+8 || !strings.HasPrefix(got, `ok \u{1b}[2J\u{202e}\u{d}\u{a}é`) {
		t.Errorf("printable gave %q", got)
	}
}
