package cli

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"byway/node/token"
	"byway/registry"
	"byway/registry/choose"
	"byway/registry/directory"
)

func (e env) offersShow(c *cli.Context) error {
	if c.NArg() != 1 {
		return usagef("byway offers show takes one provider's address: byway offers list shows them")
	}
	provider, err := addressArg("provider", c.Args().First())
	if err != nil {
		return err
	}
	hint, err := openHints(c)
	if err != nil {
		return err
	}
	defer hint.close()
	market, _, err := e.openMarket(c)
	if err != nil {
		return err
	}
	defer market.Close()
	for l, err := range market.Offers(c.Context) {
		var skip *directory.Omission
		switch {
		case errors.As(err, &skip) && skip.Provider == provider:
			return fmt.Errorf("%s has no valid offer: %s", provider, safe(skip.Reason.Error()))
		case err != nil && skip == nil:
			return err
		case err == nil && l.Offer.Provider == provider:
			if c.Bool("json") {
				o := newOfferJSON(l)
				o.Hint = hint.country(l.Offer)
				return e.printJSON(struct {
					Schema string `json:"schema"`
					offerJSON
				}{"byway.offer/1", o})
			}
			return e.offerRows(market.Token, market.Book().Opinion(provider), hint.country(l.Offer), l)
		}
	}
	return plainly(&directory.NoOfferError{}, "%s has no offer in this registry: byway offers list shows who has", provider)
}

// offerRows shows a whole offer. What the provider wrote is escaped: it ends up on a terminal.
func (e env) offerRows(unit token.Token, opinion choose.Opinion, hint string, l directory.Listing) error {
	o := l.Offer
	perMB, err := token.PerMB(o.PricePerGiB)
	if err != nil {
		return err
	}
	perGB, err := token.PerGB(o.PricePerGiB)
	if err != nil {
		return err
	}
	rows := []row{
		{"provider", o.Provider.Hex()}, {"payee", o.Payee.Hex()}, {"offer", l.CID.String()},
		{"number", fmt.Sprintf("%d, registered since %s", o.Sequence, day(l.Registration.Since))},
		{"valid", day(o.NotBefore) + " to " + day(o.Expires)},
		{"stake", show(unit, l.Registration.Stake)},
		{"price", show(unit, perMB) + " per MB, " + show(unit, perGB) + " per GB"},
		{"promise", fmt.Sprintf("each %s, at most %s unpaid", formatBytes(o.Tick), formatBytes(o.Window))},
		{"sells", safe(strings.Join(o.Services, " ")) + " over " + safe(strings.Join(o.Transports, " "))},
		{"features", safe(strings.Join(o.Features, " "))},
		{"claims", claims(o)},
		{"contact", o.Contact.String()},
		{"host", o.Host.Peer.String()},
	}
	if hint != "" {
		rows = append(rows, row{"address in", hint + ", by --mmdb"})
	}
	for _, a := range o.Host.Addrs {
		rows = append(rows, row{"", safe(a)})
	}
	if x := o.Exit; x != nil {
		rows = append(rows, row{"denied", fmt.Sprintf("%s; ports %s", prefixList(x.Denied), portList(x.DeniedPorts))},
			row{"allowed", prefixList(x.Allowed)}, row{"p2p", yesNo(x.P2P)})
	}
	switch {
	case opinion.Liar:
		rows = append(rows, row{"own record", "was caught lying: never chosen"})
	case opinion.Sessions > 0:
		rows = append(rows, row{"own record", fmt.Sprintf("worth %.2f of 1 in %.1f sessions, last on %s", opinion.Worth,
			opinion.Sessions, day(opinion.Last))})
	default:
		rows = append(rows, row{"own record", "never met"})
	}
	if l.Stale {
		rows = append(rows, row{"stale", "the last good offer: the one registered now could not be fetched"})
	}
	shown := rows[:0]
	for _, r := range rows {
		if r.value != "" {
			shown = append(shown, r)
		}
	}
	e.rows(e.Out, shown...)
	return nil
}

func day(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04")
}

// claims joins what nobody has checked.
func claims(o registry.Offer) string {
	var parts []string
	if o.Country != "" {
		parts = append(parts, safe(o.Country))
	}
	if o.ASN != 0 {
		parts = append(parts, fmt.Sprintf("AS%d", o.ASN))
	}
	if o.Network != "" {
		parts = append(parts, o.Network.String())
	}
	if o.Capacity.Down > 0 || o.Capacity.Up > 0 {
		parts = append(parts, fmt.Sprintf("%s down, %s up", formatRate(o.Capacity.Down/8, time.Second),
			formatRate(o.Capacity.Up/8, time.Second)))
	}
	if o.Capacity.Sessions > 0 {
		parts = append(parts, plural(int(o.Capacity.Sessions), "session"))
	}
	return strings.Join(parts, ", ")
}

func prefixList(ps []netip.Prefix) string {
	const most = 6
	var parts []string
	for _, p := range ps[:min(len(ps), most)] {
		parts = append(parts, p.String())
	}
	if len(ps) > most {
		parts = append(parts, fmt.Sprintf("and %d more", len(ps)-most))
	}
	return strings.Join(parts, " ")
}

func portList(ports []uint16) string {
	if len(ports) == 0 {
		return "none"
	}
	return strings.Trim(fmt.Sprint(ports), "[]")
}

func yesNo(b bool) string {
	if b {
		return "welcome"
	}
	return "not welcome"
}
