package forward

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

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
	changed, err := r.restoreTable()
	// The host's table is everybody's: it must not wait for ours.
	hostErr := r.restoreHost(ctx, kernel)
	if err == nil {
		err = hostErr
	}
	if err == nil && (kernel || changed || r.shut.Load()) {
		err = r.restoreLink()
		if err == nil {
			r.routeMu.Lock()
			if err = r.routing.restore(); err != nil {
				err = fmt.Errorf("the exit's routing rules were removed and could not be put back: %w", err)
			}
			r.routeMu.Unlock()
		}
	}
	if err != nil {
		r.shut.Store(true)
		r.say(fmt.Sprintf("closed: %v", err))
		return false
	}
	r.noteFilter()
	r.shut.Store(false)
	r.say("")
	return true
}

// restoreTable puts the exit's table back. Nothing of the sessions' passes until all has been looked at.
func (r *Router) restoreTable() (changed bool, err error) {
	if r.table.intact() {
		return false, nil
	}
	r.shut.Store(true)
	if err := r.table.reload(); err != nil {
		return false, fmt.Errorf("the firewall table was removed or changed and could not be put back: %w", err)
	}
	r.log.Warn("the exit's firewall table was removed or changed by another program, and was put back", "table", tablePrefix+r.name)
	return true, nil
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

// restoreLink gives the interface its settings and addresses back: without them, and the routes that come with them, what is
// for a session would take the host's default route. An interface that somebody took down is theirs to take up.
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
	changed, err := setUpInterface(r.name)
	if err != nil {
		return err
	}
	if changed {
		r.log.Warn("a setting of the exit's interface was changed by another program, and was put back", "interface", r.name)
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

// restoreHost puts the host's table back, when somebody took it away or changed it, and on request the routes that note
// the same.
func (r *Router) restoreHost(ctx context.Context, routes bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.host.guarded(routes) {
		return nil
	}
	return r.openHost(ctx)
}

// openHost makes the host forward for exits and for nobody else. The caller holds r.mu.
func (r *Router) openHost(ctx context.Context) error {
	unlock, err := lock(ctx)
	if err != nil {
		if !r.host.guarded(false) {
			err = errors.Join(err, r.host.on.turnOff())
		}
		return err
	}
	defer unlock()
	refused := r.host.refused
	changed, err := r.host.open()
	if changed {
		r.log.Warn("the table that keeps this host from forwarding for others was removed or changed by another program, and was put back",
			"table", hostTable)
	}
	if r.host.refused != "" && r.host.refused != refused {
		r.log.Warn("the exit does not forward from everywhere", "error", r.host.refused)
	}
	return err
}
