package chaintest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Hostile is text that would play with a terminal if it came there raw: escape sequences, the bell, a carriage return,
// C1 controls and a right-to-left override.
const Hostile = "\x1b[31m\x1b]0;title\x07\r\u009b31m\u0085\u202e"

// Raw are the characters of [Hostile] that shall reach nobody's terminal, nor any other C0 or C1 control but a line's end
// and a tab.
func Raw(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r == '\u202e' || r == '\u2028'
	})
}

// Kind is a way in which an endpoint can be bad.
type Kind struct {
	Name string
	// Usable: one that is so is good enough to be the only one.
	Usable bool
	// Quick kinds belong to the ordinary tests.
	Quick bool
	// Fault is made anew for each proxy, when the fault begins.
	Fault func(t testing.TB, p *Proxy) Fault
}

// Unseen reports whether what such an endpoint says alone can't be told from the truth, so that nobody can name it.
func (k Kind) Unseen() bool { return k.Name == "gas of 21,000" || k.Name == "no coin" }

// OfTheChain reports whether it is the chain that is so: then its other endpoints are too, and have been from the start.
func (k Kind) OfTheChain() bool { return k.Name == "hashes that are not geth's" }

func always(f Fault) func(testing.TB, *Proxy) Fault {
	return func(testing.TB, *Proxy) Fault { return f }
}

// Broken are the kinds of endpoints that are of no use at all: none gives an answer that could be believed.
func Broken() []Kind {
	return []Kind{
		{"down", false, true, always(Cut)},
		{"hangs", false, false, always(Hang)},
		{"a drop at a time", false, false, always(drip)},
		{"429 for ever, Retry-After a day", false, false, always(Page(429, "slow down", "Retry-After", "86400"))},
		{"429 for ever", false, false, always(Page(429, "slow down"))},
		{"401 no such key", false, false, always(Page(401, "no such key"))},
		{"quota used up", false, true, always(Says(-32005, "daily request count exceeded, request rate limited"))},
		{"internal error", false, false, always(Says(-32603, "internal error"))},
		{"status 500", false, false, always(Page(500, "boom"))},
		{"HTML page", false, false, always(Page(503, "<html>"+strings.Repeat("maintenance ", 1<<16)))},
		{"HTML page with status 200", false, true, always(Page(200, "<html>welcome to the hotel</html>", "Content-Type", "text/html"))},
		{"redirect to itself", false, false, always(func(w http.ResponseWriter, r *http.Request, _ *Query) bool {
			http.Redirect(w, r, r.URL.String(), http.StatusTemporaryRedirect)
			return true
		})},
		{"nothing at all", false, false, always(Page(200, ""))},
		{"half JSON", false, false, always(Page(200, `{"jsonrpc":"2.0","id":1,"resu`))},
		{"no result", false, false, always(Page(200, `{"jsonrpc":"2.0","id":1}`))},
		{"a list", false, false, always(Page(200, `[]`))},
		{"junk JSON", false, false, always(Gives(`{"not":["what","was","asked"]}`))},
		{"null results", false, false, always(Gives("null"))},
		{"another question's id", false, false, always(func(w http.ResponseWriter, _ *http.Request, q *Query) bool {
			q.ID = json.RawMessage(`4711`)
			return Result(w, q, `"0x1"`)
		})},
		{"huge answers", false, false, always(huge)},
		{"cut in mid-answer", false, false, always(Page(200, `{"jsonrpc":"2.0",`, "Content-Length", "5000"))},
		{"errors with escapes", false, true, always(Says(-32000, Hostile+"rate limit "+strings.Repeat("!", 1<<16)))},
		{"a page with escapes", false, false, always(Page(502, Hostile+strings.Repeat("!", 1<<16)))},
	}
}

// drip keeps a request busy for as long as it is waited for.
func drip(w http.ResponseWriter, r *http.Request, _ *Query) bool {
	for r.Context().Err() == nil {
		_, _ = io.WriteString(w, " ")
		w.(http.Flusher).Flush()
		time.Sleep(20 * time.Millisecond)
	}
	return true
}

