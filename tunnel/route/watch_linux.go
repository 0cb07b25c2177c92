package route

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// The layers that shut the machine are the kernel's, and other programs change them: a firewall that is reloaded flushes
// every table, another VPN puts rules before all others, a network manager tidies up. A keeper looks at them whenever the
// kernel says that something has changed, and puts back what is missing. Each layer stands without the others, so that
// nothing leaves meanwhile.

const (
	// keepEvery is how often the keeper looks without having been told to: of what the kernel says, some can be lost.
	keepEvery = time.Second
	// keepPause is the least time between two looks, for a machine whose routes change all the time.
	keepPause = 20 * time.Millisecond
	// recent is how long what was put back stays in Trouble.
	recent = 10 * time.Minute
)

// watched lists groups of the kernel's netlink whose news concern a layer.
var watched = map[int][]uint{
	unix.NETLINK_ROUTE: {
		unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV4_ROUTE,
		unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE,
	},
	unix.NETLINK_NETFILTER: {unix.NFNLGRP_NFTABLES},
	unix.NETLINK_XFRM:      {nl.XFRMNLGRP_POLICY},
}

// watch subscribes, and starts the keeper, which ends with r.stop.
func (r *Routes) watch() error {
	news := make(chan struct{}, 1)
	var sockets []*nl.NetlinkSocket
	for protocol, groups := range watched {
		if protocol == unix.NETLINK_XFRM && !r.ipsec {
			continue
		}
		s, err := nl.Subscribe(protocol, groups...)
		if err != nil {
			for _, s := range sockets {
				s.Close()
			}
			return fmt.Errorf("watch the machine's network: %w", err)
		}
		sockets = append(sockets, s)
	}
	for _, s := range sockets {
		r.keeping.Go(func() {
			for {
				_, _, err := s.Receive()
				select {
				case <-r.stop:
					return
				case news <- struct{}{}:
				default: // it is about to look
				}
				if err != nil && !errors.Is(err, unix.ENOBUFS) { // which says that news were lost
					select {
					case <-r.stop:
						return
					case <-time.After(keepEvery):
					}
				}
			}
		})
	}
	r.keeping.Go(func() {
		defer func() {
			for _, s := range sockets {
				s.Close()
			}
		}()
		tick := time.NewTicker(keepEvery)
		defer tick.Stop()
		for {
			select {
			case <-r.stop:
				return
			case <-tick.C:
			case <-news:
			}
			began := time.Now()
			r.keep()
			// A machine with a million routes takes its time to list them: then it is asked less often.
			pause := min(max(keepPause, 4*time.Since(began)), keepEvery)
			select {
			case <-r.stop:
				return
			case <-time.After(pause):
			}
		}
	})
	return nil
}

// keep looks at every layer and repairs it.
func (r *Routes) keep() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lock == nil {
		return
	}
	now := r.repair()
	if r.state.Hole != nil && r.holeLeft() == 0 {
		if err := r.closePortalLocked(); err != nil {
			now["the hole for a captive portal"] = err.Error()
		}
	}
	if err := r.keepState(); err != nil {
		now["what is to be restored"] = fmt.Sprintf("what is to be restored can't be written down: %v", err)
	}
	was := r.wrong
	r.wrong = now
	for what, text := range now {
		if was[what] != text {
			r.cfg.Log.Warn("what shuts the machine is not as it should be", "what", text)
		}
	}
}

// event is something that was put back.
type event struct {
	times int
	last  time.Time
}

// note counts what was put back.
func (r *Routes) note(what string) {
	e := r.events[what]
	if time.Since(e.last) > recent {
		e.times = 0
	}
	e.times++
	e.last = time.Now()
	r.events[what] = e
	r.cfg.Log.Warn("what shuts the machine was put back", "what", what)
}

