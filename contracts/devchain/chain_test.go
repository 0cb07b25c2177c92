package devchain

import (
	"context"
	"errors"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/params"
)

func start(t testing.TB, cfg Config) (*Chain, *ethclient.Client) {
	t.Helper()
	c, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	client, err := ethclient.Dial(c.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return c, client
}

// transfer signs a payment of one wei from account i.
func transfer(t testing.TB, i int, nonce uint64) *types.Transaction {
	t.Helper()
	tx, err := signTransfer(i, nonce)
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

func signTransfer(i int, nonce uint64) (*types.Transaction, error) {
	return types.SignNewTx(Account(i).Private(), types.LatestSignerForChainID(big.NewInt(ChainID)), &types.DynamicFeeTx{
		ChainID: big.NewInt(ChainID), Nonce: nonce, Gas: params.TxGas, To: &common.Address{1}, Value: big.NewInt(1),
		GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(10 * params.GWei),
	})
}

func send(t testing.TB, client *ethclient.Client, tx *types.Transaction) {
	t.Helper()
	if err := client.SendTransaction(t.Context(), tx); err != nil {
		t.Fatalf("send: %v", err)
	}
}

func receipt(t testing.TB, client *ethclient.Client, tx *types.Transaction) *types.Receipt {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		r, err := client.TransactionReceipt(t.Context(), tx.Hash())
		if err == nil {
			return r
		}
		if !errors.Is(err, ethereum.NotFound) {
			t.Fatalf("receipt: %v", err)
		}
	}
	t.Fatalf("no receipt of %s", tx.Hash())
	return nil
}

func head(t testing.TB, client *ethclient.Client) *types.Header {
	t.Helper()
	h, err := client.HeaderByNumber(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestAccountsAreAnvils(t *testing.T) {
	for i, want := range []string{
		"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
		"0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC", "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
		"0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65", "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc",
		"0x976EA74026E726554dB657fA54763abd0C3a0aa9", "0x14dC79964da2C08b23698B3D3cc7Ca32193d9955",
		"0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f", "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720",
	} {
		if got := Account(i).Address().Hex(); got != want {
			t.Errorf("account %d is %s, want %s", i, got, want)
		}
	}
	if got := common.Bytes2Hex(crypto.FromECDSA(Account(0).Private())); got !=
		"ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80" {
		t.Errorf("account 0 has another key than anvil's")
	}
}

func TestStartsWithFundedAccountsFactoryAndBlockOne(t *testing.T) {
	t.Parallel()
	c, client := start(t, Config{})
	ctx := t.Context()
	if id, err := client.ChainID(ctx); err != nil || id.Uint64() != ChainID {
		t.Fatalf("chain id %v, %v", id, err)
	}
	if n, err := client.BlockNumber(ctx); err != nil || n != 1 {
		t.Fatalf("head %d, %v", n, err)
	}
	balance, err := client.BalanceAt(ctx, Account(9).Address(), nil)
	if err != nil || balance.Cmp(new(big.Int).Mul(big.NewInt(10_000), big.NewInt(params.Ether))) != 0 {
		t.Fatalf("balance %v, %v", balance, err)
	}
	factory := common.HexToAddress("0x4e59b44847b379578588920cA78FbF26c0B4956C")
	if code, err := client.CodeAt(ctx, factory, nil); err != nil || len(code) != 69 {
		t.Fatalf("factory has %d bytes of code, %v", len(code), err)
	}
	ws, err := ethclient.Dial(c.WSURL())
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	if g, err := ws.HeaderByNumber(ctx, common.Big0); err != nil || g.Time != genesisTime {
		t.Fatalf("genesis over WebSocket: %v, %v", g, err)
	}
}

func TestGenesisIsTheSameForEver(t *testing.T) {
	t.Parallel()
	const want = "0x03d9c7996eebe723a431904832536b1176cce7ffae36772f2130df37708ae717"
	if got := genesis(10, Osaka).ToBlock().Hash().Hex(); got != want {
		t.Errorf("genesis hash %s, want %s: folders of earlier versions can no longer be opened", got, want)
	}
}

func TestMinesATransactionAtOnce(t *testing.T) {
	t.Parallel()
	_, client := start(t, Config{})
	begin := time.Now()
	tx := transfer(t, 0, 0)
	send(t, client, tx)
	if r := receipt(t, client, tx); r.Status != 1 || r.GasUsed != params.TxGas {
		t.Fatalf("receipt %+v", r)
	}
	if d := time.Since(begin); d > 15*time.Second {
		t.Errorf("took %s", d)
	}
	if lag := time.Since(time.Unix(int64(head(t, client).Time), 0)).Abs(); lag > 15*time.Second {
		t.Errorf("the head is %s from the clock", lag)
	}
}

func TestManyTransactionsShareABlockAndTheClockStaysNear(t *testing.T) {
	t.Parallel()
	_, client := start(t, Config{})
	const senders, each = 10, 40
	begin := time.Now()
	last := make([]*types.Transaction, senders)
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			for n := range uint64(each) {
				last[i] = transfer(t, i, n)
				if err := client.SendTransaction(context.Background(), last[i]); err != nil {
					t.Errorf("send: %v", err)
				}
			}
		})
	}
	wg.Wait()
	for _, tx := range last {
		receipt(t, client, tx)
	}
	h := head(t, client)
	lead := time.Until(time.Unix(int64(h.Time), 0))
	t.Logf("%d transactions in %d blocks, %.0f tx/s, lead %s", senders*each, h.Number,
		senders*each/time.Since(begin).Seconds(), lead)
	if lead > maxLead {
		t.Errorf("the head runs %s ahead of the clock", lead)
	}
}

