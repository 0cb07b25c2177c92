package provide

import (
	"context"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/contracts/chain"
	"byway/contracts/text"
	"byway/node/account"
	"byway/payments"
	"byway/payments/claim"
	"byway/payments/pace"
	"byway/registry"
)

// left lists the leftovers of the last round of claims; their reasons name amounts in tokens.
func (p *Provider) left() []account.Left {
	list := []account.Left{}
	for _, u := range p.claimer.Unclaimed() {
		list = append(list, account.Left{Amount: u.Amount, Channels: u.Channels, Why: p.Token.Words(u.Why), Lacks: u.Lacks})
	}
	for _, s := range p.claimer.Skipped() {
		list = append(list, account.Left{Channels: 1, Why: fmt.Sprintf("unavailable: channel of %s: %s", s.Channel.Payer,
			text.Line(s.Reason.Error()))})
	}
	return list
}

// claimPolicy completes the operator's policy by what follows from its network and its price. Where nobody has said
// what gas is worth, a development chain's is worth nothing, and elsewhere an exit is answered where it is about more
// than a stranger is trusted with.
func (p *Provider) claimPolicy() (claim.Policy, error) {
	policy := p.cfg.Claims
	if p.Network.Private && policy.Floor.IsZero() && policy.GasTokenPrice.IsZero() {
		policy.GasFree = true
		return policy, nil
	}
	var err error
	if policy.ReserveAbove.IsZero() {
		if policy.ReserveAbove, err = p.trustedWith(); err != nil {
			return policy, err
		}
	}
	if policy.MustFloor, err = payments.Cost(p.sells.PricePerGiB, pace.TrustBytes); err != nil {
		return policy, fmt.Errorf("price of %d bytes: %w", uint64(pace.TrustBytes), err)
	}
	if !policy.GasTokenPrice.IsZero() {
		return policy, nil // the floor is for when no endpoint says what gas costs
	}
	rule, _ := p.claimRule(policy)
	p.Log.Warn("what gas is worth in tokens is not known", "claims", rule)
	return policy, nil
}

// trustedPart is the part of what a consumer is trusted with from which on its reserve is posted: a quarter.
const trustedPart = 4

// trustedWith is from which debt on a consumer's reserve is posted.
func (p *Provider) trustedWith() (contracts.Amount, error) { return p.cfg.Trust.MulDiv(1, trustedPart) }

// trustOf is how far a provider trusts a vault that sells so much: by default with 64 MiB, or what its line carries in half
// a second, since a fast session has as much on its way.
func trustOf(cfg Config, sells registry.Offer) (contracts.Amount, error) {
	if cfg.NoTrust || !cfg.Trust.IsZero() {
		return cfg.Trust, nil
	}
	line := max(sells.Capacity.Down, sells.Capacity.Up) / 8
	trust, err := payments.Cost(sells.PricePerGiB, max(pace.TrustBytes, line/2))
	if err != nil {
		return trust, fmt.Errorf("price of what a vault is trusted with: %w", err)
	}
	return trust, nil
}

// budgetTimes is how many vaults' trust all strangers together may cost in an hour.
const budgetTimes = 16

// claimRule says by which rule claims are made, and what it was not told.
func (p *Provider) claimRule(policy claim.Policy) (string, claim.Lacks) {
	age, least := policy.MaxAge, policy.Least
	if age == 0 {
		age = 24 * time.Hour
	}
	if least == 0 {
		least = 2
	}
	switch {
	case policy.GasFree:
		return "gas costs nothing here: everything due is claimed", ""
	case !policy.GasTokenPrice.IsZero():
		return fmt.Sprintf("a claim brings at least %d times its gas; less is left as dust", least), ""
	case !policy.Floor.IsZero():
		return fmt.Sprintf("what gas is worth is not known: %s or more are claimed for an exit, a nearly full "+
			"channel or an age of %s", p.Token.Format(policy.Floor), age), claim.LacksPrice
	}
	return fmt.Sprintf("what gas is worth is not known: %s or more are claimed for an exit "+
		"or a nearly full channel, nothing for its age", p.Token.Format(policy.MustFloor)), claim.LacksFloor
}

// claimEvents follows what the claimer must answer: claims, for reorganisations, and exits, within a block.
func (p *Provider) claimEvents(ctx context.Context) (*chain.Follower, error) {
	head, err := p.Chain.Head(ctx)
	if err != nil {
		return nil, fmt.Errorf("read head: %w", err)
	}
	d := p.Network.Deployment
	return chain.NewFollower(chain.FollowerConfig{
		// Another contract or token is another story, with a cursor of its own.
		Client: p.Chain, Journal: p.Journal, Name: fmt.Sprintf("claims/%s/%s", d.Channels, d.Token),
		Addresses: []common.Address{d.Channels}, Topics: claim.Topics(d.Token),
		// What was before, the claimer sees when it reads every channel at its start.
		Start: head.Number, Log: p.Log,
	}), nil
}

// EarningsReport adds to what the ledger knows what the account holds.
func (p *Provider) EarningsReport(ctx context.Context) (account.EarningsReport, error) {
	e, err := p.Earnings(ctx)
	if err != nil {
		return account.EarningsReport{}, err
	}
	r, err := p.ReportEarnings(ctx, p.Key.Address(), e)
	r.Left = p.left()
	return r, err
}
