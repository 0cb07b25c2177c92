package path

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/multiformats/go-multiaddr"

	"byway/node/market"
	"byway/node/wire"
	"byway/registry"
	"byway/tunnel"
)

// welcomed returns an honest provider's Welcome, as far as addresses go.
func welcomed() *wire.Welcome {
	return &wire.Welcome{
		Endpoints: udp("8.8.8.8:51820"), Inner4: netip.MustParseAddr("10.213.0.2").AsSlice(),
		Inner6: netip.MustParseAddr("fd62:7977:6179::2").AsSlice(), DNS: netip.MustParseAddr("10.213.0.1").AsSlice(), MTU: 1420,
		Tick: 1 << 20, Window: 4 << 20,
	}
}

// udp are endpoints of this program's transport.
func udp(addresses ...string) (list []wire.Endpoint) {
	for _, a := range addresses {
		list = append(list, wire.Endpoint{Transport: wire.TransportUDP, Address: a})
	}
	return list
}

var publicHost = multiaddr.StringCast("/ip4/8.8.4.4/udp/4001/quic-v1")

func TestAdversaryNothingInAWelcomeMeansThisMachine(t *testing.T) {
	t.Parallel()
	if _, err := clientConfig(welcomed(), publicHost, false); err != nil {
		t.Fatalf("an honest welcome: %v", err)
	}
	notInner4 := []string{
		"127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.251", "169.254.1.1", "8.8.8.8", "100.64.0.1", "192.0.2.1", "::1",
		"::ffff:10.213.0.2", "fd62:7977:6179::2", "11.0.0.1", "172.32.0.1",
	}
	notInner6 := []string{
		"::1", "::", "ff02::1", "fe80::1", "2001:4860:4860::8888", "::ffff:10.0.0.2", "2001:db8::1", "10.213.0.2", "::ffff:127.0.0.1",
		"64:ff9b::a00:1", "fe00::1",
	}
	notDNS := []string{
		"127.0.0.53", "127.0.0.1", "0.0.0.0", "224.0.0.251", "8.8.8.8", "192.168.1.1", "10.0.0.1", "10.214.0.1", "::1", "fe80::1",
		"::ffff:10.213.0.1", "fd62:7977:617a::1", "10.213.0.2", "fd62:7977:6179::2", "169.254.169.254",
	}
	notEndpoints := []string{
		"127.0.0.1:53", "169.254.169.254:80", "192.168.1.1:123", "10.0.0.1:1", "255.255.255.255:9", "224.0.0.251:5353", "[::1]:5",
		"[fe80::1%eth0]:5", "[::ffff:8.8.8.8]:53", "[::ffff:127.0.0.1]:53", "[64:ff9b::7f00:1]:9", "[fd00::1]:9", "100.64.0.1:9", "8.8.8.8:0",
		"8.8.8.8", "localhost:9", "", "[2002:7f00:1::]:9", "203.0.113.1:9",
	}
	slice := func(s string) []byte { return netip.MustParseAddr(s).AsSlice() }
	tried := 0
	refused := func(what string, w *wire.Welcome) {
		t.Helper()
		tried++
		if cfg, err := clientConfig(w, publicHost, false); err == nil {
			t.Errorf("%s was believed: %v, DNS %v, endpoint %v", what, cfg.Addrs, cfg.DNS, cfg.Endpoint)
		}
	}
	for _, s := range notInner4 {
		w := welcomed()
		w.Inner4 = slice(s)
		refused("inner address "+s, w)
	}
	for _, s := range notInner6 {
		w := welcomed()
		w.Inner6 = slice(s)
		refused("inner address "+s, w)
	}
	for _, s := range notDNS {
		w := welcomed()
		w.DNS = slice(s)
		refused("DNS "+s, w)
	}
	for _, s := range notEndpoints {
		w := welcomed()
		w.Endpoints = udp(s)
		refused("endpoint "+s, w)
	}
	for _, mtu := range []uint16{0, 1, 68, 1279, 9001, 65535} {
		w := welcomed()
		w.MTU = mtu
		refused("an MTU", w)
	}
	for _, b := range [][]byte{nil, {}, {10}, make([]byte, 5), make([]byte, 17)} {
		for i := range 3 {
			w := welcomed()
			*[]*[]byte{&w.Inner4, &w.Inner6, &w.DNS}[i] = b
			refused("a malformed address", w)
		}
	}
	t.Logf("adversary: %d welcomes with addresses of this machine, its network or groups | bound: 0 believed | seen: 0 believed", tried)

	// A provider with several endpoints may have one that is of no use here.
	w := welcomed()
	w.Endpoints = udp("192.168.1.2:51820", "8.8.8.8:51820")
	if cfg, err := clientConfig(w, publicHost, false); err != nil || cfg.Endpoint != netip.MustParseAddrPort("8.8.8.8:51820") {
		t.Errorf("of a private and a public endpoint: %v, %v", cfg.Endpoint, err)
	}
	// The unspecified address stands for the host's, which is held to the same.
	w.Endpoints = udp("0.0.0.0:51820")
	if cfg, err := clientConfig(w, publicHost, false); err != nil || cfg.Endpoint != netip.MustParseAddrPort("8.8.4.4:51820") {
		t.Errorf("where the host was reached: %v, %v", cfg.Endpoint, err)
	}
	loopback := multiaddr.StringCast("/ip4/127.0.0.1/udp/1/quic-v1")
	if _, err := clientConfig(w, loopback, false); err == nil {
		t.Error("loopback was believed on a public network, by way of the host")
	}
	if _, err := clientConfig(w, loopback, true); err != nil {
		t.Errorf("loopback on a private network: %v", err)
	}
}

