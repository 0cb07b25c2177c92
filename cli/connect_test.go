package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"byway/contracts"
	"byway/node"
	"byway/node/home"
	"byway/node/path"
)

// closedJSON holds what the tests read of the last line of connect --json, and of disconnect --json.
type closedJSON struct {
	Event   string
	Proxy   string
	Error   string
	Session struct {
		State    string           `json:"state"`
		Rx       uint64           `json:"rx_bytes"`
		Tx       uint64           `json:"tx_bytes"`
		Price    contracts.Amount `json:"price_per_gib"`
		Paid     contracts.Amount `json:"paid"`
		Promises int              `json:"promises"`
	}
}

// through is an HTTP client that goes through a proxy; scheme is "socks5h" or "http".
func through(t *testing.T, scheme, proxy string) *http.Client {
	t.Helper()
	transport := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: scheme, Host: proxy})}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

// endless is a server on loopback that sends zeros until its client goes away.
func endless(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for chunk := make([]byte, 64<<10); ; {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return server.URL
}

// startProvider starts a provider that may reach loopback, and waits until it is up.
func startProvider(t *testing.T, flags []string, more ...string) *running {
	t.Helper()
	p := start(t, with(flags, append([]string{"provider", "up", "--allow", "127.0.0.1/32", "--json"}, more...)...)...)
	if _, err := p.line(60*time.Second, "byway.provider/1", `"event":"up"`); err != nil {
		t.Fatal(err)
	}
	return p
}

// onlyFrom narrows a connect to the provider of a home: the other tests' providers are on the same devnet.
func onlyFrom(t *testing.T, dir string) []string {
	t.Helper()
	home, err := home.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	owner, _, err := home.Accounts()
	if err != nil {
		t.Fatal(err)
	}
	return []string{"--provider", owner.Hex()}
}

func TestConnectEndsWithAReceiptWhenItsCapIsReached(t *testing.T) {
	t.Parallel()
	sellerDir, seller := funded(t)
	startProvider(t, seller, "--price", "1")
	buyerDir, buyer := funded(t)
	only := onlyFrom(t, sellerDir)

	refusal{"connect --json --proxy 127.0.0.1:0 --max-price 0.5 " + strings.Join(only, " "), exitNoOffer,
		[]string{"no offer fits", "cost more than 0.5 BYW per GB", "byway offers list"}}.check(t, buyer...)
	code, out, errOut := byway(t, with(with(buyer, "offers", "list", "--json", "--max-price", "0.5"), only...)...)
	if code != exitNoOffer || !strings.Contains(out, `"offers":[]`) {
		t.Errorf("offers list where nothing fits: %d %s%s", code, out, errOut)
	}

	c := start(t, with(with(buyer, "connect", "--json", "--proxy", "127.0.0.1:0", "--spend", "0.005"), only...)...)
	var connected, closed closedJSON
	c.decode(t, 60*time.Second, &connected, `"event":"connected"`)
	go func() { // ends with the session
		if response, err := through(t, "socks5h", connected.Proxy).Get(endless(t)); err == nil {
			io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}
	}()
	if code := c.end(t, 60*time.Second); code != exitFailure {
		t.Errorf("exit code %d", code)
	}
	c.decode(t, time.Second, &closed, `"event":"closed"`)
	spend, err := contracts.ParseTokens("0.005", 18)
	if err != nil {
		t.Fatal(err)
	}
	if closed.Session.Paid != spend || closed.Session.State != "closed" {
		t.Errorf("the session paid %s of %s and is %s", closed.Session.Paid, spend, closed.Session.State)
	}
	const want = "the session may cost 0.005 BYW, and that is used up: connect again, with a higher --spend"
	for _, text := range []string{closed.Error, c.err.String()} {
		if !strings.Contains(text, want) {
			t.Errorf("what ended the session is not clear: %s", text)
		}
	}
	if _, err := os.Stat(filepath.Join(buyerDir, "api.json")); err == nil {
		t.Error("api.json is left")
	}
}

func TestConnectEndsWithAReceiptWhenItsProviderStops(t *testing.T) {
	t.Parallel()
	sellerDir, seller := funded(t)
	p := startProvider(t, seller)
	_, buyer := funded(t)
	c := start(t, with(with(buyer, "connect", "--proxy", "127.0.0.1:0"), onlyFrom(t, sellerDir)...)...)
	for deadline := time.Now().Add(60 * time.Second); !strings.Contains(c.out.String(), "Connected."); {
		if time.Now().After(deadline) {
			t.Fatalf("not connected: %s%s", &c.out, &c.err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	p.stop()
	if code := p.end(t, time.Minute); code != exitOK {
		t.Errorf("the provider ended with %d: %s", code, &p.err)
	}
	if code := c.end(t, time.Minute); code != exitFailure {
		t.Errorf("the consumer ended with %d", code)
	}
	if out := c.out.String(); !strings.Contains(out, "Receipt") || !strings.Contains(out, "paid") {
		t.Errorf("no receipt: %s", out)
	}
	if errOut := c.err.String(); !strings.Contains(errOut, "the provider closed the session") ||
		!strings.Contains(errOut, "byway connect") {
		t.Errorf("what ended the session is not clear: %s", errOut)
	}
}

// Whether datagrams are paid for that nobody answers is the command line's word, and the status repeats it.
func TestConnectTakesOneWayUDPWhereItIsTold(t *testing.T) {
	t.Parallel()
	sellerDir, seller := funded(t)
	startProvider(t, seller)
	_, buyer := funded(t)
	only := onlyFrom(t, sellerDir)
	for _, more := range [][]string{nil, {"--one-way-udp"}} {
		c := start(t, with(with(buyer, "connect", "--json", "--proxy", "127.0.0.1:0"), append(only, more...)...)...)
		if _, err := c.line(60*time.Second, `"event":"connected"`); err != nil {
			t.Fatal(err)
		}
		status := must(t, with(buyer, "status", "--json")...)
		if told := strings.Contains(status, `"one_way_udp":true`); told != (more != nil) {
			t.Errorf("connect %v: %s", more, status)
		}
		must(t, with(buyer, "disconnect")...)
		if code := c.end(t, time.Minute); code != exitOK {
			t.Errorf("connect %v ended with %d: %s", more, code, &c.err)
		}
	}
}

// resolveBy makes a small UDP server that answers every DNS question for an A record with one address.
func resolveBy(t *testing.T, answer net.IP) string {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go serveDNS(conn, answer) // ends with the socket
	return conn.LocalAddr().String()
}

// decodeText decodes one JSON object.
func decodeText(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

func TestTheEndOfASessionIsOneSentence(t *testing.T) {
	t.Parallel()
	c := &consumer{Consumer: &node.Consumer{}}
	long := fmt.Errorf("%w: %w", path.ErrProviderGone, errors.New("failed to dial:\n  * [/ip4/127.0.0.1/tcp/1] refused"))
	got := explainEnd(long, c)
	if text := got.Error(); strings.Contains(text, "\n") || !strings.Contains(text, "the provider went away") ||
		!strings.Contains(text, "byway connect") {
		t.Errorf("%q", text)
	}
	if !errors.Is(got, path.ErrProviderGone) {
		t.Error("the error does not stand for its cause any more")
	}
	if explainEnd(nil, c) != nil {
		t.Error("an orderly end is an error")
	}
}
