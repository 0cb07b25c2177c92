// Package wireguard owns the engines that speak WireGuard, and their keys. There are two, of one protocol; each has one adapter
// from its own idea of sockets to an underlay, and one to the devices of this program. What is inside an engine stays
// bounded, and a peer is followed where an authenticated packet of its own comes from, and nowhere else.
package wireguard

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.zx2c4.com/wireguard/tun"

	"byway/tunnel/underlay"
)

// Engine is a WireGuard implementation at work. It takes packets from a tun.Device, be it a userspace
// stack or a kernel's TUN, and moves them to and from its peers' endpoints. Safe for concurrent use.
type Engine interface {
	// AddPeer adds a peer, which may speak at once.
	AddPeer(p Peer) error
	// RemovePeer forgets a peer and its keys. Removing one that is not there does nothing.
	RemovePeer(public Key) error
	// Roam sends a peer's packets to another endpoint from now on.
	Roam(public Key, endpoint netip.AddrPort) error
	// Handshake tells when a peer's latest handshake ended; the zero time when there was none. It costs time in
	// proportion to the number of peers and is meant for devices with one.
	Handshake(public Key) (time.Time, error)
	// Port is the UDP port in use.
	Port() uint16
	// Close ends the engine, and the device with it, and waits for its goroutines.
	Close()
}

// Peer describes a peer.
type Peer struct {
	Public     Key
	Preshared  Key            // zero: none
	Endpoint   netip.AddrPort // invalid: where it speaks from
	AllowedIPs []netip.Prefix
	Keepalive  time.Duration // zero: none
}

// Config describes an engine.
type Config struct {
	Private  PrivateKey
	Device   tun.Device
	Underlay underlay.Underlay // carries the engine's datagrams; a guard is put before it
	Port     uint16            // of the underlay; 0: any
	Log      *slog.Logger
}

// Implementation names a WireGuard implementation. They speak the same protocol; either side may run either.
type Implementation string

const (
	// Upstream is golang.zx2c4.com/wireguard, the default.
	Upstream Implementation = "upstream"
	// Tailscale is github.com/tailscale/wireguard-go, which takes less processor time and memory. Linux only.
	Tailscale Implementation = "tailscale"
)

// Parse reads the name of an engine; an empty one means the default.
func Parse(s string) (Implementation, error) {
	switch e := Implementation(s); e {
	case "":
		return Upstream, nil
	case Upstream, Tailscale:
		return e, nil
	}
	return "", fmt.Errorf("wireguard engine %q is not known: use %s or %s", s, Upstream, Tailscale)
}

// New starts an engine. It takes over the device, also on failure.
func New(name Implementation, cfg Config) (Engine, error) {
	name, err := Parse(string(name))
	if err != nil {
		cfg.Device.Close()
		return nil, err
	}
	if name == Tailscale {
		return newTailscale(cfg)
	}
	return newUpstream(cfg)
}

// uapi configures either engine and reads it, in the cross-platform text protocol of WireGuard
// (www.wireguard.com/xplatform).
type uapi struct {
	dev interface {
		IpcSet(string) error
		IpcGet() (string, error)
		Up() error
		Close()
	}
	port uint16
}

// start configures a device and opens its port. On failure it closes the device.
func (u *uapi) start(cfg Config) error {
	conf := fmt.Sprintf("private_key=%s\nlisten_port=%d\n", cfg.Private.hex(), cfg.Port)
	if err := u.dev.IpcSet(conf); err != nil {
		u.dev.Close()
		return fmt.Errorf("configure wireguard: %w", err)
	}
	if err := u.dev.Up(); err != nil {
		u.dev.Close()
		return fmt.Errorf("open wireguard udp port %d: %w", cfg.Port, err)
	}
	port, err := u.get("listen_port")
	if err == nil {
		var n uint64
		n, err = strconv.ParseUint(port, 10, 16)
		u.port = uint16(n)
	}
	if err != nil {
		u.dev.Close()
		return fmt.Errorf("read wireguard udp port: %w", err)
	}
	return nil
}

// addPeer adds a peer, whose endpoint is given in the form that the engine's bind parses; empty for none.
func (u *uapi) addPeer(p Peer, endpoint string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "public_key=%s\n", p.Public.hex())
	if !p.Preshared.IsZero() {
		fmt.Fprintf(&b, "preshared_key=%s\n", p.Preshared.hex())
	}
	if endpoint != "" {
		fmt.Fprintf(&b, "endpoint=%s\n", endpoint)
	}
	b.WriteString("replace_allowed_ips=true\n")
	for _, ip := range p.AllowedIPs {
		fmt.Fprintf(&b, "allowed_ip=%s\n", ip)
	}
	if p.Keepalive > 0 {
		fmt.Fprintf(&b, "persistent_keepalive_interval=%d\n", int(p.Keepalive.Seconds()))
	}
	if err := u.dev.IpcSet(b.String()); err != nil {
		return fmt.Errorf("add wireguard peer: %w", err)
	}
	return nil
}

func (u *uapi) Port() uint16 { return u.port }

func (u *uapi) Close() { u.dev.Close() }

// engineLog passes an engine's messages on, traces and errors. They hold addresses of peers, so none stands above debug.
func engineLog(log *slog.Logger) (trace, fail func(format string, args ...any)) {
	if !log.Enabled(context.Background(), slog.LevelDebug) {
		discard := func(string, ...any) {}
		return discard, discard
	}
	say := func(kind string) func(string, ...any) {
		return func(format string, args ...any) {
			log.Debug("wireguard", "kind", kind, "message", fmt.Sprintf(format, args...))
		}
	}
	return say("trace"), say("error")
}

func (u *uapi) Handshake(public Key) (time.Time, error) {
	text, err := u.dev.IpcGet()
	if err != nil {
		return time.Time{}, fmt.Errorf("read wireguard state: %w", err)
	}
	var sec, nsec int64
	mine := false
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), "=")
		switch name {
		case "public_key":
			mine = value == public.hex()
		case "last_handshake_time_sec":
			if mine {
				sec, err = strconv.ParseInt(value, 10, 64)
			}
		case "last_handshake_time_nsec":
			if mine {
				nsec, err = strconv.ParseInt(value, 10, 64)
			}
		}
		if err != nil {
			return time.Time{}, fmt.Errorf("read wireguard state: %s: %w", name, err)
		}
	}
	if sec == 0 && nsec == 0 {
		return time.Time{}, nil
	}
	return time.Unix(sec, nsec), nil
}

// get reads a value of the device itself.
func (u *uapi) get(name string) (string, error) {
	text, err := u.dev.IpcGet()
	if err != nil {
		return "", err
	}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		if key, value, _ := strings.Cut(lines.Text(), "="); key == name {
			return value, nil
		}
	}
	return "", fmt.Errorf("no %s", name)
}

// DefaultMTU of inner packets, in bytes: 1,500 less WireGuard's overhead over IPv6.
const DefaultMTU = 1420
