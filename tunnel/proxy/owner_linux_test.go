package proxy

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"byway/tunnel/tunneltest"
)

// nobody is a user who is neither root nor whoever runs the tests.
const nobody = 65534

// otherUser runs a helper of this test binary as another user, and returns what it prints.
func otherUser(t testing.TB, uid uint32, args ...string) string {
	t.Helper()
	cmd, out := startOtherUser(t, uid, args...)
	text, err := io.ReadAll(out)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("helper %v: %v: %s", args, err, text)
	}
	if err != nil {
		t.Fatal(err)
	}
	said, _, _ := strings.Cut(string(text), "\nPASS")
	return strings.TrimSuffix(said, "\n")
}

func startOtherUser(t testing.TB, uid uint32, args ...string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("becoming another user needs root")
	}
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(own)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && len(d) > 1; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "helper")
	if err := os.WriteFile(program, text, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-test.run=^TestHelperOfAnotherUser$")
	cmd.Dir = dir
	cmd.Env = []string{"BYWAY_TEST_HELPER=" + strings.Join(args, " ")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd, bufio.NewReader(out)
}

// TestHelperOfAnotherUser is not a test: otherUser runs it.
//
//	say ADDRESS HEX          connects over TCP, sends the bytes, prints what comes until the end
//	leave ADDRESS HEX N HOW  does so N times and goes at once: HOW is close, reset or half
//	hold ADDRESS N           opens N connections, prints a line, and stays
//	udp ADDRESS HEX          sends the bytes as datagrams until it is killed
func TestHelperOfAnotherUser(t *testing.T) {
	args := strings.Fields(os.Getenv("BYWAY_TEST_HELPER"))
	if len(args) == 0 {
		t.Skip("the other tests run it")
	}
	var bytes []byte
	if len(args) > 2 {
		bytes, _ = hex.DecodeString(args[2])
	}
	dial := func() *net.TCPConn {
		c, err := net.Dial("tcp", args[1])
		if err != nil {
			t.Fatal(err)
		}
		return c.(*net.TCPConn)
	}
	switch args[0] {
	case "say":
		c := dial()
		c.Write(bytes)
		c.SetReadDeadline(time.Now().Add(30 * time.Second))
		got, _ := io.ReadAll(c)
		fmt.Println(hex.EncodeToString(got))
	case "leave":
		n, _ := strconv.Atoi(args[3])
		for range n {
			c := dial()
			c.Write(bytes)
			switch args[4] {
			case "reset":
				c.SetLinger(0)
			case "half":
				c.CloseWrite()
			}
			c.Close()
		}
	case "hold":
		n, _ := strconv.Atoi(args[2])
		var all []net.Conn
		for range n {
			all = append(all, dial())
		}
		fmt.Println("held")
		time.Sleep(10 * time.Minute)
		runtime.KeepAlive(all)
	case "udp":
		c, err := net.Dial("udp", args[1])
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; ; i++ {
			c.Write(bytes)
			if i == 100 {
				fmt.Println("sent")
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// proxyWith serves a proxy of this configuration on address, and returns it with where it listens.
func proxyWith(t testing.TB, address string, cfg Config) (*Proxy, string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Skipf("no %s here: %v", address, err)
	}
	p := New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("proxy: %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Error("proxy did not stop")
		}
	})
	return p, l.Addr().String()
}

// direct carries a proxy's flows without a tunnel.
type direct struct{ dials atomic.Int64 }

func (d *direct) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d.dials.Add(1)
	return new(net.Dialer).DialContext(ctx, network, address)
}

func (d *direct) ListenUDP() (net.PacketConn, error) { return net.ListenPacket("udp", "127.0.0.1:0") }

func (d *direct) Resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// socksRequest is greeting and request in one, from a program that waits for nothing.
func socksRequest(dst netip.AddrPort) []byte {
	return AppendSOCKSAddr([]byte{5, 1, 0, 5, socksConnect, 0}, dst)
}

func TestAdversaryAnotherUsersProgramIsNotServedByTheProxy(t *testing.T) {
	target, served := tunneltest.Greeter(t)
	httpConnect := fmt.Sprintf("CONNECT %[1]s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", target)
	httpGet := fmt.Sprintf("GET http://%[1]s/ HTTP/1.1\r\nHost: %[1]s\r\n\r\n", target)
	withPassword := append([]byte{5, 1, 2, 1, 1, 'u', 1, 'x'}, socksRequest(target)[3:]...)
	for _, listen := range []string{"127.0.0.1:0", "[::1]:0"} {
		_, proxy := proxyWith(t, listen, Config{Dialer: new(direct), Users: []uint32{0}})
		for what, c := range map[string]struct {
			say  []byte
			want string // how the answer begins
		}{
			"SOCKS5":              {socksRequest(target), "\x05\xff"},
			"SOCKS5 by password":  {withPassword, "\x05\xff"},
			"SOCKS5 associate":    {[]byte{5, 1, 0, 5, 3, 0, 1, 0, 0, 0, 0, 0, 0}, "\x05\xff"},
			"SOCKS4":              {append([]byte{4, 1, 0, 80, 127, 0, 0, 1}, 0), "\x00\x5b"},
			"CONNECT":             {[]byte(httpConnect), "HTTP/1.1 403 "},
			"GET":                 {[]byte(httpGet), "HTTP/1.1 403 "},
			"GET of many headers": {[]byte(httpGet[:len(httpGet)-2] + strings.Repeat("A: b\r\n", 10000) + "\r\n"), "HTTP/1.1 403 "},
		} {
			got, err := hex.DecodeString(otherUser(t, nobody, "say", proxy, hex.EncodeToString(c.say)))
			if err != nil || !strings.HasPrefix(string(got), c.want) {
				t.Errorf("%s on %s: %q, %v, want %q", what, listen, got, err, c.want)
			}
		}
	}
	if n := served.Load(); n != 0 {
		t.Errorf("%d connections were made for another user", n)
	}
	refused := served.Load()

	// The same user is served where that user is admitted.
	_, proxy := proxyWith(t, "127.0.0.1:0", Config{Dialer: new(direct), Users: []uint32{nobody}})
	cmd, out := startOtherUser(t, nobody, "say", proxy, hex.EncodeToString(socksRequest(target)))
	for end := time.Now().Add(time.Minute); served.Load() == refused; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("control: the admitted user is not served")
		}
	}
	cmd.Process.Kill()
	io.Copy(io.Discard, out)
	// And we, who are root, are not.
	c, err := net.Dial("tcp", proxy)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	c.Write(socksRequest(target))
	if got, err := io.ReadAll(c); err != nil || string(got) != "\x05\xff" {
		t.Errorf("root, who is not admitted: % x, %v", got, err)
	}
	t.Logf("adversary: %s | bound: %s | seen: %d connections served", "another user's program asks the proxy in seven ways, on both families",
		"0 served, each told", refused)
}

