package registry

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
	"github.com/ipld/go-ipld-prime/codec/dagcbor"
	"github.com/ipld/go-ipld-prime/node/basicnode"
	p2pcrypto "github.com/libp2p/go-libp2p/core/crypto"
	"pgregory.net/rapid"

	"byway/contracts"
)

var market = contracts.Deployment{
	ChainID:  31337,
	Channels: common.HexToAddress("0x00000000000000000000000000000000000c4a11"),
	Registry: common.HexToAddress("0x000000000000000000000000000000000000e615"),
	Token:    common.HexToAddress("0x000000000000000000000000000000000000704e"),
}

// golden is the time at which test offers begin.
var golden = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// testKey is a key that is the same in every run.
func testKey(n int) contracts.Key {
	k, err := crypto.ToECDSA(crypto.Keccak256(fmt.Appendf(nil, "registry test key %d", n)))
	if err != nil {
		panic(err)
	}
	return contracts.NewKey(k)
}

func testHostKey(n int) p2pcrypto.PrivKey {
	seed := sha256.Sum256(fmt.Appendf(nil, "registry test host %d", n))
	k, _, err := p2pcrypto.GenerateEd25519Key(bytes.NewReader(seed[:]))
	if err != nil {
		panic(err)
	}
	return k
}

// fullOffer uses every field. n tells offers apart.
func fullOffer(n int, d contracts.Deployment, from time.Time) Offer {
	provider := testKey(n).Address()
	host, err := BindHost(testHostKey(n), d.ChainID, d.Registry, provider,
		[]string{"/ip4/127.0.0.1/udp/4001/quic-v1", "/ip6/::1/tcp/4001"})
	if err != nil {
		panic(err)
	}
	return Offer{
		ChainID: d.ChainID, Channels: d.Channels, Registry: d.Registry, Token: d.Token,
		Provider: provider, Payee: testKey(n + 1_000_000).Address(),
		Sequence: 1, NotBefore: from, Expires: from.Add(24 * time.Hour),
		Host:     host,
		Services: []string{ServiceExit}, Transports: []string{TransportWireGuard},
		Features: []string{FeatureIPv6, FeaturePostQuantum}, Protocols: []string{"/byway/session/1"},
		PricePerGiB: contracts.NewAmount(5_000_000_000_000_000), Tick: 1 << 20, Window: 4 << 20,
		Country: "NL", ASN: 64500, Network: "fibre, at home", Contact: "ops@example.org",
		Capacity: Capacity{Down: 900_000_000, Up: 500_000_000, Sessions: 256},
		Exit: &ExitPolicy{
			Denied: []netip.Prefix{
				netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8"),
				netip.MustParsePrefix("fc00::/7"),
			},
			Allowed:     []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
			DeniedPorts: []uint16{25}, P2P: true, Rate: 100_000_000, Connections: 4096, NewPerSecond: 256,
		},
	}
}

func mustSign(t testing.TB, n int, o Offer) SignedOffer {
	t.Helper()
	s, err := Sign(o, testKey(n))
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	return s
}

func TestOfferEncodesToItsGoldenBlock(t *testing.T) {
	t.Parallel()
	s := mustSign(t, 1, fullOffer(1, market, golden))
	const path = "testdata/offer.hex"
	got := hex.EncodeToString(s.Block)
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; the block is now:\n%s", err, got)
	}
	if got != strings.TrimSpace(string(want)) {
		t.Fatalf("the encoding has changed: every published offer would become unreadable.\n got %s\nwant %s", got, want)
	}
	const wantCID = "bafyreie354cnjijwmj6rssw2rmhwlceg73xx3ovapxrxgrfmb3jvawsbdi"
	if s.CID.String() != wantCID {
		t.Errorf("CID %s, want %s", s.CID, wantCID)
	}
	if len(s.Block) > 1200 {
		t.Errorf("a full offer takes %d bytes", len(s.Block))
	}
}

