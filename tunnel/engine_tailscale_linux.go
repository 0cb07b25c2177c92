package tunnel

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"github.com/tailscale/wireguard-go/conn"
	"github.com/tailscale/wireguard-go/device"
	"github.com/tailscale/wireguard-go/tun"
	"golang.org/x/net/ipv4"
	upstream "golang.zx2c4.com/wireguard/tun"
)

// tailscaleQueue bounds the queues between the engine's goroutines, in batches. A batch holds 128 KiB at most, so the
// four queues of a busy device stay below 32 MiB, and idle peers cost a sixteenth of the default's queues.
const tailscaleQueue = 64

// tailscaleEngine is the engine of github.com/tailscale/wireguard-go. It leaves endpoints to its bind: there is one
// for the life of each peer, which follows the peer.
type tailscaleEngine struct {
	uapi
	wg   *device.Device
	bind *roamingBind
}

func newTailscale(cfg engineConfig) (engine, error) {
	bind := &roamingBind{sockets: newSockets(cfg.Listen.Addr()), guard: newGuard(), peers: make(map[Key]*roamer)}
	bind.guard.sift = bind.sift
	trace, fail := engineLog(cfg.Log)
	var dev tun.Device = newSlabDevice(cfg.Device)
	wg := device.NewDevice(dev, bind, &device.Logger{Verbosef: trace, Errorf: fail},
		device.WithQueueInboundSize(tailscaleQueue), device.WithQueueOutboundSize(tailscaleQueue))
	e := &tailscaleEngine{uapi: uapi{dev: wg}, wg: wg, bind: bind}
	if err := e.start(cfg); err != nil {
		return nil, err
	}
	return e, nil
}

// AddPeer implements engine. The engine knows the endpoint by the peer's key.
func (e *tailscaleEngine) AddPeer(p enginePeer) error {
	e.bind.add(p.Public, p.Endpoint)
	err := e.addPeer(p, p.Public.hex())
	if err != nil {
		e.bind.remove(p.Public)
	}
	return err
}

// RemovePeer implements engine.
func (e *tailscaleEngine) RemovePeer(public Key) error {
	e.wg.RemovePeer(device.NoisePublicKey(public))
	e.bind.remove(public)
	return nil
}

// Roam implements engine.
func (e *tailscaleEngine) Roam(public Key, to netip.AddrPort) error {
	r := e.bind.find(public)
	if r == nil {
		return nil
	}
	r.move(&endpoint{dst: unmap(to)})
	return nil
}

// roamer is the endpoint of a peer: where it was last heard from with an authenticated packet. The engine holds one
// for each peer and never replaces it.
//
// A data packet that was decrypted and not replayed moves it. So does an initiation, but the engine names its sender
// before it has checked more than that the sender knows this device's public key. What tells that the rest was in
// order is the response that the engine sends to it, which quotes the number of the initiation. Until then its source
// waits among the last few.
type roamer struct {
	mu      sync.Mutex
	at      *endpoint // nil: not known yet
	waiting [16]initiation
	next    int
}

// initiation is where a handshake came from.
type initiation struct {
	index uint32 // of the sender's choice
	ep    *endpoint
}

func (r *roamer) move(to *endpoint) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = to
}

// await remembers an unchecked initiation.
func (r *roamer) await(i initiation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting[r.next] = i
	r.next = (r.next + 1) % len(r.waiting)
}

// answer moves to the source of the initiation that a response is for.
func (r *roamer) answer(index uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.waiting {
		if r.waiting[i].ep != nil && r.waiting[i].index == index {
			r.at = r.waiting[i].ep
			clear(r.waiting[:])
			return
		}
	}
}

func (r *roamer) endpoint() *endpoint {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}

// nowhere stands in until a peer has been heard from.
var nowhere = new(endpoint)

func (r *roamer) known() *endpoint {
	if ep := r.endpoint(); ep != nil {
		return ep
	}
	return nowhere
}

func (r *roamer) ClearSrc()           { r.known().ClearSrc() }
func (r *roamer) SrcToString() string { return r.known().SrcToString() }
func (r *roamer) DstToString() string { return r.known().DstToString() }
func (r *roamer) DstToBytes() []byte  { return r.known().DstToBytes() }
func (r *roamer) DstIP() netip.Addr   { return r.known().DstIP() }
func (r *roamer) SrcIP() netip.Addr   { return r.known().SrcIP() }

