package tunnel

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"byway/tunnel/tunneltest"
)

func TestAdversaryAnExitOpensNothingTowardsAUserspaceConsumer(t *testing.T) {
	p := newPair(t)
	service, served := tunneltest.Greeter(t)
	_, port, _ := net.SplitHostPort(newProxy(t, p.client))
	proxy := netip.MustParseAddrPort("127.0.0.1:" + port).Port()
	// Traffic flows, and a socket has spoken with somebody.
	udp, err := p.client.ListenUDP()
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	echo := tunneltest.EchoUDP(t, "udp4", "127.0.0.1:0")
	buf := make([]byte, 100)
	tunneltest.Eventually(t, "an echo", func() bool {
		udp.WriteTo([]byte("x"), net.UDPAddrFromAddrPort(echo))
		udp.SetReadDeadline(time.Now().Add(time.Second))
		_, _, err := udp.ReadFrom(buf)
		return err == nil
	})
	own := boundTo(udp.LocalAddr()).Port()
	v4, v6 := p.session.Addrs()
	before := p.client.Counters()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	var opened, tried atomic.Int64
	var wg sync.WaitGroup
	for _, a := range []netip.Addr{v4, v6} {
		for _, port := range []uint16{22, 53, 80, 443, 1080, own, proxy, service.Port()} {
			wg.Go(func() {
				tried.Add(1)
				c, err := p.exit.net.DialTCP(ctx, netip.AddrPortFrom(a, port))
				if err == nil {
					opened.Add(1)
					c.Close()
				}
			})
			u, err := p.exit.net.DialUDP(netip.AddrPortFrom(a, port))
			if err != nil {
				t.Fatal(err)
			}
			defer u.Close()
			u.Write([]byte("stranger"))
		}
	}
	wg.Wait()
	udp.SetReadDeadline(time.Now().Add(time.Millisecond))
	if n, from, err := udp.ReadFrom(buf); err == nil {
		t.Errorf("a socket took %q from %v, where it never sent", buf[:n], from)
	}
	if opened.Load() != 0 || served.Load() != 0 {
		t.Errorf("%d connections opened, %d reached a service", opened.Load(), served.Load())
	}
	after, strays := p.client.Counters(), p.client.Strays().Bytes
	if strays == 0 {
		t.Error("control: the exit's packets did not arrive at all")
	}
	if after != before {
		t.Errorf("%d bytes of them were billed", after.Total()-before.Total())
	}
	t.Logf("adversary: %s | bound: %s | seen: %d of %d opened; %d bytes came, %d were billed", "an exit dials the consumer's inner addresses, its proxy's port and a service's, over TCP and UDP",
		"nothing opened, nothing answered", opened.Load(), tried.Load(), strays, after.Total()-before.Total())
}
