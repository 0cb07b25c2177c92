package tunnel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/icmp"

	"byway/tunnel/netstack"
	"byway/tunnel/packet"
	"byway/tunnel/tunneltest"
	"byway/tunnel/turnstile"
	"byway/tunnel/wireguard"
)

// A program that opens connections faster than its session may is slowed down, and told nothing else.
func TestAdversaryManyConnectionsAtOnceAreDelayedAndNeverRefused(t *testing.T) {
	requests, waves := int64(2000), []int{100, 600}
	if slowBuild { // where a program's own patience with a name would be the limit
		requests, waves = 600, []int{100}
	}
	srv := tunneltest.Internet(t, make([]byte, 1000))
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	for _, atOnce := range waves {
		for _, host := range []string{"127.0.0.1", "host.test"} {
			t.Run(fmt.Sprintf("%d at once to %s", atOnce, host), func(t *testing.T) {
				t.Parallel()
				r := newResolver(t)
				p := join(t, newExit(t, ExitConfig{DNS: []netip.AddrPort{r.addr}}), math.MaxUint64)
				hc := &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{
					DialContext: p.client.DialContext, DisableKeepAlives: true,
				}}
				var got, failed atomic.Int64
				var first sync.Once
				var wg sync.WaitGroup
				var left atomic.Int64
				left.Store(requests)
				began := time.Now()
				for range atOnce {
					wg.Go(func() {
						for left.Add(-1) >= 0 {
							resp, err := hc.Get("http://" + net.JoinHostPort(host, port))
							if err == nil {
								var n int64
								n, err = io.Copy(io.Discard, resp.Body)
								resp.Body.Close()
								if err == nil && resp.StatusCode == http.StatusOK && n == 1000 {
									got.Add(1)
									continue
								}
							}
							failed.Add(1)
							first.Do(func() { t.Errorf("a request failed: %v", err) })
						}
					})
				}
				wg.Wait()
				u := p.session.Use()
				if got.Load() != requests {
					t.Errorf("%d of %d were answered, %d failed; %+v", got.Load(), requests, failed.Load(), u)
				}
				t.Logf("adversary: %s | bound: %s | seen: %s",
					fmt.Sprintf("%d GETs of 1 kB, %d at once, to %s", requests, atOnce, host), "every one answered",
					fmt.Sprintf("%d × 200 in %.1f s; %+v", got.Load(), time.Since(began).Seconds(), u))
			})
		}
	}
}

