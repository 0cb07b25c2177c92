package route

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Routes holds a machine's routes. It is safe for concurrent use.
type Routes struct {
	cfg     Config
	servers []netip.Addr // the machine's own resolvers

	mu     sync.Mutex
	lock   *os.File // nil when closed
	state  *state
	groups groups
	link   *Link // that of the latest Up
	made   int   // the index of its interface
	index  int   // the same; 0: it is not there
	table  *kernelTable
	ipsec  bool      // the kernel knows policies
	closes time.Time // the state's hole, by this process's clock
	wrong  map[string]string
	events map[string]event

	stop    chan struct{} // closed at the end
	keeping sync.WaitGroup
	kept    bool // keepDNS runs
}

// Lock closes the machine: from its return on, nothing leaves but what Config lets out and sockets with MarkUnderlay. It
// takes over what a killed daemon has left, without opening in between. It needs root. ErrInUse means that another daemon
// runs.
func Lock(ctx context.Context, cfg Config) (_ *Routes, err error) {
	cfg, err = cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("lock routes: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("lock routes: %w", err)
	}
	if err := Capable(); err != nil {
		return nil, fmt.Errorf("lock routes: %w", err)
	}
	r := &Routes{cfg: cfg, stop: make(chan struct{}), events: make(map[string]event)}
	if r.lock, err = lockDir(cfg.StateDir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			r.lock.Close()
		}
	}()
	before, lost, err := stateOf(cfg.StateDir)
	if err == nil && lost && ownedByDaemon() {
		err = errHeld
	}
	if err != nil {
		return nil, err
	}
	boot, err := bootID()
	if err != nil {
		return nil, err
	}
	holder, err := self()
	if err != nil {
		return nil, err
	}
	r.state = &state{
		Version: stateVersion, Boot: boot, Interface: cfg.Interface, Lockdown: cfg.Lockdown, Since: time.Now(), Holder: holder,
	}
	if before != nil {
		r.state.DNS = before.leftDNS(boot)
		if before.Boot == boot {
			r.state.Sysctls = before.Sysctls
		}
	}
	if err := r.noteSysctls(); err != nil {
		return nil, err
	}
	if err = r.state.write(cfg.StateDir); err == nil {
		err = r.close(ctx)
	} else if before == nil { // nothing is changed, and what was written says that it might be
		if left := removeState(cfg.StateDir); left != nil {
			err = &UndoneError{Err: errors.Join(err, left)}
		}
		return nil, fmt.Errorf("lock routes: %w", err)
	}
	if err != nil {
		if r.table != nil {
			err = errors.Join(err, r.table.close())
		}
		if before == nil {
			err = errors.Join(err, lift(cfg.StateDir, r.state))
		} else { // it was shut before, and stays so, for the reason that it had
			r.state.Holder, r.state.Ended, r.state.Lockdown = nil, before.Ended, before.Lockdown
			err = &UndoneError{errors.Join(err, r.state.write(cfg.StateDir)), true}
		}
		return nil, fmt.Errorf("lock routes: %w", err)
	}
	return r, nil
}

// close shuts the machine and clears away what was there.
func (r *Routes) close(ctx context.Context) (err error) {
	if r.groups, err = makeGroups(r.cfg.OnlyPrograms, r.cfg.Log); err != nil {
		if r.cfg.OnlyPrograms || !errors.Is(err, ErrNoCgroups) {
			return err
		}
		r.cfg.Log.Info("no program can be left out of the tunnel", "error", err)
	}
	if r.table, err = openTable(); err != nil {
		return err
	}
	if r.ipsec, err = hasIPsec(); err != nil {
		return err
	}
	if !r.ipsec || !r.table.owned {
		r.cfg.Log.Info("this kernel lacks a layer of the kill switch: what other programs flush is put back within a second",
			"owned_table", r.table.owned, "policies", r.ipsec)
	}
	// The lower layers first: a table of an older release is empty for a moment while it becomes ours.
	if err := r.route(); err != nil {
		return err
	}
	if err := r.firewall(nil).load(); err != nil {
		return err
	}
	if r.state.DNS != nil {
		if err := r.state.DNS.revert(ctx); err != nil {
			return err
		}
		r.state.DNS = nil
		if err := r.state.write(r.cfg.StateDir); err != nil {
			return err
		}
	}
	if r.servers, err = systemServers(); err != nil {
		return err
	}
	if err := writeSysctl(srcValidMark, "1"); err != nil {
		return err
	}
	return r.watch()
}

