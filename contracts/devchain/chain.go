package devchain

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/eth/filters"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/rpc"
)

// Config says what chain to start. The zero value is a chain in memory that makes a block for each transaction.
type Config struct {
	// Dir keeps the chain; it is created where absent. Every block is synced to disk, a moment after clients can see
	// it: a killed process loses at most that block. Empty: the chain lives in memory.
	Dir string
	// Period is the time between blocks. 0: a block on demand, as soon as a transaction is pending.
	Period time.Duration
	// Ahead is how far the chain's clock is ahead of this machine's, or with a minus behind it.
	Ahead time.Duration
	// HTTP is the address to listen on for HTTP and WebSocket alike, 127.0.0.1:0 by default.
	HTTP string
	// Accounts is how many accounts of [Mnemonic] hold 10,000 ether each, 10 by default. A chain kept in a folder
	// must always be opened with the same number.
	Accounts int
	// Fork is the set of rules, [Osaka] by default. A chain kept in a folder must always be opened with the same.
	Fork Fork
	// Log receives the node's messages, each one level below what the node finds it worth. nil: none.
	Log *slog.Logger
}

// Chain is a running development chain. Its methods are safe for concurrent use.
type Chain struct {
	node   *node.Node
	log    *slog.Logger
	period time.Duration
	stop   chan struct{}
	done   chan struct{}
	kick   chan struct{} // the clock moved or mining was switched on: look again

	mu        sync.Mutex
	producer  *producer
	clock     clock
	manual    bool // blocks are made only by Mine
	snapshots []snapshot
	closed    bool
}

type snapshot struct {
	head  common.Hash
	clock clock
}

// Start runs a chain. It returns once JSON-RPC answers and block 1 exists; [Chain.Close] must be called.
func Start(cfg Config) (*Chain, error) {
	if cfg.HTTP == "" {
		cfg.HTTP = "127.0.0.1:0"
	}
	if cfg.Accounts == 0 {
		cfg.Accounts = 10
	}
	if cfg.Accounts < 0 || cfg.Accounts > 10_000 || cfg.Period < 0 {
		return nil, fmt.Errorf("start development chain: %d accounts, period %s: out of range", cfg.Accounts, cfg.Period)
	}
	c := &Chain{
		log:    cfg.Log,
		period: cfg.Period,
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
		kick:   make(chan struct{}, 1),
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if err := c.start(cfg); err != nil {
		return nil, fmt.Errorf("start development chain: %w", err)
	}
	return c, nil
}

func (c *Chain) start(cfg Config) (err error) {
	nodeConfig, err := nodeConfig(cfg)
	if err != nil {
		return err
	}
	if c.node, err = node.New(nodeConfig); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.node.Close())
		}
	}()
	backend, err := eth.New(c.node, ethConfig(cfg))
	if err != nil {
		return err
	}
	c.producer = &producer{eth: backend, durable: cfg.Dir != "", salt: uint64(time.Now().UnixNano())}
	c.node.RegisterAPIs([]rpc.API{
		{Namespace: "eth", Service: filters.NewFilterAPI(filters.NewFilterSystem(backend.APIBackend, filters.Config{}))},
		{Namespace: "evm", Service: &evmAPI{c}},
		{Namespace: "anvil", Service: &anvilAPI{c}},
	})
	txs := make(chan core.NewTxsEvent, 256)
	sub := c.producer.subscribe(txs)
	if err := c.node.Start(); err != nil {
		sub.Unsubscribe()
		return err
	}
	backend.SetSynced()
	c.clock.advance(cfg.Ahead)
	c.clock.resume(c.producer.head().Time)
	if c.producer.head().Number.Sign() == 0 {
		if _, err = c.producer.mine(order{time: c.clock.next(c.producer.head().Time), empty: true}, false); err != nil {
			sub.Unsubscribe()
			return err
		}
	}
	if err = c.producer.waitIndex(); err != nil {
		sub.Unsubscribe()
		return err
	}
	go func() {
		defer close(c.done)
		defer sub.Unsubscribe()
		c.produce(txs)
	}()
	return nil
}

