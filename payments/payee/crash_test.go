package payee

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"byway/contracts"
	"byway/contracts/disk/faultdisk"
	"byway/payments"
	"byway/payments/chainview"
	"byway/payments/ledger"
	"byway/payments/pace"
	"byway/payments/payer"
)

var (
	kills = flag.Int("kills", 6, "how often TestKillLosesNoAcknowledgedPromise kills")
	cuts  = flag.Int("cuts", 15, "how often TestPowerCutLosesNoAcknowledgedPromise cuts the power")
)

// crashChild, set in the environment, makes the test binary a process that accepts and gives promises until it is
// killed, and tells every promise that it has acknowledged.
const crashChild = "BYWAY_TEST_LEDGER"

const crashSessions = 8

func TestMain(m *testing.M) {
	if path := os.Getenv(crashChild); path != "" {
		l, err := ledger.Open(path, "")
		if err == nil {
			err = promiseForEver(l, func(s string) { os.Stdout.WriteString(s) })
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// promiseForEver runs sessions of both sides on one ledger until it fails. A line "given|taken session total" follows
// each promise that was stored, and nothing else depends on it being read.
func promiseForEver(l *ledger.Ledger, tell func(string)) error {
	payee, err := New(Config{
		Domain: testDomain, Ledger: l, Chain: &fakeChain{any: &chainview.State{Ceiling: contracts.MaxAmount()}},
		Payee: testPayee, Token: testToken,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	var wg sync.WaitGroup
	for i := range int64(crashSessions) {
		wg.Go(func() { cancel(promiseOn(ctx, l, payee, i, tell)) })
	}
	wg.Wait()
	return context.Cause(ctx)
}

func promiseOn(ctx context.Context, l *ledger.Ledger, payee *Payee, i int64, tell func(string)) error {
	c, key := testChannel(i)
	terms := testTerms(c)
	payer, err := payer.New(ctx, payer.Config{
		Domain: testDomain, Ledger: l, Signer: key, Terms: terms, SpendCap: contracts.MaxAmount(),
	})
	if err != nil {
		return err
	}
	p, err := payer.First(ctx)
	if err != nil {
		return err
	}
	tell(fmt.Sprintf("given %d %s\n", i, p.Cumulative))
	if _, err := payee.Open(ctx, terms, p, nil); err != nil {
		return err
	}
	tell(fmt.Sprintf("taken %d %s\n", i, p.Cumulative))
	for rx := uint64(pace.MinTick); ; rx += pace.MinTick { // short of credit: each tick is promised at once
		p, _, err := payer.Due(ctx, payments.Usage{Rx: rx}, true)
		if err != nil {
			return err
		}
		tell(fmt.Sprintf("given %d %s\n", i, p.Cumulative))
		if _, err := payee.Accept(ctx, terms.Session, p, false); err != nil {
			return err
		}
		tell(fmt.Sprintf("taken %d %s\n", i, p.Cumulative))
	}
}

// acknowledged keeps the highest totals that were told.
type acknowledged struct {
	mu     sync.Mutex
	totals map[string]contracts.Amount
	count  int
}

func (a *acknowledged) tell(line string) {
	fields := strings.Fields(line)
	if len(fields) != 3 || !strings.HasSuffix(line, "\n") {
		return // cut off by the kill
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	key := fields[0] + fields[1]
	a.totals[key] = a.totals[key].Max(amount(fields[2]))
	a.count++
}

func (a *acknowledged) copy() *acknowledged {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := &acknowledged{totals: map[string]contracts.Amount{}, count: a.count}
	for k, v := range a.totals {
		c.totals[k] = v
	}
	return c
}

// check fails unless the ledger holds every promise that was acknowledged, with its signature.
func (a *acknowledged) check(t *testing.T, l *ledger.Ledger) {
	t.Helper()
	for i := range int64(crashSessions) {
		c, _ := testChannel(i)
		for side, word := range map[ledger.Side]string{ledger.Payer: "given", ledger.Payee: "taken"} {
			want := a.totals[fmt.Sprint(word, i)]
			account, err := l.OpenAccount(t.Context(), side, testDomain, c)
			if err != nil {
				t.Fatal(err)
			}
			if account.Total.Less(want) {
				t.Fatalf("lost: promise %s of %s was acknowledged, the ledger has %s", want, account.Channel, account.Total)
			}
			if p := account.Promise(); p != nil {
				if err := testDomain.Verify(*p); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	checkSums(t, l)
}

func TestKillLosesNoAcknowledgedPromise(t *testing.T) {
	t.Parallel()
	n := killLedger(t)
	t.Logf("%d kills, %d promises acknowledged, 0 lost", *kills, n)
}

// killLedger kills a process under load, again and again, and returns how many promises that had acknowledged.
func killLedger(t *testing.T) int {
	path := filepath.Join(t.TempDir(), "ledger.db")
	acks := &acknowledged{totals: map[string]contracts.Amount{}}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for range *kills {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), crashChild+"="+path)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		line, err := lines.ReadString('\n') // it has begun
		timer := time.AfterFunc(time.Duration(rand.Int64N(int64(150*time.Millisecond))), func() { cmd.Process.Kill() })
		for ; err == nil; line, err = lines.ReadString('\n') {
			acks.tell(line)
		}
		timer.Stop()
		cmd.Wait()
		if cmd.ProcessState.Exited() {
			t.Fatalf("the process ended by itself: %v", cmd.ProcessState)
		}
		l := opened(t, path, "")
		acks.check(t, l)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return acks.count
}

func TestPowerCutLosesNoAcknowledgedPromise(t *testing.T) {
	t.Parallel()
	n, syncs := cutPower(t)
	t.Logf("%d power cuts, %d promises acknowledged, %d syncs, 0 lost", *cuts, n, syncs)
}

// cutPower looks at what cuts of the power at random moments would leave of a busy ledger's disk, and returns how many
// promises were acknowledged and how often the disk was synced.
func cutPower(t *testing.T) (acknowledgedPromises, syncs int) {
	dir := t.TempDir()
	d := faultdisk.New(t, dir)
	l := opened(t, filepath.Join(dir, "ledger.db"), faultdisk.VFS)
	acks := &acknowledged{totals: map[string]contracts.Amount{}}
	done := make(chan error, 1)
	go func() { done <- promiseForEver(l, acks.tell) }()
	random := rand.New(rand.NewPCG(1, 2))
	for range *cuts {
		time.Sleep(time.Duration(random.Int64N(int64(30 * time.Millisecond))))
		// What was acknowledged by now must be on what the cut leaves.
		known := acks.copy()
		left := t.TempDir()
		d.Cut(t, left, random)
		after := opened(t, filepath.Join(left, "ledger.db"), "")
		known.check(t, after)
		if err := after.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, ledger.ErrStore) {
		t.Fatal(err)
	}
	return acks.count, d.Syncs()
}

func TestFailingDiskStopsServiceAndLosesNothing(t *testing.T) {
	t.Parallel()
	for name, order := range map[string]faultdisk.Fault{
		"full": faultdisk.FailFull, "read-only": faultdisk.FailReadOnly, "before": faultdisk.FailBefore,
		"after": faultdisk.FailAfter,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(3, uint64(order)))
			for at := 1; at < 40; at += 12 {
				dir := t.TempDir()
				d := faultdisk.New(t, dir)
				path := filepath.Join(dir, "ledger.db")
				l := opened(t, path, faultdisk.VFS)
				acks := &acknowledged{totals: map[string]contracts.Amount{}}
				from := d.Calls() + at
				d.SetFail(func(call int) faultdisk.Fault {
					if call >= from {
						return order
					}
					return faultdisk.Healthy
				})
				if err := promiseForEver(l, acks.tell); !errors.Is(err, ledger.ErrStore) || !strings.Contains(err.Error(), path) {
					t.Fatalf("the disk failed, the error is: %v", err)
				} else if !strings.Contains(err.Error(), "the disk") {
					t.Fatalf("the error does not say what to do: %v", err)
				} else if at == 1 {
					t.Log(err)
				}
				if err := l.Failure(t.Context()); !errors.Is(err, ledger.ErrStore) {
					t.Fatalf("service was not told to stop: %v", err)
				}
				left := t.TempDir()
				d.Cut(t, left, random)
				after := opened(t, filepath.Join(left, "ledger.db"), "")
				acks.check(t, after)
				if err := after.Close(); err != nil {
					t.Fatal(err)
				}
				// With room again the same process goes on.
				d.SetFail(nil)
				c, key := testChannel(100)
				if _, err := newPayer(t, l, key, testTerms(c), contracts.MaxAmount()).First(t.Context()); err != nil {
					t.Fatalf("after the fault: %v", err)
				}
				acks.check(t, l)
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// Sessions of new channels are opened in a commit that another write makes fail: it is tried again without that one,
// and each of them has a channel of its own then.
func TestOpeningSurvivesAFailureOfItsCommit(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	chain := &fakeChain{any: &chainview.State{Ceiling: testPrice, Block: 1}}
	p := newPayee(t, l, chain)
	refused := errors.New("refused")
	begun, goOn := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // the others queue up behind it, and share a commit
		if err := l.Do(t.Context(), func(*ledger.Tx) error { close(begun); <-goOn; return nil }); err != nil {
			t.Error(err)
		}
	})
	<-begun
	const many = 16
	for i := range int64(many) {
		c, key := testChannel(i)
		first := signed(t, c, key, cost(testPrice, uint64(i+1)*mib))
		wg.Go(func() {
			if _, err := p.Open(t.Context(), testTerms(c), first, nil); err != nil {
				t.Error(err)
			}
		})
	}
	for chain.asked() < many {
		time.Sleep(time.Millisecond)
	}
	wg.Go(func() {
		if err := l.Do(t.Context(), func(*ledger.Tx) error { return refused }); !errors.Is(err, refused) {
			t.Error(err)
		}
	})
	time.Sleep(10 * time.Millisecond) // whoever is late makes this test prove less
	close(goOn)
	wg.Wait()
	for i := range int64(many) {
		c, _ := testChannel(i)
		a, _, err := l.Account(t.Context(), ledger.Payee, testDomain, c)
		if err != nil {
			t.Fatal(err)
		}
		wantAmount(t, fmt.Sprintf("what channel %d was promised", i), a.Total, cost(testPrice, uint64(i+1)*mib))
	}
	checkSums(t, l)
}
