package tunnel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.zx2c4.com/wireguard/tun"

	"byway/tunnel/netstack"
)

// ErrDenied means that the provider's exit policy closes a destination.
var ErrDenied = errors.New("denied by the provider's exit policy")

// keepalive holds the consumer's NAT mapping open and finds out early when a path has died.
const keepalive = 20 * time.Second

// ClientConfig describes the consumer's side of a session, as the provider's welcome tells it.
type ClientConfig struct {
	Private   PrivateKey
	Peer      Key            // the provider's
	Preshared Key            // zero: none
	Endpoint  netip.AddrPort // the provider's UDP address
	Addrs     []netip.Addr   // inner addresses of this consumer
	DNS       netip.Addr     // inner address of the provider's DNS; invalid: names can't be resolved
	MTU       int            // 0 means DefaultMTU
	Engine    Engine         // the WireGuard implementation; empty means Upstream
	Mark      uint32         // firewall mark of the WireGuard sockets of a Client; 0: none
	Log       *slog.Logger   // may be nil

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
	peer   Key
	dns    netip.Addr
	net    *netstack.Net
	acct   *account
	porter *porter
	engine engine
	denied denials
	names  *names
	paths  paths

	closeOnce sync.Once
	done      chan struct{}
}

// Dial starts the consumer's side. It returns before the handshake, which it sets off.
func Dial(cfg ClientConfig) (*Client, error) {
	return dialWith(cfg, func(p *porter) tun.Device { return p })
}

// dialWith lets a measurement stand between the engine and the porter.
func dialWith(cfg ClientConfig, before func(p *porter) tun.Device) (*Client, error) {
	if !cfg.Endpoint.IsValid() || cfg.Peer.IsZero() || len(cfg.Addrs) == 0 {
		return nil, errors.New("dial tunnel: peer, endpoint and inner addresses are required")
	}
	if cfg.MTU == 0 {
		cfg.MTU = DefaultMTU
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	c := &Client{
		peer: cfg.Peer, dns: cfg.DNS, acct: newAccount(NewGate(math.MaxUint64)), done: make(chan struct{}),
	}
	c.names = newNames(c.lookup)
	var err error
	c.net, err = netstack.New(netstack.Config{MTU: cfg.MTU, Addrs: cfg.Addrs, OnDenied: c.denied.add})
	if err != nil {
		return nil, fmt.Errorf("dial tunnel: %w", err)
	}
	c.porter = newPorter(c.net.Device(), cfg.Addrs, c.acct, cfg.OneWayUDP)
	c.engine, err = newEngine(cfg.Engine, engineConfig{
		Private: cfg.Private, Device: before(c.porter), Mark: cfg.Mark, Log: cfg.Log,
	})
	if err != nil {
		c.net.Close()
		return nil, fmt.Errorf("dial tunnel: %w", err)
	}
	err = c.engine.AddPeer(enginePeer{
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
			return fmt.Errorf("handshake: %w", ErrClosed)
		case <-time.After(wait):
		}
	}
}

// Roam sends to another address of the same provider from now on.
func (c *Client) Roam(endpoint netip.AddrPort) error { return c.engine.Roam(c.peer, endpoint) }

// Counters are the bytes that passed, as the consumer sees it and is billed for: Rx came from the provider, and
// answers what this side sent. What else came is in Strays.
func (c *Client) Counters() Counters { return c.acct.counters() }

// SetTick asks for a wake-up each time that Rx+Tx crosses a multiple of n bytes; zero for none.
func (c *Client) SetTick(n uint64) { c.acct.setTick(n) }

// Notify wakes when a tick is crossed, and when there is an Offence. Wake-ups that nobody waited for become one.
func (c *Client) Notify() <-chan struct{} { return c.acct.wake }

// DialContext connects through the tunnel. Network is tcp or udp, with 4 or 6 appended to take one family. Names are
// resolved by the provider's DNS. Errors unwrap to ErrDenied, to syscall.ECONNREFUSED, EHOSTUNREACH, ENETUNREACH or
// ETIMEDOUT, to context errors, or to a *net.DNSError.
func (c *Client) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", network, err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("dial %s: port %q is not a number up to 65535", network, portText)
	}
	var family byte
	switch network {
	case "tcp", "udp":
	case "tcp4", "tcp6", "udp4", "udp6":
		family = network[3]
	default:
		return nil, fmt.Errorf("dial %s: %w", network, net.UnknownNetworkError(network))
	}
	usable := func(a netip.Addr) bool { return (family == 0 || a.Is4() == (family == '4')) && c.net.Reaches(a) }
	addr, literal, err := parseLiteral(host)
	if err != nil {
		return nil, err
	}
	if literal {
		if !usable(addr) {
			return nil, unsuitable(network, host)
		}
		if dst := netip.AddrPortFrom(addr, uint16(port)); network[:3] == "udp" {
			return c.net.DialUDP(dst)
		} else {
			return c.dialTCP(ctx, dst)
		}
	}
	if network[:3] == "udp" {
		// Nothing tells whether a datagram arrives, so one address is chosen.
		addrs, err := c.Resolve(ctx, host)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(addrs, usable); i >= 0 {
			return c.net.DialUDP(netip.AddrPortFrom(addrs[i], uint16(port)))
		}
		return nil, unsuitable(network, host)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // questions that nobody waits for
	answers, err := c.ask(ctx, host, family)
	if err != nil {
		return nil, err
	}
	r := race{names: c.names, paths: &c.paths, host: host, port: uint16(port), dial: c.dialTCP, usable: usable}
	return r.run(ctx, answers)
}

