package tunnel

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"byway/tunnel/dialer"
	"byway/tunnel/proxy"
	"byway/tunnel/tunneltest"
	"byway/tunnel/wireguard"
)

// resolver is an upstream DNS server for zone test. over UDP and TCP.
type resolver struct {
	addr  netip.AddrPort
	asked atomic.Int64
	flip  atomic.Int64 // answers of rebind.test. so far
}

func newResolver(t testing.TB) *resolver {
	t.Helper()
	r := new(resolver)
	var pc net.PacketConn
	var l net.Listener
	for range 20 { // until a port is free for both
		var err error
		if pc, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		r.addr = pc.LocalAddr().(*net.UDPAddr).AddrPort()
		if l, err = net.Listen("tcp", r.addr.String()); err == nil {
			break
		}
		pc.Close()
	}
	if l == nil {
		t.Fatal("no port is free for both UDP and TCP")
	}
	mux := dns.NewServeMux()
	mux.HandleFunc("test.", r.answer)
	for _, s := range []*dns.Server{{PacketConn: pc, Handler: mux}, {Listener: l, Handler: mux}} {
		go s.ActivateAndServe()
		t.Cleanup(func() { s.Shutdown() })
	}
	return r
}

func (r *resolver) answer(w dns.ResponseWriter, q *dns.Msg) {
	r.asked.Add(1)
	m := new(dns.Msg).SetReply(q)
	name := strings.ToLower(q.Question[0].Name)
	add := func(format string, args ...any) {
		ttl := "5"
		if name == "rebind.test." {
			ttl = "0"
		}
		rr, err := dns.NewRR(name + " " + ttl + " IN " + fmt.Sprintf(format, args...))
		if err == nil && rr.Header().Rrtype == q.Question[0].Qtype {
			m.Answer = append(m.Answer, rr)
		}
	}
	switch name {
	case "host.test.":
		add("A 127.0.0.1")
	case "six.test.":
		add("AAAA ::1")
	case "inside.test.":
		add("A 10.0.0.1")
		add("AAAA ::ffff:169.254.169.254")
	case "rebind.test.":
		// A harmless address first, an inside one ever after.
		if q.Question[0].Qtype == dns.TypeA && r.flip.Add(1) == 1 {
			add("A 127.0.0.1")
		} else {
			add("A 192.168.0.1")
		}
	case "long.test.":
		for i := range 200 {
			add("A 9.9.%d.1", i)
		}
		if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
			size := dns.MinMsgSize
			if o := q.IsEdns0(); o != nil {
				size = int(o.UDPSize())
			}
			m.Truncate(size)
		}
	case "broken.test.":
		m.Rcode = dns.RcodeServerFailure
	default:
		m.Rcode = dns.RcodeNameError
	}
	w.WriteMsg(m)
}

func TestNamesAreResolvedThroughTheTunnelOnly(t *testing.T) {
	r := newResolver(t)
	p := join(t, newExit(t, ExitConfig{DNS: []netip.AddrPort{r.addr}}), math.MaxUint64)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for host, want := range map[string]string{"host.test": "[127.0.0.1]", "six.test": "[::1]", "HOST.test.": "[127.0.0.1]"} {
		got, err := p.client.Resolve(ctx, host)
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s: %v, %v, want %s", host, got, err, want)
		}
	}
	if got, err := p.client.Resolve(ctx, "long.test"); err != nil || len(got) != 200 {
		t.Errorf("an answer longer than a datagram: %d addresses, %v", len(got), err)
	}
	var de *net.DNSError
	if _, err := p.client.Resolve(ctx, "none.test"); !errors.As(err, &de) || !de.IsNotFound {
		t.Errorf("a name that does not exist: %v", err)
	}
	if _, err := p.client.Resolve(ctx, "broken.test"); !errors.As(err, &de) || de.IsNotFound {
		t.Errorf("a name whose server fails: %v", err)
	}
	// The host's own resolver would know localhost; the tunnel's does not.
	if got, err := p.client.Resolve(ctx, "localhost"); err == nil {
		t.Errorf("localhost is %v", got)
	}
	if r.asked.Load() == 0 {
		t.Error("the provider's upstream was never asked")
	}
	if p.session.Flows() > 8 {
		t.Errorf("%d flows stay open", p.session.Flows())
	}
}

