package payments

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"byway/contracts"
)

func typedData(d Domain, primary string, fields []apitypes.Type, message apitypes.TypedDataMessage) apitypes.TypedData {
	return apitypes.TypedData{
		Types: apitypes.Types{
			"EIP712Domain": {
				{Name: "name", Type: "string"}, {Name: "version", Type: "string"},
				{Name: "chainId", Type: "uint256"}, {Name: "verifyingContract", Type: "address"},
			},
			primary: fields,
		},
		PrimaryType: primary,
		Domain: apitypes.TypedDataDomain{
			Name: "Byway Channels", Version: "1", ChainId: (*math.HexOrDecimal256)(new(big.Int).SetUint64(d.ChainID)),
			VerifyingContract: d.Contract.Hex(),
		},
		Message: message,
	}
}

func TestDigestsEqualGoEthereumsTypedData(t *testing.T) {
	t.Parallel()
	c, _ := testChannel(1)
	for _, sum := range []contracts.Amount{{}, contracts.NewAmount(1), testPrice, contracts.MaxAmount()} {
		r := Reserve{Channel: c, Ceiling: sum, Epoch: maxEpoch, ValidUntil: maxValidUntil - 7}
		fields := []apitypes.Type{
			{Name: "payer", Type: "address"}, {Name: "payee", Type: "address"}, {Name: "token", Type: "address"},
		}
		addresses := func(more apitypes.TypedDataMessage) apitypes.TypedDataMessage {
			more["payer"], more["payee"], more["token"] = c.Payer.Hex(), c.Payee.Hex(), c.Token.Hex()
			return more
		}
		limits := []apitypes.Type{
			{Name: "ceiling", Type: "uint96"}, {Name: "epoch", Type: "uint24"}, {Name: "validUntil", Type: "uint40"},
		}
		for _, test := range []struct {
			name string
			got  common.Hash
			want apitypes.TypedData
		}{
			{"promise", testDomain.PromiseDigest(Promise{Channel: c, Cumulative: sum}), typedData(testDomain, "Promise",
				append(fields[:3:3], apitypes.Type{Name: "cumulative", Type: "uint96"}),
				addresses(apitypes.TypedDataMessage{"cumulative": sum.Big()}))},
			{"reserve", testDomain.ReserveDigest(r), typedData(testDomain, "Reserve", append(fields[:3:3], limits...),
				addresses(apitypes.TypedDataMessage{
					"ceiling": sum.Big(), "epoch": big.NewInt(maxEpoch), "validUntil": big.NewInt(maxValidUntil - 7),
				}))},
			{"release", testDomain.ReleaseDigest(Release(r)), typedData(testDomain, "Release", append([]apitypes.Type{
				{Name: "token", Type: "address"}, {Name: "payer", Type: "address"}, {Name: "signer", Type: "address"},
				{Name: "payee", Type: "address"},
			}, limits...), addresses(apitypes.TypedDataMessage{
				"signer": c.Signer.Hex(), "ceiling": sum.Big(), "epoch": big.NewInt(maxEpoch),
				"validUntil": big.NewInt(maxValidUntil - 7),
			}))},
		} {
			want, _, err := apitypes.TypedDataAndHash(test.want)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(test.got[:], want) {
				t.Errorf("%s of %s: digest %s, go-ethereum says %s", test.name, sum, test.got, hexutil.Encode(want))
			}
		}
	}
}

func TestSignatureHoldsForItsMessageOnly(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	p := signed(t, c, key, contracts.NewAmount(77))
	if err := testDomain.Verify(p); err != nil {
		t.Fatal(err)
	}
	n := crypto.S256().Params().N
	change := map[string]func(Promise) (Domain, Promise){
		"another total": func(p Promise) (Domain, Promise) {
			p.Cumulative = contracts.NewAmount(78)
			return testDomain, p
		},
		"another payer":    func(p Promise) (Domain, Promise) { p.Payer[0]++; return testDomain, p },
		"another payee":    func(p Promise) (Domain, Promise) { p.Payee[0]++; return testDomain, p },
		"another token":    func(p Promise) (Domain, Promise) { p.Token[0]++; return testDomain, p },
		"another signer":   func(p Promise) (Domain, Promise) { p.Signer[0]++; return testDomain, p },
		"another chain":    func(p Promise) (Domain, Promise) { return Domain{1, testDomain.Contract}, p },
		"another contract": func(p Promise) (Domain, Promise) { return Domain{31337, testToken}, p },
		"no signature":     func(p Promise) (Domain, Promise) { p.Sig = contracts.Signature{}; return testDomain, p },
		"flipped parity":   func(p Promise) (Domain, Promise) { p.Sig[32] ^= 0x80; return testDomain, p },
		"upper half of s": func(p Promise) (Domain, Promise) {
			s := new(big.Int).SetBytes(append([]byte{p.Sig[32] & 0x7f}, p.Sig[33:]...))
			s.Sub(n, s)
			b := s.FillBytes(make([]byte, 32))
			b[0] ^= ^p.Sig[32] & 0x80
			copy(p.Sig[32:], b)
			return testDomain, p
		},
	}
	for name, f := range change {
		d, q := f(p)
		if err := d.Verify(q); err == nil {
			t.Errorf("%s: the signature still holds", name)
		} else {
			wantErr(t, err, contracts.ErrBadSignature)
		}
	}
	// The same bytes under another type are worth nothing.
	wantErr(t, testDomain.VerifyReserve(Reserve{Channel: c, Ceiling: p.Cumulative, Sig: p.Sig}), contracts.ErrBadSignature)
	c.Payee = c.Signer
	wantErr(t, testDomain.VerifyRelease(Release{Channel: c, Ceiling: p.Cumulative, Sig: p.Sig}), contracts.ErrBadSignature)
	_, err := testDomain.Sign(p, testKey(2))
	wantErr(t, err, ErrSecondSigner)
}

