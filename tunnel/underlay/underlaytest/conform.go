package underlaytest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"byway/tunnel/underlay"
)

// Link is two underlays of which each reaches the other, both closed, and where each is reached once it has a port.
type Link struct {
	A, B     underlay.Underlay
	AtA, AtB func(port uint16) netip.AddrPort
}

// patience is how long something may take that takes no time.
const patience = 30 * time.Second

// Conform runs every test of what package underlay promises, on links of connect's making.
func Conform(t *testing.T, connect func(t testing.TB) Link) {
	for name, test := range map[string]func(*testing.T, Link){
		"batches of every length arrive whole and in their order": wholeAndInOrder,
		"datagrams of every size up to the limit, and none above": sizes,
		"an endpoint leads back, also to a peer that has moved":   roaming,
		"close ends those that wait, and can be repeated":         closing,
		"many send at once":                      together,
		"a packet costs no allocation":           allocations,
		"spare room before a datagram is spared": spareRoom,
	} {
		t.Run(name, func(t *testing.T) { test(t, connect(t)) })
	}
}

// inbox receives all that comes to one underlay.
type inbox struct {
	port  uint16
	came  chan letter
	ended chan error
}

type letter struct {
	data []byte
	from *underlay.Endpoint
}

// open opens an underlay and receives until it is closed.
func open(t testing.TB, u underlay.Underlay, port uint16) *inbox {
	t.Helper()
	fns, actual, err := u.Open(port)
	if err != nil || actual == 0 || port != 0 && actual != port || len(fns) == 0 {
		t.Fatalf("open at port %d: port %d, %d functions, %v", port, actual, len(fns), err)
	}
	t.Cleanup(func() { u.Close() })
	in := &inbox{port: actual, came: make(chan letter, 1<<16), ended: make(chan error, len(fns))}
	batch, _ := u.Limits()
	for _, receive := range fns {
		go func() {
			slab, packets := make([]byte, 2*underlay.Room), make([]underlay.Packet, batch)
			for {
				n, err := receive(slab, packets)
				if err != nil {
					in.ended <- err
					return
				}
				for _, p := range packets[:n] {
					in.came <- letter{bytes.Clone(slab[p.Offset : p.Offset+p.Size]), p.From}
				}
			}
		}()
	}
	return in
}

