package wireguard

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/tun"

	"byway/tunnel/tunneltest"
	"byway/tunnel/underlay"
)

// pipe is a tun.Device whose far side is the test: what the engine writes arrives in got, what is put into out is sent.
type pipe struct {
	out    chan []byte
	got    chan []byte
	events chan tun.Event
	once   sync.Once
	done   chan struct{}
}

func newPipe() *pipe {
	return &pipe{
		out: make(chan []byte, 64), got: make(chan []byte, 1024), events: make(chan tun.Event, 1),
		done: make(chan struct{}),
	}
}

func (p *pipe) File() *os.File           { return nil }
func (p *pipe) Name() (string, error)    { return "pipe", nil }
func (p *pipe) MTU() (int, error)        { return DefaultMTU, nil }
func (p *pipe) Events() <-chan tun.Event { return p.events }
func (p *pipe) BatchSize() int           { return 8 }

func (p *pipe) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	select {
	case b := <-p.out:
		sizes[0] = copy(bufs[0][offset:], b)
		return 1, nil
	case <-p.done:
		return 0, os.ErrClosed
	}
}

func (p *pipe) Write(bufs [][]byte, offset int) (int, error) {
	for _, b := range bufs {
		select {
		case p.got <- bytes.Clone(b[offset:]):
		default: // nobody looks
		}
	}
	return len(bufs), nil
}

func (p *pipe) Close() error {
	p.once.Do(func() { close(p.done); close(p.events) })
	return nil
}

// packet is an IPv4 datagram of UDP with a payload.
func packet(src, dst netip.Addr, payload string) []byte {
	b := make([]byte, 28+len(payload))
	b[0], b[8], b[9] = 0x45, 64, 17
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	a, z := src.As4(), dst.As4()
	copy(b[12:], a[:])
	copy(b[16:], z[:])
	copy(b[28:], payload)
	return b
}

// node is an engine with a pipe.
type node struct {
	Engine
	pipe *pipe
	key  PrivateKey
	addr netip.Addr
}

func newNode(t testing.TB, name Implementation, number byte) *node {
	t.Helper()
	key, err := GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	n := &node{pipe: newPipe(), key: key, addr: netip.AddrFrom4([4]byte{10, 9, 0, number})}
	n.Engine, err = New(name, Config{
		Private: key, Device: n.pipe, Underlay: underlay.NewSockets(netip.MustParseAddr("127.0.0.1"), 0),
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

func (n *node) at() netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), n.Port())
}

