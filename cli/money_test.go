package cli

import (
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	_ "modernc.org/sqlite" // the database/sql driver "sqlite"

	"byway/contracts"
	"byway/contracts/devchain"
	"byway/node/home"
	"byway/node/vault"
)

// moneyJSON holds the keys that the commands of this file share.
type moneyJSON struct {
	Schema       string            `json:"schema"`
	Sent         *vault.Receipt    `json:"sent"`
	Next         string            `json:"next"`
	Wallet       contracts.Amount  `json:"wallet"`
	Free         contracts.Amount  `json:"free"`
	Reserved     contracts.Amount  `json:"reserved"`
	Transactions []json.RawMessage `json:"transactions"`
	Channel      *struct {
		Reserved contracts.Amount `json:"reserved"`
		Exit     vault.Notice     `json:"exit"`
		ExitAt   *time.Time       `json:"exit_at"`
	} `json:"channel"`
	Channels []json.RawMessage `json:"channels"`
}

func money(t *testing.T, schema string, args ...string) (out moneyJSON) {
	t.Helper()
	text := must(t, append(args, "--json")...)
	if err := json.Unmarshal([]byte(text), &out); err != nil || out.Schema != schema {
		t.Fatalf("byway %s: %q, %v", strings.Join(args, " "), text, err)
	}
	return out
}

