//go:build !linux

package policy

import (
	"fmt"
	"net"
	"net/netip"
)

// readHost lists the addresses of the host's interfaces, and the networks that they are on.
func readHost() (hostNet, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return hostNet{}, fmt.Errorf("list interface addresses: %w", err)
	}
	var h hostNet
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		if ip, ok := netip.AddrFromSlice(n.IP); ok {
			bits, _ := n.Mask.Size()
			h.address(netip.PrefixFrom(ip.Unmap(), bits))
		}
	}
	return h, nil
}
