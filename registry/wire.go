package registry

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/fxamacker/cbor/v2"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	mh "github.com/multiformats/go-multihash"

	"byway/contracts"
)

// schema is the version of the encoding that this package writes and reads.
//
// A block is dag-cbor: one map {"body": {…}, "sig": bytes}. Keys are sorted by length, then bytewise; integers and
// lengths are as short as they can be; there are no tags, floats, nulls or indefinite lengths; what is empty or zero
// and optional is absent. Addresses are 20 bytes, amounts decimal strings, times seconds of Unix time, sets sorted.
// Decoding accepts exactly what encoding writes, so an offer has one encoding and a signed offer one CID.
const schema = "byway.offer/1"

type wireEnvelope struct {
	Body cbor.RawMessage `cbor:"body"`
	Sig  []byte          `cbor:"sig"`
}

type wireBody struct {
	Schema     string         `cbor:"schema"`
	ChainID    uint64         `cbor:"chain_id"`
	Channels   common.Address `cbor:"channels"`
	Registry   common.Address `cbor:"registry"`
	Provider   common.Address `cbor:"provider"`
	Payee      common.Address `cbor:"payee"`
	Token      common.Address `cbor:"token"`
	Sequence   uint64         `cbor:"sequence"`
	NotBefore  uint64         `cbor:"not_before"`
	Expires    uint64         `cbor:"expires"`
	Host       wireHost       `cbor:"host"`
	Services   []string       `cbor:"services"`
	Transports []string       `cbor:"transports"`
	Features   []string       `cbor:"features,omitempty"`
	Protocols  []string       `cbor:"protocols,omitempty"`
	Price      string         `cbor:"price_per_gib"`
	Tick       uint64         `cbor:"tick"`
	Window     uint64         `cbor:"window"`
	Country    string         `cbor:"country,omitempty"`
	ASN        uint32         `cbor:"asn,omitempty"`
	Network    string         `cbor:"network,omitempty"`
	Down       uint64         `cbor:"capacity_down,omitempty"`
	Up         uint64         `cbor:"capacity_up,omitempty"`
	Sessions   uint32         `cbor:"capacity_sessions,omitempty"`
	Exit       *wireExit      `cbor:"exit,omitempty"`
	Contact    string         `cbor:"contact,omitempty"`
}

type wireHost struct {
	Peer  string   `cbor:"peer"`
	Sig   []byte   `cbor:"sig"`
	Addrs []string `cbor:"addrs"`
}

type wireExit struct {
	Denied       []string `cbor:"denied,omitempty"`
	Allowed      []string `cbor:"allowed,omitempty"`
	DeniedPorts  []uint16 `cbor:"denied_ports,omitempty"`
	P2P          bool     `cbor:"p2p"`
	Rate         uint64   `cbor:"rate,omitempty"`
	Connections  uint32   `cbor:"connections,omitempty"`
	NewPerSecond uint32   `cbor:"new_per_second,omitempty"`
}

// The codec's three modes: one writes, one reads strictly, and one only peeks at the schema of a body, whose other
// fields may be of a version yet to come.
var encoder, strict, peek = func() (cbor.EncMode, cbor.DecMode, cbor.DecMode) {
	opts := cbor.CanonicalEncOptions()
	opts.TagsMd = cbor.TagsForbidden
	opts.NilContainers = cbor.NilContainerAsEmpty
	e, err := opts.EncMode()
	read := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		MaxNestedLevels: maxDepth, MaxArrayElements: maxElements, MaxMapPairs: maxElements,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField, UTF8: cbor.UTF8RejectInvalid,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
		NaN:               cbor.NaNDecodeForbidden, Inf: cbor.InfDecodeForbidden,
	}
	d, err2 := read.DecMode()
	read.ExtraReturnErrors = cbor.ExtraDecErrorNone
	p, err3 := read.DecMode()
	if err := errors.Join(err, err2, err3); err != nil {
		panic(fmt.Sprintf("registry: codec options: %v", err))
	}
	return e, d, p
}()

// SignedOffer is an offer with its provider's signature and the block that holds both. [Decode], [Sign] and [Attach] make
// it; its values are not to be changed.
type SignedOffer struct {
	Offer Offer
	Sig   []byte
	Block []byte
	CID   cid.Cid
}

