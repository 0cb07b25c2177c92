package home

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/common"
	"github.com/google/uuid"

	"byway/contracts"
	"byway/contracts/disk"
)

// ErrNoAccount says that a home has no account yet.
var ErrNoAccount = errors.New("no account here")

// ErrTaken says that a home has an account already, which nothing overwrites.
var ErrTaken = errors.New("already holds an account")

// ErrPassword says that a keystore file does not open with the password given.
var ErrPassword = errors.New("wrong password")

// account names the keystore files.
const (
	ownerAccount   = "owner"
	sessionAccount = "session"
)

func (h Home) keyPath(account string) string {
	return filepath.Join(h.dir, "keystore", account+".json")
}

// Strength is how hard a keystore file makes it to guess its password.
type Strength bool

// The strengths of go-ethereum's keystore: standard takes one to two seconds and 256 MiB, light a few milliseconds.
// Light is for devnets.
const (
	Standard Strength = false
	Light    Strength = true
)

// NewAccount makes the home's account and its session key out of a fresh phrase that nobody is shown, both under one
// password, and returns the account's address. It never overwrites an account.
func (h Home) NewAccount(password string, strength Strength) (common.Address, error) {
	return h.RestoreAccount(NewPhrase(), password, strength)
}

// RestoreAccount makes the account and the session key that a phrase stands for, both under one password, and returns
// the account's address. The same phrase makes the same keys, so that a lost home's money is found again. It never
// overwrites an account.
func (h Home) RestoreAccount(phrase Phrase, password string, strength Strength) (common.Address, error) {
	if err := h.vacant(); err != nil {
		return common.Address{}, err
	}
	owner, session, err := phrase.keys()
	if err != nil {
		return common.Address{}, err
	}
	// The session key first: an account file is only ever seen beside its session key.
	if err := h.writeKey(sessionAccount, session, password, strength); err != nil {
		return common.Address{}, err
	}
	if err := h.writeSessionKey(session); err != nil {
		return common.Address{}, err
	}
	return owner.Address(), h.writeKey(ownerAccount, owner, password, strength)
}

// NewColdAccount makes a home for an account whose key is kept elsewhere: it holds a fresh session key, which can spend
// what the account deposits for it and no more. It never overwrites an account.
func (h Home) NewColdAccount(owner common.Address, password string, strength Strength) error {
	if err := h.vacant(); err != nil {
		return err
	}
	session, err := contracts.GenerateKey()
	if err != nil {
		return err
	}
	if err := h.writeKey(sessionAccount, session, password, strength); err != nil {
		return err
	}
	if err := h.writeSessionKey(session); err != nil {
		return err
	}
	return disk.WriteFile(h.coldPath(), []byte(owner.Hex()+"\n"), 0o600)
}

// vacant makes sure that no account would be overwritten.
func (h Home) vacant() error {
	for _, path := range []string{h.keyPath(ownerAccount), h.coldPath()} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(fmt.Errorf("%s %w", h.dir, ErrTaken), err)
		}
	}
	return nil
}

func (h Home) coldPath() string { return filepath.Join(h.dir, "keystore", "owner.address") }

// cold returns the address of an account whose key is kept elsewhere.
func (h Home) cold() (owner common.Address, cold bool, err error) {
	text, err := os.ReadFile(h.coldPath())
	if errors.Is(err, fs.ErrNotExist) {
		return owner, false, nil
	}
	if err != nil {
		return owner, false, err
	}
	if hex := strings.TrimSpace(string(text)); common.IsHexAddress(hex) {
		return common.HexToAddress(hex), true, nil
	}
	return owner, false, fmt.Errorf("%s holds no address: write the account's there", h.coldPath())
}

func (h Home) writeKey(account string, key contracts.Key, password string, strength Strength) error {
	file, err := sealKey(account, key, password, strength)
	if err != nil {
		return err
	}
	return disk.WriteFile(h.keyPath(account), file, 0o600)
}

// sealKey is the keystore file of a key.
func sealKey(account string, key contracts.Key, password string, strength Strength) ([]byte, error) {
	n, p := keystore.StandardScryptN, keystore.StandardScryptP
	if strength == Light {
		n, p = keystore.LightScryptN, keystore.LightScryptP
	}
	id, err := uuid.NewRandomFromReader(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("key id: %w", err)
	}
	file, err := keystore.EncryptKey(
		&keystore.Key{Id: id, Address: key.Address(), PrivateKey: key.Private()}, password, n, p)
	debug.FreeOSMemory() // as in readKey
	if err != nil {
		return nil, fmt.Errorf("encrypt %s key: %w", account, err)
	}
	return file, nil
}

