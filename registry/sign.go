package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	ethereum "github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"byway/contracts"
	"byway/contracts/chain"
)

// What a provider signs is EIP-712 typed data, so that a wallet shows what is sold: who, to whom the money goes, the
// price, the time, the host, and the hash of the whole body. The domain binds it to one chain and one Registry.
const (
	domainName    = "Byway Offers"
	domainVersion = "1"
	offerType     = "Offer(address provider,address payee,address token,uint96 pricePerGiB,uint64 sequence," +
		"uint64 notBefore,uint64 expires,string host,bytes32 body)"
	domainType = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"

	// maxSig bounds an ERC-1271 signature: a wallet of many owners has 65 bytes for each.
	maxSig = 1024
	// contractGas bounds what a provider's wallet may spend on checking a signature.
	contractGas = 2_000_000
)

var (
	offerTypeHash  = crypto.Keccak256([]byte(offerType))
	domainTypeHash = crypto.Keccak256([]byte(domainType))
	nameHash       = crypto.Keccak256([]byte(domainName))
	versionHash    = crypto.Keccak256([]byte(domainVersion))

	// validSignature is ERC-1271's isValidSignature(bytes32,bytes) selector and its answer for yes.
	validSignature = [4]byte{0x16, 0x26, 0xba, 0x7e}
)

// Sign validates the form of an offer and signs it with its provider's key. The returned Signed holds the offer as it
// was encoded: sets sorted, times in whole seconds.
func Sign(o Offer, s contracts.Signer) (SignedOffer, error) {
	if s.Address() != o.Provider {
		return SignedOffer{}, fmt.Errorf("%w: the key is %s, the offer's provider %s", ErrSignature, s.Address(), o.Provider)
	}
	digest, err := o.SigningHash()
	if err != nil {
		return SignedOffer{}, err
	}
	sig, err := s.SignDigest(digest)
	if err != nil {
		return SignedOffer{}, fmt.Errorf("sign offer: %w", err)
	}
	return Attach(o, sig)
}

// SigningHash validates the form of an offer and returns the EIP-712 hash that its provider signs.
func (o Offer) SigningHash() (common.Hash, error) {
	o = o.normal()
	if err := o.check(); err != nil {
		return common.Hash{}, err
	}
	body, err := encodeBody(o)
	if err != nil {
		return common.Hash{}, err
	}
	return signingHash(o, body), nil
}

// TypedData returns what a wallet shows and signs, for signing on another machine; [Attach] takes the signature.
func (o Offer) TypedData() (apitypes.TypedData, error) {
	o = o.normal()
	if err := o.check(); err != nil {
		return apitypes.TypedData{}, err
	}
	body, err := encodeBody(o)
	if err != nil {
		return apitypes.TypedData{}, err
	}
	number := func(v uint64) *math.HexOrDecimal256 { return (*math.HexOrDecimal256)(new(big.Int).SetUint64(v)) }
	return apitypes.TypedData{
		PrimaryType: "Offer",
		Types: apitypes.Types{
			"EIP712Domain": {
				{Name: "name", Type: "string"}, {Name: "version", Type: "string"}, {Name: "chainId", Type: "uint256"},
				{Name: "verifyingContract", Type: "address"},
			},
			"Offer": {
				{Name: "provider", Type: "address"}, {Name: "payee", Type: "address"},
				{Name: "token", Type: "address"}, {Name: "pricePerGiB", Type: "uint96"},
				{Name: "sequence", Type: "uint64"}, {Name: "notBefore", Type: "uint64"},
				{Name: "expires", Type: "uint64"}, {Name: "host", Type: "string"}, {Name: "body", Type: "bytes32"},
			},
		},
		Domain: apitypes.TypedDataDomain{
			Name: domainName, Version: domainVersion, ChainId: number(o.ChainID), VerifyingContract: o.Registry.Hex(),
		},
		Message: apitypes.TypedDataMessage{
			"provider": o.Provider.Hex(), "payee": o.Payee.Hex(), "token": o.Token.Hex(),
			"pricePerGiB": (*math.HexOrDecimal256)(o.PricePerGiB.Big()), "sequence": number(o.Sequence),
			"notBefore": number(uint64(o.NotBefore.Unix())), "expires": number(uint64(o.Expires.Unix())),
			"host": o.Host.Peer.String(), "body": crypto.Keccak256Hash(body).Hex(),
		},
	}, nil
}

// Attach joins an offer with a signature made elsewhere: 65 bytes of a plain key, or what the provider's ERC-1271
// wallet accepts. Only [SignedOffer.Verify] says whether the signature is good.
func Attach(o Offer, sig []byte) (SignedOffer, error) {
	if len(sig) == 0 || len(sig) > maxSig {
		return SignedOffer{}, fmt.Errorf("%w: it has %d bytes, allowed are 1 to %d", ErrSignature, len(sig), maxSig)
	}
	o = o.normal()
	if len(sig) == crypto.SignatureLength && sig[64] < 2 {
		// Ethereum spells the recovery bit 27 or 28. Only a plain key's signature is respelled: in a wallet's, the
		// last byte may mean something else.
		body, err := encodeBody(o)
		if err != nil {
			return SignedOffer{}, err
		}
		plain := bytes.Clone(sig)
		plain[64] += 27
		if signer, ok := recoverSigner(signingHash(o, body), plain); ok && signer == o.Provider {
			sig = plain
		}
	}
	block, _, err := encode(o, sig)
	if err != nil {
		return SignedOffer{}, err
	}
	return Decode(block)
}

