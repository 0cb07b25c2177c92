package node_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"byway/node"
	"byway/node/path"
	"byway/node/wire"
	"byway/tunnel/route"
)

// machineEnv names the namespace of the network beside, where this test runs in the machine's.
const machineEnv = "BYWAY_NODE_MACHINE"

// arrived counts the packets that have arrived in the clear, by family.
type arrived struct{ v4, v6 int }

// since is how many more there are than before, of both families.
func (a arrived) since(before arrived) int { return a.v4 - before.v4 + a.v6 - before.v6 }

// inMachine runs a test again in a namespace of its own, which is a machine with a way to the internet: a namespace
// beside it, which counts what arrives.
func inMachine(t *testing.T, test func(t *testing.T, count func() arrived)) {
	if beside := os.Getenv(machineEnv); beside != "" {
		packets := regexp.MustCompile(`(?s)clear4 .*packets (\d+) .*clear6 .*packets (\d+) `)
		test(t, func() arrived {
			out, err := exec.Command("ip", "netns", "exec", beside, "nft", "list", "counters", "table", "inet", "watch").CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			m := packets.FindStringSubmatch(string(out))
			if m == nil {
				t.Fatalf("counters: %s", out)
			}
			v4, err4 := strconv.Atoi(m[1])
			v6, err6 := strconv.Atoi(m[2])
			if err4 != nil || err6 != nil {
				t.Fatal(err4, err6)
			}
			return arrived{v4, v6}
		})
		return
	}
	if os.Getenv("BYWAY_NET_TEST") != "1" {
		t.Skip("one of the long tests in network namespaces: make test-net")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root: network namespaces")
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s", tool)
		}
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skip("needs /dev/net/tun")
	}
	machine := fmt.Sprintf("bywaynode%dm", os.Getpid())
	beside := fmt.Sprintf("bywaynode%db", os.Getpid())
	etc := filepath.Join("/etc/netns", machine)
	t.Cleanup(func() {
		for _, ns := range []string{machine, beside} {
			exec.Command("ip", "netns", "del", ns).Run() // it is there, unless the test failed early
		}
		os.RemoveAll(etc)
	})
	if err := os.MkdirAll(etc, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(etc, "resolv.conf"), []byte("nameserver 203.0.113.53\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	script := `
		ip netns add ` + machine + `
		ip netns add ` + beside + `
		ip -n ` + machine + ` link set lo up
		ip link add eth0 netns ` + machine + ` type veth peer name c0 netns ` + beside + `
		ip -n ` + machine + ` addr add 198.51.100.2/24 dev eth0
		ip -n ` + machine + ` addr add 2001:db8:1::2/64 dev eth0 nodad
		ip -n ` + machine + ` link set eth0 up
		ip -n ` + beside + ` addr add 198.51.100.1/24 dev c0
		ip -n ` + beside + ` addr add 2001:db8:1::1/64 dev c0 nodad
		ip -n ` + beside + ` link set c0 up
		ip -n ` + machine + ` route add default via 198.51.100.1
		ip -n ` + machine + ` -6 route add default via 2001:db8:1::1
		ip netns exec ` + beside + ` nft -f - <<-EOF
			table inet watch {
				counter clear4 {}
				counter clear6 {}
				chain pre {
					type filter hook prerouting priority -300;
					ip daddr 203.0.113.0/24 counter name clear4
					ip6 daddr 2001:db8:2::/64 counter name clear6
				}
			}
		EOF`
	if out, err := exec.Command("sh", "-ec", script).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := exec.Command("ip", "netns", "exec", machine, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=10m")
	cmd.Env = append(os.Environ(), machineEnv+"="+beside)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("in the machine's namespace: %v: %s", err, strings.Join(complaints(string(out)), "\n"))
	}
}

// complaints are the lines of a test's output that speak of no attack which met its bound.
func complaints(out string) (list []string) {
	for line := range strings.Lines(out) {
		if line = strings.TrimSpace(line); line != "" && !strings.Contains(line, " adversary: ") {
			list = append(list, line)
		}
	}
	return list
}

// TestNetAdversaryProviderThatBreaksTheProtocolOpensNoMachine ends sessions of a whole machine by everything that a
// provider must not say, and by how it may go away. What the command line does then is [node.Consumer.Abandon].
func TestNetAdversaryProviderThatBreaksTheProtocolOpensNoMachine(t *testing.T) {
	inMachine(t, func(t *testing.T, count func() arrived) {
		state := t.TempDir()
		chatter := func() {
			for _, to := range []string{"203.0.113.80:9", "[2001:db8:2::80]:9"} {
				if c, err := net.Dial("udp", to); err == nil {
					_, _ = c.Write([]byte("from a program that knows nothing of sessions")) // refused while the machine is shut
					c.Close()
				}
			}
		}
		// opened waits for both families: the kernel keeps packets for a neighbour that has not answered yet, for up to
		// three seconds, and those of an open machine must not be taken for those of one that is shut by then.
		opened := func(when string) {
			t.Helper()
			before := count()
			eventually(t, 30*time.Second, "an open machine is seen to send, "+when, func() bool {
				chatter()
				time.Sleep(50 * time.Millisecond)
				now := count()
				return now.v4 > before.v4 && now.v6 > before.v6
			})
		}
		opened("before any session")
		m := startMarketFor(t, marketConfig{}, 8*time.Minute)
		if err := m.consumer.Close(); err != nil {
			t.Fatal(err)
		}
		m.cfg.Machine = &route.Config{StateDir: state}

		ends := make(map[string]func(*path.Session))
		for name, raw := range node.BrokenFrames() {
			ends["the provider sends "+name] = func(*path.Session) {
				if err := m.provider.Say(raw); err != nil {
					t.Error(err)
				}
			}
		}
		for name, raw := range map[string][]byte{
			"garbage": []byte("not a frame at all, and long enough to be one"), "nothing": nil,
			"a close": node.BrokenFrames()["a close"], "a refusal": node.BrokenFrames()["a refusal"],
		} {
			ends["the provider hangs up, and answers the next stream with "+name] = func(*path.Session) {
				m.provider.Host().SetStreamHandler(wire.SessionProtocol, func(stream network.Stream) {
					_, _ = stream.Write(raw)
					stream.Close()
				})
				m.provider.Hang()
			}
		}
		for name, end := range ends {
			m.startProvider(tokens("0.1"))
			m.openConsumer()
			if _, err := m.consumer.Fund(m.ctx, m.offer().Offer, tokens("0.1")); err != nil {
				t.Fatal(err)
			}
			s := m.connect()
			from := count()
			chatter()
			end(s)
			select {
			case <-s.Done():
			case <-time.After(time.Minute):
				t.Fatalf("%s: the session does not end", name)
			}
			err := s.Err()
			if err == nil {
				t.Errorf("%s: the session ended without a reason", name)
				err = fmt.Errorf("none")
			}
			chatter()
			if err := errors.Join(m.consumer.Consumer.Abandon(err.Error()), m.consumer.CloseAll()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			chatter()
			seen := count().since(from)
			shut, inspectErr := route.Inspect(state)
			switch {
			case seen > 0:
				t.Errorf("%s: %d packets left in the clear", name, seen)
			case inspectErr != nil || shut == nil || shut.Held || shut.Reason == "" || shut.Trouble != "":
				t.Errorf("%s: status says %+v, %v", name, shut, inspectErr)
			case strings.ContainsAny((&path.ShutError{Shut: *shut}).Error(), "\x1b\a\n"):
				t.Errorf("%s: %q would reach the terminal", name, shut.Reason)
			default:
				t.Logf("adversary: %s | bound: 0 packets in the clear, shut with a reason | seen: %d, %.120q",
					name, seen, shut.Reason)
			}
			if _, err := route.Restore(state); err != nil {
				t.Fatal(err)
			}
			if err := m.stop(); err != nil {
				t.Errorf("%s: the provider: %v", name, err)
			}
			opened("after " + name + " and an unlock")
		}
		// The control: the user's own end opens.
		m.startProvider(tokens("0.1"))
		m.openConsumer()
		if _, err := m.consumer.Fund(m.ctx, m.offer().Offer, tokens("0.1")); err != nil {
			t.Fatal(err)
		}
		m.settled(m.connect())
		if err := m.consumer.Close(); err != nil {
			t.Error(err)
		}
		opened("after the user's own end")
	})
}