func TestOfferSurvivesTheRoundTrip(t *testing.T) {
	t.Parallel()
	minimal := fullOffer(1, market, golden)
	minimal.Services, minimal.Exit, minimal.Features, minimal.Protocols = []string{ServiceRelay}, nil, nil, nil
	minimal.Country, minimal.ASN, minimal.Network, minimal.Contact, minimal.Capacity = "", 0, "", "", Capacity{}
	empty := fullOffer(1, market, golden)
	empty.Exit = &ExitPolicy{}
	for name, o := range map[string]Offer{"full": fullOffer(1, market, golden), "minimal": minimal, "empty exit": empty} {
		s := mustSign(t, 1, o)
		if !reflect.DeepEqual(s.Offer, o) {
			t.Errorf("%s: got %+v, want %+v", name, s.Offer, o)
		}
		again, err := Decode(s.Block)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(again, s) {
			t.Errorf("%s: decoding gives %+v, want %+v", name, again, s)
		}
		if err := again.Verify(t.Context(), nil, market); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := again.Offer.Validate(golden, market); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOfferIsStrictDagCBOR(t *testing.T) {
	t.Parallel()
	s := mustSign(t, 1, fullOffer(1, market, golden))
	b := basicnode.Prototype.Any.NewBuilder()
	if err := (dagcbor.DecodeOptions{AllowLinks: true}).Decode(b, bytes.NewReader(s.Block)); err != nil {
		t.Fatalf("ipld refuses the block: %v", err)
	}
	var out bytes.Buffer
	if err := dagcbor.Encode(b.Build(), &out); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), s.Block) {
		t.Fatal("ipld encodes the same offer to other bytes")
	}
}

func TestSigningHashIsTheTypedDataThatAWalletShows(t *testing.T) {
	t.Parallel()
	o := fullOffer(7, market, golden)
	o.PricePerGiB = contracts.MaxAmount()
	o.PricePerGiB, _ = o.PricePerGiB.MulDivCeil(1, 1<<20)
	typed, err := o.TypedData()
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := apitypes.TypedDataAndHash(typed)
	if err != nil {
		t.Fatal(err)
	}
	got, err := o.SigningHash()
	if err != nil {
		t.Fatal(err)
	}
	if got != common.BytesToHash(want) {
		t.Fatalf("own hash %s, wallet's %x", got, want)
	}
	sig, err := testKey(7).SignDigest(got)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []byte{sig[64], sig[64] + 27} {
		sig[64] = v
		s, err := Attach(o, sig)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Verify(t.Context(), nil, market); err != nil {
			t.Errorf("recovery byte %d: %v", v, err)
		}
	}
}

func TestEncodingDoesNotDependOnTheOrderOfSets(t *testing.T) {
	t.Parallel()
	a := fullOffer(1, market, golden)
	b := fullOffer(1, market, golden)
	b.Features = []string{FeaturePostQuantum, FeatureIPv6, FeaturePostQuantum}
	b.Exit.Denied = []netip.Prefix{b.Exit.Denied[2], b.Exit.Denied[0], b.Exit.Denied[1], b.Exit.Denied[0]}
	b.NotBefore = b.NotBefore.Add(time.Millisecond).In(time.FixedZone("x", 3600))
	b.Host.Addrs = []string{b.Host.Addrs[0] + "/p2p/" + b.Host.Peer.String(), b.Host.Addrs[1]}
	if one, two := mustSign(t, 1, a), mustSign(t, 1, b); one.CID != two.CID {
		t.Fatal("two spellings of one offer have two CIDs")
	}
	if b.Features[0] != FeaturePostQuantum {
		t.Fatal("signing changed the caller's offer")
	}
}

