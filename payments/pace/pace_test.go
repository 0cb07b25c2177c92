package pace

import (
	"math"
	"testing"

	"byway/payments"
)

func TestTickIsAHundredMillisecondsOfTraffic(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ rate, tick uint64 }{
		{0, mib}, {125_000, mib}, {125_000_000, 12_500_000}, {math.MaxUint64, math.MaxUint64 / 10},
	} {
		if got := Tick(test.rate); got != test.tick {
			t.Errorf("tick at %d bytes/s is %d, want %d", test.rate, got, test.tick)
		}
	}
	if got := (payments.Usage{Rx: math.MaxUint64, Tx: 9, PeerRx: 7}).Billed(); got != math.MaxUint64 {
		t.Errorf("billed overflows to %d", got)
	}
	if got := (payments.Usage{Rx: 100, Tx: 9, PeerRx: 7}).Billed(); got != 107 {
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
		if slow := EarnedWindow(payments.Terms{Tick: test.tick, Window: got}, payments.GiB, 0); slow > max(got, 16*mib) {
			t.Errorf("a slow session's window grows from %d to %d", got, slow)
		}
	}
}

func TestWindowIsEarnedByBytesThatWereForwardedAndPaid(t *testing.T) {
	t.Parallel()
	terms := payments.Terms{Tick: mib, Window: MinWindow}
	for _, test := range []struct{ earned, rate, want uint64 }{
		{0, 0, 2 * mib},
		{0, math.MaxUint64, 2 * mib}, // nothing was forwarded: speed earns nothing
		{mib, 0, 4 * mib},            // two for each
		{3 * mib, math.MaxUint64, 8 * mib},
		{payments.GiB, 125_000, 16 * mib},                  // a slow session: four times the terms' window
		{payments.GiB, 12_500_000, 16 * mib},               // 100 Mbit/s
		{payments.GiB, 125_000_000, 100_000_000},           // 1 Gbit/s: eight ticks
		{payments.GiB, 1_250_000_000, 1_000_000_000},       // 10 Gbit/s
		{math.MaxUint64, math.MaxUint64, 1 * payments.GiB}, // the end
	} {
		if got := EarnedWindow(terms, test.earned, test.rate); got != test.want {
			t.Errorf("window after %d bytes at %d a second is %d, want %d", test.earned, test.rate, got, test.want)
		}
	}
}
