package account

import (
	"strings"
	"testing"
	"time"
)

func TestAdversaryAWrongClockIsTold(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	for _, c := range []struct {
		off     time.Duration // of the chain's last block
		private bool
		says    string
	}{
		{0, false, ""},
		{-9 * time.Minute, false, ""},
		{9 * time.Minute, false, ""},
		{24 * time.Hour, false, "24h0m0s behind the chain's"},
		{24 * time.Hour, true, "24h0m0s behind the chain's"},
		{-24 * time.Hour, false, "either the clock is ahead"},
		{-24 * time.Hour, true, ""}, // a devnet that nobody uses
	} {
		got := CompareClocks(now, now.Add(c.off), c.private)
		if c.says == "" && got != "" || !strings.Contains(got, c.says) {
			t.Errorf("a block %s off, private %v: %q, want %q", c.off, c.private, got, c.says)
		}
	}
	t.Log("adversary: a clock a day off, either way | bound: told | seen: told")
}