func (r *Routes) policy() policy {
	return policy{cfg: r.cfg, link: r.link, index: r.index, ipsec: r.ipsec, hole: r.holeLeft()}.up()
}

// route makes policies, routes and rules what they are to be now.
func (r *Routes) route() error {
	p := r.policy()
	for _, family := range families {
		if !hasFamily(family) {
			continue
		}
		near, err := nearby(family)
		if err != nil {
			return err
		}
		if _, _, err := p.repairRoutes(family, near); err != nil {
			return err
		}
		if _, _, err := p.repairRules(family); err != nil {
			return err
		}
		if _, err := p.repairIPsec(family); err != nil {
			return err
		}
	}
	return nil
}

// Up sends the machine's traffic through the interface of a session: addresses, routes, DNS. On failure the machine stays
// locked.
func (r *Routes) Up(ctx context.Context, link Link) error { return r.Swap(ctx, link, nil) }

// Swap is Up where another session is up, or was, on the same interface. Where carry is not nil, it hands the interface's
// packets over to the new session. It is called once the interface has the new session's addresses and no others, and
// must not call Routes. Whoever holds the packets back from before Swap until then loses none, and has none leave with the
// addresses of one session through the other.
//
// Connections of the old session's addresses are ended, so that programs find out at once. On failure the machine is
// shut, but to a session that was up before: its addresses, routes and DNS are put back.
func (r *Routes) Swap(ctx context.Context, link Link, carry func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lock == nil {
		return fmt.Errorf("bring routes up: %w", net.ErrClosed)
	}
	if !link.DNS.IsValid() || len(link.Addrs) == 0 {
		return errors.New("bring routes up: inner addresses and a DNS address are required")
	}
	before := r.link
	err := r.bring(ctx, link, carry)
	if err == nil || before == nil {
		return err
	}
	if back := r.bring(context.WithoutCancel(ctx), *before, nil); back != nil {
		err = errors.Join(err, fmt.Errorf("put the session back that was up before: %w", back))
	}
	return err
}

// bring makes the machine's network what a session needs.
func (r *Routes) bring(ctx context.Context, link Link, carry func() error) error {
	// Nothing is sent to a provider but what has been paid for: the stack's own chatter stays off before the link is up.
	dev, err := prepareLink(r.cfg, link, r.link)
	if err != nil {
		return err
	}
	index := dev.Attrs().Index
	if !r.cfg.OnlyPrograms && (r.state.DNS == nil || !r.state.DNS.isApplied()) {
		if r.state.DNS, err = planDNS(ctx, r.cfg.Interface); err != nil {
			return err
		}
	}
	if r.state.DNS != nil {
		r.state.DNS.Server, r.state.DNS.Index = link.DNS, index
		if err := r.state.write(r.cfg.StateDir); err != nil {
			return err
		}
	}
	r.link = &link
	if err := r.firewall(r.link).load(); err != nil {
		return err
	}
	r.made, r.index = index, index
	if err := r.route(); err != nil {
		return err
	}
	former, err := keepAddrs(dev, link.Addrs)
	if err != nil {
		return err
	}
	// A file is quickly written. Another program may take its time, which packets are not to wait for.
	quick := r.state.DNS != nil && r.state.DNS.Method == dnsFile
	if quick {
		if err := r.state.DNS.apply(ctx); err != nil {
			return err
		}
	}
	if carry != nil {
		if err := carry(); err != nil {
			return err
		}
	}
	if err := setMTU(dev, link.MTU); err != nil {
		return err
	}
	if err := endConnections(former); err != nil {
		r.cfg.Log.Info("connections of the former session end by themselves, when they find that nobody answers", "error", err)
	}
	if r.state.DNS == nil {
		return nil
	}
	if !r.kept {
		r.kept = true
		r.keeping.Go(r.keepDNS)
	}
	if quick {
		return nil
	}
	return r.state.DNS.apply(ctx)
}

