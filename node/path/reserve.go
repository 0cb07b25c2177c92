package path

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/node/account"
	"byway/node/home"
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
	total, err := c.Ledger.Promised(ctx, c.Domain, channel)
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
	r, err := c.Domain.SignReserve(payments.Reserve{
		Channel: channel, Ceiling: ceiling, Epoch: state.Epoch,
		// The contract holds it against its block's time.
		ValidUntil: uint64(c.Times().Next.Add(reserveValid).Unix()),
	}, c.cfg.Session)
	if err != nil {
		return nil, err
	}
	return wire.NewReserve(r), nil
}

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
	return home.IsCold(c.Key)
}

// ColdNewcomerError says that a provider asks for a reserve that this home can't make: the account's key is elsewhere.
type ColdNewcomerError struct {
	Refused *wire.RefusalError
	Payee   common.Address
	Missing string // in tokens
}

// Error implements error.
func (e *ColdNewcomerError) Error() string { return fmt.Sprintf("%v; %v", e.Refused, home.ErrCold) }

// Unwrap returns the provider's refusal.
func (e *ColdNewcomerError) Unwrap() error { return e.Refused }

// awaitAside waits until the chain, as this consumer reads it, guarantees what a provider asks of a newcomer: the provider
// may post the reserve of the refused Hello. Where that reserve is for less, or is not posted in time, the refusal stands.
func (c *Consumer) awaitAside(ctx context.Context, channel contracts.Channel, refused *wire.RefusalError) error {
	state, err := c.readFunds(ctx, channel)
	if err != nil {
		return errors.Join(refused, err)
	}
	if !state.Ceiling.Less(refused.Need) {
		return nil
	}
	missing := refused.Need.SubFloor(state.Ceiling)
	byHand := &ColdNewcomerError{refused, channel.Payee, missing.Tokens(c.Token.Decimals)}
	reserve, err := c.signedReserve(ctx, channel)
	if err != nil {
		return errors.Join(refused, err)
	}
	if reserve == nil || reserve.On(channel).Ceiling.Less(refused.Need) {
		return byHand
	}
	if err := c.Home.AddPayee(channel.Payee); err != nil {
		return errors.Join(refused, err)
	}
	c.Log.Warn("the provider asks newcomers for a reserve: waiting for it to post the one that was signed",
		"base_units", missing.String())
	waiting, cancel := context.WithTimeout(ctx, asidePatience)
	defer cancel()
	for beat := asideBeat; ; beat = min(2*beat, asideBeatMost) {
		account.Pause(waiting, beat)
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
