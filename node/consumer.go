package node

import (
	"context"
	"errors"
	"log/slog"

	"byway/contracts"
	"byway/node/account"
	"byway/node/home"
	"byway/node/path"
	"byway/tunnel/route"
)

// ConsumerConfig says how a consumer spends, and where it lives.
type ConsumerConfig struct {
	Home       home.Home
	Network    home.Network
	Key        contracts.Signer // owns the deposit and sends the transactions
	HostListen []string         // libp2p multiaddrs; empty: ipfs's default
	// Machine sends the whole machine through the sessions; nil offers them to single programs. The machine is locked from
	// the opening of the consumer until its Close, and after its Abandon.
	Machine *route.Config
	Log     *slog.Logger
	path.Config
}

// Consumer is a consumer on an account of its own, in a process that has several: a devnet, a measurement, a test. A home's
// daemon is a [Node].
type Consumer struct {
	*path.Consumer
	session contracts.Signer
}

// OpenConsumer opens a consumer's home and checks the chain's contracts. Where the chain is down, and the home knows
// the network, it opens all the same: see [Consumer.Fund].
func OpenConsumer(ctx context.Context, cfg ConsumerConfig) (*Consumer, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	hold, err := path.LockMachine(ctx, cfg.Machine, cfg.Log)
	if err != nil {
		return nil, err
	}
	cfg.Hold = hold
	if dialer := hold.Dialer(); dialer != nil {
		cfg.Network.Dialer = dialer
	}
	n := &Consumer{session: cfg.Session}
	if err := n.open(ctx, cfg); err != nil {
		return nil, errors.Join(err, hold.End("connecting failed"))
	}
	return n, nil
}

func (n *Consumer) open(ctx context.Context, cfg ConsumerConfig) error {
	account, err := account.Open(ctx, account.Config{
		Home: cfg.Home, Network: cfg.Network, Key: cfg.Key, HostListen: cfg.HostListen, Client: true, Log: cfg.Log,
	})
	if err != nil {
		return err
	}
	if n.Consumer, err = path.Open(ctx, account, cfg.Config); err != nil {
		return errors.Join(err, account.CloseAll())
	}
	return nil
}

// Close closes the home and gives the machine back: it is the end that the user asked for. Sessions must be closed
// before.
func (n *Consumer) Close() error {
	return errors.Join(n.Consumer.Close(), n.Account.CloseAll())
}
