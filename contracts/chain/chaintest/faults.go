package chaintest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Cut is an endpoint that is down: every connection is cut.
func Cut(http.ResponseWriter, *http.Request, *Query) bool { panic(http.ErrAbortHandler) }

// Hang never answers.
func Hang(_ http.ResponseWriter, r *http.Request, _ *Query) bool {
	<-r.Context().Done()
	return true
}

// After answers rightly, after a while.
func After(d time.Duration) Fault {
	return func(_ http.ResponseWriter, r *http.Request, _ *Query) bool {
		wait := time.NewTimer(d)
		defer wait.Stop()
		select {
		case <-r.Context().Done():
			return true
		case <-wait.C:
			return false
		}
	}
}

// Page answers everything with that status and body, and headers by name and value.
func Page(status int, body string, headers ...string) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ *Query) bool {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return true
	}
}

// Says answers every request with an error.
func Says(code int, message string) Fault {
	return func(w http.ResponseWriter, _ *http.Request, q *Query) bool { return Refuse(w, q, code, message) }
}

// Gives answers every request with that result, in JSON.
func Gives(result string) Fault {
	return func(w http.ResponseWriter, _ *http.Request, q *Query) bool { return Result(w, q, result) }
}

// Of is a fault of one method alone.
func Of(method string, f Fault) Fault {
	return func(w http.ResponseWriter, r *http.Request, q *Query) bool { return q.Method == method && f(w, r, q) }
}

// Where is a fault of requests whose body has that text.
func Where(text string, f Fault) Fault {
	return func(w http.ResponseWriter, r *http.Request, q *Query) bool {
		return strings.Contains(string(q.Body), text) && f(w, r, q)
	}
}

// Either is the first of several faults that answers.
func Either(faults ...Fault) Fault {
	return func(w http.ResponseWriter, r *http.Request, q *Query) bool {
		for _, f := range faults {
			if f(w, r, q) {
				return true
			}
		}
		return false
	}
}

// Edited lets requests of a method through, or of all for "", and edits the answers.
func Edited(method string, edit func(string) string) Fault {
	return func(w http.ResponseWriter, _ *http.Request, q *Query) bool {
		if q.Method == "" || method != "" && q.Method != method {
			return false
		}
		body, err := q.Ask()
		if err != nil {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, edit(body))
		return true
	}
}

// Flip replaces the first of a text.
func Flip(from, to string) func(string) string {
	return func(s string) string { return strings.Replace(s, from, to, 1) }
}

// Fields edits fields of an answer's result where that is an object: what edit returns takes the place of the field's
// value, nil removes it.
func Fields(edit func(name string, value any) any) func(string) string {
	return func(s string) string {
		var answer struct {
			ID     json.RawMessage `json:"id"`
			Result map[string]any  `json:"result"`
		}
		if json.Unmarshal([]byte(s), &answer) != nil || answer.Result == nil {
			return s
		}
		for name, value := range answer.Result {
			if answer.Result[name] = edit(name, value); answer.Result[name] == nil {
				delete(answer.Result, name)
			}
		}
		result, err := json.Marshal(answer.Result)
		if err != nil {
			return s
		}
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%s}`, answer.ID, result)
	}
}

// Elsewhere answers as another chain does.
func Elsewhere(chain string) Fault {
	return func(w http.ResponseWriter, _ *http.Request, q *Query) bool {
		if q.Method == "" {
			return false
		}
		body, err := askAt(chain, q.Body)
		if err != nil {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
		return true
	}
}

// Busy refuses three of each five requests with status 429, and headers by name and value.
func Busy(headers ...string) Fault {
	var n atomic.Int64
	page := Page(http.StatusTooManyRequests, "", headers...)
	return func(w http.ResponseWriter, r *http.Request, q *Query) bool {
		return q.Method != "" && n.Add(1)%5 < 3 && page(w, r, q)
	}
}

var newest = regexp.MustCompile(`"(latest|pending)"`)

// Frozen shows the chain as it was at block n. What is sent to it goes on to the chain all the same.
func Frozen(n uint64) Fault {
	late := Edited("", func(s string) string {
		var receipt struct {
			ID     json.RawMessage `json:"id"`
			Result struct {
				BlockNumber string `json:"blockNumber"`
			} `json:"result"`
		}
		var mined uint64
		_ = json.Unmarshal([]byte(s), &receipt)
		if _, err := fmt.Sscanf(receipt.Result.BlockNumber, "0x%x", &mined); err == nil && mined > n {
			return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":null}`, receipt.ID)
		}
		return s
	})
	return func(w http.ResponseWriter, r *http.Request, q *Query) bool {
		at := fmt.Sprintf("%#x", n)
		switch q.Method {
		case "eth_blockNumber":
			return Result(w, q, `"`+at+`"`)
		case "eth_getTransactionReceipt":
			return late(w, r, q)
		case "eth_getBlockByNumber":
			if number, ok := q.number(0); ok && number > n {
				return Result(w, q, "null")
			}
		}
		q.Body = newest.ReplaceAll(q.Body, []byte(`"`+at+`"`))
		return false
	}
}

