package netstack

import (
	"net/netip"
	"os"
	"sync"

	"golang.zx2c4.com/wireguard/tun"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

const (
	// batchSize is how many packets one Read may return and one Write is likely to carry.
	batchSize = 128

	// engineOverhead is added to each packet by the engine, in bytes.
	engineOverhead = 32

	// gsoMaxSize is the largest segment that TCP hands over, as the length field of IP has 16 bits.
	gsoMaxSize = 1<<16 - 1

	// queuePackets and queueBytes bound what waits between the stack and the engine. Writers block when either is
	// reached, which is the back-pressure that keeps TCP from losing packets on its own host.
	queuePackets = 1024
	queueBytes   = 1 << 20
)

// MaxSegmented is how many bytes of payload an engine should send as one segmented UDP datagram, which is what one Read
// fills. Interfaces take it whole as long as it is shorter than 64 KiB with the headers of UDP, IPv6 and Ethernet; else
// the kernel cuts it up, and the receiver gets single packets.
const MaxSegmented = 1<<16 - 1 - 8 - 40 - 14

// Device joins a stack to a WireGuard engine: the engine sees a tun.Device, the stack a link endpoint.
type Device struct {
	mtu      int
	events   chan tun.Event
	onDenied func(netip.AddrPort) // may be nil
	onEcho   func(Echo) bool      // may be nil
	onLeave  func(from, to netip.AddrPort)
	inbound  *inbound // nil: the stack answers in the name of others
	asked    *inbound // of such a stack: what it may answer only in its own name

	mu       sync.Mutex
	readable sync.Cond
	writable sync.Cond
	ring     [queuePackets]*stack.PacketBuffer
	head     int
	count    int
	bytes    int
	closed   bool

	// The cutter belongs to the one goroutine that calls Read.
	cut cutter

	linkMu     sync.RWMutex
	dispatcher stack.NetworkDispatcher
	onClose    func()

	// joiners is a pool, for the engine writes from one goroutine a peer.
	joiners sync.Pool
}

var (
	_ tun.Device         = tunFace{}
	_ stack.LinkEndpoint = (*Device)(nil)
	_ stack.GSOEndpoint  = (*Device)(nil)
)

func newDevice(cfg Config) *Device {
	d := &Device{mtu: cfg.MTU, events: make(chan tun.Event, 1), onDenied: cfg.OnDenied, onEcho: cfg.OnEcho,
		onLeave: cfg.OnFarewell}
	d.readable.L, d.writable.L = &d.mu, &d.mu
	if !cfg.Forward {
		d.inbound = newInbound(cfg.Addrs)
	} else if cfg.OnEcho != nil {
		d.asked = newInbound(cfg.Addrs)
	}
	d.joiners.New = func() any { return new(joiner) }
	d.events <- tun.EventUp
	return d
}

// File implements tun.Device: there is no descriptor behind a userspace stack.
func (d *Device) File() *os.File { return nil }

// Name implements tun.Device.
func (d *Device) Name() (string, error) { return "netstack", nil }

// Events implements tun.Device.
func (d *Device) Events() <-chan tun.Event { return d.events }

// BatchSize implements tun.Device.
func (d *Device) BatchSize() int { return batchSize }

// Read implements tun.Device: it waits for packets of the stack and fills as many buffers as the budget allows.
func (d *Device) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	n, left := 0, MaxSegmented
	for n < len(bufs) {
		if !d.cut.active() {
			pkt, err := d.pop(n == 0)
			if err != nil {
				return 0, err
			}
			if pkt == nil {
				return n, nil
			}
			d.cut.start(pkt)
		}
		for d.cut.short() {
			pkt := d.popNext(d.cut.continuedBy)
			if pkt == nil {
				break
			}
			d.cut.join(pkt)
		}
		if left -= d.cut.next() + engineOverhead; n > 0 && left < 0 {
			return n, nil
		}
		sizes[n] = d.cut.fill(bufs[n][offset:])
		n++
	}
	return n, nil
}

// pop takes the oldest queued packet. Without one it waits, or returns nil when told not to.
func (d *Device) pop(wait bool) (*stack.PacketBuffer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.count == 0 {
		if d.closed {
			return nil, os.ErrClosed
		}
		if !wait {
			return nil, nil
		}
		d.readable.Wait()
	}
	return d.take(), nil
}

// popNext takes the oldest queued packet if there is one and it is what the caller wants.
func (d *Device) popNext(wanted func(*stack.PacketBuffer) bool) *stack.PacketBuffer {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.count == 0 || !wanted(d.ring[d.head]) {
		return nil
	}
	return d.take()
}

// take removes the oldest queued packet, and lets those who wait for room go on. The lock is held.
func (d *Device) take() *stack.PacketBuffer {
	pkt := d.ring[d.head]
	d.ring[d.head] = nil
	d.head = (d.head + 1) % queuePackets
	d.count--
	full := d.bytes >= queueBytes || d.count == queuePackets-1
	d.bytes -= pkt.Size()
	if full && d.bytes < queueBytes {
		d.writable.Broadcast()
	}
	return pkt
}

// push queues a packet for the engine, waiting for room. It takes a reference of its own.
func (d *Device) push(pkt *stack.PacketBuffer) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for !d.closed && (d.count == queuePackets || d.bytes >= queueBytes) {
		d.writable.Wait()
	}
	if d.closed {
		return false
	}
	d.ring[(d.head+d.count)%queuePackets] = pkt.IncRef()
	d.bytes += pkt.Size()
	if d.count++; d.count == 1 {
		d.readable.Signal()
	}
	return true
}

