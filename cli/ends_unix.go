//go:build unix

package cli

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// waitUnread waits until one of the streams has no reader: a pipe whose other end is closed, a terminal that was hung up.
// It returns false where that cannot be waited for. A file on a disk always has one.
func waitUnread(streams []*os.File) bool {
	var fds []unix.PollFd
	for _, s := range streams {
		fds = append(fds, unix.PollFd{Fd: int32(s.Fd())}) // no events are asked for: errors and hang-ups are always told
	}
	if len(fds) == 0 {
		return false
	}
	for {
		n, err := unix.Poll(fds, -1)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return false
		case n > 0:
			for i := range fds {
				if fds[i].Revents&(unix.POLLERR|unix.POLLHUP) != 0 {
					return true
				}
			}
			return false // POLLNVAL: not open
		}
	}
}
