package forward

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// While the table is not what was loaded, nothing of the sessions' is let into the kernel: the gate before the device is
// shut (see Shut), and stays so until the table is back. It is looked at whenever nftables has changed, and now and then.
const (
	lookEvery  = 15 * time.Second
	retryEvery = time.Second
)

// guard keeps the table, the interface, the routing rules and the host's table in place until Close.
func (r *Router) guard(ctx context.Context, filters, host <-chan struct{}) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	again := time.NewTimer(retryEvery)
	again.Stop()
	defer again.Stop()
	rested := time.NewTimer(0)
	defer rested.Stop()
	var resting <-chan struct{} // the host's changes, while they are not looked at
	for {
		kernel := false
		select {
		case <-ctx.Done():
			return
		case _, ok := <-filters:
			if !ok {
				filters = r.rewatch(ctx, watchFilters)
			}
		case _, ok := <-host:
			if !ok {
				host = r.rewatch(ctx, WatchHost)
			}
			kernel = true
		case <-rested.C:
			if resting != nil {
				host, resting = resting, nil
			}
			continue
		case <-tick.C:
			kernel = true
		case <-again.C:
			kernel = true
		}
		if ctx.Err() != nil || r.dev.closing.Load() {
			return
		}
		start := time.Now()
		if !r.look(ctx, kernel) {
			again.Reset(retryEvery)
		}
		if kernel && host != nil {
			// A host with very many routes that change all the time must not be asked for them all the time.
			resting, host = host, nil
			rested.Reset(Rest(time.Since(start)))
		}
	}
}

// Rest is how long to rest after a look at the host that took so long: a tenth of the time at most goes into it, and
// nothing is noticed later than after five seconds.
func Rest(look time.Duration) time.Duration { return min(10*look, 5*time.Second) }

// rewatch subscribes again after a subscription has failed. Until that works, the guard looks at every tick.
func (r *Router) rewatch(ctx context.Context, watch func(context.Context) (<-chan struct{}, error)) <-chan struct{} {
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(changeRest):
	}
	changes, err := watch(ctx)
	if err != nil && ctx.Err() == nil {
		r.log.Warn("changes of the host's network are noticed late", "error", err, "every", lookEvery)
	}
	return changes
}

// look compares what should be there with what is, and puts back what is not: the tables, and on request the interface
// and its routing rules. It reports whether all is well.
func (r *Router) look(ctx context.Context, kernel bool) bool {
	if !r.table.intact() {
		r.shut.Store(true)
		if err := r.reload(); err != nil {
			r.say(fmt.Sprintf("closed: the firewall table was removed or changed and could not be put back: %v", err))
			return false
		}
		r.log.Warn("the exit's firewall table was removed or changed by another program, and was put back",
			"table", tablePrefix+r.name)
		kernel = true
	}
	if err := r.restoreHost(ctx); err != nil {
		r.shut.Store(true)
		r.say(fmt.Sprintf("closed: the rules that keep this host from forwarding for others were removed and could not be put back: %v", err))
		return false
	}
	if kernel || r.shut.Load() {
		if err := r.restoreLink(); err != nil {
			r.shut.Store(true)
			r.say(fmt.Sprintf("closed: %v", err))
			return false
		}
		r.routeMu.Lock()
		err := r.routing.restore()
		r.routeMu.Unlock()
		if err != nil {
			r.shut.Store(true)
			r.say(fmt.Sprintf("closed: the exit's routing rules were removed and could not be put back: %v", err))
			return false
		}
	}
	r.noteFilter()
	r.shut.Store(false)
	r.say("")
	return true
}

// noteFilter tells when a packet filter came that drops what is forwarded, which ours can't overrule: a firewall that was
// loaded again may bring one.
func (r *Router) noteFilter() {
	filter, err := Blocked()
	if err != nil || filter == r.filter {
		return
	}
	if r.filter = filter; filter != "" {
		r.log.Warn("a packet filter of the host drops forwarded packets unless it allows those of the exit", "filter", filter)
	}
}

// restoreLink gives the interface its addresses back: without them, and the routes that come with them, what is for a
// session would take the host's default route. An interface that somebody took down is theirs to take up.
func (r *Router) restoreLink() error {
	link, err := netlink.LinkByName(r.name)
	if r.dev.closing.Load() {
		return nil
	}
	if err != nil {
		return fmt.Errorf("interface %s is gone, start the provider again: %w", r.name, err)
	}
	if link.Attrs().Flags&net.FlagUp == 0 {
		return fmt.Errorf("interface %s was taken down: ip link set %s up", r.name, r.name)
	}
	addrs, err := netlink.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("list addresses of %s: %w", r.name, err)
	}
	v4, v6 := r.nets.Addrs(1)
	want := []netip.Prefix{netip.PrefixFrom(v4, r.nets.V4.Bits())}
	if hasIPv6() {
		want = append(want, netip.PrefixFrom(v6, r.nets.V6.Bits()))
	}
	for _, p := range want {
		if slices.ContainsFunc(addrs, func(a netlink.Addr) bool { return a.IP.Equal(p.Addr().AsSlice()) }) {
			continue
		}
		flags := 0
		if p.Addr().Is6() {
			flags = unix.IFA_F_NODAD
		}
		if err := addAddr(link, p, flags); err != nil && !errors.Is(err, unix.EEXIST) {
			return err
		}
		r.log.Warn("an address of the exit's interface was removed by another program, and was put back", "address", p)
	}
	return nil
}