// Accounts lists the addresses in the keystore: the account first, then its session key. It asks for no password.
func (h Home) Accounts() (owner, session common.Address, err error) {
	owner, cold, err := h.cold()
	if err != nil {
		return owner, session, err
	}
	if !cold {
		if owner, err = h.keyAddress(ownerAccount); err != nil {
			return owner, session, err
		}
	}
	session, err = h.keyAddress(sessionAccount)
	return owner, session, err
}

// Unlock opens the account's and the session's keys for as long as the process runs; [Home.OpenKeys] opens them for who can
// do without the account's most of the time. An account whose key is kept elsewhere signs nothing: it answers [ErrCold].
func (h Home) Unlock(password string) (owner, session contracts.Signer, err error) {
	address, cold, err := h.cold()
	if err != nil {
		return nil, nil, err
	}
	if cold {
		// The password is held to the session key's file, though the key itself opens without.
		session, err := h.readKey(sessionAccount, password)
		if err != nil {
			return nil, nil, err
		}
		return coldSigner{address}, session, h.keepSessionKey(session)
	}
	ownerKey, err := h.readKey(ownerAccount, password)
	if err != nil {
		return nil, nil, err
	}
	sessionKey, err := h.sessionKey(password)
	if err != nil {
		return nil, nil, err
	}
	return ownerKey, sessionKey, nil
}

func (h Home) readKey(account, password string) (contracts.Key, error) {
	file, err := h.keyFile(account)
	if err != nil {
		return contracts.Key{}, err
	}
	key, err := keystore.DecryptKey(file, password)
	// Standard scrypt has used 256 MiB for this, which the collector would keep for as long as little is allocated.
	debug.FreeOSMemory()
	switch {
	case errors.Is(err, keystore.ErrDecrypt):
		return contracts.Key{}, fmt.Errorf("%s: %w", h.keyPath(account), ErrPassword)
	case err != nil:
		return contracts.Key{}, fmt.Errorf("%s is not a keystore file: %w: restore it from your backup",
			h.keyPath(account), err)
	}
	opened := contracts.NewKey(key.PrivateKey)
	// The address stands in the file in the clear, and is what everybody goes by who has no password.
	if stated, err := h.keyAddress(account); err != nil {
		return contracts.Key{}, err
	} else if stated != opened.Address() {
		return contracts.Key{}, fmt.Errorf("%s states the address %s and holds the key of %s: restore it from your backup",
			h.keyPath(account), stated, opened)
	}
	return opened, nil
}

func (h Home) keyFile(account string) ([]byte, error) {
	file, err := os.ReadFile(h.keyPath(account))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", h.dir, ErrNoAccount)
	}
	return file, err
}

func (h Home) keyAddress(account string) (common.Address, error) {
	file, err := h.keyFile(account)
	if err != nil {
		return common.Address{}, err
	}
	address, err := keystoreAddress(file)
	if err != nil {
		return common.Address{}, fmt.Errorf("%s is not a keystore file: %w: restore it from your backup",
			h.keyPath(account), err)
	}
	return address, nil
}

// keystoreAddress reads the address that a keystore file states in the clear.
func keystoreAddress(file []byte) (common.Address, error) {
	var head struct {
		Address string `json:"address"`
	}
	if err := DecodeJSON(file, &head); err != nil {
		return common.Address{}, err
	}
	hex := strings.TrimPrefix(head.Address, "0x")
	if !common.IsHexAddress(hex) {
		return common.Address{}, errors.New("it states no address")
	}
	return common.HexToAddress(hex), nil
}

// ErrCold says that the account's key is not in this home, so that nothing can be signed with it here.
var ErrCold = errors.New("the account's key is not in this home")

// coldSigner is an account whose key is elsewhere.
type coldSigner struct{ address common.Address }

func (s coldSigner) Address() common.Address { return s.address }

func (s coldSigner) SignDigest(common.Hash) ([]byte, error) { return nil, ErrCold }

// IsCold reports whether an account's key is elsewhere, so that no transaction can be sent.
func IsCold(key contracts.Signer) bool {
	_, cold := key.(coldSigner)
	return cold
}

// Cold is an account whose key is elsewhere: it names itself, and signs nothing.
func Cold(account common.Address) contracts.Signer { return coldSigner{account} }
