package node

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"reflect"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/libp2p/go-libp2p/core/protocol"

	"byway/contracts"
	"byway/payments"
)

// The session protocol runs on one libp2p stream for each session. The consumer opens it; libp2p has then encrypted
// it and proved the provider's host key, which the offer binds to the provider.
//
//	consumer                                provider
//	  Hello    ───────────────────────────▶  checks offer, channel and promise; records the session; adds the peer
//	           ◀───────────────────────────  Welcome, or Refused; one that says "stale" carries the consumer's own
//	                                         latest promise, and the consumer may answer it with a Pay that rises;
//	                                         one that says "reserve" is answered with a Reserve, which may be empty
//	  Pay      ───────────────────────────▶  one for each tick, when it is due
//	           ◀───────────────────────────  Status: its counters, what it has been paid; after each Pay and each tick,
//	                                         and as a heartbeat: silence means that the stream is broken
//	  Close    ───────────────────────────▶  removes the peer
//	           ◀───────────────────────────  Status, final
//	  Pay      ───────────────────────────▶  what is still owed, exactly (left out where nothing is)
//	  (end of its side)                      records the end
//	           ◀───────────────────────────  Release if asked for, then Close
//
// The provider may send Close of its own accord after a final Status; the consumer then pays what it owes and ends its
// side. A consumer whose stream broke opens another one and sends Resume instead of Hello.
//
// On the wire a frame is four bytes of length (big-endian, of what follows), one byte of type and a CBOR map with
// integer keys. Unknown keys are an error: a new field is a new protocol version.

// SessionProtocol is the libp2p protocol of sessions; the number at its end is the version of everything in this file.
const SessionProtocol protocol.ID = "/byway/session/1"

// MaxFrame is the largest frame in bytes, type and body: a Hello with its ML-KEM key takes about 1.6 KiB.
const MaxFrame = 8 << 10