// repair puts back what is missing of any layer, and returns what can't be mended, by layer.
func (r *Routes) repair() map[string]string {
	wrong := make(map[string]string)
	check := func(layer string, err error) {
		if err != nil {
			wrong[layer] = fmt.Sprintf("%s can't be kept up: %v", layer, err)
		}
	}
	check("the tunnel's interface", r.repairLink(wrong))
	p := r.policy()
	for _, family := range families {
		if !hasFamily(family) {
			continue
		}
		near, err := nearby(family)
		check("the table of routes", err)
		missing, foreign, err := p.repairRoutes(family, near)
		check("the table of routes", err)
		if missing > 0 {
			r.note("routes of the tunnel were removed by another program")
		}
		if foreign > 0 {
			r.note("another program's routes in the tunnel's table were removed")
		}
		missing, before, err := p.repairRules(family)
		check("the routing rules", err)
		if missing > 0 {
			r.note("routing rules were removed by another program")
		}
		if before != nil {
			wrong["a foreign rule"] = fmt.Sprintf("routing rule %d of another program goes before Byway's (to table %d): "+
				"what it leads past the tunnel is blocked", before.Priority, before.Table)
		}
		missing, err = p.repairIPsec(family)
		check("the policies", err)
		if missing > 0 {
			r.note("blocking policies were removed by another program")
		}
	}
	stands, err := r.table.stands()
	if err == nil && !stands {
		r.note("the firewall table was removed by another program")
		err = r.firewall(r.link).load()
	}
	check("the firewall table", err)
	return wrong
}

// repairLink gives the tunnel's interface its name back, takes it up again and gives it its addresses, where another
// program has not removed it.
func (r *Routes) repairLink(wrong map[string]string) error {
	if r.link == nil || r.made == 0 {
		return nil
	}
	const layer = "the tunnel's interface"
	name := r.cfg.Interface
	r.index = 0
	dev, err := netlink.LinkByName(name)
	missing := errors.As(err, new(netlink.LinkNotFoundError))
	if err != nil && !missing {
		return err
	}
	if missing || dev.Attrs().Index != r.made {
		own, err := netlink.LinkByIndex(r.made)
		switch {
		case err != nil && !errors.As(err, new(netlink.LinkNotFoundError)):
			return err
		case err != nil || own.Type() != "tuntap":
			// The end of a session removes it, too: until another one is up, nothing is reachable.
			wrong[layer] = fmt.Sprintf("there is no interface %s: nothing leaves until this session has ended and another one is up", name)
			return nil
		case !missing:
			wrong[layer] = fmt.Sprintf("interface %s is another one than the session's, which is %s now: nothing leaves through "+
				"either until it has its name", name, own.Attrs().Name)
			return nil
		}
		if err := rename(own, name); err != nil {
			return err
		}
		r.note("the tunnel's interface was renamed by another program")
		dev = own
	}
	r.index = r.made
	addrs, err := netlink.AddrList(dev, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	there := 0
	for _, want := range r.link.Addrs {
		for _, a := range addrs {
			if a.IP.Equal(want.AsSlice()) {
				there++
				break
			}
		}
		if !hasFamily(familyOf(want)) {
			there++
		}
	}
	switch {
	case there < len(r.link.Addrs) || dev.Attrs().Flags&net.FlagUp == 0:
		r.note("the tunnel's interface was taken down by another program")
	case r.link.MTU != 0 && dev.Attrs().MTU != r.link.MTU:
		r.note("the MTU of the tunnel's interface was changed by another program")
	default:
		return nil
	}
	_, err = prepareLink(r.cfg, *r.link, nil)
	return err
}

// rename names an interface. Kernels before 6.2 rename only what is down.
func rename(dev netlink.Link, name string) error {
	err := netlink.LinkSetName(dev, name)
	if errors.Is(err, unix.EBUSY) {
		if err = netlink.LinkSetDown(dev); err == nil {
			err = netlink.LinkSetName(dev, name)
		}
	}
	if err != nil {
		return fmt.Errorf("name interface %s %s again: %w", dev.Attrs().Name, name, err)
	}
	return nil
}

// Trouble says what is wrong at present with what shuts the machine, and what had to be put back lately; it is empty when
// all is well.
func (r *Routes) Trouble() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []string
	for _, text := range r.wrong {
		list = append(list, text)
	}
	for what, e := range r.events {
		switch {
		case time.Since(e.last) > recent:
		case e.times == 1:
			list = append(list, what+", and put back")
		default:
			list = append(list, fmt.Sprintf("%s %d times, and put back", what, e.times))
		}
	}
	if r.holeLeft() > 0 {
		list = append(list, fmt.Sprintf("programs in %s reach a captive portal past the tunnel until %s",
			Portal.Group(), r.state.Hole.Until.Local().Format("15:04:05")))
	}
	slices.Sort(list)
	return strings.Join(list, "; ")
}
