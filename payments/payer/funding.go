package payer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math/big"

	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/contracts/bindings/channels"
	"byway/contracts/bindings/erc20"
	"byway/contracts/chain"
	"byway/payments"
)

// FundingConfig says whose vaults are managed: the sender's account is their payer. Log may be nil.
type FundingConfig struct {
	Backend    bind.ContractBackend
	Sender     Sender
	Deployment contracts.Deployment
	// Token is the one that the vaults hold. Zero: the deployment's.
	Token common.Address
	Log   *slog.Logger
}

// Funding moves an account's tokens into its vaults and out again, and does what else a payer or a payee can do on
// chain with a channel. Every method that sends takes an id: the same id is the same transaction, across restarts; an
// empty one is a new transaction. Safe for concurrent use.
type Funding struct {
	cfg      FundingConfig
	token    common.Address
	contract *channels.Channels
	erc20    *erc20.ERC20
	bound    *bind.BoundContract // the token
	log      *slog.Logger

	allowance chan struct{} // holds one token: an approval and the deposit that uses it go together
}

// NewFunding makes the account of the sender manage its vaults.
func NewFunding(cfg FundingConfig) (*Funding, error) {
	if cfg.Backend == nil || cfg.Sender == nil {
		return nil, errors.New("funding: backend and sender are required")
	}
	f := &Funding{
		cfg: cfg, token: cfg.Token, contract: channels.NewChannels(), erc20: erc20.NewERC20(), log: cfg.Log,
		allowance: make(chan struct{}, 1),
	}
	if f.token == (common.Address{}) {
		f.token = cfg.Deployment.Token
	}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	f.bound = f.erc20.Instance(cfg.Backend, f.token)
	return f, nil
}

// Channel names the channel of this account with a payee through a session key.
func (f *Funding) Channel(signer, payee common.Address) contracts.Channel {
	return contracts.Channel{
		Vault: contracts.Vault{Token: f.token, Payer: f.cfg.Sender.Address(), Signer: signer}, Payee: payee,
	}
}

// Balance reads how much of the token the account holds, in base units.
func (f *Funding) Balance(ctx context.Context, account common.Address) (contracts.Amount, error) {
	out, err := bind.Call(f.bound, &bind.CallOpts{Context: ctx}, f.erc20.PackBalanceOf(account), f.erc20.UnpackBalanceOf)
	if err != nil {
		return contracts.Amount{}, fmt.Errorf("read token balance of %s: %w", account, err)
	}
	if out.BitLen() > 96 {
		return contracts.MaxAmount(), nil // more than a channel can hold
	}
	return contracts.AmountFromBig(out)
}

// BalanceError says that an account holds less of the token than it wants to deposit.
type BalanceError struct {
	Account, Token common.Address
	Have, Want     contracts.Amount
}

// Error implements error.
func (e *BalanceError) Error() string {
	return fmt.Sprintf("account %s holds %s base units of token %s and wants to deposit %s base units: send it more of the token", e.Account,
		e.Have, e.Token, e.Want)
}

// Deposit puts that much into the account's vault of a session key, approving it first where needed.
func (f *Funding) Deposit(ctx context.Context, id string, signer common.Address, amount contracts.Amount,
) (chain.Result, error) {
	id = intentID(id)
	select {
	case f.allowance <- struct{}{}:
		defer func() { <-f.allowance }()
	case <-ctx.Done():
		return chain.Result{}, ctx.Err()
	}
	if err := f.approve(ctx, id, amount); err != nil {
		return chain.Result{}, err
	}
	data, err := f.contract.TryPackDeposit(f.token, f.cfg.Sender.Address(), signer, amount.Big())
	return f.send(ctx, "deposit", id, data, err)
}

// Open deposits that much and raises what is guaranteed to a payee to ceiling, a lifetime total, in one transaction.
// Where the ceiling is that high already nothing is set aside.
func (f *Funding) Open(ctx context.Context, id string, signer, payee common.Address, amount, ceiling contracts.Amount,
) (chain.Result, error) {
	id = intentID(id)
	select {
	case f.allowance <- struct{}{}:
		defer func() { <-f.allowance }()
	case <-ctx.Done():
		return chain.Result{}, ctx.Err()
	}
	if err := f.approve(ctx, id, amount); err != nil {
		return chain.Result{}, err
	}
	data, err := f.contract.TryPackOpen(f.token, signer, payee, amount.Big(), ceiling.Big())
	return f.send(ctx, "open channel", id, data, err)
}

