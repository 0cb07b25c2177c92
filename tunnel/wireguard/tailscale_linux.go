package wireguard

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
	upstream "golang.zx2c4.com/wireguard/tun"

	"byway/tunnel/underlay"
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

func newTailscale(cfg Config) (Engine, error) {
	bind := &roamingBind{underlay: underlay.Guarded(cfg.Underlay), peers: make(map[Key]*roamer)}
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
func (e *tailscaleEngine) AddPeer(p Peer) error {
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
	r.move(underlay.At(to))
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
	at      *underlay.Endpoint // nil: not known yet
	waiting [16]initiation
	next    int
}

// initiation is where a handshake came from.
type initiation struct {
	index uint32 // of the sender's choice
	ep    *underlay.Endpoint
}

func (r *roamer) move(to *underlay.Endpoint) {
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

func (r *roamer) endpoint() *underlay.Endpoint {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}

// nowhere stands in until a peer has been heard from.
var nowhere = underlay.At(netip.AddrPort{})

func (r *roamer) known() *underlay.Endpoint {
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
	*underlay.Endpoint
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
	if s.peer != nil && s.peer.endpoint() != s.Endpoint {
		s.peer.move(s.Endpoint)
	}
}

// InitiationMessagePublicKey implements conn.InitiationAwareEndpoint: an initiation from here claims to be a peer's.
func (s *source) InitiationMessagePublicKey(public [32]byte) {
	if peer := s.bind.find(public); peer != nil {
		peer.await(initiation{index: s.index, ep: s.Endpoint})
	}
}

var (
	_ conn.PeerAwareEndpoint       = (*source)(nil)
	_ conn.InitiationAwareEndpoint = (*source)(nil)
	_ conn.Bind                    = (*roamingBind)(nil)
)

// roamingBind is an underlay as a conn.Bind of Tailscale's engine, with the roaming that the engine lacks.
type roamingBind struct {
	underlay underlay.Underlay

	peersMu sync.RWMutex
	peers   map[Key]*roamer
}

func (b *roamingBind) add(public Key, at netip.AddrPort) {
	r := new(roamer)
	if at.IsValid() {
		r.at = underlay.At(at)
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
	var ep *underlay.Endpoint
	switch to := to.(type) {
	case *roamer:
		if m := bufs[0][offset:]; len(m) == underlay.ResponseSize && binary.LittleEndian.Uint32(m) == underlay.Response {
			// The index of the initiation follows the type and the sender's index (paper, 5.4.3).
			to.answer(binary.LittleEndian.Uint32(m[8:]))
		}
		ep = to.known()
	case *source:
		ep = to.Endpoint
	default:
		return conn.ErrWrongEndpointType
	}
	return b.underlay.Send(bufs, offset, ep)
}

// Open implements conn.Bind. The engine takes all datagrams in one buffer, as they lie there.
func (b *roamingBind) Open(port uint16) ([]conn.ReceiveFunc, uint16, error) {
	open, actual, err := b.underlay.Open(port)
	if err != nil {
		return nil, 0, err
	}
	var fns []conn.ReceiveFunc
	for _, receive := range open {
		r := &slabReceiver{bind: b, receive: receive}
		fns = append(fns, r.read)
	}
	return fns, actual, nil
}

// BatchSize implements conn.Bind.
func (b *roamingBind) BatchSize() int {
	batch, _ := b.underlay.Limits()
	return batch
}

// SetMark implements conn.Bind. The underlay has been given its mark.
func (b *roamingBind) SetMark(uint32) error { return nil }

// Close implements conn.Bind.
func (b *roamingBind) Close() error { return b.underlay.Close() }

// slabReceiver tells the engine whose datagrams are whose.
type slabReceiver struct {
	bind    *roamingBind
	receive underlay.ReceiveFunc
	got     []underlay.Packet
	from    *source // of the latest packet
}

func (r *slabReceiver) read(slab []byte, packets []conn.ReceivedPacket) (int, error) {
	if len(r.got) < len(packets) {
		r.got = make([]underlay.Packet, len(packets))
	}
	n, err := r.receive(slab, r.got[:len(packets)])
	for i, p := range r.got[:n] {
		packets[i] = conn.ReceivedPacket{
			Offset: p.Offset, Size: p.Size, Endpoint: r.source(p.From, slab[p.Offset:p.Offset+p.Size]),
		}
	}
	return n, err
}

// source makes the endpoint of a packet, or reuses the latest.
func (r *slabReceiver) source(ep *underlay.Endpoint, packet []byte) *source {
	if len(packet) == underlay.InitiationSize && binary.LittleEndian.Uint32(packet) == underlay.Initiation {
		return &source{Endpoint: ep, bind: r.bind, index: binary.LittleEndian.Uint32(packet[4:])}
	}
	if r.from == nil || r.from.Endpoint != ep {
		r.from = &source{Endpoint: ep, bind: r.bind}
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
