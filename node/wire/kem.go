package wire

import (
	"crypto/hkdf"
	"crypto/mlkem"
	"crypto/sha256"
	"fmt"

	"byway/tunnel/wireguard"
)

// The pre-shared key of a session's WireGuard peering comes from ML-KEM-768 (FIPS 203), so that traffic recorded today
// stays secret from a later quantum computer. It is HKDF-SHA-256 of the shared secret, with the hash of all that
// the two sides said about keys as the salt: whoever changes one of them ends with another key and no tunnel.

const presharedInfo = "byway session 2 preshared key"

// Encapsulate is the provider's half: it makes a secret for the consumer's key in a Hello and returns the pre-shared
// key and the ciphertext for Welcome. provider is the provider's WireGuard key. A malformed key is an error.
func Encapsulate(h *Hello, provider wireguard.Key) (psk wireguard.Key, ciphertext []byte, err error) {
	key, err := mlkem.NewEncapsulationKey768(h.KEM)
	if err != nil {
		return wireguard.Key{}, nil, fmt.Errorf("ML-KEM key: %w", err)
	}
	secret, ciphertext := key.Encapsulate()
	psk, err = presharedKey(secret, h, provider, ciphertext)
	return psk, ciphertext, err
}

// Decapsulate is the consumer's half: it returns the pre-shared key, or an error for a malformed ciphertext.
func Decapsulate(key *mlkem.DecapsulationKey768, h *Hello, w *Welcome) (wireguard.Key, error) {
	secret, err := key.Decapsulate(w.Ciphertext)
	if err != nil {
		return wireguard.Key{}, fmt.Errorf("ML-KEM ciphertext: %w", err)
	}
	return presharedKey(secret, h, w.WireGuard, w.Ciphertext)
}

func presharedKey(secret []byte, h *Hello, provider wireguard.Key, ciphertext []byte) (wireguard.Key, error) {
	transcript := sha256.New()
	for _, part := range [][]byte{h.Offer, h.Payer[:], h.Signer[:], h.WireGuard[:], provider[:], h.KEM, ciphertext} {
		length := [4]byte{byte(len(part) >> 24), byte(len(part) >> 16), byte(len(part) >> 8), byte(len(part))}
		transcript.Write(length[:])
		transcript.Write(part)
	}
	b, err := hkdf.Key(sha256.New, secret, transcript.Sum(nil), presharedInfo, len(wireguard.Key{}))
	if err != nil {
		return wireguard.Key{}, fmt.Errorf("derive preshared key: %w", err)
	}
	return wireguard.Key(b), nil
}
