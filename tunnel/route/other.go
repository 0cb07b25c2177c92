//go:build !linux

package route

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

var errOther = fmt.Errorf("taking a whole machine through a tunnel is possible on Linux alone: %w", errors.ErrUnsupported)

// Routes holds a machine's routes.
type Routes struct{}

// Lock fails on this system.
func Lock(context.Context, Config) (*Routes, error) { return nil, errOther }

// Up fails on this system.
func (*Routes) Up(context.Context, Link) error { return errOther }

// Swap fails on this system.
func (*Routes) Swap(context.Context, Link, func() error) error { return errOther }

// OpenPortal fails on this system.
func (*Routes) OpenPortal(context.Context, time.Duration) (Hole, error) { return Hole{}, errOther }

// ClosePortal does nothing on this system.
func (*Routes) ClosePortal() error { return nil }

// Down does nothing on this system.
func (*Routes) Down(Link) error { return nil }

// Resolver is the system's own.
func (*Routes) Resolver() *net.Resolver { return net.DefaultResolver }

// Close does nothing on this system.
func (*Routes) Close() error { return nil }

// Release does nothing on this system.
func (*Routes) Release() error { return nil }

// Abandon does nothing on this system.
func (*Routes) Abandon(string) error { return nil }

// Trouble is never any on this system.
func (*Routes) Trouble() string { return "" }

// Inspect finds nothing on this system.
func Inspect(string) (*Shut, error) { return nil, nil }

// Restore does nothing on this system.
func Restore(string) (bool, error) { return false, nil }

// Recover does nothing on this system.
func Recover(string) (bool, error) { return false, nil }

// Capable fails on this system.
func Capable() error { return errOther }

// CheckTUN fails on this system.
func CheckTUN(string) error { return errOther }

// Check fails on this system.
func Check(context.Context, Config) error { return errOther }

// Join fails on this system.
func Join(Side, int) error { return errOther }

// Control fails on this system.
func Control(_, _ string, _ syscall.RawConn) error { return errOther }
