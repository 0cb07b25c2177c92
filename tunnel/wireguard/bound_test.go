package wireguard

import (
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/tun"

	"byway/tunnel/underlay"
)

// source64 is a device and a bind that fill 64 buffers at a time with data, or with what is told.
type source64 struct {
	tun.Device
	conn.Bind
	first byte
}

func (s *source64) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	for i := range 64 {
		sizes[i] = 100
	}
	return 64, nil
}

func (s *source64) Write(bufs [][]byte, offset int) (int, error) { return len(bufs), nil }
func (s *source64) Send([][]byte, conn.Endpoint) error           { return nil }
func (s *source64) Open(uint16) ([]conn.ReceiveFunc, uint16, error) {
	return []conn.ReceiveFunc{s.receive}, 1, nil
}
func (s *source64) Close() error                                { return nil }
func (s *source64) BatchSize() int                              { return 64 }
func (s *source64) SetMark(uint32) error                        { return nil }
func (s *source64) ParseEndpoint(string) (conn.Endpoint, error) { return nil, nil }
func (s *source64) receive(b [][]byte, n []int, e []conn.Endpoint) (int, error) {
	for i := range 64 {
		b[i][0], n[i] = s.first, 100
	}
	return 64, nil
}

func buffers64() [][]byte {
	bufs := make([][]byte, 64)
	for i := range bufs {
		bufs[i] = make([]byte, 200)
		bufs[i][0] = underlay.Transport
	}
	return bufs
}

func TestEngineTakesInNoMoreThanItsBoundUntilSomeLeaves(t *testing.T) {
	s := &source64{first: underlay.Transport}
	dev, bind := bound(deviceOf{s}, bindOf{s})
	b := dev.(*boundDevice)
	sizes := make([]int, 64)
	for range maxInside / 64 {
		if _, err := dev.Read(buffers64(), sizes, 0); err != nil { // the engine keeps them all
			t.Fatal(err)
		}
	}
	if got := b.out.count.Load(); got != maxInside {
		t.Fatalf("%d packets inside, want %d", got, maxInside)
	}
	in := make(chan struct{})
	go func() { dev.Read(buffers64(), sizes, 0); close(in) }()
	select {
	case <-in:
		t.Error("read on at once although full")
	case <-time.After(stallTime / 2):
	}
	if err := bind.Send(buffers64(), nil); err != nil {
		t.Fatal(err)
	}
	select {
	case <-in:
	case <-time.After(30 * time.Second):
		t.Fatal("did not read on after a batch had left")
	}
	// Nothing leaves any more: what is inside is taken for gone.
	start := time.Now()
	for range 2 {
		dev.Read(buffers64(), sizes, 0)
	}
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("stalled for %v", took)
	}
}

func TestEngineCountsOnlyDatagramsThatItKeeps(t *testing.T) {
	for name, c := range map[string]struct {
		first byte
		keeps bool
		want  int64
	}{
		"data":                     {underlay.Transport, true, 128},
		"data that it did not use": {underlay.Transport, false, 64},
		"handshakes":               {1, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := &source64{first: c.first}
			_, bind := bound(deviceOf{s}, bindOf{s})
			fns, _, err := bind.Open(0)
			if err != nil {
				t.Fatal(err)
			}
			sizes, eps, bufs := make([]int, 64), make([]conn.Endpoint, 64), buffers64()
			for range 2 {
				if c.keeps {
					bufs = buffers64()
				}
				if _, err := fns[0](bufs, sizes, eps); err != nil {
					t.Fatal(err)
				}
			}
			if got := bind.(*boundBind).in.count.Load(); got != c.want {
				t.Errorf("%d inside, want %d", got, c.want)
			}
		})
	}
}

// deviceOf and bindOf pick one of the two faces, whose names collide.
type deviceOf struct{ *source64 }

func (d deviceOf) Close() error             { return nil }
func (d deviceOf) BatchSize() int           { return 64 }
func (d deviceOf) MTU() (int, error)        { return DefaultMTU, nil }
func (d deviceOf) Events() <-chan tun.Event { return nil }

type bindOf struct{ *source64 }
