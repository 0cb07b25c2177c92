// Package dialer connects a consumer's programs through a tunnel: it resolves names by the provider's DNS alone, tries the
// addresses in turns of the families (RFC 8305), and remembers what failed.
package dialer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"byway/tunnel/netstack"
)

var (
	// ErrDenied means that the provider's exit policy closes a destination.
	ErrDenied = errors.New("denied by the provider's exit policy")
	// ErrClosed means that the tunnel has been closed, at this end.
	ErrClosed = errors.New("tunnel is closed")
)

// Dialer connects a consumer's programs to addresses and names through its stack. It is safe for concurrent use.
type Dialer struct {
	net    *netstack.Net
	dns    netip.Addr
	denied *Denials
	names  *names
	paths  paths
}

// New dials from a stack, whose denials are noted in denied. Names are asked of dns, an inner address; where it is
// invalid there are none.
func New(stack *netstack.Net, dns netip.Addr, denied *Denials) *Dialer {
	d := &Dialer{net: stack, dns: dns, denied: denied}
	d.names = newNames(d.lookup)
	return d
}

// Close gives up every question. Connections stay.
func (d *Dialer) Close() { d.names.close() }

// DialContext connects through the tunnel. Network is tcp or udp, with 4 or 6 appended to take one family. Names are
// resolved by the provider's DNS. Errors unwrap to ErrDenied, to syscall.ECONNREFUSED, EHOSTUNREACH, ENETUNREACH or
// ETIMEDOUT, to context errors, or to a *net.DNSError.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
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
	usable := func(a netip.Addr) bool { return (family == 0 || a.Is4() == (family == '4')) && d.net.Reaches(a) }
	addr, literal, err := parseLiteral(host)
	if err != nil {
		return nil, err
	}
	if literal {
		if !usable(addr) {
			return nil, unsuitable(network, host)
		}
		if dst := netip.AddrPortFrom(addr, uint16(port)); network[:3] == "udp" {
			return d.net.DialUDP(dst)
		} else {
			return d.dialTCP(ctx, dst)
		}
	}
	if network[:3] == "udp" {
		// Nothing tells whether a datagram arrives, so one address is chosen.
		addrs, err := d.Resolve(ctx, host)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(addrs, usable); i >= 0 {
			return d.net.DialUDP(netip.AddrPortFrom(addrs[i], uint16(port)))
		}
		return nil, unsuitable(network, host)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // questions that nobody waits for
	answers, err := d.ask(ctx, host, family)
	if err != nil {
		return nil, err
	}
	r := race{names: d.names, paths: &d.paths, host: host, port: uint16(port), dial: d.dialTCP, usable: usable}
	return r.run(ctx, answers)
}

func unsuitable(network, host string) error {
	return fmt.Errorf("dial %s %s: %w", network, host, &net.AddrError{Err: "no suitable address", Addr: host})
}

// dialTCP dials one address.
func (d *Dialer) dialTCP(ctx context.Context, dst netip.AddrPort) (net.Conn, error) {
	start := time.Now()
	dialing, cancel := context.WithCancel(ctx)
	defer cancel()
	defer d.denied.onNext(dst, cancel)()
	conn, err := d.net.DialTCP(dialing, dst)
	if err == nil {
		return conn, nil
	}
	// What the connection itself learns depends on the family: some codes of ICMP end it, others only precede a reset,
	// and from a provider's kernel nothing else may come.
	if d.denied.since(dst, start) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(dst), Err: ErrDenied}
	}
	return nil, err
}

// Denials remembers which destinations the provider lately said it denies, so that a failed dial can say so.
// Two generations bound it.
type Denials struct {
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

func (d *Denials) Add(dst netip.AddrPort) {
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
func (d *Denials) onNext(dst netip.AddrPort, f func()) (stop func()) {
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
func (d *Denials) since(dst netip.AddrPort, start time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	at, ok := d.list[dst]
	if !ok {
		at, ok = d.old[dst]
	}
	return ok && at.After(start)
}