// Down says that no session is up: nothing is let out through the interface, and its absence is nobody's fault. What
// programs send is refused. It does nothing where another session is up by then.
func (r *Routes) Down(link Link) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lock == nil || r.link == nil || !slices.Equal(r.link.Addrs, link.Addrs) {
		return nil
	}
	made := r.made
	r.link, r.made, r.index = nil, 0, 0
	if err := errors.Join(r.route(), r.firewall(nil).load(), clearLink(made)); err != nil {
		return fmt.Errorf("take routes down: %w", err)
	}
	return nil
}

// keepDNS looks after resolv.conf until the end: a DHCP client replaces it on another network, and the resolvers that it
// names there are out of reach.
func (r *Routes) keepDNS() {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-r.stop:
			return
		case <-t.C:
			if err := r.checkDNS(); err != nil {
				r.cfg.Log.Warn("names can't be resolved through the tunnel", "error", err)
			}
		}
	}
}

// checkDNS takes what another program has written for what comes back on disconnect, and puts ours in its place.
func (r *Routes) checkDNS() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lock == nil || r.state.DNS.isApplied() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), dnsTimeout)
	defer cancel()
	newer, err := planDNS(ctx, r.cfg.Interface)
	if err != nil {
		return err
	}
	newer.Server, newer.Index = r.state.DNS.Server, r.state.DNS.Index
	r.state.DNS = newer
	if err := r.state.write(r.cfg.StateDir); err != nil {
		return err
	}
	return newer.apply(ctx)
}

// Resolver resolves names past the tunnel, with the servers that the machine had before: a daemon needs it to find its
// first provider. Its questions carry MarkUnderlay, and are the only ones that leave the machine outside the tunnel.
func (r *Routes) Resolver() *net.Resolver { return resolver(r.servers) }

// Close gives the machine back as it was: the user's own end of a session. With Config.Lockdown it stays locked.
func (r *Routes) Close() error {
	if r.cfg.Lockdown {
		return r.end("the session has ended, and the lockdown keeps the machine shut")
	}
	return r.end("")
}

// Release gives the machine back as it was, also with Config.Lockdown.
func (r *Routes) Release() error { return r.end("") }

// Abandon ends the session and leaves the machine shut: it is for every end but the user's own. The reason, a sentence
// without a full stop, is what [Inspect] tells until Restore opens the machine, or until Lock takes it over, which does
// not open it in between. The state that cannot be written does not open it either.
func (r *Routes) Abandon(reason string) error {
	if reason == "" {
		reason = "the session has ended"
	}
	return r.end(reason)
}

// end lets go of the machine: shut where there is a reason for it, open where there is none.
func (r *Routes) end(reason string) error {
	r.mu.Lock()
	lock := r.lock
	r.lock = nil
	r.mu.Unlock()
	if lock == nil {
		return nil
	}
	close(r.stop)
	r.keeping.Wait()
	var err error
	if reason != "" {
		r.link, r.made, r.index, r.state.Hole = nil, 0, 0, nil
		r.state.end(reason)
		// Nothing of the session that was is let pass any more.
		err = errors.Join(r.state.write(r.cfg.StateDir), r.route(), r.firewall(nil).load())
	}
	err = errors.Join(err, r.table.close()) // from here on the table is anybody's
	switch {
	case reason == "":
		err = errors.Join(err, lift(r.cfg.StateDir, r.state))
	case err != nil:
		err = fmt.Errorf("leave the machine shut: %w", &UndoneError{err, true})
	}
	return errors.Join(err, lock.Close())
}

// Restore gives the machine back as it was before a daemon that no longer runs, also where that one had locked it. It
// does nothing where there is nothing to do, and says whether there was. It returns ErrInUse where a daemon runs.
func Restore(stateDir string) (restored bool, err error) { return restore(stateDir, true) }

// Recover is Restore for the next start: it leaves a machine locked that was to stay so, and returns ErrLockdown.
func Recover(stateDir string) (restored bool, err error) { return restore(stateDir, false) }

