package forward

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// lockName is a socket in the abstract name space: it belongs to the network namespace, as what it guards does, and
// goes with its process.
const (
	lockName = "\x00byway-exits"
	lockTime = 10 * time.Second
)

// lock keeps other exits from changing the host meanwhile.
func lock(ctx context.Context) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, lockTime)
	defer cancel()
	for {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: lockName, Net: "unix"})
		if err == nil {
			return func() { _ = l.Close() }, nil
		}
		if !errors.Is(err, unix.EADDRINUSE) {
			return nil, fmt.Errorf("lock the host's exits: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("lock the host's exits: %w", ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

const sysctls = "/proc/sys/net/"

func readSysctl(path string) (string, error) {
	b, err := os.ReadFile(filepath.Join(sysctls, path))
	if err != nil {
		return "", fmt.Errorf("read setting: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// writeSysctl changes a setting, unless it has the value already: /proc/sys may be read-only in a container that was
// prepared for us.
func writeSysctl(path, value string) error {
	if setTo(path, value) {
		return nil
	}
	if err := os.WriteFile(filepath.Join(sysctls, path), []byte(value), 0o644); err != nil {
		return fmt.Errorf("change setting: %w", err)
	}
	return nil
}

// setTo reports whether a setting is there and has the value.
func setTo(path, value string) bool {
	now, err := readSysctl(path)
	return err == nil && now == value
}

func sysctlExists(path string) bool {
	_, err := os.Stat(filepath.Join(sysctls, path))
	return err == nil
}

// Settings of all interfaces.
const (
	all4   = "ipv4/conf/all/forwarding"
	all6   = "ipv6/conf/all/forwarding"
	force6 = "ipv6/conf/all/force_forwarding"
)

func hasIPv6() bool { return sysctlExists(all6) }

// forcing reports whether IPv6 can be forwarded on single interfaces, as IPv4 can (Linux 6.17).
func forcing() bool { return sysctlExists(force6) }

// setUpInterface gives an exit's own interface its settings, which go with it, and reports whether one was another. Who
// turns forwarding off for all turns it off there too.
func setUpInterface(name string) (changed bool, err error) {
	want := [][2]string{{"ipv4/conf/" + name + "/forwarding", "1"}}
	if hasIPv6() {
		// No link-local address: nobody speaks neighbour discovery here. IPv6 may be off for new interfaces.
		v6 := "ipv6/conf/" + name
		want = append(want, [][2]string{{v6 + "/addr_gen_mode", "1"}, {v6 + "/accept_ra", "0"}, {v6 + "/disable_ipv6", "0"}}...)
		if forcing() {
			want = append(want, [2]string{v6 + "/force_forwarding", "1"})
		}
	}
	for _, s := range want {
		if setTo(s[0], s[1]) {
			continue
		}
		if err := writeSysctl(s[0], s[1]); err != nil {
			return changed, err
		}
		changed = true
	}
	return changed, nil
}

// uplinks are the interfaces, by index, that lead to the internet, and to further destinations.
func uplinks(reach []netip.Prefix) ([]int, error) {
	index := make(map[int]bool)
	add := func(route netlink.Route) {
		index[route.LinkIndex] = true
		for _, hop := range route.MultiPath {
			index[hop.LinkIndex] = true
		}
	}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := netlink.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
		if err != nil {
			return nil, fmt.Errorf("list routes: %w", err)
		}
		for _, route := range routes {
			bits := 0
			if route.Dst != nil {
				bits, _ = route.Dst.Mask.Size()
			}
			// Two halves of everything are a default route as well.
			if bits <= 1 {
				add(route)
			}
		}
	}
	for _, p := range reach {
		routes, err := netlink.RouteGet(p.Addr().AsSlice())
		if err != nil {
			continue // no way there today
		}
		for _, route := range routes {
			add(route)
		}
	}
	var links []int
	for i := range index {
		if i == 0 {
			continue
		}
		link, err := net.InterfaceByIndex(i)
		if err != nil || link.Flags&net.FlagLoopback != 0 || strings.HasPrefix(link.Name, ifPrefix) {
			continue
		}
		links = append(links, i)
	}
	slices.Sort(links)
	return links, nil
}

// forwardEverywhere turns forwarding of IPv6 on. A router ignores the router advertisements by which the host may have
// got its default route, unless told that it wants them all the same.
func forwardEverywhere() error {
	list, err := filepath.Glob(sysctls + "ipv6/conf/*/accept_ra")
	if err != nil {
		return fmt.Errorf("list settings: %w", err)
	}
	for _, path := range list {
		path = strings.TrimPrefix(path, sysctls)
		if setTo(path, "1") {
			if err := writeSysctl(path, "2"); err != nil {
				return err
			}
		}
	}
	return writeSysctl(all6, "1")
}

// Blocked names a packet filter of the host that drops forwarded packets by default, and so would ours; empty when
// there is none. Ours cannot overrule it.
func Blocked() (string, error) {
	c, err := nftables.New()
	if err != nil {
		return "", fmt.Errorf("open nftables: %w", err)
	}
	chains, err := c.ListChains()
	if err != nil {
		return "", fmt.Errorf("list nftables chains: %w", err)
	}
	for _, chain := range chains {
		if chain.Hooknum != nil && *chain.Hooknum == *nftables.ChainHookForward && chain.Table != nil &&
			chain.Table.Family != nftables.TableFamilyBridge && chain.Table.Family != nftables.TableFamilyARP &&
			chain.Policy != nil && *chain.Policy == nftables.ChainPolicyDrop {
			return "table " + chain.Table.Name + ", chain " + chain.Name, nil
		}
	}
	return "", nil
}

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
