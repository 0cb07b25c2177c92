package node

import (
	"context"
	"time"

	"byway/contracts/chain"
	"byway/registry"
)

// When an offer begins and ends, until when something signed may be posted, and how old a registration is, everybody
// holds against the chain's time, so that it does not matter whose clock is wrong. A machine whose clock is a day off
// signs and sees the same offers as the others.

// clockSlack is how far what two honest nodes take for the chain's time may differ: their endpoints lag.
const clockSlack = 5 * time.Minute

// chainTimes are what this node knows of the chain's time.
type chainTimes struct {
	// now is the newest block's time, with what has gone by since it was heard of. Where none was it is this machine's
	// clock, as far as that may be believed: see [lastTime].
	now time.Time
	// next is what a block that comes now may say. On a private network the newest one may be days old, since blocks are
	// made of transactions there, and the next one has the clock's time.
	next time.Time
}

func chainTimesOf(c *chain.Client, n Network, last lastTime) chainTimes {
	now, ok := c.Time()
	if !ok {
		now = last.now(time.Now().Round(0), n.Private)
	}
	t := chainTimes{now.Round(0), now.Round(0)}
	if clock := time.Now().Round(0); n.Private && t.next.Before(clock) {
		t.next = clock
	}
	return t
}

// valid makes an offer one from now on. Its begin is past by a little already, so that a fresh offer does not look like
// one of the future to whoever has heard of fewer blocks.
func (t chainTimes) valid(o registry.Offer, lifetime time.Duration) registry.Offer {
	o.NotBefore = t.now.Add(-clockSlack)
	o.Expires = t.next.Add(lifetime - clockSlack)
	if most := o.NotBefore.Add(registry.MaxLifetime); most.Before(o.Expires) {
		o.Expires = most
	}
	return o
}

// hearTime is chainTimes for what is about to be signed or published: where no block was heard of yet, the chain is asked.
func (p *parts) hearTime(ctx context.Context) chainTimes {
	if _, ok := p.chain.Time(); !ok {
		asking, cancel := context.WithTimeout(ctx, lookPatience)
		defer cancel()
		if _, err := p.chain.Head(asking); err != nil {
			p.log.Debug("the chain's time is not known", "error", err)
		}
	}
	return p.chainTimes()
}

func (p *parts) chainTimes() chainTimes { return chainTimesOf(p.chain, p.network, p.last) }

// Time is the chain's time, as offers are held against it.
func (m *Market) Time() time.Time { return chainTimesOf(m.chain, m.network, m.last).now }
