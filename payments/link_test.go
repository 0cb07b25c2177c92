package payments_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"byway/contracts"
	"byway/payments"
	"byway/payments/chainview"
	"byway/payments/ledger"
	"byway/payments/pace"
	"byway/payments/payee"
	"byway/payments/payer"
	"byway/tunnel"
	"byway/tunnel/meter"
	"byway/tunnel/policy"
	"byway/tunnel/wireguard"
)

// longTest, set in the environment, moves a whole GiB over each link.
const longTest = "BYWAY_LONG_TEST"

const mib = 1 << 20

// lineRate bounds the provider's line, 10 Gbit/s in bytes a second: no machine's loopback is faster through
// this tunnel.
const lineRate = 10e9 / 8

// wire is a UDP relay that holds every datagram for a while and loses some. It serves one client.
type wire struct {
	delay   time.Duration // each way
	loss    float64
	outside *net.UDPConn // faces the client
	inside  *net.UDPConn // faces the exit
	done    sync.WaitGroup
}

type datagram struct {
	due time.Time
	b   []byte
}

func newWire(t *testing.T, to netip.AddrPort, delay time.Duration, loss float64) *wire {
	t.Helper()
	w := &wire{delay: delay, loss: loss}
	for _, c := range []**net.UDPConn{&w.outside, &w.inside} {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		conn.SetReadBuffer(4 << 20)
		conn.SetWriteBuffer(4 << 20)
		*c = conn
	}
	var mu sync.Mutex
	var client netip.AddrPort
	up, down := make(chan datagram, 1<<17), make(chan datagram, 1<<17)
	w.done.Go(func() {
		w.read(w.outside, up, func(from netip.AddrPort) { mu.Lock(); client = from; mu.Unlock() })
	})
	w.done.Go(func() { w.read(w.inside, down, func(netip.AddrPort) {}) })
	w.done.Go(func() { w.write(w.inside, up, func() netip.AddrPort { return to }) })
	w.done.Go(func() {
		w.write(w.outside, down, func() netip.AddrPort { mu.Lock(); defer mu.Unlock(); return client })
	})
	t.Cleanup(func() {
		w.outside.Close()
		w.inside.Close()
		w.done.Wait()
	})
	return w
}

func (w *wire) addr() netip.AddrPort { return w.outside.LocalAddr().(*net.UDPAddr).AddrPort() }

func (w *wire) read(from *net.UDPConn, to chan<- datagram, seen func(netip.AddrPort)) {
	defer close(to)
	b := make([]byte, 1<<16)
	for {
		n, addr, err := from.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		seen(addr)
		if rand.Float64() < w.loss {
			continue
		}
		select {
		case to <- datagram{time.Now().Add(w.delay), append([]byte(nil), b[:n]...)}:
		default: // the line's queue is full
		}
	}
}

func (w *wire) write(on *net.UDPConn, from <-chan datagram, to func() netip.AddrPort) {
	for d := range from {
		time.Sleep(time.Until(d.due))
		if _, err := on.WriteToUDPAddrPort(d.b, to()); errors.Is(err, net.ErrClosed) {
			for range from { // until the reader is gone
			}
			return
		}
	}
}

// line carries the two sides' messages in order, each as late as a datagram.
type line[T any] struct {
	delay time.Duration
	queue chan message[T]
}

type message[T any] struct {
	due time.Time
	v   T
}

func newLine[T any](delay time.Duration) *line[T] {
	return &line[T]{delay, make(chan message[T], 1<<12)}
}

func (l *line[T]) send(v T) { l.queue <- message[T]{time.Now().Add(l.delay), v} }

// richChain has reserved everything for everyone.
type richChain struct{}

func (richChain) State(context.Context, contracts.Channel) (chainview.State, error) {
	return chainview.State{Ceiling: contracts.MaxAmount(), Block: 1}, nil
}

