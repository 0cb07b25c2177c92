package cli

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"byway/contracts"
	"byway/node/api/spec"
	"byway/payments"
)

// serveDNS answers questions for an A record until the socket is closed.
func serveDNS(conn net.PacketConn, answer net.IP) {
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		reply := new(dns.Msg)
		reply.SetReply(q)
		for _, question := range q.Question {
			if question.Qtype == dns.TypeA {
				head := dns.RR_Header{Name: question.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}
				reply.Answer = append(reply.Answer, &dns.A{Hdr: head, A: answer})
			}
		}
		w.WriteMsg(reply)
	})}
	server.ActivateAndServe()
}

// program is the binary, with the processes that a test started from it.
type program struct {
	t    *testing.T
	path string
}

// process is one that goes on beside the test.
type process struct {
	*exec.Cmd
	out, err output
	done     chan error
}

func build(t *testing.T) program {
	t.Helper()
	path := filepath.Join(t.TempDir(), "byway")
	if out, err := exec.Command("go", "build", "-o", path, "byway/cli/byway").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program{t, path}
}

// start starts a process that is killed at the test's end where it still runs.
func (p program) start(args ...string) *process {
	p.t.Helper()
	// Nothing of this process's own surroundings may help the three to find each other.
	return p.startWith([]string{"PATH=/nowhere", "HOME=" + p.t.TempDir(), "TMPDIR=" + p.t.TempDir()}, args...)
}

// startWith is start in an environment; nil is this process's own.
func (p program) startWith(env []string, args ...string) *process {
	p.t.Helper()
	r := &process{Cmd: exec.Command(p.path, args...), done: make(chan error, 1)}
	r.Stdout, r.Stderr, r.Env = &r.out, &r.err, env
	if err := r.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() { r.done <- r.Wait() }() // ends with the process
	p.t.Cleanup(func() {
		r.Process.Kill() // it has ended, where the test did not fail
		if p.t.Failed() {
			p.t.Logf("%s %s:\n%s%s", filepath.Base(p.path), strings.Join(args, " "), &r.out, &r.err)
		}
	})
	return r
}

// wait waits for a process's end and returns its exit code.
func (r *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-r.done:
	case <-time.After(30 * time.Second):
		t.Fatalf("%v did not end", r.Args)
	}
	return r.ProcessState.ExitCode()
}

// interrupt is Ctrl-C.
func (r *process) interrupt(t *testing.T) int {
	t.Helper()
	if err := r.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	return r.wait(t)
}

// says waits until stdout has the text.
func (r *process) says(t *testing.T, text string) string {
	t.Helper()
	for deadline := time.Now().Add(90 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		for line := range strings.Lines(r.out.String()) {
			if strings.Contains(line, text) && strings.HasSuffix(line, "\n") {
				return line
			}
		}
	}
	t.Fatalf("%v said no %q: %s%s", r.Args, text, &r.out, &r.err)
	return ""
}

// run runs a process to its end, which must be a good one, and returns its stdout.
func (p program) run(args ...string) string {
	p.t.Helper()
	r := p.start(args...)
	if code := r.wait(p.t); code != 0 {
		p.t.Fatalf("byway %s: %d\n%s%s", strings.Join(args, " "), code, &r.out, &r.err)
	}
	return r.out.String()
}

// json runs a process and decodes the JSON object that is all of its stdout.
func (p program) json(v any, args ...string) {
	p.t.Helper()
	decodeText(p.t, p.run(append(args, "--json")...), v)
}

// outside is the internet of the test: a file on 127.0.0.1, and a server on 127.0.0.2 that nobody may reach.
type outside struct {
	file      []byte
	host      string // address and port
	forbidden string
	trespass  atomic.Int32
}

func startOutside(t *testing.T) *outside {
	t.Helper()
	o := &outside{file: make([]byte, 5_000_000)}
	rand.Read(o.file)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(o.file) }))
	t.Cleanup(server.Close)
	o.host = strings.TrimPrefix(server.URL, "http://")
	other, err := net.Listen("tcp4", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	trap := &httptest.Server{Listener: other, Config: &http.Server{
		Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { o.trespass.Add(1) }),
	}}
	trap.Start()
	t.Cleanup(trap.Close)
	o.forbidden = other.Addr().String()
	return o
}

// fetch gets a URL through a proxy.
func fetch(t *testing.T, scheme, proxy, url string) ([]byte, error) {
	t.Helper()
	response, err := through(t, scheme, proxy).Get(url)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return body, err
}