func TestNamesThatPointInsideAreDeniedAlsoAfterRebinding(t *testing.T) {
	r := newResolver(t)
	p := join(t, newExit(t, ExitConfig{DNS: []netip.AddrPort{r.addr}}), math.MaxUint64)
	srv := tunneltest.Internet(t, []byte("harmless"))
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	hc := through(t, "socks5h://"+newProxy(t, p.client))
	hc.Transport.(*http.Transport).DisableKeepAlives = true

	resp, err := hc.Get("http://rebind.test:" + port)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for _, host := range []string{"rebind.test", "inside.test"} {
		if _, err := hc.Get("http://" + host + ":" + port); err == nil || !strings.Contains(err.Error(), "not allowed") {
			t.Errorf("%s: %v, want it not allowed", host, err)
		}
	}
}

// socksAddress appends ATYP, address and port, as SOCKS5 has them (RFC 1928).
func socksAddress(b []byte, a netip.AddrPort) []byte {
	kind := byte(4)
	if a.Addr().Is4() {
		kind = 1
	}
	b = append(append(b, kind), a.Addr().AsSlice()...)
	return binary.BigEndian.AppendUint16(b, a.Port())
}

func TestSOCKSRelaysDatagramsOfTheProgramOnly(t *testing.T) {
	r := newResolver(t)
	p := join(t, newExit(t, ExitConfig{DNS: []netip.AddrPort{r.addr}}), math.MaxUint64)
	echo := tunneltest.EchoUDP(t, "udp4", "127.0.0.1:0")
	control, relayed := tunneltest.SocksUDP(t, newProxy(t, p.client))
	mine, err := net.DialUDP("udp", nil, relayed)
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()

	byAddr := socksAddress([]byte{0, 0, 0}, echo)
	byName := binary.BigEndian.AppendUint16(append([]byte{0, 0, 0, 3, 9}, "host.test"...), echo.Port())
	buf := make([]byte, 1<<16)
	for _, head := range [][]byte{byAddr, byName} {
		mine.Write(append(head, "ping"...))
		mine.SetReadDeadline(time.Now().Add(30 * time.Second))
		n, err := mine.Read(buf)
		if err != nil || !bytes.Equal(buf[:n], append(byAddr, "ping"...)) {
			t.Fatalf("got % x, %v", buf[:n], err)
		}
	}

	other, err := net.DialUDP("udp", nil, relayed)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	before := p.client.Counters().Tx
	for range 20 {
		other.Write(append(byAddr, "stranger"...))
		mine.Write([]byte{0, 0, 1, 1, 127, 0, 0, 1, 0, 9, 'f'}) // a fragment
		mine.Write([]byte{0, 0})
	}
	other.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if n, err := other.Read(buf); err == nil {
		t.Errorf("a stranger's datagram was answered with %d bytes", n)
	}
	if after := p.client.Counters().Tx; after != before {
		t.Errorf("%d bytes of strangers and fragments went into the tunnel", after-before)
	}

	control.Close()
	end := time.Now().Add(30 * time.Second)
	for {
		mine.Write(append(byAddr, "late"...))
		mine.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		_, err := mine.Read(buf)
		if err != nil && !errors.Is(err, context.DeadlineExceeded) && !strings.Contains(err.Error(), "timeout") {
			break // refused: the relay socket is gone
		}
		if time.Now().After(end) {
			t.Fatal("the association outlives its connection")
		}
	}
}

