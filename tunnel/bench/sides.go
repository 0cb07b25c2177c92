//go:build linux

package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"byway/tunnel"
	"byway/tunnel/policy"
	"byway/tunnel/wireguard"
)

// side is one side of a path: a provider, a consumer, or the plain system.
type side interface {
	// dial connects to the internet; a provider's can't.
	dial(ctx context.Context, network, address string) (net.Conn, error)
	// idle adds sessions that nobody uses; a provider's only.
	idle(n int) error
	close()
}

// Kinds of sides. What follows a slash is the WireGuard engine.
const (
	kindHost      = "host"      // the internet
	kindPlain     = "plain"     // the load program on the kernel's stack
	kindTUN       = "tun"       // a bare engine on a network interface
	kindNetstack  = "netstack"  // upstream's tun/netstack
	kindForwarder = "forwarder" // a plain forwarder
	kindExit      = "exit"      // the product's userspace provider
	kindKernel    = "kernel"    // the product's privileged provider
	kindClient    = "client"    // the product's userspace consumer
	kindWhole     = "whole"     // the product's whole-machine consumer
)

// Ports and inner addresses of the bare engines, which learn nothing from each other.
const (
	consumerPort  = 51821
	providerPort  = 51820
	innerConsumer = "10.9.0.2"
	innerProvider = "10.9.0.1"
)

// open opens a side and tells what the other must know.
func open(a ask, got *answer) (side, error) {
	kind, engine, _ := strings.Cut(a.Kind, "/")
	switch kind {
	case kindHost:
		end, err := serveHost()
		return plain{end: end}, err
	case kindPlain:
		return plain{}, nil
	case kindTUN:
		return openTUN(engine, a, got)
	case kindNetstack:
		return openNetstack(a)
	case kindForwarder:
		return openForwarder(a, got)
	case kindExit:
		return openExit(tunnel.Userspace, wireguard.Implementation(engine), a, got)
	case kindKernel:
		return openExit(tunnel.Privileged, wireguard.Implementation(engine), a, got)
	case kindClient:
		return openClient(wireguard.Implementation(engine), a)
	case kindWhole:
		return openWhole(wireguard.Implementation(engine), a)
	}
	return nil, fmt.Errorf("unknown kind %q", a.Kind)
}

// plain is the kernel's own stack, with something to end.
type plain struct{ end func() }

func (p plain) dial(ctx context.Context, network, address string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, address)
}

func (p plain) idle(int) error { return errors.New("no sessions here") }

func (p plain) close() {
	if p.end != nil {
		p.end()
	}
}

// exit is the product's provider.
type exit struct {
	plain
	exit *tunnel.Exit
}

func openExit(mode tunnel.Mode, engine wireguard.Implementation, a ask, got *answer) (side, error) {
	policy, err := policy.New(policy.Config{Allow: []netip.Prefix{netip.MustParsePrefix(hostAddr + "/32")}})
	if err != nil {
		return nil, err
	}
	e, err := tunnel.NewExit(tunnel.ExitConfig{
		Listen: netip.MustParseAddrPort(fmt.Sprintf("%s:%d", providerAddr, providerPort)),
		Policy: policy, Engine: engine, Mode: mode, DNS: []netip.AddrPort{netip.MustParseAddrPort(hostAddr + ":53")},
		Limits: tunnel.Limits{Flows: 1 << 16, NewFlows: 1 << 20},
	})
	if err != nil {
		return nil, err
	}
	x := &exit{exit: e, plain: plain{end: func() { e.Close() }}}
	if a.Private == [32]byte{} {
		return x, nil // for idle sessions alone
	}
	s, err := e.Add(tunnel.Peer{PublicKey: wireguard.PrivateKey(a.Private).Public(), Limit: 1 << 62})
	if err != nil {
		e.Close()
		return nil, err
	}
	v4, v6 := s.Addrs()
	got.Public, got.Addrs, got.DNS = e.PublicKey(), []string{v4.String(), v6.String()}, e.DNS().String()
	return x, nil
}

func (x *exit) idle(n int) error {
	for range n {
		var key wireguard.Key
		if _, err := rand.Read(key[:]); err != nil {
			return err
		}
		if _, err := x.exit.Add(tunnel.Peer{PublicKey: key, Limit: 1 << 20}); err != nil {
			return err
		}
	}
	return nil
}

// client is the product's userspace consumer.
type client struct {
	plain
	client *tunnel.Client
}

func clientConfig(engine wireguard.Implementation, a ask) (tunnel.ClientConfig, error) {
	cfg := tunnel.ClientConfig{Private: a.Private, Peer: a.Peer, Engine: engine}
	var err error
	if cfg.Endpoint, err = netip.ParseAddrPort(a.Endpoint); err != nil {
		return cfg, err
	}
	for _, s := range a.Addrs {
		addr, err := netip.ParseAddr(s)
		if err != nil {
			return cfg, err
		}
		cfg.Addrs = append(cfg.Addrs, addr)
	}
	return cfg, nil
}

func openClient(engine wireguard.Implementation, a ask) (side, error) {
	cfg, err := clientConfig(engine, a)
	if err != nil {
		return nil, err
	}
	c, err := tunnel.Dial(cfg)
	if err != nil {
		return nil, err
	}
	return &client{client: c, plain: plain{end: func() { c.Close() }}}, nil
}

func (c *client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	return c.client.DialContext(ctx, network, address)
}

// openWhole is the product's whole-machine consumer, with a route to the internet of the run alone.
func openWhole(engine wireguard.Implementation, a ask) (side, error) {
	cfg, err := clientConfig(engine, a)
	if err != nil {
		return nil, err
	}
	dev, err := tunnel.OpenTUN("bwbench", cmp.Or(cfg.MTU, wireguard.DefaultMTU))
	if err != nil {
		return nil, err
	}
	c, err := tunnel.DialTUN(cfg, tunnel.TUNConfig{TUN: dev})
	if err != nil {
		dev.Close()
		return nil, err
	}
	p := plain{end: func() { c.Close(); dev.Close() }}
	err = c.Attach()
	if err == nil {
		err = joinInterface(dev.Name(), cfg.Addrs[0].String(), internetNet)
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// joinInterface gives an interface its address and brings it up, with a route.
func joinInterface(name, addr, route string) error {
	for _, cmd := range []string{
		"ip addr add " + addr + "/32 dev " + name,
		"ip link set " + name + " up",
		"ip route add " + route + " dev " + name,
	} {
		if err := command(cmd); err != nil {
			return err
		}
	}
	return nil
}
