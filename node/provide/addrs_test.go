package provide

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/multiformats/go-multiaddr"

	"byway/node/home"
	"byway/node/wire"
)

func TestAddressesOfRelaysAreNotTakenForTheProviders(t *testing.T) {
	var list []multiaddr.Multiaddr
	for _, s := range []string{
		"/ip4/84.10.20.30/udp/4001/quic-v1", "/ip6/2a02:9::1/tcp/4001", "/dns4/provider.example/tcp/4001",
		"/ip4/5.6.7.8/tcp/4001/p2p/12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf/p2p-circuit",
	} {
		list = append(list, multiaddr.StringCast(s))
	}
	want := []netip.Addr{netip.MustParseAddr("84.10.20.30"), netip.MustParseAddr("2a02:9::1")}
	if got := directAddrs(list); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestProviderNamesNoMoreEndpointsThanAWelcomeHolds(t *testing.T) {
	_, err := Config{Endpoints: make([]string, wire.MaxEndpoints+1)}.Plan(home.Network{}, common.Address{})
	if err == nil || !strings.Contains(err.Error(), "9 endpoints are named") {
		t.Errorf("nine endpoints: %v", err)
	}
}
