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
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
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

// Open names the folder of a node and makes it, readable by this user alone, where it is missing.
func Open(dir string) (Home, error) {
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
