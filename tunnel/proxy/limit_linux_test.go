package proxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"byway/tunnel/tunneltest"
)

var me = []uint32{uint32(os.Getuid())}

func TestAdversaryConnectionsThatSayNothingHoldNoSlot(t *testing.T) {
	target, _ := tunneltest.Greeter(t)
	p, proxy := proxyWith(t, "127.0.0.1:0", Config{Dialer: new(direct), Users: me})
	most := 0
	for what, say := range map[string]string{
		"nothing": "", "half a greeting": "\x05", "a greeting": "\x05\x01\x00", "half a request": "\x05\x01\x00\x05\x01\x00\x03\xffname",
		"half a line": "GET http", "half a header": fmt.Sprintf("GET http://%s/ HTTP/1.1\r\nHost: ", target),
		"a request for no one": "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		for range 1040 {
			io.WriteString(tunneltest.DialProxy(t, proxy), say)
		}
		// Served at once, whatever waits.
		_, got := tunneltest.AskProxy(t, proxy, socksRequest(target), 4)
		if got != "\x05\x00\x05\x00" {
			t.Errorf("beside 1,040 connections that say %s: % x", what, got)
		}
		most = max(most, p.Use().Silent)
	}
	if most > silentOfOne {
		t.Errorf("%d silent connections are kept", most)
	}
	_, out := startOtherUser(t, nobody, "hold", proxy, "1000")
	if _, err := out.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if _, got := tunneltest.AskProxy(t, proxy, socksRequest(target), 4); got != "\x05\x00\x05\x00" {
		t.Errorf("beside another user's 1,000 connections: % x", got)
	}
	use := p.Use()
	if use.Silent > silentOfOne+silentStrangers || use.Full != 0 {
		t.Errorf("use %+v", use)
	}
	t.Logf("adversary: %s | bound: %s | seen: %d silent kept at most, 0 told full", "1,040 connections each that stop at seven points before a request, and 1,000 of another user",
		"no slot held, every request served", most)
}

func TestAdversaryAtTheLimitTheProgramIsTold(t *testing.T) {
	target, _ := tunneltest.Greeter(t)
	const limit = 8
	p, proxy := proxyWith(t, "127.0.0.1:0", Config{Dialer: new(direct), Users: me, MaxConns: limit})
	var held []net.Conn
	for i := range limit {
		say, want := socksRequest(target), "\x05\x00\x05\x00"
		if i%2 == 0 {
			say = fmt.Appendf(nil, "CONNECT %[1]s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", target)
			want = "HTTP/1.1 200"
		}
		c, got := tunneltest.AskProxy(t, proxy, say, len(want))
		if got != want {
			t.Fatalf("connection %d of %d: %q", i, limit, got)
		}
		held = append(held, c)
	}
	associate := []byte{5, 1, 0, 5, 3, 0, 1, 0, 0, 0, 0, 0, 0}
	for what, c := range map[string]struct {
		say  []byte
		want string
	}{
		"SOCKS5":    {socksRequest(target), "\x05\x00\x05\x01"},
		"associate": {associate, "\x05\x00\x05\x01"},
		"CONNECT":   {fmt.Appendf(nil, "CONNECT %[1]s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", target), "HTTP/1.1 503"},
		"GET":       {fmt.Appendf(nil, "GET http://%[1]s/ HTTP/1.1\r\nHost: %[1]s\r\n\r\n", target), "HTTP/1.1 503"},
	} {
		conn, got := tunneltest.AskProxy(t, proxy, c.say, len(c.want))
		if got != c.want {
			t.Errorf("%s at the limit: %q, want %q", what, got, c.want)
		}
		rest, err := io.ReadAll(conn)
		if err != nil {
			t.Errorf("%s at the limit: %v", what, err)
		}
		if strings.HasPrefix(c.want, "HTTP") && !strings.Contains(string(rest), "all 8 connections of this proxy are in use") {
			t.Errorf("%s at the limit is told %q", what, rest)
		}
	}
	if use := p.Use(); use.Used != limit || use.Full != 4 {
		t.Errorf("use %+v", use)
	}
	held[0].Close()
	held[1].Close()
	tunneltest.Eventually(t, "two slots free", func() bool { return p.Use().Used == limit-2 })
	if _, got := tunneltest.AskProxy(t, proxy, socksRequest(target), 4); got != "\x05\x00\x05\x00" {
		t.Errorf("after two have ended: % x", got)
	}
	t.Logf("adversary: %s | bound: %s | seen: %+v", "more requests than the proxy has connections", "each is told so at once", p.Use())
}

