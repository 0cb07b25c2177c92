//go:build unix

package cli

import (
	"io/fs"
	"syscall"
)

// nonBlocking makes open not wait for the other end of a pipe.
const nonBlocking = syscall.O_NONBLOCK

// ownerOf returns the number of the user whose file this is.
func ownerOf(info fs.FileInfo) (uint32, bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return stat.Uid, true
}
