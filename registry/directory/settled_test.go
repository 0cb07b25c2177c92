package directory_test

import (
	"bytes"
	"context"
	"errors"
	"math/big"
	"path/filepath"
	"slices"
	"testing"

	ethereum "github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"byway/contracts"
	"byway/registry/directory"
)

// ledger is a chain that has nothing but events.
type ledger struct {
	bind.ContractBackend
	head  uint64
	logs  []types.Log
	calls int
}

func (l *ledger) HeaderByNumber(context.Context, *big.Int) (*types.Header, error) {
	return &types.Header{Number: new(big.Int).SetUint64(l.head)}, nil
}

func (l *ledger) FilterLogs(_ context.Context, q ethereum.FilterQuery) (out []types.Log, err error) {
	l.calls++
	for _, log := range l.logs {
		if n := log.BlockNumber; n >= q.FromBlock.Uint64() && n <= q.ToBlock.Uint64() {
			out = append(out, log)
		}
	}
	return out, nil
}

func word(a common.Address) []byte { return common.LeftPadBytes(a[:], 32) }

func (l *ledger) deposit(v contracts.Vault) {
	l.head++
	l.logs = append(l.logs, types.Log{
		BlockNumber: l.head, Data: make([]byte, 32), Topics: []common.Hash{
			crypto.Keccak256Hash([]byte("Deposited(address,address,address,uint96)")), common.BytesToHash(word(v.Token)),
			common.BytesToHash(word(v.Payer)), common.BytesToHash(word(v.Signer)),
		},
	})
}

// claim settles totals of vaults towards a payee.
func (l *ledger) claim(payee common.Address, totals map[contracts.Vault]uint64) {
	l.head++
	var settled []byte
	var token common.Address
	for v, total := range totals {
		id, amount := v.ID(), contracts.NewAmount(total).Bytes()
		settled = append(append(settled, id[:20]...), amount[:]...)
		token = v.Token
	}
	var data []byte
	for _, n := range []int{1, 0, 3 * 32, len(totals)} { // paid, skipped, where the list begins, its length
		data = append(data, common.BigToHash(big.NewInt(int64(n))).Bytes()...)
	}
	l.logs = append(l.logs, types.Log{
		BlockNumber: l.head, Data: append(data, settled...), Topics: []common.Hash{
			crypto.Keccak256Hash([]byte("Claimed(address,address,uint256,uint256,bytes32[])")), common.BytesToHash(word(token)),
			common.BytesToHash(word(payee)),
		},
	})
}

