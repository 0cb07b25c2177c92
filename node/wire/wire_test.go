package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/payments"
)

// sampleFrames holds one filled frame of each type, and more of those that may leave things out.
func sampleFrames() []Frame {
	promise := Promise{Cumulative: [12]byte{11: 7}, Share: [12]byte{11: 6}, Signature: contracts.Signature{1, 2, 3}}
	more := Extensions{{Kind: 4}, {Kind: 9, Body: []byte{1}}}
	return []Frame{
		&Hello{
			Versions: Versions{2, 4}, Session: payments.SessionID{8}, Offer: []byte{1, 0x71}, Payer: [20]byte{1}, Signer: [20]byte{2},
			Token: [20]byte{3}, WireGuard: [32]byte{4}, KEM: bytes.Repeat([]byte{5}, 1184), First: promise,
			Reserve: &SignedReserve{Ceiling: [12]byte{1}, Epoch: 2, ValidUntil: 3}, Time: 1 << 31, Extensions: more,
			Signature: contracts.Signature{6},
		},
		&Hello{Versions: Versions{2, 2}, Offer: []byte{}, KEM: []byte{}},
		&Welcome{
			Version: 2, WireGuard: [32]byte{2}, Inner4: []byte{10, 0, 0, 2}, Inner6: bytes.Repeat([]byte{6}, 16),
			Endpoints: []Endpoint{{"udp", "127.0.0.1:51820", nil}, {"tls-443", "example.org:443", []byte{7}}},
			DNS:       []byte{10, 0, 0, 1}, MTU: 1420, Ciphertext: bytes.Repeat([]byte{7}, 1088), Tick: 1 << 20, Window: 4 << 20,
			Latest: &promise, Extensions: more,
		},
		&Refusal{Code: RefusedStale, Reason: "promise does not rise", Latest: &promise},
		&Refusal{Code: RefusedNewcomer, Reason: "not yet", Need: &[12]byte{11: 5}},
		&Refusal{Code: RefusedVersion, Reason: "too old", Versions: &Versions{2, 3}},
		&Pay{Promise: promise},
		&Status{Rx: 1, Tx: 1 << 40, Promised: [12]byte{3}, Left: 9, Window: 8, Held: true, Final: true, Extensions: more},
		&Close{Code: ClosedGaveWay, Reason: "done", Settled: true},
		&Close{},
		&Release{Ceiling: [12]byte{1}, Epoch: 2, ValidUntil: 3, Signature: []byte{4}},
		&Reserve{},
		&Reserve{Reserve: &SignedReserve{Ceiling: [12]byte{1}, Epoch: 2, ValidUntil: 3}},
		&Resume{Session: payments.SessionID{9}},
		&AskRelease{Payer: [20]byte{1}, Signer: [20]byte{2}, Token: [20]byte{3}, Time: 4, Signature: contracts.Signature{5}},
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

func TestDecodeRefusesWhatIsBeyondTheBounds(t *testing.T) {
	extensions := func(n int) (list Extensions) {
		for i := range n {
			list = append(list, Extension{Kind: uint16(10 + i)})
		}
		return list
	}
	endpoints := func(n int) (list []Endpoint) {
		for range n {
			list = append(list, Endpoint{Transport: TransportUDP})
		}
		return list
	}
	hello := func(e Extensions) *Hello {
		return &Hello{Versions: Spoken(), Offer: []byte{1}, KEM: []byte{1}, Extensions: e}
	}
	welcome := func(e []Endpoint) *Welcome {
		return &Welcome{Inner4: []byte{1}, Inner6: []byte{1}, DNS: []byte{1}, Ciphertext: []byte{1}, Endpoints: e}
	}
	largest := hello(extensions(maxExtensions))
	largest.KEM, largest.Reserve, largest.Signature = make([]byte, 1184), &SignedReserve{}, contracts.Signature{1}
	for i := range largest.Extensions {
		largest.Extensions[i].Body = make([]byte, maxExtensionBody)
	}
	widest := welcome(endpoints(MaxEndpoints))
	widest.Ciphertext, widest.Latest, widest.Extensions = make([]byte, 1088), &Promise{}, largest.Extensions
	for i := range widest.Endpoints {
		widest.Endpoints[i] = Endpoint{strings.Repeat("a", maxTransport), strings.Repeat("a", maxAddress), make([]byte, maxParameters)}
	}
	for name, c := range map[string]struct {
		frame Frame
		ok    bool
	}{
		"the largest Hello":            {largest, true},
		"the largest Welcome":          {widest, true},
		"nine extensions":              {hello(extensions(9)), false},
		"a body too long":              {hello(Extensions{{Kind: 1, Body: make([]byte, maxExtensionBody+1)}}), false},
		"kinds twice":                  {hello(Extensions{{Kind: 7}, {Kind: 7}}), false},
		"kinds that fall":              {hello(Extensions{{Kind: 7}, {Kind: 6}}), false},
		"hops, critical":               {hello(Extensions{{Kind: 1, Critical: true}}), false},
		"hops, by the way":             {hello(Extensions{{Kind: 1, Body: []byte{1}}}), true},
		"elsewhere, critical":          {hello(Extensions{{Kind: KindElsewhere, Critical: true}}), true},
		"nobody's kind, critical":      {hello(Extensions{{Kind: 7}, {Kind: 65535, Critical: true}}), false},
		"a critical one in a Status":   {&Status{Extensions: Extensions{{Kind: 3, Critical: true}}}, false},
		"another one in a Status":      {&Status{Extensions: Extensions{{Kind: 3}}}, true},
		"a critical one in a Welcome":  {&Welcome{Endpoints: []Endpoint{}, Extensions: Extensions{{Kind: 2, Critical: true}}}, false},
		"nine endpoints":               {welcome(endpoints(MaxEndpoints + 1)), false},
		"no transport":                 {welcome([]Endpoint{{}}), false},
		"a transport with an escape":   {welcome([]Endpoint{{Transport: "u\x1bdp"}}), false},
		"a transport in capitals":      {welcome([]Endpoint{{Transport: "UDP"}}), false},
		"a transport too long":         {welcome([]Endpoint{{Transport: strings.Repeat("a", maxTransport+1)}}), false},
		"an address too long":          {welcome([]Endpoint{{Transport: "udp", Address: strings.Repeat("a", maxAddress+1)}}), false},
		"parameters too long":          {welcome([]Endpoint{{Transport: "udp", Parameters: make([]byte, maxParameters+1)}}), false},
		"versions that fall":           {&Hello{Versions: Versions{3, 2}}, false},
		"version nought":               {&Hello{}, false},
		"a refusal's versions fall":    {&Refusal{Versions: &Versions{3, 2}}, false},
		"a refusal's versions are two": {&Refusal{Versions: &Versions{2, 2}}, true},
	} {
		b := append([]byte{byte(c.frame.frameType())}, marshal(t, c.frame)...)
		_, err := decode(b)
		var broken *ProtocolError
		if c.ok && err != nil || !c.ok && !errors.As(err, &broken) {
			t.Errorf("%s, %d bytes: %v", name, len(b), err)
		}
		if _, err := encode(c.frame); c.ok && err != nil {
			t.Errorf("%s is not sent: %v", name, err)
		}
	}
	// Whoever has to update reads which extension it was.
	_, err := decode(append([]byte{byte(typeHello)}, marshal(t, hello(Extensions{{Kind: 3, Critical: true}}))...))
	if err == nil || !strings.Contains(err.Error(), "extension 3 (leases)") {
		t.Errorf("the error is %v", err)
	}
}

// marshal is a body without the checks of who sends it.
func marshal(t *testing.T, f Frame) []byte {
	t.Helper()
	b, err := frameEncoding.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTheHighestCommonVersionIsSpoken(t *testing.T) {
	for _, c := range []struct {
		provider, consumer Versions
		want               uint16 // 0: none
		update             string
	}{
		{Versions{2, 2}, Versions{2, 2}, 2, ""},
		{Versions{2, 5}, Versions{3, 4}, 4, ""},
		{Versions{3, 4}, Versions{2, 9}, 4, ""},
		{Versions{2, 3}, Versions{3, 9}, 3, ""},
		{Versions{2, 2}, Versions{3, 4}, 0, "provider must be updated"},
		{Versions{5, 6}, Versions{2, 4}, 0, "update the consumer"},
	} {
		got, err := c.provider.Common(c.consumer)
		if c.want != 0 {
			if err != nil || got != c.want {
				t.Errorf("%v and %v speak %d, %v", c.provider, c.consumer, got, err)
			}
			continue
		}
		var refused *RefusalError
		if !errors.As(err, &refused) || refused.Code != RefusedVersion || refused.Versions != c.provider ||
			!strings.Contains(refused.Reason, c.update) {
			t.Errorf("%v and %v: %v", c.provider, c.consumer, err)
		}
	}
}

func TestARefusalArrivesAsItWasMeant(t *testing.T) {
	for _, said := range []*RefusalError{
		{Code: RefusedBusy, Reason: "full"},
		{Code: RefusedVersion, Reason: "too old", Versions: Versions{2, 3}},
		{Code: RefusedNewcomer, Reason: "strangers reserve first", Need: contracts.NewAmount(77)},
	} {
		b, err := encode(NewRefusal(fmt.Errorf("admit: %w", said)))
		if err != nil {
			t.Fatal(err)
		}
		f, err := decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if heard := f.(*Refusal).Err(); *heard != *said {
			t.Errorf("said %+v, heard %+v", said, heard)
		}
	}
	if told := NewRefusal(errors.New("the disk at /secret is full")); told.Code != RefusedInternal || told.Reason != "internal error" {
		t.Errorf("a fault of ours is told as %+v", told)
	}
	if text := (&RefusalError{Code: RefusedNewcomer, Need: contracts.NewAmount(77)}).Error(); !strings.Contains(text, "at least 77 base units") {
		t.Errorf("a newcomer reads %q", text)
	}
}

func TestAHelloIsSignedForItsHostsAndAllThatItSays(t *testing.T) {
	key, err := contracts.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	d, payee := payments.Domain{ChainID: 31337, Contract: common.Address{9}}, common.Address{8}
	hosts := Hosts{Consumer: "consumer", Provider: "provider"}
	signed := *sampleFrames()[0].(*Hello)
	signed.Signer = key.Address()
	if err := signed.Sign(d, payee, hosts, key); err != nil {
		t.Fatal(err)
	}
	if err := signed.Verify(d, payee, hosts); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Hello, *payments.Domain, *common.Address, *Hosts){
		"contract":        func(_ *Hello, d *payments.Domain, _ *common.Address, _ *Hosts) { d.Contract[0] ^= 1 },
		"payee":           func(_ *Hello, _ *payments.Domain, p *common.Address, _ *Hosts) { p[0] ^= 1 },
		"consumer's host": func(_ *Hello, _ *payments.Domain, _ *common.Address, h *Hosts) { h.Consumer = "another" },
		"provider's host": func(_ *Hello, _ *payments.Domain, _ *common.Address, h *Hosts) { h.Provider = "another" },
		"border of hosts": func(_ *Hello, _ *payments.Domain, _ *common.Address, h *Hosts) { *h = Hosts{"consumerp", "rovider"} },
		"versions":        func(h *Hello, _ *payments.Domain, _ *common.Address, _ *Hosts) { h.Versions.To++ },
		"session":         func(h *Hello, _ *payments.Domain, _ *common.Address, _ *Hosts) { h.Session[0] ^= 1 },
		"offer":           func(h *Hello, _ *payments.Domain, _ *common.Address, _ *Hosts) { h.Offer = []byte{9} },
		"payer":           func(h *Hello, _ *payments.Domain, _ *common.Address, _ *Hosts) { h.Payer[0] ^= 1 },
		"signer":          func(h *Hello, _ *payments.Domain, _ *common.Address, _ *Hosts) { h.Signer[0] ^= 1 },
		"token":           func(h *Hello, _ *payments.Domain, _ *common.Address, _ *Hosts) { h.Token[0] ^= 1 },
		"WireGuard key":   func(h *Hello, _ *payments.Domain, _ *common.Address, _ *Hosts) { h.WireGuard[0] ^= 1 },
		"ML-KEM key":      func(h *Hello, _ *payments.Domain, _ *common.Address, _ *Hosts) { h.KEM = h.KEM[1:] },
		"first promise":   func(h *Hello, _ *payments.Domain, _ *common.Address, _ *Hosts) { h.First.Share[0] ^= 1 },
		"reserve":         func(h *Hello, _ *payments.Domain, _ *common.Address, _ *Hosts) { h.Reserve = nil },
		"time":            func(h *Hello, _ *payments.Domain, _ *common.Address, _ *Hosts) { h.Time++ },
		"extensions":      func(h *Hello, _ *payments.Domain, _ *common.Address, _ *Hosts) { h.Extensions = nil },
		"signature":       func(h *Hello, _ *payments.Domain, _ *common.Address, _ *Hosts) { h.Signature[3] ^= 1 },
		"signature's lack": func(h *Hello, _ *payments.Domain, _ *common.Address, _ *Hosts) {
			h.Signature = contracts.Signature{}
		},
	} {
		h, d, payee, hosts := signed, d, payee, hosts
		change(&h, &d, &payee, &hosts)
		if err := h.Verify(d, payee, hosts); !errors.Is(err, contracts.ErrBadSignature) {
			t.Errorf("with another %s: %v", name, err)
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
		{StateOpen, StateResting}: true, {StateHeld, StateResting}: true, {StateResting, StateOpen}: true,
		{StateResting, StateClosing}: true, {StateOpen, StateClosing}: true, {StateHeld, StateClosing}: true,
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
