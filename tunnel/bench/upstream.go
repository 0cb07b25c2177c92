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
	"strings"

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
	"gvisor.dev/gvisor/pkg/waiter"

	"byway/tunnel"
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

const mtu = tunnel.DefaultMTU

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
	close(d.events)
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
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
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
		c := gonet.NewTCPConn(&wq, ep)
		go func() { io.Copy(c, host); c.Close() }()
		io.Copy(host, c)
		host.Close()
	})
	d.stack.SetTransportProtocolHandler(tcp.ProtocolNumber, f.HandlePacket)
	return d, nil
}

// engine starts upstream's WireGuard on a device.
func engine(dev tun.Device, key tunnel.PrivateKey, conf string) (*device.Device, error) {
	d := device.NewDevice(dev, conn.NewDefaultBind(), device.NewLogger(device.LogLevelSilent, ""))
	if err := d.IpcSet("private_key=" + hex.EncodeToString(key[:]) + "\n" + conf); err != nil {
		d.Close()
		return nil, err
	}
	if err := d.Up(); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// upstream is the baseline.
func upstream() (path, error) {
	near, err := tunnel.GenerateKey()
	if err != nil {
		return path{}, err
	}
	far, err := tunnel.GenerateKey()
	if err != nil {
		return path{}, err
	}
	fwd, err := plainForwarder()
	if err != nil {
		return path{}, err
	}
	hexOf := func(k tunnel.Key) string { return hex.EncodeToString(k[:]) }
	exit, err := engine(fwd, far, fmt.Sprintf("public_key=%s\nallowed_ip=10.9.0.2/32\n", hexOf(near.Public())))
	if err != nil {
		return path{}, err
	}
	state, err := exit.IpcGet()
	if err != nil {
		return path{}, err
	}
	_, port, _ := strings.Cut(state, "listen_port=")
	port, _, _ = strings.Cut(port, "\n")
	dev, tnet, err := netstack.CreateNetTUN([]netip.Addr{netip.MustParseAddr("10.9.0.2")}, nil, mtu)
	if err != nil {
		return path{}, err
	}
	client, err := engine(dev, near, fmt.Sprintf(
		"public_key=%s\nendpoint=127.0.0.1:%s\nallowed_ip=0.0.0.0/0\n", hexOf(far.Public()), port))
	if err != nil {
		return path{}, err
	}
	return path{
		name: "upstream",
		dial: func(ctx context.Context, a string) (net.Conn, error) {
			return tnet.DialContextTCPAddrPort(ctx, netip.MustParseAddrPort(a))
		},
		close: func() { client.Close(); exit.Close() },
	}, nil
}
