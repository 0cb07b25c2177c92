package chain

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"

	"byway/contracts/chain/chaintest"
	"byway/contracts/devchain"
)

func TestAdversaryAReorganisationUnderAQuotaIsWaitedOut(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	p := chaintest.Start(t, node.URL())
	c := dialBoth(t, p.URL)
	direct := dial(t, node.URL())
	address := deploy(t, sender(t, SenderConfig{Client: direct}), logging)
	if err := node.SetAutomine(false); err != nil {
		t.Fatal(err)
	}
	v := newView()
	var failed, lost atomic.Int32
	f := NewFollower(FollowerConfig{
		Client: c, Journal: journal(t, ""), Name: "quota", Addresses: []common.Address{address}, Log: testLog(t),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- f.Run(ctx, func(ctx context.Context, u Update) error {
			// As a claimer does, whatever it wraps around the error.
			asking, stop := context.WithTimeout(ctx, time.Second)
			defer stop()
			if _, err := c.BalanceAt(asking, target, nil); err != nil {
				failed.Add(1)
				if !IsOutage(fmt.Errorf("read channel: %w", err)) {
					lost.Add(1)
				}
				return fmt.Errorf("read channel: %w", err)
			}
			return v.handle(ctx, u)
		})
	}()
	for _, tx := range logTransactions(t, direct, address, nonceOf(t, direct, devchain.Account(0).Address()), 3) {
		if err := direct.SendTransaction(t.Context(), tx); err != nil {
			t.Fatal(err)
		}
		if err := node.Mine(1); err != nil {
			t.Fatal(err)
		}
	}
	v.await(t, direct, address)
	p.Set(func(w http.ResponseWriter, _ *http.Request, q *chaintest.Query) bool {
		return q.Method == "eth_getBalance" && chaintest.Refuse(w, q, -32005, "daily request count exceeded, request rate limited")
	})
	if err := node.Reorg(2, true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the callback fails twice", func() bool { return failed.Load() >= 2 })
	select {
	case err := <-done:
		t.Fatalf("the follower ended: %v", err)
	default:
	}
	p.Set(nil)
	v.await(t, direct, address)
	v.mu.Lock()
	rollbacks := v.rollbacks
	v.mu.Unlock()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if rollbacks == 0 || lost.Load() > 0 {
		t.Errorf("%d rollbacks were delivered, %d errors were not taken for outages", rollbacks, lost.Load())
	}
	// The control: an error that is not the chain's ends it.
	if err := NewFollower(FollowerConfig{Client: direct, Journal: journal(t, ""), Name: "disk"}).Run(t.Context(),
		func(context.Context, Update) error { return errCrash }); !errors.Is(err, errCrash) {
		t.Errorf("a disk's failure: %v", err)
	}
	t.Logf("adversary: reorganisation while the quota is used up | bound: the follower goes on, the rollback is delivered | "+
		"seen: %d failures of the callback, %d rollbacks", failed.Load(), rollbacks)
}

func TestAdversaryAnImpossibleHeadIsNamedAndLeftOut(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	for name, mode := range map[string]chaintest.Fault{
		"2^60":           chaintest.HighHead(1<<60, time.Now()),
		"2^49":           chaintest.HighHead(1<<49, time.Now()),
		"a year's worth": chaintest.HighHead(300_000_000_000, time.Now()),
		"the far future": chaintest.HighHead(5_000, time.Now().Add(50*365*24*time.Hour)),
		"two hours on":   chaintest.HighHead(5_000, time.Now().Add(2*time.Hour)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, n := range []int{2, 3} {
				p := chaintest.Start(t, node.URL())
				urls := []string{p.URL, node.URL(), node.URL()}[:n]
				c := dialBoth(t, urls...)
				if _, err := c.Head(t.Context()); err != nil {
					t.Fatal(err)
				}
				p.Set(mode)
				var head Block
				eventually(t, "the liar is left out", func() bool {
					var err error
					head, err = c.Agreed().OrAlone().Head(t.Context())
					return err == nil && (c.Health()[0].LeftOut || n == 3 && head.Number < 1000)
				})
				if head.Number > 1000 {
					t.Errorf("believed %+v", head)
				}
				h := c.Health()[0]
				if n == 2 && (h.OK || h.Error == nil || h.Since.IsZero()) {
					t.Errorf("health %+v", h)
				}
				p.Set(nil)
				t.Logf("adversary: head of %s, %d endpoints | bound: never believed, named | seen: head %d, %v", name, n,
					head.Number, h.Error)
			}
		})
	}
	// The control: alone, within what is plausible, it is believed, and does no lasting harm (next test).
	p := chaintest.Start(t, node.URL())
	c := dialBoth(t, p.URL)
	p.Set(chaintest.HighHead(5_000, time.Now()))
	if head, err := c.Head(t.Context()); err != nil || head.Number != 5_000 {
		t.Errorf("control: %+v, %v", head, err)
	}
	p.Set(chaintest.HighHead(1<<60, time.Now()))
	if head, err := c.Head(t.Context()); err == nil {
		t.Errorf("a lone endpoint's head of 2^60 was believed: %+v", head)
	}
}

func TestAdversaryAPoisonedCursorHeals(t *testing.T) {
	t.Parallel()
	for name, number := range map[string]uint64{"2^60": 1 << 60, "a million ahead": 1_000_000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			node := startChain(t, devchain.Config{})
			c := dial(t, node.URL())
			s := sender(t, SenderConfig{Client: c})
			address := deploy(t, s, logging)
			j := journal(t, "")
			config := FollowerConfig{Client: c, Journal: j, Name: "poisoned", Addresses: []common.Address{address}, Log: testLog(t)}
			v := newView()
			stop := run(t, NewFollower(config), v)
			if _, err := s.Send(t.Context(), Intent{ID: "before", To: &address, Data: []byte("before")}); err != nil {
				t.Fatal(err)
			}
			v.await(t, c, address)
			stop()
			// What an older program wrote down when it was told so.
			poison := Update{To: Block{Number: number, Hash: common.Hash{1}}, parent: common.Hash{2}}
			if err := (cursors{j, c.ChainID(), "poisoned"}).store(t.Context(), poison); err != nil {
				t.Fatal(err)
			}
			stop = run(t, NewFollower(config), v)
			defer stop()
			if _, err := s.Send(t.Context(), Intent{ID: "after", To: &address, Data: []byte("after")}); err != nil {
				t.Fatal(err)
			}
			v.await(t, c, address)
			at, err := (cursors{j, c.ChainID(), "poisoned"}).load(t.Context())
			if err != nil || at.number > 1000 || at.floor > 1000 {
				t.Errorf("cursor %+v, %v", at, err)
			}
			t.Logf("adversary: cursor of %s on disk | bound: it goes back and the news comes | seen: block %d, floor %d", name,
				at.number, at.floor)
		})
	}
}

