package tunnel

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/tun"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"byway/tunnel/meter"
	"byway/tunnel/policy"
	"byway/tunnel/underlay"
	"byway/tunnel/wireguard"
)

// Tests named TestNet… run a provider in a network namespace of its own, among others that are made for the test:
//
//	consumer ── internet ── provider ── lan
//
// Each starts itself once more within the provider's namespace, where an Exit may change what it likes. They need root
// and some tools. BYWAY_NET_TEST=1 makes the long ones as long as their names promise.
const (
	netEnv  = "BYWAY_TEST_NETNS"
	longEnv = "BYWAY_NET_TEST"
)

// Addresses of the test's network. They are public ones, so that the policy opens them; nothing leaves the machine.
var (
	gate4, provider4 = netip.MustParseAddr("5.5.5.1"), netip.MustParseAddr("5.5.5.2")
	gate6, provider6 = netip.MustParseAddr("2a00:5::1"), netip.MustParseAddr("2a00:5::2")
	router4, user4   = netip.MustParseAddr("7.7.7.1"), netip.MustParseAddr("7.7.7.2")
	host4, host6     = netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("2a00:8::8")
	lanHere, lanHost = netip.MustParseAddr("192.168.77.1"), netip.MustParseAddr("192.168.77.2")
)

func long() bool { return os.Getenv(longEnv) == "1" }

// network is the test's network, seen from the provider.
type network struct{ prefix string }

func (n network) ns(name string) string { return n.prefix + name }

// networks counts them, for their names.
var networks atomic.Int64

// inNetwork runs f in the provider's namespace of a fresh network, beside others.
func inNetwork(t *testing.T, f func(t *testing.T, n network)) {
	if os.Getenv(netEnv) == "" {
		t.Parallel()
	}
	inQuietNetwork(t, f)
}

// inQuietNetwork is inNetwork for what measures how much passes: no other test of the package runs meanwhile.
func inQuietNetwork(t *testing.T, f func(t *testing.T, n network)) {
	if prefix := os.Getenv(netEnv); prefix != "" {
		f(t, network{prefix})
		return
	}
	if os.Getuid() != 0 {
		t.Skip("needs root, for network namespaces")
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs the program %s (packages iproute2 and nftables)", tool)
		}
	}
	n := network{fmt.Sprintf("bw%d-%d", os.Getpid(), networks.Add(1))}
	n.make(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	args := []string{"netns", "exec", n.ns("p"), os.Args[0], "-test.run", "^" + t.Name() + "$", "-test.v", "-test.timeout", "10m"}
	cmd := exec.CommandContext(ctx, "ip", args...)
	cmd.Env = append(os.Environ(), netEnv+"="+n.prefix)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if strings.Contains(out.String(), "--- SKIP") {
		t.Skip(out.String())
	}
	t.Log(out.String())
	if err != nil {
		t.Fatalf("in the provider's namespace: %v", err)
	}
}

