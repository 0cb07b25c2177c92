package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/contracts/chain"
	"byway/node/account"
	"byway/node/home"
	"byway/node/token"
	"byway/payments/ledger"
	"byway/payments/payer"
)

// Config says whose money is moved.
type Config struct {
	Home    home.Home
	Network home.Network
	// Owner is the account: it owns vault, deposits and earnings. Session is the key that its vault belongs to.
	Owner, Session common.Address
	// Key is the owner's. Nil: nothing is sent. Every transaction is collected for [Wallet.Unsigned], so that it can be
	// signed where the key is; and the home may be another process's.
	Key contracts.Signer
	Log *slog.Logger
}

// Wallet moves an account's money without a provider's help and without a daemon: deposit, look at
// its channels, leave them, withdraw.
type Wallet struct {
	*account.Account
	cfg       Config
	Funding   *payer.Funding
	known     *account.Funds // what the home believes to have while the chain is down
	shared    bool           // known is a consumer's, which holds the home
	Collector *collector     // nil where transactions are sent
}

// Open opens the money of a home: its account, its ledger and the chain.
func Open(ctx context.Context, cfg Config) (*Wallet, error) {
	open := account.OpenMoney
	if cfg.Key == nil {
		open = account.OpenView
	}
	parts, err := open(ctx, account.Config{Home: cfg.Home, Network: cfg.Network, Key: cfg.Key, Log: cfg.Log})
	if err != nil {
		return nil, err
	}
	w, err := New(parts, cfg)
	if err == nil {
		w.known, err = account.ReadFunds(cfg.Home, cfg.Network)
	}
	if err != nil {
		return nil, errors.Join(err, parts.CloseAll())
	}
	return w, nil
}

// New makes a wallet of an open account.
func New(p *account.Account, cfg Config) (*Wallet, error) {
	w := &Wallet{Account: p, cfg: cfg}
	var sender payer.Sender = p.Sender
	if cfg.Key == nil {
		w.Collector = &collector{owner: cfg.Owner}
		sender = w.Collector
	}
	var err error
	w.Funding, err = payer.NewFunding(payer.FundingConfig{
		Backend: p.Chain.Agreed().OrAlone(), Sender: sender, Deployment: p.Network.Deployment, Log: p.Log,
	})
	return w, err
}

// Share has the wallet keep what another one, which holds the home, knows of its funds.
func (w *Wallet) Share(known *account.Funds) { w.known, w.shared = known, true }

// Close closes what [Open] opened.
func (w *Wallet) Close() error { return w.CloseAll() }

// Owner is the account.
func (w *Wallet) Owner() common.Address { return w.cfg.Owner }

// Receipt says what one transaction of the account's did. It is zero where the transaction was collected, not sent.
type Receipt struct {
	Action string           `json:"action"`
	Amount contracts.Amount `json:"amount"` // moved by it, in base units
	TxHash common.Hash      `json:"tx_hash"`
	Block  uint64           `json:"block"`
	Gas    uint64           `json:"gas_used"`
	Fee    token.Wei        `json:"fee_wei"`
}

// NewReceipt tells a mined transaction of the account: amount is in base units, the fee in wei.
func NewReceipt(action string, amount contracts.Amount, r chain.Result) Receipt {
	return Receipt{action, amount, r.TxHash, r.Block, r.GasUsed, token.Wei{Int: r.Fee}}
}

// head is the newest block that can be relied on.
func (w *Wallet) head(ctx context.Context) (chain.Block, error) {
	head, err := w.Chain.Agreed().OrAlone().Head(ctx)
	if err != nil {
		return head, fmt.Errorf("read head: %w", err)
	}
	return head, nil
}

// EarningsReport is that of a provider whose daemon does not run.
func (w *Wallet) EarningsReport(ctx context.Context) (account.EarningsReport, error) {
	e := ledger.Earnings{GasSpent: new(big.Int)} // without a ledger nothing was ever promised here
	if w.Ledger != nil {
		var err error
		if e, err = w.Ledger.Earnings(ctx, ledger.Claimant{Domain: w.Domain, Token: w.Network.Token, Payee: w.cfg.Owner}); err != nil {
			return account.EarningsReport{}, err
		}
	}
	return w.ReportEarnings(ctx, w.cfg.Owner, account.NewEarnings(e))
}