func TestReserveAndReleaseSignatures(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	r := must(testDomain.SignReserve(Reserve{Channel: c, Ceiling: testPrice, Epoch: 3, ValidUntil: 1 << 33}, key))(t)
	if err := testDomain.VerifyReserve(r); err != nil {
		t.Fatal(err)
	}
	later := r
	later.Epoch++
	wantErr(t, testDomain.VerifyReserve(later), contracts.ErrBadSignature)
	payee := testKey(9)
	c.Payee = payee.Address()
	rel := must(testDomain.SignRelease(Release{Channel: c, Epoch: 3, ValidUntil: 1 << 33}, payee))(t)
	if err := testDomain.VerifyRelease(rel); err != nil {
		t.Fatal(err)
	}
	if _, err := testDomain.SignReserve(Reserve{Channel: c, Epoch: maxEpoch + 1}, key); err == nil {
		t.Fatal("an epoch of 25 bits was signed")
	}
}

func TestBinaryFormsComeBack(t *testing.T) {
	t.Parallel()
	c, key := testChannel(1)
	p := signed(t, c, key, testPrice)
	p.Share = contracts.NewAmount(5)
	var q Promise
	if err := q.UnmarshalBinary(must(p.MarshalBinary())(t)); err != nil || q != p {
		t.Fatalf("promise came back as %v, %v", q, err)
	}
	row := p.Row()
	q = must(testDomain.ParseRow(c.Token, c.Payee, row[:]))(t)
	p.Share = contracts.Amount{}
	if q != p {
		t.Fatalf("row came back as %v", q)
	}
	r := Reserve{Channel: c, Ceiling: testPrice, Epoch: 1<<24 - 2, ValidUntil: 1<<40 - 3}
	r = must(testDomain.SignReserve(r, key))(t)
	var s Reserve
	if err := s.UnmarshalBinary(must(r.MarshalBinary())(t)); err != nil || s != r {
		t.Fatalf("reserve came back as %v, %v", s, err)
	}
	for n := range 300 {
		if n != PromiseSize && new(Promise).UnmarshalBinary(make([]byte, n)) == nil {
			t.Fatalf("a promise of %d bytes was read", n)
		}
		if n != reserveSize && new(Release).UnmarshalBinary(make([]byte, n)) == nil {
			t.Fatalf("a release of %d bytes was read", n)
		}
	}
}

func FuzzPromiseBinary(f *testing.F) {
	c, key := testChannel(1)
	b, _ := signed(f, c, key, testPrice).MarshalBinary()
	f.Add(b)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var p Promise
		if p.UnmarshalBinary(b) != nil {
			return
		}
		if back, err := p.MarshalBinary(); err != nil || !bytes.Equal(back, b) {
			t.Fatal("the encoding is not canonical")
		}
		if err := testDomain.Verify(p); err == nil && (p.Channel != c || p.Signer != key.Address()) {
			t.Fatal("a promise of a key that never signed it")
		}
	})
}

func FuzzReserveBinary(f *testing.F) {
	c, key := testChannel(1)
	r, err := testDomain.SignReserve(Reserve{Channel: c, Ceiling: testPrice, Epoch: 1, ValidUntil: 2}, key)
	if err != nil {
		f.Fatal(err)
	}
	b, _ := r.MarshalBinary()
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Reserve
		if r.UnmarshalBinary(b) != nil {
			return
		}
		if back, err := r.MarshalBinary(); err != nil || !bytes.Equal(back, b) {
			t.Fatal("the encoding is not canonical")
		}
		_ = testDomain.VerifyReserve(r)
		_ = testDomain.VerifyRelease(Release(r))
	})
}

func FuzzClaimRow(f *testing.F) {
	c, key := testChannel(1)
	row := signed(f, c, key, testPrice).Row()
	f.Add(row[:])
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := testDomain.ParseRow(c.Token, c.Payee, b)
		if err != nil {
			return
		}
		if back := p.Row(); !bytes.Equal(back[:], b) {
			t.Fatal("the row is not canonical")
		}
		if err := testDomain.Verify(p); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	c, key := testChannel(1)
	p := Promise{Channel: c, Cumulative: testPrice}
	for b.Loop() {
		if _, err := testDomain.Sign(p, key); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	c, key := testChannel(1)
	p := signed(b, c, key, testPrice)
	for b.Loop() {
		if err := testDomain.Verify(p); err != nil {
			b.Fatal(err)
		}
	}
}
