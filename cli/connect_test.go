package cli

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"byway/contracts"
	"byway/node/api"
	"byway/node/api/spec"
	"byway/node/home"
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
	p := start(t, with(flags, append([]string{"provider", "up", "--foreground", "--allow", "127.0.0.1/32", "--json"}, more...)...)...)
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

func TestConnectHoldsAtItsCapAndGoesOnWhenItMaySpendMore(t *testing.T) {
	t.Parallel()
	sellerDir, seller := funded(t)
	startProvider(t, seller, "--price", "1")
	buyerDir, buyer := funded(t)
	only := onlyFrom(t, sellerDir)

	refusal{"connect --foreground --json --proxy 127.0.0.1:0 --max-price 0.5 " + strings.Join(only, " "), exitNoOffer,
		[]string{"no offer fits", "cost more than 0.5 BYW per GB", "byway offers list"}}.check(t, buyer...)
	code, out, errOut := byway(t, with(with(buyer, "offers", "list", "--json", "--max-price", "0.5"), only...)...)
	if code != exitNoOffer || !strings.Contains(out, `"offers":[]`) {
		t.Errorf("offers list where nothing fits: %d %s%s", code, out, errOut)
	}

	c := start(t, with(with(buyer, "connect", "--foreground", "--json", "--proxy", "127.0.0.1:0", "--spend", "0.005"), only...)...)
	var connected, closed closedJSON
	c.decode(t, 60*time.Second, &connected, `"event":"connected"`)
	go func() { // ends with the session
		if response, err := through(t, "socks5h", connected.Proxy).Get(endless(t)); err == nil {
			io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}
	}()
	c.saysErr(t, "the connection is holding", "byway spend AMOUNT")
	spend, err := contracts.ParseTokens("0.005", 18)
	if err != nil {
		t.Fatal(err)
	}
	more, err := contracts.ParseTokens("0.001", 18)
	if err != nil {
		t.Fatal(err)
	}
	if out := must(t, with(buyer, "spend", "+0.001", "--json")...); !strings.Contains(out, `"spend":"6000000000000000"`) {
		t.Errorf("spend said %s", out)
	}
	all := spend.AddCap(more)
	waitFor(t, "the connection has cost what it may now", func() bool {
		var now spec.Status
		decodeText(t, must(t, with(buyer, "status", "--json")...), &now)
		return now.Connection != nil && now.Connection.Budget.Spent == all && now.Connection.State == spec.ConnectionStateHolding
	})
	c.stop()
	if code := c.end(t, 60*time.Second); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	c.decode(t, time.Second, &closed, `"event":"closed"`)
	if closed.Session.Paid != all || closed.Session.State != "closed" {
		t.Errorf("the connection paid %s of %s and is %s", closed.Session.Paid, all, closed.Session.State)
	}
	if _, err := api.DialDir(buyerDir); !errors.Is(err, api.ErrNotRunning) {
		t.Errorf("a daemon is found after the end: %v", err)
	}
}

func TestAConnectionWhoseProviderStopsWaitsForItAndGoesOn(t *testing.T) {
	t.Parallel()
	sellerDir, seller := funded(t)
	p := startProvider(t, seller)
	_, buyer := funded(t)
	c := start(t, with(with(buyer, "connect", "--foreground", "--proxy", "127.0.0.1:0"), onlyFrom(t, sellerDir)...)...)
	waitFor(t, "the consumer is connected", func() bool { return strings.Contains(c.out.String(), "Connected.") })
	p.stop()
	if code := p.end(t, time.Minute); code != exitOK {
		t.Errorf("the provider ended with %d: %s", code, &p.err)
	}
	c.saysErr(t, "the connection is blocked")
	startProvider(t, seller)
	c.saysErr(t, "the connection is connected")
	c.stop()
	if code := c.end(t, time.Minute); code != exitOK {
		t.Errorf("the consumer ended with %d", code)
	}
	if out := c.out.String(); !strings.Contains(out, "Receipt") || !strings.Contains(out, "paid") {
		t.Errorf("no receipt: %s", out)
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
		c := start(t, with(with(buyer, "connect", "--foreground", "--json", "--proxy", "127.0.0.1:0"), append(only, more...)...)...)
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
