package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"byway/contracts"
	"byway/node/wire"
)

const (
	// asidePatience bounds the wait for a provider to set aside what it asks of a newcomer: a few blocks.
	asidePatience = 45 * time.Second
	// asideBeat is how soon the chain is looked at for that, and after each look twice as late, up to asideBeatMost.
	asideBeat     = 100 * time.Millisecond
	asideBeatMost = 2 * time.Second
)

// extensions are those of this consumer's Hellos. A provider need not post the reserve of an account that can.
func (c *Consumer) extensions() wire.Extensions {
	if !c.cold() {
		return nil
	}
	return wire.Extensions{{Kind: wire.KindElsewhere}}
}

// cold reports whether the account's key is elsewhere, so that no transaction can be sent.
func (c *Consumer) cold() bool {
	_, cold := c.cfg.Key.(coldSigner)
	return cold
}

// awaitAside waits until the chain, as this consumer reads it, guarantees what a provider asks of a newcomer: the provider
// may post the reserve of the refused Hello. Where that reserve is for less, or is not posted in time, the refusal stands.
func (c *Consumer) awaitAside(ctx context.Context, channel contracts.Channel, refused *wire.RefusedError) error {
	state, err := c.readFunds(ctx, channel)
	if err != nil {
		return errors.Join(refused, err)
	}
	if !state.Ceiling.Less(refused.Need) {
		return nil
	}
	missing := refused.Need.SubFloor(state.Ceiling)
	byHand := fmt.Errorf("%w; the account's key is not in this home: byway channel open %s %s --unsigned prints the "+
		"transaction to be signed, byway tx submit sends it", refused, channel.Payee, missing.Tokens(c.token.Decimals))
	reserve, err := c.signedReserve(ctx, channel)
	if err != nil {
		return errors.Join(refused, err)
	}
	if reserve == nil || reserve.On(channel).Ceiling.Less(refused.Need) {
		return byHand
	}
	if err := c.home.addPayee(channel.Payee); err != nil {
		return errors.Join(refused, err)
	}
	c.log.Warn("the provider asks newcomers for a reserve: waiting for it to post the one that was signed",
		"base_units", missing.String())
	waiting, cancel := context.WithTimeout(ctx, asidePatience)
	defer cancel()
	for beat := asideBeat; ; beat = min(2*beat, asideBeatMost) {
		pause(waiting, beat)
		if ctx.Err() != nil {
			return errors.Join(byHand, ctx.Err())
		}
		if waiting.Err() != nil {
			return byHand
		}
		// An endpoint that does not answer now may answer the next time.
		if state, err := c.readFunds(waiting, channel); err == nil && !state.Ceiling.Less(refused.Need) {
			return nil
		}
	}
}
