package claim

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"byway/contracts"
	"byway/contracts/bindings/channels"
	"byway/contracts/chain"
	"byway/payments/ledger"
)

// Topics selects the events of the Channels contract that a claimer's [chain.Follower] shall follow.
func Topics(token common.Address) [][]common.Hash {
	events := channels.NewChannels().GetABI().Events
	return [][]common.Hash{
		{
			events[channels.ChannelsClaimedEventName].ID, events[channels.ChannelsExitStartedEventName].ID,
			events[channels.ChannelsWithdrawnEventName].ID,
		},
		{addressTopic(token)},
	}
}

// follow follows the chain's news from when the chain can be asked.
func (c *Claimer) follow(ctx context.Context) error {
	for {
		events, err := c.cfg.Events(ctx)
		switch {
		case err == nil:
			return events.Run(ctx, c.handle)
		case ctx.Err() != nil:
			return ctx.Err()
		case !chain.IsOutage(err):
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(eventsRetry):
		}
	}
}

// eventsRetry is how soon the chain is asked again from where on it is to be followed.
const eventsRetry = 5 * time.Second

// handle takes the chain's news: an exit is answered at once, and after a reorganisation the ledger follows the chain.
func (c *Claimer) handle(ctx context.Context, u chain.Update) error {
	if u.Rollback {
		c.turn.Lock() // a claim that is being booked is booked first
		defer c.turn.Unlock()
		list, err := c.cfg.Ledger.SettledSince(ctx, c.claimant, u.From)
		if err != nil {
			return err
		}
		states, unread, err := c.reread(ctx, list)
		if err != nil {
			return err
		}
		c.Wake()
		return c.rolledBack(ctx, u.From, states, unread)
	}
	if slices.ContainsFunc(u.Logs, c.concerns) {
		c.Wake()
	}
	for _, log := range u.Logs {
		if c.cfg.Withdrawn == nil {
			break
		}
		w, err := c.contract.UnpackWithdrawnEvent(&log)
		if err != nil {
			continue // another event
		}
		vault := contracts.Vault{Token: w.Token, Payer: w.Payer, Signer: w.Signer}
		if err := c.cfg.Withdrawn(ctx, vault); ctx.Err() != nil || errors.Is(err, ledger.ErrStore) {
			return err
		} else if err != nil {
			c.log.Debug("a vault that was withdrawn from can't be read", "error", err)
		}
	}
	return nil
}

// concerns reports whether an event is of a channel of this payee's. A claim that settled nothing, which anybody can make
// in any block, is no news: it would have every channel read.
func (c *Claimer) concerns(log types.Log) bool {
	if len(log.Topics) == 0 || log.Topics[len(log.Topics)-1] != addressTopic(c.claimant.Payee) { // the last one in either event
		return false
	}
	claimed, err := c.contract.UnpackClaimedEvent(&log)
	return err != nil || len(claimed.Settled) > 0
}

// addressTopic is an address as events have it.
func addressTopic(a common.Address) common.Hash { return common.BytesToHash(a[:]) }
