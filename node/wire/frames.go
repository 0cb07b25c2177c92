package wire

import (
	"fmt"
	"strings"

	"byway/contracts"
	"byway/payments"
)

type frameType byte

const (
	typeHello frameType = iota + 1
	typeWelcome
	typeRefused
	typePay
	typeStatus
	typeClose
	typeRelease
	typeResume
	typeAskRelease // of the release protocol
	typeReserve
)

// Frame is one message of the session protocol.
type Frame interface{ frameType() frameType }

// Promise is a promise on a channel that both sides know already.
type Promise struct {
	Cumulative [contracts.AmountSize]byte `cbor:"1,keyasint"`
	Share      [contracts.AmountSize]byte `cbor:"2,keyasint"` // what of it this session has paid
	Signature  contracts.Signature        `cbor:"3,keyasint"`
}

// SignedReserve is the payer's signed consent to set funds aside for the payee, once.
type SignedReserve struct {
	Ceiling    [contracts.AmountSize]byte `cbor:"1,keyasint"`
	Epoch      uint32                     `cbor:"2,keyasint"`
	ValidUntil uint64                     `cbor:"3,keyasint"` // seconds since 1970
	Signature  contracts.Signature        `cbor:"4,keyasint"`
}

// Hello opens a session. The promise in it prepays the first tick.
type Hello struct {
	Versions Versions `cbor:"1,keyasint"` // that the consumer speaks
	// Session is the session's identity, random, chosen by the consumer and known to the two sides alone. No two Hellos
	// have the same.
	Session   payments.SessionID `cbor:"2,keyasint"`
	Offer     []byte             `cbor:"3,keyasint"` // CID, binary
	Payer     [20]byte           `cbor:"4,keyasint"`
	Signer    [20]byte           `cbor:"5,keyasint"`
	Token     [20]byte           `cbor:"6,keyasint"`
	WireGuard [32]byte           `cbor:"7,keyasint"` // public key, fresh for this session
	KEM       []byte             `cbor:"8,keyasint"` // ML-KEM-768 encapsulation key, FIPS 203
	First     Promise            `cbor:"9,keyasint"`
	Reserve   *SignedReserve     `cbor:"10,keyasint,omitempty"`
	// Time is the chain's as the consumer knows it, in Unix seconds. A machine's own clock may be days off.
	Time       uint64              `cbor:"11,keyasint"`
	Extensions Extensions          `cbor:"12,keyasint,omitempty"`
	Signature  contracts.Signature `cbor:"13,keyasint,omitzero"` // by the signer: see [Hello.Sign]
}

// Welcome accepts a session.
type Welcome struct {
	Version    uint16     `cbor:"1,keyasint"` // the one that is spoken from now on
	WireGuard  [32]byte   `cbor:"2,keyasint"`
	Endpoints  []Endpoint `cbor:"3,keyasint"` // best first
	Inner4     []byte     `cbor:"4,keyasint"` // the consumer's address inside the tunnel
	Inner6     []byte     `cbor:"5,keyasint"`
	DNS        []byte     `cbor:"6,keyasint"` // answers DNS inside the tunnel
	MTU        uint16     `cbor:"7,keyasint"`
	Ciphertext []byte     `cbor:"8,keyasint"` // ML-KEM-768 ciphertext for the key in Hello
	Tick       uint64     `cbor:"9,keyasint"` // bytes
	Window     uint64     `cbor:"10,keyasint"`
	// Latest is the payer's newest promise before this session as the provider knows it, so that a consumer that lost
	// its disk recovers its total.
	Latest     *Promise   `cbor:"11,keyasint,omitempty"`
	Extensions Extensions `cbor:"12,keyasint,omitempty"`
	Resting    bool       `cbor:"13,keyasint,omitempty"` // all places are taken: it waits for one
}

// Refusal ends a session that never began.
type Refusal struct {
	Code   RefusalCode `cbor:"1,keyasint"`
	Reason string      `cbor:"2,keyasint"`
	Latest *Promise    `cbor:"3,keyasint,omitempty"` // with RefusedStale: what the consumer must rise above
	// Need is the lifetime total, in base units, up to which funds must be set aside on chain for this provider: with
	// RefusedNewcomer.
	Need     *[contracts.AmountSize]byte `cbor:"4,keyasint,omitempty"`
	Versions *Versions                   `cbor:"5,keyasint,omitempty"` // that the provider speaks: with RefusedVersion
}

// Reserve carries the reserve that takes the place of the one in Hello, whose epoch is over.
type Reserve struct {
	Reserve *SignedReserve `cbor:"1,keyasint,omitempty"` // left out where there is none to sign
}

