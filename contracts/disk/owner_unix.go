//go:build unix

package disk

import (
	"io/fs"
	"syscall"
)

// openNoLink opens neither a link nor waits for the other end of a pipe.
const openNoLink = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// OwnerOf returns whose file this is; false where files have no owners of that kind.
func OwnerOf(info fs.FileInfo) (Owner, bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return Owner{}, false
	}
	return Owner{UID: int(stat.Uid), GID: int(stat.Gid)}, true
}
