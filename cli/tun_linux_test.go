package cli

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/miekg/dns"
	"github.com/vishvananda/netns"
)

// machines are the namespaces of a test, each a machine:
//
//	consumer ── 198.51.100.0/24, 2001:db8:1::/64 ── provider ── 203.0.113.0/24, 2001:db8:2::/64 ── internet
//
// The provider's also has the devnet. The internet's has a name server and a web page that says who asks.
type machines struct {
	program
	consumer, provider, internet string
	cgroups                      string // a folder to mount them at
	state                        string // and one for what of a machine is to be restored
}

const (
	consumerHost = "198.51.100.2"
	providerHost = "198.51.100.1"
	web4, web6   = "203.0.113.80", "2001:db8:2::80"
)

func newMachines(t *testing.T) *machines {
	t.Helper()
	if os.Getenv("BYWAY_NET_TEST") != "1" {
		t.Skip("one of the long tests in network namespaces: make test-net")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root: network namespaces")
	}
	for _, tool := range []string{"ip", "nft", "curl", "dig", "ping", "sysctl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s", tool)
		}
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skip("needs /dev/net/tun")
	}
	id := fmt.Sprintf("bywaycli%d", os.Getpid())
	m := &machines{program: build(t), consumer: id + "c", provider: id + "p", internet: id + "i", cgroups: t.TempDir(), state: t.TempDir()}
	all := []string{m.consumer, m.provider, m.internet}
	etc := filepath.Join("/etc/netns", m.consumer)
	t.Cleanup(func() {
		for _, ns := range all {
			exec.Command("ip", "netns", "del", ns).Run() // it is there, unless the test failed early
		}
		os.RemoveAll(etc)
	})
	if err := os.MkdirAll(etc, 0o755); err != nil {
		t.Fatal(err)
	}
	resolv := "# the machine's own\nnameserver " + web4 + "\noptions timeout:2 attempts:2\n"
	if err := os.WriteFile(filepath.Join(etc, "resolv.conf"), []byte(resolv), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, ns := range all {
		if out, err := exec.Command("ip", "netns", "add", ns).CombinedOutput(); err != nil {
			t.Skipf("needs network namespaces: %s", out)
		}
		m.in(ns, "sh", "-ec", "ip link set lo up; sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv4.ip_forward=1 "+
			"net.ipv6.conf.all.forwarding=1")
	}
	m.in(m.provider, "sh", "-ec", `
		ip link add c0 type veth peer name eth0 netns `+m.consumer+`
		ip link add i0 type veth peer name eth0 netns `+m.internet+`
		ip addr add `+providerHost+`/24 dev c0
		ip addr add 2001:db8:1::1/64 dev c0 nodad
		ip addr add 203.0.113.1/24 dev i0
		ip addr add 2001:db8:2::1/64 dev i0 nodad
		ip link set c0 up
		ip link set i0 up`)
	m.in(m.consumer, "sh", "-ec", `
		ip addr add `+consumerHost+`/24 dev eth0
		ip addr add 2001:db8:1::2/64 dev eth0 nodad
		ip link set eth0 up
		ip route add default via `+providerHost+`
		ip -6 route add default via 2001:db8:1::1
		nft add table inet mine
		nft add chain inet mine out '{ type filter hook output priority 0; policy accept; }'
		nft add rule inet mine out ip daddr 192.0.2.99 drop`)
	m.in(m.internet, "sh", "-ec", `
		ip addr add `+web4+`/24 dev eth0
		ip addr add `+web6+`/64 dev eth0 nodad
		ip link set eth0 up
		ip route add default via 203.0.113.1
		ip -6 route add default via 2001:db8:2::1`)
	m.serveInternet()
	return m
}

// inside runs a function in a namespace; sockets that it opens stay there.
func (m *machines) inside(ns string, do func()) {
	m.t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, and is nobody else's
		h, err := netns.GetFromName(ns)
		if err == nil {
			err = netns.Set(h)
			h.Close()
		}
		if err == nil {
			do()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		m.t.Fatalf("enter %s: %v", ns, err)
	}
}