// source is a server that sends as many bytes as fast as it can to each of its visitors.
func source(t *testing.T, each int64) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	block := make([]byte, 1<<16)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for left := each; left > 0; left -= int64(len(block)) {
					if _, err := c.Write(block[:min(left, int64(len(block)))]); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

type linkResult struct {
	took               time.Duration
	closed, promises   int
	dropped            uint64
	sent, paid, window uint64 // the provider's count, what it was paid for, its window in the end
	unpaid             uint64 // the most
}

// runLink moves size bytes in some TCP flows through a real exit and client over a wire, paid for as nodes do it.
func runLink(t *testing.T, rtt time.Duration, loss float64, size int64, flows int) linkResult {
	t.Helper()
	var closers []func()
	t.Cleanup(func() {
		for i := len(closers) - 1; i >= 0; i-- {
			closers[i]()
		}
	})
	fatal := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	policy, err := policy.New(policy.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	fatal(err)
	exit, err := tunnel.NewExit(tunnel.ExitConfig{
		Listen: netip.MustParseAddrPort("127.0.0.1:0"), Policy: policy,
		DNS: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:9")},
	})
	fatal(err)
	closers = append(closers, func() { exit.Close() })
	private, err := wireguard.GenerateKey()
	fatal(err)
	// Both ledgers, and the first promise, which prepays a tick.
	private1, err := crypto.ToECDSA(common.LeftPadBytes(big.NewInt(4242).Bytes(), 32))
	fatal(err)
	key := contracts.NewKey(private1)
	domain := payments.Domain{ChainID: 31337, Contract: common.Address{1}}
	channel := contracts.Channel{
		Vault: contracts.Vault{Token: common.Address{2}, Payer: common.Address{3}, Signer: key.Address()},
		Payee: common.Address{4},
	}
	price, err := contracts.ParseAmount("50000000000000000")
	fatal(err)
	terms := payments.Terms{
		Session: payments.NewSessionID(), Channel: channel, PricePerGiB: price, Tick: pace.MinTick,
		Window: pace.OfferWindow(pace.MinTick, lineRate), Offer: "offer",
	}
	mine, err := ledger.Open(filepath.Join(t.TempDir(), "mine.db"), "")
	fatal(err)
	theirs, err := ledger.Open(filepath.Join(t.TempDir(), "theirs.db"), "")
	fatal(err)
	closers = append(closers, func() { mine.Close(); theirs.Close() })
	ctx, cancel := context.WithCancel(context.Background())
	payer, err := payer.New(ctx, payer.Config{
		Domain: domain, Ledger: mine, Signer: key, Terms: terms, SpendCap: contracts.MaxAmount(),
	})
	fatal(err)
	payee, err := payee.New(payee.Config{
		Domain: domain, Ledger: theirs, Chain: richChain{}, Payee: channel.Payee, Token: channel.Token,
		NewGate: func() payee.Gate { return meter.NewGate(0) },
	})
	fatal(err)
	first, err := payer.First(ctx)
	fatal(err)
	opened, err := payee.Open(ctx, terms, first, nil)
	fatal(err)
	inner, err := exit.Add(tunnel.Peer{PublicKey: private.Public(), Gate: opened.Gate.(*meter.Gate)})
	fatal(err)
	payee.Attach(terms.Session, func() payments.Usage {
		c := inner.Counters()
		return payments.Usage{Rx: c.Rx, Tx: c.Tx}
	})
	inner.SetTick(pace.WakeEvery(terms.Tick))
	credit := opened.Credit

	w := newWire(t, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), exit.Port()), rtt/2, loss)
	v4, v6 := inner.Addrs()
	client, err := tunnel.Dial(tunnel.ClientConfig{
		Private: private, Peer: exit.PublicKey(), Endpoint: w.addr(), Addrs: []netip.Addr{v4, v6}, DNS: exit.DNS(),
		MTU: exit.MTU(),
	})
	fatal(err)
	closers = append(closers, func() { client.Close() })
	client.SetTick(pace.WakeEvery(terms.Tick))
	shake, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	fatal(client.Handshake(shake))

	var r linkResult
	promises, reports := newLine[payments.Promise](rtt/2), newLine[uint64](rtt/2)
	var sides sync.WaitGroup
	sides.Go(func() { // the provider
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		held := false
		for {
			accept := func(m message[payments.Promise]) {
				time.Sleep(time.Until(m.due))
				if inner.Held() && !held {
					r.closed++
				}
				c, err := payee.Accept(ctx, terms.Session, m.v, false)
				if err != nil {
					if ctx.Err() == nil {
						t.Error(err)
					}
					return
				}
				credit = c
				held = false
				reports.send(inner.Counters().Rx)
			}
			select {
			case m := <-promises.queue:
				accept(m)
			case <-inner.Notify():
				reports.send(inner.Counters().Rx)
			case <-tick.C:
				reports.send(inner.Counters().Rx)
			case <-ctx.Done():
				r.sent, r.paid, r.window = inner.Counters().Total(), payments.Bytes(price, credit.Promised), credit.Window
				return
			}
			total := inner.Counters().Total()
			r.unpaid = max(r.unpaid, total-min(total, payments.Bytes(price, credit.Promised)))
			if inner.Held() && !held {
				held = true
				r.closed++
			}
		}
	})
	sides.Go(func() { // the consumer
		peerRx := uint64(0)
		for {
			select {
			case <-client.Notify():
			case m := <-reports.queue:
				time.Sleep(time.Until(m.due))
				peerRx = max(peerRx, m.v)
			case <-ctx.Done():
				return
			}
			c := client.Counters()
			promise, due, err := payer.Due(ctx, payments.Usage{Rx: c.Rx, Tx: c.Tx, PeerRx: peerRx}, false)
			if err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
			if due {
				promises.send(promise)
			}
		}
	})

	each := size / int64(flows)
	from := source(t, each)
	began := time.Now()
	var transfers sync.WaitGroup
	for range flows {
		transfers.Go(func() {
			conn, err := client.DialContext(ctx, "tcp", from.String())
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			if n, err := io.Copy(io.Discard, conn); err != nil || n != each {
				t.Errorf("%d of %d bytes arrived: %v", n, each, err)
			}
		})
	}
	transfers.Wait()
	r.took = time.Since(began)
	time.Sleep(rtt + 100*time.Millisecond)
	r.dropped = inner.Dropped().Total()
	r.promises = payer.Promises()
	cancel()
	sides.Wait()
	return r
}

