// Package ipfs owns the node's place in IPFS: a libp2p host, bitswap and a DHT over a store of small content-addressed
// blocks. A block that was put on one node is found and fetched by its CID from any other, which need not have been told
// where it is. The package speaks the protocols of stock IPFS and adds nothing that another node would have to know.
//
// A block is what registry calls an offer: dag-cbor, CIDv1, SHA-256, at most [store.MaxBlock] bytes. Nothing that a peer
// sends is stored before its size, its hash and the caller's own check have passed, so that a peer can withhold a block
// but neither forge one nor fill the disk. The package knows nothing of what is inside a block.
//
// Life of a block: [Node.Put] writes it together with a pin in one synced batch, and the provider loop tells the DHT
// again and again until [Node.Drop]. Blocks fetched by [Node.Get] are kept unpinned and are served to others, but are
// never announced.
package ipfs

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/ipfs/boxo/bitswap"
	"github.com/ipfs/boxo/bitswap/network/bsnet"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"byway/ipfs/admission"
	"byway/ipfs/store"
)

const (
	defaultTimeout        = 10 * time.Second // on a private network
	defaultTimeoutPublic  = 30 * time.Second // a look-up in the public DHT alone may take ten
	defaultReprovide      = 12 * time.Hour   // records live for 48 hours
	bootstrapPoll         = 20 * time.Millisecond
	bootstrapRetry        = 250 * time.Millisecond // first wait between attempts, doubling
	bootstrapRetryMax     = 15 * time.Second
	bootstrapCheck        = 30 * time.Second // how often a node that is in looks whether it still is
	bootstrapProtectLabel = "byway-bootstrap"
)

// Config says how a node is to run. Key is required; the rest has defaults.
type Config struct {
	// Dir is the folder of the block store; empty keeps blocks in memory.
	Dir string
	// Key is the libp2p host key (Ed25519), see [LoadKey].
	Key crypto.PrivKey
	// Listen lists the multiaddrs to listen on. Nil stands for QUIC and TCP on free ports: of loopback on a private
	// network, of all addresses on the public one. Empty but not nil listens on nothing.
	Listen []string
	// Network says which IPFS to join.
	Network Network
	// Client joins the DHT as a client, which asks but does not answer: right for consumers. Providers and bootstrap
	// nodes are servers.
	Client bool
	// Timeout is how long Get waits for the next block before it gives up on those that are missing; 0 stands for 10 s
	// on a private network and 30 s on the public one.
	Timeout time.Duration
	// Reprovide is the time between two announcements of a pinned block; 0 stands for 12 h.
	Reprovide time.Duration
	// Seeds lists nodes to ask first for long lists of blocks, as multiaddrs that end in /p2p/<peer id>. Connected nodes
	// that speak the same protocol are asked too. See [Node.SetSeeds].
	Seeds []string
	// Sessions is how many peers this node serves for pay at once; their connections have room beside those of
	// strangers, see [Node.Keep]. Pools bounds the streams of protocols that others run on the host.
	Sessions int
	Pools    map[protocol.ID]admission.Pool
	// HTTP carries requests to routers and gateways; nil stands for a transport with the defaults of net/http. Close
	// closes its idle connections.
	HTTP http.RoundTripper
	// Dialer opens TCP connections, and its Control prepares the QUIC socket too, where the node must take a way of its
	// own; nil for plain ones. It does not serve HTTP where HTTP is set.
	Dialer *net.Dialer
	// Log takes the node's messages; nil discards them.
	Log *slog.Logger
}

// Node is one member of an IPFS network. Its methods are safe for concurrent use.
type Node struct {
	cfg       Config
	log       *slog.Logger
	store     *store.Store
	host      host.Host
	admission *admission.Admission
	dht       *dht.IpfsDHT
	exchange  *bitswap.Bitswap
	provider  *provider
	web       *web
	seeds     *seeds
	counts    counts
	bootstrap []peer.AddrInfo
	searches  chan struct{} // one slot for each DHT search for providers that is under way
	fresh     chan struct{} // one slot for each bitswap session that still expects quick answers

	ctx   context.Context // of the node's life, cancelled with ErrClosed by Close; never that of a call
	stop  context.CancelCauseFunc
	ready chan struct{} // closed when a bootstrap node is in the routing table, or none is configured

	mu     sync.Mutex // guards closed, and tasks against Add after Wait
	closed bool
	tasks  sync.WaitGroup // loops and fetches; each ends with ctx
}

