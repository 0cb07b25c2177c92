package chain

import (
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"byway/contracts/bindings/channels"
	"byway/contracts/bindings/devtoken"
	"byway/contracts/bindings/erc20"
	"byway/contracts/bindings/registry"
)

// Every error that our contracts declare is told in words, with its arguments in it; so are those that other tokens use.
func TestAdversaryEveryRevertIsToldInWords(t *testing.T) {
	t.Parallel()
	declared := map[string]abi.Error{}
	for _, meta := range []interface{ ParseABI() (*abi.ABI, error) }{
		&channels.ChannelsMetaData, &registry.RegistryMetaData, &devtoken.DevTokenMetaData, &erc20.ERC20MetaData,
	} {
		parsed, err := meta.ParseABI()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range parsed.Errors {
			declared[e.Sig] = e
		}
	}
	known := map[string]bool{}
	seen := map[[4]byte]string{}
	for _, c := range customErrors {
		known[c.signature] = true
		if other, twice := seen[c.selector()]; twice {
			t.Errorf("%s and %s have one selector", c.signature, other)
		}
		seen[c.selector()] = c.signature
		data := crypto.Keccak256([]byte(c.signature))[:4]
		for i := range strings.Count(c.signature, ",") + 1 {
			data = append(data, common.LeftPadBytes(big.NewInt(1_800_000_000+int64(i)).Bytes(), 32)...)
		}
		reason := revertReason(data)
		if strings.ContainsAny(reason, "{}") || strings.Contains(reason, "0x"+common.Bytes2Hex(data[:4])) ||
			strings.Contains(reason, "custom error") {
			t.Errorf("%s: %s", c.signature, reason)
		}
		if !Reverted(&RevertError{Reason: reason, Data: data}, c.name()) ||
			!Reverted(&RevertError{Reason: reason}, c.name()) && !strings.HasPrefix(c.words, "{") {
			t.Errorf("%s is not recognized", c.signature)
		}
		if cut := revertReason(data[:min(len(data), 4)]); strings.Contains(c.words, "{") && !strings.Contains(cut, c.name()) {
			t.Errorf("%s without its arguments: %s", c.signature, cut)
		}
	}
	for sig := range declared {
		if !known[sig] {
			t.Errorf("%s is declared by a contract and has no words", sig)
		}
	}
	unknown := revertReason(common.FromHex("deadbeef00"))
	t.Logf("adversary: a contract refuses | bound: %d declared errors in words, others named by selector | seen: %d; %s",
		len(declared), len(customErrors), unknown)
	if !strings.Contains(unknown, "0xdeadbeef") {
		t.Error(unknown)
	}
	if Reverted(errors.New("no revert"), "NoExit") || Reverted(&RevertError{Reason: "nonsense"}, "NoExit") {
		t.Error("recognized what is not there")
	}
	data := append(crypto.Keccak256([]byte("ERC20InsufficientAllowance(address,uint256,uint256)"))[:4],
		common.LeftPadBytes([]byte{0xaa}, 32)...)
	data = append(append(data, common.LeftPadBytes([]byte{5}, 32)...), common.LeftPadBytes([]byte{9}, 32)...)
	if got, want := revertReason(data), "0x00000000000000000000000000000000000000aa may take 5 base units of the token and "+
		"9 base units are to be moved: approve more"; !strings.EqualFold(got, want) {
		t.Errorf("%s, want %s", got, want)
	}
}