func unsuitable(network, host string) error {
	return fmt.Errorf("dial %s %s: %w", network, host, &net.AddrError{Err: "no suitable address", Addr: host})
}

// dialTCP dials one address.
func (c *Client) dialTCP(ctx context.Context, dst netip.AddrPort) (net.Conn, error) {
	start := time.Now()
	dialing, cancel := context.WithCancel(ctx)
	defer cancel()
	defer c.denied.onNext(dst, cancel)()
	conn, err := c.net.DialTCP(dialing, dst)
	if err == nil {
		return conn, nil
	}
	// What the connection itself learns depends on the family: some codes of ICMP end it, others only precede a reset,
	// and from a provider's kernel nothing else may come.
	if c.denied.since(dst, start) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(dst), Err: ErrDenied}
	}
	return nil, err
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
		c.names.close()
		c.engine.Close()
		c.net.Close()
	})
	return nil
}

// denials remembers which destinations the provider lately said it denies, so that a failed dial can say so.
// Two generations bound it.
type denials struct {
	mu   sync.Mutex
	list map[netip.AddrPort]time.Time
	old  map[netip.AddrPort]time.Time

	waiting map[*denialWait]struct{}
}

// denialWait wants to know of a denial.
type denialWait struct {
	dst  netip.AddrPort
	call func()
}

const maxDenials = 1024 // of a generation

func (d *denials) add(dst netip.AddrPort) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.list == nil || len(d.list) >= maxDenials {
		d.old, d.list = d.list, make(map[netip.AddrPort]time.Time)
	}
	d.list[dst] = time.Now()
	for w := range d.waiting {
		if w.dst == dst {
			w.call()
		}
	}
}

// onNext calls f, which must not block, whenever dst is denied, until stop is called.
func (d *denials) onNext(dst netip.AddrPort, f func()) (stop func()) {
	w := &denialWait{dst, f}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting == nil {
		d.waiting = make(map[*denialWait]struct{})
	}
	d.waiting[w] = struct{}{}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.waiting, w)
	}
}

// since reports whether dst was denied after start.
func (d *denials) since(dst netip.AddrPort, start time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	at, ok := d.list[dst]
	if !ok {
		at, ok = d.old[dst]
	}
	return ok && at.After(start)
}
