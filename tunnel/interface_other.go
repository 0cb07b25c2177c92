//go:build !linux

package tunnel

import "syscall"

// toInterface does nothing: only Linux forwards in the kernel.
func toInterface(string) func(string, string, syscall.RawConn) error { return nil }
