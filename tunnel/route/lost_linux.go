package route

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The state on disk says what is to be restored, and others can delete it: who tidies up /var, or a container that is made
// anew with the host's network. A daemon writes it again. Where none runs, the kernel still shows that the machine is shut,
// so that it can be said, and opened.

// errHeld says that a daemon holds the table whose state is gone.
var errHeld = fmt.Errorf("%w: its firewall table has an owner", ErrInUse)

// stateOf is what is on disk or, where that is gone or damaged, what the kernel shows; nil where nothing is to be restored.
func stateOf(dir string) (s *state, lost bool, err error) {
	s, err = readState(dir)
	damaged := errors.As(err, new(*json.SyntaxError))
	if s != nil || err != nil && !damaged {
		return s, false, err
	}
	path := filepath.Join(dir, stateName)
	shut, lookErr := layersStand()
	if lookErr != nil {
		return nil, false, errors.Join(err, lookErr)
	}
	if !shut {
		if err != nil {
			err = fmt.Errorf("%w: nothing shuts this machine, so that the file can be removed", err)
		}
		return nil, false, err
	}
	boot, err := bootID()
	if err != nil {
		return nil, false, err
	}
	what := "was removed"
	if damaged {
		what = "is damaged"
	}
	return &state{
		Version: stateVersion, Boot: boot, Interface: DefaultInterface,
		Ended: &ended{At: lostAt(path), Reason: fmt.Sprintf("a session left it so, and what it said of itself in %s %s", path, what)},
	}, true, nil
}

// lostAt is when a file was spoiled, or the latest file of its folder removed.
func lostAt(path string) time.Time {
	for _, name := range []string{path, filepath.Dir(path)} {
		if info, err := os.Stat(name); err == nil {
			return info.ModTime()
		}
	}
	return time.Now()
}

// layersStand reports whether anything of ours shuts the machine. Others than root see the routing rules alone.
func layersStand() (bool, error) {
	for _, family := range families {
		if !hasFamily(family) {
			continue
		}
		rules, err := netlink.RuleList(family)
		if err != nil {
			return false, fmt.Errorf("list routing rules: %w", err)
		}
		if slices.ContainsFunc(rules, func(r netlink.Rule) bool { return oursOf(&r) }) {
			return true, nil
		}
	}
	if Capable() != nil {
		return false, nil
	}
	flags, err := tableFlags()
	if err != nil || flags >= 0 {
		return err == nil, err
	}
	has, err := hasIPsec()
	if err != nil || !has {
		return false, err
	}
	policies, err := listIPsec(unix.AF_INET)
	return len(policies) > 0, err
}

// tableFlags are those of our table; -1 where there is none, or nftables at all.
func tableFlags() (int, error) {
	conn, err := nftables.New()
	if err != nil {
		return 0, fmt.Errorf("open nftables: %w", err)
	}
	list, err := conn.ListTablesOfFamily(nftables.TableFamilyINet)
	for _, missing := range []error{unix.EPROTONOSUPPORT, unix.EAFNOSUPPORT, unix.EOPNOTSUPP, unix.EINVAL} {
		if errors.Is(err, missing) {
			return -1, nil
		}
	}
	if err != nil {
		return 0, fmt.Errorf("list nftables: %w", err)
	}
	return flagsOf(list), nil
}

// ownedByDaemon reports whether a process owns our table.
func ownedByDaemon() bool {
	flags, err := tableFlags()
	return err == nil && flags > 0 && flags&tableOwned != 0
}

// keepState writes the state again where another program has removed it, and takes its lock again.
func (r *Routes) keepState() error {
	path := filepath.Join(r.cfg.StateDir, lockName)
	mine, err := r.lock.Stat()
	if err != nil {
		return fmt.Errorf("look at lock of routes: %w", err)
	}
	if there, err := os.Stat(path); err != nil || !os.SameFile(mine, there) {
		lock, err := lockDir(r.cfg.StateDir)
		if err != nil {
			return err
		}
		r.lock.Close()
		r.lock = lock
		r.note("the lock of what is to be restored was removed by another program")
	}
	if _, err := os.Stat(filepath.Join(r.cfg.StateDir, stateName)); !errors.Is(err, fs.ErrNotExist) {
		return nil //nolint:nilerr // what cannot be looked at is there
	}
	if err := r.state.write(r.cfg.StateDir); err != nil {
		return err
	}
	r.note("the file of what is to be restored was removed by another program")
	return nil
}