func TestIdleConnectionsOfBrowsersHoldNoSlot(t *testing.T) {
	srv := tunneltest.Internet(t, []byte("page"))
	p, proxy := proxyWith(t, "127.0.0.1:0", Config{Dialer: new(direct), Users: me, MaxConns: 4})
	for range 3 {
		for range 20 {
			c := tunneltest.DialProxy(t, proxy)
			r := bufio.NewReader(c)
			for range 2 { // the second request takes the same connection
				fmt.Fprintf(c, "GET %s/ HTTP/1.1\r\nHost: x\r\n\r\n", srv.URL)
				resp, err := http.ReadResponse(r, nil)
				if err != nil {
					t.Fatal(err)
				}
				if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "page" {
					t.Fatalf("%s: %q, %v", resp.Status, body, err)
				}
			}
		}
		tunneltest.Eventually(t, "all slots free", func() bool { return p.Use().Used == 0 })
	}
	tunneltest.Eventually(t, "60 silent connections", func() bool { return p.Use().Silent == 60 })
	if use := p.Use(); use.Full != 0 {
		t.Errorf("use %+v", use)
	}
}

func TestAdversaryASlowGreetingEndsInShortTime(t *testing.T) {
	_, proxy := proxyWith(t, "127.0.0.1:0", Config{Dialer: new(direct), Users: me})
	greeting := []byte("\x05\xff" + strings.Repeat("\x00", 255) + "\x05\x01\x00\x03\xff" + strings.Repeat("a", 255) + "\x00\x50")
	header := []byte("GET http://x/ HTTP/1.1\r\nA: " + strings.Repeat("b", 4096))
	longest := make([]time.Duration, 2)
	done := make(chan int)
	for i, say := range [][]byte{greeting, header} {
		c := tunneltest.DialProxy(t, proxy)
		go func() {
			defer func() { done <- i }()
			start := time.Now()
			for _, b := range say {
				if _, err := c.Write([]byte{b}); err != nil {
					break
				}
				time.Sleep(50 * time.Millisecond)
			}
			longest[i] = time.Since(start)
		}()
	}
	<-done
	<-done
	for _, d := range longest {
		// Byte by byte the greeting would take 25 seconds and the header three minutes.
		if d > proxyGreetTimeout+10*time.Second {
			t.Errorf("a greeting that comes byte by byte is read for %v", d)
		}
	}
	t.Logf("adversary: %s | bound: %s | seen: %v", "a greeting and a header byte by byte", proxyGreetTimeout, longest)
}

func TestSOCKS4IsRefusedAtOnceInItsOwnWords(t *testing.T) {
	_, proxy := proxyWith(t, "127.0.0.1:0", Config{Dialer: new(direct), Users: me})
	for _, say := range []string{"\x04", "\x04\x01\x00\x50\x7f\x00\x00\x01user\x00", "\x04\x01\x00\x50\x00\x00\x00\x01\x00host.test\x00",
		"\x04\x02\x00\x50\x7f\x00\x00\x01\x00"} {
		start := time.Now()
		c, got := tunneltest.AskProxy(t, proxy, []byte(say), 8)
		if got != "\x00\x5b\x00\x00\x00\x00\x00\x00" {
			t.Errorf("%q: % x", say, got)
		}
		if n, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("%q: after the answer %d, %v", say, n, err)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%q: refused after %v", say, d)
		}
	}
}

