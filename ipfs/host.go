package ipfs

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"sync"
	"time"

	"github.com/ipfs/boxo/ipns"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/namespace"
	logging "github.com/ipfs/go-log/v2"
	"github.com/libp2p/go-libp2p"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	record "github.com/libp2p/go-libp2p-record"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/gologshim"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/quicreuse"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"

	"byway/ipfs/admission"
	"byway/ipfs/fence"
)

const dialTimeout = 10 * time.Second

var (
	loopbackListen = []string{"/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0"}
	publicListen   = []string{
		"/ip4/0.0.0.0/udp/0/quic-v1", "/ip6/::/udp/0/quic-v1", "/ip4/0.0.0.0/tcp/0", "/ip6/::/tcp/0",
	}
)

// quietLibraries silences the libraries' own loggers, which are one set for the whole process and write to standard
// error. What they would say about one peer or another is no news to the operator of a node.
var quietLibraries = sync.OnceFunc(func() {
	logging.SetAllLoggers(logging.LevelFatal)
	gologshim.SetDefaultHandler(slog.DiscardHandler)
})

func parseListen(cfg Config) ([]ma.Multiaddr, error) {
	listen := cfg.Listen
	if listen == nil {
		listen = publicListen
		if cfg.Network.Private {
			listen = loopbackListen
		}
	}
	addrs := make([]ma.Multiaddr, 0, len(listen))
	for _, s := range listen {
		a, err := ma.NewMultiaddr(s)
		if err != nil {
			return nil, fmt.Errorf("listen address %q: %w", s, err)
		}
		addrs = append(addrs, a)
	}
	return addrs, nil
}

// newHost starts the libp2p host: QUIC and TCP, no relay, no metrics; on a private network fenced in, on the public one
// with AutoNAT and port mapping, by which a provider behind a home router learns and announces its address.
func newHost(cfg Config, listen []ma.Multiaddr, bootstrap []peer.AddrInfo) (host.Host, *admission.Admission, error) {
	admitting, err := admission.New(admission.Part{
		Client: cfg.Client, Private: cfg.Network.Private, Sessions: cfg.Sessions, Pools: cfg.Pools,
	})
	if err != nil {
		return nil, nil, err
	}
	gate := fence.Public(bootstrap)
	if cfg.Network.Private {
		gate = fence.Private(listen, bootstrap)
	}
	opts := append(admitting.Options(gate),
		libp2p.Identity(cfg.Key),
		libp2p.ListenAddrs(listen...),
		libp2p.Transport(quic.NewTransport),
		libp2p.DefaultSecurity,
		libp2p.DefaultMuxers,
		libp2p.UserAgent("byway"),
		libp2p.WithDialTimeout(dialTimeout),
		libp2p.DisableMetrics(),
		libp2p.DisableRelay(),
	)
	if cfg.Dialer == nil {
		opts = append(opts, libp2p.Transport(tcp.NewTCPTransport))
	} else {
		opts = append(opts,
			libp2p.Transport(tcp.NewTCPTransport, tcp.WithDialerForAddr(func(ma.Multiaddr) (tcp.ContextDialer, error) {
				return cfg.Dialer, nil
			})),
			libp2p.QUICReuse(quicreuse.NewConnManager, append(admitting.QUICOptions(), quicreuse.OverrideListenUDP(
				func(network string, local *net.UDPAddr) (net.PacketConn, error) {
					listen := net.ListenConfig{Control: cfg.Dialer.Control}
					return listen.ListenPacket(context.Background(), network, local.String())
				}))...))
	}
	if cfg.Network.Private {
		opts = append(opts, libp2p.ForceReachabilityPublic()) // no AutoNAT: the DHT takes every server at its word here
	} else {
		opts = append(opts, libp2p.NonPublicAddrPublishing(false))
		if !cfg.Client {
			opts = append(opts, libp2p.NATPortMap(), libp2p.EnableAutoNATv2())
		}
	}
	h, err := libp2p.New(opts...)
	if err != nil {
		return nil, nil, fmt.Errorf("start libp2p host: %w", err)
	}
	h.Network().Notify(admitting)
	return h, admitting, nil
}

