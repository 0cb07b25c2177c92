package tunnel

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/tun"

	"byway/tunnel/meter"
	"byway/tunnel/tunneltest"
	"byway/tunnel/wireguard"
)

// A hostile exit sends datagrams from everywhere, from its own DNS as well, to a consumer that asked for none.
func TestAdversaryInjectedDatagramsAreNotBilled(t *testing.T) {
	e := newExit(t, ExitConfig{})
	p := join(t, e, math.MaxUint64)
	v4, v6 := p.session.Addrs()
	random := rand.New(rand.NewPCG(3, 4))
	before := p.client.Counters()
	sent := 0
	flood := func(from netip.AddrPort, to netip.Addr) {
		back, err := e.net.Datagrams(from, netip.AddrPortFrom(to, uint16(random.Uint32())))
		if err != nil {
			t.Fatal(err)
		}
		for range 50 {
			back.Send(make([]byte, 1200))
			sent += 1200
		}
	}
	for i := 0; p.client.Offence() == nil; i++ {
		if i == 3000 {
			t.Fatalf("%d bytes were sent, and nobody is accused: %+v", sent, p.client.Strays())
		}
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], random.Uint32()&0x3fffffff|1<<26)
		flood(netip.AddrPortFrom(netip.AddrFrom4(a), uint16(random.Uint32())), v4)
		flood(netip.AddrPortFrom(netip.MustParseAddr("2001:db8::1"), uint16(random.Uint32())), v6)
		flood(netip.AddrPortFrom(e.DNS(), 53), v4)
		time.Sleep(time.Millisecond)
	}
	select {
	case <-p.client.Notify():
	case <-time.After(time.Minute):
		t.Error("the session's owner was not woken")
	}
	s, after := p.client.Strays(), p.client.Counters()
	if after.Rx != before.Rx || s.Bytes <= meter.StrayBytes || s.Packets == 0 {
		t.Errorf("%d bytes billed, strays %+v", after.Rx-before.Rx, s)
	}
	t.Logf("adversary: %d bytes of datagrams that nobody asked for | bound: 0 billed, and accused after 1 MiB | seen: %d billed, %d when accused", sent, after.Rx-before.Rx, s.Bytes)
}

// repeater delivers what comes more than once.
type repeater struct {
	*meter.Porter
	times int
}

func (r repeater) Write(bufs [][]byte, offset int) (int, error) {
	var again [][]byte
	for _, b := range bufs {
		for range r.times {
			again = append(again, slices.Clone(b))
		}
	}
	_, err := r.Porter.Write(again, offset)
	return len(bufs), err
}

func TestAdversaryRepeatedSegmentsAreBilledOnce(t *testing.T) {
	file := tunneltest.Random(t, 32<<20)
	for _, times := range []int{1, 3} {
		var d *meter.Porter
		p := joinBefore(t, newExit(t, ExitConfig{}), Peer{Limit: math.MaxUint64}, wireguard.Upstream, func(p *meter.Porter) tun.Device {
			d = p
			return repeater{p, times}
		})
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			if c, err := l.Accept(); err == nil {
				c.Write(file)
				c.Close()
			}
		}()
		before := p.client.Counters()
		c, err := p.client.DialContext(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, file) {
			t.Fatalf("%d of %d bytes, %v", len(got), len(file), err)
		}
		c.Close()
		rx, s := p.client.Counters().Rx-before.Rx, p.client.Strays()
		bill := float64(rx) / float64(len(file))
		if bill > 1.05 || bill < 1.02 || d.Offence() != nil {
			t.Errorf("%d times: billed %.4f times the file, %+v, accused: %v", times, bill, s, d.Offence())
		}
		if times > 1 {
			t.Logf("adversary: each segment of a download %d times | bound: 1.05 times the file billed | seen: %.4f, %.2f delivered beside", times, bill, float64(s.Surplus)/float64(len(file)))
		}
	}
}

func TestClosedTabsOfARealStackConvictNobody(t *testing.T) {
	p := newPair(t)
	host := blast(t)
	for range 10 {
		c, err := p.client.DialContext(t.Context(), "tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		c.Write([]byte("d"))
		if _, err := io.CopyN(io.Discard, c, 4<<20); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	// A download of its own shows that what was on its way has come.
	c, err := p.client.DialContext(t.Context(), "tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte("d"))
	if _, err := io.CopyN(io.Discard, c, 4<<20); err != nil {
		t.Fatal(err)
	}
	s := p.client.Strays()
	t.Logf("%+v of %d", s, p.client.Counters().Rx)
	if s.Bytes != 0 || p.client.Offence() != nil {
		t.Errorf("%+v, %v", s, p.client.Offence())
	}
}
