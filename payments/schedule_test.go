package payments

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"byway/contracts"
)

// bounds are the worst that random schedules have seen, for the table of TestChaos.
type bounds struct {
	schedules, crashes, cheats int
	// Unpaid is the most bytes that a provider had forwarded unpaid, and Window the window that it had granted then.
	unpaid, window uint64
	// Overpaid is the most bytes that a consumer had paid for and not moved. A tick is the bound.
	overpaid uint64
	// Share is the largest part of its window, in thousandths, that any schedule has used.
	share uint64
}

// schedule is one session under way between two ledgers.
type schedule struct {
	t             *testing.T
	r             *rapid.T
	b             *bounds
	mine, theirs  *Ledger
	payer         *Payer
	payee         *Payee
	terms         Terms
	signer        contracts.Key
	now           time.Time
	credit        Credit
	window        uint64 // the largest that was granted
	sent          uint64 // provider → consumer, at the gate
	received      uint64
	up, upArrived uint64 // consumer → provider
	overstate     uint64 // of what the provider reports, in percent
	understate    uint64 // of what the consumer says it received, in percent
}

func (s *schedule) clock() time.Time { return s.now }

func (s *schedule) openPayer() {
	s.payer = newPayer(s.t, s.mine, s.signer, s.terms, contracts.MaxAmount())
	s.payer.now = s.clock
}

func (s *schedule) openPayee() {
	s.payee = newPayee(s.t, s.theirs, &fakeChain{any: &ChannelState{Ceiling: contracts.MaxAmount()}})
	s.payee.now = s.clock
	must(s.payee.Open(s.t.Context(), s.terms))(s.t)
}

// crash ends one side without a word and starts it again from its disk.
func (s *schedule) crash(provider bool) {
	s.b.crashes++
	l := &s.mine
	if provider {
		l = &s.theirs
	}
	path := fileOf(*l)
	if err := (*l).Close(); err != nil {
		s.t.Fatal(err)
	}
	*l = opened(s.t, path, "")
	if provider {
		s.openPayee()
		s.credit = must(s.payee.Credit(s.t.Context(), s.terms.Session))(s.t)
	} else {
		s.openPayer()
	}
}

func (s *schedule) usage() Usage {
	return Usage{Rx: s.received * s.understate / 100, Tx: s.up, PeerRx: s.upArrived * s.overstate / 100}
}

func (s *schedule) accept(p Promise) {
	s.credit = must(s.payee.Accept(s.t.Context(), s.terms.Session, p))(s.t)
	s.window = max(s.window, s.credit.Window)
}

// move lets bytes through the gate, as far as it is open.
func (s *schedule) move(chunk uint64, down bool, arrived uint64) {
	room := s.credit.Limit - min(s.credit.Limit, s.sent+s.upArrived)
	if down {
		chunk = min(chunk, room)
		s.sent += chunk
		s.received += chunk * arrived / 100
		return
	}
	s.up += chunk
	s.upArrived += min(chunk*arrived/100, room)
}

func (s *schedule) check() {
	used := s.sent + s.upArrived
	if unpaid := used - min(used, s.credit.Bytes); unpaid > 0 {
		if unpaid > s.window {
			s.r.Fatalf("%d bytes are unpaid, the window is %d", unpaid, s.window)
		}
		if unpaid > s.b.unpaid {
			s.b.unpaid, s.b.window = unpaid, s.window
		}
		s.b.share = max(s.b.share, unpaid*1000/s.window)
	}
	spent := s.payer.Spent()
	if !s.terms.PricePerGiB.Less(contracts.NewAmount(GiB)) { // at lower prices one unit covers bytes at will
		covers := Bytes(s.terms.PricePerGiB, spent)
		s.b.overpaid = max(s.b.overpaid, covers-min(covers, s.received+s.up))
	}
	// Whatever the provider reports: at most a tick more than for what went through the consumer's own hands.
	if cost(s.terms.PricePerGiB, s.received+s.up+s.terms.Tick).Less(spent) {
		s.r.Fatalf("overpaid: %s for %d bytes", spent, s.received+s.up)
	}
}

