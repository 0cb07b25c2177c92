package wire

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"

	"github.com/fxamacker/cbor/v2"
)

var (
	errFrameTooLarge = fmt.Errorf("frame exceeds %d bytes", MaxFrame)
	errFrameEmpty    = errors.New("frame is empty")
)

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
func newFrame(t frameType) Frame {
	switch t {
	case typeHello:
		return new(Hello)
	case typeWelcome:
		return new(Welcome)
	case typeRefused:
		return new(Refusal)
	case typePay:
		return new(Pay)
	case typeStatus:
		return new(Status)
	case typeClose:
		return new(Close)
	case typeRelease:
		return new(Release)
	case typeResume:
		return new(Resume)
	case typeAskRelease:
		return new(AskRelease)
	case typeReserve:
		return new(Reserve)
	}
	return nil
}

// checker is a frame with bounds beyond those of its encoding.
type checker interface{ check() error }

func (h *Hello) check() error {
	if err := h.Versions.check(); err != nil {
		return err
	}
	return h.Extensions.check()
}

func (w *Welcome) check() error {
	if len(w.Endpoints) > MaxEndpoints {
		return fmt.Errorf("%d endpoints, %d are the most", len(w.Endpoints), MaxEndpoints)
	}
	for _, e := range w.Endpoints {
		if err := e.check(); err != nil {
			return err
		}
	}
	return w.Extensions.check()
}

func (f *Refusal) check() error {
	if f.Versions == nil {
		return nil
	}
	return f.Versions.check()
}

func (f *Status) check() error { return f.Extensions.check() }

// extensible is a frame that later programs may add to.
type extensible interface{ extensions() Extensions }

func (h *Hello) extensions() Extensions   { return h.Extensions }
func (w *Welcome) extensions() Extensions { return w.Extensions }
func (f *Status) extensions() Extensions  { return f.Extensions }

// encode returns type and body, without the length. A frame beyond its bounds is an error.
func encode(f Frame) ([]byte, error) {
	if c, ok := f.(checker); ok {
		if err := c.check(); err != nil {
			return nil, fmt.Errorf("%s: %w", Name(f), err)
		}
	}
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

// decode reads type and body. It checks form, sizes and that nothing critical is unknown; what the rest means is not
// its affair.
func decode(b []byte) (Frame, error) {
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
		return nil, &ProtocolError{fmt.Errorf("%s: %w", Name(f), err)}
	}
	// A CBOR null or empty map decodes into a frame of zeros: only the canonical form of what was read is accepted.
	again, err := encode(f)
	if err != nil {
		return nil, &ProtocolError{err}
	}
	if !bytes.Equal(again, b) {
		return nil, &ProtocolError{fmt.Errorf("%s is not in canonical form", Name(f))}
	}
	if e, ok := f.(extensible); ok {
		if err := e.extensions().understood(); err != nil {
			return nil, &ProtocolError{fmt.Errorf("%s: %w", Name(f), err)}
		}
	}
	return f, nil
}

// Name names a frame the way the protocol's text does: "Hello", "Pay".
func Name(f Frame) string { return reflect.TypeOf(f).Elem().Name() }
