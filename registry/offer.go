package registry

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/contracts/text"
)

// Limits of an offer. They are part of the format: a block beyond one of them is not an offer.
const (
	// MaxBlock is the longest block in bytes.
	MaxBlock = 4096
	// MaxLifetime is the longest time between an offer's NotBefore and Expires.
	MaxLifetime = 31 * 24 * time.Hour
	// maxAddrs is how many addresses a host may name.
	maxAddrs = 16

	maxElements = 64
	maxDepth    = 8

	minTick   = 1 << 14 // 16 KiB
	maxTick   = 1 << 28 // 256 MiB: 100 ms of 20 Gbit/s
	maxWindow = 1 << 34 // 16 GiB

	maxWords    = 32
	maxWord     = 48
	maxAddr     = 256
	maxNetwork  = 64
	maxContact  = 200
	maxRate     = 1 << 50 // bit/s
	maxUnixTime = 1 << 40 // what a uint40 on chain can hold
	maxInteger  = 1<<63 - 1
)

// Names that this version knows in an offer's Services, Transports and Features. Others are allowed: they are of
// later versions, and a consumer ignores what it does not know.
const (
	ServiceExit         = "exit"
	ServiceRelay        = "relay"
	TransportWireGuard  = "wireguard"
	FeaturePostQuantum  = "pq"
	FeatureIPv6         = "ipv6"
	featurePortLease    = "port-lease"
	featureObfuscation  = "obfuscation"
	maxSessionsCapacity = 1 << 24
)

// Offer says what a provider sells, and on which terms. Its zero value is not valid; [Offer.Validate] names what is
// missing.
type Offer struct {
	// ChainID, Channels and Registry name the market that the offer belongs to.
	ChainID  uint64         `json:"chain_id"`
	Channels common.Address `json:"channels"`
	Registry common.Address `json:"registry"`

	// Provider signs and registers the offer, Payee is paid, in Token.
	Provider common.Address `json:"provider"`
	Payee    common.Address `json:"payee"`
	Token    common.Address `json:"token"`

	// Sequence is the number that the Registry contract gives this registration; see
	// [byway/registry/directory.Directory.NextSequence].
	Sequence uint64 `json:"sequence"`
	// NotBefore and Expires bound the offer's validity, in whole seconds; the first is part of it, the second not.
	NotBefore time.Time `json:"not_before"`
	Expires   time.Time `json:"expires"`

	// Host is the node to dial; [BindHost] makes it.
	Host Host `json:"host"`

	// Services, Transports, Features and Protocols are sets of words of a-z, 0-9 and ./_-, at most 32 in each.
	Services   []string `json:"services"`
	Transports []string `json:"transports"`
	Features   []string `json:"features,omitempty"`
	Protocols  []string `json:"protocols,omitempty"`

	// PricePerGiB is in base units of Token for 2^30 bytes.
	PricePerGiB contracts.Amount `json:"price_per_gib"`
	// Tick is how many bytes one promise covers, Window how many may be forwarded unpaid.
	Tick   uint64 `json:"tick"`
	Window uint64 `json:"window"`

	// Country is an ISO 3166-1 alpha-2 code or empty; ASN and Network describe the line. All three are claims that
	// nobody has checked.
	Country string `json:"country,omitempty"`
	ASN     uint32 `json:"asn,omitempty"`
	Network Text   `json:"network,omitempty"`

	Capacity Capacity `json:"capacity"`
	// Exit is the exit policy in full: there exactly when Services holds [ServiceExit].
	Exit *ExitPolicy `json:"exit,omitempty"`
	// Contact is a way to reach the operator, in the operator's words.
	Contact Text `json:"contact,omitempty"`
}

// Capacity is a provider's claim about its line, in bit/s. Zero: it makes none.
type Capacity struct {
	// Down and Up are bit/s as the consumer sees them.
	Down     uint64 `json:"down,omitempty"`
	Up       uint64 `json:"up,omitempty"`
	Sessions uint32 `json:"sessions,omitempty"`
}

// ExitPolicy says where an exit does not forward to, and how much.
type ExitPolicy struct {
	// Denied are the destinations refused, Allowed the exceptions from them. Prefixes are masked.
	Denied      []netip.Prefix `json:"denied,omitempty"`
	Allowed     []netip.Prefix `json:"allowed,omitempty"`
	DeniedPorts []uint16       `json:"denied_ports,omitempty"`
	// P2P says whether peer-to-peer file sharing is welcome.
	P2P bool `json:"p2p"`
	// Rate (bit/s), Connections (open at once) and NewPerSecond (new destinations) cap one session; zero is no cap.
	Rate         uint64 `json:"rate,omitempty"`
	Connections  uint32 `json:"connections,omitempty"`
	NewPerSecond uint32 `json:"new_per_second,omitempty"`
}

// Sells reports whether the offer includes a service.
func (o Offer) Sells(service string) bool { return slices.Contains(o.Services, service) }

// Has reports whether the offer includes every one of the features.
func (o Offer) Has(features ...string) bool {
	for _, f := range features {
		if !slices.Contains(o.Features, f) {
			return false
		}
	}
	return true
}

// normal returns the offer in the one form that is encoded: sets sorted and without repetition, times in whole seconds
// of UTC, addresses without the host's own /p2p/ suffix. It shares nothing with o that a caller could change.
func (o Offer) normal() Offer {
	o.NotBefore = o.NotBefore.UTC().Truncate(time.Second)
	o.Expires = o.Expires.UTC().Truncate(time.Second)
	o.Services = set(o.Services)
	o.Transports = set(o.Transports)
	o.Features = set(o.Features)
	o.Protocols = set(o.Protocols)
	o.Host = o.Host.normal()
	if o.Exit != nil {
		e := *o.Exit
		e.DeniedPorts = set(e.DeniedPorts)
		e.Denied = prefixes(e.Denied)
		e.Allowed = prefixes(e.Allowed)
		o.Exit = &e
	}
	return o
}

// set returns a sorted copy without repetitions, nil where there is nothing.
func set[T string | uint16](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	c := slices.Clone(s)
	slices.Sort(c)
	return slices.Compact(c)
}

func prefixes(s []netip.Prefix) []netip.Prefix {
	if len(s) == 0 {
		return nil
	}
	c := slices.Clone(s)
	slices.SortFunc(c, netip.Prefix.Compare)
	return slices.Compact(c)
}

// Text is a string that a stranger wrote. It prints escaped ([text.Safe]), so that an offer can move no cursor, set no
// title and reverse no line of the terminal that shows it; string(t) is the raw text.
type Text string

// String implements [fmt.Stringer].
func (t Text) String() string { return text.Safe(string(t)) }

// problem says why the text may not stand in an offer, or returns "".
func (t Text) problem(limit int) string {
	if len(t) > limit {
		return fmt.Sprintf("has %d bytes, at most %d are allowed", len(t), limit)
	}
	if !utf8.ValidString(string(t)) {
		return "is not valid UTF-8"
	}
	for _, r := range string(t) {
		if !unicode.IsPrint(r) {
			return fmt.Sprintf("holds the control character U+%04X", r)
		}
	}
	return ""
}