func TestEveryInvalidFieldIsRefusedByName(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 300)
	many := func(n int) (p []netip.Prefix) {
		for i := range n {
			p = append(p, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), 16))
		}
		return p
	}
	for _, c := range []struct {
		name, field string
		want        error
		change      func(*Offer)
	}{
		{"no chain", "chain_id", errField, func(o *Offer) { o.ChainID = 0 }},
		{"no payee", "payee", errField, func(o *Offer) { o.Payee = common.Address{} }},
		{"no token", "token", errField, func(o *Offer) { o.Token = common.Address{} }},
		{"sequence zero", "sequence", errField, func(o *Offer) { o.Sequence = 0 }},
		{"sequence huge", "sequence", errField, func(o *Offer) { o.Sequence = 1 << 63 }},
		{"ends first", "expires", errLifetime, func(o *Offer) { o.Expires = o.NotBefore }},
		{"too long", "expires", errLifetime, func(o *Offer) { o.Expires = o.NotBefore.Add(MaxLifetime + time.Second) }},
		{"before 1970", "expires", errLifetime, func(o *Offer) { o.NotBefore = time.Unix(-5, 0) }},
		{"no peer", "host.peer", errField, func(o *Offer) { o.Host.Peer = "" }},
		{"odd peer", "host.peer", errField, func(o *Offer) { o.Host.Peer = "\x12\x01a" }},
		{"short host signature", "host.sig", errField, func(o *Offer) { o.Host.Sig = o.Host.Sig[:63] }},
		{"no address", "host.addrs", errField, func(o *Offer) { o.Host.Addrs = nil }},
		{"not a multiaddr", "host.addrs", errField, func(o *Offer) { o.Host.Addrs[0] = "127.0.0.1:4001" }},
		{"odd spelling", "host.addrs", errField, func(o *Offer) { o.Host.Addrs[0] = "/ip4/127.0.0.1/tcp/04001" }},
		{"same address twice", "host.addrs", errField, func(o *Offer) { o.Host.Addrs[1] = o.Host.Addrs[0] }},
		{"another host's address", "host.addrs", errField, func(o *Offer) {
			o.Host.Addrs[0] += "/p2p/12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X"
		}},
		{"long address", "host.addrs", errField, func(o *Offer) { o.Host.Addrs[0] = "/dns4/" + long + "/tcp/1" }},
		{"17 addresses", "host.addrs", errField, func(o *Offer) {
			for i := range 15 {
				o.Host.Addrs = append(o.Host.Addrs, fmt.Sprintf("/ip4/10.0.0.%d/tcp/1", i))
			}
		}},
		{"no service", "services", errField, func(o *Offer) { o.Services = nil }},
		{"shouting", "features", errField, func(o *Offer) { o.Features = []string{"PQ"} }},
		{"empty word", "protocols", errField, func(o *Offer) { o.Protocols = []string{""} }},
		{"long word", "transports", errField, func(o *Offer) { o.Transports = []string{long} }},
		{"free", "price_per_gib", errPrice, func(o *Offer) { o.PricePerGiB = contracts.Amount{} }},
		{"priceless", "price_per_gib", errPrice, func(o *Offer) {
			o.PricePerGiB, o.Window = contracts.MaxAmount(), 2<<30
		}},
		{"tick small", "tick", errField, func(o *Offer) { o.Tick = 1 }},
		{"tick huge", "tick", errField, func(o *Offer) { o.Tick, o.Window = 1<<40, 1<<41 }},
		{"window under a tick", "window", errField, func(o *Offer) { o.Window = o.Tick - 1 }},
		{"window huge", "window", errField, func(o *Offer) { o.Window = 1 << 62 }},
		{"no such country", "country", errField, func(o *Offer) { o.Country = "XX" }},
		{"small country", "country", errField, func(o *Offer) { o.Country = "nl" }},
		{"half a country", "country", errField, func(o *Offer) { o.Country = " N" }},
		{"escape in network", "network", errField, func(o *Offer) { o.Network = "\x1b[2J" }},
		{"bidi in contact", "contact", errField, func(o *Offer) { o.Contact = "a\u202eb" }},
		{"broken UTF-8", "contact", errField, func(o *Offer) { o.Contact = "a\xffb" }},
		{"long contact", "contact", errField, func(o *Offer) { o.Contact = Text(long) }},
		{"impossible line", "capacity", errField, func(o *Offer) { o.Capacity.Up = 1 << 60 }},
		{"sessions", "capacity.sessions", errField, func(o *Offer) { o.Capacity.Sessions = 1 << 31 }},
		{"exit without policy", "exit", errField, func(o *Offer) { o.Exit = nil }},
		{"policy without exit", "exit", errField, func(o *Offer) { o.Services = []string{ServiceRelay} }},
		{"unmasked prefix", "exit.denied", errField, func(o *Offer) {
			o.Exit.Denied = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/8")}
		}},
		{"4in6 prefix", "exit.allowed", errField, func(o *Offer) {
			o.Exit.Allowed = []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")}
		}},
		{"no prefix", "exit.allowed", errField, func(o *Offer) { o.Exit.Allowed = []netip.Prefix{{}} }},
		{"65 prefixes", "exit.denied", errField, func(o *Offer) { o.Exit.Denied = many(65) }},
		{"port 0", "exit.denied_ports", errField, func(o *Offer) { o.Exit.DeniedPorts = []uint16{0} }},
		{"rate", "exit.rate", errField, func(o *Offer) { o.Exit.Rate = 1 << 60 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := fullOffer(1, market, golden)
			c.change(&o)
			d := market
			d.ChainID, d.Token = o.ChainID, o.Token
			_, signErr := Sign(o, testKey(1))
			for _, err := range []error{signErr, o.Validate(golden, d)} {
				var field *fieldError
				if !errors.As(err, &field) || field.Field != c.field || !errors.Is(err, c.want) || !errors.Is(err, errField) {
					t.Errorf("got %v, want a refusal of %s", err, c.field)
				}
			}
		})
	}
}

