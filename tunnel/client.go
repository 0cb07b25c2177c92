package tunnel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.zx2c4.com/wireguard/tun"

	"byway/tunnel/dialer"
	"byway/tunnel/meter"
	"byway/tunnel/netstack"
	"byway/tunnel/underlay"
	"byway/tunnel/wireguard"
)

// keepalive holds the consumer's NAT mapping open and finds out early when a path has died.
const keepalive = 20 * time.Second

// ClientConfig describes the consumer's side of a session, as the provider's welcome tells it.
type ClientConfig struct {
	Private   wireguard.PrivateKey
	Peer      wireguard.Key            // the provider's
	Preshared wireguard.Key            // zero: none
	Endpoint  netip.AddrPort           // the provider's UDP address
	Addrs     []netip.Addr             // inner addresses of this consumer
	DNS       netip.Addr               // inner address of the provider's DNS; invalid: names can't be resolved
	MTU       int                      // 0 means DefaultMTU
	Engine    wireguard.Implementation // the WireGuard implementation; empty means Upstream
	Mark      uint32                   // firewall mark of the WireGuard sockets of a Client; 0: none
	Log       *slog.Logger             // may be nil

	// OneWayUDP takes, and pays for, any number of datagrams from whom this side has ever sent one, as long as they
	// come. Without it 256 KiB come for each datagram that leaves. Programs that only listen to a stream need it. With
	// it an exit can bill what it likes to a flow that was open once.
	OneWayUDP bool
}

// LogValue leaves the keys out.
func (c ClientConfig) LogValue() slog.Value {
	return slog.GroupValue(slog.String("peer", c.Peer.String()), slog.Any("addrs", c.Addrs))
}

// String leaves the keys out.
func (c ClientConfig) String() string { return fmt.Sprintf("client %v of peer %v", c.Addrs, c.Peer) }

// Client is the consumer's userspace side of one session. It is safe for concurrent use.
type Client struct {
	peer   wireguard.Key
	dns    netip.Addr
	net    *netstack.Net
	acct   *meter.Account
	porter *meter.Porter
	engine wireguard.Engine
	dialer *dialer.Dialer

	closeOnce sync.Once
	done      chan struct{}
}

// Dial starts the consumer's side. It returns before the handshake, which it sets off.
func Dial(cfg ClientConfig) (*Client, error) {
	return dialWith(cfg, func(p *meter.Porter) tun.Device { return p })
}

// dialWith lets a measurement stand between the engine and the porter.
func dialWith(cfg ClientConfig, before func(p *meter.Porter) tun.Device) (*Client, error) {
	if !cfg.Endpoint.IsValid() || cfg.Peer.IsZero() || len(cfg.Addrs) == 0 {
		return nil, errors.New("dial tunnel: peer, endpoint and inner addresses are required")
	}
	if cfg.MTU == 0 {
		cfg.MTU = wireguard.DefaultMTU
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	c := &Client{
		peer: cfg.Peer, dns: cfg.DNS, acct: meter.NewAccount(meter.NewGate(math.MaxUint64)), done: make(chan struct{}),
	}
	denied := new(dialer.Denials)
	var err error
	c.net, err = netstack.New(netstack.Config{MTU: cfg.MTU, Addrs: cfg.Addrs, OnDenied: denied.Add})
	if err != nil {
		return nil, fmt.Errorf("dial tunnel: %w", err)
	}
	c.dialer = dialer.New(c.net, cfg.DNS, denied)
	c.porter = meter.NewPorter(c.net.Device(), cfg.Addrs, c.acct, cfg.OneWayUDP)
	c.engine, err = wireguard.New(cfg.Engine, wireguard.Config{
		Private: cfg.Private, Device: before(c.porter), Log: cfg.Log,
		Underlay: underlay.NewSockets(netip.Addr{}, cfg.Mark),
	})
	if err != nil {
		c.net.Close()
		return nil, fmt.Errorf("dial tunnel: %w", err)
	}
	err = c.engine.AddPeer(wireguard.Peer{
		Public: cfg.Peer, Preshared: cfg.Preshared, Endpoint: cfg.Endpoint, Keepalive: keepalive,
		AllowedIPs: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")},
	})
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("dial tunnel: %w", err)
	}
	return c, nil
}

// Handshake waits until the first WireGuard handshake is done.
func (c *Client) Handshake(ctx context.Context) error {
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		at, err := c.engine.Handshake(c.peer)
		if err != nil {
			return fmt.Errorf("handshake: %w", err)
		}
		if !at.IsZero() {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("handshake with the provider: %w", ctx.Err())
		case <-c.done:
			return fmt.Errorf("handshake: %w", dialer.ErrClosed)
		case <-time.After(wait):
		}
	}
}

// Roam sends to another address of the same provider from now on.
func (c *Client) Roam(endpoint netip.AddrPort) error { return c.engine.Roam(c.peer, endpoint) }

// Counters are the bytes that passed, as the consumer sees it and is billed for: Rx came from the provider, and
// answers what this side sent. What else came is in Strays.
func (c *Client) Counters() meter.Counters { return c.acct.Counters() }

// SetTick asks for a wake-up each time that Rx+Tx crosses a multiple of n bytes; zero for none.
func (c *Client) SetTick(n uint64) { c.acct.SetTick(n) }

// Notify wakes when a tick is crossed, and when there is an Offence. Wake-ups that nobody waited for become one.
func (c *Client) Notify() <-chan struct{} { return c.acct.Notified() }

// DialContext connects through the tunnel. Network is tcp or udp, with 4 or 6 appended to take one family. Names are
// resolved by the provider's DNS. Errors unwrap to ErrDenied, to syscall.ECONNREFUSED, EHOSTUNREACH, ENETUNREACH or
// ETIMEDOUT, to context errors, or to a *net.DNSError.
func (c *Client) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return c.dialer.DialContext(ctx, network, address)
}

// Resolve asks the provider's DNS for the addresses of host, IPv4 before IPv6. It never asks anyone else. Once one family has
// answered, the other is waited for only briefly. Address literals are returned as they are.
func (c *Client) Resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	return c.dialer.Resolve(ctx, host)
}

// ListenUDP opens a UDP socket of the inner address. It takes datagrams only from the addresses and ports that it has
// sent to.
func (c *Client) ListenUDP() (net.PacketConn, error) { return c.net.ListenUDP() }

// Ended is closed once nothing passes any more, which is after Close.
func (c *Client) Ended() <-chan struct{} { return c.done }

// Close resets every connection and ends the tunnel.
func (c *Client) Close() error {
	c.closeOnce.Do(func() {
		close(c.done)
		c.dialer.Close()
		c.engine.Close()
		c.net.Close()
	})
	return nil
}

// Strays tells what the exit sent that was not paid for.
func (c *Client) Strays() meter.Strays { return c.porter.Strays() }

// Offence is not nil once the exit has, within a minute, sent more than 1 MiB, and more than a 33rd of what it
// delivered, that nobody asked for. Then it stays, and Notify wakes when it comes. The tunnel carries on: what is to
// be done about such an exit is for the session's owner to say.
func (c *Client) Offence() error { return c.porter.Offence() }
