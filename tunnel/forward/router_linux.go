package forward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/tun"

	"byway/tunnel/netdev"
)

// Names. An interface is called ifPrefix and a number, its table tablePrefix and the name of the interface.
const (
	ifPrefix    = "bwexit"
	tablePrefix = "byway_exit_"
)

// dnsPort is the one service that the exit's inner address offers.
const dnsPort = 53

// Router is the host's kernel at work for one exit. It is safe for concurrent use.
type Router struct {
	log    *slog.Logger
	dev    *device
	name   string
	link   int // its index
	nets   Nets
	table  *table
	forget chan netip.Addr
	done   chan struct{}
	ctx    context.Context    // until Close
	cancel context.CancelFunc // ends the guard
	wg     sync.WaitGroup

	shut    atomic.Bool
	trouble atomic.Pointer[string]
	filter  string // of others, that drops what is forwarded; the guard's

	mu     sync.Mutex
	host   host
	closed bool

	routeMu sync.Mutex
	near    Near
	routing routing
	static  []Range // closed, whatever is near

	tracks tracks

	// Its own lock: Refresh keeps the other while it waits for other exits of the host, and sessions begin meanwhile.
	shapeMu sync.Mutex
	htb     bool            // the interface's queue has classes
	shaped  map[uint16]bool // sessions with one, by index
}

// Open makes a router. What crashed exits left behind is removed first.
func Open(ctx context.Context, cfg Config) (*Router, error) {
	unlock, err := lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := clean(cfg.Log, &host{}); err != nil {
		return nil, err
	}
	nets, err := freeNets(cfg.Nets)
	if err != nil {
		return nil, err
	}
	dev, err := netdev.Create(ifPrefix+"%d", cfg.MTU)
	if err != nil {
		return nil, fmt.Errorf("create tun device: %w", err)
	}
	r := &Router{
		log: cfg.Log, dev: quiet(dev), nets: nets, host: host{reach: cfg.Reach}, forget: make(chan netip.Addr, 1024),
		done: make(chan struct{}), near: cfg.Rules.Near, static: cfg.Rules.Closed, shaped: make(map[uint16]bool),
	}
	// The watches begin before there is anything that could be missed.
	watching, cancel := context.WithCancel(context.Background())
	r.ctx, r.cancel = watching, cancel
	filters, err := watchFilters(watching)
	var host <-chan struct{}
	if err == nil {
		host, err = WatchHost(watching)
	}
	if err == nil {
		err = r.start(cfg)
	}
	if err != nil {
		cancel()
		// Closing the device removes the interface with its addresses and routes.
		return nil, errors.Join(err, r.dev.Close(), r.undo())
	}
	r.filter, _ = Blocked() // whoever opens an exit has been told
	r.wg.Go(r.forgetAll)
	r.wg.Go(func() { r.watchTracks(cfg.Tracks, cfg.Flows) })
	r.wg.Go(func() { r.guard(watching, filters, host) })
	return r, nil
}

// device keeps the state of the interface from the engine, which would close its port while the interface is down.
type device struct {
	tun.Device
	events  chan tun.Event
	closing atomic.Bool
}

// Close implements tun.Device.
func (d *device) Close() error {
	d.closing.Store(true)
	return d.Device.Close()
}

// quiet wraps a device. Its one goroutine ends when the device is closed.
func quiet(dev tun.Device) *device {
	d := &device{Device: dev, events: make(chan tun.Event)}
	go func() {
		defer close(d.events)
		for range dev.Events() {
			// The device waits until its events are read.
		}
	}()
	return d
}

// Inject has Read return a packet that the kernel did not send. It reports false when that is not possible now.
func (d *device) Inject(pkt []byte) bool {
	dev, ok := d.Device.(interface{ Inject(pkt []byte) bool })
	return ok && dev.Inject(pkt)
}

// Events implements tun.Device: there are none, until it is closed.
func (d *device) Events() <-chan tun.Event { return d.events }

