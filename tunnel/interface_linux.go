package tunnel

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// toInterface ties sockets to an interface: they take nothing that comes another way.
func toInterface(name string) func(string, string, syscall.RawConn) error {
	return func(_, _ string, raw syscall.RawConn) error {
		var opErr error
		err := raw.Control(func(fd uintptr) { opErr = unix.BindToDevice(int(fd), name) })
		if err != nil {
			return err
		}
		return opErr
	}
}
