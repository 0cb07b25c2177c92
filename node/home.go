package node

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
	"github.com/gofrs/flock"
	"github.com/google/uuid"

	"byway/contracts"
	"byway/contracts/disk"
)

// Home is a node's folder: everything that the node knows and owns.
//
//	keystore/owner.json    the account: owns stake, deposit and earnings (Web3 secret storage, scrypt)
//	keystore/owner.address in its place where the account's key is kept elsewhere: its address alone
//	keystore/session.json  the session key of that account's vault: signs promises and nothing else
//	payees                 the providers that money was ever set aside for
//	host.key               the libp2p identity
//	ledger.db              sessions, promises and claims
//	chain_time.json        what the chain's clock showed last, and this machine's then
//	chain.db               transactions in flight, and how far the chain was read
//	blocks/                offers, content-addressed
//	offer.cbor             a provider's offer as it was published last
//	api.json               where the running daemon's local API listens, and its token
//	lock                   held by the one process that runs here
type Home struct{ dir string }

// ErrNoAccount says that a home has no account yet.
var ErrNoAccount = errors.New("no account here")

// ErrPassword says that a keystore file does not open with the password given.
var ErrPassword = errors.New("wrong password")

// OpenHome names the folder of a node and makes it, readable by this user alone, where it is missing.
func OpenHome(dir string) (Home, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Home{}, fmt.Errorf("home %s: %w", dir, err)
	}
	if err := os.MkdirAll(filepath.Join(abs, "keystore"), 0o700); err != nil {
		return Home{}, fmt.Errorf("home %s: %w", abs, err)
	}
	return Home{abs}, nil
}

// Dir is the folder's absolute path.
func (h Home) Dir() string { return h.dir }

func (h Home) path(name string) string { return filepath.Join(h.dir, name) }

// Lock makes this process the only one that runs on the home, until the function it returns is called.
func (h Home) Lock() (unlock func() error, err error) {
	lock := flock.New(h.path("lock"))
	held, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", h.dir, err)
	}
	if !held {
		return nil, fmt.Errorf("another byway process runs on %s: stop it, or use another --home", h.dir)
	}
	if err := h.writable(); err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	return lock.Unlock, nil
}

// homeNeeds is how many bytes must be free for what a node writes down before it acts.
const homeNeeds = 64 << 10

// writable makes sure that what must be on disk before money moves can be put there: no full disk, no file system that was
// mounted read-only after a fault.
func (h Home) writable() error {
	f, err := os.CreateTemp(h.dir, ".check-*")
	if err != nil {
		return fmt.Errorf("%s cannot be written to: %w", h.dir, err)
	}
	_, err = f.Write(make([]byte, homeNeeds))
	if err := errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name())); err != nil {
		return fmt.Errorf("%s cannot be written to: %w", h.dir, err)
	}
	return nil
}

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
	return disk.WriteFile(h.coldPath(), []byte(owner.Hex()+"\n"), 0o600)
}

// vacant makes sure that no account would be overwritten.
func (h Home) vacant() error {
	for _, path := range []string{h.keyPath(ownerAccount), h.coldPath()} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(fmt.Errorf("%s already holds an account: use another --home for another one", h.dir), err)
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
	n, p := keystore.StandardScryptN, keystore.StandardScryptP
	if strength == Light {
		n, p = keystore.LightScryptN, keystore.LightScryptP
	}
	id, err := uuid.NewRandomFromReader(rand.Reader)
	if err != nil {
		return fmt.Errorf("key id: %w", err)
	}
	file, err := keystore.EncryptKey(
		&keystore.Key{Id: id, Address: key.Address(), PrivateKey: key.Private()}, password, n, p)
	debug.FreeOSMemory() // as in readKey
	if err != nil {
		return fmt.Errorf("encrypt %s key: %w", account, err)
	}
	return disk.WriteFile(h.keyPath(account), file, 0o600)
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

// Unlock opens the account's and the session's keys. An account whose key is kept elsewhere signs nothing: it answers
// [ErrCold].
func (h Home) Unlock(password string) (owner, session contracts.Signer, err error) {
	address, cold, err := h.cold()
	if err != nil {
		return nil, nil, err
	}
	owner = coldSigner{address}
	if !cold {
		if owner, err = h.readKey(ownerAccount, password); err != nil {
			return nil, nil, err
		}
	}
	if session, err = h.readKey(sessionAccount, password); err != nil {
		return nil, nil, err
	}
	return owner, session, nil
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
	return contracts.NewKey(key.PrivateKey), nil
}

func (h Home) keyFile(account string) ([]byte, error) {
	file, err := os.ReadFile(h.keyPath(account))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w: make one with byway account new", h.dir, ErrNoAccount)
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
	if err := decodeJSON(file, &head); err != nil {
		return common.Address{}, err
	}
	hex := strings.TrimPrefix(head.Address, "0x")
	if !common.IsHexAddress(hex) {
		return common.Address{}, errors.New("it states no address")
	}
	return common.HexToAddress(hex), nil
}
