package gas

import (
	"encoding/json"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"

	"byway/contracts"
	"byway/contracts/bindings/channels"
	"byway/contracts/bindings/devtoken"
	"byway/contracts/bindings/registry"
	"byway/contracts/chain"
	"byway/contracts/deploy"
	"byway/contracts/devchain"
)

// The accounts of the development mnemonic and what they do. Nobody's key ever changes, so that calldata has the same
// bytes in every run: a zero byte costs less than another.
var (
	operator = devchain.Account(0) // deploys, and sends what anybody may send
	payer    = devchain.Account(1)
	payee    = devchain.Account(2)
	provider = devchain.Account(3)
)

// unit is a thousandth of a token of 18 decimals: amounts look like real ones.
const unit = 1_000_000_000_000_000

func amount(n int64) *big.Int { return new(big.Int).Mul(big.NewInt(n), big.NewInt(unit)) }

// market is a chain with the contracts and two tokens on it.
type market struct {
	t   *testing.T
	eth *ethclient.Client
	rpc *rpc.Client
	d   contracts.Deployment
	// dollars is the registry whose stakes are in dollars; that of d takes OpenZeppelin's token.
	dollars common.Address
	token   common.Address // OpenZeppelin's
	dollar  common.Address // as the large dollar tokens are
	nonces  map[common.Address]uint64
	// block is that of the newest receipt. A chain shows a receipt a moment before its head moves.
	block *big.Int
	// pending are transactions that nobody has waited for yet.
	pending []*types.Transaction
	c       *channels.Channels
	r       *registry.Registry
	erc20   *devtoken.DevToken // the plain token has the same functions, but for ERC-3009
}