// A datagram of any size comes back whole, or not at all: of the sizes at which something changes, and of some others.
func TestAdversaryDatagramsOfEverySizeAreWholeOrDropped(t *testing.T) {
	const streams, batch, others = 4, 2, 400 // more at once overflow a host's socket
	// What fits a packet of the tunnel and of the host, with the headers of each family; what a proxy's header is too much
	// for; what a buffer of 60 KiB cut; the most that UDP carries.
	sizes := make(map[int]bool)
	for _, edge := range []int{
		0, 1, 3, 4, 8, 1232, 1280, wireguard.DefaultMTU - 48, wireguard.DefaultMTU - 28, wireguard.DefaultMTU - 20, 1400, wireguard.DefaultMTU, 1452, 1472, 1500, 2 * wireguard.DefaultMTU,
		1 << 12, 1 << 14, 1 << 15, 60 << 10, 61419, maxDatagram - 22, maxDatagram - 10, 65487, maxDatagram,
	} {
		for size := edge - 1; size <= edge+1; size++ {
			if size >= 0 && size <= maxDatagram {
				sizes[size] = true
			}
		}
	}
	// Half of the others are of those that came back cut.
	for n := range others {
		if n%2 == 0 {
			sizes[61419+mathrand.IntN(maxDatagram-61419+1)] = true
		} else {
			sizes[mathrand.IntN(61419)] = true
		}
	}
	e := newExit(t, ExitConfig{})
	var whole, lost atomic.Int64
	var wg sync.WaitGroup
	for n := range streams {
		p := join(t, e, math.MaxUint64)
		network, address := "udp4", "127.0.0.1:0"
		if n == 0 {
			network, address = "udp6", "[::1]:0"
		}
		conn, err := p.client.net.DialUDP(tunneltest.EchoUDP(t, network, address))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		// Each family sees every edge; IPv4 has three streams for them.
		mine := slices.Sorted(maps.Keys(sizes))
		if n > 0 {
			mine = slices.DeleteFunc(mine, func(size int) bool { return size%(streams-1) != n-1 })
		}
		wg.Go(func() {
			out, in := tunneltest.Random(t, maxDatagram), make([]byte, 1<<16)
			for sizes := range slices.Chunk(mine, batch) {
				sent := make(map[int]bool)
				for _, size := range sizes {
					// A size of the first bytes' own, so that each answer says what it should be.
					if size >= 4 {
						binary.BigEndian.PutUint32(out, uint32(size))
					}
					if _, err := conn.Write(out[:size]); err != nil {
						t.Errorf("%d bytes: %v", size, err)
						return
					}
					sent[size] = true
				}
				for len(sent) > 0 {
					conn.SetReadDeadline(time.Now().Add(3 * time.Second))
					n, err := conn.Read(in)
					if err != nil {
						break
					}
					if n >= 4 && int(binary.BigEndian.Uint32(in)) != n {
						t.Errorf("a datagram of %d bytes came back with %d", binary.BigEndian.Uint32(in), n)
					}
					// One that was given up may come late.
					if _, known := slices.BinarySearch(mine, n); !known {
						t.Errorf("%d bytes came back, which were not sent", n)
					} else if n > 4 && string(in[4:n]) != string(out[4:n]) {
						t.Errorf("%d bytes came back changed", n)
					}
					delete(sent, n)
					whole.Add(1)
				}
				lost.Add(int64(len(sent)))
			}
		})
	}
	wg.Wait()
	if lost.Load() > whole.Load()/10 {
		t.Errorf("%d datagrams came back, %d were lost", whole.Load(), lost.Load())
	}
	t.Logf("adversary: %s | bound: %s | seen: %s", fmt.Sprintf("datagrams of %d sizes from 0 to 65,507 bytes, both families", len(sizes)),
		"whole or dropped, never cut", fmt.Sprintf("%d whole, %d dropped, none cut", whole.Load(), lost.Load()))
}

// files is a process with so many descriptors, for exits of one test.
func files(n int) *turnstile.Process { return turnstile.NewProcess(n) }

// flood opens flows of UDP until told to stop, each from a port of its own, and keeps all of them active.
func flood(t *testing.T, stop context.Context, p pair, to netip.AddrPort, flows int) {
	t.Helper()
	var conns []net.Conn
	for range flows {
		conn, err := p.client.net.DialUDP(to)
		if err != nil {
			t.Error(err)
			return
		}
		conns = append(conns, conn)
	}
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for stop.Err() == nil {
		for _, c := range conns {
			if _, err := c.Write([]byte("x")); err != nil || stop.Err() != nil {
				return
			}
		}
		time.Sleep(250 * time.Millisecond)
	}
}

