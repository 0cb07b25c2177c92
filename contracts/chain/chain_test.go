package chain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"

	"byway/contracts"
	"byway/contracts/devchain"
)

func startChain(t testing.TB, cfg devchain.Config) *devchain.Chain {
	t.Helper()
	c, err := devchain.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func dial(t testing.TB, urls ...string) *Client {
	t.Helper()
	c, err := Dial(t.Context(), Config{URLs: urls, Log: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
}

func journal(t testing.TB, path string) *Journal {
	t.Helper()
	if path == "" {
		path = filepath.Join(t.TempDir(), "journal.db")
	}
	j, err := OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func sender(t testing.TB, cfg SenderConfig) *Sender {
	t.Helper()
	if cfg.Signer == nil {
		cfg.Signer = devchain.Account(0)
	}
	if cfg.Journal == nil {
		cfg.Journal = journal(t, "")
	}
	if cfg.Log == nil {
		cfg.Log = testLog(t)
	}
	s, err := NewSender(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var target = common.HexToAddress("0x00000000000000000000000000000000000000f1")

func payment(id string) Intent { return Intent{ID: id, To: &target, Value: big.NewInt(1)} }

func balance(t testing.TB, c *Client, a common.Address) *big.Int {
	t.Helper()
	b, err := c.BalanceAt(t.Context(), a, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func nonceOf(t testing.TB, c *Client, a common.Address) uint64 {
	t.Helper()
	n, err := c.NonceAt(t.Context(), a, nil)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSendsAndReportsWhatItCost(t *testing.T) {
	t.Parallel()
	c := dial(t, startChain(t, devchain.Config{}).URL())
	s := sender(t, SenderConfig{Client: c})
	before := balance(t, c, s.Address())
	begin := time.Now()
	r, err := s.Send(t.Context(), payment("one"))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("sent in %s", time.Since(begin))
	spent := new(big.Int).Sub(before, balance(t, c, s.Address()))
	if want := new(big.Int).Add(r.Fee, big.NewInt(1)); spent.Cmp(want) != 0 {
		t.Errorf("spent %s, reported %s", spent, want)
	}
	if r.GasUsed != params.TxGas || r.Block < 2 || r.TxHash == (common.Hash{}) {
		t.Errorf("result %+v", r)
	}
}

func TestTheSameIDIsSentOnce(t *testing.T) {
	t.Parallel()
	c := dial(t, startChain(t, devchain.Config{}).URL())
	path := filepath.Join(t.TempDir(), "journal.db")
	var first Result
	for i := range 3 {
		j := journal(t, path)
		s := sender(t, SenderConfig{Client: c, Journal: j})
		r, err := s.Send(t.Context(), payment("one"))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = r
		} else if r.TxHash != first.TxHash || r.Fee.Cmp(first.Fee) != 0 {
			t.Errorf("attempt %d: %+v, want %+v", i, r, first)
		}
		other := Intent{ID: "one", To: &target, Value: big.NewInt(2)}
		if _, err := s.Send(t.Context(), other); !errors.Is(err, ErrOtherIntent) {
			t.Errorf("another intent of the same ID: %v", err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if b := balance(t, c, target); b.Cmp(big.NewInt(1)) != 0 {
		t.Errorf("the target got %s", b)
	}
}

func TestAHundredConcurrentSendsLeaveNoGap(t *testing.T) {
	t.Parallel()
	c := dial(t, startChain(t, devchain.Config{}).URL())
	s := sender(t, SenderConfig{Client: c})
	const n = 100
	begin := time.Now()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if _, err := s.Send(context.Background(), payment(fmt.Sprint("send ", i))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	t.Logf("%d sends in %s", n, time.Since(begin))
	if got := nonceOf(t, c, s.Address()); got != n {
		t.Errorf("nonce %d, want %d", got, n)
	}
	if b := balance(t, c, target); b.Cmp(big.NewInt(n)) != 0 {
		t.Errorf("the target got %s", b)
	}
}

func TestRevertIsReportedWithItsReasonAndCostsNothingBeforeSending(t *testing.T) {
	t.Parallel()
	c := dial(t, startChain(t, devchain.Config{}).URL())
	s := sender(t, SenderConfig{Client: c})
	for _, test := range []struct{ name, data, reason string }{
		// Error(string) "no"
		{"string", "08c379a00000000000000000000000000000000000000000000000000000000000000020" +
			"00000000000000000000000000000000000000000000000000000000000000026e6f000000000000" +
			"000000000000000000000000000000000000000000000000", "no"},
		{"custom", "deadbeef", "custom error 0xdeadbeef"},
		{"empty", "", "no reason given"},
	} {
		t.Run(test.name, func(t *testing.T) {
			address := deploy(t, s, reverting(common.FromHex(test.data)))
			nonce := nonceOf(t, c, s.Address())
			_, err := s.Send(t.Context(), Intent{ID: "estimated " + test.name, To: &address})
			var r *RevertError
			if !errors.As(err, &r) || r.Reason != test.reason || r.TxHash != (common.Hash{}) {
				t.Errorf("estimate: %v", err)
			}
			if got := nonceOf(t, c, s.Address()); got != nonce {
				t.Errorf("nonce went from %d to %d", nonce, got)
			}
			// Gas given: it is sent without an estimate, and reverts on chain.
			for range 2 {
				_, err = s.Send(t.Context(), Intent{ID: "mined " + test.name, To: &address, Gas: 100_000})
				if !errors.As(err, &r) || r.Reason != test.reason || r.TxHash == (common.Hash{}) {
					t.Errorf("mined: %v", err)
				}
			}
			if got := nonceOf(t, c, s.Address()); got != nonce+1 {
				t.Errorf("nonce went from %d to %d", nonce, got)
			}
		})
	}
}

// reverting is the code of a contract that reverts with data.
func reverting(data []byte) []byte {
	// PUSH1 len, DUP1, PUSH1 11, PUSH0, CODECOPY, PUSH0, REVERT, then the data.
	code := []byte{0x60, byte(len(data)), 0x80, 0x60, 9, 0x5f, 0x39, 0x5f, 0xfd}
	return append(code, data...)
}

// logging is the code of a contract that emits one log with the call's data: CALLDATASIZE, PUSH0, PUSH0,
// CALLDATACOPY, CALLDATASIZE, PUSH0, LOG0, STOP.
var logging = []byte{0x36, 0x5f, 0x5f, 0x37, 0x36, 0x5f, 0xa0, 0x00}

func deploy(t testing.TB, s *Sender, code []byte) common.Address {
	t.Helper()
	// PUSH1 len, DUP1, PUSH1 9, PUSH0, CODECOPY, PUSH0, RETURN
	init := append([]byte{0x60, byte(len(code)), 0x80, 0x60, 9, 0x5f, 0x39, 0x5f, 0xf3}, code...)
	r, err := s.Send(t.Context(), Intent{ID: fmt.Sprintf("deploy %x", code), Data: init})
	if err != nil {
		t.Fatal(err)
	}
	if r.ContractAddress == (common.Address{}) {
		t.Fatal("no contract address")
	}
	return r.ContractAddress
}

func TestPoorAccountIsToldWhatItNeeds(t *testing.T) {
	t.Parallel()
	c := dial(t, startChain(t, devchain.Config{}).URL())
	key, err := contracts.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	s := sender(t, SenderConfig{Client: c, Signer: key})
	for _, gas := range []uint64{0, 21_000} {
		_, err = s.Send(t.Context(), Intent{ID: fmt.Sprint(gas), To: &target, Value: big.NewInt(5), Gas: gas})
		var f *FundsError
		if !errors.As(err, &f) || f.Address != key.Address() || f.Need.Sign() <= 0 {
			t.Errorf("gas %d: %v", gas, err)
		}
	}
}

func TestWrongChainIsNamed(t *testing.T) {
	t.Parallel()
	url := startChain(t, devchain.Config{}).URL()
	_, err := Dial(t.Context(), Config{URLs: []string{url}, ChainID: 5})
	var e *chainIDError
	if !errors.As(err, &e) || e.Got != devchain.ChainID || e.Want != 5 {
		t.Fatalf("%v", err)
	}
}

func TestWaitHeadReturnsOnceTheBlockIsThere(t *testing.T) {
	t.Parallel()
	d := startChain(t, devchain.Config{})
	c := dial(t, d.URL())
	head, err := c.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		time.Sleep(300 * time.Millisecond)
		_ = d.Mine(1)
	}()
	begin := time.Now()
	next, err := c.WaitHead(t.Context(), head.Number)
	if err != nil || next.Number != head.Number+1 {
		t.Fatalf("%+v, %v", next, err)
	}
	t.Logf("took %s, the block came after 300ms", time.Since(begin))
}

func TestFollowerDeliversEveryLogOnce(t *testing.T) {
	t.Parallel()
	d := startChain(t, devchain.Config{})
	c := dial(t, d.URL())
	s := sender(t, SenderConfig{Client: c})
	address := deploy(t, s, logging)
	f := NewFollower(FollowerConfig{
		Client: c, Journal: journal(t, ""), Name: "test", Addresses: []common.Address{address}, Log: testLog(t),
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got := make(chan string, 100)
	done := make(chan error, 1)
	go func() {
		done <- f.Run(ctx, func(_ context.Context, u Update) error {
			for _, l := range u.Logs {
				got <- string(l.Data)
			}
			return nil
		})
	}()
	for i := range 20 {
		if _, err := s.Send(ctx, Intent{ID: fmt.Sprint("log ", i), To: &address, Data: []byte(fmt.Sprint(i))}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 {
		select {
		case data := <-got:
			if data != fmt.Sprint(i) {
				t.Fatalf("log %d is %q", i, data)
			}
		case <-ctx.Done():
			t.Fatal("logs are missing")
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