// number reads a parameter that is a block's number.
func (q *Query) number(param int) (n uint64, ok bool) {
	if param >= len(q.Params) {
		return 0, false
	}
	var text string
	_ = json.Unmarshal(q.Params[param], &text)
	_, err := fmt.Sscanf(text, "0x%x", &n)
	return n, err == nil
}

// HighHead names a head of that number and time, and no logs.
func HighHead(number uint64, at time.Time) Fault {
	return func(w http.ResponseWriter, _ *http.Request, q *Query) bool {
		switch q.Method {
		case "eth_blockNumber":
			return Result(w, q, fmt.Sprintf(`"%#x"`, number))
		case "eth_getBlockByNumber":
			if n, ok := q.number(0); ok && n == number || !ok && strings.Contains(string(q.Params[0]), "latest") {
				return Result(w, q, fmt.Sprintf(`{"number":"%#x","hash":"0x%064x","parentHash":"0x%064x","timestamp":"%#x"}`,
					number, number, number-1, at.Unix()))
			}
		case "eth_getLogs":
			return Result(w, q, "[]")
		}
		return false
	}
}

// LogsUpTo refuses to give logs of more than so many blocks at once, in these words. {from} and {to} in them are the
// blocks that it would give.
func LogsUpTo(blocks uint64, code int, words string) Fault {
	return Of("eth_getLogs", func(w http.ResponseWriter, _ *http.Request, q *Query) bool {
		var filter struct{ FromBlock, ToBlock string }
		if len(q.Params) > 0 {
			_ = json.Unmarshal(q.Params[0], &filter)
		}
		var from, to uint64
		_, _ = fmt.Sscanf(filter.FromBlock+" "+filter.ToBlock, "0x%x 0x%x", &from, &to)
		return to-from >= blocks && Refuse(w, q, code, strings.NewReplacer("{from}", fmt.Sprintf("%#x", from),
			"{to}", fmt.Sprintf("%#x", from+blocks-1)).Replace(words))
	})
}

// OtherHashes gives blocks the hashes of another kind of chain, and headers without some of Ethereum's fields. Blocks are
// found by those hashes, and by number; logs and receipts name them.
func OtherHashes() Fault {
	var real sync.Map // the chain's hash of a block by the one that was given out
	var alias func(v any, block bool) any
	alias = func(v any, block bool) any {
		switch v := v.(type) {
		case []any:
			for i := range v {
				v[i] = alias(v[i], false)
			}
		case map[string]any:
			for name, value := range v {
				text, isText := value.(string)
				switch {
				case isText && len(text) == 66 && (name == "blockHash" || block && (name == "hash" || name == "parentHash")):
					other := otherPrefix + text[len(otherPrefix):]
					real.Store(other, text)
					v[name] = other
				case block && (name == "sha3Uncles" || name == "difficulty"):
					delete(v, name)
				case !isText:
					v[name] = alias(value, false)
				}
			}
		}
		return v
	}
	return func(w http.ResponseWriter, _ *http.Request, q *Query) bool {
		if q.Method == "" {
			return false
		}
		q.Body = otherHash.ReplaceAllFunc(q.Body, func(hash []byte) []byte {
			if was, ok := real.Load(string(hash)); ok {
				return []byte(was.(string))
			}
			return hash
		})
		body, err := q.Ask()
		if err != nil {
			return false
		}
		var answer struct {
			ID     json.RawMessage `json:"id"`
			Result any             `json:"result"`
		}
		if json.Unmarshal([]byte(body), &answer) == nil && answer.Result != nil {
			result, err := json.Marshal(alias(answer.Result, strings.HasPrefix(q.Method, "eth_getBlockBy")))
			if err != nil {
				return false
			}
			return Result(w, q, string(result))
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
		return true
	}
}

// otherPrefix begins every hash that [OtherHashes] gives a block.
const otherPrefix = "0xffffffff"

var otherHash = regexp.MustCompile(otherPrefix + "[0-9a-f]{56}")