// A real exit and a real client over a line that delays and loses: an honest session at full speed never meets the
// gate.
func TestGateStaysOpenOverARealLink(t *testing.T) {
	long := os.Getenv(longTest) != ""
	for _, link := range []struct {
		rtt  time.Duration
		loss float64
		size int64
	}{
		{0, 0, 16 * mib}, {50 * time.Millisecond, 0, 16 * mib}, {200 * time.Millisecond, 0, 16 * mib}, {0, 0.01, 4 * mib},
	} {
		if long {
			link.size = 1 << 30
		}
		t.Run(fmt.Sprintf("%dms,%.0f%%", link.rtt.Milliseconds(), link.loss*100), func(t *testing.T) {
			r := runLink(t, link.rtt, link.loss, link.size, 4)
			t.Logf("%d MiB in %s (%.0f Mbit/s): gate closed %d times (%d bytes refused), %d promises, at most %d bytes unpaid, "+
				"window %d in the end", link.size/mib, r.took.Round(time.Millisecond),
				float64(link.size)*8e-6/r.took.Seconds(), r.closed, r.dropped, r.promises, r.unpaid, r.window)
			if r.closed > 0 || r.dropped > 0 {
				t.Errorf("the gate closed %d times on a session that paid", r.closed)
			}
		})
	}
}