func (in *inbox) next(t testing.TB) letter {
	t.Helper()
	select {
	case l := <-in.came:
		return l
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// numbered is a datagram that says which it is.
func numbered(n, size int) []byte {
	b := bytes.Repeat([]byte{byte(n)}, max(size, 8))
	binary.BigEndian.PutUint64(b, uint64(n))
	return b
}

func wholeAndInOrder(t *testing.T, l Link) {
	a, b := open(t, l.A, 0), open(t, l.B, 0)
	_ = a
	to := underlay.At(l.AtB(b.port))
	batch, _ := l.A.Limits()
	sent := 0
	for size := 1; size <= batch; size++ {
		var bufs [][]byte
		for i := range size {
			bufs = append(bufs, numbered(sent+i, 64+(sent+i)%7*200))
		}
		if err := l.A.Send(bufs, 0, to); err != nil {
			t.Fatal(err)
		}
		for range bufs {
			if got, want := b.next(t).data, numbered(sent, 64+sent%7*200); !bytes.Equal(got, want) {
				t.Fatalf("datagram %d: %d bytes that begin with % x, want %d", sent, len(got), got[:min(8, len(got))], len(want))
			}
			sent++
		}
	}
}

func sizes(t *testing.T, l Link) {
	open(t, l.A, 0)
	b := open(t, l.B, 0)
	to := underlay.At(l.AtB(b.port))
	_, mtu := l.A.Limits()
	for _, size := range []int{8, 32, 148, 1280, 1452, 9000, 16000, mtu / 2, mtu - 1, mtu} {
		if size > mtu {
			continue
		}
		want := numbered(size, size)
		if err := l.A.Send([][]byte{want}, 0, to); err != nil {
			t.Errorf("%d bytes: %v", size, err)
			continue
		}
		if got := b.next(t).data; !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %d came", size, len(got))
		}
	}
	if err := l.A.Send([][]byte{numbered(1, 100), make([]byte, mtu+1)}, 0, to); !errors.Is(err, underlay.ErrTooLarge) {
		t.Errorf("a byte above the limit: %v", err)
	}
	if err := l.A.Send([][]byte{numbered(2, 100)}, 0, to); err != nil {
		t.Fatal(err)
	}
	if got := b.next(t).data; !bytes.Equal(got, numbered(2, 100)) {
		t.Error("of a batch that was refused something was sent")
	}
}

func roaming(t *testing.T, l Link) {
	a, b := open(t, l.A, 0), open(t, l.B, 0)
	toB := underlay.At(l.AtB(b.port))
	say := func(text string) *underlay.Endpoint {
		t.Helper()
		if err := l.A.Send([][]byte{[]byte(text)}, 0, toB); err != nil {
			t.Fatal(err)
		}
		got := b.next(t)
		if string(got.data) != text {
			t.Fatalf("got %q", got.data)
		}
		return got.from
	}
	first := say("first")
	if again := say("again"); again != first {
		t.Error("two packets from one place have two endpoints")
	}
	if first.Remote() != l.AtA(a.port) || first.DstToString() != first.Remote().String() {
		t.Errorf("from %v, sent from %v", first.Remote(), l.AtA(a.port))
	}
	if err := l.A.Close(); err != nil {
		t.Fatal(err)
	}
	moved := open(t, l.A, 0)
	second := say("moved")
	if second == first || second.Remote() != l.AtA(moved.port) {
		t.Errorf("a peer that moved from %v to port %d is at %v", first.Remote(), moved.port, second.Remote())
	}
	if err := l.B.Send([][]byte{[]byte("answer")}, 0, second); err != nil {
		t.Fatal(err)
	}
	if got := moved.next(t); string(got.data) != "answer" || got.from.Remote() != l.AtB(b.port) {
		t.Errorf("%q from %v", got.data, got.from.Remote())
	}
}

func closing(t *testing.T, l Link) {
	batch, mtu := l.A.Limits()
	if batch < 1 || mtu < 1280 {
		t.Errorf("limits are %d and %d", batch, mtu)
	}
	to := underlay.At(l.AtB(9))
	if err := l.A.Send([][]byte{numbered(1, 100)}, 0, to); !errors.Is(err, net.ErrClosed) {
		t.Errorf("sending before open: %v", err)
	}
	b := open(t, l.B, 0)
	to = underlay.At(l.AtB(b.port))
	var port uint16
	for range 3 {
		a := open(t, l.A, port)
		port = a.port
		if _, _, err := l.A.Open(0); !errors.Is(err, underlay.ErrOpen) {
			t.Errorf("open twice: %v", err)
		}
		if err := l.A.Send([][]byte{numbered(1, 100)}, 0, to); err != nil {
			t.Error(err)
		}
		b.next(t)
		for range 2 {
			if err := l.A.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
		for range cap(a.ended) {
			select {
			case err := <-a.ended:
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("a receiver ended with %v", err)
				}
			case <-time.After(patience):
				t.Fatal("a receiver outlives close")
			}
		}
		if err := l.A.Send([][]byte{numbered(1, 100)}, 0, to); !errors.Is(err, net.ErrClosed) {
			t.Errorf("sending after close: %v", err)
		}
	}
}

func together(t *testing.T, l Link) {
	a, b := open(t, l.A, 0), open(t, l.B, 0)
	const senders, each = 4, 200
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				if err := l.A.Send([][]byte{numbered(s*each+i, 200)}, 0, underlay.At(l.AtB(b.port))); err != nil {
					t.Error(err)
				}
				if err := l.B.Send([][]byte{numbered(s*each+i, 200)}, 0, underlay.At(l.AtA(a.port))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, in := range []*inbox{a, b} {
		last := [senders]int{-1, -1, -1, -1}
		for range senders * each {
			n := int(binary.BigEndian.Uint64(in.next(t).data))
			if s := n / each; n%each <= last[s] {
				t.Errorf("of sender %d came %d after %d", s, n%each, last[s])
			} else {
				last[s] = n % each
			}
		}
	}
	wg.Wait()
}

func allocations(t *testing.T, l Link) {
	fns, port, err := l.B.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	defer l.B.Close()
	open(t, l.A, 0)
	batch, _ := l.A.Limits()
	bufs := make([][]byte, batch)
	for i := range bufs {
		bufs[i] = numbered(i, 200)
	}
	// Of two families, the one that gets what is sent to AtB.
	to := underlay.At(l.AtB(port))
	receive := fns[0]
	if len(fns) > 1 && to.DstIP().Is6() {
		receive = fns[1]
	}
	slab, packets := make([]byte, 2*underlay.Room), make([]underlay.Packet, batch)
	perBatch := testing.AllocsPerRun(100, func() {
		if err := l.A.Send(bufs, 0, to); err != nil {
			t.Fatal(err)
		}
		for got := 0; got < batch; {
			n, err := receive(slab, packets)
			if err != nil {
				t.Fatal(err)
			}
			got += n
		}
	})
	// What a system call costs is shared by the packets of a batch.
	if per := perBatch / float64(batch); batch > 1 && per >= 0.25 {
		t.Errorf("%.2f allocations a packet, %.0f a batch of %d", per, perBatch, batch)
	}
}

func spareRoom(t *testing.T, l Link) {
	open(t, l.A, 0)
	b := open(t, l.B, 0)
	const room = 16
	want := numbered(7, 300)
	if err := l.A.Send([][]byte{append(make([]byte, room), want...)}, room, underlay.At(l.AtB(b.port))); err != nil {
		t.Fatal(err)
	}
	if got := b.next(t).data; !bytes.Equal(got, want) {
		t.Errorf("%d bytes came of %d", len(got), len(want))
	}
}