// newDHT joins the network's DHT. Provider records that others leave here live in data, below /dht.
func newDHT(cfg Config, h host.Host, data ds.Batching, bootstrap []peer.AddrInfo) (*dht.IpfsDHT, error) {
	mode := dht.ModeServer
	switch {
	case cfg.Client:
		mode = dht.ModeClient
	case !cfg.Network.Private:
		mode = dht.ModeAuto // a server once AutoNAT has found it reachable
	}
	opts := []dht.Option{
		dht.Mode(mode),
		dht.ProtocolPrefix(cfg.Network.dhtPrefix()),
		dht.Datastore(namespace.Wrap(data, ds.NewKey("/dht"))),
		dht.BootstrapPeers(bootstrap...),
	}
	switch {
	case !cfg.Network.Private:
		opts = append(opts,
			dht.QueryFilter(dht.PublicQueryFilter),
			dht.RoutingTableFilter(dht.PublicRoutingTableFilter),
			dht.RoutingTablePeerDiversityFilter(dht.NewRTPeerDiversityFilter(h, 2, 3)),
			dht.AddressFilter(func(addrs []ma.Multiaddr) []ma.Multiaddr {
				return ma.FilterAddrs(addrs, isPublic)
			}),
		)
	case cfg.Network.LAN:
		// Stock nodes expect these two record types of every member.
		opts = append(opts,
			dht.NamespacedValidator("pk", record.PublicKeyValidator{}),
			dht.NamespacedValidator("ipns", ipns.Validator{KeyBook: h.Peerstore()}),
			dht.RoutingTablePeerDiversityFilter(nil),
		)
	default:
		opts = append(opts, dht.DisableValues(), dht.RoutingTablePeerDiversityFilter(nil))
	}
	d, err := dht.New(h, opts...)
	if err != nil {
		return nil, fmt.Errorf("start dht: %w", err)
	}
	return d, nil
}

func connected(h host.Host, p peer.ID) bool {
	return h.Network().Connectedness(p) == network.Connected
}

// Network says which IPFS a node belongs to. The zero value is the public one.
type Network struct {
	// Name sets a private network's DHT apart: its protocols start with /byway/<name>. Lower-case letters, digits and
	// hyphens, 32 at most. Required when Private, unless LAN.
	Name string
	// Private keeps the node on loopback and, when Listen or Bootstrap name an address beyond loopback, on the local
	// network. It never dials a public address except one that Bootstrap spells out.
	Private bool
	// LAN makes a private node join the DHT that stock IPFS nodes run on a local network (/ipfs/lan/kad/1.0.0) instead
	// of one of its own.
	LAN bool
	// Bootstrap lists the nodes to enter the DHT through, as multiaddrs that end in /p2p/<peer id>. On the public
	// network nil stands for the well-known bootstrap nodes.
	Bootstrap []string
	// Routers lists delegated routing services, as https addresses, which are asked beside the DHT for providers of a
	// block. They learn which blocks are looked for. On the public network nil stands for a well-known one; empty but
	// not nil for none.
	Routers []string
	// Gateways lists trustless gateways, as https addresses, which are asked for a block that no peer gives. They learn
	// the same. Nil and empty are as in Routers.
	Gateways []string
}

var networkName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// validate checks what cannot be checked by parsing addresses.
func (n Network) validate() error {
	switch {
	case !n.Private && n.LAN:
		return fmt.Errorf("network: LAN is for private networks only")
	case n.Private && !n.LAN && !networkName.MatchString(n.Name):
		return fmt.Errorf("network name %q: want 1 to 32 lower-case letters, digits or hyphens", n.Name)
	}
	return nil
}

// dhtPrefix is the start of the DHT's protocol names; the DHT appends /kad/1.0.0.
func (n Network) dhtPrefix() protocol.ID {
	switch {
	case !n.Private:
		return dht.DefaultPrefix
	case n.LAN:
		return "/ipfs/lan"
	}
	return protocol.ID("/byway/" + n.Name)
}

// bootstrap parses the bootstrap addresses and joins those of one peer.
func (n Network) bootstrap() ([]peer.AddrInfo, error) {
	if n.Bootstrap == nil && !n.Private {
		return dht.GetDefaultBootstrapPeerAddrInfos(), nil
	}
	var addrs []ma.Multiaddr
	for _, s := range n.Bootstrap {
		a, err := ma.NewMultiaddr(s)
		if err != nil {
			return nil, fmt.Errorf("bootstrap address %q: %w", s, err)
		}
		if _, err := a.ValueForProtocol(ma.P_P2P); err != nil {
			return nil, fmt.Errorf("bootstrap address %q does not end in /p2p/<peer id>", s)
		}
		addrs = append(addrs, a)
	}
	infos, err := peer.AddrInfosFromP2pAddrs(addrs...)
	if err != nil {
		return nil, fmt.Errorf("bootstrap addresses: %w", err)
	}
	return infos, nil
}
