// Package vault owns what a person does with an account's money by hand, without a daemon: deposits, reserves,
// withdrawals and the way out of a channel, sent from here or left unsigned for a key that is elsewhere. What a session
// pays by itself is package path's, and the calls to the contracts are payments/payer's.
package vault

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/contracts/bindings/channels"
	"byway/contracts/chain"
	"byway/node/token"
	"byway/payments/chainview"
)

// Notice tells where a consumer's way out of a channel stands.
type Notice string

// The exit states.
const (
	NoticeNone    Notice = "none"
	NoticeRunning Notice = "running" // the provider can claim until it is over
	NoticeOver    Notice = "ready"   // the reserve can be taken back
)

// ChannelStatus is one channel as its consumer sees it: byway.channel/1. Amounts are in base units; Promised, Settled
// and Ceiling are lifetime totals.
type ChannelStatus struct {
	Provider common.Address   `json:"provider"`
	Promised contracts.Amount `json:"promised"` // by this home's ledger
	Settled  contracts.Amount `json:"settled"`  // paid out on chain
	Owed     contracts.Amount `json:"owed"`     // promised and not settled: the provider may claim it any moment
	Ceiling  contracts.Amount `json:"ceiling"`
	Reserved contracts.Amount `json:"reserved"` // set aside for the provider now
	Exit     Notice           `json:"exit"`
	ExitAt   *time.Time       `json:"exit_at,omitempty"` // by the chain's clock
	Epoch    uint32           `json:"epoch"`
	Block    uint64           `json:"block"`
	Time     time.Time        `json:"time"` // of that block
	// Unavailable is why nothing but Promised is known of the channel; empty where it is.
	Unavailable string `json:"unavailable,omitempty"`
}

// Status is a vault with its channels: byway.vault/1. It is all of one block or, while the chain can't be read, what
// the home knew of each last.
type Status struct {
	Owner    common.Address    `json:"owner"`
	Session  common.Address    `json:"session_key"`
	Token    token.Token       `json:"token"`
	Wallet   *contracts.Amount `json:"wallet"`   // tokens of the account, outside the vault; null where they are not known
	Free     *contracts.Amount `json:"free"`     // in the vault, set aside for nobody: it can be withdrawn
	Reserved *contracts.Amount `json:"reserved"` // in the vault, set aside for providers
	Block    uint64            `json:"block"`    // 0 where the home knows nothing
	Time     time.Time         `json:"time"`     // of that block
	// Unavailable is why the chain can't be read; empty where all this was read now.
	Unavailable string          `json:"unavailable,omitempty"`
	Channels    []ChannelStatus `json:"channels"`
}

// ErrNothingFree says that there is nothing in the vault that could be withdrawn.
var ErrNothingFree = errors.New("nothing in the vault is free")

// ErrNoReserve says that nothing is set aside on a channel, so that there is nothing to take back.
var ErrNoReserve = errors.New("nothing is set aside for this provider")

// readVault reads all of it from the chain.
func (w *Wallet) readVault(ctx context.Context, since *uint64) (Status, error) {
	head, err := w.head(ctx)
	if err != nil {
		return Status{}, err
	}
	status := Status{
		Owner: w.cfg.Owner, Session: w.cfg.Session, Token: w.Token, Block: head.Number, Time: head.Time,
		Channels: []ChannelStatus{},
	}
	wallet, err := token.BalanceOf(ctx, w.Chain.Agreed().OrAlone(), w.Network.Token, w.cfg.Owner)
	if err != nil {
		return status, err
	}
	own, err := w.View.StateAt(ctx, w.ChannelTo(w.cfg.Owner), head.Number)
	if err != nil {
		return status, err
	}
	var reserved contracts.Amount
	status.Wallet, status.Free, status.Reserved = &wallet, &own.Free, &reserved
	payees, err := w.payees(ctx, since, head)
	if err != nil {
		return status, err
	}
	for _, payee := range payees {
		c, _, err := w.channelStatus(ctx, payee, head)
		if err != nil {
			return status, err
		}
		if reserved, err = reserved.Add(c.Reserved); err != nil {
			return status, err
		}
		status.Channels = append(status.Channels, c)
	}
	return status, nil
}

// Channel reads one channel.
func (w *Wallet) Channel(ctx context.Context, provider common.Address) (ChannelStatus, error) {
	head, err := w.head(ctx)
	if err != nil {
		return ChannelStatus{}, err
	}
	c, _, err := w.channelStatus(ctx, provider, head)
	return c, err
}

