package node

import (
	"byway/contracts/text"
	"byway/node/wire"
)

// printable makes a text that the other side gave, and that a person will read, safe to show.
func printable(s string) string { return text.Cut(s, wire.MaxReason) }
