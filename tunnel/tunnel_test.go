package tunnel

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/tun"

	"byway/tunnel/dialer"
	"byway/tunnel/meter"
	"byway/tunnel/policy"
	"byway/tunnel/proxy"
	"byway/tunnel/relay"
	"byway/tunnel/tunneltest"
	"byway/tunnel/wireguard"
)

// pair is an exit and a client of one of its sessions, joined over loopback.
type pair struct {
	exit    *Exit
	session *Session
	client  *Client
}

// loopbackPolicy opens 127.0.0.1 and ::1, where the tests' hosts are, and nothing else that is special.
func loopbackPolicy(t testing.TB) *policy.Policy {
	t.Helper()
	p, err := policy.New(policy.Config{
		Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::1/128")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newExit(t testing.TB, cfg ExitConfig) *Exit {
	t.Helper()
	if cfg.Policy == nil {
		cfg.Policy = loopbackPolicy(t)
	}
	if !cfg.Listen.IsValid() {
		cfg.Listen = netip.MustParseAddrPort("127.0.0.1:0")
	}
	e, err := NewExit(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// join adds a session and dials it.
func join(t testing.TB, e *Exit, limit uint64) pair {
	t.Helper()
	return joinWith(t, e, limit, wireguard.Upstream)
}

// joinWith does so with an engine on the consumer's side.
func joinWith(t testing.TB, e *Exit, limit uint64, name wireguard.Implementation) pair {
	t.Helper()
	return joinPeer(t, e, Peer{Limit: limit}, name)
}

// joinPeer adds a session of a peer that has its keys from here.
func joinPeer(t testing.TB, e *Exit, peer Peer, name wireguard.Implementation) pair {
	t.Helper()
	return joinBefore(t, e, peer, name, func(p *meter.Porter) tun.Device { return p })
}

// joinBefore has a test choose what stands between the consumer's engine and its porter.
func joinBefore(t testing.TB, e *Exit, peer Peer, name wireguard.Implementation, before func(p *meter.Porter) tun.Device) pair {
	t.Helper()
	private, err := wireguard.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	var psk wireguard.Key
	rand.Read(psk[:])
	peer.PublicKey, peer.PresharedKey = private.Public(), psk
	s, err := e.Add(peer)
	if err != nil {
		t.Fatal(err)
	}
	v4, v6 := s.Addrs()
	c, err := dialWith(ClientConfig{
		Private: private, Peer: e.PublicKey(), Preshared: psk,
		Endpoint: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), e.Port()),
		Addrs:    []netip.Addr{v4, v6}, DNS: e.DNS(), MTU: e.MTU(), Engine: name,
	}, before)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.Handshake(ctx); err != nil {
		t.Fatal(err)
	}
	return pair{exit: e, session: s, client: c}
}

func newPair(t testing.TB) pair { return join(t, newExit(t, ExitConfig{}), math.MaxUint64) }

// newProxy serves a proxy on loopback and returns its address.
func newProxy(t testing.TB, d proxy.Dialer) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- proxy.New(proxy.Config{Dialer: d, Users: []uint32{uint32(os.Getuid())}}).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("proxy: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("proxy did not stop")
		}
	})
	return l.Addr().String()
}

// through makes an HTTP client of a proxy URL.
func through(t testing.TB, proxy string) *http.Client {
	t.Helper()
	u, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{Proxy: http.ProxyURL(u), DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 60 * time.Second}
}

func TestDownloadAndUploadThroughSOCKSArriveWhole(t *testing.T) {
	for listen, size := range map[string]int{"127.0.0.1:0": 64 << 20, "0.0.0.0:0": 8 << 20} {
		t.Run(listen, func(t *testing.T) {
			e := newExit(t, ExitConfig{Listen: netip.MustParseAddrPort(listen)})
			downloadAndUpload(t, join(t, e, math.MaxUint64), size)
		})
	}
}