// Verify checks that the block holds exactly this offer, that its provider signed it for deployment d, and that its
// host agreed. Where the provider may be a smart wallet, code answers for it (ERC-1271); with a nil code only plain
// keys are known. An error that wraps none of this package's reasons is the chain's.
func (s SignedOffer) Verify(ctx context.Context, code bind.ContractCaller, d contracts.Deployment) error {
	block, body, err := encode(s.Offer, s.Sig)
	if err != nil {
		return err
	}
	if !bytes.Equal(block, s.Block) || CIDOf(sha256.Sum256(block)) != s.CID {
		return fmt.Errorf("%w: the offer differs from its block", ErrHash)
	}
	if err := s.Offer.CheckMarket(d); err != nil {
		return err
	}
	if err := s.Offer.check(); err != nil {
		return err
	}
	return s.VerifyKeys(ctx, code, body)
}

// VerifyKeys checks both signatures of an offer that came from decode together with its body.
func (s SignedOffer) VerifyKeys(ctx context.Context, code bind.ContractCaller, body []byte) error {
	if err := s.verifySignature(ctx, code, signingHash(s.Offer, body)); err != nil {
		return err
	}
	return s.Offer.Host.verify(s.Offer.ChainID, s.Offer.Registry, s.Offer.Provider)
}

func (s SignedOffer) verifySignature(ctx context.Context, code bind.ContractCaller, digest common.Hash) error {
	if len(s.Sig) == crypto.SignatureLength {
		if signer, ok := recoverSigner(digest, s.Sig); ok && signer == s.Offer.Provider {
			return nil
		}
	}
	unsigned := fmt.Errorf("%w: it is not %s's", ErrSignature, s.Offer.Provider)
	if code == nil || len(s.Sig) > maxSig {
		return unsigned
	}
	has, err := code.CodeAt(ctx, s.Offer.Provider, nil)
	if err != nil {
		return fmt.Errorf("read code of provider %s: %w", s.Offer.Provider, err)
	}
	if len(has) == 0 {
		return unsigned
	}
	answer, err := code.CallContract(ctx, ethereum.CallMsg{
		To: &s.Offer.Provider, Gas: contractGas, Data: packIsValidSignature(digest, s.Sig),
	}, nil)
	if err != nil {
		// The node answered: the wallet reverted or ran out of gas. Anything else is the connection's fault.
		refusal, revert := rpc.Error(nil), (*chain.RevertError)(nil)
		if errors.As(err, &refusal) || errors.As(err, &revert) {
			return fmt.Errorf("%w: the wallet %s refuses it: %w", ErrSignature, s.Offer.Provider, err)
		}
		return fmt.Errorf("ask wallet %s: %w", s.Offer.Provider, err)
	}
	var yes [32]byte
	copy(yes[:], validSignature[:])
	if len(answer) < 32 || !bytes.Equal(answer[:32], yes[:]) {
		return fmt.Errorf("%w: the wallet %s refuses it", ErrSignature, s.Offer.Provider)
	}
	return nil
}

// recoverSigner returns who made a 65-byte signature in its one canonical form: v is 27 or 28, s in the lower half.
func recoverSigner(digest common.Hash, full []byte) (common.Address, bool) {
	sig, err := contracts.Compact(full)
	if err != nil || full[64] < 27 {
		return common.Address{}, false
	}
	signer, err := sig.Recover(digest)
	return signer, err == nil
}

// signingHash is the EIP-712 hash of an offer in normal form. It is written out, rather than taken from
// [Offer.TypedData], because a listing computes it ten thousand times; a test holds the two equal.
func signingHash(o Offer, body []byte) common.Hash {
	domain := crypto.Keccak256(domainTypeHash, nameHash, versionHash, wordOf(o.ChainID), padded(o.Registry))
	price := o.PricePerGiB.Bytes()
	message := crypto.Keccak256(
		offerTypeHash, padded(o.Provider), padded(o.Payee), padded(o.Token), common.LeftPadBytes(price[:], 32),
		wordOf(o.Sequence), wordOf(uint64(o.NotBefore.Unix())), wordOf(uint64(o.Expires.Unix())),
		crypto.Keccak256([]byte(o.Host.Peer.String())), crypto.Keccak256(body),
	)
	return crypto.Keccak256Hash([]byte{0x19, 0x01}, domain, message)
}

// packIsValidSignature is the call data of isValidSignature(bytes32,bytes).
func packIsValidSignature(digest common.Hash, sig []byte) []byte {
	data := append(make([]byte, 0, 4+32*4+len(sig)), validSignature[:]...)
	data = append(data, digest[:]...)
	data = append(data, wordOf(64)...)
	data = append(data, wordOf(uint64(len(sig)))...)
	return append(data, common.RightPadBytes(sig, (len(sig)+31)/32*32)...)
}

func wordOf(v uint64) []byte {
	var w [32]byte
	binary.BigEndian.PutUint64(w[24:], v)
	return w[:]
}

func padded(a common.Address) []byte { return common.LeftPadBytes(a[:], 32) }
