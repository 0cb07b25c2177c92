//go:build linux

package route_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The network of these tests, each part a namespace:
//
//	consumer ── outside link ── provider ── internet
//
// The provider's namespace forwards, too, so that the consumer reaches the internet without a tunnel: what the kill
// switch lets out is not only seen on the link, it arrives.
const (
	outside = "eth0"

	consumer4  = "198.51.100.2"
	consumer4b = "198.51.100.3" // after roaming
	provider4  = "198.51.100.1"
	consumer6  = "2001:db8:1::2"
	consumer6b = "2001:db8:1::3"
	provider6  = "2001:db8:1::1"
	lanSelf    = "192.168.77.2"
	lanHost    = "192.168.77.1"

	web4 = "203.0.113.80"
	web6 = "2001:db8:2::80"
	dns4 = "203.0.113.53"
	dns6 = "2001:db8:2::53"

	webName = "web.example"
	port    = 51820
)

// world is a set of namespaces. It is taken down with the test.
type world struct {
	t                            *testing.T
	consumer, provider, internet string
	stateDir                     string
	resolv                       string // the consumer's resolv.conf, as seen from here
}

// worlds counts them, for their names.
var worlds atomic.Int64

// need skips the test where it can't run.
func need(t *testing.T, tools ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: network namespaces")
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s", tool)
		}
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skip("needs /dev/net/tun")
	}
	probe := fmt.Sprintf("byway%d-probe%d", os.Getpid(), worlds.Add(1))
	if out, err := exec.Command("ip", "netns", "add", probe).CombinedOutput(); err != nil {
		t.Skipf("needs network namespaces: %s", out)
	}
	exec.Command("ip", "netns", "del", probe).Run()
}

const formerResolv = "# the machine's own\nsearch home.example\nnameserver " + dns4 + "\noptions timeout:1 attempts:1\n"

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	need(t, "ip", "nft", "tcpdump", "curl", "dig", "ping")
	id := fmt.Sprintf("byway%d-%d", os.Getpid(), worlds.Add(1))
	w := &world{t: t, consumer: id + "c", provider: id + "p", internet: id + "i", stateDir: t.TempDir()}
	dir := filepath.Join("/etc/netns", w.consumer)
	t.Cleanup(func() {
		for _, ns := range []string{w.consumer, w.provider, w.internet} {
			exec.Command("ip", "netns", "del", ns).Run()
		}
		os.RemoveAll(dir)
	})
	w.resolv = filepath.Join(dir, "resolv.conf")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.resolv, []byte(formerResolv), 0o640); err != nil {
		t.Fatal(err)
	}
	for _, ns := range []string{w.consumer, w.provider, w.internet} {
		w.run("ip", "netns", "add", ns)
		w.in(ns, "ip", "link", "set", "lo", "up")
		w.in(ns, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_dad=0",
			"net.ipv4.ping_group_range=0 2147483647")
	}
	w.run("ip", "link", "add", outside, "netns", w.consumer, "type", "veth", "peer", "name", "c0", "netns", w.provider)
	w.run("ip", "link", "add", "i0", "netns", w.provider, "type", "veth", "peer", "name", "eth0", "netns", w.internet)
	w.script(w.provider, `
		ip addr add `+provider4+`/24 dev c0
		ip addr add `+lanHost+`/24 dev c0
		ip addr add `+provider6+`/64 dev c0 nodad
		ip link set c0 up
		ip addr add 203.0.113.1/24 dev i0
		ip addr add 2001:db8:2::1/64 dev i0 nodad
		ip link set i0 up
		sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1`)
	w.script(w.internet, `
		ip addr add `+web4+`/24 dev eth0
		ip addr add `+dns4+`/24 dev eth0
		ip addr add `+web6+`/64 dev eth0 nodad
		ip addr add `+dns6+`/64 dev eth0 nodad
		ip link set eth0 up
		ip route add default via 203.0.113.1
		ip -6 route add default via 2001:db8:2::1`)
	// The consumer is a machine with a life of its own: strict reverse path checks, a rule, a table and a firewall.
	w.script(w.consumer, `
		ip addr add `+consumer4+`/24 dev eth0
		ip addr add `+lanSelf+`/24 dev eth0
		ip addr add `+consumer6+`/64 dev eth0 nodad
		ip link set eth0 up
		ip route add default via `+provider4+` metric 100
		ip -6 route add default via `+provider6+` metric 100
		ip rule add from 192.0.2.7 lookup 77 priority 500
		ip route add 192.0.2.128/25 via `+provider4+` table 77
		sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.eth0.rp_filter=1
		nft add table inet mine
		nft add chain inet mine out '{ type filter hook output priority 0; policy accept; }'
		nft add rule inet mine out ip daddr 192.0.2.99 drop`)
	w.settle()
	return w
}

// settle waits until the links carry traffic of both families.
func (w *world) settle() {
	w.t.Helper()
	w.eventually("the plain network works", func() error {
		for _, to := range []string{web4, web6} {
			if out, err := w.try(w.consumer, "ping", "-c1", "-W1", to); err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
		}
		// The kernel takes its time for the link-local address.
		if routes := w.in(w.consumer, "ip", "-6", "route", "show", "table", "all"); !strings.Contains(routes, "local fe80::") {
			return errors.New("no link-local address yet")
		}
		return nil
	})
	w.eventually("the machine is quiet", func() error {
		was := w.machine()
		if time.Sleep(100 * time.Millisecond); w.machine() != was {
			return errors.New("it still changes")
		}
		return nil
	})
}

