package tunnel

import (
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"byway/tunnel/packet"
	"byway/tunnel/policy"
)

// sightings lets each namespace of the test's network record what comes in for it.
type sightings struct {
	t *testing.T
	n network
}

func (n network) watchArrivals(t *testing.T, port uint16) sightings {
	t.Helper()
	for _, ns := range []string{"p", "i", "l"} {
		cmd := exec.Command("ip", "netns", "exec", n.ns(ns), "nft", "-f", "-")
		cmd.Stdin = strings.NewReader(fmt.Sprintf(`table inet arrivals {
			set seen4 { type inet_proto . ipv4_addr; flags dynamic; size 65535; }
			set seen6 { type inet_proto . ipv6_addr; flags dynamic; size 65535; }
			chain seen {
				add @seen4 { meta l4proto . ip daddr }
				add @seen6 { meta l4proto . ip6 daddr }
			}
			chain inp {
				type filter hook input priority -500;
				meta l4proto { tcp, udp } th dport %d jump seen
				icmp type echo-request jump seen
				icmpv6 type echo-request jump seen
			}
		}`, port))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("nft: %v: %s", err, out)
		}
	}
	return sightings{t, n}
}

// all lists what arrived anywhere, as "protocol address", and forgets it.
func (s sightings) all() map[string]bool {
	s.t.Helper()
	seen := make(map[string]bool)
	for _, ns := range []string{"p", "i", "l"} {
		for _, set := range []string{"seen4", "seen6"} {
			out := run(s.t, "ip", "netns", "exec", s.n.ns(ns), "nft", "list", "set", "inet", "arrivals", set)
			for _, m := range element.FindAllStringSubmatch(out, -1) {
				seen[strings.TrimPrefix(m[1], "ipv6-")+" "+m[2]] = true
			}
			run(s.t, "ip", "netns", "exec", s.n.ns(ns), "nft", "flush", "set", "inet", "arrivals", set)
		}
	}
	return seen
}

// send tries TCP, UDP and an echo request from the consumer's namespace.
func (n network) send(t *testing.T, to netip.AddrPort, wait time.Duration) {
	var wg sync.WaitGroup
	wg.Go(func() {
		if c, err := n.dial(t, "c", "tcp", to, wait); err == nil {
			c.Close()
		}
	})
	wg.Go(func() {
		c, err := n.dial(t, "c", "udp", to, wait)
		if err != nil {
			return
		}
		defer c.Close()
		for range 3 {
			c.Write([]byte("x"))
			time.Sleep(20 * time.Millisecond)
		}
	})
	wg.Go(func() {
		_ = exec.Command("ip", "netns", "exec", n.ns("c"), "ping", "-c2", "-i0.2", "-W1", to.Addr().String()).Run()
	})
	wg.Wait()
}

// reaches lists which of the three arrive at an address. What should arrive is tried for half a minute.
func (n network) reaches(t *testing.T, s sightings, to netip.AddrPort, want bool) []string {
	t.Helper()
	var got []string
	for end := time.Now().Add(30 * time.Second); ; {
		n.send(t, to, time.Second)
		for key := range s.all() {
			if proto, addr, _ := strings.Cut(key, " "); netip.MustParseAddr(addr) == to.Addr() && !strings.Contains(strings.Join(got, " "), proto) {
				got = append(got, proto)
			}
		}
		if !want || len(got) == 3 || time.Now().After(end) {
			return got
		}
	}
}

// neighbourhood gives the provider the network of a home with global addresses: a NAS in a /64, a neighbour on its public
// link, a router with a public address of its own, and a network that translates IPv4. It returns the resolver.
func (n network) neighbourhood(t *testing.T) netip.AddrPort {
	t.Helper()
	for _, line := range []string{
		"p addr add 2a00:77::1/64 dev lan nodad", "l addr add 2a00:77::20/64 dev wan nodad",
		"l route add default via 2a00:77::1", "i addr add 5.5.5.9/24 dev provider", "i addr add 84.10.20.30/32 dev lo",
		"i -6 route add local 2a00:64::/96 dev lo", "i addr add 46.6.6.9/32 dev lo", "i addr add 2a00:46::9/128 dev lo nodad",
	} {
		f := strings.Fields(line)
		run(t, append([]string{"ip", "-n", n.ns(f[0])}, f[1:]...)...)
	}
	server := netip.AddrPortFrom(host4, 53)
	var pc net.PacketConn
	var err error
	n.in(t, "i", func() { pc, err = net.ListenPacket("udp", server.String()) })
	if err != nil {
		t.Fatal(err)
	}
	s := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Name == "ipv4only.arpa." && q.Question[0].Qtype == dns.TypeAAAA {
			m.Answer = append(m.Answer, &dns.AAAA{
				Hdr:  dns.RR_Header{Name: "ipv4only.arpa.", Rrtype: dns.TypeAAAA, Class: dns.ClassINET, Ttl: 60},
				AAAA: net.ParseIP("2a00:64::c000:aa"),
			})
		}
		w.WriteMsg(m)
	})}
	go s.ActivateAndServe()
	t.Cleanup(func() { s.Shutdown() })
	return server
}

