package cli

import (
	"fmt"
	"strings"
	"time"

	"byway/node/api/spec"
)

// chainLine says in one line how the endpoints of the chain do: all is well, or which fails, how and since when.
func chainLine(endpoints []spec.ChainStatus) string {
	var wrong []string
	fine := 0
	for _, c := range endpoints {
		if c.Ok && c.Problem == "" {
			fine++
			continue
		}
		line := safe(c.Endpoint) + ": " + safe(c.Problem)
		if c.LeftOut {
			line = safe(c.Endpoint) + " is left out: " + safe(c.Problem)
		}
		if !c.Since.IsZero() {
			line += fmt.Sprintf(" (for %s)", formatDuration(time.Since(c.Since)))
		}
		wrong = append(wrong, line)
	}
	if len(wrong) == 0 {
		return fmt.Sprintf("%d of %d endpoints answer", fine, len(endpoints))
	}
	return fmt.Sprintf("%d of %d endpoints answer; %s", fine, len(endpoints), strings.Join(wrong, "; "))
}
