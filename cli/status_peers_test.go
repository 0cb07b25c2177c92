package cli

import (
	"strings"
	"testing"
	"time"

	"byway/node/api/spec"
)

func TestStatusSaysWhatPeersHoldAndWhatWasRefused(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	e := env{}
	e.rows(&text, peersRows(spec.PeersUse{
		Kept: 7, Strangers: 30, StrangersMost: 768, Handshakes: 2, HandshakesMost: 512, Streams: 12, Waiting: 1, WaitingMost: 1536,
		Refused: map[string]uint64{"rate": 3}, Closed: map[string]uint64{"strangers": 9, "handshakes": 4},
		Sessions: 7, SessionsMost: 5000,
		Hellos: spec.HelloUse{Open: 5, Most: 1024, Refused: map[string]uint64{"no_hello": 6, "rate": 1}},
	})...)
	for _, want := range []string{
		"7 of 5000", "7 for sessions; strangers' 30 of 768; being set up 2 of 512", "12; without a protocol 1 of 1536",
		"without a session 5 of 1024", "no hello 6, rate 4", "handshakes 4, strangers 9",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &text)
		}
	}
	if quiet := peersRows(spec.PeersUse{}); len(quiet) != 3 {
		t.Errorf("a provider that refused nothing says %v", quiet)
	}
}

func TestStatusSaysForHowLongASessionNeedsNoChain(t *testing.T) {
	t.Parallel()
	up, down := []spec.ChainStatus{{Ok: false}, {Ok: true}}, []spec.ChainStatus{{Ok: false}}
	for _, c := range []struct {
		until time.Time
		chain []spec.ChainStatus
		want  string
	}{
		{time.Now().Add(time.Hour), down, "goes on without the chain until "},
		{time.Now().Add(-time.Hour), up, "asks the chain again with its next promise"},
		{time.Now().Add(-time.Hour), down, "takes no further promise until the chain answers"},
		{time.Time{}, up, "ends"},
	} {
		if got := withoutChain(c.until, c.chain); !strings.HasPrefix(got, c.want) || len(got) > 90 {
			t.Errorf("until %v: %q, want %q", c.until, got, c.want)
		}
	}
}
