// Package admission owns the room that a libp2p host has for its peers: how many connections, handshakes and streams
// strangers may hold, and which of them goes when there is not room for all.
package admission

import (
	"io"
	"maps"
	"net/netip"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	connmgrcore "github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/transport/quicreuse"
	"github.com/libp2p/go-libp2p/x/rate"
	ma "github.com/multiformats/go-multiaddr"
)

// Admission decides who stays when there is not room for all. A limit alone refuses whoever comes last, so that those who
// came first and do nothing shut the node for good. Here the newcomer is let in, and one of those who hold most of what
// is short goes: of handshakes the oldest, of connections one from the most crowded place, of streams the peer that has
// most. Peers with a session are kept in any case. So an attacker's many identities displace each other, while an honest
// newcomer stays for as long as it takes to say Hello.
//
// It stands before the resource manager, as one; it sees connections as a gater before their handshake, and as a notifiee
// after it.
type Admission struct {
	network.ResourceManager
	bounds  bounds
	manager *connmgr.BasicConnMgr

	mu        sync.Mutex           // guards what follows
	accepted  map[string]io.Closer // TCP connections of which the resource manager has not heard yet
	tcp, quic handshakesOpen
	visitors  map[peer.ID]*visitor
	strangers map[peer.ID]*visitor // those of them that are not kept
	crowds    map[netip.Prefix]int // connections of strangers, by address and by prefix
	unkept    int                  // connections of strangers
	kept      int                  // and of the others
	waiting   int                  // streams that named no protocol yet
	leaving   int                  // those of them whose connection is being closed
	refused   map[string]uint64
	closed    map[string]uint64
}

// visitor is a peer that has connections or streams here.
type visitor struct {
	id      peer.ID
	tags    map[string]struct{} // why it is kept
	conns   []visit
	waiting int                 // streams that named no protocol yet
	leaving int                 // those of them whose connection is being closed
	pools   map[protocol.ID]int // streams that did
}

type visit struct {
	conn           network.Conn
	since          time.Time
	address, place netip.Prefix
}

// Reasons for which something was refused or closed, as [Use] counts them.
const (
	reasonHandshakes = "handshakes" // too many under way
	reasonAddress    = "address"    // too many connections of strangers from one address or its surroundings
	reasonStrangers  = "strangers"  // too many connections of strangers
	reasonRate       = "rate"       // connections come too fast from one address
	reasonStreams    = "streams"    // streams that name no protocol
	reasonProtocol   = "protocol"   // a protocol's pool is used up
	reasonLimit      = "limit"      // a limit of the resource manager
)

// connGrace is how long a connection may be idle before the connection manager closes it.
const connGrace = 30 * time.Second

// New makes the admission of a node with this part.
func New(p Part) (*Admission, error) {
	b := boundsOf(p)
	low, high := b.marks()
	manager, err := connmgr.NewConnManager(low, high, connmgr.WithGracePeriod(connGrace))
	if err != nil {
		return nil, err
	}
	opts := []rcmgr.Option{
		rcmgr.WithMetricsDisabled(),
		// The library's own bounds by address refuse the newcomer; ours close who has been there longest.
		rcmgr.WithLimitPerSubnet([]rcmgr.ConnLimitPerSubnet{}, []rcmgr.ConnLimitPerSubnet{}),
		rcmgr.WithNetworkPrefixLimit([]rcmgr.NetworkPrefixLimit{}, []rcmgr.NetworkPrefixLimit{}),
		rcmgr.WithConnRateLimiters(&rate.Limiter{}),
	}
	if b.perAddress > 0 {
		opts = append(opts, rcmgr.WithConnRateLimiters(connRate()))
	}
	inner, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(b.limits()), opts...)
	if err != nil {
		return nil, err
	}
	return &Admission{
		ResourceManager: inner, bounds: b, manager: manager,
		accepted: map[string]io.Closer{},
		tcp:      handshakesOpen{crowds: map[netip.Prefix]int{}}, quic: handshakesOpen{crowds: map[netip.Prefix]int{}},
		visitors: map[peer.ID]*visitor{}, strangers: map[peer.ID]*visitor{}, crowds: map[netip.Prefix]int{},
		refused: map[string]uint64{}, closed: map[string]uint64{},
	}, nil
}

