package route

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	stateName    = "routes.json"
	lockName     = "routes.lock"
	stateVersion = 1
	maxState     = 1 << 20
)

// state says what was changed and how it was before. It is on disk before the change it speaks of.
type state struct {
	Version   int    `json:"version"`
	Boot      string `json:"boot"` // after another boot, only files are left to restore
	Interface string `json:"interface"`
	Lockdown  bool   `json:"lockdown"`
	// Sysctls holds former values by path.
	Sysctls map[string]string `json:"sysctls,omitempty"`
	DNS     *dnsState         `json:"dns,omitempty"`
}

// bootID tells one boot of the machine from another.
func bootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// lockDir makes sure that one process at a time changes the machine's routes. Closing the file, or dying, lets go.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make state folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock of routes: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, ErrInUse
		}
		return nil, fmt.Errorf("lock routes: %w", err)
	}
	return f, nil
}

// readState returns nil when nothing is to be restored.
func readState(dir string) (*state, error) {
	path := filepath.Join(dir, stateName)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read state of routes: %w", err)
	}
	return decodeState(path, b)
}

func decodeState(path string, b []byte) (*state, error) {
	if len(b) > maxState {
		return nil, fmt.Errorf("state of routes %s has %d bytes, more than %d", path, len(b), maxState)
	}
	s := new(state)
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("state of routes %s: %w", path, err)
	}
	if s.Version != stateVersion {
		return nil, fmt.Errorf("state of routes %s has version %d, not %d: disconnect with the release that wrote it",
			path, s.Version, stateVersion)
	}
	for name := range s.Sysctls {
		if filepath.Clean(name) != name || !strings.HasPrefix(name, "/proc/sys/net/") {
			return nil, fmt.Errorf("state of routes %s: %q is no network setting", path, name)
		}
	}
	return s, nil
}

// leftDNS is what there is to revert of DNS; nil for nothing. Another boot has forgotten all but files, and numbers its
// interfaces anew.
func (s *state) leftDNS(boot string) *dnsState {
	if s.DNS != nil && s.Boot != boot && s.DNS.Method != dnsFile {
		return nil
	}
	return s.DNS
}

func (s *state) write(dir string) error {
	b, err := json.MarshalIndent(s, "", "\t")
	if err == nil {
		err = writeFile(filepath.Join(dir, stateName), b, 0o600, nil)
	}
	if err != nil {
		return fmt.Errorf("write state of routes: %w", err)
	}
	return nil
}

func removeState(dir string) error {
	err := os.Remove(filepath.Join(dir, stateName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove state of routes: %w", err)
	}
	return syncDir(dir)
}

// owner of a file.
type owner struct {
	UID int `json:"uid"`
	GID int `json:"gid"`
}

// writeFile replaces a file atomically and durably.
func writeFile(path string, b []byte, mode fs.FileMode, who *owner) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(b); err != nil {
		return err
	}
	if err = f.Chmod(mode); err != nil {
		return err
	}
	if who != nil {
		if err = f.Chown(who.UID, who.GID); err != nil {
			return err
		}
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
