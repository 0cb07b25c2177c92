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

// Backend is what deploying asks of a chain, besides sending: a [*chain.Client] does it.
type Backend interface {
	Reader
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
	// StakeToken is what the registry takes as stakes. Zero: the network's token.
	StakeToken common.Address
	Log        *slog.Logger
}

// Contracts puts the contracts that are not there yet onto the chain and returns where they all are, once [Check] is
// content with them. It can be run again at any time, by anybody.
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
	factory, err := cfg.Backend.CodeAt(ctx, Factory, nil)
	if err != nil {
		return contracts.Deployment{}, fmt.Errorf("read the code of the deployment factory at %s: %w", Factory, err)
	}
	if len(factory) == 0 {
		return contracts.Deployment{}, fmt.Errorf("chain %d: %w at %s; create it as described at "+
			"https://github.com/Arachnid/deterministic-deployment-proxy, then try again", chainID, ErrNoFactory, Factory)
	}

	token, stake := cfg.Token, cfg.StakeToken
	var plans []plan
	if cfg.DevToken {
		plans = append(plans, planDevToken())
		token = plans[0].address
	}
	if stake == (common.Address{}) {
		stake = token
	}
	channels, registry := planChannels(cfg.ExitDelay), planRegistry(stake, cfg.UnbondDelay)
	for _, p := range append(plans, channels, registry) {
		if err := create(ctx, cfg, chainID, p, log); err != nil {
			return contracts.Deployment{}, err
		}
	}
	d := contracts.Deployment{ChainID: chainID, Channels: channels.address, Registry: registry.address, Token: token}
	return d, Check(ctx, cfg.Backend, d)
}

// create deploys one contract unless it is there. What stands at such an address can only be what this creation code
// makes: the address is its hash.
func create(ctx context.Context, cfg Config, chainID uint64, p plan, log *slog.Logger) error {
	name := p.artifact.Contract
	there, err := cfg.Backend.CodeAt(ctx, p.address, nil)
	if err != nil {
		return fmt.Errorf("read the code of %s at %s: %w", name, p.address, err)
	}
	if len(there) > 0 {
		log.Debug("contract is deployed", "contract", name, "address", p.address)
		return nil
	}
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
	there, err = cfg.Backend.CodeAt(ctx, p.address, nil)
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
