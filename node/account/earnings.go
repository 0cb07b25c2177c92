package account

import (
	"context"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/contracts/text"
	"byway/node/token"
	"byway/payments/claim"
	"byway/payments/ledger"
)

// EarningsReport is byway.earnings/1: the sums of [Earnings], and where the money is now.
type EarningsReport struct {
	Schema   string         `json:"schema"`
	Provider common.Address `json:"provider"`
	Token    token.Token    `json:"token"`
	Earnings
	// Wallet is the account's balance on chain, in base units, and Gas the wei it has left to pay for claims; both are
	// null where the chain can't be read, and Unavailable says why.
	Wallet      *contracts.Amount `json:"wallet"`
	Gas         token.Wei         `json:"gas_wei"`
	Unavailable string            `json:"unavailable,omitempty"`
	// Left lists debts that stay unclaimed, as the running provider sees them; null where none runs.
	Left []Left `json:"left"`
}

func (p *Account) ReportEarnings(ctx context.Context, owner common.Address, e Earnings) (EarningsReport, error) {
	r := EarningsReport{Schema: "byway.earnings/1", Provider: owner, Token: p.Token, Earnings: e}
	reading, cancel := context.WithTimeout(ctx, p.LookPatience())
	defer cancel()
	wallet, err := token.BalanceOf(reading, p.Chain.Agreed().OrAlone(), p.Network.Token, owner)
	if err == nil {
		r.Wallet = &wallet
		r.Gas.Int, err = p.Chain.Agreed().OrAlone().BalanceAt(reading, owner, nil)
	}
	if err != nil {
		// What was promised is this home's to know, whatever the chain says.
		r.Wallet, r.Gas, r.Unavailable = nil, token.Wei{}, text.Line(err.Error())
	}
	return r, ctx.Err()
}

func NewEarnings(e ledger.Earnings) Earnings {
	return Earnings{e.Promised, e.Unsettled, e.Claiming, e.Settled, token.Wei{Int: e.GasSpent}, e.Claims}
}

// Earnings sums a provider's promises and says where they stand, in base units; GasSpent is in wei.
type Earnings struct {
	Promised  contracts.Amount `json:"promised"` // the sum of the next three
	Unsettled contracts.Amount `json:"unsettled"`
	Claiming  contracts.Amount `json:"claiming"`
	Settled   contracts.Amount `json:"settled"`
	GasSpent  token.Wei        `json:"gas_spent_wei"`
	Claims    int              `json:"claims"`
}

// Left sums debts that a provider does not claim, or cannot, and says why.
type Left struct {
	Amount   contracts.Amount `json:"amount"`
	Channels int              `json:"channels"`
	Why      string           `json:"why"`
	Lacks    claim.Lacks      `json:"lacks,omitempty"` // what a claim waits for
}
