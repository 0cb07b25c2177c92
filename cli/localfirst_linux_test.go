package cli

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// obstacle is something of this machine that is missing or taken, and what the command has to say about it.
type obstacle struct {
	name string
	// before prepares a shell that becomes the command by exec "$@".
	before string
	args   []string
	says   []string
}

// run runs a command line behind the obstacle; its mounts are its own.
func (o obstacle) run(t *testing.T, within []string, path string, args ...string) (code int, said string) {
	t.Helper()
	line := append(append([]string{}, within...), "unshare", "-m", "sh", "-ec", "mount --make-rprivate /; "+o.before+"\n"+`exec "$@"`, "sh", path)
	line = append(append(line, args...), o.args...)
	cmd := exec.CommandContext(t.Context(), line[0], line[1:]...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatalf("%s: %v", o.name, err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// standing is all that a home's account and ledger say of it.
func standing(t *testing.T, flags []string) string {
	t.Helper()
	balance := must(t, with(flags[:4], "account", "balance", "--json")...)
	ledger := ledgerJSON{Given: "0", Taken: "0"} // of a home that has none yet
	if _, err := os.Stat(filepath.Join(flags[1], "ledger.db")); err == nil {
		decodeText(t, must(t, with(flags[:4], "ledger", "verify", "--json")...), &ledger)
	}
	return fmt.Sprintf("%s given %s, taken %s, %d sessions", balance, ledger.Given, ledger.Taken, ledger.Sessions)
}

func needsMounts(t *testing.T) {
	t.Helper()
	for _, tool := range []string{"unshare", "setpriv", "mount"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s", tool)
		}
	}
	if out, err := exec.Command("unshare", "-m", "true").CombinedOutput(); err != nil {
		t.Skipf("needs mount namespaces: %s", out)
	}
}

const (
	hideTUN = "mount -t tmpfs none /dev/net"
	dropCap = `set -- setpriv --bounding-set -net_admin --inh-caps -net_admin -- "$@"`
)

// TestAdversaryNothingIsSpentWhereSomethingLocalIsMissing puts obstacles in the way of both roles, and compares what the
// account, the vault and the ledger say before and after.
func TestAdversaryNothingIsSpentWhereSomethingLocalIsMissing(t *testing.T) {
	needsMounts(t)
	t.Parallel()
	p := built(t)
	sellerDir, seller := funded(t)
	startProvider(t, seller, "--price", "1")
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	taken, takenUDP := tcp.Addr().String(), udp.LocalAddr().String()
	_, udpPort, err := net.SplitHostPort(takenUDP)
	if err != nil {
		t.Fatal(err)
	}
	full := func(flags []string) string { // a home on a disk that is full, with what it held
		return fmt.Sprintf(`cp -a %[1]s %[1]s.copy; mount -t tmpfs -o size=2m none %[1]s; cp -a %[1]s.copy/. %[1]s/; rm -r %[1]s.copy
			dd if=/dev/zero of=%[1]s/filler bs=4k 2>/dev/null || true`, flags[1])
	}
	frozen := func(flags []string) string {
		return fmt.Sprintf("mount --bind %[1]s %[1]s; mount -o remount,bind,ro %[1]s", flags[1])
	}
	_, buyer := funded(t)
	connect := with([]string{"connect", "--foreground", "--spend", "0.5"}, onlyFrom(t, sellerDir)...)
	_, other := funded(t)
	up := []string{"provider", "up", "--foreground", "--json"}
	for _, c := range []struct {
		role  string
		flags []string
		args  []string
		obstacle
	}{
		{"consumer", buyer, connect, obstacle{"the proxy's port is taken", "", []string{"--proxy", taken}, []string{"is in use", "--proxy"}}},
		{"consumer", buyer, connect, obstacle{"the disk is full", full(buyer), []string{"--proxy", "127.0.0.1:0"},
			[]string{buyer[1], "no space left"}}},
		{"consumer", buyer, connect, obstacle{"the home can't be written to", frozen(buyer), []string{"--proxy", "127.0.0.1:0"},
			[]string{buyer[1], "read-only"}}},
		{"provider", other, up, obstacle{"WireGuard's port is taken", "", []string{"--listen", takenUDP}, []string{"is in use", "--listen"}}},
		{"provider", other, up, obstacle{"the host's port is taken", "", []string{"--host-listen", "/ip4/127.0.0.1/udp/" + udpPort + "/quic-v1"},
			[]string{"address already in use"}}},
		{"provider", other, up, obstacle{"there is no TUN", hideTUN, []string{"--mode", "privileged"}, []string{"/dev/net/tun", "modprobe tun"}}},
		{"provider", other, up, obstacle{"root without the capability", dropCap, []string{"--mode", "privileged"},
			[]string{"CAP_NET_ADMIN", "root"}}},
		{"provider", other, up, obstacle{"the disk is full", full(other), nil, []string{other[1], "no space left"}}},
		{"provider", other, up, obstacle{"the home can't be written to", frozen(other), nil, []string{other[1], "read-only"}}},
	} {
		before := standing(t, c.flags)
		code, said := c.run(t, nil, p.path, with(c.flags, c.args...)...)
		if code == 0 || code == exitInterrupted {
			t.Errorf("%s, %s: ended with %d", c.role, c.name, code)
		}
		for _, text := range c.says {
			if !strings.Contains(said, text) {
				t.Errorf("%s, %s: it does not say %q: %s", c.role, c.name, text, said)
			}
		}
		after := standing(t, c.flags)
		if after != before {
			t.Errorf("%s, %s: money has moved:\n%s\n%s", c.role, c.name, before, after)
		}
		t.Logf("adversary: %s, %s | bound: nothing spent | seen: code %d, unchanged %v", c.role, c.name, code, after == before)
	}
	// The positive control: without an obstacle both spend.
	before := standing(t, other)
	startProvider(t, other)
	if standing(t, other) == before {
		t.Error("a provider that registers is not seen to spend")
	}
}

// able makes a shell's command that of a plain user with capabilities.
func able(capabilities string) string {
	return fmt.Sprintf(`set -- setpriv --reuid 65534 --clear-groups --inh-caps %s --ambient-caps %[1]s -- "$@"`, capabilities)
}

// TestNetAdversaryNothingIsSpentWhereTheMachineCantBeTaken does so for connect --tun.
func TestNetAdversaryNothingIsSpentWhereTheMachineCantBeTaken(t *testing.T) {
	m := newMachines(t)
	needsMounts(t)
	dir, err := os.MkdirTemp("", "byway-localfirst-") // a folder of the test's own is root's alone
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(at("pw"), []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	network := []string{"--network", at("net.toml")}
	m.up(m.provider, "devnet", "up", "--listen", providerHost+":0", "--ipfs-port", "0", "--write", at("net.toml")).says(t, "Devnet is up")
	byway := func(ns string, args ...string) string { return m.in(ns, append([]string{m.path}, args...)...) }
	homes := map[string][]string{}
	for home, ns := range map[string]string{"seller": m.provider, "buyer": m.consumer} {
		homes[home] = append([]string{"--home", at(home), "--password-file", at("pw")}, network...)
		byway(ns, with(homes[home], "account", "new", "--light")...)
		byway(ns, with(homes[home], "devnet", "fund")...)
	}
	m.up(m.provider, with(homes["seller"], "provider", "up", "--foreground", "--dns", web4+":53", "--allow", "203.0.113.0/24", "--allow", "2001:db8:2::/64",
		"--listen", providerHost+":51820", "--host-listen", "/ip4/"+providerHost+"/udp/0/quic-v1")...).says(t, "registered")
	look := with(network, "--home", at("buyer"))
	worth := func() string {
		balance := byway(m.provider, with(look, "account", "balance", "--json")...)
		ledger := ledgerJSON{Given: "0"} // of a home that has none yet
		if _, err := os.Stat(at("buyer/ledger.db")); err == nil {
			decodeText(t, byway(m.provider, with(look, "ledger", "verify", "--json")...), &ledger)
		}
		return fmt.Sprintf("%s given %s, %d sessions", balance, ledger.Given, ledger.Sessions)
	}
	before := m.settledNetwork()
	connect := with(homes["buyer"], "connect", "--foreground", "--tun", "--json")
	within := append([]string{"ip"}, m.within(m.consumer)...)
	for _, o := range []obstacle{
		{"there is no TUN", hideTUN, nil, []string{"/dev/net/tun", "modprobe tun"}},
		{"root without the capability", dropCap, nil, []string{"CAP_NET_ADMIN", "root", "--cap-add NET_ADMIN"}},
		{"a user without the capability", `chown -R 65534 "` + dir + `"; set -- setpriv --reuid 65534 --clear-groups -- "$@"`, nil,
			[]string{"CAP_NET_ADMIN", "sudo byway"}},
		{"a user who can't put resolv.conf back", `chown -R 65534 "` + dir + `" "` + m.state + `"; ` + able("+net_admin,+dac_override"), nil,
			[]string{"/etc/resolv.conf", "CAP_CHOWN"}},
		{"the interface's name is taken", "ip link add byway0 type veth peer name byway1", nil, []string{"byway0 is there already", "ip link del byway0"}},
		{"names can't be sent through", "mount --bind /etc/resolv.conf /etc/resolv.conf; mount -o remount,bind,ro /etc/resolv.conf", nil,
			[]string{"/etc/resolv.conf", "read-only"}},
		{"nothing can be written down to restore", "mount -t tmpfs none /var/lib/byway; mount -o remount,ro /var/lib/byway", nil,
			[]string{"/var/lib/byway", "read-only"}},
	} {
		had := worth()
		code, said := o.run(t, within, m.path, connect...)
		if code == 0 || code == exitInterrupted {
			t.Errorf("%s: ended with %d", o.name, code)
		}
		for _, text := range o.says {
			if !strings.Contains(said, text) {
				t.Errorf("%s: it does not say %q: %s", o.name, text, said)
			}
		}
		if o.name == "the interface's name is taken" {
			m.in(m.consumer, "ip", "link", "del", "byway0")
		}
		m.in(m.consumer, "chown", "-R", "0", dir, m.state)
		if after := m.network(); after != before {
			t.Errorf("%s: the machine differs:\n%s\nbefore:\n%s", o.name, after, before)
		}
		has := worth()
		if has != had {
			t.Errorf("%s: money has moved:\n%s\n%s", o.name, had, has)
		}
		t.Logf("adversary: %s | bound: nothing spent, the machine untouched | seen: code %d, unchanged %v", o.name, code, has == had)
	}
	// The positive control, and a user who has what it takes: not root, but its capabilities.
	had := worth()
	m.in(m.consumer, "chown", "-R", "65534", dir, m.state)
	line := append(append([]string{}, m.within(m.consumer)...), "sh", "-ec", able("+net_admin,+dac_override,+chown")+"\n"+`exec "$@"`,
		"sh", m.path)
	s := program{t, "ip"}.stay(t, onOutput, append(line, connect...)...)
	s.says(t, `"event":"connected"`)
	if got := m.reached(nil, "-4"); got != "203.0.113.1" {
		t.Errorf("through the session of a user with the capabilities the page sees %q", got)
	}
	signals(os.Interrupt)(t, s)
	if code := s.code(t); code != 0 {
		t.Errorf("it ended with %d: %s", code, &s.err)
	}
	m.in(m.consumer, "chown", "-R", "0", dir, m.state)
	if after := m.network(); after != before {
		t.Errorf("after a user with the capabilities the machine differs:\n%s\nbefore:\n%s", after, before)
	}
	if worth() == had {
		t.Error("a session is not seen to cost anything")
	}
}