func restore(dir string, unlock bool) (bool, error) {
	if dir == "" {
		dir = DefaultStateDir
	}
	if s, _, err := stateOf(dir); s == nil || err != nil {
		return false, err // before the lock: a user who is not root has nothing to restore either
	}
	lock, err := lockDir(dir)
	if errors.Is(err, ErrInUse) {
		return false, err
	}
	if err != nil {
		return false, &UndoneError{Err: err}
	}
	defer lock.Close()
	s, lost, err := stateOf(dir)
	if s == nil || err != nil {
		return false, err
	}
	if s.Lockdown && !unlock {
		return false, ErrLockdown
	}
	if lost && ownedByDaemon() {
		return false, errHeld
	}
	if err := lift(dir, s); err != nil {
		return true, err
	}
	if dns := (&dnsState{Method: dnsFile}); lost && dns.isApplied() {
		return true, fmt.Errorf("this machine is open again, but %s still names the tunnel's resolver, and what it said before is "+
			"lost with the state in %s: write it anew, or have the network manager do so", resolvConf, dir)
	}
	return true, nil
}

// lift undoes everything, the layers that shut the machine last. What fails ends it: the layers that are left keep the
// machine shut, rather than half open, and the state stays, says why, and lets it be tried again.
func lift(dir string, s *state) error {
	err := s.undo()
	if err != nil {
		s.end("its network could not be put back as it was: " + err.Error())
		err = errors.Join(err, s.write(dir))
	} else {
		err = removeState(dir)
	}
	if err != nil {
		return fmt.Errorf("restore the machine's network: %w", &UndoneError{Err: err})
	}
	return nil
}

func (s *state) undo() error {
	boot, err := bootID()
	if err != nil {
		return err
	}
	if dns := s.leftDNS(boot); dns != nil {
		if err := dns.revert(context.Background()); err != nil {
			return err
		}
	}
	if s.Boot != boot {
		return nil
	}
	for path, value := range s.Sysctls {
		if err := writeSysctl(path, value); err != nil {
			return err
		}
	}
	for _, step := range []func() error{removeGroups, removeRouting, clearIPsec, unloadFirewall} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// srcValidMark makes the kernel's reverse path check look at marks, as the answers to marked packets need.
const srcValidMark = "/proc/sys/net/ipv4/conf/all/src_valid_mark"

func (r *Routes) noteSysctls() error {
	if r.state.Sysctls[srcValidMark] != "" {
		return nil
	}
	b, err := os.ReadFile(srcValidMark)
	if err != nil {
		return fmt.Errorf("read network setting: %w", err)
	}
	r.state.Sysctls = map[string]string{srcValidMark: strings.TrimSpace(string(b))}
	return nil
}

func writeSysctl(path, value string) error {
	err := os.WriteFile(path, []byte(value), 0o644)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("change network setting: %w", err)
	}
	return nil
}

// prepareLink gives the interface a session's addresses beside those that it has, and takes it up. Its MTU is the session's,
// or that of the session that it still has where that is smaller; nil: it has none.
func prepareLink(c Config, link Link, before *Link) (netlink.Link, error) {
	name := c.Interface
	dev, err := netlink.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", name, err)
	}
	// Under 1280 bytes, the interface has no IPv6, and none of its settings.
	mtu := link.MTU
	if before != nil && before.MTU != 0 {
		mtu = min(mtu, before.MTU)
	}
	if err := setMTU(dev, mtu); err != nil {
		return nil, err
	}
	// The kernel would send multicast reports and router solicitations, which are paid for and which nobody answers.
	// Not every kernel has every setting.
	for setting, value := range map[string]string{
		"addr_gen_mode": "1", "accept_ra": "0", "router_solicitations": "0", "disable_ipv6": "0", "accept_redirects": "0",
	} {
		_ = os.WriteFile(filepath.Join("/proc/sys/net/ipv6/conf", name, setting), []byte(value), 0o644)
	}
	// What goes into the tunnel is for no policy to refuse, or to look at (layers_linux.go).
	path := filepath.Join("/proc/sys/net/ipv4/conf", name, "disable_xfrm")
	if err := os.WriteFile(path, []byte("1"), 0o644); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("set interface %s: %w", name, err)
	}
	if c.OnlyPrograms {
		// Names are asked of a resolver on loopback, and led into the tunnel from there. The firewall lets nothing come
		// in for loopback this way.
		path := filepath.Join("/proc/sys/net/ipv4/conf", name, "route_localnet")
		if err := os.WriteFile(path, []byte("1"), 0o644); err != nil {
			return nil, fmt.Errorf("set interface %s: %w", name, err)
		}
	}
	if err := netlink.LinkSetMulticastOff(dev); err != nil {
		return nil, fmt.Errorf("set interface %s: %w", name, err)
	}
	for _, a := range link.Addrs {
		if !hasFamily(familyOf(a)) {
			continue
		}
		addr := &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(a, a.BitLen()))}
		if a.Is6() {
			addr.Flags = unix.IFA_F_NODAD | unix.IFA_F_NOPREFIXROUTE
		}
		if err := netlink.AddrReplace(dev, addr); err != nil {
			return nil, fmt.Errorf("set address of interface %s: %w", name, err)
		}
	}
	if err := netlink.LinkSetUp(dev); err != nil {
		return nil, fmt.Errorf("take interface %s up: %w", name, err)
	}
	return dev, nil
}

