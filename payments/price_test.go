package payments

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"byway/contracts"
)

func TestCostIsRoundedUpOnceAndExact(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		price string
		bytes uint64
		want  string
	}{
		{"0", math.MaxUint64, "0"},
		{"1", 0, "0"},
		{"1", 1, "1"},
		{"1", GiB, "1"},
		{"1", GiB + 1, "2"},
		{"50000000000000000", 64 << 20, "3125000000000000"},
		{"1000000007", 3, "3"},
		{"9223372036854775808", math.MaxUint64, "79228162514264337593543950336"},
	} {
		got, err := Cost(amount(test.price), test.bytes)
		if test.want == "79228162514264337593543950336" {
			wantErr(t, err, contracts.ErrOverflow)
			continue
		}
		if err != nil || got.String() != test.want {
			t.Errorf("%d bytes at %s cost %s, %v, want %s", test.bytes, test.price, got, err, test.want)
		}
	}
}

func drawAmount(t *rapid.T, bits uint, label string) contracts.Amount {
	b := rapid.SliceOfN(rapid.Byte(), 12, 12).Draw(t, label)
	n := new(big.Int).SetBytes(b)
	n.Rsh(n, 96-rapid.UintRange(0, bits).Draw(t, label+" bits"))
	a, err := contracts.AmountFromBig(n)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestBytesInvertsCost(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		price := drawAmount(t, 90, "price")
		n := rapid.Uint64Range(0, 1<<50).Draw(t, "bytes")
		c, err := Cost(price, n)
		if err != nil {
			return
		}
		exact := new(big.Int).Mul(price.Big(), new(big.Int).SetUint64(n))
		floor, rest := exact.DivMod(exact, big.NewInt(GiB), new(big.Int))
		if rest.Sign() > 0 {
			floor.Add(floor, big.NewInt(1))
		}
		if c.Big().Cmp(floor) != 0 {
			t.Fatalf("cost is %s, want %s", c, floor)
		}
		if got := Bytes(price, c); got < n {
			t.Fatalf("%s pays for %d bytes only, not for the %d that it is the price of", c, got, n)
		}
		if b := Bytes(price, c); b < math.MaxUint64 {
			if back, err := Cost(price, b); err != nil || c.Less(back) {
				t.Fatalf("%d bytes cost %s (%v), not within %s", b, back, err, c)
			}
		}
	})
}