// What a later provider offers is passed over, and where nothing is left the error says what there was.
func TestConsumerTakesTheTransportThatItSpeaks(t *testing.T) {
	t.Parallel()
	w := welcomed()
	w.Endpoints = append([]wire.Endpoint{
		{Transport: "tls", Address: "8.8.8.9:443", Parameters: []byte{1}}, {Transport: wire.TransportUDP, Address: "8.8.8.7:1", Parameters: []byte{1}},
	}, udp("8.8.8.8:51820")...)
	if cfg, err := clientConfig(w, publicHost, false); err != nil || cfg.Endpoint != netip.MustParseAddrPort("8.8.8.8:51820") {
		t.Errorf("took %v, %v", cfg.Endpoint, err)
	}
	w.Endpoints = append(w.Endpoints[:1], udp("10.0.0.1:9")...)
	_, err := clientConfig(w, publicHost, false)
	if err == nil || !strings.Contains(err.Error(), "tls 8.8.8.9:443") || !strings.Contains(err.Error(), "udp 10.0.0.1:9") {
		t.Errorf("the error is %v", err)
	}
	w.Endpoints = nil
	if _, err := clientConfig(w, publicHost, false); err == nil || !strings.Contains(err.Error(), "names no WireGuard endpoint") {
		t.Errorf("without any the error is %v", err)
	}
}

func TestAdversaryAWelcomeKeepsToTheOffer(t *testing.T) {
	t.Parallel()
	offer := registry.Offer{Tick: 1 << 20, Window: 4 << 20}
	if err := checkTerms(welcomed(), offer); err != nil {
		t.Fatal(err)
	}
	for _, terms := range [][2]uint64{{2 << 20, 4 << 20}, {1 << 20, 1 << 40}, {0, 0}, {1 << 63, 1 << 63}} {
		w := welcomed()
		w.Tick, w.Window = terms[0], terms[1]
		if checkTerms(w, offer) == nil {
			t.Errorf("ticks of %d and a window of %d were believed", terms[0], terms[1])
		}
	}
	t.Log("adversary: ticks and windows beyond the offer | bound: refused | seen: refused")
}