func TestAdversaryWrongChainAmongOthersIsLeftOut(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	p := chaintest.Start(t, node.URL())
	p.Set(func(w http.ResponseWriter, _ *http.Request, q *chaintest.Query) bool {
		return q.Method == "eth_chainId" && chaintest.Result(w, q, `"0x1"`)
	})
	c, err := Dial(t.Context(), Config{URLs: []string{p.URL, node.URL()}, ChainID: devchain.ChainID})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if head, err := c.Agreed().OrAlone().Head(t.Context()); err != nil || head.Number == 0 {
		t.Errorf("%+v, %v", head, err)
	}
	if _, err := c.Agreed().Head(t.Context()); !errors.Is(err, errAlone) || !strings.Contains(err.Error(), p.URL) {
		t.Errorf("for strangers' money: %v", err)
	}
	h := c.Health()
	if !h[0].LeftOut || h[0].Error == nil || !h[1].OK {
		t.Errorf("health %+v", h)
	}
	p.Set(nil)
	eventually(t, "it is used again", func() bool { return c.Health()[0].OK })
	t.Logf("adversary: one of two endpoints serves another chain | bound: named, left out, taken back | seen: %v", h[0].Error)
}

func TestAdversaryOtherCodeIsLeftOut(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	contract := deploy(t, sender(t, SenderConfig{Client: dial(t, node.URL())}), []byte{0x60, 7, 0x5f, 0x52, 0x60, 32, 0x5f, 0xf3})
	p := chaintest.Start(t, node.URL())
	p.Set(chaintest.Edited("eth_getCode", chaintest.Flip("6007", "6008")))
	check := func(ctx context.Context, on CodeReader) error {
		code, err := on.CodeAt(ctx, contract, nil)
		if err == nil && code[1] != 7 {
			return &WrongError{errors.New("the contract is another one")}
		}
		return err
	}
	c, err := Dial(t.Context(), Config{URLs: []string{p.URL, node.URL()}, ChainID: devchain.ChainID, Check: check})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := c.CallContract(t.Context(), ethereum.CallMsg{To: &contract}, nil)
	if h := c.Health()[0]; err != nil || got[31] != 7 || !h.LeftOut {
		t.Errorf("%x, %v, health %+v", got, err, h)
	}
	_, err = Dial(t.Context(), Config{URLs: []string{p.URL}, ChainID: devchain.ChainID, Check: check, Lazy: true})
	if !errors.As(err, new(*WrongError)) {
		t.Errorf("alone: %v", err)
	}
	t.Logf("adversary: an endpoint serves other code | bound: left out, refused alone | seen: %v", err)
}

