package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/ethereum/go-ethereum/common"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/urfave/cli/v2"

	"byway/contracts"
	"byway/node/market"
	"byway/node/token"
	"byway/registry"
	"byway/registry/choose"
	"byway/registry/directory"
)

// listJSON holds the keys of byway.offers/1 that the tests read.
type listJSON struct {
	Schema string
	AsOf   *struct{ Block uint64 } `json:"as_of"`
	Offers []struct {
		CID      string
		Provider common.Address
		Country  string
		Network  string
		Price    contracts.Amount `json:"price_per_gib"`
		Score    *struct {
			Total, Draw, Mean, Deviation, Sessions, Evidence, Price float64
		}
	}
}

func list(t *testing.T, flags []string, more ...string) (out listJSON) {
	t.Helper()
	decodeText(t, must(t, with(with(flags, "offers", "list", "--json"), more...)...), &out)
	if out.Schema != "byway.offers/1" {
		t.Fatalf("schema %q", out.Schema)
	}
	return out
}

// positions gives where in a listing some providers stand, -1 for one that is not there.
func (l listJSON) positions(providers ...string) []int {
	var at []int
	for _, p := range providers {
		found := -1
		for i, o := range l.Offers {
			if o.Provider.Hex() == p {
				found = i
			}
		}
		at = append(at, found)
	}
	return at
}

// refuses runs a command that says on stderr how far it is before it fails.
func refuses(t *testing.T, flags []string, code int, says []string, args ...string) {
	t.Helper()
	got, out, errOut := byway(t, with(flags, args...)...)
	if got != code || out != "" {
		t.Errorf("byway %s: %d, want %d: %s%s", strings.Join(args, " "), got, code, out, errOut)
	}
	for _, text := range says {
		if !strings.Contains(errOut, text) {
			t.Errorf("byway %s does not say %q: %s", strings.Join(args, " "), text, errOut)
		}
	}
}