// Digest is the SHA-256 of the block, which the provider registers.
func (s SignedOffer) Digest() [32]byte { return sha256.Sum256(s.Block) }

// Decode reads a block strictly and checks every rule of the format that needs no clock, chain or key. The block is
// kept, not copied.
func Decode(block []byte) (SignedOffer, error) {
	s, _, err := DecodeBody(block)
	return s, err
}

// DecodeBody also returns the body within the block, which the signature is about.
func DecodeBody(block []byte) (SignedOffer, []byte, error) {
	if err := CheckForm(block); err != nil {
		return SignedOffer{}, nil, err
	}
	var env wireEnvelope
	if err := strict.Unmarshal(block, &env); err != nil {
		return SignedOffer{}, nil, fmt.Errorf("%w: %w", errEncoding, tame(err))
	}
	var version struct {
		Schema string `cbor:"schema"`
	}
	if err := peek.Unmarshal(env.Body, &version); err != nil {
		return SignedOffer{}, nil, fmt.Errorf("%w: body: %w", errEncoding, tame(err))
	}
	if version.Schema != schema {
		return SignedOffer{}, nil, fmt.Errorf("%w: it is %.40q, this version reads %q", errSchema, version.Schema, schema)
	}
	var body wireBody
	if err := strict.Unmarshal(env.Body, &body); err != nil {
		return SignedOffer{}, nil, fmt.Errorf("%w: body: %w", errEncoding, tame(err))
	}
	o, err := body.offer()
	if err != nil {
		return SignedOffer{}, nil, err
	}
	again, _, err := encode(o, env.Sig)
	if err != nil {
		return SignedOffer{}, nil, err
	}
	if !bytes.Equal(again, block) {
		return SignedOffer{}, nil, fmt.Errorf("%w: it is encoded in another way than the canonical one", errEncoding)
	}
	if err := o.check(); err != nil {
		return SignedOffer{}, nil, err
	}
	return SignedOffer{Offer: o, Sig: env.Sig, Block: block, CID: CIDOf(sha256.Sum256(block))}, env.Body, nil
}

// DecodeKnown reads a block that decode has accepted before, without checking it again.
func DecodeKnown(block []byte, digest common.Hash) (SignedOffer, error) {
	var env wireEnvelope
	var body wireBody
	if err := strict.Unmarshal(block, &env); err != nil {
		return SignedOffer{}, fmt.Errorf("%w: %w", errEncoding, tame(err))
	}
	if err := strict.Unmarshal(env.Body, &body); err != nil {
		return SignedOffer{}, fmt.Errorf("%w: body: %w", errEncoding, tame(err))
	}
	o, err := body.offer()
	if err != nil {
		return SignedOffer{}, err
	}
	return SignedOffer{Offer: o, Sig: env.Sig, Block: block, CID: CIDOf(digest)}, nil
}

// CheckForm is the cheap check that a block passes before it may be stored: its size, and CBOR within the limits.
func CheckForm(block []byte) error {
	if len(block) > MaxBlock {
		return fmt.Errorf("%w: it has %d bytes, at most %d are allowed", errSize, len(block), MaxBlock)
	}
	if err := strict.Wellformed(block); err != nil {
		return fmt.Errorf("%w: %w", errEncoding, tame(err))
	}
	return nil
}

// encode returns the block of an offer and, within it, the body that the signature is about.
func encode(o Offer, sig []byte) (block, body []byte, err error) {
	body, err = encodeBody(o)
	if err != nil {
		return nil, nil, err
	}
	block, err = encoder.Marshal(wireEnvelope{Body: body, Sig: sig})
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errEncoding, err)
	}
	if len(block) > MaxBlock {
		return nil, nil, fmt.Errorf("%w: it has %d bytes, at most %d are allowed", errSize, len(block), MaxBlock)
	}
	return block, body, nil
}

