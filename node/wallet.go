package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/contracts/chain"
	"byway/payments"
)

// WalletConfig says whose money is moved.
type WalletConfig struct {
	Home    Home
	Network Network
	// Owner is the account: it owns vault, deposits and earnings. Session is the key that its vault belongs to.
	Owner, Session common.Address
	// Key is the owner's. Nil: nothing is sent. Every transaction is collected for [Wallet.Unsigned], so that it can be
	// signed where the key is; and the home may be another process's.
	Key contracts.Signer
	Log *slog.Logger
}

// Wallet is what an account can do with its money by itself, with no provider's help and no daemon: deposit, look at
// its channels, leave them, withdraw.
type Wallet struct {
	*parts
	cfg     WalletConfig
	funding *payments.Funding
	known   *knownFunds // what the home believes to have while the chain is down
	shared  bool        // known is a consumer's, which holds the home
	unsent  *collector  // nil where transactions are sent
}

// OpenWallet opens the money of a home: its account, its ledger and the chain.
func OpenWallet(ctx context.Context, cfg WalletConfig) (*Wallet, error) {
	open := openMoney
	if cfg.Key == nil {
		open = openView
	}
	parts, err := open(ctx, partsConfig{Home: cfg.Home, Network: cfg.Network, Key: cfg.Key, Log: cfg.Log})
	if err != nil {
		return nil, err
	}
	w, err := parts.wallet(cfg)
	if err == nil {
		w.known, err = readKnownFunds(cfg.Home, cfg.Network)
	}
	if err != nil {
		return nil, errors.Join(err, parts.close())
	}
	return w, nil
}

// openView opens what it takes to look, and to prepare what is signed elsewhere: the chain, and the ledger as it stands,
// whoever holds it. It does not take the home's lock.
func openView(ctx context.Context, cfg partsConfig) (_ *parts, err error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p := &parts{home: cfg.Home, network: cfg.Network, log: cfg.Log, domain: payments.DomainOf(cfg.Network.Deployment)}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	// Where the home knows what there is to know of the token, a chain that takes long is not waited for.
	looking, cancel := ctx, context.CancelFunc(func() {})
	if _, err := recallToken(cfg.Network, cfg.Home); err == nil {
		looking, cancel = context.WithTimeout(ctx, lookPatience/2)
	}
	defer cancel()
	if p.chain, err = dialLazy(looking, cfg.Network, cfg.Log); err != nil {
		return nil, err
	}
	p.closers = append(p.closers, closerFunc(func() error { p.chain.Close(); return nil }))
	p.last = recallTime(cfg.Home, cfg.Network, cfg.Log)
	p.view = payments.NewChainView(p.chain.Agreed().OrAlone(), cfg.Network.Deployment)
	if p.token, err = viewToken(looking, p.chain, cfg.Network, cfg.Home); err != nil {
		return nil, err
	}
	switch p.ledger, err = payments.ViewLedger(ctx, cfg.Home.path("ledger.db")); {
	case errors.Is(err, fs.ErrNotExist):
		p.ledger = nil // nothing was ever promised here
	case err != nil:
		return nil, err
	default:
		p.closers = append(p.closers, p.ledger)
	}
	return p, nil
}

func (p *parts) wallet(cfg WalletConfig) (*Wallet, error) {
	w := &Wallet{parts: p, cfg: cfg}
	var sender payments.Sender = p.sender
	if cfg.Key == nil {
		w.unsent = &collector{owner: cfg.Owner}
		sender = w.unsent
	}
	var err error
	w.funding, err = payments.NewFunding(payments.FundingConfig{
		Backend: p.chain.Agreed().OrAlone(), Sender: sender, Deployment: p.network.Deployment, Log: p.log,
	})
	return w, err
}

// Wallet is the consumer's own. It is open as long as the consumer is; it must not be closed.
func (c *Consumer) Wallet() (*Wallet, error) {
	w, err := c.wallet(WalletConfig{
		Home: c.cfg.Home, Network: c.cfg.Network, Owner: c.cfg.Key.Address(), Session: c.cfg.Session.Address(),
		Key: c.cfg.Key, Log: c.cfg.Log,
	})
	if err != nil {
		return nil, err
	}
	w.known, w.shared = c.known, true
	return w, nil
}

// Close closes what [OpenWallet] opened.
func (w *Wallet) Close() error { return w.close() }

// Token returns the metadata of the network's token.
func (w *Wallet) Token() Token { return w.token }

// Owner is the account.
func (w *Wallet) Owner() common.Address { return w.cfg.Owner }

// ErrCold says that the account's key is not in this home, so that nothing can be signed with it here.
var ErrCold = errors.New("the account's key is not in this home: print the transaction with --unsigned, " +
	"sign it where the key is, and send it with byway tx submit")

// coldSigner is an account whose key is elsewhere.
type coldSigner struct{ address common.Address }

func (s coldSigner) Address() common.Address                { return s.address }
func (s coldSigner) SignDigest(common.Hash) ([]byte, error) { return nil, ErrCold }

// Sent says what one transaction of the account's did. It is zero where the transaction was collected, not sent.
type Sent struct {
	Action string           `json:"action"`
	Amount contracts.Amount `json:"amount"` // moved by it, in base units
	TxHash common.Hash      `json:"tx_hash"`
	Block  uint64           `json:"block"`
	Gas    uint64           `json:"gas_used"`
	Fee    Wei              `json:"fee_wei"`
}

func newSent(action string, amount contracts.Amount, r chain.Result) Sent {
	return Sent{action, amount, r.TxHash, r.Block, r.GasUsed, Wei{r.Fee}}
}

// head is the newest block that can be relied on.
func (w *Wallet) head(ctx context.Context) (chain.Block, error) {
	head, err := w.chain.Agreed().OrAlone().Head(ctx)
	if err != nil {
		return head, fmt.Errorf("read head: %w", err)
	}
	return head, nil
}
