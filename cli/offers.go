package cli

import (
	"errors"
	"fmt"
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
			Name:   "list",
			Usage:  "list the registered offers, each fetched from IPFS and verified",
			Flags:  append(criteriaFlags(), jsonFlag(), &cli.BoolFlag{Name: "skipped", Usage: "show the offers that were skipped too, and why"}),
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
	if c.IsSet("max-price") {
		price, err := priceFlag(c, "max-price", token)
		if err != nil {
			return out, err
		}
		out.MaxPricePerGiB = price
	}
	out.Country = strings.ToUpper(c.String("country"))
	if text := c.String("provider"); text != "" {
		if !common.IsHexAddress(text) {
			return out, usagef("--provider %q is no address", text)
		}
		provider := common.HexToAddress(text)
		out.Provider = &provider
	}
	return out, nil
}

// openConsumer opens this home as a consumer, which asks for the password.
func (e env) openConsumer(c *cli.Context, spend string) (*node.Consumer, error) {
	log, err := e.logger(c)
	if err != nil {
		return nil, err
	}
	home, err := e.home(c)
	if err != nil {
		return nil, err
	}
	network, err := e.network(c)
	if err != nil {
		return nil, err
	}
	token, err := node.ReadToken(c.Context, network)
	if err != nil {
		return nil, err
	}
	spendCap, err := token.Parse(spend)
	if err != nil {
		return nil, usagef("--spend: %v", err)
	}
	password, err := e.password(c, false)
	if err != nil {
		return nil, err
	}
	owner, session, err := home.Unlock(password)
	if err != nil {
		return nil, err
	}
	return node.OpenConsumer(c.Context, node.ConsumerConfig{
		Home: home, Network: network, Key: owner, Session: session, SpendCap: spendCap, Log: log,
	})
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
		return err
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
	fit, err := want.Filter(offers)
	var none *registry.NoOfferError
	if err != nil && (!errors.As(err, &none) || !c.Bool("json") && len(offers) > 0) {
		return err
	}
	offers = fit
	if c.Bool("json") {
		return e.printJSON(newOffersJSON(browser.Token(), offers, skipped))
	}
	if err := e.offersTable(browser.Token(), offers); err != nil {
		return err
	}
	fmt.Fprintf(e.Out, "%s, %d skipped, in %s.", plural(len(offers), "offer"), len(skipped), formatDuration(time.Since(began)))
	if len(skipped) > 0 && !c.Bool("skipped") {
		fmt.Fprint(e.Out, " Why: --skipped.")
	}
	fmt.Fprintln(e.Out)
	if c.Bool("skipped") {
		for _, s := range skipped {
			fmt.Fprintf(e.Out, "  skipped %s: %s\n", s.Provider, safe(s.Reason.Error()))
		}
	}
	return nil
}

// collect gathers a listing; an error of the chain itself ends it.
func collect(seq func(func(registry.Listing, error) bool)) (offers []registry.Listing, skipped []*registry.Skipped, err error) {
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
			l.Offer.Provider.Hex(), country, token.Format(perMB), token.Format(perGB), token.Format(l.Registration.Stake),
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
