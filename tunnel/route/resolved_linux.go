package route

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

// systemd-resolved on the system bus: org.freedesktop.resolve1(5).
const (
	resolvedName    = "org.freedesktop.resolve1"
	resolvedPath    = "/org/freedesktop/resolve1"
	resolvedManager = resolvedName + ".Manager."
	noSuchLink      = resolvedName + ".NoSuchLink"
)

// resolvedRuns reports whether systemd-resolved answers on the bus.
func resolvedRuns(ctx context.Context) bool {
	bus, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return false
	}
	defer bus.Close()
	var owned bool
	err = bus.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, resolvedName).Store(&owned)
	return err == nil && owned
}

// linkAddress is an address as SetLinkDNS takes it.
type linkAddress struct {
	Family  int32
	Address []byte
}

// linkDomain is a domain as SetLinkDomains takes it.
type linkDomain struct {
	Name    string
	Routing bool
}

// setResolved makes server the one that is asked for every name.
func setResolved(ctx context.Context, index int, server netip.Addr) error {
	return onResolved(ctx, func(call func(method string, args ...any) error) error {
		link := int32(index)
		address := linkAddress{int32(familyOf(server)), server.AsSlice()}
		return errors.Join(
			call("SetLinkDNS", link, []linkAddress{address}),
			call("SetLinkDomains", link, []linkDomain{{".", true}}),
			call("SetLinkDefaultRoute", link, true),
			// These would ask the neighbours.
			call("SetLinkLLMNR", link, "no"),
			call("SetLinkMulticastDNS", link, "no"),
			// The tunnel encrypts already; its resolver speaks plain DNS.
			call("SetLinkDNSOverTLS", link, "no"),
			call("SetLinkDNSSEC", link, "no"),
			flush(call),
		)
	})
}

// flush forgets names that were resolved by others. It is no failure where that is not possible.
func flush(call func(string, ...any) error) error {
	_ = call("FlushCaches")
	return nil
}

// revertResolved forgets the link. A link that is gone has been forgotten with its interface, and so has everything when
// the daemon does not run any more.
func revertResolved(ctx context.Context, index int) error {
	if !resolvedRuns(ctx) {
		return nil
	}
	return onResolved(ctx, func(call func(method string, args ...any) error) error {
		err := call("RevertLink", int32(index))
		var gone dbus.Error
		if errors.As(err, &gone) && gone.Name == noSuchLink || errors.Is(err, unix.ENODEV) {
			err = nil
		}
		return errors.Join(err, flush(call))
	})
}

func onResolved(ctx context.Context, do func(call func(method string, args ...any) error) error) error {
	bus, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("connect to the system bus: %w", err)
	}
	defer bus.Close()
	object := bus.Object(resolvedName, resolvedPath)
	return do(func(method string, args ...any) error {
		if err := object.CallWithContext(ctx, resolvedManager+method, 0, args...).Err; err != nil {
			return fmt.Errorf("%s: %w", method, err)
		}
		return nil
	})
}
