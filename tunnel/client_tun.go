package tunnel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"sync"
	"sync/atomic"

	"golang.zx2c4.com/wireguard/tun"

	"byway/tunnel/meter"
	"byway/tunnel/netdev"
	"byway/tunnel/underlay"
	"byway/tunnel/wireguard"
)

// TUNConfig describes the kernel's side of a TUNClient.
type TUNConfig struct {
	// Name of the interface, 15 bytes at most. It must not exist yet.
	Name string
	// Mark is the firewall mark of the WireGuard sockets, by which policy routing keeps them out of their own tunnel
	// and a kill switch lets them pass; 0 for none. Setting one needs CAP_NET_ADMIN.
	Mark uint32
}

// TUNClient is the consumer's side of one session on a network interface of the kernel, where Client has a stack of its
// own: all of the machine's programs can use it. It counts as Client does. The interface comes without addresses and
// routes, and is gone after Close or when the process ends. It is safe for concurrent use.
type TUNClient struct {
	name   string
	cfg    ClientConfig
	core   *Client // its engine, counters and handshake; it has no stack
	device *steadyTUN

	endpoint atomic.Pointer[netip.AddrPort]
}

// DialTUN makes a network interface and starts the consumer's side on it. It returns before the handshake, which it sets
// off. It needs CAP_NET_ADMIN.
func DialTUN(cfg ClientConfig, dev TUNConfig) (*TUNClient, error) {
	if !cfg.Endpoint.IsValid() || cfg.Peer.IsZero() || len(cfg.Addrs) == 0 {
		return nil, errors.New("dial tunnel: peer, endpoint and inner addresses are required")
	}
	if cfg.MTU == 0 {
		cfg.MTU = wireguard.DefaultMTU
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	kernel, err := netdev.Create(dev.Name, cfg.MTU)
	if err != nil {
		return nil, fmt.Errorf("dial tunnel: create interface %s: %w", dev.Name, err)
	}
	name, err := kernel.Name()
	if err != nil {
		kernel.Close()
		return nil, fmt.Errorf("dial tunnel: name of interface %s: %w", dev.Name, err)
	}
	c := &TUNClient{name: name, device: newSteadyTUN(kernel), core: &Client{
		peer: cfg.Peer, dns: cfg.DNS, acct: meter.NewAccount(meter.NewGate(math.MaxUint64)), done: make(chan struct{}),
	}}
	c.core.porter = meter.NewPorter(c.device, cfg.Addrs, c.core.acct, cfg.OneWayUDP)
	c.core.engine, err = wireguard.New(cfg.Engine, wireguard.Config{
		Private: cfg.Private, Device: c.core.porter, Log: cfg.Log,
		Underlay: underlay.NewSockets(netip.Addr{}, dev.Mark),
	})
	if err != nil {
		return nil, fmt.Errorf("dial tunnel: %w", err)
	}
	err = c.core.engine.AddPeer(wireguard.Peer{
		Public: cfg.Peer, Preshared: cfg.Preshared, Endpoint: cfg.Endpoint, Keepalive: keepalive,
		AllowedIPs: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")},
	})
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("dial tunnel: %w", err)
	}
	cfg.Private, cfg.Preshared = wireguard.PrivateKey{}, wireguard.Key{} // the engine has them
	c.cfg = cfg
	c.endpoint.Store(&cfg.Endpoint)
	// The engine keeps to the address that it last sent from, and doubts it only after 15 seconds without an answer.
	// Naming the endpoint again makes it choose anew.
	err = netdev.WatchLost(c.core.done, func() {
		if err := c.core.Roam(*c.endpoint.Load()); err != nil {
			cfg.Log.Debug("choose a new source address", "error", err)
		}
	})
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("dial tunnel: %w", err)
	}
	return c, nil
}

// Name of the interface.
func (c *TUNClient) Name() string { return c.name }

// MTU of the interface, in bytes.
func (c *TUNClient) MTU() int { return c.cfg.MTU }

// Addrs are the inner addresses that belong on the interface.
func (c *TUNClient) Addrs() []netip.Addr { return c.cfg.Addrs }

// DNS is the inner address of the provider's resolver.
func (c *TUNClient) DNS() netip.Addr { return c.cfg.DNS }

// Endpoint is the provider's UDP address, as Dial or Roam was told.
func (c *TUNClient) Endpoint() netip.AddrPort { return *c.endpoint.Load() }

// Handshake waits until the first WireGuard handshake is done. The interface need not be up for it.
func (c *TUNClient) Handshake(ctx context.Context) error { return c.core.Handshake(ctx) }

// Roam sends to another address of the same provider from now on.
func (c *TUNClient) Roam(endpoint netip.AddrPort) error {
	if err := c.core.Roam(endpoint); err != nil {
		return err
	}
	c.endpoint.Store(&endpoint)
	return nil
}

// Counters are the bytes that passed, as the consumer sees it: Rx came from the provider.
func (c *TUNClient) Counters() meter.Counters { return c.core.Counters() }

// SetTick asks for a wake-up each time that Rx+Tx crosses a multiple of n bytes; zero for none.
func (c *TUNClient) SetTick(n uint64) { c.core.SetTick(n) }

// Notify wakes when a tick is crossed, and when there is an Offence. Wake-ups that nobody waited for become one.
func (c *TUNClient) Notify() <-chan struct{} { return c.core.Notify() }

// Ended is closed once nothing passes any more: after Close, and where another program has removed the interface.
func (c *TUNClient) Ended() <-chan struct{} { return c.device.ended }

// Close ends the tunnel and removes the interface.
func (c *TUNClient) Close() error {
	c.core.closeOnce.Do(func() {
		close(c.core.done)
		c.core.engine.Close()
	})
	return nil
}

// steadyTUN hides from the engine that its interface goes up and down. The engine would close its sockets when the
// interface is taken down, and the order of its own start and the first such event is not certain. It tells when the
// interface is gone.
type steadyTUN struct {
	tun.Device
	events chan tun.Event
	once   sync.Once
	ended  chan struct{}
}

// newSteadyTUN takes over dev. The goroutine ends when dev is closed.
func newSteadyTUN(dev tun.Device) *steadyTUN {
	s := &steadyTUN{Device: dev, events: make(chan tun.Event, 4), ended: make(chan struct{})}
	go func() {
		defer close(s.events)
		for e := range dev.Events() {
			if e &= tun.EventMTUUpdate; e != 0 {
				s.events <- e
			}
		}
	}()
	return s
}

// Read implements tun.Device. An engine stops at an error of it.
func (s *steadyTUN) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	n, err := s.Device.Read(bufs, sizes, offset)
	if err != nil && !errors.Is(err, tun.ErrTooManySegments) {
		s.once.Do(func() { close(s.ended) })
	}
	return n, err
}

// Events implements tun.Device.
func (s *steadyTUN) Events() <-chan tun.Event { return s.events }

// Strays tells what the exit sent that was not paid for.
func (c *TUNClient) Strays() meter.Strays { return c.core.Strays() }

// Offence does as [Client.Offence].
func (c *TUNClient) Offence() error { return c.core.Offence() }
