package payments

import (
	"context"
	"errors"
	"math/big"
	"path/filepath"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"byway/contracts"
)

var (
	testDomain = Domain{ChainID: 31337, Contract: common.HexToAddress("0x00000000000000000000000000000000000C4a11")}
	testToken  = common.HexToAddress("0x0000000000000000000000000000000000007042")
	testPayee  = common.HexToAddress("0x00000000000000000000000000000000000Ba9ee")
	testPrice  = amount("50000000000000000") // 0.05 tokens of 18 decimals per GiB
)

const mib = 1 << 20

func amount(s string) contracts.Amount {
	a, err := contracts.ParseAmount(s)
	if err != nil {
		panic(err)
	}
	return a
}

func cost(price contracts.Amount, bytes uint64) contracts.Amount {
	c, err := Cost(price, bytes)
	if err != nil {
		panic(err)
	}
	return c
}

// testKey derives a fixed key from a number.
func testKey(n int64) contracts.Key {
	private, err := crypto.ToECDSA(common.LeftPadBytes(big.NewInt(1e6+n).Bytes(), 32))
	if err != nil {
		panic(err)
	}
	return contracts.NewKey(private)
}

func testChannel(n int64) (contracts.Channel, contracts.Key) {
	signer := testKey(n)
	return contracts.Channel{
		Vault: contracts.Vault{
			Token: testToken, Payer: common.BigToAddress(big.NewInt(0x9a7e5<<20 + n)), Signer: signer.Address(),
		},
		Payee: testPayee,
	}, signer
}

// fakeChain answers from a table and fails where it is told to. It stands in where the real contracts would only slow
// a test of rules down; the claims are tested against the real ones.
type fakeChain struct {
	mu     sync.Mutex
	states map[contracts.Channel]ChannelState
	any    *ChannelState // for channels without a state of their own
	err    error
	reads  int
}

func (f *fakeChain) State(_ context.Context, c contracts.Channel) (ChannelState, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	if f.err != nil {
		return ChannelState{}, f.err
	}
	if s, ok := f.states[c]; ok {
		return s, nil
	}
	if f.any != nil {
		return *f.any, nil
	}
	return ChannelState{}, errors.New("no such channel in this test")
}

func (f *fakeChain) set(c contracts.Channel, s ChannelState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.states == nil {
		f.states = map[contracts.Channel]ChannelState{}
	}
	f.states[c] = s
}

func reserved(ceiling contracts.Amount) ChannelState { return ChannelState{Ceiling: ceiling, Block: 1} }

func newLedger(t testing.TB) *Ledger {
	t.Helper()
	return ledgerAt(t, filepath.Join(t.TempDir(), "ledger.db"))
}

func ledgerAt(t testing.TB, path string) *Ledger {
	t.Helper()
	l, err := OpenLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func newPayee(t testing.TB, l *Ledger, chain Chain) *Payee {
	t.Helper()
	p, err := NewPayee(PayeeConfig{Domain: testDomain, Ledger: l, Chain: chain, Payee: testPayee, Token: testToken})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func testTerms(c contracts.Channel) Terms {
	return Terms{
		Session: NewSessionID(), Channel: c, PricePerGiB: testPrice, Tick: MinTick, Window: MinWindow, Offer: "offer",
	}
}

func newPayer(t testing.TB, l *Ledger, signer contracts.Signer, terms Terms, limit contracts.Amount) *Payer {
	t.Helper()
	p, err := NewPayer(t.Context(), PayerConfig{
		Domain: testDomain, Ledger: l, Signer: signer, Terms: terms, SpendCap: limit,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// signed makes a promise without a payer.
func signed(t testing.TB, c contracts.Channel, signer contracts.Signer, cumulative contracts.Amount) Promise {
	t.Helper()
	p, err := testDomain.Sign(Promise{Channel: c, Cumulative: cumulative}, signer)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
}

func wantAmount(t testing.TB, what string, got, want contracts.Amount) {
	t.Helper()
	if got != want {
		t.Fatalf("%s is %s, want %s", what, got, want)
	}
}

// checkSums fails unless every channel's total is what its sessions have paid and the part that is nobody's.
func checkSums(t testing.TB, l *Ledger) {
	t.Helper()
	list, err := l.accounts(t.Context(), "1 = 1")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		sum := a.other
		rows, err := l.read.Query("SELECT amount FROM session WHERE channel = ?", a.id)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var b []byte
			if err := rows.Scan(&b); err != nil {
				t.Fatal(err)
			}
			if sum, err = sum.Add(must(contracts.AmountFromBytes(b))(t)); err != nil {
				t.Fatal(err)
			}
		}
		rows.Close()
		if sum != a.total {
			t.Fatalf("%s: total %s, parts %s", a.channel, a.total, sum)
		}
	}
}