// know adds other as a peer.
func (n *node) know(t testing.TB, other *node, at netip.AddrPort, psk Key) {
	t.Helper()
	err := n.AddPeer(Peer{
		Public: other.key.Public(), Preshared: psk, Endpoint: at,
		AllowedIPs: []netip.Prefix{netip.PrefixFrom(other.addr, 32)},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// reaches sends from a to b until one arrives.
func reaches(a, b *node, within time.Duration) bool {
	var nonce [8]byte
	rand.Read(nonce[:])
	payload := fmt.Sprintf("%x", nonce)
	want := packet(a.addr, b.addr, payload)
	for end := time.Now().Add(within); time.Now().Before(end); {
		a.pipe.out <- want
		again := time.After(100 * time.Millisecond)
	wait:
		for {
			select {
			case got := <-b.pipe.got:
				if bytes.Equal(got, want) {
					return true
				}
			case <-again:
				break wait
			}
		}
	}
	return false
}

// eachEngine runs a test on every pairing of engines, an initiator and a responder.
func eachEngine(t *testing.T, f func(t *testing.T, initiator, responder Implementation)) {
	engines := []Implementation{Upstream}
	if runtime.GOOS == "linux" {
		engines = append(engines, Tailscale)
	}
	for _, a := range engines {
		for _, b := range engines {
			t.Run(string(a)+" to "+string(b), func(t *testing.T) {
				t.Parallel()
				f(t, a, b)
			})
		}
	}
}

func TestEnginesMeetWithAPresharedKeyAndCarryBothWays(t *testing.T) {
	eachEngine(t, func(t *testing.T, initiator, responder Implementation) {
		a, b := newNode(t, initiator, 1), newNode(t, responder, 2)
		psk := Key(tunneltest.Random(t, 32))
		b.know(t, a, netip.AddrPort{}, psk)
		a.know(t, b, b.at(), psk)
		if at, err := a.Handshake(b.key.Public()); err != nil || !at.IsZero() {
			t.Fatalf("handshake before any packet: %v, %v", at, err)
		}
		if !reaches(a, b, 30*time.Second) || !reaches(b, a, 30*time.Second) {
			t.Fatal("packets do not arrive")
		}
		for _, side := range [][2]*node{{a, b}, {b, a}} {
			at, err := side[0].Handshake(side[1].key.Public())
			if err != nil || time.Since(at) > time.Minute {
				t.Errorf("handshake ended at %v, %v", at, err)
			}
		}
	})
}

func TestEnginesRefuseAnotherPresharedKey(t *testing.T) {
	eachEngine(t, func(t *testing.T, initiator, responder Implementation) {
		a, b := newNode(t, initiator, 1), newNode(t, responder, 2)
		b.know(t, a, netip.AddrPort{}, Key(tunneltest.Random(t, 32)))
		a.know(t, b, b.at(), Key(tunneltest.Random(t, 32)))
		if reaches(a, b, time.Second) {
			t.Error("a packet arrived")
		}
	})
}

func TestEnginesForgetARemovedPeerAndTakeItBack(t *testing.T) {
	eachEngine(t, func(t *testing.T, initiator, responder Implementation) {
		a, b := newNode(t, initiator, 1), newNode(t, responder, 2)
		b.know(t, a, netip.AddrPort{}, Key{})
		a.know(t, b, b.at(), Key{})
		if !reaches(a, b, 30*time.Second) {
			t.Fatal("packets do not arrive")
		}
		for range 2 { // the second does nothing
			if err := b.RemovePeer(a.key.Public()); err != nil {
				t.Fatal(err)
			}
		}
		if reaches(a, b, 500*time.Millisecond) || reaches(b, a, 500*time.Millisecond) {
			t.Error("a removed peer is served")
		}
		// A new key on the old address, as a session that takes a free one.
		c := newNode(t, initiator, 1)
		b.know(t, c, netip.AddrPort{}, Key{})
		c.know(t, b, b.at(), Key{})
		if !reaches(c, b, 30*time.Second) {
			t.Error("a new peer on the address is not served")
		}
		if reaches(a, b, 300*time.Millisecond) {
			t.Error("the removed peer came back")
		}
	})
}

func TestEnginesDropWhatASourceMayNotSend(t *testing.T) {
	eachEngine(t, func(t *testing.T, initiator, responder Implementation) {
		a, b := newNode(t, initiator, 1), newNode(t, responder, 2)
		b.know(t, a, netip.AddrPort{}, Key{})
		a.know(t, b, b.at(), Key{})
		if !reaches(a, b, 30*time.Second) {
			t.Fatal("packets do not arrive")
		}
		a.addr = netip.MustParseAddr("10.9.0.77")
		if reaches(a, b, 500*time.Millisecond) {
			t.Error("a packet from another's address arrived")
		}
	})
}

// relayUDP forwards datagrams to a port, from a socket that can be replaced: a NAT that forgets its mapping.
type relayUDP struct {
	t      testing.TB
	near   *net.UDPConn
	target netip.AddrPort

	mu   sync.Mutex
	far  *net.UDPConn
	from netip.AddrPort
	copy func(b []byte) // sees what goes to the target
}

func newRelayUDP(t testing.TB, target netip.AddrPort) *relayUDP {
	near, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	r := &relayUDP{t: t, near: near, target: target}
	t.Cleanup(func() {
		near.Close()
		r.mu.Lock()
		defer r.mu.Unlock()
		r.far.Close()
	})
	r.move()
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, from, err := near.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			r.mu.Lock()
			r.from = from
			if r.copy != nil {
				r.copy(bytes.Clone(buf[:n]))
			}
			r.far.Write(buf[:n])
			r.mu.Unlock()
		}
	}()
	return r
}

// move goes on from another source port.
func (r *relayUDP) move() {
	far, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(r.target))
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	if r.far != nil {
		r.far.Close()
	}
	r.far = far
	r.mu.Unlock()
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, err := far.Read(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue
			}
			r.mu.Lock()
			to := r.from
			r.mu.Unlock()
			r.near.WriteToUDPAddrPort(buf[:n], to)
		}
	}()
}

