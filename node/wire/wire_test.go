package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"testing"
	"time"

	"byway/payments"
)

// sampleFrames holds one filled frame of each type.
func sampleFrames() []Frame {
	promise := Promise{Cumulative: [12]byte{11: 7}, Share: [12]byte{11: 6}, Signature: payments.Signature{1, 2, 3}}
	return []Frame{
		&Hello{
			Session: payments.SessionID{8}, Offer: []byte{1, 0x71}, Payer: [20]byte{1}, Signer: [20]byte{2}, Token: [20]byte{3}, WireGuard: [32]byte{4},
			KEM: bytes.Repeat([]byte{5}, 1184), First: promise,
			Reserve: &SignedReserve{Ceiling: [12]byte{1}, Epoch: 2, ValidUntil: 3}, AskRelease: true,
		},
		&Welcome{
			WireGuard: [32]byte{2}, Endpoints: []string{"127.0.0.1:51820"},
			Inner4: []byte{10, 0, 0, 2}, Inner6: bytes.Repeat([]byte{6}, 16), DNS: []byte{10, 0, 0, 1}, MTU: 1420,
			Ciphertext: bytes.Repeat([]byte{7}, 1088), Tick: 1 << 20, Window: 4 << 20, Latest: &promise,
		},
		&Refused{Code: RefusedStale, Reason: "promise does not rise", Latest: &promise},
		&Pay{Promise: promise},
		&Status{Rx: 1, Tx: 1 << 40, Paid: [12]byte{3}, Limit: 9, Held: true, Final: true},
		&Close{Reason: "done"},
		&Release{Ceiling: [12]byte{1}, Epoch: 2, ValidUntil: 3, Signature: []byte{4}},
		&Reserve{},
		&Reserve{Reserve: &SignedReserve{Ceiling: [12]byte{1}, Epoch: 2, ValidUntil: 3}},
		&Resume{Session: payments.SessionID{9}},
		&AskRelease{Payer: [20]byte{1}, Signer: [20]byte{2}, Token: [20]byte{3}, Time: 4, Signature: payments.Signature{5}},
	}
}

func TestEveryFrameSurvivesTheWire(t *testing.T) {
	seen := map[frameType]bool{}
	for _, f := range sampleFrames() {
		b, err := encode(f)
		if err != nil {
			t.Fatalf("%s: %v", Name(f), err)
		}
		got, err := decode(b)
		if err != nil {
			t.Fatalf("%s: %v", Name(f), err)
		}
		if !reflect.DeepEqual(got, f) {
			t.Errorf("%s came back as %+v, want %+v", Name(f), got, f)
		}
		seen[f.frameType()] = true
	}
	for ty := typeHello; newFrame(ty) != nil; ty++ {
		if !seen[ty] {
			t.Errorf("frame type %d has no sample", ty)
		}
	}
}

func TestDecodeFrameRefusesWhatIsNotExactlyAFrame(t *testing.T) {
	pay, err := encode(&Pay{})
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"empty":              {},
		"unknown type":       {200, 0xa0},
		"null body":          {byte(typePay), 0xf6},
		"empty map":          {byte(typePay), 0xa0},
		"truncated":          pay[:len(pay)-1],
		"trailing byte":      append(bytes.Clone(pay), 0),
		"unknown key":        {byte(typeClose), 0xa1, 0x18, 0x63, 0x00},
		"duplicate key":      {byte(typeClose), 0xa2, 0x01, 0x61, 'a', 0x01, 0x61, 'b'},
		"indefinite length":  {byte(typeClose), 0xbf, 0x01, 0x61, 'a', 0xff},
		"not shortest form":  {byte(typeClose), 0xa1, 0x01, 0x78, 0x01, 'a'},
		"text for bytes":     {byte(typeClose), 0xa1, 0x01, 0x41, 'a'},
		"too large":          append([]byte{byte(typeClose)}, make([]byte, MaxFrame)...),
		"deeply nested":      append([]byte{byte(typeClose), 0xa1, 0x01}, bytes.Repeat([]byte{0x81}, 100)...),
		"huge claimed array": {byte(typeWelcome), 0xa1, 0x03, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		var broken *ProtocolError
		if f, err := decode(b); !errors.As(err, &broken) {
			t.Errorf("%s: decoded %+v, error %v", name, f, err)
		}
	}
}

// pipeStream is a stream over memory, for the framing alone; sessions are tested over real libp2p streams.
type pipeStream struct {
	io.Reader
	io.Writer
}

func (pipeStream) Close() error                     { return nil }
func (pipeStream) CloseWrite() error                { return nil }
func (pipeStream) Reset() error                     { return nil }
func (pipeStream) SetReadDeadline(time.Time) error  { return nil }
func (pipeStream) SetWriteDeadline(time.Time) error { return nil }

func TestFrameStreamBoundsWhatItReads(t *testing.T) {
	length := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	for name, c := range map[string]struct {
		bytes []byte
		want  error
	}{
		"orderly end":        {nil, io.EOF},
		"empty frame":        {length(0), errFrameEmpty},
		"four gigabytes":     {length(1<<32 - 1), errFrameTooLarge},
		"end within length":  {[]byte{0, 0}, nil},
		"end within a frame": {append(length(10), 1, 2), nil},
	} {
		_, err := NewStream(pipeStream{Reader: bytes.NewReader(c.bytes)}).Receive(time.Second)
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want %v", name, err, c.want)
		}
	}
}

func FuzzDecodeFrame(f *testing.F) {
	for _, sample := range sampleFrames() {
		b, err := encode(sample)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		decoded, err := decode(b)
		if err != nil {
			return
		}
		again, err := encode(decoded)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x decodes to %+v and encodes to %x, %v", b, decoded, again, err)
		}
	})
}

func TestSessionStateFollowsItsDiagram(t *testing.T) {
	arrows := map[[2]State]bool{
		{StateOpening, StateOpen}: true, {StateOpening, StateClosed}: true,
		{StateOpen, StateHeld}: true, {StateHeld, StateOpen}: true,
		{StateOpen, StateClosing}: true, {StateHeld, StateClosing}: true,
		{StateClosing, StateClosed}: true,
	}
	for from := StateOpening; from <= StateClosed; from++ {
		for to := StateOpening; to <= StateClosed; to++ {
			got, err := from.Transition(to)
			if want := arrows[[2]State{from, to}]; (err == nil) != want || want && got != to || !want && got != from {
				t.Errorf("%s → %s gave %s, %v", from, to, got, err)
			}
		}
	}
}