// serveInternet answers web.example, A and AAAA, and tells whoever asks over HTTP their address.
func (m *machines) serveInternet() {
	m.inside(m.internet, func() {
		for _, host := range []string{web4, web6} {
			l, err := net.Listen("tcp", net.JoinHostPort(host, "80"))
			if err != nil {
				m.t.Error(err)
				return
			}
			s := &httptest.Server{Listener: l, Config: &http.Server{
				Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					host, _, _ := net.SplitHostPort(r.RemoteAddr) // which the server itself wrote
					fmt.Fprint(w, host)
				}),
			}}
			s.Start()
			m.t.Cleanup(s.Close)
		}
		questions, err := net.ListenPacket("udp4", net.JoinHostPort(web4, "53"))
		if err != nil {
			m.t.Error(err)
			return
		}
		m.t.Cleanup(func() { questions.Close() })
		server := &dns.Server{PacketConn: questions, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
			reply := new(dns.Msg)
			reply.SetReply(q)
			for _, question := range q.Question {
				head := dns.RR_Header{Name: question.Name, Rrtype: question.Qtype, Class: dns.ClassINET, Ttl: 60}
				switch {
				case question.Name != "web.example.":
					reply.Rcode = dns.RcodeNameError
				case question.Qtype == dns.TypeA:
					reply.Answer = append(reply.Answer, &dns.A{Hdr: head, A: net.ParseIP(web4)})
				case question.Qtype == dns.TypeAAAA:
					reply.Answer = append(reply.Answer, &dns.AAAA{Hdr: head, AAAA: net.ParseIP(web6)})
				}
			}
			w.WriteMsg(reply)
		})}
		go server.ActivateAndServe() // until its socket is closed
	})
	if m.t.Failed() {
		m.t.FailNow()
	}
}

