package directory

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"byway/contracts"
	"byway/contracts/bindings/erc20"
	"byway/contracts/chain"
	"byway/registry"
)

// maxReverts is how many mined and reverted transactions one step of publishing gets over before it gives up.
const maxReverts = 4

// Receipt says how an offer came to be registered.
type Receipt struct {
	Provider common.Address
	Digest   common.Hash
	Sequence uint64
	// Already is true where this offer was registered before: then nothing was sent and the rest is zero.
	Already bool
	TxHash  common.Hash
	Block   uint64
	// GasUsed and Fee (wei) add up all transactions that it took, approving the stake included.
	GasUsed uint64
	Fee     *big.Int
}

// SequenceError says that an offer carries another number than the registry would give it. It matches [ErrSequence].
type SequenceError struct {
	Provider   common.Address
	Have, Want uint64
}

// Error implements error.
func (e *SequenceError) Error() string {
	return fmt.Sprintf("offer of %s carries sequence %d, but the registry's next is %d: set sequence %d and sign it again",
		e.Provider, e.Have, e.Want, e.Want)
}

// Unwrap returns [ErrSequence].
func (e *SequenceError) Unwrap() error { return ErrSequence }

// StakeError says that a registry takes no provider with so little. Amounts are in base units of the registry's stake token.
type StakeError struct {
	Provider    common.Address
	Have, Least contracts.Amount
}

// Error implements error.
func (e *StakeError) Error() string {
	return fmt.Sprintf("this registry's least stake is %s base units, and %s is to be registered with %s base units: stake "+
		"%s base units more", e.Least, e.Provider, e.Have, e.Least.SubFloor(e.Have))
}

// Sender sends the transactions of one account, each ID once. [chain.Sender] is the real one; another may keep them, to
// be signed elsewhere.
type Sender interface {
	Address() common.Address
	Send(ctx context.Context, i chain.Intent) (chain.Result, error)
}

// Publish stores the offer's block, then registers it (or updates the registration) in the provider's name, with at
// least that stake. The block comes first: a registration that nobody can fetch would be worse than none. Publishing the
// same offer again sends nothing, and a crash in between is made good by calling it again.
//
// The sender must be the provider itself. An offer that carries another sequence than the next is a [*SequenceError], a
// provider that is not registered and would be with less than the least stake is a [*StakeError]; nothing was sent then.
func (r *Directory) Publish(ctx context.Context, sender Sender, s registry.SignedOffer, stake contracts.Amount) (Receipt, error) {
	if err := s.Offer.Validate(r.chainTime(), r.deployment); err != nil {
		return Receipt{}, fmt.Errorf("publish offer: %w", err)
	}
	if err := s.Verify(ctx, r.backend, r.deployment); err != nil {
		return Receipt{}, fmt.Errorf("publish offer: %w", err)
	}
	provider := s.Offer.Provider
	if sender.Address() != provider {
		return Receipt{}, fmt.Errorf("publish offer: %w: the sender is %s, the provider %s", ErrProvider, sender.Address(),
			provider)
	}
	reg, err := r.Registration(ctx, provider)
	if err != nil {
		return Receipt{}, fmt.Errorf("publish offer: %w", err)
	}
	receipt := Receipt{Provider: provider, Digest: s.Digest(), Sequence: s.Offer.Sequence, Fee: new(big.Int)}
	receipt.Already = reg.Digest == receipt.Digest
	if want := reg.Sequence + 1; !receipt.Already && s.Offer.Sequence != want {
		return Receipt{}, &SequenceError{provider, s.Offer.Sequence, want}
	}
	if !reg.Registered() {
		least, err := r.MinStake(ctx)
		if err != nil {
			return Receipt{}, fmt.Errorf("publish offer: %w", err)
		}
		if stake.Less(least) {
			return Receipt{}, fmt.Errorf("publish offer: %w", &StakeError{provider, stake, least})
		}
	}
	if _, err := r.blobs.Put(ctx, s.Block); err != nil {
		return Receipt{}, fmt.Errorf("publish offer: store block %s: %w", s.CID, err)
	}
	more := stake.SubFloor(reg.Stake)
	if err := r.approve(ctx, sender, reg, more, &receipt); err != nil {
		return Receipt{}, fmt.Errorf("publish offer: %w", err)
	}
	if !reg.Registered() {
		data := r.abi.PackRegister(receipt.Digest, more.Big())
		err := r.register(ctx, sender, &receipt, "register", data)
		return receipt, err
	}
	if !more.IsZero() {
		id := fmt.Sprintf("stake/%s/%s+%s/%d", provider, reg.Stake, more, reg.Sequence)
		if _, err := r.send(ctx, sender, id, r.deployment.Registry, r.abi.PackAddStake(more.Big()), &receipt); err != nil {
			return Receipt{}, fmt.Errorf("publish offer: add %s to the stake: %w", more, err)
		}
	}
	if receipt.Already {
		return receipt, nil
	}
	err = r.register(ctx, sender, &receipt, "update", r.abi.PackUpdate(receipt.Digest))
	return receipt, err
}

