package audit

import (
	"strings"
	"testing"

	"byway/contracts"
	"byway/payments"
	"byway/payments/chainview"
	"byway/payments/ledger"
)

// filledLedger has two channels on each side, one session of each ended and one open.
func filledLedger(t *testing.T) (*ledger.Ledger, *fakeChain) {
	t.Helper()
	l := newLedger(t)
	chain := &fakeChain{any: &chainview.State{Ceiling: contracts.MaxAmount(), Block: 1}}
	payee := newPayee(t, l, chain)
	for i := range int64(2) {
		c, key := testChannel(i)
		for _, end := range []bool{true, false} {
			terms := testTerms(c)
			payer := newPayer(t, l, key, terms, contracts.MaxAmount())
			must(payee.Open(t.Context(), terms, must(payer.First(t.Context()))(t), nil))(t)
			due := must2(payer.Due(t.Context(), payments.Usage{Rx: 3 * mib}, false))(t, true)
			must(payee.Accept(t.Context(), terms.Session, due, false))(t)
			if end {
				last := must2(payer.Final(t.Context(), payments.Usage{Rx: 4 * mib, Tx: 50, PeerRx: 40}))(t, true)
				must(payee.Accept(t.Context(), terms.Session, last, true))(t)
				if err := payee.Close(t.Context(), terms.Session, payments.Usage{Rx: 40, Tx: 5 * mib}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return l, chain
}

func TestVerifyFindsNothingInAHealthyLedger(t *testing.T) {
	t.Parallel()
	l, chain := filledLedger(t)
	v := must(Verify(t.Context(), fileOf(l), chain))(t)
	if len(v.Problems) > 0 {
		t.Fatal(strings.Join(v.Problems, "\n"))
	}
	want := must(cost(testPrice, 4*mib+40).Add(cost(testPrice, 3*mib)))(t)
	want = must(want.Add(want))(t)
	if v.Channels != 4 || v.Sessions != 8 || v.Signatures != 4 || v.Given != want || v.Taken != want {
		t.Fatalf("%+v", v)
	}
}

// Whoever makes the checksums anew is still found out by signatures, sums and the chain.
func TestVerifyFindsWhatAForgerOfChecksumsHasAltered(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ change, want string }{
		"total":     {"UPDATE channel SET total = x'0000000000ffffffffffffff' WHERE id = 2", "channel 2"},
		"signature": {"UPDATE channel SET sig = CAST(substr(sig, 1, 63) || x'77' AS BLOB) WHERE id = 3", "channel 3"},
		"rest":      {"UPDATE channel SET other = x'000000000000000000000001' WHERE id = 1", "channel 1"},
		"share":     {"UPDATE session SET amount = x'000000000000000000000001' WHERE id = 4", "channel 2"},
		"price":     {"UPDATE session SET price = x'000000000000000000000001' WHERE id = 1", "session 1"},
		"counter":   {"UPDATE session SET rx = rx - 1 WHERE id = 1", "session 1"},
		"payer":     {"UPDATE channel SET payer = x'0000000000000000000000000000000000000001' WHERE id = 4", "channel 4"},
		"settled": {
			"UPDATE channel SET settled = x'000000000000000000000001', settled_block = 1 WHERE id = 2", "channel 2",
		},
		"too much": {"UPDATE channel SET settled = x'0fffffffffffffffffffffff' WHERE id = 2", "channel 2"},
		"day":      {"UPDATE day SET rx = rx + 1 WHERE role = 2", "day "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, chain := filledLedger(t)
			alter(t, fileOf(l), test.change)
			v := must(Verify(t.Context(), fileOf(l), chain))(t)
			if len(v.Problems) == 0 || !strings.HasPrefix(v.Problems[0], test.want) {
				t.Fatalf("problems: %q, want %s first", v.Problems, test.want)
			}
		})
	}
}
