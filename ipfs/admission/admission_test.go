package admission

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2pquic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	"github.com/multiformats/go-multistream"
	"github.com/quic-go/quic-go"

	"byway/ipfs/crowd"
	"byway/ipfs/fence"
)

func TestLimitsFollowFromSessions(t *testing.T) {
	t.Parallel()
	for _, private := range []bool{false, true} {
		for _, client := range []bool{false, true} {
			for _, sessions := range []int{0, 1, 100, 5000, 65533} {
				b := boundsOf(Part{Client: client, Sessions: sessions, Private: private})
				low, high := b.marks()
				most := b.sessions + b.strangers
				limits := b.limits()
				system, transient := limits.ToPartialLimitConfig().System, limits.ToPartialLimitConfig().Transient
				if low <= 0 || low >= high || high >= most || most >= int(system.ConnsInbound) {
					t.Errorf("%d sessions: marks %d and %d, %d connections admitted, %v are the limit: want each below the next",
						sessions, low, high, most, system.ConnsInbound)
				}
				if most*waitingPerPeer > int(system.StreamsInbound) || b.waiting >= int(transient.StreamsInbound) ||
					2*b.handshakes >= int(transient.ConnsInbound) {
					t.Errorf("%d sessions: a limit of the resource manager comes before the admission: %+v, %+v", sessions, system, transient)
				}
				if (b.perAddress == 0) != private {
					t.Errorf("private %v: %d connections of one address", private, b.perAddress)
				}
			}
		}
	}
}

// bareHost is a libp2p host on loopback with an admission, and nothing else.
func bareHost(t *testing.T, p Part) (host.Host, *Admission, peer.AddrInfo) {
	t.Helper()
	a, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	h, err := libp2p.New(append(a.Options(fence.Private(nil, nil)),
		libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"),
		libp2p.Transport(tcp.NewTCPTransport), libp2p.Transport(libp2pquic.NewTransport), libp2p.DisableMetrics(), libp2p.DisableRelay(),
		libp2p.WithDialTimeout(30*time.Second), libp2p.SwarmOpts(swarm.WithDialTimeoutLocal(30*time.Second)), // a flood keeps the machine busy
	)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	h.Network().Notify(a)
	return h, a, peer.AddrInfo{ID: h.ID(), Addrs: h.Network().ListenAddresses()}
}

func from(t *testing.T, address string, to peer.AddrInfo) (*crowd.Peer, error) {
	t.Helper()
	p, err := crowd.New(net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	return p, p.Connect(ctx, to)
}

func TestAdversaryManyIdentitiesOfOnePlaceDisplaceEachOther(t *testing.T) {
	_, a, to := bareHost(t, Part{Client: true})
	honest, err := from(t, "127.9.9.9", to)
	if err != nil {
		t.Fatal(err)
	}
	// One address, then the others of its /24.
	for range 3 * strangersPerAddress {
		if _, err := from(t, "127.0.1.1", to); err != nil {
			t.Fatal(err)
		}
	}
	one := a.Use().Strangers - 1
	for i := range 2 * strangersPerPrefix {
		if _, err := from(t, fmt.Sprintf("127.0.1.%d", 2+i%50), to); err != nil {
			t.Fatal(err)
		}
	}
	whole := a.Use().Strangers - 1
	if one > strangersPerAddress || whole > strangersPerPrefix || !honest.Connected(to.ID) {
		t.Errorf("one address holds %d connections, its /24 %d; an older one from elsewhere stays: %v", one, whole, honest.Connected(to.ID))
	}
	if _, err := from(t, "127.0.1.1", to); err != nil {
		t.Errorf("a newcomer behind the attacker's address was kept out: %v", err)
	}
	t.Logf("adversary: %s | bound: %s | seen: %s", "176 identities from one /24",
		fmt.Sprintf("%d connections of an address, %d of a /24", strangersPerAddress, strangersPerPrefix),
		fmt.Sprintf("%d and %d held, one from elsewhere undisturbed", one, whole))
}

func TestAdversaryConnectionsComeNoFasterThanAPlaceMay(t *testing.T) {
	_, a, to := bareHost(t, Part{Client: true})
	refused := 0
	for range 100 {
		c, err := net.DialTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 2, 1)}, tcpAddr(t, to))
		if err != nil {
			refused++
			continue
		}
		defer c.Close()
	}
	deadline := time.Now().Add(30 * time.Second)
	for a.Use().Refused[reasonRate] == 0 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if a.Use().Refused[reasonRate] == 0 {
		t.Error("100 connections at once from one address were all taken")
	}
	if _, err := from(t, "127.0.9.1", to); err != nil {
		t.Errorf("a newcomer from elsewhere was kept out: %v", err)
	}
	t.Logf("adversary: %s | bound: %s | seen: %d refused, another place served", "100 connections at once from one address",
		"64, then 2 a second", a.Use().Refused[reasonRate])
}

