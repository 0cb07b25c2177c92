package market

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/node/wire"
	"byway/payments/payer"
	"byway/registry/choose"
	"byway/registry/directory"
)

// Book holds this home's opinions of providers.
func (m *Market) Book() *choose.Book { return m.book }

// Unreached writes down that a provider's host did not answer.
func (m *Market) Unreached(provider common.Address) {
	m.Observe(choose.Observation{Provider: provider, At: time.Now(), Failed: true})
}

// Rank orders the offers that fit by what this home has measured, by price, and a little by what was settled on chain:
// the first is the one to take. See [choose.Book.Rank].
func (m *Market) Rank(offers []directory.Listing, want directory.Criteria) ([]choose.Candidate, error) {
	want.Now = m.Time()
	cfg := choose.Config{Criteria: want}
	if perPayer, scale, ok := evidenceScale(offers); ok {
		paid, err := m.registry.Settled(context.Background(), perPayer) // from the index
		if err != nil {
			m.log.Warn("choosing without what was settled on chain", "error", err)
		}
		cfg.EvidenceScale, cfg.Settled = scale, make(map[common.Address]contracts.Amount, len(paid))
		for _, l := range offers {
			if sum, ok := paid[l.Offer.Payee]; ok {
				cfg.Settled[l.Offer.Provider] = sum
			}
		}
	}
	return m.book.Rank(offers, cfg)
}

const (
	// evidenceGiB is how much traffic, at the market's median price, counts of what one payer settled, and evidencePayers
	// how many such payers earn two thirds of what settlements can add to a score.
	evidenceGiB, evidencePayers = 10, 20
)

// evidenceScale says what counts of one payer's settlements, and how much in all counts for two thirds.
func evidenceScale(offers []directory.Listing) (perPayer, scale contracts.Amount, ok bool) {
	if len(offers) == 0 {
		return perPayer, scale, false
	}
	prices := make([]contracts.Amount, len(offers))
	for i := range offers {
		prices[i] = offers[i].Offer.PricePerGiB
	}
	slices.SortFunc(prices, contracts.Amount.Cmp)
	perPayer, err := prices[len(prices)/2].MulDiv(evidenceGiB, 1)
	if err != nil || perPayer.IsZero() {
		return perPayer, scale, false
	}
	scale, err = perPayer.MulDiv(evidencePayers, 1)
	return perPayer, scale, err == nil
}

// Failed writes down that no session came about, where that was the provider's fault.
func (m *Market) Failed(provider common.Address, err error) {
	var refused *wire.RefusalError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, payer.ErrSpendCap):
		return
	case errors.As(err, &refused):
		switch refused.Code {
		case wire.RefusedInternal, wire.RefusedBusy, wire.RefusedOffer:
		default:
			return // it is right not to serve what we sent
		}
	}
	m.Observe(choose.Observation{Provider: provider, At: time.Now(), Failed: true})
}

// Observe writes into the book. A measurement that is lost costs a worse choice and nothing else.
func (m *Market) Observe(o choose.Observation) {
	if err := m.book.Observe(context.Background(), o); err != nil {
		m.log.Warn("a measurement was lost", "provider", o.Provider, "error", err)
	}
}