func nodeConfig(cfg Config) (*node.Config, error) {
	host, portText, err := net.SplitHostPort(cfg.HTTP)
	if err != nil {
		return nil, fmt.Errorf("listen address %q: %w", cfg.HTTP, err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || host == "" {
		return nil, fmt.Errorf("listen address %q: want an address and a port, such as 127.0.0.1:8545", cfg.HTTP)
	}
	modules := []string{"eth", "net", "web3", "txpool", "evm", "anvil"}
	return &node.Config{
		Name:                "devchain",
		Version:             "1",
		DataDir:             cfg.Dir,
		HTTPHost:            host,
		HTTPPort:            int(port),
		HTTPModules:         modules,
		HTTPVirtualHosts:    []string{"localhost"},
		HTTPTimeouts:        rpc.DefaultHTTPTimeouts,
		WSHost:              host,
		WSPort:              int(port),
		WSModules:           modules,
		AllowUnprotectedTxs: true,
		BatchRequestLimit:   node.DefaultConfig.BatchRequestLimit,
		P2P:                 p2p.Config{NoDiscovery: true, NoDial: true},
		Logger:              routeLogs(cfg.Log),

		BatchResponseMaxSize: node.DefaultConfig.BatchResponseMaxSize,
	}, nil
}

func ethConfig(cfg Config) *eth.Config {
	c := ethconfig.Defaults
	c.Genesis = genesis(cfg.Accounts, cfg.Fork)
	c.SyncMode = ethconfig.FullSync
	// Together these keep every state of the past on disk as soon as its block is, so that nothing is lost with the
	// process and a reorganisation can start anywhere.
	c.StateScheme, c.NoPruning, c.SnapshotCache = "hash", true, 0
	c.DatabaseCache, c.TrieCleanCache, c.TrieDirtyCache = 32, 32, 0
	c.TransactionHistory = 0 // all of it
	c.LogNoHistory = true    // logs are looked up through the blocks' bloom filters
	c.Miner.GasCeil = gasLimit
	c.Miner.GasPrice = common.Big1 // wei of tip: a development chain takes whatever pays its base fee
	c.TxPool.NoLocals = true
	c.TxPool.PriceLimit = 1
	c.TxPool.AccountSlots, c.TxPool.AccountQueue = 4096, 4096
	c.TxPool.GlobalSlots, c.TxPool.GlobalQueue = 16384, 16384
	if cfg.Dir == "" {
		c.BlobPool.Datadir = ""
	}
	c.RPCTxFeeCap = 0
	return &c
}

// URL is where JSON-RPC answers over HTTP.
func (c *Chain) URL() string { return c.node.HTTPEndpoint() }

// WSURL is where JSON-RPC answers over WebSocket, on the same port.
func (c *Chain) WSURL() string { return c.node.WSEndpoint() }

// Close ends the chain and releases its port and folder. It may be called more than once.
func (c *Chain) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	c.mu.Unlock()
	close(c.stop)
	<-c.done
	if err := c.node.Close(); err != nil {
		return fmt.Errorf("close development chain: %w", err)
	}
	return nil
}

var errClosed = errors.New("the development chain is closed")

// locked runs f while nothing else makes blocks.
func (c *Chain) locked(f func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errClosed
	}
	return f()
}

// Mine makes n blocks at once, a second of chain time apart, of whatever is pending.
func (c *Chain) Mine(n int) error { return c.mine(n, 1) }

func (c *Chain) mine(n int, interval uint64) error {
	return c.locked(func() error {
		for i := range n {
			parent := c.producer.head().Time
			o := order{time: c.clock.next(parent)}
			if i > 0 {
				o.time = max(parent+interval, o.time)
			}
			if _, err := c.producer.mine(o, false); err != nil {
				return err
			}
			// Asked-for blocks may run ahead of the clock: then the clock follows, it is a jump in time like any other.
			c.clock.follow(o.time)
			c.clock.made(o.time)
		}
		return nil
	})
}

// Advance lets d of chain time pass and makes a block.
func (c *Chain) Advance(d time.Duration) error {
	if err := c.locked(func() error { c.clock.advance(d); return nil }); err != nil {
		return err
	}
	return c.Mine(1)
}

// Reorg replaces the last depth blocks by as many others. Their transactions are in the replacements again, block by
// block, or, with dropTx, vanish as if they had never been sent.
func (c *Chain) Reorg(depth int, dropTx bool) error {
	return c.locked(func() error {
		return c.producer.reorg(depth, func(_ int, old *types.Block) []*types.Transaction {
			if dropTx {
				return nil
			}
			return old.Transactions()
		})
	})
}

// SetAutomine switches the making of blocks by demand or by period on and off. While it is off transactions stay in
// the pool until [Chain.Mine].
func (c *Chain) SetAutomine(on bool) error {
	return c.locked(func() error {
		c.manual = !on
		c.wake()
		return nil
	})
}

func (c *Chain) wake() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}