func TestSettlementsAreCappedForEachPayer(t *testing.T) {
	t.Parallel()
	chain := &ledger{head: 10}
	x := openIndex(t, filepath.Join(t.TempDir(), "x.db"))
	r, err := directory.New(directory.Config{Backend: chain, Deployment: pagesMarket, Blobs: newShelf(), Index: x})
	if err != nil {
		t.Fatal(err)
	}
	vault := func(payer, signer byte) contracts.Vault {
		return contracts.Vault{Token: pagesMarket.Token, Payer: common.Address{payer}, Signer: common.Address{signer}}
	}
	popular, washer, selfish := common.Address{1}, common.Address{2}, common.Address{3}
	for payer := byte(10); payer < 15; payer++ { // five payers, each a little
		chain.deposit(vault(payer, 1))
		chain.claim(popular, map[contracts.Vault]uint64{vault(payer, 1): 60})
		chain.claim(popular, map[contracts.Vault]uint64{vault(payer, 1): 80}) // a lifetime total, not one more payment
	}
	for signer := byte(1); signer < 50; signer++ { // one payer with many vaults, and much money
		chain.deposit(vault(20, signer))
		chain.claim(washer, map[contracts.Vault]uint64{vault(20, signer): 1 << 60})
	}
	chain.deposit(vault(3, 1))
	chain.claim(selfish, map[contracts.Vault]uint64{vault(3, 1): 1 << 60})
	for signer := byte(1); signer < 9; signer++ { // nobody knows whose vaults these are
		chain.claim(selfish, map[contracts.Vault]uint64{vault(30, signer): 1000})
	}
	chain.claim(selfish, nil) // anybody can claim nothing for anybody
	claimed := chain.logs[1]
	for _, data := range [][]byte{ // no Claimed events that this contract can have raised
		{1, 2, 3}, nil, claimed.Data[:4*32], append(slices.Clone(claimed.Data[:3*32]), bytes.Repeat([]byte{0xff}, 64)...),
		append(slices.Clone(claimed.Data[:2*32]), bytes.Repeat([]byte{0xff}, 96)...),
		append(slices.Clone(claimed.Data[:3*32]), common.BigToHash(big.NewInt(1<<40)).Bytes()...),
	} {
		chain.logs = append(chain.logs, types.Log{BlockNumber: chain.head, Topics: claimed.Topics, Data: data})
	}
	chain.logs = append(chain.logs, types.Log{BlockNumber: chain.head, Topics: claimed.Topics[:1], Data: claimed.Data})
	check := func(what string) {
		t.Helper()
		if err := r.ReadSettled(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, err := r.Settled(t.Context(), contracts.NewAmount(100))
		if err != nil {
			t.Fatal(err)
		}
		for payee, want := range map[common.Address]uint64{popular: 5 * 80, washer: 100, selfish: 100} {
			if got[payee] != contracts.NewAmount(want) {
				t.Errorf("%s: %s was paid %s, want %d", what, payee, got[payee], want)
			}
		}
	}
	check("first")
	calls := chain.calls
	check("again")
	if chain.calls != calls+1 {
		t.Errorf("nothing new cost %d requests", chain.calls-calls)
	}
	chain.head += 1_000_000
	check("after a long pause")
	if more := chain.calls - calls; more > 12 {
		t.Errorf("a long pause cost %d requests", more)
	}
	bare, err := directory.New(directory.Config{Backend: chain, Deployment: pagesMarket, Blobs: newShelf()})
	if err != nil {
		t.Fatal(err)
	}
	if err := bare.ReadSettled(t.Context()); !errors.Is(err, directory.ErrNoIndex) {
		t.Errorf("without an index: %v", err)
	}
}

// TestAdversaryAnImpossibleHeadStopsNoSettlements: an endpoint that once named a head far beyond the chain's, or events of
// blocks that it was not asked for, hides nothing of what comes later.
func TestAdversaryAnImpossibleHeadStopsNoSettlements(t *testing.T) {
	t.Parallel()
	for name, lie := range map[string]uint64{"2^60": 1 << 60, "2^63-1": 1<<63 - 1, "2^63": 1 << 63, "2^64-1": 1<<64 - 1, "a million ahead": 1_000_000} {
		chain := &ledger{head: 10}
		x := openIndex(t, filepath.Join(t.TempDir(), "x.db"))
		r, err := directory.New(directory.Config{Backend: chain, Deployment: pagesMarket, Blobs: newShelf(), Index: x})
		if err != nil {
			t.Fatal(err)
		}
		head := chain.head
		chain.head = lie
		if err := r.ReadSettled(t.Context()); (err != nil) != (lie >= 1<<63) {
			t.Errorf("%s: %v", name, err)
		}
		chain.head = head
		vault := contracts.Vault{Token: pagesMarket.Token, Payer: common.Address{9}, Signer: common.Address{8}}
		chain.deposit(vault)
		chain.claim(common.Address{1}, map[contracts.Vault]uint64{vault: 60})
		if err := r.ReadSettled(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, err := r.Settled(t.Context(), contracts.NewAmount(100))
		if err != nil {
			t.Fatal(err)
		}
		if seen := got[common.Address{1}]; seen != contracts.NewAmount(60) {
			t.Errorf("%s: %s settled, want 60", name, seen)
		}
		t.Logf("adversary: %s | bound: %s | seen: %s", "a head of "+name+", then the truth", "60 settled", got[common.Address{1}])
	}
}

// TestAdversaryClaimsOfNothingStopNoSettlements: anybody raises Claimed events of nothing, more of them within the blocks
// that are read again than one reading takes.
func TestAdversaryClaimsOfNothingStopNoSettlements(t *testing.T) {
	t.Parallel()
	chain, r := emptyLedger(t)
	for range 13 {
		chain.claim(common.Address{9}, nil)
		junk := chain.logs[len(chain.logs)-1]
		for range 1700 {
			chain.logs = append(chain.logs, junk)
		}
	}
	chain.head += 10
	honest := chain.pays(1)
	for range 2 {
		if err := r.ReadSettled(t.Context()); err != nil {
			t.Fatal(err)
		}
		chain.head += 1000
	}
	got, err := r.Settled(t.Context(), contracts.NewAmount(100))
	if err != nil {
		t.Fatal(err)
	}
	if got[honest] != contracts.NewAmount(60) {
		t.Errorf("%s settled, want 60", got[honest])
	}
	t.Logf("adversary: %d claims of nothing in 13 blocks | bound: 60 settled | seen: %s", 13*1701, got[honest])
}

// TestAdversaryCrowdedBlocksStopNoSettlements: the events say something, and stand in one block or in those that are read
// again.
func TestAdversaryCrowdedBlocksStopNoSettlements(t *testing.T) {
	t.Parallel()
	for name, blocks := range map[string]int{"one block": 1, "13 blocks": 13} {
		chain, r := emptyLedger(t)
		crowd := contracts.Vault{Token: pagesMarket.Token, Payer: common.Address{20}, Signer: common.Address{1}}
		for range blocks {
			chain.claim(common.Address{9}, map[contracts.Vault]uint64{crowd: 1})
			claim := chain.logs[len(chain.logs)-1]
			for range 22_000 / blocks {
				chain.logs = append(chain.logs, claim)
			}
		}
		honest := []common.Address{chain.pays(1)}
		for i := range 3 {
			if err := r.ReadSettled(t.Context()); err != nil {
				t.Fatal(err)
			}
			chain.head -= 3 // an endpoint that is behind moves nothing back
			if err := r.ReadSettled(t.Context()); err != nil {
				t.Fatal(err)
			}
			chain.head += 3
			honest = append(honest, chain.pays(byte(2+i)))
		}
		if err := r.ReadSettled(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, err := r.Settled(t.Context(), contracts.NewAmount(100))
		if err != nil {
			t.Fatal(err)
		}
		for _, payee := range honest {
			if got[payee] != contracts.NewAmount(60) {
				t.Errorf("%s: %s settled for %s, want 60", name, got[payee], payee)
			}
		}
		t.Logf("adversary: 22,000 settlements in %s | bound: 60 settled for each of %d | seen: %s", name, len(honest), got[honest[0]])
	}
}

func emptyLedger(t *testing.T) (*ledger, *directory.Directory) {
	t.Helper()
	chain := &ledger{head: 100}
	x := openIndex(t, filepath.Join(t.TempDir(), "x.db"))
	r, err := directory.New(directory.Config{Backend: chain, Deployment: pagesMarket, Blobs: newShelf(), Index: x})
	if err != nil {
		t.Fatal(err)
	}
	return chain, r
}

// pays settles 60 towards a payee, out of a vault of its own.
func (l *ledger) pays(payee byte) common.Address {
	v := contracts.Vault{Token: pagesMarket.Token, Payer: common.Address{10 + payee}, Signer: common.Address{1}}
	l.deposit(v)
	l.claim(common.Address{payee}, map[contracts.Vault]uint64{v: 60})
	return common.Address{payee}
}