// source is the endpoint of received packets. The engine tells it whose they were.
type source struct {
	*endpoint
	bind *roamingBind

	// Of an initiation only.
	index uint32

	// The peer whose packet was last found to come from here; a run of packets need not look it up again. It belongs
	// to the goroutine of that peer, hence the lock.
	mu   sync.Mutex
	key  Key
	peer *roamer
}

// FromPeer implements conn.PeerAwareEndpoint: a packet from here was authenticated.
func (s *source) FromPeer(public [32]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.peer == nil || s.key != public {
		s.key, s.peer = public, s.bind.find(public)
	}
	if s.peer != nil && s.peer.endpoint() != s.endpoint {
		s.peer.move(s.endpoint)
	}
}

// InitiationMessagePublicKey implements conn.InitiationAwareEndpoint: an initiation from here claims to be a peer's.
func (s *source) InitiationMessagePublicKey(public [32]byte) {
	if peer := s.bind.find(public); peer != nil {
		peer.await(initiation{index: s.index, ep: s.endpoint})
	}
}

var (
	_ conn.PeerAwareEndpoint       = (*source)(nil)
	_ conn.InitiationAwareEndpoint = (*source)(nil)
	_ conn.Bind                    = (*roamingBind)(nil)
)

// roamingBind is the sockets as a conn.Bind of Tailscale's engine, with the roaming that the engine lacks.
type roamingBind struct {
	*sockets
	guard *guard

	peersMu sync.RWMutex
	peers   map[Key]*roamer
}

func (b *roamingBind) add(public Key, at netip.AddrPort) {
	r := new(roamer)
	if at.IsValid() {
		r.at = &endpoint{dst: unmap(at)}
	}
	b.peersMu.Lock()
	defer b.peersMu.Unlock()
	b.peers[public] = r
}

func (b *roamingBind) remove(public Key) {
	b.peersMu.Lock()
	defer b.peersMu.Unlock()
	delete(b.peers, public)
}

func (b *roamingBind) find(public Key) *roamer {
	b.peersMu.RLock()
	defer b.peersMu.RUnlock()
	return b.peers[public]
}

// ParseEndpoint implements conn.Bind: s is the public key of a peer, in hexadecimal.
func (b *roamingBind) ParseEndpoint(s string) (conn.Endpoint, error) {
	var public Key
	if n, err := hex.Decode(public[:], []byte(s)); err != nil || n != len(public) {
		return nil, errors.New("parse endpoint: not the key of a peer")
	}
	r := b.find(public)
	if r == nil {
		return nil, errors.New("parse endpoint: no such peer")
	}
	return r, nil
}

// Send implements conn.Bind.
func (b *roamingBind) Send(bufs [][]byte, to conn.Endpoint, offset int) error {
	var ep *endpoint
	switch to := to.(type) {
	case *roamer:
		if m := bufs[0][offset:]; len(m) == msgResponseSize && binary.LittleEndian.Uint32(m) == msgResponse {
			// The index of the initiation follows the type and the sender's index (paper, 5.4.3).
			to.answer(binary.LittleEndian.Uint32(m[8:]))
		}
		ep = to.known()
	case *source:
		ep = to.endpoint
	default:
		return conn.ErrWrongEndpointType
	}
	b.guard.answered(bufs[0][offset:], ep)
	return b.send(bufs, offset, ep)
}

// Open implements conn.Bind.
func (b *roamingBind) Open(port uint16) ([]conn.ReceiveFunc, uint16, error) {
	open, actual, err := b.open(port)
	if err != nil {
		return nil, 0, err
	}
	b.guard.opened()
	var fns []conn.ReceiveFunc
	for _, sock := range open {
		r := &slabReceiver{arrivals: arrivals{sock: sock}, bind: b}
		fns = append(fns, r.receive)
	}
	return fns, actual, nil
}