func amount(t *testing.T, tokens string) contracts.Amount {
	t.Helper()
	a, err := contracts.ParseTokens(tokens, 18)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestMoneyComesBackWithoutTheProvider: the provider here does not even exist.
func TestMoneyComesBackWithoutTheProvider(t *testing.T) {
	t.Parallel()
	_, flags := funded(t)
	provider := devchain.Account(7).Address().Hex()
	v := money(t, "byway.vault/1", with(flags, "vault", "deposit", "2")...)
	if v.Free != amount(t, "2") || v.Wallet != amount(t, "98") || v.Sent == nil || v.Sent.Gas == 0 || v.Sent.Block == 0 {
		t.Errorf("after the deposit: %+v", v)
	}
	c := money(t, "byway.channel/1", with(flags, "channel", "open", provider, "3")...)
	if c.Channel == nil || c.Channel.Reserved != amount(t, "3") || !strings.Contains(c.Next, provider) {
		t.Errorf("after opening: %+v", c)
	}
	if list := money(t, "byway.channel/1", with(flags, "channel", "list")...); len(list.Channels) != 1 {
		t.Errorf("listed %d channels", len(list.Channels))
	}
	if out := must(t, with(flags, "channel", "list")...); !strings.Contains(out, provider) || !strings.Contains(out, "3 BYW") {
		t.Errorf("the list for people is %q", out)
	}
	code, _, errOut := byway(t, with(flags, "vault", "withdraw", "1")...)
	if code != 1 || !strings.Contains(errOut, "byway channel exit") {
		t.Errorf("withdrawing what is set aside: %d, %q", code, errOut)
	}
	c = money(t, "byway.channel/1", with(flags, "channel", "revoke", provider)...)
	if c.Sent == nil || c.Sent.Gas == 0 || c.Channel.Reserved != amount(t, "3") {
		t.Errorf("after revoking: %+v", c)
	}
	if out := must(t, with(flags, "channel", "revoke", devchain.Account(6).Address().Hex())...); !strings.Contains(out, "Revoked:") {
		t.Errorf("revoking what never was: %q", out)
	}
	c = money(t, "byway.channel/1", with(flags, "channel", "exit", provider)...)
	if c.Channel.Exit != vault.NoticeRunning || c.Channel.ExitAt == nil || !strings.Contains(c.Next, "channel exit") {
		t.Errorf("after the announcement: %+v", c)
	}
	code, _, errOut = byway(t, with(flags, "channel", "exit", provider)...)
	if code != 1 || !strings.Contains(errOut, "not before") {
		t.Errorf("finishing too early: %d, %q", code, errOut)
	}
	if c = money(t, "byway.channel/1", with(flags, "channel", "exit", provider, "--cancel")...); c.Channel.Exit != vault.NoticeNone {
		t.Errorf("after cancelling: %+v", c)
	}
	code, _, errOut = byway(t, with(flags, "channel", "close", provider)...)
	if code != 1 || !strings.Contains(errOut, "needs nobody's consent") {
		t.Errorf("closing with nobody: %d, %q", code, errOut)
	}
	c = money(t, "byway.channel/1", with(flags, "channel", "exit", provider, "--wait")...)
	if !c.Channel.Reserved.IsZero() || c.Next != "byway vault withdraw all" {
		t.Errorf("after the exit: %+v", c)
	}
	to := devchain.Account(8).Address().Hex()
	money(t, "byway.vault/1", with(flags, "vault", "withdraw", "0.5", "--to", to)...)
	v = money(t, "byway.vault/1", with(flags, "vault", "withdraw", "all")...)
	if !v.Free.IsZero() || !v.Reserved.IsZero() || v.Wallet != amount(t, "99.5") {
		t.Errorf("in the end: %+v", v)
	}
}

func TestAccountComesBackFromItsPhrase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	phrase, password := filepath.Join(dir, "phrase"), passwordFile(t)
	first := must(t, "--home", filepath.Join(dir, "a"), "--password-file", password, "--json",
		"account", "new", "--light", "--phrase-file", phrase)
	again := must(t, "--home", filepath.Join(dir, "b"), "--password-file", password, "--json",
		"account", "restore", "--light", "--phrase-file", phrase)
	var a, b accountJSON
	if json.Unmarshal([]byte(first), &a) != nil || json.Unmarshal([]byte(again), &b) != nil || a.Address != b.Address ||
		a.Session != b.Session || a.Address == a.Session {
		t.Errorf("%s came back as %s", first, again)
	}
	code, _, errOut := byway(t, "--home", filepath.Join(dir, "c"), "--password-file", password,
		"account", "new", "--light", "--phrase-file", phrase)
	if code == 0 || !strings.Contains(errOut, "exists") {
		t.Errorf("a phrase was overwritten: %d, %q", code, errOut)
	}
	if err := os.WriteFile(phrase, []byte(strings.Repeat("zoo ", 12)), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, errOut = byway(t, "--home", filepath.Join(dir, "c"), "--password-file", password,
		"account", "restore", "--light", "--phrase-file", phrase)
	if code != 1 || !strings.Contains(errOut, "do not belong together") {
		t.Errorf("a wrong phrase gave %d, %q", code, errOut)
	}
}

func TestPhraseIsShownOnceAndMadeSureOf(t *testing.T) {
	t.Parallel()
	phrase, err := home.ParsePhrase(devchain.Mnemonic)
	if err != nil {
		t.Fatal(err)
	}
	var screen strings.Builder
	// The word that is asked for is always "test", except where it is the last one.
	err = showPhrase(&screen, strings.NewReader("test\ntest\n"), phrase)
	if asked := strings.Contains(screen.String(), "Word 12"); asked != (err != nil) {
		t.Errorf("right words gave %v: %q", err, screen.String())
	}
	if err := showPhrase(&screen, strings.NewReader("junk\n"), phrase); err == nil ||
		!strings.Contains(err.Error(), "nothing was made") {
		t.Errorf("a wrong word gave %v", err)
	}
}

// signedElsewhere signs transactions as a wallet would that never saw the home.
func signedElsewhere(t *testing.T, owner contracts.Key, unsigned moneyJSON) (list []string) {
	t.Helper()
	if len(unsigned.Transactions) == 0 {
		t.Fatal("there is nothing to sign")
	}
	for _, text := range unsigned.Transactions {
		var f struct {
			Nonce, Gas                                  hexutil.Uint64
			ChainID, MaxFeePerGas, MaxPriorityFeePerGas *hexutil.Big
			From, To                                    common.Address
			Data                                        hexutil.Bytes
			SigningHash                                 common.Hash
		}
		if err := json.Unmarshal(text, &f); err != nil {
			t.Fatal(err)
		}
		signer := types.NewLondonSigner(f.ChainID.ToInt())
		tx, err := types.SignNewTx(owner.Private(), signer, &types.DynamicFeeTx{
			ChainID: f.ChainID.ToInt(), Nonce: uint64(f.Nonce), Gas: uint64(f.Gas), To: &f.To, Data: f.Data,
			GasFeeCap: f.MaxFeePerGas.ToInt(), GasTipCap: f.MaxPriorityFeePerGas.ToInt(),
		})
		if err != nil {
			t.Fatal(err)
		}
		if f.From != owner.Address() || f.SigningHash != signer.Hash(tx) {
			t.Errorf("to be signed by %s, hash %s, want %s, %s", f.From, f.SigningHash, owner.Address(), signer.Hash(tx))
		}
		raw, err := tx.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, hexutil.Encode(raw))
	}
	return list
}

