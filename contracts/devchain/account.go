package devchain

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"math/big"
	"sync"

	"byway/contracts"

	"github.com/ethereum/go-ethereum/crypto"
)

// Mnemonic is the test phrase that anvil, hardhat and ganache share.
const Mnemonic = "test test test test test test test test test test test junk"

const hardened = 1 << 31

// extendedKey is a private key of BIP-32 with its chain code.
type extendedKey struct {
	key   *ecdsa.PrivateKey
	chain []byte
}

// external is m/44'/60'/0'/0, the parent of every account (BIP-44, SLIP-44 coin 60).
var external = sync.OnceValue(func() extendedKey {
	// BIP-39: the salt is the word "mnemonic" and an empty passphrase.
	seed, err := pbkdf2.Key(sha512.New, Mnemonic, []byte("mnemonic"), 2048, 64)
	if err != nil {
		panic("devchain: seed of the test mnemonic: " + err.Error())
	}
	k := newExtendedKey([]byte("Bitcoin seed"), seed, nil)
	for _, index := range []uint32{44 + hardened, 60 + hardened, hardened, 0} {
		k = k.child(index)
	}
	return k
})

// Account returns the funded development account i, the address that anvil prints in the same place. Its key is
// public knowledge. It panics where i is negative or not below 2^31.
func Account(i int) contracts.Key {
	if i < 0 || int64(i) >= hardened {
		panic(fmt.Sprintf("devchain: no account %d", i))
	}
	return contracts.NewKey(external().child(uint32(i)).key)
}

// child is CKDpriv of BIP-32. The one case in 2^127 that it must refuse cannot occur for a fixed phrase and the
// indices in use without the tests noticing.
func (k extendedKey) child(index uint32) extendedKey {
	var data []byte
	if index >= hardened {
		data = append([]byte{0}, crypto.FromECDSA(k.key)...)
	} else {
		data = crypto.CompressPubkey(&k.key.PublicKey)
	}
	return newExtendedKey(k.chain, binary.BigEndian.AppendUint32(data, index),
		new(big.Int).SetBytes(crypto.FromECDSA(k.key)))
}

func newExtendedKey(chain, data []byte, parent *big.Int) extendedKey {
	mac := hmac.New(sha512.New, chain)
	mac.Write(data)
	sum := mac.Sum(nil)
	d := new(big.Int).SetBytes(sum[:32])
	if parent != nil {
		d.Mod(d.Add(d, parent), crypto.S256().Params().N)
	}
	key, err := crypto.ToECDSA(d.FillBytes(make([]byte, 32)))
	if err != nil {
		panic("devchain: derived key: " + err.Error())
	}
	return extendedKey{key, sum[32:]}
}
