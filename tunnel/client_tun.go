package tunnel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"

	"golang.zx2c4.com/wireguard/tun"

	"byway/tunnel/meter"
	"byway/tunnel/netdev"
	"byway/tunnel/underlay"
	"byway/tunnel/wireguard"
)

// TUN is a network interface of the kernel that sessions take turns on. It comes without addresses and routes, and is gone
// after Close or when the process ends. While no session has it, what programs send waits in the kernel's queue: that
// holds 500 packets, and drops those that come after. It is safe for concurrent use.
type TUN struct {
	name string
	dev  *netdev.Device

	// reading is held while the kernel is read, and whose turn it is is looked at under it: who has lost the interface
	// reads nothing of it any more.
	reading sync.Mutex
	current atomic.Pointer[seat] // whose turn it is; nil: nobody's

	mu      sync.Mutex
	changed *sync.Cond // current, or a seat's closed
	closed  bool
}

// OpenTUN makes an interface, which must not exist yet. Its name has 15 bytes at most, its MTU is in bytes. It needs
// CAP_NET_ADMIN.
func OpenTUN(name string, mtu int) (*TUN, error) {
	dev, err := netdev.Create(name, mtu)
	if err != nil {
		return nil, fmt.Errorf("create interface %s: %w", name, err)
	}
	t := &TUN{dev: dev}
	t.changed = sync.NewCond(&t.mu)
	if t.name, err = dev.Name(); err != nil {
		return nil, errors.Join(fmt.Errorf("name of interface %s: %w", name, err), dev.Close())
	}
	go func() {
		// Engines hear nothing of the interface: they would close their sockets while it is down. It ends with the device.
		for range dev.Events() {
		}
	}()
	return t, nil
}

// Name of the interface.
func (t *TUN) Name() string { return t.name }

// Gone reports whether the interface is no more: it was closed, or another program has removed it.
func (t *TUN) Gone() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed || t.dev.Gone()
}

// Hold takes the interface from the session that has it. Until one attaches, packets wait in the kernel's queue.
func (t *TUN) Hold() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turnLocked(nil)
}

// turnLocked makes it a seat's turn, or nobody's. Who waits for the kernel in vain is woken.
func (t *TUN) turnLocked(next *seat) {
	if before := t.current.Swap(next); before != nil && before != next {
		t.dev.Wake()
	}
	t.changed.Broadcast()
}

// Close removes the interface. Sessions on it are ended.
func (t *TUN) Close() error {
	t.mu.Lock()
	t.closed = true
	t.turnLocked(nil)
	t.mu.Unlock()
	return t.dev.Close()
}

// seat is a session's place at an interface: the device of its engine. It reads only while it is its turn.
type seat struct {
	tun    *TUN
	mtu    int
	events chan tun.Event // never any
	closed bool           // guarded by tun.mu

	once  sync.Once
	ended chan struct{}
}

func newSeat(t *TUN, mtu int) *seat {
	return &seat{tun: t, mtu: mtu, events: make(chan tun.Event), ended: make(chan struct{})}
}

// wait returns when it is this seat's turn, and false when none comes any more.
func (s *seat) wait() bool {
	if s.tun.current.Load() == s {
		return true
	}
	s.tun.mu.Lock()
	defer s.tun.mu.Unlock()
	for s.tun.current.Load() != s {
		if s.closed || s.tun.closed {
			return false
		}
		s.tun.changed.Wait()
	}
	return true
}

