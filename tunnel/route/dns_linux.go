package route

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"byway/contracts/disk"
)

// resolvConf is where programs read which resolver to ask (resolv.conf(5)).
const resolvConf = "/etc/resolv.conf"

// resolvedConf lists the real upstreams of systemd-resolved, where resolvConf names its stub.
const resolvedConf = "/run/systemd/resolve/resolv.conf"

const (
	maxResolvConf = 64 << 10
	dnsTimeout    = 10 * time.Second
)

// dnsMethod is how the machine is told of a resolver.
type dnsMethod string

const (
	dnsResolved   dnsMethod = "systemd-resolved"
	dnsResolvconf dnsMethod = "resolvconf"
	dnsFile       dnsMethod = "file"
)

// dnsState says how DNS was changed, and what resolvConf was before where that is replaced.
type dnsState struct {
	Method    dnsMethod  `json:"method"`
	Interface string     `json:"interface"`
	Index     int        `json:"index"`
	Server    netip.Addr `json:"server"`

	Target  string      `json:"target,omitempty"` // of a symbolic link
	Missing bool        `json:"missing,omitempty"`
	Content []byte      `json:"content,omitempty"`
	Mode    fs.FileMode `json:"mode,omitempty"`
	Owner   disk.Owner  `json:"owner"`
}

// planDNS finds out who manages DNS on this machine, and remembers what will have to be put back. It changes nothing.
func planDNS(ctx context.Context, link string) (*dnsState, error) {
	s := &dnsState{Method: dnsFile, Interface: link}
	info, err := os.Lstat(resolvConf)
	if errors.Is(err, fs.ErrNotExist) {
		s.Missing = true
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read resolver configuration: %w", err)
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		if s.Target, err = os.Readlink(resolvConf); err != nil {
			return nil, fmt.Errorf("read resolver configuration: %w", err)
		}
	}
	content, err := readSmall(resolvConf)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a link may lead nowhere
		return nil, fmt.Errorf("read resolver configuration: %w", err)
	}
	switch {
	case asksResolved(s.Target, content) && resolvedRuns(ctx):
		s.Method = dnsResolved
		return s, nil
	case strings.Contains(s.Target+string(content), "resolvconf") && haveResolvconf():
		s.Method = dnsResolvconf
		return s, nil
	}
	if s.Target == "" {
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return nil, fmt.Errorf("read owner of %s", resolvConf)
		}
		s.Content, s.Mode, s.Owner = content, info.Mode().Perm(), disk.Owner{UID: int(stat.Uid), GID: int(stat.Gid)}
	}
	return s, nil
}

// asksResolved reports whether programs are sent to systemd-resolved.
func asksResolved(target string, content []byte) bool {
	return strings.Contains(target, "systemd/resolve") || bytes.Contains(content, []byte("nameserver 127.0.0.53"))
}

func haveResolvconf() bool {
	_, err := exec.LookPath("resolvconf")
	return err == nil
}

func readSmall(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err == nil && len(b) > maxResolvConf {
		err = fmt.Errorf("%s has %d bytes, more than %d", path, len(b), maxResolvConf)
	}
	return b, err
}

// banner marks a file as ours.
const banner = "# Names are resolved through the tunnel of byway. The former file comes back on disconnect.\n"

func (s *dnsState) file() []byte { return fmt.Appendf(nil, "%snameserver %v\n", banner, s.Server) }

// apply makes the tunnel's resolver the only one.
func (s *dnsState) apply(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	var err error
	switch s.Method {
	case dnsResolved:
		err = setResolved(ctx, s.Index, s.Server)
	case dnsResolvconf:
		err = runResolvconf(ctx, fmt.Appendf(nil, "nameserver %v\n", s.Server), "-a", s.Interface, "-m", "0", "-x")
	case dnsFile:
		err = replaceFile(resolvConf, s.file(), 0o644, nil)
	default:
		err = fmt.Errorf("unknown method %q", s.Method)
	}
	if err != nil {
		return fmt.Errorf("set DNS by %s: %w", s.Method, err)
	}
	return nil
}

// revert puts back what was there. It may be called when nothing, or part, of apply was done.
func (s *dnsState) revert(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	var err error
	switch s.Method {
	case dnsResolved:
		err = revertResolved(ctx, s.Index)
	case dnsResolvconf:
		if haveResolvconf() {
			err = runResolvconf(ctx, nil, "-d", s.Interface)
		}
	case dnsFile:
		err = s.revertFile()
	default:
		err = fmt.Errorf("unknown method %q", s.Method)
	}
	if err != nil {
		return fmt.Errorf("restore DNS by %s: %w", s.Method, err)
	}
	return nil
}

// isApplied reports whether resolvConf is still ours. The other methods look after themselves.
func (s *dnsState) isApplied() bool {
	if s.Method != dnsFile {
		return true
	}
	b, err := readSmall(resolvConf)
	return err == nil && bytes.HasPrefix(b, []byte(banner))
}

