//go:build linux

package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"

	tsconn "github.com/tailscale/wireguard-go/conn"
	tsdevice "github.com/tailscale/wireguard-go/device"
	tstun "github.com/tailscale/wireguard-go/tun"
	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun"
	"golang.zx2c4.com/wireguard/tun/netstack"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"

	"byway/tunnel/wireguard"
)

// single moves one packet at a time between a stack and the engine, as upstream's tun/netstack does; that one keeps
// its stack to itself, so it can't forward.
type single struct {
	ep     *channel.Endpoint
	stack  *stack.Stack
	events chan tun.Event
	ctx    context.Context
	cancel context.CancelFunc
}

const mtu = wireguard.DefaultMTU

func (d *single) File() *os.File           { return nil }
func (d *single) Name() (string, error)    { return "single", nil }
func (d *single) MTU() (int, error)        { return mtu, nil }
func (d *single) Events() <-chan tun.Event { return d.events }
func (d *single) BatchSize() int           { return 1 }

func (d *single) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	pkt := d.ep.ReadContext(d.ctx)
	if pkt == nil {
		return 0, os.ErrClosed
	}
	defer pkt.DecRef()
	view := pkt.ToView()
	defer view.Release()
	sizes[0] = copy(bufs[0][offset:], view.AsSlice())
	return 1, nil
}

func (d *single) Write(bufs [][]byte, offset int) (int, error) {
	for _, b := range bufs {
		pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(b[offset:])})
		d.ep.InjectInbound(header.IPv4ProtocolNumber, pkt)
		pkt.DecRef()
	}
	return len(bufs), nil
}

func (d *single) Close() error {
	d.cancel()
	d.stack.Close()
	return nil
}

// plainForwarder is a stack that dials for every SYN and copies.
func plainForwarder() (*single, error) {
	d := &single{ep: channel.New(1024, mtu, ""), events: make(chan tun.Event, 1)}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	d.events <- tun.EventUp
	d.stack = stack.New(stack.Options{
		NetworkProtocols: []stack.NetworkProtocolFactory{
			ipv4.NewProtocolWithOptions(ipv4.Options{AllowExternalLoopbackTraffic: true}),
		},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol},
	})
	sack := tcpip.TCPSACKEnabled(true)
	if err := d.stack.SetTransportProtocolOption(tcp.ProtocolNumber, &sack); err != nil {
		return nil, errors.New(err.String())
	}
	if err := d.stack.CreateNIC(1, d.ep); err != nil {
		return nil, errors.New(err.String())
	}
	d.stack.SetPromiscuousMode(1, true)
	d.stack.SetSpoofing(1, true)
	d.stack.AddRoute(tcpip.Route{Destination: header.IPv4EmptySubnet, NIC: 1})
	f := tcp.NewForwarder(d.stack, 0, 1024, func(r *tcp.ForwarderRequest) {
		id := r.ID()
		host, err := net.Dial("tcp", fmt.Sprintf("%v:%d", id.LocalAddress, id.LocalPort))
		if err != nil {
			r.Complete(true)
			return
		}
		var wq waiter.Queue
		ep, terr := r.CreateEndpoint(&wq)
		r.Complete(terr != nil)
		if terr != nil {
			host.Close()
			return
		}
		pipe(gonet.NewTCPConn(&wq, ep), host)
	})
	d.stack.SetTransportProtocolHandler(tcp.ProtocolNumber, f.HandlePacket)
	u := udp.NewForwarder(d.stack, func(r *udp.ForwarderRequest) bool {
		id := r.ID()
		host, err := net.Dial("udp", fmt.Sprintf("%v:%d", id.LocalAddress, id.LocalPort))
		if err != nil {
			return false
		}
		var wq waiter.Queue
		ep, terr := r.CreateEndpoint(&wq)
		if terr != nil {
			host.Close()
			return false
		}
		go pipe(gonet.NewUDPConn(&wq, ep), host)
		return true
	})
	d.stack.SetTransportProtocolHandler(udp.ProtocolNumber, u.HandlePacket)
	return d, nil
}

