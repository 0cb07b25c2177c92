package route

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const tunPath = "/dev/net/tun"

// ErrCapability means that this process may not change the machine's network. It is a [fs.ErrPermission].
var ErrCapability = fmt.Errorf("%w: changing the machine's network needs the capability CAP_NET_ADMIN, which root has "+
	"(sudo byway …) unless a container withholds it (--cap-add NET_ADMIN)", fs.ErrPermission)

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
		return fmt.Errorf("there is no %s, by which tunnels are made: load it with modprobe tun, or hand it to the container "+
			"with --device %[1]s: %w", tunPath, err)
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