func TestAdversaryNoInnerAddressIsOneOfThisMachinesNetworks(t *testing.T) {
	t.Parallel()
	cfg, err := clientConfig(welcomed(), publicHost, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, on := range []string{"10.213.0.0/24", "10.0.0.0/8", "10.213.0.1/32", "10.213.0.2/32", "fd62:7977:6179::/64", "fd00::/8"} {
		if collides(cfg, netip.MustParsePrefix(on)) == nil {
			t.Errorf("the tunnel takes over addresses of %s", on)
		}
	}
	for _, on := range []string{"10.214.0.0/16", "192.168.1.0/24", "fe80::/64", "127.0.0.0/8"} {
		if err := collides(cfg, netip.MustParsePrefix(on)); err != nil {
			t.Error(err)
		}
	}
	// By this machine's own interfaces.
	loopback := tunnel.ClientConfig{Addrs: []netip.Addr{netip.MustParseAddr("127.0.0.9")}, DNS: cfg.DNS}
	if _, err := net.InterfaceByName("lo"); err == nil && checkOnLink(loopback, "byway0") == nil {
		t.Error("an address of loopback is not seen to be on one of the machine's networks")
	}
	t.Log("adversary: a tunnel with the machine's own network in it | bound: refused | seen: refused")
}

func TestAdversaryAnOffersHostIsDialledAtPublicAddressesAlone(t *testing.T) {
	t.Parallel()
	offer := func(addrs ...string) registry.Offer { return registry.Offer{Host: registry.Host{Addrs: addrs}} }
	for _, s := range []string{
		"/ip4/127.0.0.1/tcp/8545", "/ip4/192.168.1.1/tcp/80", "/ip4/169.254.169.254/tcp/80", "/ip6/::1/tcp/22", "/dns4/127.0.0.1/tcp/1",
	} {
		if host, err := market.Dialable(offer(s), false); err == nil || !strings.Contains(err.Error(), "no address that may be dialled") {
			t.Errorf("%s: %v, %v", s, host.Addrs, err)
		}
		if host, err := market.Dialable(offer(s, "/ip4/8.8.8.8/tcp/1"), false); err != nil || len(host.Addrs) != 1 ||
			host.Addrs[0].String() != "/ip4/8.8.8.8/tcp/1" {
			t.Errorf("%s beside a public address: %v, %v", s, host.Addrs, err)
		}
	}
	if host, err := market.Dialable(offer("/ip4/127.0.0.1/tcp/1"), true); err != nil || len(host.Addrs) != 1 {
		t.Errorf("loopback on a private network: %v, %v", host.Addrs, err)
	}
	t.Log("adversary: hosts in offers that are this machine's own | bound: 0 dialled on a public network | seen: 0")
}

func FuzzWelcome(f *testing.F) {
	w := welcomed()
	f.Add(w.Inner4, w.Inner6, w.DNS, w.Endpoints[0].Address, w.MTU, false)
	f.Add([]byte{127, 0, 0, 1}, w.Inner6, w.DNS, "0.0.0.0:1", w.MTU, true)
	f.Add(w.Inner4, []byte(net.ParseIP("::ffff:10.213.0.2").To16()), w.DNS, "[::ffff:127.0.0.1]:53", w.MTU, true)
	f.Fuzz(func(t *testing.T, v4, v6, dns []byte, endpoint string, mtu uint16, private bool) {
		w := &wire.Welcome{Inner4: v4, Inner6: v6, DNS: dns, Endpoints: udp(endpoint), MTU: mtu}
		cfg, err := clientConfig(w, publicHost, private)
		if err != nil {
			return
		}
		for _, a := range append([]netip.Addr{cfg.DNS}, cfg.Addrs...) {
			// Judged by the standard library's older type.
			ip := net.IP(a.AsSlice())
			if a.Is4In6() || !ip.IsPrivate() || ip.IsLoopback() || ip.IsMulticast() || ip.IsUnspecified() {
				t.Errorf("%s was believed", a)
			}
		}
		ip := net.IP(cfg.Endpoint.Addr().AsSlice())
		if ip.IsMulticast() || ip.IsUnspecified() || ip.IsLinkLocalUnicast() || cfg.Endpoint.Port() == 0 ||
			!private && (ip.IsPrivate() || ip.IsLoopback() || !ip.IsGlobalUnicast()) {
			t.Errorf("endpoint %s was believed, private %v", cfg.Endpoint, private)
		}
		if !cfg.Addrs[0].Is4() || !cfg.Addrs[1].Is6() || cfg.MTU < minMTU || cfg.MTU > maxMTU {
			t.Errorf("%+v", cfg)
		}
	})
}
