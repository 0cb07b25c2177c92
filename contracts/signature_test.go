package contracts_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	p2pcrypto "github.com/libp2p/go-libp2p/core/crypto"

	"byway/contracts"
	"byway/node/wire"
	"byway/payments"
	"byway/registry"
)

// upper is a signature whose s is the least of the upper half, which alone of that half and a little more fits the compact
// form, and the account that the curve recovers from it.
func upper(t *testing.T, digest common.Hash, sig contracts.Signature) (contracts.Signature, common.Address) {
	t.Helper()
	half := new(big.Int).Rsh(crypto.S256().Params().N, 1)
	half.Add(half, big.NewInt(1)).FillBytes(sig[32:])
	public, err := crypto.Ecrecover(digest[:], append(sig[:], 0))
	if err != nil {
		t.Fatal(err)
	}
	return sig, common.BytesToAddress(crypto.Keccak256(public[1:])[12:])
}

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestSignatureHasOneForm(t *testing.T) {
	t.Parallel()
	key := must(contracts.GenerateKey())(t)
	for i := range 200 {
		digest := crypto.Keccak256Hash([]byte{byte(i)})
		sig := must(contracts.Sign(digest, key))(t)
		if got, err := sig.Recover(digest); err != nil || got != key.Address() {
			t.Fatalf("recovered %s: %v", got, err)
		}
		full := must(key.SignDigest(digest))(t)
		wallet := sig.Full()
		if !bytes.Equal(wallet[:64], full[:64]) || wallet[64] != full[64]+27 {
			t.Errorf("%x is written %x", full, wallet)
		}
		for _, form := range [][]byte{full, wallet} {
			if again, err := contracts.Compact(form); again != sig || err != nil {
				t.Errorf("%x is read as %x: %v", form, again, err)
			}
		}
		high := bytes.Clone(full)
		s := new(big.Int).SetBytes(full[32:64])
		s.Sub(crypto.S256().Params().N, s).FillBytes(high[32:64])
		high[64] ^= 1
		short, odd := full[:64], append(bytes.Clone(full[:64]), 2)
		for _, bad := range [][]byte{high, short, odd, nil} {
			if _, err := contracts.Compact(bad); !errors.Is(err, contracts.ErrBadSignature) {
				t.Errorf("%x: %v", bad, err)
			}
		}
	}
}

// Whatever is signed is refused in the upper half, also where the curve recovers the very key that it names.
func TestEverySignatureInTheUpperHalfIsRefused(t *testing.T) {
	t.Parallel()
	key := must(contracts.GenerateKey())(t)
	d := payments.Domain{ChainID: 31337, Contract: common.Address{1}}
	c := contracts.Channel{
		Vault: contracts.Vault{Token: common.Address{2}, Payer: common.Address{3}, Signer: key.Address()}, Payee: key.Address(),
	}
	by := func(signer common.Address) contracts.Channel {
		c := c
		c.Signer = signer
		return c
	}
	promise := must(d.Sign(payments.Promise{Channel: c, Cumulative: contracts.NewAmount(7)}, key))(t)
	reserve := must(d.SignReserve(payments.Reserve{Channel: c, Ceiling: contracts.NewAmount(7)}, key))(t)
	release := must(d.SignRelease(payments.Release{Channel: c, Ceiling: contracts.NewAmount(7)}, key))(t)
	hello := common.Hash{4}
	signed := must(d.SignHello(c, hello, key))(t)
	hosts := wire.Hosts{Consumer: "consumer", Provider: "provider"}
	ask := wire.AskRelease{Payer: c.Payer, Signer: c.Signer, Token: c.Token, Time: 5}
	if err := errors.Join(ask.Sign(d, c.Payee, hosts, key), ask.Verify(d, c.Payee, hosts)); err != nil {
		t.Fatal(err)
	}

	sig, signer := upper(t, d.PromiseDigest(promise), promise.Sig)
	promise.Sig, promise.Channel = sig, by(signer)
	row := promise.Row()
	_, rowErr := d.ParseRow(c.Token, c.Payee, row[:])
	sig, signer = upper(t, d.ReserveDigest(reserve), reserve.Sig)
	reserve.Sig, reserve.Channel = sig, by(signer)
	release.Sig, _ = upper(t, d.ReleaseDigest(release), release.Sig)
	signed, signer = upper(t, d.HelloDigest(c, hello), signed)
	for what, err := range map[string]error{
		"promise": d.Verify(promise), "claim row": rowErr, "reserve": d.VerifyReserve(reserve),
		"release": d.VerifyRelease(release), "hello": d.VerifyHello(by(signer), hello, signed),
	} {
		if !errors.Is(err, contracts.ErrBadSignature) {
			t.Errorf("%s: %v", what, err)
		}
	}
	ask.Signature, _ = upper(t, hello, ask.Signature)
	if ask.Verify(d, c.Payee, hosts) == nil {
		t.Error("a request for a release was taken")
	}

	// An offer carries 65 bytes, which hold the twin of any signature.
	host, _, err := p2pcrypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	market := contracts.Deployment{ChainID: 31337, Channels: d.Contract, Registry: common.Address{6}, Token: c.Token}
	terms := registry.DefaultDraft()
	terms.Price = contracts.NewAmount(1 << 40)
	offer := terms.Apply(registry.Offer{
		ChainID: market.ChainID, Channels: market.Channels, Registry: market.Registry, Token: market.Token,
		Provider: key.Address(), Sequence: 1, NotBefore: time.Now(), Expires: time.Now().Add(time.Hour), Window: 4 << 20,
		Host: must(registry.BindHost(host, market.ChainID, market.Registry, key.Address(), []string{"/ip4/127.0.0.1/tcp/1"}))(t),
	})
	full := must(key.SignDigest(must(offer.SigningHash())(t)))(t)
	if err := must(registry.Attach(offer, full))(t).Verify(t.Context(), nil, market); err != nil {
		t.Fatal(err)
	}
	for _, v := range []byte{0, 27} {
		twin := bytes.Clone(full)
		s := new(big.Int).SetBytes(full[32:64])
		s.Sub(crypto.S256().Params().N, s).FillBytes(twin[32:64])
		twin[64] = (full[64] ^ 1) + v
		err := must(registry.Attach(offer, twin))(t).Verify(t.Context(), nil, market)
		if !errors.Is(err, registry.ErrSignature) {
			t.Errorf("offer with %d: %v", twin[64], err)
		}
	}
}
