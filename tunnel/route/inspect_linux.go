package route

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Inspect says whether this machine is shut, and by what; nil when it is not. It needs no daemon, and asks none. Every
// user may ask; "" is DefaultStateDir.
func Inspect(stateDir string) (*Shut, error) {
	if stateDir == "" {
		stateDir = DefaultStateDir
	}
	s, err := readState(stateDir)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("whether this machine is shut is root's to read, after a session of an older release: %w", err)
	}
	if s == nil || err != nil {
		return nil, err
	}
	boot, err := bootID()
	if err != nil {
		return nil, err
	}
	if s.Boot != boot { // the kernel has forgotten everything, and shuts nothing
		return nil, nil
	}
	shut := &Shut{Since: s.Since, Lockdown: s.Lockdown}
	switch {
	case s.held(stateDir):
		shut.Held = true
	case s.Ended != nil:
		shut.Since, shut.Reason = s.Ended.At, s.Ended.Reason
	default:
		shut.Reason = "the daemon that held it was killed"
	}
	return shut, nil
}

// held reports whether a daemon holds the machine.
func (s *state) held(dir string) bool {
	if s.Holder != nil || s.Version > 1 {
		return s.Holder != nil && s.Holder.runs()
	}
	// An older release did not say who it is. Its lock does, to root.
	f, err := os.Open(filepath.Join(dir, lockName))
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
}
