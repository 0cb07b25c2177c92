//go:build !linux

package netdev

import (
	"errors"
	"fmt"
	"syscall"

	"golang.zx2c4.com/wireguard/tun"
)

// Device is a network interface.
type Device struct{ tun.Device }

// Create fails on this system: whatever makes an interface of its own has a use for it on Linux alone.
func Create(string, int) (*Device, error) {
	return nil, fmt.Errorf("an interface is made on Linux alone: %w", errors.ErrUnsupported)
}

// Wake does nothing on this system.
func (*Device) Wake() {}

// Gone is always so on this system.
func (*Device) Gone() bool { return true }

// ToInterface does nothing: only Linux forwards in the kernel.
func ToInterface(string) func(string, string, syscall.RawConn) error { return nil }

// WatchLost does nothing on this system: an engine finds out by itself, after some seconds.
func WatchLost(<-chan struct{}, func()) error { return nil }
