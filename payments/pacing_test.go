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

func TestTickIsAHundredMillisecondsOfTraffic(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ rate, tick uint64 }{
		{0, mib}, {125_000, mib}, {125_000_000, 12_500_000}, {math.MaxUint64, math.MaxUint64 / 10},
	} {
		if got := Tick(test.rate); got != test.tick {
			t.Errorf("tick at %d bytes/s is %d, want %d", test.rate, got, test.tick)
		}
	}
	if got := (Usage{Rx: math.MaxUint64, Tx: 9, PeerRx: 7}).Billed(); got != math.MaxUint64 {
		t.Errorf("billed overflows to %d", got)
	}
	if got := (Usage{Rx: 100, Tx: 9, PeerRx: 7}).Billed(); got != 107 {
		t.Errorf("billed is %d, want 107", got)
	}
}

func TestOfferedWindowCoversTwoBusyDisksAndNoMoreThanTrust(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ tick, rate, want uint64 }{
		{mib, 0, 4 * mib}, {mib, 12_500_000, 4 * mib}, {mib, 125_000_000, 6_250_000}, {mib, 1_250_000_000, 62_500_000},
		{mib, math.MaxUint64, TrustBytes}, {4 * mib, 0, 16 * mib}, {math.MaxUint64, 0, math.MaxUint64},
	} {
		got := OfferWindow(test.tick, test.rate)
		if got != test.want {
			t.Errorf("window for a line of %d bytes a second is %d, want %d", test.rate, got, test.want)
		}
		// A slow session earns no more slack than 16 MiB by it.
		if slow := EarnedWindow(Terms{Tick: test.tick, Window: got}, GiB, 0); slow > max(got, 16*mib) {
			t.Errorf("a slow session's window grows from %d to %d", got, slow)
		}
	}
}

func TestWindowIsEarnedByBytesThatWereForwardedAndPaid(t *testing.T) {
	t.Parallel()
	terms := Terms{Tick: mib, Window: MinWindow}
	for _, test := range []struct{ earned, rate, want uint64 }{
		{0, 0, 2 * mib},
		{0, math.MaxUint64, 2 * mib}, // nothing was forwarded: speed earns nothing
		{mib, 0, 4 * mib},            // two for each
		{3 * mib, math.MaxUint64, 8 * mib},
		{GiB, 125_000, 16 * mib},                  // a slow session: four times the terms' window
		{GiB, 12_500_000, 16 * mib},               // 100 Mbit/s
		{GiB, 125_000_000, 100_000_000},           // 1 Gbit/s: eight ticks
		{GiB, 1_250_000_000, 1_000_000_000},       // 10 Gbit/s
		{math.MaxUint64, math.MaxUint64, 1 * GiB}, // the end
	} {
		if got := EarnedWindow(terms, test.earned, test.rate); got != test.want {
			t.Errorf("window after %d bytes at %d a second is %d, want %d", test.earned, test.rate, got, test.want)
		}
	}
}
