package payments

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"

	"byway/contracts"
)

// The typed data (EIP-712) that Channels.sol knows. Names and order of the fields are part of the hashes.
const (
	domainName    = "Byway Channels"
	domainVersion = "1"
	domainType    = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
	promiseType   = "Promise(address payer,address payee,address token,uint96 cumulative)"
	reserveType   = "Reserve(address payer,address payee,address token,uint96 ceiling,uint24 epoch,uint40 validUntil)"
	releaseType   = "Release(address token,address payer,address signer,address payee,uint96 ceiling," +
		"uint24 epoch,uint40 validUntil)"
)

var (
	domainTypeHash    = crypto.Keccak256Hash([]byte(domainType))
	domainNameHash    = crypto.Keccak256Hash([]byte(domainName))
	domainVersionHash = crypto.Keccak256Hash([]byte(domainVersion))
	promiseTypeHash   = crypto.Keccak256Hash([]byte(promiseType))
	reserveTypeHash   = crypto.Keccak256Hash([]byte(reserveType))
	releaseTypeHash   = crypto.Keccak256Hash([]byte(releaseType))
)

// Domain is the Channels contract that signatures are made for: one contract on one chain. The same message signed
// for another is another hash.
type Domain struct {
	ChainID  uint64
	Contract common.Address
}

// DomainOf returns the domain of a deployment's Channels contract.
func DomainOf(d contracts.Deployment) Domain { return Domain{d.ChainID, d.Channels} }

// Separator is the EIP-712 domain separator.
func (d Domain) Separator() common.Hash {
	return hashWords(domainTypeHash, domainNameHash, domainVersionHash, uintWord(d.ChainID), addressWord(d.Contract))
}

// PromiseDigest is the hash that a promise's signer signs.
func (d Domain) PromiseDigest(p Promise) common.Hash { return promiseDigest(d.Separator(), p) }

func promiseDigest(separator common.Hash, p Promise) common.Hash {
	var words [5 * common.HashLength]byte
	copy(words[:], promiseTypeHash[:])
	copy(words[1*common.HashLength+12:], p.Payer[:])
	copy(words[2*common.HashLength+12:], p.Payee[:])
	copy(words[3*common.HashLength+12:], p.Token[:])
	sum := p.Cumulative.Bytes()
	copy(words[5*common.HashLength-len(sum):], sum[:])
	return typedDigest(separator, crypto.Keccak256Hash(words[:]))
}

// ReserveDigest is the hash that a reserve's signer signs.
func (d Domain) ReserveDigest(r Reserve) common.Hash {
	return d.digest(hashWords(reserveTypeHash, addressWord(r.Payer), addressWord(r.Payee), addressWord(r.Token),
		amountWord(r.Ceiling), uintWord(uint64(r.Epoch)), uintWord(r.ValidUntil)))
}

// ReleaseDigest is the hash that a release's payee signs.
func (d Domain) ReleaseDigest(r Release) common.Hash {
	return d.digest(hashWords(releaseTypeHash, addressWord(r.Token), addressWord(r.Payer), addressWord(r.Signer),
		addressWord(r.Payee), amountWord(r.Ceiling), uintWord(uint64(r.Epoch)), uintWord(r.ValidUntil)))
}

// Sign returns p with its signature by s, which must be the channel's signer.
func (d Domain) Sign(p Promise, s contracts.Signer) (Promise, error) {
	sig, err := sign(d.PromiseDigest(p), s, p.Signer)
	if err != nil {
		return Promise{}, fmt.Errorf("sign promise: %w", err)
	}
	p.Sig = sig
	return p, nil
}

// Verify checks that p is signed by its channel's signer: [contracts.ErrBadSignature] where not.
func (d Domain) Verify(p Promise) error { return d.Verifier().Verify(p) }

// Verifier checks promises of one domain, whose separator it makes once: every promise that arrives is checked.
type Verifier struct{ separator common.Hash }

