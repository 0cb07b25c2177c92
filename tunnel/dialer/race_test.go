package dialer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

// world is a DNS and an internet that a race sees. Times are those of a bubble.
type world struct {
	names *names
	paths paths

	mu    sync.Mutex
	a     said
	aaaa  said
	hosts map[string]fate
	tries []string // address@milliseconds
	asked int
	live  int // connections that nobody has closed
	most  int // attempts at once
	now   int
	began time.Time
}

// said is the DNS's answer for a family.
type said struct {
	after time.Duration // never: forever
	addrs []string
	err   error
	keep  time.Duration
}

// fate decides an attempt's end.
type fate struct {
	after time.Duration
	err   error
}

const never = time.Duration(-1)

func newWorld(a, aaaa said, hosts map[string]fate) *world {
	w := &world{a: a, aaaa: aaaa, hosts: hosts}
	w.names = newNames(func(ctx context.Context, q question) ([]netip.Addr, time.Duration, error) {
		w.mu.Lock()
		w.asked++
		s := w.a
		if q.qtype == dns.TypeAAAA {
			s = w.aaaa
		}
		w.mu.Unlock()
		if err := sleep(ctx, s.after); err != nil {
			return nil, 0, err
		}
		var addrs []netip.Addr
		for _, text := range s.addrs {
			addrs = append(addrs, netip.MustParseAddr(text))
		}
		return addrs, s.keep, s.err
	})
	return w
}

