package forward

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// A host that forwards for an exit must not begin to forward for anyone else. So the host's table, which its exits
// share, names the interfaces on which they turned forwarding on, and drops what comes in there and does not go to an
// exit.
//
// Other programs may take the table away at any moment, for it has no owner. So what is to be turned off again is
// written down twice, in ways that outlive a crash and not a reboot, as the settings do: in the table, and as routes of
// a routing table that no rule asks. Each exit keeps it in mind besides, adds what it reads there, and forgets an
// interface only when that is gone or the host's owner has made the host a router for all.
//
// The table is written whole and compared by a digest: exits of two versions that put different rules into it would
// replace each other's for ever. Whoever changes its rules changes its name as well.
const (
	hostTable  = "byway_exits"
	closedSet4 = "switched4"
	closedSet6 = "switched6"
	// hostRoutes is the routing table; an exit's own has a lower number.
	hostRoutes = firstTable*tableInterval + tableInterval - 1

	// everywhere stands for all interfaces: kernels before 6.17 know forwarding of IPv6 on all of them, or none.
	everywhere = 0
)

// switches are the interfaces, by index, on which exits of this host turned forwarding on; each list in order. An
// interface that is renamed keeps its index and its settings.
type switches struct{ on4, on6 []int }

// and unites the interfaces that either names.
func (s switches) and(o switches) switches {
	union := func(a, b []int) []int {
		list := slices.Concat(a, b)
		slices.Sort(list)
		return slices.Compact(list)
	}
	return switches{union(s.on4, o.on4), union(s.on6, o.on6)}
}

func (s switches) equal(o switches) bool {
	return slices.Equal(s.on4, o.on4) && slices.Equal(s.on6, o.on6)
}

// setting4 and setting6 are the settings that forward what comes in by an interface; empty when it is gone.
func setting4(index int) string { return settingOf("ipv4", index, "forwarding") }

func setting6(index int) string {
	if index == everywhere {
		return all6
	}
	return settingOf("ipv6", index, "force_forwarding")
}

func settingOf(family string, index int, key string) string {
	link, err := net.InterfaceByIndex(index)
	if err != nil {
		return ""
	}
	return family + "/conf/" + link.Name + "/" + key
}

// ours returns the part of s that exits still guard and turn off: no interface that is gone, and none of a family
// once the host's owner has made the host a router for all, which turned forwarding on everywhere.
func (s switches) ours() switches {
	there := func(list []int, setting func(int) string) (kept []int) {
		for _, index := range list {
			if path := setting(index); path != "" && sysctlExists(path) {
				kept = append(kept, index)
			}
		}
		return kept
	}
	var kept switches
	if !setTo(all4, "1") {
		kept.on4 = there(s.on4, setting4)
	}
	// Where IPv6 is forwarded everywhere or nowhere, that it is forwarded does not tell who wanted it.
	if !forcing() || !setTo(all6, "1") && !setTo(force6, "1") {
		kept.on6 = there(s.on6, setting6)
	}
	return kept
}

// missing lists what must be turned on for exits to reach the internet by these interfaces. What the owner of a host
// that forwards for all has turned off on one of them is the owner's: refused says so.
func missing(uplinks []int) (s switches, refused error) {
	var errs []error
	refuse := func(setting string) {
		errs = append(errs, fmt.Errorf("this host forwards for all and yet not from an interface that leads to the internet: its owner turned it off, "+
			"and turns it on by: echo 1 > %s%s", sysctls, setting))
	}
	for _, index := range uplinks {
		if path := setting4(index); setTo(path, "0") {
			if setTo(all4, "1") {
				refuse(path)
			} else {
				s.on4 = append(s.on4, index)
			}
		}
		if path := setting6(index); forcing() && setTo(all6, "0") && setTo(path, "0") {
			if setTo(force6, "1") {
				refuse(path)
			} else {
				s.on6 = append(s.on6, index)
			}
		}
	}
	if !forcing() && setTo(all6, "0") {
		s.on6 = append(s.on6, everywhere)
	}
	return s, errors.Join(errs...)
}

