package home

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/ethereum/go-ethereum/crypto"

	"byway/contracts"
	"byway/contracts/disk"
)

// The session key lies open beside its keystore file, so that a node that was killed goes on by itself. It spends what the
// account has deposited and can do nothing else: the account's own key stays shut.

func (h Home) sessionKeyPath() string { return h.Path("keystore/session.key") }

// maxSessionKey bounds the file in bytes: 64 digits, and an end of the line of either kind.
const maxSessionKey = 66

// errNoSessionKey says that a home is older than the open session key.
var errNoSessionKey = errors.New("no open session key")

// openSessionKey reads the session key without a password: [errNoSessionKey] where there is none yet, [*disk.ExposedError]
// where others could have read or changed it. It must be the key that session.json states.
func (h Home) openSessionKey() (contracts.Key, error) {
	stated, err := h.keyAddress(sessionAccount)
	if err != nil {
		return contracts.Key{}, err
	}
	path := h.sessionKeyPath()
	text, err := disk.ReadOwn(path, maxSessionKey, 0o077)
	if errors.Is(err, fs.ErrNotExist) {
		return contracts.Key{}, errNoSessionKey
	}
	if err != nil {
		return contracts.Key{}, err
	}
	defer clear(text)
	raw := make([]byte, 32)
	defer clear(raw)
	digits := strings.TrimRight(string(text), "\r\n")
	if n, err := hex.Decode(raw, []byte(digits)); len(digits) != 64 || n != 32 || err != nil {
		return contracts.Key{}, fmt.Errorf("%s holds no key of 64 hexadecimal digits: remove it, the password makes it again",
			path)
	}
	private, err := crypto.ToECDSA(raw)
	if err != nil {
		return contracts.Key{}, fmt.Errorf("%s holds no key: remove it, the password makes it again", path)
	}
	key := contracts.NewKey(private)
	if key.Address() != stated {
		return contracts.Key{}, fmt.Errorf("%s is the key of %s, and %s that of %s: restore the one that is wrong from your "+
			"backup, or remove the first, which the password makes again", path, key, h.keyPath(sessionAccount), stated)
	}
	return key, nil
}

// sessionKey opens the session key, with the password in a home that has none open yet, and leaves it open.
func (h Home) sessionKey(password string) (contracts.Key, error) {
	key, err := h.openSessionKey()
	if !errors.Is(err, errNoSessionKey) {
		return key, err
	}
	if key, err = h.readKey(sessionAccount, password); err != nil {
		return key, err
	}
	return key, h.writeSessionKey(key)
}

// keepSessionKey makes sure that a key that a password has opened opens without from now on.
func (h Home) keepSessionKey(key contracts.Key) error {
	_, err := h.openSessionKey()
	if errors.Is(err, errNoSessionKey) {
		return h.writeSessionKey(key)
	}
	return err
}

func (h Home) writeSessionKey(key contracts.Key) error {
	raw := crypto.FromECDSA(key.Private())
	text := hex.AppendEncode(nil, raw)
	defer clear(raw)
	defer clear(text)
	return disk.WriteFile(h.sessionKeyPath(), append(text, '\n'), 0o600)
}