func TestAdversaryAChainStartedAnewIsNoticedWhileRunning(t *testing.T) {
	t.Parallel()
	first, second := startChain(t, devchain.Config{}), startChain(t, devchain.Config{})
	p := chaintest.Start(t, first.URL())
	c := dial(t, p.URL)
	j := journal(t, "")
	s := sender(t, SenderConfig{Client: c, Journal: j})
	address := deploy(t, s, logging)
	v := newView()
	stop := run(t, NewFollower(FollowerConfig{Client: c, Journal: j, Name: "test", Addresses: []common.Address{address}}), v)
	defer stop()
	if _, err := s.Send(t.Context(), Intent{ID: "one", To: &address, Data: []byte{1}}); err != nil {
		t.Fatal(err)
	}
	v.await(t, c, address)
	was, err := (cursors{j, c.ChainID(), "test"}).load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The same address serves another chain of the same id now.
	p.Set(chaintest.Elsewhere(second.URL()))
	eventually(t, "it is noticed", func() bool { return errors.Is(c.Reset(), ErrChainReset) })
	if _, err := s.Send(t.Context(), payment("two")); !errors.Is(err, ErrChainReset) {
		t.Errorf("send: %v", err)
	}
	if n := nonceOf(t, dial(t, second.URL()), s.Address()); n != 0 {
		t.Errorf("%d transactions were sent to the new chain", n)
	}
	now, err := (cursors{j, c.ChainID(), "test"}).load(t.Context())
	if err != nil || now == nil || now.hash != was.hash || v.rollbacks > 0 {
		t.Errorf("the cursor was %+v and is %+v, %v", was, now, err)
	}
	seen := c.Reset()
	// It was an endpoint's mistake: the chain is there again.
	p.Set(nil)
	eventually(t, "it is used again", func() bool { return c.Reset() == nil && c.Health()[0].OK })
	if _, err := s.Send(t.Context(), payment("three")); err != nil {
		t.Errorf("send again: %v", err)
	}
	t.Logf("adversary: the chain is started anew while running | bound: nothing sent, cursor kept, told | seen: %v", seen)
}

