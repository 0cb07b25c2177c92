package cli

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v2"

	"byway/contracts"
	"byway/node"
	"byway/registry"
)

func (e env) offersCommand() *cli.Command {
	return &cli.Command{
		Name:  "offers",
		Usage: "see who sells, and for how much",
		Subcommands: []*cli.Command{{
			Name:  "list",
			Usage: "list the registered offers, each fetched from IPFS and verified",
			Flags: append(criteriaFlags(),
				&cli.BoolFlag{Name: "skipped", Usage: "show the offers that were skipped too, and why"}),
			Action: e.offersList,
		}},
	}
}

// criteriaFlags say which offers a consumer would take.
func criteriaFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "max-price", Usage: "the most to pay for a gigabyte, in `TOKENS`"},
		&cli.StringFlag{Name: "country", Usage: "only exits that claim this country: two letters, `CC`"},
		&cli.StringFlag{Name: "provider", Usage: "only the provider of this `ADDRESS`"},
	}
}

func criteria(c *cli.Context, token node.Token) (registry.Criteria, error) {
	var out registry.Criteria
	if c.IsSet("max-price") { // checked for its form by [checkNumbers]
		price, err := priceFlag(c, "max-price", token)
		if err != nil {
			return out, err
		}
		if price.IsZero() {
			return out, usagef("--max-price must be above zero: no provider forwards for nothing")
		}
		out.MaxPricePerGiB = price
	}
	out.Country = strings.ToUpper(c.String("country"))
	if n := len(out.Country); n > 0 && (n != 2 || strings.Trim(out.Country, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "") {
		return out, usagef("--country %q is no country: give two letters, such as DE", c.String("country"))
	}
	if text := c.String("provider"); text != "" {
		if !common.IsHexAddress(text) {
			return out, usagef("--provider %q is no address: 40 hexadecimal digits after 0x", text)
		}
		provider := common.HexToAddress(text)
		out.Provider = &provider
	}
	return out, nil
}

// explainNoOffer rewrites a [registry.NoOfferError] for people; other errors stay as they are.
func explainNoOffer(err error, want registry.Criteria, token node.Token, skipped int) error {
	var none *registry.NoOfferError
	if !errors.As(err, &none) {
		return err
	}
	text := none.Error()
	if perGB, err := node.PerGB(want.MaxPricePerGiB); err == nil {
		text = strings.ReplaceAll(text, want.MaxPricePerGiB.String()+" per GiB", show(token, perGB)+" per GB")
	}
	if skipped > 0 {
		text += fmt.Sprintf(" (%d more skipped)", skipped)
	}
	return plainly(err, "%s: byway offers list --skipped shows what there is", text)
}

// offersJSON is byway.offers/1.
type offersJSON struct {
	Schema   string        `json:"schema"`
	Token    string        `json:"token"`
	Decimals uint8         `json:"decimals"`
	Offers   []offerJSON   `json:"offers"`
	Skipped  []skippedJSON `json:"skipped"`
}

type offerJSON struct {
	CID   string           `json:"cid"`
	Stake contracts.Amount `json:"stake"`
	registry.Offer
}

type skippedJSON struct {
	Provider common.Address `json:"provider"`
	CID      string         `json:"cid"`
	Kind     string         `json:"kind"`
	Reason   string         `json:"reason"`
}

func (e env) offersList(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	if err := checkNumbers(c, "max-price"); err != nil {
		return err
	}
	log, err := e.logger(c)
	if err != nil {
		return err
	}
	network, err := e.network(c)
	if err != nil {
		return err
	}
	browser, err := node.OpenBrowser(c.Context, network, log)
	if err != nil {
		return notUp(network, err)
	}
	defer browser.Close()
	want, err := criteria(c, browser.Token())
	if err != nil {
		return err
	}
	began := time.Now()
	fmt.Fprintln(e.Err, "Reading the registry and fetching offers …")
	offers, skipped, err := collect(browser.Offers(c.Context))
	if err != nil {
		return err
	}
	fit, none := want.Filter(offers)
	if len(offers) == 0 {
		none = nil // Nobody sells anything, and that is a list too.
	}
	offers = fit
	none = explainNoOffer(none, want, browser.Token(), len(skipped))
	if c.Bool("json") {
		return errors.Join(e.printJSON(newOffersJSON(browser.Token(), offers, skipped)), none)
	}
	if none != nil && !c.Bool("skipped") {
		return none
	}
	if len(offers) > 0 {
		if err := e.offersTable(browser.Token(), offers); err != nil {
			return err
		}
	}
	if len(offers)+len(skipped) == 0 {
		fmt.Fprintln(e.Out, "Nobody sells here yet: byway provider up makes the first offer.")
		return nil
	}
	fmt.Fprintf(e.Out, "%s, %d skipped, in %s.", plural(len(offers), "offer"), len(skipped),
		formatDuration(time.Since(began)))
	if len(skipped) > 0 && !c.Bool("skipped") {
		fmt.Fprint(e.Out, " Why: --skipped.")
	}
	fmt.Fprintln(e.Out)
	if c.Bool("skipped") {
		for _, s := range skipped {
			fmt.Fprintf(e.Out, "  skipped %s: %s\n", s.Provider, safe(s.Reason.Error()))
		}
	}
	return none
}

// collect gathers a listing; an error of the chain itself ends it.
func collect(
	seq iter.Seq2[registry.Listing, error],
) (offers []registry.Listing, skipped []*registry.Skipped, err error) {
	for listing, listErr := range seq {
		var skip *registry.Skipped
		switch {
		case listErr == nil:
			offers = append(offers, listing)
		case errors.As(listErr, &skip):
			skipped = append(skipped, skip)
		default:
			return offers, skipped, listErr
		}
	}
	return offers, skipped, nil
}

func newOffersJSON(token node.Token, offers []registry.Listing, skipped []*registry.Skipped) offersJSON {
	out := offersJSON{
		Schema: "byway.offers/1", Token: token.Symbol, Decimals: token.Decimals, Offers: []offerJSON{},
		Skipped: []skippedJSON{},
	}
	for _, l := range offers {
		out.Offers = append(out.Offers, offerJSON{l.CID.String(), l.Registration.Stake, l.Offer})
	}
	for _, s := range skipped {
		out.Skipped = append(out.Skipped, skippedJSON{s.Provider, s.CID.String(), s.Kind(), s.Reason.Error()})
	}
	return out
}

func (e env) offersTable(token node.Token, offers []registry.Listing) error {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Options.DrawBorder, t.Style().Options.SeparateColumns = false, false
	t.AppendHeader(table.Row{"provider", "country", "per MB", "per GB", "stake", "expires in"})
	for _, l := range offers {
		perMB, err := node.PerMB(l.Offer.PricePerGiB)
		if err != nil {
			return err
		}
		perGB, err := node.PerGB(l.Offer.PricePerGiB)
		if err != nil {
			return err
		}
		country := l.Offer.Country
		if country == "" {
			country = "–"
		}
		t.AppendRow(table.Row{
			l.Offer.Provider.Hex(), country, show(token, perMB), show(token, perGB), show(token, l.Registration.Stake),
			days(time.Until(l.Offer.Expires)),
		})
	}
	fmt.Fprintln(e.Out, t.Render())
	return nil
}

func days(d time.Duration) string {
	if d < 48*time.Hour {
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
