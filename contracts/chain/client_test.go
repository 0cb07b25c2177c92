package chain

import (
	"context"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"

	"byway/contracts/chain/chaintest"
	"byway/contracts/devchain"
)

// shortTimeout is what an endpoint that hangs costs a test; one that works has to answer within it on a busy machine too.
const shortTimeout = 2 * time.Second

func dialBoth(t testing.TB, urls ...string) *Client {
	t.Helper()
	c, err := Dial(t.Context(), Config{URLs: urls, Timeout: shortTimeout, Log: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestBrokenEndpointIsNamedSoonAndItsKeyIsNot(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	for _, kind := range chaintest.Broken() {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			p := chaintest.Start(t, node.URL())
			mode := kind.Fault(t, p)
			url := p.URL + "/v3/SECRET?key=SECRET"
			check := func(what string, begin time.Time, err error) {
				t.Helper()
				if err == nil {
					t.Fatalf("%s: no error", what)
				}
				if took := time.Since(begin); took > patience {
					t.Errorf("%s: took %s", what, took)
				}
				if m := err.Error(); !strings.Contains(m, p.URL) || strings.Contains(m, "SECRET") || len(m) > 4000 {
					t.Errorf("%s: the error is: %s", what, m)
				}
			}
			p.Set(mode)
			begin := time.Now()
			_, err := Dial(t.Context(), Config{URLs: []string{url}, Timeout: shortTimeout})
			check("dial", begin, err)
			p.Set(nil)
			c := dialBoth(t, url)
			p.Set(mode)
			begin = time.Now()
			_, err = c.Head(t.Context())
			check("head", begin, err)
			ctx, cancel := context.WithTimeout(t.Context(), shortTimeout/2)
			defer cancel()
			begin = time.Now()
			_, err = c.WaitHead(ctx, 1<<40)
			if err == nil || time.Since(begin) > patience {
				t.Errorf("wait: %v after %s", err, time.Since(begin))
			}
			p.Set(nil)
			if _, err := c.Head(t.Context()); err != nil {
				t.Errorf("it works again, but: %v", err)
			}
		})
	}
}

func TestNextEndpointAnswersWhenOneIsBroken(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	for _, kind := range chaintest.Broken() {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			p := chaintest.Start(t, node.URL())
			mode := kind.Fault(t, p)
			c := dialBoth(t, p.URL, node.URL())
			p.Set(mode)
			for range 5 {
				if _, err := c.Head(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if h := c.Health(); !h[0].Slow && (h[0].Failures == 0 || h[0].Error == nil) || h[1].Failures != 0 {
				t.Errorf("health %+v", h)
			}
			// A client also starts with one endpoint out of order.
			dialBoth(t, p.URL, node.URL())
		})
	}
}

func TestRateLimitIsWaitedFor(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	p := chaintest.Start(t, node.URL())
	c, err := Dial(t.Context(), Config{URLs: []string{p.URL}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p.Set(func(w http.ResponseWriter, _ *http.Request, q *chaintest.Query) bool {
		if q.Method == "" {
			return false // the WebSocket
		}
		p.Set(nil)
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	})
	begin := time.Now()
	if _, err := c.Head(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < time.Second || took > patience {
		t.Errorf("asked again after %s", took)
	}
}

func TestLaggingEndpointIsPassedOverAndStopsMoneyDecisions(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	p := chaintest.Start(t, node.URL())
	p.Set(chaintest.Frozen(2))
	c := dial(t, p.URL, node.URL())
	if err := node.Mine(20); err != nil {
		t.Fatal(err)
	}
	c.compareHeads(t.Context())
	if h := c.Health(); !h[0].Lagging || h[1].Lagging {
		t.Errorf("health %+v", h)
	}
	if head, err := c.Head(t.Context()); err != nil || head.Number != 21 {
		t.Errorf("head %+v, %v", head, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := c.Agreed().BalanceAt(ctx, target, nil)
	if !errors.Is(err, errAlone) || !strings.Contains(err.Error(), p.URL+" is 19 blocks behind") {
		t.Errorf("agreed balance: %v", err)
	}
	if head, err := c.Agreed().OrAlone().Head(ctx); err != nil || head.Number != 21 {
		t.Errorf("head for one's own money: %+v, %v", head, err)
	}
	p.Set(chaintest.Frozen(20)) // a block behind is no reason to stop
	if head, err := c.Agreed().Head(ctx); err != nil || head.Number != 20 {
		t.Errorf("agreed head %+v, %v", head, err)
	}
}

func TestMoneyDecisionsNeedTwoEndpointsThatAgree(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	s := sender(t, SenderConfig{Client: dial(t, node.URL())})
	// RETURN(0, 32) of a word that is 7.
	contract := deploy(t, s, []byte{0x60, 7, 0x5f, 0x52, 0x60, 32, 0x5f, 0xf3})
	refusing := deploy(t, s, reverting([]byte{0xde, 0xad, 0xbe, 0xef}))
	liar := chaintest.Start(t, node.URL())
	liar.Set(chaintest.Edited("eth_call", chaintest.Flip("07\"", "08\"")))
	msg := ethereum.CallMsg{To: &contract}

	two := dial(t, liar.URL, node.URL())
	if got, err := two.CallContract(t.Context(), msg, nil); err != nil || got[31] != 8 {
		t.Fatalf("the liar doesn't lie: %x, %v", got, err)
	}
	var d *DisagreementError
	if got, err := two.Agreed().CallContract(t.Context(), msg, nil); !errors.As(err, &d) {
		t.Errorf("believed %x, %v", got, err)
	}
	other := chaintest.Start(t, node.URL())
	three := dial(t, liar.URL, node.URL(), other.URL)
	if got, err := three.Agreed().CallContract(t.Context(), msg, nil); err != nil || got[31] != 7 {
		t.Errorf("two of three: %x, %v", got, err)
	}
	var r *RevertError
	if _, err := two.Agreed().CallContract(t.Context(), ethereum.CallMsg{To: &refusing}, nil); !errors.As(err, &r) ||
		r.Reason != "custom error 0xdeadbeef" {
		t.Errorf("agreed revert: %v", err)
	}
	if code, err := two.Agreed().CodeAt(t.Context(), contract, nil); err != nil || len(code) != 8 {
		t.Errorf("agreed code: %x, %v", code, err)
	}
	if b, err := two.Agreed().BalanceAt(t.Context(), devchain.Account(1).Address(), big.NewInt(1)); err != nil ||
		b.Sign() <= 0 {
		t.Errorf("agreed balance: %s, %v", b, err)
	}

	liar.Set(chaintest.Page(500, "boom"))
	if _, err := two.Agreed().CallContract(t.Context(), msg, nil); !errors.Is(err, errAlone) {
		t.Errorf("one endpoint of two: %v", err)
	}
	if got, err := three.Agreed().CallContract(t.Context(), msg, nil); err != nil || got[31] != 7 {
		t.Errorf("two of three, one broken: %x, %v", got, err)
	}
	// An endpoint that serves another chain of the same id is found out by its block hashes.
	fork := startChain(t, devchain.Config{Accounts: 3})
	if err := fork.Mine(5); err != nil {
		t.Fatal(err)
	}
	foreign := dial(t, fork.URL(), node.URL())
	if _, err := foreign.Agreed().CallContract(t.Context(), msg, nil); !errors.As(err, &d) {
		t.Errorf("two chains: %v", err)
	}
}

// One of two endpoints forges a receipt, while the other answers, does not have it at the first looks, or says nothing
// until the caller's time is over.
func TestForgedReceiptSettlesNothing(t *testing.T) {
	t.Parallel()
	const method = "eth_getTransactionReceipt"
	for name, honest := range map[string]func() chaintest.Fault{
		"an honest answer": func() chaintest.Fault { return nil },
		"an honest answer after three looks": func() chaintest.Fault {
			var looks atomic.Int32
			return chaintest.Of(method, func(w http.ResponseWriter, r *http.Request, q *chaintest.Query) bool {
				return looks.Add(1) <= 3 && chaintest.Gives("null")(w, r, q)
			})
		},
		"no answer in the caller's time": func() chaintest.Fault { return chaintest.Of(method, chaintest.Hang) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i := range 10 {
				if forgedReceipt(t, honest(), name != "no answer in the caller's time") {
					return
				}
				t.Logf("try %d: the machine was too busy for the honest endpoint", i)
			}
			t.Error("the honest endpoint was never heard")
		})
	}
}

// forgedReceipt is one try. It reports false where one endpoint's word counted, since the other could not be relied on.
func forgedReceipt(t *testing.T, honest chaintest.Fault, heard bool) bool {
	node := startChain(t, devchain.Config{})
	liar, other := chaintest.Start(t, node.URL()), chaintest.Start(t, node.URL())
	c := dial(t, liar.URL, other.URL)
	s := sender(t, SenderConfig{Client: c})
	liar.Set(chaintest.Edited("eth_getTransactionReceipt", chaintest.Flip(`"status":"0x1"`, `"status":"0x0"`)))
	other.Set(honest)
	alone := func() bool {
		c.alone.mu.Lock()
		defer c.alone.mu.Unlock()
		return c.alone.on
	}
	var err error
	var d *DisagreementError
	for timeout := secondPatience * 3 / 4; timeout < patience; timeout *= 2 {
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		_, err = s.Send(ctx, payment("one"))
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			if alone() {
				return false
			}
			t.Fatalf("with a liar: %v", err)
		}
		if errors.As(err, &d) || !heard {
			break
		}
	}
	if heard && d == nil {
		t.Errorf("nobody says that they contradict each other: %v", err)
	}
	liar.Set(nil)
	other.Set(nil)
	if _, err := s.Send(t.Context(), payment("one")); err != nil {
		t.Fatalf("without: %v", err)
	}
	if b := balance(t, c, target); b.Cmp(big.NewInt(1)) != 0 {
		t.Errorf("the target got %s", b)
	}
	return true
}

func TestDroppedWebSocketOnlyDelaysNews(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	p := chaintest.Start(t, node.URL())
	for _, url := range []string{p.URL, strings.Replace(p.URL, "http://", "ws://", 1)} {
		c := dial(t, url)
		for range 4 {
			head, err := c.Head(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			p.CloseClientConnections()
			if err := node.Mine(1); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			next, err := c.WaitHead(ctx, head.Number)
			cancel()
			if err != nil || next.Number != head.Number+1 {
				t.Fatalf("%+v, %v", next, err)
			}
		}
	}
}

func TestEndpointURLsAreChecked(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "localhost:8545", "ftp://host", "/some/path", "http://"} {
		if _, err := Dial(t.Context(), Config{URLs: []string{url}}); err == nil {
			t.Errorf("%q was accepted", url)
		}
	}
	if _, err := Dial(t.Context(), Config{}); err == nil {
		t.Error("no endpoint was accepted")
	}
}