// TestAdversaryEndpointsThatLackWhatOthersHave: reads, transactions and news go through endpoints that give not everything,
// not at once or not as geth does.
func TestAdversaryEndpointsThatLackWhatOthersHave(t *testing.T) {
	t.Parallel()
	kinds := chaintest.Limited()
	noHashes := chaintest.Where(`"blockHash"`, chaintest.Says(-32602, "json: cannot unmarshal object into Go value of type string"))
	kinds = append(kinds, chaintest.Kind{
		Name: "hashes that are not geth's, asked for by number only", Usable: true,
		Fault: func(testing.TB, *chaintest.Proxy) chaintest.Fault {
			return chaintest.Either(noHashes, chaintest.OtherHashes())
		},
	})
	for _, kind := range kinds {
		if kind.Name == "answers after 12 s" {
			continue // minutes; make rpc-faults has it
		}
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			node := startChain(t, devchain.Config{})
			direct := dial(t, node.URL())
			contract := deploy(t, sender(t, SenderConfig{Client: direct}), []byte{0x60, 7, 0x5f, 0x52, 0x60, 32, 0x5f, 0xf3})
			events := deploy(t, sender(t, SenderConfig{Client: direct}), logging)
			if err := node.Mine(40); err != nil { // more than a limit of logs covers
				t.Fatal(err)
			}
			p, q := chaintest.Start(t, node.URL()), chaintest.Start(t, node.URL())
			p.Set(kind.Fault(t, p))
			q.Set(kind.Fault(t, q))
			c := dial(t, p.URL, q.URL)
			s := sender(t, SenderConfig{Client: c, Signer: devchain.Account(1)})
			if _, err := c.EstimateGas(t.Context(), ethereum.CallMsg{To: &contract}); err != nil {
				t.Errorf("estimate: %v", err)
			}
			head, err := c.Agreed().OrAlone().Head(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if ok, err := c.Canonical(t.Context(), head); !ok || err != nil {
				t.Errorf("canonical: %v, %v", ok, err)
			}
			got, err := c.Agreed().OrAlone().CallContract(t.Context(), ethereum.CallMsg{To: &contract}, nil)
			if err != nil || got[31] != 7 {
				t.Errorf("call: %x, %v", got, err)
			}
			v := newView()
			stop := run(t, NewFollower(FollowerConfig{
				Client: c, Journal: journal(t, ""), Name: "test", Addresses: []common.Address{events}, Log: testLog(t),
			}), v)
			defer stop()
			sent, err := s.Send(t.Context(), Intent{ID: "one", To: &events, Data: []byte("news")})
			if err != nil {
				t.Fatal(err)
			}
			v.await(t, c, events)
			t.Logf("adversary: endpoints with %s | bound: reads, sends and follows all the same | seen: head %d %s, sent in block %d",
				kind.Name, head.Number, head.Hash, sent.Block)
		})
	}
}