// huge answers with 80 MB, as far as they are read.
func huge(w http.ResponseWriter, _ *http.Request, q *Query) bool {
	_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":"0x`, q.ID)
	for part := strings.Repeat("f", 1<<20); ; {
		if _, err := io.WriteString(w, part); err != nil {
			return true
		}
	}
}

// Limited are the kinds of endpoints that answer truly, and not everything, not at once or not as geth does. Each is good
// enough to be the only one, but for one that takes so long that a start would take minutes.
func Limited() []Kind {
	refused := func(words string) Fault { return Says(-32602, words) }
	kinds := []Kind{
		{"none", true, true, always(nil)},
		{"answers after 12 s", false, false, always(After(12 * time.Second))},
		{"60 % 429", true, true, func(testing.TB, *Proxy) Fault { return Busy() }},
		{"60 % 429, Retry-After 1", true, false, func(testing.TB, *Proxy) Fault { return Busy("Retry-After", "1") }},
		{"no pending block", true, false, always(Where(`"pending"`, refused("pending is not supported")))},
		{"no EIP-1898", true, false, always(Where(`"blockHash"`, refused("invalid params: params[1] must be a string")))},
		{"hashes that are not geth's", true, false, func(testing.TB, *Proxy) Fault { return OtherHashes() }},
	}
	for _, l := range LogLimits {
		kinds = append(kinds, Kind{"getLogs: " + l.Name, true, l.Name == "range", always(LogsUpTo(10, l.Code, l.Words))})
	}
	return kinds
}

// LogLimits are the words in which endpoints refuse to give so many logs.
var LogLimits = []struct {
	Name  string
	Code  int
	Words string
}{
	{"range", -32600, "eth_getLogs is limited to a 10 block range"},
	{"range, free plan", -32600, "Under the Free tier plan, you can make eth_getLogs requests with up to a 10 block range"},
	{"range, upgrade", -32600, "You can make eth_getLogs requests with up to a 10 block range. Upgrade your plan to increase this limit"},
	{"range, other words", -32701, "range is too large, max is 10"},
	{"range exceeded", -32000, "query exceeds max block range 10"},
	{"blocks, own code", 35, "maximum allowed number of requested blocks is 10"},
	{"results", -32005, "query returned more than 10000 results"},
	{"results, and a range", -32005, "query returned more than 10000 results. Try with this block range [{from}, {to}]."},
	{"size", -32602, "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range, or request any " +
		"block range with a cap of 10K logs in the response. Based on your parameters this block range should work: [{from}, {to}]"},
	{"size, own code", -32008, "Response is too big"},
	{"limit exceeded", -32005, "limit exceeded"},
	{"timeout", -32000, "query timeout exceeded"},
	{"German", -32099, "das ist zu viel"},
	{"Chinese", -32000, "查询区块范围过大"},
	{"nothing said", -32000, ""},
}

// Lying are the kinds of endpoints that say of the chain what is not so. Alone they are of no use, or do no lasting harm.
func Lying() []Kind {
	anew := Edited("eth_getBlockByNumber", Fields(func(name string, value any) any {
		text, _ := value.(string)
		switch {
		case name == "hash" && len(text) == 66:
			return "0xdead" + text[6:]
		case name == "extraData":
			return "0xdead"
		}
		return value
	}))
	newer := func(by time.Duration) Fault {
		return Edited("eth_getBlockByNumber", Fields(func(name string, value any) any {
			var at int64
			if text, _ := value.(string); name == "timestamp" {
				_, _ = fmt.Sscanf(text, "0x%x", &at)
				return fmt.Sprintf("%#x", max(0, at+int64(by/time.Second)))
			}
			return value
		}))
	}
	receipt := func(field, prefix string) Fault {
		return Edited("eth_getTransactionReceipt", Fields(func(name string, value any) any {
			if text, _ := value.(string); name == field && len(text) >= len(prefix) {
				return prefix + text[len(prefix):]
			}
			return value
		}))
	}
	const much = `"0xffffffffffffffff"`
	return []Kind{
		{"wrong chain id", false, true, always(Of("eth_chainId", Gives(`"0x1"`)))},
		{"other contract code", false, false, always(Edited("eth_getCode", Flip("6080", "6081")))},
		{"no contracts", false, false, always(Of("eth_getCode", Gives(`"0x"`)))},
		{"chain started anew", false, false, always(Either(Of("eth_getCode", Gives(`"0x"`)), anew))},
		{"chain started anew, same contracts", false, false, always(anew)},
		{"head of 2^60", false, true, always(HighHead(1<<60, time.Now()))},
		{"head of 2^256 - 1", false, false, always(Edited("eth_getBlockByNumber", Fields(func(name string, value any) any {
			if name == "number" {
				return "0x" + strings.Repeat("f", 64)
			}
			return value
		})))},
		{"stale head", false, false, func(t testing.TB, p *Proxy) Fault { return Frozen(p.Head(t)) }},
		{"blocks an hour in the future", false, false, always(newer(time.Hour))},
		{"blocks a century in the future", false, false, always(newer(100 * 365 * 24 * time.Hour))},
		{"blocks of 1970", false, false, always(newer(-1 << 62))},
		{"gas price of 2^64", false, false, always(Either(Of("eth_gasPrice", Gives(much)), Of("eth_maxPriorityFeePerGas", Gives(much))))},
		{"nonce of 2^63", false, false, always(Of("eth_getTransactionCount", Gives(`"0x8000000000000000"`)))},
		{"nonce a thousand ahead", false, false, always(Edited("eth_getTransactionCount", Flip(`"result":"0x`, `"result":"0x1000`)))},
		{"gas of 21,000", false, false, always(Of("eth_estimateGas", Gives(`"0x5208"`)))},
		{"gas of 2^63", false, false, always(Of("eth_estimateGas", Gives(`"0x8000000000000000"`)))},
		{"no coin", false, false, always(Of("eth_getBalance", Gives(`"0x0"`)))},
		{"receipts say failed", false, false, always(receipt("status", "0x0"))},
		{"receipts of other blocks", false, false, always(receipt("blockHash", "0xdead"))},
		{"receipts missing", false, false, always(Of("eth_getTransactionReceipt", Gives("null")))},
		{"logs missing", true, false, always(Of("eth_getLogs", Gives("[]")))},
	}
}
