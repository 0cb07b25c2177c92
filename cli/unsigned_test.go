package cli

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"byway/contracts"
	"byway/node/home"
)

// TestColdProviderPublishesRetiresAndTakesItsStakeBack: the provider's key is in no home; it signs the offer and every
// transaction elsewhere.
func TestColdProviderPublishesRetiresAndTakesItsStakeBack(t *testing.T) {
	t.Parallel()
	owner, err := contracts.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "warm")
	flags := []string{"--home", dir, "--network", devnetFile(t), "--password-file", passwordFile(t)}
	must(t, with(flags, "account", "new", "--light", "--owner", owner.Address().Hex())...)
	must(t, with(flags, "devnet", "fund")...)

	// Where the key is, with what the serving machine says of itself.
	hostFile, offerFile := filepath.Join(t.TempDir(), "host.json"), filepath.Join(t.TempDir(), "offer.cbor")
	must(t, with(flags, "provider", "offer", "host", "--out", hostFile, "--host-addr", "/ip4/127.0.0.1/tcp/4999")...)
	draft := filepath.Join(t.TempDir(), "offer.toml")
	must(t, with(flags, "provider", "offer", "edit", "--file", draft)...)
	text := must(t, with(flags, "provider", "offer", "sign", "--unsigned", "--file", draft, "--host", hostFile, "--out",
		offerFile)...)
	var typed apitypes.TypedData
	if err := json.Unmarshal([]byte(text), &typed); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	digest, _, err := apitypes.TypedDataAndHash(typed)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := owner.SignDigest(common.Hash(digest))
	if err != nil {
		t.Fatal(err)
	}
	code, _, errOut := byway(t, with(flags, "provider", "offer", "publish", offerFile, "--unsigned")...)
	if code != 1 || !strings.Contains(errOut, "signature") {
		t.Errorf("an offer without a signature: %d, %q", code, errOut)
	}
	attach := with(flags, "provider", "offer", "attach", offerFile)
	if code, _, errOut = byway(t, append(attach, hexutil.Encode(sig[:64])+"1b1b")...); code != 1 {
		t.Errorf("a wrong signature: %d, %q", code, errOut)
	}
	sig[64] += 27 // as wallets do
	must(t, append(attach, hexutil.Encode(sig))...)

	do := func(want []string, words ...string) {
		t.Helper()
		unsigned := money(t, "byway.unsigned/1", append(with(flags, append([]string{"provider", "offer"}, words...)...),
			"--unsigned")...)
		var said []string
		for _, raw := range unsigned.Transactions {
			var tx struct{ What string }
			if err := json.Unmarshal(raw, &tx); err != nil {
				t.Fatal(err)
			}
			said = append(said, tx.What)
		}
		if got := strings.Join(said, ", "); got != strings.Join(want, ", ") {
			t.Errorf("to be signed for %v: %q, want %q", words, got, want)
		}
		if len(want) > 0 {
			must(t, append(with(flags, "tx", "submit"), signedElsewhere(t, owner, unsigned)...)...)
		}
	}
	do([]string{"let the Registry contract take the stake (approve)", "Registry.register"},
		"publish", offerFile, "--stake", "2")
	do(nil, "publish", offerFile, "--stake", "2") // it is there
	if v := money(t, "byway.vault/1", with(flags, "vault", "show")...); v.Wallet != amount(t, "98") {
		t.Errorf("with a stake of 2 the wallet has %s", v.Wallet)
	}
	do([]string{"Registry.leave"}, "retire")
	withdraw := with(flags, "provider", "offer", "unstake", "--unsigned", "--json")
	if code, _, errOut := byway(t, withdraw...); code != 1 || !strings.Contains(errOut, "would fail on chain") {
		t.Errorf("a stake that is locked still: %d, %q", code, errOut)
	}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(time.Second) {
		code, _, errOut := byway(t, withdraw...)
		if code == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the stake was not freed: %s", errOut)
		}
	}
	do([]string{"Registry.withdrawStake"}, "unstake")
	if v := money(t, "byway.vault/1", with(flags, "vault", "show")...); v.Wallet != amount(t, "100") {
		t.Errorf("with its stake back the wallet has %s", v.Wallet)
	}
	code, _, errOut = byway(t, withdraw...)
	if code != 1 || !strings.Contains(errOut, "byway provider offer retire") {
		t.Errorf("no stake: %d, %q", code, errOut)
	}
}

func TestMoneyOfAHomeInUseIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir, flags := funded(t)
	home, err := home.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := home.Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	for _, words := range [][]string{
		{"vault", "deposit", "1"}, {"vault", "withdraw", "all"}, {"channel", "open", "0x" + strings.Repeat("12", 20), "1"},
	} {
		code, _, errOut := byway(t, with(flags, words...)...)
		if code != 1 || !strings.Contains(errOut, "another byway process runs on "+dir+": stop it") {
			t.Errorf("%v while a daemon runs: %d, %q", words, code, errOut)
		}
	}
}