// Verifier returns one for the domain.
func (d Domain) Verifier() Verifier { return Verifier{d.Separator()} }

// Verify checks a promise as [Domain.Verify] does. It recovers the signer although it is known which key it must be: the
// cheaper check against a known key says nothing about the signature's parity, and with the wrong one the contract would
// pay nothing.
func (v Verifier) Verify(p Promise) error {
	if err := verify(promiseDigest(v.separator, p), p.Sig, p.Signer); err != nil {
		return fmt.Errorf("promise: %w", err)
	}
	return nil
}

// SignReserve returns r with its signature by s, which must be the channel's signer.
func (d Domain) SignReserve(r Reserve, s contracts.Signer) (Reserve, error) {
	if r.Epoch > maxEpoch || r.ValidUntil > maxValidUntil {
		return Reserve{}, fmt.Errorf("sign reserve: %w", errTermRange)
	}
	sig, err := sign(d.ReserveDigest(r), s, r.Signer)
	if err != nil {
		return Reserve{}, fmt.Errorf("sign reserve: %w", err)
	}
	r.Sig = sig
	return r, nil
}

// VerifyReserve checks that r is signed by its channel's signer: [contracts.ErrBadSignature] where not.
func (d Domain) VerifyReserve(r Reserve) error {
	if err := verify(d.ReserveDigest(r), r.Sig, r.Signer); err != nil {
		return fmt.Errorf("reserve: %w", err)
	}
	return nil
}

// SignRelease returns r with its signature by s, which must be the channel's payee.
func (d Domain) SignRelease(r Release, s contracts.Signer) (Release, error) {
	if r.Epoch > maxEpoch || r.ValidUntil > maxValidUntil {
		return Release{}, fmt.Errorf("sign release: %w", errTermRange)
	}
	sig, err := sign(d.ReleaseDigest(r), s, r.Payee)
	if err != nil {
		return Release{}, fmt.Errorf("sign release: %w", err)
	}
	r.Sig = sig
	return r, nil
}

// VerifyRelease checks that r is signed by its payee, a plain key: [contracts.ErrBadSignature] where not. A payee that
// is a smart wallet is for the contract to check.
func (d Domain) VerifyRelease(r Release) error {
	if err := verify(d.ReleaseDigest(r), r.Sig, r.Payee); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	return nil
}

func (d Domain) digest(structHash common.Hash) common.Hash {
	return typedDigest(d.Separator(), structHash)
}

func typedDigest(separator, structHash common.Hash) common.Hash {
	b := [2 + 2*common.HashLength]byte{0x19, 0x01}
	copy(b[2:], separator[:])
	copy(b[2+common.HashLength:], structHash[:])
	return crypto.Keccak256Hash(b[:])
}

func sign(digest common.Hash, s contracts.Signer, want common.Address) (contracts.Signature, error) {
	if s.Address() != want {
		return contracts.Signature{}, fmt.Errorf("%w: key is %s, message names %s", ErrSecondSigner, s.Address(), want)
	}
	return contracts.Sign(digest, s)
}

func verify(digest common.Hash, sig contracts.Signature, want common.Address) error {
	got, err := sig.Recover(digest)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%w: not made by %s", contracts.ErrBadSignature, want)
	}
	return nil
}

func hashWords(words ...common.Hash) common.Hash {
	b := make([]byte, 0, 8*common.HashLength)
	for _, w := range words {
		b = append(b, w[:]...)
	}
	return crypto.Keccak256Hash(b)
}

func addressWord(a common.Address) (w common.Hash) {
	copy(w[12:], a[:])
	return w
}

func amountWord(a contracts.Amount) (w common.Hash) {
	b := a.Bytes()
	copy(w[32-len(b):], b[:])
	return w
}

func uintWord(v uint64) common.Hash {
	return uint256.NewInt(v).Bytes32()
}