// setMTU sets an interface's MTU; 0 leaves it.
func setMTU(dev netlink.Link, mtu int) error {
	if mtu == 0 {
		return nil
	}
	if err := netlink.LinkSetMTU(dev, mtu); err != nil {
		return fmt.Errorf("set MTU %d of interface %s: %w", mtu, dev.Attrs().Name, err)
	}
	return nil
}

// keepAddrs removes all addresses of an interface but some, and returns those that it has removed.
func keepAddrs(dev netlink.Link, keep []netip.Addr) (removed []netip.Addr, err error) {
	list, err := netlink.AddrList(dev, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list addresses of interface %s: %w", dev.Attrs().Name, err)
	}
	for i := range list {
		addr, ok := netip.AddrFromSlice(list[i].IP)
		if addr = addr.Unmap(); !ok || slices.Contains(keep, addr) {
			continue
		}
		err := netlink.AddrDel(dev, &list[i])
		if err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return removed, fmt.Errorf("remove address from interface %s: %w", dev.Attrs().Name, err)
		}
		removed = append(removed, addr)
	}
	return removed, nil
}

// clearLink takes its addresses from an interface that a session has had. One that is gone has none.
func clearLink(index int) error {
	dev, err := netlink.LinkByIndex(index)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("interface %d: %w", index, err)
	}
	if dev.Type() != "tuntap" {
		return nil
	}
	_, err = keepAddrs(dev, nil)
	return err
}

// endConnections ends this machine's connections from addresses that it no longer has: nobody answers them any more, and
// their programs would wait for minutes to find out.
func endConnections(from []netip.Addr) error {
	if len(from) == 0 {
		return nil
	}
	var errs error
	for _, family := range families {
		if !hasFamily(family) { // sockets of IPv6 carry IPv4, too
			continue
		}
		for proto, list := range map[byte]func(uint8) ([]*netlink.Socket, error){
			unix.IPPROTO_TCP: netlink.SocketDiagTCP, unix.IPPROTO_UDP: netlink.SocketDiagUDP,
		} {
			sockets, err := list(uint8(family))
			if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
				errs = errors.Join(errs, fmt.Errorf("list connections: %w", err))
				continue
			}
			for _, s := range sockets {
				addr, ok := netip.AddrFromSlice(s.ID.Source)
				if !ok || !slices.Contains(from, addr.Unmap()) {
					continue
				}
				if err := destroy(proto, s); err != nil && !errors.Is(err, unix.ENOENT) {
					return errors.Join(errs, fmt.Errorf("end connection: %w", err))
				}
			}
		}
	}
	return errs
}

// destroy ends a socket of this machine's, as it was listed (sock_diag(7), SOCK_DESTROY).
func destroy(proto byte, s *netlink.Socket) error {
	b := []byte{s.Family, proto, 0, 0}
	b = binary.NativeEndian.AppendUint32(b, ^uint32(0)) // in any state
	b = binary.BigEndian.AppendUint16(b, s.ID.SourcePort)
	b = binary.BigEndian.AppendUint16(b, s.ID.DestinationPort)
	for _, addr := range []net.IP{s.ID.Source, s.ID.Destination} {
		if s.Family == unix.AF_INET {
			addr = append(slices.Clone(addr.To4()), make(net.IP, 12)...)
		}
		b = append(b, addr...)
	}
	for _, n := range []uint32{s.ID.Interface, s.ID.Cookie[0], s.ID.Cookie[1]} {
		b = binary.NativeEndian.AppendUint32(b, n)
	}
	request := nl.NewNetlinkRequest(nl.SOCK_DESTROY, unix.NLM_F_ACK)
	request.AddRawData(b)
	_, err := request.Execute(unix.NETLINK_INET_DIAG, 0)
	return err
}
