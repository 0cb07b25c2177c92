package node

import (
	"fmt"
	"time"

	"byway/contracts"
	"byway/payments"
	"byway/registry"
)

// Left is what a provider is owed and does not claim, or cannot, and why.
type Left struct {
	Amount   contracts.Amount `json:"amount"`
	Channels int              `json:"channels"`
	Why      string           `json:"why"`
}

// left is what the last round of claims left, with amounts in tokens.
func (p *Provider) left() []Left {
	list := []Left{}
	for _, u := range p.claimer.Unclaimed() {
		list = append(list, Left{u.Amount, u.Channels, p.token.words(u.Why)})
	}
	for _, s := range p.claimer.Skipped() {
		list = append(list, Left{Channels: 1, Why: fmt.Sprintf("unavailable: channel of %s: %s", s.Channel.Payer,
			printable(s.Reason.Error()))})
	}
	return list
}

// claimPolicy is what the provider was told, with what follows from its network and its price. Where nobody has said
// what gas is worth, a development chain's is worth nothing, and elsewhere an exit is answered where it is about more
// than a stranger is trusted with.
func (p *Provider) claimPolicy() (payments.Policy, error) {
	policy := p.cfg.Claims
	if p.network.Private && policy.Floor.IsZero() && policy.GasTokenPrice.IsZero() {
		policy.GasFree = true
		return policy, nil
	}
	var err error
	if policy.ReserveAbove.IsZero() {
		if policy.ReserveAbove, err = p.trustedWith(); err != nil {
			return policy, err
		}
	}
	if policy.MustFloor, err = payments.Cost(p.sells.PricePerGiB, payments.TrustBytes); err != nil {
		return policy, fmt.Errorf("price of %d bytes: %w", uint64(payments.TrustBytes), err)
	}
	if !policy.GasTokenPrice.IsZero() {
		return policy, nil // the floor is for when no endpoint says what gas costs
	}
	p.log.Warn("what gas is worth in tokens is not known", "claims", p.claimRule(policy))
	return policy, nil
}

// trustedPart is the part of what a consumer is trusted with from which on its reserve is posted: a quarter.
const trustedPart = 4

// trustedWith is from which debt on a consumer's reserve is posted.
func (p *Provider) trustedWith() (contracts.Amount, error) { return p.cfg.Trust.MulDiv(1, trustedPart) }

// trustOf is how far a provider trusts a vault that sells so much: by default with 64 MiB, or what its line carries in half
// a second, since a fast session has as much on its way.
func trustOf(cfg ProviderConfig, sells registry.Offer) (contracts.Amount, error) {
	if cfg.NoTrust || !cfg.Trust.IsZero() {
		return cfg.Trust, nil
	}
	line := max(sells.Capacity.Down, sells.Capacity.Up) / 8
	trust, err := payments.Cost(sells.PricePerGiB, max(payments.TrustBytes, line/2))
	if err != nil {
		return trust, fmt.Errorf("price of what a vault is trusted with: %w", err)
	}
	return trust, nil
}

// budgetTimes is how many vaults' trust all strangers together may cost in an hour.
const budgetTimes = 16

// claimRule says by which rule claims are made.
func (p *Provider) claimRule(policy payments.Policy) string {
	age, least := policy.MaxAge, policy.Least
	if age == 0 {
		age = 24 * time.Hour
	}
	if least == 0 {
		least = 2
	}
	switch {
	case policy.GasFree:
		return "gas costs nothing here: everything due is claimed"
	case !policy.GasTokenPrice.IsZero():
		return fmt.Sprintf("a claim brings at least %d times its gas; less is left as dust", least)
	case !policy.Floor.IsZero():
		return fmt.Sprintf("what gas is worth is not known (--gas-price): %s or more are claimed for an exit, a nearly full "+
			"channel or an age of %s", p.token.Format(policy.Floor), age)
	}
	return fmt.Sprintf("what gas is worth is not known (--gas-price, or --claim-floor): %s or more are claimed for an exit "+
		"or a nearly full channel, nothing for its age", p.token.Format(policy.MustFloor))
}
