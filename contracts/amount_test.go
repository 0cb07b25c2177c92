package contracts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

func amount(t testing.TB, s string) Amount {
	t.Helper()
	a, err := ParseAmount(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

const maxText = "79228162514264337593543950335" // 2^96-1

func TestAmountIsExactUpToItsBoundAndNoFurther(t *testing.T) {
	t.Parallel()
	one, top := NewAmount(1), amount(t, maxText)
	if top != MaxAmount() {
		t.Errorf("%s is not the largest amount", top)
	}
	if _, err := top.Add(one); !errors.Is(err, ErrOverflow) {
		t.Errorf("2^96 gave %v", err)
	}
	if _, err := (Amount{}).Sub(one); !errors.Is(err, ErrUnderflow) {
		t.Errorf("-1 gave %v", err)
	}
	if got := (Amount{}).SubFloor(one); !got.IsZero() {
		t.Errorf("0 less 1, floored, is %s", got)
	}
	if _, err := top.MulDivCeil(2, 1); !errors.Is(err, ErrOverflow) {
		t.Errorf("twice the largest gave %v", err)
	}
	if got, err := top.MulDivCeil(1<<63, 1<<63); err != nil || got != top {
		t.Errorf("the largest times 2^63 over 2^63 is %s, %v", got, err)
	}
	for _, c := range []struct{ price, n, d, up, down uint64 }{
		{5, 0, 7, 0, 0}, {1, 1, 2, 1, 0}, {7, 3, 2, 11, 10}, {6, 2, 3, 4, 4},
	} {
		up, err := NewAmount(c.price).MulDivCeil(c.n, c.d)
		if err != nil || up != NewAmount(c.up) {
			t.Errorf("%d × %d ÷ %d rounds up to %s, %v", c.price, c.n, c.d, up, err)
		}
		down, err := NewAmount(c.price).MulDiv(c.n, c.d)
		if err != nil || down != NewAmount(c.down) {
			t.Errorf("%d × %d ÷ %d rounds down to %s, %v", c.price, c.n, c.d, down, err)
		}
	}
	if got := (Amount{}).MulDivFloor(one, 1); got != ^uint64(0) {
		t.Errorf("at no price, %d units are bought", got)
	}
	if got := NewAmount(3).MulDivFloor(NewAmount(10), 2); got != 6 {
		t.Errorf("10 buy %d units where two cost 3", got)
	}
}

func TestAmountFormsRoundTrip(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"0", "1", "18446744073709551616", maxText} {
		a := amount(t, text)
		b := a.Bytes()
		back, err := AmountFromBytes(b[:])
		if err != nil || back != a {
			t.Errorf("%s came back from bytes as %s, %v", text, back, err)
		}
		if big, err := AmountFromBig(a.Big()); err != nil || big != a {
			t.Errorf("%s came back from a big integer as %s, %v", text, big, err)
		}
		encoded, err := json.Marshal(a)
		if err != nil || string(encoded) != `"`+text+`"` {
			t.Errorf("%s is %s in JSON, %v", text, encoded, err)
		}
		var decoded Amount
		if err := json.Unmarshal(encoded, &decoded); err != nil || decoded != a {
			t.Errorf("%s came back from JSON as %s, %v", text, decoded, err)
		}
	}
	if bytes.Compare(func() []byte { b := NewAmount(255).Bytes(); return b[:] }(),
		func() []byte { b := NewAmount(256).Bytes(); return b[:] }()) >= 0 {
		t.Error("the fixed-width form does not sort as the numbers do")
	}
}

func TestBadAmountsAreRefused(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "-1", "+1", "1.0", "01", " 1", "0x1", "1e3", "79228162514264337593543950336", strings.Repeat("9", 1000)} {
		if a, err := ParseAmount(s); err == nil {
			t.Errorf("%.20q was read as %s", s, a)
		}
	}
	for _, s := range []string{"", ".", "-1", "1.2.3", "0.0000000000000000001", "1,5", "NaN", " 1", strings.Repeat("9", 1000), "0x1"} {
		if a, err := ParseTokens(s, 18); err == nil {
			t.Errorf("%.20q tokens were read as %s", s, a)
		}
	}
	for _, b := range []*big.Int{nil, big.NewInt(-1), new(big.Int).Lsh(big.NewInt(1), 96)} {
		if a, err := AmountFromBig(b); err == nil {
			t.Errorf("%s was taken as %s", b, a)
		}
	}
	if _, err := AmountFromBytes(make([]byte, 13)); err == nil {
		t.Error("13 bytes were taken as an amount")
	}
}

func TestTokensReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0": "0", "1": "1000000000000000000", "0.05": "50000000000000000", "12.5": "12500000000000000000",
		"0.000000000000000001": "1", ".5": "500000000000000000", "5.": "5000000000000000000", "0.0": "0",
	} {
		a, err := ParseTokens(text, 18)
		if err != nil || a.String() != want {
			t.Errorf("%q is %s, %v, want %s", text, a, err, want)
		}
	}
	for _, text := range []string{"0", "1", "0.05", "12.5", "0.000000000000000001", "79228162514.264337593543950335"} {
		a, err := ParseTokens(text, 18)
		if err != nil || a.Tokens(18) != text {
			t.Errorf("%q reads %q, %v", text, a.Tokens(18), err)
		}
	}
	if got := NewAmount(7).Tokens(0); got != "7" {
		t.Errorf("seven of a token without decimals are %q", got)
	}
}

func FuzzAmount(f *testing.F) {
	f.Add("0", uint8(0), []byte(nil))
	f.Add("12.5", uint8(18), make([]byte, 12))
	f.Fuzz(func(t *testing.T, s string, decimals uint8, b []byte) {
		if a, err := ParseAmount(s); err == nil && a.String() != s {
			t.Fatalf("%q was read as %s", s, a)
		}
		if a, err := ParseTokens(s, decimals%29); err == nil {
			again, err := ParseTokens(a.Tokens(decimals%29), decimals%29)
			if err != nil || again != a {
				t.Fatalf("%q is %s and comes back as %s, %v", s, a, again, err)
			}
		}
		if a, err := AmountFromBytes(b); err == nil {
			if back := a.Bytes(); !bytes.Equal(back[:], b) {
				t.Fatalf("%x came back as %x", b, back)
			}
		}
	})
}

func TestKeyPrintsItsAddressAlone(t *testing.T) {
	t.Parallel()
	key, err := GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	secret := fmt.Sprintf("%x", crypto.FromECDSA(key.Private()))
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("made", "key", key.String())
	for _, text := range []string{fmt.Sprint(key), fmt.Sprintf("%v %+v %#v %s", key, key, key, key), log.String()} {
		if !strings.Contains(text, key.Address().Hex()) || strings.Contains(text, secret) {
			t.Errorf("a key prints as %q", text)
		}
	}
}

func TestVaultAndChannelIDsSeparateTheirParts(t *testing.T) {
	t.Parallel()
	a, b := common.Address{19: 1}, common.Address{19: 2}
	seen := map[common.Hash]bool{}
	for _, v := range []Vault{{a, a, a}, {b, a, a}, {a, b, a}, {a, a, b}} {
		seen[v.ID()] = true
		seen[Channel{v, a}.ID()] = true
		seen[Channel{v, b}.ID()] = true
	}
	if len(seen) != 12 {
		t.Errorf("4 vaults and 8 channels have %d identities", len(seen))
	}
}