// A provider lets no more than heartbeat pass without a frame. A consumer that hears nothing for silence takes the
// stream for broken, long before a transport would notice that the host is gone.
const (
	heartbeat = 2 * time.Second
	silence   = 7 * time.Second
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

// frame is one message of the session protocol.
type frame interface{ frameType() frameType }

// wirePromise is a promise on a channel that both sides already know.
type wirePromise struct {
	Cumulative [contracts.AmountSize]byte `cbor:"1,keyasint"`
	Share      [contracts.AmountSize]byte `cbor:"2,keyasint"` // what of it this session has paid
	Signature  payments.Signature         `cbor:"3,keyasint"`
}

// wireReserve is the payer's signed consent to set funds aside for the payee, once.
type wireReserve struct {
	Ceiling    [contracts.AmountSize]byte `cbor:"1,keyasint"`
	Epoch      uint32                     `cbor:"2,keyasint"`
	ValidUntil uint64                     `cbor:"3,keyasint"` // seconds since 1970
	Signature  payments.Signature         `cbor:"4,keyasint"`
}

// helloFrame opens a session. The promise in it prepays the first tick and proves that the consumer holds the signer.
type helloFrame struct {
	// Session is the session's identity, random, chosen by the consumer and known to the two sides alone.
	Session   payments.SessionID `cbor:"1,keyasint"`
	Offer     []byte             `cbor:"2,keyasint"` // CID, binary
	Payer     [20]byte           `cbor:"3,keyasint"`
	Signer    [20]byte           `cbor:"4,keyasint"`
	Token     [20]byte           `cbor:"5,keyasint"`
	WireGuard [32]byte           `cbor:"6,keyasint"` // public key, fresh for this session
	KEM       []byte             `cbor:"7,keyasint"` // ML-KEM-768 encapsulation key, FIPS 203
	First     wirePromise        `cbor:"8,keyasint"`
	Reserve   *wireReserve       `cbor:"9,keyasint,omitempty"`
	// AskRelease asks the provider to sign a Release when the session ends, for closing the channel in one transaction.
	AskRelease bool `cbor:"10,keyasint,omitempty"`
}

// welcomeFrame accepts a session.
type welcomeFrame struct {
	WireGuard  [32]byte `cbor:"1,keyasint"`
	Endpoints  []string `cbor:"2,keyasint"` // UDP, "address:port", best first
	Inner4     []byte   `cbor:"3,keyasint"` // the consumer's address inside the tunnel
	Inner6     []byte   `cbor:"4,keyasint"`
	DNS        []byte   `cbor:"5,keyasint"` // answers DNS inside the tunnel
	MTU        uint16   `cbor:"6,keyasint"`
	Ciphertext []byte   `cbor:"7,keyasint"` // ML-KEM-768 ciphertext for the key in Hello
	Tick       uint64   `cbor:"8,keyasint"` // bytes
	Window     uint64   `cbor:"9,keyasint"`
	// Latest is the payer's newest promise before this session as the provider knows it, so that a consumer that lost
	// its disk recovers its total.
	Latest *wirePromise `cbor:"10,keyasint,omitempty"`
}

// refusedFrame ends a session that never began.
type refusedFrame struct {
	Code   RefusalCode  `cbor:"1,keyasint"`
	Reason string       `cbor:"2,keyasint"`
	Latest *wirePromise `cbor:"3,keyasint,omitempty"` // with RefusedStale: what the consumer must rise above
}

// reserveFrame carries the reserve that takes the place of the one in Hello, whose epoch is over.
type reserveFrame struct {
	Reserve *wireReserve `cbor:"1,keyasint,omitempty"` // left out where there is none to sign
}

// payFrame carries the next promise.
type payFrame struct {
	Promise wirePromise `cbor:"1,keyasint"`
}

// statusFrame reports the provider's view of the session.
type statusFrame struct {
	Rx    uint64                     `cbor:"1,keyasint"` // inner bytes received from the consumer and forwarded
	Tx    uint64                     `cbor:"2,keyasint"` // inner bytes sent to the consumer
	Paid  [contracts.AmountSize]byte `cbor:"3,keyasint"` // promised within this session, accepted and synced
	Limit uint64                     `cbor:"4,keyasint"` // bytes that the gate lets through at this payment
	Held  bool                       `cbor:"5,keyasint,omitempty"`
	Final bool                       `cbor:"6,keyasint,omitempty"` // the counters will not move again
}

// closeFrame asks for the end, or confirms it.
type closeFrame struct {
	Reason string `cbor:"1,keyasint,omitempty"`
}

// releaseFrame carries the payee's consent to lower the channel's ceiling at once.
type releaseFrame struct {
	Ceiling    [contracts.AmountSize]byte `cbor:"1,keyasint"`
	Epoch      uint32                     `cbor:"2,keyasint"`
	ValidUntil uint64                     `cbor:"3,keyasint"`
	Signature  []byte                     `cbor:"4,keyasint"`
}

// resumeFrame takes up a session whose stream broke.
type resumeFrame struct {
	Session payments.SessionID `cbor:"1,keyasint"`
}

func (*helloFrame) frameType() frameType   { return typeHello }
func (*welcomeFrame) frameType() frameType { return typeWelcome }
func (*refusedFrame) frameType() frameType { return typeRefused }
func (*payFrame) frameType() frameType     { return typePay }
func (*statusFrame) frameType() frameType  { return typeStatus }
func (*closeFrame) frameType() frameType   { return typeClose }
func (*releaseFrame) frameType() frameType { return typeRelease }
func (*resumeFrame) frameType() frameType  { return typeResume }
func (*reserveFrame) frameType() frameType { return typeReserve }

// RefusalCode says why a provider refused a session, for programs; the reason beside it is for people.
type RefusalCode uint8

// The refusal codes of protocol version 1.
const (
	RefusedInternal   RefusalCode = iota + 1 // a fault of the provider's
	RefusedOffer                             // the offer is not the one that is sold now
	RefusedPromise                           // the promise is invalid
	RefusedStale                             // the promise does not rise above the latest; it is attached
	RefusedUnfunded                          // the channel cannot pay
	RefusedBusy                              // no room for another session
	RefusedSigner                            // another signer has a session on this account
	RefusedSession                           // no such session to resume
	RefusedProtocol                          // the message breaks the protocol
	RefusedReserve                           // the reserve was signed for an epoch that is over: sign another one
	refusalCodesBound                        // one past the last
)

// RefusedError is a provider's refusal to open a session.
type RefusedError struct {
	Code   RefusalCode
	Reason string // given by the provider: escaped before it is shown
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("provider refused the session: %s", printable(e.Reason))
}

var (
	errFrameTooLarge = fmt.Errorf("frame exceeds %d bytes", MaxFrame)
	errFrameEmpty    = errors.New("frame is empty")
)

// ProtocolError says that the other side broke the session protocol.
type ProtocolError struct{ Err error }

func (e *ProtocolError) Error() string { return "session protocol: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *ProtocolError) Unwrap() error { return e.Err }

var frameEncoding, frameDecoding = func() (cbor.EncMode, cbor.DecMode) {
	enc, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic(err)
	}
	dec, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		MaxNestedLevels:   4,
		MaxArrayElements:  16,
		MaxMapPairs:       16,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return enc, dec
}()

// newFrame returns an empty frame of that type, nil where there is none.
func newFrame(t frameType) frame {
	switch t {
	case typeHello:
		return new(helloFrame)
	case typeWelcome:
		return new(welcomeFrame)
	case typeRefused:
		return new(refusedFrame)
	case typePay:
		return new(payFrame)
	case typeStatus:
		return new(statusFrame)
	case typeClose:
		return new(closeFrame)
	case typeRelease:
		return new(releaseFrame)
	case typeResume:
		return new(resumeFrame)
	case typeAskRelease:
		return new(askReleaseFrame)
	case typeReserve:
		return new(reserveFrame)
	}
	return nil
}

// encodeFrame returns type and body, without the length.
func encodeFrame(f frame) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte(byte(f.frameType()))
	if err := frameEncoding.NewEncoder(&b).Encode(f); err != nil {
		return nil, fmt.Errorf("encode frame: %w", err)
	}
	if b.Len() > MaxFrame {
		return nil, errFrameTooLarge
	}
	return b.Bytes(), nil
}

