//go:build linux

package route_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun"

	"byway/tunnel/route"
	"byway/tunnel/wireguard"
)

// hostile is an exit that sends whatever it likes into the tunnel: the other end of it is an interface of its machine.
const hostile = "hostile0"

var hostileAddrs = []string{"10.213.0.1", "fd62:7977:6179::1"}

// plainTunnel is WireGuard and nothing else, for as long as the process lives.
func plainTunnel(dev tun.Device, private wireguard.PrivateKey, own string, peer wireguard.Key, ofPeer string) error {
	wg := device.NewDevice(dev, conn.NewDefaultBind(), device.NewLogger(device.LogLevelSilent, ""))
	err := wg.IpcSet(fmt.Sprintf("private_key=%s\n%spublic_key=%s\n%sallowed_ip=0.0.0.0/0\nallowed_ip=::/0\n",
		hex.EncodeToString(private[:]), own, hex.EncodeToString(peer[:]), ofPeer))
	if err != nil {
		return err
	}
	return wg.Up()
}

// openHostile opens a tunnel to a consumer, and returns what a provider would have said.
func openHostile(consumer wireguard.Key) (answer, error) {
	private, err := wireguard.GenerateKey()
	if err != nil {
		return answer{}, err
	}
	dev, err := tun.CreateTUN(hostile, 1420)
	if err != nil {
		return answer{}, err
	}
	err = plainTunnel(dev, private, fmt.Sprintf("listen_port=%d\n", port), consumer, "")
	if err != nil {
		return answer{}, err
	}
	out, err := exec.Command("sh", "-ec", `
		ip addr add 10.213.0.1/32 dev hostile0
		ip addr add fd62:7977:6179::1/128 dev hostile0 nodad
		ip link set hostile0 up
		ip route add default dev hostile0 metric 9999
		ip -6 route add default dev hostile0 metric 9999`).CombinedOutput()
	if err != nil {
		return answer{}, fmt.Errorf("%w: %s", err, out)
	}
	key := private.Public()
	return answer{
		Key: key[:], DNS: netip.MustParseAddr(hostileAddrs[0]),
		V4: netip.MustParseAddr("10.213.0.2"), V6: netip.MustParseAddr("fd62:7977:6179::2"),
	}, nil
}

// listen counts what reaches a machine on any address: connections, datagrams, and echoes of the canary.
func listen() func(request) (answer, error) {
	var mu sync.Mutex
	seen := make(map[string]int)
	count := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		seen[what]++
	}
	var failed atomic.Value
	udp, err := net.ListenPacket("udp", ":9999")
	if err != nil {
		failed.Store(err)
	} else {
		go func() {
			b := make([]byte, 1<<16)
			for {
				n, from, err := udp.ReadFrom(b)
				if err != nil {
					return
				}
				count(fmt.Sprintf("%d bytes by udp", n))
				udp.WriteTo(b[:n], from)
			}
		}()
	}
	if names, err := net.ListenPacket("udp", ":53"); err == nil { // where nobody else resolves names
		go func() {
			b := make([]byte, 1<<16)
			for {
				if _, _, err := names.ReadFrom(b); err != nil {
					return
				}
				count("a question")
			}
		}()
	}
	tcp, err := net.Listen("tcp", ":9999")
	if err != nil {
		failed.Store(err)
	} else {
		go func() {
			for {
				conn, err := tcp.Accept()
				if err != nil {
					return
				}
				count("a tcp connection")
				go func() { io.Copy(conn, conn); conn.Close() }()
			}
		}()
	}
	return func(r request) (answer, error) {
		if err, ok := failed.Load().(error); ok {
			return answer{}, err
		}
		mu.Lock()
		defer mu.Unlock()
		total := 0
		for _, n := range seen {
			total += n
		}
		a := answer{Count: uint64(total), Text: fmt.Sprint(seen)}
		clear(seen)
		return a, nil
	}
}