// drained reports whether every queued packet has been handed to the engine.
func (d *Device) drained() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count == 0
}

// Write implements tun.Device: it delivers packets to the stack, joining consecutive segments of a TCP flow.
func (d *Device) Write(bufs [][]byte, offset int) (int, error) {
	d.linkMu.RLock()
	to := d.dispatcher
	d.linkMu.RUnlock()
	if to == nil {
		return 0, os.ErrClosed
	}
	j := d.joiners.Get().(*joiner)
	for _, buf := range bufs {
		if len(buf) <= offset {
			continue
		}
		pkt := buf[offset:]
		if d.inbound != nil && !d.inbound.takes(pkt) {
			continue
		}
		if d.onDenied != nil {
			if dst, ok := denial(pkt); ok {
				d.onDenied(dst)
			}
		}
		if d.onEcho != nil {
			if e, ok := parseEcho(pkt); ok && d.onEcho(e) {
				continue
			}
		}
		if d.onLeave != nil {
			if from, to, ok := farewell(pkt); ok {
				d.onLeave(from, to)
				continue
			}
		}
		if d.asked != nil && d.asked.speaksForOthers(pkt) {
			continue
		}
		j.add(to, pkt)
	}
	j.flush(to)
	d.joiners.Put(j)
	return len(bufs), nil
}

// shut ends Read and every blocked writer. Queued packets are released.
func (d *Device) shut() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	d.closed = true
	for ; d.count > 0; d.count-- {
		d.ring[d.head].DecRef()
		d.ring[d.head] = nil
		d.head = (d.head + 1) % queuePackets
	}
	d.readable.Broadcast()
	d.writable.Broadcast()
	close(d.events)
	return true
}

// closeLink ends the device for both of its users, the engine and the stack; whichever closes first.
func (d *Device) closeLink() {
	if !d.shut() {
		return
	}
	d.linkMu.RLock()
	fn := d.onClose
	d.linkMu.RUnlock()
	if fn != nil {
		fn()
	}
}

// tunFace is the device as the engine sees it: the two interfaces disagree about MTU and Close.
type tunFace struct{ *Device }

// MTU implements tun.Device.
func (t tunFace) MTU() (int, error) { return t.mtu, nil }

// Close implements tun.Device.
func (t tunFace) Close() error { t.closeLink(); return nil }

// MTU implements stack.LinkEndpoint.
func (d *Device) MTU() uint32 { return uint32(d.mtu) }

// Close implements stack.LinkEndpoint.
func (d *Device) Close() { d.closeLink() }

// SetMTU implements stack.LinkEndpoint; the MTU of a tunnel is fixed when it is made.
func (d *Device) SetMTU(uint32) {}

// MaxHeaderLength implements stack.LinkEndpoint.
func (d *Device) MaxHeaderLength() uint16 { return 0 }

// LinkAddress implements stack.LinkEndpoint.
func (d *Device) LinkAddress() tcpip.LinkAddress { return "" }

// SetLinkAddress implements stack.LinkEndpoint.
func (d *Device) SetLinkAddress(tcpip.LinkAddress) {}

// Capabilities implements stack.LinkEndpoint. Received checksums are not verified again: each packet came out of an
// authenticated cipher, so it is what the peer sent, and a peer that sends wrong checksums harms only itself.
func (d *Device) Capabilities() stack.LinkEndpointCapabilities {
	return stack.CapabilityRXChecksumOffload
}

// GSOMaxSize implements stack.GSOEndpoint.
func (d *Device) GSOMaxSize() uint32 { return gsoMaxSize }

// SupportedGSO implements stack.GSOEndpoint: the cutter is this link's segmentation offload.
func (d *Device) SupportedGSO() stack.SupportedGSO { return stack.HostGSOSupported }

// Attach implements stack.LinkEndpoint.
func (d *Device) Attach(to stack.NetworkDispatcher) {
	d.linkMu.Lock()
	defer d.linkMu.Unlock()
	d.dispatcher = to
}

// IsAttached implements stack.LinkEndpoint.
func (d *Device) IsAttached() bool {
	d.linkMu.RLock()
	defer d.linkMu.RUnlock()
	return d.dispatcher != nil
}

// Wait implements stack.LinkEndpoint: the device has no goroutines of its own.
func (d *Device) Wait() {}

// ARPHardwareType implements stack.LinkEndpoint.
func (d *Device) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareNone }

// AddHeader implements stack.LinkEndpoint.
func (d *Device) AddHeader(*stack.PacketBuffer) {}

// ParseHeader implements stack.LinkEndpoint.
func (d *Device) ParseHeader(*stack.PacketBuffer) bool { return true }

// SetOnCloseAction implements stack.LinkEndpoint.
func (d *Device) SetOnCloseAction(fn func()) {
	d.linkMu.Lock()
	defer d.linkMu.Unlock()
	d.onClose = fn
}

// WritePackets implements stack.LinkEndpoint.
func (d *Device) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	for i, pkt := range pkts.AsSlice() {
		if d.asked != nil && d.asked.spokeForOthers(pkt.NetworkHeader().Slice()) {
			continue
		}
		if !d.push(pkt) {
			return i, &tcpip.ErrClosedForSend{}
		}
	}
	return pkts.Len(), nil
}