func encodeBody(o Offer) ([]byte, error) {
	o = o.normal()
	w := wireBody{
		Schema: schema, ChainID: o.ChainID, Channels: o.Channels, Registry: o.Registry, Provider: o.Provider,
		Payee: o.Payee, Token: o.Token, Sequence: o.Sequence, NotBefore: uint64(o.NotBefore.Unix()),
		Expires: uint64(o.Expires.Unix()), Host: wireHost{o.Host.Peer.String(), o.Host.Sig, o.Host.Addrs},
		Services: o.Services, Transports: o.Transports, Features: o.Features, Protocols: o.Protocols,
		Price: o.PricePerGiB.String(), Tick: o.Tick, Window: o.Window, Country: o.Country, ASN: o.ASN,
		Network: string(o.Network), Down: o.Capacity.Down, Up: o.Capacity.Up, Sessions: o.Capacity.Sessions,
		Contact: string(o.Contact),
	}
	if e := o.Exit; e != nil {
		w.Exit = &wireExit{
			Denied: texts(e.Denied), Allowed: texts(e.Allowed), DeniedPorts: e.DeniedPorts, P2P: e.P2P, Rate: e.Rate,
			Connections: e.Connections, NewPerSecond: e.NewPerSecond,
		}
	}
	body, err := encoder.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errEncoding, err)
	}
	return body, nil
}

// offer converts what was read. It rejects only what has no value in an [Offer]; the rules come after.
func (w wireBody) offer() (Offer, error) {
	price, err := contracts.ParseAmount(w.Price)
	if err != nil {
		return Offer{}, &fieldError{Field: "price_per_gib", Problem: "is " + err.Error(), Err: errPrice}
	}
	if w.NotBefore >= maxUnixTime || w.Expires >= maxUnixTime {
		return Offer{}, &fieldError{Field: "expires", Problem: "is out of range", Err: errLifetime}
	}
	id, err := peer.Decode(w.Host.Peer)
	if err != nil {
		return Offer{}, bad("host.peer", "is not a peer id")
	}
	o := Offer{
		ChainID: w.ChainID, Channels: w.Channels, Registry: w.Registry, Provider: w.Provider, Payee: w.Payee,
		Token: w.Token, Sequence: w.Sequence, NotBefore: time.Unix(int64(w.NotBefore), 0).UTC(),
		Expires: time.Unix(int64(w.Expires), 0).UTC(), Host: Host{id, w.Host.Sig, w.Host.Addrs},
		Services: w.Services, Transports: w.Transports, Features: w.Features, Protocols: w.Protocols,
		PricePerGiB: price, Tick: w.Tick, Window: w.Window, Country: w.Country, ASN: w.ASN, Network: Text(w.Network),
		Capacity: Capacity{w.Down, w.Up, w.Sessions}, Contact: Text(w.Contact),
	}
	if e := w.Exit; e != nil {
		o.Exit = &ExitPolicy{
			DeniedPorts: e.DeniedPorts, P2P: e.P2P, Rate: e.Rate, Connections: e.Connections,
			NewPerSecond: e.NewPerSecond,
		}
		if o.Exit.Denied, err = parsePrefixes("exit.denied", e.Denied); err != nil {
			return Offer{}, err
		}
		if o.Exit.Allowed, err = parsePrefixes("exit.allowed", e.Allowed); err != nil {
			return Offer{}, err
		}
	}
	return o, nil
}

func texts(list []netip.Prefix) []string {
	var out []string
	for _, p := range list {
		out = append(out, p.String())
	}
	return out
}

func parsePrefixes(field string, list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, bad(field, "has %.60q, which is not a prefix", s)
		}
		out = append(out, p)
	}
	return out, nil
}

// CIDOf returns the CID of an offer's block: version 1, dag-cbor, SHA-256.
func CIDOf(digest [32]byte) cid.Cid {
	h, err := mh.Encode(digest[:], mh.SHA2_256)
	if err != nil {
		panic(fmt.Sprintf("registry: multihash of a SHA-256: %v", err)) // the length is fixed by the type
	}
	return cid.NewCidV1(cid.DagCBOR, h)
}

// tame makes the codec's message safe to show: it may quote keys of a stranger's block.
func tame(err error) error {
	return errors.New(Text(strings.TrimPrefix(err.Error(), "cbor: ")).String())
}
