// Package chaintest owns a JSON-RPC endpoint for tests: it stands between a program and its chain and can be made to fail,
// lag or lie in the ways that endpoints have, by name.
package chaintest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"
)

// Query is a JSON-RPC request on its way to the chain. Its method is empty where it is none: the opening of a WebSocket,
// for instance.
type Query struct {
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
	ID     json.RawMessage   `json:"id"`
	// Body is what goes on to the chain.
	Body []byte `json:"-"`

	chain string
}

// Fault answers a request in its own way and reports that it did; else the request goes on to the chain, with the body
// that the fault left. It is called by many goroutines at once.
type Fault func(w http.ResponseWriter, r *http.Request, q *Query) bool

// Proxy stands in front of a chain, as a provider of endpoints does. WebSockets pass.
type Proxy struct {
	*httptest.Server
	chain string

	mu    sync.Mutex
	fault Fault
}

var client = &http.Client{Timeout: time.Minute}

// Start starts a proxy in front of the chain at that URL. It has no fault, and ends with the test.
func Start(t testing.TB, chain string) *Proxy {
	t.Helper()
	u, err := url.Parse(chain)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{chain: chain}
	forward := &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(u); r.Out.URL.Path = "/" },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		q := &Query{Body: body, chain: chain}
		_ = json.Unmarshal(body, q)
		if fault := p.Fault(); fault != nil && fault(w, r, q) {
			return
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(q.Body)), int64(len(q.Body))
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(p.End)
	return p
}

// End cuts every connection and ends the proxy.
func (p *Proxy) End() {
	p.CloseClientConnections()
	p.Close()
}

// Set makes f the proxy's fault from now on, nil: it has none.
func (p *Proxy) Set(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
}

// Fault is the present fault, nil where there is none.
func (p *Proxy) Fault() Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault
}

// Head is the number of the chain's newest block, whatever the proxy's fault.
func (p *Proxy) Head(t testing.TB) (n uint64) {
	t.Helper()
	q := &Query{Body: []byte(`{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}`), chain: p.chain}
	body, err := q.Ask()
	var answer struct{ Result string }
	if err == nil {
		err = json.Unmarshal([]byte(body), &answer)
	}
	if err == nil {
		_, err = fmt.Sscanf(answer.Result, "0x%x", &n)
	}
	if err != nil {
		t.Fatalf("the chain's head: %v", err)
	}
	return n
}

// Ask puts the query to the chain and returns the answer's body.
func (q *Query) Ask() (string, error) { return askAt(q.chain, q.Body) }

func askAt(chain string, body []byte) (string, error) {
	answer, err := client.Post(chain, "application/json", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}

// Result answers with a result, in JSON.
func Result(w http.ResponseWriter, q *Query, result string) bool {
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, q.ID, result)
	return true
}

// Refuse answers with an error, whose message may be any text: what is no JSON is escaped, as every JSON library does.
func Refuse(w http.ResponseWriter, q *Query, code int, message string) bool {
	text, err := json.Marshal(message)
	if err != nil {
		panic(err) // no string makes it fail
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":%s}}`, q.ID, code, text)
	return true
}
