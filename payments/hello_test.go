package payments

import (
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"byway/contracts"
)

// goldenHello is a Hello of the key 0x…01, who is its own payer, and what it hashes to and is signed with.
func goldenHello(t *testing.T) (Domain, contracts.Channel, common.Hash, contracts.Signer) {
	t.Helper()
	private, err := crypto.ToECDSA(common.BigToHash(big.NewInt(1)).Bytes())
	if err != nil {
		t.Fatal(err)
	}
	key := contracts.NewKey(private)
	return Domain{ChainID: 31337, Contract: common.HexToAddress("0x00000000000000000000000000000000000000c0")},
		contracts.Channel{
			Vault: contracts.Vault{
				Token: common.HexToAddress("0x00000000000000000000000000000000000000a0"), Payer: key.Address(), Signer: key.Address(),
			},
			Payee: common.HexToAddress("0x00000000000000000000000000000000000000b0"),
		}, common.HexToHash("0x0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"), key
}

func TestHelloIsSignedAsItsGoldenVectorSays(t *testing.T) {
	t.Parallel()
	d, c, hello, key := goldenHello(t)
	if got := d.HelloDigest(c, hello).Hex(); got != goldenHelloDigest {
		t.Errorf("the digest is %s, want %s", got, goldenHelloDigest)
	}
	data := typedData(d, "Hello", []apitypes.Type{
		{Name: "payer", Type: "address"}, {Name: "payee", Type: "address"}, {Name: "token", Type: "address"},
		{Name: "hello", Type: "bytes32"},
	}, apitypes.TypedDataMessage{
		"payer": c.Payer.Hex(), "payee": c.Payee.Hex(), "token": c.Token.Hex(), "hello": hello.Hex(),
	})
	want, _, err := apitypes.TypedDataAndHash(data)
	if err != nil {
		t.Fatal(err)
	}
	if common.BytesToHash(want) != d.HelloDigest(c, hello) {
		t.Errorf("go-ethereum hashes it to %x", want)
	}
	sig, err := d.SignHello(c, hello, key)
	if err != nil {
		t.Fatal(err)
	}
	if got := hexutil.Encode(sig[:]); got != goldenHelloSignature {
		t.Errorf("the signature is %s, want %s", got, goldenHelloSignature)
	}
	if err := d.VerifyHello(c, hello, sig); err != nil {
		t.Error(err)
	}
}

func TestHelloOfAnythingElseIsNotSigned(t *testing.T) {
	t.Parallel()
	d, c, hello, key := goldenHello(t)
	sig, err := d.SignHello(c, hello, key)
	if err != nil {
		t.Fatal(err)
	}
	stranger := common.Address{7}
	for name, change := range map[string]func(*Domain, *contracts.Channel, *common.Hash){
		"chain":    func(d *Domain, _ *contracts.Channel, _ *common.Hash) { d.ChainID++ },
		"contract": func(d *Domain, _ *contracts.Channel, _ *common.Hash) { d.Contract = stranger },
		"payer":    func(_ *Domain, c *contracts.Channel, _ *common.Hash) { c.Payer = stranger },
		"payee":    func(_ *Domain, c *contracts.Channel, _ *common.Hash) { c.Payee = stranger },
		"token":    func(_ *Domain, c *contracts.Channel, _ *common.Hash) { c.Token = stranger },
		"signer":   func(_ *Domain, c *contracts.Channel, _ *common.Hash) { c.Signer = stranger },
		"hello":    func(_ *Domain, _ *contracts.Channel, h *common.Hash) { h[31] ^= 1 },
	} {
		d, c, hello := d, c, hello
		change(&d, &c, &hello)
		if err := d.VerifyHello(c, hello, sig); !errors.Is(err, contracts.ErrBadSignature) {
			t.Errorf("with another %s: %v, want %v", name, err, contracts.ErrBadSignature)
		}
	}
	// What is signed for the contract opens no session, and the other way round, whatever the numbers in it.
	sum, err := contracts.AmountFromBytes(hello[32-contracts.AmountSize:])
	if err != nil {
		t.Fatal(err)
	}
	for name, digest := range map[string]common.Hash{
		"promise": d.PromiseDigest(Promise{Channel: c, Cumulative: sum}),
		"reserve": d.ReserveDigest(Reserve{Channel: c, Ceiling: sum}),
		"release": d.ReleaseDigest(Release{Channel: c, Ceiling: sum}),
	} {
		other, err := sign(digest, key, c.Signer)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.VerifyHello(c, hello, other); !errors.Is(err, contracts.ErrBadSignature) {
			t.Errorf("the signature of a %s opens a session: %v", name, err)
		}
	}
	if err := d.Verify(Promise{Channel: c, Cumulative: sum, Sig: sig}); !errors.Is(err, contracts.ErrBadSignature) {
		t.Errorf("the signature of a Hello is a promise's: %v", err)
	}
	if _, err := d.SignHello(contracts.Channel{Vault: contracts.Vault{Signer: stranger}}, hello, key); !errors.Is(err, ErrSecondSigner) {
		t.Errorf("a key signed for another one: %v", err)
	}
}

// Made once with this code and compared with go-ethereum's: whoever writes another client holds it against them.
const (
	goldenHelloDigest    = "0xc0b818cf3d8349a38fb8ac55ac7445cd06ab34640719f2802cae027a57b74a98"
	goldenHelloSignature = "0x8b4ab5351753621eef0e2c1bf81c90eeda61e7c52d5bf9e101f1f57feec33f741b5e32ee62383110ab3667af8457d33" +
		"eb6d3d2975316a304dbb109cf6e847ded"
)
