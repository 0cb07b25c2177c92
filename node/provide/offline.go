package provide

import (
	"context"
	"errors"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts/chain"
	"byway/node/account"
	"byway/node/home"
	"byway/node/offer"
	"byway/payments/payer"
	"byway/registry/directory"
)

// A provider that has sold before starts while the chain is down, or its account is locked: it serves the channels that it knows on what it read
// of them last (see package payments), under the offer that it published last, and puts the offer into the registry
// once the chain answers. One that has to publish another offer first waits for the chain.

const (
	// publishRetry is how often a provider that started without the chain tries to publish.
	publishRetry = 5 * time.Second
	// soldPatience bounds the reading of the registry where the chain did not answer before, and what was published last
	// can be sold without it.
	soldPatience = 5 * time.Second
)

// Unpublished says why it is not known whether the offer that is sold is the registered one: the chain can't be read, or the
// account is locked. Nil where it is.
func (p *Provider) Unpublished() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.unpublished
}

// sellSaved takes up the offer that this home published last, where it is good still and says what this configuration
// says.
func (p *Provider) sellSaved(cause error) bool {
	saved, found, err := p.savedOffer()
	if err != nil || !found || !p.Times().Next.Before(saved.Offer.Expires) {
		return false
	}
	if p.cfg.Offer != nil {
		if saved.CID != p.cfg.Offer.CID || p.checkAdopted(saved.Offer) != nil {
			return false
		}
	} else {
		draft, err := p.draftOffer()
		if err != nil {
			return false
		}
		if same, err := offer.SameTerms(draft, saved.Offer); err != nil || !same {
			return false
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.offer, p.unpublished = saved, cause
	return true
}

// publishLater publishes once the chain answers, where the provider started without it.
func (p *Provider) publishLater(ctx context.Context) error {
	for p.Unpublished() != nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.unlocked:
		case <-time.After(publishRetry):
		}
		receipt, err := p.publish(ctx)
		switch {
		case err == nil:
			p.Log.Warn("the offer is published", "gas", receipt.GasUsed)
		case ctx.Err() != nil:
			return ctx.Err()
		case !chain.IsOutage(err) && !errors.Is(err, home.ErrLocked):
			p.Log.Warn("the offer could not be published; trying again", "error", err)
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

// onlineSender sends for a provider once it is known that the chain is the one that its journal tells of.
type onlineSender struct{ *account.Account }

var (
	_ payer.Sender     = onlineSender{}
	_ directory.Sender = onlineSender{}
)

// Address implements [payer.Sender].
func (s onlineSender) Address() common.Address { return s.Sender.Address() }

// Send implements [payer.Sender].
func (s onlineSender) Send(ctx context.Context, i chain.Intent) (chain.Result, error) {
	if err := s.Online(ctx); err != nil {
		return chain.Result{}, err
	}
	return s.Sender.Send(ctx, i)
}

// publishOrSell publishes, or sells what was published before where the chain can't be read.
func (p *Provider) publishOrSell(ctx context.Context) (directory.Receipt, error) {
	reading := ctx
	if p.Chain.Down() != nil {
		limited, cancel := context.WithTimeout(ctx, soldPatience)
		defer cancel()
		reading = limited
	}
	receipt, err := p.publish(reading)
	down := chain.IsOutage(err) || errors.Is(err, context.DeadlineExceeded) && reading != ctx || errors.Is(err, home.ErrLocked)
	if err == nil || !down || ctx.Err() != nil || !p.sellSaved(err) {
		return receipt, err
	}
	p.Log.Warn("nothing can be published now: selling the offer that was published last", "error", err)
	return directory.Receipt{Provider: p.Key.Address(), Already: true}, nil
}