func TestPeriodMakesBlocksWithoutTransactions(t *testing.T) {
	t.Parallel()
	_, client := start(t, Config{Period: time.Second})
	tx := transfer(t, 0, 0)
	send(t, client, tx)
	if r := receipt(t, client, tx); r.BlockNumber.Uint64() < 2 {
		t.Fatalf("mined in block %d", r.BlockNumber)
	}
	before := head(t, client).Number.Uint64()
	for deadline := time.Now().Add(30 * time.Second); head(t, client).Number.Uint64() < before+2; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no two blocks after block %d", before)
		}
	}
}

func TestShortPeriodDoesNotRunAwayWhileIdle(t *testing.T) {
	t.Parallel()
	_, client := start(t, Config{Period: 20 * time.Millisecond})
	time.Sleep(1500 * time.Millisecond)
	if lead := time.Until(time.Unix(int64(head(t, client).Time), 0)); lead > 2*time.Second {
		t.Errorf("the head runs %s ahead of the clock", lead)
	}
}

func TestAdvanceMovesTheHeadAndLaterBlocks(t *testing.T) {
	t.Parallel()
	c, client := start(t, Config{})
	before := head(t, client).Time
	if err := c.Advance(25 * time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := head(t, client).Time; got < before+25*3600 || got > before+25*3600+5 {
		t.Fatalf("advanced by %d s", got-before)
	}
	tx := transfer(t, 0, 0)
	send(t, client, tx)
	receipt(t, client, tx)
	if got := head(t, client).Time; got < before+25*3600 {
		t.Fatalf("the next block is %d s after the first", got-before)
	}
}

func TestMineMakesThatManyBlocks(t *testing.T) {
	t.Parallel()
	c, client := start(t, Config{})
	if err := c.Mine(50); err != nil {
		t.Fatal(err)
	}
	if n := head(t, client).Number.Uint64(); n != 51 {
		t.Fatalf("head %d", n)
	}
}

func TestReorgKeepsOrDropsTransactions(t *testing.T) {
	t.Parallel()
	for _, drop := range []bool{false, true} {
		c, client := start(t, Config{})
		var txs []*types.Transaction
		for n := range uint64(5) {
			tx := transfer(t, 0, n)
			send(t, client, tx)
			receipt(t, client, tx)
			txs = append(txs, tx)
		}
		old := head(t, client)
		if err := c.Reorg(3, drop); err != nil {
			t.Fatal(err)
		}
		h := head(t, client)
		if h.Number.Cmp(old.Number) != 0 || h.Hash() == old.Hash() {
			t.Fatalf("head %d %s after %d %s", h.Number, h.Hash(), old.Number, old.Hash())
		}
		if r := receipt(t, client, txs[1]); r.Status != 1 {
			t.Fatal("a transaction below the reorganisation is gone")
		}
		r, err := client.TransactionReceipt(t.Context(), txs[4].Hash())
		if drop {
			if !errors.Is(err, ethereum.NotFound) {
				t.Fatalf("dropped transaction: %v, %v", r, err)
			}
			if n, err := client.PendingNonceAt(t.Context(), Account(0).Address()); err != nil || n != 2 {
				t.Fatalf("pending nonce %d, %v", n, err)
			}
			send(t, client, txs[2])
			receipt(t, client, txs[2])
			continue
		}
		if err != nil || r.BlockHash != h.Hash() {
			t.Fatalf("returned transaction: %v, %v", r, err)
		}
	}
}

func TestReorgDeeperThanTheChainIsRefused(t *testing.T) {
	t.Parallel()
	c, _ := start(t, Config{})
	for _, depth := range []int{-1, 0, 1, 100} {
		if err := c.Reorg(depth, true); err == nil {
			t.Errorf("depth %d was accepted", depth)
		}
	}
}

func TestUnderpricedTransactionWaitsWithoutSpinning(t *testing.T) {
	t.Parallel()
	_, client := start(t, Config{})
	signer := types.LatestSignerForChainID(big.NewInt(ChainID))
	tx, err := types.SignNewTx(Account(0).Private(), signer, &types.DynamicFeeTx{
		ChainID: big.NewInt(ChainID), Gas: params.TxGas, To: &common.Address{1}, GasTipCap: common.Big1,
		GasFeeCap: big.NewInt(1000),
	})
	if err != nil {
		t.Fatal(err)
	}
	send(t, client, tx)
	time.Sleep(200 * time.Millisecond)
	if n := head(t, client).Number.Uint64(); n != 1 {
		t.Fatalf("made %d blocks for a transaction below the base fee", n-1)
	}
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		c, err := Start(Config{})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
