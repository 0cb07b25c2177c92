package node

import (
	"context"
	"fmt"
	"time"

	"byway/contracts"
	"byway/node/wire"
	"byway/payments"
)

// A consumer whose vault holds more than is set aside for a provider signs a reserve over the rest into its Hello. The
// provider keeps it and has it posted, at its own cost, when the consumer owes a good part of what it is trusted with:
// so a short session needs no transaction for the pair, and an account whose key is elsewhere pays any provider.
//
// A reserve that was posted is spent, and the channel is in its next epoch: the consumer signs the next Hello's for that
// one. It goes by the chain as its endpoint shows it, never by what a provider says, since a reserve for an epoch to come
// would be good after an exit from this one. Where the provider sees a later epoch it asks for another reserve, once, and
// goes on without one where there is none: until something is posted it counts on what is set aside and on its trust.

// reserveValid is how long a signed reserve may be posted.
const reserveValid = 24 * time.Hour

// signedReserve sets aside what the session may cost, as far as the vault goes; nil where that is set aside already.
func (c *Consumer) signedReserve(ctx context.Context, channel contracts.Channel) (*wire.SignedReserve, error) {
	state, err := c.funds(ctx, channel)
	if err != nil {
		return nil, err
	}
	total, err := c.ledger.Promised(ctx, c.domain, channel)
	if err != nil {
		return nil, err
	}
	if total.Less(state.Settled) {
		total = state.Settled
	}
	// Where the sum is beyond every amount the vault is what bounds it.
	ceiling, err := total.Add(c.cfg.SpendCap)
	most, mostErr := state.Ceiling.Add(state.Free)
	if mostErr != nil {
		return nil, fmt.Errorf("vault of %s: %w", channel.Payer, mostErr)
	}
	if err != nil || most.Less(ceiling) {
		ceiling = most
	}
	if !state.Ceiling.Less(ceiling) || state.Exiting() {
		return nil, nil
	}
	r, err := c.domain.SignReserve(payments.Reserve{
		Channel: channel, Ceiling: ceiling, Epoch: state.Epoch,
		// The contract holds it against its block's time.
		ValidUntil: uint64(c.chainTimes().next.Add(reserveValid).Unix()),
	}, c.cfg.Session)
	if err != nil {
		return nil, err
	}
	return wire.NewReserve(r), nil
}
