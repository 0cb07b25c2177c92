package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"byway/node/api/spec"
)

// peersRows say what a provider's peers hold of it, and what did not find room since the start.
func peersRows(p spec.PeersUse) []row {
	rows := []row{
		{"connections", fmt.Sprintf("%d for sessions; strangers' %d of %d; being set up %d of %d", p.Kept, p.Strangers,
			p.StrangersMost, p.Handshakes, p.HandshakesMost)},
		{"streams", fmt.Sprintf("%d; without a protocol %d of %d; without a session %d of %d", p.Streams, p.Waiting, p.WaitingMost,
			p.Hellos.Open, p.Hellos.Most)},
	}
	counts := map[string]uint64{}
	for _, of := range []map[string]uint64{p.Refused, p.Hellos.Refused, p.Releases.Refused} {
		for reason, n := range of {
			counts[reason] += n
		}
	}
	if text := reasons(counts); text != "" {
		rows = append(rows, row{"refused", text})
	}
	if text := reasons(p.Closed); text != "" {
		rows = append(rows, row{"closed for room", text})
	}
	sessions := fmt.Sprintf("%d of %d", p.Sessions, p.SessionsMost)
	if p.SessionsResting > 0 {
		sessions += fmt.Sprintf(", %d rest until a place is free or used little", p.SessionsResting)
	}
	return append(rows, row{"sessions", sessions})
}

// reasons lists counts by reason, in the order of the words.
func reasons(counts map[string]uint64) string {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", strings.ReplaceAll(reason, "_", " "), counts[reason]))
	}
	return strings.Join(parts, ", ")
}
