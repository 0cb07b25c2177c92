package provide

import (
	"errors"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/multiformats/go-multiaddr"

	"byway/contracts"
	"byway/node/home"
	"byway/payments/ledger"
)

const bootPeer = "/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"

var (
	onePlace = home.Network{Private: true, RPC: []string{"http://127.0.0.1:8545"}, Bootstrap: []string{"/ip4/127.0.0.1/tcp/4545" + bootPeer}}
	farChain = home.Network{Private: true, RPC: []string{"http://10.0.0.5:8545"}, Bootstrap: onePlace.Bootstrap}
	farBoot  = home.Network{Private: true, RPC: onePlace.RPC, Bootstrap: []string{"/ip4/10.0.0.5/tcp/4545" + bootPeer}}
	byName   = home.Network{Private: true, RPC: []string{"http://localhost:8545", "ws://[::1]:1", "/run/chain.ipc"}, Bootstrap: []string{"/dns4/boot/tcp/4545" + bootPeer}}
	public   = home.Network{RPC: []string{"https://chain.example"}}
)

// What nobody could reach is refused before anything is opened, and named.
func TestLoopbackIsRefusedWhereTheNetworkIsElsewhere(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		net       home.Network
		listen    string
		endpoints []string
		refused   string
	}{
		"all on one machine":             {onePlace, "127.0.0.1:0", nil, ""},
		"a name of this machine":         {home.Network{Private: true, RPC: byName.RPC}, "127.0.0.1:0", nil, ""},
		"a chain elsewhere":              {farChain, "127.0.0.1:0", nil, "10.0.0.5:8545"[:8]},
		"a bootstrap node elsewhere":     {farBoot, "127.0.0.1:51820", nil, "10.0.0.5"},
		"one that has a name":            {byName, "[::1]:51820", nil, "dns4/boot"},
		"loopback in disguise":           {farBoot, "[::ffff:127.0.0.1]:51820", nil, "10.0.0.5"},
		"the public network":             {public, "127.0.0.1:51820", nil, "public"},
		"the public network, everywhere": {public, "0.0.0.0:51820", nil, ""},
		"a tunnel to loopback":           {public, "127.0.0.1:51820", []string{"198.51.100.7:51820"}, ""},
		"endpoints of loopback":          {public, "0.0.0.0:51820", []string{"127.0.0.1:51820", "[::1]:51820"}, "127.0.0.1:51820"},
		"one of them is not":             {public, "0.0.0.0:51820", []string{"127.0.0.1:51820", "198.51.100.7:51820"}, ""},
	} {
		err := Config{Listen: netip.MustParseAddrPort(test.listen), Endpoints: test.endpoints}.checkListen(test.net)
		var unreachable *UnreachableError
		if test.refused == "" && err != nil || test.refused != "" && (!errors.As(err, &unreachable) || unreachable.Host ||
			!strings.Contains(err.Error(), test.refused)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHostListenThatNobodyDialsIsRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		net     home.Network
		list    []string
		refused bool
	}{
		"the default of one machine":     {onePlace, nil, false},
		"the default, a chain elsewhere": {farChain, nil, true},
		"the default of the public":      {public, nil, false},
		"loopback":                       {onePlace, []string{"/ip4/127.0.0.1/udp/0/quic-v1"}, false},
		"loopback, a node elsewhere":     {farBoot, []string{"/ip4/127.0.0.1/udp/0/quic-v1"}, true},
		"a local one":                    {farBoot, []string{"/ip4/10.0.0.7/udp/0/quic-v1"}, false},
		"everywhere":                     {farBoot, []string{"/ip4/0.0.0.0/udp/0/quic-v1", "/ip6/::/tcp/0"}, false},
		"a public one, a private net":    {farBoot, []string{"/ip4/10.0.0.7/tcp/0", "/ip4/8.8.8.8/tcp/4001"}, true},
		"the bootstrap node's own":       {home.Network{Private: true, Bootstrap: []string{"/ip4/8.8.8.8/tcp/1" + bootPeer}}, []string{"/ip4/8.8.8.8/tcp/4001"}, false},
		"public loopback":                {public, []string{"/ip4/127.0.0.1/tcp/4001"}, true},
		"a public one":                   {public, []string{"/ip4/8.8.8.8/tcp/4001"}, false},
		"behind a router":                {public, []string{"/ip4/192.168.1.2/tcp/4001"}, false},
		"behind a carrier's":             {public, []string{"/ip4/100.64.1.2/tcp/4001"}, false},
		"a name":                         {public, []string{"/dns4/example.org/tcp/4001"}, true},
		"multicast":                      {public, []string{"/ip4/224.0.0.1/udp/1/quic-v1"}, true},
		"link-local":                     {public, []string{"/ip6/fe80::1/tcp/1"}, true},
	} {
		err := CheckHostListen(test.net, test.list)
		var unreachable *UnreachableError
		if test.refused != (err != nil) || err != nil && (!errors.As(err, &unreachable) || !unreachable.Host) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := CheckHostListen(public, []string{"nonsense"}); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("nonsense: %v", err)
	}
}

