package directory

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/registry"
)

// Criteria says which offers a consumer would take. The zero value takes any exit over WireGuard.
type Criteria struct {
	// MaxPricePerGiB is the most to pay for 2^30 bytes; zero is no limit.
	MaxPricePerGiB contracts.Amount
	// Country is the claimed country, empty for any.
	Country string
	// Provider names one provider, nil for any.
	Provider *common.Address
	// MinStake is the least that the provider must have staked, in base units.
	MinStake contracts.Amount
	// Service must be sold by the offer, [registry.ServiceExit] where empty; Transport likewise
	// [registry.TransportWireGuard].
	Service, Transport string
	// Features must all be there.
	Features []string
	// P2P asks for an exit that allows file sharing between peers.
	P2P bool
	// MinDown is the claimed bit/s towards the consumer; an offer that claims nothing does not fit.
	MinDown uint64
	// MinAge is how long the provider must have been registered.
	MinAge time.Duration
	// Now is the chain's time, which registrations are dated by; zero: this machine's.
	Now time.Time
}

// NoOfferError says that nothing fits, and what stood in the way.
type NoOfferError struct {
	// Considered is how many offers there were, Dropped how many of them failed first at each criterion.
	Considered int
	Dropped    map[string]int
}

// Error implements error.
func (e *NoOfferError) Error() string {
	if e.Considered == 0 {
		return "no offer fits: there are no offers"
	}
	reasons := make([]string, 0, len(e.Dropped))
	for reason, n := range e.Dropped {
		reasons = append(reasons, fmt.Sprintf("%d %s", n, reason))
	}
	slices.Sort(reasons)
	return fmt.Sprintf("no offer fits: of %d, %s", e.Considered, strings.Join(reasons, ", "))
}

// Check returns the criterion that an offer fails first, in words that follow a count ("3 cost more than …"), or "".
func (c Criteria) Check(l Listing) string {
	o := l.Offer
	service, transport := c.Service, c.Transport
	if service == "" {
		service = registry.ServiceExit
	}
	if transport == "" {
		transport = registry.TransportWireGuard
	}
	switch {
	case c.Provider != nil && o.Provider != *c.Provider:
		return "are of other providers than the one asked for"
	case !o.Sells(service):
		return fmt.Sprintf("do not sell the service %s", service)
	case !slices.Contains(o.Transports, transport):
		return fmt.Sprintf("lack the transport %s", transport)
	case c.Country != "" && o.Country != c.Country:
		return fmt.Sprintf("are not in %s", c.Country)
	case !c.MaxPricePerGiB.IsZero() && c.MaxPricePerGiB.Less(o.PricePerGiB):
		return fmt.Sprintf("cost more than %s per GiB", c.MaxPricePerGiB)
	case l.Registration.Stake.Less(c.MinStake):
		return fmt.Sprintf("have staked less than %s", c.MinStake)
	case !o.Has(c.Features...):
		return fmt.Sprintf("lack a feature of %s", strings.Join(c.Features, ", "))
	case c.P2P && (o.Exit == nil || !o.Exit.P2P):
		return "allow no peer-to-peer traffic"
	case o.Capacity.Down < c.MinDown:
		return fmt.Sprintf("claim less than %d bit/s", c.MinDown)
	case c.MinAge > 0 && (l.Registration.Since.IsZero() || c.now().Sub(l.Registration.Since) < c.MinAge):
		return fmt.Sprintf("were registered less than %s ago", c.MinAge)
	}
	return ""
}

func (c Criteria) now() time.Time {
	if c.Now.IsZero() {
		return time.Now()
	}
	return c.Now
}

// Filter returns the offers that fit and, where none does, a [*NoOfferError].
func (c Criteria) Filter(ls []Listing) ([]Listing, error) {
	fit := make([]Listing, 0, len(ls))
	dropped := map[string]int{}
	for i := range ls {
		if why := c.Check(ls[i]); why != "" {
			dropped[why]++
			continue
		}
		fit = append(fit, ls[i])
	}
	if len(fit) == 0 {
		return nil, &NoOfferError{Considered: len(ls), Dropped: dropped}
	}
	return fit, nil
}

// Choose returns the cheapest offer that fits; at the same price the one with the larger stake, then the lower address.
// Where none fits the error is a [*NoOfferError].
func Choose(ls []Listing, c Criteria) (Listing, error) {
	fit, err := c.Filter(ls)
	if err != nil {
		return Listing{}, err
	}
	return slices.MinFunc(fit, func(a, b Listing) int {
		if d := a.Offer.PricePerGiB.Cmp(b.Offer.PricePerGiB); d != 0 {
			return d
		}
		if d := b.Registration.Stake.Cmp(a.Registration.Stake); d != 0 {
			return d
		}
		return bytes.Compare(a.Offer.Provider[:], b.Offer.Provider[:])
	}), nil
}