// Options put the admission into a libp2p host, which must be made with them and then notify it of its connections. The
// gater decides what may be dialled and accepted.
func (a *Admission) Options(gater connmgrcore.ConnectionGater) []libp2p.Option {
	return []libp2p.Option{
		libp2p.ConnectionManager(a.manager), libp2p.ResourceManager(a), libp2p.ConnectionGater(gate{gater, a}),
	}
}

// QUICOptions are those for a host that sets options of QUIC itself: the library then leaves these out.
func (a *Admission) QUICOptions() []quicreuse.Option {
	return []quicreuse.Option{quicreuse.ConnContext(a.quicContext), quicreuse.VerifySourceAddress(a.VerifySourceAddress)}
}

func (a *Admission) refuse(reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refused[reason]++
}

func (a *Admission) visitorLocked(p peer.ID) *visitor {
	v := a.visitors[p]
	if v == nil {
		v = &visitor{id: p, tags: map[string]struct{}{}, pools: map[protocol.ID]int{}}
		a.visitors[p], a.strangers[p] = v, v
	}
	return v
}

// forgetLocked forgets a visitor of whom nothing is left.
func (a *Admission) forgetLocked(v *visitor) {
	if len(v.tags) == 0 && len(v.conns) == 0 && len(v.pools) == 0 && v.waiting == 0 {
		delete(a.visitors, v.id)
		delete(a.strangers, v.id)
	}
}

// countLocked counts a visitor's connection in, or out with by -1.
func (a *Admission) countLocked(v *visitor, c visit, by int) {
	if len(v.tags) > 0 {
		a.kept += by
		return
	}
	a.unkept += by
	for _, p := range []netip.Prefix{c.address, c.place} {
		if a.crowds[p] += by; a.crowds[p] <= 0 {
			delete(a.crowds, p)
		}
	}
}

// Keep marks a peer as one that is not closed for want of room, for the reason tag, until LetGo takes it back.
func (a *Admission) Keep(p peer.ID, tag string) {
	a.manager.Protect(p, tag)
	a.mu.Lock()
	defer a.mu.Unlock()
	v := a.visitorLocked(p)
	if len(v.tags) == 0 {
		for _, c := range v.conns {
			a.countLocked(v, c, -1)
		}
		delete(a.strangers, p)
		v.tags[tag] = struct{}{}
		for _, c := range v.conns {
			a.countLocked(v, c, 1)
		}
	}
	v.tags[tag] = struct{}{}
}

// LetGo takes back what [Admission.Keep] said for the reason tag.
func (a *Admission) LetGo(p peer.ID, tag string) {
	a.manager.Unprotect(p, tag)
	a.mu.Lock()
	defer a.mu.Unlock()
	v := a.visitors[p]
	if v == nil || len(v.tags) == 0 {
		return
	}
	if _, ok := v.tags[tag]; !ok {
		return
	}
	if len(v.tags) == 1 {
		for _, c := range v.conns {
			a.countLocked(v, c, -1)
		}
		delete(v.tags, tag)
		a.strangers[p] = v
		for _, c := range v.conns {
			a.countLocked(v, c, 1)
		}
	}
	delete(v.tags, tag)
	a.forgetLocked(v)
}

