//go:build unix

package tunnel

import (
	"errors"
	"syscall"

	"byway/tunnel/netstack"
)

// receive waits for datagrams of the host's until the socket's deadline, and carries some back. A buffer is held only while
// there is something to read.
func (f *udpFlow) receive(raw syscall.RawConn, back *netstack.Datagrams) error {
	var readErr error
	err := raw.Read(func(fd uintptr) bool {
		buf := udpBuffers.Get().(*[1 << 16]byte)
		defer udpBuffers.Put(buf)
		for range 64 {
			n, err := syscall.Read(int(fd), buf[:])
			switch {
			case errors.Is(err, syscall.EAGAIN):
				return false
			case errors.Is(err, syscall.EINTR):
				continue
			case err != nil:
				readErr = err
				return true
			}
			f.Touch()
			if n > maxDatagram {
				continue
			}
			if readErr = back.Send(buf[:n]); readErr != nil {
				return true
			}
		}
		return true // and come again, with a fresh deadline
	})
	if readErr != nil {
		return readErr
	}
	return err
}
