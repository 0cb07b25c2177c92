package cli

import "syscall"

const noFollow = 0

// apart takes a process out of this console, so that its closing does not end it.
func apart() *syscall.SysProcAttr {
	const detached = 0x00000008 // DETACHED_PROCESS
	return &syscall.SysProcAttr{CreationFlags: detached | syscall.CREATE_NEW_PROCESS_GROUP}
}
