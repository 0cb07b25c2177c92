//go:build !linux

package wireguard

import "errors"

func newTailscale(cfg Config) (Engine, error) {
	cfg.Device.Close()
	return nil, errors.New("wireguard engine tailscale: Linux only, use upstream")
}
