package api

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// peersTold says that the system tells who is at the other end of a socket.
const peersTold = true

// peerOf is the user at the other end of a socket, when it was connected or began to listen: LOCAL_PEERCRED.
func peerOf(conn *net.UnixConn) (uid int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Xucred
	var told error
	if err := raw.Control(func(fd uintptr) {
		cred, told = unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if told != nil {
		return 0, fmt.Errorf("credentials of a caller: %w", told)
	}
	return int(cred.Uid), nil
}
