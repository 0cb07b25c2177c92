// Package devnet owns a whole market in one process, for demos, tests and development: a chain, the contracts, a
// meeting point for IPFS, and any number of providers and consumers. It is made of the code that a real node runs and
// of nothing else; each node has a folder, keys and an IPFS node of its own.
package devnet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"
	"github.com/libp2p/go-libp2p/core/crypto"

	"byway/contracts"
	"byway/contracts/bindings/devtoken"
	"byway/contracts/chain"
	"byway/contracts/deploy"
	"byway/contracts/devchain"
	"byway/ipfs"
	"byway/node/home"
)

// Config describes a devnet. The zero value is one in memory, on free ports.
type Config struct {
	// Dir keeps the chain, the meeting point's blocks and the funder's journal; empty: a temporary folder that goes
	// with the devnet.
	Dir string
	// Homes keeps the folders of a demo's providers and of its consumer; empty: they are in Dir.
	Homes string
	// RPC is a chain that runs already, instead of an embedded one; Funder is then a key that has gas there.
	RPC    []string
	Funder *contracts.Key
	// Listen is where the embedded chain serves JSON-RPC, "address:port"; empty: a free port on loopback.
	Listen string
	// Period is the time between blocks; 0: a block for each transaction, at once.
	Period time.Duration
	// Ahead is how far the embedded chain's clock is ahead of this machine's, or with a minus behind it.
	Ahead time.Duration
	// ExitDelay is how long an exit of the contracts runs; 0: [home.DevnetExitDelay].
	ExitDelay time.Duration
	// HostKey and HostListen are the meeting point's; empty: a fresh key on free ports.
	HostKey    crypto.PrivKey
	HostListen []string
	Log        *slog.Logger
}

// Devnet is a running market.
type Devnet struct {
	Network home.Network
	// DeployTime is how long it took until the contracts were there, the chain's start included.
	DeployTime time.Duration
	Client     *chain.Client   // reads the chain
	Chain      *devchain.Chain // the embedded one; nil where the devnet runs on another one

	dir    string
	funder *chain.Sender
	ipfs   *ipfs.Node
	log    *slog.Logger

	closers []func() error
}

// Start starts the chain, or connects to the given one, deploys the contracts where they are missing, and opens the
// meeting point.
func Start(ctx context.Context, cfg Config) (_ *Devnet, err error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	d := &Devnet{dir: cfg.Dir, log: cfg.Log}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	if d.dir == "" {
		if d.dir, err = os.MkdirTemp("", "byway-devnet-"); err != nil {
			return nil, fmt.Errorf("devnet folder: %w", err)
		}
		d.onClose(func() error { return os.RemoveAll(d.dir) })
	} else if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return nil, fmt.Errorf("devnet folder: %w", err)
	}
	began := time.Now()
	if err := d.startChain(ctx, cfg); err != nil {
		return nil, err
	}
	if err := d.deploy(ctx, cmp.Or(cfg.ExitDelay, home.DevnetExitDelay)); err != nil {
		return nil, err
	}
	d.DeployTime = time.Since(began)
	return d, d.startMeetingPoint(ctx, cfg)
}

func (d *Devnet) onClose(f func() error) { d.closers = append(d.closers, f) }

func (d *Devnet) startChain(ctx context.Context, cfg Config) error {
	funder := cfg.Funder
	rpc := cfg.RPC
	if len(rpc) == 0 {
		dir := ""
		if cfg.Dir != "" {
			dir = filepath.Join(cfg.Dir, "chain")
		}
		c, err := devchain.Start(devchain.Config{Dir: dir, HTTP: cfg.Listen, Period: cfg.Period, Ahead: cfg.Ahead, Log: cfg.Log})
		if err != nil {
			return err
		}
		d.Chain = c
		d.onClose(c.Close)
		rpc = []string{c.URL()}
	}
	if funder == nil {
		if d.Chain == nil {
			return errors.New("a chain of somebody else's needs a key that has gas there: give its funder key")
		}
		key := devchain.Account(0)
		funder = &key
	}
	client, err := chain.Dial(ctx, chain.Config{URLs: rpc, Log: cfg.Log})
	if err != nil {
		return err
	}
	d.Client = client
	d.onClose(func() error { client.Close(); return nil })
	journal, err := chain.OpenJournal(filepath.Join(d.dir, "funder.db"))
	if err != nil {
		return err
	}
	d.onClose(journal.Close)
	d.funder, err = chain.NewSender(chain.SenderConfig{Client: client, Signer: *funder, Journal: journal, Log: cfg.Log})
	if err != nil {
		return err
	}
	d.Network.Name, d.Network.Private, d.Network.RPC = home.DevnetName, true, rpc
	return d.funder.Resume(ctx)
}

