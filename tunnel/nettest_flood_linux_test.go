package tunnel

import (
	"bufio"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/device"

	"byway/tunnel/wireguard"
)

const (
	floodEnv  = "BYWAY_TEST_FLOOD"
	floodRate = 50_000 // initiations a second
	garbage   = 10_000 // other datagrams a second
)

// TestFloodChild is no test: it is a process that floods the port it is told, from many addresses.
func TestFloodChild(t *testing.T) {
	public := os.Getenv(floodEnv)
	if public == "" {
		t.Skip("a helper of other tests")
	}
	var key device.NoisePublicKey
	if err := key.FromHex(public); err != nil {
		t.Fatal(err)
	}
	var macs device.CookieGenerator
	macs.Init(key)
	// Initiations that pass the first check, and cost the engine the most.
	var packets [][]byte
	for range 2048 {
		b := make([]byte, 148)
		rand.Read(b)
		binary.LittleEndian.PutUint32(b, 1)
		macs.AddMacs(b)
		packets = append(packets, b)
	}
	for range 2048 * garbage / floodRate {
		b := make([]byte, 200)
		rand.Read(b)
		if len(packets)%2 == 0 {
			binary.LittleEndian.PutUint32(b, 4)
		}
		packets = append(packets, b)
	}
	var socks []*ipv4.PacketConn
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) {
			unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_TRANSPARENT, 1)
		})
	}}
	for i := range 256 {
		c, err := lc.ListenPacket(t.Context(), "udp4", fmt.Sprintf("11.%d.0.1:0", i))
		if err != nil {
			t.Fatal(err)
		}
		socks = append(socks, ipv4.NewPacketConn(c))
	}
	var port atomic.Int64
	var sent atomic.Int64
	go func() {
		const batch = 64
		start, done, at := time.Now(), 0, 0
		msgs := make([]ipv4.Message, batch)
		for {
			to := &net.UDPAddr{IP: provider4.AsSlice(), Port: int(port.Load())}
			if to.Port == 0 {
				time.Sleep(time.Millisecond)
				start, done = time.Now(), 0
				continue
			}
			due := int(time.Since(start).Seconds() * (floodRate + garbage))
			// What was missed for want of the processor is not made up for in a burst.
			for done = max(done, due-(floodRate+garbage)/50); done < due; {
				for i := range msgs {
					at = (at + 1) % len(packets)
					msgs[i] = ipv4.Message{Buffers: packets[at : at+1 : at+1], Addr: to}
				}
				n, err := socks[done/batch%len(socks)].WriteBatch(msgs, 0)
				if err != nil {
					n = batch
				} else {
					sent.Add(int64(n))
				}
				done += n
			}
			time.Sleep(500 * time.Microsecond)
		}
	}()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var to int64
		fmt.Sscan(lines.Text(), &to)
		port.Store(to)
		fmt.Println("sent", sent.Load())
	}
}

// flooder starts a process that floods a port of the provider; zero stops it. It returns what was sent so far.
func (n network) flooder(t *testing.T, public wireguard.Key) (aim func(port uint16) int64) {
	t.Helper()
	cmd := exec.Command("ip", "netns", "exec", n.ns("i"), os.Args[0], "-test.run", "^TestFloodChild$", "-test.v")
	cmd.Env = append(os.Environ(), floodEnv+"="+fmt.Sprintf("%x", public[:]))
	in, lines := talkTo(t, cmd)
	return func(port uint16) int64 {
		t.Helper()
		fmt.Fprintln(in, port)
		for lines.Scan() {
			if text, ok := strings.CutPrefix(lines.Text(), "sent "); ok {
				var sent int64
				fmt.Sscan(text, &sent)
				return sent
			}
		}
		t.Fatal("the flooder is gone")
		return 0
	}
}

