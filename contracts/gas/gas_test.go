package gas

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"byway/contracts"
	"byway/contracts/bindings/channels"
	"byway/contracts/chain/chaintest"
	"byway/contracts/devchain"
)

var update = flag.Bool("update", false, "write the snapshot and the table anew")

// figure holds the cost of one operation, in gas.
type figure struct {
	Name string `json:"name"`
	Gas  uint64 `json:"gas"`
	// Each is the gas of one row of a batch: the whole transaction's divided by their number.
	Each uint64 `json:"each,omitempty"`
	// Floor is the part that no contract could save: see the floor function.
	Floor uint64 `json:"floor,omitempty"`
	// Ceiling is the most that the design allows, for a row in a batch or for all.
	Ceiling uint64 `json:"ceiling,omitempty"`
}

// What the protocol charges (EIP-2028, 2929, 2200, 3529, 1108) for parts that an operation can't do without.
const (
	base      = 21000
	recover_  = 3000 + 100  // ecrecover and the call of it
	rewrite   = 2100 + 2900 // a cold word that was not zero
	fresh     = 2100 + 20000
	readWord  = 2100
	transfer  = 2600 + 2*rewrite + 375*3 + 256 // a cold token, two balances, its event
	allowance = readWord
)

// until is far away.
var until = big.NewInt(1 << 39)

func (m *market) calldata(data []byte) (gas uint64) {
	zeros := uint64(bytes.Count(data, []byte{0}))
	return 4*zeros + 16*(uint64(len(data))-zeros)
}