func TestOfferIsValidOnlyOnItsMarketAndInItsTime(t *testing.T) {
	t.Parallel()
	o := fullOffer(1, market, golden)
	for _, c := range []struct {
		name   string
		now    time.Time
		change func(*contracts.Deployment)
		want   error
	}{
		{"first second", golden, func(*contracts.Deployment) {}, nil},
		{"last moment", golden.Add(24*time.Hour - 1), func(*contracts.Deployment) {}, nil},
		{"any token", golden, func(d *contracts.Deployment) { d.Token = common.Address{} }, nil},
		{"skewed clock", golden.Add(-maxSkew), func(*contracts.Deployment) {}, nil},
		{"early", golden.Add(-maxSkew - 1), func(*contracts.Deployment) {}, errNotYetValid},
		{"late", golden.Add(24 * time.Hour), func(*contracts.Deployment) {}, ErrExpired},
		{"chain", golden, func(d *contracts.Deployment) { d.ChainID = 1 }, errWrongChain},
		{"channels", golden, func(d *contracts.Deployment) { d.Channels[0]++ }, errWrongContract},
		{"registry", golden, func(d *contracts.Deployment) { d.Registry[0]++ }, errWrongContract},
		{"token", golden, func(d *contracts.Deployment) { d.Token[0]++ }, errWrongContract},
	} {
		d := market
		c.change(&d)
		if err := o.Validate(c.now, d); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestTamperedOfferFailsVerification(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Offer){
		"price":    func(o *Offer) { o.PricePerGiB = contracts.NewAmount(1) },
		"payee":    func(o *Offer) { o.Payee[3]++ },
		"host":     func(o *Offer) { o.Host = fullOffer(2, market, golden).Host },
		"window":   func(o *Offer) { o.Window++ },
		"country":  func(o *Offer) { o.Country = "DE" },
		"contact":  func(o *Offer) { o.Contact = "me" },
		"exit":     func(o *Offer) { o.Exit.P2P = false },
		"address":  func(o *Offer) { o.Host.Addrs = o.Host.Addrs[:1] },
		"provider": func(o *Offer) { o.Provider = testKey(3).Address() },
	} {
		s := mustSign(t, 1, fullOffer(1, market, golden))
		o := fullOffer(1, market, golden)
		change(&o)
		forged, err := Attach(o, s.Sig)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := forged.Verify(t.Context(), nil, market); !errors.Is(err, ErrSignature) {
			t.Errorf("%s, new block: got %v, want %v", name, err, ErrSignature)
		}
		s.Offer = o
		if err := s.Verify(t.Context(), nil, market); !errors.Is(err, ErrHash) {
			t.Errorf("%s, old block: got %v, want %v", name, err, ErrHash)
		}
	}
}

func TestHostMustHaveAgreedToServeThisProvider(t *testing.T) {
	t.Parallel()
	for name, bind := range map[string]func(o Offer) (Host, error){
		"another provider": func(o Offer) (Host, error) {
			return BindHost(testHostKey(1), o.ChainID, o.Registry, testKey(9).Address(), o.Host.Addrs)
		},
		"another chain": func(o Offer) (Host, error) {
			return BindHost(testHostKey(1), o.ChainID+1, o.Registry, o.Provider, o.Host.Addrs)
		},
		"another registry": func(o Offer) (Host, error) {
			return BindHost(testHostKey(1), o.ChainID, o.Channels, o.Provider, o.Host.Addrs)
		},
	} {
		o := fullOffer(1, market, golden)
		host, err := bind(o)
		if err != nil {
			t.Fatal(err)
		}
		o.Host = host
		if err := mustSign(t, 1, o).Verify(t.Context(), nil, market); !errors.Is(err, errHost) {
			t.Errorf("%s: got %v, want %v", name, err, errHost)
		}
	}
}

func TestSignatureHasOneForm(t *testing.T) {
	t.Parallel()
	s := mustSign(t, 1, fullOffer(1, market, golden))
	half := s.Sig[:64]
	high := bytes.Clone(s.Sig) // s → n-s and the other recovery bit: the same signature, spelled otherwise
	n := crypto.S256().Params().N.Bytes()
	for i, borrow := 31, 0; i >= 0; i-- {
		v := int(n[i]) - int(high[32+i]) - borrow
		borrow = 0
		if v < 0 {
			v, borrow = v+256, 1
		}
		high[32+i] = byte(v)
	}
	high[64] ^= 27 ^ 28
	odd := append(bytes.Clone(half), 29)
	for name, sig := range map[string][]byte{"high s": high, "short": half, "odd v": odd} {
		again, err := Attach(s.Offer, sig)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := again.Verify(t.Context(), nil, market); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: got %v, want %v", name, err, ErrSignature)
		}
	}
	if _, err := Attach(s.Offer, nil); !errors.Is(err, ErrSignature) {
		t.Errorf("no signature: got %v", err)
	}
	if _, err := Sign(s.Offer, testKey(2)); !errors.Is(err, ErrSignature) {
		t.Errorf("another's key: got %v", err)
	}
}

