//go:build unix

package turnstile

import "syscall"

// filesMost is for systems that do not say how many descriptors a process may have.
const filesMost = 1024

// filesLimit is how many descriptors this process may have.
func filesLimit() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return filesMost
	}
	return uint64(limit.Cur) // signed on some systems
}
