package chain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// request is a JSON-RPC request on its way through a proxy.
type request struct {
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
	ID     json.RawMessage   `json:"id"`
	body   []byte
}

// misbehaviour answers a request in its own way and reports that it did; else the request goes on to the node.
type misbehaviour func(w http.ResponseWriter, r *http.Request, q *request) bool

// proxy stands in front of a node, as a provider of endpoints would.
type proxy struct {
	*httptest.Server
	mu   sync.Mutex
	mode misbehaviour
}

func startProxy(t testing.TB, node string) *proxy {
	t.Helper()
	u, err := url.Parse(node)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{}
	forward := &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(u); r.Out.URL.Path = "/" },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		q := &request{body: body}
		_ = json.Unmarshal(body, q)
		p.mu.Lock()
		mode := p.mode
		p.mu.Unlock()
		if mode != nil && mode(w, r, q) {
			return
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(q.body)), int64(len(q.body))
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { p.CloseClientConnections(); p.Close() })
	return p
}

func (p *proxy) set(m misbehaviour) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = m
}

func reply(w http.ResponseWriter, q *request, result string) bool {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, q.ID, result)
	return true
}

func replyError(w http.ResponseWriter, q *request, code int, message string) bool {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":%q}}`, q.ID, code, message)
	return true
}

func raw(status int, body string) misbehaviour {
	return func(w http.ResponseWriter, _ *http.Request, _ *request) bool {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return true
	}
}

// broken are the ways in which an endpoint can be of no use at all.
var broken = map[string]misbehaviour{
	"page":      raw(200, "<html>welcome to the hotel's network</html>"),
	"empty":     raw(200, ""),
	"truncated": raw(200, `{"jsonrpc":"2.0","id":1,"resu`),
	"no result": raw(200, `{"jsonrpc":"2.0","id":1}`),
	"wrong type": func(w http.ResponseWriter, _ *http.Request, q *request) bool {
		return reply(w, q, `{"not":["what","was","asked"]}`)
	},
	"array":        raw(200, `[]`),
	"server error": raw(500, "boom"),
	"unauthorised": raw(401, "no such key"),
	"rate limited": raw(429, "slow down"),
	"internal": func(w http.ResponseWriter, _ *http.Request, q *request) bool {
		return replyError(w, q, -32603, "internal error")
	},
	"limit": func(w http.ResponseWriter, _ *http.Request, q *request) bool {
		return replyError(w, q, -32005, "daily request count exceeded, request rate limited")
	},
	"short body": func(w http.ResponseWriter, _ *http.Request, _ *request) bool {
		w.Header().Set("Content-Length", "5000")
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0",`)
		return true
	},
	"reset": func(w http.ResponseWriter, _ *http.Request, _ *request) bool { panic(http.ErrAbortHandler) },
	"hang": func(_ http.ResponseWriter, r *http.Request, _ *request) bool {
		<-r.Context().Done()
		return true
	},
	"drip": func(w http.ResponseWriter, r *http.Request, _ *request) bool {
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, " ")
			w.(http.Flusher).Flush()
			time.Sleep(20 * time.Millisecond)
		}
		return true
	},
	"redirect": func(w http.ResponseWriter, r *http.Request, _ *request) bool {
		http.Redirect(w, r, r.URL.String(), http.StatusTemporaryRedirect)
		return true
	},
}

var latest = regexp.MustCompile(`"(latest|pending)"`)

// frozen shows the chain as it was at block n.
func frozen(n uint64) misbehaviour {
	return func(w http.ResponseWriter, _ *http.Request, q *request) bool {
		at := fmt.Sprintf("%#x", n)
		switch q.Method {
		case "eth_blockNumber":
			return reply(w, q, `"`+at+`"`)
		case "eth_getTransactionReceipt":
			return reply(w, q, "null")
		case "eth_getBlockByNumber":
			var asked string
			_ = json.Unmarshal(q.Params[0], &asked)
			var number uint64
			if _, err := fmt.Sscanf(asked, "0x%x", &number); err == nil && number > n {
				return reply(w, q, "null")
			}
		}
		q.body = latest.ReplaceAll(q.body, []byte(`"`+at+`"`))
		return false
	}
}

// forged lets a request through and edits the answer.
func forged(node, method string, edit func(string) string) misbehaviour {
	return func(w http.ResponseWriter, _ *http.Request, q *request) bool {
		if q.Method != method {
			return false
		}
		resp, err := http.Post(node, "application/json", bytes.NewReader(q.body))
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, edit(string(body)))
		return true
	}
}

func flip(from, to string) func(string) string {
	return func(s string) string { return strings.Replace(s, from, to, 1) }
}