// turnOn makes the host forward.
func (s switches) turnOn() error {
	var errs []error
	for _, index := range s.on4 {
		errs = append(errs, writeSysctl(setting4(index), "1"))
	}
	for _, index := range s.on6 {
		if index == everywhere {
			errs = append(errs, forwardEverywhere())
		} else {
			errs = append(errs, writeSysctl(setting6(index), "1"))
		}
	}
	return errors.Join(errs...)
}

// turnOff takes that back.
func (s switches) turnOff() error {
	var errs []error
	s = s.ours()
	for _, index := range s.on4 {
		errs = append(errs, writeSysctl(setting4(index), "0"))
	}
	for _, index := range s.on6 {
		errs = append(errs, writeSysctl(setting6(index), "0"))
	}
	return errors.Join(errs...)
}

// host keeps an exit's knowledge of the host that it shares with others. Whoever changes it holds the host's lock.
type host struct {
	reach   []netip.Prefix
	on      switches
	print   digest // of the table, as this exit last wrote it
	refused string // what the owner keeps off
}

// open makes the host forward what comes back for exits, and nothing else. What can't be guarded isn't forwarded. It
// reports whether another program had changed the table.
func (h *host) open() (changed bool, err error) {
	links, err := uplinks(h.reach)
	more, refused := missing(links)
	h.refused = ""
	if refused != nil {
		h.refused = refused.Error()
	}
	changed, guardErr := h.guard(more)
	if guardErr != nil {
		return false, errors.Join(err, guardErr, h.on.turnOff())
	}
	return changed, errors.Join(err, more.turnOn())
}

// guard has table and routes hold what exits turned on, and what is about to be.
func (h *host) guard(more switches) (changed bool, err error) {
	named, print, err := readHostTable()
	if err != nil {
		return false, err
	}
	noted, err := readHostRoutes()
	if err != nil {
		return false, err
	}
	want := h.on.and(named).and(noted).and(more).ours()
	if print != h.print || !want.equal(h.on) {
		// Another exit may have added an interface, or been the first to see that one is nobody's any more.
		changed = h.print != (digest{}) && (want.equal(h.on) || !named.equal(named.and(h.on.ours())))
		print, err = alone(func() error { return writeHostTable(want) }, func() (digest, error) {
			_, print, err := readHostTable()
			if err == nil && print == (digest{}) {
				err = errGone
			}
			return print, err
		})
		if err != nil {
			return false, fmt.Errorf("keep this host from forwarding for others: %w", err)
		}
	}
	if !noted.equal(want) {
		if err := writeHostRoutes(want); err != nil {
			return false, err
		}
	}
	h.on, h.print = want, print
	return changed, nil
}

// guarded reports whether table and settings are as this exit left them, and on request the routes: the kernel lists all
// that it has, of every table.
func (h *host) guarded(routes bool) bool {
	_, print, err := readHostTable()
	if err != nil || print != h.print || !h.on.equal(h.on.ours()) {
		return false
	}
	if !routes {
		return true
	}
	noted, err := readHostRoutes()
	return err == nil && noted.equal(h.on)
}

// leave tells the exits that stay what this one knows.
func (h *host) leave() error {
	if h.print == (digest{}) {
		return nil // it changed nothing
	}
	_, err := h.guard(switches{})
	return err
}

// close turns off what exits turned on, after the last of them, and forgets it.
func (h *host) close() error {
	named, _, err := readHostTable()
	noted, err2 := readHostRoutes()
	if err := errors.Join(err, err2, h.on.and(named).and(noted).turnOff()); err != nil {
		return err
	}
	return writeHostRoutes(switches{})
}

// readHostRoutes returns what the routes note: an interface is a destination of either family, of which the last four
// bytes are its index. No packet asks for it.
func readHostRoutes() (noted switches, err error) {
	have, err := prohibitedIn(hostRoutes)
	for p := range have {
		b := p.Addr().AsSlice()
		index := int(binary.BigEndian.Uint32(b[len(b)-4:]))
		if p.Addr().Is4() {
			noted.on4 = append(noted.on4, index)
		} else {
			noted.on6 = append(noted.on6, index)
		}
	}
	return noted.and(switches{}), err
}

