package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"byway/node/token"
	"byway/registry/directory"
)

// offerEventJSON is byway.offer-event/1: one line for each change.
type offerEventJSON struct {
	Schema   string         `json:"schema"`
	Event    string         `json:"event"` // "offer", "skipped", "left" or "lapse"
	Provider common.Address `json:"provider,omitzero"`
	Offer    *offerJSON     `json:"offer,omitempty"`
	Kind     string         `json:"kind,omitempty"`
	Reason   string         `json:"reason,omitempty"`
}

func (e env) offersWatch(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	if err := checkNumbers(c, "max-price", "min-stake"); err != nil {
		return err
	}
	if c.Duration("every") < 100*time.Millisecond {
		return usagef("--every %s is too often: at least 100ms", c.Duration("every"))
	}
	market, want, err := e.openMarket(c)
	if err != nil {
		return err
	}
	defer market.Close()
	tell := func(l directory.Listing, err error) error { return e.offerEvent(c, market.Token, want, l, err) }
	for l, err := range market.Known(c.Context) {
		if err := tell(l, err); err != nil {
			return err
		}
	}
	tick := time.NewTicker(c.Duration("every"))
	defer tick.Stop()
	lapsed := ""
	for {
		var lapse error
		for l, err := range market.Refresh(c.Context) {
			if skip := (*directory.Omission)(nil); err != nil && !errors.As(err, &skip) {
				lapse = err
				break
			}
			if err := tell(l, err); err != nil {
				return err
			}
		}
		switch {
		case c.Context.Err() != nil:
			return nil // Ctrl-C is how one stops watching
		case lapse == nil:
			lapsed = ""
		case lapse.Error() != lapsed:
			lapsed = lapse.Error()
			if err := tell(directory.Listing{}, lapse); err != nil {
				return err
			}
		}
		select {
		case <-c.Context.Done():
			return nil
		case <-tick.C:
		}
	}
}

// offerEvent writes one line about one change.
func (e env) offerEvent(c *cli.Context, unit token.Token, want directory.Criteria, l directory.Listing, err error) error {
	var skip *directory.Omission
	event := offerEventJSON{Schema: "byway.offer-event/1", Provider: l.Registration.Provider}
	var text string
	switch {
	case err == nil:
		if want.Check(l) != "" {
			return nil
		}
		o := newOfferJSON(l)
		event.Event, event.Offer = "offer", &o
		perGB, err := token.PerGB(l.Offer.PricePerGiB)
		if err != nil {
			return err
		}
		text = fmt.Sprintf("%s sells for %s per GB", l.Offer.Provider, show(unit, perGB))
		if l.Offer.Country != "" {
			text += " in " + safe(l.Offer.Country)
		}
		if l.Stale {
			text += " (stale)"
		}
	case errors.Is(err, directory.ErrLeft):
		event.Event = "left"
		text = fmt.Sprintf("%s has left", l.Registration.Provider)
	case errors.As(err, &skip):
		event.Event, event.Kind, event.Reason = "skipped", skip.Kind(), skip.Reason.Error()
		text = fmt.Sprintf("%s is skipped: %s", skip.Provider, safe(skip.Reason.Error()))
	case errors.Is(err, context.Canceled):
		return nil
	default:
		event.Event, event.Reason = "lapse", err.Error()
		text = "not up to date: " + safe(hinted(err))
	}
	if c.Bool("json") {
		return e.printJSON(event)
	}
	_, err = fmt.Fprintln(e.Out, time.Now().Format("15:04:05"), strings.TrimSpace(text))
	return err
}
