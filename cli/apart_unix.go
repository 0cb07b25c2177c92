//go:build unix

package cli

import "syscall"

// noFollow makes open refuse a symbolic link.
const noFollow = syscall.O_NOFOLLOW

// apart takes a process out of this terminal's session, so that its closing does not end it.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