// start sets the interface up. The table stands before the first packet can pass.
func (r *Router) start(cfg Config) error {
	var err error
	if r.name, err = r.dev.Name(); err != nil {
		return fmt.Errorf("name of tun device: %w", err)
	}
	link, err := netlink.LinkByName(r.name)
	if err != nil {
		return fmt.Errorf("find %s: %w", r.name, err)
	}
	r.link = link.Attrs().Index
	r.table, err = newTable(r.name, r.nets, cfg)
	if err != nil {
		return err
	}
	v4, v6 := r.nets.Addrs(1)
	if err := addAddr(link, netip.PrefixFrom(v4, r.nets.V4.Bits()), 0); err != nil {
		return err
	}
	if _, err := setUpInterface(r.name); err != nil {
		return err
	}
	if hasIPv6() {
		if err := addAddr(link, netip.PrefixFrom(v6, r.nets.V6.Bits()), unix.IFA_F_NODAD); err != nil {
			return err
		}
	}
	r.routing.name = r.name
	if r.routing.table, err = tableOf(r.name); err != nil {
		return err
	}
	if err := r.routing.set(r.nets, r.static, r.near.Own); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %s up: %w", r.name, err)
	}
	if _, err = r.host.open(); err == nil && r.host.refused != "" {
		err = errors.New(r.host.refused)
	}
	return err
}

func addAddr(link netlink.Link, p netip.Prefix, flags int) error {
	n := &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
	if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: n, Flags: flags}); err != nil {
		return fmt.Errorf("give %s the address %v: %w", link.Attrs().Name, p, err)
	}
	return nil
}

// freeNets takes the first networks that the host knows no way into, apart from default routes.
func freeNets(list []Nets) (Nets, error) {
	var taken []netip.Prefix
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := netlink.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
		if err != nil {
			return Nets{}, fmt.Errorf("list routes: %w", err)
		}
		for _, route := range routes {
			if route.Dst == nil || route.Protocol == ruleProtocol {
				continue // what exits prohibit leads nowhere
			}
			a, ok := netip.AddrFromSlice(route.Dst.IP)
			if bits, _ := route.Dst.Mask.Size(); ok && bits > 0 {
				taken = append(taken, netip.PrefixFrom(a.Unmap(), bits))
			}
		}
	}
	for _, n := range list {
		// A wide route, such as 10/8 into a company's network, may hold an inner network: the longer prefix wins.
		if !slices.ContainsFunc(taken, func(p netip.Prefix) bool {
			return p.Overlaps(n.V4) && p.Bits() >= n.V4.Bits() || p.Overlaps(n.V6) && p.Bits() >= n.V6.Bits()
		}) {
			return n, nil
		}
	}
	return Nets{}, errors.New("every inner network is in use on this host")
}

// Device takes the packets of sessions and gives those to them. Closing it takes the interface away.
func (r *Router) Device() tun.Device { return r.dev }

// Name of the interface.
func (r *Router) Name() string { return r.name }

// Nets are the inner networks in use.
func (r *Router) Nets() Nets { return r.nets }

// Listen tells the router the UDP port of the engine, so that it can drop floods of handshakes early.
func (r *Router) Listen(port uint16) error { return r.table.listen(port) }

// Shut is set while nothing of the sessions' may be given to the device, because what keeps them apart is not in place.
func (r *Router) Shut() *atomic.Bool { return &r.shut }

// Near follows a change of what is near.
func (r *Router) Near(near Near) error {
	r.routeMu.Lock()
	defer r.routeMu.Unlock()
	if near.Equal(r.near) {
		return nil
	}
	err := errors.Join(r.routing.set(r.nets, r.static, near.Own), r.table.setNear(near))
	if err != nil {
		return err
	}
	r.near = near
	return nil
}

// Refresh follows changes of the interfaces that lead to the internet.
func (r *Router) Refresh() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	return r.openHost(r.ctx)
}

// Forget ends the connections of a session's addresses, some time after it has ended.
func (r *Router) Forget(addrs ...netip.Addr) {
	for _, a := range addrs {
		select {
		case r.forget <- a:
		case <-r.done:
		}
	}
}

// forgetEvery is how long addresses are gathered, for each look at the kernel's connections walks through all.
const forgetEvery = time.Second

