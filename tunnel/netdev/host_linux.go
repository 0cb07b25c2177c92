package netdev

import (
	"fmt"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ToInterface ties sockets to an interface: they take nothing that comes another way.
func ToInterface(name string) func(string, string, syscall.RawConn) error {
	return func(_, _ string, raw syscall.RawConn) error {
		var opErr error
		err := raw.Control(func(fd uintptr) { opErr = unix.BindToDevice(int(fd), name) })
		if err != nil {
			return err
		}
		return opErr
	}
}

// WatchLost calls lost whenever the host loses an address, until done is closed.
func WatchLost(done <-chan struct{}, lost func()) error {
	updates := make(chan netlink.AddrUpdate, 16)
	if err := netlink.AddrSubscribe(updates, done); err != nil {
		return fmt.Errorf("watch addresses: %w", err)
	}
	go func() { // ends when done closes the subscription
		for u := range updates {
			if !u.NewAddr {
				lost()
			}
		}
	}()
	return nil
}
