package tunnel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"byway/tunnel/dialer"
	"byway/tunnel/policy"
	"byway/tunnel/proxy"
	"byway/tunnel/tunneltest"
)

// oddResolver is an upstream DNS server over UDP with the faults that resolvers have.
type oddResolver struct {
	addr  netip.AddrPort
	mu    sync.Mutex
	seen  map[string]int // questions so far
	addrs map[string][]string
}

func newOddResolver(t testing.TB) *oddResolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &oddResolver{addr: boundTo(pc.LocalAddr()), seen: make(map[string]int), addrs: make(map[string][]string)}
	s := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(r.answer)}
	go s.ActivateAndServe()
	t.Cleanup(func() { s.Shutdown() })
	return r
}

// answer goes by the first label: silent6 never answers AAAA, fail6 and fail4 fail one family, lost loses the first question
// of each family, and dead answers nothing.
func (r *oddResolver) answer(w dns.ResponseWriter, q *dns.Msg) {
	name, qtype := strings.ToLower(q.Question[0].Name), q.Question[0].Qtype
	kind, _, _ := strings.Cut(name, ".")
	r.mu.Lock()
	key := fmt.Sprint(name, qtype)
	r.seen[key]++
	first := r.seen[key] == 1
	addrs, ok := r.addrs[kind]
	r.mu.Unlock()
	if !ok {
		addrs = []string{"127.0.0.1"}
	}
	six := qtype == dns.TypeAAAA
	m := new(dns.Msg).SetReply(q)
	switch {
	case kind == "dead", kind == "silent6" && six, kind == "lost" && first:
		return
	case kind == "fail6" && six, kind == "fail4" && !six:
		m.Rcode = dns.RcodeServerFailure
	default:
		for _, a := range addrs {
			if strings.Contains(a, ":") != six {
				continue
			}
			kind := "A"
			if six {
				kind = "AAAA"
			}
			rr, err := dns.NewRR(name + " 0 IN " + kind + " " + a)
			if err == nil {
				m.Answer = append(m.Answer, rr)
			}
		}
	}
	w.WriteMsg(m)
}

// deaf is a listener at 127.0.0.last of this port which takes no more connections: those who come hear nothing.
func deaf(t testing.TB, last byte, port uint16) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	at := &unix.SockaddrInet4{Port: int(port), Addr: [4]byte{127, 0, 0, last}}
	if err := unix.Bind(fd, at); err != nil {
		t.Skipf("127.0.0.%d:%d is taken: %v", last, port, err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(c) })
		if err := unix.Connect(c, at); err != nil && !errors.Is(err, unix.EINPROGRESS) {
			t.Fatal(err)
		}
	}
}