func (w *Wallet) ChannelTo(payee common.Address) contracts.Channel {
	return contracts.Channel{
		Vault: contracts.Vault{Token: w.Network.Token, Payer: w.cfg.Owner, Signer: w.cfg.Session}, Payee: payee,
	}
}

func (w *Wallet) channelStatus(ctx context.Context, payee common.Address, head chain.Block,
) (ChannelStatus, chainview.State, error) {
	channel := w.ChannelTo(payee)
	s, err := w.View.StateAt(ctx, channel, head.Number)
	if err != nil {
		return ChannelStatus{}, s, err
	}
	c := ChannelStatus{Provider: payee, Time: head.Time}
	if w.Ledger != nil {
		if c.Promised, err = w.Ledger.Promised(ctx, w.Domain, channel); err != nil {
			return c, s, err
		}
	}
	c.fill(s)
	if s.Exiting() {
		if over, err := w.exitOver(ctx, channel, s.ExitAt, head); err != nil {
			return c, s, err
		} else if over {
			c.Exit = NoticeOver
		}
	}
	return c, s, nil
}

// fill takes over what the chain says of the channel, beside Promised.
func (c *ChannelStatus) fill(s chainview.State) {
	c.Settled, c.Ceiling, c.Reserved = s.Settled, s.Ceiling, s.Ceiling.SubFloor(s.Settled)
	c.Owed, c.Exit, c.Epoch, c.Block = c.Promised.SubFloor(s.Settled), NoticeNone, s.Epoch, s.Block
	if s.Exiting() {
		c.ExitAt, c.Exit = &s.ExitAt, NoticeRunning
	}
}

// exitOver reports whether an exit can be finished, which the chain decides by its own clock: by the newest block's time
// or, since an idle chain's newest block may be old, by what the contract would do in the next one.
func (w *Wallet) exitOver(ctx context.Context, c contracts.Channel, exitAt time.Time, head chain.Block) (bool, error) {
	if !head.Time.Before(exitAt) {
		return true, nil
	}
	data, err := channels.NewChannels().TryPackFinishExit(c.Token, c.Payer, c.Signer, c.Payee)
	if err != nil {
		return false, err
	}
	_, err = w.Chain.EstimateGas(ctx, ethereum.CallMsg{From: w.cfg.Owner, To: &w.Network.Channels, Data: data})
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	return err == nil, nil // what can't be asked is not over, as far as anybody here knows
}

// payees are the other ends of the vault's channels, in a fixed order.
func (w *Wallet) payees(ctx context.Context, since *uint64, head chain.Block) ([]common.Address, error) {
	known, err := w.knownPayees(ctx)
	if err != nil {
		return nil, err
	}
	if since == nil && w.Network.Private {
		since = new(uint64)
	}
	if since != nil {
		found, err := w.scan(ctx, *since, head.Number)
		if err != nil {
			return nil, err
		}
		known = append(known, found...)
	}
	return inOrder(known), nil
}

