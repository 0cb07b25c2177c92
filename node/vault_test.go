package node_test

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"byway/contracts"
	"byway/contracts/bindings/channels"
	"byway/contracts/chain/chaintest"
	"byway/node/home"
	"byway/node/vault"
	"byway/node/wire"
	"byway/payments/pace"
)

// wallet opens the consumer's money with no consumer beside it, until the test ends or done is called.
func (m *world) wallet() (w *vault.Wallet, done func()) {
	m.t.Helper()
	w, err := vault.Open(m.ctx, vault.Config{
		Home: m.cfg.Home, Network: m.Network, Owner: m.cfg.Key.Address(), Session: m.cfg.Session.Address(), Key: m.cfg.Key,
	})
	if err != nil {
		m.t.Fatal(err)
	}
	closed := false
	done = func() {
		if !closed {
			closed = true
			check(m.t, w.Close())
		}
	}
	m.t.Cleanup(done)
	return w, done
}

// TestConsumerLeavesAloneWithAllButWhatWasSettled: deposit, pay, exit while the provider is off, withdraw.
func TestConsumerLeavesAloneWithAllButWhatWasSettled(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{deposit: "0"})
	start, err := m.TokenBalance(m.ctx, m.cfg.Key.Address())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.consumer.Fund(m.ctx, m.offer().Offer, tokens("1")); err != nil {
		t.Fatal(err)
	}
	s := m.connect()
	if err := m.download(s.Tunnel(), 3<<20); err != nil {
		t.Fatal(err)
	}
	receipt := m.settled(s)
	claimed, err := m.provider.Claim(m.ctx, false)
	if err != nil || claimed.Total != receipt.Paid {
		t.Fatalf("claimed %s of %s, %v", claimed.Total, receipt.Paid, err)
	}
	provider := m.offer().Offer.Payee
	check(t, m.consumer.Close())
	check(t, m.stop()) // from here on nobody helps

	w, _ := m.wallet()
	if _, err := w.Deposit(m.ctx, tokens("0.5")); err != nil {
		t.Fatal(err)
	}
	v, err := w.Vault(m.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Channels) != 1 || *v.Free != tokens("0.5") {
		t.Fatalf("the vault is %+v", v)
	}
	c := v.Channels[0]
	if c.Provider != provider || c.Settled != receipt.Paid || c.Promised != receipt.Paid || !c.Owed.IsZero() ||
		c.Reserved != tokens("1").SubFloor(receipt.Paid) || c.Exit != vault.NoticeNone {
		t.Errorf("the channel is %+v, paid were %s", c, receipt.Paid)
	}
	if _, err := w.FinishExit(m.ctx, provider); err == nil {
		t.Error("an exit that was never started was finished")
	}
	sent, err := w.StartExit(m.ctx, provider)
	if err != nil || sent.Gas == 0 || sent.TxHash == (common.Hash{}) {
		t.Fatalf("start exit: %+v, %v", sent, err)
	}
	if _, err := w.CancelExit(m.ctx, provider); err != nil {
		t.Fatal(err)
	}
	if _, err := w.StartExit(m.ctx, provider); err != nil {
		t.Fatal(err)
	}
	if c, err = w.Channel(m.ctx, provider); err != nil || c.Exit != vault.NoticeRunning || c.ExitAt == nil {
		t.Fatalf("the channel is %+v, %v", c, err)
	}
	if _, err := w.FinishExit(m.ctx, provider); err == nil || !strings.Contains(err.Error(), "not before") {
		t.Errorf("an exit was finished before its time: %v", err)
	}
	if err := m.Chain.Advance(home.DevnetExitDelay + time.Minute); err != nil {
		t.Fatal(err)
	}
	if c, err = w.Channel(m.ctx, provider); err != nil || c.Exit != vault.NoticeOver {
		t.Fatalf("the channel is %+v, %v", c, err)
	}
	if _, err := w.FinishExit(m.ctx, provider); err != nil {
		t.Fatal(err)
	}
	too := tokens("3")
	if _, err := w.Withdraw(m.ctx, &too, common.Address{}); err == nil {
		t.Error("more was withdrawn than there is")
	}
	if _, err := w.Withdraw(m.ctx, nil, common.Address{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Withdraw(m.ctx, nil, common.Address{}); !errors.Is(err, vault.ErrNothingFree) {
		t.Errorf("an empty vault gave %v", err)
	}
	end, err := m.TokenBalance(m.ctx, m.cfg.Key.Address())
	if err != nil {
		t.Fatal(err)
	}
	if want := start.SubFloor(receipt.Paid); end != want {
		t.Errorf("the wallet ends with %s, want %s: the start minus what was settled", end, want)
	}
}

func TestChannelClosesInOneTransactionWhenTheProviderAnswers(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{deposit: "0"})
	start, err := m.TokenBalance(m.ctx, m.cfg.Key.Address())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.consumer.Fund(m.ctx, m.offer().Offer, tokens("1")); err != nil {
		t.Fatal(err)
	}
	provider := m.offer().Offer.Payee
	s := m.connect()
	if err := m.download(s.Tunnel(), 2<<20); err != nil {
		t.Fatal(err)
	}
	var refused *wire.RefusalError
	if _, err := m.consumer.CloseChannel(m.ctx, provider, common.Address{}); !errors.As(err, &refused) {
		t.Errorf("a channel with an open session closed: %v", err)
	}
	receipt := m.settled(s) // promised, and not claimed
	sent, err := m.consumer.CloseChannel(m.ctx, provider, common.Address{})
	if err != nil {
		t.Fatal(err)
	}
	if want := tokens("1").SubFloor(receipt.Paid); sent.Amount != want || sent.Gas == 0 {
		t.Errorf("closing gave %+v, want %s", sent, want)
	}
	end, err := m.TokenBalance(m.ctx, m.cfg.Key.Address())
	if err != nil {
		t.Fatal(err)
	}
	if want := start.SubFloor(receipt.Paid); end != want {
		t.Errorf("the wallet ends with %s, want %s", end, want)
	}
	paid, err := m.TokenBalance(m.ctx, provider)
	if err != nil {
		t.Fatal(err)
	}
	if want, _ := tokens("5").Add(receipt.Paid); paid != want {
		t.Errorf("the provider has %s, want %s", paid, want)
	}
	// The claimer finds it settled.
	if _, err := m.provider.Claim(m.ctx, false); err != nil {
		t.Fatal(err)
	}
	if e, err := m.provider.Earnings(m.ctx); err != nil || e.Settled != receipt.Paid || !e.Unsettled.IsZero() {
		t.Errorf("earnings %+v, %v", e, err)
	}
}