// assault sends everything that a hostile exit can think of to an address behind the tunnel: a connection, datagrams whole
// and in fragments, echoes; and datagrams whose source is another's. It says what was answered.
func assault(to netip.Addr) string {
	var got []string
	onTunnel := func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { unix.SetsockoptString(int(fd), unix.SOL_SOCKET, unix.SO_BINDTODEVICE, hostile) })
	}
	from := hostileAddrs[0]
	if to.Is6() {
		from = hostileAddrs[1]
	}
	target := netip.AddrPortFrom(to, 9999).String()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var wg sync.WaitGroup
	var mu sync.Mutex
	answered := func(what string) { mu.Lock(); got = append(got, what); mu.Unlock() }
	wg.Go(func() {
		d := net.Dialer{Control: onTunnel, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		conn, err := d.DialContext(ctx, "tcp", target)
		if errors.Is(err, syscall.ECONNREFUSED) {
			answered("tcp refused")
		}
		if err == nil {
			answered("tcp")
			conn.Close()
		}
	})
	for _, size := range []int{100, 4000} {
		wg.Go(func() {
			d := net.Dialer{Control: onTunnel, LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}
			conn, err := d.DialContext(ctx, "udp", target)
			if err != nil {
				return
			}
			defer conn.Close()
			for range 3 {
				conn.Write(bytes.Repeat([]byte{7}, size))
			}
			conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
			if n, err := conn.Read(make([]byte, 1<<16)); err == nil {
				answered(fmt.Sprintf("udp %d", n))
			}
		})
	}
	wg.Go(func() {
		args := []string{"-c2", "-i0.2", "-W1", "-I", hostile, to.String()}
		if exec.CommandContext(ctx, "ping", args...).Run() == nil {
			answered("echo")
		}
	})
	if to.Is4() {
		for _, source := range []string{"127.0.0.1", lanHost, lanSelf, consumer4, provider4, "172.30.0.2", "10.213.0.2", "8.8.8.8"} {
			forge(netip.MustParseAddr(source), to)
		}
	}
	wg.Wait()
	slices.Sort(got)
	return strings.Join(got, ", ")
}

// forge sends a datagram with another's address as its source.
func forge(from, to netip.Addr) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, hostile)
	payload := []byte("from somebody else")
	p := make([]byte, 28, 28+len(payload))
	p[0], p[8], p[9] = 0x45, 64, unix.IPPROTO_UDP
	copy(p[12:], from.AsSlice())
	copy(p[16:], to.AsSlice())
	binary.BigEndian.PutUint16(p[20:], 53)
	binary.BigEndian.PutUint16(p[22:], 9999)
	binary.BigEndian.PutUint16(p[24:], uint16(8+len(payload)))
	unix.Sendto(fd, append(p, payload...), 0, &unix.SockaddrInet4{Addr: to.As4()})
}

// behind are the places behind the tunnel that a hostile exit looks for.
var behind = []struct {
	what, addr string
	control    bool // reached where nothing keeps the exit out
}{
	{"inner address", "10.213.0.2", true},
	{"inner address of IPv6", "fd62:7977:6179::2", true},
	{"public address of the machine", consumer4, true},
	{"public IPv6 address of the machine", consumer6, true},
	{"LAN address of the machine", lanSelf, true},
	{"bridge of the machine", "172.30.0.1", true},
	{"bridge of the machine, IPv6", "fd00:77::1", true},
	{"loopback", "127.0.0.1", false},
	{"container", "172.30.0.2", true},
	{"container, IPv6", "fd00:77::2", true},
	{"host on the LAN", lanHost, true},
}

// modes say which part of a machine's traffic goes through the tunnel, and what is excepted.
var modes = map[string]route.Config{
	"whole":    {},
	"lan":      {LAN: true},
	"include":  {Include: prefixes("203.0.113.0/24", "10.0.0.0/8", "2001:db8:2::/64", "fd62::/16")},
	"exclude":  {Exclude: prefixes("192.168.0.0/16", "172.16.0.0/12", "fd00:77::/64")},
	"programs": {OnlyPrograms: true},
}

// TestNetAdversaryExitReachesNothingBehindTheTunnel lets an exit dial into a machine that forwards, in every mode: while
// nothing but the firewall stands between, while nothing but the tunnel's own check does, and while another program
// flushes the firewall over and over, on a kernel that lets it.
func TestNetAdversaryExitReachesNothingBehindTheTunnel(t *testing.T) {
	t.Run("nothing shut (positive control)", func(t *testing.T) {
		exitDialsIn(t, "", nil, true, false)
	})
	t.Run("the tunnel's check alone", func(t *testing.T) {
		exitDialsIn(t, "of no firewall", nil, false, false)
	})
	for name, cfg := range modes {
		t.Run(name+", the firewall alone", func(t *testing.T) { exitDialsIn(t, name, &cfg, true, false) })
		t.Run(name+", while the firewall is flushed", func(t *testing.T) { exitDialsIn(t, name, &cfg, false, true) })
	}
}

