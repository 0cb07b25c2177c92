//go:build !windows

package api

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

func firstOf(list string) string { first, _, _ := strings.Cut(list, ":"); return first }

func servicePlaces() []place { return []place{{dir: "/run/byway"}} }

// userPlaces are the folders of a user's own daemon, as this process sees them.
func userPlaces(uid int) []place {
	if uid == 0 {
		return []place{{dir: "/run/byway", make: true, shared: true}, temporary(0)}
	}
	var list []place
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		list = append(list, place{dir: filepath.Join(dir, "byway"), make: true, own: true})
	}
	return append(list, temporary(uid))
}

// placesOf are the folders of another user's daemon.
func placesOf(uid int) []place {
	if uid == 0 {
		return nil
	}
	return []place{{dir: filepath.Join("/run/user", strconv.Itoa(uid), "byway"), own: true}, temporary(uid)}
}

func temporary(uid int) place {
	return place{dir: "/tmp/byway-" + strconv.Itoa(uid), make: true, own: true}
}

// ready makes the folder where that is ours to do, and makes sure that nobody else can put a socket there.
func (p place) ready() error {
	if p.make {
		mode := fs.FileMode(0o755)
		if p.own {
			mode = 0o700
		}
		if err := os.Mkdir(p.dir, mode); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return p.safe(func(uid int) bool { return uid == os.Geteuid() || uid == 0 && !p.own })
}

// trusted makes sure that who could have put a socket there is the home's owner, this user or root.
func (p place) trusted(dir string) error {
	owner, err := ownerOf(dir)
	return p.safe(func(uid int) bool {
		return uid == os.Geteuid() || uid == 0 || err == nil && uid == owner
	})
}

func (p place) safe(may func(uid int) bool) error {
	info, err := os.Lstat(p.dir)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok || !info.IsDir():
		return fmt.Errorf("%s is no folder, so no socket is put there: remove it", p.dir)
	case !may(int(stat.Uid)):
		return fmt.Errorf("%s belongs to user %d, who could put another socket there: remove it", p.dir, stat.Uid)
	case p.own && info.Mode().Perm() != 0o700, info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("%s has mode %04o, so that others could put another socket there: remove it", p.dir, info.Mode().Perm())
	}
	return nil
}

// giveSocket lets the home's owner connect, and nobody else but root.
func giveSocket(path, dir string) error {
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	owner, err := ownerOf(dir)
	if err != nil || owner == os.Geteuid() {
		return err
	}
	return os.Lchown(path, owner, -1)
}

// ownerOf is the user whom a folder belongs to.
func ownerOf(dir string) (int, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return 0, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, fmt.Errorf("%s has no owner", dir)
	}
	return int(stat.Uid), nil
}

func refusedHere(error) bool { return false }
