package contracts

import (
	"crypto/ecdsa"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Signer signs digests in the name of one address. Promises, offers and transactions all ask for no more than this,
// so that a key may live in memory, in a keystore or on another machine.
type Signer interface {
	// Address is the account that signatures recover to.
	Address() common.Address
	// SignDigest returns the 65 bytes r || s || v over a 32-byte digest, with s in the lower half and v 0 or 1.
	SignDigest(digest common.Hash) ([]byte, error)
}

// Key is a private key held in memory. It prints as its address only.
type Key struct {
	private *ecdsa.PrivateKey
	address common.Address
}

// NewKey wraps a private key of the secp256k1 curve.
func NewKey(private *ecdsa.PrivateKey) Key {
	return Key{private, crypto.PubkeyToAddress(private.PublicKey)}
}

// GenerateKey makes a fresh key from the system's randomness.
func GenerateKey() (Key, error) {
	private, err := crypto.GenerateKey()
	if err != nil {
		return Key{}, fmt.Errorf("generate key: %w", err)
	}
	return NewKey(private), nil
}

// Address implements [Signer].
func (k Key) Address() common.Address { return k.address }

// SignDigest implements [Signer].
func (k Key) SignDigest(digest common.Hash) ([]byte, error) {
	return crypto.Sign(digest[:], k.private)
}

// Private returns the key itself, for writing it into a keystore. Nothing else needs it.
func (k Key) Private() *ecdsa.PrivateKey { return k.private }

// String names the key by its address, so that no log or message can carry the secret.
func (k Key) String() string { return k.address.Hex() }

// GoString is String, for the same reason.
func (k Key) GoString() string { return k.String() }