// in runs a command in a namespace, which must succeed.
func (m *machines) in(ns string, args ...string) string {
	m.t.Helper()
	out, err := m.try(ns, args...)
	if err != nil {
		m.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (m *machines) try(ns string, args ...string) (string, error) {
	out, err := exec.CommandContext(m.t.Context(), "ip", m.within(ns, args...)...).CombinedOutput()
	return string(out), err
}

// within are the arguments that have ip run a command in a namespace. Its fresh /sys hides where control groups are
// mounted, so that they are mounted elsewhere. What the host itself has to restore is not this machine's.
func (m *machines) within(ns string, args ...string) []string {
	const run = `mount -t cgroup2 none "$0" 2>/dev/null
		mkdir -p /var/lib/byway && mount --bind "$1" /var/lib/byway || exit
		shift; exec "$@"`
	return append([]string{"netns", "exec", ns, "sh", "-c", run, m.cgroups, m.state}, args...)
}

// up starts a process of the program in a namespace.
func (m *machines) up(ns string, args ...string) *process {
	m.t.Helper()
	return program{m.t, "ip"}.startWith(nil, m.within(ns, append([]string{m.path}, args...)...)...)
}

// network lists everything that a session changes of the consumer's machine.
func (m *machines) network() string {
	m.t.Helper()
	var b bytes.Buffer
	for _, cmd := range []string{
		"ip rule", "ip -6 rule", "ip route show table all", "ip -6 route show table all", "nft list ruleset",
		"ip -br link", "cat /etc/resolv.conf",
	} {
		fmt.Fprintf(&b, "# %s\n%s", cmd, m.in(m.consumer, strings.Fields(cmd)...))
	}
	return b.String()
}

// settledNetwork is the network once its own addresses are there: IPv6 looks for a while whether anybody else has one.
func (m *machines) settledNetwork() string {
	m.t.Helper()
	waitFor(m.t, "the addresses of the link are there", func() bool {
		return !strings.Contains(m.in(m.consumer, "ip", "-6", "addr"), "tentative") &&
			strings.Contains(m.in(m.consumer, "ip", "-6", "route", "show", "table", "all"), "local fe80:")
	})
	return m.network()
}

// reached asks the web page, over a family, who asks; "" where nobody answers.
func (m *machines) reached(by []string, family string) string {
	m.t.Helper()
	out, err := m.try(m.consumer, append(by, "curl", "-s", family, "--max-time", "10", "http://web.example/")...)
	if err != nil {
		return ""
	}
	return out
}

// TestNetWholeMachineGoesThroughASessionOfTheBinary walks what the README says of connect --tun, as root, with the whole
// market beside it.
func TestNetWholeMachineGoesThroughASessionOfTheBinary(t *testing.T) {
	m := newMachines(t)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(at("pw"), []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	network := []string{"--network", at("net.toml")}
	devnet := m.up(m.provider, "devnet", "up", "--listen", providerHost+":0", "--ipfs-port", "0", "--write", at("net.toml"))
	devnet.says(t, "Devnet is up")
	targets, err := os.OpenFile(at("net.toml"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(targets, "[probe]\necho = [\"http://%s/\"]\n[probe.names]\n\"web.example\" = [\"%[1]s\", \"%s\"]\n", web4, web6)
	if err := targets.Close(); err != nil {
		t.Fatal(err)
	}
	seller := append([]string{"--home", at("seller"), "--password-file", at("pw")}, network...)
	buyer := append([]string{"--home", at("buyer"), "--password-file", at("pw")}, network...)
	byway := func(ns string, args ...string) string { return m.in(ns, append([]string{m.path}, args...)...) }
	byway(m.provider, with(seller, "account", "new", "--light")...)
	byway(m.provider, with(seller, "devnet", "fund")...)
	provider := m.up(m.provider, with(seller, "provider", "up", "--foreground", "--price", "0.05", "--dns", web4+":53", "--allow", "203.0.113.0/24", "--allow", "2001:db8:2::/64",
		"--listen", providerHost+":51820", "--host-listen", "/ip4/"+providerHost+"/udp/0/quic-v1")...)
	provider.says(t, "registered")
	byway(m.consumer, with(buyer, "account", "new", "--light")...)
	byway(m.consumer, with(buyer, "devnet", "fund")...)

	before := m.settledNetwork()
	if got := m.reached(nil, "-4"); got != consumerHost {
		t.Fatalf("without a tunnel the page sees %q", got)
	}
	connect := func(flags ...string) *process {
		t.Helper()
		p := m.up(m.consumer, with(buyer, append([]string{"connect", "--foreground", "--tun", "--max-price", "0.1"}, flags...)...)...)
		p.says(t, "Connected")
		return p
	}
	// What the exit shows the internet.
	const exit4, exit6 = "203.0.113.1", "2001:db8:2::1"
	outside := []string{m.path, "--home", at("buyer"), "exec", "--outside", "--"}
	inside := []string{m.path, "--home", at("buyer"), "exec", "--"}

	consumer := connect()
	for family, want := range map[string]string{"-4": exit4, "-6": exit6} {
		if got := m.reached(nil, family); got != want {
			t.Errorf("through the tunnel the page sees %q over %s, not the exit's %s", got, family, want)
		}
	}
	for kind, want := range map[string]string{"A": web4, "AAAA": web6} {
		if got := m.in(m.consumer, "dig", "+short", "web.example", kind); strings.TrimSpace(got) != want {
			t.Errorf("dig %s: %q", kind, got)
		}
	}
	// The exit was looked through before, past the kill switch that was shut already.
	if said := consumer.err.String(); !strings.Contains(said, "✓ check") || strings.Contains(said, "not checked") {
		t.Errorf("the exit was not checked: %s", said)
	}
	_, err = m.try(m.consumer, "grep", "-q", " cgroup2 ", "/proc/self/mounts")
	cgroups := err == nil
	if got := m.reached(outside, "-4"); cgroups && got != consumerHost {
		t.Errorf("a program outside is seen as %q", got)
	}
	if status := byway(m.consumer, "--home", at("buyer"), "status"); !strings.Contains(status, "whole") {
		t.Errorf("status: %s", status)
	}
	byway(m.consumer, "--home", at("buyer"), "disconnect")
	if code := consumer.wait(t); code != 0 {
		t.Errorf("connect ended with %d", code)
	}
	same := func(when string) {
		t.Helper()
		if after := m.network(); after != before {
			t.Errorf("%s the machine differs:\n%s\nbefore:\n%s", when, after, before)
		}
	}
	same("after disconnect")

	// A daemon that is killed leaves the machine shut; disconnect opens it.
	consumer = connect()
	if err := consumer.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	consumer.wait(t)
	if got := m.reached(nil, "-4"); got != "" {
		t.Errorf("after kill -9 the page is reached, from %s", got)
	}
	if out := byway(m.consumer, "--home", at("buyer"), "disconnect"); !strings.Contains(out, "kill switch") {
		t.Errorf("disconnect without a daemon: %s", out)
	}
	same("after kill -9 and disconnect")

	// Lockdown outlives the session, until unlock.
	consumer = connect("--lockdown")
	byway(m.consumer, "--home", at("buyer"), "disconnect")
	consumer.wait(t)
	if got := m.reached(nil, "-4"); got != "" {
		t.Errorf("under lockdown the page is reached, from %s", got)
	}
	if out, err := m.try(m.consumer, m.path, "--home", at("buyer"), "disconnect"); err == nil ||
		!strings.Contains(out, "byway unlock") {
		t.Errorf("disconnect under lockdown: %v: %s", err, out)
	}
	byway(m.consumer, "unlock")
	same("after lockdown and unlock")

	// Single programs, with nothing else touched.
	if cgroups {
		consumer = connect("--programs")
		if got := m.reached(nil, "-4"); got != consumerHost {
			t.Errorf("beside a tunnel for programs the page sees %q", got)
		}
		if got := m.reached(inside, "-4"); got != exit4 {
			t.Errorf("a program inside is seen as %q", got)
		}
		byway(m.consumer, "--home", at("buyer"), "disconnect")
		consumer.wait(t)
		same("after a tunnel for programs")
	}
	for _, p := range []*process{provider, devnet} {
		if code := p.interrupt(t); code != 0 {
			t.Errorf("%v ended with %d", p.Args, code)
		}
	}
}
