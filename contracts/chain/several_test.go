package chain

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"byway/contracts/chain/chaintest"
	"byway/contracts/devchain"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// lie is the kind of that name among those that lie.
func lie(t testing.TB, name string, p *chaintest.Proxy) chaintest.Fault {
	t.Helper()
	for _, kind := range chaintest.Lying() {
		if kind.Name == name {
			return kind.Fault(t, p)
		}
	}
	t.Fatalf("there is no lie called %q", name)
	return nil
}

// TestAdversaryALiarMakesNoTransactionDearStuckOrShort: what one endpoint of two or three says of gas, nonces, balances and
// receipts neither keeps a transaction back nor makes it pay. It is honest when it is dialled, and lies afterwards.
func TestAdversaryALiarMakesNoTransactionDearStuckOrShort(t *testing.T) {
	t.Parallel()
	for _, kind := range chaintest.Lying() {
		if kind.Name == "stale head" || strings.HasPrefix(kind.Name, "blocks ") && kind.Name != "blocks an hour in the future" {
			continue // they are behind, or ahead: other tests
		}
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			for _, n := range []int{2, 3} {
				node := startChain(t, devchain.Config{})
				contract := deploy(t, sender(t, SenderConfig{Client: dial(t, node.URL())}), logging)
				liar := chaintest.Start(t, node.URL())
				urls := []string{liar.URL, node.URL(), node.URL() + "/"}[:n]
				c := dial(t, urls...)
				s := sender(t, SenderConfig{Client: c, Signer: devchain.Account(1)})
				if _, err := s.Send(t.Context(), payment("while it is honest")); err != nil {
					t.Fatal(err)
				}
				liar.Set(kind.Fault(t, liar))
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				r, err := s.Send(ctx, Intent{ID: "while it lies", To: &contract, Data: []byte("much more than a transfer")})
				cancel()
				disagrees := errors.As(err, new(*DisagreementError))
				switch {
				case n == 2 && kind.Name == "receipts say failed" && disagrees && strings.Contains(err.Error(), liar.URL):
					// Nobody knows which of two is right: it is named, and the transaction is looked at again.
				case err != nil:
					t.Errorf("%d endpoints: %v", n, err)
				case r.GasPrice.Cmp(big.NewInt(100*params.GWei)) > 0:
					t.Errorf("%d endpoints: it paid %s wei", n, r.GasPrice)
				}
				liar.Set(nil)
				if r, err = s.Send(t.Context(), Intent{ID: "while it lies", To: &contract, Data: []byte("much more than a transfer")}); err != nil {
					t.Fatalf("%d endpoints, honest again: %v", n, err)
				}
				if used := nonceOf(t, dial(t, node.URL()), s.Address()); used != 2 {
					t.Errorf("%d endpoints: %d transactions were mined, not two", n, used)
				}
				t.Logf("adversary: %s at one of %d endpoints | bound: mined once, for what gas costs | seen: %d gas at %s wei, at once: %v",
					kind.Name, n, r.GasUsed, r.GasPrice, !disagrees)
			}
		})
	}
}

// TestAdversaryALoneLiarIsNamedAndHarmsNothing: alone, an endpoint's false word stops a transaction, by name, and leaves
// nothing behind that would stop the next.
func TestAdversaryALoneLiarIsNamedAndHarmsNothing(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"gas price of 2^64", "nonce of 2^63", "nonce a thousand ahead", "gas of 2^63", "receipts of other blocks", "head of 2^60",
		"wrong chain id", "chain started anew",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			node := startChain(t, devchain.Config{})
			liar := chaintest.Start(t, node.URL())
			c := dial(t, liar.URL)
			s := sender(t, SenderConfig{Client: c, Signer: devchain.Account(1)})
			if _, err := s.Send(t.Context(), payment("before")); err != nil {
				t.Fatal(err)
			}
			liar.Set(lie(t, name, liar))
			if name == "wrong chain id" || name == "chain started anew" {
				c.suspect(c.endpoints[0]) // as every minute
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			_, lied := s.Send(ctx, payment("meanwhile"))
			if lied == nil || !strings.Contains(lied.Error(), liar.URL) {
				t.Errorf("while it lies: %v", lied)
			}
			liar.Set(nil)
			eventually(t, "it gets on", func() bool {
				_, err := s.Send(t.Context(), payment("meanwhile"))
				return err == nil
			})
			if n := nonceOf(t, c, s.Address()); n != 2 {
				t.Errorf("%d transactions were mined, not two", n)
			}
			t.Logf("adversary: %s at the only endpoint | bound: named, and nothing remains of it | seen: %v", name, lied)
		})
	}
}

