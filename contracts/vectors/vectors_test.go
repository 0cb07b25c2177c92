package vectors_test

import (
	"encoding/hex"
	"encoding/json"
	"maps"
	"math/big"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"byway/contracts"
	"byway/payments"
	"byway/registry"
)

// vector is one message with what an independent library makes of it.
type vector struct {
	Key        hexutil.Bytes  `json:"key"`
	By         common.Address `json:"by"`
	Name       string         `json:"name"`
	ChainID    string         `json:"chainId"`
	Contract   common.Address `json:"contract"`
	Message    map[string]any `json:"message"`
	Separator  common.Hash    `json:"separator"`
	StructHash common.Hash    `json:"structHash"`
	Digest     common.Hash    `json:"digest"`
	Signature  hexutil.Bytes  `json:"signature"`
	Compact    hexutil.Bytes  `json:"compact"`
}

func read(t *testing.T) map[string][]vector {
	t.Helper()
	b, err := os.ReadFile("vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string][]vector
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	for _, kind := range append([]string{"Promise", "Reserve", "Release", "Offer"}, slices.Collect(maps.Keys(actions))...) {
		if len(all[kind]) == 0 {
			t.Fatalf("no vectors of kind %s", kind)
		}
	}
	return all
}

func (v vector) domain(t *testing.T) payments.Domain {
	t.Helper()
	return payments.Domain{ChainID: v.number(t, v.ChainID), Contract: v.Contract}
}

func (v vector) number(t *testing.T, text string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (v vector) amount(t *testing.T, field string) contracts.Amount {
	t.Helper()
	a, err := contracts.ParseAmount(v.text(field))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (v vector) text(field string) string {
	text, _ := v.Message[field].(string)
	return text
}

func (v vector) address(field string) common.Address { return common.HexToAddress(v.text(field)) }

func (v vector) signer(t *testing.T) contracts.Key {
	t.Helper()
	private, err := crypto.ToECDSA(v.Key)
	if err != nil {
		t.Fatal(err)
	}
	key := contracts.NewKey(private)
	if key.Address() != v.By {
		t.Errorf("address of the key %s, want %s", key.Address(), v.By)
	}
	return key
}

// channel is the vector's, with the key's account as the signer where the message names none.
func (v vector) channel() contracts.Channel {
	signer := v.By
	if _, named := v.Message["signer"]; named {
		signer = v.address("signer")
	}
	return contracts.Channel{
		Vault: contracts.Vault{Token: v.address("token"), Payer: v.address("payer"), Signer: signer},
		Payee: v.address("payee"),
	}
}

// expect compares a digest and a compact signature with the vector's.
func (v vector) expect(t *testing.T, digest common.Hash, sig contracts.Signature, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if s := v.domain(t).Separator(); s != v.Separator {
		t.Errorf("separator %s, want %s", s, v.Separator)
	}
	if h := crypto.Keccak256Hash([]byte{0x19, 0x01}, v.Separator[:], v.StructHash[:]); h != v.Digest {
		t.Errorf("the vector's own digest %s, want %s", v.Digest, h)
	}
	if digest != v.Digest {
		t.Errorf("digest %s, want %s", digest, v.Digest)
	}
	if string(sig[:]) != string(v.Compact) {
		t.Errorf("signature %x, want %x", sig, v.Compact)
	}
}

func TestGoSignsPromisesAsEthersDoes(t *testing.T) {
	t.Parallel()
	for _, v := range read(t)["Promise"] {
		d := v.domain(t)
		p := payments.Promise{Channel: v.channel(), Cumulative: v.amount(t, "cumulative")}
		signed, err := d.Sign(p, v.signer(t))
		v.expect(t, d.PromiseDigest(p), signed.Sig, err)
		if err := d.Verify(signed); err != nil {
			t.Error(err)
		}
	}
}

func TestGoSignsReservesAsEthersDoes(t *testing.T) {
	t.Parallel()
	for _, v := range read(t)["Reserve"] {
		d := v.domain(t)
		r := payments.Reserve{
			Channel: v.channel(), Ceiling: v.amount(t, "ceiling"),
			Epoch: uint32(v.number(t, v.text("epoch"))), ValidUntil: v.number(t, v.text("validUntil")),
		}
		signed, err := d.SignReserve(r, v.signer(t))
		v.expect(t, d.ReserveDigest(r), signed.Sig, err)
		if err := d.VerifyReserve(signed); err != nil {
			t.Error(err)
		}
	}
}

func TestGoSignsReleasesAsEthersDoes(t *testing.T) {
	t.Parallel()
	for _, v := range read(t)["Release"] {
		d := v.domain(t)
		r := payments.Release{
			Channel: v.channel(), Ceiling: v.amount(t, "ceiling"),
			Epoch: uint32(v.number(t, v.text("epoch"))), ValidUntil: v.number(t, v.text("validUntil")),
		}
		signed, err := d.SignRelease(r, v.signer(t))
		v.expect(t, d.ReleaseDigest(r), signed.Sig, err)
		if err := d.VerifyRelease(signed); err != nil {
			t.Error(err)
		}
	}
}

// offer is the registry's golden offer, whose typed data the first vector is.
func offer(t *testing.T) registry.SignedOffer {
	t.Helper()
	text, err := os.ReadFile("../../registry/testdata/offer.hex")
	if err != nil {
		t.Fatal(err)
	}
	block, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := registry.Decode(block)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestGoldenOfferIsSignedAsEthersDoes(t *testing.T) {
	t.Parallel()
	signed, v := offer(t), read(t)["Offer"][0]
	digest, err := signed.Offer.SigningHash()
	if err != nil {
		t.Fatal(err)
	}
	if digest != v.Digest {
		t.Errorf("digest %s, want %s", digest, v.Digest)
	}
	if string(signed.Sig) != string(v.Signature) {
		t.Errorf("signature %x, want %x", signed.Sig, v.Signature)
	}
}

func TestWalletsHashOffersAsEthersDoes(t *testing.T) {
	t.Parallel()
	form, err := offer(t).Offer.TypedData()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range read(t)["Offer"] {
		id, _ := new(big.Int).SetString(v.ChainID, 10)
		form.Domain.ChainId = (*math.HexOrDecimal256)(id)
		form.Domain.VerifyingContract = v.Contract.Hex()
		form.Message = v.Message
		digest, _, err := apitypes.TypedDataAndHash(form)
		if err != nil {
			t.Fatal(err)
		}
		if common.BytesToHash(digest) != v.Digest {
			t.Errorf("digest %x, want %s", digest, v.Digest)
		}
	}
}

// actions are the types of what an account lets another send, without the Relay that each of them ends with.
var actions = map[string]string{
	"Open":             "address token,address payer,address signer,address payee,uint96 amount,uint96 ceiling",
	"Revoke":           "address token,address payer,address signer,address payee",
	"Claim":            "address token,address payee,bytes rows",
	"ClaimToVault":     "address token,address payee,address signer,bytes rows",
	"StartExit":        "address token,address payer,address signer,address payee",
	"CancelExit":       "address token,address payer,address signer,address payee",
	"FinishExit":       "address token,address payer,address signer,address payee",
	"CloseAndWithdraw": "address token,address payer,address signer,address payee,uint96 ceiling,uint24 epoch,address to",
	"Withdraw":         "address token,address payer,address signer,uint96 amount,address to",
	"Register":         "address provider,bytes32 digest,uint96 stake",
	"Update":           "address provider,bytes32 digest",
	"AddStake":         "address provider,uint96 amount",
	"Leave":            "address provider",
	"WithdrawStake":    "address provider,address to",
}

// fields are the parts of a type as EIP-712 writes them.
func fields(list string) []apitypes.Type {
	var types []apitypes.Type
	for field := range strings.SplitSeq(list, ",") {
		kind, name, _ := strings.Cut(field, " ")
		types = append(types, apitypes.Type{Name: name, Type: kind})
	}
	return types
}

// wallet is a vector as go-ethereum's signer takes it, which shares no code with ethers, viem or the contracts.
func (v vector) wallet(t *testing.T, kind string) apitypes.TypedData {
	t.Helper()
	id, ok := new(big.Int).SetString(v.ChainID, 10)
	if !ok {
		t.Fatalf("chain %q", v.ChainID)
	}
	return apitypes.TypedData{
		PrimaryType: kind,
		Types: apitypes.Types{
			"EIP712Domain": fields("string name,string version,uint256 chainId,address verifyingContract"),
			kind:           fields(actions[kind] + ",Relay relay"),
			"Relay":        fields("address relayer,uint96 maxFee,uint256 nonce,uint40 deadline"),
		},
		Domain: apitypes.TypedDataDomain{
			Name: v.Name, Version: "1", ChainId: (*math.HexOrDecimal256)(id), VerifyingContract: v.Contract.Hex(),
		},
		Message: v.Message,
	}
}

func TestWalletsHashActionsAsEthersDoes(t *testing.T) {
	t.Parallel()
	for kind := range actions {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			for _, v := range read(t)[kind] {
				form := v.wallet(t, kind)
				separator, err := form.HashStruct("EIP712Domain", form.Domain.Map())
				if err != nil {
					t.Fatal(err)
				}
				structHash, err := form.HashStruct(kind, form.Message)
				if err != nil {
					t.Fatal(err)
				}
				digest, _, err := apitypes.TypedDataAndHash(form)
				if err != nil {
					t.Fatal(err)
				}
				for what, hash := range map[string][2]common.Hash{
					"separator":   {common.BytesToHash(separator), v.Separator},
					"struct hash": {common.BytesToHash(structHash), v.StructHash},
					"digest":      {common.BytesToHash(digest), v.Digest},
				} {
					if hash[0] != hash[1] {
						t.Errorf("%s %s, want %s", what, hash[0], hash[1])
					}
				}
				v.expectSigned(t, kind)
			}
		})
	}
}

// expectSigned signs a vector's digest anew, by the account that the message is of.
func (v vector) expectSigned(t *testing.T, kind string) {
	t.Helper()
	account := map[string]string{"Byway Registry": "provider", "Byway Channels": "payer"}[v.Name]
	if kind == "Claim" || kind == "ClaimToVault" {
		account = "payee"
	}
	if v.address(account) != v.By {
		t.Errorf("the %s is %s, and %s signed", account, v.address(account), v.By)
	}
	private, err := crypto.ToECDSA(v.Key)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := crypto.Sign(v.Digest[:], private)
	if err != nil {
		t.Fatal(err)
	}
	signature[crypto.RecoveryIDOffset] += 27
	if string(signature) != string(v.Signature) {
		t.Errorf("signature %x, want %x", signature, v.Signature)
	}
	signature[32] |= (signature[crypto.RecoveryIDOffset] - 27) << 7
	if compact := signature[:crypto.RecoveryIDOffset]; string(compact) != string(v.Compact) {
		t.Errorf("compact signature %x, want %x", compact, v.Compact)
	}
}