func tcpAddr(t *testing.T, to peer.AddrInfo) *net.TCPAddr {
	t.Helper()
	for _, addr := range to.Addrs {
		if n, err := manet.ToNetAddr(addr); err == nil {
			if tcp, ok := n.(*net.TCPAddr); ok {
				return tcp
			}
		}
	}
	t.Fatal("no TCP address")
	return nil
}

func TestAdversaryConnectionsThatStallBehindTheirHandshake(t *testing.T) {
	_, a, to := bareHost(t, Part{Private: true})
	stalled := 0
	for range a.bounds.handshakes + 40 { // each proves who it is, and then never says which muxer it speaks
		key, _, err := crypto.GenerateEd25519Key(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		secure, err := noise.New(noise.ID, key, nil)
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.DialTCP("tcp4", nil, tcpAddr(t, to))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := multistream.SelectProtoOrFail(noise.ID, c); err != nil {
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		if _, err := secure.SecureOutbound(ctx, c, to.ID); err == nil {
			stalled++
		}
		cancel()
	}
	if _, err := from(t, "127.0.0.1", to); err != nil {
		t.Errorf("a newcomer was kept out: %v", err)
	}
	use := a.Use()
	if use.Handshakes > a.bounds.handshakes || stalled <= a.bounds.handshakes {
		t.Errorf("%d stalled, %d are held, %d are the bound", stalled, use.Handshakes, a.bounds.handshakes)
	}
	t.Logf("adversary: %s | bound: %s | seen: %d held, a newcomer served", fmt.Sprintf("%d peers stall before the muxer", stalled),
		fmt.Sprintf("%d, the oldest goes", a.bounds.handshakes), use.Handshakes)
}

// deaf is a socket that hears nothing.
type deaf struct {
	*net.UDPConn
	closed chan struct{}
}

func (d deaf) ReadFrom([]byte) (int, net.Addr, error) { <-d.closed; return 0, nil, net.ErrClosed }
func (d deaf) SetReadDeadline(time.Time) error        { return nil }

func TestAdversaryQUICHandshakesThatNeverEnd(t *testing.T) {
	h, a, to := bareHost(t, Part{Private: true})
	var at *net.UDPAddr
	for _, addr := range to.Addrs {
		if n, err := manet.ToNetAddr(ma.StringCast(addr.String())); err == nil {
			if udp, ok := n.(*net.UDPAddr); ok {
				at = udp
			}
		} else if ip, err := addr.ValueForProtocol(ma.P_UDP); err == nil {
			at, _ = net.ResolveUDPAddr("udp4", "127.0.0.1:"+ip)
		}
	}
	if at == nil {
		t.Fatal("no QUIC address")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const attackers = 400
	done := make(chan struct{}, attackers)
	most := 0
	for range attackers {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		d := deaf{c, make(chan struct{})}
		go func() {
			defer func() { done <- struct{}{} }()
			tr := quic.Transport{Conn: d}
			dial, stop := context.WithTimeout(ctx, 4*time.Second)
			defer stop()
			tr.Dial(dial, at, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"libp2p"}}, nil) //nolint:gosec // it only begins a handshake
			close(d.closed)
			c.Close()
			tr.Close()
		}()
		most = max(most, a.Use().Handshakes)
	}
	newcomer, _, _ := bareHost(t, Part{Client: true, Private: true})
	dial, stop := context.WithTimeout(network.WithForceDirectDial(ctx, "test"), 30*time.Second)
	defer stop()
	var quicOnly []ma.Multiaddr
	for _, addr := range to.Addrs {
		if _, err := addr.ValueForProtocol(ma.P_QUIC_V1); err == nil {
			quicOnly = append(quicOnly, addr)
		}
	}
	err := newcomer.Connect(dial, peer.AddrInfo{ID: h.ID(), Addrs: quicOnly})
	most = max(most, a.Use().Handshakes)
	if err != nil {
		t.Errorf("a newcomer over QUIC was kept out: %v", err)
	}
	if most > a.bounds.handshakes {
		t.Errorf("%d handshakes were open, %d are the bound", most, a.bounds.handshakes)
	}
	t.Logf("adversary: %s | bound: %s | seen: at most %d held, a newcomer over QUIC served", "400 QUIC handshakes from sockets that hear nothing",
		fmt.Sprintf("%d, then only with a proof of the address", a.bounds.handshakes/4), most)
	cancel()
	for range attackers {
		<-done
	}
}