// run is one schedule of traffic, loss, delay, crashes and cheating.
func (s *schedule) run() {
	r, ctx := s.r, s.t.Context()
	s.openPayer()
	s.openPayee()
	s.accept(must(s.payer.First(ctx))(s.t))
	s.overstate = rapid.SampledFrom([]uint64{100, 100, 150}).Draw(r, "provider's counters, percent")
	s.understate = rapid.SampledFrom([]uint64{100, 100, 67}).Draw(r, "consumer's counters, percent")
	fast := rapid.SampledFrom([]uint64{300_000, 3 * mib, 30 * mib}).Draw(r, "largest step, bytes")
	stopsPaying := rapid.IntRange(0, 100).Draw(r, "stops paying at step")
	if s.overstate != 100 || s.understate != 100 || stopsPaying < 40 {
		s.b.cheats++
	}
	var delayed *Promise // one promise may be under way while bytes move
	for step := range rapid.IntRange(1, 40).Draw(r, "steps") {
		s.now = s.now.Add(time.Duration(rapid.IntRange(0, 150).Draw(r, "ms")) * time.Millisecond)
		s.move(rapid.Uint64Range(0, fast).Draw(r, "bytes"), rapid.Bool().Draw(r, "down"),
			rapid.Uint64Range(97, 100).Draw(r, "arrived, percent"))
		if delayed != nil {
			s.accept(*delayed)
			delayed = nil
		}
		if step < stopsPaying {
			promise, due, err := s.payer.Due(ctx, s.usage())
			if err != nil {
				s.t.Fatal(err)
			}
			if due {
				switch rapid.IntRange(0, 9).Draw(r, "delivery") {
				case 0: // lost, with the stream that it was on
				case 1, 2, 3:
					delayed = &promise
				default:
					s.accept(promise)
				}
			}
		}
		s.check()
		if rapid.IntRange(0, 30).Draw(r, "crash") == 0 {
			s.crash(rapid.Bool().Draw(r, "of the provider"))
			delayed = nil
			s.check()
		}
	}
	if stopsPaying < 40 {
		return // such a consumer is gone
	}
	promise, due, err := s.payer.Final(ctx, s.usage())
	if err != nil {
		s.t.Fatal(err)
	}
	if due {
		s.accept(promise)
	}
	s.check()
	want := maxAmount(cost(s.terms.PricePerGiB, s.terms.Tick), cost(s.terms.PricePerGiB, s.usage().Billed()))
	wantAmount(s.t, "promised in the end", s.payer.Spent(), want)
	if err := s.payee.Close(ctx, s.terms.Session, Usage{Rx: s.upArrived, Tx: s.sent}); err != nil {
		s.t.Fatal(err)
	}
}

// memoryDir is a folder without a disk under it where there is one: thousands of schedules would only wait for it.
func memoryDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "byway-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// runSchedules runs as many as -rapid.checks says.
func runSchedules(t *testing.T) bounds {
	dir := memoryDir(t)
	b := bounds{}
	mine := opened(t, filepath.Join(dir, "mine.db"), "")
	theirs := opened(t, filepath.Join(dir, "theirs.db"), "")
	rapid.Check(t, func(r *rapid.T) {
		b.schedules++
		c, key := testChannel(1000 + int64(b.schedules))
		s := &schedule{
			t: t, r: r, b: &b, mine: mine, theirs: theirs, signer: key, terms: testTerms(c), now: time.Unix(1e9, 0),
		}
		s.terms.PricePerGiB = drawAmount(r, 80, "price")
		if s.terms.PricePerGiB.IsZero() {
			return
		}
		s.run()
		mine, theirs = s.mine, s.theirs // after a crash
	})
	checkSums(t, mine)
	checkSums(t, theirs)
	for _, l := range []*Ledger{mine, theirs} {
		v := must(VerifyLedger(t.Context(), fileOf(l), nil))(t)
		if len(v.Problems) > 0 {
			t.Errorf("%d problems, the first: %s", len(v.Problems), v.Problems[0])
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	return b
}

// Both sides run over random traffic, loss, delay, crashes and cheating; then the bounds must hold.
func TestBoundsHoldOverRandomSchedules(t *testing.T) {
	t.Parallel()
	b := runSchedules(t)
	t.Logf("%d schedules, %d crashes, %d with a cheat: at most %d bytes unpaid in a window of %d (%d ‰ of any window),"+
		" %d overpaid (a tick is %d)", b.schedules, b.crashes, b.cheats, b.unpaid, b.window, b.share, b.overpaid, MinTick)
}