// slabReceiver reads datagrams for Tailscale's engine, which takes them all in one buffer, as the kernel joined them.
type slabReceiver struct {
	arrivals
	bind *roamingBind
	msgs []ipv4.Message
	from *source // of the latest packet
}

// maxMessage is the room for one message: a whole UDP datagram, which holds a run of joined ones.
const maxMessage = 1<<16 - 1

func (r *slabReceiver) receive(slab []byte, packets []conn.ReceivedPacket) (int, error) {
	room := maxMessage
	if !r.sock.joins {
		// A datagram each; none is longer than what fits into the largest packet of a device.
		room = max(len(slab)/len(packets), min(len(slab), maxUnjoined))
	}
	want := max(1, min(len(slab)/room, len(packets)))
	for len(r.msgs) < want {
		r.msgs = append(r.msgs, ipv4.Message{Buffers: make([][]byte, 1), OOB: make([]byte, controlSize)})
	}
	msgs := r.msgs[:want]
	for i := range msgs {
		msgs[i].Buffers[0] = slab[i*room : min((i+1)*room, len(slab))]
	}
	n, err := r.sock.batch.ReadBatch(msgs, 0)
	if err != nil {
		return 0, err
	}
	count := 0
	for i := range msgs[:n] {
		m := &msgs[i]
		got := r.describe(m)
		for at := 0; at < m.N && count < len(packets); at += got.each {
			size := min(got.each, m.N-at)
			off := i*room + at
			if !r.bind.guard.pass(slab[off:off+size], got.ep) {
				continue
			}
			packets[count] = conn.ReceivedPacket{Offset: off, Size: size, Endpoint: r.source(got.ep, slab[off:off+size])}
			count++
		}
	}
	for i := range msgs {
		msgs[i].Buffers[0] = nil
	}
	return count, nil
}

// maxUnjoined is the room for a datagram where the kernel does not join them.
const maxUnjoined = 1<<14 - 1

// source makes the endpoint of a packet, or reuses the latest.
func (r *slabReceiver) source(ep *endpoint, packet []byte) *source {
	if len(packet) == msgInitiationSize && binary.LittleEndian.Uint32(packet) == msgInitiation {
		return &source{endpoint: ep, bind: r.bind, index: binary.LittleEndian.Uint32(packet[4:])}
	}
	if r.from == nil || r.from.endpoint != ep {
		r.from = &source{endpoint: ep, bind: r.bind}
	}
	return r.from
}

// slabDevice gives a device the face that Tailscale's engine wants: reads fill one buffer.
type slabDevice struct {
	upstream.Device
	events chan tun.Event
	room   int // of a packet, with its spacing
	bufs   [][]byte
	sizes  []int
}

func newSlabDevice(dev upstream.Device) *slabDevice {
	mtu, err := dev.MTU()
	if err != nil {
		mtu = DefaultMTU
	}
	d := &slabDevice{Device: dev, events: make(chan tun.Event, 1), room: mtu + tun.ReadPacketSpacing}
	go func() {
		// It ends when the device closes.
		defer close(d.events)
		for e := range dev.Events() {
			d.events <- tun.Event(e)
		}
	}()
	return d
}

// Events implements tun.Device.
func (d *slabDevice) Events() <-chan tun.Event { return d.events }

// Read implements tun.Device. It belongs to one goroutine.
func (d *slabDevice) Read(slab []byte, packets []tun.ReadPacket) (int, error) {
	const space = tun.ReadPacketSpacing
	n := min(len(packets), max(1, (len(slab)-space)/d.room))
	if len(d.bufs) != n {
		d.bufs, d.sizes = make([][]byte, n), make([]int, n)
	}
	for i := range d.bufs {
		at := space + i*d.room
		d.bufs[i] = slab[at:min(at+d.room-space, len(slab)-space)]
	}
	count, err := d.Device.Read(d.bufs, d.sizes, 0)
	for i := range count {
		packets[i] = tun.ReadPacket{Offset: space + i*d.room, Size: d.sizes[i]}
		if d.sizes[i] > len(d.bufs[i]) {
			packets[i].Size = 0
		}
	}
	if errors.Is(err, upstream.ErrTooManySegments) {
		err = fmt.Errorf("%w: %w", tun.ErrTooManySegments, err)
	}
	return count, err
}