// pipe copies both ways until both ends are closed. How a direction ended does not matter to a load.
func pipe(a, b net.Conn) {
	go func() { _, _ = io.Copy(a, b); a.Close() }()
	_, _ = io.Copy(b, a)
	b.Close()
}

// bareConf is the configuration of a bare engine.
func bareConf(a ask, consumer bool) string {
	port, allowed := providerPort, innerConsumer+"/32"
	if consumer {
		port, allowed = consumerPort, "0.0.0.0/0"
	}
	return fmt.Sprintf("private_key=%s\nlisten_port=%d\npublic_key=%s\nendpoint=%s\nallowed_ip=%s\n",
		hex.EncodeToString(a.Private[:]), port, hex.EncodeToString(a.Peer[:]), a.Endpoint, allowed)
}

// uapi is a device of either engine.
type uapi interface {
	IpcSet(string) error
	Up() error
	Close()
}

func bring(d uapi, conf string) error {
	err := d.IpcSet(conf)
	if err == nil {
		err = d.Up()
	}
	if err != nil {
		d.Close()
	}
	return err
}

func startUpstream(dev tun.Device, conf string) (uapi, error) {
	d := device.NewDevice(dev, conn.NewDefaultBind(), device.NewLogger(device.LogLevelSilent, ""))
	return d, bring(d, conf)
}

// bare is a bare engine on a network interface.
type bare struct {
	plain
	dev uapi
}

// openTUN opens one. The consumer's end has the side's address and the route to the internet.
func openTUN(engine string, a ask, got *answer) (side, error) {
	consumer := len(a.Addrs) > 0
	name := "bwbench"
	var d uapi
	var err error
	switch engine {
	case string(wireguard.Upstream):
		var dev tun.Device
		if dev, err = tun.CreateTUN(name, mtu); err != nil {
			return nil, err
		}
		d, err = startUpstream(dev, bareConf(a, consumer))
	case string(wireguard.Tailscale):
		var dev tstun.Device
		if dev, err = tstun.CreateTUN(name, mtu); err != nil {
			return nil, err
		}
		ts := tsdevice.NewDevice(dev, tsconn.NewDefaultBind(), tsdevice.NewLogger(tsdevice.LogLevelSilent, ""))
		d, err = ts, bring(ts, bareConf(a, consumer))
	default:
		err = fmt.Errorf("unknown engine %q", engine)
	}
	if err != nil {
		return nil, err
	}
	b := &bare{dev: d, plain: plain{end: d.Close}}
	if consumer {
		err = joinInterface(name, a.Addrs[0], internetNet)
	} else {
		err = joinInterface(name, innerProvider, innerConsumer+"/32")
		got.Addrs = []string{innerConsumer}
	}
	if err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bare) idle(n int) error {
	for i := range n {
		key, err := wireguard.GenerateKey()
		if err != nil {
			return err
		}
		public := key.Public()
		err = b.dev.IpcSet(fmt.Sprintf("public_key=%s\nallowed_ip=10.10.%d.%d/32\n",
			hex.EncodeToString(public[:]), i>>8, i&255))
		if err != nil {
			return err
		}
	}
	return nil
}

// stackEngine is upstream's engine on upstream's userspace stack.
type stackEngine struct {
	plain
	net *netstack.Net
}

func openNetstack(a ask) (side, error) {
	dev, n, err := netstack.CreateNetTUN([]netip.Addr{netip.MustParseAddr(a.Addrs[0])}, nil, mtu)
	if err != nil {
		return nil, err
	}
	d, err := startUpstream(dev, bareConf(a, true))
	if err != nil {
		return nil, err
	}
	return &stackEngine{net: n, plain: plain{end: d.Close}}, nil
}

func (s *stackEngine) dial(ctx context.Context, network, address string) (net.Conn, error) {
	return s.net.DialContext(ctx, network, address)
}

// openForwarder is upstream's engine with the plain forwarder.
func openForwarder(a ask, got *answer) (side, error) {
	fwd, err := plainForwarder()
	if err != nil {
		return nil, err
	}
	d, err := startUpstream(fwd, bareConf(a, false))
	if err != nil {
		return nil, err
	}
	got.Addrs = []string{innerConsumer}
	return plain{end: d.Close}, nil
}
