package provide

import (
	"context"
	"errors"
	"time"

	"byway/contracts/text"
	"byway/payments/ledger"
)

// A disk that is full, or can't be written, holds a provider and does not end it. Nothing is taken that can't be written
// down: newcomers are told to come again, what is forwarded ends where the gates were opened to before, and promises wait.
// Once the disk takes writes again all of it goes on, and the ends of sessions that ended meanwhile are recorded.

// followLedger waits for writes that the disk refuses, and for it to take them again, until ctx ends.
func (p *Provider) followLedger(ctx context.Context) error {
	for {
		err := p.Ledger.Failure(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		p.Log.Error("the ledger can't be written: newcomers are refused and promises wait until it can", "error", err)
		if err := p.Ledger.Mended(ctx); err != nil {
			return err
		}
		p.Log.Warn("the ledger can be written again: going on")
		p.server.Recover(ctx)
		p.lookAtWishes(ctx, time.Now())
	}
}

// heldWords are what strangers are told while the ledger can't be written.
func (p *Provider) heldWords() string {
	if p.Ledger.Held() == nil {
		return ""
	}
	return "it can't write down what it is promised"
}

// Held says why the ledger can't be written at the moment, and what to do about it; empty when it can.
func (p *Provider) Held() string {
	if err := p.Ledger.Held(); err != nil {
		return text.Line(err.Error())
	}
	return ""
}

// steadyFor is how long a part of the provider has to run for what it ends with to be a failure of its own.
const steadyFor = time.Minute

// steady runs a part of the provider, and runs it again where the disk has refused it a write, once it takes them. What can't
// be stored although the disk takes everything ends it, at the second time.
func (p *Provider) steady(ctx context.Context, run func(context.Context) error) error {
	var last time.Time
	for {
		err := run(ctx)
		if ctx.Err() != nil || !errors.Is(err, ledger.ErrStore) {
			return err
		}
		if p.Ledger.Held() == nil {
			if time.Since(last) < steadyFor {
				return err
			}
			last = time.Now()
		}
		if err := p.Ledger.Mended(ctx); err != nil {
			return err
		}
	}
}
