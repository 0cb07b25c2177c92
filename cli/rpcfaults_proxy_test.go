package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// rpcQuery is a JSON-RPC request on its way to a chain.
type rpcQuery struct {
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
	ID     json.RawMessage   `json:"id"`
	body   []byte
}

// rpcFault answers a request in a fault's way and reports that it did; else the request goes on to the chain.
type rpcFault func(p *rpcProxy, w http.ResponseWriter, r *http.Request, q *rpcQuery) bool

// rpcProxy is an endpoint between a program and its chain, with a fault that can be switched on.
type rpcProxy struct {
	*httptest.Server
	chain  string
	asked  atomic.Int64
	stale  atomic.Uint64 // the head when the fault began
	mu     sync.Mutex
	faulty rpcFault
}

func startRPCProxy(t *testing.T, chain string) *rpcProxy {
	t.Helper()
	p := &rpcProxy{chain: chain}
	client := &http.Client{Timeout: time.Minute}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := &rpcQuery{}
		var err error
		if q.body, err = io.ReadAll(r.Body); err != nil || json.Unmarshal(q.body, q) != nil || q.Method == "" {
			http.Error(w, "this endpoint has no WebSocket", http.StatusBadRequest)
			return
		}
		p.mu.Lock()
		fault := p.faulty
		p.mu.Unlock()
		p.asked.Add(1)
		if fault != nil && fault(p, w, r, q) {
			return
		}
		answer, err := client.Post(p.chain, "application/json", bytes.NewReader(q.body))
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer answer.Body.Close()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body)
	}))
	t.Cleanup(func() { p.CloseClientConnections(); p.Close() })
	return p
}

func (p *rpcProxy) set(f rpcFault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faulty = f
}

// edit asks the chain and answers with what edit makes of that.
func (p *rpcProxy) edit(w http.ResponseWriter, q *rpcQuery, edit func(string) string) bool {
	answer, err := http.Post(p.chain, "application/json", bytes.NewReader(q.body))
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return false
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, edit(string(body)))
	return true
}

func rpcResult(w http.ResponseWriter, q *rpcQuery, result string) bool {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, q.ID, result)
	return true
}

func rpcRefusal(w http.ResponseWriter, q *rpcQuery, code int, words string) bool {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":%q}}`, q.ID, code, words)
	return true
}

