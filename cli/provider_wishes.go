package cli

import (
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"byway/node/provide"
	"byway/payments/ledger"
)

// wishFlags say when a provider serves, how much, and what it remembers.
func wishFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "quota", Usage: "forward so many `BYTES` in a calendar month (UTC) at most, both directions together, " +
			"as 500GB or 1.5TiB: then sessions are ended in order, and newcomers sent elsewhere, until the next (default: no bound)"},
		&cli.StringFlag{Name: "hours", Usage: "serve within these `HOURS` of this machine's zone alone, as 22:00-06:00 (default: always)"},
		&cli.StringFlag{Name: "keep", Usage: "after that `TIME`, as 30d or 72h, ended sessions are merged into their channels, so that " +
			"no row names a payer and a time; sums stay exact; what is not settled stays twice as long; 24h or more, 0 for ever " +
			"(default: 30d)"},
	}
}

// wishes reads them.
func wishes(c *cli.Context) (w provide.Wishes, err error) {
	if c.IsSet("quota") {
		if w.Quota, err = provide.ParseQuota(c.String("quota")); err != nil {
			return w, usagef("--quota: %w", err)
		}
	}
	if c.IsSet("hours") {
		if w.Hours, err = provide.ParseHours(c.String("hours")); err != nil {
			return w, usagef("--hours: %w", err)
		}
	}
	if c.IsSet("keep") {
		if w.Keep, err = keepFlag(c.String("keep")); err != nil {
			return w, err
		}
	}
	return w, nil
}

// keepFlag reads how long sessions are kept: a time, also in days, and 0 for ever, which is below zero to the node.
func keepFlag(text string) (time.Duration, error) {
	if text == "0" {
		return -1, nil
	}
	plain := text
	days := strings.HasSuffix(text, "d")
	if days {
		plain = strings.TrimSuffix(text, "d") + "h"
	}
	keep, err := time.ParseDuration(plain)
	if err != nil || days && keep > 100*365*time.Hour {
		return 0, usagef("--keep %q is no time: write it as 30d or 72h", text)
	}
	if days {
		keep *= 24
	}
	if keep < ledger.LeastKeep {
		return 0, usagef("--keep must be 24h or more, or 0 for ever: a promise may be said again for so long")
	}
	return keep, nil
}