// TestAdversaryAHiddenReceiptDoublesNothing: that an endpoint gives no receipt of a mined transaction is no proof that
// another used its nonce.
func TestAdversaryAHiddenReceiptDoublesNothing(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	p := chaintest.Start(t, node.URL())
	said := new(logged)
	s := sender(t, SenderConfig{
		Client: dial(t, p.URL), Signer: devchain.Account(1), StuckAfter: 400 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(said, nil)),
	})
	p.Set(lie(t, "receipts missing", p))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := s.Send(ctx, payment("once"))
		done <- err
	}()
	eventually(t, "it is said", func() bool { return strings.Contains(said.String(), "it gives no receipt of it") })
	if text := said.String(); !strings.Contains(text, p.URL) {
		t.Errorf("the endpoint is not named: %s", text)
	}
	p.Set(nil)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if b := balance(t, s.client, target); b.Cmp(common.Big1) != 0 {
		t.Errorf("the target got %s wei", b)
	}
	t.Logf("adversary: the receipt of a mined transaction is hidden | bound: it is not sent again under another nonce | seen: the "+
		"target has %s wei of 1", balance(t, s.client, target))
}

// logged keeps what is logged.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestAdversaryALoneStaleEndpointIsNamed: a transaction that waits for a block which does not come says where, since when,
// and what to do, and gets on by itself.
func TestAdversaryALoneStaleEndpointIsNamed(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	p := chaintest.Start(t, node.URL())
	c := dial(t, p.URL)
	said := new(logged)
	s := sender(t, SenderConfig{Client: c, Signer: devchain.Account(1), Log: slog.New(slog.NewTextHandler(said, nil))})
	head, err := c.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.Set(lie(t, "stale head", p))
	done := make(chan error, 1)
	go func() {
		_, err := s.Send(t.Context(), payment("waits"))
		done <- err
	}()
	began := time.Now()
	eventually(t, "it is said", func() bool { return strings.Contains(said.String(), "stands still") })
	took := time.Since(began)
	for _, text := range []string{said.String(), c.Health()[0].Error.Error()} {
		if !strings.Contains(text, p.URL) || !strings.Contains(text, head.Time.UTC().Format(time.RFC3339)) || !strings.Contains(text, mendIt) {
			t.Errorf("said: %s", text)
		}
	}
	if c.Health()[0].OK {
		t.Error("its health is said to be good")
	}
	seen := c.Health()[0].Error
	p.Set(nil)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if h := c.Health()[0]; h.Error != nil || !h.OK {
		t.Errorf("once it gets on: %+v", h)
	}
	t.Logf("adversary: the only endpoint stands still | bound: named with its head's time, within %s | seen after %s: %v",
		patience, took.Round(time.Millisecond), seen)
}

// TestAdversaryColludingEndpoints: two of three that lie alike are believed, which is what a majority means, but for no
// longer than they lie; one that lies now and then is looked at the more seldom.
func TestAdversaryColludingEndpoints(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	contract := deploy(t, sender(t, SenderConfig{Client: dial(t, node.URL())}), []byte{0x60, 7, 0x5f, 0x52, 0x60, 32, 0x5f, 0xf3})
	a, b := chaintest.Start(t, node.URL()), chaintest.Start(t, node.URL())
	c := dial(t, a.URL, b.URL, node.URL())
	read := func() (byte, error) {
		out, err := c.Agreed().CallContract(t.Context(), ethereum.CallMsg{To: &contract}, nil)
		if err != nil {
			return 0, err
		}
		return out[31], nil
	}
	lies := chaintest.Edited("eth_call", chaintest.Flip(`07"`, `08"`))
	var waits []time.Duration
	for range 3 {
		a.Set(lies)
		b.Set(lies)
		eventually(t, "the honest one is left out", func() bool { _, _ = read(); return c.Health()[2].LeftOut })
		out := c.endpoints[2]
		waits = append(waits, time.Until(out.againAt()).Round(time.Second))
		a.Set(nil)
		b.Set(nil)
		if got, err := read(); err != nil || got != 7 {
			t.Errorf("once they are honest: %d, %v", got, err)
		}
		out.trust.mu.Lock()
		out.trust.again = time.Now() // so that the test needs not wait
		out.trust.mu.Unlock()
		eventually(t, "the honest one is used again", func() bool { return c.Health()[2].OK })
	}
	if waits[0] > recheckFirst || waits[1] <= waits[0] || waits[2] <= waits[1] {
		t.Errorf("it was left out for %s", waits)
	}
	t.Logf("adversary: two of three endpoints lie alike, three times | bound: believed while they lie, the third is back after | "+
		"seen: 7 again each time, the third left out for %s", waits)
}