// run runs a program and returns what it says.
func run(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (n network) make(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		for _, name := range []string{"c", "i", "p", "l"} {
			_ = exec.Command("ip", "netns", "del", n.ns(name)).Run()
		}
	})
	for _, name := range []string{"c", "i", "p", "l"} {
		run(t, "ip", "netns", "add", n.ns(name))
	}
	link := func(a, aDev, b, bDev string) {
		run(t, "ip", "-n", n.ns(a), "link", "add", aDev, "type", "veth", "peer", "name", bDev, "netns", n.ns(b))
	}
	// No link-local addresses: they would come up in the middle of a test.
	for _, name := range []string{"c", "i", "p", "l"} {
		run(t, "ip", "netns", "exec", n.ns(name), "sysctl", "-qw", "net.ipv6.conf.default.addr_gen_mode=1")
	}
	link("c", "wan", "i", "users")
	link("i", "provider", "p", "wan")
	link("p", "lan", "l", "wan")
	addr := func(ns, dev, a string) {
		args := []string{"ip", "-n", n.ns(ns), "addr", "add", a, "dev", dev}
		if strings.Contains(a, ":") {
			args = append(args, "nodad")
		}
		run(t, args...)
	}
	for _, name := range []string{"c", "i", "p", "l"} {
		run(t, "ip", "-n", n.ns(name), "link", "set", "lo", "up")
	}
	for _, x := range [][3]string{
		{"c", "wan", user4.String() + "/24"}, {"i", "users", router4.String() + "/24"},
		{"i", "provider", gate4.String() + "/24"}, {"i", "provider", gate6.String() + "/64"},
		{"p", "wan", provider4.String() + "/24"}, {"p", "wan", provider6.String() + "/64"},
		{"p", "lan", lanHere.String() + "/24"}, {"l", "wan", lanHost.String() + "/24"},
		{"i", "lo", host4.String() + "/32"}, {"i", "lo", host6.String() + "/128"},
	} {
		addr(x[0], x[1], x[2])
	}
	for _, x := range [][2]string{{"c", "wan"}, {"i", "users"}, {"i", "provider"}, {"p", "wan"}, {"p", "lan"}, {"l", "wan"}} {
		run(t, "ip", "-n", n.ns(x[0]), "link", "set", x[1], "up")
	}
	run(t, "ip", "-n", n.ns("c"), "route", "add", "default", "via", router4.String())
	run(t, "ip", "-n", n.ns("p"), "route", "add", "default", "via", gate4.String())
	run(t, "ip", "-n", n.ns("p"), "route", "add", "default", "via", gate6.String())
	run(t, "ip", "-n", n.ns("l"), "route", "add", "default", "via", lanHere.String())
	run(t, "ip", "netns", "exec", n.ns("i"), "sysctl", "-qw", "net.ipv4.ip_forward=1")
}

// in runs f on a thread of another namespace: sockets that it opens belong there.
func (n network) in(t testing.TB, name string, f func()) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		done <- func() error {
			runtime.LockOSThread()
			here, err := os.Open("/proc/thread-self/ns/net")
			if err != nil {
				return err
			}
			defer here.Close()
			there, err := os.Open("/var/run/netns/" + n.ns(name))
			if err != nil {
				return err
			}
			defer there.Close()
			if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
				return err
			}
			f()
			// A thread that can't go back must not be used again: it ends with its goroutine, being locked.
			if err := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); err == nil {
				runtime.UnlockOSThread()
			}
			return nil
		}()
	}()
	if err := <-done; err != nil {
		t.Fatalf("namespace %s: %v", name, err)
	}
}

// exit starts an exit on the provider's public address.
func (n network) exit(t testing.TB, cfg ExitConfig) *Exit {
	t.Helper()
	e, err := n.tryExit(t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("close exit: %v", err)
		}
	})
	return e
}

// tryExit is exit for who may be refused, and closes what was opened.
func (n network) tryExit(t testing.TB, cfg ExitConfig) (*Exit, error) {
	t.Helper()
	if cfg.Policy == nil {
		p, err := policy.New(policy.Config{})
		if err != nil {
			t.Fatal(err)
		}
		cfg.Policy = p
	}
	cfg.Listen = netip.AddrPortFrom(provider4, 0)
	return NewExit(cfg)
}

// user is a consumer with a kernel TUN in the consumer's namespace, through which everything goes.
type user struct {
	session *Session
	acct    *meter.Account
	porter  *meter.Porter
	name    string
	leave   func() // takes the interface away
}

// still is a device whose interface never goes down, as far as the engine knows.
type still struct {
	tun.Device
	events chan tun.Event
}

func (s still) Events() <-chan tun.Event { return s.events }

// join adds a session and connects the consumer's namespace to it, as [DialTUN] would.
func (n network) join(t testing.TB, e *Exit, limit uint64) user {
	t.Helper()
	return n.joinBy(t, e, limit, func(_ tun.Device, p *meter.Porter) tun.Device { return p })
}