// odd is a client of an exit with an odd resolver and a host at 127.0.0.1, whose port is returned; 127.0.0.2 and 127.0.0.3
// are deaf there.
func odd(t testing.TB) (*oddResolver, pair, uint16) {
	t.Helper()
	r := newOddResolver(t)
	policy, err := policy.New(policy.Config{Allow: []netip.Prefix{
		netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("127.0.0.2/32"), netip.MustParsePrefix("127.0.0.3/32"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	p := join(t, newExit(t, ExitConfig{DNS: []netip.AddrPort{r.addr}, Policy: policy}), math.MaxUint64)
	target, _ := tunneltest.Greeter(t)
	deaf(t, 2, target.Port())
	deaf(t, 3, target.Port())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addrs["twodead"] = []string{"127.0.0.2", "127.0.0.3", "127.0.0.1"}
	return r, p, target.Port()
}

var oddNames = map[string]string{
	"plain.test":   "a name with one address",
	"silent6.test": "AAAA is never answered",
	"fail6.test":   "AAAA fails",
	"lost.test":    "the first question of each family is lost",
	"twodead.test": "two dead addresses before the good one",
}

func TestAdversaryOddResolversAndDeadAddressesCostNoSeconds(t *testing.T) {
	_, p, port := odd(t)
	served := newProxy(t, p.client)
	var seen []string
	for name, what := range oddNames {
		start := time.Now()
		conn, err := p.client.DialContext(t.Context(), "tcp", fmt.Sprintf("%s:%d", name, port))
		took := time.Since(start)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if b, err := io.ReadAll(io.LimitReader(conn, 5)); err != nil || string(b) != "hello" {
			t.Errorf("%s: %q, %v", what, b, err)
		}
		conn.Close()
		// They were 6 seconds, 2 for what was lost, and 3 to 6 for each dead address. Half of the least is no tight bound.
		if took > 1900*time.Millisecond {
			t.Errorf("%s: connected after %v", what, took)
		}
		seen = append(seen, fmt.Sprintf("%s %v", what, took.Round(time.Millisecond)))
		// Through the proxy as well, and by UDP.
		say := append([]byte{5, 1, 0, 5, 1, 0, proxy.SocksName, byte(len(name))}, name...)
		if _, got := tunneltest.AskProxy(t, served, append(say, byte(port>>8), byte(port)), 4); got != "\x05\x00\x05\x00" {
			t.Errorf("%s, by SOCKS: % x", what, got)
		}
	}
	if _, err := p.client.DialContext(t.Context(), "tcp", fmt.Sprintf("fail4.test:%d", port)); err == nil || !strings.Contains(err.Error(), "SERVFAIL") {
		t.Errorf("A fails and there is no AAAA: %v", err)
	}
	t.Logf("adversary: %s | bound: %s | seen: %s", "resolvers that don't answer, fail or lose, and dead addresses", "1.9 s on a loaded machine",
		strings.Join(seen, ", "))
}

func TestAdversaryANameThatIsNotAnsweredDelaysNoOtherDatagram(t *testing.T) {
	r, p, _ := odd(t)
	echo := tunneltest.EchoUDP(t, "udp4", "127.0.0.1:0")
	_, relayed := tunneltest.SocksUDP(t, newProxy(t, p.client))
	mine, err := net.DialUDP("udp", nil, relayed)
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	to := func(name string) []byte {
		b := append([]byte{0, 0, 0, proxy.SocksName, byte(len(name))}, name...)
		return append(b, byte(echo.Port()>>8), byte(echo.Port()))
	}
	for i := range 60 {
		mine.Write(append(to(fmt.Sprintf("dead.n%d.test", i)), "lost"...))
	}
	for range 16 {
		mine.Write(append(to("dead.n0.test"), make([]byte, 60000)...))
	}
	buf := make([]byte, 1<<16)
	answer := func(what string) {
		for end := time.Now().Add(time.Minute); ; {
			mine.Write(append(proxy.AppendSOCKSAddr([]byte{0, 0, 0}, echo), what...))
			mine.SetReadDeadline(time.Now().Add(time.Second))
			if n, err := mine.Read(buf); err == nil && strings.HasSuffix(string(buf[:n]), what) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s is not answered", what)
			}
		}
	}
	start := time.Now()
	answer("by address")
	took := time.Since(start)
	if took > 4*time.Second { // the names are asked for more than 6
		t.Errorf("a datagram by address waits %v for names that are not answered", took)
	}
	// AAAA that never comes is not waited for; the datagram that the name was asked for is sent when it is there.
	start = time.Now()
	for end := time.Now().Add(time.Minute); ; {
		if time.Now().After(end) {
			t.Fatal("silent6.test is not answered")
		}
		mine.Write(append(to("silent6.test"), "by name"...))
		mine.SetReadDeadline(time.Now().Add(2 * time.Second))
		if n, err := mine.Read(buf); err == nil && strings.HasSuffix(string(buf[:n]), "by name") {
			break
		}
	}
	r.mu.Lock()
	asked := len(r.seen)
	r.mu.Unlock()
	t.Logf("adversary: %s | bound: %s | seen: by address after %v, by name after %v, %d questions", "60 names that are never answered, and 1 MB of datagrams to one",
		"other datagrams go on", took, time.Since(start), asked)
}

// BenchmarkDialByName gives what a first connection to a name costs, on loopback.
func BenchmarkDialByName(b *testing.B) {
	for name, what := range oddNames {
		b.Run(strings.ReplaceAll(what, " ", "-"), func(b *testing.B) {
			_, p, port := odd(b)
			var n atomic.Int64
			for b.Loop() {
				// Under a name of its own, and with nothing remembered.
				p.client.dialer = dialer.New(p.client.net, p.client.dns, new(dialer.Denials))
				label, zone, _ := strings.Cut(name, ".")
				conn, err := p.client.DialContext(context.Background(), "tcp", fmt.Sprintf("%s.n%d.%s:%d", label, n.Add(1), zone, port))
				if err != nil {
					b.Fatal(err)
				}
				conn.Close()
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/dial")
		})
	}
}
