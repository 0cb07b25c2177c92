package account

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"byway/node/home"
)

func TestTheChainsTimeIsTheClocksSetRightByWhatItWasOff(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	clock := time.Unix(1_800_000_000, 0).UTC() // when the chain was heard last
	for _, c := range []struct {
		what    string
		off     time.Duration // of the chain then
		gone    time.Duration // on the clock since
		private bool
		want    time.Duration // after clock
	}{
		{"agree", 10 * time.Second, time.Hour, false, time.Hour},
		{"an endpoint lags a little", -4 * time.Minute, time.Hour, false, time.Hour},
		{"three days slow", 3 * day, time.Hour, false, 3*day + time.Hour},
		{"three days fast", -3 * day, time.Hour, false, time.Hour - 3*day},
		{"a private network's clock is slow", 3 * day, time.Hour, true, 3*day + time.Hour},
		{"a private network whose blocks are old", -3 * day, time.Hour, true, time.Hour},
		{"the clock fell back to nothing", 0, -9000 * day, false, 0},
		{"a slow clock fell back further", 3 * day, -10 * day, false, 3 * day},
		{"a fast clock was set right", -3 * day, time.Hour - 3*day, false, time.Hour - 3*day},
		{"a fast clock steps back by a second", -3 * day, -time.Second, false, -3 * day},
	} {
		last := LastTime{clock.Add(c.off), clock}
		if got := last.now(clock.Add(c.gone), c.private); !got.Equal(clock.Add(c.want)) {
			t.Errorf("%s: %s after the chain was heard, want %s", c.what, got.Sub(clock), c.want)
		}
		if got := last.now(clock.Add(c.gone), c.private); got.Before(last.Chain) {
			t.Errorf("%s: before what the chain has shown", c.what)
		}
	}
	if got := (LastTime{}).now(clock, false); !got.Equal(clock) {
		t.Errorf("a home that knows nothing says %s", got)
	}
}

func TestWhatTellsOfTheChainsClockIsWrittenDownRarely(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	clock := time.Unix(1_800_000_000, 0).UTC()
	at := func(gone, off time.Duration) LastTime { return LastTime{clock.Add(gone + off), clock.Add(gone)} }
	for _, c := range []struct {
		what                  string
		kept, next            LastTime
		private, goesOn, last bool
		want                  bool
	}{
		{"the first", LastTime{}, at(0, 0), false, false, false, true},
		{"a minute later", at(0, 0), at(time.Minute, 0), false, true, false, false},
		{"a minute later, at the end", at(0, 0), at(time.Minute, 0), false, true, true, true},
		{"ten minutes later", at(0, 0), at(10*time.Minute, 0), false, true, false, true},
		{"the same block, at the end", at(0, 0), at(time.Hour, -time.Hour), true, false, true, false},
		{"the clock was set back", at(0, 0), at(-day, day+time.Minute), false, true, false, true},
		{"the chain may have stopped", at(0, 0), at(day, -time.Hour), false, false, true, false},
		{"the clock is ahead", at(0, 0), at(day, -time.Hour), false, true, false, true},
		{"a private chain rests", at(0, 0), at(day, -time.Hour), true, false, false, true},
		{"an endpoint took back a lie", at(0, 3650*day), at(time.Minute, 0), false, false, false, true},
	} {
		k := timekeeper{Account: &Account{Network: home.Network{Private: c.private}}, kept: c.kept}
		if got := k.tells(c.next, c.goesOn, c.last); got != c.want {
			t.Errorf("%s: written %v, want %v", c.what, got, c.want)
		}
	}
}

func TestARememberedTimeThatCannotBeReadIsLeftOutAndSaid(t *testing.T) {
	t.Parallel()
	folder, err := home.Open(filepath.Join(t.TempDir(), "home"))
	if err != nil {
		t.Fatal(err)
	}
	network, err := home.Devnet()
	if err != nil {
		t.Fatal(err)
	}
	good := `{"chain_id":1337,"channels":"` + network.Channels.Hex() +
		`","chain":"2027-01-18T08:00:00Z","clock":"2027-01-15T08:00:00Z"}`
	network.ChainID = 1337
	for _, c := range []struct {
		text        string
		known, said bool
	}{
		{good, true, false},
		{strings.Replace(good, "1337", "1", 1), false, false},
		{good[:40], false, true},
		{"", false, true},
		{"{}", false, true},
		{strings.Replace(good, "2027-01-18", "2027-01-32", 1), false, true},
		{good + good, false, true},
	} {
		if err := os.WriteFile(folder.Path(lastTimeFile), []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		last := RecallTime(folder, network, slog.New(slog.NewTextHandler(&log, nil)))
		if (last != LastTime{}) != c.known || strings.Contains(log.String(), lastTimeFile) != c.said {
			t.Errorf("%q: %+v, %s", c.text, last, &log)
		}
		if c.known && last.offset() != 72*time.Hour {
			t.Errorf("%q: %s off", c.text, last.offset())
		}
	}
}
