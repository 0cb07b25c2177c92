package payee

import (
	"context"
	"errors"
	"slices"
	"time"

	"byway/payments/chainview"
	"byway/payments/ledger"
)

// What a payee knows of a channel is read anew with its promises. A session that rests makes none, and what was read of
// its channel grows old, so that an outage which begins then would find little of the blind time left. So channels with
// open sessions and something set aside are read anew once a good part of that time is over, the oldest first, a few a
// second at most, and many of them against one block.

const (
	// rereadPart is the part of the blind time after which a reading is made anew: an outage finds three quarters left.
	rereadPart = 4
	// rereadRate is how many channels a second are read at most.
	rereadRate = 4
	// rereadBeat is how often it is looked for such channels, where exits are long.
	rereadBeat = 15 * time.Second
)

// snapshotter is a [chainview.Chain] that can answer from one block for a while, which saves it from asking for the
// newest one for each channel.
type snapshotter interface {
	Snapshot(ctx context.Context) (view chainview.Chain, at time.Time, err error)
}

// Run keeps what open sessions are served by fresh until ctx ends. It returns only for ctx and for a ledger that can't
// store.
func (p *Payee) Run(ctx context.Context) error {
	if p.cfg.ExitDelay <= 0 {
		<-ctx.Done() // nothing counts for longer than a promise's own reading
		return ctx.Err()
	}
	beat := min(rereadBeat, max(BlindTime(p.cfg.ExitDelay)/32, 250*time.Millisecond))
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		p.watchClock(ctx)
		most := max(1, int(beat*rereadRate/time.Second))
		if err := p.reread(ctx, most); err != nil {
			return err
		}
		if err := p.lookAtStakes(ctx, nil, most); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// watchClock looks at blocks as they come as long as it is not known whose clock is wrong, the chain's or this machine's.
func (p *Payee) watchClock(ctx context.Context) {
	s, ok := p.cfg.Chain.(snapshotter)
	p.mu.Lock()
	told := p.sight.moved || !p.sight.at.IsZero() && time.Since(p.sight.time) <= BlindTime(p.cfg.ExitDelay)
	p.mu.Unlock()
	if !ok || told || p.development() {
		return
	}
	reading, cancel := context.WithTimeout(ctx, statePatience)
	defer cancel()
	if _, at, err := s.Snapshot(reading); err == nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.sight.see(at, time.Now())
	}
}

// reread reads at most so many channels whose reading has grown old.
func (p *Payee) reread(ctx context.Context, most int) error {
	age := BlindTime(p.cfg.ExitDelay) / rereadPart
	now := time.Now()
	type old struct {
		ch     *payeeChannel
		readAt time.Time
	}
	var due []old
	seen := map[*payeeChannel]bool{}
	for _, ch := range p.served() {
		if seen[ch] || !ch.mu.TryLock() { // whoever holds it sees to it
			continue
		}
		seen[ch] = true
		if ch.state.Settled.Less(ch.state.Ceiling) && !ch.fresh(now, age) {
			due = append(due, old{ch, ch.readAt})
		}
		ch.mu.Unlock()
	}
	if len(due) == 0 {
		return nil
	}
	slices.SortFunc(due, func(a, b old) int { return a.readAt.Compare(b.readAt) })
	if p.isDown() {
		due = due[:1] // one asks whether the chain is back
	}
	view := p.cfg.Chain
	if s, ok := view.(snapshotter); ok && len(due) > 1 {
		reading, cancel := context.WithTimeout(ctx, statePatience)
		defer cancel()
		var err error
		if view, _, err = s.Snapshot(reading); err != nil {
			p.isDownBy(err)
			return ctx.Err()
		}
	}
	for _, d := range due[:min(len(due), most)] {
		if !d.ch.mu.TryLock() {
			continue
		}
		err := p.readLocked(ctx, view, d.ch, stateRetry)
		d.ch.mu.Unlock()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ledger.ErrStore):
			return err
		case err != nil:
			p.log.Debug("a channel with an open session can't be read", "error", err)
		}
		if p.isDown() {
			return nil
		}
	}
	return nil
}

// served are the channels of open sessions.
func (p *Payee) served() []*payeeChannel {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]*payeeChannel, 0, len(p.sessions))
	for _, s := range p.sessions {
		if s.channel != nil {
			list = append(list, s.channel)
		}
	}
	return list
}

func (p *Payee) isDown() bool { return p.whyDown() != nil }

// whyDown says why the chain can't be read; nil while it can.
func (p *Payee) whyDown() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.down
}

func (p *Payee) isDownBy(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.downAt, p.down = time.Now(), err
}
