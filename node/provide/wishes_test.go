package provide

import (
	"log/slog"
	"testing"
	"time"

	"byway/node/account"
)

func TestHoursAreReadAndHold(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "-", "22:00", "22:00-", "22-06", "24:00-06:00", "22:60-06:00", "2:00-06:00", "22:00-06:00-07:00", "22:00 - 06:00",
		"10:00-10:00", "-1:00-06:00", "22:00-06:00\n",
	} {
		if h, err := ParseHours(text); err == nil {
			t.Errorf("%q is read as %s", text, h)
		}
	}
	zone := time.FixedZone("far", 5*3600)
	for text, open := range map[string][]int{"22:00-06:00": {22, 23, 0, 5}, "08:30-17:00": {9, 16}, "00:00-23:59": {0, 12, 23}} {
		h, err := ParseHours(text)
		if err != nil || h.String() != text {
			t.Fatalf("%q: %s, %v", text, h, err)
		}
		for _, hour := range open {
			if !h.Open(time.Date(2026, 1, 1, hour, 15, 0, 0, zone)) {
				t.Errorf("%s is shut at %d:15", text, hour)
			}
		}
	}
	night, _ := ParseHours("22:00-06:00")
	for at, open := range map[string]bool{"21:59": false, "22:00": true, "05:59": true, "06:00": false, "12:00": false} {
		when, err := time.Parse("15:04", at)
		if err != nil || night.Open(when) != open {
			t.Errorf("%s at %s: open is %t", night, at, !open)
		}
	}
	if !(Hours{}).Open(time.Now()) {
		t.Error("no hours are no time")
	}
}

func TestQuotaIsReadToTheByte(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]uint64{
		"1": 1, "500GB": 500e9, "500 GB": 500e9, "1GiB": 1 << 30, "1.5TiB": 3 << 39, "0.000001MB": 1, "9223372036854775807": 1<<63 - 1,
		"2TB": 2e12, "3MiB": 3 << 20, " 7 ": 7,
	} {
		if n, err := ParseQuota(text); err != nil || n != want {
			t.Errorf("%q: %d, %v", text, n, err)
		}
	}
	for _, text := range []string{
		"", "GB", "0", "0GB", "-1GB", "+1GB", "1e3GB", "1/2GB", "1.GB", ".5GB", "1..5GB", "1gb", "1KB", "0.5", "9223372036854775808",
		"9999999999TiB", "0x10", "1_000", "NaN", "1.0000000001GB", "00000000000000000000000000001",
	} {
		if n, err := ParseQuota(text); err == nil {
			t.Errorf("%q is read as %d", text, n)
		}
	}
}

func FuzzParseQuota(f *testing.F) {
	f.Add("1.5TiB")
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := ParseQuota(s); err == nil && (n == 0 || n > 1<<63-1) {
			t.Errorf("%q is %d", s, n)
		}
	})
}

func FuzzParseHours(f *testing.F) {
	f.Add("22:00-06:00")
	f.Fuzz(func(t *testing.T, s string) {
		if h, err := ParseHours(s); err == nil && h.String() != s {
			t.Errorf("%q is %s", s, h)
		}
	})
}

func TestMonthBeginsInUTC(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 12, 1, 3, 0, 0, 0, time.FixedZone("east", 5*3600)) // November there
	if got := monthOf(at); got != time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC) {
		t.Error(got)
	}
}

// Whoever is shut out comes back by itself, and the offer is looked at again then.
func TestHoursEndAndBeginByThemselves(t *testing.T) {
	t.Parallel()
	p := &Provider{reopened: make(chan struct{}, 1), Account: &account.Account{Log: slog.New(slog.DiscardHandler)}}
	p.cfg.Hours = Hours{22 * 60, 6 * 60}
	at := func(hour int) string {
		p.lookAtWishes(t.Context(), time.Date(2026, 1, 1, hour, 0, 0, 0, time.Local))
		return p.Closed()
	}
	for i, hour := range []int{23, 5, 6, 21, 22, 3, 12, 23} {
		if open := at(hour) == ""; open != (hour >= 22 || hour < 6) {
			t.Errorf("look %d at %d: open is %t", i, hour, open)
		}
	}
	select {
	case <-p.reopened:
	default:
		t.Error("nobody was told that it serves again")
	}
}
