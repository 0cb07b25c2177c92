package policy

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"byway/tunnel/packet"
)

func prefixes(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// at makes a policy of a host that says this about itself.
func at(t *testing.T, h hostNet, cfg Config) *Policy {
	t.Helper()
	cfg.Own = []netip.Addr{}
	p := mustPolicy(t, cfg)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sources.host = h
	p.surroundLocked()
	return p
}

// home is a provider behind a router with global IPv6, and on a link with public IPv4.
func home() (h hostNet) {
	h.address(netip.MustParsePrefix("192.168.1.10/24"))
	h.address(netip.MustParsePrefix("2a02:8071:1:2::10/64"))
	h.address(netip.MustParsePrefix("45.33.32.156/24"))
	h.links = append(h.links, netip.MustParsePrefix("45.33.40.1/32")) // a router
	return h
}

func TestAdversaryGlobalAddressesOfTheProvidersOwnNetworkAreClosed(t *testing.T) {
	p := at(t, home(), Config{})
	p.SetLearned("endpoint", []netip.Addr{netip.MustParseAddr("84.10.20.30"), netip.MustParseAddr("2a02:9:9:9::1")})
	p.SetNAT64(prefixes("2a02:8071:64::/96", "2a0a:1:2::/48"))
	closed := []string{
		"2a02:8071:1:2::10", "2a02:8071:1:2::20", "2a02:8071:1:2::1", "2a02:8071:1:2:ffff:ffff:ffff:ffff",
		"45.33.32.156", "45.33.32.157", "45.33.32.0", "45.33.32.255", "45.33.40.1", "84.10.20.30", "2a02:9:9:9::1", "2a02:9:9:9::2",
		"2002:2d21:209c::1", "64:ff9b::2d21:209c", "64:ff9b::45.33.32.157", "64:ff9b::84.10.20.30", "2400:cb00::5efe:45.33.32.9",
		"2a02:8071:64::10.0.0.1", "2a02:8071:64::45.33.32.156", "2a02:8071:64::45.33.32.7", "2a02:8071:64::169.254.169.254",
		"2a0a:1:2:a00:0:100::", "2a0a:1:2:7f00:0:100::", "2a0a:1:2:2d21:20:9c00::", "2a0a:1:2:2d21:20:700::",
		"2a0a:1:2:808:108:800::", // the eight bits that must be zero are not
	}
	reached := 0
	for _, s := range closed {
		for _, proto := range []packet.Proto{packet.TCP, packet.UDP, packet.ICMP} {
			if err := p.Check(proto, netip.AddrPortFrom(netip.MustParseAddr(s), 443)); err == nil {
				t.Errorf("%v %s is open", proto, s)
				reached++
			}
		}
	}
	// The positive control: what is next to all of these is the internet.
	for _, s := range []string{
		"45.33.31.255", "45.33.33.0", "45.33.40.2", "84.10.20.31", "2a02:8071:1:3::1", "2a02:9:9:a::1", "64:ff9b::8.8.8.8",
		"2a02:8071:64::8.8.8.8", "2a0a:1:2:808:8:800::", "2a0a:1:3::1", "8.8.8.8",
	} {
		if err := p.Check(packet.TCP, netip.AddrPortFrom(netip.MustParseAddr(s), 443)); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	p.SetLearned("endpoint", nil)
	if err := p.Check(packet.TCP, netip.MustParseAddrPort("84.10.20.30:80")); err != nil {
		t.Errorf("what is not the provider's any more stays closed: %v", err)
	}
	t.Logf("adversary: %s | bound: %s | seen: %d", "global addresses on the provider's own networks, alone and embedded",
		"0 open", reached)
}

func TestExceptionsOpenNeighboursButNotTheHost(t *testing.T) {
	p := at(t, home(), Config{Allow: prefixes("45.33.32.0/24", "192.168.0.0/16", "2a02:8071:1:2::20/128", "0.0.0.0/0", "45.33.40.0/22")})
	for s, want := range map[string]bool{
		"45.33.32.157": true, "45.33.32.156": false, "192.168.1.1": true, "192.168.1.10": false, "192.168.7.7": true,
		"2a02:8071:1:2::20": true, "2a02:8071:1:2::21": false, "2a02:8071:1:2::10": false, "45.33.40.1": true,
		"64:ff9b::45.33.32.157": false, "8.8.8.8": true,
	} {
		if err := p.Check(packet.TCP, netip.AddrPortFrom(netip.MustParseAddr(s), 80)); (err == nil) != want {
			t.Errorf("%s: %v, want open %v", s, err, want)
		}
	}
	exact := at(t, home(), Config{Allow: prefixes("45.33.32.156/32", "0.0.0.0/0", "::/0")})
	for s, want := range map[string]bool{
		"45.33.32.156": true, "45.33.32.157": false, "2a02:8071:1:2::20": false, "45.33.40.1": false,
	} {
		if err := exact.Check(packet.TCP, netip.AddrPortFrom(netip.MustParseAddr(s), 80)); (err == nil) != want {
			t.Errorf("%s: %v, want open %v", s, err, want)
		}
	}
}

func TestAdversaryAWidePrefixDoesNotCloseTheInternet(t *testing.T) {
	var h hostNet
	for _, s := range []string{"10.8.0.2/0", "45.33.32.156/1", "100.64.0.9/2", "2a02:8071:1:2::10/3", "2a02:8071:1:2::10/0"} {
		h.address(netip.MustParsePrefix(s))
	}
	h.link(netip.MustParsePrefix("0.0.0.0/1"), netip.Addr{})
	h.link(netip.MustParsePrefix("128.0.0.0/1"), netip.Addr{})
	p := at(t, h, Config{})
	closed := 0
	for _, s := range []string{"8.8.8.8", "1.1.1.1", "200.1.2.3", "46.0.0.1", "2606:4700::1111", "2a03::1"} {
		if err := p.Check(packet.TCP, netip.AddrPortFrom(netip.MustParseAddr(s), 80)); err != nil {
			t.Errorf("%s: %v", s, err)
			closed++
		}
	}
	for _, s := range []string{"45.33.32.156", "45.33.32.157", "2a02:8071:1:2::10", "2a02:8071:1:2::11"} {
		if err := p.Check(packet.TCP, netip.AddrPortFrom(netip.MustParseAddr(s), 80)); err == nil {
			t.Errorf("%s is open", s)
		}
	}
	if len(h.wide) != 7 {
		t.Errorf("%d wide prefixes are known, of which the log should tell: %v", len(h.wide), h.wide)
	}
	t.Logf("adversary: %s | bound: %s | seen: %d", "addresses with masks of 0 to 3 bits, halves of everything on a link",
		"0 public addresses elsewhere closed", closed)
}

func TestWideNetworksAreSaid(t *testing.T) {
	var log strings.Builder
	p, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	p.log = slog.New(slog.NewTextHandler(&log, nil))
	for range 2 {
		p.warnLocked(netip.MustParsePrefix("0.0.0.0/1"), "too wide")
	}
	p.mu.Unlock()
	if got := strings.Count(log.String(), "too wide"); got != 1 {
		t.Errorf("said %d times: %s", got, log.String())
	}
}

func TestLearnedAddressesAreBounded(t *testing.T) {
	p := at(t, hostNet{}, Config{})
	var many []netip.Addr
	for a := netip.MustParseAddr("45.0.0.1"); len(many) < 10_000; a = a.Next() {
		many = append(many, a)
	}
	p.SetLearned("libp2p", append([]netip.Addr{
		{}, netip.MustParseAddr("0.0.0.0"), netip.MustParseAddr("::"), netip.MustParseAddr("ff02::1"), netip.MustParseAddr("fe80::1%eth0"),
	}, many...))
	if got := len(p.sources.learned["libp2p"]); got != learnedMost {
		t.Errorf("%d addresses are kept, want %d", got, learnedMost)
	}
	gen := p.generation.Load()
	p.SetLearned("libp2p", many)
	if p.generation.Load() != gen {
		t.Error("the same addresses again count as a change")
	}
}

// translator answers for ipv4only.arpa with these addresses.
func translator(t *testing.T, rcode int, answers ...string) netip.AddrPort {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetRcode(q, rcode)
		if q.Question[0].Name == TranslatedName && q.Question[0].Qtype == dns.TypeAAAA {
			for _, a := range answers {
				m.Answer = append(m.Answer, &dns.AAAA{
					Hdr:  dns.RR_Header{Name: TranslatedName, Rrtype: dns.TypeAAAA, Class: dns.ClassINET, Ttl: 60},
					AAAA: net.ParseIP(a),
				})
			}
		}
		w.WriteMsg(m)
	})}
	go s.ActivateAndServe()
	t.Cleanup(func() { s.Shutdown() })
	return pc.LocalAddr().(*net.UDPAddr).AddrPort()
}

