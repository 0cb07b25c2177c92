package wireguard

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
)

// Key is a WireGuard public key (X25519) or preshared key: 32 bytes.
type Key [32]byte

// String is the key in base64, as WireGuard's tools print it.
func (k Key) String() string { return base64.StdEncoding.EncodeToString(k[:]) }

// IsZero reports whether no key is set.
func (k Key) IsZero() bool { return k == Key{} }

func (k Key) hex() string { return hex.EncodeToString(k[:]) }

// PrivateKey is a WireGuard private key. It never prints itself.
type PrivateKey [32]byte

const redacted = "[redacted]"

// String keeps the key out of messages.
func (PrivateKey) String() string { return redacted }

// GoString keeps the key out of %#v.
func (PrivateKey) GoString() string { return redacted }

// Format keeps the key out of every other verb.
func (PrivateKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// LogValue keeps the key out of logs.
func (PrivateKey) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText keeps the key out of JSON and other encodings.
func (PrivateKey) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// GenerateKey makes a fresh private key.
func GenerateKey() (PrivateKey, error) {
	k, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return PrivateKey{}, fmt.Errorf("generate wireguard key: %w", err)
	}
	var p PrivateKey
	copy(p[:], k.Bytes())
	return p, nil
}

// Public is the public key that belongs to p.
func (p PrivateKey) Public() Key {
	k, err := ecdh.X25519().NewPrivateKey(p[:])
	if err != nil {
		// Any 32 bytes are an X25519 key.
		panic("tunnel: " + err.Error())
	}
	return Key(k.PublicKey().Bytes())
}

func (p PrivateKey) hex() string { return hex.EncodeToString(p[:]) }