func rpcPage(status int, header, value, body string) rpcFault {
	return func(_ *rpcProxy, w http.ResponseWriter, _ *http.Request, _ *rpcQuery) bool {
		if header != "" {
			w.Header().Set(header, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return true
	}
}

// logsLimit refuses more than ten blocks of logs.
func logsLimit(code int, words string) rpcFault {
	return func(_ *rpcProxy, w http.ResponseWriter, _ *http.Request, q *rpcQuery) bool {
		if q.Method != "eth_getLogs" || len(q.Params) == 0 {
			return false
		}
		var filter struct{ FromBlock, ToBlock string }
		_ = json.Unmarshal(q.Params[0], &filter)
		var from, to uint64
		_, _ = fmt.Sscanf(filter.FromBlock+" "+filter.ToBlock, "0x%x 0x%x", &from, &to)
		return to-from >= 10 && rpcRefusal(w, q, code, words)
	}
}

// rpcFaults are the faults, by name. usable: an endpoint with it is good enough to be the only one.
var rpcFaults = []struct {
	name   string
	usable bool
	short  bool // part of the ordinary tests
	fault  rpcFault
}{
	{"none", true, true, nil},
	{"down", false, true, func(*rpcProxy, http.ResponseWriter, *http.Request, *rpcQuery) bool { panic(http.ErrAbortHandler) }},
	{"hangs", false, false, func(_ *rpcProxy, _ http.ResponseWriter, r *http.Request, _ *rpcQuery) bool {
		<-r.Context().Done()
		return true
	}},
	{"answers after 12 s", false, false, func(_ *rpcProxy, _ http.ResponseWriter, r *http.Request, _ *rpcQuery) bool {
		select {
		case <-r.Context().Done():
			return true
		case <-time.After(12 * time.Second):
			return false
		}
	}},
	{"60 % 429", true, true, func(p *rpcProxy, w http.ResponseWriter, _ *http.Request, _ *rpcQuery) bool {
		if p.asked.Load()%5 >= 3 {
			return false
		}
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	}},
	{"60 % 429, Retry-After 1", true, false, func(p *rpcProxy, w http.ResponseWriter, _ *http.Request, _ *rpcQuery) bool {
		if p.asked.Load()%5 >= 3 {
			return false
		}
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	}},
	{"429 for ever, Retry-After a day", false, false, rpcPage(429, "Retry-After", "86400", "slow down")},
	{"quota used up", false, true, func(_ *rpcProxy, w http.ResponseWriter, _ *http.Request, q *rpcQuery) bool {
		return rpcRefusal(w, q, -32005, "daily request count exceeded, request rate limited")
	}},
	{"HTML page", false, false, rpcPage(503, "", "", "<html>"+strings.Repeat("maintenance ", 1<<16))},
	{"HTML page with status 200", false, true, rpcPage(200, "Content-Type", "text/html", "<html>welcome to the hotel</html>")},
	{"wrong chain id", false, true, func(_ *rpcProxy, w http.ResponseWriter, _ *http.Request, q *rpcQuery) bool {
		return q.Method == "eth_chainId" && rpcResult(w, q, `"0x1"`)
	}},
	{"other contract code", false, false, func(p *rpcProxy, w http.ResponseWriter, _ *http.Request, q *rpcQuery) bool {
		return q.Method == "eth_getCode" && p.edit(w, q, func(s string) string { return strings.Replace(s, "6080", "6081", 1) })
	}},
	{"head of 2^60", false, true, func(_ *rpcProxy, w http.ResponseWriter, _ *http.Request, q *rpcQuery) bool {
		switch {
		case q.Method == "eth_blockNumber":
			return rpcResult(w, q, `"0x1000000000000000"`)
		case q.Method == "eth_getBlockByNumber" && strings.Contains(string(q.Params[0]), "latest"):
			return rpcResult(w, q, fmt.Sprintf(`{"number":"0x1000000000000000","hash":"0x%064x","parentHash":"0x%064x","timestamp":"%#x"}`,
				1, 2, time.Now().Unix()))
		}
		return false
	}},
	{"stale head", false, false, func(p *rpcProxy, w http.ResponseWriter, _ *http.Request, q *rpcQuery) bool {
		switch at := fmt.Sprintf("%#x", p.stale.Load()); q.Method {
		case "eth_blockNumber":
			return rpcResult(w, q, `"`+at+`"`)
		case "eth_getTransactionReceipt":
			return rpcResult(w, q, "null")
		default:
			q.body = bytes.ReplaceAll(bytes.ReplaceAll(q.body, []byte(`"latest"`), []byte(`"`+at+`"`)), []byte(`"pending"`), []byte(`"`+at+`"`))
			return false
		}
	}},
	{"no pending block", true, false, func(_ *rpcProxy, w http.ResponseWriter, _ *http.Request, q *rpcQuery) bool {
		return bytes.Contains(q.body, []byte(`"pending"`)) && rpcRefusal(w, q, -32602, "pending is not supported")
	}},
	{"no EIP-1898", true, false, func(_ *rpcProxy, w http.ResponseWriter, _ *http.Request, q *rpcQuery) bool {
		return bytes.Contains(q.body, []byte(`"blockHash"`)) && rpcRefusal(w, q, -32602, "invalid params: params[1] must be a string")
	}},
	{"getLogs: 10 blocks", true, true, logsLimit(-32600, "eth_getLogs is limited to a 10 block range")},
	{"getLogs: other words", true, false, logsLimit(-32099, "das ist zu viel")},
	{"junk JSON", false, false, func(_ *rpcProxy, w http.ResponseWriter, _ *http.Request, q *rpcQuery) bool {
		return rpcResult(w, q, `{"not":["what","was","asked"]}`)
	}},
	{"huge answers", false, false, func(_ *rpcProxy, w http.ResponseWriter, _ *http.Request, q *rpcQuery) bool {
		return rpcResult(w, q, `"`+strings.Repeat("f", 80<<20)+`"`)
	}},
	{"cut in mid-answer", false, false, func(_ *rpcProxy, w http.ResponseWriter, _ *http.Request, _ *rpcQuery) bool {
		w.Header().Set("Content-Length", "5000")
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0",`)
		return true
	}},
	{"errors with escapes", false, true, func(_ *rpcProxy, w http.ResponseWriter, _ *http.Request, q *rpcQuery) bool {
		return rpcRefusal(w, q, -32000, "\x1b[31mrate limit \u202e"+strings.Repeat("!", 1<<16))
	}},
	{"chain started anew", false, false, func(p *rpcProxy, w http.ResponseWriter, _ *http.Request, q *rpcQuery) bool {
		if q.Method != "eth_getBlockByNumber" {
			return q.Method == "eth_getCode" && rpcResult(w, q, `"0x"`)
		}
		return p.edit(w, q, func(s string) string {
			if at := strings.Index(s, `"hash":"0x`); at > 0 {
				return s[:at+10] + "dead" + s[at+14:]
			}
			return s
		})
	}},
}