func TestAdversaryPasswordIsAskedOfEverybodyElse(t *testing.T) {
	target, served := tunneltest.Greeter(t)
	secret := &Password{User: "user", Password: "pass:word"}
	// On every address, as for a phone in the same network; and no user is known by the system.
	p, at := proxyWith(t, "0.0.0.0:0", Config{Dialer: new(direct), Users: []uint32{1 << 30}, Password: secret})
	_, port, _ := net.SplitHostPort(at)
	proxy := "127.0.0.1:" + port
	sub := func(user, password string) []byte {
		b := append([]byte{5, 2, 0, 2, 1, byte(len(user))}, user...)
		return append(append(append(b, byte(len(password))), password...), socksRequest(target)[3:]...)
	}
	connect := func(auth string) []byte {
		return fmt.Appendf(nil, "CONNECT %[1]s HTTP/1.1\r\nHost: %[1]s\r\n%s\r\n", target, auth)
	}
	basicAuth := func(text string) string {
		return "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(text)) + "\r\n"
	}
	for what, c := range map[string]struct {
		say  []byte
		want string
	}{
		"no method":           {socksRequest(target), "\x05\xff"},
		"wrong password":      {sub("user", "password"), "\x05\x02\x01\x01"},
		"wrong user":          {sub("root", "pass:word"), "\x05\x02\x01\x01"},
		"shifted colon":       {sub("user:pass", "word"), "\x05\x02\x01\x01"},
		"empty":               {sub("", ""), "\x05\x02\x01\x01"},
		"CONNECT, none":       {connect(""), "HTTP/1.1 407"},
		"CONNECT, wrong":      {connect(basicAuth("user:password")), "HTTP/1.1 407"},
		"CONNECT, not Basic":  {connect("Proxy-Authorization: Bearer x\r\n"), "HTTP/1.1 407"},
		"CONNECT, no base64":  {connect("Proxy-Authorization: Basic !!!\r\n"), "HTTP/1.1 407"},
		"CONNECT, own server": {connect(strings.Replace(basicAuth("user:pass:word"), "Proxy-", "", 1)), "HTTP/1.1 407"},
		"GET, none":           {fmt.Appendf(nil, "GET http://%[1]s/ HTTP/1.1\r\nHost: %[1]s\r\n\r\n", target), "HTTP/1.1 407"},
	} {
		if _, got := tunneltest.AskProxy(t, proxy, c.say, len(c.want)); got != c.want {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
	}
	if n := served.Load(); n != 0 {
		t.Errorf("%d connections were made without the password", n)
	}
	refused := p.Use().Refused
	if refused == 0 {
		t.Error("wrong passwords are not counted")
	}
	// The colon may stand on either side of the cut: the same text is the same secret only with user and password apart.
	if _, got := tunneltest.AskProxy(t, proxy, sub("user", "pass:word"), 6); got != "\x05\x02\x01\x00\x05\x00" {
		t.Errorf("control: % x", got)
	}
	if _, got := tunneltest.AskProxy(t, proxy, connect(basicAuth("user:pass:word")), 12); got != "HTTP/1.1 200" {
		t.Errorf("control: %q", got)
	}
	// A user who is admitted needs none on this machine, whatever address the proxy listens on.
	_, at = proxyWith(t, "0.0.0.0:0", Config{Dialer: new(direct), Users: me, Password: secret})
	_, port, _ = net.SplitHostPort(at)
	if _, got := tunneltest.AskProxy(t, "127.0.0.1:"+port, socksRequest(target), 4); got != "\x05\x00\x05\x00" {
		t.Errorf("control: the admitted user: % x", got)
	}
	t.Logf("adversary: %s | bound: %s | seen: %d refused and counted, 0 served", "ten ways to come without the password to a proxy on every address",
		"none served", refused)
}

func TestAdversaryHTTPRequestsOfTwoMeaningsAreNotPassedOn(t *testing.T) {
	// The server behind notes what it was sent.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var requests atomic.Int64
	var leaked atomic.Value
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		io.Copy(io.Discard, r.Body)
		if r.Header.Get("Proxy-Authorization") != "" || r.Header.Get("X-Hop") != "" || r.URL.Path == "/smuggled" {
			leaked.Store(fmt.Sprint(r.URL, r.Header))
		}
	}))
	_, proxy := proxyWith(t, "127.0.0.1:0", Config{Dialer: new(direct), Users: me})
	base := "http://" + l.Addr().String()
	smuggled := "GET " + base + "/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	for what, c := range map[string]struct{ say, want string }{
		"two lengths":                 {"POST " + base + "/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "400"},
		"a bad length":                {"POST " + base + "/ HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello", "400"},
		"unknown coding":              {"POST " + base + "/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\nhello", "501"},
		"space before the colon":      {"GET " + base + "/ HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", "400"},
		"bare line feeds in a header": {"GET " + base + "/ HTTP/1.1\r\nHost: x\r\nA: b\rc: d\r\n\r\n", "400"},
		"two hosts":                   {"GET " + base + "/ HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400"},
		"a huge header":               {"GET " + base + "/ HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 1<<20) + "\r\n\r\n", "431"},
		"many headers":                {"GET " + base + "/ HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", 1<<16) + "\r\n", "431"},
		"a huge line":                 {"GET " + base + "/" + strings.Repeat("a", 1<<20) + " HTTP/1.1\r\nHost: x\r\n\r\n", "431"},
		"length and coding": {"POST " + base + "/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n" +
			"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "200"},
		"headers of one hop": {"GET " + base + "/ HTTP/1.1\r\nHost: x\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n" +
			"Proxy-Authorization: Basic eDp5\r\nProxy-Connection: close\r\n\r\n", "200"},
		"a length that hides a request": {fmt.Sprintf("POST %s/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s",
			base, len(smuggled), smuggled), "200"},
		"a file":             {"GET file:///etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
		"https in the clear": {"GET https://example.org/ HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
	} {
		conn := tunneltest.DialProxy(t, proxy)
		go io.WriteString(conn, c.say)
		line := make([]byte, 12)
		if _, err := io.ReadFull(conn, line); err != nil || string(line[9:]) != c.want {
			t.Errorf("%s: %q, %v, want %s", what, line, err, c.want)
		}
	}
	if v := leaked.Load(); v != nil {
		t.Errorf("passed on: %v", v)
	}
	t.Logf("adversary: %s | bound: %s | seen: %d requests, leaked %v", "requests with two lengths, odd headers, hidden requests, a megabyte of header",
		"refused, or passed on in one meaning", requests.Load(), leaked.Load())
}

func TestSOCKSNamesOfEveryLengthAreAnswered(t *testing.T) {
	d := new(direct)
	_, proxy := proxyWith(t, "127.0.0.1:0", Config{Dialer: named{d}, Users: me})
	for _, n := range []int{1, 63, 64, 253, 254, 255} {
		say := append([]byte{5, 1, 0, 5, 1, 0, 3, byte(n)}, bytes.Repeat([]byte{'a'}, n)...)
		if _, got := tunneltest.AskProxy(t, proxy, append(say, 0, 80), 4); got != "\x05\x00\x05\x04" {
			t.Errorf("a name of %d bytes: % x", n, got)
		}
	}
	if _, got := tunneltest.AskProxy(t, proxy, []byte("\x05\x01\x00\x05\x01\x00\x03\x00\x00\x50"), 2); got != "\x05\x00" {
		t.Errorf("an empty name: % x", got)
	}
	if _, got := tunneltest.AskProxy(t, proxy, []byte{5, 0}, 2); got != "\x05\xff" {
		t.Errorf("a greeting without methods: % x", got)
	}
}

// named knows no names.
type named struct{ *direct }

func (named) DialContext(_ context.Context, _, address string) (net.Conn, error) {
	return nil, &net.DNSError{Err: "no such host", Name: address, IsNotFound: true}
}

func TestAssociationsCarryDatagramsWholeOrNotAtAll(t *testing.T) {
	host, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	// It answers with the length of what it got, and pads that to the length that the first bytes ask for.
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, from, err := host.ReadFromUDP(buf)
			if err != nil {
				return
			}
			var want int
			fmt.Sscanf(string(buf[:min(n, 8)]), "%d", &want)
			answer := make([]byte, max(want, 8))
			copy(answer, fmt.Sprintf("%08d", n))
			host.WriteToUDP(answer, from)
		}
	}()
	_, proxy := proxyWith(t, "127.0.0.1:0", Config{Dialer: new(direct), Users: me})
	_, relayed := tunneltest.SocksUDP(t, proxy)
	mine, err := net.DialUDP("udp", nil, relayed)
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	head := AppendSOCKSAddr([]byte{0, 0, 0}, addrPort(host.LocalAddr()))
	buf := make([]byte, 1<<16)
	exchange := func(out, in int) (n int, said string) {
		b := make([]byte, out)
		copy(b, fmt.Sprintf("%08d", in))
		if _, err := mine.Write(append(head[:len(head):len(head)], b...)); err != nil {
			t.Fatalf("%d bytes: %v", out, err)
		}
		mine.SetReadDeadline(time.Now().Add(2 * time.Second))
		n, err := mine.Read(buf)
		if err != nil {
			return 0, ""
		}
		return n - len(head), string(buf[len(head) : len(head)+8])
	}
	most := 65507 - len(head)
	for _, size := range []int{8, 1400, 61418, 61419, 61430, 61431, 61440, 65000, most - 1, most} {
		if n, said := exchange(size, size); n != size || said != fmt.Sprintf("%08d", size) {
			t.Errorf("%d bytes: the host got %q, and %d came back", size, said, n)
		}
	}
	for _, size := range []int{most + 1, 65507} {
		if n, _ := exchange(8, size); n != 0 {
			t.Errorf("an answer of %d bytes, which has no room with its header, came as %d", size, n)
		}
	}
}
