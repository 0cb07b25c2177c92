//go:build !linux

package wireguard

import "errors"

func newTailscale(cfg engineConfig) (engine, error) {
	cfg.Device.Close()
	return nil, errors.New("wireguard engine tailscale: Linux only, use upstream")
}
