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

// A payee that can't read the chain goes on with what it read last, as far as nobody can have taken that away since.
// What is set aside for it can be taken only by an exit, which was not announced in the block that was read, runs for
// the contract's exit delay, and can be answered by a claim until its end. So it counts until the exit delay after that
// block is over, less a margin for the claims to be mined in once the chain is back. What the payee has signed away
// itself ([Payee.Release]) never counts. The vault's free balance can be gone in the next block, and counts for a
// minute.

const (
	// leastMargin is the least that is left of an exit for claims; a quarter of it where that is more, and half of it
	// where exits are so short that this would leave less.
	leastMargin = 10 * time.Minute
	// storeEvery is the part of the blind time after which a reading that says nothing new is written down again.
	storeEvery = 32
)

// BlindTime is for how long after a block what was set aside in it counts while the chain can't be read.
func BlindTime(exitDelay time.Duration) time.Duration {
	return exitDelay - min(max(exitDelay/4, leastMargin), exitDelay/2)
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// development reports whether exits are so short that the chain is one for development, which may stand still between
// two transactions: then a reading is as old as it is by this machine's clock.
func (p *Payee) development() bool { return p.cfg.ExitDelay < time.Hour }

// secureUntil is until when what was set aside counts, by this machine's clock; where the exit delay is not known it is
// a minute after the reading. The chain's clock decides when an exit ends: where it was ahead of this machine's at the
// reading, this one's is believed to be slow by that much. An answer cannot buy more than the blind time after its
// reading by naming a block of the future. Slow is [Payee.ageOf]'s answer at the reading.
func (p *Payee) secureUntil(s chainview.State, readAt time.Time, slow time.Duration) time.Time {
	if p.cfg.ExitDelay <= 0 || readAt.IsZero() {
		return readAt.Round(0).Add(stateMaxAge)
	}
	since, now := s.Since, s.Time
	if slow != 0 {
		since, now = since.Add(slow), now.Add(slow)
	}
	if since.IsZero() || now.IsZero() || p.development() {
		now = later(readAt, now)
		since = now
	}
	if since.After(now) {
		since = now
	}
	if now.After(readAt) {
		return readAt.Round(0).Add(BlindTime(p.cfg.ExitDelay) - now.Sub(since))
	}
	return since.Round(0).Add(BlindTime(p.cfg.ExitDelay))
}

// countsLocked is the channel's last reading without what has become too old to count on.
func (p *Payee) countsLocked(ch *payeeChannel, now time.Time) chainview.State {
	s := ch.state
	if !ch.fresh(now, stateMaxAge) {
		s.Free = contracts.Amount{}
	}
	if !p.securedLocked(ch, now) {
		s.Ceiling = s.Settled
	}
	return s
}

// stateAge is how old a reading may get before the chain is asked again.
func (p *Payee) stateAge() time.Duration {
	if p.cfg.ExitDelay <= 0 {
		return stateAge
	}
	return min(stateAge, BlindTime(p.cfg.ExitDelay)/2)
}

// fresh reports whether the reading is younger than that, by the monotonic clock and by the other.
func (ch *payeeChannel) fresh(now time.Time, age time.Duration) bool {
	if ch.readAt.IsZero() {
		return false
	}
	mono, wall := now.Sub(ch.readAt), now.Round(0).Sub(ch.readAt.Round(0))
	return mono >= 0 && mono < age && wall < age
}

// securedLocked reports whether what was set aside still counts. A clock that was set back since gains nothing: the
// monotonic clock is asked too; and one that was set forward, or a machine that slept, loses.
func (p *Payee) securedLocked(ch *payeeChannel, now time.Time) bool {
	if ch.readAt.IsZero() {
		return false
	}
	left := p.secureUntil(ch.state, ch.readAt, ch.slow).Sub(ch.readAt.Round(0))
	return ch.fresh(now, left)
}

// usableLocked reports whether anything of the last reading counts.
func (p *Payee) usableLocked(ch *payeeChannel, now time.Time) bool {
	return ch.fresh(now, stateMaxAge) || p.securedLocked(ch, now)
}

// refreshLocked reads the channel from the chain where the last answer is older than that. A chain that can't be
// reached is waited out on what was read before, as long as anything of that counts.
func (p *Payee) refreshLocked(ctx context.Context, ch *payeeChannel, age time.Duration) error {
	return p.readLocked(ctx, p.cfg.Chain, ch, age)
}

// readLocked is refreshLocked with the chain as of a moment ago.
func (p *Payee) readLocked(ctx context.Context, view chainview.Chain, ch *payeeChannel, age time.Duration) error {
	now := time.Now()
	p.mu.Lock()
	downAt, down := p.downAt, p.down
	p.mu.Unlock()
	usable := p.usableLocked(ch, now)
	if !ch.readAt.IsZero() && age > 0 && now.Sub(ch.triedAt) < age {
		if !usable && down != nil {
			return fmt.Errorf("read %s: %w", ch.account.Channel, down)
		}
		return nil
	}
	// Of many channels one asks whether a chain that was down is back, and the others go on meanwhile.
	if usable && down != nil && now.Sub(downAt) < statePatience {
		return nil
	}
	reading, cancel := ctx, context.CancelFunc(func() {})
	if usable {
		reading, cancel = context.WithTimeout(ctx, statePatience)
	}
	defer cancel()
	state, err := view.State(reading, ch.account.Channel)
	now = time.Now()
	if ctx.Err() != nil {
		return fmt.Errorf("read %s: %w", ch.account.Channel, ctx.Err())
	}
	var slow time.Duration
	if err == nil {
		slow, err = p.ageOf(state, now)
	}
	if err != nil {
		p.isDownBy(err)
		ch.triedAt = now
		if p.usableLocked(ch, now) {
			p.log.Warn("channel state is old: chain can't be read", "age", now.Sub(ch.readAt), "error", err)
			return nil
		}
		return fmt.Errorf("read %s: %w", ch.account.Channel, err)
	}
	ch.state, ch.readAt, ch.triedAt, ch.slow = state, now, now, slow
	p.mu.Lock()
	p.down = nil
	ch.exposure = ch.account.Total.SubFloor(ch.released.floor(state))
	ch.until, ch.freeUntil = p.secureUntil(state, now, slow), now.Add(stateMaxAge).Round(0)
	p.mu.Unlock()
	return p.keepLocked(ctx, ch)
}

// keepLocked writes down what was read, where something is set aside and it says something new or what is written is
// getting old: a payee that starts while the chain is down serves on it. What this machine's clock, which is all that
// is left after a restart, is too wrong to date is not written down.
func (p *Payee) keepLocked(ctx context.Context, ch *payeeChannel) error {
	if ch.account.ID == 0 || !p.tellsLocked(ch) { // of a channel without a row Open writes it down
		return nil
	}
	if err := p.cfg.Ledger.Do(ctx, func(tx *ledger.Tx) error {
		return tx.StoreReading(ch.account.ID, ch.state.Reading(ch.readAt))
	}); err != nil {
		return err
	}
	ch.stored, ch.storedAt = ch.state, ch.readAt
	return nil
}

// tellsLocked reports whether what was read is worth writing down.
func (p *Payee) tellsLocked(ch *payeeChannel) bool {
	s := ch.state
	if p.cfg.ExitDelay <= 0 || ch.slow != 0 || (s.Ceiling == s.Settled && ch.storedAt.IsZero()) {
		return false
	}
	same := s.Ceiling == ch.stored.Ceiling && s.Epoch == ch.stored.Epoch && s.ExitAt.Equal(ch.stored.ExitAt)
	return !same || ch.readAt.Sub(ch.storedAt) >= BlindTime(p.cfg.ExitDelay)/storeEvery
}

// ServeUntil is until when a session's promises can be taken while the chain can't be read, by this machine's clock: as
// long as what is set aside counts where that covers everything promised on the channel, else as long as the vault's
// free balance does. The zero time: the session is not known here.
func (p *Payee) ServeUntil(id payments.SessionID) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.sessionLocked(id)
	if s == nil {
		return time.Time{}
	}
	if s.channel.exposure.IsZero() {
		return s.channel.until
	}
	return s.channel.freeUntil
}