func TestAdversaryLimitsOfLogsInAnyWords(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	direct := dial(t, node.URL())
	s := sender(t, SenderConfig{Client: direct})
	address := deploy(t, s, logging)
	for i := range 3 {
		if err := node.Mine(150); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Send(t.Context(), Intent{ID: fmt.Sprint(i), To: &address, Data: []byte{byte(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	head, err := direct.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, limit := range chaintest.LogLimits {
		t.Run(limit.Name, func(t *testing.T) {
			t.Parallel()
			p := chaintest.Start(t, node.URL())
			c := dial(t, p.URL)
			var refused atomic.Int32
			limited := chaintest.LogsUpTo(50, limit.Code, limit.Words)
			p.Set(func(w http.ResponseWriter, r *http.Request, q *chaintest.Query) bool {
				did := limited(w, r, q)
				if did {
					refused.Add(1)
				}
				return did
			})
			query := ethereum.FilterQuery{
				FromBlock: common.Big0, ToBlock: new(big.Int).SetUint64(head.Number), Addresses: []common.Address{address},
			}
			for range 3 {
				logs, err := c.FilterLogs(t.Context(), query)
				if err != nil || len(logs) != 3 {
					t.Errorf("%d logs, %v", len(logs), err)
				}
			}
			if n := refused.Load(); n > 12 || n == 0 {
				t.Errorf("%d refusals: the width is not remembered", n)
			}
			t.Logf("adversary: getLogs refused with %q | bound: 3 logs, 12 refusals in 3 rounds | seen: %d", limit.Words, refused.Load())
		})
	}
}

func TestAdversaryAnEndpointsWordsAreShortPrintableAndWithoutKeys(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	const key = "s3cr3t-access-key"
	evil := chaintest.Hostile + key + strings.Repeat("x", 1<<20)
	for name, mode := range map[string]chaintest.Fault{
		"error": func(w http.ResponseWriter, _ *http.Request, q *chaintest.Query) bool {
			return chaintest.Refuse(w, q, -32000, evil)
		},
		"refusal": func(w http.ResponseWriter, _ *http.Request, q *chaintest.Query) bool {
			return chaintest.Refuse(w, q, -32005, evil)
		},
		"page":      chaintest.Page(404, "Cannot POST /v3/"+key+" "+evil),
		"page, 200": chaintest.Page(200, "<html>"+evil),
		"down":      chaintest.Cut,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := chaintest.Start(t, node.URL())
			url := strings.Replace(p.URL, "http://", "http://"+key+"1:"+key+"2@", 1) + "/v3/" + key + "?apikey=" + key
			c := dialBoth(t, url)
			p.Set(mode)
			ctx, cancel := context.WithTimeout(t.Context(), shortTimeout)
			defer cancel()
			_, err := c.BalanceAt(ctx, target, nil)
			if err == nil {
				t.Fatal("no error")
			}
			for _, text := range []string{err.Error(), fmt.Sprint(c.Health())} {
				if strings.Contains(text, key) || chaintest.Raw(text) || len(text) > 4000 {
					t.Errorf("%d bytes: %.300q", len(text), text)
				}
			}
			t.Logf("adversary: an endpoint's %s with escapes, a megabyte and the key | bound: 4000 bytes, printable, no key | seen: "+
				"%d bytes: %.90s", name, len(err.Error()), err)
		})
	}
}

func TestAdversaryOneEndpointThatHangsCostsSeconds(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	p := chaintest.Start(t, node.URL())
	c := dial(t, p.URL, node.URL())
	p.Set(chaintest.Hang)
	began := time.Now()
	for range 20 {
		if _, err := c.Agreed().OrAlone().BalanceAt(t.Context(), target, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Head(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	took := time.Since(began)
	if took > patience {
		t.Errorf("40 reads took %s", took)
	}
	eventually(t, "its health tells", func() bool { h := c.Health()[0]; return h.Slow || h.Error != nil })
	t.Logf("adversary: one of two endpoints hangs | bound: reads go on | seen: 40 reads in %s", took)
}

func TestAdversaryMostAnswersAreRefusals(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	p := chaintest.Start(t, node.URL())
	c := dial(t, p.URL)
	var n atomic.Int32
	p.Set(func(w http.ResponseWriter, _ *http.Request, q *chaintest.Query) bool {
		if q.Method == "" || n.Add(1)%5 >= 3 { // 60 % are refused, three in a row
			return false
		}
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	})
	for range 5 {
		if _, err := c.Head(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("adversary: 60 %% are answered with 429 | bound: every read succeeds | seen: %d requests for 5 reads", n.Load())
}

func TestRetryAfterIsReadInBothFormsAndBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "3": 3 * time.Second, "-1": 0, "86400": maxRetryAfter, "99999999999999999999": 0, "soon": 0,
		now.Add(30 * time.Second).Format(http.TimeFormat): 30 * time.Second,
		now.Add(-time.Hour).Format(http.TimeFormat):       0,
		now.Add(1000 * time.Hour).Format(http.TimeFormat): maxRetryAfter,
	} {
		if got := retryAfter(header, now); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}

func TestAdversaryOneOfTwoIsDownFromTheStart(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := "http://" + l.Addr().String()
	l.Close()
	for _, urls := range [][]string{{dead, node.URL()}, {node.URL(), dead}} {
		c := dial(t, urls...)
		s := sender(t, SenderConfig{Client: c, Signer: devchain.Account(1)})
		r, err := s.Send(t.Context(), payment("one"+urls[0]))
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Agreed().BalanceAt(t.Context(), target, nil)
		if !errors.Is(err, errAlone) || !strings.Contains(err.Error(), dead) {
			t.Errorf("for strangers' money: %v", err)
		}
		t.Logf("adversary: one of two endpoints is down | bound: own money moves, strangers' is refused by name | seen: block %d; %v",
			r.Block, err)
	}
}

// TestAdversaryAStaleEndpointsRefusalIsNotTheChains: an endpoint that stands still says that a transaction reverts, which
// on the chain as it is does not. Where every endpoint says so, it reverts.
func TestAdversaryAStaleEndpointsRefusalIsNotTheChains(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	stale, other := chaintest.Start(t, node.URL()), chaintest.Start(t, node.URL())
	refuses := func(w http.ResponseWriter, _ *http.Request, q *chaintest.Query) bool {
		return q.Method == "eth_estimateGas" && chaintest.Refuse(w, q, 3, "execution reverted: too little is approved")
	}
	stale.Set(refuses)
	c := dial(t, stale.URL, other.URL)
	to := devchain.Account(1).Address()
	msg := ethereum.CallMsg{From: devchain.Account(0).Address(), To: &to}
	gas, err := c.EstimateGas(t.Context(), msg)
	if err != nil || gas != 21_000 {
		t.Errorf("beside a good endpoint: %d gas, %v", gas, err)
	}
	other.Set(refuses)
	var reverts *RevertError
	if _, refused := c.EstimateGas(t.Context(), msg); !errors.As(refused, &reverts) {
		t.Errorf("the control, where all say so: %v", refused)
	}
	t.Logf("adversary: an endpoint that stands still refuses a transaction | bound: the others' word counts | seen: %d gas, %v", gas, err)
}
