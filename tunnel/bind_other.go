//go:build !linux

package tunnel

import (
	"fmt"
	"net/netip"

	"golang.zx2c4.com/wireguard/conn"
)

// newBind returns the bind for a listen address. Only Linux can listen on one address alone.
func newBind(listen netip.Addr) (conn.Bind, error) {
	if listen.IsValid() && !listen.IsUnspecified() {
		return nil, fmt.Errorf("listen on %v alone: not possible on this system, give 0.0.0.0", listen)
	}
	return conn.NewDefaultBind(), nil
}
