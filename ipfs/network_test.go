package ipfs

import (
	"testing"
	"time"
)

func TestNetworksOfDifferentNamesDoNotMix(t *testing.T) {
	t.Parallel()
	c := open(t, Config{Network: Network{Name: "one", Private: true}})
	n := open(t, Config{Network: Network{Name: "two", Private: true}}, c)
	time.Sleep(500 * time.Millisecond)
	if size := n.dht.RoutingTable().Size(); size != 0 {
		t.Errorf("%d peers of another network are in the routing table", size)
	}
}

func TestAnnouncementsBackOffAndSettle(t *testing.T) {
	t.Parallel()
	interval := time.Hour
	for _, tc := range []struct {
		wait  time.Duration
		peers int
		want  time.Duration
	}{
		{0, 0, time.Second},
		{time.Second, 0, 2 * time.Second},
		{4 * time.Minute, 0, 5 * time.Minute},
		{0, 3, 30 * time.Second},
		{30 * time.Second, 3, time.Minute},
		{50 * time.Minute, 3, time.Hour},
		{time.Second, 20, time.Hour},
	} {
		if got := nextProvide(tc.wait, tc.peers, interval); got != tc.want {
			t.Errorf("after %s and %d peers: %s, want %s", tc.wait, tc.peers, got, tc.want)
		}
	}
}