func downloadAndUpload(t *testing.T, p pair, size int) {
	data := tunneltest.Random(t, size)
	srv := tunneltest.Internet(t, data)
	hc := through(t, "socks5://"+newProxy(t, p.client))

	start := time.Now()
	resp, err := hc.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	n, err := io.Copy(h, resp.Body)
	resp.Body.Close()
	if err != nil || n != int64(len(data)) || [32]byte(h.Sum(nil)) != sha256.Sum256(data) {
		t.Fatalf("download: %d bytes of %d, error %v", n, len(data), err)
	}
	t.Logf("download: %.2f Gbit/s", float64(n)*8/time.Since(start).Seconds()/1e9)

	start = time.Now()
	req, _ := http.NewRequest(http.MethodPut, srv.URL, bytes.NewReader(data))
	resp, err = hc.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if want := fmt.Sprintf("%x", sha256.Sum256(data)); err != nil || string(got) != want {
		t.Fatalf("upload: hash %s, want %s, error %v", got, want, err)
	}
	t.Logf("upload: %.2f Gbit/s", float64(len(data))*8/time.Since(start).Seconds()/1e9)
}

// settle waits until the counters of both sides have come to rest.
func settle(p pair) (provider, consumer meter.Counters) {
	for i := 0; i < 40; i++ {
		a, b := p.session.Counters(), p.client.Counters()
		if a == provider && b == consumer && a.Rx == b.Tx && a.Tx == b.Rx {
			return a, b
		}
		provider, consumer = a, b
		time.Sleep(50 * time.Millisecond)
	}
	return provider, consumer
}

// noneMadeUp checks that neither side counts what the other did not send: a busy machine loses packets between them. What
// is repeated then, the provider counts, and the consumer has in its surplus at the most.
func noneMadeUp(t *testing.T, p pair, least uint64) {
	t.Helper()
	provider, consumer := settle(p)
	s := p.client.Strays()
	if provider.Rx > consumer.Tx || consumer.Rx+s.Surplus > provider.Tx || consumer.Total() < least {
		t.Errorf("provider %+v, consumer %+v, %+v", provider, consumer, s)
	}
}

// So little fits the sockets' buffers: nothing of it is lost.
func TestBothSidesCountTheSameBytesWhenNoneAreLost(t *testing.T) {
	const size = 64 << 10
	p := newPair(t)
	srv := tunneltest.Internet(t, tunneltest.Random(t, size))
	hc := through(t, "http://"+newProxy(t, p.client))
	resp, err := hc.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	provider, consumer := settle(p)
	if s := p.client.Strays(); provider.Rx != consumer.Tx || provider.Tx != consumer.Rx+s.Surplus {
		t.Errorf("provider %+v, consumer %+v, %+v", provider, consumer, s)
	}
	if provider.Tx < size {
		t.Errorf("provider counted %d bytes sent, want at least what was downloaded", provider.Tx)
	}
}

func TestProviderForwardsNothingAboveTheLimitAndResumesAfterAllow(t *testing.T) {
	e := newExit(t, ExitConfig{})
	const limit = 2 << 20
	p := join(t, e, limit)
	data := tunneltest.Random(t, 8<<20)
	srv := tunneltest.Internet(t, data)

	conn, err := p.client.DialContext(t.Context(), "tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.0\r\n\r\n")
	got := new(bytes.Buffer)
	read := make(chan error, 1)
	go func() { _, err := io.Copy(got, conn); read <- err }()

	deadline := time.After(10 * time.Second)
	for !p.session.Held() {
		select {
		case <-p.session.Notify():
		case <-deadline:
			t.Fatal("the gate did not close")
		}
	}
	time.Sleep(300 * time.Millisecond)
	c := p.session.Counters()
	if c.Total() > limit {
		t.Errorf("%d bytes passed, %d were allowed", c.Total(), limit)
	}
	if c.Total() < limit-2*wireguard.DefaultMTU {
		t.Errorf("%d bytes passed, the gate closed too early for %d", c.Total(), limit)
	}
	if p.session.Dropped().Total() == 0 {
		t.Error("no refused bytes were counted")
	}
	p.session.Allow(limit / 2)
	if got := p.session.Allowed(); got != limit {
		t.Errorf("allowed %d after a lower Allow, want %d", got, limit)
	}

	p.session.Allow(math.MaxUint64)
	if p.session.Held() {
		t.Error("held after Allow")
	}
	select {
	case err := <-read:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the download did not resume")
	}
	if !bytes.HasSuffix(got.Bytes(), data) {
		t.Error("the resumed download differs")
	}
}