// revertFile leaves a file alone that somebody else has written since: it is newer than what we remember.
func (s *dnsState) revertFile() error {
	now, err := readSmall(resolvConf)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil && len(now) > 0 && !bytes.HasPrefix(now, []byte(banner)) {
		return nil
	}
	switch {
	case s.Missing:
		if err := os.Remove(resolvConf); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	case s.Target != "":
		return replaceLink(resolvConf, s.Target)
	default:
		return replaceFile(resolvConf, s.Content, s.Mode, &s.Owner)
	}
}

// replaceFile replaces a file atomically, or writes it where it is a mount of its own, as in containers.
func replaceFile(path string, b []byte, mode fs.FileMode, who *disk.Owner) error {
	var err error
	if who == nil {
		err = disk.WriteFile(path, b, mode)
	} else {
		err = disk.WriteFileOf(*who, path, b, mode)
	}
	if !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.EXDEV) {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	defer f.Close()
	// Longer first, then cut: whoever reads meanwhile finds the new lines at the top.
	if _, err := f.WriteAt(b, 0); err != nil {
		return err
	}
	if err := f.Truncate(int64(len(b))); err != nil {
		return err
	}
	return f.Sync()
}

func replaceLink(path, target string) error {
	temp := path + ".byway"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, temp); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

func runResolvconf(ctx context.Context, in []byte, args ...string) error {
	cmd := exec.CommandContext(ctx, "resolvconf", args...)
	cmd.Stdin = bytes.NewReader(in)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("resolvconf %s: %w: %s", args[0], err, bytes.TrimSpace(out))
	}
	return nil
}

// systemServers are the resolvers of the machine itself.
func systemServers() ([]netip.Addr, error) {
	for _, path := range []string{resolvConf, resolvedConf} {
		b, err := readSmall(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read resolvers: %w", err)
		}
		if list := nameservers(b); len(list) > 0 {
			return list, nil
		}
	}
	return nil, nil
}

// nameservers reads resolv.conf(5), without those on loopback: their own questions don't pass the kill switch.
func nameservers(b []byte) []netip.Addr {
	var list []netip.Addr
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if a, err := netip.ParseAddr(fields[1]); err == nil && !a.IsLoopback() {
			list = append(list, a)
		}
	}
	return list
}

// systemd-resolved on the system bus: org.freedesktop.resolve1(5).
const (
	resolvedName    = "org.freedesktop.resolve1"
	resolvedPath    = "/org/freedesktop/resolve1"
	resolvedManager = resolvedName + ".Manager."
	noSuchLink      = resolvedName + ".NoSuchLink"
)

// resolvedRuns reports whether systemd-resolved answers on the bus.
func resolvedRuns(ctx context.Context) bool {
	bus, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return false
	}
	defer bus.Close()
	var owned bool
	err = bus.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, resolvedName).Store(&owned)
	return err == nil && owned
}

// linkAddress is an address as SetLinkDNS takes it.
type linkAddress struct {
	Family  int32
	Address []byte
}

// linkDomain is a domain as SetLinkDomains takes it.
type linkDomain struct {
	Name    string
	Routing bool
}

// setResolved makes server the one that is asked for every name.
func setResolved(ctx context.Context, index int, server netip.Addr) error {
	return onResolved(ctx, func(call func(method string, args ...any) error) error {
		link := int32(index)
		address := linkAddress{int32(familyOf(server)), server.AsSlice()}
		return errors.Join(
			call("SetLinkDNS", link, []linkAddress{address}),
			call("SetLinkDomains", link, []linkDomain{{".", true}}),
			call("SetLinkDefaultRoute", link, true),
			// These would ask the neighbours.
			call("SetLinkLLMNR", link, "no"),
			call("SetLinkMulticastDNS", link, "no"),
			// The tunnel encrypts already; its resolver speaks plain DNS.
			call("SetLinkDNSOverTLS", link, "no"),
			call("SetLinkDNSSEC", link, "no"),
			flush(call),
		)
	})
}

// flush forgets names that were resolved by others. It is no failure where that is not possible.
func flush(call func(string, ...any) error) error {
	_ = call("FlushCaches")
	return nil
}

// revertResolved forgets the link. A link that is gone has been forgotten with its interface, and so has everything when
// the daemon does not run any more.
func revertResolved(ctx context.Context, index int) error {
	if !resolvedRuns(ctx) {
		return nil
	}
	return onResolved(ctx, func(call func(method string, args ...any) error) error {
		err := call("RevertLink", int32(index))
		var gone dbus.Error
		if errors.As(err, &gone) && gone.Name == noSuchLink || errors.Is(err, unix.ENODEV) {
			err = nil
		}
		return errors.Join(err, flush(call))
	})
}

func onResolved(ctx context.Context, do func(call func(method string, args ...any) error) error) error {
	bus, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("connect to the system bus: %w", err)
	}
	defer bus.Close()
	object := bus.Object(resolvedName, resolvedPath)
	return do(func(method string, args ...any) error {
		if err := object.CallWithContext(ctx, resolvedManager+method, 0, args...).Err; err != nil {
			return fmt.Errorf("%s: %w", method, err)
		}
		return nil
	})
}