// TestOfferByHandFromItsFileToItsEnd takes an offer the long way: the account's key signs and publishes it in one home;
// another home, which has only a session key, agrees to serve it and does; a third one looks at it.
func TestOfferByHandFromItsFileToItsEnd(t *testing.T) {
	t.Parallel()
	keyDir, desk := funded(t)
	owner := onlyFrom(t, keyDir)[1]
	serving := []string{"--home", filepath.Join(t.TempDir(), "serving"), "--network", devnetFile(t), "--password-file",
		passwordFile(t)}
	must(t, with(serving, "account", "new", "--light", "--owner", owner)...)
	dir := t.TempDir()
	hostFile, draft, signedFile := filepath.Join(dir, "host.json"), filepath.Join(dir, "offer.toml"), filepath.Join(dir, "offer.cbor")

	// The file: made, checked, refused by the name of what is wrong.
	if out := must(t, with(desk, "provider", "offer", "edit", "--file", draft)...); !strings.Contains(out, "edit it") {
		t.Errorf("edit made the file and says %q", out)
	}
	if out := must(t, with(desk, "provider", "offer", "edit", "--file", draft)...); !strings.Contains(out, "is a valid offer file") {
		t.Errorf("edit checked the file and says %q", out)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(draft, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("price = \"0.4\"\ncolour = \"red\"\n")
	refusal{"provider offer edit --file " + draft, exitFailure, []string{draft, "colour"}}.check(t, desk...)
	const terms = "price = \"0.4\"\ncountry = \"MT\"\nnetwork = \"fibre at home\"\nfeatures = [\"ipv6\", \"pq\"]\n"
	write("contact = \"\\u001b[31mred\"\n" + terms)
	refusal{"provider offer sign --host-addr /ip4/192.0.2.1/tcp/9 --file " + draft + " --out " + signedFile, exitFailure,
		[]string{"contact", "U+001B"}}.check(t, desk...)

	// The signature, for a host that is elsewhere.
	write(terms)
	must(t, with(serving, "provider", "offer", "host", "--out", hostFile, "--host-addr", "/ip4/127.0.0.1/tcp/9")...)
	refusal{"provider offer sign --file " + draft + " --out " + signedFile, exitUsage, []string{"--host-addr", "--host FILE"}}.
		check(t, desk...)
	var signed, published struct {
		Schema, Event, Offer string
		Sequence             uint64
		GasUsed              uint64 `json:"gas_used"`
	}
	decodeText(t, must(t, with(desk, "provider", "offer", "sign", "--file", draft, "--out", signedFile, "--host", hostFile,
		"--json")...), &signed)
	decodeText(t, must(t, with(desk, "provider", "offer", "publish", signedFile, "--json")...), &published)
	if signed.Event != "signed" || published.Event != "published" || signed.Offer != published.Offer ||
		signed.Sequence != 1 || published.GasUsed == 0 || signed.Schema != "byway.provider-offer/1" {
		t.Errorf("signed %+v, published %+v", signed, published)
	}

	// The home that serves has no key of the account's, and signs nothing.
	refusal{"provider up --price 1 --offer " + signedFile, exitUsage, []string{"--price"}}.check(t, serving...)
	var up struct {
		Offer   string
		GasUsed uint64 `json:"gas_used"`
	}
	p := start(t, with(serving, "provider", "up", "--foreground", "--offer", signedFile, "--json")...)
	p.decode(t, 60*time.Second, &up, "byway.provider/1", `"event":"up"`)
	if up.Offer != signed.Offer || up.GasUsed != 0 {
		t.Errorf("up with %+v, signed was %s", up, signed.Offer)
	}

	// A folder that is there remembers the market: offers of other tests' providers that have gone are looked for once.
	buyer := []string{"--home", t.TempDir(), "--network", devnetFile(t)}
	watch := start(t, with(buyer, "offers", "watch", "--json", "--every", "200ms", "--country", "MT")...)
	if _, err := watch.line(60*time.Second, "byway.offer-event/1", `"event":"offer"`, signed.Offer); err != nil {
		t.Error(err)
	}
	got := list(t, buyer, "--country", "mt", "--feature", "ipv6", "--max-price", "0.5")
	if len(got.Offers) != 1 || got.Offers[0].CID != signed.Offer || got.Offers[0].Network != "fibre at home" || got.AsOf == nil {
		t.Errorf("listed: %+v", got)
	}

	var retired struct {
		Schema string
		directory.Unbonding
	}
	decodeText(t, must(t, with(desk, "provider", "offer", "retire", "--json")...), &retired)
	if retired.Schema != "byway.provider-offer-retired/1" || !retired.IsZero() {
		t.Errorf("retired: %+v", retired)
	}
	if _, err := watch.line(60*time.Second, "byway.offer-event/1", `"event":"left"`, strings.ToLower(owner)); err != nil {
		t.Error(err)
	}
	watch.stop()
	if code := watch.end(t, time.Minute); code != exitOK {
		t.Errorf("watch ended with %d: %s", code, &watch.err)
	}
	refuses(t, buyer, exitNoOffer, []string{"has no offer", "byway offers list"}, "offers", "show", owner)
	if _, out, _ := byway(t, with(buyer, "offers", "list", "--json", "--country", "MT")...); strings.Contains(out, signed.Offer) {
		t.Errorf("a retired offer is listed: %s", out)
	}
}

func TestOffersAreFilteredSortedAndExplained(t *testing.T) {
	t.Parallel()
	cheapDir, cheapFlags := funded(t)
	startProvider(t, cheapFlags, "--price", "0.07", "--country", "IS")
	dearDir, dearFlags := funded(t)
	startProvider(t, dearFlags, "--price", "0.7", "--country", "LU", "--stake", "0.5")
	cheap, dear := onlyFrom(t, cheapDir)[1], onlyFrom(t, dearDir)[1]
	// A folder that is there remembers the market: offers of other tests' providers that have gone are looked for once.
	buyer := []string{"--home", t.TempDir(), "--network", devnetFile(t)}

	for what, c := range map[string]struct {
		flags []string
		first bool // the cheap one comes before the dear one
	}{
		"by price":   {nil, true},
		"by country": {[]string{"--sort", "country"}, true},
		"by stake":   {[]string{"--sort", "stake"}, false},
	} {
		at := list(t, buyer, c.flags...).positions(cheap, dear)
		if at[0] < 0 || at[1] < 0 || (at[0] < at[1]) != c.first {
			t.Errorf("%s: they stand at %v", what, at)
		}
	}
	for what, c := range map[string]struct {
		flags       []string
		cheap, dear bool
	}{
		"price":    {[]string{"--max-price", "0.1"}, true, false},
		"country":  {[]string{"--country", "lu"}, false, true},
		"stake":    {[]string{"--min-stake", "0.4"}, false, true},
		"provider": {[]string{"--provider", cheap}, true, false},
		"feature":  {[]string{"--feature", "pq"}, true, true},
		"up":       {[]string{"--reachable"}, true, true},
	} {
		at := list(t, buyer, c.flags...).positions(cheap, dear)
		if (at[0] >= 0) != c.cheap || (at[1] >= 0) != c.dear {
			t.Errorf("filter by %s: they stand at %v", what, at)
		}
	}
	if got := list(t, buyer, "--limit", "1"); len(got.Offers) != 1 {
		t.Errorf("--limit 1 shows %d", len(got.Offers))
	}
	refuses(t, buyer, exitNoOffer, []string{"were registered less than"},
		"offers", "list", "--min-age", "24h", "--provider", cheap)
	refuses(t, buyer, exitNoOffer, []string{"lack the transport pigeon"},
		"offers", "list", "--transport", "pigeon", "--provider", cheap)
	refusal{"offers list --sort colour", exitUsage, []string{"--sort", "colour"}}.check(t, buyer...)

	explained := list(t, buyer, "--explain", "--sort", "score")
	for _, o := range explained.Offers {
		s := o.Score
		if s == nil || math.Abs(s.Total-(s.Draw+s.Evidence-s.Price)) > 1e-9 {
			t.Fatalf("%s: the terms %+v do not add up", o.Provider, s)
		}
	}
	text := must(t, with(buyer, "offers", "list", "--explain", "--provider", cheap)...)
	for _, want := range []string{cheap, "IS", "PER GB", "score", "quality", "settled", "price", "1 offer"} {
		if !strings.Contains(text, want) {
			t.Errorf("the explanation lacks %q: %s", want, text)
		}
	}
	shown := must(t, with(buyer, "offers", "show", "--mmdb", mmdb(t, netip.MustParsePrefix("127.0.0.0/8"), "XK"), dear)...)
	for _, want := range []string{"XK, by --mmdb", dear, "LU", "0.7 BYW per GB", "never met", "stake", "each 1.0 MB"} {
		if !strings.Contains(shown, want) {
			t.Errorf("offers show lacks %q: %s", want, shown)
		}
	}
	var one struct {
		Schema   string
		Provider common.Address
	}
	decodeText(t, must(t, with(buyer, "offers", "show", "--json", dear)...), &one)
	if one.Schema != "byway.offer/1" || one.Provider.Hex() != dear {
		t.Errorf("offers show --json: %+v", one)
	}
}

// nasty would clear the screen, set the title, turn the line around and hide what follows.
const nasty = "\x1b[2J\x1b]0;owned\x07\u202egnp.exe\u2066\u200f\x00\u009b31m\r\n\x7f\u2028end"

// harmless reports the first character that a terminal would obey, besides line ends.
func harmless(text string) error {
	for _, r := range text {
		if r != '\n' && !unicode.IsPrint(r) {
			return fmt.Errorf("it prints U+%04X", r)
		}
	}
	return nil
}

// flagged is a command's context with these flags set.
func flagged(t *testing.T, names ...string) *cli.Context {
	t.Helper()
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	for _, name := range names {
		flags.Bool(name, true, "")
	}
	return cli.NewContext(nil, flags, nil)
}

// TestStrangersTextIsHarmlessOnEveryScreen prints an offer that no decoder would let in, and errors that quote one.
func TestStrangersTextIsHarmlessOnEveryScreen(t *testing.T) {
	t.Parallel()
	l := directory.Listing{SignedOffer: registry.SignedOffer{Offer: registry.Offer{
		Country: nasty, Network: nasty, Contact: nasty, Services: []string{nasty}, Transports: []string{nasty},
		Features: []string{nasty}, Protocols: []string{nasty}, PricePerGiB: contracts.NewAmount(1), ASN: 1,
		Host: registry.Host{Peer: peer.ID("x"), Addrs: []string{nasty}}, Expires: time.Now().Add(time.Hour),
	}}}
	token := token.Token{Symbol: "BYW", Decimals: 18}
	reason := errors.New("it says " + nasty)
	skip := &directory.Omission{Reason: reason}
	all := &lines{
		offers: []directory.Listing{l}, skipped: []*directory.Omission{skip}, state: market.State{Lapse: reason},
	}
	for name, print := range map[string]func(e env) error{
		"show":      func(e env) error { return e.offerRows(token, choose.Opinion{}, "", l) },
		"show json": func(e env) error { return e.printJSON(newOfferJSON(l)) },
		"list json": func(e env) error { return e.printJSON(newOffersJSON(token, all)) },
		"list": func(e env) error {
			text, err := offersTable(token, all.offers, time.Now(), nil)
			fmt.Fprintln(e.Out, text)
			return err
		},
		"rows": func(e env) error { return e.printOffers(flagged(t, "skipped"), token, all) },
		"watch": func(e env) error {
			c, want := flagged(t), directory.Criteria{Service: nasty, Transport: nasty}
			return errors.Join(e.offerEvent(c, token, want, l, nil), e.offerEvent(c, token, want, l, skip),
				e.offerEvent(c, token, want, l, reason))
		},
		"watch json": func(e env) error {
			return e.offerEvent(flagged(t, "json"), token, directory.Criteria{}, l, reason)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := print(env{Streams{Out: &out, Err: &out}}); err != nil {
				t.Fatal(err)
			}
			if err := harmless(out.String()); err != nil || !strings.Contains(out.String(), "end") {
				t.Errorf("%v: %q", err, out.String())
			}
			if strings.Contains(name, "json") && !json.Valid(out.Bytes()) {
				t.Errorf("no JSON: %s", out.String())
			}
		})
	}
}
