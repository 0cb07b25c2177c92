package route

import (
	"context"
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
	shut := &Shut{Since: s.Since, Lockdown: s.Lockdown, Hole: s.hole()}
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

const tunPath = "/dev/net/tun"

// Capable says whether this process may change the machine's network: [ErrCapability] where not. It asks for the
// capability, not for root: root may lack it, and others may have it.
func Capable() error {
	able, err := has(unix.CAP_NET_ADMIN)
	if err == nil && !able {
		return ErrCapability
	}
	return err
}

// has reports whether a capability of this process is in effect.
func has(capability int) (bool, error) {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&head, &data[0]); err != nil {
		return false, fmt.Errorf("read this process's capabilities: %w", err)
	}
	return data[capability/32].Effective&(1<<(capability%32)) != 0, nil
}

// CheckTUN makes an interface of that name and lets it go again: it fails where a session's, or an exit's, could not be
// made. A name may end in %d.
func CheckTUN(name string) error {
	if err := Capable(); err != nil {
		return err
	}
	fd, err := unix.Open(tunPath, unix.O_RDWR|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("there is no %s, %w: %w", tunPath, ErrNoTUN, err)
	case err != nil:
		return fmt.Errorf("open %s, by which tunnels are made: %w", tunPath, err)
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq(name)
	if err != nil {
		return fmt.Errorf("interface name %q: %w", name, err)
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	switch {
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EINVAL):
		return fmt.Errorf("the interface %s is there already, and somebody else's: remove it with ip link del %[1]s: %w", name, err)
	case err != nil:
		return fmt.Errorf("make the interface %s: %w", name, err)
	}
	return nil
}

// Check says why this machine could not be taken through a tunnel, as far as that can be known before there is one: what
// Lock, a session's interface and Up will need of this process and this machine. It changes nothing that stays.
func Check(ctx context.Context, cfg Config) error {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return err
	}
	if err := CheckTUN(cfg.Interface); err != nil {
		return err
	}
	if err := os.MkdirAll(cfg.StateDir, 0o755); err != nil {
		return fmt.Errorf("make the folder of what is to be restored: %w", err)
	}
	if err := checkFolder(cfg.StateDir); err != nil {
		return fmt.Errorf("what is to be restored could not be written down: %w", err)
	}
	if cfg.OnlyPrograms {
		return nil // names are resolved as before
	}
	plan, err := planDNS(ctx, cfg.Interface)
	if err != nil || plan.Method != dnsFile {
		return err
	}
	if err := checkFolder(filepath.Dir(resolvConf)); err != nil {
		return fmt.Errorf("names could not be resolved through the tunnel: %w", err)
	}
	if !plan.Missing && plan.Target == "" && plan.Owner.UID != os.Geteuid() {
		able, err := has(unix.CAP_CHOWN)
		if err != nil {
			return err
		}
		if !able {
			return fmt.Errorf("%w: putting %s back for its owner needs the capability CAP_CHOWN", fs.ErrPermission, resolvConf)
		}
	}
	// In containers the file is a mount of its own, which is written in place.
	f, err := os.OpenFile(resolvConf, os.O_WRONLY, 0)
	switch {
	case errors.Is(err, unix.EROFS), errors.Is(err, unix.EPERM):
		return fmt.Errorf("names could not be resolved through the tunnel: %w", err)
	case err == nil:
		return f.Close()
	}
	return nil
}

// checkFolder makes sure that files of a folder can be replaced.
func checkFolder(dir string) error {
	f, err := os.CreateTemp(dir, ".byway-check-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