// TestColdAccountEndsAChannelWithItsProvider: the owner's key is in no home, from the deposit to the last withdrawal.
func TestColdAccountEndsAChannelWithItsProvider(t *testing.T) {
	t.Parallel()
	sellerDir, seller := funded(t)
	startProvider(t, seller)
	owner, err := contracts.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	flags := []string{
		"--home", filepath.Join(t.TempDir(), "cold"), "--network", devnetFile(t), "--password-file", passwordFile(t),
	}
	must(t, with(flags, "account", "new", "--light", "--owner", owner.Address().Hex())...)
	must(t, with(flags, "devnet", "fund")...)
	provider := onlyFrom(t, sellerDir)[1]
	do := func(words ...string) {
		t.Helper()
		unsigned := money(t, "byway.unsigned/1", append(with(flags, words...), "--unsigned")...)
		must(t, append(with(flags, "tx", "submit"), signedElsewhere(t, owner, unsigned)...)...)
	}
	do("channel", "open", provider, "2")
	if v := money(t, "byway.vault/1", with(flags, "vault", "show")...); v.Wallet != amount(t, "98") {
		t.Errorf("after opening the wallet has %s", v.Wallet)
	}
	code, _, errOut := byway(t, with(flags, "channel", "close", provider)...)
	if code != 1 || !strings.Contains(errOut, "--unsigned") {
		t.Errorf("closing without the key: %d, %q", code, errOut)
	}
	do("channel", "close", provider)
	v := money(t, "byway.vault/1", with(flags, "vault", "show")...)
	if v.Wallet != amount(t, "100") || !v.Free.IsZero() {
		t.Errorf("after the close the wallet has %s, the vault %s", v.Wallet, v.Free)
	}
	do("channel", "open", provider, "1")
	do("channel", "exit", provider)
	do("channel", "exit", provider, "--cancel")
}

func TestColdAccountSignsElsewhere(t *testing.T) {
	t.Parallel()
	owner, err := contracts.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	flags := []string{
		"--home", filepath.Join(t.TempDir(), "cold"), "--network", devnetFile(t), "--password-file", passwordFile(t),
	}
	must(t, with(flags, "account", "new", "--light", "--owner", owner.Address().Hex())...)
	must(t, with(flags, "devnet", "fund")...)
	code, _, errOut := byway(t, with(flags, "vault", "deposit", "1")...)
	if code != 1 || !strings.Contains(errOut, "--unsigned") {
		t.Errorf("a deposit without the key: %d, %q", code, errOut)
	}
	unsigned := money(t, "byway.unsigned/1", with(flags, "vault", "deposit", "1", "--unsigned")...)
	submit := append(with(flags, "tx", "submit"), signedElsewhere(t, owner, unsigned)...)
	if out := must(t, submit...); strings.Count(out, owner.Address().Hex()) != 2 {
		t.Errorf("submitting said %q", out)
	}
	if v := money(t, "byway.vault/1", with(flags, "vault", "show")...); v.Free != amount(t, "1") {
		t.Errorf("the vault holds %s", v.Free)
	}
	for _, wrong := range []string{"0x1234", "zz", "0x02c0"} {
		if code, _, errOut := byway(t, with(flags, "tx", "submit", wrong)...); code == 0 || errOut == "" {
			t.Errorf("%q was submitted: %d, %q", wrong, code, errOut)
		}
	}
}

func TestLedgerOfADemoIsExactAndADamagedOneIsNamed(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "kept")
	must(t, "demo", "--keep", dir, "--json")
	home := filepath.Join(dir, "provider-2")
	flags := []string{"--home", home, "--rpc", "http://127.0.0.1:1"}
	verify := with(flags, "ledger", "verify", "--json")
	var r ledgerJSON
	if err := json.Unmarshal([]byte(must(t, verify...)), &r); err != nil || !r.Exact || r.Chain || r.NoChain == "" ||
		r.Sessions != 1 || r.Claims != 1 || r.Signatures == 0 {
		t.Errorf("a demo's ledger: %+v, %v", r, err)
	}
	backup := filepath.Join(dir, "copy.db")
	must(t, with(flags, "ledger", "backup", backup)...)
	if code, _, errOut := byway(t, with(flags, "ledger", "restore", backup)...); code != 1 || !strings.Contains(errOut, "exist") {
		t.Errorf("a ledger was overwritten: %d, %q", code, errOut)
	}
	db, err := sql.Open("sqlite", filepath.Join(home, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("UPDATE session SET amount = x'000000000000000000000001'"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	code, out, errOut := byway(t, verify...)
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 1 || r.Exact || len(r.Problems) == 0 ||
		!strings.Contains(strings.Join(r.Problems, "\n"), "session 1") || !strings.Contains(errOut, "not exact") {
		t.Errorf("an altered session gave %d, %q, %q, %v", code, out, errOut, err)
	}
	again := filepath.Join(dir, "again")
	must(t, "--home", again, "ledger", "restore", backup)
	if err := json.Unmarshal([]byte(must(t, "--home", again, "--rpc", "http://127.0.0.1:1", "ledger", "verify", "--json")),
		&r); err != nil || !r.Exact {
		t.Errorf("the restored ledger: %+v, %v", r, err)
	}
}