func TestEnginesFollowAPeerThatRoams(t *testing.T) {
	eachEngine(t, func(t *testing.T, initiator, responder Implementation) {
		a, b := newNode(t, initiator, 1), newNode(t, responder, 2)
		relay := newRelayUDP(t, b.at())
		b.know(t, a, netip.AddrPort{}, Key{})
		a.know(t, b, relay.near.LocalAddr().(*net.UDPAddr).AddrPort(), Key{})
		if !reaches(a, b, 30*time.Second) || !reaches(b, a, 30*time.Second) {
			t.Fatal("packets do not arrive")
		}
		for range 3 {
			relay.move()
			if !reaches(a, b, 30*time.Second) {
				t.Fatal("packets from a new address do not arrive")
			}
			if !reaches(b, a, 30*time.Second) {
				t.Fatal("the peer was not followed")
			}
		}
		// And where it is told to go, without a handshake. The far side follows.
		if err := a.Roam(b.key.Public(), b.at()); err != nil {
			t.Fatal(err)
		}
		if !reaches(a, b, 30*time.Second) || !reaches(b, a, 30*time.Second) {
			t.Error("a peer that was sent elsewhere is not reached there")
		}
	})
}

func TestEnginesFollowNeitherReplaysNorForgeries(t *testing.T) {
	eachEngine(t, func(t *testing.T, initiator, responder Implementation) {
		a, b := newNode(t, initiator, 1), newNode(t, responder, 2)
		relay := newRelayUDP(t, b.at())
		var mu sync.Mutex
		var seen [][]byte
		relay.mu.Lock()
		relay.copy = func(p []byte) { mu.Lock(); seen = append(seen, p); mu.Unlock() }
		relay.mu.Unlock()
		b.know(t, a, netip.AddrPort{}, Key{})
		a.know(t, b, relay.near.LocalAddr().(*net.UDPAddr).AddrPort(), Key{})
		if !reaches(a, b, 30*time.Second) || !reaches(b, a, 30*time.Second) {
			t.Fatal("packets do not arrive")
		}
		thief, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(b.at()))
		if err != nil {
			t.Fatal(err)
		}
		defer thief.Close()
		mu.Lock()
		replays := bytes.Clone(bytes.Join(seen, nil))
		for _, p := range seen { // the initiation is among them
			thief.Write(p)
			forged := bytes.Clone(p)
			forged[len(forged)-1] ^= 1
			thief.Write(forged)
			if len(p) > 32 && p[0] == underlay.Transport {
				// The next counter, which no replay window has seen.
				binary.LittleEndian.PutUint64(forged[8:], binary.LittleEndian.Uint64(p[8:])+1000)
				thief.Write(forged)
			}
		}
		mu.Unlock()
		if len(replays) == 0 {
			t.Fatal("nothing was seen")
		}
		time.Sleep(100 * time.Millisecond)
		for range 5 {
			b.pipe.out <- packet(b.addr, a.addr, "secret")
		}
		thief.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		buf := make([]byte, 1<<16)
		for {
			n, err := thief.Read(buf)
			if err != nil {
				break
			}
			if buf[0] == underlay.Transport {
				t.Fatalf("%d bytes of data went to whoever replayed", n)
			}
		}
		if !reaches(b, a, 30*time.Second) {
			t.Error("the peer is no longer reached where it is")
		}
	})
}