// measure runs every operation once, in an order that puts each into the state that its name says.
func measure(m *market) (figures []figure) {
	add := func(name string, ceiling uint64, rows int, floor uint64, from contracts.Key, to common.Address, data []byte) {
		m.t.Helper()
		f := figure{Name: name, Gas: m.send(from, to, data), Floor: base + m.calldata(data) + floor, Ceiling: ceiling}
		if rows > 1 {
			f.Each = f.Gas / uint64(rows)
		}
		figures = append(figures, f)
	}
	on := func(name string, ceiling uint64, rows int, floor uint64, from contracts.Key, data []byte) {
		m.t.Helper()
		add(name, ceiling, rows, floor, from, m.d.Channels, data)
	}
	key := sessionKey(0)
	signer, to, who := key.Address(), payee.Address(), payer.Address()

	// One payer, one payee.
	on("deposit, first", 0, 1, transfer+allowance+fresh, payer, m.c.PackDeposit(m.token, who, signer, amount(100)))
	on("deposit, again", 0, 1, transfer+allowance+rewrite, payer, m.c.PackDeposit(m.token, who, signer, amount(100)))
	on("first claim of a pair, out of the free balance", 0, 1, transfer+recover_+fresh+rewrite, operator,
		m.c.PackClaim(m.token, to, m.promise(m.token, who, key, amount(10))))
	on("claim, out of the free balance", 0, 1, transfer+recover_+2*rewrite, operator,
		m.c.PackClaim(m.token, to, m.promise(m.token, who, key, amount(20))))
	on("reserve, first", 54_000, 1, fresh+rewrite, payer, m.c.PackReserve(m.token, signer, operator.Address(), amount(30)))
	on("reserve, again", 0, 1, 2*rewrite, payer, m.c.PackReserve(m.token, signer, to, amount(60)))
	on("claim one", 53_000, 1, transfer+recover_+rewrite, operator,
		m.c.PackClaim(m.token, to, m.promise(m.token, who, key, amount(30))))
	// A payee whose first money this is: its balance in the token is a fresh word.
	newcomer := derived("newcomer", 0)
	m.send(payer, m.d.Channels, m.c.PackReserve(m.token, signer, newcomer.Address(), amount(60)))
	on("first claim of a reserved pair, by a payee without tokens", 70_000, 1, transfer+recover_+fresh, operator,
		m.c.PackClaim(m.token, newcomer.Address(), m.promiseTo(newcomer.Address(), m.token, who, key, amount(30))))
	on("start exit", 33_000, 1, rewrite, payer, m.c.PackStartExit(m.token, signer, to))
	on("cancel exit", 0, 1, rewrite, payer, m.c.PackCancelExit(m.token, signer, to))
	m.send(payer, m.d.Channels, m.c.PackStartExit(m.token, signer, to))
	m.advance(2 * time.Hour)
	on("finish exit, into a vault with free balance", 0, 1, 2*rewrite, payer, m.c.PackFinishExit(m.token, who, signer, to))
	m.send(payer, m.d.Channels, m.c.PackReserve(m.token, signer, to, amount(60)))
	on("release", 0, 1, 2*rewrite, payee, m.c.PackRelease(m.token, who, signer, amount(50)))
	on("release, signed", 0, 1, 2*rewrite+recover_, payer, m.c.PackReleaseSigned(m.token, who, signer, to, amount(40),
		big.NewInt(2), until, m.release(m.token, who, signer, amount(40), big.NewInt(2), until)))
	on("withdraw", 0, 1, transfer+rewrite, payer, m.c.PackWithdraw(m.token, signer, amount(10), who))
	on("close and withdraw", 0, 1, transfer+rewrite+2*rewrite+2*recover_, payer, m.c.PackCloseAndWithdraw(channels.IChannelsClosing{
		Token: m.token, Signer: signer, Payee: to, Rows: m.promise(m.token, who, key, amount(35)), Ceiling: amount(35),
		Epoch: big.NewInt(3), ValidUntil: until, Signature: m.release(m.token, who, signer, amount(35), big.NewInt(3), until), To: who,
	}))

	// Opening, all of it set aside.
	second, third := sessionKey(1_000_001).Address(), sessionKey(1_000_002).Address()
	on("open", 72_000, 1, transfer+allowance+fresh+readWord, payer, m.c.PackOpen(m.token, second, to, amount(10), amount(10)))
	on("open, a part set aside", 0, 1, transfer+allowance+2*fresh, payer, m.c.PackOpen(m.token, third, to, amount(10), amount(5)))
	on("open with permit", 103_000, 1, transfer+allowance+fresh+readWord+recover_+fresh+rewrite, provider,
		m.c.PackOpenWithPermit(m.token, second, to, amount(10), amount(10), m.permit(m.token, provider, m.d.Channels, amount(10))))
	o := opening(m.d.Token, who, second, amount(10), amount(10))
	on("open with authorization", 0, 1, transfer+fresh+readWord+recover_+fresh, operator,
		m.c.PackOpenWithAuthorization(o, m.authorization(o, new(big.Int)), new(big.Int)))

	m.send(payer, m.d.Channels, m.c.PackStartExit(m.token, second, to))
	m.advance(2 * time.Hour)
	on("finish exit, into an empty vault", 55_000, 1, rewrite+fresh, payer, m.c.PackFinishExit(m.token, who, second, to))

	// Many payers.
	payers := func(n int) common.Address { return derived("payer", n).Address() }
	const many = 500
	rows := func(from, count int, row func(n int) []byte) (b []byte) {
		for n := from; n < from+count; n++ {
			b = append(b, row(n)...)
		}
		return b
	}
	for n := 1; n <= many; n++ {
		m.pending = append(m.pending, m.broadcast(operator, &m.d.Channels,
			m.c.PackDeposit(m.token, payers(n), sessionKey(n).Address(), amount(100))))
		if n%50 == 0 {
			m.settle()
		}
	}
	reserves := func(ceiling int64) func(n int) []byte {
		return func(n int) []byte { return m.reserve(m.token, payers(n), sessionKey(n), amount(ceiling)) }
	}
	promises := func(total int64) func(n int) []byte {
		return func(n int) []byte { return m.promise(m.token, payers(n), sessionKey(n), amount(total)) }
	}
	on("reserve one, signed, first", 0, 1, fresh+rewrite+recover_, operator, m.c.PackReserveSigned(m.token, to, rows(1, 1, reserves(90))))
	on("reserve ten, signed, first", 0, 10, 10*(fresh+rewrite+recover_), operator,
		m.c.PackReserveSigned(m.token, to, rows(2, 10, reserves(90))))
	for n := 12; n <= many; n += 100 {
		m.send(operator, m.d.Channels, m.c.PackReserveSigned(m.token, to, rows(n, min(100, many-n+1), reserves(90))))
	}
	row := uint64(recover_ + rewrite)
	on("claim ten", 15_000, 10, transfer+10*row, operator, m.c.PackClaim(m.token, to, rows(1, 10, promises(10))))
	on("claim a hundred", 11_100, 100, transfer+100*row, operator, m.c.PackClaim(m.token, to, rows(1, 100, promises(20))))
	on("claim five hundred", 0, 500, transfer+500*row, operator, m.c.PackClaim(m.token, to, rows(1, 500, promises(30))))
	on("claim a hundred to a vault", 0, 100, 100*row+fresh, payee, m.c.PackClaimToVault(m.token, signer, rows(1, 100, promises(40))))

	// The registry.
	in := func(name string, floor uint64, data []byte) { add(name, 0, 1, floor, provider, m.d.Registry, data) }
	digest := func(n byte) common.Hash { return crypto.Keccak256Hash([]byte{n}) }
	in("register with a stake", transfer+allowance+rewrite+4*fresh, m.r.PackRegister(digest(1), amount(10)))
	in("update", 2*rewrite, m.r.PackUpdate(digest(2)))
	in("add stake", transfer+allowance+2*rewrite, m.r.PackAddStake(amount(10)))
	// The chain gives 4,800 back for each word that is cleared, of at most a fifth of the gas.
	in("leave", 3*rewrite+fresh-2*4800, m.r.PackLeave())
	m.advance(2 * time.Hour)
	in("withdraw stake", transfer+rewrite-4800, m.r.PackWithdrawStake(provider.Address()))
	return figures
}

