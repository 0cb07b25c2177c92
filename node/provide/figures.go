package provide

import (
	"context"
	"fmt"
	"time"

	"byway/contracts"
	"byway/payments/ledger"
)

// Sum is what a provider forwarded and was promised within some time. Bytes are of both directions, Earned is in base
// units.
type Sum struct {
	Bytes    uint64           `json:"bytes"`
	Earned   contracts.Amount `json:"earned"`
	Sessions int              `json:"sessions_ended"`
}

// Figures sum the provider's days, as the ledger has them: what a session carried since its last promise is not in them
// yet.
type Figures struct {
	Today Sum `json:"today"` // since midnight UTC
	Month Sum `json:"month"` // the calendar month (UTC)
	Total Sum `json:"total"`
	// Quota is how many bytes may be forwarded in a calendar month; 0: no bound.
	Quota uint64 `json:"quota_bytes"`
}

// Figures reads them.
func (p *Provider) Figures(ctx context.Context) (Figures, error) {
	days, err := p.Ledger.Days(ctx, ledger.Payee, time.Time{}, time.Time{})
	if err != nil {
		return Figures{}, err
	}
	return figuresOf(days, p.Ledger.Now(), p.cfg.Quota)
}

// figuresOf sums days. One that a clock which ran ahead has booked too late is of today, and of this month.
func figuresOf(days []ledger.Day, now time.Time, quota uint64) (f Figures, err error) {
	f.Quota = quota
	today := now.UTC().Truncate(24 * time.Hour)
	for _, d := range days {
		for _, part := range []struct {
			sum   *Sum
			since time.Time
		}{{&f.Today, today}, {&f.Month, monthOf(now)}, {&f.Total, time.Time{}}} {
			if d.Date.Before(part.since) {
				continue
			}
			s := part.sum
			if s.Earned, err = s.Earned.Add(d.Amount); err != nil {
				return f, fmt.Errorf("add up the days: %w", err)
			}
			s.Sessions += d.Sessions
			s.Bytes = addBytes(s.Bytes, d.Rx, d.Tx)
		}
	}
	return f, nil
}

// addBytes adds counts, up to what fits.
func addBytes(sum uint64, more ...uint64) uint64 {
	for _, n := range more {
		if sum+n < sum {
			return 1<<64 - 1
		}
		sum += n
	}
	return sum
}

// endpoints are where consumers are told to reach WireGuard, best first. The unspecified address stands for the one at which
// a consumer reached the host.
func (p *Provider) endpoints() []string {
	list := append([]string{}, p.cfg.Endpoints...)
	if len(list) == 0 {
		list = append(list, fmt.Sprintf("0.0.0.0:%d", p.exit.Port()))
	}
	return list
}