// joinBy has a measurement choose what stands before the interface.
func (n network) joinBy(t testing.TB, e *Exit, limit uint64, before func(bare tun.Device, p *meter.Porter) tun.Device) user {
	t.Helper()
	private, err := wireguard.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	s, err := e.Add(Peer{PublicKey: private.Public(), Limit: limit})
	if err != nil {
		t.Fatal(err)
	}
	u := user{session: s, acct: meter.NewAccount(meter.NewGate(math.MaxUint64))}
	v4, v6 := s.Addrs()
	var eng wireguard.Engine
	n.in(t, "c", func() {
		var dev tun.Device
		if dev, err = tun.CreateTUN("user%d", e.MTU()); err != nil {
			return
		}
		u.name, _ = dev.Name()
		events := make(chan tun.Event)
		go func() {
			defer close(events)
			for range dev.Events() {
			}
		}()
		bare := still{dev, events}
		u.porter = meter.NewPorter(bare, []netip.Addr{v4, v6}, u.acct, false)
		eng, err = wireguard.New(wireguard.Upstream, wireguard.Config{
			Private: private, Device: before(bare, u.porter), Underlay: underlay.NewSockets(netip.Addr{}, 0), Log: e.log,
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	u.leave = sync.OnceFunc(eng.Close)
	t.Cleanup(u.leave)
	err = eng.AddPeer(wireguard.Peer{
		Public: e.PublicKey(), Endpoint: netip.AddrPortFrom(provider4, e.Port()), Keepalive: keepalive,
		AllowedIPs: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")},
	})
	if err != nil {
		t.Fatal(err)
	}
	ip := func(args ...string) { run(t, append([]string{"ip", "-n", n.ns("c")}, args...)...) }
	ip("addr", "add", v4.String()+"/32", "dev", u.name)
	ip("addr", "add", v6.String()+"/128", "dev", u.name, "nodad")
	ip("link", "set", u.name, "up")
	ip("route", "replace", provider4.String(), "via", router4.String())
	ip("route", "replace", "0.0.0.0/1", "dev", u.name)
	ip("route", "replace", "128.0.0.0/1", "dev", u.name)
	ip("-6", "route", "replace", "default", "dev", u.name)
	end := time.Now().Add(30 * time.Second)
	for {
		at, err := eng.Handshake(e.PublicKey())
		if err == nil && !at.IsZero() {
			return u
		}
		if time.Now().After(end) {
			t.Fatal("no handshake")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// listen opens a listener in a namespace and serves each connection.
func (n network) listen(t testing.TB, ns string, at netip.AddrPort, serve func(net.Conn)) netip.AddrPort {
	t.Helper()
	var l net.Listener
	var err error
	n.in(t, ns, func() { l, err = net.Listen("tcp", at.String()) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// listenUDP answers each datagram with itself.
func (n network) listenUDP(t testing.TB, ns string, at netip.AddrPort) netip.AddrPort {
	t.Helper()
	var c net.PacketConn
	var err error
	n.in(t, ns, func() { c, err = net.ListenPacket("udp", at.String()) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				if errors.Is(err, net.ErrClosed) {
					return
				}
				continue
			}
			c.WriteTo(buf[:n], from)
		}
	}()
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// dial connects from a namespace.
func (n network) dial(t testing.TB, ns, proto string, to netip.AddrPort, wait time.Duration) (net.Conn, error) {
	t.Helper()
	var c net.Conn
	var err error
	n.in(t, ns, func() { c, err = net.DialTimeout(proto, to.String(), wait) })
	return c, err
}

// echoes sends data through a connection that answers with it.
func echoes(c net.Conn, data []byte) error {
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Write(data); err != nil {
		return err
	}
	got := make([]byte, len(data))
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	if !bytes.Equal(got, data) {
		return errors.New("something else came back")
	}
	return nil
}

// linkNamed finds a link of the provider's namespace.
func linkNamed(t testing.TB, name string) netlink.Link {
	t.Helper()
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// client connects a userspace consumer to a session of its own.
func (n network) client(t testing.TB, e *Exit, limit uint64) pair {
	t.Helper()
	private, err := wireguard.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	s, err := e.Add(Peer{PublicKey: private.Public(), Limit: limit})
	if err != nil {
		t.Fatal(err)
	}
	v4, v6 := s.Addrs()
	c, err := Dial(ClientConfig{
		Private: private, Peer: e.PublicKey(), Endpoint: netip.AddrPortFrom(provider4, e.Port()),
		Addrs: []netip.Addr{v4, v6}, DNS: e.DNS(), MTU: e.MTU(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.Handshake(ctx); err != nil {
		t.Fatal(err)
	}
	return pair{exit: e, session: s, client: c}
}

// summed fills in the checksums of a packet, without which the kernel tracks no connection.
func summed(pkt []byte) []byte {
	var body []byte
	var src, dst netip.Addr
	proto := pkt[6]
	if pkt[0]>>4 == 4 {
		binary.BigEndian.PutUint16(pkt[10:], ^checksum.Checksum(pkt[:20], 0))
		body, proto = pkt[20:], pkt[9]
		src, dst = netip.AddrFrom4([4]byte(pkt[12:])), netip.AddrFrom4([4]byte(pkt[16:]))
	} else {
		body = pkt[40:]
		src, dst = netip.AddrFrom16([16]byte(pkt[8:])), netip.AddrFrom16([16]byte(pkt[24:]))
	}
	at := map[byte]int{1: 2, 58: 2, 6: 16, 17: 6}[proto]
	var sum uint16
	if proto != 1 {
		sum = header.PseudoHeaderChecksum(tcpip.TransportProtocolNumber(proto),
			tcpip.AddrFromSlice(src.AsSlice()), tcpip.AddrFromSlice(dst.AsSlice()), uint16(len(body)))
	}
	binary.BigEndian.PutUint16(body[at:], 0)
	binary.BigEndian.PutUint16(body[at:], ^checksum.Checksum(body, sum))
	return pkt
}

// reached lets nftables record what packets of exits get to: the host itself, and whatever it forwards to.
type reached struct{ t *testing.T }

func watchReached(t *testing.T) reached {
	t.Helper()
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(`table inet probe {
		set seen4 { type inet_proto . ipv4_addr; flags dynamic; size 65535; }
		set seen6 { type inet_proto . ipv6_addr; flags dynamic; size 65535; }
		set ports { type inet_service; flags dynamic; size 65535; }
		chain seen {
			add @seen4 { meta l4proto . ip daddr }
			add @seen6 { meta l4proto . ip6 daddr }
			meta l4proto { tcp, udp } add @ports { th dport }
		}
		chain post { type filter hook postrouting priority 300; iifname "bwexit*" jump seen; }
		chain inp { type filter hook input priority 300; iifname "bwexit*" jump seen; }
	}`)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v: %s", err, out)
	}
	return reached{t}
}

var element = regexp.MustCompile(`(tcp|udp|icmp|ipv6-icmp) \. ([0-9a-f.:]+)`)

// seen lists what was reached, as "protocol address".
func (r reached) seen() map[string]bool {
	r.t.Helper()
	seen := make(map[string]bool)
	for _, set := range []string{"seen4", "seen6"} {
		for _, m := range element.FindAllStringSubmatch(run(r.t, "nft", "list", "set", "inet", "probe", set), -1) {
			seen[strings.TrimPrefix(m[1], "ipv6-")+" "+m[2]] = true
		}
	}
	return seen
}

func (r reached) port(n uint16) bool {
	return regexp.MustCompile(fmt.Sprintf(`\b%d\b`, n)).MatchString(
		strings.SplitN(run(r.t, "nft", "-n", "list", "set", "inet", "probe", "ports")+"elements", "elements", 2)[1])
}