// Open starts a node. It listens, serves and begins to join its network when Open returns; [Node.WaitReady] says when
// it has. Blocks that were put in an earlier life are announced again.
func Open(ctx context.Context, cfg Config) (_ *Node, err error) {
	quietLibraries()
	if cfg.Key == nil {
		return nil, errors.New("open ipfs node: no host key")
	}
	if err := cfg.Network.validate(); err != nil {
		return nil, fmt.Errorf("open ipfs node: %w", err)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Reprovide == 0 {
		cfg.Reprovide = defaultReprovide
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeoutPublic
		if cfg.Network.Private {
			cfg.Timeout = defaultTimeout
		}
	}
	listen, err := parseListen(cfg)
	if err != nil {
		return nil, fmt.Errorf("open ipfs node: %w", err)
	}
	bootstrap, err := cfg.Network.bootstrap()
	if err != nil {
		return nil, fmt.Errorf("open ipfs node: %w", err)
	}

	web, err := newWeb(cfg)
	if err != nil {
		return nil, fmt.Errorf("open ipfs node: %w", err)
	}
	seeds, err := newSeeds(cfg.Seeds)
	if err != nil {
		return nil, fmt.Errorf("open ipfs node: %w", err)
	}

	n := &Node{
		cfg: cfg, web: web, seeds: seeds, log: cfg.Log,
		searches: make(chan struct{}, maxSearches), fresh: make(chan struct{}, freshSessions), ready: make(chan struct{}),
	}
	n.ctx, n.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("open ipfs node: %w", err), n.Close())
		}
	}()
	if n.store, err = store.Open(cfg.Dir, cfg.Log); err != nil {
		return nil, err
	}
	if n.host, n.admission, err = newHost(cfg, listen, bootstrap); err != nil {
		return nil, err
	}
	for _, info := range bootstrap {
		if info.ID != n.host.ID() {
			n.bootstrap = append(n.bootstrap, info)
		}
	}
	if n.dht, err = newDHT(cfg, n.host, n.store.Shared(), n.bootstrap); err != nil {
		return nil, err
	}
	n.exchange = bitswap.New(n.ctx, bsnet.NewFromIpfsHost(n.host), nil, n.store,
		// With simulated refusals on, long sessions with several peers hang.
		bitswap.SetSimulateDontHavesOnTimeout(false),
		// An offer is sent at once to who asks whether it is there: to tell first costs a round trip for each.
		bitswap.WithWantHaveReplaceSize(2048),
		bitswap.WithoutDuplicatedBlockStats(),
		bitswap.MaxCidSize(maxCID),
		bitswap.EngineBlockstoreWorkerCount(exchangeWorkers),
	)
	if n.provider, err = newProvider(n.dht, cfg.Reprovide, cfg.Log); err != nil {
		return nil, err
	}
	n.serveSeeds()
	pins, err := n.store.Pins(ctx)
	if err != nil {
		return nil, fmt.Errorf("read pins of block store %s: %w", cfg.Dir, err)
	}
	for _, c := range pins {
		n.provider.add(c)
	}
	n.tasks.Go(func() { n.provider.run(n.ctx) })
	if len(n.bootstrap) == 0 {
		close(n.ready)
	} else {
		n.tasks.Go(func() { n.join(n.ctx) })
	}
	return n, nil
}

// Host gives the libp2p host, for protocols that run beside IPFS on the same connections.
func (n *Node) Host() host.Host { return n.host }

// Addrs gives the multiaddrs the node is reached at, each with /p2p/<peer id> at its end.
func (n *Node) Addrs() []string {
	var out []string
	for _, a := range n.host.Addrs() {
		out = append(out, a.String()+"/p2p/"+n.host.ID().String())
	}
	return out
}

// Put stores a block, pins it and has it announced to the DHT, at once and then regularly until [Node.Drop], for which
// it does not wait. The block is on the disk when Put returns. It fails with [ErrTooLarge] or [ErrEmpty].
func (n *Node) Put(ctx context.Context, block []byte) (cid.Cid, error) {
	if err := store.CheckSize(block); err != nil {
		return cid.Undef, fmt.Errorf("put block: %w", err)
	}
	if n.ctx.Err() != nil {
		return cid.Undef, fmt.Errorf("put block: %w", ErrClosed)
	}
	c := store.CID(sha256.Sum256(block))
	if err := n.store.Pin(ctx, c, block); err != nil {
		return cid.Undef, fmt.Errorf("put block %s: %w", c, err)
	}
	n.offer(ctx, c, block)
	n.provider.add(c)
	return c, nil
}

// offer serves a block that has just been stored to peers that are waiting for it.
func (n *Node) offer(ctx context.Context, c cid.Cid, block []byte) {
	b, err := blocks.NewBlockWithCid(block, c)
	if err == nil {
		err = n.exchange.NotifyNewBlocks(ctx, b)
	}
	if err != nil {
		n.log.Debug("block not offered to waiting peers", "cid", c, "error", err)
	}
}

// Drop unpins a block, stops announcing it and deletes it. A block that is not there is no error.
func (n *Node) Drop(ctx context.Context, c cid.Cid) error {
	if _, err := store.Digest(c); err != nil {
		return fmt.Errorf("drop block: %w", err)
	}
	n.provider.remove(c)
	if err := n.store.Drop(ctx, c); err != nil {
		return fmt.Errorf("drop block %s: %w", c, err)
	}
	return nil
}

// Collect deletes every block that is not pinned and that keep does not want, and returns how many. Pinned ones stay:
// they are this node's own, see [Node.Drop].
func (n *Node) Collect(ctx context.Context, keep func(cid.Cid) bool) (int, error) {
	gone, err := n.store.Collect(ctx, keep)
	if err != nil {
		return gone, fmt.Errorf("collect blocks: %w", err)
	}
	return gone, nil
}