// opening is one for the payee.
func opening(token, who, signer common.Address, value, ceiling *big.Int) channels.IChannelsOpening {
	return channels.IChannelsOpening{
		Token: token, Payer: who, Signer: signer, Payee: payee.Address(), Amount: value, Ceiling: ceiling,
	}
}

// domain asks a token for the domain separator of its typed data.
func (m *market) domain(token common.Address) [32]byte {
	return ask(m, token, m.erc20.PackDOMAINSEPARATOR(), m.erc20.UnpackDOMAINSEPARATOR)
}

// ask calls a view, at the block of the newest receipt.
func ask[T any](m *market, contract common.Address, data []byte, unpack func([]byte) (T, error)) T {
	m.t.Helper()
	out, err := m.eth.CallContract(m.t.Context(), ethereum.CallMsg{To: &contract, Data: data}, m.block)
	if err != nil {
		m.t.Fatal(err)
	}
	v, err := unpack(out)
	if err != nil {
		m.t.Fatal(err)
	}
	return v
}

// permit is an account's next permit for a spender.
func (m *market) permit(token common.Address, k contracts.Key, spender common.Address, value *big.Int) channels.IRelayingPermit {
	m.t.Helper()
	domain, who := m.domain(token), k.Address()
	nonce := ask(m, token, m.erc20.PackNonces(who), m.erc20.UnpackNonces)
	structHash := crypto.Keccak256(
		crypto.Keccak256([]byte("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")),
		word(who[:]), word(spender[:]), num(value), num(nonce), num(until))
	r, s, v := split(sign(k, crypto.Keccak256Hash([]byte{0x19, 1}, domain[:], structHash)))
	return channels.IRelayingPermit{Value: value, Deadline: until, V: v, R: r, S: s}
}

// authorization is the payer's ERC-3009 authorization for an opening by anybody.
func (m *market) authorization(o channels.IChannelsOpening, maxFee *big.Int) channels.IChannelsAuthorization {
	m.t.Helper()
	a := channels.IChannelsAuthorization{ValidAfter: new(big.Int), ValidBefore: until, MaxFee: maxFee}
	nonce := ask(m, m.d.Channels, m.c.PackAuthorizationNonce(o, a), m.c.UnpackAuthorizationNonce)
	domain := m.domain(o.Token)
	structHash := crypto.Keccak256(
		crypto.Keccak256([]byte("ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,"+
			"uint256 validBefore,bytes32 nonce)")),
		word(o.Payer[:]), word(m.d.Channels[:]), num(o.Amount), num(a.ValidAfter), num(a.ValidBefore), nonce[:])
	a.R, a.S, a.V = split(sign(payer, crypto.Keccak256Hash([]byte{0x19, 1}, domain[:], structHash)))
	return a
}

