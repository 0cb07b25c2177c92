package payments

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"byway/contracts"
	"byway/payments/ledger"
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

// files has the file of every ledger that a test opened with [opened].
var files sync.Map

func fileOf(l *Ledger) string {
	path, _ := files.Load(l)
	return path.(string)
}

// opened is the ledger in that file, through the SQLite VFS of that name. The test closes it.
func opened(t testing.TB, path, vfs string) *Ledger {
	t.Helper()
	l := must(withEngine(ledger.Open(path, vfs)))(t)
	files.Store(l, path)
	t.Cleanup(func() { files.Delete(l) })
	return l
}

func ledgerAt(t testing.TB, path string) *Ledger {
	t.Helper()
	l := opened(t, path, "")
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

// open opens a session with a promise of that lifetime total.
func open(t testing.TB, p *Payee, c contracts.Channel, key contracts.Signer, total contracts.Amount) SessionID {
	t.Helper()
	terms := testTerms(c)
	if _, err := p.Open(t.Context(), terms, signed(t, c, key, total), nil); err != nil {
		t.Fatal(err)
	}
	return terms.Session
}

// accountOf is what a payee's ledger has of a channel.
func accountOf(t testing.TB, l *Ledger, c contracts.Channel) ledger.Account {
	t.Helper()
	a, found, err := l.Account(t.Context(), ledger.Payee, ledger.Domain(testDomain), c)
	if err != nil || !found {
		t.Fatalf("%s: found %v, %v", c, found, err)
	}
	return a
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

// checkSums fails unless every channel's total is what its sessions have paid and the part that is nobody's, and all else
// that a check of the ledger looks at is right.
func checkSums(t testing.TB, l *Ledger) {
	t.Helper()
	if v := must(VerifyLedger(t.Context(), fileOf(l), nil))(t); len(v.Problems) > 0 {
		t.Fatal(strings.Join(v.Problems, "\n"))
	}
}

// alter changes a ledger's rows by hand, and forges the checksums of all its tables.
func alter(t testing.TB, path, change string, args ...any) {
	t.Helper()
	db := must(sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)"))(t)
	defer db.Close()
	tx := must(db.BeginTx(t.Context(), nil))(t)
	must(tx.Exec(change, args...))(t)
	forge(t, tx)
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

// forge makes every row's checksum anew: over the table's name and its columns, in the order that they stand in.
func forge(t testing.TB, tx *sql.Tx) {
	t.Helper()
	for table, columns := range columnsOf(t, tx) {
		must(tx.Exec(fmt.Sprintf("UPDATE %s SET sum = byway_row_sum('%[1]s', %s)", table, columns)))(t)
	}
}

// Credit returns what a session may have forwarded now.
func (p *Payee) Credit(ctx context.Context, id SessionID) (Credit, error) {
	s, err := p.find(ctx, id)
	if err != nil {
		return Credit{}, err
	}
	s.channel.mu.Lock()
	defer s.channel.mu.Unlock()
	return s.channel.creditLocked(s), nil
}
