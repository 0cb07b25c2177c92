package registry

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
)

// maxSkew is how far the clocks of a provider and a consumer may be apart before a fresh offer counts as not valid yet.
const maxSkew = time.Minute

// Validate checks every value of the offer, that it belongs to deployment d and that it is valid at the time now, where
// a minute before NotBefore is forgiven. It checks no signature; see [SignedOffer.Verify]. A zero d.Token admits offers in
// any token.
func (o Offer) Validate(now time.Time, d contracts.Deployment) error {
	if err := o.CheckMarket(d); err != nil {
		return err
	}
	if err := o.normal().check(); err != nil {
		return err
	}
	return o.CheckTime(now)
}

// CheckMarket compares the offer's chain, contracts and token with the deployment's.
func (o Offer) CheckMarket(d contracts.Deployment) error {
	if o.ChainID != d.ChainID {
		return fmt.Errorf("%w: the offer's is %d, this network's is %d", errWrongChain, o.ChainID, d.ChainID)
	}
	if o.Channels != d.Channels {
		return fmt.Errorf("%w: channels are %s, this network's are %s", errWrongContract, o.Channels, d.Channels)
	}
	if o.Registry != d.Registry {
		return fmt.Errorf("%w: the registry is %s, this network's is %s", errWrongContract, o.Registry, d.Registry)
	}
	if d.Token != (common.Address{}) && o.Token != d.Token {
		return fmt.Errorf("%w: the token is %s, this network's is %s", errWrongContract, o.Token, d.Token)
	}
	return nil
}

// CheckTime compares the offer's validity with the chain's time.
func (o Offer) CheckTime(now time.Time) error {
	if now.Add(maxSkew).Before(o.NotBefore) {
		return fmt.Errorf("%w: it begins at %s", errNotYetValid, o.NotBefore.UTC().Format(time.RFC3339))
	}
	if !now.Before(o.Expires) {
		return fmt.Errorf("%w: it ended at %s", ErrExpired, o.Expires.UTC().Format(time.RFC3339))
	}
	return nil
}

// check holds the rules that need neither a clock nor a deployment. The offer must be in normal form.
func (o Offer) check() error {
	for _, rule := range []func(Offer) error{
		checkParties, checkLifetime, checkHost, checkWords, checkPrice, checkClaims, checkExit,
	} {
		if err := rule(o); err != nil {
			return err
		}
	}
	return nil
}

func checkParties(o Offer) error {
	if o.ChainID == 0 || o.ChainID > maxInteger {
		return bad("chain_id", "is %d", o.ChainID)
	}
	for _, a := range []struct {
		field string
		addr  common.Address
	}{
		{"channels", o.Channels}, {"registry", o.Registry}, {"provider", o.Provider}, {"payee", o.Payee},
		{"token", o.Token},
	} {
		if a.addr == (common.Address{}) {
			return bad(a.field, "is missing")
		}
	}
	if o.Sequence == 0 || o.Sequence > maxInteger {
		return bad("sequence", "is %d; the first registration is number 1", o.Sequence)
	}
	return nil
}

func checkLifetime(o Offer) error {
	from, to := o.NotBefore.Unix(), o.Expires.Unix()
	problem := ""
	switch {
	case from < 0 || from >= maxUnixTime || to < 0 || to >= maxUnixTime:
		problem = "is out of range"
	case to <= from:
		problem = "is not after not_before"
	case to-from > int64(MaxLifetime/time.Second):
		problem = fmt.Sprintf("is %s after not_before, at most %s are allowed", o.Expires.Sub(o.NotBefore), MaxLifetime)
	default:
		return nil
	}
	return &fieldError{Field: "expires", Problem: problem, Err: errLifetime}
}

func checkHost(o Offer) error {
	if field, problem := o.Host.problem(); problem != "" {
		return bad(field, "%s", problem)
	}
	return nil
}

