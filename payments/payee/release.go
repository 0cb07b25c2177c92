package payee

import (
	"context"
	"fmt"
	"time"

	"byway/contracts"
	"byway/payments"
	"byway/payments/chainview"
	"byway/payments/ledger"
)

// ErrReserveEpoch is the [payments.ErrStaleReserve] of a reserve that would raise something if it were signed for the
// channel's present epoch: its own is over.
var ErrReserveEpoch = fmt.Errorf("%w: its epoch is over", payments.ErrStaleReserve)

// CheckReserve checks a reserve that a payer has signed: [Payee.Open] keeps it with the session that it came with, and
// the [byway/payments/claim.Claimer] posts it when the channel's exposure deserves that. Of one epoch the highest that
// can still be posted is kept: the contract takes one of them. The errors: [payments.ErrWrongChannel],
// [contracts.ErrBadSignature], [payments.ErrExiting], [payments.ErrStaleReserve], [ErrReserveEpoch].
func (p *Payee) CheckReserve(ctx context.Context, r payments.Reserve) error {
	if err := p.owns(r.Channel); err != nil {
		return fmt.Errorf("check reserve: %w", err)
	}
	if err := p.cfg.Domain.VerifyReserve(r); err != nil {
		return err
	}
	ch, err := p.hold(ctx, r.Channel)
	if err != nil {
		return err
	}
	defer p.letGo(ch)
	// What was signed for an epoch that ended a moment ago would be kept in vain.
	if err := p.refreshLocked(ctx, ch, 0); err != nil {
		return err
	}
	if ch.state.Exiting() {
		return fmt.Errorf("check reserve: %s: %w", r.Channel, payments.ErrExiting)
	}
	if !ch.state.Takes(r) {
		stale := payments.ErrStaleReserve
		if again := r; r.Epoch < ch.state.Epoch {
			if again.Epoch = ch.state.Epoch; ch.state.Takes(again) {
				stale = ErrReserveEpoch
			}
		}
		return fmt.Errorf("check reserve: %w: to %s in epoch %d, the channel has %s in epoch %d", stale, r.Ceiling, r.Epoch,
			ch.state.Ceiling, ch.state.Epoch)
	}
	return nil
}

// keptReserve is the reserve as the ledger keeps it beside its channel.
func keptReserve(r payments.Reserve) ledger.Reserve {
	return ledger.Reserve{Ceiling: r.Ceiling, Epoch: r.Epoch, ValidUntil: r.ValidUntil, Sig: r.Sig}
}

// Release signs the payer's reserve above what has been promised away, for so long. From then on the payee counts on
// no more of the channel's reserve than that, as long as the payer can still use the release: until its time is over, or
// the channel's epoch, which the next reserve that is posted ends too. It is stored before it is returned. A session that
// is open on the channel forbids it ([payments.ErrSessionExists]).
func (p *Payee) Release(ctx context.Context, c contracts.Channel, key contracts.Signer, valid time.Duration,
) (payments.Release, error) {
	if err := p.owns(c); err != nil {
		return payments.Release{}, fmt.Errorf("release: %w", err)
	}
	ch, err := p.hold(ctx, c)
	if err != nil {
		return payments.Release{}, err
	}
	defer p.letGo(ch)
	for id := range ch.sessions {
		return payments.Release{}, fmt.Errorf("release: %w: %s is open", payments.ErrSessionExists, id)
	}
	// A release for an epoch that ended a moment ago is worth nothing to who asked for it.
	if err := p.refreshLocked(ctx, ch, 0); err != nil {
		return payments.Release{}, err
	}
	if ch.account.ID == 0 && ch.state.Ceiling == ch.state.Settled {
		return payments.Release{}, fmt.Errorf("release: %w: nothing is set aside on %s", payments.ErrWrongChannel, c)
	}
	r := payments.Release{
		Channel: c, Ceiling: ch.account.Total.Max(ch.state.Settled), Epoch: ch.state.Epoch,
		ValidUntil: uint64(p.chainTimeLocked(ch).Add(valid).Unix()),
	}
	if r, err = p.cfg.Domain.SignRelease(r, key); err != nil {
		return payments.Release{}, err
	}
	next := waiver{r.Ceiling, r.Epoch, r.ValidUntil}.with(ch.released, ch.state.Clock())
	stored := ch.account
	if err := p.cfg.Ledger.Do(ctx, func(tx *ledger.Tx) (err error) {
		if stored, err = withRow(tx, ch.account); err != nil {
			return err
		}
		return tx.StoreRelease(stored.ID, ledger.Release(next))
	}); err != nil {
		return payments.Release{}, err
	}
	ch.account, ch.released = stored, next
	return r, nil
}

// chainTimeLocked returns the time that a block may carry if it comes now: the last one's, and what went by since it
// was read. A chain for development makes blocks of transactions, so that the last one may be days old, and the next
// one has the clock's time.
func (p *Payee) chainTimeLocked(ch *payeeChannel) time.Time {
	now := time.Now()
	at := ch.state.Clock().Add(max(now.Sub(ch.readAt), 0))
	if p.development() {
		return later(at, now)
	}
	return at
}

// waiver judges a ledger's release against the chain's word on the channel. The zero value waives nothing.
type waiver ledger.Release

// with joins two: the lower ceiling holds, until the later end.
func (r waiver) with(other waiver, now time.Time) waiver {
	if other.Epoch == r.Epoch && other.ValidUntil >= uint64(max(now.Unix(), 0)) {
		r.Ceiling = r.Ceiling.Min(other.Ceiling)
		r.ValidUntil = max(r.ValidUntil, other.ValidUntil)
	}
	return r
}

// floor is the lifetime total that a channel guarantees, with what may be released any moment left out. A release is over
// when the chain's time says so or its epoch is, beyond the reach of a reorganisation, and not before.
func (r waiver) floor(s chainview.State) contracts.Amount {
	ceiling := s.Ceiling
	if r.ValidUntil >= uint64(max(s.Clock().Unix(), 0)) && r.ValidUntil > 0 && r.Epoch <= s.Epoch && s.Epoch-r.Epoch <= s.Behind {
		ceiling = ceiling.Min(r.Ceiling)
	}
	return ceiling.Max(s.Settled)
}