// Connected implements [network.Notifiee].
func (a *Admission) Connected(_ network.Network, c network.Conn) {
	remote := c.RemoteMultiaddr()
	a.mu.Lock()
	defer a.mu.Unlock()
	key := remote.String()
	for e := a.tcp.order.Front(); e != nil; e = e.Next() {
		if h := e.Value.(*handshake); h.key == key {
			a.arrivedLocked(h)
			break
		}
	}
	v := a.visitorLocked(c.RemotePeer())
	seen := visit{conn: c, since: time.Now()}
	seen.address, seen.place = placeOf(remote)
	v.conns = append(v.conns, seen)
	a.countLocked(v, seen, 1)
	if len(v.tags) > 0 {
		return
	}
	b := a.bounds
	if b.perAddress > 0 && a.crowds[seen.address] > b.perAddress {
		a.trimLocked(reasonAddress, c, func(o visit) bool { return o.address == seen.address })
	}
	if b.perPrefix > 0 && a.crowds[seen.place] > b.perPrefix {
		a.trimLocked(reasonAddress, c, func(o visit) bool { return o.place == seen.place })
	}
	if a.unkept > b.strangers {
		a.trimLocked(reasonStrangers, c, func(visit) bool { return true })
	}
}

// trimLocked closes one of the strangers' connections that among matches, not the newest: of those that came to us, the
// oldest from the most crowded place.
func (a *Admission) trimLocked(reason string, newest network.Conn, among func(visit) bool) {
	var victim visit
	var of *visitor
	var inbound bool
	var crowd int
	for _, v := range a.strangers {
		for _, c := range v.conns {
			if c.conn == newest || !among(c) {
				continue
			}
			came := c.conn.Stat().Direction == network.DirInbound
			n := len(v.conns)
			if a.bounds.perPrefix > 0 {
				n = max(n, a.crowds[c.place])
			}
			better := of == nil || came && !inbound ||
				came == inbound && (n > crowd || n == crowd && c.since.Before(victim.since))
			if better {
				victim, of, inbound, crowd = c, v, came, n
			}
		}
	}
	if of != nil {
		a.closed[reason]++
		a.closeLocked(of, victim)
	}
}

// closeLocked closes a connection and counts it out at once. Closing tells other parts of the host, so it is done apart;
// it ends by itself.
func (a *Admission) closeLocked(v *visitor, c visit) {
	a.removeLocked(v, c.conn)
	go c.conn.CloseWithError(network.ConnResourceLimitExceeded) //nolint:errcheck // it is gone in any case
}

func (a *Admission) removeLocked(v *visitor, conn network.Conn) {
	for i, c := range v.conns {
		if c.conn == conn {
			a.countLocked(v, c, -1)
			v.conns = append(v.conns[:i], v.conns[i+1:]...)
			break
		}
	}
	a.forgetLocked(v)
}

// Disconnected implements [network.Notifiee].
func (a *Admission) Disconnected(_ network.Network, c network.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if v := a.visitors[c.RemotePeer()]; v != nil {
		a.removeLocked(v, c)
	}
}

// Listen implements [network.Notifiee].
func (*Admission) Listen(network.Network, ma.Multiaddr) {}

// ListenClose implements [network.Notifiee].
func (*Admission) ListenClose(network.Network, ma.Multiaddr) {}

// OpenStream implements [network.ResourceManager].
func (a *Admission) OpenStream(p peer.ID, dir network.Direction) (network.StreamManagementScope, error) {
	if dir != network.DirInbound {
		return a.ResourceManager.OpenStream(p, dir)
	}
	s := &waitingScope{admission: a, peer: p}
	if !a.await(s) {
		return nil, network.ErrResourceLimitExceeded
	}
	scope, err := a.ResourceManager.OpenStream(p, dir)
	if err != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.endLocked(s)
		a.refused[reasonStreams]++
		return nil, err
	}
	s.StreamManagementScope = scope
	return s, nil
}

// await counts a stream that has named no protocol yet. Where there are too many of these, the stranger that has most of
// them goes.
func (a *Admission) await(s *waitingScope) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	v := a.visitorLocked(s.peer)
	if v.waiting >= waitingPerPeer {
		a.refused[reasonStreams]++
		return false
	}
	v.waiting++
	a.waiting++
	if a.waiting-a.leaving > a.bounds.waiting {
		a.expelLocked(reasonStreams, 1, func(o *visitor) int { return o.waiting })
	}
	return true
}

