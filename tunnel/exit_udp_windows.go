package tunnel

import (
	"errors"
	"syscall"

	"golang.org/x/sys/windows"

	"byway/tunnel/netstack"
)

// receive waits for a datagram of the host's until the socket's deadline, and carries it back. Sockets block here, so that
// nothing is read before the runtime has seen that there is something, and then one datagram. A buffer is held only while
// that is read.
func (f *udpFlow) receive(raw syscall.RawConn, back *netstack.Datagrams) error {
	var readErr error
	waited := false
	err := raw.Read(func(fd uintptr) bool {
		if !waited {
			waited = true
			return false
		}
		buf := udpBuffers.Get().(*[1 << 16]byte)
		defer udpBuffers.Put(buf)
		into := windows.WSABuf{Len: uint32(len(buf)), Buf: &buf[0]}
		var n, flags uint32
		if readErr = windows.WSARecv(windows.Handle(fd), &into, 1, &n, &flags, nil, nil); readErr != nil {
			return true
		}
		f.Touch()
		if n <= maxDatagram {
			readErr = back.Send(buf[:n])
		}
		return true
	})
	if readErr != nil {
		err = readErr
	}
	if errors.Is(err, windows.WSAECONNRESET) { // as Windows calls it when nobody listens at the other end
		return errors.Join(syscall.ECONNREFUSED, err)
	}
	return err
}
