package payee

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"

	"byway/contracts/chain"
	"byway/payments"
	"byway/payments/audit"
	"byway/payments/chainview"
	"byway/payments/claim"
	"byway/payments/pace"
)

var chaos = flag.Bool("chaos", false, "run TestChaos, with every depth of reorganisation")

// rpcFaults are misdeeds of endpoints, each done to one request.
var rpcFaults = []struct {
	name string
	do   func(w http.ResponseWriter, id json.RawMessage)
}{
	{"429 too many requests", func(w http.ResponseWriter, _ json.RawMessage) {
		http.Error(w, "slow down", http.StatusTooManyRequests)
	}},
	{"503 with a page", func(w http.ResponseWriter, _ json.RawMessage) {
		http.Error(w, "<html>busy</html>", http.StatusServiceUnavailable)
	}},
	{"dropped connection", func(http.ResponseWriter, json.RawMessage) { panic(http.ErrAbortHandler) }},
	{"truncated body", func(w http.ResponseWriter, id json.RawMessage) {
		w.Header().Set("Content-Length", "4000")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":"0x`, id)
	}},
	{"empty body", func(w http.ResponseWriter, _ json.RawMessage) { w.WriteHeader(http.StatusOK) }},
	{"internal error", func(w http.ResponseWriter, id json.RawMessage) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32603,"message":"internal error"}}`, id)
	}},
	{"rate limit", func(w http.ResponseWriter, id json.RawMessage) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32005,"message":"limit exceeded"}}`, id)
	}},
	{"answer after 300 ms", func(http.ResponseWriter, json.RawMessage) { time.Sleep(300 * time.Millisecond) }},
}

// faultyEndpoint stands in front of a node and answers one request in three as a fault would have it.
func faultyEndpoint(t *testing.T, node string, fault func(http.ResponseWriter, json.RawMessage), n *atomic.Int64,
) string {
	t.Helper()
	u, err := url.Parse(node)
	if err != nil {
		t.Fatal(err)
	}
	forward := &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(u); r.Out.URL.Path = "/" },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		var q struct{ ID json.RawMessage }
		_ = json.Unmarshal(body, &q) // a batch has no id of its own, and goes through
		written := &firstByte{ResponseWriter: w}
		if rand.IntN(3) == 0 && q.ID != nil {
			n.Add(1)
			fault(written, q.ID)
		}
		if written.begun {
			return
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.URL
}

// firstByte knows whether anything was answered.
type firstByte struct {
	http.ResponseWriter
	begun bool
}

func (w *firstByte) WriteHeader(status int) {
	w.begun = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *firstByte) Write(b []byte) (int, error) {
	w.begun = true
	return w.ResponseWriter.Write(b)
}

// surviveRPCFaults pays and claims through an endpoint with each fault and returns how many requests met one.
func surviveRPCFaults(t *testing.T) int64 {
	t.Helper()
	n := newNetwork(t)
	mine, theirs := newLedger(t), newLedger(t)
	f := n.funding(t, n.payer)
	key := testKey(1)
	must(f.Open(t.Context(), "", key.Address(), n.payee.Address(), cost(testPrice, payments.GiB), cost(testPrice, payments.GiB)))(t)
	var faults atomic.Int64
	for _, fault := range rpcFaults {
		through := *n
		urls := []string{faultyEndpoint(t, n.chain.URL(), fault.do, &faults)}
		through.client = must(chain.Dial(t.Context(), chain.Config{URLs: urls, ChainID: n.client.ChainID(), Lazy: true}))(t)
		t.Cleanup(through.client.Close)
		through.view = chainview.New(through.client.Agreed(), n.deployment)
		last := n.serve(t, mine, theirs, key, 5*mib, nil)
		claimer := through.claimer(t, theirs, through.sender(t, n.payeeKey), claim.Policy{})
		eventually(t, fault.name, func() bool {
			_, err := claimer.Claim(t.Context(), false)
			return err == nil && must(claimer.Earnings(t.Context()))(t).Settled == last.Cumulative
		})
		v := must(audit.Verify(t.Context(), fileOf(theirs), n.view))(t)
		if len(v.Problems) > 0 {
			t.Fatalf("%s: %q", fault.name, v.Problems)
		}
		wantAmount(t, "payee's balance", must(f.Balance(t.Context(), n.payee.Address()))(t), last.Cumulative)
	}
	return faults.Load()
}

func TestClaimsSurviveFaultyEndpoints(t *testing.T) {
	t.Parallel()
	faults := surviveRPCFaults(t)
	t.Logf("%d kinds of fault, %d requests met one, everything settled once", len(rpcFaults), faults)
}

// TestChaos runs everything that breaks things, at length, and prints one table. -kills, -cuts, -turns and
// -rapid.checks say how much of it.
func TestChaos(t *testing.T) {
	if !*chaos {
		t.Skip("with -chaos only")
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	row := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }
	start := time.Now()
	took := func() time.Duration {
		defer func() { start = time.Now() }()
		return time.Since(start).Round(100 * time.Millisecond)
	}
	row("WHAT\tTIMES\tACKNOWLEDGED OR TRIED\tLOST OR WRONG\tTOOK")
	row("kill -9 under load\t%d\t%d promises\t0 lost\t%s", *kills, killLedger(t), took())
	n, syncs := cutPower(t)
	row("power cut, unsynced writes dropped\t%d\t%d promises, %d syncs\t0 lost\t%s", *cuts, n, syncs, took())
	depths := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	row("reorganisation, depth 1 to 12, claim kept or dropped\t%d\tledger = chain after each\t0 wrong\t%s",
		reorganisations(t, depths), took())
	faults := surviveRPCFaults(t)
	row("RPC fault, %d kinds\t%d\tclaims settled once each\t0 wrong\t%s", len(rpcFaults), faults, took())
	b := runLives(t)
	row("whole lives: %d sessions, parallel, churned, refused, withdrawn\t%d\t%d refusals, %d withdrawals, %d crashes\t"+
		"0 over bound\t%s", b.sessions, b.lives, b.refusals, b.withdrawals, b.crashes, took())
	row("promises that a later one of another session overtook\t%d\t%d brought nothing\t0 refused\t", b.overtaken, b.again)
	row("most unpaid to a provider by a vault\t\t%d bytes\t%d ‰ of one window and the tolerance\t", b.unpaidBytes, b.unpaid)
	row("most that strangers cost in an hour\t\t\t%d ‰ of their budget\t", b.lost)
	row("most overpaid by a consumer, beyond 3 %%\t\t%d bytes\tbound: one tick, %d\t", b.overpaid, uint64(pace.MinTick))
	sessions, crashes, window := honestSessions(t)
	row("honest sessions closed mid-download, 1 %% lost\t%d\t%d crashes\tall opened with a window of %d bytes or more\t%s",
		sessions, crashes, window, took())
	if t.Failed() {
		return
	}
	if err := out.Flush(); err != nil {
		t.Error(err)
	}
}
