package payer

import (
	"context"
	"errors"
	"math/big"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"byway/contracts"
	"byway/payments"
	"byway/payments/audit"
	"byway/payments/chainview"
	"byway/payments/ledger"
	"byway/payments/pace"
)

var (
	testDomain = payments.Domain{ChainID: 31337, Contract: common.HexToAddress("0x00000000000000000000000000000000000C4a11")}
	testToken  = common.HexToAddress("0x0000000000000000000000000000000000007042")
	testPayee  = common.HexToAddress("0x00000000000000000000000000000000000Ba9ee")
	testPrice  = amount("50000000000000000") // 0.05 tokens of 18 decimals per GiB
)

func amount(s string) contracts.Amount {
	a, err := contracts.ParseAmount(s)
	if err != nil {
		panic(err)
	}
	return a
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

const mib = 1 << 20

func cost(price contracts.Amount, bytes uint64) contracts.Amount {
	c, err := payments.Cost(price, bytes)
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
	states map[contracts.Channel]chainview.State
	any    *chainview.State // for channels without a state of their own
	err    error
	reads  int
}

func (f *fakeChain) State(_ context.Context, c contracts.Channel) (chainview.State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	if f.err != nil {
		return chainview.State{}, f.err
	}
	if s, ok := f.states[c]; ok {
		return s, nil
	}
	if f.any != nil {
		return *f.any, nil
	}
	return chainview.State{}, errors.New("no such channel in this test")
}

func (f *fakeChain) set(c contracts.Channel, s chainview.State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.states == nil {
		f.states = map[contracts.Channel]chainview.State{}
	}
	f.states[c] = s
}

func wantAmount(t testing.TB, what string, got, want contracts.Amount) {
	t.Helper()
	if got != want {
		t.Fatalf("%s is %s, want %s", what, got, want)
	}
}

func newPayer(t testing.TB, l *ledger.Ledger, signer contracts.Signer, terms payments.Terms, limit contracts.Amount) *Payer {
	t.Helper()
	p, err := New(t.Context(), Config{
		Domain: testDomain, Ledger: l, Signer: signer, Terms: terms, SpendCap: limit,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// signed makes a promise without a
func signed(t testing.TB, c contracts.Channel, signer contracts.Signer, cumulative contracts.Amount) payments.Promise {
	t.Helper()
	p, err := testDomain.Sign(payments.Promise{Channel: c, Cumulative: cumulative}, signer)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// signedAs signs a promise with a key that is not its channel's signer.
func signedAs(t testing.TB, p payments.Promise, key contracts.Key) payments.Promise {
	t.Helper()
	q := p
	q.Signer = key.Address() // which is not part of what is signed
	p.Sig = must(testDomain.Sign(q, key))(t).Sig
	return p
}

func must2(p payments.Promise, ok bool, err error) func(testing.TB, bool) payments.Promise {
	return func(t testing.TB, want bool) payments.Promise {
		t.Helper()
		if err != nil || ok != want {
			t.Fatalf("promise %v, %v; want %v", ok, err, want)
		}
		return p
	}
}

// checkSums fails unless every channel's total is what its sessions have paid and the part that is nobody's, and all else
// that a check of the ledger looks at is right.
func checkSums(t testing.TB, l *ledger.Ledger) {
	t.Helper()
	if v := must(audit.Verify(t.Context(), fileOf(l), nil))(t); len(v.Problems) > 0 {
		t.Fatal(strings.Join(v.Problems, "\n"))
	}
}

// files has the file of every ledger that a test opened with [opened].
var files sync.Map

func fileOf(l *ledger.Ledger) string {
	path, _ := files.Load(l)
	return path.(string)
}

// opened is the ledger in that file, through the SQLite VFS of that name. The test closes it.
func opened(t testing.TB, path, vfs string) *ledger.Ledger {
	t.Helper()
	l := must(ledger.Open(path, vfs))(t)
	files.Store(l, path)
	t.Cleanup(func() { files.Delete(l) })
	return l
}

func newLedger(t testing.TB) *ledger.Ledger {
	t.Helper()
	return ledgerAt(t, filepath.Join(t.TempDir(), "ledger.db"))
}

func ledgerAt(t testing.TB, path string) *ledger.Ledger {
	t.Helper()
	l := opened(t, path, "")
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func testTerms(c contracts.Channel) payments.Terms {
	return payments.Terms{
		Session: payments.NewSessionID(), Channel: c, PricePerGiB: testPrice, Tick: pace.MinTick, Window: pace.MinWindow, Offer: "offer",
	}
}
