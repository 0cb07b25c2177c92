package tunnel

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"byway/tunnel/wireguard"
)

// burden measures the load of a process and its host.
type burden struct {
	goroutines, files, connections int
	heap, rss                      uint64
	rules                          string
}

func measure(t *testing.T, e *Exit) burden {
	t.Helper()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	b := burden{
		goroutines: runtime.NumGoroutine(), files: len(files), heap: m.HeapInuse, rss: rss(t, os.Getpid()),
		rules: run(t, "nft", "-s", "-t", "list", "ruleset"),
	}
	for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
		flows, err := netlink.ConntrackTableList(netlink.ConntrackTable, family)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range flows {
			if a, ok := netip.AddrFromSlice(f.Forward.SrcIP); ok && e.nets.Contains(a) {
				b.connections++
			}
		}
	}
	return b
}

// rss is the resident memory of a process, in bytes.
func rss(t testing.TB, pid int) uint64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	var kib uint64
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			fmt.Sscan(rest, &kib)
		}
	}
	return kib << 10
}

const consumersEnv = "BYWAY_TEST_CONSUMERS"

// talkTo starts a process that is written to and read from by lines, and is killed at the test's end.
func talkTo(t *testing.T, cmd *exec.Cmd) (in io.Writer, out *bufio.Scanner) {
	t.Helper()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); cmd.Process.Kill(); cmd.Wait() })
	return stdin, bufio.NewScanner(stdout)
}

// consumers starts a process that is a consumer for each line it is given, so that only the provider is measured.
func (n network) consumers(t *testing.T) (consume func(line string)) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestConsumersChild$", "-test.v")
	cmd.Env = append(os.Environ(), consumersEnv+"=1")
	in, lines := talkTo(t, cmd)
	return func(line string) {
		t.Helper()
		fmt.Fprintln(in, line)
		for lines.Scan() {
			if result, ok := strings.CutPrefix(lines.Text(), "result "); ok {
				if result != "<nil>" {
					t.Errorf("consumer: %s", result)
				}
				return
			}
		}
		t.Fatal("the consumers are gone")
	}
}

// TestConsumersChild is no test: it is the process of network.consumers.
func TestConsumersChild(t *testing.T) {
	if os.Getenv(consumersEnv) == "" {
		t.Skip("a helper of other tests")
	}
	consume := func(line string) error {
		var private, public []byte
		var at [5]string
		if _, err := fmt.Sscanf(line, "%x %x %s %s %s %s %s", &private, &public, &at[0], &at[1], &at[2], &at[3], &at[4]); err != nil {
			return err
		}
		c, err := Dial(ClientConfig{
			Private: wireguard.PrivateKey(private), Peer: wireguard.Key(public), Endpoint: netip.MustParseAddrPort(at[0]),
			Addrs: []netip.Addr{netip.MustParseAddr(at[1]), netip.MustParseAddr(at[2])},
		})
		if err != nil {
			return err
		}
		defer c.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for i, proto := range []string{"udp", "tcp"} {
			conn, err := c.DialContext(ctx, proto, at[3+i])
			if err != nil {
				return err
			}
			defer conn.Close()
			if err := echoes(conn, []byte("hello")); err != nil {
				return fmt.Errorf("%s: %w", proto, err)
			}
		}
		return nil
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println("result", consume(lines.Text()))
	}
}

// answer sends back what comes. It is io.Copy without its pipes, which the runtime keeps for a while. A host is not
// told of a session that ended, so it gives up by itself.
func answer(c net.Conn) {
	c.SetDeadline(time.Now().Add(2 * time.Second))
	for buf := make([]byte, 4096); ; {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		c.Write(buf[:n])
	}
}

