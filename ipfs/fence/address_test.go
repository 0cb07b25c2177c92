package fence

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// What a stranger may name that is not a public host, as addresses.
var traps = []string{
	"0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254", "169.254.169.254",
	"172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1",
	"203.0.113.1", "224.0.0.251", "239.255.255.250", "240.0.0.1", "255.255.255.255",
	"::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b:1::a00:1",
	"100::1", "2001::1", "2001:10::1", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::1", "3fff::1", "5f00::1", "fc00::1",
	"fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "ff0e::1",
}

func TestAdversaryNoAddressButAPublicOneIsDialledOnAPublicNetwork(t *testing.T) {
	t.Parallel()
	for _, s := range traps {
		a := netip.MustParseAddr(s)
		if CheckAddr(a, false) == nil {
			t.Errorf("%s may be dialled", s)
		}
		family := "ip4"
		if a.Is6() {
			family = "ip6"
		}
		for _, form := range []string{
			"/%s/%s/tcp/80", "/%s/%s/udp/53/quic-v1",
			"/%s/%s/tcp/1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N/p2p-circuit",
		} {
			m, err := ma.NewMultiaddr(fmt.Sprintf(form, family, s))
			if err != nil {
				t.Fatal(err)
			}
			if CheckDial(m, false) == nil || Public(nil).InterceptAddrDial("", m) {
				t.Errorf("%s may be dialled", m)
			}
		}
	}
	for _, s := range []string{
		"/unix/tmp/socket", "/ip6zone/eth0/ip6/fe80::1/tcp/1", "/dns4/127.0.0.1/tcp/1", "/dns/169.254.169.254/tcp/80", "/dns6/::1/tcp/1",
		"/ip4/8.8.8.8/tcp/1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N/p2p-circuit/ip4/10.0.0.1/tcp/1",
		"/dns4/example.org/tcp/1/ip4/10.0.0.1/udp/1", "/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N", "/memory/1",
	} {
		if m, err := ma.NewMultiaddr(s); err == nil && CheckDial(m, false) == nil {
			t.Errorf("%s may be dialled", s)
		}
	}
	for _, s := range []string{
		"/ip4/8.8.8.8/udp/4001/quic-v1", "/ip4/100.63.255.255/tcp/1", "/ip6/2a00:1450:4001::1/tcp/1", "/ip6/2001:4860:4860::8888/udp/1/quic-v1",
		"/dns4/example.org/tcp/443", "/dnsaddr/bootstrap.libp2p.io",
	} {
		if err := CheckDial(ma.StringCast(s), false); err != nil {
			t.Error(err)
		}
	}
	if err := CheckDial(nil, false); err == nil {
		t.Error("no address may be dialled")
	}
	// What the operator wrote down is dialled, and nothing beside it.
	own := Public([]peer.AddrInfo{{Addrs: []ma.Multiaddr{ma.StringCast("/ip4/192.168.1.7/tcp/1")}}})
	for s, want := range map[string]bool{"/ip4/192.168.1.7/tcp/2": true, "/ip4/192.168.1.8/tcp/1": false} {
		if got := own.InterceptAddrDial("", ma.StringCast(s)); got != want {
			t.Errorf("%s with a bootstrap node of the local network: %v", s, got)
		}
	}
	t.Logf("adversary: %d special addresses in offers, three forms each | bound: none is dialled on a public network | seen: none",
		len(traps))
}

func TestAdversaryPrivateNetworksDialNoGroupsAndNoLinks(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"0.0.0.0", "169.254.169.254", "224.0.0.251", "255.255.255.255", "::", "::ffff:127.0.0.1", "fe80::1", "ff02::1", "fe80::1%eth0",
	} {
		if CheckAddr(netip.MustParseAddr(s), true) == nil {
			t.Errorf("%s may be dialled", s)
		}
	}
	for _, s := range []string{"127.0.0.1", "::1", "10.1.2.3", "192.168.1.1", "fd00::1", "198.51.100.1", "8.8.8.8"} {
		if err := CheckAddr(netip.MustParseAddr(s), true); err != nil {
			t.Error(err)
		}
	}
	t.Log("adversary: group, link and mapped addresses on a private network | bound: none is dialled | seen: none")
}

func FuzzCheckDial(f *testing.F) {
	for _, s := range traps {
		f.Add("/ip4/"+s+"/tcp/1", false)
		f.Add("/ip6/"+s+"/udp/1/quic-v1", true)
	}
	f.Add("/dns4/localhost/tcp/1", false)
	f.Fuzz(func(t *testing.T, s string, private bool) {
		m, err := ma.NewMultiaddr(s)
		if err != nil || CheckDial(m, private) != nil {
			return
		}
		// Judged by another's rules, at every place in it.
		ma.ForEach(m, func(c ma.Component) bool {
			switch c.Protocol().Code {
			case ma.P_IP4, ma.P_IP6:
				ip, _ := netip.AddrFromSlice(c.RawValue())
				if ip.Is4In6() || ip.IsMulticast() || ip.IsUnspecified() || ip.IsLinkLocalUnicast() {
					t.Errorf("%s may be dialled", m)
				}
				if !private && (!ip.IsGlobalUnicast() || ip.IsPrivate() || ip.IsLoopback() || !manet.IsPublicAddr(c.Multiaddr())) {
					t.Errorf("%s may be dialled on a public network", m)
				}
			case ma.P_CIRCUIT, ma.P_UNIX:
				t.Errorf("%s may be dialled", m)
			}
			return true
		})
	})
}
