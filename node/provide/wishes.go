package provide

import (
	"context"
	"fmt"
	"math/big"
	"strings"
	"time"

	"byway/payments/ledger"
)

// Wishes bound when a provider serves, and how much. While one is against it newcomers are told to go elsewhere, the
// sessions that run are ended in order, and the offer is not renewed; it goes on by itself.
type Wishes struct {
	// Quota is how many bytes are forwarded in a calendar month (UTC), both directions together, as the ledger has them;
	// 0: no bound. It is exceeded by no more than what runs within a look and a tick for each session.
	Quota uint64
	// Hours are when it serves; the zero value: always.
	Hours Hours
	// Keep is how long ended sessions keep the rows that name payer and time; 0: [ledger.DefaultKeep], below 0: for ever.
	Keep time.Duration
}

// Hours is a part of the day by this machine's clock and zone, in minutes since midnight: from the first until before the
// second, past midnight where that is the lesser. Where both are the same it is the whole day.
type Hours struct{ From, To int }

// ParseHours reads hours as 22:00-06:00.
func ParseHours(s string) (h Hours, err error) {
	from, to, ok := strings.Cut(s, "-")
	if ok {
		if h.From, ok = minutes(from); ok {
			h.To, ok = minutes(to)
		}
	}
	if !ok {
		return Hours{}, fmt.Errorf("%q are no hours: write them as 22:00-06:00", s)
	}
	if h.From == h.To {
		return Hours{}, fmt.Errorf("%q is no time or the whole day: leave the hours out to serve always", s)
	}
	return h, nil
}

// minutes reads a time of the day, two digits and two.
func minutes(s string) (int, bool) {
	t, err := time.Parse("15:04", s)
	return t.Hour()*60 + t.Minute(), err == nil && len(s) == len("15:04")
}

// String writes hours as [ParseHours] reads them.
func (h Hours) String() string {
	return fmt.Sprintf("%02d:%02d-%02d:%02d", h.From/60, h.From%60, h.To/60, h.To%60)
}

// Open reports whether a moment is within the hours, by the zone that it is told in.
func (h Hours) Open(at time.Time) bool {
	now := at.Hour()*60 + at.Minute()
	switch {
	case h.From == h.To:
		return true
	case h.From < h.To:
		return h.From <= now && now < h.To
	}
	return h.From <= now || now < h.To
}

// units are what a quota may be written in.
var units = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"", 1},
}

// ParseQuota reads a number of bytes: decimal digits, with a unit from MB to TiB where it has one, and a fraction there.
func ParseQuota(s string) (uint64, error) {
	text := strings.TrimSpace(s)
	for _, u := range units {
		digits, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		digits = strings.TrimRight(digits, " ")
		if digits == "" || len(digits) > 24 || strings.Trim(digits, "0123456789.") != "" || strings.Count(digits, ".") > 1 ||
			digits[0] == '.' || digits[len(digits)-1] == '.' {
			break
		}
		n, ok := new(big.Rat).SetString(digits)
		if !ok {
			break
		}
		n.Mul(n, new(big.Rat).SetInt64(u.bytes))
		if !n.IsInt() || !n.Num().IsInt64() || n.Sign() == 0 {
			return 0, fmt.Errorf("%q is no whole number of bytes from 1 to 2^63: write it as 500GB", s)
		}
		return n.Num().Uint64(), nil
	}
	return 0, fmt.Errorf("%q is no number of bytes: write it as 500GB or 1.5TiB", s)
}

// wishLook is how often a provider looks at the hours and its quota.
const wishLook = 5 * time.Second

// monthOf is when the calendar month (UTC) of a moment began.
func monthOf(at time.Time) time.Time {
	at = at.UTC()
	return time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// closed says which wish is against serving now; empty: none. What the ledger can't tell counts as used up.
func (p *Provider) closed(ctx context.Context, now time.Time) string {
	w := p.cfg.Wishes
	if !w.Hours.Open(now.Local()) {
		return fmt.Sprintf("it serves from %02d:%02d to %02d:%02d of its own time", w.Hours.From/60, w.Hours.From%60, w.Hours.To/60,
			w.Hours.To%60)
	}
	if w.Quota == 0 {
		return ""
	}
	used, err := p.forwarded(ctx, monthOf(p.Ledger.Now()))
	if err != nil {
		p.Log.Error("the ledger does not say what the quota has left: nobody is served", "error", err)
		return "it can't tell how much of its quota is left"
	}
	if used >= w.Quota {
		return "its quota for this month is used up"
	}
	return ""
}

// forwarded is how many bytes, both directions together, the ledger has of the days since that moment.
func (p *Provider) forwarded(ctx context.Context, since time.Time) (sum uint64, err error) {
	days, err := p.Ledger.Days(ctx, ledger.Payee, since, time.Time{})
	for _, d := range days {
		sum = addBytes(sum, d.Rx, d.Tx)
	}
	return sum, err
}

// Closed says which of the operator's wishes is against serving at the moment; empty: none.
func (p *Provider) Closed() string {
	if why := p.wish.Load(); why != nil {
		return *why
	}
	return ""
}

// lookAtWishes makes up Closed.
func (p *Provider) lookAtWishes(ctx context.Context, now time.Time) {
	why, was := p.closed(ctx, now), p.Closed()
	if ctx.Err() != nil {
		return
	}
	p.wish.Store(&why)
	switch {
	case why != "" && was == "":
		p.Log.Info("serving nobody until it is over; sessions are ended in order", "reason", why)
	case why == "" && was != "":
		p.Log.Info("serving again", "reason", was)
		select {
		case p.reopened <- struct{}{}:
		default:
		}
	}
}

// followWishes looks at the wishes until ctx ends.
func (p *Provider) followWishes(ctx context.Context) error {
	tick := time.NewTicker(wishLook)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			p.lookAtWishes(ctx, time.Now())
		}
	}
}