// register sends the transaction that puts the digest into the registry and checks what the contract made of it.
func (r *Directory) register(ctx context.Context, sender Sender, receipt *Receipt, what string, data []byte) error {
	id := fmt.Sprintf("%s/%s/%d/%s", what, receipt.Provider, receipt.Sequence, receipt.Digest)
	res, err := r.send(ctx, sender, id, r.deployment.Registry, data, receipt)
	if err != nil {
		return fmt.Errorf("publish offer: %s: %w", what, err)
	}
	receipt.TxHash, receipt.Block = res.TxHash, res.Block
	for _, log := range res.Logs {
		if sequence, ok := r.registeredAs(log); ok && sequence != receipt.Sequence {
			return &SequenceError{receipt.Provider, receipt.Sequence, sequence + 1}
		}
	}
	return nil
}

// registeredAs reads the sequence out of a Registered or Updated event.
func (r *Directory) registeredAs(log *types.Log) (uint64, bool) {
	if log.Address != r.deployment.Registry {
		return 0, false
	}
	if e, err := r.abi.UnpackRegisteredEvent(log); err == nil {
		return e.Sequence, true
	}
	if e, err := r.abi.UnpackUpdatedEvent(log); err == nil {
		return e.Sequence, true
	}
	return 0, false
}

// approve lets the registry take that much of the stake token, where it may not yet.
func (r *Directory) approve(ctx context.Context, sender Sender, reg Registration, amount contracts.Amount,
	receipt *Receipt,
) error {
	if amount.IsZero() {
		return nil
	}
	opts := &bind.CallOpts{Context: ctx}
	token, err := bind.Call(r.contract, opts, r.abi.PackSTAKETOKEN(), r.abi.UnpackSTAKETOKEN)
	if err != nil {
		return fmt.Errorf("read the stake token: %w", err)
	}
	if token == (common.Address{}) {
		return errors.New("this registry takes no stake: publish without one")
	}
	coin := erc20.NewERC20()
	contract := coin.Instance(r.backend, token)
	balance, err := bind.Call(contract, opts, coin.PackBalanceOf(sender.Address()), coin.UnpackBalanceOf)
	if err != nil {
		return fmt.Errorf("read the stake token's balance: %w", err)
	}
	if balance.Cmp(amount.Big()) < 0 {
		return fmt.Errorf("the stake takes %s base units of token %s, and %s has %s: send it the rest or stake less",
			amount, token, sender.Address(), balance)
	}
	allowed, err := bind.Call(contract, opts, coin.PackAllowance(sender.Address(), r.deployment.Registry),
		coin.UnpackAllowance)
	if err != nil {
		return fmt.Errorf("read the stake token's allowance: %w", err)
	}
	if allowed.Cmp(amount.Big()) >= 0 {
		return nil
	}
	id := fmt.Sprintf("approve/%s/%s+%s/%d", reg.Provider, reg.Stake, amount, reg.Sequence)
	data, err := coin.TryPackApprove(r.deployment.Registry, amount.Big())
	if err != nil {
		return err
	}
	if _, err := r.send(ctx, sender, id, token, data, receipt); err != nil {
		return fmt.Errorf("approve the stake: %w", err)
	}
	return nil
}

// send sends a transaction once, whatever happens in between; the id says which one it is. One that was mined and
// reverted, now or in an earlier run, would stand in the way for ever: the next try gets an id of its own. It is only
// sent if an estimate says that it would pass, so trying again costs nothing.
func (r *Directory) send(ctx context.Context, sender Sender, id string, to common.Address, data []byte,
	receipt *Receipt,
) (chain.Result, error) {
	id = fmt.Sprintf("registry/%d/%s/%s", r.deployment.ChainID, r.deployment.Registry, id)
	var res chain.Result
	var err error
	for try := range maxReverts {
		res, err = sender.Send(ctx, chain.Intent{ID: fmt.Sprintf("%s#%d", id, try), To: &to, Data: data})
		if revert := (*chain.RevertError)(nil); errors.As(err, &revert) && revert.TxHash != (common.Hash{}) {
			continue
		}
		break
	}
	if err == nil && receipt != nil {
		receipt.GasUsed += res.GasUsed
		if res.Fee != nil {
			receipt.Fee.Add(receipt.Fee, res.Fee)
		}
	}
	return res, err
}
