package cli

import (
	"byway/node/api/spec"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// clear counts at the consumer's router what has left the machine past the tunnel: whatever is addressed to the internet
// itself. What goes through the tunnel is addressed to the provider there.
func (m *machines) clear() int {
	m.t.Helper()
	return m.clearOf("clear4") + m.clearOf("clear6")
}

// clearOf counts those of a family.
func (m *machines) clearOf(name string) int {
	m.t.Helper()
	var out struct {
		Nftables []struct {
			Counter *struct {
				Packets int `json:"packets"`
			} `json:"counter"`
		} `json:"nftables"`
	}
	decodeText(m.t, m.in(m.provider, "nft", "-j", "list", "counter", "inet", "watch", name), &out)
	total := 0
	for _, o := range out.Nftables {
		if o.Counter != nil {
			total += o.Counter.Packets
		}
	}
	return total
}

func (m *machines) watchClear() {
	m.t.Helper()
	m.in(m.provider, "sh", "-ec", `
		nft add table inet watch
		nft add counter inet watch clear4
		nft add counter inet watch clear6
		nft add chain inet watch pre '{ type filter hook prerouting priority -300; }'
		nft add rule inet watch pre iifname c0 ip daddr 203.0.113.0/24 counter name clear4
		nft add rule inet watch pre iifname c0 ip6 daddr 2001:db8:2::/64 counter name clear6`)
}

// chatter sends datagrams from the consumer's machine over both families until the test ends, as programs do that know
// nothing of a session. It pauses while nothing can be sent.
func (m *machines) chatter() {
	stop, ended := make(chan struct{}), make(chan struct{})
	m.t.Cleanup(func() { close(stop); <-ended })
	sockets := make(map[string]net.PacketConn)
	m.inside(m.consumer, func() {
		for network, at := range map[string]string{"udp4": web4, "udp6": web6} {
			c, err := net.ListenPacket(network, ":0")
			if err != nil {
				m.t.Error(err)
				continue
			}
			sockets[net.JoinHostPort(at, "9")] = c
		}
	})
	go func() {
		defer close(ended)
		payload := make([]byte, 1200)
		for t := time.NewTicker(2 * time.Millisecond); ; {
			select {
			case <-stop:
				for _, c := range sockets {
					c.Close()
				}
				t.Stop()
				return
			case <-t.C:
			}
			for at, c := range sockets {
				to, err := net.ResolveUDPAddr("udp", at)
				if err == nil {
					_, _ = c.WriteTo(payload, to) // refused while the machine is shut
				}
			}
		}
	}()
}

// TestNetAdversaryOnlyTheUserOpensTheMachine ends a session of the whole machine in every way, while programs go on
// sending, and counts what leaves in the clear.
func TestNetAdversaryOnlyTheUserOpensTheMachine(t *testing.T) {
	m := newMachines(t)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(at("pw"), []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	network := []string{"--network", at("net.toml")}
	var devnet *process
	devnetUp := func() {
		devnet = m.up(m.provider, "--home", at("devnet"), "devnet", "up", "--keep", "--listen", providerHost+":8545", "--ipfs-port", "4545",
			"--write", at("net.toml"))
		devnet.says(t, "Devnet is up")
	}
	devnetUp()
	seller := append([]string{"--home", at("seller"), "--password-file", at("pw")}, network...)
	buyer := append([]string{"--home", at("buyer"), "--password-file", at("pw")}, network...)
	byway := func(ns string, args ...string) string { return m.in(ns, append([]string{m.path}, args...)...) }
	for home, ns := range map[string]string{"seller": m.provider, "buyer": m.consumer} {
		flags := append([]string{"--home", at(home), "--password-file", at("pw")}, network...)
		byway(ns, with(flags, "account", "new", "--light")...)
		byway(ns, with(flags, "devnet", "fund")...)
	}
	var provider *process
	providerUp := func() {
		provider = m.up(m.provider, with(seller, "provider", "up", "--foreground", "--price", "0.05", "--dns", web4+":53", "--allow", "203.0.113.0/24",
			"--allow", "2001:db8:2::/64", "--listen", providerHost+":51820",
			"--host-listen", "/ip4/"+providerHost+"/udp/4001/quic-v1")...)
		provider.says(t, "registered")
	}
	providerUp()
	connect := func(streams string, flags ...string) *stays {
		return program{t, "ip"}.stay(t, streams, m.within(m.consumer, append([]string{m.path}, with(with(buyer, "connect", "--foreground", "--tun", "--json",
			"--max-price", "0.1"), flags...)...)...)...)
	}
	m.watchClear()
	before := m.settledNetwork()
	m.chatter()
	// The positive control: an open machine is seen, by both families. The kernel keeps packets for a neighbour that has not
	// answered yet, for up to three seconds, and those are not to be taken for those of a machine that is shut by then.
	opened := func(when string) {
		t.Helper()
		from4, from6 := m.clearOf("clear4"), m.clearOf("clear6")
		waitFor(t, "an open machine is seen to send, "+when, func() bool {
			return m.clearOf("clear4") > from4 && m.clearOf("clear6") > from6
		})
	}
	opened("before any session")
	still := func(when string) {
		t.Helper()
		if after := m.network(); after != before {
			t.Errorf("%s the machine differs:\n%s\nbefore:\n%s", when, after, before)
		}
	}
	kill := func(p *process) {
		t.Helper()
		if err := p.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		p.wait(t)
	}
	// shut checks that nothing has left since the count was taken, and that the machine says why it is shut.
	shut := func(attack, why string, from int) {
		t.Helper()
		m.reached(nil, "-4") // a name and a page are asked for as well
		out, err := m.try(m.consumer, m.path, "--home", at("buyer"), "status", "--json")
		var status struct{ Shut *spec.Shut }
		line, _, _ := strings.Cut(out, "\n")
		if json.Unmarshal([]byte(line), &status) != nil || status.Shut == nil || err == nil {
			t.Fatalf("%s: status does not say that the machine is shut: %v: %s", attack, err, out)
		}
		if !strings.Contains(status.Shut.Reason, why) || status.Shut.OpenWith != "byway unlock" || time.Since(status.Shut.Since) > time.Hour {
			t.Errorf("%s: status says %+v, not %q", attack, *status.Shut, why)
		}
		if out, _ := m.try(m.consumer, m.path, "--home", at("buyer"), "status"); !strings.Contains(out, "shut since") ||
			!strings.Contains(out, "byway unlock") {
			t.Errorf("%s: status says %s", attack, out)
		}
		seen := m.clear() - from
		if seen != 0 {
			t.Errorf("%s: %d packets left in the clear", attack, seen)
		}
		t.Logf("adversary: %s | bound: 0 packets in the clear, status says why | seen: %d packets, %q", attack, seen, status.Shut.Reason)
	}

	// stands waits until the daemon says that the connection is in one of these states, and checks that nothing has left.
	stands := func(attack string, from int, states ...spec.ConnectionState) {
		t.Helper()
		var last spec.Connection
		waitFor(t, attack+": the connection is "+fmt.Sprint(states), func() bool {
			out, err := m.try(m.consumer, m.path, "--home", at("buyer"), "status", "--json")
			var status spec.Status
			if err != nil || json.Unmarshal([]byte(out), &status) != nil || status.Connection == nil {
				return false
			}
			last = *status.Connection
			return slices.Contains(states, last.State)
		})
		if last.State != spec.ConnectionStateConnected {
			m.reached(nil, "-4") // a name and a page are asked for as well
		}
		if seen := m.clear() - from; seen != 0 {
			t.Errorf("%s: %d packets left in the clear", attack, seen)
		}
		t.Logf("adversary: %s | bound: 0 packets in the clear, the daemon says where it stands | seen: %s, %+v", attack, last.State, last.Reason)
	}
	for _, c := range []struct {
		attack string
		flags  []string
		end    func()
		states []spec.ConnectionState
	}{
		{"the money is used up", []string{"--spend", "0.0003"}, func() {}, []spec.ConnectionState{spec.ConnectionStateHolding}},
		{"the provider is killed", nil, func() { kill(provider) }, []spec.ConnectionState{spec.ConnectionStateConnecting, spec.ConnectionStateBlocked}},
		{"the provider stops in order", nil, func() {
			if code := provider.interrupt(t); code != 0 {
				t.Errorf("the provider ended with %d", code)
			}
		}, []spec.ConnectionState{spec.ConnectionStateConnecting, spec.ConnectionStateBlocked}},
		{"the chain is gone, and then the provider", nil, func() { kill(devnet); kill(provider) },
			[]spec.ConnectionState{spec.ConnectionStateConnecting, spec.ConnectionStateBlocked}},
	} {
		s := connect(onOutput, c.flags...)
		s.says(t, `"event":"connected"`)
		from := m.clear()
		c.end()
		stands(c.attack, from, c.states...)
		if devnet.ProcessState != nil {
			devnetUp()
		}
		if provider.ProcessState != nil {
			providerUp()
		}
		if c.flags == nil { // it goes on by itself
			stands(c.attack+", and it is back", from, spec.ConnectionStateConnected)
		}
		byway(m.consumer, "--home", at("buyer"), "disconnect")
		if code := s.code(t); code != 0 {
			t.Errorf("disconnect ended connect with %d: %s", code, &s.err)
		}
		still("after " + c.attack + " and a disconnect")
		opened("after a disconnect")
	}

	// A daemon that is killed leaves the machine shut, and the next one goes on where it was.
	killed := connect(onOutput)
	killed.says(t, `"event":"connected"`)
	from := m.clear()
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	killed.code(t)
	shut("the daemon is killed", "killed", from)
	// Nobody opens it but its user: not a connect that asks for a proxy.
	out, err := m.try(m.consumer, append([]string{m.path}, with(buyer, "connect", "--foreground", "--proxy", "127.0.0.1:0")...)...)
	if err == nil {
		t.Errorf("connect without --tun on a machine that is shut: %s", out)
	}
	again := connect(onOutput)
	again.says(t, `"event":"connected"`)
	if seen := m.clear() - from; seen != 0 {
		t.Errorf("%d packets left in the clear on the way into the next session", seen)
	}
	byway(m.consumer, "--home", at("buyer"), "disconnect")
	if code := again.code(t); code != 0 {
		t.Errorf("disconnect ended connect with %d: %s", code, &again.err)
	}
	still("after a daemon was killed, and a disconnect")
	opened("after a disconnect")

	// A connect that fails on an open machine leaves it open: nothing was sent through anybody.
	failed := connect(onOutput, "--max-price", "0.000001")
	if code := failed.code(t); code != exitNoOffer {
		t.Errorf("a connect without offers: %d: %s", code, &failed.err)
	}
	still("after a connect that failed")

	// The two commands that open what was left shut.
	for _, command := range []string{"unlock", "disconnect"} {
		s := connect(onOutput)
		s.says(t, `"event":"connected"`)
		if err := s.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		s.code(t)
		byway(m.consumer, "--home", at("buyer"), command)
		still("after kill -9 and " + command)
		opened("after " + command)
	}
	// While a session runs status says what another program did, here that it took the interface down.
	s := connect(onOutput)
	s.says(t, `"event":"connected"`)
	m.in(m.consumer, "ip", "link", "set", "byway0", "down")
	waitFor(t, "status says that the interface was taken down", func() bool {
		var status spec.Status
		out, _ := m.try(m.consumer, m.path, "--home", at("buyer"), "status", "--json")
		return json.Unmarshal([]byte(out), &status) == nil && status.Connection != nil && strings.Contains(status.Connection.MachineBlocked, "taken down")
	})

	// The home goes: no command finds its daemon then, and what that writes on its way out comes to nothing.
	if err := os.Rename(at("buyer"), at("away")); err != nil {
		t.Fatal(err)
	}
	out, err = m.try(m.consumer, m.path, "unlock")
	if told := fmt.Sprintf("kill -TERM %d", s.Process.Pid); err == nil || !strings.Contains(out, told) {
		t.Errorf("unlock without the home of the session: %v: %s; want %s", err, out, told)
	}
	if err := s.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	code := s.code(t)
	if err := os.RemoveAll(at("buyer")); err != nil { // what it has made anew of it
		t.Fatal(err)
	}
	if err := os.Rename(at("away"), at("buyer")); err != nil {
		t.Fatal(err)
	}
	still("after the home was taken away and the user's own end")
	opened("after an end without a home")
	t.Logf("adversary: the home is taken away, and the user ends the session | bound: the machine is as it was | seen: open, code %d", code)

	for _, e := range ends {
		s := connect(e.streams)
		s.says(t, `"event":"connected"`)
		e.end(t, s)
		if code := s.code(t); code != 0 {
			t.Errorf("%s: connect ended with %d: %s", e.name, code, &s.err)
		}
		if strings.Contains(s.err.String(), "another program") {
			t.Errorf("%s: the end of the session is taken for another program's: %s", e.name, &s.err)
		}
		still("after the user's own end by " + e.name)
		opened("after " + e.name)
		t.Logf("adversary: (control) the user ends it by: %s | bound: the machine is as it was | seen: open, code %s", e.name,
			strconv.Itoa(s.ProcessState.ExitCode()))
	}
	for _, p := range []*process{provider, devnet} {
		if err := p.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if code := p.wait(t); code != 0 {
			t.Error(fmt.Errorf("%v ended with %d", p.Args, code))
		}
	}
}