func TestSOCKSTellsWhyADialFailed(t *testing.T) {
	r := newResolver(t)
	p := join(t, newExit(t, ExitConfig{DNS: []netip.AddrPort{r.addr}}), math.MaxUint64)
	proxy := newProxy(t, p.client)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := closed.Addr().(*net.TCPAddr).AddrPort().Port()
	closed.Close()
	name := func(s string) []byte {
		return binary.BigEndian.AppendUint16(append([]byte{3, byte(len(s))}, s...), port)
	}
	for _, c := range []struct {
		what    string
		command byte
		dst     []byte
		want    byte
	}{
		{"refused", 1, socksAddress(nil, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)), 5},
		{"denied", 1, socksAddress(nil, netip.MustParseAddrPort("10.0.0.1:80")), 2},
		{"denied by name", 1, name("inside.test"), 2},
		{"denied literal name", 1, name("192.168.1.1"), 2},
		{"no such name", 1, name("none.test"), 4},
		{"bind", 2, socksAddress(nil, netip.MustParseAddrPort("8.8.8.8:80")), 7},
		{"address type", 1, []byte{9, 1, 2, 3, 4, 0, 80}, 8},
	} {
		conn, err := net.Dial("tcp", proxy)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		conn.Write([]byte{5, 2, 0, 2})
		conn.Write(append([]byte{5, c.command, 0}, c.dst...))
		var b [4]byte
		if _, err := io.ReadFull(conn, b[:]); err != nil || b[3] != c.want {
			t.Errorf("%s: % x, %v, want reply %d", c.what, b, err, c.want)
		}
		conn.Close()
	}
}

func TestHTTPProxyTellsWhyARequestFailed(t *testing.T) {
	r := newResolver(t)
	p := join(t, newExit(t, ExitConfig{DNS: []netip.AddrPort{r.addr}}), math.MaxUint64)
	proxy := newProxy(t, p.client)
	srv := tunneltest.Internet(t, []byte("page"))
	hc := through(t, "http://"+proxy)
	for url, want := range map[string]int{
		srv.URL: 200, "http://10.0.0.1/": 403, "http://none.test/": 502, "http://127.0.0.1:1/": 502,
	} {
		resp, err := hc.Get(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %s, want %d", url, resp.Status, want)
		}
	}
	for request, want := range map[string]string{
		"CONNECT 10.0.0.1:443 HTTP/1.1\r\nHost: 10.0.0.1:443\r\n\r\n": "403",
		"CONNECT nowhere HTTP/1.1\r\nHost: nowhere\r\n\r\n":           "400",
		"GET / HTTP/1.1\r\nHost: rebound.example\r\n\r\n":             "400",
		"\x06\x01 not a proxy request\r\n\r\n":                        "400",
	} {
		conn, err := net.Dial("tcp", proxy)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		io.WriteString(conn, request)
		b := make([]byte, 12)
		if _, err := io.ReadFull(conn, b); err != nil || string(b[9:]) != want {
			t.Errorf("%q: %q, %v, want %s", request, b, err, want)
		}
		conn.Close()
	}
	// CONNECT carries a stream.
	conn, err := net.Dial("tcp", proxy)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintf(conn, "CONNECT %[1]s HTTP/1.1\r\nHost: %[1]s\r\n\r\nGET / HTTP/1.0\r\n\r\n", srv.Listener.Addr())
	all, err := io.ReadAll(conn)
	if err != nil || !bytes.HasPrefix(all, []byte("HTTP/1.1 200")) || !bytes.HasSuffix(all, []byte("page")) {
		t.Errorf("connect: %q, %v", all, err)
	}
}

func TestProxyServesLoopbackOnlyUnlessTold(t *testing.T) {
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := proxy.New(proxy.Config{}).Serve(t.Context(), l); err == nil {
		t.Error("a listener on every address was served")
	}
}

