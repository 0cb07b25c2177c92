// Package directory owns the market of offers: publishing one through a block store and the Registry contract, listing and
// verifying everybody's, the index that remembers them on disk, and which of them fit what somebody wants. An offer that
// fails a check is skipped with its reason, never silently.
//
// The package declares the two-method block store that it needs, [Blobs]; the chain is go-ethereum's own interfaces.
package directory

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/big"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ipfs/go-cid"

	"byway/contracts"
	registryabi "byway/contracts/bindings/registry"
	"byway/registry"
)

// Blobs is the block store that offers travel through.
//
// Put returns once the block survives a crash of this node, and keeps offering it to others until it is dropped. Get
// yields each wanted block once, as (block, nil), in any order; one that could not be had is (nil, err), where err (or
// one that it wraps) has a method Missing() cid.Cid. A block that comes from outside is stored and yielded only if
// admit returns nil for it. Both are safe for concurrent use; Get ends early with its context.
type Blobs interface {
	Put(ctx context.Context, block []byte) (cid.Cid, error)
	Get(ctx context.Context, want []cid.Cid, admit func(block []byte) error) iter.Seq2[[]byte, error]
}

// Config says what a [Directory] stands on. Index, Log and the clocks may be nil.
type Config struct {
	Backend    bind.ContractBackend
	Deployment contracts.Deployment
	Blobs      Blobs
	// Index remembers the market on disk, for [Directory.Refresh] and [Directory.Known]; nil where they are not used.
	Index *Index
	Log   *slog.Logger
	// Patience is how long a refresh waits, while no block comes, for offers that were never asked for before, once it has
	// something to list; 0 stands for 3 s.
	Patience time.Duration
	// ChainTime tells the chain's time as far as it is known, for an offer's validity; Now where nil.
	ChainTime func() time.Time
	// Now is the clock for all else; time.Now where nil.
	Now func() time.Time
}

// Directory is one market: its Registry contract and the blocks of its offers. It is safe for concurrent use.
type Directory struct {
	backend    bind.ContractBackend
	deployment contracts.Deployment
	blobs      Blobs
	index      *Index
	patience   time.Duration
	refreshing atomic.Bool
	stats      counters
	log        *slog.Logger
	now        func() time.Time
	chainTime  func() time.Time

	abi      *registryabi.Registry
	contract *bind.BoundContract

	mu         sync.Mutex     // guards what follows
	unfinished []Registration // what the last refresh did not wait for
	found      []Registration // what was found of it, of which no refresh has told
	finishing  bool
}