// Reserve raises what is guaranteed to a payee to ceiling, a lifetime total, out of the vault's free balance.
func (f *Funding) Reserve(ctx context.Context, id string, signer, payee common.Address, ceiling contracts.Amount,
) (chain.Result, error) {
	data, err := f.contract.TryPackReserve(f.token, signer, payee, ceiling.Big())
	return f.send(ctx, "reserve", intentID(id), data, err)
}

// Withdraw takes free balance out of the vault.
func (f *Funding) Withdraw(ctx context.Context, id string, signer common.Address, amount contracts.Amount,
	to common.Address,
) (chain.Result, error) {
	data, err := f.contract.TryPackWithdraw(f.token, signer, amount.Big(), to)
	return f.send(ctx, "withdraw", intentID(id), data, err)
}

// StartExit announces that the account wants a channel's reserve back; the payee can claim until it gets it.
func (f *Funding) StartExit(ctx context.Context, id string, signer, payee common.Address) (chain.Result, error) {
	data, err := f.contract.TryPackStartExit(f.token, signer, payee)
	return f.send(ctx, "start exit", intentID(id), data, err)
}

// CancelExit takes that back.
func (f *Funding) CancelExit(ctx context.Context, id string, signer, payee common.Address) (chain.Result, error) {
	data, err := f.contract.TryPackCancelExit(f.token, signer, payee)
	return f.send(ctx, "cancel exit", intentID(id), data, err)
}

// FinishExit returns the rest of the reserve to the vault, once the exit's time has come.
func (f *Funding) FinishExit(ctx context.Context, id string, signer, payee common.Address) (chain.Result, error) {
	data, err := f.contract.TryPackFinishExit(f.token, f.cfg.Sender.Address(), signer, payee)
	return f.send(ctx, "finish exit", intentID(id), data, err)
}

// Revoke makes what was signed to be reserved for a payee and not posted yet worth nothing, by a new epoch of the channel.
func (f *Funding) Revoke(ctx context.Context, id string, signer, payee common.Address) (chain.Result, error) {
	data, err := f.contract.TryPackRevoke(f.token, signer, payee)
	return f.send(ctx, "revoke", intentID(id), data, err)
}

// Close ends a channel in one transaction with the payee's consent: it pays the last promise (nil where the payee has
// claimed it already), takes the rest of the reserve back, where it has not come back already, and withdraws the vault's
// whole free balance. It reverts with WrongEpoch where the payee has ended the release's epoch, by posting a reserve that
// the payer had signed: ask for another release then.
func (f *Funding) Close(ctx context.Context, id string, last *payments.Promise, r payments.Release, to common.Address,
) (chain.Result, error) {
	if r.Token != f.token || r.Payer != f.cfg.Sender.Address() {
		return chain.Result{}, fmt.Errorf("close channel: %w: release is for %s", payments.ErrWrongChannel, r.Channel)
	}
	var rows []byte
	if last != nil {
		if last.Channel != r.Channel {
			return chain.Result{}, fmt.Errorf("close channel: %w: promise is for %s", payments.ErrWrongChannel, last.Channel)
		}
		row := last.Row()
		rows = row[:]
	}
	data, err := f.contract.TryPackCloseAndWithdraw(channels.IChannelsClosing{
		Token: f.token, Signer: r.Signer, Payee: r.Payee, Rows: rows, Ceiling: r.Ceiling.Big(),
		Epoch: new(big.Int).SetUint64(uint64(r.Epoch)), ValidUntil: new(big.Int).SetUint64(r.ValidUntil),
		Signature: r.Sig.Full(), To: to,
	})
	return f.send(ctx, "close channel", intentID(id), data, err)
}

