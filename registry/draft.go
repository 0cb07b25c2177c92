package registry

import (
	"cmp"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
)

// maxDraft is the longest offer file in bytes.
const maxDraft = 64 << 10

// DraftExample is an offer file that shows every key.
const DraftExample = `# What this provider sells. Sizes are in bytes (KiB, MiB, GiB), rates in bit/s (kbit/s, Mbit/s, Gbit/s).

price = "0.05"           # whole tokens for one GB (10^9 bytes), both directions together
lifetime = "336h"        # how long an offer is good; at most 744h
#payee = "0x…"           # who is paid; the provider where absent

services = ["exit"]      # exit, relay
features = ["ipv6", "pq"]  # ipv6, pq, port-lease, obfuscation
tick = "1 MiB"           # what one promise covers
window = "4 MiB"         # how much is forwarded unpaid; 50 ms of the capacity below where absent, 4 MiB at least

country = "NL"           # where the exit stands: ISO 3166-1 alpha-2
asn = 64500
network = "fibre at home"
contact = "ops@example.org"

[capacity]
down = "900 Mbit/s"      # as the consumer sees it
up = "500 Mbit/s"
sessions = 256

[exit]
p2p = true               # is file sharing between peers welcome? false closes BitTorrent's usual ports too
rate = "100 Mbit/s"      # for one session; no cap where absent
connections = 4096       # open at once, for one session; 1024 where absent
new_per_second = 256     # new destinations, for one session; 200 where absent
deny = ["198.51.100.0/24"]   # besides what every exit denies
allow = []               # exceptions from what every exit denies
deny_ports = [25]
`

// Draft holds an operator's decisions about an offer: its terms, without what the node knows by itself. The flags of
// byway provider up and an offer file (TOML) both make one, from the same defaults.
type Draft struct {
	Price      contracts.Amount // per GiB, in base units
	Lifetime   time.Duration
	Payee      common.Address // zero: the provider
	Services   []string
	Transports []string
	Features   []string
	Tick       uint64
	Window     uint64 // 0: what the line needs
	Country    string
	ASN        uint32
	Network    Text
	Contact    Text
	Capacity   Capacity
	// Exit is nil where the draft sells no exit.
	Exit *ExitPolicy
}

// Terms where the operator says nothing.
const (
	// defaultLifetime is how long an offer is good.
	defaultLifetime = 14 * 24 * time.Hour
	// defaultConnections and defaultNewPerSecond cap one session.
	defaultConnections  = 1024
	defaultNewPerSecond = 200

	defaultTick = 1 << 20
	mailPort    = 25
)

// DefaultDraft is an exit's terms where its operator says nothing, but for the price, which has no default.
func DefaultDraft() Draft {
	return Draft{
		Lifetime: defaultLifetime, Services: []string{ServiceExit}, Transports: []string{TransportWireGuard},
		Features: []string{FeatureIPv6, FeaturePostQuantum}, Tick: defaultTick,
		Exit: &ExitPolicy{
			DeniedPorts: []uint16{mailPort}, P2P: true, Connections: defaultConnections, NewPerSecond: defaultNewPerSecond,
		},
	}
}

type draftFile struct {
	Price      string   `toml:"price"`
	Lifetime   duration `toml:"lifetime"`
	Payee      string   `toml:"payee"`
	Services   []string `toml:"services"`
	Transports []string `toml:"transports"`
	Features   []string `toml:"features"`
	Tick       size     `toml:"tick"`
	Window     size     `toml:"window"`
	Country    string   `toml:"country"`
	ASN        uint32   `toml:"asn"`
	Network    string   `toml:"network"`
	Contact    string   `toml:"contact"`
	Capacity   struct {
		Down     rate   `toml:"down"`
		Up       rate   `toml:"up"`
		Sessions uint32 `toml:"sessions"`
	} `toml:"capacity"`
	Exit struct {
		P2P          bool           `toml:"p2p"`
		Rate         rate           `toml:"rate"`
		Connections  uint32         `toml:"connections"`
		NewPerSecond uint32         `toml:"new_per_second"`
		Deny         []netip.Prefix `toml:"deny"`
		Allow        []netip.Prefix `toml:"allow"`
		DenyPorts    []uint16       `toml:"deny_ports"`
	} `toml:"exit"`
}

