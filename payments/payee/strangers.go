package payee

import (
	"context"
	"errors"
	"time"

	"byway/contracts"
	"byway/payments/chainview"
	"byway/payments/ledger"
)

// What strangers put at stake outlives their sessions: promises that are not yet claimed may turn out to be worth
// nothing. So stakes are remembered, from the ledger after a restart; they are freed when the chain shows that what was
// promised is reserved or settled, and become losses when it shows that the vault can't pay it any more.

const (
	// stakesAtOnce is how many stakes are looked at when a newcomer finds the budget used up.
	stakesAtOnce = 16
	// stakeAge is how old a reading of a staked channel may get before it is read anew for another's sake.
	stakeAge = 10 * time.Second
)

// stakeLocked returns how much a channel puts at stake with an account. ch.mu is held.
func (ch *payeeChannel) stakeLocked(p *Payee, a ledger.Account) contracts.Amount {
	books := ch.booksLocked(a, ch.countedLocked(), p.countsLocked(ch, time.Now()))
	return books.Stake(len(ch.sessions) > 0).SubFloor(a.Lost)
}

// lostLocked works out what is lost on a channel whose last session ends, beyond what was counted as lost before, and the
// account that says so: bytes that nobody paid, and promises that the vault can't cover.
func (p *Payee) lostLocked(ch *payeeChannel, a ledger.Account) (ledger.Account, contracts.Amount) {
	counts := p.countsLocked(ch, time.Now())
	books := ch.booksLocked(a, a.Counted, counts)
	a.Lost = a.Lost.Min(books.Stake(false)) // the rest has been paid since
	books.Unsecured = books.Unsecured.SubFloor(counts.Free)
	lost := books.Stake(false).SubFloor(a.Lost)
	a.Lost = a.Lost.AddCap(lost)
	return a, lost
}

// recallStakes takes up stakes and losses from the ledger.
func (p *Payee) recallStakes(ctx context.Context) error {
	claimant := ledger.Claimant{Domain: p.cfg.Domain, Token: p.cfg.Token, Payee: p.cfg.Payee}
	losses, err := p.cfg.Ledger.LossesSince(ctx, claimant, time.Now().Add(-lossSpan))
	if err != nil {
		return err
	}
	for _, l := range losses {
		p.strangers.lose(l.At, l.Amount)
	}
	owed, err := p.cfg.Ledger.Owed(ctx, claimant)
	if err != nil {
		return err
	}
	for _, a := range owed {
		r, found, err := p.cfg.Ledger.Reading(ctx, a.ID)
		if err != nil {
			return err
		}
		state := chainview.State{Settled: a.Believed(), Ceiling: a.Believed()}
		if found {
			state.Ceiling = r.Ceiling.Max(state.Settled)
		}
		ch := &payeeChannel{}
		p.strangers.set(a.Channel, ch.booksLocked(a, a.Counted, state).Stake(false).SubFloor(a.Lost))
	}
	return nil
}

// lookAtStakes reads at most so many of the channels that strangers have at stake, the oldest readings first, and frees
// what has been reserved or settled meanwhile. Busy is locked by the caller, and left out.
func (p *Payee) lookAtStakes(ctx context.Context, busy *payeeChannel, most int) error {
	p.mu.Lock()
	var staked []contracts.Channel
	for c := range p.strangers.stakes {
		if busy == nil || c != busy.account.Channel {
			staked = append(staked, c)
		}
		if len(staked) >= 4*most { // in no order: another look finds others
			break
		}
	}
	p.mu.Unlock()
	for _, c := range staked {
		if most == 0 || p.isDown() {
			return nil
		}
		ch, err := p.channel(ctx, c)
		if err != nil {
			return err
		}
		if !ch.mu.TryLock() {
			continue
		}
		if ch.gone || ch.fresh(time.Now(), stakeAge) {
			ch.mu.Unlock()
			continue
		}
		most--
		err = p.appraiseLocked(ctx, ch)
		p.letGo(ch)
		if ctx.Err() != nil || errors.Is(err, ledger.ErrStore) {
			return err
		}
	}
	return nil
}