// forgetAll serves Forget until Close.
func (r *Router) forgetAll() {
	for {
		gone := make(map[netip.Addr]bool)
		select {
		case <-r.done:
			return
		case a := <-r.forget:
			gone[a] = true
		}
		wait := time.NewTimer(forgetEvery)
	gather:
		for {
			select {
			case <-r.done:
				wait.Stop()
				return
			case a := <-r.forget:
				gone[a] = true
			case <-wait.C:
				break gather
			}
		}
		if err := dropConnections(func(a netip.Addr) bool { return gone[a] }); err != nil {
			r.log.Warn("connections of ended sessions are left to expire", "error", err)
		}
	}
}

// sources is a filter of connections by where they come from.
type sources func(netip.Addr) bool

// MatchConntrackFlow implements netlink.CustomConntrackFilter.
func (s sources) MatchConntrackFlow(f *netlink.ConntrackFlow) bool {
	a, ok := netip.AddrFromSlice(f.Forward.SrcIP)
	return ok && s(a.Unmap())
}

func dropConnections(from sources) error {
	for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
		if _, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, family, from); err != nil {
			return fmt.Errorf("forget connections: %w", err)
		}
	}
	return nil
}

// Close undoes what Open did. The device must have been closed.
func (r *Router) Close() error {
	r.cancel() // who waits for the lock gives up
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	r.mu.Unlock()
	close(r.done)
	r.wg.Wait()
	// Other exits remove the table once the interface is gone, which they can't while it has an owner.
	r.table.close()
	ctx, cancel := context.WithTimeout(context.Background(), lockTime)
	defer cancel()
	unlock, err := lock(ctx)
	if err != nil {
		// Whoever keeps the lock that long has died of it or means ill: what is open must be closed all the same.
		return errors.Join(err, r.undo())
	}
	defer unlock()
	return r.undo()
}

// undo takes away the table of an interface that is gone, and all that the last exit leaves. The caller holds the lock.
func (r *Router) undo() error {
	var errs []error
	if err := r.waitGone(); err != nil {
		errs = append(errs, err)
	}
	if r.table != nil {
		r.table.close()
	}
	errs = append(errs, clean(r.log, &r.host), dropConnections(r.nets.Contains))
	return errors.Join(errs...)
}

// waitGone waits until the interface, whose device was closed, has disappeared. Another exit may have its name by then.
func (r *Router) waitGone() error {
	for end := time.Now().Add(lockTime); r.link != 0; time.Sleep(time.Millisecond) {
		if _, err := net.InterfaceByIndex(r.link); err != nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("interface %s is still there", r.name)
		}
	}
	return nil
}

func exists(name string) bool {
	_, err := net.InterfaceByName(name)
	return err == nil
}

// clean removes the tables, rules and routes of exits whose interface is gone. After the last one, the host stops to
// forward; those who stay are told what the one that leaves knows. The caller holds the lock.
func clean(log *slog.Logger, h *host) error {
	return errors.Join(cleanRouting(), cleanTables(log), cleanHost(h))
}

func cleanTables(log *slog.Logger) error {
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	tables, err := c.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return fmt.Errorf("list nftables tables: %w", err)
	}
	var errs []error
	for _, t := range tables {
		if name, ours := strings.CutPrefix(t.Name, tablePrefix); ours && !exists(name) {
			log.Debug("removing the table of an exit that is gone", "table", t.Name)
			errs = append(errs, removeTable(t.Name))
		}
	}
	return errors.Join(errs...)
}

// removeTable removes a table, if it is there. One that has another owner is that exit's, which is about to close.
func removeTable(name string) error {
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	c.DelTable(&nftables.Table{Name: name, Family: nftables.TableFamilyINet})
	if err := c.Flush(); err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("remove nftables table %s: %w", name, err)
	}
	return nil
}

// cleanHost takes what exits share away after the last of them. An exit lives as long as its interface, whatever others
// made of its table.
func cleanHost(h *host) error {
	links, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("list interfaces: %w", err)
	}
	if slices.ContainsFunc(links, func(l net.Interface) bool { return strings.HasPrefix(l.Name, ifPrefix) }) {
		return h.leave()
	}
	if err := h.close(); err != nil {
		return err
	}
	return removeTable(hostTable)
}
