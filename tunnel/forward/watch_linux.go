package forward

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Kinds of changes, by the netlink groups that tell of them.
var (
	hostGroups = []uint{
		unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV4_ROUTE,
		unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE,
	}
	filterGroups = []uint{unix.NFNLGRP_NFTABLES}
)

// changeRest is how long a watch rests after it has told of a change, so that a host on which much changes does not keep
// it busy.
const changeRest = 20 * time.Millisecond

// WatchHost tells that something about the host's interfaces, addresses, routes or routing rules may have changed, until
// ctx ends; then the channel is closed. Several changes may become one.
func WatchHost(ctx context.Context) (<-chan struct{}, error) {
	return watch(ctx, unix.NETLINK_ROUTE, hostGroups)
}

// watchFilters tells the same of nftables.
func watchFilters(ctx context.Context) (<-chan struct{}, error) {
	return watch(ctx, unix.NETLINK_NETFILTER, filterGroups)
}

// watch listens to groups of a netlink protocol. What the messages say is not looked at: they may be lost, and whoever
// is woken looks at the host itself.
func watch(ctx context.Context, protocol int, groups []uint) (<-chan struct{}, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return nil, fmt.Errorf("watch the host: open netlink: %w", err)
	}
	err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	for _, group := range groups {
		if err == nil {
			err = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, int(group))
		}
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("watch the host: join netlink groups: %w", err)
	}
	socket := os.NewFile(uintptr(fd), "netlink")
	stop := context.AfterFunc(ctx, func() { socket.Close() })
	changes := make(chan struct{}, 1)
	go func() {
		defer close(changes)
		defer stop()
		defer socket.Close()
		buf := make([]byte, 1<<16)
		for {
			_, err := socket.Read(buf)
			if errors.Is(err, os.ErrClosed) || ctx.Err() != nil {
				return
			}
			if err != nil && !errors.Is(err, unix.ENOBUFS) { // ENOBUFS: messages were lost, which is a change as well
				return
			}
			select {
			case changes <- struct{}{}:
			default:
			}
			// What comes meanwhile waits in the socket's buffer, or is lost, and wakes the next Read either way.
			select {
			case <-ctx.Done():
				return
			case <-time.After(changeRest):
			}
		}
	}()
	return changes, nil
}
