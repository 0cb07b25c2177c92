package cli

import (
	"testing"
	"time"
)

func TestKeepIsReadInDaysAndHours(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"30d": 720 * time.Hour, "72h": 72 * time.Hour, "24h": 24 * time.Hour, "0": -1, "1.5d": 36 * time.Hour} {
		if got, err := keepFlag(text); err != nil || got != want {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "d", "1h", "-30d", "23h59m", "30", "0d", "1e9d", "99999999999d", "NaNd", "-1"} {
		if got, err := keepFlag(text); err == nil {
			t.Errorf("%q is read as %s", text, got)
		}
	}
}
