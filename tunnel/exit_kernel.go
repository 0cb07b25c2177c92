package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.zx2c4.com/wireguard/tun"

	"byway/tunnel/forward"
	"byway/tunnel/nameserver"
	"byway/tunnel/netdev"
	"byway/tunnel/policy"
	"byway/tunnel/relay"
	"byway/tunnel/turnstile"
)

// kernelNets are the inner networks that exits of the kernel take, each the first that is free on its host.
func kernelNets() []forward.Nets {
	var list []forward.Nets
	for i := range 16 {
		a4, a6 := forward.InnerNets.V4.Addr().As4(), forward.InnerNets.V6.Addr().As16()
		a4[1] += byte(i)
		a6[7] = byte(i)
		list = append(list, forward.Nets{
			V4: netip.PrefixFrom(netip.AddrFrom4(a4), forward.InnerNets.V4.Bits()),
			V6: netip.PrefixFrom(netip.AddrFrom16(a6), forward.InnerNets.V6.Bits()),
		})
	}
	return list
}

// kernelExit holds an exit's router and its DNS in privileged mode.
type kernelExit struct {
	router *forward.Router
	dns    *dnsHost
}

// openDevice makes the device that the engine works on, in the mode asked for.
func (e *Exit) openDevice(cfg ExitConfig) (tun.Device, error) {
	switch cfg.Mode {
	case Userspace, "":
		return e.openStack()
	case Privileged, Auto:
	default:
		return nil, fmt.Errorf("exit mode %q is not known", cfg.Mode)
	}
	err := e.kernelSuits(cfg.Mode)
	if err == nil {
		err = e.openKernel(cfg.tracks)
	}
	switch {
	case err == nil:
		e.log.Info("exit forwards in the kernel", "mode", Privileged, "interface", e.kernel.router.Name())
		v4, v6 := e.nets.Addrs(exitIndex)
		return policy.NewSentry(e.kernel.router.Device(), e.policy, [2]netip.Addr{v4, v6}, e.check), nil
	case cfg.Mode == Privileged:
		return nil, fmt.Errorf("privileged mode: %w", err)
	}
	e.log.Info("exit forwards in userspace", "mode", Userspace, "error", err)
	return e.openStack()
}

// kernelSuits finds what speaks against privileged mode.
func (e *Exit) kernelSuits(mode Mode) error {
	for _, p := range e.policy.Allowed() {
		if p.Addr().IsLoopback() {
			return fmt.Errorf("the policy opens %v, which the kernel does not forward to", p)
		}
	}
	filter, err := forward.Blocked()
	if err != nil || filter == "" {
		return err
	}
	if mode == Auto {
		return fmt.Errorf("a packet filter of the host (%s) drops what is forwarded", filter)
	}
	e.log.Warn("a packet filter of the host drops forwarded packets unless it allows those of the exit",
		"filter", filter)
	return nil
}

// openKernel makes the host's kernel the router.
func (e *Exit) openKernel(tracks int) error {
	router, err := forward.Open(e.ctx, forward.Config{
		MTU: e.mtu, Nets: kernelNets(), Rules: e.policy.Rules(), Reach: e.policy.Allowed(),
		Flows: e.limits.Flows, NewFlows: e.limits.NewFlows, Tracks: tracks, Log: e.log, Unowned: unowned,
	})
	if err != nil {
		return err
	}
	e.kernel, e.nets = &kernelExit{router: router}, router.Nets()
	if e.kernel.dns, err = e.openDNS(); err != nil {
		err = errors.Join(err, router.Device().Close(), router.Close())
		e.kernel, e.nets = nil, forward.InnerNets
		return err
	}
	return nil
}

// unowned leaves the exit's nftables table to everybody, so that tests can take it away.
var unowned = false

// flows is how many connections of a session the kernel tracks.
func (k *kernelExit) flows(index uint16) int { return k.router.Use().Sessions[index] }

// tracked is how many connections the kernel tracks and can track, and how many of them are of sessions and may be.
func (k *kernelExit) tracked() (all, most, ours, oursMost int) {
	u := k.router.Use()
	return u.Tracked, u.TrackedMax, u.Ours, u.OursMax
}

// close takes everything away again. The device has been closed.
func (k *kernelExit) close() error {
	k.dns.close()
	return k.router.Close()
}

// dnsHost is the DNS service on sockets of the host, which belong to the exit's interface.
type dnsHost struct {
	udp []*net.UDPConn
	tcp []net.Listener
}

func (d *dnsHost) close() {
	for _, c := range d.udp {
		c.Close()
	}
	for _, l := range d.tcp {
		l.Close()
	}
}

// openDNS starts the DNS service on the inner addresses.
func (e *Exit) openDNS() (*dnsHost, error) {
	d := new(dnsHost)
	lc := net.ListenConfig{Control: netdev.ToInterface(e.kernel.router.Name())}
	v4, v6 := e.nets.Addrs(exitIndex)
	for _, a := range []netip.Addr{v4, v6} {
		address, family := netip.AddrPortFrom(a, nameserver.Port).String(), "4"
		if a.Is6() {
			family = "6"
		}
		pc, err := lc.ListenPacket(e.ctx, "udp"+family, address)
		if err == nil {
			d.udp = append(d.udp, pc.(*net.UDPConn))
			var l net.Listener
			if l, err = lc.Listen(e.ctx, "tcp"+family, address); err == nil {
				d.tcp = append(d.tcp, l)
			}
		}
		if err != nil {
			d.close()
			return nil, fmt.Errorf("open the exit's dns: %w", err)
		}
	}
	for _, c := range d.udp {
		e.wg.Go(func() { e.dns.datagrams(c) })
	}
	for _, l := range d.tcp {
		e.wg.Go(func() { e.dns.streams(l) })
	}
	return d, nil
}