func TestAdversaryASocketThatItsUserHasLeftIsNotRoots(t *testing.T) {
	target, served := tunneltest.Greeter(t)
	_, proxy := proxyWith(t, "127.0.0.1:0", Config{Dialer: new(direct), Users: []uint32{0}})
	for _, how := range []string{"close", "reset", "half"} {
		otherUser(t, nobody, "leave", proxy, hex.EncodeToString(socksRequest(target)), "200", how)
	}
	// For certain after the close, where the programs above may have been quicker or slower than the question.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	o := newOwners()
	defer o.close()
	believed := 0
	for _, how := range []string{"open", "half", "close", "reset"} {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		near, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c.Write([]byte("x"))
		switch how {
		case "half":
			c.(*net.TCPConn).CloseWrite()
		case "reset":
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
		case "close":
			c.Close()
		}
		uid, err := o.ofConn(near.(*net.TCPConn))
		if open := how == "open" || how == "half"; open && (err != nil || uid != uint32(os.Getuid())) {
			t.Errorf("%s: user %d, %v", how, uid, err)
		} else if !open && err == nil {
			t.Errorf("%s: user %d, where nobody has the socket", how, uid)
			believed++
		}
		c.Close()
		near.Close()
	}
	if n := served.Load(); n != 0 {
		t.Errorf("%d connections were made for sockets that were left", n)
	}
	t.Logf("adversary: %s | bound: %s | seen: %d served of 600, %d believed", "a request whose socket is closed, reset or half closed before the look-up",
		"0 taken for root's", served.Load(), believed)
}

