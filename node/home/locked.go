package home

import (
	"errors"
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
)

// ErrLocked says that a key is shut: its account's password opens it, see [Keys.Unlock].
var ErrLocked = errors.New("the account is locked")

// Keys are a home's keys while a node runs on it. The session key signs from the start. The account's key signs between
// [Keys.Unlock] and [Keys.Lock]; before and after it answers [ErrLocked], and is not in memory. All methods may be called
// from several goroutines.
type Keys struct {
	home    Home
	owner   contracts.Signer // either of the next two
	cold    bool             // the account's key is elsewhere
	account *lockable        // nil where it is cold
	session *lockable

	turn sync.Mutex // held by who opens or shuts: guesses take turns, 256 MiB each, and a Lock holds against an Unlock before
}

// OpenKeys opens the home's keys as far as they open without a password: both addresses, and the session key. In a home
// made before the session key lay open, that one waits for the first [Keys.Unlock] too. It is [ErrNoAccount] where there is
// none, and [*disk.ExposedError] where others could have read the session key.
func (h Home) OpenKeys() (*Keys, error) {
	owner, session, err := h.Accounts()
	if err != nil {
		return nil, err
	}
	_, cold, err := h.cold()
	if err != nil {
		return nil, err
	}
	k := &Keys{home: h, cold: cold, session: &lockable{address: session}}
	if cold {
		k.owner = coldSigner{owner}
	} else {
		k.account = &lockable{address: owner}
		k.owner = k.account
	}
	switch key, err := h.openSessionKey(); {
	case err == nil:
		if err := k.session.open(key); err != nil {
			return nil, err
		}
	case !errors.Is(err, errNoSessionKey):
		return nil, err
	}
	return k, nil
}

// Owner signs in the account's name: [ErrLocked] while it is shut, [ErrCold] where its key is elsewhere.
func (k *Keys) Owner() contracts.Signer { return k.owner }

// Session signs promises.
func (k *Keys) Session() contracts.Signer { return k.session }

// Locked reports whether there is a key here that the password would open.
func (k *Keys) Locked() bool {
	return k.session.Locked() || k.account != nil && k.account.Locked()
}

// Unlock opens the account's key until [Keys.Lock]: [ErrPassword] where the password is wrong, also while the key is open,
// which it then stays. It takes one to two seconds and 256 MiB, one caller at a time; who guesses is limited elsewhere.
func (k *Keys) Unlock(password string) error {
	k.turn.Lock()
	defer k.turn.Unlock()
	if k.cold {
		key, err := k.home.readKey(sessionAccount, password)
		if err != nil {
			return err
		}
		if err := k.home.keepSessionKey(key); err != nil {
			return err
		}
		return k.session.open(key)
	}
	owner, err := k.home.readKey(ownerAccount, password)
	if err != nil {
		return err
	}
	session, err := k.home.sessionKey(password)
	if err != nil {
		wipe(owner)
		return err
	}
	if err := k.session.open(session); err != nil {
		wipe(owner)
		return err
	}
	return k.account.open(owner)
}

// Lock shuts the account's key and overwrites it in memory. A signature that is being made is waited for, and so is an
// Unlock that was called before; the session key goes on signing.
func (k *Keys) Lock() {
	k.turn.Lock()
	defer k.turn.Unlock()
	if k.account != nil {
		k.account.close()
	}
}

// lockable is a signer whose key comes and goes.
type lockable struct {
	address common.Address

	mu  sync.RWMutex
	key *contracts.Key // nil: shut
}

// Address implements [contracts.Signer].
func (l *lockable) Address() common.Address { return l.address }

// SignDigest implements [contracts.Signer].
func (l *lockable) SignDigest(digest common.Hash) ([]byte, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.key == nil {
		return nil, ErrLocked
	}
	return l.key.SignDigest(digest)
}

// String names the signer by its address, so that no log or message can carry the secret.
func (l *lockable) String() string { return l.address.Hex() }

// GoString is String, for the same reason.
func (l *lockable) GoString() string { return l.String() }

// Locked reports whether the key is shut.
func (l *lockable) Locked() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.key == nil
}

// open takes the key over. Where one is open already the new one is overwritten: it is the same.
func (l *lockable) open(key contracts.Key) error {
	if key.Address() != l.address {
		wipe(key)
		return fmt.Errorf("the key of %s lies where that of %s was: the keystore was changed while the node ran: start it "+
			"again", key, l.address)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.key != nil {
		wipe(key)
		return nil
	}
	l.key = &key
	return nil
}

func (l *lockable) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.key != nil {
		wipe(*l.key)
		l.key = nil
	}
}

// wipe overwrites a private key that nobody uses any more. Copies that the runtime made of it are beyond reach.
func wipe(key contracts.Key) {
	clear(key.Private().D.Bits()) //nolint:staticcheck // nothing else overwrites the secret where it lies
}
