package contracts

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

// SignatureSize is the length of a [Signature], in bytes.
const SignatureSize = 64

// Signature is an EIP-2098 compact signature: r || (yParity << 255 | s), with s in the lower half of the curve's order.
// Any other form of the same signature is invalid, so that one signature has one form.
type Signature [SignatureSize]byte

// ErrBadSignature says that a signature is malformed, in a second form of itself, or made by another key.
var ErrBadSignature = errors.New("bad signature")

// halfOrder is half the order of secp256k1: a larger s is a second form of the same signature.
var halfOrder = func() (h uint256.Int) {
	h.SetFromBig(crypto.S256().Params().N)
	return *h.Rsh(&h, 1)
}()

// Sign returns a signer's signature of a digest. [ErrBadSignature] says that the signer gave what is none.
func Sign(digest common.Hash, s Signer) (Signature, error) {
	full, err := s.SignDigest(digest)
	if err != nil {
		return Signature{}, err
	}
	sig, err := Compact(full)
	if err != nil {
		return Signature{}, fmt.Errorf("signer's answer: %w", err)
	}
	return sig, nil
}

// Compact reads the form r || s || v of a signature, 65 bytes, with v 0 or 1 as a [Signer] writes it, or 27 or 28 as wallets
// do. The error is [ErrBadSignature], also where s is in the upper half.
func Compact(full []byte) (sig Signature, err error) {
	if len(full) != crypto.SignatureLength {
		return sig, fmt.Errorf("%w: it has %d bytes, not %d", ErrBadSignature, len(full), crypto.SignatureLength)
	}
	v := full[64]
	if v >= 27 {
		v -= 27
	}
	if v > 1 {
		return sig, fmt.Errorf("%w: its last byte is %d", ErrBadSignature, full[64])
	}
	if !lowS(full[32:64]) {
		return sig, fmt.Errorf("%w: s is in the upper half", ErrBadSignature)
	}
	sig = Signature(full[:SignatureSize])
	sig[32] |= v << 7
	return sig, nil
}

// Full is the form r || s || v, 65 bytes, with v 27 or 28: what wallets and OpenZeppelin's checker take.
func (s Signature) Full() []byte {
	full := append(s[:], 27+s[32]>>7)
	full[32] &= 0x7f
	return full
}

// Recover returns the account that has signed a digest, as the contracts' ecrecover does: the upper half of s is refused
// before the curve is asked. The error is [ErrBadSignature].
func (s Signature) Recover(digest common.Hash) (common.Address, error) {
	var full [crypto.SignatureLength]byte
	copy(full[:], s[:])
	full[64] = s[32] >> 7
	full[32] &= 0x7f
	if !lowS(full[32:64]) {
		return common.Address{}, fmt.Errorf("%w: s is in the upper half", ErrBadSignature)
	}
	public, err := crypto.Ecrecover(digest[:], full[:])
	if err != nil {
		return common.Address{}, fmt.Errorf("%w: %w", ErrBadSignature, err)
	}
	return common.BytesToAddress(crypto.Keccak256(public[1:])[12:]), nil
}

func lowS(s []byte) bool {
	var u uint256.Int
	u.SetBytes(s)
	return !u.Gt(&halfOrder)
}