// fetchConnect gets a URL through a tunnel that HTTP CONNECT opens, as browsers do for https.
func fetchConnect(proxy, host string) ([]byte, error) {
	conn, err := net.DialTimeout("tcp", proxy, 10*time.Second)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", host)
	in := bufio.NewReader(conn)
	response, err := http.ReadResponse(in, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("CONNECT: %s", response.Status)
	}
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host)
	if response, err = http.ReadResponse(in, nil); err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return io.ReadAll(response.Body)
}

// same checks that a fetch brought the file.
func (o *outside) same(t *testing.T, how string, got []byte, err error) {
	t.Helper()
	if err != nil || sha256.Sum256(got) != sha256.Sum256(o.file) {
		t.Errorf("%s: %d of %d bytes, or others: %v", how, len(got), len(o.file), err)
	}
}

// useProxy fetches the file in every way that the proxy offers, and what the provider must refuse in two.
func (o *outside) useProxy(t *testing.T, proxy string) {
	t.Helper()
	_, port, err := net.SplitHostPort(o.host)
	if err != nil {
		t.Fatal(err)
	}
	got, err := fetch(t, "socks5h", proxy, "http://"+o.host)
	o.same(t, "SOCKS5", got, err)
	got, err = fetch(t, "socks5h", proxy, "http://file.example:"+port)
	o.same(t, "SOCKS5, by name", got, err)
	got, err = fetch(t, "http", proxy, "http://"+o.host)
	o.same(t, "HTTP", got, err)
	got, err = fetchConnect(proxy, o.host)
	o.same(t, "HTTP CONNECT", got, err)
	for _, host := range []string{"169.254.169.254", o.forbidden, "[::ffff:127.0.0.2]:" + port} {
		for _, scheme := range []string{"socks5h", "http"} {
			began := time.Now()
			if got, err := fetch(t, scheme, proxy, "http://"+host); err == nil {
				t.Errorf("%s through %s was let through: %q", host, scheme, got)
			}
			if d := time.Since(began); d > 30*time.Second {
				t.Errorf("%s through %s was refused after %s", host, scheme, d)
			}
		}
	}
	if n := o.trespass.Load(); n > 0 {
		t.Errorf("%d requests reached an address that the policy denies", n)
	}
}

