package registry

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

// reencode writes v canonically, without the struct types that keep honest code honest.
func reencode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := encoder.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// opened returns an offer's block as plain maps, to be changed and written again.
func opened(t testing.TB, s SignedOffer) (envelope, body map[string]any) {
	t.Helper()
	if err := cbor.Unmarshal(s.Block, &envelope); err != nil {
		t.Fatal(err)
	}
	body = map[string]any{}
	for k, v := range envelope["body"].(map[any]any) {
		body[k.(string)] = v
	}
	envelope["body"] = body
	return envelope, body
}

func TestDecodeAcceptsOnlyTheCanonicalForm(t *testing.T) {
	t.Parallel()
	s := mustSign(t, 1, fullOffer(1, market, golden))
	envelope := func(change func(env, body map[string]any)) []byte {
		env, body := opened(t, s)
		change(env, body)
		return reencode(t, env)
	}
	if got := envelope(func(_, _ map[string]any) {}); !bytes.Equal(got, s.Block) {
		t.Fatal("this test's own encoder is not canonical")
	}
	deep := any("bottom")
	for range 9 {
		deep = []any{deep}
	}
	wide := make([]int, 65)
	replace := func(old, with string) []byte {
		if bytes.Count(s.Block, []byte(old)) != 1 {
			t.Fatalf("%x is not in the block exactly once", old)
		}
		return bytes.Replace(s.Block, []byte(old), []byte(with), 1)
	}
	for name, c := range map[string]struct {
		block []byte
		want  error
	}{
		"nothing":           {nil, errEncoding},
		"trailing byte":     {append(bytes.Clone(s.Block), 0), errEncoding},
		"cut":               {s.Block[:len(s.Block)-1], errEncoding},
		"too long":          {make([]byte, MaxBlock+1), errSize},
		"unknown field":     {envelope(func(_, b map[string]any) { b["zebra"] = 1 }), errEncoding},
		"envelope field":    {envelope(func(e, _ map[string]any) { e["more"] = 1 }), errEncoding},
		"missing field":     {envelope(func(_, b map[string]any) { delete(b, "tick") }), errEncoding},
		"no signature":      {envelope(func(e, _ map[string]any) { delete(e, "sig") }), errEncoding},
		"no body":           {envelope(func(e, _ map[string]any) { delete(e, "body") }), errEncoding},
		"null":              {envelope(func(_, b map[string]any) { b["contact"] = nil }), errEncoding},
		"empty optional":    {envelope(func(_, b map[string]any) { b["contact"] = "" }), errEncoding},
		"zero optional":     {envelope(func(_, b map[string]any) { b["asn"] = 0 }), errEncoding},
		"empty list":        {envelope(func(_, b map[string]any) { b["features"] = []string{} }), errEncoding},
		"float":             {envelope(func(_, b map[string]any) { b["tick"] = 1048576.0 }), errEncoding},
		"negative":          {envelope(func(_, b map[string]any) { b["tick"] = -1 }), errEncoding},
		"text for bytes":    {envelope(func(_, b map[string]any) { b["payee"] = "payee" }), errEncoding},
		"short address":     {envelope(func(_, b map[string]any) { b["payee"] = []byte{1, 2, 3} }), errEncoding},
		"long address":      {envelope(func(_, b map[string]any) { b["payee"] = make([]byte, 21) }), errEncoding},
		"array address":     {envelope(func(_, b map[string]any) { b["payee"] = make([]int, 20) }), errEncoding},
		"unsorted set":      {envelope(func(_, b map[string]any) { b["features"] = []string{"pq", "ipv6"} }), errEncoding},
		"repeated set":      {envelope(func(_, b map[string]any) { b["features"] = []string{"pq", "pq"} }), errEncoding},
		"deep":              {envelope(func(_, b map[string]any) { b["features"] = deep }), errEncoding},
		"wide":              {envelope(func(_, b map[string]any) { b["features"] = wide }), errEncoding},
		"price in hex":      {envelope(func(_, b map[string]any) { b["price_per_gib"] = "0x10" }), errPrice},
		"price with zeros":  {envelope(func(_, b map[string]any) { b["price_per_gib"] = "007" }), errPrice},
		"price of 97 bits":  {envelope(func(_, b map[string]any) { b["price_per_gib"] = "158456325028528675187087900672" }), errPrice},
		"no price":          {envelope(func(_, b map[string]any) { b["price_per_gib"] = "0" }), errPrice},
		"far future":        {envelope(func(_, b map[string]any) { b["expires"] = uint64(1) << 63 }), errLifetime},
		"later schema":      {envelope(func(_, b map[string]any) { b["schema"], b["new"] = "byway.offer/2", 1 }), errSchema},
		"no schema":         {envelope(func(_, b map[string]any) { delete(b, "schema") }), errSchema},
		"spelled otherwise": {envelope(func(_, b map[string]any) { b["Tick"] = b["tick"]; delete(b, "tick") }), errEncoding},
		"own /p2p/ suffix": {envelope(func(_, b map[string]any) {
			h := b["host"].(map[any]any)
			h["addrs"] = []string{"/ip4/1.2.3.4/tcp/1/p2p/" + s.Offer.Host.Peer.String()}
		}), errEncoding},
		"repeated key":     {replace("\x63asn\x19\xfb\xf4", "\x64tick\x19\xfb\xf4"), errEncoding},
		"longer integer":   {replace("\x63asn\x19\xfb\xf4", "\x63asn\x1a\x00\x00\xfb\xf4"), errEncoding},
		"tagged":           {replace("\x63asn\x19\xfb\xf4", "\x63asn\xd9\x00\x2a\x19\xfb\xf4"), errEncoding},
		"indefinite text":  {replace("\x67country\x62NL", "\x67country\x7f\x62NL\xff"), errEncoding},
		"bytes for text":   {replace("\x67country\x62NL", "\x67country\x42NL"), errEncoding},
		"unsorted keys":    {replace("\xa2\x63sig", "\xa2\x64sig"), errEncoding},
		"not a map":        {[]byte{0x01}, errEncoding},
		"indefinite map":   {[]byte{0xbf, 0xff}, errEncoding},
		"a string of 4 GB": {[]byte{0x7a, 0xff, 0xff, 0xff, 0xff}, errEncoding},
	} {
		if name == "unsorted keys" {
			env, _ := opened(t, s)
			body, sig := reencode(t, env["body"]), reencode(t, env["sig"])
			c.block = append([]byte{0xa2}, append(append([]byte("\x64body"), body...), append([]byte("\x63sig"), sig...)...)...)
		}
		if _, err := Decode(c.block); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

// TestNoMutationOfABlockVerifies changes a signed offer in every way that a storm of bad luck or a vandal would.
func TestNoMutationOfABlockVerifies(t *testing.T) {
	t.Parallel()
	s := mustSign(t, 1, fullOffer(1, market, golden))
	rng := rand.New(rand.NewPCG(1, 2))
	refused := map[string]int{}
	const mutations = 10_000
	for range mutations {
		b := bytes.Clone(s.Block)
		switch rng.IntN(4) {
		case 0: // flip bits
			for range 1 + rng.IntN(4) {
				b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
			}
		case 1: // cut
			b = b[:rng.IntN(len(b))]
		case 2: // insert
			at := rng.IntN(len(b))
			b = append(b[:at:at], append([]byte{byte(rng.Uint32())}, b[at:]...)...)
		case 3: // move a piece
			from, to, n := rng.IntN(len(b)), rng.IntN(len(b)), rng.IntN(32)
			copy(b[to:], bytes.Clone(b[from:min(from+n, len(b))]))
		}
		if bytes.Equal(b, s.Block) {
			refused["unchanged"]++
			continue
		}
		got, err := Decode(b)
		if err == nil {
			err = got.Verify(t.Context(), nil, market)
		}
		if err == nil {
			t.Fatalf("a changed block verifies: %x", b)
		}
		refused[faultOf(err)]++
	}
	if refused["other"] != 0 {
		t.Errorf("%d refusals have no name", refused["other"])
	}
	t.Logf("%d mutations refused: %v", mutations, refused)
}

func FuzzDecode(f *testing.F) {
	s := mustSign(f, 1, fullOffer(1, market, golden))
	f.Add(s.Block)
	f.Add(s.Block[:40])
	f.Add([]byte{0xbf, 0xff})
	f.Fuzz(func(t *testing.T, block []byte) {
		s, err := Decode(block)
		if err != nil {
			if faultOf(err) == "other" {
				t.Fatalf("refusal without a name: %v", err)
			}
			return
		}
		again, _, err := encode(s.Offer, s.Sig)
		if err != nil || !bytes.Equal(again, block) {
			t.Fatalf("decodes but is not canonical (%v)", err)
		}
		if s.CID != CIDOf(sha256.Sum256(block)) || s.Digest() != sha256.Sum256(block) {
			t.Fatal("the CID is not the block's")
		}
		_ = s.Verify(t.Context(), nil, market)
	})
}

func BenchmarkDecode(b *testing.B) {
	s := mustSign(b, 1, fullOffer(1, market, golden))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(s.Block); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	s := mustSign(b, 1, fullOffer(1, market, golden))
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Verify(b.Context(), nil, market); err != nil {
			b.Fatal(err)
		}
	}
}

// faultOf is the reason that an error wraps, "other" where it is none of ours.
func faultOf(err error) string {
	for _, fault := range Faults() {
		if errors.Is(err, fault) {
			return fault.Error()
		}
	}
	return "other"
}