func checkWords(o Offer) error {
	for _, w := range []struct {
		field string
		words []string
		must  bool
	}{
		{"services", o.Services, true}, {"transports", o.Transports, true},
		{"features", o.Features, false}, {"protocols", o.Protocols, false},
	} {
		if len(w.words) > maxWords {
			return bad(w.field, "has %d words, at most %d are allowed", len(w.words), maxWords)
		}
		if w.must && len(w.words) == 0 {
			return bad(w.field, "is empty")
		}
		for _, s := range w.words {
			if s == "" || len(s) > maxWord || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789./_-") != "" {
				return bad(w.field, "has %.60q, which is not a word of 1 to %d of a-z 0-9 . / _ -", s, maxWord)
			}
		}
	}
	return nil
}

func checkPrice(o Offer) error {
	if o.PricePerGiB.IsZero() {
		return &fieldError{Field: "price_per_gib", Problem: "is nothing: an offer must have a price", Err: errPrice}
	}
	if o.Tick < minTick || o.Tick > maxTick {
		return bad("tick", "is %d bytes, allowed are %d to %d", o.Tick, minTick, maxTick)
	}
	if o.Window < o.Tick || o.Window > maxWindow {
		return bad("window", "is %d bytes, allowed are one tick (%d) to %d", o.Window, o.Tick, uint64(maxWindow))
	}
	if _, err := o.PricePerGiB.MulDivCeil(o.Window, 1<<30); err != nil {
		return &fieldError{Field: "price_per_gib", Problem: "makes one window cost more than 96 bits hold", Err: errPrice}
	}
	return nil
}

func checkClaims(o Offer) error {
	if o.Country != "" && !isCountry(o.Country) {
		return bad("country", "is %.10q, which is no ISO 3166-1 alpha-2 code", o.Country)
	}
	if problem := o.Network.problem(maxNetwork); problem != "" {
		return bad("network", "%s", problem)
	}
	if problem := o.Contact.problem(maxContact); problem != "" {
		return bad("contact", "%s", problem)
	}
	if o.Capacity.Down > maxRate || o.Capacity.Up > maxRate {
		return bad("capacity", "is more than %d bit/s", uint64(maxRate))
	}
	if o.Capacity.Sessions > maxSessionsCapacity {
		return bad("capacity.sessions", "is %d, at most %d are allowed", o.Capacity.Sessions, maxSessionsCapacity)
	}
	return nil
}

func checkExit(o Offer) error {
	if sells := o.Sells(ServiceExit); sells && o.Exit == nil {
		return bad("exit", "is missing: an exit states its policy")
	} else if !sells && o.Exit != nil {
		return bad("exit", "is there although services does not name it")
	}
	if o.Exit == nil {
		return nil
	}
	for _, p := range []struct {
		field string
		list  []netip.Prefix
	}{{"exit.denied", o.Exit.Denied}, {"exit.allowed", o.Exit.Allowed}} {
		if len(p.list) > maxElements {
			return bad(p.field, "has %d prefixes, at most %d are allowed", len(p.list), maxElements)
		}
		for _, x := range p.list {
			if !x.IsValid() || x.Addr().Is4In6() || x.Masked() != x {
				return bad(p.field, "has %s, which is not a masked prefix", x)
			}
		}
	}
	for _, x := range o.Exit.Allowed {
		if slices.Contains(o.Exit.Denied, x) {
			return bad("exit.allowed", "has %s, which exit.denied has too", x)
		}
	}
	if len(o.Exit.DeniedPorts) > maxElements {
		return bad("exit.denied_ports", "has %d ports, at most %d are allowed", len(o.Exit.DeniedPorts), maxElements)
	}
	if slices.Contains(o.Exit.DeniedPorts, 0) {
		return bad("exit.denied_ports", "has port 0")
	}
	if o.Exit.Rate > maxRate {
		return bad("exit.rate", "is more than %d bit/s", uint64(maxRate))
	}
	return nil
}

func bad(field, format string, args ...any) error {
	return &fieldError{Field: field, Problem: fmt.Sprintf(format, args...)}
}