// Sessions that open all the flows they may leave every other one its share of the process's descriptors.
func TestAdversarySocketsOfManySessionsLeaveOthersTheirShare(t *testing.T) {
	const attackers = 4
	sink := sinkUDP(t)
	srv := tunneltest.Internet(t, []byte("hello"))
	e := newExit(t, ExitConfig{Limits: Limits{Flows: 1024, NewFlows: 2000}, process: files(600)})
	stop, end := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer end()
	for range attackers {
		p := join(t, e, math.MaxUint64)
		wg.Go(func() { flood(t, stop, p, sink, 100) })
	}
	used, total := 0, 0
	tunneltest.Eventually(t, "the descriptors are used up", func() bool {
		used, total = e.process.Flows.Use()
		return used == total
	})
	victim := join(t, e, math.MaxUint64)
	share := total / (attackers + 1)
	var conns []net.Conn
	began := time.Now()
	for range share {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		conn, err := victim.client.DialContext(ctx, "tcp", srv.Listener.Addr().String())
		cancel()
		if err != nil {
			t.Fatalf("connection %d of a share of %d: %v", len(conns), share, err)
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	if used, total := e.process.Flows.Use(); used > total {
		t.Errorf("%d of %d places are taken", used, total)
	}
	if n := victim.session.Flows(); n < share-1 {
		t.Errorf("the victim keeps %d of its share of %d", n, share)
	}
	t.Logf("adversary: %s | bound: %s | seen: %s", fmt.Sprintf("%d sessions keep 100 flows each active for %d descriptors", attackers, total),
		fmt.Sprintf("a fifth session gets its share of %d", share),
		fmt.Sprintf("%d connections in %v", len(conns), time.Since(began).Round(time.Millisecond)))
}

// sinkUDP is a host that takes datagrams and answers none.
func sinkUDP(t testing.TB) netip.AddrPort {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	return pc.LocalAddr().(*net.UDPAddr).AddrPort()
}

// Idle flows make room, the one that rested longest first; active ones stay.
func TestFlowThatRestedLongestGivesItsPlaceToANewOne(t *testing.T) {
	echo := tunneltest.EchoUDP(t, "udp4", "127.0.0.1:0")
	p := join(t, newExit(t, ExitConfig{Limits: Limits{Flows: 10, NewFlows: 1000}}), math.MaxUint64)
	ask := func(c net.Conn) error {
		if _, err := c.Write([]byte("x")); err != nil {
			return err
		}
		c.SetReadDeadline(time.Now().Add(30 * time.Second))
		_, err := c.Read(make([]byte, 8))
		return err
	}
	var conns []net.Conn
	dial := func() net.Conn {
		c, err := p.client.net.DialUDP(echo)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	for range 10 {
		c := dial()
		if err := ask(c); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	ports := func() map[uint16]bool {
		list := make(map[uint16]bool)
		p.session.mu.Lock()
		defer p.session.mu.Unlock()
		for key, f := range p.session.udp {
			if f.open.Load() {
				list[key.src.Port()] = true
			}
		}
		return list
	}
	// All but two stay active while new flows come.
	stop, end := context.WithCancel(t.Context())
	defer end()
	for _, c := range conns[2:] {
		go func() {
			for stop.Err() == nil && ask(c) == nil {
				time.Sleep(100 * time.Millisecond)
			}
		}()
	}
	for i := range 2 {
		if err := ask(dial()); err != nil {
			t.Fatalf("new flow %d: %v", i, err)
		}
	}
	left := ports()
	for i, c := range conns {
		port := netip.MustParseAddrPort(c.LocalAddr().String()).Port()
		if left[port] != (i >= 2) {
			t.Errorf("flow %d is there: %v", i, left[port])
		}
	}
	if u := p.session.Use(); u.Evicted != 2 || u.Flows != 10 {
		t.Errorf("%+v, want two flows to have made room", u)
	}
}

// Associations that come and go leave nothing behind at the exit: the end of one frees the places of its flows, long before
// these have rested, and those of others stay.
func TestAdversaryAssociationsThatComeAndGoFreeTheirFlows(t *testing.T) {
	const rounds = 40
	e := newExit(t, ExitConfig{Limits: Limits{Flows: 16, NewFlows: 1000}})
	p := join(t, e, math.MaxUint64)
	proxy := newProxy(t, p.client)
	four, six := tunneltest.EchoUDP(t, "udp4", "127.0.0.1:0"), tunneltest.EchoUDP(t, "udp6", "[::1]:0")
	buf := make([]byte, 1<<16)
	speak := func(relay *net.UDPAddr) {
		mine, err := net.DialUDP("udp", nil, relay)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { mine.Close() })
		for _, to := range []netip.AddrPort{four, six} {
			mine.Write(append(socksAddress([]byte{0, 0, 0}, to), "ping"...))
			mine.SetReadDeadline(time.Now().Add(30 * time.Second))
			if _, err := mine.Read(buf); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, stays := tunneltest.SocksUDP(t, proxy)
	speak(stays)
	began := time.Now()
	for range rounds {
		control, relay := tunneltest.SocksUDP(t, proxy)
		speak(relay)
		control.Close()
	}
	tunneltest.Eventually(t, "the flows of closed associations are gone", func() bool { return p.session.Use().Flows == 2 })
	took := time.Since(began)
	u := p.session.Use()
	if took >= udpIdle {
		t.Errorf("after %s", took)
	}
	p.session.mu.Lock()
	keys := slices.Collect(maps.Keys(p.session.udp))
	p.session.mu.Unlock()
	if len(keys) != 2 {
		t.Errorf("%d flows are kept", len(keys))
	}
	// What another session says of a flow is not about this one.
	other := join(t, e, math.MaxUint64)
	v4, _ := p.session.Addrs()
	for _, key := range keys {
		if key.src.Addr() == v4 {
			other.client.net.Refuse(uint8(packet.UDP), key.dst, key.src, 0, netstack.UnreachablePort)
		}
	}
	speak2, err := other.client.net.DialUDP(four)
	if err != nil {
		t.Fatal(err)
	}
	defer speak2.Close()
	speak2.Write([]byte("x"))
	speak2.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, err := speak2.Read(buf); err != nil { // so the forged message has been seen
		t.Fatal(err)
	}
	if n := p.session.Use().Flows; n != 2 {
		t.Errorf("%d flows after another session's message, want 2", n)
	}
	t.Logf("adversary: %s | bound: %s | seen: %s", fmt.Sprintf("%d associations with two flows each come and go at a limit of 16 flows", rounds),
		"their flows end with them, and nobody else's", fmt.Sprintf("2 flows left, of the open one, %.2f s; %+v", took.Seconds(), u))
}

// A closed flow's place is free at once.
func TestPlacesOfEndedFlowsAreFreeAtOnce(t *testing.T) {
	srv := tunneltest.Internet(t, nil)
	p := join(t, newExit(t, ExitConfig{Limits: Limits{Flows: 2, NewFlows: 1000}}), math.MaxUint64)
	began := time.Now()
	for i := range 50 {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		c, err := p.client.DialContext(ctx, "tcp", srv.Listener.Addr().String())
		cancel()
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		c.Close()
	}
	if u := p.session.Use(); u.Evicted > 0 {
		t.Errorf("%+v after %v", u, time.Since(began))
	}
}

const filesEnv = "BYWAY_TEST_FILES"

// The process itself keeps descriptors whatever its sessions do, under a limit that the system sets.
func TestAdversarySessionsLeaveTheProcessItsDescriptors(t *testing.T) {
	if os.Getenv(filesEnv) == "" {
		underFewFiles(t)
		return
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur != 1500 {
		t.Fatalf("limit of descriptors is %d, %v", limit.Cur, err)
	}
	sink := sinkUDP(t)
	srv := tunneltest.Internet(t, []byte("hello"))
	e := newExit(t, ExitConfig{Limits: Limits{Flows: 1024, NewFlows: 2000}})
	stop, end := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer end()
	for range 2 {
		p := join(t, e, math.MaxUint64)
		wg.Go(func() { flood(t, stop, p, sink, 1100) })
	}
	total := 0
	tunneltest.Eventually(t, "the sessions' descriptors are used up", func() bool {
		var used int
		used, total = e.process.Flows.Use()
		return used == total
	})
	// What libp2p, the ledger and the chain may need at the same time.
	var held []*os.File
	for range 700 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatalf("descriptor %d of the process's own: %v", len(held), err)
		}
		defer f.Close()
		held = append(held, f)
	}
	victim := join(t, e, math.MaxUint64)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	began := time.Now()
	conn, err := victim.client.DialContext(ctx, "tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatalf("a third session's connection: %v", err)
	}
	conn.Close()
	took := time.Since(began)

	t.Logf("adversary: %s | bound: %s | seen: %s", "two sessions open 1,100 flows each under ulimit -n 1500",
		"flows take no more than their budget; 700 descriptors stay for the process; a third session connects",
		fmt.Sprintf("budget %d, 700 opened, third session connected in %v", total, took.Round(time.Millisecond)))
}

// What the host lacks is waited for: a destination that was never asked has refused nothing.
func TestAdversaryLackOfDescriptorsIsWaitedForAndNotRefused(t *testing.T) {
	if os.Getenv(filesEnv) == "" {
		underFewFiles(t)
		return
	}
	srv := tunneltest.Internet(t, []byte("hello"))
	echo := tunneltest.EchoUDP(t, "udp4", "127.0.0.1:0")
	p := join(t, newExit(t, ExitConfig{}), math.MaxUint64)
	asked, err := p.client.net.DialUDP(echo)
	if err != nil {
		t.Fatal(err)
	}
	defer asked.Close()
	var held []*os.File
	for {
		f, err := os.Open(os.DevNull)
		if errors.Is(err, syscall.EMFILE) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		held = append(held, f)
	}
	results := make(chan error, 2)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		conn, err := p.client.DialContext(ctx, "tcp", srv.Listener.Addr().String())
		if err == nil {
			conn.Close()
		}
		results <- err
	}()
	go func() {
		_, err := asked.Write([]byte("x"))
		if err == nil {
			asked.SetReadDeadline(time.Now().Add(30 * time.Second))
			_, err = asked.Read(make([]byte, 8))
		}
		results <- err
	}()
	select {
	case err := <-results:
		t.Errorf("without a descriptor left, the consumer was told something: %v", err)
	case <-time.After(time.Second):
	}
	for _, f := range held {
		f.Close()
	}
	for range 2 {
		if err := <-results; err != nil {
			t.Errorf("after descriptors became free: %v", err)
		}
	}
	t.Logf("adversary: %s | bound: %s | seen: %s", fmt.Sprintf("the process has no descriptor left (EMFILE after %d)", len(held)),
		"TCP and UDP wait, and work when there are some", "nothing refused, both worked")
}

// underFewFiles runs a test in a process of its own that may have 1,500 descriptors.
func underFewFiles(t *testing.T) {
	t.Helper()
	cmd := exec.Command("sh", "-c", `ulimit -n 1500 && exec "$@"`, "sh", os.Args[0],
		"-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), filesEnv+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if _, text, ok := strings.Cut(line, "adversary: "); ok {
			t.Log("adversary: " + strings.TrimSpace(text))
		}
	}
}

// Echo requests that nobody answers take no other session's room.
func TestAdversaryEchoesOfManySessionsLeaveOthersTheirShare(t *testing.T) {
	const attackers = 20
	e := newExit(t, ExitConfig{Limits: Limits{NewFlows: 1 << 20}})
	sock := &echoSocket{}
	pc, err := icmp.ListenPacket("udp4", "127.0.0.1")
	if err != nil {
		if pc, err = icmp.ListenPacket("ip4:icmp", "127.0.0.1"); err != nil {
			t.Skipf("no socket for echo requests here: %v", err)
		}
		sock.raw = true
	}
	// Requests go out of a socket that nobody reads, so that none is answered.
	sock.conn = pc
	e.echo.mu.Lock()
	e.echo.socks[false] = sock
	e.echo.mu.Unlock()
	add := func() *Session {
		k, err := wireguard.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		s, err := e.Add(Peer{PublicKey: k.Public(), Limit: math.MaxUint64})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	send := func(s *Session, n int) {
		v4, _ := s.Addrs()
		for i := range n {
			e.echo.request(netstack.Echo{Src: v4, Dst: netip.MustParseAddr("127.0.0.1"), ID: 1, Seq: uint16(i)})
		}
	}
	var list []*Session
	var wg sync.WaitGroup
	for range attackers {
		s := add()
		list = append(list, s)
		wg.Go(func() { send(s, 1000) })
	}
	wg.Wait()
	victim := add()
	send(victim, 100)
	for _, s := range list {
		wg.Go(func() { send(s, 1000) })
	}
	wg.Wait()
	if n := e.Use().Echoes; n > maxEchoes {
		t.Errorf("%d requests wait", n)
	}
	if n := victim.Use().Echoes; n != 100 {
		t.Errorf("%d of the victim's 100 requests still wait for their answers", n)
	}
	most := 0
	for _, s := range list {
		most = max(most, s.Use().Echoes)
	}
	if most > maxSessionEchoes {
		t.Errorf("one session has %d waiting", most)
	}
	t.Logf("adversary: %s | bound: %s | seen: %s", fmt.Sprintf("%d sessions send 2,000 echo requests each that nobody answers", attackers),
		fmt.Sprintf("%d of each, %d of all, and another session's 100 stay", maxSessionEchoes, maxEchoes),
		fmt.Sprintf("%d at most, %d of all, %d stayed", most, e.Use().Echoes, victim.Use().Echoes))
	if err := victim.Remove(); err != nil {
		t.Fatal(err)
	}
	if n := victim.Use().Echoes; n != 0 {
		t.Errorf("%d requests of a removed session wait", n)
	}
}
