package wire

import (
	"crypto/mlkem"
	"testing"

	"byway/tunnel/wireguard"
)

func TestBothSidesDeriveOnePresharedKeyFromOneTranscript(t *testing.T) {
	t.Parallel()
	key, err := mlkem.GenerateKey768()
	if err != nil {
		t.Fatal(err)
	}
	hello := &Hello{Offer: []byte{1}, KEM: key.EncapsulationKey().Bytes(), WireGuard: [32]byte{2}}
	provider := wireguard.Key{3}
	psk, ciphertext, err := Encapsulate(hello, provider)
	if err != nil {
		t.Fatal(err)
	}
	derive := func(change func(*Hello, *Welcome)) wireguard.Key {
		h := *hello
		w := &Welcome{WireGuard: provider, Ciphertext: ciphertext}
		change(&h, w)
		got, err := Decapsulate(key, &h, w)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := derive(func(*Hello, *Welcome) {}); got != psk || got.IsZero() {
		t.Error("the two sides disagree")
	}
	for name, change := range map[string]func(*Hello, *Welcome){
		"offer":          func(h *Hello, _ *Welcome) { h.Offer = []byte{9} },
		"payer":          func(h *Hello, _ *Welcome) { h.Payer[0] ^= 1 },
		"signer":         func(h *Hello, _ *Welcome) { h.Signer[0] ^= 1 },
		"consumer's key": func(h *Hello, _ *Welcome) { h.WireGuard[0] ^= 1 },
		"provider's key": func(_ *Hello, w *Welcome) { w.WireGuard[0] ^= 1 },
		"ciphertext": func(_ *Hello, w *Welcome) {
			w.Ciphertext = append([]byte{^w.Ciphertext[0]}, w.Ciphertext[1:]...)
		},
		"encapsulation key": func(h *Hello, _ *Welcome) { h.KEM = append([]byte{^h.KEM[0]}, h.KEM[1:]...) },
	} {
		if derive(change) == psk {
			t.Errorf("a changed %s leaves the pre-shared key as it was", name)
		}
	}
	if _, err := Decapsulate(key, hello, &Welcome{Ciphertext: []byte{1}}); err == nil {
		t.Error("a short ciphertext was taken")
	}
}
