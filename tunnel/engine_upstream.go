package tunnel

import (
	"fmt"
	"net/netip"

	"golang.zx2c4.com/wireguard/device"
)

// upstreamEngine is the engine of golang.zx2c4.com/wireguard.
type upstreamEngine struct {
	uapi
	wg *device.Device
}

func newUpstream(cfg engineConfig) (*upstreamEngine, error) {
	bind, err := newBind(cfg.Listen.Addr())
	if err != nil {
		cfg.Device.Close()
		return nil, fmt.Errorf("open wireguard udp port: %w", err)
	}
	trace, fail := engineLog(cfg.Log)
	guard := newGuard()
	if kernel, ok := bind.(siever); ok {
		guard.sift = kernel.sift
	}
	dev, bounded := bound(cfg.Device, &guardedBind{Bind: bind, guard: guard})
	wg := device.NewDevice(dev, bounded, &device.Logger{Verbosef: trace, Errorf: fail})
	e := &upstreamEngine{uapi: uapi{dev: wg}, wg: wg}
	if err := e.start(cfg); err != nil {
		return nil, err
	}
	return e, nil
}

func (e *upstreamEngine) AddPeer(p enginePeer) error {
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