// Reachable is said with what it is known by, and what nobody has seen is unknown.
func TestReachIsDerivedFromFacts(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, test := range map[string]struct {
		came  time.Time
		heard heard
		want  string
		why   string
	}{
		"nothing":              {time.Time{}, heard{}, "unknown", "nobody has come"},
		"a consumer":           {now.Add(-time.Minute), heard{}, "yes", "consumer came"},
		"whatever AutoNAT has": {now.Add(-time.Minute), heard{network.ReachabilityPrivate, now}, "yes", "consumer came"},
		"long ago":             {now.Add(-2 * time.Hour), heard{}, "unknown", "more than an hour"},
		"AutoNAT":              {time.Time{}, heard{network.ReachabilityPublic, now}, "yes", "AutoNAT"},
		"AutoNAT, shut":        {now.Add(-2 * time.Hour), heard{network.ReachabilityPrivate, now}, "no", "AutoNAT"},
	} {
		if r := reachOf(test.came, test.heard, now); r.Reachable != test.want || !strings.Contains(r.Why, test.why) ||
			(r.At == nil) != (test.came.IsZero() && test.heard.is == network.ReachabilityUnknown) {
			t.Errorf("%s: %+v", name, r)
		}
	}
	a := []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/8.8.8.8/tcp/1")}
	for want, e := range map[network.Reachability]event.EvtHostReachableAddrsChanged{
		network.ReachabilityPublic: {Reachable: a, Unreachable: a, Unknown: a}, network.ReachabilityPrivate: {Unreachable: a},
		network.ReachabilityUnknown: {Unreachable: a, Unknown: a},
	} {
		if got := addrsReach(e); got != want {
			t.Errorf("%+v is %s", e, got)
		}
	}
}

// The figures are the days', and no day is lost at the edge of a month.
func TestFiguresSumDays(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 12, 1, 1, 0, 0, 0, time.FixedZone("west", -5*3600)) // 06:00 UTC
	day := func(y int, m time.Month, d int, n uint64) ledger.Day {
		return ledger.Day{
			Date: time.Date(y, m, d, 0, 0, 0, 0, time.UTC), Received: true, Rx: n, Tx: n, Sessions: 1, Amount: contracts.NewAmount(n),
		}
	}
	days := []ledger.Day{day(2025, 12, 1, 1), day(2026, 11, 30, 10), day(2026, 12, 1, 100), day(2026, 12, 2, 1000)}
	f, err := figuresOf(days, now, 7)
	if err != nil || f.Today != (Sum{2200, contracts.NewAmount(1100), 2}) || f.Month != f.Today ||
		f.Total != (Sum{2222, contracts.NewAmount(1111), 4}) || f.Quota != 7 {
		t.Fatalf("%+v, %v", f, err)
	}
	f, err = figuresOf(append(days, day(2026, 12, 1, math.MaxUint64)), now, 0)
	if err != nil || f.Total.Bytes != math.MaxUint64 {
		t.Fatalf("%+v, %v", f, err)
	}
	if _, err := figuresOf([]ledger.Day{{Amount: contracts.MaxAmount()}, {Amount: contracts.NewAmount(1)}}, now, 0); err == nil {
		t.Fatal("more than 96 bits")
	}
}
