package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"byway/contracts"
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
func (c *Consumer) signedReserve(ctx context.Context, channel contracts.Channel) (*wireReserve, error) {
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
	return &wireReserve{Ceiling: r.Ceiling.Bytes(), Epoch: r.Epoch, ValidUntil: r.ValidUntil, Signature: r.Sig}, nil
}

// keepReserve stores the reserve that came with a Hello, or another one that it asks for. One that raises nothing is no
// fault.
func (p *Provider) keepReserve(ctx context.Context, knock *hello, c contracts.Channel, r *wireReserve) error {
	err := p.keep(ctx, c, r)
	if errors.Is(err, payments.ErrReserveEpoch) {
		wire := frameStream{knock.stream}
		knock.listen()
		if err := wire.write(&refusedFrame{Code: RefusedReserve, Reason: err.Error()}); err != nil {
			return err
		}
		reply, err := wire.read(recallTimeout)
		if err != nil {
			return err
		}
		if err := knock.look(ctx); err != nil {
			return err
		}
		again, ok := reply.(*reserveFrame)
		if !ok {
			return &RefusedError{RefusedProtocol, "a reserve is asked for again, and answered with Reserve"}
		}
		if err = p.keep(ctx, c, again.Reserve); !errors.Is(err, payments.ErrStaleReserve) {
			return err
		}
		return nil
	}
	if errors.Is(err, payments.ErrStaleReserve) {
		return nil
	}
	return err
}

func (p *Provider) keep(ctx context.Context, c contracts.Channel, r *wireReserve) error {
	if r == nil {
		return nil
	}
	return p.payee.KeepReserve(ctx, payments.Reserve{
		Channel: c, Ceiling: amountOf(r.Ceiling), Epoch: r.Epoch, ValidUntil: r.ValidUntil, Sig: r.Signature,
	})
}

// trustedPart is the part of what a consumer is trusted with from which on its reserve is posted: a quarter.
const trustedPart = 4

// secure wakes the claimer, once a session, when the consumer has promised so much beyond what is set aside that its
// reserve should be posted.
func (s *served) secure() {
	if s.secured {
		return
	}
	exposure := s.provider.payee.Exposure(s.terms.Session)
	if part, err := s.provider.trustedWith(s.terms.PricePerGiB); err == nil && !exposure.IsZero() && !exposure.Less(part) {
		s.secured = true
		s.provider.claimer.Wake()
	}
}

// trustedWith is from which debt on a consumer's reserve is posted, at a price for 2^30 bytes.
func (p *Provider) trustedWith(price contracts.Amount) (contracts.Amount, error) {
	trust := p.cfg.Trust
	if trust.IsZero() {
		var err error
		if trust, err = payments.Cost(price, payments.TrustBytes); err != nil {
			return trust, fmt.Errorf("price of %d bytes: %w", uint64(payments.TrustBytes), err)
		}
	}
	return trust.MulDiv(1, trustedPart)
}
