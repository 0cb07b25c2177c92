package registry

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"byway/contracts"
)

func TestExampleOfferFileBecomesAValidOffer(t *testing.T) {
	t.Parallel()
	d, err := ParseDraft([]byte(DraftExample), 18)
	if err != nil {
		t.Fatal(err)
	}
	base := fullOffer(1, market, golden)
	base.Exit = &ExitPolicy{Denied: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	o := d.Apply(base)
	s := mustSign(t, 1, o)
	if !reflect.DeepEqual(s.Offer, o) {
		t.Errorf("signed %+v, applied %+v", s.Offer, o)
	}
	want := base
	want.Payee, want.PricePerGiB = base.Provider, contracts.NewAmount(53_687_091_200_000_000) // 0.05 × 2^30 ÷ 10^9
	want.Features = []string{FeatureIPv6, FeaturePostQuantum}
	want.Network, want.Contact = "fibre at home", "ops@example.org"
	want.Exit = &ExitPolicy{
		Denied:      []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("198.51.100.0/24")},
		DeniedPorts: []uint16{25}, P2P: true, Rate: 100_000_000, Connections: 4096, NewPerSecond: 256,
	}
	if !reflect.DeepEqual(o, want) {
		t.Errorf("got %+v\nwant %+v", o, want)
	}
}

func TestPriceAloneIsAnOfferFile(t *testing.T) {
	t.Parallel()
	d, err := ParseDraft([]byte(`price = "2"`), 6)
	if err != nil {
		t.Fatal(err)
	}
	s := mustSign(t, 1, d.Apply(fullOffer(1, market, golden)))
	if s.Offer.PricePerGiB != contracts.NewAmount(2_147_483) || s.Offer.Tick != 1<<20 || !s.Offer.Sells(ServiceExit) {
		t.Errorf("offer %+v", s.Offer)
	}
}

func TestOfferFileErrorsNameTheKey(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:                                              "price is missing",
		`price = "free"`:                                "price",
		`price = 1.5`:                                   "price",
		`price = "0.0000001"`:                           "decimals",
		"price = \"1\"\nprise = 2":                      "prise",
		"price = \"1\"\n[exit]\nports = 1":              "exit.ports",
		"price = \"1\"\nlifetime = \"1y\"":              "1y",
		"price = \"1\"\nlifetime = \"9999h\"":           "lifetime",
		"price = \"1\"\ntick = \"1 furlong\"":           "furlong",
		"price = \"1\"\ntick = \"0.3 B\"":               "0.3 B",
		"price = \"1\"\npayee = \"me\"":                 "payee",
		"price = \"1\"\nservices = [\"relay\"]\n[exit]": "exit",
		"price = \"1\"\n[exit]\ndeny = [\"x\"]":         "x",
		"price = \"1\"\nx = ":                           "line 2",
		"\"\\u001b[31m\" = 1\nprice = \"1\"":            `\\u001b`,
		strings.Repeat("#", maxDraft+1):                 "at most",
		"price = \"1\"\n[exit]\nallow = [\"10.0.0.0/8\"]\ndeny = [\"10.0.0.0/8\"]": "10.0.0.0/8",
	} {
		if _, err := ParseDraft([]byte(text), 6); err == nil || !strings.Contains(err.Error(), want) ||
			strings.ContainsRune(err.Error(), 0x1b) {
			t.Errorf("%.60q: got %v, want it to name %s", text, err, want)
		}
	}
}

func TestMeasuresAreExact(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]uint64{
		"1": 1, "1 MiB": 1 << 20, "1.5KiB": 1536, "4096B": 4096, "2 GB": 2e9, "1 MB": 1e6,
	} {
		var s size
		if err := s.UnmarshalText([]byte(text)); err != nil || uint64(s) != want {
			t.Errorf("%q is %d, %v; want %d", text, s, err, want)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1e3", "1 mib", "0.1 B", "1..2", "99999999999999999999", "1/3", " 1"} {
		var s size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %d", text, s)
		}
	}
}

func FuzzParseDraft(f *testing.F) {
	f.Add([]byte(DraftExample))
	f.Add([]byte(`price = "1"`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := ParseDraft(text, 18)
		if err != nil {
			if strings.ContainsRune(err.Error(), 0x1b) {
				t.Fatalf("the message %q moves the terminal", err)
			}
			return
		}
		if s, err := Sign(d.Apply(fullOffer(1, market, golden)), testKey(1)); err == nil {
			if _, err := Decode(s.Block); err != nil {
				t.Fatal(err)
			}
		}
	})
}
