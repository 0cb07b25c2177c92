package node

import (
	"context"
	"errors"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/node/account"
	"byway/node/api"
	"byway/node/api/spec"
	"byway/node/path"
	"byway/node/vault"
)

// What the local API answers about the account's money. A transaction is an operation of its own: who asked for it may go
// away, and asked again with the same key it is not sent twice.

// wallet opens the account's money for one piece of work: with nothing to sign for where it is only looked at, or what is sent
// is to be signed elsewhere.
func (n *Node) wallet(ctx context.Context, signs bool) (_ *vault.Wallet, work context.Context, release func(), err error) {
	a, work, release, err := n.lease(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	defer func() {
		if err != nil {
			release()
		}
	}()
	cfg := vault.Config{
		Home: n.cfg.Home, Network: n.cfg.Network, Owner: n.keys.Owner().Address(), Session: n.keys.Session().Address(), Log: n.log,
	}
	if signs {
		if n.keys.Locked() {
			return nil, nil, nil, api.ErrLocked
		}
		cfg.Key = n.keys.Owner()
	}
	w, err := vault.New(a, cfg)
	if err != nil {
		return nil, nil, nil, err
	}
	known, err := n.funds(a)
	if err != nil {
		return nil, nil, nil, err
	}
	w.Share(known)
	return w, work, release, nil
}

// funds is what the home believes of its channels while the chain is down: the connection's view where there is one.
func (n *Node) funds(a *account.Account) (*account.Funds, error) {
	if b := n.bought(); b != nil {
		return b.consumer().Funds(), nil
	}
	return account.ReadFunds(n.cfg.Home, n.cfg.Network)
}

// act runs what moves money as an operation. do moves it; told is the operation's result then.
func (n answers) act(kind, key string, request any, unsigned bool, do func(context.Context, *vault.Wallet) (vault.Receipt, error),
	told func(context.Context, *vault.Wallet, vault.Receipt) (any, error),
) (spec.BegunJSONResponse, error) {
	if !unsigned && n.keys.Locked() {
		return spec.BegunJSONResponse{}, api.ErrLocked
	}
	begun, err := n.Start(kind, key, request, func(ctx context.Context, _ func(string)) (any, error) {
		w, ctx, release, err := n.wallet(ctx, !unsigned)
		if err != nil {
			return nil, err
		}
		defer release()
		sent, err := do(ctx, w)
		if err != nil {
			return nil, err
		}
		if unsigned {
			return NewUnsigned(w.Unsigned(ctx))
		}
		return told(ctx, w, sent)
	})
	return spec.BegunJSONResponse(begun), err
}

// NewUnsigned tells what is to be signed elsewhere.
func NewUnsigned(list []vault.UnsignedTx, err error) (spec.Unsigned, error) {
	if err != nil {
		return spec.Unsigned{}, err
	}
	transactions, err := recast[[]spec.UnsignedTx](list)
	return spec.Unsigned{Schema: "byway.unsigned/1", Transactions: transactions}, err
}

// vaultAfter tells of the vault after a transaction.
func vaultAfter(ctx context.Context, w *vault.Wallet, sent vault.Receipt) (any, error) {
	return vaultOf(ctx, w, nil, &sent)
}

func vaultOf(ctx context.Context, w *vault.Wallet, since *uint64, sent *vault.Receipt) (spec.Vault, error) {
	status, err := w.Vault(ctx, since)
	if err != nil {
		return spec.Vault{}, err
	}
	return NewVault(status, sent)
}

// NewVault tells a vault, and what was sent before it was looked at.
func NewVault(status vault.Status, sent *vault.Receipt) (spec.Vault, error) {
	return recast[spec.Vault](struct {
		Schema string         `json:"schema"`
		Sent   *vault.Receipt `json:"sent,omitempty"`
		vault.Status
	}{"byway.vault/1", sent, status})
}

// NewChannelReport tells of a channel after a transaction.
func NewChannelReport(ctx context.Context, w *vault.Wallet, provider common.Address, outcome spec.ChannelReportOutcome, sent vault.Receipt,
) (report spec.ChannelReport, err error) {
	report = spec.ChannelReport{Schema: "byway.channel/1", Token: w.Token, Outcome: outcome}
	status, err := w.Channel(ctx, provider)
	if err != nil {
		return report, err
	}
	if report.Sent, err = recast[*spec.Sent](sent); err != nil {
		return report, err
	}
	report.Channel, err = recast[*spec.Channel](status)
	return report, err
}

// channelAfter tells of a channel after a transaction.
func channelAfter(provider common.Address, outcome spec.ChannelReportOutcome,
) func(context.Context, *vault.Wallet, vault.Receipt) (any, error) {
	return func(ctx context.Context, w *vault.Wallet, sent vault.Receipt) (any, error) {
		return NewChannelReport(ctx, w, provider, outcome, sent)
	}
}

// GetVault implements [spec.StrictServerInterface].
func (n answers) GetVault(ctx context.Context, r spec.GetVaultRequestObject) (spec.GetVaultResponseObject, error) {
	w, ctx, release, err := n.wallet(ctx, false)
	if err != nil {
		return nil, err
	}
	defer release()
	v, err := vaultOf(ctx, w, r.Params.Since, nil)
	return spec.GetVault200JSONResponse(v), err
}

// GetBalance implements [spec.StrictServerInterface].
func (n answers) GetBalance(ctx context.Context, _ spec.GetBalanceRequestObject) (spec.GetBalanceResponseObject, error) {
	owner := n.keys.Owner().Address()
	b, unit, err := account.ReadBalance(ctx, n.cfg.Network, owner, n.keys.Session().Address())
	return spec.GetBalance200JSONResponse{
		Schema: "byway.balance/1", Address: owner, Token: unit.Symbol, Decimals: unit.Decimals, Wallet: b.Wallet, Vault: b.Vault,
		GasWei: b.Gas,
	}, err
}

// Deposit implements [spec.StrictServerInterface].
func (n answers) Deposit(_ context.Context, r spec.DepositRequestObject) (spec.DepositResponseObject, error) {
	begun, err := n.act("deposit", r.Params.IdempotencyKey, r.Body, r.Body.Unsigned,
		func(ctx context.Context, w *vault.Wallet) (vault.Receipt, error) {
			return w.Deposit(ctx, r.Body.Amount)
		}, vaultAfter)
	return spec.Deposit202JSONResponse{BegunJSONResponse: begun}, err
}

// Withdraw implements [spec.StrictServerInterface].
func (n answers) Withdraw(_ context.Context, r spec.WithdrawRequestObject) (spec.WithdrawResponseObject, error) {
	begun, err := n.act("withdraw", r.Params.IdempotencyKey, r.Body, r.Body.Unsigned,
		func(ctx context.Context, w *vault.Wallet) (vault.Receipt, error) {
			return w.Withdraw(ctx, r.Body.Amount, orNobody(r.Body.To))
		}, vaultAfter)
	return spec.Withdraw202JSONResponse{BegunJSONResponse: begun}, err
}

// orNobody is an address that may be left out; zero stands for the account then.
func orNobody(a *common.Address) common.Address {
	if a == nil {
		return common.Address{}
	}
	return *a
}

// OpenChannel implements [spec.StrictServerInterface].
func (n answers) OpenChannel(_ context.Context, r spec.OpenChannelRequestObject) (spec.OpenChannelResponseObject, error) {
	begun, err := n.act("openChannel", r.Params.IdempotencyKey, r, r.Body.Unsigned,
		func(ctx context.Context, w *vault.Wallet) (vault.Receipt, error) {
			return w.Reserve(ctx, r.Provider, r.Body.Amount)
		}, channelAfter(r.Provider, spec.ChannelReportOutcomeOpened))
	return spec.OpenChannel202JSONResponse{BegunJSONResponse: begun}, err
}

// ExitChannel implements [spec.StrictServerInterface].
func (n answers) ExitChannel(_ context.Context, r spec.ExitChannelRequestObject) (spec.ExitChannelResponseObject, error) {
	outcome := spec.ChannelReportOutcomeFinished
	begun, err := n.act("exitChannel", r.Params.IdempotencyKey, r, r.Body.Unsigned,
		func(ctx context.Context, w *vault.Wallet) (sent vault.Receipt, err error) {
			sent, outcome, err = ExitChannel(ctx, w, r.Provider, r.Body.Wait, func(string) {})
			return sent, err
		},
		func(ctx context.Context, w *vault.Wallet, sent vault.Receipt) (any, error) {
			return NewChannelReport(ctx, w, r.Provider, outcome, sent)
		})
	return spec.ExitChannel202JSONResponse{BegunJSONResponse: begun}, err
}

// ExitChannel announces that what is set aside for a provider is taken back or, where it was announced and its delay is over,
// finishes that. With wait it announces, waits until the chain lets it, and finishes; step hears when that is.
func ExitChannel(ctx context.Context, w *vault.Wallet, provider common.Address, wait bool, step func(string),
) (vault.Receipt, spec.ChannelReportOutcome, error) {
	status, err := w.Channel(ctx, provider)
	if err != nil {
		return vault.Receipt{}, "", err
	}
	if status.Exit == vault.NoticeNone {
		if sent, err := w.StartExit(ctx, provider); err != nil || !wait {
			return sent, spec.ChannelReportOutcomeAnnounced, err
		}
		step("The exit is announced.")
	}
	for said := false; ; said = true {
		sent, err := w.FinishExit(ctx, provider)
		var early *vault.EarlyError
		if !errors.As(err, &early) || !wait || ctx.Err() != nil {
			return sent, spec.ChannelReportOutcomeFinished, err
		}
		if !said {
			step("It can be finished from " + early.At.Local().Format("2006-01-02 15:04:05") + ".")
		}
		account.Pause(ctx, min(max(early.At.Sub(early.Now), time.Second), time.Minute)) // of the chain's time
	}
}

// CancelExit implements [spec.StrictServerInterface].
func (n answers) CancelExit(_ context.Context, r spec.CancelExitRequestObject) (spec.CancelExitResponseObject, error) {
	begun, err := n.act("cancelExit", r.Params.IdempotencyKey, r, r.Body.Unsigned,
		func(ctx context.Context, w *vault.Wallet) (vault.Receipt, error) {
			return w.CancelExit(ctx, r.Provider)
		},
		channelAfter(r.Provider, spec.ChannelReportOutcomeCancelled))
	return spec.CancelExit202JSONResponse{BegunJSONResponse: begun}, err
}

// RevokeReserves implements [spec.StrictServerInterface].
func (n answers) RevokeReserves(_ context.Context, r spec.RevokeReservesRequestObject) (spec.RevokeReservesResponseObject, error) {
	begun, err := n.act("revokeReserves", r.Params.IdempotencyKey, r, r.Body.Unsigned,
		func(ctx context.Context, w *vault.Wallet) (vault.Receipt, error) {
			return w.RevokeReserves(ctx, r.Provider)
		},
		channelAfter(r.Provider, spec.ChannelReportOutcomeRevoked))
	return spec.RevokeReserves202JSONResponse{BegunJSONResponse: begun}, err
}

// closePatience bounds what a cooperative close may take.
const closePatience = 3 * time.Minute

// CloseChannel implements [spec.StrictServerInterface].
func (n answers) CloseChannel(_ context.Context, r spec.CloseChannelRequestObject) (spec.CloseChannelResponseObject, error) {
	if !r.Body.Unsigned && n.keys.Locked() {
		return nil, api.ErrLocked
	}
	begun, err := n.Start("closeChannel", r.Params.IdempotencyKey, r, func(ctx context.Context, _ func(string)) (any, error) {
		a, ctx, release, err := n.lease(ctx)
		if err != nil {
			return nil, err
		}
		defer release()
		ctx, cancel := context.WithTimeout(ctx, closePatience)
		defer cancel()
		consumer, done, err := n.asker(ctx, a)
		if err != nil {
			return nil, err
		}
		defer done()
		if err := consumer.WaitReady(ctx); err != nil {
			return nil, err
		}
		if r.Body.Unsigned {
			return NewUnsigned(consumer.UnsignedClose(ctx, r.Provider, orNobody(r.Body.To)))
		}
		sent, err := consumer.CloseChannel(ctx, r.Provider, orNobody(r.Body.To))
		if err != nil {
			return nil, err
		}
		w, err := consumer.Wallet()
		if err != nil {
			return nil, err
		}
		return channelAfter(r.Provider, spec.ChannelReportOutcomeClosed)(ctx, w, sent)
	})
	return spec.CloseChannel202JSONResponse{BegunJSONResponse: spec.BegunJSONResponse(begun)}, err
}

// asker is a consumer that opens no session: the connection's where there is one.
func (n *Node) asker(ctx context.Context, a *account.Account) (*path.Consumer, func(), error) {
	if b := n.bought(); b != nil {
		return b.consumer(), func() {}, nil
	}
	c, err := path.Open(ctx, a, path.Config{Session: n.keys.Session(), SpendCap: contracts.NewAmount(1)})
	if err != nil {
		return nil, nil, err
	}
	return c, func() { _ = c.Close() }, nil // it holds no machine, and its index is read only
}

// GetEarnings implements [spec.StrictServerInterface].
func (n answers) GetEarnings(ctx context.Context, _ spec.GetEarningsRequestObject) (spec.GetEarningsResponseObject, error) {
	var report account.EarningsReport
	var err error
	if s := n.sold(); s != nil {
		report, err = s.EarningsReport(ctx)
	} else {
		w, work, release, leaseErr := n.wallet(ctx, false)
		if leaseErr != nil {
			return nil, leaseErr
		}
		defer release()
		report, err = w.EarningsReport(work)
	}
	answer, err := NewEarnings(report, err)
	return spec.GetEarnings200JSONResponse(answer), err
}

// NewEarnings tells what was earned.
func NewEarnings(report account.EarningsReport, err error) (spec.EarningsReport, error) {
	if err != nil {
		return spec.EarningsReport{}, err
	}
	return recast[spec.EarningsReport](report)
}
