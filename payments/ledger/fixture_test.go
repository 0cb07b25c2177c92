package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"math/big"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/payments"
)

var (
	testDomain   = payments.Domain{ChainID: 31337, Contract: common.Address{0xc4, 0xa1}}
	testClaimant = Claimant{testDomain, common.Address{0x70, 0x42}, common.Address{0xba, 0x9e}}
)

func testChannel(n int64) contracts.Channel {
	return contracts.Channel{
		Vault: contracts.Vault{
			Token: testClaimant.Token, Payer: common.BigToAddress(big.NewInt(0x9a7e5<<20 + n)),
			Signer: common.BigToAddress(big.NewInt(0x519e5<<20 + n)),
		},
		Payee: testClaimant.Payee,
	}
}

func testTerms(c contracts.Channel) payments.Terms {
	t := payments.Terms{Channel: c, PricePerGiB: tokens(7), Tick: 1 << 20, Window: 4 << 20, Offer: "offer"}
	rand.Read(t.Session[:])
	return t
}

func tokens(n int64) contracts.Amount { return contracts.NewAmount(uint64(n)) }

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// opened is the ledger in that file, through the SQLite VFS of that name, until the test ends.
func opened(t testing.TB, path, vfs string) *Ledger {
	t.Helper()
	l := must(Open(path, vfs))(t)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// opensSession opens a session on an account, in a commit of its own.
func opensSession(ctx context.Context, l *Ledger, a Account, terms payments.Terms) (row int64, err error) {
	err = l.Do(ctx, func(tx *Tx) (err error) {
		row, err = tx.OpenSession(a, terms)
		return err
	})
	return row, err
}

// merges merges what has ended by then, as [Ledger.Forget] does.
func merges(t testing.TB, l *Ledger, then time.Time, keep time.Duration) int {
	t.Helper()
	l.SetClock(func() (time.Time, time.Time) { return then, time.Time{} })
	return must(l.Forget(t.Context(), keep))(t)
}

// filled is a ledger with a row in every table: two channels on each side that have promised 50, 30 on a session that
// has ended and 20 on one that has not, and the payee's are served up to 60; a claim of the payee's that was settled in
// block 7, and one that failed; and a loss. What had ended before is merged: one session of the payer's first channel, of 7.
func filled(t *testing.T) *Ledger {
	t.Helper()
	l := opened(t, filepath.Join(t.TempDir(), "ledger.db"), "")
	long := time.Now().Add(-3 * DefaultKeep)
	l.SetClock(func() (time.Time, time.Time) { return long, time.Time{} })
	a := must(l.OpenAccount(t.Context(), Payer, testDomain, testChannel(0)))(t)
	row := must(opensSession(t.Context(), l, a, testTerms(a.Channel)))(t)
	a.Total, a.Sig = tokens(7), [64]byte{7}
	if err := l.Do(t.Context(), func(tx *Tx) error {
		return errors.Join(tx.StorePromise(a, Share{Session: row, Amount: tokens(7)}), tx.EndSession(row, payments.Usage{Rx: 9},
			EndDone))
	}); err != nil {
		t.Fatal(err)
	}
	if n := merges(t, l, time.Now().Add(2*DefaultKeep), DefaultKeep); n != 1 {
		t.Fatalf("%d sessions were merged", n)
	}
	l.SetClock(func() (time.Time, time.Time) { return time.Now(), time.Now() })
	var payee []Account
	for _, side := range []Side{Payer, Payee} {
		for n := range int64(2) {
			a := must(l.OpenAccount(t.Context(), side, testDomain, testChannel(n)))(t)
			ended := must(opensSession(t.Context(), l, a, testTerms(a.Channel)))(t)
			open := must(opensSession(t.Context(), l, a, testTerms(a.Channel)))(t)
			before := a.Total
			a.Total, a.Sig = tokens(50).AddCap(before), [64]byte{50, byte(n)}
			if side == Payee {
				a.Counted, a.Granted, a.Window = tokens(48), tokens(60), 1<<20
			}
			if err := l.Do(t.Context(), func(tx *Tx) error {
				return errors.Join(
					tx.StorePromise(a, Share{Session: ended, Amount: tokens(30)}),
					tx.EndSession(ended, payments.Usage{Rx: 4, Tx: 50, PeerRx: 40}, EndDone),
					tx.StorePromise(a, Share{Session: open, Amount: tokens(20), Usage: payments.Usage{Rx: 3}}),
				)
			}); err != nil {
				t.Fatal(err)
			}
			if side == Payee {
				payee = append(payee, a)
			}
		}
	}
	now, first := time.Now(), payee[0].ID
	rows := []ClaimRow{{Account: first, Cumulative: tokens(50)}, {Account: payee[1].ID, Cumulative: tokens(40)}}
	if err := l.Do(t.Context(), func(tx *Tx) error {
		settled, err := tx.StoreClaim(testClaimant, Claim{Intent: "claim/1", Rows: rows})
		if err != nil {
			return err
		}
		failed, err := tx.StoreClaim(testClaimant, Claim{Intent: "claim/2", Rows: rows[:1]})
		return errors.Join(
			err,
			tx.SettleClaim(settled, Settlement{
				Tx: common.Hash{1}, Block: 7, Gas: 90_000, Fee: big.NewInt(12345), Paid: tokens(30),
				Settled: map[int64]contracts.Amount{first: tokens(30)},
			}),
			tx.FailClaim(failed, common.Hash{2}, "reverted"),
			tx.KeepReserve(first, Reserve{Ceiling: tokens(60), ValidUntil: uint64(now.Unix()), Sig: [64]byte{60}}, now),
			tx.StoreRelease(first, Release{Ceiling: tokens(50), ValidUntil: uint64(now.Unix())}),
			tx.StoreReading(first, Reading{
				Settled: tokens(30), Ceiling: tokens(60), Block: 7, Time: now, Since: now, ReadAt: now,
			}),
			tx.Lose(first, now, tokens(2)),
		)
	}); err != nil {
		t.Fatal(err)
	}
	return l
}
