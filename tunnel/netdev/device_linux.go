package netdev

import (
	"errors"
	"os"
	"sync"
	"time"

	tailscale "github.com/tailscale/wireguard-go/tun"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/tun"
)

// A read of the kernel's brings up to 64 KiB of one flow. Cut into packets, with their headers and what must stay free
// between them, they need no more than slabSize and maxPackets, however small the segments are.
const (
	slabSize   = 2 * (1<<16 - 1)
	maxPackets = 1024
)

// Device is a network interface of the kernel.
type Device struct {
	tailscale.Device
	events chan tun.Event

	// What one read of the kernel brought and one Read could not yet take.
	mu      sync.Mutex
	slab    []byte
	packets []tailscale.ReadPacket
	rest    []tailscale.ReadPacket

	injected chan []byte
}

// injectedMost is how many packets may wait for Read besides those of the kernel.
const injectedMost = 256

// Inject has Read return a packet that the kernel did not send. It reports false when too many wait. The packet is not
// copied.
func (d *Device) Inject(pkt []byte) bool {
	select {
	case d.injected <- pkt:
	default:
		return false
	}
	d.Wake()
	return true
}

// Wake has a Read that waits for the kernel, or else the next one, return without a packet. A device that was closed has
// no reader.
func (d *Device) Wake() { _ = d.File().SetReadDeadline(time.Unix(1, 0)) }

// Gone reports whether the interface is no more: the device was closed, or another program has removed the interface.
func (d *Device) Gone() bool {
	conn, err := d.File().SyscallConn()
	if err != nil {
		return true
	}
	request, err := unix.NewIfreq("")
	if err != nil {
		return true
	}
	var asked error
	err = conn.Control(func(fd uintptr) { asked = unix.IoctlIfreq(int(fd), unix.TUNGETIFF, request) })
	return err != nil || errors.Is(asked, unix.EBADFD)
}

// takeInjected fills bufs with what was injected.
func (d *Device) takeInjected(bufs [][]byte, sizes []int, offset int) int {
	for i := range bufs {
		select {
		case pkt := <-d.injected:
			sizes[i] = copy(bufs[i][offset:], pkt)
			if sizes[i] < len(pkt) {
				sizes[i] = 0
			}
		default:
			return i
		}
	}
	return len(bufs)
}

// Create makes an interface. A name may end in %d, which the kernel replaces by a number. It goes when it is closed, or
// with the process.
func Create(name string, mtu int) (*Device, error) {
	dev, err := tailscale.CreateTUN(name, mtu)
	if err != nil {
		return nil, err
	}
	d := &Device{
		Device: dev, events: make(chan tun.Event, 4),
		slab: make([]byte, slabSize), packets: make([]tailscale.ReadPacket, maxPackets),
		injected: make(chan []byte, injectedMost),
	}
	go func() {
		// It ends when the device is closed.
		defer close(d.events)
		for e := range dev.Events() {
			d.events <- tun.Event(e)
		}
	}()
	return d, nil
}

// Events implements tun.Device.
func (d *Device) Events() <-chan tun.Event { return d.events }

// Read implements tun.Device. It may return no packet, and no error.
func (d *Device) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.rest) == 0 {
		n, err := d.Device.Read(d.slab, d.packets)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			// The deadline goes first: who injects after that sets another.
			if err := d.File().SetReadDeadline(time.Time{}); err != nil {
				return 0, err
			}
			return d.takeInjected(bufs, sizes, offset), nil
		}
		if errors.Is(err, tailscale.ErrTooManySegments) {
			err = tun.ErrTooManySegments
		}
		if err != nil {
			return 0, err
		}
		d.rest = d.packets[:n]
	}
	n := min(len(bufs), len(d.rest))
	for i, p := range d.rest[:n] {
		sizes[i] = copy(bufs[i][offset:], d.slab[p.Offset:p.Offset+p.Size])
		if sizes[i] < p.Size {
			sizes[i] = 0 // longer than the interface's MTU when the engine began; half a packet helps nobody
		}
	}
	d.rest = d.rest[n:]
	return n, nil
}
