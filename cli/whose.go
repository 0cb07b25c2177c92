package cli

import (
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/adrg/xdg"
)

// sudoUser is the number of the user who became root by sudo to run this.
func sudoUser() (uid int, sudo bool) {
	if os.Geteuid() != 0 {
		return 0, false
	}
	n, err := strconv.ParseUint(os.Getenv("SUDO_UID"), 10, 31)
	return int(n), err == nil && n != 0
}

// defaultHome is the folder of a node that --home does not name: the user's own, and under sudo that of who called it. It is
// empty where no such folder is known, and never depends on where the command was started.
func defaultHome() string {
	if runtime.GOOS == "windows" {
		return filepath.Join(xdg.DataHome, "byway")
	}
	folder, named := os.Getenv("HOME"), os.Getenv("XDG_DATA_HOME")
	uid, sudo := sudoUser()
	if sudo || !filepath.IsAbs(folder) {
		if !sudo {
			uid = os.Geteuid()
		}
		folder = userFolder(uid)
	}
	switch {
	case !sudo && filepath.IsAbs(named):
		return filepath.Join(named, "byway")
	case folder == "":
		return ""
	case runtime.GOOS == "darwin":
		return filepath.Join(folder, "Library", "Application Support", "byway")
	}
	return filepath.Join(folder, ".local", "share", "byway")
}

// userFolder is a user's home folder by the user database; empty where it knows none.
func userFolder(uid int) string {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil || !filepath.IsAbs(u.HomeDir) {
		return ""
	}
	return u.HomeDir
}
