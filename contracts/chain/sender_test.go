package chain

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"byway/contracts/chain/chaintest"
	"byway/contracts/devchain"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// errCrash ends a send as the end of the process would.
var errCrash = errors.New("crash")

func TestCrashAtAnyStepSendsExactlyOnce(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	c := dial(t, node.URL())
	account := 0
	for _, step := range []string{"signed", "recorded", "broadcast", "mined", "settled"} {
		for _, how := range []string{"send", "resume"} {
			key := devchain.Account(account)
			account++
			t.Run(step+" then "+how, func(t *testing.T) {
				to := common.BigToAddress(big.NewInt(int64(account) + 0xf00))
				intent := Intent{ID: "one", To: &to, Value: big.NewInt(1)}
				path := filepath.Join(t.TempDir(), "journal.db")
				j := journal(t, path)
				s := sender(t, SenderConfig{Client: c, Journal: j, Signer: key})
				s.hook = func(at string) error {
					if at == step {
						return errCrash
					}
					return nil
				}
				if _, err := s.Send(t.Context(), intent); !errors.Is(err, errCrash) {
					t.Fatalf("no crash: %v", err)
				}
				if err := j.Close(); err != nil {
					t.Fatal(err)
				}
				s = sender(t, SenderConfig{Client: c, Journal: journal(t, path), Signer: key})
				if how == "resume" {
					if err := s.Resume(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := s.Send(t.Context(), intent); err != nil {
					t.Fatal(err)
				}
				if b := balance(t, c, to); b.Cmp(big.NewInt(1)) != 0 {
					t.Errorf("the target got %s", b)
				}
				if n := nonceOf(t, c, key.Address()); n != 1 {
					t.Errorf("%d transactions were mined", n)
				}
			})
		}
	}
}

func TestStuckTransactionIsReplacedByADearerOne(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	c := dial(t, node.URL())
	s := sender(t, SenderConfig{Client: c, StuckAfter: 150 * time.Millisecond})
	if err := node.SetAutomine(false); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := s.Send(context.Background(), payment("one"))
		done <- err
	}()
	var sn *send
	deadline := time.Now().Add(30 * time.Second)
	for ; sn == nil || len(sn.attempts) < 4; time.Sleep(20 * time.Millisecond) {
		var err error
		if sn, err = s.sends.find(t.Context(), "one"); err != nil || time.Now().After(deadline) {
			t.Fatalf("%+v, %v", sn, err)
		}
	}
	if err := node.SetAutomine(true); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for i, tx := range sn.attempts[1:] {
		old := sn.attempts[i]
		if tx.Nonce() != old.Nonce() || tx.GasTipCap().Cmp(raised(old.GasTipCap())) < 0 ||
			tx.GasFeeCap().Cmp(raised(old.GasFeeCap())) < 0 {
			t.Errorf("attempt %d pays %s/%s after %s/%s", i+1, tx.GasTipCap(), tx.GasFeeCap(), old.GasTipCap(), old.GasFeeCap())
		}
	}
	if b := balance(t, c, target); b.Cmp(big.NewInt(1)) != 0 {
		t.Errorf("the target got %s", b)
	}
}

func TestReplacementStopsAtTheGasPriceLimit(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	c := dial(t, node.URL())
	limit := big.NewInt(3 * params.GWei)
	s := sender(t, SenderConfig{Client: c, StuckAfter: 50 * time.Millisecond, MaxGasPrice: limit})
	if err := node.SetAutomine(false); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := s.Send(ctx, payment("one")); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	sn, err := s.sends.find(t.Context(), "one")
	if err != nil {
		t.Fatal(err)
	}
	for _, tx := range sn.attempts {
		if tx.GasFeeCap().Cmp(limit) > 0 {
			t.Errorf("an attempt pays up to %s wei", tx.GasFeeCap())
		}
	}
	if len(sn.attempts) < 2 || len(sn.attempts) > 8 {
		t.Errorf("%d attempts", len(sn.attempts))
	}
	low := sender(t, SenderConfig{Client: c, MaxGasPrice: big.NewInt(5)})
	if _, err := low.Send(t.Context(), payment("two")); !errors.Is(err, ErrGasPrice) {
		t.Errorf("above the limit: %v", err)
	}
}

// foreign sends a transaction of account 0 past the sender, as another program would.
func foreign(t testing.TB, c *Client, nonce uint64, price int64) *types.Transaction {
	t.Helper()
	tx, err := types.SignNewTx(devchain.Account(0).Private(), types.LatestSignerForChainID(c.chainID), &types.DynamicFeeTx{
		ChainID: c.chainID, Nonce: nonce, Gas: params.TxGas, To: &common.Address{7},
		GasTipCap: big.NewInt(price), GasFeeCap: big.NewInt(price),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SendTransaction(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	return tx
}

// recorded leaves a send in the journal that was never broadcast.
func recorded(t testing.TB, c *Client, j *Journal, i Intent) {
	t.Helper()
	s := sender(t, SenderConfig{Client: c, Journal: j})
	s.hook = func(step string) error {
		if step == "recorded" {
			return errCrash
		}
		return nil
	}
	if _, err := s.Send(t.Context(), i); !errors.Is(err, errCrash) {
		t.Fatal(err)
	}
}

func TestNonceUsedByAnotherProgramIsGivenUp(t *testing.T) {
	t.Parallel()
	c := dial(t, startChain(t, devchain.Config{}).URL())
	j := journal(t, "")
	recorded(t, c, j, payment("one"))
	foreign(t, c, 0, 10*params.GWei)
	s := sender(t, SenderConfig{Client: c, Journal: j})
	if _, err := s.Send(t.Context(), payment("one")); err != nil {
		t.Fatal(err)
	}
	if b := balance(t, c, target); b.Cmp(big.NewInt(1)) != 0 {
		t.Errorf("the target got %s", b)
	}
	if n := nonceOf(t, c, s.Address()); n != 2 {
		t.Errorf("nonce %d", n)
	}
}

func TestUnderpricedReplacementIsRaisedUntilItIsTaken(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	c := dial(t, node.URL())
	j := journal(t, "")
	recorded(t, c, j, payment("one"))
	if err := node.SetAutomine(false); err != nil {
		t.Fatal(err)
	}
	other := foreign(t, c, 0, 20*params.GWei)
	s := sender(t, SenderConfig{Client: c, Journal: j})
	done := make(chan error, 1)
	go func() {
		_, err := s.Send(context.Background(), payment("one"))
		done <- err
	}()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, _, err := c.TransactionByHash(t.Context(), other.Hash()); errors.Is(err, ethereum.NotFound) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the other transaction was not replaced")
		}
	}
	if err := node.SetAutomine(true); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if b := balance(t, c, target); b.Cmp(big.NewInt(1)) != 0 {
		t.Errorf("the target got %s", b)
	}
}

func TestRefusedSendLeavesNoGap(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	c := dial(t, node.URL())
	s := sender(t, SenderConfig{Client: c})
	if err := node.SetAutomine(false); err != nil {
		t.Fatal(err)
	}
	// The refusal comes while another send has the nonce above already.
	later := make(chan error, 1)
	var once atomic.Bool
	s.hook = func(step string) error {
		if step == "recorded" && once.CompareAndSwap(false, true) {
			sn := &send{Intent: payment("later"), nonce: 1}
			price, err := s.price(t.Context(), nil)
			if err != nil {
				return err
			}
			sn.Gas = params.TxGas
			signed, err := s.sign(sn, price)
			if err != nil {
				return err
			}
			sn.attempts = []*types.Transaction{signed}
			return s.sends.insert(t.Context(), sn)
		}
		return nil
	}
	if _, err := s.Send(t.Context(), Intent{ID: "bad", To: &target, Gas: 20_000}); err == nil {
		t.Fatal("a transaction with too little gas was sent")
	}
	go func() {
		_, err := s.Send(context.Background(), payment("later"))
		later <- err
	}()
	if err := node.SetAutomine(true); err != nil {
		t.Fatal(err)
	}
	if err := <-later; err != nil {
		t.Fatal(err)
	}
	if err := s.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := nonceOf(t, c, s.Address()); n != 2 {
		t.Errorf("nonce %d", n)
	}
	if _, err := s.Send(t.Context(), payment("bad")); err != nil {
		t.Errorf("the ID of a refused send can't be used again: %v", err)
	}
}

func TestResumeFillsALostNonce(t *testing.T) {
	t.Parallel()
	c := dial(t, startChain(t, devchain.Config{}).URL())
	j := journal(t, "")
	recorded(t, c, j, payment("lost"))
	recorded(t, c, j, payment("kept"))
	s := sender(t, SenderConfig{Client: c, Journal: j})
	lost, err := s.sends.find(t.Context(), "lost")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.sends.forget(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	if err := s.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := nonceOf(t, c, s.Address()); n != 2 {
		t.Errorf("nonce %d", n)
	}
}

func TestReorganisedTransactionIsSentAgain(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	c := dial(t, node.URL())
	s := sender(t, SenderConfig{Client: c, Confirmations: 4})
	if err := node.Mine(3); err != nil {
		t.Fatal(err)
	}
	done := make(chan Result, 1)
	go func() {
		r, err := s.Send(context.Background(), payment("one"))
		if err != nil {
			t.Error(err)
		}
		done <- r
	}()
	for balance(t, c, target).Sign() == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	if err := node.Mine(1); err != nil {
		t.Fatal(err)
	}
	if err := node.Reorg(2, true); err != nil {
		t.Fatal(err)
	}
	if balance(t, c, target).Sign() != 0 {
		t.Fatal("the reorganisation kept the transaction")
	}
	select {
	case <-done:
		t.Fatal("it was reported before its confirmations")
	default:
	}
	deadline := time.Now().Add(20 * time.Second)
	for ; balance(t, c, target).Sign() == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it was not sent again")
		}
	}
	if err := node.Mine(3); err != nil {
		t.Fatal(err)
	}
	r := <-done
	// Even when the chain loses it after that, its ID still brings it back.
	head, err := c.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Reorg(int(head.Number-r.Block+1), true); err != nil {
		t.Fatal(err)
	}
	s.confirmations = 1
	if _, err := s.Send(t.Context(), payment("one")); err != nil {
		t.Fatal(err)
	}
	if b := balance(t, c, target); b.Cmp(big.NewInt(1)) != 0 {
		t.Errorf("the target got %s", b)
	}
}

func TestSenderOutlivesAnEndpointThatFails(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	p := chaintest.Start(t, node.URL())
	c := dialBoth(t, p.URL)
	s := sender(t, SenderConfig{Client: c, StuckAfter: 400 * time.Millisecond})
	modes := []chaintest.Fault{
		chaintest.Hang, chaintest.Cut, chaintest.Page(200, `{"jsonrpc":"2.0","id":1,"resu`), chaintest.Page(429, "slow down"),
		chaintest.Page(200, "<html>welcome to the hotel's network</html>"),
	}
	for i, mode := range modes {
		// It fails while the transaction is handed over: whether the node has it is unknown.
		p.Set(nil)
		if i%2 == 0 {
			p.Set(chaintest.Edited("eth_sendRawTransaction", func(string) string { return "garbage" }))
		}
		s.hook = func(step string) error {
			if step == "recorded" {
				p.Set(mode)
				time.AfterFunc(500*time.Millisecond, func() { p.Set(nil) })
			}
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		_, err := s.Send(ctx, payment(fmt.Sprint("send ", i)))
		cancel()
		if err != nil {
			t.Fatalf("fault %d: %v", i, err)
		}
	}
	if b := balance(t, c, target); b.Cmp(big.NewInt(int64(len(modes)))) != 0 {
		t.Errorf("the target got %s", b)
	}
}