// Read implements tun.Device. An engine stops at an error of it.
func (s *seat) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	for s.wait() {
		n, err := s.read(bufs, sizes, offset)
		if err != nil && !errors.Is(err, tun.ErrTooManySegments) {
			s.once.Do(func() { close(s.ended) })
			return n, err
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	s.once.Do(func() { close(s.ended) })
	return 0, os.ErrClosed
}

func (s *seat) read(bufs [][]byte, sizes []int, offset int) (int, error) {
	s.tun.reading.Lock()
	defer s.tun.reading.Unlock()
	if s.tun.current.Load() != s {
		return 0, nil
	}
	return s.tun.dev.Read(bufs, sizes, offset)
}

// Write implements tun.Device. What an exit sends out of turn is dropped: nobody waits for it.
func (s *seat) Write(bufs [][]byte, offset int) (int, error) {
	if s.tun.current.Load() != s {
		return len(bufs), nil
	}
	return s.tun.dev.Write(bufs, offset)
}

// MTU implements tun.Device: that of the session, which the interface has while it is the session's turn.
func (s *seat) MTU() (int, error) { return s.mtu, nil }

// Name implements tun.Device.
func (s *seat) Name() (string, error) { return s.tun.name, nil }

// File implements tun.Device. No engine asks for it.
func (s *seat) File() *os.File { return nil }

// BatchSize implements tun.Device.
func (s *seat) BatchSize() int { return s.tun.dev.BatchSize() }

// Events implements tun.Device.
func (s *seat) Events() <-chan tun.Event { return s.events }

// Close implements tun.Device: it gives up the seat. The interface stays.
func (s *seat) Close() error {
	s.tun.mu.Lock()
	defer s.tun.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	close(s.events)
	if s.tun.current.Load() == s {
		s.tun.turnLocked(nil)
	} else {
		s.tun.changed.Broadcast()
	}
	return nil
}

// ErrInterfaceGone says that another program has removed a session's interface.
var ErrInterfaceGone = errors.New("the tunnel's interface was removed by another program")

// TUNConfig describes the kernel's side of a TUNClient.
type TUNConfig struct {
	// TUN is the interface, which outlives the client.
	TUN *TUN
	// Mark is the firewall mark of the WireGuard sockets, by which policy routing keeps them out of their own tunnel
	// and a kill switch lets them pass; 0 for none. Setting one needs CAP_NET_ADMIN.
	Mark uint32
}

// TUNClient is the consumer's side of one session on a network interface of the kernel, where Client has a stack of its
// own: all of the machine's programs can use it. It counts as Client does. It is safe for concurrent use.
//
//	DialTUN ──→ warm ──Attach──→ attached ──Attach of another, TUN.Hold──→ warm
//	             │                  │
//	             └──────Close───────┴──→ ended
//
// A warm client shakes hands, and carries nothing.
type TUNClient struct {
	cfg  ClientConfig
	core *Client // its engine, counters and handshake; it has no stack
	seat *seat

	endpoint atomic.Pointer[netip.AddrPort]
}

// DialTUN starts the consumer's side of a session, which carries nothing before Attach. It returns before the handshake,
// which it sets off.
func DialTUN(cfg ClientConfig, dev TUNConfig) (*TUNClient, error) {
	if !cfg.Endpoint.IsValid() || cfg.Peer.IsZero() || len(cfg.Addrs) == 0 || dev.TUN == nil {
		return nil, errors.New("dial tunnel: peer, endpoint, inner addresses and an interface are required")
	}
	if cfg.MTU == 0 {
		cfg.MTU = wireguard.DefaultMTU
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	c := &TUNClient{seat: newSeat(dev.TUN, cfg.MTU), core: &Client{
		peer: cfg.Peer, dns: cfg.DNS, acct: meter.NewAccount(meter.NewGate(math.MaxUint64)), done: make(chan struct{}),
	}}
	c.core.porter = meter.NewPorter(c.seat, cfg.Addrs, c.core.acct, cfg.OneWayUDP)
	var err error
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

// Attach gives the interface to this session and takes it from the one that had it, whose packets neither leave nor come
// any more. It fails with ErrInterfaceGone, and with net.ErrClosed after Close.
func (c *TUNClient) Attach() error {
	t := c.seat.tun
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case c.seat.closed || t.closed:
		return fmt.Errorf("attach session to interface %s: %w", t.name, net.ErrClosed)
	case t.dev.Gone():
		return fmt.Errorf("attach session to interface %s: %w", t.name, ErrInterfaceGone)
	}
	t.turnLocked(c.seat)
	return nil
}

// MTU of the session's packets, in bytes.
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

// Ended is closed once nothing passes any more: after Close, after that of the interface, and where another program has
// removed that from under this session.
func (c *TUNClient) Ended() <-chan struct{} { return c.seat.ended }

// Close ends the session. The interface stays, and is nobody's if it was this session's.
func (c *TUNClient) Close() error {
	c.core.closeOnce.Do(func() {
		close(c.core.done)
		c.core.engine.Close()
	})
	return nil
}

// Strays tells what the exit sent that was not paid for.
func (c *TUNClient) Strays() meter.Strays { return c.core.Strays() }

// Offence does as [Client.Offence].
func (c *TUNClient) Offence() error { return c.core.Offence() }