func TestNetAdversaryNeighboursWithGlobalAddressesAreNotReached(t *testing.T) {
	inNetwork(t, func(t *testing.T, n network) {
		resolver := n.neighbourhood(t)
		echo := n.listen(t, "i", netip.AddrPortFrom(netip.IPv6Unspecified(), 0), func(c net.Conn) { io.Copy(c, c) })
		s := n.watchArrivals(t, echo.Port())
		for _, mode := range []Mode{Userspace, Privileged} {
			t.Run(string(mode), func(t *testing.T) {
				policy, err := policy.New(policy.Config{})
				if err != nil {
					t.Fatal(err)
				}
				e := n.exit(t, ExitConfig{Mode: mode, Policy: policy, DNS: []netip.AddrPort{resolver}})
				defer e.Close()
				u := n.join(t, e, math.MaxUint64)
				defer u.leave()
				becomes(t, "the prefix of NAT64 is known", func() bool {
					return policy.Check(packet.TCP, netip.MustParseAddrPort("[2a00:64::a00:1]:80")) != nil
				})
				at := func(a string) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(a), echo.Port()) }
				// The positive control, and before it is learned, that the router's public address is reached at all.
				for _, a := range []string{"8.8.8.8", "2a00:8::8", "2a00:64::808:808", "84.10.20.30", "46.6.6.9", "2a00:46::9"} {
					if got := n.reaches(t, s, at(a), true); len(got) != 3 {
						t.Errorf("%s is remote, and only %v arrive", a, got)
					}
				}
				policy.SetLearned("endpoints", []netip.Addr{netip.MustParseAddr("84.10.20.30")})
				tried, reached := 0, 0
				closed := func(name, a string) {
					tried++
					if got := n.reaches(t, s, at(a), false); len(got) > 0 {
						t.Errorf("%s (%s): %v arrive", name, a, got)
						reached++
					}
				}
				for _, x := range [][2]string{
					{"own address, IPv6", provider6.String()}, {"own address on the lan, IPv6", "2a00:77::1"},
					{"own address on the lan", lanHere.String()}, {"NAS in the /64", "2a00:77::20"}, {"host of the lan", lanHost.String()},
					{"neighbour on the public link", "5.5.5.9"}, {"gateway", gate4.String()}, {"gateway, IPv6", gate6.String()},
					{"router's public address", "84.10.20.30"}, {"NAT64 of a private address", "2a00:64::a00:1"},
					{"NAT64 of the provider", "2a00:64::505:502"}, {"NAT64 of a neighbour", "2a00:64::505:509"},
					{"NAT64 of the router", "2a00:64::540a:141e"},
				} {
					closed(x[0], x[1])
				}

				// The host gets another address: its network is closed within a second, and open when it has gone.
				var worst time.Duration
				for _, x := range [][3]string{{"46.6.6.2/24", "46.6.6.9", "46.6.6.2"}, {"2a00:46::2/64", "2a00:46::9", "2a00:46::2"}} {
					args := []string{"ip", "addr", "add", x[0], "dev", "wan"}
					if strings.Contains(x[0], ":") {
						args = append(args, "nodad")
					}
					run(t, args...)
					worst = max(worst, becomes(t, x[0]+" is followed", func() bool { return policy.Check(packet.TCP, at(x[1])) != nil }))
					closed("neighbour by a new address", x[1])
					closed("the new address", x[2])
					run(t, "ip", "addr", "del", x[0], "dev", "wan")
					worst = max(worst, becomes(t, x[0]+" is forgotten", func() bool { return policy.Check(packet.TCP, at(x[1])) == nil }))
					if got := n.reaches(t, s, at(x[1]), true); len(got) != 3 {
						t.Errorf("%s is remote again, and only %v arrive", x[1], got)
					}
				}
				t.Logf("adversary: %s | bound: %s | seen: %d of %d reached, a change followed after %v at most",
					"global addresses of the provider's own network, "+string(mode), "0 reached by TCP, UDP or ICMP; changes within a second",
					reached, tried, worst.Round(time.Millisecond))
			})
		}
	})
}

func TestNetExceptionsOpenANeighbourInBothModes(t *testing.T) {
	inNetwork(t, func(t *testing.T, n network) {
		resolver := n.neighbourhood(t)
		echo := n.listen(t, "l", netip.AddrPortFrom(netip.IPv6Unspecified(), 0), func(c net.Conn) { io.Copy(c, c) })
		s := n.watchArrivals(t, echo.Port())
		for _, mode := range []Mode{Userspace, Privileged} {
			policy, err := policy.New(policy.Config{Allow: []netip.Prefix{netip.MustParsePrefix("192.168.77.0/24"), netip.MustParsePrefix("2a00:77::20/128")}})
			if err != nil {
				t.Fatal(err)
			}
			e := n.exit(t, ExitConfig{Mode: mode, Policy: policy, DNS: []netip.AddrPort{resolver}})
			u := n.join(t, e, math.MaxUint64)
			for a, want := range map[string]int{
				lanHost.String(): 3, "2a00:77::20": 3, lanHere.String(): 0, "2a00:77::1": 0, gate4.String(): 0,
			} {
				if got := n.reaches(t, s, netip.AddrPortFrom(netip.MustParseAddr(a), echo.Port()), want > 0); len(got) != want {
					t.Errorf("%s, %s: %v arrive, want %d", mode, a, got, want)
				}
			}
			u.leave()
			e.Close()
		}
	})
}
