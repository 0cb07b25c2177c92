package chain

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"byway/contracts/devchain"
)

// patience is for a machine with better things to do.
const patience = 90 * time.Second

func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// watch runs the sender's Watch until the test ends.
func watch(t testing.TB, s *Sender) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Watch(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// minedTimes counts the transactions in the canonical chain that pay the target, by the send that they belong to.
func minedTimes(t testing.TB, s *Sender) map[string]int {
	t.Helper()
	head, err := s.client.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sends, err := s.sends.query(t.Context(), "1 = 1")
	if err != nil {
		t.Fatal(err)
	}
	times := map[string]int{}
	for n := uint64(1); n <= head.Number; n++ {
		block, err := s.client.BlockByNumber(t.Context(), new(big.Int).SetUint64(n))
		if err != nil {
			t.Fatal(err)
		}
		for _, tx := range block.Transactions() {
			for _, sn := range sends {
				for _, attempt := range sn.attempts {
					if attempt.Hash() == tx.Hash() {
						times[sn.ID]++
					}
				}
			}
		}
	}
	return times
}

// settledAs reports whether the journal says of a send what the chain says.
func settledAs(t testing.TB, s *Sender, id string) bool {
	t.Helper()
	sn, err := s.sends.find(t.Context(), id)
	if err != nil || sn == nil {
		t.Fatalf("%s: %v", id, err)
	}
	if sn.state != succeeded {
		return false
	}
	r, err := s.client.TransactionReceipt(t.Context(), sn.mined)
	return err == nil && r.Status == 1 && r.BlockNumber.Uint64() == sn.block
}

func TestDroppedTransactionsComeBackExactlyOnce(t *testing.T) {
	t.Parallel()
	for _, watched := range []bool{true, false} {
		for depth := 1; depth <= 12; depth++ {
			if !watched && depth > 2 && depth < 12 {
				continue // without the watch nothing differs between these
			}
			who := "by a later send"
			if watched {
				who = "by itself"
			}
			t.Run(fmt.Sprintf("%d blocks deep, noticed %s", depth, who), func(t *testing.T) {
				t.Parallel()
				node := startChain(t, devchain.Config{})
				c := dial(t, node.URL())
				s := sender(t, SenderConfig{Client: c, StuckAfter: 400 * time.Millisecond})
				if watched {
					watch(t, s)
				}
				if err := node.Mine(2); err != nil {
					t.Fatal(err)
				}
				// Two are dropped, so that the second one's nonce has a gap below it.
				for _, id := range []string{"first", "second"} {
					if _, err := s.Send(t.Context(), payment(id)); err != nil {
						t.Fatal(err)
					}
				}
				if err := node.SetAutomine(false); err != nil {
					t.Fatal(err)
				}
				deep := max(depth, 2) // so far back that both are gone
				head, err := c.Head(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				sn, err := s.sends.find(t.Context(), "first")
				if err != nil {
					t.Fatal(err)
				}
				if have := int(head.Number-sn.block) + 1; deep > have {
					if err := node.Mine(deep - have); err != nil {
						t.Fatal(err)
					}
				}
				if depth == 1 {
					deep = 1 // only the second
				}
				if err := node.Reorg(deep, true); err != nil {
					t.Fatal(err)
				}
				if n := nonceOf(t, c, s.Address()); n != uint64(min(1, max(0, 2-depth))) {
					t.Fatalf("the reorganisation left nonce %d", n)
				}
				if err := node.SetAutomine(true); err != nil {
					t.Fatal(err)
				}
				if watched {
					looks := 0
					eventually(t, "what was dropped is mined again", func() bool {
						if looks++; looks%50 == 0 { // a chain goes on, with or without transactions
							if err := node.Mine(1); err != nil {
								t.Error(err)
							}
						}
						return balance(t, c, target).Cmp(big.NewInt(2)) == 0
					})
				}
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				if _, err := s.Send(ctx, payment("third")); err != nil {
					t.Fatal(err)
				}
				if watched {
					for _, id := range []string{"first", "second", "third"} {
						eventually(t, "the journal says what the chain says of "+id, func() bool { return settledAs(t, s, id) })
					}
				}
				if b := balance(t, c, target); b.Cmp(big.NewInt(3)) != 0 {
					t.Errorf("the target got %s", b)
				}
				times := minedTimes(t, s)
				if len(times) != 3 || times["first"] != 1 || times["second"] != 1 || times["third"] != 1 {
					t.Errorf("mined: %v", times)
				}
			})
		}
	}
}

func TestDroppedTransactionIsRepricedWhereItBecameTooCheap(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	c := dial(t, node.URL())
	s := sender(t, SenderConfig{Client: c, StuckAfter: 300 * time.Millisecond})
	if _, err := s.Send(t.Context(), payment("one")); err != nil {
		t.Fatal(err)
	}
	if err := node.SetAutomine(false); err != nil {
		t.Fatal(err)
	}
	if err := node.Reorg(1, true); err != nil {
		t.Fatal(err)
	}
	// Nothing is mined for now: what was dropped waits in the pool and gets too old for its price.
	watch(t, s)
	eventually(t, "it is replaced by a dearer one", func() bool {
		sn, err := s.sends.find(t.Context(), "one")
		return err == nil && len(sn.attempts) >= 2
	})
	if err := node.SetAutomine(true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is mined again", func() bool { return settledAs(t, s, "one") })
	if times := minedTimes(t, s); times["one"] != 1 {
		t.Errorf("mined: %v", times)
	}
}

func TestTransactionThatMovedToAnotherBlockIsFollowedThere(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	c := dial(t, node.URL())
	s := sender(t, SenderConfig{Client: c, Finality: 8})
	watch(t, s)
	if _, err := s.Send(t.Context(), payment("one")); err != nil {
		t.Fatal(err)
	}
	for depth := 1; depth <= 6; depth++ {
		if err := node.Mine(1); err != nil {
			t.Fatal(err)
		}
		if err := node.Reorg(depth+1, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := node.Mine(8); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nothing is open once it is final", func() bool {
		open, err := s.sends.unsettled(t.Context())
		return err == nil && !open
	})
	if !settledAs(t, s, "one") || minedTimes(t, s)["one"] != 1 {
		t.Errorf("mined: %v", minedTimes(t, s))
	}
}

func TestResumeSendsAgainWhatWasDroppedMeanwhile(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	c := dial(t, node.URL())
	j := journal(t, "")
	s := sender(t, SenderConfig{Client: c, Journal: j})
	if _, err := s.Send(t.Context(), payment("one")); err != nil {
		t.Fatal(err)
	}
	if err := node.Reorg(1, true); err != nil {
		t.Fatal(err)
	}
	s = sender(t, SenderConfig{Client: c, Journal: j})
	if err := s.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b := balance(t, c, target); b.Cmp(big.NewInt(1)) != 0 || !settledAs(t, s, "one") {
		t.Errorf("the target got %s", b)
	}
}

func TestWatchTakesUpWhatItsCallerGaveUp(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	c := dial(t, node.URL())
	s := sender(t, SenderConfig{Client: c})
	var given atomic.Bool
	s.hook = func(step string) error {
		if step == "broadcast" && given.CompareAndSwap(false, true) {
			return errCrash
		}
		return nil
	}
	watch(t, s)
	if _, err := s.Send(t.Context(), payment("one")); !errors.Is(err, errCrash) {
		t.Fatal(err)
	}
	eventually(t, "it is settled", func() bool { return settledAs(t, s, "one") })
}

func TestChainThatWasStartedAnewIsRecognised(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal.db")
	first := startChain(t, devchain.Config{})
	j := journal(t, path)
	s := sender(t, SenderConfig{Client: dial(t, first.URL()), Journal: j})
	if _, err := s.Send(t.Context(), payment("one")); err != nil {
		t.Fatal(err)
	}
	second := startChain(t, devchain.Config{})
	s = sender(t, SenderConfig{Client: dial(t, second.URL()), Journal: j})
	for what, err := range map[string]error{
		"resume": s.Resume(t.Context()),
		"send":   func() error { _, err := s.Send(t.Context(), payment("two")); return err }(),
		"watch":  s.Watch(t.Context()),
	} {
		if !errors.Is(err, ErrChainReset) {
			t.Errorf("%s: %v", what, err)
		}
	}
	err := s.Resume(t.Context())
	if want := fmt.Sprintf("mv %[1]s %[1]s.old", path); !containsText(err, want) {
		t.Errorf("the error does not tell what to do: %v", err)
	}
	if n := nonceOf(t, dial(t, second.URL()), s.Address()); n != 0 {
		t.Errorf("%d transactions were sent to the new chain", n)
	}
	// The first chain is the journal's still.
	s = sender(t, SenderConfig{Client: dial(t, first.URL()), Journal: j})
	if err := s.Resume(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestChainThatLostAFinalTransactionIsRecognised(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{})
	c := dial(t, node.URL())
	j := journal(t, "")
	s := sender(t, SenderConfig{Client: c, Journal: j, Finality: 4})
	if _, err := s.Send(t.Context(), payment("one")); err != nil {
		t.Fatal(err)
	}
	if err := node.Mine(6); err != nil {
		t.Fatal(err)
	}
	if err := s.Resume(t.Context()); err != nil { // which finds it final
		t.Fatal(err)
	}
	if err := node.Reorg(8-1, true); err != nil {
		t.Fatal(err)
	}
	s = sender(t, SenderConfig{Client: c, Journal: j, Finality: 4})
	if err := s.Resume(t.Context()); !errors.Is(err, ErrChainReset) {
		t.Errorf("resume: %v", err)
	}
}

func containsText(err error, s string) bool { return err != nil && strings.Contains(err.Error(), s) }
