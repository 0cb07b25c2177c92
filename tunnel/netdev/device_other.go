//go:build !linux

package netdev

import (
	"syscall"

	"golang.zx2c4.com/wireguard/tun"
)

// Create makes an interface. It goes when it is closed, or with the process.
func Create(name string, mtu int) (tun.Device, error) { return tun.CreateTUN(name, mtu) }

// ToInterface does nothing: only Linux forwards in the kernel.
func ToInterface(string) func(string, string, syscall.RawConn) error { return nil }

// WatchLost does nothing on this system: an engine finds out by itself, after some seconds.
func WatchLost(<-chan struct{}, func()) error { return nil }
