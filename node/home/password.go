package home

import (
	"errors"
	"io/fs"

	"byway/contracts"
	"byway/contracts/disk"
)

// ChangePassword puts the home's keys under a new password: [ErrPassword] where the old one is wrong, and then nothing was
// changed. Whoever calls it holds the home's [Home.Lock].
//
// The account's file is replaced last and decides: until then the home opens with the old password, from then on with the
// new one. The session key opens without either, so that a crash between the two files shuts nobody out; changing the
// password again mends what it left. Neither file stays behind under another name.
func (h Home) ChangePassword(old, fresh string, strength Strength) error {
	return h.changePassword(old, fresh, strength, disk.WriteFile)
}

func (h Home) changePassword(
	old, fresh string, strength Strength, write func(path string, content []byte, perm fs.FileMode) error,
) error {
	if fresh == "" {
		return errors.New("the new password is empty")
	}
	_, cold, err := h.cold()
	if err != nil {
		return err
	}
	type sealed struct {
		account string
		key     contracts.Key
	}
	var files []sealed
	if cold {
		session, err := h.readKey(sessionAccount, old)
		if err != nil {
			return err
		}
		defer wipe(session)
		if err := h.keepSessionKey(session); err != nil {
			return err
		}
		files = []sealed{{sessionAccount, session}}
	} else {
		owner, err := h.readKey(ownerAccount, old)
		if err != nil {
			return err
		}
		defer wipe(owner)
		session, err := h.sessionKey(old)
		if err != nil {
			return err
		}
		defer wipe(session)
		files = []sealed{{sessionAccount, session}, {ownerAccount, owner}}
	}
	// Both are sealed before either is written: what can fail has failed by then, but for the disk.
	contents := make([][]byte, len(files))
	for i, f := range files {
		if contents[i], err = sealKey(f.account, f.key, fresh, strength); err != nil {
			return err
		}
	}
	for i, f := range files {
		if err := write(h.keyPath(f.account), contents[i], 0o600); err != nil {
			return err
		}
	}
	return disk.RemoveUnfinished(h.Path("keystore"))
}