// sleep waits; a resolver that never answers is given up after as long as our own questions are asked.
func sleep(ctx context.Context, d time.Duration) error {
	if d == never {
		d = 0
		for _, wait := range resolveWaits {
			d += wait
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(d):
			return &net.DNSError{Err: "no answer", IsTimeout: true}
		}
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

type tracked struct {
	net.Conn
	w    *world
	once sync.Once
}

func (c *tracked) Close() error {
	c.once.Do(func() { c.w.mu.Lock(); c.w.live--; c.w.mu.Unlock() })
	return c.Conn.Close()
}

func (w *world) dial(ctx context.Context, dst netip.AddrPort) (net.Conn, error) {
	w.mu.Lock()
	w.tries = append(w.tries, fmt.Sprintf("%s@%d", dst.Addr(), time.Since(w.began).Milliseconds()))
	w.now++
	w.most = max(w.most, w.now)
	f, ok := w.hosts[dst.Addr().String()]
	w.mu.Unlock()
	defer func() { w.mu.Lock(); w.now--; w.mu.Unlock() }()
	if !ok {
		f = fate{after: never}
	}
	if f.after == never {
		f = fate{63 * time.Second, syscall.ETIMEDOUT} // as the stack gives up
	}
	if err := sleep(ctx, f.after); err != nil {
		return nil, err
	}
	if f.err != nil {
		return nil, f.err
	}
	near, far := net.Pipe()
	far.Close()
	w.mu.Lock()
	w.live++
	w.mu.Unlock()
	return &tracked{Conn: near, w: w}, nil
}

// connect runs one race as DialContext does, and returns what was tried and how long it took.
func (w *world) connect(ctx context.Context) (tries string, took time.Duration, err error) {
	w.mu.Lock()
	w.tries, w.began = nil, time.Now()
	w.mu.Unlock()
	c := &Dialer{names: w.names, dns: netip.MustParseAddr("10.0.0.1")}
	ctx, cancel := context.WithCancel(ctx)
	answers, err := c.ask(ctx, "host.test", 0)
	if err != nil {
		cancel()
		return "", 0, err
	}
	r := race{names: w.names, paths: &w.paths, host: "host.test", port: 80, dial: w.dial,
		usable: func(netip.Addr) bool { return true }}
	conn, err := r.run(ctx, answers)
	took = time.Since(w.began)
	cancel()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if conn != nil && w.live != 1 || conn == nil && w.live != 0 || w.now != 0 {
		err = errors.Join(err, fmt.Errorf("%d connections and %d attempts are left behind", w.live, w.now))
	}
	if conn != nil {
		w.mu.Unlock()
		conn.Close()
		w.mu.Lock()
	}
	return strings.Join(w.tries, " "), took, err
}

// step is one connection in a world, and what comes of it.
type step struct {
	tries string
	took  time.Duration
	err   error         // nil: connected
	pause time.Duration // before it
}

func TestConnectionsByNameTryAddressesInTurnsAndRemember(t *testing.T) {
	const ms = time.Millisecond
	ok := fate{after: 10 * ms}
	refused := fate{10 * ms, syscall.ECONNREFUSED}
	servfail := &net.DNSError{Err: "answer SERVFAIL", IsTemporary: true}
	for name, c := range map[string]struct {
		a, aaaa said
		hosts   map[string]fate
		steps   []step
	}{
		"both at once: IPv6 first": {
			said{addrs: []string{"1.0.0.1"}}, said{addrs: []string{"2::1"}}, map[string]fate{"1.0.0.1": ok, "2::1": ok},
			[]step{{tries: "2::1@0", took: 10 * ms}},
		},
		"IPv4 answered first: IPv6 is waited for": {
			said{after: 5 * ms, addrs: []string{"1.0.0.1"}}, said{after: 40 * ms, addrs: []string{"2::1"}},
			map[string]fate{"1.0.0.1": ok, "2::1": ok},
			[]step{{tries: "2::1@40", took: 50 * ms}},
		},
		"AAAA is never answered": {
			said{after: 5 * ms, addrs: []string{"1.0.0.1"}, keep: time.Hour}, said{after: never}, map[string]fate{"1.0.0.1": ok},
			[]step{{tries: "1.0.0.1@55", took: 65 * ms}, {tries: "1.0.0.1@0", took: 10 * ms}},
		},
		"A is never answered": {
			said{after: never}, said{after: 5 * ms, addrs: []string{"2::1"}}, map[string]fate{"2::1": ok},
			[]step{{tries: "2::1@5", took: 15 * ms}},
		},
		"AAAA fails": {
			said{after: 5 * ms, addrs: []string{"1.0.0.1"}}, said{err: servfail}, map[string]fate{"1.0.0.1": ok},
			[]step{{tries: "1.0.0.1@5", took: 15 * ms}},
		},
		"A fails": {
			said{err: servfail}, said{after: 5 * ms, addrs: []string{"2::1"}}, map[string]fate{"2::1": ok},
			[]step{{tries: "2::1@5", took: 15 * ms}},
		},
		"both fail":                     {said{err: servfail}, said{err: servfail}, nil, []step{{err: servfail}}},
		"one fails, the other has none": {said{}, said{err: servfail}, nil, []step{{err: servfail}}},
		"no address":                    {said{}, said{}, nil, []step{{err: &net.DNSError{}}}},
		"dead, dead, good; then good at once, and the dead ones are tried again later": {
			said{addrs: []string{"1.0.0.1", "1.0.0.2", "1.0.0.3"}}, said{}, map[string]fate{"1.0.0.3": ok},
			[]step{
				{tries: "1.0.0.1@0 1.0.0.2@250 1.0.0.3@500", took: 510 * ms},
				{tries: "1.0.0.3@0", took: 10 * ms},
				{tries: "1.0.0.1@0 1.0.0.2@250 1.0.0.3@500", took: 510 * ms, pause: failedFor},
			},
		},
		"refused, then the next at once": {
			said{addrs: []string{"1.0.0.1", "1.0.0.2"}}, said{}, map[string]fate{"1.0.0.1": refused, "1.0.0.2": ok},
			[]step{{tries: "1.0.0.1@0 1.0.0.2@10", took: 20 * ms}, {tries: "1.0.0.2@0", took: 10 * ms}},
		},
		"all refused": {
			said{addrs: []string{"1.0.0.1", "1.0.0.2"}}, said{}, map[string]fate{"1.0.0.1": refused, "1.0.0.2": refused},
			[]step{{tries: "1.0.0.1@0 1.0.0.2@10", took: 20 * ms, err: syscall.ECONNREFUSED}},
		},
		"refused, and AAAA is never answered": {
			said{addrs: []string{"1.0.0.1"}}, said{after: never}, map[string]fate{"1.0.0.1": refused},
			[]step{{tries: "1.0.0.1@50", took: 60*ms + lastAnswer, err: syscall.ECONNREFUSED}},
		},
		"families take turns": {
			said{addrs: []string{"1.0.0.1", "1.0.0.2", "1.0.0.3"}}, said{addrs: []string{"2::1", "2::2"}},
			map[string]fate{"1.0.0.3": ok},
			[]step{{tries: "2::1@0 1.0.0.1@250 2::2@500 1.0.0.2@750 1.0.0.3@1000", took: 1010 * ms}},
		},
		"IPv6 leads nowhere: IPv4 is first for some minutes, and does not wait for AAAA": {
			said{addrs: []string{"1.0.0.1"}}, said{after: 20 * ms, addrs: []string{"2::1"}}, map[string]fate{"1.0.0.1": ok},
			[]step{
				{tries: "2::1@20 1.0.0.1@270", took: 280 * ms},
				{tries: "1.0.0.1@0", took: 10 * ms},
				{tries: "1.0.0.1@0", took: 10 * ms, pause: failedFor - 10*time.Second},
				{tries: "2::1@20 1.0.0.1@270", took: 280 * ms, pause: 11 * time.Second},
			},
		},
		"the exit has no IPv6": {
			said{addrs: []string{"1.0.0.1"}}, said{addrs: []string{"2::1"}},
			map[string]fate{"1.0.0.1": ok, "2::1": {5 * ms, syscall.ENETUNREACH}},
			[]step{{tries: "2::1@0 1.0.0.1@5", took: 15 * ms}, {tries: "1.0.0.1@0", took: 10 * ms}},
		},
		"a late AAAA is still taken": {
			said{addrs: []string{"1.0.0.1"}}, said{after: 400 * ms, addrs: []string{"2::1"}}, map[string]fate{"2::1": ok},
			[]step{{tries: "1.0.0.1@50 2::1@400", took: 410 * ms}},
		},
		"a late A is still taken": {
			said{after: 400 * ms, addrs: []string{"1.0.0.1"}}, said{addrs: []string{"2::1"}}, map[string]fate{"1.0.0.1": ok},
			[]step{{tries: "2::1@0 1.0.0.1@400", took: 410 * ms}},
		},
		"a slow first one may still win": {
			said{addrs: []string{"1.0.0.1", "1.0.0.2"}}, said{}, map[string]fate{"1.0.0.1": {after: 300 * ms}},
			[]step{{tries: "1.0.0.1@0 1.0.0.2@250", took: 300 * ms}},
		},
		"denied says more than unreachable": {
			said{addrs: []string{"10.0.0.1"}}, said{addrs: []string{"2::1"}},
			map[string]fate{"10.0.0.1": {1 * ms, ErrDenied}, "2::1": {5 * ms, syscall.ENETUNREACH}},
			[]step{{tries: "2::1@0 10.0.0.1@5", took: 6 * ms, err: ErrDenied}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(c.a, c.aaaa, c.hosts)
				for i, s := range c.steps {
					time.Sleep(s.pause)
					tries, took, err := w.connect(t.Context())
					var de *net.DNSError
					if right := err == nil && s.err == nil || s.err != nil && (errors.Is(err, s.err) || errors.As(s.err, &de) && errors.As(err, &de)); !right {
						t.Errorf("connection %d: %v, want %v", i, err, s.err)
					}
					if tries != s.tries || took != s.took {
						t.Errorf("connection %d: %q in %v, want %q in %v", i, tries, took, s.tries, s.took)
					}
				}
			})
		})
	}
}

func TestAdversaryANameWithManyDeadAddressesIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a, aaaa said
		for i := range resolveMost {
			a.addrs = append(a.addrs, fmt.Sprintf("1.0.%d.1", i))
			aaaa.addrs = append(aaaa.addrs, fmt.Sprintf("2::%x", i+1))
		}
		w := newWorld(a, aaaa, nil)
		_, took, err := w.connect(t.Context())
		if !errors.Is(err, syscall.ETIMEDOUT) && !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		if len(w.tries) > mostAttempts || w.most > mostAtOnce+1 {
			t.Errorf("%d attempts, %d at once", len(w.tries), w.most)
		}
		t.Logf("adversary: %s | bound: %s | seen: %d attempts, %d at once, over in %v", "a name with 512 dead addresses",
			fmt.Sprintf("%d attempts, %d at once", mostAttempts, mostAtOnce+1), len(w.tries), w.most, took)
		// A caller that gives up leaves nothing behind, either.
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, took, err := w.connect(ctx); !errors.Is(err, context.DeadlineExceeded) || took != 3*time.Second {
			t.Errorf("given up: %v after %v", err, took)
		}
	})
}

func TestNamesAreKeptForTheirTimeAndAskedOnceByMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked, given atomic.Int64
		keep := 10 * time.Second
		n := newNames(func(ctx context.Context, q question) ([]netip.Addr, time.Duration, error) {
			asked.Add(1)
			if err := sleep(ctx, time.Second); err != nil {
				given.Add(1)
				return nil, 0, err
			}
			return []netip.Addr{netip.MustParseAddr("1.0.0.1")}, keep, nil
		})
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if got, err := n.ask(t.Context(), newQuestion("A.test", dns.TypeA)); err != nil || len(got) != 1 {
					t.Errorf("%v, %v", got, err)
				}
			})
		}
		wg.Wait()
		if asked.Load() != 1 {
			t.Errorf("asked %d times", asked.Load())
		}
		time.Sleep(keep - time.Nanosecond)
		if _, ok := n.known(newQuestion("a.TEST.", dns.TypeA)); !ok {
			t.Error("forgotten before its time")
		}
		if _, ok := n.known(newQuestion("a.test", dns.TypeAAAA)); ok {
			t.Error("known of the other family")
		}
		time.Sleep(time.Nanosecond)
		if _, ok := n.known(newQuestion("a.test", dns.TypeA)); ok {
			t.Error("kept beyond its time")
		}
		// One of two callers goes: the question goes on. Both go: it is given up, and asked anew.
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() { n.ask(ctx, newQuestion("b.test", dns.TypeA)) })
		wg.Go(func() {
			if _, err := n.ask(t.Context(), newQuestion("b.test", dns.TypeA)); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		cancel()
		wg.Wait()
		ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := n.ask(ctx, newQuestion("c.test", dns.TypeA)); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		synctest.Wait()
		if given.Load() != 1 || asked.Load() != 3 || len(n.asking) != 0 {
			t.Errorf("asked %d, given up %d, %d on their way", asked.Load(), given.Load(), len(n.asking))
		}
		keep = time.Hour
		for i := range 5 * mostNames {
			n.mu.Lock()
			n.keepLocked(newQuestion(fmt.Sprint(i), dns.TypeA), nil, keep)
			n.mu.Unlock()
		}
		if len(n.list)+len(n.old) > 2*mostNames {
			t.Errorf("%d names kept", len(n.list)+len(n.old))
		}
		n.close()
		if _, err := n.ask(t.Context(), newQuestion("d.test", dns.TypeA)); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
}

func TestAnswersAreKeptAsTheirZoneSaysWithinBounds(t *testing.T) {
	rrs := func(texts ...string) (out []dns.RR) {
		for _, text := range texts {
			rr, err := dns.NewRR(text)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, rr)
		}
		return out
	}
	soa := "test. 300 IN SOA ns.test. admin.test. 1 2 3 4 30"
	for _, c := range []struct {
		answer, ns []dns.RR
		positive   bool
		want       time.Duration
	}{
		{rrs("a.test. 60 IN A 1.0.0.1", "a.test. 20 IN A 1.0.0.2"), nil, true, 20 * time.Second},
		{rrs("a.test. 7 IN CNAME b.test.", "b.test. 60 IN A 1.0.0.1"), nil, true, 7 * time.Second},
		{rrs("a.test. 0 IN A 1.0.0.1"), nil, true, 0},
		{rrs("a.test. 999999 IN A 1.0.0.1"), nil, true, mostPositive},
		{nil, nil, false, 0},
		{nil, rrs(soa), false, 30 * time.Second},
		{rrs("a.test. 9 IN CNAME b.test."), rrs(soa), false, 9 * time.Second},
		{nil, rrs("test. 9999 IN SOA ns.test. admin.test. 1 2 3 4 9999"), false, mostNegative},
		{rrs("a.test. 9 IN CNAME b.test."), nil, false, 0},
	} {
		if got := keepFor(&dns.Msg{Answer: c.answer, Ns: c.ns}, c.positive); got != c.want {
			t.Errorf("%v %v: %v, want %v", c.answer, c.ns, got, c.want)
		}
	}
}