// expelLocked closes all connections of the stranger that holds most, if it is more than atLeast.
func (a *Admission) expelLocked(reason string, atLeast int, holds func(*visitor) int) {
	var heaviest *visitor
	most := atLeast
	for _, v := range a.strangers {
		if n := holds(v); n > most && len(v.conns) > 0 {
			heaviest, most = v, n
		}
	}
	if heaviest == nil {
		return
	}
	a.closed[reason]++
	a.leaving += heaviest.waiting - heaviest.leaving
	heaviest.leaving = heaviest.waiting
	for _, c := range append([]visit(nil), heaviest.conns...) {
		a.closeLocked(heaviest, c)
	}
}

// waitingScope is the scope of an inbound stream, which counts as waiting until it names its protocol.
type waitingScope struct {
	network.StreamManagementScope
	admission *Admission
	peer      peer.ID

	// Guarded by the admission's mu.
	protocol protocol.ID // empty while it waits
	ended    bool
}

func (s *waitingScope) SetProtocol(proto protocol.ID) error {
	err := s.StreamManagementScope.SetProtocol(proto)
	a := s.admission
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.ended {
		return err
	}
	v := a.visitorLocked(s.peer)
	if err != nil {
		a.refused[reasonProtocol]++
		a.expelLocked(reasonProtocol, v.pools[proto]+1, func(o *visitor) int { return o.pools[proto] })
		return err
	}
	a.waitedLocked(v)
	v.pools[proto]++
	s.protocol = proto
	return nil
}

func (s *waitingScope) Done() {
	s.admission.mu.Lock()
	s.admission.endLocked(s)
	s.admission.mu.Unlock()
	s.StreamManagementScope.Done()
}

// waitedLocked counts out a stream that waited.
func (a *Admission) waitedLocked(v *visitor) {
	v.waiting--
	a.waiting--
	if v.leaving > 0 {
		v.leaving--
		a.leaving--
	}
}

func (a *Admission) endLocked(s *waitingScope) {
	v := a.visitors[s.peer]
	if s.ended || v == nil {
		return
	}
	s.ended = true
	if s.protocol == "" {
		a.waitedLocked(v)
	} else {
		lower(v.pools, s.protocol)
	}
	a.forgetLocked(v)
}

// Use says what of a host's connections and streams is in use, and what did not find room.
type Use struct {
	// Kept counts connections of peers with a session, Strangers those of all others, in both directions.
	Kept          int `json:"kept"`
	KeptMost      int `json:"kept_most"`
	Strangers     int `json:"strangers"`
	StrangersMost int `json:"strangers_most"`
	// Handshakes counts connections that are being set up.
	Handshakes     int `json:"handshakes"`
	HandshakesMost int `json:"handshakes_most"`
	// Streams counts all inbound streams, Waiting those of them that have not named a protocol.
	Streams     int `json:"streams"`
	Waiting     int `json:"waiting"`
	WaitingMost int `json:"waiting_most"`
	// Refused and Closed count, by reason and since the start, what was not let in and what had to make room.
	Refused map[string]uint64 `json:"refused"`
	Closed  map[string]uint64 `json:"closed"`
}

// Use says what is in use now.
func (a *Admission) Use() Use {
	var streams int
	a.ViewSystem(func(s network.ResourceScope) error { //nolint:errcheck // the function returns nil
		streams = s.Stat().NumStreamsInbound
		return nil
	})
	a.mu.Lock()
	defer a.mu.Unlock()
	return Use{
		Kept: a.kept, KeptMost: a.bounds.sessions, Strangers: a.unkept, StrangersMost: a.bounds.strangers,
		Handshakes: a.tcp.order.Len() + a.quic.order.Len(), HandshakesMost: 2 * a.bounds.handshakes,
		Streams: streams, Waiting: a.waiting, WaitingMost: a.bounds.waiting,
		Refused: maps.Clone(a.refused), Closed: maps.Clone(a.closed),
	}
}