func TestNetFloodOfHandshakesLeavesASessionItsGoodput(t *testing.T) {
	inQuietNetwork(t, func(t *testing.T, n network) {
		run(t, "ip", "netns", "exec", n.ns("i"), "sysctl", "-qw", "net.ipv4.ip_nonlocal_bind=1")
		phase, rounds := 700*time.Millisecond, 3
		if long() {
			phase, rounds = 1500*time.Millisecond, 5
		}
		for _, mode := range []Mode{Privileged, Userspace} {
			e := n.exit(t, ExitConfig{Mode: mode})
			u := n.join(t, e, math.MaxUint64)
			aim := n.flooder(t, e.PublicKey())
			// The same packets at a port that nobody reads cost what making and carrying them costs.
			sink, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(provider4, 0)))
			if err != nil {
				t.Fatal(err)
			}
			sink.SetReadBuffer(1)
			ports := map[string]uint16{"no flood": 0, "flood elsewhere": uint16(sink.LocalAddr().(*net.UDPAddr).Port), "flood": e.Port()}
			order := []string{"no flood", "flood", "flood elsewhere"}

			// series measures in turns. Each round is compared with itself: the machine is not the same for long.
			series := func(rate int) (floods, ratio float64) {
				source := n.listen(t, "i", netip.AddrPortFrom(host4, 0), func(c net.Conn) { blow(c, rate) })
				c, err := n.dial(t, "c", "tcp", source, 30*time.Second)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				go io.Copy(io.Discard, c)
				time.Sleep(time.Second)
				quiet := rss(t, os.Getpid())
				got, lost := make(map[string][]float64), make(map[string]losses)
				most := uint64(0)
				for round := range rounds {
					for i := range order {
						kind := order[(i+round)%len(order)]
						before := aim(ports[kind])
						time.Sleep(phase / 5)
						start, was, dropped := time.Now(), u.acct.Counters().Rx, readLosses(t)
						time.Sleep(phase)
						got[kind] = append(got[kind], float64(u.acct.Counters().Rx-was)/time.Since(start).Seconds())
						lost[kind] = lost[kind].plus(readLosses(t), dropped)
						switch kind {
						case "no flood":
							quiet = max(quiet, rss(t, os.Getpid()))
						case "flood":
							most = max(most, rss(t, os.Getpid()))
							floods = float64(aim(0)-before) / (phase + phase/5).Seconds()
						}
						aim(0)
					}
				}
				ratios := func(to string) float64 {
					var list []float64
					for i, v := range got["flood"] {
						list = append(list, v/got[to][i])
					}
					slices.Sort(list)
					return (list[len(list)/2] + list[(len(list)-1)/2]) / 2
				}
				median := func(kind string) float64 {
					list := slices.Sorted(slices.Values(got[kind]))
					return list[len(list)/2] * 8e-6
				}
				grown := (int64(most) - int64(quiet)) >> 20
				ratio = ratios("no flood")
				name := "at full rate"
				if rate > 0 {
					name = "at a fixed rate"
				}
				t.Logf("%s, %s: %.0f packets/s flooded; goodput %.0f Mbit/s without, %.0f with (ratio %.3f), %.0f with the same flood at another port (ratio %.3f); memory grew %d MiB",
					mode, name, floods, median("no flood"), median("flood"), ratio, median("flood elsewhere"), ratios("flood elsewhere"), grown)
				t.Logf("packets lost before anyone looked at them: %+v", lost)
				for was, end := u.acct.Counters().Rx, time.Now().Add(time.Minute); u.acct.Counters().Rx == was; time.Sleep(20 * time.Millisecond) {
					if time.Now().After(end) {
						t.Fatal("nothing comes any more after the flood")
					}
				}
				if most := int64(64); grown > most && !slowBuild || grown > 4*most {
					t.Errorf("memory grew by %d MiB", grown)
				}
				return floods, ratio
			}
			// The short form runs beside other tests, under the race detector too: rates are asserted in the long one, and
			// of three tries one has to keep them, on a machine with other work as well.
			for try := 1; ; try++ {
				floods, ratio := series(25 << 20)
				if !long() || floods >= 0.9*floodRate && ratio >= 0.9 {
					break
				}
				if try == 3 {
					t.Errorf("%.0f packets/s were flooded, and goodput fell to %.3f", floods, ratio)
					break
				}
			}
			// At full rate the flood's making, carrying and refusing compete with the session for one machine's
			// processors: that figure is printed, and is not a promise.
			series(0)
			sink.Close()
			u.leave()
			e.Close()
		}
	})
}

// losses are packets that the kernel had no room for: on the way to the host's protocols, and in the engine's socket.
type losses struct{ Backlog, Socket uint64 }

func (l losses) plus(now, before losses) losses {
	return losses{l.Backlog + now.Backlog - before.Backlog, l.Socket + now.Socket - before.Socket}
}

func readLosses(t *testing.T) losses {
	t.Helper()
	var l losses
	for line := range strings.Lines(run(t, "cat", "/proc/net/softnet_stat")) {
		var all, dropped uint64
		fmt.Sscanf(line, "%x %x", &all, &dropped)
		l.Backlog += dropped
	}
	for line := range strings.Lines(run(t, "cat", "/proc/net/snmp")) {
		var in, none, errs, out, full uint64
		if n, _ := fmt.Sscanf(line, "Udp: %d %d %d %d %d", &in, &none, &errs, &out, &full); n == 5 {
			l.Socket = full
		}
	}
	return l
}

// blow sends to a connection at a rate of bytes a second; zero for as fast as it takes them.
func blow(c net.Conn, rate int) {
	// A host may prefer BBR, whose probing makes short measurements scatter.
	if raw, err := c.(*net.TCPConn).SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, "cubic")
		})
	}
	if rate == 0 {
		io.Copy(c, zeros{})
		return
	}
	const every = 5 * time.Millisecond
	t := time.NewTicker(every)
	defer t.Stop()
	start, sent := time.Now(), 0
	for range t.C {
		due := int(time.Since(start).Seconds()*float64(rate)) - sent
		n, err := c.Write(make([]byte, due))
		if sent += n; err != nil {
			return
		}
	}
}
