package chain

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"

	"byway/contracts/chain/chaintest"
	"byway/contracts/devchain"
)

// What an endpoint can't be asked for is said of it by name, and is neither an answer nor the end of the process.

// TestAdversaryReceiptBesideAnEndpointThatLags: the one that is behind isn't asked for a receipt.
func TestAdversaryReceiptBesideAnEndpointThatLags(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	p := chaintest.Start(t, node.URL())
	c := dial(t, p.URL, node.URL())
	sent, err := sender(t, SenderConfig{Client: c, Signer: devchain.Account(1)}).Send(t.Context(), payment("lags"))
	if err != nil {
		t.Fatal(err)
	}
	p.Set(chaintest.Frozen(1))
	if err := node.Mine(20); err != nil {
		t.Fatal(err)
	}
	c.compareHeads(t.Context())
	if !c.Health()[0].Lagging {
		t.Fatal("it does not lag")
	}
	receipt, err := c.Agreed().OrAlone().TransactionReceipt(t.Context(), sent.TxHash)
	if err != nil || receipt.BlockNumber.Uint64() != sent.Block {
		t.Fatalf("%+v, %v", receipt, err)
	}
	t.Logf("adversary: one of two endpoints lags while a receipt is read | bound: it is read from the other | seen: block %d",
		sent.Block)
}

// TestAdversaryEveryEndpointIsLeftOut: with nobody to ask there is no block 0 and no empty receipt.
func TestAdversaryEveryEndpointIsLeftOut(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	p, q := chaintest.Start(t, node.URL()), chaintest.Start(t, node.URL())
	c := dial(t, p.URL, q.URL)
	wrong := &impossibleError{"it says what no chain can"}
	for _, view := range []Quorum{c.Agreed(), c.Agreed().OrAlone()} {
		for what, read := range map[string]func() error{
			"head":    func() error { _, err := view.Head(t.Context()); return err },
			"balance": func() error { _, err := view.BalanceAt(t.Context(), target, nil); return err },
			"receipt": func() error { _, err := view.TransactionReceipt(t.Context(), common.Hash{1}); return err },
		} {
			for _, e := range c.endpoints {
				c.leaveOut(e, wrong)
			}
			err := read()
			if !IsOutage(err) || !strings.Contains(err.Error(), p.URL) || !strings.Contains(err.Error(), q.URL) {
				t.Errorf("%s with nobody to ask: %v", what, err)
			}
		}
	}
	t.Log("adversary: every endpoint is left out | bound: an outage that names them, no zero | seen: the same")
}

// TestAdversaryOneOfThreeHangsWhileATransactionIsSent: what two have said of a transaction does not wait for the third,
// also where they say that they don't have it, or won't.
func TestAdversaryOneOfThreeHangsWhileATransactionIsSent(t *testing.T) {
	t.Parallel()
	const long = 2 * time.Minute // for which the endpoint that hangs would be waited for
	node := startChain(t, devchain.Config{})
	p := chaintest.Start(t, node.URL())
	c, err := Dial(t.Context(), Config{URLs: []string{p.URL, node.URL(), node.URL() + "/"}, Timeout: long, Log: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	p.Set(func(w http.ResponseWriter, r *http.Request, q *chaintest.Query) bool {
		return q.Method != "" && chaintest.Hang(w, r, q) // but for the WebSocket, whose opening Close would wait for
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	began := time.Now()
	s := sender(t, SenderConfig{Client: c, Signer: devchain.Account(1)})
	if _, err := s.Send(ctx, payment("hangs")); err != nil {
		t.Fatal(err)
	}
	for _, view := range []Quorum{c.Agreed(), c.Agreed().OrAlone()} {
		if _, err := view.TransactionReceipt(ctx, common.Hash{1}); !errors.Is(err, ethereum.NotFound) {
			t.Errorf("a receipt that nobody has: %v", err)
		}
	}
	t.Logf("adversary: one of three endpoints hangs while transactions are sent and looked up | bound: %s, it would be %s | seen: %s",
		patience, long, time.Since(began).Round(10*time.Millisecond))
}
