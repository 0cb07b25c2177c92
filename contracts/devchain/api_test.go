package devchain

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
)

func call(t testing.TB, client *ethclient.Client, result any, method string, args ...any) {
	t.Helper()
	if err := client.Client().CallContext(t.Context(), result, method, args...); err != nil {
		t.Fatalf("%s: %v", method, err)
	}
}

func TestTimeTravelsOverRPC(t *testing.T) {
	t.Parallel()
	_, client := start(t, Config{})
	before := head(t, client).Time
	var total int64
	call(t, client, &total, "evm_increaseTime", 3600)
	call(t, client, &total, "evm_increaseTime", "0xe10")
	if total < 7200 {
		t.Errorf("moved %d s in all", total)
	}
	call(t, client, nil, "evm_mine")
	if got := head(t, client).Time - before; got < 7200 || got > 7210 {
		t.Errorf("the block is %d s later", got)
	}
	at := head(t, client).Time + 100_000
	call(t, client, nil, "evm_setNextBlockTimestamp", at)
	tx := transfer(t, 0, 0)
	send(t, client, tx)
	receipt(t, client, tx)
	if got := head(t, client).Time; got != at {
		t.Errorf("timestamp %d, want %d", got, at)
	}
	call(t, client, nil, "evm_mine", map[string]any{"timestamp": at + 50, "blocks": 2})
	if got := head(t, client).Time; got != at+51 {
		t.Errorf("timestamp %d, want %d", got, at+51)
	}
	if err := client.Client().CallContext(t.Context(), nil, "evm_setNextBlockTimestamp", 5); err == nil {
		t.Error("a timestamp of the past was accepted")
	}
	n := head(t, client).Number.Uint64()
	call(t, client, nil, "anvil_mine", "0x5", "0x3c")
	if h := head(t, client); h.Number.Uint64() != n+5 || h.Time < at+51+4*60 {
		t.Errorf("head %d at %d", h.Number, h.Time)
	}
}

func TestSnapshotBringsBackStateAndTime(t *testing.T) {
	t.Parallel()
	_, client := start(t, Config{})
	var id hexutil.Uint64
	call(t, client, &id, "evm_snapshot")
	before := head(t, client)
	tx := transfer(t, 0, 0)
	send(t, client, tx)
	receipt(t, client, tx)
	call(t, client, nil, "evm_increaseTime", 100_000)
	call(t, client, nil, "evm_mine")
	var ok bool
	call(t, client, &ok, "evm_revert", id)
	if h := head(t, client); !ok || h.Hash() != before.Hash() {
		t.Fatalf("%v: head %d %s", ok, h.Number, h.Hash())
	}
	if _, err := client.TransactionReceipt(t.Context(), tx.Hash()); !errors.Is(err, ethereum.NotFound) {
		t.Errorf("the transaction is still there: %v", err)
	}
	call(t, client, &ok, "evm_revert", id)
	if ok {
		t.Error("a snapshot was used twice")
	}
	send(t, client, tx)
	receipt(t, client, tx)
	if ahead := time.Until(time.Unix(int64(head(t, client).Time), 0)); ahead > time.Minute {
		t.Errorf("the clock is still %s ahead", ahead)
	}
}

func TestReorgOverRPCHoldsOnlyTheGivenTransactions(t *testing.T) {
	t.Parallel()
	_, client := start(t, Config{})
	var txs []*types.Transaction
	for n := range uint64(3) {
		txs = append(txs, transfer(t, 0, n))
		send(t, client, txs[n])
		receipt(t, client, txs[n])
	}
	raw, err := txs[1].MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	top := head(t, client)
	call(t, client, nil, "anvil_reorg", 2, []any{[]any{hexutil.Encode(raw), 1}})
	if r := receipt(t, client, txs[1]); r.BlockNumber.Cmp(top.Number) != 0 {
		t.Errorf("the given transaction is in block %d", r.BlockNumber)
	}
	if _, err := client.TransactionReceipt(t.Context(), txs[2].Hash()); !errors.Is(err, ethereum.NotFound) {
		t.Errorf("the other one is still there: %v", err)
	}
}

func TestAutomineOffLeavesTransactionsPending(t *testing.T) {
	t.Parallel()
	_, client := start(t, Config{})
	call(t, client, nil, "evm_setAutomine", false)
	tx := transfer(t, 0, 0)
	send(t, client, tx)
	time.Sleep(100 * time.Millisecond)
	if n := head(t, client).Number.Uint64(); n != 1 {
		t.Fatalf("head %d", n)
	}
	call(t, client, nil, "evm_setAutomine", true)
	receipt(t, client, tx)
}

func TestWebSocketAnnouncesBlocks(t *testing.T) {
	t.Parallel()
	c, _ := start(t, Config{})
	ws, err := ethclient.Dial(c.WSURL())
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	blocks := make(chan *types.Header, 4)
	sub, err := ws.SubscribeNewHead(t.Context(), blocks)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	if err := c.Mine(1); err != nil {
		t.Fatal(err)
	}
	select {
	case h := <-blocks:
		if h.Number.Uint64() != 2 {
			t.Errorf("block %d", h.Number)
		}
	case err := <-sub.Err():
		t.Fatal(err)
	case <-time.After(30 * time.Second):
		t.Fatal("no announcement")
	}
}

func TestProfilingIsNotServed(t *testing.T) {
	t.Parallel()
	_, client := start(t, Config{})
	for _, method := range []string{"debug_writeMemProfile", "admin_nodeInfo", "debug_setHead"} {
		if err := client.Client().CallContext(t.Context(), nil, method, "x"); err == nil {
			t.Errorf("%s is served", method)
		}
	}
}

func FuzzRPCArguments(f *testing.F) {
	for _, s := range []string{
		"5", `"0x5"`, `"5"`, `{"timestamp":"0x1","blocks":3}`, `["0x02f8",1]`, "null", `""`, "-1", "1e9", "[]",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if !json.Valid(b) {
			return
		}
		var n number
		_ = json.Unmarshal(b, &n)
		var o mineOptions
		_ = json.Unmarshal(b, &o)
		var p reorgTransaction
		if err := json.Unmarshal(b, &p); err == nil && string(b) != "null" && p.tx == nil {
			t.Errorf("%s gave no transaction", b)
		}
	})
}