// Pay carries the next promise.
type Pay struct {
	Promise Promise `cbor:"1,keyasint"`
	Wake    bool    `cbor:"2,keyasint,omitempty"` // a session that rests asks for a place
}

// Status reports the provider's view of the session.
type Status struct {
	Rx uint64 `cbor:"1,keyasint"` // inner bytes received from the consumer and forwarded
	Tx uint64 `cbor:"2,keyasint"` // inner bytes sent to the consumer
	// Promised is the channel's lifetime total that is stored and synced.
	Promised   [contracts.AmountSize]byte `cbor:"3,keyasint"`
	Left       uint64                     `cbor:"4,keyasint"` // bytes that the gate still lets through now
	Window     uint64                     `cbor:"5,keyasint"` // bytes that may be forwarded beyond what is paid for
	Held       bool                       `cbor:"6,keyasint,omitempty"`
	Final      bool                       `cbor:"7,keyasint,omitempty"` // the counters will not move again
	Extensions Extensions                 `cbor:"8,keyasint,omitempty"`
	Resting    bool                       `cbor:"9,keyasint,omitempty"` // has no place now
}

// Close asks for the end, says that it has come, or confirms it.
type Close struct {
	Code    CloseCode `cbor:"1,keyasint,omitempty"`
	Reason  string    `cbor:"2,keyasint,omitempty"`
	Settled bool      `cbor:"3,keyasint,omitempty"` // the end, with all that was paid, is on the provider's disk
}

// Resume takes up a session whose stream broke.
type Resume struct {
	Session payments.SessionID `cbor:"1,keyasint"`
}

func (*Hello) frameType() frameType   { return typeHello }
func (*Welcome) frameType() frameType { return typeWelcome }
func (*Refusal) frameType() frameType { return typeRefused }
func (*Pay) frameType() frameType     { return typePay }
func (*Status) frameType() frameType  { return typeStatus }
func (*Close) frameType() frameType   { return typeClose }
func (*Resume) frameType() frameType  { return typeResume }
func (*Reserve) frameType() frameType { return typeReserve }

// NewPromise strips a promise of what both sides of a session know.
func NewPromise(p payments.Promise) Promise {
	return Promise{Cumulative: p.Cumulative.Bytes(), Share: p.Share.Bytes(), Signature: p.Sig}
}

// On puts a promise back on its channel.
func (w Promise) On(c contracts.Channel) payments.Promise {
	return payments.Promise{Channel: c, Cumulative: amountOf(w.Cumulative), Share: amountOf(w.Share), Sig: w.Signature}
}

// NewReserve strips a reserve of its channel.
func NewReserve(r payments.Reserve) *SignedReserve {
	return &SignedReserve{Ceiling: r.Ceiling.Bytes(), Epoch: r.Epoch, ValidUntil: r.ValidUntil, Signature: r.Sig}
}

// On puts a reserve back on its channel.
func (w *SignedReserve) On(c contracts.Channel) payments.Reserve {
	return payments.Reserve{
		Channel: c, Ceiling: amountOf(w.Ceiling), Epoch: w.Epoch, ValidUntil: w.ValidUntil, Sig: w.Signature,
	}
}

// amountOf reads an amount. The twelve bytes always make one.
func amountOf(b [contracts.AmountSize]byte) contracts.Amount {
	a, err := contracts.AmountFromBytes(b[:])
	if err != nil {
		panic(err) // The length is right by type.
	}
	return a
}

// TransportUDP carries WireGuard's datagrams as they are. Its address is "address:port", and it has no parameters.
const TransportUDP = "udp"

// MaxEndpoints is how many endpoints a Welcome may name.
const MaxEndpoints = 8

// The bounds of one, in bytes.
const (
	maxTransport  = 16
	maxAddress    = 256
	maxParameters = 256
)

// Endpoint is a way to a provider's WireGuard. What address and parameters mean is the transport's to say; a consumer
// passes over transports that it does not speak.
type Endpoint struct {
	Transport  string `cbor:"1,keyasint"` // of a-z, 0-9 and -
	Address    string `cbor:"2,keyasint"`
	Parameters []byte `cbor:"3,keyasint,omitempty"`
}

func (e Endpoint) check() error {
	if e.Transport == "" || len(e.Transport) > maxTransport ||
		strings.Trim(e.Transport, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return fmt.Errorf("%.32q is no transport's name", e.Transport)
	}
	if len(e.Address) > maxAddress || len(e.Parameters) > maxParameters {
		return fmt.Errorf("an address of %d bytes with %d of parameters, %d and %d are the most", len(e.Address),
			len(e.Parameters), maxAddress, maxParameters)
	}
	return nil
}
