package forward

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A host that forwards for an exit must not begin to forward for anyone else. So the host's table names the interfaces
// on which we turned forwarding on, and drops what comes in there and does not go to an exit. The names are also the
// memory of what to turn off again; like the settings themselves, the table outlives a crash and not a reboot.
const (
	closedSet4 = "switched4"
	closedSet6 = "switched6"

	// everywhere stands for all interfaces: kernels before 6.17 know forwarding of IPv6 on all of them, or none.
	everywhere = "*"
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
	if now, err := readSysctl(path); err == nil && now == value {
		return nil
	}
	if err := os.WriteFile(filepath.Join(sysctls, path), []byte(value), 0o644); err != nil {
		return fmt.Errorf("change setting: %w", err)
	}
	return nil
}

func sysctlExists(path string) bool {
	_, err := os.Stat(filepath.Join(sysctls, path))
	return err == nil
}

func hasIPv6() bool { return sysctlExists("ipv6/conf/all/forwarding") }

// forcing reports whether IPv6 can be forwarded on single interfaces, as IPv4 can (Linux 6.17).
func forcing() bool { return sysctlExists("ipv6/conf/all/force_forwarding") }

// setUpInterface prepares the settings of an exit's own interface, which go with it.
func setUpInterface(name string) error {
	if err := writeSysctl("ipv4/conf/"+name+"/forwarding", "1"); err != nil {
		return err
	}
	if !hasIPv6() {
		return nil
	}
	// No link-local address: nobody speaks neighbour discovery here. IPv6 may be off for new interfaces.
	for _, s := range [][2]string{{"addr_gen_mode", "1"}, {"accept_ra", "0"}, {"disable_ipv6", "0"}} {
		if err := writeSysctl("ipv6/conf/"+name+"/"+s[0], s[1]); err != nil {
			return err
		}
	}
	if forcing() {
		return writeSysctl("ipv6/conf/"+name+"/force_forwarding", "1")
	}
	return nil
}

// uplinks are the interfaces that lead to the internet, and to further destinations.
func uplinks(reach []netip.Prefix) (map[string]bool, error) {
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
	names := make(map[string]bool)
	for i := range index {
		if i == 0 {
			continue
		}
		link, err := net.InterfaceByIndex(i)
		if err != nil || link.Flags&net.FlagLoopback != 0 || strings.HasPrefix(link.Name, ifPrefix) {
			continue
		}
		names[link.Name] = true
	}
	return names, nil
}

// openHost makes the host forward what comes back for exits. The caller holds the lock.
func openHost(reach []netip.Prefix) error {
	names, err := uplinks(reach)
	if err != nil {
		return err
	}
	var on4, on6 []string
	for name := range names {
		if v, err := readSysctl("ipv4/conf/" + name + "/forwarding"); err == nil && v == "0" {
			on4 = append(on4, name)
		}
		if hasIPv6() && forcing() {
			all, _ := readSysctl("ipv6/conf/all/forwarding")
			v, err := readSysctl("ipv6/conf/" + name + "/force_forwarding")
			if err == nil && v == "0" && all == "0" {
				on6 = append(on6, name)
			}
		}
	}
	if hasIPv6() && !forcing() {
		all, err := readSysctl("ipv6/conf/all/forwarding")
		if err != nil {
			return err
		}
		if all == "0" {
			on6 = append(on6, everywhere)
		}
	}
	if err := guardHost(on4, on6); err != nil {
		return err
	}
	for _, name := range on4 {
		if err := writeSysctl("ipv4/conf/"+name+"/forwarding", "1"); err != nil {
			return err
		}
	}
	for _, name := range on6 {
		if name != everywhere {
			if err := writeSysctl("ipv6/conf/"+name+"/force_forwarding", "1"); err != nil {
				return err
			}
			continue
		}
		if err := forwardEverywhere(); err != nil {
			return err
		}
	}
	return nil
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
		if v, err := readSysctl(path); err == nil && v == "1" {
			if err := writeSysctl(path, "2"); err != nil {
				return err
			}
		}
	}
	return writeSysctl("ipv6/conf/all/forwarding", "1")
}

