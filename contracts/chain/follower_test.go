package chain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"path/filepath"
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

// view is what a consumer of a follower believes.
type view struct {
	mu        sync.Mutex
	logs      map[logKey]string
	to        uint64
	twice     []logKey
	rollbacks int
}

func newView() *view { return &view{logs: make(map[logKey]string)} }

func (v *view) handle(_ context.Context, u Update) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if u.Rollback {
		v.rollbacks++
		for k := range v.logs {
			if k.number >= u.From {
				delete(v.logs, k)
			}
		}
	}
	for _, l := range u.Logs {
		k := logKey{l.BlockNumber, l.BlockHash, l.Index}
		if _, known := v.logs[k]; known {
			v.twice = append(v.twice, k)
		}
		v.logs[k] = string(l.Data)
	}
	v.to = u.To.Number
	return nil
}

// equals compares the view with what the chain says now.
func (v *view) equals(t testing.TB, c *Client, address common.Address) error {
	t.Helper()
	query := ethereum.FilterQuery{FromBlock: common.Big0, Addresses: []common.Address{address}}
	logs, err := c.FilterLogs(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.twice) > 0 {
		t.Fatalf("delivered twice: %v", v.twice)
	}
	for _, l := range logs {
		if _, ok := v.logs[logKey{l.BlockNumber, l.BlockHash, l.Index}]; !ok {
			return fmt.Errorf("log %d of block %d is missing", l.Index, l.BlockNumber)
		}
	}
	if len(logs) != len(v.logs) {
		return fmt.Errorf("%d logs, the chain has %d", len(v.logs), len(logs))
	}
	return nil
}

func (v *view) await(t testing.TB, c *Client, address common.Address) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if err = v.equals(t, c, address); err == nil {
			return
		}
	}
	t.Fatal(err)
}

// run follows until stop is called.
func run(t testing.TB, f *Follower, v *view) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx, v.handle) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("follower: %v", err)
		}
	})
}

// logTransactions signs that many calls of a logging contract, with the nonces from first.
func logTransactions(t testing.TB, c *Client, address common.Address, first uint64, n int) []*types.Transaction {
	t.Helper()
	var txs []*types.Transaction
	signer := types.LatestSignerForChainID(c.chainID)
	for i := range uint64(n) {
		tx, err := types.SignNewTx(devchain.Account(0).Private(), signer, &types.DynamicFeeTx{
			ChainID: c.chainID, Nonce: first + i, Gas: 60_000, To: &address, Data: fmt.Append(nil, first+i),
			GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(50 * params.GWei),
		})
		if err != nil {
			t.Fatal(err)
		}
		txs = append(txs, tx)
	}
	return txs
}

func TestFollowerSurvivesReorganisationsOfAnyDepth(t *testing.T) {
	t.Parallel()
	for _, fate := range []string{"keep", "drop", "drop and send again"} {
		t.Run(fate, func(t *testing.T) {
			t.Parallel()
			node := startChain(t, devchain.Config{})
			c := dial(t, node.URL())
			address := deploy(t, sender(t, SenderConfig{Client: c}), logging)
			if err := node.SetAutomine(false); err != nil {
				t.Fatal(err)
			}
			v := newView()
			stop := run(t, NewFollower(FollowerConfig{
				Client: c, Journal: journal(t, ""), Name: "test", Addresses: []common.Address{address}, Log: testLog(t),
			}), v)
			defer stop()
			for depth := 1; depth <= 12; depth++ {
				reorganise(t, node, c, address, v, depth, fate)
			}
		})
	}
}

// reorganise makes logs in depth+2 blocks, replaces depth of them and checks what the follower believes at each point.
func reorganise(t *testing.T, node *devchain.Chain, c *Client, address common.Address, v *view, depth int,
	fate string,
) {
	t.Helper()
	send := func(txs []*types.Transaction) {
		t.Helper()
		for _, tx := range txs {
			if err := c.SendTransaction(t.Context(), tx); err != nil {
				t.Fatal(err)
			}
			if err := node.Mine(1); err != nil {
				t.Fatal(err)
			}
		}
	}
	txs := logTransactions(t, c, address, nonceOf(t, c, devchain.Account(0).Address()), depth+2)
	send(txs)
	v.await(t, c, address)
	before := v.rollbacks
	if err := node.Reorg(depth, fate != "keep"); err != nil {
		t.Fatal(err)
	}
	v.await(t, c, address)
	if fate == "drop and send again" {
		send(txs[len(txs)-depth:])
	} else if err := node.Mine(1); err != nil {
		t.Fatal(err)
	}
	v.await(t, c, address)
	if v.rollbacks == before {
		t.Errorf("depth %d: nothing was rolled back", depth)
	}
}