func TestNotifyWakesOnEachTick(t *testing.T) {
	p := newPair(t)
	p.client.SetTick(1 << 20)
	srv := tunneltest.Internet(t, tunneltest.Random(t, 8<<20))
	resp, err := (&http.Client{Transport: &http.Transport{DialContext: p.client.DialContext}}).Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	go func() { io.Copy(io.Discard, resp.Body); resp.Body.Close() }()
	var last uint64
	deadline := time.After(20 * time.Second)
	for last < 8 {
		select {
		case <-p.client.Notify():
			ticks := p.client.Counters().Total() >> 20
			if ticks < last {
				t.Fatalf("counters went back from %d to %d ticks", last, ticks)
			}
			last = ticks
		case <-deadline:
			t.Fatalf("woken up to tick %d of 8", last)
		}
	}
}

func TestUDPEchoesThroughTheTunnelBothFamiliesAndFragments(t *testing.T) {
	p := newPair(t)
	pc, err := p.client.ListenUDP()
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	for _, to := range []netip.AddrPort{tunneltest.EchoUDP(t, "udp4", "127.0.0.1:0"), tunneltest.EchoUDP(t, "udp6", "[::1]:0")} {
		for _, size := range []int{0, 1, 1000, wireguard.DefaultMTU, 9000, 40000} {
			want := tunneltest.Random(t, size)
			if _, err := pc.WriteTo(want, net.UDPAddrFromAddrPort(to)); err != nil {
				t.Fatal(err)
			}
			pc.SetReadDeadline(time.Now().Add(30 * time.Second))
			buf := make([]byte, 1<<16)
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				t.Fatalf("%d bytes to %v: %v", size, to, err)
			}
			if from.String() != to.String() || !bytes.Equal(buf[:n], want) {
				t.Errorf("%d bytes to %v: got %d bytes from %v", size, to, n, from)
			}
		}
	}
}

func TestDialErrorsTellRefusedDeniedAndUnreachableApart(t *testing.T) {
	p := newPair(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := free.Addr().String()
	free.Close()
	for _, c := range []struct {
		dst  string
		want dialer.Failure
	}{
		{closed, dialer.FailRefused},
		{"10.0.0.1:80", dialer.FailDenied},
		{"169.254.169.254:80", dialer.FailDenied},
		{"127.0.0.2:80", dialer.FailDenied},
		{"[fe80::1]:80", dialer.FailDenied},
		{"[fc00::1]:80", dialer.FailDenied},
		{"1.1.1.1:25", dialer.FailDenied},
		{"10.213.0.1:22", dialer.FailDenied},
		{"[::ffff:10.0.0.1]:80", dialer.FailDenied},
	} {
		start := time.Now()
		conn, err := p.client.DialContext(ctx, "tcp", c.dst)
		if err == nil {
			conn.Close()
			t.Errorf("dial %s: succeeded", c.dst)
			continue
		}
		if got := dialer.Classify(err); got != c.want {
			t.Errorf("dial %s: %v is failure %d, want %d", c.dst, err, got, c.want)
		}
		if d := time.Since(start); d > 15*time.Second {
			t.Errorf("dial %s: took %v", c.dst, d)
		}
	}
}

func TestSessionsDoNotReachEachOther(t *testing.T) {
	e := newExit(t, ExitConfig{})
	a, b := join(t, e, math.MaxUint64), join(t, e, math.MaxUint64)
	v4, v6 := b.session.Addrs()
	for _, addr := range []netip.Addr{v4, v6} {
		_, err := a.client.DialContext(t.Context(), "tcp", netip.AddrPortFrom(addr, 80).String())
		if !errors.Is(err, dialer.ErrDenied) {
			t.Errorf("dial %v of another session: %v, want denied", addr, err)
		}
	}
	if c := b.session.Counters(); c.Tx > 1000 {
		t.Errorf("%d bytes went to the other session", c.Tx)
	}
}

func TestExitClosedMidDownloadFailsTheClientPromptly(t *testing.T) {
	p := newPair(t)
	started := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write(make([]byte, 1<<20))
		w.(http.Flusher).Flush()
		close(started)
		<-r.Context().Done()
	}))
	defer srv.Close()
	hc := through(t, "socks5://"+newProxy(t, p.client))
	resp, err := hc.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	<-started
	read := make(chan error, 1)
	go func() { _, err := io.Copy(io.Discard, resp.Body); read <- err }()
	time.Sleep(50 * time.Millisecond)
	p.exit.Close()
	select {
	case err := <-read:
		if err == nil {
			t.Error("a cut download ended without an error")
		}
	case <-time.After(30 * time.Second):
		t.Error("the client did not learn that the exit closed")
	}
}

