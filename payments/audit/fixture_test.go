package audit

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
	"byway/payments"
	"byway/payments/chainview"
	"byway/payments/ledger"
	"byway/payments/pace"
	"byway/payments/payee"
	"byway/payments/payer"
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

func wantAmount(t testing.TB, what string, got, want contracts.Amount) {
	t.Helper()
	if got != want {
		t.Fatalf("%s is %s, want %s", what, got, want)
	}
}

func newPayer(t testing.TB, l *ledger.Ledger, signer contracts.Signer, terms payments.Terms, limit contracts.Amount) *payer.Payer {
	t.Helper()
	p, err := payer.New(t.Context(), payer.Config{
		Domain: testDomain, Ledger: l, Signer: signer, Terms: terms, SpendCap: limit,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newPayee(t testing.TB, l *ledger.Ledger, chain chainview.Chain) *payee.Payee {
	t.Helper()
	p, err := payee.New(payee.Config{Domain: testDomain, Ledger: l, Chain: chain, Payee: testPayee, Token: testToken})
	if err != nil {
		t.Fatal(err)
	}
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
	if v := must(Verify(t.Context(), fileOf(l), nil))(t); len(v.Problems) > 0 {
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

// columnsOf are the tables of a ledger's file with their columns, the checksum apart.
func columnsOf(t testing.TB, db interface {
	Query(query string, args ...any) (*sql.Rows, error)
},
) map[string]string {
	t.Helper()
	rows := must(db.Query("SELECT m.name, group_concat(c.name, ', ') FROM sqlite_schema m, pragma_table_info(m.name) c" +
		" WHERE m.type = 'table' AND c.name <> 'sum' GROUP BY m.name"))(t)
	defer rows.Close()
	tables := map[string]string{}
	for rows.Next() {
		var table, columns string
		if err := rows.Scan(&table, &columns); err != nil {
			t.Fatal(err)
		}
		tables[table] = columns
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return tables
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
