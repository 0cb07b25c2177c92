package choose

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/registry/directory"
)

const (
	// priceWeight is the cost of a price at the scale, in rewards.
	priceWeight = 0.5
	// tries is how many providers that were never met are looked at in one choice; the cheapest of them competes.
	// All of them at once would drown what is known: the largest of two hundred draws is always large.
	tries = 3
	// evidenceWeight is the most that settlements on chain move a belief: a provider can pay itself.
	evidenceWeight = 0.05
)

// Config says what a choice stands on besides the offers.
type Config struct {
	Criteria directory.Criteria
	// PriceScale is the price per GiB that weighs as much as half of all quality. Zero: twice the median of the offers
	// that fit.
	PriceScale contracts.Amount
	// Settled is the value settled on chain for a provider, in base units, counted at most once per payer and capped
	// for each by the caller; EvidenceScale is the sum that counts for two thirds. Both may be nil or zero.
	Settled       map[common.Address]contracts.Amount
	EvidenceScale contracts.Amount
	// Rand is the source of the draws, Now the clock; nil for the runtime's.
	Rand *rand.Rand
	Now  func() time.Time
}

// Candidate is an offer with the terms of its score: Score = Draw + Evidence - Price.
type Candidate struct {
	directory.Listing
	// Sessions is how many sessions the belief rests on, each counting the less the older it is.
	Sessions float64
	// Mean and Deviation are the belief about the worth of a session, Draw is this choice's sample of it.
	Mean, Deviation, Draw float64
	// Evidence is added for settlements on chain, Price taken away for the price.
	Evidence, Price float64
	Score           float64
	// Benched: never met, and not among those that this choice considers trying.
	Benched bool
}

// Explain states the terms for a person.
func (r Candidate) Explain() string {
	text := fmt.Sprintf("score %+.3f = quality %.3f (drawn from %.3f ± %.3f, %.1f sessions) + settled %.3f - price %.3f",
		r.Score, r.Draw, r.Mean, r.Deviation, r.Sessions, r.Evidence, r.Price)
	if r.Benched {
		text += "; never met, waiting for its turn to be tried"
	}
	return text
}

// LiarError says that offers which fit are of providers that were caught lying.
type LiarError struct{ Liars int }

// Error implements error.
func (e *LiarError) Error() string {
	return fmt.Sprintf("no offer fits: all %d that would are of providers that were caught lying", e.Liars)
}

// Rank orders the offers that fit by one draw of their scores, the best first; two calls differ, by design. Providers
// that lied are left out. Where nothing fits the error is a [*directory.NoOfferError], or a [*LiarError].
func (b *Book) Rank(ls []directory.Listing, c Config) ([]Candidate, error) {
	fit, err := c.Criteria.Filter(ls)
	if err != nil {
		return nil, err
	}
	now, normal, shuffle := time.Now, rand.NormFloat64, rand.Perm
	if c.Now != nil {
		now = c.Now
	}
	if c.Rand != nil {
		normal, shuffle = c.Rand.NormFloat64, c.Rand.Perm
	}
	scale := c.scale(fit)
	providers := make([]common.Address, len(fit))
	for i, l := range fit {
		providers[i] = l.Offer.Provider
	}
	known, market := b.snapshot(providers, now())
	ranked := make([]*Candidate, 0, len(fit)) // an offer is too large to be moved about by sorting
	all := make([]Candidate, len(fit))
	liars := 0
	for i, l := range fit {
		if known[i].liar {
			liars++
			continue
		}
		r := &all[i]
		r.Listing, r.Sessions = l, known[i].weight
		r.Mean, r.Deviation = known[i].normal(market)
		r.Draw = r.Mean + r.Deviation*normal()
		r.Price = priceWeight * min(float(l.Offer.PricePerGiB)/scale, 2)
		r.Evidence = c.evidence(l.Offer.Provider)
		r.Score = r.Draw + r.Evidence - r.Price
		r.Benched = known[i].weight == 0
		ranked = append(ranked, r)
	}
	if len(ranked) == 0 {
		return nil, &LiarError{liars}
	}
	promote(ranked, shuffle)
	slices.SortStableFunc(ranked, func(x, y *Candidate) int {
		if x.Benched != y.Benched {
			if x.Benched {
				return 1
			}
			return -1
		}
		return cmp.Compare(y.Score, x.Score)
	})
	out := make([]Candidate, len(ranked))
	for i, r := range ranked {
		out[i] = *r
	}
	return out, nil
}

// Choose returns the first of [Book.Rank].
func (b *Book) Choose(ls []directory.Listing, c Config) (Candidate, error) {
	ranked, err := b.Rank(ls, c)
	if err != nil {
		return Candidate{}, err
	}
	return ranked[0], nil
}

// promote lets one of a few random offers of unknown providers compete: the one with the best terms.
func promote(ranked []*Candidate, shuffle func(int) []int) {
	best, seen := -1, 0
	for _, i := range shuffle(len(ranked)) {
		if !ranked[i].Benched {
			continue
		}
		terms := func(r *Candidate) float64 { return r.Evidence - r.Price }
		if best < 0 || terms(ranked[i]) > terms(ranked[best]) {
			best = i
		}
		if seen++; seen == tries {
			break
		}
	}
	if best >= 0 {
		ranked[best].Benched = false
	}
}

func (c Config) scale(fit []directory.Listing) float64 {
	if !c.PriceScale.IsZero() {
		return float(c.PriceScale)
	}
	prices := make([]contracts.Amount, len(fit))
	for i, l := range fit {
		prices[i] = l.Offer.PricePerGiB
	}
	slices.SortFunc(prices, contracts.Amount.Cmp)
	return 2 * max(float(prices[len(prices)/2]), 1)
}

func (c Config) evidence(provider common.Address) float64 {
	settled, ok := c.Settled[provider]
	if !ok || c.EvidenceScale.IsZero() {
		return 0
	}
	return evidenceWeight * (1 - math.Exp(-float(settled)/float(c.EvidenceScale)))
}

// float is for weighing only: no amount that is paid is ever computed from it.
func float(a contracts.Amount) float64 {
	f, _ := a.Big().Float64()
	return f
}