// Holds reports whether a block is in the store, pinned or not. It asks nobody.
func (n *Node) Holds(ctx context.Context, c cid.Cid) (bool, error) { return n.store.Has(ctx, c) }

// Pinned lists the blocks that were put and not dropped, of this life and earlier ones.
func (n *Node) Pinned(ctx context.Context) ([]cid.Cid, error) { return n.store.Pins(ctx) }

// WaitReady waits until at least one bootstrap node is in the routing table; with none configured it returns at once.
func (n *Node) WaitReady(ctx context.Context) error {
	select {
	case <-n.ready:
		return nil
	case <-n.ctx.Done():
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("join ipfs through %d bootstrap nodes: %w; check that one of them runs and speaks %s/kad/1.0.0",
			len(n.bootstrap), context.Cause(ctx), n.cfg.Network.dhtPrefix())
	}
}

// join enters the DHT through the bootstrap nodes and goes there again whenever the routing table has run empty. It
// ends with ctx.
func (n *Node) join(ctx context.Context) {
	for _, info := range n.bootstrap {
		n.host.ConnManager().Protect(info.ID, bootstrapProtectLabel)
	}
	wait := bootstrapRetry
	for ctx.Err() == nil {
		n.dialBootstrap(ctx)
		in := n.waitTable(ctx, wait)
		if !in {
			wait = min(2*wait, bootstrapRetryMax)
			continue
		}
		select {
		case <-n.ready:
		default:
			close(n.ready)
			n.log.Debug("joined ipfs", "peers", n.dht.RoutingTable().Size())
		}
		n.dht.RefreshRoutingTable()
		n.provider.retry()
		wait = bootstrapRetry
		for in {
			select {
			case <-ctx.Done():
				return
			case <-time.After(bootstrapCheck):
				in = n.dht.RoutingTable().Size() > 0
			}
		}
	}
}

func (n *Node) dialBootstrap(ctx context.Context) {
	var wg sync.WaitGroup
	for _, info := range n.bootstrap {
		if connected(n.host, info.ID) {
			continue
		}
		wg.Go(func() {
			if err := n.host.Connect(ctx, info); err != nil {
				n.log.Debug("bootstrap node not reached", "peer", info.ID, "error", err)
			}
		})
	}
	wg.Wait()
}

// waitTable waits up to d for a bootstrap node to be in the routing table: the DHT takes a peer in only after it has
// answered a look-up.
func (n *Node) waitTable(ctx context.Context, d time.Duration) bool {
	deadline := time.NewTimer(d)
	defer deadline.Stop()
	poll := time.NewTicker(bootstrapPoll)
	defer poll.Stop()
	for {
		for _, info := range n.bootstrap {
			if n.dht.RoutingTable().Find(info.ID) != "" {
				return true
			}
		}
		select {
		case <-ctx.Done():
			return false
		case <-deadline.C:
			return false
		case <-poll.C:
		}
	}
}

// begin ties a call to the node's life and runs work as one of its tasks. The context that work gets ends with ctx, and
// with [ErrClosed] as its cause when the node closes.
func (n *Node) begin(ctx context.Context, work func(context.Context)) (cancel func(), err error) {
	ctx, stop := context.WithCancelCause(ctx)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		stop(ErrClosed)
		return nil, ErrClosed
	}
	unhook := context.AfterFunc(n.ctx, func() { stop(ErrClosed) })
	n.tasks.Go(func() {
		defer stop(nil)
		defer unhook()
		work(ctx)
	})
	return func() { stop(nil) }, nil
}

// Close ends fetches, leaves the network, waits for every goroutine and closes the store. It may be called twice.
func (n *Node) Close() error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	n.closed = true
	n.mu.Unlock()
	n.stop(ErrClosed)
	n.tasks.Wait()
	if n.web != nil {
		n.web.client.CloseIdleConnections()
	}
	var errs []error
	if n.exchange != nil {
		errs = append(errs, n.exchange.Close())
	}
	if n.dht != nil {
		errs = append(errs, n.dht.Close())
	}
	if n.host != nil {
		errs = append(errs, n.host.Close())
	}
	if n.store != nil {
		errs = append(errs, n.store.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close ipfs node: %w", err)
	}
	return nil
}

// isPublic reports whether an address can be reached from anywhere.
func isPublic(a ma.Multiaddr) bool { return manet.IsPublicAddr(a) }

// Keep holds a peer's connections open when the host runs short of room, for the reason tag, until LetGo takes it back.
func (n *Node) Keep(p peer.ID, tag string) { n.admission.Keep(p, tag) }

// LetGo makes a peer a stranger again, unless another tag keeps it.
func (n *Node) LetGo(p peer.ID, tag string) { n.admission.LetGo(p, tag) }

// Use says what of the host's connections and streams is in use.
func (n *Node) Use() admission.Use { return n.admission.Use() }
