package provide

import (
	"net/netip"
	"reflect"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/node/home"
	"byway/node/offer"
	"byway/registry"
	"byway/tunnel"
	"byway/tunnel/packet"
	"byway/tunnel/policy"
)

// TestExitFollowsFromTheOfferAlone: terms of flags and terms of a file that say the same make the same offer, and what the
// exit refuses, bounds and holds follows from that offer, field by field.
func TestExitFollowsFromTheOfferAlone(t *testing.T) {
	t.Parallel()
	network := home.Network{Deployment: contracts.Deployment{ChainID: 7, Channels: common.Address{1}, Registry: common.Address{2}, Token: common.Address{3}}}
	provider := common.Address{9}
	file, err := registry.ParseDraft([]byte(`price = "0.05"
[capacity]
down = "80 Mbit/s"
up = "80 Mbit/s"
sessions = 12
[exit]
p2p = false
rate = "16 Mbit/s"
connections = 33
new_per_second = 44
deny = ["198.18.0.0/15", "1.2.3.0/24"]
allow = ["10.0.0.0/8", "127.0.0.1/32"]
deny_ports = [22]
`), 18)
	if err != nil {
		t.Fatal(err)
	}
	flags := registry.DefaultDraft()
	flags.Price = file.Price
	flags.Capacity = registry.Capacity{Down: 80e6, Up: 80e6, Sessions: 12}
	flags.Exit = &registry.ExitPolicy{
		Denied:  []netip.Prefix{netip.MustParsePrefix("1.2.3.0/24"), netip.MustParsePrefix("198.18.0.0/15")},
		Allowed: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.1/32")}, DeniedPorts: []uint16{22},
		Rate: 16e6, Connections: 33, NewPerSecond: 44,
	}
	if !reflect.DeepEqual(file, flags) {
		t.Fatalf("the file says %+v, the flags %+v", file, flags)
	}
	offer, err := offer.Of(file, network, provider)
	if err != nil {
		t.Fatal(err)
	}
	terms, err := exitTermsOf(offer)
	if err != nil {
		t.Fatal(err)
	}
	if terms.rate != 16e6 || terms.sessions != 12 || terms.limits != (tunnel.Limits{Flows: 33, NewFlows: 44}) {
		t.Errorf("terms %+v", terms)
	}
	terms.policy.Own = []netip.Addr{}
	policy, err := policy.New(terms.policy)
	if err != nil {
		t.Fatal(err)
	}
	for dst, open := range map[string]bool{
		"9.9.9.9:443": true, "9.9.9.9:22": false, "9.9.9.9:25": true, "9.9.9.9:6881": false, "1.2.3.4:443": false,
		"10.1.2.3:443": true, "127.0.0.1:443": true, "127.0.0.2:443": false, "198.18.0.1:443": false, "192.168.1.1:443": false,
		"169.254.169.254:80": false, "[::1]:443": false, "[fd00::1]:443": false,
	} {
		if err := policy.Check(packet.TCP, netip.MustParseAddrPort(dst)); (err == nil) != open {
			t.Errorf("%s: open is wanted to be %v, the exit says %v", dst, open, err)
		}
	}
}

// TestOfferWithoutCapsIsNotCappedByDefaults: a cap that an offer leaves out is no cap, not the one of this version.
func TestOfferWithoutCapsIsNotCappedByDefaults(t *testing.T) {
	t.Parallel()
	terms, err := exitTermsOf(registry.Offer{Services: []string{registry.ServiceExit}, Exit: &registry.ExitPolicy{P2P: true}})
	if err != nil {
		t.Fatal(err)
	}
	if terms.limits.Flows < 1<<16 || terms.limits.NewFlows < 1<<16 || terms.rate != 0 || terms.sessions != DefaultMaxSessions {
		t.Errorf("terms %+v", terms)
	}
	if terms.policy.DenyPorts == nil || len(terms.policy.DenyPorts) != 0 {
		t.Errorf("an offer that closes no port closes %v", terms.policy.DenyPorts)
	}
	if _, err := exitTermsOf(registry.Offer{Services: []string{registry.ServiceRelay}}); err == nil {
		t.Error("an offer without an exit opens one")
	}
}
