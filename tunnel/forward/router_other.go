//go:build !linux

package forward

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.zx2c4.com/wireguard/tun"
)

// Router is the host's kernel at work for one exit. Only Linux has one.
type Router struct{}

var errLinux = errors.New("only Linux can forward for an exit")

// Open fails.
func Open(context.Context, Config) (*Router, error) { return nil, errLinux }

// Blocked finds nothing.
func Blocked() (string, error) { return "", nil }

// Device is none.
func (*Router) Device() tun.Device { return nil }

// Name is none.
func (*Router) Name() string { return "" }

// Nets are none.
func (*Router) Nets() Nets { return Nets{} }

// Listen fails.
func (*Router) Listen(uint16) error { return errLinux }

// Refresh fails.
func (*Router) Refresh() error { return errLinux }

// Near fails.
func (*Router) Near(Near) error { return errLinux }

// Shut is always set.
func (*Router) Shut() *atomic.Bool { b := new(atomic.Bool); b.Store(true); return b }

// Trouble is none.
func (*Router) Trouble() string { return "" }

// Rest is how long to rest after a look at the host that took so long.
func Rest(look time.Duration) time.Duration { return 10 * look }

// WatchHost tells of nothing until ctx ends.
func WatchHost(ctx context.Context) (<-chan struct{}, error) {
	changes := make(chan struct{})
	context.AfterFunc(ctx, func() { close(changes) })
	return changes, nil
}

// Shape fails.
func (*Router) Shape(uint16, uint64) error { return errLinux }

// Forget does nothing.
func (*Router) Forget(...netip.Addr) {}

// Close does nothing.
func (*Router) Close() error { return nil }

// Use is nothing.
func (*Router) Use() Use { return Use{} }