// TestAdversaryForeignTransactionIsProved: who else used a nonce is shown by a transaction that the account signed.
func TestAdversaryForeignTransactionIsProved(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	c := dial(t, node.URL())
	s := sender(t, SenderConfig{Client: c, Signer: devchain.Account(1)})
	sent, err := s.Send(t.Context(), payment("one"))
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Mine(200); err != nil {
		t.Fatal(err)
	}
	f, err := c.nonceUser(t.Context(), s.Address(), 0)
	if err != nil || f.tx.Hash() != sent.TxHash || f.block != sent.Block {
		t.Errorf("%+v, %v", f, err)
	}
	if f, err := c.nonceUser(t.Context(), s.Address(), 1); err == nil {
		t.Errorf("a nonce that nobody used: %+v", f)
	}
	if from, err := types.Sender(types.LatestSignerForChainID(c.chainID), f.tx); err != nil || from != s.Address() {
		t.Errorf("signed by %s, %v", from, err)
	}
}

// TestAdversaryDisagreementShowsWhere: an error says by which field the answers differ, with both values, and of which host.
func TestAdversaryDisagreementShowsWhere(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	deployer := sender(t, SenderConfig{Client: dial(t, node.URL())})
	// RETURN(0, 64) of the words 7 and 0.
	contract := deploy(t, deployer, []byte{0x60, 7, 0x5f, 0x52, 0x60, 64, 0x5f, 0xf3})
	liar := chaintest.Start(t, node.URL())
	c := dial(t, liar.URL+"/v3/s3cr3t-key", node.URL())
	for name, fault := range map[string]chaintest.Fault{
		"word 1: 8":         chaintest.Edited("eth_call", chaintest.Flip("07", "08")),
		"that it reverts: ": chaintest.Of("eth_call", chaintest.Says(3, "execution reverted: "+chaintest.Hostile)),
	} {
		liar.Set(fault)
		_, err := c.Agreed().CallContract(t.Context(), ethereum.CallMsg{To: &contract}, nil)
		var d *DisagreementError
		if !errors.As(err, &d) || !strings.Contains(d.Answers[liar.URL], name) || !strings.Contains(d.Answers[node.URL()], "word 1: 7") {
			t.Fatalf("%s: %v", name, err)
		}
		if m := err.Error(); chaintest.Raw(m) || strings.Contains(m, "s3cr3t") || strings.Contains(m, "word 2: 0") && name == "word 1: 8" || len(m) > 800 {
			t.Errorf("said %q", m)
		}
		t.Logf("adversary: two endpoints contradict each other | bound: field, both values and hosts | seen: %v", err)
	}
}

// TestAdversaryClosingWaitsForNoWebSocket: an endpoint that takes the connection and says nothing holds no client up.
func TestAdversaryClosingWaitsForNoWebSocket(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	for _, scheme := range []string{"http", "ws"} {
		p := chaintest.Start(t, node.URL())
		opening := make(chan struct{}, 16)
		p.Set(func(w http.ResponseWriter, r *http.Request, q *chaintest.Query) bool {
			if q.Method != "" {
				return false
			}
			opening <- struct{}{}
			return chaintest.Hang(w, r, q)
		})
		url := scheme + strings.TrimPrefix(p.URL, "http")
		urls := []string{url}
		if scheme == "ws" { // else there is nothing to dial by
			urls = append(urls, node.URL())
		}
		c, err := Dial(t.Context(), Config{URLs: urls, Timeout: 10 * time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-opening:
		case <-time.After(patience):
			t.Fatalf("%s: no WebSocket is opened", scheme)
		}
		began := time.Now()
		c.Close()
		if took := time.Since(began); took > patience {
			t.Errorf("%s: closing took %s", scheme, took)
		}
		t.Logf("adversary: a WebSocket's opening hangs, %s | bound: 1 s, it would be 10 min | seen: %s", scheme,
			time.Since(began).Round(time.Millisecond))
	}
}
