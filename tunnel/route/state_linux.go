package route

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"byway/contracts/disk"
)

const (
	stateName    = "routes.json"
	lockName     = "routes.lock"
	stateVersion = 2
	oldestState  = 1 // without Since, Holder, Ended
	maxState     = 1 << 20
)

// state says what was changed and how it was before. It is on disk before the change it speaks of.
type state struct {
	Version   int    `json:"version"`
	Boot      string `json:"boot"` // after another boot, only files are left to restore
	Interface string `json:"interface"`
	Lockdown  bool   `json:"lockdown"`
	// Since is when the machine was shut.
	Since time.Time `json:"since,omitzero"`
	// Holder is the daemon that shut it; nil once it has let go.
	Holder *process `json:"holder,omitempty"`
	// Ended says how the session ended where the machine was left shut; nil where nobody could say.
	Ended *ending `json:"ended,omitempty"`
	// Sysctls holds former values by path.
	Sysctls map[string]string `json:"sysctls,omitempty"`
	DNS     *dnsState         `json:"dns,omitempty"`
	// Hole is the latest that was opened for a captive portal, and may have closed since.
	Hole *Hole `json:"hole,omitempty"`
}

// hole is one that is open now.
func (s *state) hole() *Hole {
	if s.Hole == nil || !time.Now().Round(0).Before(s.Hole.Until) {
		return nil
	}
	return s.Hole
}

// ending is how a session ended that has left the machine shut.
type ending struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// end notes that nobody holds the machine any more, and why it stays shut.
func (s *state) end(reason string) {
	s.Holder, s.Ended = nil, &ending{At: time.Now(), Reason: reason[:min(len(reason), maxReason)]}
}

// maxReason bounds what is kept of a reason, in bytes.
const maxReason = 1 << 10

// process is known by its number and by when it began, in ticks since boot: numbers are used again.
type process struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"`
}

// self is this process.
func self() (*process, error) {
	start, err := startOf(os.Getpid())
	if err != nil {
		return nil, err
	}
	return &process{os.Getpid(), start}, nil
}

// startOf reads when a process began (proc_pid_stat(5)). One that has ended and is not yet waited for does not run.
func startOf(pid int) (uint64, error) {
	path := fmt.Sprintf("/proc/%d/stat", pid)
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("look at process: %w", err)
	}
	// The second field is the program's name in parentheses, and may hold anything.
	_, rest, _ := strings.Cut(string(b[max(0, strings.LastIndexByte(string(b), ')')):]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 20 {
		return 0, fmt.Errorf("look at process: %s has %d fields", path, len(fields))
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return 0, fmt.Errorf("look at process %d: %w", pid, fs.ErrNotExist)
	}
	start, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("look at process: %s: %w", path, err)
	}
	return start, nil
}

// runs reports whether the process still does.
func (p *process) runs() bool {
	start, err := startOf(p.PID)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		// Other users' processes can be hidden (hidepid of proc(5)); the kernel says all the same whether there is one.
		return errors.Is(unix.Kill(p.PID, 0), unix.EPERM)
	}
	return err == nil && start == p.Start
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
	// Everybody may ask whether the machine is shut, and by what; the lock itself is root's.
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make state folder: %w", err)
	}
	if dir == DefaultStateDir { // which older releases made for root alone
		if err := os.Chmod(dir, 0o755); err != nil {
			return nil, fmt.Errorf("make state folder: %w", err)
		}
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
	if s.Version < oldestState || s.Version > stateVersion {
		return nil, &VersionError{path, s.Version, oldestState, stateVersion}
	}
	for name := range s.Sysctls {
		if filepath.Clean(name) != name || !strings.HasPrefix(name, "/proc/sys/net/") {
			return nil, fmt.Errorf("state of routes %s: %q is no network setting", path, name)
		}
	}
	return s, nil
}

// leftDNS returns the part of DNS that is to be reverted; nil for nothing. Another boot has forgotten all but files,
// and numbers its interfaces anew.
func (s *state) leftDNS(boot string) *dnsState {
	if s.DNS != nil && s.Boot != boot && s.DNS.Method != dnsFile {
		return nil
	}
	return s.DNS
}

func (s *state) write(dir string) error {
	b, err := json.MarshalIndent(s, "", "\t")
	if err == nil {
		err = disk.WriteFile(filepath.Join(dir, stateName), b, 0o644)
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
	return disk.SyncFolder(dir)
}

// The state on disk says what is to be restored, and others can delete it: who tidies up /var, or a container that is made
// anew with the host's network. A daemon writes it again. Where none runs, the kernel still shows that the machine is shut,
// so that it can be said, and opened.

// errHeld says that a daemon holds the table whose state is gone.
var errHeld = fmt.Errorf("%w: its firewall table has an owner", ErrInUse)

// stateOf reads the state from disk or, where that is gone or damaged, from the kernel; nil where nothing is to be
// restored.
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
		Ended: &ending{At: lostAt(path), Reason: fmt.Sprintf("a session left it so, and what it said of itself in %s %s", path, what)},
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