// appraiseLocked reads a channel anew and makes of its stake what is still to be feared, and of the rest a loss.
func (p *Payee) appraiseLocked(ctx context.Context, ch *payeeChannel) error {
	if err := p.refreshLocked(ctx, ch, 0); err != nil {
		return err
	}
	a, lost := ch.account, contracts.Amount{}
	if len(ch.sessions) == 0 && a.ID != 0 {
		if a, lost = p.lostLocked(ch, a); !lost.IsZero() {
			at := time.Now()
			if err := p.cfg.Ledger.Do(ctx, func(tx *ledger.Tx) error {
				if err := tx.StoreAccount(a); err != nil {
					return err
				}
				return tx.Lose(a.ID, at, lost)
			}); err != nil {
				return err
			}
			ch.account = a
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.strangers.lose(time.Now(), lost)
	p.strangers.set(a.Channel, ch.stakeLocked(p, a))
	return nil
}

// VaultChanged says that the chain has seen a vault lose funds. Where it owes this payee anything its channel is read at
// once: what it can't pay any more is a loss, and no promise on it counts.
func (p *Payee) VaultChanged(ctx context.Context, v contracts.Vault) error {
	c := contracts.Channel{Vault: v, Payee: p.cfg.Payee}
	p.mu.Lock()
	known := p.channels[c] != nil || !p.strangers.stakes[c].IsZero()
	p.mu.Unlock()
	if !known {
		return nil
	}
	ch, err := p.hold(ctx, c)
	if err != nil {
		return err
	}
	defer p.letGo(ch)
	return p.appraiseLocked(ctx, ch)
}

// Strangers sum the cost of strangers to a payee.
type Strangers struct {
	// AtStake may be lost to them now, Lost was lost in the last hour, in base units: together no more than
	// [Config].Budget.
	AtStake, Lost contracts.Amount
	// Vaults is how many have something at stake.
	Vaults int
}

// Strangers tells how the budget for strangers stands.
func (p *Payee) Strangers() Strangers {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.strangers.forget(time.Now())
	return Strangers{AtStake: p.strangers.sum, Lost: p.strangers.lost, Vaults: len(p.strangers.stakes)}
}

// lossSpan is for how long a loss counts against the budget for strangers.
const lossSpan = time.Hour

// budget bounds what all strangers together can cost a payee: what is at stake on their accounts now, and what was lost to
// them in the last hour. Identities are free, so a bound on each of them bounds nothing. It is guarded by Payee.mu.
type budget struct {
	stakes map[contracts.Channel]contracts.Amount // none is zero
	sum    contracts.Amount
	losses []loss // of the last hour, oldest first
	lost   contracts.Amount
}

type loss struct {
	at     time.Time
	amount contracts.Amount
}

func newBudget() budget { return budget{stakes: map[contracts.Channel]contracts.Amount{}} }

// set makes a channel's stake so much, whatever the budget says: it has come to that.
func (b *budget) set(c contracts.Channel, stake contracts.Amount) {
	b.sum = b.sum.SubFloor(b.stakes[c])
	delete(b.stakes, c)
	if !stake.IsZero() {
		b.stakes[c] = stake
		b.sum = b.sum.AddCap(stake)
	}
}

// left is how high a channel's stake may be under a limit.
func (b *budget) left(c contracts.Channel, limit contracts.Amount, now time.Time) contracts.Amount {
	b.forget(now)
	others := b.sum.SubFloor(b.stakes[c])
	return limit.SubFloor(others).SubFloor(b.lost)
}

// lose counts a loss.
func (b *budget) lose(at time.Time, amount contracts.Amount) {
	if amount.IsZero() {
		return
	}
	b.losses = append(b.losses, loss{at, amount})
	b.lost = b.lost.AddCap(amount)
}

// forget drops what is older than an hour. A loss of the future, by a clock that was set back since, is as old as now.
func (b *budget) forget(now time.Time) {
	n := 0
	for i := range b.losses {
		if b.losses[i].at.After(now) {
			b.losses[i].at = now
		}
		if n == i && now.Sub(b.losses[i].at) >= lossSpan {
			n++
		}
	}
	if n == 0 {
		return
	}
	b.losses = b.losses[n:]
	b.lost = contracts.Amount{}
	for _, l := range b.losses {
		b.lost = b.lost.AddCap(l.amount)
	}
}
