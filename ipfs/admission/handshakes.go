package admission

import (
	"container/list"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/transport/quicreuse"
	"github.com/libp2p/go-libp2p/x/rate"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/quic-go/quic-go"

	"byway/ipfs/fence"
)

// handshakesOpen are the connections of one transport that are not ready yet, the oldest first.
type handshakesOpen struct {
	order  list.List // of *handshake
	crowds map[netip.Prefix]int
}

// handshake is a connection that has been accepted and is not ready.
type handshake struct {
	key            string
	address, place netip.Prefix
	raw            io.Closer // nil where it cannot be closed from outside
	of             *handshakesOpen
	at             *list.Element // nil once it has left the list
}

var errHandshakes = errors.New("too many connections are being set up")

// connRate bounds how fast connections may come from one place on public networks. What a household or a carrier's NAT
// does is far below.
func connRate() *rate.Limiter {
	near, far := rate.Limit{RPS: 2, Burst: 64}, rate.Limit{RPS: 10, Burst: 256}
	return &rate.Limiter{SubnetRateLimiter: rate.SubnetLimiter{
		IPv4SubnetLimits: []rate.SubnetLimit{{PrefixLength: 32, Limit: near}, {PrefixLength: 24, Limit: far}},
		IPv6SubnetLimits: []rate.SubnetLimit{{PrefixLength: 64, Limit: near}, {PrefixLength: 48, Limit: far}},
		GracePeriod:      time.Minute,
	}}
}

// placeOf gives what counts as one address, and its surroundings, which one attacker may well hold whole.
func placeOf(a ma.Multiaddr) (address, place netip.Prefix) {
	ip, ok := fence.IPOf(a)
	if !ok {
		return address, place
	}
	near, far := 32, 24
	if ip.Is6() {
		near, far = 64, 48
	}
	address, _ = ip.WithZone("").Prefix(near)
	place, _ = ip.WithZone("").Prefix(far)
	return address, place
}

// VerifySourceAddress implements [network.ResourceManager]: once some handshakes are open, QUIC asks for a proof of the
// address, so that nobody can fill the rest with addresses that are not his.
func (a *Admission) VerifySourceAddress(net.Addr) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.quic.order.Len() >= a.bounds.handshakes/4
}

// OpenConnection implements [network.ResourceManager].
func (a *Admission) OpenConnection(dir network.Direction, usefd bool, endpoint ma.Multiaddr) (
	network.ConnManagementScope, error,
) {
	if dir != network.DirInbound {
		return a.ResourceManager.OpenConnection(dir, usefd, endpoint)
	}
	h, old, err := a.knock(endpoint)
	for _, raw := range old {
		raw.Close()
	}
	if err != nil {
		return nil, err
	}
	scope, err := a.ResourceManager.OpenConnection(dir, usefd, endpoint)
	if err != nil {
		a.arrived(h)
		reason := reasonRate
		if errors.Is(err, network.ErrResourceLimitExceeded) {
			reason = reasonLimit
		}
		a.refuse(reason)
		return nil, err
	}
	return &knockScope{ConnManagementScope: scope, admission: a, handshake: h}, nil
}

// quicContext gives a QUIC connection its scope from its first packet on, not only once its handshake is through.
func (a *Admission) quicContext(ctx context.Context, from *quic.ClientInfo) (context.Context, error) {
	endpoint, err := quicreuse.ToQuicMultiaddr(from.RemoteAddr, quic.Version1)
	if err != nil {
		return ctx, err
	}
	scope, err := a.OpenConnection(network.DirInbound, false, endpoint)
	if err != nil {
		return ctx, err
	}
	ctx = network.WithConnManagementScope(ctx, scope)
	context.AfterFunc(ctx, scope.Done)
	return ctx, nil
}

