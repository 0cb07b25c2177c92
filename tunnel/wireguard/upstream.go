package wireguard

import (
	"fmt"
	"net/netip"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"

	"byway/tunnel/underlay"
)

// upstreamEngine is the engine of golang.zx2c4.com/wireguard.
type upstreamEngine struct {
	uapi
	wg *device.Device
}

func newUpstream(cfg Config) (*upstreamEngine, error) {
	trace, fail := engineLog(cfg.Log)
	dev, bind := bound(cfg.Device, &upstreamBind{underlay.Guarded(cfg.Underlay)})
	wg := device.NewDevice(dev, bind, &device.Logger{Verbosef: trace, Errorf: fail})
	e := &upstreamEngine{uapi: uapi{dev: wg}, wg: wg}
	if err := e.start(cfg); err != nil {
		return nil, err
	}
	return e, nil
}

func (e *upstreamEngine) AddPeer(p Peer) error {
	endpoint := ""
	if p.Endpoint.IsValid() {
		endpoint = p.Endpoint.String()
	}
	return e.addPeer(p, endpoint)
}

func (e *upstreamEngine) RemovePeer(public Key) error {
	e.wg.RemovePeer(device.NoisePublicKey(public))
	return nil
}

func (e *upstreamEngine) Roam(public Key, endpoint netip.AddrPort) error {
	conf := fmt.Sprintf("public_key=%s\nupdate_only=true\nendpoint=%s\n", public.hex(), endpoint)
	if err := e.wg.IpcSet(conf); err != nil {
		return fmt.Errorf("move wireguard peer: %w", err)
	}
	return nil
}

// upstreamBind is an underlay as a conn.Bind of upstream's engine.
type upstreamBind struct{ underlay underlay.Underlay }

// atOnce is how many joined messages are read together; each may hold 64 datagrams.
const atOnce = 2

// Open implements conn.Bind. The engine wants each datagram in a buffer of its own.
func (b *upstreamBind) Open(port uint16) ([]conn.ReceiveFunc, uint16, error) {
	open, actual, err := b.underlay.Open(port)
	if err != nil {
		return nil, 0, err
	}
	var fns []conn.ReceiveFunc
	for _, receive := range open {
		slab, packets := make([]byte, atOnce*underlay.Room), make([]underlay.Packet, b.BatchSize())
		fns = append(fns, func(bufs [][]byte, sizes []int, eps []conn.Endpoint) (int, error) {
			n, err := receive(slab, packets[:min(len(packets), len(bufs))])
			for i, p := range packets[:n] {
				sizes[i], eps[i] = copy(bufs[i], slab[p.Offset:p.Offset+p.Size]), p.From
			}
			return n, err
		})
	}
	return fns, actual, nil
}

// Send implements conn.Bind.
func (b *upstreamBind) Send(bufs [][]byte, to conn.Endpoint) error {
	ep, ok := to.(*underlay.Endpoint)
	if !ok {
		return conn.ErrWrongEndpointType
	}
	return b.underlay.Send(bufs, 0, ep)
}

// ParseEndpoint implements conn.Bind.
func (b *upstreamBind) ParseEndpoint(s string) (conn.Endpoint, error) {
	at, err := netip.ParseAddrPort(s)
	if err != nil {
		return nil, fmt.Errorf("parse endpoint: %w", err)
	}
	return underlay.At(at), nil
}

// BatchSize implements conn.Bind.
func (b *upstreamBind) BatchSize() int {
	batch, _ := b.underlay.Limits()
	return batch
}

// SetMark implements conn.Bind. The underlay has been given its mark.
func (b *upstreamBind) SetMark(uint32) error { return nil }

// Close implements conn.Bind.
func (b *upstreamBind) Close() error { return b.underlay.Close() }