// guardHost makes or extends the host's table. When the host's owner has since made it a router for all, the table no
// longer stands in the way of that.
func guardHost(on4, on6 []string) error {
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	t := &nftables.Table{Name: hostTable, Family: nftables.TableFamilyINet}
	set4 := &nftables.Set{Table: t, Name: closedSet4, KeyType: nftables.TypeIFName, KeyByteOrder: binaryutil.NativeEndian}
	set6 := &nftables.Set{Table: t, Name: closedSet6, KeyType: nftables.TypeIFName, KeyByteOrder: binaryutil.NativeEndian}
	known, err := c.ListTableOfFamily(hostTable, nftables.TableFamilyINet)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("find nftables table %s: %w", hostTable, err)
	}
	if known == nil {
		c.AddTable(t)
		numbering.Lock()
		err := errors.Join(c.AddSet(set4, nil), c.AddSet(set6, nil))
		numbering.Unlock()
		if err != nil {
			return fmt.Errorf("make nftables sets: %w", err)
		}
		chain := c.AddChain(&nftables.Chain{
			Name: "forward", Table: t, Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter,
		})
		for _, f := range []struct {
			proto byte
			set   *nftables.Set
		}{{unix.NFPROTO_IPV4, set4}, {unix.NFPROTO_IPV6, set6}} {
			c.AddRule(&nftables.Rule{Table: t, Chain: chain, Exprs: join(
				nfproto(f.proto), load(&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, in(f.set)),
				oifPrefix(expr.CmpOpNeq, ifPrefix), drop(),
			)})
		}
	}
	if len(on6) == 1 && on6[0] == everywhere {
		c.AddRule(&nftables.Rule{Table: t, Chain: &nftables.Chain{Name: "forward", Table: t}, Exprs: join(
			nfproto(unix.NFPROTO_IPV6), iifPrefix(expr.CmpOpNeq, ifPrefix), oifPrefix(expr.CmpOpNeq, ifPrefix), drop(),
		)})
	}
	for set, names := range map[*nftables.Set][]string{set4: on4, set6: on6} {
		var elems []nftables.SetElement
		for _, name := range names {
			elems = append(elems, nftables.SetElement{Key: ifname(name)})
		}
		if len(elems) == 0 {
			continue
		}
		if err := c.SetAddElements(set, elems); err != nil {
			return fmt.Errorf("fill nftables set: %w", err)
		}
	}
	if known != nil {
		if v, err := readSysctl("ipv4/conf/all/forwarding"); err == nil && v == "1" {
			c.FlushSet(set4)
		}
		if v, err := readSysctl("ipv6/conf/all/forwarding"); err == nil && v == "1" && forcing() {
			c.FlushSet(set6)
		}
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("guard the host's forwarding: %w", err)
	}
	return nil
}

// nameOf is the name of an interface, as sets hold it.
func nameOf(key []byte) string {
	name, _, _ := bytes.Cut(key, []byte{0})
	return string(name)
}

// closeHost turns off what openHost turned on.
func closeHost(t *nftables.Table) error {
	for _, name := range []string{closedSet4, closedSet6} {
		c, err := nftables.New()
		if err != nil {
			return fmt.Errorf("open nftables: %w", err)
		}
		elems, err := c.GetSetElements(&nftables.Set{Table: t, Name: name, KeyType: nftables.TypeIFName})
		if err != nil {
			return fmt.Errorf("read nftables set %s: %w", name, err)
		}
		for _, e := range elems {
			link := nameOf(e.Key)
			path := "ipv4/conf/" + link + "/forwarding"
			if name == closedSet6 {
				path = "ipv6/conf/" + link + "/force_forwarding"
				if link == everywhere {
					path = "ipv6/conf/all/forwarding"
				}
			} else if v, err := readSysctl("ipv4/conf/all/forwarding"); err == nil && v == "1" {
				continue // somebody has since made this host a router
			}
			if !sysctlExists(path) {
				continue // the interface is gone
			}
			if err := writeSysctl(path, "0"); err != nil {
				return err
			}
		}
	}
	return nil
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
