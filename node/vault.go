package node

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/big"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/contracts/bindings/channels"
	"byway/contracts/chain"
	"byway/contracts/disk"
	"byway/payments"
)

// ExitState is where a consumer's way out of a channel stands.
type ExitState string

// The exit states.
const (
	ExitNone    ExitState = "none"
	ExitRunning ExitState = "running" // the provider can claim until it is over
	ExitReady   ExitState = "ready"   // the reserve can be taken back
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
	Exit     ExitState        `json:"exit"`
	ExitAt   *time.Time       `json:"exit_at,omitempty"` // by the chain's clock
	Epoch    uint32           `json:"epoch"`
	Block    uint64           `json:"block"`
	Time     time.Time        `json:"time"` // of that block
	// Unavailable is why nothing but Promised is known of the channel; empty where it is.
	Unavailable string `json:"unavailable,omitempty"`
}

// VaultStatus is a vault with its channels: byway.vault/1. It is all of one block or, while the chain can't be read, what
// the home knew of each last.
type VaultStatus struct {
	Owner    common.Address    `json:"owner"`
	Session  common.Address    `json:"session_key"`
	Token    Token             `json:"token"`
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
func (w *Wallet) readVault(ctx context.Context, since *uint64) (VaultStatus, error) {
	head, err := w.head(ctx)
	if err != nil {
		return VaultStatus{}, err
	}
	status := VaultStatus{
		Owner: w.cfg.Owner, Session: w.cfg.Session, Token: w.token, Block: head.Number, Time: head.Time,
		Channels: []ChannelStatus{},
	}
	wallet, err := tokenBalance(ctx, w.chain.Agreed().OrAlone(), w.network.Token, w.cfg.Owner)
	if err != nil {
		return status, err
	}
	own, err := w.view.StateAt(ctx, w.channel(w.cfg.Owner), head.Number)
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
		c, _, err := w.status(ctx, payee, head)
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

// vault is what the daemon answers while it has the home for itself.
func (c *Consumer) vault(ctx context.Context) (VaultStatus, error) {
	w, err := c.Wallet()
	if err != nil {
		return VaultStatus{}, err
	}
	return w.Vault(ctx, nil)
}

// Channel reads one channel.
func (w *Wallet) Channel(ctx context.Context, provider common.Address) (ChannelStatus, error) {
	head, err := w.head(ctx)
	if err != nil {
		return ChannelStatus{}, err
	}
	c, _, err := w.status(ctx, provider, head)
	return c, err
}

func (w *Wallet) channel(payee common.Address) contracts.Channel {
	return contracts.Channel{
		Vault: contracts.Vault{Token: w.network.Token, Payer: w.cfg.Owner, Signer: w.cfg.Session}, Payee: payee,
	}
}

func (w *Wallet) status(ctx context.Context, payee common.Address, head chain.Block,
) (ChannelStatus, payments.ChannelState, error) {
	channel := w.channel(payee)
	s, err := w.view.StateAt(ctx, channel, head.Number)
	if err != nil {
		return ChannelStatus{}, s, err
	}
	c := ChannelStatus{Provider: payee, Time: head.Time}
	if w.ledger != nil {
		if c.Promised, err = w.ledger.Promised(ctx, w.domain, channel); err != nil {
			return c, s, err
		}
	}
	c.fill(s)
	if s.Exiting() {
		if over, err := w.exitOver(ctx, channel, s.ExitAt, head); err != nil {
			return c, s, err
		} else if over {
			c.Exit = ExitReady
		}
	}
	return c, s, nil
}

// fill takes over what the chain says of the channel, beside Promised.
func (c *ChannelStatus) fill(s payments.ChannelState) {
	c.Settled, c.Ceiling, c.Reserved = s.Settled, s.Ceiling, s.Ceiling.SubFloor(s.Settled)
	c.Owed, c.Exit, c.Epoch, c.Block = c.Promised.SubFloor(s.Settled), ExitNone, s.Epoch, s.Block
	if s.Exiting() {
		c.ExitAt, c.Exit = &s.ExitAt, ExitRunning
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
	_, err = w.chain.EstimateGas(ctx, ethereum.CallMsg{From: w.cfg.Owner, To: &w.network.Channels, Data: data})
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
	if since == nil && w.network.Private {
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
	known, err := w.home.payees()
	if err != nil {
		return nil, err
	}
	if w.ledger != nil {
		sessions, err := w.ledger.Sessions(ctx, math.MaxInt)
		if err != nil {
			return nil, err
		}
		for _, s := range sessions {
			if !s.Received && s.Terms.Channel == w.channel(s.Terms.Channel.Payee) {
				known = append(known, s.Terms.Channel.Payee)
			}
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
		{common.BytesToHash(w.network.Token[:])}, {common.BytesToHash(w.cfg.Owner[:])},
	}
	var found []common.Address
	for step := to - min(from, to) + 1; from <= to; {
		last := min(to, from+step-1)
		logs, err := w.chain.FilterLogs(ctx, ethereum.FilterQuery{
			FromBlock: new(big.Int).SetUint64(from), ToBlock: new(big.Int).SetUint64(last),
			Addresses: []common.Address{w.network.Channels}, Topics: topics,
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

// payees reads the providers that money was ever set aside for in this home.
func (h Home) payees() ([]common.Address, error) {
	text, err := os.ReadFile(h.path("payees"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []common.Address
	for line := range strings.FieldsSeq(string(text)) {
		if !common.IsHexAddress(line) {
			return nil, fmt.Errorf("%s: %q is no address: mend or remove the line", h.path("payees"), printable(line))
		}
		list = append(list, common.HexToAddress(line))
	}
	return list, nil
}

// addPayee remembers a provider before money is set aside for it, so that no reserve is ever forgotten: the ledger
// knows a channel only once a session was paid on it.
func (h Home) addPayee(payee common.Address) error {
	list, err := h.payees()
	if err != nil || slices.Contains(list, payee) {
		return err
	}
	var b bytes.Buffer
	for _, a := range append(list, payee) {
		fmt.Fprintln(&b, a)
	}
	return disk.WriteFile(h.path("payees"), b.Bytes(), 0o600)
}

// Deposit moves tokens from the account into the vault.
func (w *Wallet) Deposit(ctx context.Context, amount contracts.Amount) (Sent, error) {
	r, err := w.send(ctx, nil, common.Address{}, func() (chain.Result, error) {
		return w.funding.Deposit(ctx, "", w.cfg.Session, amount)
	})
	return newSent("deposit", amount, r), err
}

// Reserve sets that much aside for a provider, beside what is already, and deposits what the vault lacks for it in the
// same transaction.
func (w *Wallet) Reserve(ctx context.Context, provider common.Address, amount contracts.Amount) (Sent, error) {
	s, err := w.view.State(ctx, w.channel(provider))
	if err != nil {
		return Sent{}, err
	}
	if s.Exiting() {
		return Sent{}, fmt.Errorf("the exit from %s is under way: byway channel exit %[1]s --cancel takes it back", provider)
	}
	ceiling := s.Ceiling
	if ceiling.Less(s.Settled) {
		ceiling = s.Settled
	}
	if ceiling, err = ceiling.Add(amount); err != nil {
		return Sent{}, fmt.Errorf("reserve for %s: %w", provider, err)
	}
	if err := w.home.addPayee(provider); err != nil {
		return Sent{}, err
	}
	if missing := amount.SubFloor(s.Free); !missing.IsZero() {
		r, err := w.send(ctx, takesFree(amount), provider, func() (chain.Result, error) {
			return w.funding.Open(ctx, "", w.cfg.Session, provider, missing, ceiling)
		})
		return newSent("open", amount, r), err
	}
	r, err := w.send(ctx, takesFree(amount), provider, func() (chain.Result, error) {
		return w.funding.Reserve(ctx, "", w.cfg.Session, provider, ceiling)
	})
	return newSent("reserve", amount, r), err
}

// Withdraw moves free balance out of the vault; nil is all that is free. A zero address is the account's own.
func (w *Wallet) Withdraw(ctx context.Context, amount *contracts.Amount, to common.Address) (Sent, error) {
	// A claim may take some of what was free between the reading and the sending: then it reverts, and of all that is free
	// less is asked for.
	for try := 0; ; try++ {
		s, err := w.view.State(ctx, w.channel(w.cfg.Owner))
		if err != nil {
			return Sent{}, err
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

func (w *Wallet) withdraw(ctx context.Context, s payments.ChannelState, amount contracts.Amount, to common.Address) (Sent, error) {
	if amount.IsZero() {
		return Sent{}, ErrNothingFree
	}
	if s.Free.Less(amount) {
		return Sent{}, fmt.Errorf("the vault has %s free, less than %s: what is set aside for providers comes back "+
			"with byway channel exit, see byway channel list", w.token.Format(s.Free), w.token.Format(amount))
	}
	r, err := w.send(ctx, takesFree(amount), common.Address{}, func() (chain.Result, error) {
		return w.funding.Withdraw(ctx, "", w.cfg.Session, amount, cmp.Or(to, w.cfg.Owner))
	})
	return newSent("withdraw", amount, r), err
}

// StartExit announces that the account wants the reserve of a channel back. The provider can claim what it was promised
// until the exit is over, and the channel's status then says when that is.
func (w *Wallet) StartExit(ctx context.Context, provider common.Address) (Sent, error) {
	c, err := w.Channel(ctx, provider)
	switch {
	case err != nil:
		return Sent{}, err
	case c.Reserved.IsZero():
		return Sent{}, fmt.Errorf("%s: %w", provider, ErrNoReserve)
	case c.Exit != ExitNone:
		return Sent{}, fmt.Errorf("the exit from %s is under way already", provider)
	}
	r, err := w.send(ctx, takesReserve(provider), provider, func() (chain.Result, error) {
		return w.funding.StartExit(ctx, "", w.cfg.Session, provider)
	})
	return newSent("start exit", c.Reserved, r), err
}

// CancelExit takes the announcement back.
func (w *Wallet) CancelExit(ctx context.Context, provider common.Address) (Sent, error) {
	c, err := w.Channel(ctx, provider)
	switch {
	case err != nil:
		return Sent{}, err
	case c.Exit == ExitNone:
		return Sent{}, fmt.Errorf("no exit from %s is under way", provider)
	}
	r, err := w.send(ctx, nil, provider, func() (chain.Result, error) {
		return w.funding.CancelExit(ctx, "", w.cfg.Session, provider)
	})
	return newSent("cancel exit", c.Reserved, r), err
}

// RevokeReserves makes every reserve that this account has signed for a provider and that was not posted yet worth nothing,
// so that a later deposit can't be set aside with it. What is set aside stays so.
func (w *Wallet) RevokeReserves(ctx context.Context, provider common.Address) (Sent, error) {
	r, err := w.send(ctx, nil, provider, func() (chain.Result, error) {
		return w.funding.Revoke(ctx, "", w.cfg.Session, provider)
	})
	return newSent("revoke", contracts.Amount{}, r), err
}

// FinishExit returns what the provider has not claimed to the vault, once the exit is over.
func (w *Wallet) FinishExit(ctx context.Context, provider common.Address) (Sent, error) {
	c, err := w.Channel(ctx, provider)
	switch {
	case err != nil:
		return Sent{}, err
	case c.Exit == ExitNone:
		return Sent{}, fmt.Errorf("no exit from %s is under way", provider)
	case c.Exit == ExitRunning:
		return Sent{}, &EarlyExitError{provider, *c.ExitAt, c.Time}
	}
	r, err := w.send(ctx, takesReserve(provider), provider, func() (chain.Result, error) {
		return w.funding.FinishExit(ctx, "", w.cfg.Session, provider)
	})
	if tooEarly(err) { // the block that it would have been in is not so far yet
		err = &EarlyExitError{provider, *c.ExitAt, c.Time}
	}
	return newSent("finish exit", c.Reserved, r), err
}

// EarlyExitError says that an exit can't be finished yet.
type EarlyExitError struct {
	Provider common.Address
	At       time.Time // by the chain's clock
	Now      time.Time // of the newest block
}

// Error implements error.
func (e *EarlyExitError) Error() string {
	return fmt.Sprintf("the exit from %s is over at %s by the chain's clock, not before: --wait waits for it", e.Provider,
		e.At.Format(time.RFC3339))
}