func newMarket(t *testing.T, url string) *market {
	t.Helper()
	client, err := rpc.DialContext(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	m := &market{
		t: t, eth: ethclient.NewClient(client), rpc: client, nonces: map[common.Address]uint64{},
		c: channels.NewChannels(), r: registry.NewRegistry(), erc20: devtoken.NewDevToken(),
	}
	m.token = m.create(testToken(t, "PlainToken"))
	logic := m.create(testToken(t, "Dollar"))
	m.dollar = m.create(append(testToken(t, "DollarProxy"), word(logic[:])...))

	backend, err := chain.Dial(t.Context(), chain.Config{URLs: []string{url}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(backend.Close)
	journal, err := chain.OpenJournal(filepath.Join(t.TempDir(), "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = journal.Close() })
	sender, err := chain.NewSender(chain.SenderConfig{
		Client: backend, Signer: operator, Journal: journal, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	for stake, registry := range map[common.Address]*common.Address{m.token: &m.d.Registry, m.dollar: &m.dollars} {
		d, err := deploy.Contracts(t.Context(), deploy.Config{
			Backend: backend, Sender: sender, ExitDelay: time.Hour, UnbondDelay: time.Hour,
			DevToken: true, StakeToken: stake,
		})
		if err != nil {
			t.Fatal(err)
		}
		*registry = d.Registry
		m.d.ChainID, m.d.Channels, m.d.Token = d.ChainID, d.Channels, d.Token
	}
	if want := deploy.Addresses(devchain.ChainID, time.Hour, time.Hour, contracts.Amount{}); m.d.Channels != want.Channels || m.d.Token != want.Token {
		t.Errorf("deployed at %+v, not where every chain has them: %+v", m.d, want)
	}
	m.nonces[operator.Address()], err = m.eth.NonceAt(t.Context(), operator.Address(), nil)
	if err != nil {
		t.Fatal(err)
	}

	// Accounts that matter hold tokens already, as those of a running market do.
	for _, k := range []contracts.Key{operator, payer, payee, provider} {
		for _, token := range []common.Address{m.token, m.dollar, m.d.Token} {
			m.send(k, token, m.erc20.PackMint(k.Address(), amount(1_000_000_000)))
			m.send(k, token, m.erc20.PackApprove(m.d.Channels, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))))
			m.send(k, token, m.erc20.PackApprove(m.d.Registry, amount(1_000_000_000)))
			m.send(k, token, m.erc20.PackApprove(m.dollars, amount(1_000_000_000)))
			// and so does the contract
			m.send(k, token, m.erc20.PackMint(m.d.Channels, amount(1)))
			m.send(k, token, m.erc20.PackMint(m.d.Registry, amount(1)))
			m.send(k, token, m.erc20.PackMint(m.dollars, amount(1)))
		}
	}
	return m
}

// testToken is the creation code of a token that gas is measured with.
func testToken(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var artifact struct {
		Bytecode hexutil.Bytes `json:"bytecode"`
	}
	if err := json.Unmarshal(b, &artifact); err != nil {
		t.Fatal(err)
	}
	return artifact.Bytecode
}

func (m *market) create(code []byte) common.Address {
	m.t.Helper()
	return m.receipt(m.broadcast(operator, nil, code)).ContractAddress
}

// send sends a transaction, waits for it and returns its receipt's gas. A reverted one fails the test.
func (m *market) send(from contracts.Key, to common.Address, data []byte) uint64 {
	m.t.Helper()
	return m.receipt(m.broadcast(from, &to, data)).GasUsed
}

func (m *market) broadcast(from contracts.Key, to *common.Address, data []byte) *types.Transaction {
	m.t.Helper()
	nonce := m.nonces[from.Address()]
	m.nonces[from.Address()]++
	tx, err := types.SignNewTx(from.Private(), types.LatestSignerForChainID(big.NewInt(devchain.ChainID)), &types.DynamicFeeTx{
		ChainID: big.NewInt(devchain.ChainID), Nonce: nonce, To: to, Data: data, Gas: 1 << 24, // the most (EIP-7825)
		GasTipCap: big.NewInt(1_000_000_000), GasFeeCap: big.NewInt(100_000_000_000),
	})
	if err != nil {
		m.t.Fatal(err)
	}
	if err := m.eth.SendTransaction(m.t.Context(), tx); err != nil {
		m.t.Fatal(err)
	}
	return tx
}

func (m *market) receipt(tx *types.Transaction) *types.Receipt {
	m.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		r, err := m.eth.TransactionReceipt(m.t.Context(), tx.Hash())
		if err != nil {
			continue
		}
		if r.Status != types.ReceiptStatusSuccessful {
			m.t.Fatalf("transaction to %v reverted", tx.To())
		}
		if m.block == nil || r.BlockNumber.Cmp(m.block) > 0 {
			m.block = r.BlockNumber
		}
		return r
	}
	m.t.Fatalf("transaction %s was not mined", tx.Hash())
	return nil
}

// settle waits for all pending transactions.
func (m *market) settle() {
	m.t.Helper()
	for _, tx := range m.pending {
		m.receipt(tx)
	}
	m.pending = nil
}

func (m *market) advance(d time.Duration) {
	m.t.Helper()
	for _, call := range []struct {
		method string
		params []any
	}{{"evm_increaseTime", []any{int64(d / time.Second)}}, {"evm_mine", nil}} {
		if err := m.rpc.CallContext(m.t.Context(), nil, call.method, call.params...); err != nil {
			m.t.Fatal(err)
		}
	}
}

// sessionKey is the nth key that signs promises.
func sessionKey(n int) contracts.Key { return derived("session", n) }

func derived(what string, n int) contracts.Key {
	seed := crypto.Keccak256([]byte(what), common.BigToHash(big.NewInt(int64(n))).Bytes())
	private, err := crypto.ToECDSA(seed)
	if err != nil {
		panic(err)
	}
	return contracts.NewKey(private)
}

func word(b []byte) []byte { return common.LeftPadBytes(b, 32) }

func num(v *big.Int) []byte { return word(v.Bytes()) }

// digest is the EIP-712 digest of a struct in the domain of Channels.
func (m *market) digest(kind string, fields ...[]byte) common.Hash {
	return digestIn("Byway Channels", m.d.Channels, kind, fields...)
}

func sign(k contracts.Key, digest common.Hash) []byte {
	sig, err := k.SignDigest(digest)
	if err != nil {
		panic(err)
	}
	return sig
}

// compact is the EIP-2098 form.
func compact(k contracts.Key, digest common.Hash) []byte {
	sig := sign(k, digest)
	sig[32] |= sig[64] << 7
	return sig[:64]
}

func (m *market) promise(token, from common.Address, signer contracts.Key, cumulative *big.Int) []byte {
	return m.promiseTo(payee.Address(), token, from, signer, cumulative)
}

func (m *market) promiseTo(to, token, from common.Address, signer contracts.Key, cumulative *big.Int) []byte {
	digest := m.digest("Promise(address payer,address payee,address token,uint96 cumulative)",
		word(from[:]), word(to[:]), word(token[:]), num(cumulative))
	return append(append(from.Bytes(), num(cumulative)[20:]...), compact(signer, digest)...)
}

func (m *market) reserve(token, from common.Address, signer contracts.Key, ceiling *big.Int) []byte {
	to := payee.Address()
	digest := m.digest("Reserve(address payer,address payee,address token,uint96 ceiling,uint24 epoch,uint40 validUntil)",
		word(from[:]), word(to[:]), word(token[:]), num(ceiling), num(new(big.Int)), num(until))
	row := append(from.Bytes(), num(ceiling)[20:]...)
	return append(append(row, num(until)...), compact(signer, digest)...)
}

func (m *market) release(token, from, signer common.Address, ceiling, epoch, until *big.Int) []byte {
	return m.releaseOf(payee, token, from, signer, ceiling, epoch, until)
}

func (m *market) releaseOf(k contracts.Key, token, from, signer common.Address, ceiling, epoch, until *big.Int) []byte {
	to := k.Address()
	sig := sign(k, m.digest("Release(address token,address payer,address signer,address payee,uint96 ceiling,"+
		"uint24 epoch,uint40 validUntil)",
		word(token[:]), word(from[:]), word(signer[:]), word(to[:]), num(ceiling), num(epoch), num(until)))
	sig[64] += 27
	return sig
}
