package tunnel

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"

	"byway/tunnel/dialer"
	"byway/tunnel/packet"
	"byway/tunnel/tunneltest"
)

// watch records what an exit sends to.
type watch struct {
	mu   sync.Mutex
	seen map[string]int
}

func (w *watch) dial(proto packet.Proto, dst netip.AddrPort) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[fmt.Sprintf("%v %v", proto, dst.Addr())]++
}

func TestExitSendsNothingToForbiddenDestinations(t *testing.T) {
	w := &watch{seen: make(map[string]int)}
	e := newExit(t, ExitConfig{Limits: Limits{NewFlows: 1 << 20}})
	e.onDial = w.dial
	p := join(t, e, math.MaxUint64)
	v4, v6 := p.session.Addrs()

	vectors := 0
	for _, dst := range tunneltest.Forbidden() {
		for i, proto := range []packet.Proto{packet.TCP, packet.UDP, packet.ICMP} {
			p.client.net.Inject(tunneltest.Probe(proto, v4, v6, dst, uint16(80+i)))
			vectors++
		}
	}
	for _, dst := range []string{"8.8.8.8", "2606:4700::1111"} {
		p.client.net.Inject(tunneltest.Probe(packet.TCP, v4, v6, netip.MustParseAddr(dst), 25))
		vectors++
	}
	// The probe works: what is allowed does leave, last of all.
	allowed := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")}
	for _, dst := range allowed {
		for i, proto := range []packet.Proto{packet.TCP, packet.UDP, packet.ICMP} {
			p.client.net.Inject(tunneltest.Probe(proto, v4, v6, dst, uint16(80+i)))
		}
	}
	end := time.Now().Add(30 * time.Second)
	for {
		w.mu.Lock()
		n := len(w.seen)
		w.mu.Unlock()
		if n >= 6 || time.Now().After(end) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, dst := range allowed {
		for _, proto := range []packet.Proto{packet.TCP, packet.UDP, packet.ICMP} {
			key := fmt.Sprintf("%v %v", proto, dst)
			if w.seen[key] == 0 {
				t.Errorf("the canary %s did not leave: the probe proves nothing", key)
			}
			delete(w.seen, key)
		}
	}
	if len(w.seen) != 0 {
		t.Errorf("forbidden destinations were dialled: %v", w.seen)
	}
	if vectors < 500 {
		t.Errorf("only %d vectors", vectors)
	}
	t.Logf("%d vectors, 0 dialled", vectors)
}

func TestTwentyThousandDeniedDialsLeaveNothingBehind(t *testing.T) {
	p := newPair(t)
	srv := tunneltest.Internet(t, []byte("still here"))
	dial := func(dst string) error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		c, err := p.client.DialContext(ctx, "tcp", dst)
		if err == nil {
			c.Close()
		}
		return err
	}
	if err := dial("10.0.0.1:1"); dialer.Classify(err) != dialer.FailDenied {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	start := time.Now()
	var wg sync.WaitGroup
	for w := range 20 {
		wg.Go(func() {
			for i := range 1000 {
				dst := fmt.Sprintf("10.%d.%d.%d:80", w, i>>8, i&255)
				if err := dial(dst); dialer.Classify(err) != dialer.FailDenied {
					t.Errorf("%s: %v", dst, err)
					return
				}
			}
		})
	}
	wg.Wait()
	t.Logf("20,000 denied dials in %v", time.Since(start))
	if err := dial(srv.Listener.Addr().String()); err != nil {
		t.Fatalf("after the denied ones: %v", err)
	}
	if n := p.session.Flows(); n > 1 {
		t.Errorf("%d flows are left", n)
	}
	for end := time.Now().Add(30 * time.Second); runtime.NumGoroutine() > before+10; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines before, %d after", before, runtime.NumGoroutine())
		}
	}
}

func TestEchoRequestsAreForwardedAndAnsweredByTheirDestination(t *testing.T) {
	if c, err := icmp.ListenPacket("udp4", "0.0.0.0"); err == nil {
		c.Close()
	} else if c, err := icmp.ListenPacket("ip4:icmp", "0.0.0.0"); err == nil {
		c.Close()
	} else {
		t.Skip("the host permits no socket for echo requests")
	}
	p := newPair(t)
	v4, v6 := p.session.Addrs()
	ping := func(dst string, n int) {
		data := make([]byte, n)
		msg := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: 77, Seq: 5, Data: data}}
		body, err := msg.Marshal(nil)
		if err != nil {
			t.Fatal(err)
		}
		b := tunneltest.Probe(packet.ICMP, v4, v6, netip.MustParseAddr(dst), 0)
		b = append(b[:20], body...)
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		p.client.net.Inject(b)
	}
	before := p.client.Counters().Rx
	ping("127.0.0.1", 500)
	end := time.Now().Add(30 * time.Second)
	for p.client.Counters().Rx < before+528 {
		if time.Now().After(end) {
			t.Fatalf("no answer: %d bytes came", p.client.Counters().Rx-before)
		}
		time.Sleep(5 * time.Millisecond)
	}
	before = p.client.Counters().Rx
	ping("10.0.0.1", 500)
	ping("127.0.0.1", 0)
	time.Sleep(300 * time.Millisecond)
	if got := p.client.Counters().Rx - before; got == 0 || got > 200 {
		t.Errorf("%d bytes for a denied and a small request", got)
	}
}

func TestRateOfASessionIsKept(t *testing.T) {
	p := newPair(t)
	const rate = 4 << 20
	if err := p.session.SetRate(rate); err != nil {
		t.Fatal(err)
	}
	conn, err := p.client.DialContext(t.Context(), "tcp", blast(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.Write([]byte("d"))
	buf := make([]byte, 64<<10)
	start, before := time.Now(), p.session.Counters().Total()
	for time.Since(start) < 2*time.Second {
		conn.SetReadDeadline(time.Now().Add(30 * time.Second))
		if _, err := conn.Read(buf); err != nil {
			t.Fatal(err)
		}
	}
	got := float64(p.session.Counters().Total()-before) / time.Since(start).Seconds()
	if got > 1.5*rate || got < 0.1*rate {
		t.Errorf("%.0f bytes a second, %d were set", got, rate)
	}
	if p.session.Held() {
		t.Error("a rate is not a closed gate")
	}
	t.Logf("%.2f of the rate", got/rate)
}
