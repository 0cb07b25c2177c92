package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v2"

	"byway/contracts"
	"byway/node/api"
	"byway/node/market"
	"byway/node/token"
	"byway/registry"
	"byway/registry/choose"
	"byway/registry/directory"
)

func (e env) offersCommand() *cli.Command {
	return &cli.Command{
		Name:  "offers",
		Usage: "see who sells, and for how much",
		Subcommands: []*cli.Command{
			{
				Name:  "list",
				Usage: "list the registered offers, each fetched from IPFS and verified",
				Description: "What the home remembers is shown at once, and alone where chain or IPFS are down; then its age\n" +
					"is told. An offer marked stale is a provider's last good one: its present one could not be fetched.",
				Flags: append(criteriaFlags(),
					&cli.BoolFlag{Name: "reachable", Usage: "only providers whose host answers now"},
					&cli.StringFlag{Name: "sort", Value: "price", Usage: "by price, stake, country, age, expires or score, `KEY`"},
					&cli.IntFlag{Name: "limit", Usage: "show the first `NUMBER` only"},
					&cli.BoolFlag{Name: "explain", Usage: "rank as byway connect would, and show each term of the score"},
					&cli.BoolFlag{Name: "skipped", Usage: "show the offers that were skipped too, and why"},
					mmdbFlag(),
				),
				Action: e.offersList,
			},
			{
				Name:      "show",
				Usage:     "show everything that a provider's offer says",
				ArgsUsage: "ADDRESS",
				Flags:     []cli.Flag{mmdbFlag()},
				Action:    e.offersShow,
			},
			{
				Name:  "watch",
				Usage: "stay, and tell of each offer that comes, changes or goes",
				Flags: append(criteriaFlags(),
					&cli.DurationFlag{Name: "every", Value: 5 * time.Second, Usage: "ask the chain that often, `DURATION`"}),
				Action: e.offersWatch,
			},
		},
	}
}

// criteriaFlags say which offers a consumer would take.
func criteriaFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "max-price", Usage: "the most to pay for a gigabyte, in `TOKENS`"},
		&cli.StringFlag{Name: "country", Usage: "only exits that claim this country: two letters, `CC`"},
		&cli.StringFlag{Name: "provider", Usage: "only the provider of this `ADDRESS`"},
		&cli.StringSliceFlag{Name: "feature", Usage: "only offers with this feature, such as ipv6 or pq, `WORD`"},
		&cli.StringFlag{Name: "transport", Usage: "only offers with this transport, `WORD`"},
		&cli.StringFlag{Name: "min-stake", Usage: "only providers that have staked this many `TOKENS`"},
		&cli.DurationFlag{Name: "min-age", Usage: "only providers registered for so long, such as 720h, `DURATION`"},
		&cli.BoolFlag{Name: "p2p", Usage: "only exits that welcome file sharing between peers"},
	}
}