// New returns the market of a deployment. It reads nothing yet.
func New(cfg Config) (*Directory, error) {
	if cfg.Backend == nil || cfg.Blobs == nil {
		return nil, errors.New("registry needs a chain and a block store")
	}
	if cfg.Deployment.ChainID == 0 || cfg.Deployment.Registry == (common.Address{}) {
		return nil, errors.New("registry needs a chain id and the Registry contract's address")
	}
	r := &Directory{
		backend: cfg.Backend, deployment: cfg.Deployment, blobs: cfg.Blobs, index: cfg.Index, log: cfg.Log, now: cfg.Now,
		chainTime: cfg.ChainTime, abi: registryabi.NewRegistry(),
	}
	if r.patience = cfg.Patience; r.patience == 0 {
		r.patience = defaultPatience
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.now == nil {
		r.now = time.Now
	}
	if r.chainTime == nil {
		r.chainTime = r.now
	}
	r.contract = r.abi.Instance(cfg.Backend, cfg.Deployment.Registry)
	return r, nil
}

// Registration is the Registry contract's entry for one provider.
type Registration struct {
	Provider common.Address `json:"provider"`
	// Digest is the SHA-256 of the offer's block; zero where the provider is not registered.
	Digest common.Hash `json:"digest"`
	// Sequence counts the offers that this provider has registered, ever; it stays when the provider leaves.
	Sequence uint64 `json:"sequence"`
	// Stake is in base units of the registry's stake token.
	Stake contracts.Amount `json:"stake"`
	// Since is when the provider registered, by the chain's clock; the zero time where it is not registered.
	Since time.Time `json:"since"`
}

// Registered reports whether the provider is in the registry now.
func (r Registration) Registered() bool { return r.Digest != common.Hash{} }

// CID is the address of the registered offer's block.
func (r Registration) CID() cid.Cid { return registry.CIDOf(r.Digest) }

// Registration reads what is registered for a provider now.
func (r *Directory) Registration(ctx context.Context, provider common.Address) (Registration, error) {
	return r.registrationAt(ctx, nil, provider)
}

// registrationAt reads what was registered for a provider as of a block, nil for the latest.
func (r *Directory) registrationAt(ctx context.Context, block *big.Int, provider common.Address) (Registration, error) {
	opts := &bind.CallOpts{Context: ctx, BlockNumber: block}
	row, err := bind.Call(r.contract, opts, r.abi.PackProviderOf(provider), r.abi.UnpackProviderOf)
	if err != nil {
		return Registration{}, fmt.Errorf("read registration of %s: %w", provider, err)
	}
	return registrationOf(row)
}

// NextSequence reads the number that the provider's next offer will be registered under, and so has to carry.
func (r *Directory) NextSequence(ctx context.Context, provider common.Address) (uint64, error) {
	reg, err := r.Registration(ctx, provider)
	if err != nil {
		return 0, err
	}
	return reg.Sequence + 1, nil
}

// MinStake reads the least stake that a provider registers with, in base units of the registry's stake token.
func (r *Directory) MinStake(ctx context.Context) (contracts.Amount, error) {
	least, err := bind.Call(r.contract, &bind.CallOpts{Context: ctx}, r.abi.PackMINSTAKE(), r.abi.UnpackMINSTAKE)
	if err != nil {
		return contracts.Amount{}, fmt.Errorf("read the least stake: %w", err)
	}
	return contracts.AmountFromBig(least)
}

// page reads up to limit registrations as of a block: those with the largest stakes, or those that come after the last
// one of the page before. Of equal stakes the older registration comes first. An answer in another order is an error, since
// it can't be the contract's.
func (r *Directory) page(ctx context.Context, block *big.Int, after Registration, limit uint64) ([]Registration, error) {
	failed := func(err error) error {
		return fmt.Errorf("read registry page, %d after %s, at block %s: %w", limit, after.Provider, block, err)
	}
	data := r.abi.PackProvidersByStake(after.Provider, new(big.Int).SetUint64(limit))
	rows, err := bind.Call(r.contract, &bind.CallOpts{Context: ctx, BlockNumber: block}, data, r.abi.UnpackProvidersByStake)
	if err != nil {
		return nil, failed(err)
	}
	if uint64(len(rows)) > limit {
		return nil, failed(fmt.Errorf("the endpoint answers with %d", len(rows)))
	}
	page := make([]Registration, 0, len(rows))
	before := after
	for _, row := range rows {
		reg, err := registrationOf(row)
		if err != nil {
			return nil, failed(err)
		}
		first := before.Provider == (common.Address{})
		if reg.Provider == (common.Address{}) || !first && (before.Stake.Less(reg.Stake) || reg.Provider == after.Provider ||
			before.Stake == reg.Stake && reg.Since.Before(before.Since)) {
			return nil, failed(fmt.Errorf("the endpoint puts %s behind %s, which is not the contract's order", reg.Provider,
				before.Provider))
		}
		page = append(page, reg)
		before = reg
	}
	return page, nil
}

func registrationOf(row registryabi.IRegistryRegistration) (Registration, error) {
	stake, err := contracts.AmountFromBig(row.Stake)
	if err != nil {
		return Registration{}, fmt.Errorf("registration of %s: stake: %w", row.Provider, err)
	}
	return Registration{row.Provider, row.Digest, row.Sequence, stake, chainTime(row.Since)}, nil
}

// maxSince is above every time on chain, in seconds: contracts keep them in 40 bits.
const maxSince = 1 << 40

func chainTime(seconds uint64) time.Time {
	if seconds == 0 || seconds >= maxSince {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC()
}

// Leave takes the sender's offer out of the registry and starts the unbonding of its stake. Where it is not registered
// nothing is sent. The result says what [Directory.Withdraw] can pay out, and when.
func (r *Directory) Leave(ctx context.Context, sender Sender) (Unbonding, error) {
	reg, err := r.Registration(ctx, sender.Address())
	if err != nil {
		return Unbonding{}, fmt.Errorf("leave registry: %w", err)
	}
	if reg.Registered() {
		id := fmt.Sprintf("leave/%s/%d", reg.Provider, reg.Sequence)
		if _, err := r.send(ctx, sender, id, r.deployment.Registry, r.abi.PackLeave(), nil); err != nil {
			return Unbonding{}, fmt.Errorf("leave registry: %w", err)
		}
	}
	return r.Unbonding(ctx, sender.Address())
}

// Withdraw pays what is due of the sender's stake out to an account and returns how much it was: nothing where there is
// none. What is locked stays; the contract refuses where nothing else is there.
func (r *Directory) Withdraw(ctx context.Context, sender Sender, to common.Address) (contracts.Amount, error) {
	stake, err := r.Unbonding(ctx, sender.Address())
	if err != nil || stake.IsZero() {
		return contracts.Amount{}, err
	}
	reg, err := r.Registration(ctx, sender.Address())
	if err != nil {
		return contracts.Amount{}, fmt.Errorf("withdraw stake: %w", err)
	}
	// Between two registrations, or two times of leaving, the same sums come back only once.
	id := fmt.Sprintf("withdraw/%s/%d/%t/%s+%s/%d/%s", reg.Provider, reg.Sequence, reg.Registered(), stake.Withdrawable,
		stake.Locked, stake.ReleaseAt.Unix(), to)
	res, err := r.send(ctx, sender, id, r.deployment.Registry, r.abi.PackWithdrawStake(to), nil)
	if err != nil {
		if stake.Withdrawable.IsZero() {
			return contracts.Amount{}, fmt.Errorf("withdraw stake (free at %s): %w", stake.ReleaseAt, err)
		}
		return contracts.Amount{}, fmt.Errorf("withdraw stake: %w", err)
	}
	for _, log := range res.Logs { // more may have become due before it was mined
		if e, err := r.abi.UnpackStakeWithdrawnEvent(log); err == nil && log.Address == r.deployment.Registry {
			return contracts.AmountFromBig(e.Amount)
		}
	}
	return coming(stake), nil
}

// coming returns how much a withdrawal that is yet to be sent takes: what is due, or will be.
func coming(u Unbonding) contracts.Amount {
	if u.Withdrawable.IsZero() {
		return u.Locked
	}
	return u.Withdrawable
}

// Unbonding is the stake of a provider that has left, in base units of the registry's stake token. It comes back in two
// parts where the provider has left more than once: what is due stays due, whatever is added.
type Unbonding struct {
	// Withdrawable is the sum that [Directory.Withdraw] pays out now.
	Withdrawable contracts.Amount `json:"withdrawable"`
	// Locked is paid out from ReleaseAt on, by the chain's clock; the zero time where nothing is locked.
	Locked    contracts.Amount `json:"locked"`
	ReleaseAt time.Time        `json:"release_at,omitzero"`
}

// IsZero reports whether there is nothing to come back.
func (u Unbonding) IsZero() bool { return u.Withdrawable.IsZero() && u.Locked.IsZero() }

// Unbonding reads what a provider can withdraw, and when.
func (r *Directory) Unbonding(ctx context.Context, provider common.Address) (Unbonding, error) {
	row, err := bind.Call(r.contract, &bind.CallOpts{Context: ctx}, r.abi.PackUnbondingOf(provider),
		r.abi.UnpackUnbondingOf)
	if err != nil {
		return Unbonding{}, fmt.Errorf("read unbonding stake of %s: %w", provider, err)
	}
	withdrawable, err := contracts.AmountFromBig(row.Withdrawable)
	if err != nil {
		return Unbonding{}, fmt.Errorf("read unbonding stake of %s: %w", provider, err)
	}
	locked, err := contracts.AmountFromBig(row.Locked)
	if err != nil {
		return Unbonding{}, fmt.Errorf("read unbonding stake of %s: %w", provider, err)
	}
	return Unbonding{withdrawable, locked, chainTime(row.ReleaseAt)}, nil
}
