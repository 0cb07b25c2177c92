package wireguard

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/tun"

	"byway/tunnel/underlay"
)

// Upstream's engine takes a 64 KiB buffer for each packet and bounds neither the buffers nor, in effect, the queues
// between its goroutines: 1,024 batches each. Under load it grows to half a gigabyte. What goes into it and what comes
// out can be seen at its two interfaces, so the packets inside are bounded there: a direction with too many is not
// read until some have left, and the kernel's queues, which are smaller and drop first, hold the rest.

// maxInside is how many packets of a direction may be inside the engine: some ten batches, enough to keep every core
// busy with batches of their own.
const maxInside = 448

// stallTime is how long a full direction waits for anything to move inside. Packets that are forged, replayed or have
// no key to be sent under never come out; when nothing else does, they are taken for gone.
const stallTime = 2 * time.Millisecond

// inside counts the packets of one direction.
type inside struct {
	count   atomic.Int64
	left    atomic.Uint64 // batches so far
	leaving atomic.Int64  // batches on their way out
	moved   chan struct{}
}

func newInside() *inside { return &inside{moved: make(chan struct{}, 1)} }

// wait returns when there is room.
func (w *inside) wait() {
	if w.count.Load() < maxInside {
		return
	}
	t := time.NewTimer(stallTime)
	defer t.Stop()
	for w.count.Load() >= maxInside {
		before := w.left.Load()
		select {
		case <-w.moved:
		case <-t.C:
			if w.left.Load() == before && w.leaving.Load() == 0 {
				w.count.Store(0)
			}
			t.Reset(stallTime)
		}
	}
}

// leave counts n packets on their way out while out carries them.
func (w *inside) leave(n int, out func() error) error {
	w.leaving.Add(1)
	err := out()
	w.leaving.Add(-1)
	w.left.Add(1)
	w.subtract(n)
	select {
	case w.moved <- struct{}{}:
	default:
	}
	return err
}

// subtract keeps the count from falling below zero: some that were taken for gone may come out all the same.
func (w *inside) subtract(n int) {
	if w.count.Add(-int64(n)) < 0 {
		w.count.Store(0)
	}
}

// entrance counts what one goroutine of the engine takes in. The engine puts another buffer in the place of each that
// it keeps, so those that it offers again held nothing that it wanted.
type entrance struct {
	*inside
	given []*byte // by position; nil where nothing was counted
}

// offer is called with the buffers that the engine wants filled.
func (e *entrance) offer(bufs [][]byte) {
	back := 0
	for i, p := range e.given {
		if p != nil && i < len(bufs) && p == &bufs[i][0] {
			back++
		}
	}
	e.given = e.given[:0]
	e.subtract(back)
	e.wait()
}

// filled is called with what they were filled with; counts says which of them may stay.
func (e *entrance) filled(bufs [][]byte, n int, counts func(i int) bool) {
	entered := 0
	for i := range n {
		var p *byte
		if counts(i) {
			p = &bufs[i][0]
			entered++
		}
		e.given = append(e.given, p)
	}
	e.count.Add(int64(entered))
}

// bound wraps the two interfaces of an upstream engine so that what is inside it stays bounded.
func bound(dev tun.Device, bind conn.Bind) (tun.Device, conn.Bind) {
	out, in := newInside(), newInside()
	return &boundDevice{Device: dev, out: entrance{inside: out}, in: in}, &boundBind{Bind: bind, out: out, in: in}
}

// boundDevice is read by one goroutine.
type boundDevice struct {
	tun.Device
	out entrance
	in  *inside
}

// Read implements tun.Device.
func (d *boundDevice) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	d.out.offer(bufs)
	n, err := d.Device.Read(bufs, sizes, offset)
	d.out.filled(bufs, n, func(i int) bool { return sizes[i] > 0 })
	return n, err
}

// Write implements tun.Device.
func (d *boundDevice) Write(bufs [][]byte, offset int) (n int, err error) {
	err = d.in.leave(len(bufs), func() error { n, err = d.Device.Write(bufs, offset); return err })
	return n, err
}

type boundBind struct {
	conn.Bind
	out, in *inside
}

// Open implements conn.Bind.
func (b *boundBind) Open(port uint16) ([]conn.ReceiveFunc, uint16, error) {
	fns, actual, err := b.Bind.Open(port)
	for i, fn := range fns {
		in := entrance{inside: b.in}
		fns[i] = func(bufs [][]byte, sizes []int, eps []conn.Endpoint) (int, error) {
			in.offer(bufs)
			n, err := fn(bufs, sizes, eps)
			in.filled(bufs, n, func(i int) bool { return isData(bufs[i][:sizes[i]]) })
			return n, err
		}
	}
	return fns, actual, err
}

// Send implements conn.Bind. A batch is all of one kind, save for keepalives among packets.
func (b *boundBind) Send(bufs [][]byte, ep conn.Endpoint) error {
	if !isData(bufs[0]) {
		return b.Bind.Send(bufs, ep)
	}
	return b.out.leave(len(bufs), func() error { return b.Bind.Send(bufs, ep) })
}

// isData reports whether a datagram claims to be a transport message that holds a packet.
func isData(b []byte) bool {
	return len(b) > underlay.TransportSize && binary.LittleEndian.Uint32(b) == underlay.Transport
}