func TestNetChurnOfSessionsLeavesNothingBehind(t *testing.T) {
	inNetwork(t, func(t *testing.T, n network) {
		for _, mode := range []Mode{Privileged, Userspace} {
			e := n.exit(t, ExitConfig{Mode: mode})
			echo := n.listenUDP(t, "i", netip.AddrPortFrom(host4, 0))
			stream := n.listen(t, "i", netip.AddrPortFrom(host6, 0), answer)
			consume := n.consumers(t)
			session := func() {
				private, err := wireguard.GenerateKey()
				if err != nil {
					t.Fatal(err)
				}
				s, err := e.Add(Peer{PublicKey: private.Public(), Limit: math.MaxUint64})
				if err != nil {
					t.Fatal(err)
				}
				v4, v6 := s.Addrs()
				consume(fmt.Sprintf("%x %x %v %v %v %v %v", private[:], [32]byte(e.PublicKey()),
					netip.AddrPortFrom(provider4, e.Port()), v4, v6, echo, stream))
				if err := s.Remove(); err != nil {
					t.Error(err)
				}
			}
			rounds := 100
			if long() {
				rounds = 1000
			}
			for range 50 {
				session()
			}
			time.Sleep(3 * time.Second)
			before := measure(t, e)
			start := time.Now()
			for range rounds {
				session()
			}
			took := time.Since(start)
			time.Sleep(3 * time.Second)
			after := measure(t, e)
			t.Logf("%s, %d sessions in %v: goroutines %d→%d, descriptors %d→%d, tracked connections %d→%d, heap %d→%d KiB, rss %d→%d MiB",
				mode, rounds, took.Round(time.Millisecond), before.goroutines, after.goroutines, before.files, after.files,
				before.connections, after.connections, before.heap>>10, after.heap>>10, before.rss>>20, after.rss>>20)
			if after.goroutines > before.goroutines+5 || after.files > before.files+3 {
				t.Errorf("goroutines or descriptors are left: %s", run(t, "ls", "-l", fmt.Sprintf("/proc/%d/fd", os.Getpid())))
			}
			// The race detector's own memory is part of the RSS in the short form.
			if after.heap > before.heap+8<<20 || long() && after.rss > before.rss+24<<20 {
				t.Error("memory is left")
			}
			if after.rules != before.rules {
				t.Errorf("rules differ:\n%s\n%s", before.rules, after.rules)
			}
			if mode == Privileged && after.connections > 0 {
				t.Error("tracked connections are left")
			}
			e.Close()
		}
	})
}

func TestNetFiveThousandSessionsShareOneDevice(t *testing.T) {
	inNetwork(t, func(t *testing.T, n network) {
		e := n.exit(t, ExitConfig{Mode: Privileged})
		p := n.client(t, e, math.MaxUint64)
		const size = 48 << 20
		source := n.listen(t, "i", netip.AddrPortFrom(host4, 0), func(c net.Conn) { io.CopyN(c, zeros{}, size) })
		download := func() time.Duration {
			start := time.Now()
			c, err := p.client.DialContext(t.Context(), "tcp", source.String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(time.Minute))
			if got, err := io.Copy(io.Discard, c); got != size || err != nil {
				t.Fatalf("%d bytes, %v", got, err)
			}
			return time.Since(start)
		}
		download()
		alone, before := download(), measure(t, e)
		count := 1000
		if long() {
			count = 5000
		}
		start := time.Now()
		sessions := make([]*Session, 0, count)
		for range count - 1 {
			k, err := wireguard.GenerateKey()
			if err != nil {
				t.Fatal(err)
			}
			s, err := e.Add(Peer{PublicKey: k.Public(), Limit: 1 << 20})
			if err != nil {
				t.Fatal(err)
			}
			sessions = append(sessions, s)
		}
		added := time.Since(start)
		after, among := measure(t, e), download()
		start = time.Now()
		for _, s := range sessions {
			if err := s.Remove(); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("%d sessions added in %v, removed in %v; heap %d→%d MiB; one of them moved 48 MiB in %v, alone in %v",
			count, added, time.Since(start), before.heap>>20, after.heap>>20, among, alone)
		if e.Sessions() != 1 {
			t.Errorf("%d sessions are left", e.Sessions())
		}
		download()
	})
}
