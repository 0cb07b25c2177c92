package claim

import (
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"byway/contracts"
)

var (
	testToken = common.HexToAddress("0x0000000000000000000000000000000000007042")
	testPayee = common.HexToAddress("0x00000000000000000000000000000000000Ba9ee")
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