func TestStrangersTextIsEscaped(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain text":          "plain text",
		"Grüße, 世界":           "Grüße, 世界",
		"\x1b[31mred":         `\u{1b}[31mred`,
		"a\nb\tc\r\x00":       `a\u{a}b\u{9}c\u{d}\u{0}`,
		"left\u202eright":     `left\u{202e}right`,
		"\u009b31m":           `\u{9b}31m`,
		"bad\xff\xfe":         `bad\x{ff}\x{fe}`,
		"\ufffd":              "\ufffd",
		`back\slash`:          `back\\slash`,
		"no\u00a0break\u2028": `no\u{a0}break\u{2028}`,
	} {
		if got := fmt.Sprint(Text(in)); got != want {
			t.Errorf("%q prints as %q, want %q", in, got, want)
		}
	}
}

func TestCountriesAreTheAssignedCodes(t *testing.T) {
	t.Parallel()
	if n := len(strings.Fields(countries)); n != 249 {
		t.Fatalf("%d codes, ISO 3166-1 has 249", n)
	}
	n := 0
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			if isCountry(string([]rune{a, b})) {
				n++
			}
		}
	}
	if n != 249 {
		t.Fatalf("%d codes are accepted", n)
	}
}

// TestOfferRoundTripProperty draws offers from the whole space of valid ones.
func TestOfferRoundTripProperty(t *testing.T) {
	t.Parallel()
	word := rapid.StringMatching(`[a-z0-9._/-]{1,48}`)
	rapid.Check(t, func(t *rapid.T) {
		o := fullOffer(1, market, golden)
		o.Sequence = rapid.Uint64Range(1, maxInteger).Draw(t, "sequence")
		o.Features = rapid.SliceOfNDistinct(word, 0, 16, rapid.ID[string]).Draw(t, "features")
		o.PricePerGiB = contracts.NewAmount(rapid.Uint64Range(1, 1<<63).Draw(t, "price"))
		o.Tick = rapid.Uint64Range(minTick, maxTick).Draw(t, "tick")
		o.Window = rapid.Uint64Range(o.Tick, maxWindow).Draw(t, "window")
		o.ASN = rapid.Uint32().Draw(t, "asn")
		o.Exit.DeniedPorts = rapid.SliceOfN(rapid.Uint16Range(1, 65535), 0, 40).Draw(t, "ports")
		s, err := Sign(o, testKey(1))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Verify(t.Context(), nil, market); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(s.Offer, o.normal()) {
			t.Fatalf("got %+v, want %+v", s.Offer, o.normal())
		}
	})
}

func FuzzText(f *testing.F) {
	f.Add("\x1b[0m\u202e\xff")
	f.Fuzz(func(t *testing.T, in string) {
		for _, r := range Text(in).String() {
			if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) || (r >= 0x202a && r <= 0x202e) {
				t.Fatalf("%q prints the control character %U", in, r)
			}
		}
	})
}