// decodeFrame reads type and body. It checks form and sizes, not meaning.
func decodeFrame(b []byte) (frame, error) {
	if len(b) == 0 {
		return nil, &ProtocolError{errFrameEmpty}
	}
	if len(b) > MaxFrame {
		return nil, &ProtocolError{errFrameTooLarge}
	}
	f := newFrame(frameType(b[0]))
	if f == nil {
		return nil, &ProtocolError{fmt.Errorf("unknown frame type %d", b[0])}
	}
	if err := frameDecoding.Unmarshal(b[1:], f); err != nil {
		return nil, &ProtocolError{fmt.Errorf("%s: %w", frameName(f), err)}
	}
	// A CBOR null or empty map decodes into a frame of zeros: only the canonical form of what was read is accepted.
	again, err := encodeFrame(f)
	if err != nil {
		return nil, &ProtocolError{err}
	}
	if !bytes.Equal(again, b) {
		return nil, &ProtocolError{fmt.Errorf("%s is not in canonical form", frameName(f))}
	}
	return f, nil
}

// frameName names a frame the way the protocol's text does: "Hello", "Pay".
func frameName(f frame) string {
	name := reflect.TypeOf(f).Elem().Name()
	name = name[:len(name)-len("frame")]
	return string(name[0]-'a'+'A') + name[1:]
}

// deadlineStream is what of a libp2p stream the frames need.
type deadlineStream interface {
	io.ReadWriteCloser
	CloseWrite() error
	Reset() error
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// frameTimeout bounds the writing of one frame: a peer that reads nothing for so long is gone.
const frameTimeout = 10 * time.Second

// frameStream reads and writes frames. One goroutine may read while another one writes.
type frameStream struct{ deadlineStream }

// read returns the next frame, waiting no longer than wait (0: for ever). At the orderly end of the other side it
// returns io.EOF.
func (s frameStream) read(wait time.Duration) (frame, error) {
	var until time.Time
	if wait > 0 {
		until = time.Now().Add(wait)
	}
	if err := s.SetReadDeadline(until); err != nil {
		return nil, err
	}
	var head [4]byte
	if _, err := io.ReadFull(s, head[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, &ProtocolError{errors.New("stream ended within a frame")}
		}
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[:])
	switch {
	case size == 0:
		return nil, &ProtocolError{errFrameEmpty}
	case size > MaxFrame:
		return nil, &ProtocolError{errFrameTooLarge}
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(s, body); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, &ProtocolError{errors.New("stream ended within a frame")}
		}
		return nil, err
	}
	return decodeFrame(body)
}

// write sends one frame as a single write.
func (s frameStream) write(f frame) error {
	body, err := encodeFrame(f)
	if err != nil {
		return err
	}
	if err := s.SetWriteDeadline(time.Now().Add(frameTimeout)); err != nil {
		return err
	}
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(len(body)))
	if _, err := s.Write(append(b, body...)); err != nil {
		return fmt.Errorf("send %s: %w", frameName(f), err)
	}
	return nil
}

// toWire strips a promise of what both sides of a session know.
func toWire(p payments.Promise) wirePromise {
	return wirePromise{Cumulative: p.Cumulative.Bytes(), Share: p.Share.Bytes(), Signature: p.Sig}
}

func toWirePtr(p *payments.Promise) *wirePromise {
	if p == nil {
		return nil
	}
	w := toWire(*p)
	return &w
}

// promise puts a promise back on its channel. The twelve bytes always make an amount.
func (w wirePromise) promise(c contracts.Channel) payments.Promise {
	return payments.Promise{Channel: c, Cumulative: amountOf(w.Cumulative), Share: amountOf(w.Share), Sig: w.Signature}
}

func amountOf(b [contracts.AmountSize]byte) contracts.Amount {
	a, err := contracts.AmountFromBytes(b[:])
	if err != nil {
		panic(err) // The length is right by type.
	}
	return a
}