func TestThousandSessionsComeAndGoWithoutLeavingGoroutines(t *testing.T) {
	e := newExit(t, ExitConfig{})
	churn := func(n int) {
		var sessions []*Session
		seen := make(map[netip.Addr]bool)
		for range n {
			k, err := wireguard.GenerateKey()
			if err != nil {
				t.Fatal(err)
			}
			s, err := e.Add(Peer{PublicKey: k.Public()})
			if err != nil {
				t.Fatal(err)
			}
			v4, v6 := s.Addrs()
			if seen[v4] || seen[v6] {
				t.Fatalf("address %v or %v given twice", v4, v6)
			}
			seen[v4], seen[v6] = true, true
			sessions = append(sessions, s)
		}
		if _, err := e.Add(Peer{PublicKey: sessions[0].key}); !errors.Is(err, ErrPeerExists) {
			t.Errorf("the same key again: %v", err)
		}
		for _, s := range sessions {
			if err := s.Remove(); err != nil {
				t.Fatal(err)
			}
			if err := s.Remove(); err != nil {
				t.Errorf("removed twice: %v", err)
			}
		}
	}
	churn(10)
	runtime.GC()
	before := runtime.NumGoroutine()
	churn(1000)
	for range 1500 { // half a minute
		if runtime.NumGoroutine() <= before+2 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if after := runtime.NumGoroutine(); after > before+2 {
		t.Errorf("%d goroutines before, %d after", before, after)
	}
	if n := e.Sessions(); n != 0 {
		t.Errorf("%d sessions left", n)
	}
}

func TestSessionHasNoMoreFlowsThanItsLimit(t *testing.T) {
	e := newExit(t, ExitConfig{Limits: Limits{Flows: 5, NewFlows: 1000}})
	p := join(t, e, math.MaxUint64)
	srv := tunneltest.Internet(t, nil)
	var conns []net.Conn
	for range 5 {
		c, err := p.client.DialContext(t.Context(), "tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	// Connections that are in use keep their places, and a sixth one waits: it is not refused.
	busy, idle := context.WithCancel(t.Context())
	defer idle()
	for _, c := range conns {
		go func() {
			for busy.Err() == nil {
				fmt.Fprint(c, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
				time.Sleep(100 * time.Millisecond)
			}
		}()
	}
	type dialled struct {
		conn net.Conn
		err  error
	}
	sixth := make(chan dialled, 1)
	go func() {
		c, err := p.client.DialContext(t.Context(), "tcp", srv.Listener.Addr().String())
		sixth <- dialled{c, err}
	}()
	select {
	case d := <-sixth:
		t.Errorf("a sixth connection was not made to wait: %v", d.err)
	case <-time.After(time.Second):
	}
	conns[0].Close()
	select {
	case d := <-sixth:
		if d.err != nil {
			t.Fatalf("after one was closed: %v", d.err)
		}
		d.conn.Close()
	case <-time.After(30 * time.Second):
		t.Fatal("a sixth connection does not get the place of one that was closed")
	}
	idle()
	if u := p.session.Use(); u.Evicted != 0 || u.Delayed == 0 {
		t.Errorf("an active connection was ended for a new one, or none waited: %+v", u)
	}
	end := time.Now().Add(30 * time.Second)
	for p.session.Flows() > 4 {
		if time.Now().After(end) {
			t.Fatal("a closed connection stays counted")
		}
		time.Sleep(10 * time.Millisecond)
	}
	c, err := p.client.DialContext(t.Context(), "tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatalf("after one was closed: %v", err)
	}
	c.Close()
}

func TestClientAndExitCloseWithoutLeavingGoroutines(t *testing.T) {
	srv := tunneltest.Internet(t, tunneltest.Random(t, 1<<20))
	run := func() {
		e := newExit(t, ExitConfig{})
		p := join(t, e, math.MaxUint64)
		conn, err := p.client.DialContext(t.Context(), "tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, "GET / HTTP/1.0\r\n\r\n")
		io.CopyN(io.Discard, conn, 100)
		p.client.Close()
		if _, err := io.Copy(io.Discard, conn); err == nil {
			t.Error("a connection of a closed client ended without an error")
		}
		e.Close()
		if _, err := e.Add(Peer{PublicKey: wireguard.Key{1}}); !errors.Is(err, dialer.ErrClosed) {
			t.Errorf("add to a closed exit: %v", err)
		}
	}
	run()
	before := runtime.NumGoroutine()
	for range 5 {
		run()
	}
	for range 1500 { // half a minute
		if runtime.NumGoroutine() <= before+2 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	buf := make([]byte, 1<<20)
	t.Errorf("%d goroutines before, %d after\n%s", before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
}

func TestPrivateKeysNeverPrintThemselves(t *testing.T) {
	k, err := wireguard.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&b, nil))
	cfg := ClientConfig{Private: k, Preshared: wireguard.Key(k), Peer: k.Public()}
	peer := Peer{PublicKey: k.Public(), PresharedKey: wireguard.Key(k)}
	log.Info("keys", "key", k, "config", cfg, "peer", peer)
	fmt.Fprintf(&b, "%v %+v %#v %x %s %d %v %s", k, k, k, k, k, k, cfg, peer)
	for _, secret := range []string{fmt.Sprintf("%x", k[:]), wireguard.Key(k).String(), fmt.Sprint(k[:])} {
		if strings.Contains(b.String(), secret) {
			t.Errorf("a private key in %q", b.String())
		}
	}
}