func TestGarbageOnTheSessionPortDoesNotDisturbASession(t *testing.T) {
	p := newPair(t)
	c, err := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", p.exit.Port()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range 5000 {
		b := tunneltest.Random(t, 1+i%1500)
		if len(b) > 4 && i%3 == 0 {
			copy(b, []byte{byte(1 + i%4), 0, 0, 0})
		}
		c.Write(b)
	}
	srv := tunneltest.Internet(t, tunneltest.Random(t, 1<<20))
	resp, err := (&http.Client{Transport: &http.Transport{DialContext: p.client.DialContext}}).Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); n != 1<<20 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestExitListensOnTheAddressItWasGivenOnly(t *testing.T) {
	e := newExit(t, ExitConfig{})
	// Another may have the same port on another address, which it could not if all were taken.
	c, err := net.ListenPacket("udp4", fmt.Sprintf("127.0.0.2:%d", e.Port()))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if c, err := net.ListenPacket("udp4", fmt.Sprintf("127.0.0.1:%d", e.Port())); err == nil {
		c.Close()
		t.Error("the exit does not hold its address")
	}
	if _, err := NewExit(ExitConfig{
		Policy: loopbackPolicy(t), Listen: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), e.Port()),
	}); err == nil {
		t.Error("a second exit on the same address")
	}
}

func TestHalfClosedConnectionsCarryTheOtherDirectionToItsEnd(t *testing.T) {
	p := newPair(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		b, _ := io.ReadAll(c) // until the consumer has closed its direction
		c.Write(bytes.ToUpper(b))
	}()
	conn, err := p.client.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, strings.Repeat("half", 50000))
	conn.(relay.Conn).CloseWrite()
	conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	got, err := io.ReadAll(conn)
	if err != nil || string(got) != strings.Repeat("HALF", 50000) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestConnectionsTakeOnePortAfterAnother: an exit does not answer ports whose last connection has just ended.
func TestConnectionsTakeOnePortAfterAnother(t *testing.T) {
	p := newPair(t)
	srv := tunneltest.Internet(t, []byte("hello"))
	seen := make(map[string]bool)
	for range 300 {
		c, err := p.client.DialContext(t.Context(), "tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		at := c.LocalAddr().String()
		c.Close()
		if seen[at] {
			t.Fatalf("%s was used twice within %d connections", at, len(seen))
		}
		seen[at] = true
	}
}

// boundTo is the address of a socket, with IPv4 as such.
func boundTo(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.TCPAddr:
		ap = a.AddrPort()
	case *net.UDPAddr:
		ap = a.AddrPort()
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

func TestSessionsAreMeteredOnEitherEngine(t *testing.T) {
	engines := []wireguard.Implementation{wireguard.Upstream}
	if runtime.GOOS == "linux" {
		engines = append(engines, wireguard.Tailscale)
	}
	for _, initiator := range engines {
		for _, responder := range engines {
			t.Run(fmt.Sprintf("%s-%s", initiator, responder), func(t *testing.T) {
				e := newExit(t, ExitConfig{Engine: responder})
				p := joinWith(t, e, 1<<40, initiator)
				downloadAndUpload(t, p, 4<<20)
				noneMadeUp(t, p, 8<<20)
			})
		}
	}
}