func (w *world) run(name string, args ...string) string {
	w.t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		w.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (w *world) in(ns string, args ...string) string {
	w.t.Helper()
	return w.run("ip", append([]string{"netns", "exec", ns}, args...)...)
}

func (w *world) script(ns, text string) {
	w.t.Helper()
	w.in(ns, "sh", "-ec", text)
}

func (w *world) try(ns string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", ns}, args...)...).CombinedOutput()
	return string(out), err
}

func (w *world) eventually(what string, check func() error) {
	w.t.Helper()
	var err error
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	w.t.Fatalf("%s: %v", what, err)
}

// machine is all that Close and Restore promise to leave as it was.
func (w *world) machine() string {
	w.t.Helper()
	var script strings.Builder
	for _, cmd := range []string{
		"ip rule", "ip -6 rule", "ip route show table all", "ip -6 route show table all", "nft list ruleset", "ip -br link",
		"ip xfrm policy", "cat /etc/resolv.conf", "stat -c %a:%u:%g:%F /etc/resolv.conf", "cat /proc/sys/net/ipv4/conf/all/src_valid_mark",
	} {
		fmt.Fprintf(&script, "echo '# %s'\n%s\n", cmd, cmd)
	}
	return w.in(w.consumer, "sh", "-ec", script.String())
}

func (w *world) sameMachine(when, before string) {
	w.t.Helper()
	after := w.machine()
	if after == before {
		return
	}
	dir := w.t.TempDir()
	for name, text := range map[string]string{"before": before, "after": after} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	diff := exec.Command("diff", "-U1", "before", "after")
	diff.Dir = dir
	out, _ := diff.Output()
	w.t.Errorf("%s, the machine differs:\n%s", when, out)
}

// child is this test's binary in a role (roles_test.go), inside a namespace. It answers one JSON line to each.
type child struct {
	t    *testing.T
	role string
	cmd  *exec.Cmd
	in   *json.Encoder
	out  *bufio.Scanner
	err  *bytes.Buffer
}

func (w *world) start(ns, role string) *child {
	w.t.Helper()
	cmd := exec.Command("ip", "netns", "exec", ns, os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	c := &child{t: w.t, role: role, cmd: cmd, in: json.NewEncoder(in), out: bufio.NewScanner(out), err: new(bytes.Buffer)}
	cmd.Stderr = c.err
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.kill)
	return c
}

// kill is kill -9. "ip netns exec" has become the child itself.
func (c *child) kill() {
	c.cmd.Process.Kill()
	c.cmd.Wait()
	if c.t.Failed() && c.err.Len() > 0 {
		c.t.Logf("%s said: %s", c.role, c.err)
		c.err.Reset()
	}
}

// try sends a request and returns the answer.
func (c *child) try(r request) (answer, error) {
	c.t.Helper()
	if err := c.in.Encode(r); err != nil {
		return answer{}, fmt.Errorf("%s: %s: %w", c.role, r.Op, err)
	}
	if !c.out.Scan() {
		return answer{}, fmt.Errorf("%s: %s: %w", c.role, r.Op, cmp.Or(c.out.Err(), io.EOF))
	}
	var a answer
	if err := json.Unmarshal(c.out.Bytes(), &a); err != nil {
		return answer{}, fmt.Errorf("%s: %s: %w", c.role, r.Op, err)
	}
	if a.Error != "" {
		return a, fmt.Errorf("%s: %s: %s", c.role, r.Op, a.Error)
	}
	return a, nil
}

func (c *child) do(r request) answer {
	c.t.Helper()
	a, err := c.try(r)
	if err != nil {
		c.t.Fatal(err)
	}
	return a
}

// session opens a session between a consumer and a provider that run already, whose machine is locked.
func (w *world) session(consumer, provider *child, limit uint64, endpoint string) answer {
	w.t.Helper()
	key := consumer.do(request{Op: "key"})
	welcome := provider.do(request{Op: "add", Key: key.Key, Limit: limit})
	welcome.Endpoint = netip.AddrPortFrom(netip.MustParseAddr(endpoint), port)
	consumer.do(request{Op: "dial", Welcome: &welcome})
	return welcome
}

func prefixes(list ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// guest adds a namespace behind the consumer, as a container is.
func (w *world) guest() string {
	w.t.Helper()
	guest := strings.TrimSuffix(w.consumer, "c") + "g"
	w.run("ip", "netns", "add", guest)
	w.t.Cleanup(func() { exec.Command("ip", "netns", "del", guest).Run() })
	w.run("ip", "link", "add", "g0", "netns", w.consumer, "type", "veth", "peer", "name", "eth0", "netns", guest)
	w.script(w.consumer, `
		ip addr add 172.30.0.1/24 dev g0
		ip addr add fd00:77::1/64 dev g0 nodad
		ip link set g0 up
		sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
		nft add table ip guests
		nft add chain ip guests post '{ type nat hook postrouting priority 100; }'
		nft add rule ip guests post oifname eth0 masquerade
		nft add table ip6 guests
		nft add chain ip6 guests post '{ type nat hook postrouting priority 100; }'
		nft add rule ip6 guests post oifname eth0 masquerade`)
	w.script(guest, `
		ip link set lo up
		ip addr add 172.30.0.2/24 dev eth0
		ip addr add fd00:77::2/64 dev eth0 nodad
		ip link set eth0 up
		ip route add default via 172.30.0.1
		ip -6 route add default via fd00:77::1`)
	w.eventually("the guest reaches the internet", func() error {
		for _, to := range []string{web4, web6} {
			if out, err := w.try(guest, "ping", "-c1", "-W1", to); err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
		}
		return nil
	})
	return guest
}