func criteria(c *cli.Context, token token.Token) (directory.Criteria, error) {
	out := directory.Criteria{
		Features: c.StringSlice("feature"), Transport: c.String("transport"), MinAge: c.Duration("min-age"),
		P2P: c.Bool("p2p"),
	}
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
	if c.IsSet("min-stake") {
		var err error
		if out.MinStake, err = tokenFlag(c, "min-stake", token); err != nil {
			return out, err
		}
	}
	if out.MinAge < 0 {
		return out, usagef("--min-age %s lies in the future", out.MinAge)
	}
	out.Country = strings.ToUpper(c.String("country"))
	if n := len(out.Country); n > 0 && (n != 2 || strings.Trim(out.Country, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "") {
		return out, usagef("--country %q is no country: give two letters, such as DE", c.String("country"))
	}
	if text := c.String("provider"); text != "" {
		provider, err := addressArg("--provider", text)
		if err != nil {
			return out, err
		}
		out.Provider = &provider
	}
	return out, nil
}

func addressArg(name, text string) (common.Address, error) {
	if !common.IsHexAddress(text) {
		return common.Address{}, usagef("%s %q is no address: 40 hexadecimal digits after 0x", name, text)
	}
	return common.HexToAddress(text), nil
}

// explainNoOffer rewrites a [directory.NoOfferError] for people; other errors stay as they are.
func explainNoOffer(err error, want directory.Criteria, unit token.Token, skipped int) error {
	var none *directory.NoOfferError
	var there *api.Error // of a daemon's
	var text string
	switch {
	case errors.As(err, &none):
		text = none.Error()
	case errors.As(err, &there) && there.Code == api.ErrNoOffer:
		text = there.Message[max(0, strings.Index(there.Message, "no offer fits")):]
	default:
		return err
	}
	if perGB, err := token.PerGB(want.MaxPricePerGiB); err == nil {
		text = strings.ReplaceAll(text, want.MaxPricePerGiB.String()+" per GiB", show(unit, perGB)+" per GB")
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
	AsOf     *asOfJSON     `json:"as_of,omitempty"`
	Offers   []offerJSON   `json:"offers"`
	Skipped  []skippedJSON `json:"skipped"`
}

// asOfJSON says how fresh a listing is. Lapse is why it is not of now.
type asOfJSON struct {
	Block  uint64    `json:"block"`
	Synced time.Time `json:"synced"`
	Lapse  string    `json:"lapse,omitempty"`
}

type offerJSON struct {
	CID   string           `json:"cid"`
	Stake contracts.Amount `json:"stake"`
	Since *time.Time       `json:"since,omitempty"`
	Stale bool             `json:"stale,omitempty"`
	Hint  string           `json:"country_by_address,omitempty"` // from the user's own file
	Score *scoreJSON       `json:"score,omitempty"`
	registry.Offer
}

// scoreJSON has the terms of a score: total = draw + evidence - price, draw being one sample from mean and deviation.
type scoreJSON struct {
	Total     float64 `json:"total"`
	Draw      float64 `json:"draw"`
	Mean      float64 `json:"mean"`
	Deviation float64 `json:"deviation"`
	Sessions  float64 `json:"sessions"`
	Evidence  float64 `json:"evidence"`
	Price     float64 `json:"price"`
	Benched   bool    `json:"benched"`
}

type skippedJSON struct {
	Provider common.Address `json:"provider"`
	CID      string         `json:"cid"`
	Kind     string         `json:"kind"`
	Reason   string         `json:"reason"`
}

// lines are the offers of a listing that fit, in the order asked for; ranked has the scores where they were asked for.
type lines struct {
	offers  []directory.Listing
	ranked  map[common.Address]choose.Candidate
	skipped []*directory.Omission
	state   market.State
	now     time.Time // the chain's
	took    time.Duration
	hint    *hints // nil without a file of the user's
}

func (e env) offersList(c *cli.Context) error {
	if err := noArgs(c); err != nil {
		return err
	}
	if err := checkNumbers(c, "max-price", "min-stake"); err != nil {
		return err
	}
	order, ok := offerOrders[c.String("sort")]
	if !ok {
		return usagef("--sort %q: use price, stake, country, age, expires or score", c.String("sort"))
	}
	hint, err := openHints(c)
	if err != nil {
		return err
	}
	defer hint.close()
	market, want, err := e.openMarket(c)
	if err != nil {
		return err
	}
	defer market.Close()
	all, err := e.readMarket(c.Context, market, want, order)
	if err != nil {
		return err
	}
	all.hint = hint
	fit, none := want.Filter(all.offers)
	if len(all.offers) == 0 {
		none = nil // Nobody sells anything, and that is a list too.
	}
	if c.Bool("reachable") && len(fit) > 0 {
		up := market.Reachable(c.Context, fit)
		if len(up) == 0 {
			none = &directory.NoOfferError{Considered: len(fit), Dropped: map[string]int{"do not answer": len(fit)}}
		}
		fit = up
	}
	all.offers = fit
	if c.Bool("explain") || c.String("sort") == "score" {
		if err := all.rank(market, want); err != nil {
			return err
		}
	}
	slices.SortStableFunc(all.offers, func(a, b directory.Listing) int { return order(all, a, b) })
	if n := c.Int("limit"); n > 0 && n < len(all.offers) {
		all.offers = all.offers[:n]
	}
	none = explainNoOffer(none, want, market.Token, len(all.skipped))
	if c.Bool("json") {
		return errors.Join(e.printJSON(newOffersJSON(market.Token, all)), none)
	}
	if none != nil && !c.Bool("skipped") {
		return none
	}
	if err := e.printOffers(c, market.Token, all); err != nil {
		return err
	}
	return none
}

// openMarket opens the market with what the home remembers of it, where there is a home, and reads the criteria.
func (e env) openMarket(c *cli.Context) (*market.Market, directory.Criteria, error) {
	var want directory.Criteria
	log, err := e.logger(c)
	if err != nil {
		return nil, want, err
	}
	network, err := e.network(c)
	if err != nil {
		return nil, want, err
	}
	cfg := market.Config{Network: network, Log: log}
	if _, err := os.Stat(c.String("home")); err == nil {
		home, err := e.home(c)
		if err != nil {
			return nil, want, err
		}
		cfg.Home = &home
	}
	market, err := market.Open(c.Context, cfg)
	if err != nil {
		return nil, want, notUp(network, err)
	}
	if want, err = criteria(c, market.Token); err != nil {
		return nil, want, errors.Join(err, market.Close())
	}
	want.Now = market.Time()
	return market, want, nil
}

// readMarket lists the market. On a terminal the first page stands there at once and grows better as offers come.
func (e env) readMarket(
	ctx context.Context, market *market.Market, want directory.Criteria, order offerOrder,
) (*lines, error) {
	began := time.Now()
	if !e.Terminal {
		fmt.Fprintln(e.Err, "Reading the registry and fetching offers …")
	}
	page := e.newPage(market.Token, want, order)
	defer page.end()
	if e.Terminal {
		for l, err := range market.Known(ctx) {
			page.add(l, err)
		}
	}
	all := &lines{}
	var err error
	all.offers, all.skipped, err = collect(func(yield func(directory.Listing, error) bool) {
		for l, err := range market.Offers(ctx) {
			page.add(l, err)
			if !yield(l, err) {
				return
			}
		}
	})
	if err != nil {
		return nil, err
	}
	all.took, all.now = time.Since(began), market.Time()
	all.state, err = market.State(ctx)
	return all, err
}

// rank adds the scores, and drops who was caught lying.
func (l *lines) rank(market *market.Market, want directory.Criteria) error {
	if len(l.offers) == 0 {
		return nil
	}
	ranked, err := market.Rank(l.offers, want)
	if err != nil {
		return err
	}
	l.ranked, l.offers = map[common.Address]choose.Candidate{}, nil
	for _, r := range ranked {
		l.ranked[r.Offer.Provider] = r
		l.offers = append(l.offers, r.Listing)
	}
	return nil
}

// offerOrder compares two offers of a listing.
type offerOrder func(l *lines, a, b directory.Listing) int

var offerOrders = map[string]offerOrder{
	"price": func(_ *lines, a, b directory.Listing) int { return a.Offer.PricePerGiB.Cmp(b.Offer.PricePerGiB) },
	"stake": func(_ *lines, a, b directory.Listing) int { return b.Registration.Stake.Cmp(a.Registration.Stake) },
	"country": func(_ *lines, a, b directory.Listing) int {
		return cmp.Or(strings.Compare(a.Offer.Country, b.Offer.Country), a.Offer.PricePerGiB.Cmp(b.Offer.PricePerGiB))
	},
	"age":     func(_ *lines, a, b directory.Listing) int { return a.Registration.Since.Compare(b.Registration.Since) },
	"expires": func(_ *lines, a, b directory.Listing) int { return a.Offer.Expires.Compare(b.Offer.Expires) },
	"score": func(l *lines, a, b directory.Listing) int {
		x, y := l.ranked[a.Offer.Provider], l.ranked[b.Offer.Provider]
		if x.Benched != y.Benched {
			if x.Benched {
				return 1
			}
			return -1
		}
		return cmp.Compare(y.Score, x.Score)
	},
}

func (e env) printOffers(c *cli.Context, token token.Token, all *lines) error {
	if len(all.offers) > 0 {
		text, err := offersTable(token, all.offers, all.now, all.hint)
		if err != nil {
			return err
		}
		fmt.Fprintln(e.Out, text)
	}
	if c.Bool("explain") {
		for _, l := range all.offers {
			fmt.Fprintf(e.Out, "%s: %s\n", l.Offer.Provider, all.ranked[l.Offer.Provider].Explain())
		}
	}
	if len(all.offers)+len(all.skipped) == 0 {
		fmt.Fprintln(e.Out, "Nobody sells here yet: byway provider up makes the first offer.")
		return nil
	}
	fmt.Fprintf(e.Out, "%s, %d skipped, in %s.", plural(len(all.offers), "offer"), len(all.skipped),
		formatDuration(all.took))
	if len(all.skipped) > 0 && !c.Bool("skipped") {
		fmt.Fprint(e.Out, " Why: --skipped.")
	}
	fmt.Fprintln(e.Out)
	if lapse := all.state.Lapse; lapse != nil {
		fmt.Fprintf(e.Out, "This is what was known %s ago, at block %d: %s\n",
			formatDuration(time.Since(all.state.Synced)), all.state.Block, safe(lapse.Error()))
	}
	if c.Bool("skipped") {
		for _, s := range all.skipped {
			fmt.Fprintf(e.Out, "  skipped %s: %s\n", s.Provider, safe(s.Reason.Error()))
		}
	}
	return nil
}

// collect gathers a listing; an error of the chain itself ends it.
func collect(
	seq iter.Seq2[directory.Listing, error],
) (offers []directory.Listing, skipped []*directory.Omission, err error) {
	for listing, listErr := range seq {
		var skip *directory.Omission
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

func newOffersJSON(token token.Token, all *lines) offersJSON {
	out := offersJSON{
		Schema: "byway.offers/1", Token: token.Symbol, Decimals: token.Decimals, Offers: []offerJSON{},
		Skipped: []skippedJSON{},
	}
	if all.state.Known {
		out.AsOf = &asOfJSON{Block: all.state.Block, Synced: all.state.Synced.UTC()}
		if all.state.Lapse != nil {
			out.AsOf.Lapse = all.state.Lapse.Error()
		}
	}
	for _, l := range all.offers {
		o := newOfferJSON(l)
		o.Hint = all.hint.country(l.Offer)
		if r, ok := all.ranked[l.Offer.Provider]; ok {
			o.Score = &scoreJSON{r.Score, r.Draw, r.Mean, r.Deviation, r.Sessions, r.Evidence, r.Price, r.Benched}
		}
		out.Offers = append(out.Offers, o)
	}
	for _, s := range all.skipped {
		out.Skipped = append(out.Skipped, skippedJSON{s.Provider, s.CID.String(), s.Kind(), s.Reason.Error()})
	}
	return out
}

func newOfferJSON(l directory.Listing) offerJSON {
	o := offerJSON{CID: l.CID.String(), Stake: l.Registration.Stake, Stale: l.Stale, Offer: l.Offer}
	if since := l.Registration.Since; !since.IsZero() {
		o.Since = &since
	}
	return o
}

func offersTable(unit token.Token, offers []directory.Listing, now time.Time, hint *hints) (string, error) {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Options.DrawBorder, t.Style().Options.SeparateColumns = false, false
	header := table.Row{"provider", "country", "per MB", "per GB", "stake", "expires in"}
	if hint != nil {
		header = append(header, "by address")
	}
	t.AppendHeader(header)
	for _, l := range offers {
		perMB, err := token.PerMB(l.Offer.PricePerGiB)
		if err != nil {
			return "", err
		}
		perGB, err := token.PerGB(l.Offer.PricePerGiB)
		if err != nil {
			return "", err
		}
		country := safe(l.Offer.Country)
		if country == "" {
			country = "–"
		}
		expires := days(l.Offer.Expires.Sub(now))
		if l.Stale {
			expires += ", stale"
		}
		line := table.Row{
			l.Offer.Provider.Hex(), country, show(unit, perMB), show(unit, perGB), show(unit, l.Registration.Stake),
			expires,
		}
		if hint != nil {
			line = append(line, hint.country(l.Offer))
		}
		t.AppendRow(line)
	}
	return t.Render(), nil
}

func days(d time.Duration) string {
	if d < 48*time.Hour {
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
