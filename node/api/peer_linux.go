package api

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// peersTold says that the system tells who is at the other end of a socket.
const peersTold = true

// peerOf is the user at the other end of a socket, when it was connected or began to listen: SO_PEERCRED.
func peerOf(conn *net.UnixConn) (uid int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var told error
	if err := raw.Control(func(fd uintptr) {
		cred, told = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if told != nil {
		return 0, fmt.Errorf("credentials of a caller: %w", told)
	}
	return int(cred.Uid), nil
}