func TestFollowerSeesAReorganisationOfWhileItWasOff(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	c := dial(t, node.URL())
	s := sender(t, SenderConfig{Client: c})
	address := deploy(t, s, logging)
	path := filepath.Join(t.TempDir(), "journal.db")
	v := newView()
	for round := range 4 {
		j := journal(t, path)
		stop := run(t, NewFollower(FollowerConfig{
			Client: c, Journal: j, Name: "test", Addresses: []common.Address{address}, Log: testLog(t),
		}), v)
		for i := range 5 {
			if _, err := s.Send(t.Context(), Intent{ID: fmt.Sprint(round, i), To: &address, Data: []byte{byte(i)}}); err != nil {
				t.Fatal(err)
			}
		}
		v.await(t, c, address)
		stop()
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if err := node.Reorg(3, false); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFollowerAdaptsItsRangesToTheEndpoint(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	p := chaintest.Start(t, node.URL())
	c := dial(t, p.URL)
	direct := dial(t, node.URL())
	s := sender(t, SenderConfig{Client: direct})
	address := deploy(t, s, logging)
	for i := range 3 {
		if err := node.Mine(100); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Send(t.Context(), Intent{ID: fmt.Sprint(i), To: &address, Data: []byte{byte(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	for name, refuse := range map[string]chaintest.Fault{
		"invalid params": func(w http.ResponseWriter, _ *http.Request, q *chaintest.Query) bool {
			return chaintest.Refuse(w, q, -32602, "block range is too large")
		},
		"limit": func(w http.ResponseWriter, _ *http.Request, q *chaintest.Query) bool {
			return chaintest.Refuse(w, q, -32005, "limit")
		},
		"http status": chaintest.Page(413, "too much"),
	} {
		p.Set(func(w http.ResponseWriter, r *http.Request, q *chaintest.Query) bool {
			if q.Method != "eth_getLogs" {
				return false
			}
			var filter struct{ FromBlock, ToBlock string }
			if err := json.Unmarshal(q.Params[0], &filter); err != nil {
				t.Error(err)
			}
			var from, to uint64
			if _, err := fmt.Sscanf(filter.FromBlock+" "+filter.ToBlock, "0x%x 0x%x", &from, &to); err != nil {
				t.Error(err)
			}
			return to-from >= 60 && refuse(w, r, q)
		})
		v := newView()
		stop := run(t, NewFollower(FollowerConfig{
			Client: c, Journal: journal(t, ""), Name: name, Addresses: []common.Address{address},
		}), v)
		v.await(t, direct, address)
		stop()
		if v.to < 300 {
			t.Errorf("%s: complete up to block %d", name, v.to)
		}
		p.Set(nil)
	}
}

func TestFollowerFindsLogsThatAnEndpointServedLate(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	p := chaintest.Start(t, node.URL())
	c := dial(t, p.URL)
	direct := dial(t, node.URL())
	s := sender(t, SenderConfig{Client: direct})
	address := deploy(t, s, logging)
	v := newView()
	stop := run(t, NewFollower(FollowerConfig{
		Client: c, Journal: journal(t, ""), Name: "late", Addresses: []common.Address{address},
	}), v)
	defer stop()
	p.Set(func(w http.ResponseWriter, _ *http.Request, q *chaintest.Query) bool {
		return q.Method == "eth_getLogs" && chaintest.Result(w, q, "[]")
	})
	r, err := s.Send(t.Context(), Intent{ID: "one", To: &address, Data: []byte("late")})
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		v.mu.Lock()
		to := v.to
		v.mu.Unlock()
		if to >= r.Block {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the follower stands still")
		}
	}
	p.Set(nil)
	if err := node.Mine(1); err != nil {
		t.Fatal(err)
	}
	v.await(t, direct, address)
}

func TestFollowerStopsWithItsHandlersErrorAndDeliversAgain(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	c := dial(t, node.URL())
	s := sender(t, SenderConfig{Client: c})
	address := deploy(t, s, logging)
	if _, err := s.Send(t.Context(), Intent{ID: "one", To: &address}); err != nil {
		t.Fatal(err)
	}
	j := journal(t, "")
	config := FollowerConfig{Client: c, Journal: j, Name: "test", Addresses: []common.Address{address}}
	for range 2 {
		var logs int
		err := NewFollower(config).Run(t.Context(), func(_ context.Context, u Update) error {
			logs += len(u.Logs)
			return errCrash
		})
		if !errors.Is(err, errCrash) || logs != 1 {
			t.Errorf("%d logs, %v", logs, err)
		}
	}
}
