package ipfs

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// delayRelay forwards UDP between clients and one server and holds every datagram for a fixed time each way. It gives
// its own address. It ends with the test.
func delayRelay(t testing.TB, server *net.UDPAddr, oneWay time.Duration) *net.UDPAddr {
	t.Helper()
	front, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	front.SetReadBuffer(8 << 20)
	front.SetWriteBuffer(8 << 20)
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex // guards backs
		backs = make(map[string]*net.UDPConn)
	)
	t.Cleanup(func() {
		front.Close()
		mu.Lock()
		for _, b := range backs {
			b.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	wg.Go(func() {
		out := make(map[string]chan datagram)
		defer func() {
			for _, ch := range out {
				close(ch)
			}
		}()
		buf := make([]byte, 1<<16)
		for {
			n, from, err := front.ReadFromUDP(buf)
			if err != nil {
				return
			}
			ch := out[from.String()]
			if ch == nil {
				back, err := net.DialUDP("udp4", nil, server)
				if err != nil {
					return
				}
				back.SetReadBuffer(8 << 20)
				back.SetWriteBuffer(8 << 20)
				mu.Lock()
				backs[from.String()] = back
				mu.Unlock()
				ch = make(chan datagram, 1<<12)
				out[from.String()] = ch
				wg.Go(func() { drain(ch, func(p []byte) { back.Write(p) }) })
				wg.Go(func() { relayBack(back, front, from, oneWay) })
			}
			select {
			case ch <- datagram{time.Now().Add(oneWay), append([]byte(nil), buf[:n]...)}:
			default: // a full queue drops, as a router does
			}
		}
	})
	return front.LocalAddr().(*net.UDPAddr)
}

type datagram struct {
	due  time.Time
	data []byte
}

func drain(ch <-chan datagram, send func([]byte)) {
	for d := range ch {
		time.Sleep(time.Until(d.due))
		send(d.data)
	}
}

func relayBack(back, front *net.UDPConn, to *net.UDPAddr, oneWay time.Duration) {
	ch := make(chan datagram, 1<<12)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(ch)
	wg.Go(func() { drain(ch, func(p []byte) { front.WriteToUDP(p, to) }) })
	buf := make([]byte, 1<<16)
	for {
		n, err := back.Read(buf)
		if err != nil {
			return
		}
		select {
		case ch <- datagram{time.Now().Add(oneWay), append([]byte(nil), buf[:n]...)}:
		default:
		}
	}
}

// delayed gives the address of a node behind a relay of the given round trip; zero gives its own.
func delayed(t testing.TB, n *Node, roundTrip time.Duration) peer.AddrInfo {
	t.Helper()
	info := peer.AddrInfo{ID: n.host.ID()}
	for _, a := range n.host.Addrs() {
		if _, err := a.ValueForProtocol(ma.P_QUIC_V1); err != nil {
			continue
		}
		if roundTrip == 0 {
			info.Addrs = append(info.Addrs, a)
			continue
		}
		udp, _ := ma.SplitFunc(a, func(c ma.Component) bool { return c.Protocol().Code == ma.P_QUIC_V1 })
		addr, err := manet.ToNetAddr(udp)
		if err != nil {
			t.Fatal(err)
		}
		front, err := manet.FromNetAddr(delayRelay(t, addr.(*net.UDPAddr), roundTrip/2))
		if err != nil {
			t.Fatal(err)
		}
		info.Addrs = append(info.Addrs, front.Encapsulate(ma.StringCast("/quic-v1")))
	}
	return info
}
