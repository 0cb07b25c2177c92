package tunnel

import (
	"net/netip"
	"testing"

	"byway/tunnel/packet"
	"byway/tunnel/policy"
)

// TestNetAdversaryNeighboursBehindNumberedHopsAreClosed: routes that name their hops by number lead to neighbours as others
// do, whether the kernel spells their hops out or not.
func TestNetAdversaryNeighboursBehindNumberedHopsAreClosed(t *testing.T) {
	inNetwork(t, func(t *testing.T, _ network) {
		policy, err := policy.New(policy.Config{})
		if err != nil {
			t.Fatal(err)
		}
		open := func(a string) bool {
			if err := policy.ReadHost(); err != nil {
				t.Fatal(err)
			}
			return policy.Check(packet.TCP, netip.AddrPortFrom(netip.MustParseAddr(a), 80)) == nil
		}
		near := []string{"9.9.9.9", "9.9.8.9", "9.9.7.1", "2620:fe:9::9", "2620:fe:7::1"}
		far := []string{"8.8.8.8", "9.9.6.9", "2620:fe:6::9"}
		for _, a := range append(near, far...) {
			if !open(a) {
				t.Fatalf("control: %s is closed before there is a way to it", a)
			}
		}
		for _, args := range [][]string{
			{"nexthop", "add", "id", "1", "dev", "wan"},
			{"nexthop", "add", "id", "2", "dev", "lan"},
			{"nexthop", "add", "id", "3", "group", "1/2"},
			{"route", "add", "9.9.9.0/24", "nhid", "1"},
			{"route", "add", "9.9.8.0/24", "nhid", "3", "table", "77"},
			{"route", "add", "9.9.7.1/32", "dev", "wan"},
			{"nexthop", "add", "id", "4", "via", "9.9.7.1", "dev", "wan"},
			{"route", "del", "9.9.7.1/32", "dev", "wan"},
			{"route", "add", "9.9.6.0/24", "nhid", "4"},
			{"-6", "nexthop", "add", "id", "11", "dev", "wan"},
			{"-6", "route", "add", "2620:fe:9::/64", "nhid", "11"},
			{"-6", "route", "add", "2620:fe:7::1/128", "dev", "wan"},
			{"-6", "nexthop", "add", "id", "14", "via", "2620:fe:7::1", "dev", "wan"},
			{"-6", "route", "del", "2620:fe:7::1/128", "dev", "wan"},
			{"-6", "route", "add", "2620:fe:6::/48", "nhid", "14"},
		} {
			run(t, append([]string{"ip"}, args...)...)
		}
		for _, compat := range []string{"1", "0"} {
			run(t, "sysctl", "-qw", "net.ipv4.nexthop_compat_mode="+compat)
			reached, lost := 0, 0
			for _, a := range near {
				if open(a) {
					reached++
					t.Errorf("nexthop_compat_mode=%s: %s is open, a neighbour or a router", compat, a)
				}
			}
			for _, a := range far {
				if !open(a) {
					lost++
					t.Errorf("nexthop_compat_mode=%s: %s is closed, behind a router", compat, a)
				}
			}
			t.Logf("adversary: %s | bound: %s | seen: %d open, %d wrongly closed", "neighbours by numbered hops, nexthop_compat_mode="+compat,
				"0 of 5 open", reached, lost)
		}
	})
}