// Release gives a payer its reserve above a ceiling back at once; the account is the payee.
func (f *Funding) Release(ctx context.Context, id string, payer, signer common.Address, ceiling contracts.Amount,
) (chain.Result, error) {
	data, err := f.contract.TryPackRelease(f.token, payer, signer, ceiling.Big())
	return f.send(ctx, "release", intentID(id), data, err)
}

// PostReserves raises what payers have signed to reserve for one payee. The chain skips what does not hold (any more). A
// reserve that raises anything is spent, and begins its channel's next epoch.
func (f *Funding) PostReserves(ctx context.Context, id string, payee common.Address, list []payments.Reserve,
) (chain.Result, error) {
	var rows []byte
	for _, r := range list {
		if r.Token != f.token || r.Payee != payee {
			return chain.Result{}, fmt.Errorf("post reserves: %w: reserve is for %s", payments.ErrWrongChannel, r.Channel)
		}
		row := r.Row()
		rows = append(rows, row[:]...)
	}
	data, err := f.contract.TryPackReserveSigned(f.token, payee, rows)
	return f.send(ctx, "post reserves", intentID(id), data, err)
}

// Sent is a [Sender] that knows what it has sent before: a deposit that is repeated need not find its tokens or its
// approval once more. [chain.Sender] is one.
type Sent interface {
	// Sent reports whether a transaction of that id was recorded, mined or not.
	Sent(ctx context.Context, id string) (bool, error)
}

// approve lets the Channels contract take that much for the deposit of that id, where it may not already and the
// deposit was not sent before.
func (f *Funding) approve(ctx context.Context, id string, amount contracts.Amount) error {
	if before, ok := f.cfg.Sender.(Sent); ok {
		if sent, err := before.Sent(ctx, id); err != nil || sent {
			return err
		}
	}
	self := f.cfg.Sender.Address()
	have, err := f.Balance(ctx, self)
	if err != nil {
		return err
	}
	if have.Less(amount) {
		return &BalanceError{Account: self, Token: f.token, Have: have, Want: amount}
	}
	allowed, err := bind.Call(f.bound, &bind.CallOpts{Context: ctx},
		f.erc20.PackAllowance(self, f.cfg.Deployment.Channels), f.erc20.UnpackAllowance)
	if err != nil {
		return fmt.Errorf("read allowance of %s: %w", self, err)
	}
	if allowed.Cmp(amount.Big()) >= 0 {
		return nil
	}
	err = f.sendApproval(ctx, id+"/approve", amount.Big())
	var reverted *chain.RevertError
	if errors.As(err, &reverted) && allowed.Sign() > 0 {
		// Some tokens, among them the largest, let an allowance be changed from nothing only.
		if err := f.sendApproval(ctx, id+"/approve-zero", new(big.Int)); err != nil {
			return err
		}
		err = f.sendApproval(ctx, id+"/approve-again", amount.Big())
	}
	return err
}

func (f *Funding) sendApproval(ctx context.Context, id string, amount *big.Int) error {
	data, err := f.erc20.TryPackApprove(f.cfg.Deployment.Channels, amount)
	if err != nil {
		return fmt.Errorf("encode approval: %w", err)
	}
	if _, err := f.cfg.Sender.Send(ctx, chain.Intent{ID: id, To: &f.token, Data: data}); err != nil {
		return fmt.Errorf("approve deposit: %w", err)
	}
	return nil
}

func (f *Funding) send(ctx context.Context, what, id string, data []byte, err error) (chain.Result, error) {
	if err != nil {
		return chain.Result{}, fmt.Errorf("encode %s: %w", what, err)
	}
	r, err := f.cfg.Sender.Send(ctx, chain.Intent{ID: id, To: &f.cfg.Deployment.Channels, Data: data})
	if err != nil {
		return chain.Result{}, fmt.Errorf("%s: %w", what, err)
	}
	f.log.Info("sent", "what", what, "tx", r.TxHash, "gas", r.GasUsed)
	return r, nil
}

func intentID(id string) string {
	if id == "" {
		return "funding/" + rand.Text()
	}
	return id
}

// Sender sends transactions exactly once for each intent, across restarts. [chain.Sender] is the real one.
type Sender interface {
	Address() common.Address
	Send(ctx context.Context, i chain.Intent) (chain.Result, error)
}
