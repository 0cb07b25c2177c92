package deploy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/contracts/chain"
)

// Backend reads the chain for a deployment, and sends nothing: a [*chain.Client] does it, and a [chain.Quorum] where
// two endpoints must say the same.
type Backend interface {
	Reader
	Caller
	ChainID() uint64
}

// Sender sends transactions and comes back when they are final; [*chain.Sender] does. The same intent sent twice is one
// transaction.
type Sender interface {
	Send(ctx context.Context, intent chain.Intent) (chain.Result, error)
}

// ErrNoFactory says that a chain lacks the deterministic deployment factory.
var ErrNoFactory = errors.New("the deterministic deployment factory is missing")

// Config says what to deploy.
type Config struct {
	Backend Backend
	Sender  Sender
	// ExitDelay and UnbondDelay are the contracts' parameters, in whole seconds.
	ExitDelay, UnbondDelay time.Duration
	// DevToken deploys the mintable token, for development networks only, and makes it the network's token.
	DevToken bool
	// Token is the network's token where DevToken is false.
	Token common.Address
	// StakeToken is the token that the registry takes stakes in. Zero: the network's token.
	StakeToken common.Address
	// MinStake is the least stake that a provider registers with, in base units of the stake token.
	MinStake contracts.Amount
	Log      *slog.Logger
}

// Contracts puts the contracts that are not there yet onto the chain and returns where they all are, once [Check] is
// content with them. It can be run again at any time, by anybody. A chain that does not run their code is refused before
// anything is sent, by an [*OpcodesError], and one that doesn't tell by an [*UnprobedError].
func Contracts(ctx context.Context, cfg Config) (contracts.Deployment, error) {
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if d := cfg.ExitDelay; d <= 0 || d > maxExitDelay {
		return contracts.Deployment{}, fmt.Errorf("exit delay of %s is out of range: above zero, at most %s", d, maxExitDelay)
	}
	if d := cfg.UnbondDelay; d < 0 || d > maxUnbondDelay {
		return contracts.Deployment{}, fmt.Errorf("unbonding delay of %s is out of range: at most %s", d, maxUnbondDelay)
	}
	chainID := cfg.Backend.ChainID()
	token, stake := cfg.Token, cfg.StakeToken
	var plans []plan
	if cfg.DevToken {
		plans = append(plans, planDevToken())
		token = plans[0].address
	}
	if stake == (common.Address{}) {
		stake = token
	}
	channels, registry := planChannels(cfg.ExitDelay), planRegistry(stake, cfg.UnbondDelay, cfg.MinStake)
	missing, err := lacking(ctx, cfg.Backend, append(plans, channels, registry), log)
	if err != nil {
		return contracts.Deployment{}, err
	}
	if len(missing) > 0 {
		if err := ready(ctx, cfg.Backend); err != nil {
			return contracts.Deployment{}, err
		}
	}
	for _, p := range missing {
		if err := create(ctx, cfg, chainID, p, log); err != nil {
			return contracts.Deployment{}, err
		}
	}
	d := contracts.Deployment{ChainID: chainID, Channels: channels.address, Registry: registry.address, Token: token}
	return d, Check(ctx, cfg.Backend, d)
}

// lacking returns those that are not on the chain. What stands at such an address can only be what its creation code
// makes: the address is its hash.
func lacking(ctx context.Context, backend Backend, plans []plan, log *slog.Logger) (missing []plan, err error) {
	for _, p := range plans {
		there, err := backend.CodeAt(ctx, p.address, nil)
		switch {
		case err != nil:
			return nil, fmt.Errorf("read the code of %s at %s: %w", p.artifact.Contract, p.address, err)
		case len(there) > 0:
			log.Debug("contract is deployed", "contract", p.artifact.Contract, "address", p.address)
		default:
			missing = append(missing, p)
		}
	}
	return missing, nil
}

// ready makes sure that the chain has what the contracts need, before anything is paid. Where they are all there it need
// not be asked: nothing is going to be sent, and there is no gas to lose. The opcodes come first: to create the factory on
// a chain that lacks them would be a waste, too.
func ready(ctx context.Context, backend Backend) error {
	if err := runsCode(ctx, backend, backend.ChainID()); err != nil {
		return err
	}
	factory, err := backend.CodeAt(ctx, Factory, nil)
	if err != nil {
		return fmt.Errorf("read the code of the deployment factory at %s: %w", Factory, err)
	}
	if len(factory) == 0 {
		return fmt.Errorf("chain %d: %w at %s; create it as described at "+
			"https://github.com/Arachnid/deterministic-deployment-proxy, then try again", backend.ChainID(), ErrNoFactory, Factory)
	}
	return nil
}

// create deploys one contract.
func create(ctx context.Context, cfg Config, chainID uint64, p plan, log *slog.Logger) error {
	name := p.artifact.Contract
	result, err := cfg.Sender.Send(ctx, chain.Intent{
		ID:   fmt.Sprintf("deploy/%d/%s/%s", chainID, name, p.address),
		To:   &Factory,
		Data: append(salt.Bytes(), p.creation...),
	})
	if err != nil {
		// Somebody else may have been faster: the factory refuses to create the same contract again.
		if there, readErr := cfg.Backend.CodeAt(ctx, p.address, nil); readErr == nil && len(there) > 0 {
			return nil
		}
		return fmt.Errorf("deploy %s to %s: %w", name, p.address, err)
	}
	there, err := cfg.Backend.CodeAt(ctx, p.address, nil)
	if err != nil {
		return fmt.Errorf("read the code of %s at %s: %w", name, p.address, err)
	}
	if len(there) == 0 {
		return fmt.Errorf("deploy %s: transaction %s of block %d left no code at %s; was the chain of this sender's "+
			"journal reset?", name, result.TxHash, result.Block, p.address)
	}
	log.Info("contract deployed", "contract", name, "address", p.address, "gas", result.GasUsed)
	return nil
}
