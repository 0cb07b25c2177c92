package path

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"byway/contracts/text"
	"byway/ipfs/fence"
	"byway/node/wire"
	"byway/registry"
	"byway/tunnel"
)

// A provider is a stranger, and what it says of the tunnel decides what this machine does with its own traffic: which
// addresses are its own, whom it asks for names, where it sends its datagrams. So none of it is believed that could
// mean this machine, its network or anybody but the provider.

// The bounds of a tunnel's MTU in bytes: IPv6 asks for the lower one, RFC 8200.
const (
	minMTU = 1280
	maxMTU = 9000
)

// The networks inside a tunnel, as far as its two addresses and its DNS may be apart.
const (
	innerBits4 = 16
	innerBits6 = 64
)

// checkTerms compares the terms of a Welcome with those of the offer that was accepted: the session is paid for, and
// may be owed, by the offer's.
func checkTerms(w *wire.Welcome, o registry.Offer) error {
	if w.Tick != o.Tick || w.Window != o.Window {
		return fmt.Errorf("the welcome says ticks of %d and a window of %d bytes, the offer %d and %d", w.Tick, w.Window,
			o.Tick, o.Window)
	}
	return nil
}

// clientConfig checks what a Welcome says about the tunnel. remote is where the provider's host was reached; private
// says that the network is.
func clientConfig(w *wire.Welcome, remote multiaddr.Multiaddr, private bool) (tunnel.ClientConfig, error) {
	if w.MTU < minMTU || w.MTU > maxMTU {
		return tunnel.ClientConfig{}, fmt.Errorf("MTU %d is not between %d and %d", w.MTU, minMTU, maxMTU)
	}
	v4, ok4 := netip.AddrFromSlice(w.Inner4)
	v6, ok6 := netip.AddrFromSlice(w.Inner6)
	dns, okDNS := netip.AddrFromSlice(w.DNS)
	if !ok4 || !v4.Is4() || !ok6 || !v6.Is6() || v6.Is4In6() || !okDNS || dns.Is4In6() {
		return tunnel.ClientConfig{}, errors.New("the inner addresses are malformed")
	}
	// Private addresses are neither loopback, multicast, link-local nor anybody's on the internet: RFC 1918, RFC 4193.
	for _, a := range []netip.Addr{v4, v6, dns} {
		if !a.IsPrivate() {
			return tunnel.ClientConfig{}, fmt.Errorf("the inner address %s is not one of a private network", a)
		}
	}
	inner := netip.PrefixFrom(v4, innerBits4)
	if dns.Is6() {
		inner = netip.PrefixFrom(v6, innerBits6)
	}
	if !inner.Contains(dns) || dns == v4 || dns == v6 {
		return tunnel.ClientConfig{}, fmt.Errorf("DNS at %s is not within the tunnel, %s", dns, inner.Masked())
	}
	endpoint, err := endpointOf(w, remote, private)
	if err != nil {
		return tunnel.ClientConfig{}, err
	}
	return tunnel.ClientConfig{
		Peer: w.WireGuard, Endpoint: endpoint, Addrs: []netip.Addr{v4, v6}, DNS: dns, MTU: int(w.MTU),
	}, nil
}

// endpointOf is the provider's first usable WireGuard endpoint. An unspecified address stands for the one at which its
// host was reached. Where none is usable the error says which were named.
func endpointOf(w *wire.Welcome, remote multiaddr.Multiaddr, private bool) (netip.AddrPort, error) {
	var named []string
	for _, e := range w.Endpoints {
		endpoint, err := usable(e, remote, private)
		if err == nil {
			return endpoint, nil
		}
		named = append(named, text.Line(fmt.Sprintf("%s %s (%v)", e.Transport, e.Address, err)))
	}
	if len(named) == 0 {
		return netip.AddrPort{}, errors.New("the welcome names no WireGuard endpoint")
	}
	return netip.AddrPort{}, fmt.Errorf("there is no WireGuard endpoint that this host can use among those named: %s",
		strings.Join(named, ", "))
}

// usable is where an endpoint of the one transport that this program speaks is.
func usable(e wire.Endpoint, remote multiaddr.Multiaddr, private bool) (netip.AddrPort, error) {
	if e.Transport != wire.TransportUDP {
		return netip.AddrPort{}, errors.New("this program does not speak the transport")
	}
	if len(e.Parameters) > 0 {
		return netip.AddrPort{}, errors.New("it has no parameters")
	}
	endpoint, err := netip.ParseAddrPort(e.Address)
	if err != nil || endpoint.Port() == 0 {
		return netip.AddrPort{}, errors.New("it is no address and port")
	}
	addr := endpoint.Addr()
	if addr.IsUnspecified() {
		ip, err := manet.ToIP(remote)
		if err != nil {
			return netip.AddrPort{}, fmt.Errorf("it stands for where the host was reached, which has no address: %w", err)
		}
		addr, _ = netip.AddrFromSlice(ip)
		addr = addr.Unmap()
	}
	if err := fence.CheckAddr(addr, private); err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(addr, endpoint.Port()), nil
}

// checkOnLink makes sure that no inner address is one of a network that this machine is on: the tunnel would take it
// over, or, of the DNS server, the network would. name is the tunnel's own interface.
func checkOnLink(cfg tunnel.ClientConfig, name string) error {
	interfaces, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("list the machine's networks: %w", err)
	}
	for _, i := range interfaces {
		if i.Name == name {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			return fmt.Errorf("list the networks of %s: %w", i.Name, err)
		}
		for _, a := range addrs {
			on, err := netip.ParsePrefix(a.String())
			if err != nil {
				continue // no network of IP
			}
			if err := collides(cfg, on); err != nil {
				return fmt.Errorf("%w on %s: choose another provider", err, i.Name)
			}
		}
	}
	return nil
}

func collides(cfg tunnel.ClientConfig, on netip.Prefix) error {
	for _, a := range append([]netip.Addr{cfg.DNS}, cfg.Addrs...) {
		if on.Contains(a) {
			return fmt.Errorf("the provider's tunnel has %s in it, and this machine's own network is %s", a, on.Masked())
		}
	}
	return nil
}