// datagrams answers what comes to a socket until it is closed.
func (d *dnsRelay) datagrams(c *net.UDPConn) {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an earlier answer that could not be delivered
		}
		s := d.exit.session(from.Addr())
		if s == nil {
			continue
		}
		d.serveUDP(s, slices.Clone(buf[:n]), func(reply []byte) error {
			_, err := c.WriteToUDPAddrPort(reply, from)
			return err
		})
	}
}

// streams answers the connections that come to a listener until it is closed.
func (d *dnsRelay) streams(l net.Listener) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// What the host lacks passes; the connection waits in the kernel meanwhile.
			if turnstile.IsShortage(err) {
				d.exit.short.say(d.exit.log, err)
				time.Sleep(50 * time.Millisecond)
			}
			continue
		}
		var s *Session
		if from, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
			s = d.exit.session(from.AddrPort().Addr().Unmap())
		}
		if s == nil || !d.exit.enter() {
			relay.Reset(conn)
			continue
		}
		go func() {
			defer d.exit.wg.Done()
			f, err := s.flows.Take(d.exit.ctx, turnstile.RestTCP) // for its descriptor
			if err != nil {
				relay.Reset(conn)
				return
			}
			defer f.End()
			if f.OnStop(func() { relay.Reset(conn) }) {
				d.serveTCP(s, conn)
			}
		}()
	}
}

// Mode is how the exit forwards: Userspace or Privileged.
func (e *Exit) Mode() Mode {
	if e.kernel != nil {
		return Privileged
	}
	return Userspace
}

// The host is asked again when its kernel tells of a change, and every followEvery, should that have been missed.
const followEvery = 15 * time.Second

// How often the resolver is asked for prefixes of NAT64: they change with networks, and that is noticed by other means.
const (
	nat64Every = 10 * time.Minute
	nat64Retry = 30 * time.Second
)

// follow keeps what is near up to date until the exit closes.
func (e *Exit) follow() error {
	if err := e.policy.SpeakTo(e.log); err != nil {
		return err
	}
	changes, err := forward.WatchHost(e.ctx)
	if err != nil {
		return err
	}
	if err := e.nearby(); err != nil { // what changed before the watch began
		return err
	}
	e.wg.Go(func() { e.followHost(changes) })
	e.wg.Go(e.followNAT64)
	e.wg.Go(e.followPolicy)
	return nil
}

// nearby asks the host and gives the router what the policy makes of it.
func (e *Exit) nearby() error {
	if err := e.policy.ReadHost(); err != nil {
		return err
	}
	if e.kernel == nil {
		return nil
	}
	return e.kernel.router.Near(e.policy.NearRules())
}

func (e *Exit) followHost(changes <-chan struct{}) {
	t := time.NewTicker(followEvery)
	defer t.Stop()
	for {
		select {
		case <-e.ctx.Done():
			return
		case _, ok := <-changes:
			if !ok {
				changes = nil
				if e.ctx.Err() == nil {
					e.log.Warn("changes of the host's network are noticed late", "every", followEvery)
				}
				continue
			}
		case <-t.C:
			if changes == nil {
				if again, err := forward.WatchHost(e.ctx); err == nil {
					changes = again
				}
			}
		}
		start := time.Now()
		if err := e.nearby(); err != nil {
			e.log.Warn("exit keeps the host's addresses and networks as it knew them", "error", err)
		}
		if e.kernel != nil {
			if err := e.kernel.router.Refresh(); err != nil {
				e.log.Warn("exit keeps the host's uplinks as they were", "error", err)
			}
		}
		select {
		case <-e.ctx.Done():
			return
		case <-time.After(forward.Rest(time.Since(start))):
		}
	}
}

// followPolicy gives the router what the policy learned from others than the host.
func (e *Exit) followPolicy() {
	if e.kernel == nil {
		return
	}
	for {
		changed := e.policy.Changes() // before it is asked, so that no change falls between
		if err := e.kernel.router.Near(e.policy.NearRules()); err != nil {
			e.log.Warn("the kernel keeps what was near as it was; the exit's own check knows better", "error", err)
		}
		select {
		case <-e.ctx.Done():
			return
		case <-changed:
		}
	}
}

// followNAT64 asks the resolvers for prefixes of NAT64, where the host has IPv6 at all.
func (e *Exit) followNAT64() {
	network, due := e.policy.Network(), time.Now()
	for {
		changed := e.policy.Changes()
		if now := e.policy.Network(); now != network {
			network, due = now, time.Now() // another network may have other resolvers
		}
		wait := time.NewTimer(time.Until(due))
		select {
		case <-e.ctx.Done():
			wait.Stop()
			return
		case <-changed:
			wait.Stop()
			continue
		case <-wait.C:
		}
		due = time.Now().Add(nat64Every)
		if !e.policy.HasIPv6() {
			e.policy.SetNAT64(nil)
			continue
		}
		resolvers, err := e.dns.resolvers.All()
		if err != nil {
			e.log.Debug("nat64 prefixes are not known", "error", err)
			due = time.Now().Add(nat64Retry)
			continue
		}
		ctx, cancel := context.WithTimeout(e.ctx, nat64Retry)
		found, err := policy.FindNAT64(ctx, resolvers)
		cancel()
		if err != nil {
			e.log.Debug("nat64 prefixes are not known", "error", err)
			due = time.Now().Add(nat64Retry)
			continue
		}
		if len(found) > 0 {
			e.log.Debug("the network translates IPv4", "prefixes", found)
		}
		e.policy.SetNAT64(found)
	}
}

// Trouble says why the exit forwards nothing at the moment; empty when it does.
func (e *Exit) Trouble() string {
	if e.kernel == nil {
		return ""
	}
	return e.kernel.router.Trouble()
}
