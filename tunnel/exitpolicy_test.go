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
)

// watch records what an exit sends to.
type watch struct {
	mu   sync.Mutex
	seen map[string]int
}

func (w *watch) dial(proto Proto, dst netip.AddrPort) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[fmt.Sprintf("%v %v", proto, dst.Addr())]++
}

// probe is a raw packet of a consumer: a SYN, a datagram or an echo request, with addresses as they are given.
func probe(proto Proto, src4, src6, dst netip.Addr, port uint16) []byte {
	var body []byte
	switch proto {
	case TCP:
		body = make([]byte, 20)
		body[12], body[13] = 5<<4, 2
	case UDP:
		body = make([]byte, 8+4)
		binary.BigEndian.PutUint16(body[4:], uint16(len(body)))
	case ICMP:
		body = make([]byte, 8+16)
		body[0] = 8
		if dst.Is6() {
			body[0] = 128
		}
	}
	if proto != ICMP {
		binary.BigEndian.PutUint16(body[0:], 40000+port%20000)
		binary.BigEndian.PutUint16(body[2:], port)
	}
	if dst.Is4() {
		b := make([]byte, 20+len(body))
		b[0], b[8], b[9] = 0x45, 64, byte(proto)
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		copy(b[12:], src4.AsSlice())
		copy(b[16:], dst.AsSlice())
		copy(b[20:], body)
		return b
	}
	b := make([]byte, 40+len(body))
	b[0], b[6], b[7] = 0x60, byte(proto), 64
	if proto == ICMP {
		b[6] = 58
	}
	binary.BigEndian.PutUint16(b[4:], uint16(len(body)))
	copy(b[8:], src6.AsSlice())
	copy(b[24:], dst.AsSlice())
	copy(b[40:], body)
	return b
}

// forbidden lists addresses that no exit may send to, in every spelling that a packet can give them.
func forbidden() []netip.Addr {
	inside := []string{
		"0.0.0.0", "0.0.0.1", "10.0.0.1", "10.1.2.3", "10.213.0.2", "10.255.255.254", "100.64.0.1", "100.100.100.200",
		"100.127.255.254", "127.0.0.2", "127.0.0.53", "127.1.1.1", "127.255.255.254", "168.63.129.16", "169.254.0.1",
		"169.254.169.254", "169.254.170.2", "172.16.0.1", "172.17.0.1", "172.31.255.254", "192.0.0.1", "192.0.0.192",
		"192.0.2.1", "192.88.99.1", "192.168.0.1", "192.168.1.1", "192.168.122.1", "192.168.255.254", "198.18.0.1",
		"198.19.255.254", "198.51.100.1", "203.0.113.1", "224.0.0.1", "224.0.0.251", "232.1.1.1", "239.255.255.250",
		"240.0.0.1", "250.1.2.3", "255.255.255.254", "255.255.255.255",
	}
	var list []netip.Addr
	for _, s := range inside {
		a := netip.MustParseAddr(s)
		b := a.As4()
		client := [4]byte{^b[0], ^b[1], ^b[2], ^b[3]}
		hex := func(b [4]byte) string { return fmt.Sprintf("%02x%02x:%02x%02x", b[0], b[1], b[2], b[3]) }
		list = append(list, a)
		for _, form := range []string{
			"::ffff:" + hex(b),                  // mapped
			"64:ff9b::" + hex(b),                // NAT64
			"2002:" + hex(b) + "::1",            // 6to4
			"2400:cb00::5efe:" + hex(b),         // ISATAP
			"2001:0:808:808:0:0:" + hex(client), // Teredo
		} {
			list = append(list, netip.MustParseAddr(form))
		}
	}
	for _, s := range []string{
		"::", "::2", "::7f00:1", "::a00:1", "::ffff:0:a00:1", "64:ff9b:1::1", "64:ff9b:1::a00:1", "100::1", "2001:2::1",
		"2001:db8::1", "3fff::1", "5f00::1", "fc00::1", "fd00::1", "fd00:ec2::254", "fd62:7977:6179::2", "fe80::1",
		"fec0::1", "ff02::1", "ff05::1:3", "ff0e::1",
	} {
		list = append(list, netip.MustParseAddr(s))
	}
	return list
}

func TestExitSendsNothingToForbiddenDestinations(t *testing.T) {
	w := &watch{seen: make(map[string]int)}
	e := newExit(t, ExitConfig{Limits: Limits{NewFlows: 1 << 20}})
	e.onDial = w.dial
	p := join(t, e, math.MaxUint64)
	v4, v6 := p.session.Addrs()

	vectors := 0
	for _, dst := range forbidden() {
		for i, proto := range []Proto{TCP, UDP, ICMP} {
			p.client.net.Inject(probe(proto, v4, v6, dst, uint16(80+i)))
			vectors++
		}
	}
	for _, dst := range []string{"8.8.8.8", "2606:4700::1111"} {
		p.client.net.Inject(probe(TCP, v4, v6, netip.MustParseAddr(dst), 25))
		vectors++
	}
	// The probe works: what is allowed does leave, last of all.
	allowed := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")}
	for _, dst := range allowed {
		for i, proto := range []Proto{TCP, UDP, ICMP} {
			p.client.net.Inject(probe(proto, v4, v6, dst, uint16(80+i)))
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
		for _, proto := range []Proto{TCP, UDP, ICMP} {
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
	srv := internet(t, []byte("still here"))
	dial := func(dst string) error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		c, err := p.client.DialContext(ctx, "tcp", dst)
		if err == nil {
			c.Close()
		}
		return err
	}
	if err := dial("10.0.0.1:1"); classify(err) != failDenied {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	start := time.Now()
	var wg sync.WaitGroup
	for w := range 20 {
		wg.Go(func() {
			for i := range 1000 {
				dst := fmt.Sprintf("10.%d.%d.%d:80", w, i>>8, i&255)
				if err := dial(dst); classify(err) != failDenied {
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
		b := probe(ICMP, v4, v6, netip.MustParseAddr(dst), 0)
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
