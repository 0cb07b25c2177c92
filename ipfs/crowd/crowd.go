// Package crowd makes many lean libp2p peers, for tests of what a node stands: a peer here is a key, a connection over
// TCP, and nothing that runs by itself.
package crowd

import (
	"context"
	"crypto/rand"
	"errors"
	"net"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	"github.com/libp2p/go-libp2p/p2p/host/peerstore/pstoremem"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/net/upgrader"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/multiformats/go-multistream"
)

// Peer is one identity. Streams that others open to it are reset.
type Peer struct{ swarm *swarm.Swarm }

// New makes a peer that dials from the address local, nil for any.
func New(local net.Addr) (*Peer, error) {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return nil, err
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		return nil, err
	}
	store, err := pstoremem.NewPeerstore()
	if err != nil {
		return nil, err
	}
	if err := store.AddPrivKey(id, key); err != nil {
		return nil, err
	}
	s, err := swarm.NewSwarm(id, store, eventbus.NewBus())
	if err != nil {
		return nil, err
	}
	s.SetStreamHandler(func(in network.Stream) { in.Reset() })
	muxers := []upgrader.StreamMuxer{{ID: yamux.ID, Muxer: yamux.DefaultTransport}}
	secure, err := noise.New(noise.ID, key, muxers)
	if err != nil {
		return nil, err
	}
	up, err := upgrader.New([]sec.SecureTransport{secure}, muxers, nil, nil, nil)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{LocalAddr: local}
	transport, err := tcp.NewTCPTransport(up, nil, nil,
		tcp.WithDialerForAddr(func(ma.Multiaddr) (tcp.ContextDialer, error) { return dialer, nil }))
	if err != nil {
		return nil, err
	}
	return &Peer{s}, s.AddTransport(transport)
}

// Connect dials one of a node's TCP addresses.
func (p *Peer) Connect(ctx context.Context, to peer.AddrInfo) error {
	for _, a := range to.Addrs {
		if _, err := a.ValueForProtocol(ma.P_TCP); err == nil {
			p.swarm.Peerstore().AddAddr(to.ID, a, peerstore.PermanentAddrTTL)
		}
	}
	_, err := p.swarm.DialPeer(ctx, to.ID)
	return err
}

// Silent opens a stream that names no protocol. The muxer tells the other side with the first byte.
func (p *Peer) Silent(ctx context.Context, to peer.ID) (network.Stream, error) {
	s, err := p.swarm.NewStream(network.WithNoDial(ctx, "connected"), to)
	if err != nil {
		return nil, err
	}
	_, err = s.Write([]byte{19})
	return s, err
}

// Open opens a stream of one protocol. As libp2p does with a peer that it knows, it sends the protocol's name with the
// first bytes that are written.
func (p *Peer) Open(ctx context.Context, to peer.ID, id protocol.ID) (network.Stream, error) {
	s, err := p.swarm.NewStream(network.WithNoDial(ctx, "connected"), to)
	if err != nil {
		return nil, err
	}
	return lazyStream{s, multistream.NewMSSelect(s, id)}, nil
}

// lazyStream is a stream whose protocol is named with the first write.
type lazyStream struct {
	network.Stream
	named multistream.LazyConn
}

func (s lazyStream) Read(b []byte) (int, error)  { return s.named.Read(b) }
func (s lazyStream) Write(b []byte) (int, error) { return s.named.Write(b) }

// Connected reports whether a connection to a node is open.
func (p *Peer) Connected(to peer.ID) bool { return len(p.swarm.ConnsToPeer(to)) > 0 }

// Close closes the peer's connections and its book of addresses.
func (p *Peer) Close() error { return errors.Join(p.swarm.Close(), p.swarm.Peerstore().Close()) }