// ParseDraft reads an offer file, strictly: a key that it does not know is an error that names it. The price is in whole
// tokens of that many decimals. What is absent has a default, but for the price.
func ParseDraft(text []byte, decimals uint8) (Draft, error) {
	if len(text) > maxDraft {
		return Draft{}, fmt.Errorf("offer file has %d bytes, at most %d are allowed", len(text), maxDraft)
	}
	def := DefaultDraft()
	f := draftFile{
		Lifetime: duration(def.Lifetime), Services: def.Services, Transports: def.Transports, Features: def.Features,
		Tick: size(def.Tick),
	}
	f.Exit.DenyPorts, f.Exit.P2P = def.Exit.DeniedPorts, def.Exit.P2P
	f.Exit.Connections, f.Exit.NewPerSecond = def.Exit.Connections, def.Exit.NewPerSecond
	meta, err := toml.Decode(string(text), &f)
	if err != nil {
		if where := (toml.ParseError{}); errors.As(err, &where) {
			return Draft{}, fmt.Errorf("offer file, line %d: %s", where.Position.Line, Text(where.Message))
		}
		return Draft{}, fmt.Errorf("offer file: %s", Text(err.Error()))
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return Draft{}, fmt.Errorf("offer file: key %s is not known", Text(unknown[0].String()))
	}
	if f.Price == "" {
		return Draft{}, errors.New(`offer file: price is missing; write for example price = "0.05"`)
	}
	perGB, err := contracts.ParseTokens(f.Price, decimals)
	if err != nil {
		return Draft{}, fmt.Errorf("offer file: price: %w", err)
	}
	price, err := contracts.PerGiB(perGB)
	if err != nil {
		return Draft{}, fmt.Errorf("offer file: price: %w", err)
	}
	d := Draft{
		Price: price, Lifetime: time.Duration(f.Lifetime), Services: set(f.Services), Transports: set(f.Transports),
		Features: set(f.Features), Tick: uint64(f.Tick), Window: uint64(f.Window), Country: f.Country, ASN: f.ASN,
		Network: Text(f.Network), Contact: Text(f.Contact),
		Capacity: Capacity{uint64(f.Capacity.Down), uint64(f.Capacity.Up), f.Capacity.Sessions},
	}
	if d.Lifetime < time.Minute || d.Lifetime > MaxLifetime {
		return Draft{}, fmt.Errorf("offer file: lifetime is %s, allowed are 1m to %s", d.Lifetime, MaxLifetime)
	}
	if f.Payee != "" {
		if !common.IsHexAddress(f.Payee) {
			return Draft{}, fmt.Errorf("offer file: payee %.60q is not an address", f.Payee)
		}
		d.Payee = common.HexToAddress(f.Payee)
	}
	if (Offer{Services: d.Services}).Sells(ServiceExit) {
		d.Exit = &ExitPolicy{
			Denied: prefixes(f.Exit.Deny), Allowed: prefixes(f.Exit.Allow), DeniedPorts: set(f.Exit.DenyPorts),
			P2P: f.Exit.P2P, Rate: uint64(f.Exit.Rate), Connections: f.Exit.Connections,
			NewPerSecond: f.Exit.NewPerSecond,
		}
	} else if meta.IsDefined("exit") {
		return Draft{}, errors.New("offer file: it has a section exit, but services does not name exit")
	}
	if err := checkExit(Offer{Services: d.Services, Exit: d.Exit}); err != nil {
		return Draft{}, fmt.Errorf("offer file: %w", err)
	}
	return d, nil
}

// Apply returns o with the draft's terms. Taken from o are what the node knows: the market, provider, sequence,
// both times, host and protocols, the window where the draft has none, and of o.Exit the destinations that every exit
// denies. The result still has to pass [Offer.Validate]; [Sign] sees to it.
func (d Draft) Apply(o Offer) Offer {
	o.Payee = d.Payee
	if o.Payee == (common.Address{}) {
		o.Payee = o.Provider
	}
	o.Services, o.Transports, o.Features = d.Services, d.Transports, d.Features
	o.PricePerGiB, o.Tick, o.Window = d.Price, d.Tick, cmp.Or(d.Window, o.Window)
	o.Country, o.ASN, o.Network, o.Contact, o.Capacity = d.Country, d.ASN, d.Network, d.Contact, d.Capacity
	var denied []netip.Prefix
	if o.Exit != nil {
		denied = o.Exit.Denied
	}
	o.Exit = nil
	if d.Exit != nil {
		e := *d.Exit
		// An exception from all of a range that every exit denies takes the range's place.
		denied = slices.DeleteFunc(slices.Clone(denied), func(p netip.Prefix) bool { return slices.Contains(e.Allowed, p) })
		e.Denied = prefixes(append(denied, e.Denied...))
		o.Exit = &e
	}
	return o
}

// duration, size and rate are numbers with a unit, as people write them.
type (
	duration time.Duration
	size     uint64
	rate     uint64
)

// UnmarshalText reads what time.ParseDuration reads.
func (d *duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("%.40q is not a duration such as 168h", b)
	}
	*d = duration(v)
	return nil
}

// UnmarshalText reads a whole number of bytes: "1 MiB", "1.5MiB", "4096".
func (s *size) UnmarshalText(b []byte) error {
	v, err := measure(string(b), map[string]uint64{
		"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 1e3, "MB": 1e6, "GB": 1e9,
	})
	if err != nil {
		return fmt.Errorf("%.40q is not a size such as 1 MiB", b)
	}
	*s = size(v)
	return nil
}

// UnmarshalText reads a whole number of bit/s: "900 Mbit/s", "1.5 Gbit/s".
func (r *rate) UnmarshalText(b []byte) error {
	v, err := measure(string(b), map[string]uint64{
		"": 1, "bit/s": 1, "kbit/s": 1e3, "Mbit/s": 1e6, "Gbit/s": 1e9, "Tbit/s": 1e12,
	})
	if err != nil {
		return fmt.Errorf("%.40q is not a rate such as 900 Mbit/s", b)
	}
	*r = rate(v)
	return nil
}

// measure reads a decimal number with a unit, exactly: what is no whole number in the smallest unit is an error.
func measure(s string, units map[string]uint64) (uint64, error) {
	bad := errors.New("not a number with a unit")
	end := strings.LastIndexAny(s, "0123456789.") + 1
	number := s[:end]
	unit, ok := units[strings.TrimPrefix(s[end:], " ")]
	if !ok || number == "" || len(number) > 20 || strings.Trim(number, "0123456789.") != "" {
		return 0, bad
	}
	v, ok := new(big.Rat).SetString(number)
	if !ok {
		return 0, bad
	}
	v.Mul(v, new(big.Rat).SetUint64(unit))
	if !v.IsInt() || !v.Num().IsUint64() {
		return 0, bad
	}
	return v.Num().Uint64(), nil
}