func TestOwnerIsFoundForSocketsOfEveryKind(t *testing.T) {
	o := newOwners()
	defer o.close()
	me := uint32(os.Getuid())
	for _, c := range []struct{ listen, dial string }{
		{"127.0.0.1:0", "127.0.0.1"}, {"[::1]:0", "::1"}, {"127.0.0.1:0", "::ffff:127.0.0.1"}, {"127.0.0.1:0", "other source"},
	} {
		l, err := net.Listen("tcp", c.listen)
		if err != nil {
			t.Skipf("no %s here: %v", c.listen, err)
		}
		defer l.Close()
		if err := o.check(l); err != nil {
			t.Errorf("check %s: %v", c.listen, err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		switch c.dial {
		case "::ffff:127.0.0.1":
			// A socket of IPv6 that speaks IPv4, as Java's do.
			fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fd)
			to := &unix.SockaddrInet6{Port: port, Addr: netip.MustParseAddr(c.dial).As16()}
			if err := unix.Connect(fd, to); err != nil {
				t.Fatal(err)
			}
		case "other source":
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 9, 9, 9)}}
			conn, err := d.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
		default:
			conn, err := net.Dial("tcp", net.JoinHostPort(c.dial, strconv.Itoa(port)))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
		}
		near, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer near.Close()
		if uid, err := o.ofConn(near.(*net.TCPConn)); err != nil || uid != me {
			t.Errorf("%+v: user %d, %v, want %d", c, uid, err, me)
		}
	}
	// UDP: bound to every address, or to one, or connected.
	relay, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer relay.Close()
	near := addrPort(relay.LocalAddr())
	for _, open := range []func() (*net.UDPConn, error){
		func() (*net.UDPConn, error) { return net.ListenUDP("udp", nil) },
		func() (*net.UDPConn, error) { return net.ListenUDP("udp4", nil) },
		func() (*net.UDPConn, error) {
			return net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		},
		func() (*net.UDPConn, error) { return net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(near)) },
	} {
		u, err := open()
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		far := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), addrPort(u.LocalAddr()).Port())
		if uid, err := o.ofDatagram(near, far); err != nil || uid != me {
			t.Errorf("udp %v: user %d, %v, want %d", u.LocalAddr(), uid, err, me)
		}
		u.Close()
		if uid, err := o.ofDatagram(near, far); err == nil {
			t.Errorf("udp, closed: user %d", uid)
		}
	}
}

func TestNetAdversaryASocketOfAnotherNamespaceIsNobodys(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	// A listener of a fresh network namespace, served from here, as a container's would be.
	type made struct {
		l    net.Listener
		conn net.Conn
		err  error
	}
	ready := make(chan made)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		m := made{err: unix.Unshare(unix.CLONE_NEWNET)}
		if m.err == nil {
			var lo netlink.Link
			if lo, m.err = netlink.LinkByName("lo"); m.err == nil {
				m.err = netlink.LinkSetUp(lo)
			}
		}
		if m.err == nil {
			m.l, m.err = net.Listen("tcp", "127.0.0.1:0")
		}
		if m.err == nil {
			m.conn, m.err = net.Dial("tcp", m.l.Addr().String())
		}
		ready <- m
	}()
	m := <-ready
	if m.err != nil {
		t.Skipf("no network namespace here: %v", m.err)
	}
	defer m.l.Close()
	defer m.conn.Close()
	o := newOwners()
	defer o.close()
	near, err := m.l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	uid, err := o.ofConn(near.(*net.TCPConn))
	if err == nil {
		t.Errorf("a socket of another namespace is user %d's", uid)
	}
	check := Config{Users: []uint32{0}}.Check(m.l)
	if check == nil || !strings.Contains(check.Error(), "user and password are required") {
		t.Errorf("a proxy that can't know its callers: %v", check)
	}
	t.Logf("adversary: %s | bound: %s | seen: %v; %v", "a connection whose socket is in another network namespace", "nobody's, and no proxy without a password",
		err, check)
}

func TestAdversaryAnAssociationTakesDatagramsOfItsUserOnly(t *testing.T) {
	echo := tunneltest.EchoUDP(t, "udp4", "127.0.0.1:0")
	p, proxy := proxyWith(t, "127.0.0.1:0", Config{Dialer: new(direct), Users: []uint32{uint32(os.Getuid())}})
	_, relayed := tunneltest.SocksUDP(t, proxy)
	datagram := func(text string) []byte { return append(AppendSOCKSAddr([]byte{0, 0, 0}, echo), text...) }
	// The other user is first, and would fix the association's port.
	_, out := startOtherUser(t, nobody, "udp", relayed.String(), hex.EncodeToString(datagram("stranger")))
	if _, err := out.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	mine, err := net.DialUDP("udp", nil, relayed)
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	buf := make([]byte, 1<<16)
	got := 0
	for end := time.Now().Add(time.Minute); got < 20; {
		if time.Now().After(end) {
			t.Fatalf("the association's own program got %d answers beside another user's datagrams", got)
		}
		mine.Write(datagram("mine"))
		mine.SetReadDeadline(time.Now().Add(time.Second))
		n, err := mine.Read(buf)
		if err != nil {
			continue
		}
		if string(buf[:n]) != string(datagram("mine")) {
			t.Fatalf("got %q", buf[:n])
		}
		got++
	}
	t.Logf("adversary: %s | bound: %s | seen: %d answers to the program, use %+v", "another user's datagrams come to an association first",
		"the program is served, the other is not", got, p.Use())
}