func inOrder(list []common.Address) []common.Address {
	slices.SortFunc(list, func(a, b common.Address) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(list)
}

// knownPayees are those that this home has paid or set money aside for, in a fixed order.
func (w *Wallet) knownPayees(ctx context.Context) ([]common.Address, error) {
	known, err := w.Home.Payees()
	if err != nil {
		return nil, err
	}
	if w.Ledger != nil {
		accounts, err := w.Ledger.AccountsOfVault(ctx, w.Domain, w.ChannelTo(common.Address{}).Vault)
		if err != nil {
			return nil, err
		}
		for _, a := range accounts {
			known = append(known, a.Channel.Payee)
		}
	}
	return inOrder(known), nil
}

// scan looks for channels of the vault in the events of a range of blocks, in pieces that the endpoint is willing to
// answer.
func (w *Wallet) scan(ctx context.Context, from, to uint64) ([]common.Address, error) {
	abi := channelsABI()
	contract := channels.NewChannels()
	topics := [][]common.Hash{
		{
			abi.Events[channels.ChannelsOpenedEventName].ID, abi.Events[channels.ChannelsReservedEventName].ID,
			abi.Events[channels.ChannelsReserveUsedEventName].ID, // posted by the provider
		},
		{common.BytesToHash(w.Network.Token[:])}, {common.BytesToHash(w.cfg.Owner[:])},
	}
	var found []common.Address
	for step := to - min(from, to) + 1; from <= to; {
		last := min(to, from+step-1)
		logs, err := w.Chain.FilterLogs(ctx, ethereum.FilterQuery{
			FromBlock: new(big.Int).SetUint64(from), ToBlock: new(big.Int).SetUint64(last),
			Addresses: []common.Address{w.Network.Channels}, Topics: topics,
		})
		if err != nil {
			if step == 1 || ctx.Err() != nil {
				return nil, fmt.Errorf("look for channels in blocks %d to %d: %w", from, last, err)
			}
			step = max(1, step/4)
			continue
		}
		for _, log := range logs {
			if e, err := contract.UnpackOpenedEvent(&log); err == nil && e.Signer == w.cfg.Session {
				found = append(found, e.Payee)
			} else if e, err := contract.UnpackReservedEvent(&log); err == nil && e.Signer == w.cfg.Session {
				found = append(found, e.Payee)
			} else if e, err := contract.UnpackReserveUsedEvent(&log); err == nil && e.Signer == w.cfg.Session {
				found = append(found, e.Payee)
			}
		}
		from = last + 1
	}
	return found, nil
}

func channelsABI() abi.ABI { return channels.NewChannels().GetABI() }

// Deposit moves tokens from the account into the vault.
func (w *Wallet) Deposit(ctx context.Context, amount contracts.Amount) (Receipt, error) {
	r, err := w.Send(ctx, nil, common.Address{}, func() (chain.Result, error) {
		return w.Funding.Deposit(ctx, "", w.cfg.Session, amount)
	})
	return NewReceipt("deposit", amount, r), err
}

// Reserve sets that much aside for a provider, beside what is already, and deposits what the vault lacks for it in the
// same transaction.
func (w *Wallet) Reserve(ctx context.Context, provider common.Address, amount contracts.Amount) (Receipt, error) {
	s, err := w.View.State(ctx, w.ChannelTo(provider))
	if err != nil {
		return Receipt{}, err
	}
	if s.Exiting() {
		return Receipt{}, &ExitingError{provider}
	}
	ceiling := s.Ceiling
	if ceiling.Less(s.Settled) {
		ceiling = s.Settled
	}
	if ceiling, err = ceiling.Add(amount); err != nil {
		return Receipt{}, fmt.Errorf("reserve for %s: %w", provider, err)
	}
	if err := w.Home.AddPayee(provider); err != nil {
		return Receipt{}, err
	}
	if missing := amount.SubFloor(s.Free); !missing.IsZero() {
		r, err := w.Send(ctx, TakesFree(amount), provider, func() (chain.Result, error) {
			return w.Funding.Open(ctx, "", w.cfg.Session, provider, missing, ceiling)
		})
		return NewReceipt("open", amount, r), err
	}
	r, err := w.Send(ctx, TakesFree(amount), provider, func() (chain.Result, error) {
		return w.Funding.Reserve(ctx, "", w.cfg.Session, provider, ceiling)
	})
	return NewReceipt("reserve", amount, r), err
}

// Withdraw moves free balance out of the vault; nil is all that is free. A zero address is the account's own.
func (w *Wallet) Withdraw(ctx context.Context, amount *contracts.Amount, to common.Address) (Receipt, error) {
	// A claim may take some of what was free between the reading and the sending: then it reverts, and of all that is free
	// less is asked for.
	for try := 0; ; try++ {
		s, err := w.View.State(ctx, w.ChannelTo(w.cfg.Owner))
		if err != nil {
			return Receipt{}, err
		}
		if amount != nil {
			return w.withdraw(ctx, s, *amount, to)
		}
		sent, err := w.withdraw(ctx, s, s.Free, to)
		var reverts *chain.RevertError
		if !errors.As(err, &reverts) || reverts.TxHash != (common.Hash{}) || try == 2 {
			return sent, err
		}
	}
}

func (w *Wallet) withdraw(ctx context.Context, s chainview.State, amount contracts.Amount, to common.Address) (Receipt, error) {
	if amount.IsZero() {
		return Receipt{}, ErrNothingFree
	}
	if s.Free.Less(amount) {
		return Receipt{}, &FreeError{w.Token.Format(s.Free), w.Token.Format(amount)}
	}
	r, err := w.Send(ctx, TakesFree(amount), common.Address{}, func() (chain.Result, error) {
		return w.Funding.Withdraw(ctx, "", w.cfg.Session, amount, cmp.Or(to, w.cfg.Owner))
	})
	return NewReceipt("withdraw", amount, r), err
}

// StartExit announces that the account wants the reserve of a channel back. The provider can claim what it was promised
// until the exit is over, and the channel's status then says when that is.
func (w *Wallet) StartExit(ctx context.Context, provider common.Address) (Receipt, error) {
	c, err := w.Channel(ctx, provider)
	switch {
	case err != nil:
		return Receipt{}, err
	case c.Reserved.IsZero():
		return Receipt{}, fmt.Errorf("%s: %w", provider, ErrNoReserve)
	case c.Exit != NoticeNone:
		return Receipt{}, fmt.Errorf("the exit from %s is under way already", provider)
	}
	r, err := w.Send(ctx, TakesReserve(provider), provider, func() (chain.Result, error) {
		return w.Funding.StartExit(ctx, "", w.cfg.Session, provider)
	})
	return NewReceipt("start exit", c.Reserved, r), err
}

// CancelExit takes the announcement back.
func (w *Wallet) CancelExit(ctx context.Context, provider common.Address) (Receipt, error) {
	c, err := w.Channel(ctx, provider)
	switch {
	case err != nil:
		return Receipt{}, err
	case c.Exit == NoticeNone:
		return Receipt{}, fmt.Errorf("no exit from %s is under way", provider)
	}
	r, err := w.Send(ctx, nil, provider, func() (chain.Result, error) {
		return w.Funding.CancelExit(ctx, "", w.cfg.Session, provider)
	})
	return NewReceipt("cancel exit", c.Reserved, r), err
}

// RevokeReserves makes every reserve that this account has signed for a provider and that was not posted yet worth nothing,
// so that a later deposit can't be set aside with it. What is set aside stays so.
func (w *Wallet) RevokeReserves(ctx context.Context, provider common.Address) (Receipt, error) {
	r, err := w.Send(ctx, nil, provider, func() (chain.Result, error) {
		return w.Funding.Revoke(ctx, "", w.cfg.Session, provider)
	})
	return NewReceipt("revoke", contracts.Amount{}, r), err
}

// FinishExit returns what the provider has not claimed to the vault, once the exit is over.
func (w *Wallet) FinishExit(ctx context.Context, provider common.Address) (Receipt, error) {
	c, err := w.Channel(ctx, provider)
	switch {
	case err != nil:
		return Receipt{}, err
	case c.Exit == NoticeNone:
		return Receipt{}, fmt.Errorf("no exit from %s is under way", provider)
	case c.Exit == NoticeRunning:
		return Receipt{}, &EarlyError{provider, *c.ExitAt, c.Time}
	}
	r, err := w.Send(ctx, TakesReserve(provider), provider, func() (chain.Result, error) {
		return w.Funding.FinishExit(ctx, "", w.cfg.Session, provider)
	})
	if tooEarly(err) { // the block that it would have been in is not so far yet
		err = &EarlyError{provider, *c.ExitAt, c.Time}
	}
	return NewReceipt("finish exit", c.Reserved, r), err
}

// ExitingError says that nothing can be set aside on a channel, whose exit is under way.
type ExitingError struct{ Provider common.Address }

// Error implements error.
func (e *ExitingError) Error() string {
	return fmt.Sprintf("the exit from %s is under way", e.Provider)
}

// FreeError says that less of the vault is free than was to be withdrawn: the rest is set aside for providers.
type FreeError struct{ Free, Wanted string } // in tokens

// Error implements error.
func (e *FreeError) Error() string {
	return fmt.Sprintf("the vault has %s free, less than %s", e.Free, e.Wanted)
}

// EarlyError says that an exit can't be finished yet.
type EarlyError struct {
	Provider common.Address
	At       time.Time // by the chain's clock
	Now      time.Time // of the newest block
}

// Error implements error.
func (e *EarlyError) Error() string {
	return fmt.Sprintf("the exit from %s is over at %s by the chain's clock, not before", e.Provider,
		e.At.Format(time.RFC3339))
}

// tooEarly reports whether the contract says that an exit is not over yet.
func tooEarly(err error) bool { return chain.Reverted(err, "ExitTooEarly") }
