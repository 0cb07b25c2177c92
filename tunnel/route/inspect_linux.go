package route

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Inspect says whether this machine is shut, and by what; nil when it is not. It needs no daemon, and asks none. Every
// user may ask; "" is DefaultStateDir.
func Inspect(stateDir string) (*Shut, error) {
	if stateDir == "" {
		stateDir = DefaultStateDir
	}
	s, lost, err := stateOf(stateDir)
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
	if s.Boot != boot { // the kernel has forgotten everything but the file of the resolver
		if dns := s.leftDNS(boot); dns != nil && dns.isApplied() {
			return &Shut{
				Since: s.Since, Lockdown: s.Lockdown,
				Reason: "it was restarted in the middle of a session, and still asks the tunnel's resolver for names",
			}, nil
		}
		return nil, nil
	}
	shut := &Shut{Since: s.Since, Lockdown: s.Lockdown}
	switch {
	case lost && ownedByDaemon(), s.held(stateDir):
		shut.Held = true
		if s.Holder != nil {
			shut.PID = s.Holder.PID
		}
	case s.Ended != nil:
		shut.Since, shut.Reason = s.Ended.At, s.Ended.Reason
	default:
		shut.Reason = "the daemon that held it was killed"
	}
	if !shut.Held { // a daemon knows better, and puts back what is missing
		if shut.Trouble, err = s.missing(); err != nil {
			return nil, err
		}
	}
	return shut, nil
}

// missing says which layers do not stand, where nobody puts them back. The firewall and the policies are root's to see.
func (s *state) missing() (string, error) {
	var list []string
	for _, family := range families {
		if !hasFamily(family) {
			continue
		}
		rules, err := netlink.RuleList(family)
		if err != nil {
			return "", fmt.Errorf("list routing rules: %w", err)
		}
		if !slices.ContainsFunc(rules, func(r netlink.Rule) bool { return oursOf(&r) }) {
			list = append(list, "its routing rules are gone")
			break
		}
	}
	if os.Geteuid() == 0 {
		conn, err := nftables.New()
		if err != nil {
			return "", fmt.Errorf("open nftables: %w", err)
		}
		tables, err := conn.ListTablesOfFamily(nftables.TableFamilyINet)
		if err != nil {
			return "", fmt.Errorf("list nftables: %w", err)
		}
		if !slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == tableName }) {
			list = append(list, "its firewall table is gone")
		}
		has, err := hasIPsec()
		if err != nil {
			return "", err
		}
		if s.Version > 1 && has {
			policies, err := listIPsec(unix.AF_INET)
			if err != nil {
				return "", err
			}
			if len(policies) == 0 {
				list = append(list, "its blocking policies are gone")
			}
		}
	}
	return strings.Join(list, "; "), nil
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