// writeHostRoutes makes the routes note that.
func writeHostRoutes(on switches) error {
	want := make(map[netip.Prefix]bool)
	note := func(a []byte, list []int) {
		for _, index := range list {
			binary.BigEndian.PutUint32(a[len(a)-4:], uint32(index))
			addr, _ := netip.AddrFromSlice(a)
			want[netip.PrefixFrom(addr, addr.BitLen())] = true
		}
	}
	note(make([]byte, net.IPv4len), on.on4)
	note(make([]byte, net.IPv6len), on.on6)
	return prohibit(hostRoutes, want)
}

func hostSets() (t *nftables.Table, set4, set6 *nftables.Set) {
	t = &nftables.Table{Name: hostTable, Family: nftables.TableFamilyINet}
	set := func(name string) *nftables.Set {
		return &nftables.Set{Table: t, Name: name, KeyType: nftables.TypeIFIndex, KeyByteOrder: binaryutil.NativeEndian}
	}
	return t, set(closedSet4), set(closedSet6)
}

// readHostTable returns what the host's table names, and the digest of it: of nothing, where it is not there or not whole.
func readHostTable() (named switches, print digest, err error) {
	t, set4, set6 := hostSets()
	c, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return named, print, fmt.Errorf("open nftables: %w", err)
	}
	defer c.CloseLasting() //nolint:errcheck // it was only read from
	for set, list := range map[*nftables.Set]*[]int{set4: &named.on4, set6: &named.on6} {
		elems, err := c.GetSetElements(set)
		if err != nil {
			// The library's error does not tell what is not there.
			if _, gone := c.GetSetByName(set.Table, set.Name); errors.Is(gone, unix.ENOENT) {
				continue
			}
			return named, print, fmt.Errorf("read nftables set %s: %w", set.Name, err)
		}
		for _, e := range elems {
			if len(e.Key) == 4 {
				*list = append(*list, int(binaryutil.NativeEndian.Uint32(e.Key)))
			}
		}
		slices.Sort(*list)
	}
	print, err = printTable(c, t.Name, set4, set6)
	if err != nil {
		return named, digest{}, nil //nolint:nilerr // what can't be read whole is not what was written
	}
	return named, print, nil
}

// writeHostTable makes the host's table or replaces it, in one transaction: there is no moment without it.
func writeHostTable(on switches) error {
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	t, set4, set6 := hostSets()
	there, err := tableExists(t.Name)
	if err != nil {
		return err
	}
	if there {
		c.DelTable(t)
	}
	c.AddTable(t)
	numbering.Lock()
	err = errors.Join(c.AddSet(set4, elements(on.on4)), c.AddSet(set6, elements(on.on6)))
	numbering.Unlock()
	if err != nil {
		return fmt.Errorf("make nftables sets: %w", err)
	}
	chain := c.AddChain(&nftables.Chain{
		Name: "forward", Table: t, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter,
	})
	closed := func(family byte, from []expr.Any) {
		c.AddRule(&nftables.Rule{Table: t, Chain: chain, Exprs: join(nfproto(family), from, oifPrefix(expr.CmpOpNeq, ifPrefix), drop())})
	}
	named := func(set *nftables.Set) []expr.Any {
		return load(&expr.Meta{Key: expr.MetaKeyIIF, Register: 1}, in(set))
	}
	closed(unix.NFPROTO_IPV4, named(set4))
	closed(unix.NFPROTO_IPV6, named(set6))
	if slices.Contains(on.on6, everywhere) {
		closed(unix.NFPROTO_IPV6, iifPrefix(expr.CmpOpNeq, ifPrefix))
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("write nftables table %s: %w", hostTable, err)
	}
	return nil
}

func elements(links []int) []nftables.SetElement {
	var list []nftables.SetElement
	for _, index := range links {
		list = append(list, nftables.SetElement{Key: binaryutil.NativeEndian.PutUint32(uint32(index))})
	}
	return list
}
