//go:build !linux

package netdev

import "golang.zx2c4.com/wireguard/tun"

// Create makes an interface. It goes when it is closed, or with the process.
func Create(name string, mtu int) (tun.Device, error) { return tun.CreateTUN(name, mtu) }