// TestThreeProcessesFindEachOtherThroughChainAndIPFSAlone walks the README: devnet, provider and consumer are processes
// with folders of their own that know of each other what the network file says.
func TestThreeProcessesFindEachOtherThroughChainAndIPFSAlone(t *testing.T) {
	t.Parallel()
	byway, dir, out := build(t), t.TempDir(), startOutside(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(in("pw"), []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	network := in("net.toml")
	devnet := byway.start("devnet", "up", "--listen", "127.0.0.1:0", "--ipfs-port", "0", "--write", network)
	devnet.says(t, "byway --network "+network+" --home provider provider up")

	// The provider.
	seller := []string{"--home", in("provider"), "--network", network, "--password-file", in("pw")}
	byway.run(with(seller, "account", "new", "--light")...)
	byway.run("devnet", "fund", "--home", in("provider"), "--network", network)
	resolver := resolveBy(t, netip.MustParseAddr("127.0.0.1").AsSlice())
	provider := byway.start(with(seller,
		"provider", "up", "--foreground", "--price", "0.05", "--allow", "127.0.0.1/32", "--dns", resolver)...)
	provider.says(t, "registered")
	var before, after struct {
		Wallet contracts.Amount `json:"wallet"`
		Vault  contracts.Amount `json:"vault"`
	}
	byway.json(&before, with(seller[:4], "account", "balance")...)

	// The consumer.
	buyer := []string{"--home", in("consumer"), "--network", network, "--password-file", in("pw")}
	byway.run(with(buyer, "account", "new", "--light")...)
	byway.run("--home", in("consumer"), "--network", network, "devnet", "fund", "--tokens", "2")
	var offers struct {
		Offers []struct {
			CID      string `json:"cid"`
			Provider string `json:"provider"`
		}
	}
	byway.json(&offers, "offers", "list", "--network", network)
	if len(offers.Offers) != 1 {
		t.Fatalf("%d offers are listed, want the one: %s", len(offers.Offers),
			byway.run("offers", "list", "--skipped", "--network", network))
	}
	consumer := byway.start(with(buyer,
		"connect", "--foreground", "--proxy", "127.0.0.1:0", "--json", "--max-price", "0.1", "--spend", "0.5")...)
	var connected, receipt, closed closedJSON
	decodeText(t, consumer.says(t, `"event":"connected"`), &connected)
	out.useProxy(t, connected.Proxy)

	// What both say while the session runs.
	var sold, bought spec.Status
	byway.json(&sold, with(seller[:2], "status")...)
	byway.json(&bought, with(buyer[:2], "status")...)
	if sold.Connection != nil || sold.Provider == nil || len(sold.Provider.Sessions) != 1 || sold.Provider.Sessions[0].State != "open" {
		t.Fatalf("the provider's status: %+v", sold)
	}
	if bought.Provider != nil || bought.Connection == nil || bought.Connection.Session == nil || bought.Connection.Session.State != "open" {
		t.Fatalf("the consumer's status: %+v", bought)
	}
	for _, c := range [][2]string{{seller[1], "not yet claimed"}, {seller[1], "in userspace"}, {buyer[1], connected.Proxy}, {buyer[1], "of 1024 connections"}} {
		if human := byway.run("status", "--home", c[0]); !strings.Contains(human, c[1]) {
			t.Errorf("status lacks %q: %s", c[1], human)
		}
	}

	// The end, and one sum everywhere.
	byway.json(&receipt, with(buyer[:2], "disconnect")...)
	if code := consumer.wait(t); code != 0 {
		t.Errorf("connect ended with %d", code)
	}
	decodeText(t, consumer.says(t, `"event":"closed"`), &closed)
	if closed.Session != receipt.Session || closed.Error != "" {
		t.Errorf("connect and disconnect show different receipts: %+v %+v", closed, receipt)
	}
	byway.json(&sold, with(seller[:2], "status")...)
	var claimed struct {
		Total    contracts.Amount `json:"total"`
		Channels int              `json:"channels"`
	}
	byway.json(&claimed, with(seller[:2], "provider", "claim")...)
	byway.json(&after, with(seller[:4], "account", "balance")...)
	delta, err := after.Wallet.Sub(before.Wallet)
	if err != nil {
		t.Fatal(err)
	}
	paid, session := receipt.Session.Paid, receipt.Session
	cost, err := payments.Cost(session.Price, session.Rx+session.Tx)
	if err != nil {
		t.Fatal(err)
	}
	if cost != paid || sold.Provider.Earnings.Promised != paid || claimed.Total != paid || delta != paid {
		t.Errorf("%d bytes cost %s, paid are %s, earned %s, claimed %s, the wallet grew by %s",
			session.Rx+session.Tx, cost, paid, sold.Provider.Earnings.Promised, claimed.Total, delta)
	}
	if fetched := uint64(4 * len(out.file)); session.Rx < fetched || session.Rx > fetched*11/10 {
		t.Errorf("%d bytes were billed for %d", session.Rx, fetched)
	}
	if again := byway.run(with(seller[:2], "provider", "claim")...); !strings.Contains(again, "Nothing to claim") {
		t.Errorf("a second claim: %s", again)
	}

	// A second session ends with Ctrl-C, which pays the rest and shows the receipt.
	consumer = byway.start(with(buyer, "connect", "--foreground", "--proxy", "127.0.0.1:0")...)
	consumer.says(t, "socks5h://")
	if code := consumer.interrupt(t); code != 0 || !strings.Contains(consumer.out.String(), "Receipt") {
		t.Errorf("connect ended with %d after Ctrl-C: %s", code, &consumer.out)
	}

	// A provider that falls silent, as one whose power is cut, is noticed within seconds, and so is its return.
	consumer = byway.start(with(buyer, "connect", "--foreground", "--proxy", "127.0.0.1:0")...)
	consumer.says(t, "socks5h://")
	if err := provider.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the consumer says that it has no session", func() bool {
		return strings.Contains(consumer.err.String(), "the connection is connecting") || strings.Contains(consumer.err.String(), "the connection is blocked")
	})
	if err := provider.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the consumer says that it is connected again", func() bool {
		return strings.Contains(consumer.err.String(), "the connection is connected")
	})
	if code := consumer.interrupt(t); code != 0 || !strings.Contains(consumer.out.String(), "Receipt") {
		t.Errorf("connect ended with %d after Ctrl-C: %s%s", code, &consumer.out, &consumer.err)
	}
	if code := provider.interrupt(t); code != 0 {
		t.Errorf("the provider ended with %d after Ctrl-C", code)
	}
	if code := devnet.interrupt(t); code != 0 {
		t.Errorf("the devnet ended with %d after Ctrl-C", code)
	}
	for _, r := range []*process{consumer, provider, devnet} {
		if bytes.Contains([]byte(r.err.String()), []byte("panic")) || strings.Contains(r.err.String(), "level=ERROR") {
			t.Errorf("%v: %s", r.Args, &r.err)
		}
	}
	for _, home := range []string{"provider", "consumer"} {
		if code := byway.start("status", "--home", in(home)).wait(t); code != exitNotRunning {
			t.Errorf("status of the %s that has ended: %d", home, code)
		}
	}
}