func TestEnginesOutliveGarbage(t *testing.T) {
	eachEngine(t, func(t *testing.T, initiator, responder Implementation) {
		a, b := newNode(t, initiator, 1), newNode(t, responder, 2)
		b.know(t, a, netip.AddrPort{}, Key{})
		a.know(t, b, b.at(), Key{})
		c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(b.at()))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for i := range 3000 {
			p := tunneltest.Random(t, 1+i%1500)
			if len(p) > 4 && i%2 == 0 {
				copy(p, []byte{byte(1 + i%4), 0, 0, 0})
			}
			c.Write(p)
		}
		if !reaches(a, b, 30*time.Second) || !reaches(b, a, 30*time.Second) {
			t.Error("packets do not arrive")
		}
	})
}

func TestEnginesServeAThousandPeers(t *testing.T) {
	const peers = 1000
	for _, name := range []Implementation{Upstream, Tailscale} {
		t.Run(string(name), func(t *testing.T) {
			if name == Tailscale && runtime.GOOS != "linux" {
				t.Skip("Linux only")
			}
			n := newNode(t, name, 1)
			before := runtime.NumGoroutine()
			keys := make([]Key, peers)
			for i := range keys {
				rand.Read(keys[i][:])
				err := n.AddPeer(Peer{
					Public:     keys[i],
					AllowedIPs: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 9, byte(4 + i>>8), byte(i)}), 32)},
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			other := newNode(t, Upstream, 2)
			n.know(t, other, netip.AddrPort{}, Key{})
			other.know(t, n, n.at(), Key{})
			if !reaches(other, n, 10*time.Second) || !reaches(n, other, 5*time.Second) {
				t.Error("packets do not arrive")
			}
			other.Close()
			if err := n.RemovePeer(other.key.Public()); err != nil {
				t.Fatal(err)
			}
			for _, k := range keys {
				if err := n.RemovePeer(k); err != nil {
					t.Fatal(err)
				}
			}
			for end := time.Now().Add(30 * time.Second); runtime.NumGoroutine() > before+5; time.Sleep(10 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%d goroutines before the peers, %d after", before, runtime.NumGoroutine())
				}
			}
		})
	}
}

func TestEnginesCloseUnderTrafficAndFreeThePort(t *testing.T) {
	eachEngine(t, func(t *testing.T, initiator, responder Implementation) {
		a, b := newNode(t, initiator, 1), newNode(t, responder, 2)
		b.know(t, a, netip.AddrPort{}, Key{})
		a.know(t, b, b.at(), Key{})
		if !reaches(a, b, 30*time.Second) {
			t.Fatal("packets do not arrive")
		}
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				select {
				case a.pipe.out <- packet(a.addr, b.addr, "more"):
				case <-stop:
					return
				case <-a.pipe.done:
					return
				}
			}
		})
		time.Sleep(20 * time.Millisecond)
		closed := make(chan struct{})
		go func() { b.Close(); a.Close(); close(closed) }()
		select {
		case <-closed:
		case <-time.After(10 * time.Second):
			t.Fatal("an engine did not close")
		}
		close(stop)
		wg.Wait()
		select {
		case <-b.pipe.done:
		default:
			t.Error("the device is open")
		}
		c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(b.at()))
		if err != nil {
			t.Fatalf("the port is not free: %v", err)
		}
		c.Close()
	})
}

func TestParseEngineKnowsItsNames(t *testing.T) {
	for in, want := range map[string]Implementation{"": Upstream, "upstream": Upstream, "tailscale": Tailscale} {
		if got, err := Parse(in); got != want || err != nil {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	if _, err := Parse("boringtun"); err == nil {
		t.Error("an unknown engine is accepted")
	}
}