func (d *Devnet) deploy(ctx context.Context, exitDelay time.Duration) error {
	deployment, err := deploy.Contracts(ctx, deploy.Config{
		Backend: d.Client.Agreed().OrAlone(), Sender: d.funder, ExitDelay: exitDelay, UnbondDelay: home.DevnetUnbondDelay,
		DevToken: true, Log: d.log,
	})
	if err != nil {
		return err
	}
	d.Network.Deployment = deployment
	return nil
}

func (d *Devnet) startMeetingPoint(ctx context.Context, cfg Config) error {
	key := cfg.HostKey
	if key == nil {
		var err error
		if key, err = ipfs.LoadKey(filepath.Join(d.dir, "host.key")); err != nil {
			return err
		}
	}
	meeting, err := ipfs.Open(ctx, ipfs.Config{
		Dir: filepath.Join(d.dir, "blocks"), Key: key, Listen: cfg.HostListen,
		Network: ipfs.Network{Name: d.Network.Name, Private: true}, Log: cfg.Log,
	})
	if err != nil {
		return err
	}
	d.ipfs = meeting
	d.onClose(meeting.Close)
	d.Network.Bootstrap = meeting.Addrs()
	return nil
}

// Close stops everything, the last started first. Providers and consumers must have ended before.
func (d *Devnet) Close() error {
	var errs []error
	for i := len(d.closers) - 1; i >= 0; i-- {
		errs = append(errs, d.closers[i]())
	}
	d.closers = nil
	return errors.Join(errs...)
}

// Fund gives an account ether for gas and tokens to stake or spend.
func (d *Devnet) Fund(ctx context.Context, to common.Address, tokens contracts.Amount) error {
	return Fund(ctx, d.funder, d.Network.Token, to, tokens, fmt.Sprintf("%s-%d", to, time.Now().UnixNano()))
}

// GasGift is how much ether Fund gives for gas: a tenth, enough for hundreds of transactions at any fee of a devnet.
var GasGift = new(big.Int).Div(big.NewInt(params.Ether), big.NewInt(10))

// Fund sends gas from the sender's account and mints dev tokens. The id makes repeating it harmless.
func Fund(
	ctx context.Context, sender *chain.Sender, token, to common.Address, tokens contracts.Amount, id string,
) error {
	if _, err := sender.Send(ctx, chain.Intent{ID: "gas-" + id, To: &to, Value: GasGift}); err != nil {
		return fmt.Errorf("send gas to %s: %w", to, err)
	}
	data, err := devtoken.NewDevToken().TryPackMint(to, tokens.Big())
	if err != nil {
		return fmt.Errorf("mint for %s: %w", to, err)
	}
	if _, err := sender.Send(ctx, chain.Intent{ID: "mint-" + id, To: &token, Data: data}); err != nil {
		return fmt.Errorf("mint for %s: %w", to, err)
	}
	return nil
}

// TokenBalance reads how many tokens an account holds.
func (d *Devnet) TokenBalance(ctx context.Context, owner common.Address) (contracts.Amount, error) {
	binding := devtoken.NewDevToken()
	held, err := bind.Call(binding.Instance(d.Client, d.Network.Token), &bind.CallOpts{Context: ctx},
		binding.PackBalanceOf(owner), binding.UnpackBalanceOf)
	if err != nil {
		return contracts.Amount{}, fmt.Errorf("token balance of %s: %w", owner, err)
	}
	return contracts.AmountFromBig(held)
}
