package tunnel

import (
	"fmt"

	"github.com/vishvananda/netlink"
)

// watchAddrs calls lost whenever the host loses an address, until done is closed.
func watchAddrs(done <-chan struct{}, lost func()) error {
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