// knock notes a connection that begins, and names those older ones that must make room for it.
func (a *Admission) knock(endpoint ma.Multiaddr) (*handshake, []io.Closer, error) {
	h := &handshake{of: &a.quic}
	if endpoint != nil {
		h.key = endpoint.String()
		h.address, h.place = placeOf(endpoint)
		if _, err := endpoint.ValueForProtocol(ma.P_TCP); err == nil {
			h.of = &a.tcp
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	h.raw = a.accepted[h.key]
	delete(a.accepted, h.key)
	full := func() (netip.Prefix, bool) {
		switch b := a.bounds; {
		case b.handshakesPerAddress > 0 && h.of.crowds[h.address] >= b.handshakesPerAddress:
			return h.address, true
		case b.handshakesPerPrefix > 0 && h.of.crowds[h.place] >= b.handshakesPerPrefix:
			return h.place, true
		}
		return netip.Prefix{}, h.of.order.Len() >= a.bounds.handshakes
	}
	var old []io.Closer
	for {
		where, short := full()
		if !short {
			break
		}
		victim := a.stalestLocked(h.of, where)
		if victim == nil {
			a.refused[reasonHandshakes]++
			return nil, old, errHandshakes
		}
		a.arrivedLocked(victim)
		a.closed[reasonHandshakes]++
		old = append(old, victim.raw)
	}
	h.at = h.of.order.PushBack(h)
	h.of.crowds[h.address]++
	h.of.crowds[h.place]++
	return h, old, nil
}

// stalestLocked gives the handshake that goes first: the oldest from where, or, where it is the whole node that is full,
// the oldest of the most crowded place. Only such that can be closed count.
func (a *Admission) stalestLocked(of *handshakesOpen, where netip.Prefix) *handshake {
	var stalest *handshake
	most := 0
	for e := of.order.Front(); e != nil; e = e.Next() {
		h := e.Value.(*handshake)
		if h.raw == nil || where.IsValid() && h.address != where && h.place != where {
			continue
		}
		if n := of.crowds[h.place]; stalest == nil || n > most {
			stalest, most = h, n
		}
	}
	return stalest
}

// arrived forgets a handshake, which became a connection or ended. It may be called twice.
func (a *Admission) arrived(h *handshake) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.arrivedLocked(h)
}

func (a *Admission) arrivedLocked(h *handshake) {
	if h.at == nil {
		return
	}
	h.of.order.Remove(h.at)
	h.at = nil
	lower(h.of.crowds, h.address)
	lower(h.of.crowds, h.place)
}

// lower takes one from a count and forgets what has none left.
func lower[K comparable](counts map[K]int, k K) {
	if counts[k]--; counts[k] <= 0 {
		delete(counts, k)
	}
}

// knockScope is the scope of an inbound connection. Its handshake lasts until the muxer runs: over TCP a peer may also stall
// after it has proved who it is.
type knockScope struct {
	network.ConnManagementScope
	admission *Admission
	handshake *handshake
}

func (s *knockScope) SetPeer(p peer.ID) error {
	if err := s.ConnManagementScope.SetPeer(p); err != nil {
		s.admission.refuse(reasonLimit)
		return err
	}
	if s.handshake.of == &s.admission.quic {
		s.admission.arrived(s.handshake)
	}
	return nil
}

func (s *knockScope) Done() {
	s.admission.arrived(s.handshake)
	s.ConnManagementScope.Done()
}

// gate is the connection gater of a node: next decides what may be dialled and accepted, and the admission learns how
// to close what is accepted.
type gate struct {
	connmgr.ConnectionGater
	admission *Admission
}

// InterceptAccept implements ConnectionGater. The TCP listener asks it before the handshake, and the resource manager
// next; QUIC asks it afterwards.
func (g gate) InterceptAccept(c network.ConnMultiaddrs) bool {
	if !g.ConnectionGater.InterceptAccept(c) {
		return false
	}
	remote := c.RemoteMultiaddr()
	if _, err := remote.ValueForProtocol(ma.P_TCP); err != nil {
		return true
	}
	if raw, ok := c.(io.Closer); ok {
		g.admission.mu.Lock()
		defer g.admission.mu.Unlock()
		g.admission.accepted[remote.String()] = raw
	}
	return true
}
