// Package home owns a node's folder and what every command reads of it: the lock that keeps it for one process, the
// account's keys and the phrase that restores them, the network that the node takes part in, and the providers that
// money was set aside for. What the chain said of the account is account's to keep there, and the money is
// payments/ledger's.
package home

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"byway/contracts/disk"
)

// Home is a node's folder: everything that the node knows and owns.
//
//	keystore/owner.json    the account: owns stake, deposit and earnings (Web3 secret storage, scrypt)
//	keystore/owner.address in its place where the account's key is kept elsewhere: its address alone
//	keystore/session.json  the session key of that account's vault: signs promises and nothing else
//	keystore/session.key   the same key open (hex): who reads it can spend what is deposited, and no more
//	payees                 the providers that money was ever set aside for
//	host.key               the libp2p identity
//	ledger.db              sessions, promises and claims
//	chain_time.json        what the chain's clock showed last, and this machine's then
//	chain.db               transactions in flight, and how far the chain was read
//	blocks/                offers, content-addressed
//	offer.cbor             a provider's offer as it was published last
//	byway.toml             settings, named as the command line's flags
//	wanted.json            the connection that is wanted
//	selling.json           what the provider is wanted to sell
//	operations.json        which requests of a day have begun what
//	daemon.log             what a daemon said that a command has started
//	api.token              on Windows: what lets this user in at the local API
//	lock                   held by the one process that runs here
type Home struct{ dir string }

// Open names the folder of a node and makes it, readable by this user alone, where it is missing: [*ForeignError] where it
// is another user's, or root would make it in another user's folder.
func Open(dir string) (Home, error) {
	h, err := Look(dir)
	if err != nil {
		return Home{}, err
	}
	if err := h.ours(os.Geteuid()); err != nil {
		return Home{}, err
	}
	if err := os.MkdirAll(filepath.Join(h.dir, "keystore"), 0o700); err != nil {
		return Home{}, fmt.Errorf("home %s: %w", h.dir, err)
	}
	return h, nil
}

// Look names the folder of a node and makes and reads nothing there: for who talks to the daemon that runs on it, whoever's
// it is.
func Look(dir string) (Home, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Home{}, fmt.Errorf("home %s: %w", dir, err)
	}
	return Home{abs}, nil
}

// ForeignError says that a home belongs to another user. What a process wrote there would be that process's user's, and shut
// the home's own user out: root's too, who can write anywhere.
type ForeignError struct {
	Dir   string
	Owner int // the user whose folder it is, by number
	User  int // the user of this process
}

// Error implements error.
func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s belongs to user %d, and this runs as user %d", e.Dir, e.Owner, e.User)
}

// ours makes sure that what this user writes to the home is in nobody else's folder.
func (h Home) ours(user int) error {
	for dir := h.dir; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
			continue // it would be made in the folder around it
		}
		if err != nil {
			return fmt.Errorf("home %s: %w", h.dir, err)
		}
		owner, known := disk.OwnerOf(info)
		switch {
		case !known || owner.UID == user:
			return nil
		case dir == h.dir, user == 0 && info.Mode().Perm()&0o002 == 0:
			return &ForeignError{Dir: h.dir, Owner: owner.UID, User: user}
		}
		return nil // a folder that all may write to, or one that the kernel decides about
	}
}

// Dir is the folder's absolute path.
func (h Home) Dir() string { return h.dir }

func (h Home) Path(name string) string { return filepath.Join(h.dir, name) }

// InUseError says that another process runs on a home.
type InUseError struct{ Dir string }

// Error implements error.
func (e *InUseError) Error() string { return "another byway process runs on " + e.Dir }

// Lock makes this process the only one that runs on the home, until the function it returns is called: [*InUseError] where
// another one does.
func (h Home) Lock() (unlock func() error, err error) {
	lock := flock.New(h.Path("lock"))
	held, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", h.dir, err)
	}
	if !held {
		return nil, &InUseError{h.dir}
	}
	if err := errors.Join(h.Writable(), disk.RemoveUnfinished(h.Path("keystore"))); err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	return lock.Unlock, nil
}

// homeNeeds is how many bytes must be free for what a node writes down before it acts.
const homeNeeds = 64 << 10

// Writable makes sure that what must be on disk before money moves can be put there: no full disk, no file system that was
// mounted read-only after a fault.
func (h Home) Writable() error {
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

// DecodeJSON reads one JSON value and nothing after it.
func DecodeJSON(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}
