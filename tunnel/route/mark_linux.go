package route

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Control marks a socket as the daemon's own, so that it passes the kill switch and goes past the tunnel. It fits
// net.Dialer and net.ListenConfig. It needs CAP_NET_ADMIN.
func Control(_, _ string, c syscall.RawConn) error {
	var opErr error
	err := c.Control(func(fd uintptr) {
		opErr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, MarkUnderlay)
	})
	if err := errors.Join(err, opErr); err != nil {
		return fmt.Errorf("mark socket: %w", err)
	}
	return nil
}

// resolver asks servers past the tunnel, in turn.
func resolver(servers []netip.Addr) *net.Resolver {
	var next atomic.Uint32
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if len(servers) > 0 {
			server := servers[int(next.Add(1)-1)%len(servers)]
			address = netip.AddrPortFrom(server, 53).String()
		}
		d := net.Dialer{Control: Control}
		return d.DialContext(ctx, network, address)
	}}
}
