package admission

import (
	"math"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/protocol"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/protocol/identify"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
)

// What strangers may hold of a node: peers that have no session here. Sessions come on top, each with a connection.
const (
	clientStrangers = 256
	serverStrangers = 768

	// Of an address (or an IPv6 /64) and of its surroundings (a /24 or a /48), on public networks. Where more come, the
	// oldest of them goes.
	strangersPerAddress, strangersPerPrefix = 16, 64

	// Handshakes that are under way, over TCP and over QUIC each, and of the same two kinds of sources.
	handshakes                                = 256
	handshakesPerAddress, handshakesPerPrefix = 16, 64

	// Streams that have not named their protocol yet, for each stranger that there may be and of any one peer.
	waitingPerStranger, waitingPerPeer = 2, 16

	streamsPerPeer = 64       // inbound
	connsPerPeer   = 4        // inbound; a peer may reach us by several ways at once
	memoryPerPeer  = 16 << 20 // receive windows promised; what is not sent takes no memory
	memoryPerPaid  = 2 << 20  // the same, of a peer that does what a session needs
	poolStreams    = 1024     // inbound, of one protocol, where nobody said otherwise
	poolPerPeer    = 8        // of one peer in it
	ownConns       = 512      // outbound: the DHT's, seeds', providers that are tried
	ownStreams     = 4096
)

// Pool bounds the inbound streams of one protocol that runs on the node's host, so that no other protocol's peers can use
// them up.
type Pool struct {
	Streams int // at a time
	PerPeer int // of one peer
}

// bounds are the limits of one node.
type bounds struct {
	sessions             int // peers that have one
	strangers            int // connections of peers that have none
	perAddress           int // of them; 0: addresses say nothing, as on one machine
	perPrefix            int
	handshakes           int // of one transport
	handshakesPerAddress int // 0 as perAddress
	handshakesPerPrefix  int
	waiting              int // streams that named no protocol yet
	files                int // descriptors, which TCP connections take
	pools                map[protocol.ID]Pool
}

// Part says what a node is, as far as its bounds follow from it.
type Part struct {
	Client   bool // it serves nobody
	Private  bool // every peer may have the same address
	Sessions int  // at a time
	Pools    map[protocol.ID]Pool
}

// boundsOf gives the bounds that follow from a part.
func boundsOf(p Part) bounds {
	b := bounds{
		sessions: p.Sessions, strangers: serverStrangers, handshakes: handshakes, pools: p.Pools,
		perAddress: strangersPerAddress, perPrefix: strangersPerPrefix,
		handshakesPerAddress: handshakesPerAddress, handshakesPerPrefix: handshakesPerPrefix,
	}
	if p.Client {
		b.strangers = clientStrangers
	}
	if p.Private {
		b.perAddress, b.perPrefix, b.handshakesPerAddress, b.handshakesPerPrefix = 0, 0, 0, 0
	}
	// Where the system grants few descriptors, strangers must not take those of the ledger and of the chain. The three
	// eighths that are left here are an exit's and theirs (tunnel.process).
	open := openFiles()
	b.strangers = min(b.strangers, max(open/4, 32))
	b.handshakes = min(b.handshakes, max(open/8, 16))
	b.waiting = waitingPerStranger * b.strangers
	b.files = min(b.sessions+b.strangers+b.handshakes+ownConns, max(open*5/8, 128))
	return b
}

// marks are the connection manager's: it begins to close idle connections above high and stops at low, of those that
// are not protected. They are below what the admission lets in, which is below the limits.
func (b bounds) marks() (low, high int) { return b.strangers / 4, b.sessions + b.strangers*3/4 }

// limits are the resource manager's. They are a second line: the admission closes what strangers hold too much of
// before one of these is reached, since a limit that is reached refuses everybody alike.
func (b bounds) limits() rcmgr.ConcreteLimitConfig {
	const slack = 64
	peers := b.sessions + b.strangers
	inbound := 2*b.sessions + b.strangers + 2*b.handshakes + slack
	conns := inbound + ownConns
	streams := peers * streamsPerPeer
	memory := int64(b.sessions)*memoryPerPaid + int64(b.strangers)*memoryPerPeer + 256<<20
	all := func(conns, streams, files int, memory int64) rcmgr.ResourceLimits {
		return rcmgr.ResourceLimits{
			Conns: limit(conns), ConnsInbound: limit(conns), ConnsOutbound: limit(conns),
			Streams: limit(streams), StreamsInbound: limit(streams), StreamsOutbound: limit(streams),
			FD: limit(files), Memory: rcmgr.LimitVal64(memory),
		}
	}
	pool := func(p Pool) rcmgr.ResourceLimits { // of its memory and of what we open there is no bound of its own
		l := all(0, p.Streams+ownStreams, 0, memory)
		l.StreamsInbound = limit(p.Streams)
		return l
	}
	poolPeer := func(p Pool) rcmgr.ResourceLimits {
		l := all(0, p.PerPeer+ownStreams, 0, memoryPerPeer)
		l.StreamsInbound = limit(p.PerPeer)
		return l
	}
	each := Pool{b.sessions + poolStreams, poolPerPeer}
	// Identify runs once with each connection, in both directions.
	hello := Pool{b.strangers + max(b.sessions/4, b.handshakes), poolPerPeer}
	c := rcmgr.PartialLimitConfig{
		System:              all(conns, streams+ownStreams, b.files, memory),
		Transient:           all(2*b.handshakes+slack+ownConns, 2*b.waiting+ownStreams, b.files, memory),
		ServiceDefault:      pool(each),
		ServicePeerDefault:  poolPeer(each),
		ProtocolDefault:     pool(each),
		ProtocolPeerDefault: poolPeer(each),
		PeerDefault:         all(2*connsPerPeer, streamsPerPeer+ownStreams, 2*connsPerPeer, memoryPerPeer),
		Conn:                all(1, 0, 1, memoryPerPeer),
		Stream:              all(0, 1, 0, memoryPerPeer),
		Service: map[string]rcmgr.ResourceLimits{
			identify.ServiceName: pool(hello), ping.ServiceName: pool(each),
		},
		ServicePeer: map[string]rcmgr.ResourceLimits{ping.ServiceName: poolPeer(Pool{0, 2})},
		Protocol: map[protocol.ID]rcmgr.ResourceLimits{
			identify.ID: pool(hello), identify.IDPush: pool(hello),
		},
		ProtocolPeer: map[protocol.ID]rcmgr.ResourceLimits{},
	}
	c.System.ConnsInbound, c.System.ConnsOutbound = limit(inbound), ownConns
	c.Transient.ConnsInbound, c.Transient.ConnsOutbound = limit(2*b.handshakes+slack), ownConns
	c.PeerDefault.ConnsInbound, c.PeerDefault.StreamsInbound = connsPerPeer, streamsPerPeer
	for id, p := range b.pools {
		c.Protocol[id], c.ProtocolPeer[id] = pool(p), poolPeer(p)
	}
	library := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&library) // for the services of the library that are not named above
	return c.Build(library.AutoScale())
}

// limit is a number as the resource manager takes it: zero there would mean its own default.
func limit(n int) rcmgr.LimitVal {
	if n <= 0 {
		return rcmgr.BlockAllLimit
	}
	return rcmgr.LimitVal(min(n, math.MaxInt32))
}
