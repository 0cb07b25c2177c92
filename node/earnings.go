package node

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/contracts/chain"
	"byway/payments"
)

// claimEvents follows what the claimer must answer: claims, for reorganisations, and exits, within a block.
func (p *Provider) claimEvents(ctx context.Context) (*chain.Follower, error) {
	head, err := p.chain.Head(ctx)
	if err != nil {
		return nil, fmt.Errorf("read head: %w", err)
	}
	d := p.network.Deployment
	return chain.NewFollower(chain.FollowerConfig{
		// Another contract or token is another story, with a cursor of its own.
		Client: p.chain, Journal: p.journal, Name: fmt.Sprintf("claims/%s/%s", d.Channels, d.Token),
		Addresses: []common.Address{d.Channels}, Topics: payments.ClaimerTopics(d.Token),
		// What was before, the claimer sees when it reads every channel at its start.
		Start: head.Number, Log: p.log,
	}), nil
}

// EarningsReport is byway.earnings/1: the sums of [Earnings], and where the money is now.
type EarningsReport struct {
	Schema   string         `json:"schema"`
	Provider common.Address `json:"provider"`
	Token    Token          `json:"token"`
	Earnings
	// Wallet is what the account holds on chain, in base units, and Gas what it has left to pay for claims; both are null
	// where the chain can't be read, and Unavailable says why.
	Wallet      *contracts.Amount `json:"wallet"`
	Gas         Wei               `json:"gas_wei"`
	Unavailable string            `json:"unavailable,omitempty"`
	// Left is what is owed and is not claimed, as the running provider sees it; null where none runs.
	Left []Left `json:"left"`
}

// EarningsReport adds to what the ledger knows what the account holds.
func (p *Provider) EarningsReport(ctx context.Context) (EarningsReport, error) {
	e, err := p.Earnings(ctx)
	if err != nil {
		return EarningsReport{}, err
	}
	r, err := p.earningsReport(ctx, p.cfg.Key.Address(), e)
	r.Left = p.left()
	return r, err
}

func (p *parts) earningsReport(ctx context.Context, owner common.Address, e Earnings) (EarningsReport, error) {
	r := EarningsReport{Schema: "byway.earnings/1", Provider: owner, Token: p.token, Earnings: e}
	reading, cancel := context.WithTimeout(ctx, p.lookPatience())
	defer cancel()
	wallet, err := tokenBalance(reading, p.chain.Agreed().OrAlone(), p.network.Token, owner)
	if err == nil {
		r.Wallet = &wallet
		r.Gas.Int, err = p.chain.Agreed().OrAlone().BalanceAt(reading, owner, nil)
	}
	if err != nil {
		// What was promised is this home's to know, whatever the chain says.
		r.Wallet, r.Gas, r.Unavailable = nil, Wei{}, printable(err.Error())
	}
	return r, ctx.Err()
}

// EarningsReport is that of a provider whose daemon does not run.
func (w *Wallet) EarningsReport(ctx context.Context) (EarningsReport, error) {
	e := payments.Earnings{GasSpent: new(big.Int)} // without a ledger nothing was ever promised here
	if w.ledger != nil {
		var err error
		if e, err = w.ledger.Earnings(ctx, w.domain, w.network.Token, w.cfg.Owner); err != nil {
			return EarningsReport{}, err
		}
	}
	return w.earningsReport(ctx, w.cfg.Owner, newEarnings(e))
}

func newEarnings(e payments.Earnings) Earnings {
	return Earnings{e.Promised, e.Unsettled, e.Claiming, e.Settled, Wei{e.GasSpent}, e.Claims}
}