// TestStrangerCannotHaveAReserveReleased: a provider must not count on less because somebody else asks for it.
func TestStrangerCannotHaveAReserveReleased(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	if err := m.consumer.AskReleaseAs(m.ctx, m.offer().Offer, mustKey(t)); err == nil ||
		!strings.Contains(err.Error(), "session key") {
		t.Errorf("a stranger's request gave %v", err)
	}
}

func mustKey(t *testing.T) contracts.Key {
	t.Helper()
	key, err := contracts.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestExitIsAnsweredWithinABlock: the provider claims what it was promised as soon as it sees that the consumer leaves.
func TestExitIsAnsweredWithinABlock(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	s := m.connect()
	if err := m.download(s.Tunnel(), 2<<20); err != nil {
		t.Fatal(err)
	}
	receipt := m.settled(s)
	w, err := m.consumer.Wallet()
	if err != nil {
		t.Fatal(err)
	}
	provider := m.offer().Offer.Payee
	sent, err := w.StartExit(m.ctx, provider)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		c, err := w.Channel(m.ctx, provider)
		if err != nil {
			t.Fatal(err)
		}
		if c.Settled == receipt.Paid {
			t.Logf("exit in block %d, claimed by block %d", sent.Block, c.Block)
			if c.Block > sent.Block+1 {
				t.Errorf("the exit of block %d was answered in block %d", sent.Block, c.Block)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the provider did not claim: %+v", c)
		}
	}
}

// signElsewhere signs what a transaction's JSON says, and nothing else, as a wallet does that knows nothing of Byway:
// the fields go through an own description of the EIP-1559 form.
func signElsewhere(t *testing.T, text []byte, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	var f struct {
		Type, Nonce, Gas                          uint64Hex
		ChainID                                   *hexutil.Big `json:"chainId"`
		Value, MaxFeePerGas, MaxPriorityFeePerGas *hexutil.Big
		To                                        common.Address
		Data                                      hexutil.Bytes
	}
	if err := json.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	if f.Type != 2 {
		t.Fatalf("type %d", f.Type)
	}
	tx, err := types.SignNewTx(key, types.NewLondonSigner((*big.Int)(f.ChainID)), &types.DynamicFeeTx{
		ChainID: (*big.Int)(f.ChainID), Nonce: uint64(f.Nonce), Gas: uint64(f.Gas), To: &f.To, Data: f.Data,
		Value: (*big.Int)(f.Value), GasFeeCap: (*big.Int)(f.MaxFeePerGas), GasTipCap: (*big.Int)(f.MaxPriorityFeePerGas),
	})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

type uint64Hex = hexutil.Uint64

// TestColdOwnerPaysExitsAndWithdrawsWithoutItsKeyInTheHome prints every action, signs it elsewhere and submits it.
func TestColdOwnerPaysExitsAndWithdrawsWithoutItsKeyInTheHome(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{deposit: "0"})
	owner, folder := mustKey(t), m.cfg.Home
	check(t, m.consumer.Close())
	if err := folder.NewColdAccount(owner.Address(), "secret", home.Light); err != nil {
		t.Fatal(err)
	}
	if err := m.Fund(m.ctx, owner.Address(), tokens("5")); err != nil {
		t.Fatal(err)
	}
	cold, session, err := folder.Unlock("secret")
	if err != nil {
		t.Fatal(err)
	}
	provider := m.offer().Offer.Payee
	act := func(want int, do func(*vault.Wallet) (vault.Receipt, error)) {
		t.Helper()
		w, err := vault.Open(m.ctx, vault.Config{
			Home: folder, Network: m.Network, Owner: owner.Address(), Session: session.Address(),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if _, err := do(w); err != nil {
			t.Fatal(err)
		}
		list, err := w.Unsigned(m.ctx)
		if err != nil || len(list) != want {
			t.Fatalf("%d transactions to sign, want %d, %v", len(list), want, err)
		}
		for _, u := range list {
			text, err := json.Marshal(u)
			if err != nil {
				t.Fatal(err)
			}
			raw := signElsewhere(t, text, owner.Private())
			tx := new(types.Transaction)
			if err := tx.UnmarshalBinary(raw); err != nil {
				t.Fatal(err)
			}
			if h := types.NewLondonSigner(tx.ChainId()).Hash(tx); h != u.SigningHash {
				t.Errorf("%s: the hash to sign is %s, printed was %s", u.What, h, u.SigningHash)
			}
			from, sent, err := vault.SubmitSigned(m.ctx, m.Network, raw)
			if err != nil || from != owner.Address() || sent.Gas == 0 {
				t.Fatalf("%s: from %s, %+v, %v", u.What, from, sent, err)
			}
			if _, _, err := vault.SubmitSigned(m.ctx, m.Network, raw); err != nil {
				t.Errorf("%s: submitted again: %v", u.What, err)
			}
		}
	}
	act(2, func(w *vault.Wallet) (vault.Receipt, error) { return w.Deposit(m.ctx, tokens("1")) })
	act(1, func(w *vault.Wallet) (vault.Receipt, error) { return w.Reserve(m.ctx, provider, tokens("0.4")) })
	act(2, func(w *vault.Wallet) (vault.Receipt, error) { return w.Reserve(m.ctx, provider, tokens("1")) })

	// The session key alone opens a session, within what was set aside.
	m.cfg.Key, m.cfg.Session = cold, session
	m.openConsumer()
	if _, err := m.consumer.Fund(m.ctx, m.offer().Offer, tokens("1")); err != nil {
		t.Fatal(err)
	}
	if _, err := m.consumer.Fund(m.ctx, m.offer().Offer, tokens("2")); !errors.Is(err, home.ErrCold) {
		t.Errorf("a deposit that needs the cold key gave %v", err)
	}
	s := m.connect()
	if err := m.download(s.Tunnel(), 1<<20); err != nil {
		t.Fatal(err)
	}
	receipt := m.settled(s)
	if _, err := m.provider.Claim(m.ctx, false); err != nil {
		t.Fatal(err)
	}
	check(t, m.consumer.Close())

	act(1, func(w *vault.Wallet) (vault.Receipt, error) { return w.StartExit(m.ctx, provider) })
	if err := m.Chain.Advance(home.DevnetExitDelay + time.Minute); err != nil {
		t.Fatal(err)
	}
	act(1, func(w *vault.Wallet) (vault.Receipt, error) { return w.FinishExit(m.ctx, provider) })
	act(1, func(w *vault.Wallet) (vault.Receipt, error) { return w.Withdraw(m.ctx, nil, common.Address{}) })
	end, err := m.TokenBalance(m.ctx, owner.Address())
	if err != nil {
		t.Fatal(err)
	}
	if want := tokens("5").SubFloor(receipt.Paid); end != want {
		t.Errorf("the wallet ends with %s, want %s", end, want)
	}
}

// TestColdDepositPaysAnyProviderThroughTheSignedReserve: nothing was set aside on chain, and the session costs more than
// a provider trusts anybody with; the reserve in the Hello, which the provider posts, carries it on.
func TestColdDepositPaysAnyProviderThroughTheSignedReserve(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{deposit: "0"})
	w, err := m.consumer.Wallet()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Deposit(m.ctx, tokens("1")); err != nil {
		t.Fatal(err)
	}
	check(t, m.consumer.Close())
	m.cfg.Key = home.Cold(m.cfg.Key.Address())
	m.openConsumer()
	if w, err = m.consumer.Wallet(); err != nil {
		t.Fatal(err)
	}
	if sent, err := m.consumer.Fund(m.ctx, m.offer().Offer, tokens("0.5")); err != nil || sent.GasUsed != 0 {
		t.Fatalf("funding from the vault sent %+v, %v", sent, err)
	}
	m.outspendsTrust(w, m.offer().Offer.Payee, pace.TrustBytes, tokens("1"))
	// A home that knows nothing finds the channel, though nobody but the provider has sent anything for it.
	home, err := home.Open(t.TempDir())
	check(t, err)
	other, err := vault.Open(m.ctx, vault.Config{
		Home: home, Network: m.Network, Owner: m.cfg.Key.Address(), Session: m.cfg.Session.Address(), Key: m.cfg.Key,
	})
	check(t, err)
	defer other.Close()
	vault, err := other.Vault(m.ctx, new(uint64))
	check(t, err)
	if len(vault.Channels) != 1 || vault.Channels[0].Provider != m.offer().Offer.Payee || vault.Channels[0].Ceiling != tokens("1") {
		t.Errorf("a new home finds %+v", vault.Channels)
	}
}

// TestReserveOfAnEpochThatIsOverIsAskedForAgain: the consumer's endpoint is a block behind and shows an epoch that is over.
// Its reserve is worth nothing, and the provider, which sees that, gets another one. Where the consumer sees no later epoch
// either it is served on what else it has.
func TestReserveOfAnEpochThatIsOverIsAskedForAgain(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{deposit: "0"})
	w, err := m.consumer.Wallet()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Deposit(m.ctx, tokens("1")); err != nil {
		t.Fatal(err)
	}
	provider := m.offer().Offer.Payee
	check(t, second(w.RevokeReserves(m.ctx, provider)))
	m.consumer.Lag(1, 1000)
	s := m.connect()
	if err := m.download(s.Tunnel(), 2<<20); err != nil {
		t.Fatal(err)
	}
	m.settled(s)
	check(t, second(w.RevokeReserves(m.ctx, provider)))
	left := m.consumer.Lag(1, 2) // when the payer is made, and for the Hello
	c := m.outspendsTrust(w, provider, pace.TrustBytes, tokens("1"))
	if c.Epoch != 3 || left() > 0 {
		t.Errorf("the channel is %+v, %d readings lagged less than they should", c, left())
	}
}

// TestChannelClosesThoughItsEpochEndsMeanwhile: the provider has the consumer's reserve posted between its consent and the
// closing transaction. It is asked again.
func TestChannelClosesThoughItsEpochEndsMeanwhile(t *testing.T) {
	t.Parallel()
	var rpc *chaintest.Proxy
	m := startMarket(t, marketConfig{deposit: "0", rpc: func(url string) string {
		rpc = chaintest.Start(t, url)
		return rpc.URL
	}})
	if _, err := m.consumer.Fund(m.ctx, m.offer().Offer, tokens("1")); err != nil {
		t.Fatal(err)
	}
	provider := m.offer().Offer.Payee
	w, err := m.consumer.Wallet()
	if err != nil {
		t.Fatal(err)
	}
	// The consumer asks what the closing transaction needs when it has the provider's consent.
	closing := hex.EncodeToString(contractsABI(t).Methods["closeAndWithdraw"].ID)
	ended := 0
	rpc.Set(func(_ http.ResponseWriter, _ *http.Request, q *chaintest.Query) bool {
		if q.Method != "eth_estimateGas" || !bytes.Contains(q.Body, []byte("0x"+closing)) {
			return false
		}
		if ended++; ended <= 2 {
			check(t, second(w.RevokeReserves(m.ctx, provider)))
		}
		return false
	})
	sent, err := m.consumer.CloseChannel(m.ctx, provider, common.Address{})
	rpc.Set(nil)
	if err != nil || sent.Amount != tokens("1") || ended != 3 {
		t.Errorf("closing gave %+v, %v, and was sent %d times", sent, err, ended)
	}
}

// second is the error of a call that answers something beside it.
func second[T any](_ T, err error) error { return err }

func contractsABI(t *testing.T) abi.ABI {
	t.Helper()
	parsed, err := channels.ChannelsMetaData.ParseABI()
	if err != nil {
		t.Fatal(err)
	}
	return *parsed
}