func TestNAT64PrefixesOfEachLengthAreFound(t *testing.T) {
	for _, want := range prefixes("2a02:8071:64::/96", "2a03:1::/32", "2a04:1:2200::/40", "2a05:1:2::/48", "2a06:1:2:3300::/56", "2a07:1:2:3::/64", "64:ff9b::/96") {
		var answers []string
		for _, a := range translatedAddrs {
			answers = append(answers, translation(want, netip.PrefixFrom(a, 32)).Addr().String())
		}
		got, err := FindNAT64(t.Context(), []netip.AddrPort{translator(t, dns.RcodeSuccess, answers...)})
		if err != nil || !slices.Equal(got, []netip.Prefix{want}) {
			t.Errorf("%v: found %v, %v", want, got, err)
		}
		// What a prefix carries comes out again.
		for _, in := range []string{"8.8.8.8", "255.255.255.255", "1.2.3.4"} {
			a := netip.MustParseAddr(in)
			if out, zero := carried(want, translation(want, netip.PrefixFrom(a, 32)).Addr()); out != a || !zero {
				t.Errorf("%v in %v: %v, %v", a, want, out, zero)
			}
		}
	}
	for name, r := range map[string]netip.AddrPort{
		"no answer": translator(t, dns.RcodeSuccess), "no name": translator(t, dns.RcodeNameError),
		"nonsense": translator(t, dns.RcodeSuccess, "2001:db8::1", "::ffff:192.0.0.170"),
	} {
		if got, err := FindNAT64(t.Context(), []netip.AddrPort{r}); err != nil || len(got) != 0 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if _, err := FindNAT64(t.Context(), []netip.AddrPort{translator(t, dns.RcodeServerFailure)}); err == nil {
		t.Error("a resolver that fails says that there is no prefix")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := FindNAT64(ctx, []netip.AddrPort{translator(t, dns.RcodeSuccess)}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}
