package tunnel

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun"
)

// engine is what a tunnel needs of a WireGuard implementation. It takes packets from a tun.Device, be it a userspace
// stack or a kernel's TUN, and moves them to and from its peers' endpoints. Safe for concurrent use.
type engine interface {
	// AddPeer adds a peer, which may speak at once.
	AddPeer(p enginePeer) error
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

// enginePeer describes a peer.
type enginePeer struct {
	Public     Key
	Preshared  Key            // zero: none
	Endpoint   netip.AddrPort // invalid: where it speaks from
	AllowedIPs []netip.Prefix
	Keepalive  time.Duration // zero: none
}

// engineConfig describes an engine.
type engineConfig struct {
	Private PrivateKey
	Device  tun.Device
	Listen  netip.AddrPort
	Log     *slog.Logger
}

// wireguardGo is the engine of golang.zx2c4.com/wireguard.
type wireguardGo struct {
	dev  *device.Device
	port uint16
}

// newWireguardGo starts an engine. It takes over the device, also on failure.
func newWireguardGo(cfg engineConfig) (*wireguardGo, error) {
	bind, err := newBind(cfg.Listen.Addr())
	if err != nil {
		cfg.Device.Close()
		return nil, fmt.Errorf("open wireguard udp port: %w", err)
	}
	e := &wireguardGo{dev: device.NewDevice(cfg.Device, bind, engineLog(cfg.Log))}
	conf := fmt.Sprintf("private_key=%s\nlisten_port=%d\n", cfg.Private.hex(), cfg.Listen.Port())
	if err := e.dev.IpcSet(conf); err != nil {
		e.dev.Close()
		return nil, fmt.Errorf("configure wireguard: %w", err)
	}
	if err := e.dev.Up(); err != nil {
		e.dev.Close()
		return nil, fmt.Errorf("open wireguard udp port %d: %w", cfg.Listen.Port(), err)
	}
	text, err := e.get("listen_port")
	if err == nil {
		var port uint64
		port, err = strconv.ParseUint(text, 10, 16)
		e.port = uint16(port)
	}
	if err != nil {
		e.dev.Close()
		return nil, fmt.Errorf("read wireguard udp port: %w", err)
	}
	return e, nil
}

// engineLog passes the engine's messages on. They hold addresses of peers, so none stands above debug.
func engineLog(log *slog.Logger) *device.Logger {
	if !log.Enabled(context.Background(), slog.LevelDebug) {
		return &device.Logger{Verbosef: device.DiscardLogf, Errorf: device.DiscardLogf}
	}
	say := func(kind string) func(string, ...any) {
		return func(format string, args ...any) {
			log.Debug("wireguard", "kind", kind, "message", fmt.Sprintf(format, args...))
		}
	}
	return &device.Logger{Verbosef: say("trace"), Errorf: say("error")}
}

func (e *wireguardGo) AddPeer(p enginePeer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "public_key=%s\n", p.Public.hex())
	if !p.Preshared.IsZero() {
		fmt.Fprintf(&b, "preshared_key=%s\n", p.Preshared.hex())
	}
	if p.Endpoint.IsValid() {
		fmt.Fprintf(&b, "endpoint=%s\n", p.Endpoint)
	}
	b.WriteString("replace_allowed_ips=true\n")
	for _, ip := range p.AllowedIPs {
		fmt.Fprintf(&b, "allowed_ip=%s\n", ip)
	}
	if p.Keepalive > 0 {
		fmt.Fprintf(&b, "persistent_keepalive_interval=%d\n", int(p.Keepalive.Seconds()))
	}
	if err := e.dev.IpcSet(b.String()); err != nil {
		return fmt.Errorf("add wireguard peer: %w", err)
	}
	return nil
}

func (e *wireguardGo) RemovePeer(public Key) error {
	e.dev.RemovePeer(device.NoisePublicKey(public))
	return nil
}

func (e *wireguardGo) Roam(public Key, endpoint netip.AddrPort) error {
	conf := fmt.Sprintf("public_key=%s\nupdate_only=true\nendpoint=%s\n", public.hex(), endpoint)
	if err := e.dev.IpcSet(conf); err != nil {
		return fmt.Errorf("move wireguard peer: %w", err)
	}
	return nil
}

func (e *wireguardGo) Handshake(public Key) (time.Time, error) {
	text, err := e.dev.IpcGet()
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
func (e *wireguardGo) get(name string) (string, error) {
	text, err := e.dev.IpcGet()
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

func (e *wireguardGo) Port() uint16 { return e.port }

func (e *wireguardGo) Close() { e.dev.Close() }
