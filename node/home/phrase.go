package home

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/crypto"

	"byway/contracts"
	"byway/contracts/text"
)

// A phrase is BIP-39's: 128 to 256 bits of randomness and a checksum of one bit for every 32, eleven bits to a word. It
// stands for a seed (PBKDF2 over SHA-512, 2048 rounds, no passphrase), and the seed for a tree of keys (BIP-32). The
// account is m/44'/60'/0'/0/0, the address that every Ethereum wallet derives first. The session key is m/44'/60'/1'/0/0,
// on a hardened branch of its own: whoever gets hold of it learns nothing of the account's.
//
// It is written out here, in the standard library's primitives, since the usual library's repository is gone. The tests
// hold it to the vectors of BIP-39 and to the development accounts of every Ethereum node.

// Phrase is a backup of an account and its session key: words that a person writes down. It never prints by itself.
type Phrase struct{ words []string }

// hardened marks the index of a key that only the private parent can derive.
const hardened = 1 << 31

var (
	accountPath = []uint32{44 + hardened, 60 + hardened, hardened, 0, 0}
	sessionPath = []uint32{44 + hardened, 60 + hardened, 1 + hardened, 0, 0}
)

// wordList is BIP-39's English list: 2048 words, sorted, told apart by their first four letters. It comes from
// bitcoin/bips (bip-0039/english.txt), which is under the MIT licence.
//
//go:embed words.txt
var wordList string

var bipWords = sync.OnceValue(func() []string { return strings.Fields(wordList) })

// newPhraseBits is the strength of a new phrase: twelve words.
const newPhraseBits = 128

// NewPhrase makes a phrase from the system's randomness.
func NewPhrase() Phrase {
	var entropy [newPhraseBits / 8]byte
	rand.Read(entropy[:]) // never fails: crypto/rand ends the program instead
	return phraseOf(entropy[:])
}

// phraseOf spells entropy and its checksum.
func phraseOf(entropy []byte) Phrase {
	sum := sha256.Sum256(entropy)
	bits := new(big.Int).SetBytes(append(slices.Clone(entropy), sum[0]))
	check := len(entropy) / 4 // bits of the checksum that count
	bits.Rsh(bits, uint(8-check))
	words := make([]string, (len(entropy)*8+check)/11)
	mask := big.NewInt(2047)
	for i := len(words) - 1; i >= 0; i-- {
		words[i] = bipWords()[new(big.Int).And(bits, mask).Int64()]
		bits.Rsh(bits, 11)
	}
	return Phrase{words}
}

// maxPhrase bounds a phrase in bytes: 24 words of at most eight letters take 215.
const maxPhrase = 512

// ParsePhrase reads a phrase as a person types it, and checks its words and its checksum. The error names the word that
// is wrong, never another one.
func ParsePhrase(s string) (Phrase, error) {
	if len(s) > maxPhrase {
		return Phrase{}, errors.New("that is longer than a phrase can be")
	}
	words := strings.Fields(strings.ToLower(s))
	if n := len(words); n < 12 || n > 24 || n%3 != 0 {
		return Phrase{}, fmt.Errorf("a phrase has 12, 15, 18, 21 or 24 words, not %d", n)
	}
	bits := new(big.Int)
	for i, word := range words {
		at, found := slices.BinarySearch(bipWords(), word)
		if !found {
			return Phrase{}, fmt.Errorf("word %d, %q, is not in the list: look at how it was written down", i+1, text.Line(word))
		}
		bits.Or(bits.Lsh(bits, 11), big.NewInt(int64(at)))
	}
	check := len(words) / 3
	entropy := new(big.Int).Rsh(bits, uint(check)).FillBytes(make([]byte, check*4))
	if !slices.Equal(phraseOf(entropy).words, words) {
		return Phrase{}, errors.New("the words do not belong together: one is wrong, missing or in another's place")
	}
	return Phrase{words}, nil
}

// Reveal returns the words, for showing them to their owner, once.
func (p Phrase) Reveal() []string { return slices.Clone(p.words) }

// String hides the words from logs and messages.
func (p Phrase) String() string { return fmt.Sprintf("phrase of %d words", len(p.words)) }

// GoString is String, for the same reason.
func (p Phrase) GoString() string { return p.String() }

// keys derives the account's and the session's key.
func (p Phrase) keys() (owner, session contracts.Key, err error) {
	if len(p.words) == 0 {
		return owner, session, errors.New("the phrase is empty")
	}
	seed, err := pbkdf2.Key(sha512.New, strings.Join(p.words, " "), []byte("mnemonic"), 2048, 64)
	if err != nil {
		return owner, session, fmt.Errorf("seed of the phrase: %w", err)
	}
	if owner, err = derive(seed, accountPath); err != nil {
		return owner, session, err
	}
	session, err = derive(seed, sessionPath)
	return owner, session, err
}

// derive follows a path of BIP-32 from a seed (CKDpriv). An index that it can't derive, one in 2^127, is an error.
func derive(seed []byte, path []uint32) (contracts.Key, error) {
	sum := mac([]byte("Bitcoin seed"), seed)
	key, chain := sum[:32], sum[32:]
	order := crypto.S256().Params().N
	for _, index := range path {
		private, err := crypto.ToECDSA(key)
		if err != nil {
			return contracts.Key{}, fmt.Errorf("derive key: %w", err)
		}
		data := append([]byte{0}, key...)
		if index < hardened {
			data = crypto.CompressPubkey(&private.PublicKey)
		}
		sum = mac(chain, binary.BigEndian.AppendUint32(data, index))
		step := new(big.Int).SetBytes(sum[:32])
		if step.Cmp(order) >= 0 {
			return contracts.Key{}, errors.New("derive key: this phrase has no such key: make another one")
		}
		step.Mod(step.Add(step, new(big.Int).SetBytes(key)), order)
		key, chain = step.FillBytes(make([]byte, 32)), bytes.Clone(sum[32:])
	}
	private, err := crypto.ToECDSA(key)
	if err != nil {
		return contracts.Key{}, fmt.Errorf("derive key: %w", err)
	}
	return contracts.NewKey(private), nil
}

func mac(key, data []byte) []byte {
	h := hmac.New(sha512.New, key)
	h.Write(data)
	return h.Sum(nil)
}
