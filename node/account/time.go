package account

import (
	"context"
	"fmt"
	"sync"
	"time"

	"byway/contracts/chain"
	"byway/node/home"
	"byway/payments/ledger"
	"byway/registry"
)

// When an offer begins and ends, until when something signed may be posted, and how old a registration is, everybody
// holds against the chain's time, so that it does not matter whose clock is wrong. A machine whose clock is a day off
// signs and sees the same offers as the others.

// clockSlack is how far what two honest nodes take for the chain's time may differ: their endpoints lag.
const clockSlack = 5 * time.Minute

// Times tell the chain's time as far as this node knows it.
type Times struct {
	// Now is the newest block's time, with what has gone by since it was heard of. Where none was it is this machine's
	// clock, as far as that may be believed: see [LastTime].
	Now time.Time
	// Next is the time that a block may carry if it comes now. On a private network the newest one may be days old, since
	// blocks are made of transactions there, and the next one has the clock's time.
	Next time.Time
}

func TimesOf(c *chain.Client, n home.Network, last LastTime) Times {
	now, ok := c.Time()
	if !ok {
		now = last.now(time.Now().Round(0), n.Private)
	}
	t := Times{now.Round(0), now.Round(0)}
	if clock := time.Now().Round(0); n.Private && t.Next.Before(clock) {
		t.Next = clock
	}
	return t
}

// Valid makes an offer one from now on. Its begin is past by a little already, so that a fresh offer does not look like
// one of the future to whoever has heard of fewer blocks.
func (t Times) Valid(o registry.Offer, lifetime time.Duration) registry.Offer {
	o.NotBefore = t.Now.Add(-clockSlack)
	o.Expires = t.Next.Add(lifetime - clockSlack)
	if most := o.NotBefore.Add(registry.MaxLifetime); most.Before(o.Expires) {
		o.Expires = most
	}
	return o
}

// HearTime returns [Times] for what is about to be signed or published: where no block was heard of yet, it asks the
// chain.
func (p *Account) HearTime(ctx context.Context) Times {
	if _, ok := p.Chain.Time(); !ok {
		asking, cancel := context.WithTimeout(ctx, LookPatience)
		defer cancel()
		if _, err := p.Chain.Head(asking); err != nil {
			p.Log.Debug("the chain's time is not known", "error", err)
		}
	}
	return p.Times()
}

func (p *Account) Times() Times { return TimesOf(p.Chain, p.Network, p.Last) }

// bookClock is what the ledger's days go by: this machine's clock, and the chain's time where a block was heard of. On a
// private network, whose newest block may be days old, that tells only of a clock that is behind. Far apart they are said
// once.
func (p *Account) bookClock() ledger.Clock {
	var said sync.Once
	return func() (now, known time.Time) {
		now = time.Now().Round(0)
		newest, ok := p.Chain.Time()
		if !ok || p.Network.Private && newest.Before(now) {
			return now, time.Time{}
		}
		if apart := now.Sub(newest); apart > bookTolerance || apart < -bookTolerance {
			said.Do(func() {
				p.Log.Warn("this machine's clock is days from the chain's time: days are booked by the chain's, set the clock",
					"apart", apart.Round(time.Second))
			})
		}
		return now, newest.Round(0)
	}
}

// bookTolerance is how far a clock may be off that days are booked by, as the ledger has it.
const bookTolerance = 24 * time.Hour

// The clock of this machine decides which offers are good, and when those that it signs are: by one that is hours off none
// is, and nothing says why. The chain's time is what everybody else goes by.
const (
	// clockTolerance is how far a chain's last block may be from this machine's clock on a public network. Its blocks follow
	// each other in seconds.
	clockTolerance = 10 * time.Minute
	clockPatience  = 5 * time.Second
)

// ClockTrouble says how far this machine's clock is from the chain's time; empty where they agree, and where the chain can't
// be asked. On a private network, whose blocks may be far between, only a clock that is behind can be told.
func (p *Account) ClockTrouble(ctx context.Context) string {
	if p.Chain.Down() != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, clockPatience)
	defer cancel()
	head, err := p.Chain.Head(ctx)
	if err != nil {
		p.Log.Debug("the clock is not compared with the chain's", "error", err)
		return ""
	}
	return CompareClocks(time.Now(), head.Time, p.Network.Private)
}

// CompareClocks says how far a machine's clock is from the time of a chain's last block, as [Account.ClockTrouble] does.
func CompareClocks(now, chain time.Time, private bool) string {
	off := chain.Sub(now).Round(time.Second)
	switch {
	case off > clockTolerance:
		return fmt.Sprintf("this machine's clock is %s behind the chain's: offers look as if they were not valid yet, set it right", off)
	case !private && off < -clockTolerance:
		return fmt.Sprintf("the chain's last block is %s old by this machine's clock: either the clock is ahead, and offers look "+
			"as if they had ended, or the chain has stopped", -off)
	}
	return ""
}
