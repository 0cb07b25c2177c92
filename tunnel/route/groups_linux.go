package route

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// groups holds the ids by which the firewall knows control groups; zero: there is none.
type groups struct{ outside, inside uint64 }

// cgroupRoot finds where cgroup v2 is mounted, alone or beside the older one.
func cgroupRoot() (string, error) {
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		return "", fmt.Errorf("find cgroups: %w", err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 2 && fields[2] == "cgroup2" {
			return fields[1], nil
		}
	}
	return "", ErrNoCgroups
}

// makeGroups makes the control group that this mode has a use for.
func makeGroups(only bool, log *slog.Logger) (groups, error) {
	root, err := cgroupRoot()
	if err != nil {
		return groups{}, err
	}
	side := Outside
	if only {
		side = Inside
	}
	path := filepath.Join(root, side.Group())
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return groups{}, fmt.Errorf("make control group: %w", err)
	}
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return groups{}, fmt.Errorf("make control group: %w", err)
	}
	mark := uint32(markOutside)
	if only {
		mark = markInside
	}
	err = attach(path, unix.BPF_PROG_TYPE_CGROUP_SOCK, unix.BPF_CGROUP_INET_SOCK_CREATE, markSockets(mark))
	if err == nil && only {
		err = attach(path, unix.BPF_PROG_TYPE_CGROUP_SKB, unix.BPF_CGROUP_INET_EGRESS, dropNames())
	}
	if err != nil {
		log.Info("this kernel marks no sockets of a control group: the firewall alone tells programs apart", "reason", err)
	}
	// A control group's id is the inode of its folder.
	if only {
		return groups{inside: stat.Ino}, nil
	}
	return groups{outside: stat.Ino}, nil
}

// removeGroups removes the control groups that have become empty. Others stay for the programs in them, and so do those
// that this process may not remove, as in a container that sees them read-only: they mean nothing without the firewall,
// and are no reason to keep a machine shut.
func removeGroups() error {
	root, err := cgroupRoot()
	if errors.Is(err, ErrNoCgroups) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, side := range []Side{Outside, Inside} {
		err := unix.Rmdir(filepath.Join(root, side.Group()))
		switch {
		case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.EBUSY), errors.Is(err, unix.EROFS), errors.Is(err, fs.ErrPermission):
		default:
			return fmt.Errorf("remove control group %s: %w", side.Group(), err)
		}
	}
	return nil
}

// Join moves a process to a side. It holds for the sockets that it opens from then on, and for its children. It needs
// root, and routes that are locked in the mode that knows this side.
func Join(side Side, pid int) error {
	root, err := cgroupRoot()
	if err != nil {
		return err
	}
	path := filepath.Join(root, side.Group(), "cgroup.procs")
	err = os.WriteFile(path, []byte(strconv.Itoa(pid)), 0)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no tunnel of this machine tells programs apart as %s: connect first", side.Group())
	}
	if err != nil {
		return fmt.Errorf("move process %d to %s: %w", pid, side.Group(), err)
	}
	return nil
}
