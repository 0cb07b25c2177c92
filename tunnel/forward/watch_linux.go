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
		unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE, unix.RTNLGRP_NEXTHOP,
		unix.RTNLGRP_IPV4_NETCONF, unix.RTNLGRP_IPV6_NETCONF,
	}
	filterGroups = []uint{unix.NFNLGRP_NFTABLES}
)

// changeRest is how long a watch rests after it has told of a change, so that a host on which much changes does not keep
// it busy.
const changeRest = 20 * time.Millisecond

// WatchHost tells that something about the host's interfaces, their forwarding, addresses, routes or routing rules may have
// changed, until ctx ends; then the channel is closed. Several changes may become one.
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
			// One change of a firewall is a message for each of its rules: those that come while the watch rests are one
			// change more, however many they are.
			for more := true; more; more = drain(socket) {
				select {
				case changes <- struct{}{}:
				default:
				}
				select {
				case <-ctx.Done():
					return
				case <-time.After(changeRest):
				}
			}
		}
	}()
	return changes, nil
}

// drain takes what waits in a socket, and says whether something did.
func drain(socket *os.File) (any bool) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return false // closed, which the next Read says
	}
	buf := make([]byte, 1<<12) // the rest of a longer message is dropped by the kernel
	err = raw.Control(func(fd uintptr) {
		for range 1 << 16 {
			n, err := unix.Read(int(fd), buf)
			if err != nil && !errors.Is(err, unix.ENOBUFS) || n == 0 && err == nil {
				return
			}
			any = true
		}
	})
	return any && err == nil
}