// reload makes the table again, and forgets connections that the kernel began to track without it: they are not
// translated, and would not be later.
func (r *Router) reload() error {
	if err := r.table.load(); err != nil {
		return err
	}
	for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
		if _, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, family, untranslated(r.nets)); err != nil {
			return fmt.Errorf("forget connections: %w", err)
		}
	}
	return nil
}

// untranslated is a filter of sessions' connections that go elsewhere under the inner address.
type untranslated Nets

// MatchConntrackFlow implements netlink.CustomConntrackFilter.
func (n untranslated) MatchConntrackFlow(f *netlink.ConntrackFlow) bool {
	src, ok := netip.AddrFromSlice(f.Forward.SrcIP)
	dst, ok2 := netip.AddrFromSlice(f.Forward.DstIP)
	nets := Nets(n)
	return ok && ok2 && nets.Contains(src) && !nets.Contains(dst) && f.Reverse.DstIP.Equal(f.Forward.SrcIP)
}

// say keeps what is wrong, and logs it when it is new.
func (r *Router) say(trouble string) {
	old := r.trouble.Swap(&trouble)
	switch {
	case trouble != "" && (old == nil || *old != trouble):
		r.log.Error("the exit forwards nothing", "reason", trouble)
	case trouble == "" && old != nil && *old != "":
		r.log.Warn("the exit forwards again")
	}
}

// Trouble says why nothing is forwarded; empty when all is well.
func (r *Router) Trouble() string {
	if t := r.trouble.Load(); t != nil {
		return *t
	}
	return ""
}

// switched are the interfaces on which exits of this host turned forwarding on.
type switched struct{ on4, on6 []string }

// rememberHost reads from the host's table what it is the memory of.
func (r *Router) rememberHost() error {
	s, _, err := readHostTable()
	if err == nil {
		r.host = s
	}
	return err
}

// readHostTable returns what the host's table names, and how many rules it has; -1 when it is not there.
func readHostTable() (s switched, rules int, err error) {
	c, err := nftables.New()
	if err != nil {
		return s, 0, fmt.Errorf("open nftables: %w", err)
	}
	tables, err := c.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return s, 0, fmt.Errorf("list nftables tables: %w", err)
	}
	at := slices.IndexFunc(tables, func(x *nftables.Table) bool { return x.Name == hostTable })
	if at < 0 || tables[at].Flags&flagDormant != 0 {
		return s, -1, nil
	}
	t := tables[at]
	for name, list := range map[string]*[]string{closedSet4: &s.on4, closedSet6: &s.on6} {
		elems, err := c.GetSetElements(&nftables.Set{Table: t, Name: name, KeyType: nftables.TypeIFName})
		if err != nil {
			return s, -1, nil //nolint:nilerr // a table without its sets is not ours any more
		}
		for _, e := range elems {
			*list = append(*list, nameOf(e.Key))
		}
	}
	list, err := c.GetRules(t, &nftables.Chain{Name: "forward", Table: t})
	if err != nil {
		return s, -1, nil //nolint:nilerr // nor one without its chain
	}
	return s, len(list), nil
}

// hostRules is how many rules the host's table has.
func (s switched) hostRules() int {
	if slices.Contains(s.on6, everywhere) {
		return 3
	}
	return 2
}

func (s switched) covers(o switched) bool {
	has := func(list []string) func(string) bool {
		return func(name string) bool { return !slices.Contains(list, name) }
	}
	return !slices.ContainsFunc(o.on4, has(s.on4)) && !slices.ContainsFunc(o.on6, has(s.on6))
}

// restoreHost puts the host's table back, when somebody took it away or emptied it.
func (r *Router) restoreHost(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	now, rules, err := readHostTable()
	if err == nil && rules >= now.hostRules() && now.covers(r.host) {
		return nil
	}
	unlock, lockErr := lock(ctx)
	if lockErr != nil {
		return errors.Join(err, lockErr)
	}
	defer unlock()
	return r.restoreHostLocked()
}

// restoreHostLocked does so for who holds both locks: another exit may have been quicker.
func (r *Router) restoreHostLocked() error {
	now, rules, err := readHostTable()
	if err != nil || rules >= now.hostRules() && now.covers(r.host) {
		return err
	}
	union := func(a, b []string) []string {
		list := slices.Concat(a, b)
		slices.Sort(list)
		return slices.Compact(list)
	}
	all := switched{on4: union(now.on4, r.host.on4), on6: union(now.on6, r.host.on6)}
	if err := dropHostTable(); err != nil {
		return err
	}
	if err := guardHost(all.on4, all.on6); err != nil {
		return err
	}
	r.log.Warn("the table that keeps this host from forwarding for others was removed by another program, and was put back",
		"table", hostTable)
	return nil
}

func dropHostTable() error {
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	c.DelTable(&nftables.Table{Name: hostTable, Family: nftables.TableFamilyINet})
	if err := c.Flush(); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("replace nftables table %s: %w", hostTable, err)
	}
	return nil
}
