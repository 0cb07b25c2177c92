package node

import "byway/contracts/text"

// maxReason bounds, in bytes, a text that the other side gave and that a person will read.
const maxReason = 480

// printable makes such a text safe to show.
func printable(s string) string { return text.Cut(s, maxReason) }
