package policy

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"byway/tunnel/packet"
)

func mustPolicy(t testing.TB, cfg Config) *Policy {
	t.Helper()
	if cfg.Own == nil {
		cfg.Own = []netip.Addr{netip.MustParseAddr("198.41.0.4"), netip.MustParseAddr("2606:4700::53")}
	}
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPolicyDeniesEverythingThatIsNotTheInternet(t *testing.T) {
	p := mustPolicy(t, Config{})
	denied := []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.0", "10.0.0.1", "10.255.255.255", "100.64.0.0", "100.100.100.200",
		"100.127.255.255", "127.0.0.0", "127.0.0.1", "127.0.0.53", "127.255.255.254", "168.63.129.16", "169.254.0.1",
		"169.254.169.254", "169.254.170.2", "172.16.0.0", "172.16.0.1", "172.20.1.1", "172.31.255.255", "192.0.0.1",
		"192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1", "192.168.1.1", "192.168.255.255", "198.18.0.1",
		"198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1", "224.0.0.251", "239.255.255.250", "240.0.0.1",
		"255.255.255.254", "255.255.255.255", "198.41.0.4",
		"::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:192.168.1.1",
		"::ffff:100.64.0.1", "::ffff:198.41.0.4", "::127.0.0.1", "::10.0.0.1", "::ffff:0:10.0.0.1",
		"64:ff9b::10.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b::192.168.1.1",
		"64:ff9b::198.41.0.4", "64:ff9b:1::1", "64:ff9b:1::8.8.8.8", "64:ff9b:1:ffff::10.0.0.1", "100::1",
		"2001::1", "2001:0:808:808::f5ff:fffe", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1",
		"2001:db8:ffff::1", "2002:a00:1::1", "2002:7f00:1::1", "2002:c0a8:101::1", "2002:a9fe:a9fe::1",
		"2002:6440:1::1", "2002:e000:1::1", "2002:c629:4::1", "2400:cb00::5efe:10.0.0.1", "2400:cb00::200:5efe:c0a8:101",
		"3fff::1", "4000::1", "5f00::1", "8000::1", "fc00::1", "fd00::1", "fd00:ec2::254", "fd62:7977:6179::1",
		"fe80::1", "fe80::1%eth0", "febf::1", "fec0::1", "ff02::1", "ff05::2", "ff0e::1", "2606:4700::53",
	}
	for _, s := range denied {
		for _, proto := range []packet.Proto{packet.TCP, packet.UDP, packet.ICMP} {
			dst := netip.AddrPortFrom(netip.MustParseAddr(s), 443)
			var de *DeniedError
			if err := p.Check(proto, dst); !errors.As(err, &de) || de.Reason == "" || de.Dst != dst {
				t.Errorf("%v %s: %v, want it denied with a reason", proto, s, err)
			}
		}
	}
	allowed := []string{
		"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
		"128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.1", "192.167.255.255",
		"192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
		"2002:808:808::1", "2606:4700:4700::1111", "2a00:1450:4001::200e", "2400:cb00::5efe:8.8.8.8", "3ffe::1",
	}
	for _, s := range allowed {
		if err := p.Check(packet.TCP, netip.AddrPortFrom(netip.MustParseAddr(s), 443)); err != nil {
			t.Errorf("%s: %v, want it allowed", s, err)
		}
	}
	if err := p.Check(packet.TCP, netip.AddrPort{}); err == nil {
		t.Error("no address at all is allowed")
	}
}

func TestPolicyDeniesMailPortByDefaultOnly(t *testing.T) {
	dst := netip.MustParseAddrPort("8.8.8.8:25")
	if err := mustPolicy(t, Config{}).Check(packet.TCP, dst); err == nil {
		t.Error("port 25 is open by default")
	}
	if err := mustPolicy(t, Config{DenyPorts: []uint16{}}).Check(packet.TCP, dst); err != nil {
		t.Errorf("port 25 with no closed ports: %v", err)
	}
	p := mustPolicy(t, Config{DenyPorts: []uint16{6881}, Allow: []netip.Prefix{netip.MustParsePrefix("8.8.8.8/32")}})
	if err := p.Check(packet.UDP, netip.MustParseAddrPort("8.8.8.8:6881")); err == nil {
		t.Error("an excepted address opens a closed port")
	}
}

func TestPolicyExceptionsOpenExactlyWhatTheyName(t *testing.T) {
	pfx := netip.MustParsePrefix
	p := mustPolicy(t, Config{
		Allow: []netip.Prefix{pfx("127.0.0.1/32"), pfx("10.1.0.0/16"), pfx("0.0.0.0/0"), pfx("8.8.4.0/24")},
		Deny:  []netip.Prefix{pfx("10.1.2.0/24"), pfx("8.8.8.0/24"), pfx("8.8.4.0/24")},
		Own:   []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.1.0.9"), netip.MustParseAddr("9.9.9.9")},
	})
	for s, want := range map[string]bool{
		"127.0.0.1": true, "::ffff:127.0.0.1": true, "127.0.0.2": false, "64:ff9b::127.0.0.1": false,
		"2002:7f00:1::1": false, "10.1.0.1": true, "10.1.2.1": false, "10.2.0.1": false, "10.1.0.9": false,
		"192.168.0.1": false, "8.8.8.8": false, "8.8.4.4": false, "9.9.9.9": false, "1.1.1.1": true,
	} {
		err := p.Check(packet.TCP, netip.AddrPortFrom(netip.MustParseAddr(s), 80))
		if (err == nil) != want {
			t.Errorf("%s: %v, want allowed %v", s, err, want)
		}
	}
	if len(p.Allowed()) != 3 || len(p.Denied()) < 30 || len(p.DeniedPorts()) != 1 {
		t.Errorf("published: %v, %v, %v", p.Allowed(), p.Denied(), p.DeniedPorts())
	}
}

func TestAlwaysDeniedIsWhatAnEmptyPolicyDenies(t *testing.T) {
	p, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if always, denied := AlwaysDenied(), p.Denied(); !slices.Equal(always, denied) {
		t.Errorf("always %v, an empty policy %v", always, denied)
	}
}