func split(sig []byte) (r, s [32]byte, v uint8) {
	return [32]byte(sig[:32]), [32]byte(sig[32:64]), 27 + sig[64]
}

func TestReceiptGasIsWithinTheCeilingsOnTheEmbeddedChain(t *testing.T) {
	dev, err := devchain.Start(devchain.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dev.Close() })
	m := newMarket(t, dev.URL())
	compare(t, figures{measure(m), measureRelayed(m)}, *update)
}

func TestReceiptGasIsTheSameOnAnvil(t *testing.T) {
	m := newMarket(t, startAnvil(t))
	compare(t, figures{measure(m), measureRelayed(m)}, false)
}

// startAnvil runs anvil by the rules of Osaka, with blocks that hold a claim of five hundred rows.
func startAnvil(t *testing.T) (url string) {
	t.Helper()
	return chaintest.Anvil(t, "--gas-limit", "60000000", "--hardfork", "osaka")
}

// figures is all that is measured.
type figures struct {
	Actions []figure  `json:"actions"`
	Relayed []relayed `json:"relayed"`
}

// compare holds figures against the snapshot and the ceilings.
func compare(t *testing.T, got figures, write bool) {
	t.Helper()
	for _, f := range got.Actions {
		if each := cmp.Or(f.Each, f.Gas); f.Ceiling != 0 && each > f.Ceiling {
			t.Errorf("%s costs %d gas, the ceiling is %d", f.Name, each, f.Ceiling)
		}
		if f.Floor > f.Gas {
			t.Errorf("%s costs %d gas, less than its floor of %d: the floor counts too much", f.Name, f.Gas, f.Floor)
		}
	}
	if testing.Verbose() {
		fmt.Print(table(got.Actions), "\n", relayedTable(got.Relayed))
	}
	if write {
		b, err := json.MarshalIndent(got, "", "  ")
		if err == nil {
			err = os.WriteFile("snapshot.json", append(b, '\n'), 0o644)
		}
		if err == nil {
			err = writeTable("gas", table(got.Actions))
		}
		if err == nil {
			err = writeTable("relayed", relayedTable(got.Relayed))
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	b, err := os.ReadFile("snapshot.json")
	if err != nil {
		t.Fatal(err)
	}
	var want figures
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	same(t, got.Actions, want.Actions)
	same(t, got.Relayed, want.Relayed)
}

func same[T comparable](t *testing.T, got, want []T) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("measured %d operations, the snapshot has %d", len(got), len(want))
	}
	for i, f := range got {
		if f != want[i] {
			t.Errorf("measured %+v, the snapshot says %+v; run make -C contracts gas-update if that is meant", f, want[i])
		}
	}
}

// relayedTable writes the README's table of relayed actions.
func relayedTable(list []relayed) string {
	var b strings.Builder
	b.WriteString("| Signed by its account, sent by another, with a fee | OpenZeppelin's token | A dollar token |\n|---|--:|--:|\n")
	for _, f := range list {
		plain := "–"
		if f.Plain != 0 {
			plain = thousands(f.Plain)
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", f.Name, plain, thousands(f.Dollar))
	}
	return b.String()
}

// table writes the README's table.
func table(figures []figure) string {
	var b strings.Builder
	b.WriteString("| Operation | Receipt gas | A row | Ceiling | Irreducible | The rest |\n|---|--:|--:|--:|--:|--:|\n")
	for _, f := range figures {
		each, ceiling := "", ""
		if f.Each != 0 {
			each = thousands(f.Each)
		}
		if f.Ceiling != 0 {
			ceiling = thousands(f.Ceiling)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", f.Name, thousands(f.Gas), each, ceiling, thousands(f.Floor),
			thousands(f.Gas-f.Floor))
	}
	return b.String()
}

func thousands(n uint64) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

const readme = "../README.md"

// writeTable puts a table between the README's two marks of that name.
func writeTable(name, table string) error {
	b, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	first, last := "<!-- "+name+" -->\n", "<!-- /"+name+" -->\n"
	before, rest, ok := strings.Cut(string(b), first)
	_, after, ok2 := strings.Cut(rest, last)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no place for the table %q", readme, name)
	}
	return os.WriteFile(readme, []byte(before+first+table+last+after), 0o644)
}