// exitDialsIn is one case: with routes locked where there is a config, by a tunnel that is plain or checks itself, while
// the firewall is flushed or not. Without any layer the exit must come through, else the test proves nothing.
func exitDialsIn(t *testing.T, mode string, cfg *route.Config, plain, flush bool) {
	control := cfg == nil && plain
	w := newWorld(t)
	guest := w.guest()
	// What the machine forwards it forwards to its LAN as well.
	w.script(w.consumer, "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0")
	listeners := map[string]*child{
		"the machine": w.start(w.consumer, "listener"), "the container": w.start(guest, "listener"),
		"the LAN host": w.start(w.provider, "listener"),
	}
	provider := w.start(w.provider, "provider")
	daemon := w.start(w.consumer, "consumer")
	if flush {
		daemon.do(request{Op: "without", Text: "owner"})
	}
	if cfg != nil {
		if cfg.OnlyPrograms {
			mount := t.TempDir()
			if _, err := daemon.try(request{Op: "cgroup", Text: mount}); err != nil {
				t.Skipf("needs cgroup v2: %v", err)
			}
		}
		cfg.StateDir = w.stateDir
		daemon.do(request{Op: "lock", Config: cfg})
	}
	welcome := provider.do(request{Op: "hostile", Key: daemon.do(request{Op: "key"}).Key})
	welcome.Endpoint = netip.AddrPortFrom(netip.MustParseAddr(provider4), port)
	dial := request{Op: "dial", Welcome: &welcome}
	if plain {
		dial.Op = "dial plainly"
	}
	daemon.do(dial)
	if cfg == nil {
		w.script(w.consumer, `
			ip addr add 10.213.0.2/32 dev byway0
			ip addr add fd62:7977:6179::2/128 dev byway0 nodad
			ip link set byway0 up
			ip route add 10.213.0.1/32 dev byway0
			ip -6 route add fd62:7977:6179::1/128 dev byway0`)
	} else {
		daemon.do(request{Op: "bare up"})
	}
	stop := func() {}
	if flush {
		stop = w.attack(w.consumer, "nft flush ruleset")
	}
	for who, l := range listeners {
		if _, err := l.try(request{Op: "count"}); err != nil {
			t.Fatalf("%s: %v", who, err)
		}
	}
	total := uint64(0)
	for _, b := range behind {
		got := provider.do(request{Op: "assault", Text: b.addr}).Text
		reached := ""
		n := uint64(0)
		for who, l := range listeners {
			if a := l.do(request{Op: "count"}); a.Count > 0 {
				reached += fmt.Sprintf("%s got %s ", who, a.Text)
				n += a.Count
			}
		}
		if got != "" {
			n++
		}
		total += n
		switch {
		case control && b.control && n == 0:
			t.Errorf("%s was not reached where nothing is shut, so that it proves nothing", b.what)
		case !control && n > 0:
			t.Errorf("a hostile exit reached %s (%s): it was answered %q, %s", b.what, b.addr, got, reached)
		}
		if control {
			t.Logf("control: %-36s answered %q, %s", b.what, got, reached)
		}
	}
	if control {
		return
	}
	how := "by the firewall alone"
	switch {
	case flush:
		how = "while its firewall is flushed all the time"
	case !plain:
		how = "by the tunnel's own check alone"
	}
	t.Logf("adversary: exit dials into a machine in mode %s, kept out %s, %d places | bound: 0 packets and answers | seen: %d",
		mode, how, len(behind), total)
	stop()
	// Answers come through all the same, to the machine and to its guests.
	if cfg == nil || cfg.OnlyPrograms {
		return
	}
	for _, addr := range hostileAddrs {
		for _, ns := range []string{w.consumer, guest} {
			if ns == guest && mode == "exclude" && addr == hostileAddrs[1] {
				continue // it asks with an address that is excluded
			}
			w.eventually("answers from "+addr, func() error {
				out, err := w.try(ns, "ping", "-c1", "-W2", addr)
				if err != nil {
					return fmt.Errorf("%w: %s", err, out)
				}
				return nil
			})
		}
	}
}
