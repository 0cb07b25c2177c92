package underlay

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/net/bpf"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"byway/tunnel/netstack"
)

const (
	// socketBuffer is asked of the kernel for each direction of a socket; below 1 MiB, bursts are lost.
	socketBuffer = 7 << 20

	// The kernel takes this many datagrams in one segmented send.
	maxSegments = 64

	// batchSize is how many datagrams an engine sends or receives at once, as WireGuard's engines like it best.
	batchSize = 128

	// largest is the payload of a UDP datagram over IPv4.
	largest = 1<<16 - 1 - 20 - 8

	// portTries bounds the search for a port that both families have free.
	portTries = 100
)

// Sockets are the UDP sockets of an engine: one on one address of the host, or one of each family on all of them, which
// then answer from the address that was spoken to. They send and receive segmented datagrams where the kernel can,
// and copy nothing that they send.
type Sockets struct {
	addr netip.Addr // invalid: all

	mark uint32

	mu sync.RWMutex
	v4 *socket // nil: closed, or the family is missing
	v6 *socket

	sends sync.Pool // of *send
}

// NewSockets returns closed sockets for a listen address, with a firewall mark for the host's routing, 0 for none. Setting a
// mark needs CAP_NET_ADMIN.
func NewSockets(listen netip.Addr, mark uint32) *Sockets {
	s := &Sockets{mark: mark, sends: sync.Pool{New: func() any { return new(send) }}}
	if listen.IsValid() && !listen.IsUnspecified() {
		s.addr = listen.Unmap()
	}
	return s
}

// socket is one UDP socket.
type socket struct {
	conn    *net.UDPConn
	batch   batchConn
	is4     bool
	joins   bool        // UDP_GRO works
	segment atomic.Bool // UDP_SEGMENT works
}

// batchConn moves batches: ipv4.PacketConn and ipv6.PacketConn do.
type batchConn interface {
	ReadBatch(ms []ipv4.Message, flags int) (int, error)
	WriteBatch(ms []ipv4.Message, flags int) (int, error)
	SetBPF(filter []bpf.RawInstruction) error
}

// Open implements Underlay. A function reads one socket.
func (s *Sockets) Open(port uint16) ([]ReceiveFunc, uint16, error) {
	open, actual, err := s.open(port)
	if err != nil {
		return nil, 0, err
	}
	var fns []ReceiveFunc
	for _, sock := range open {
		fns = append(fns, (&arrivals{sock: sock}).receive)
	}
	return fns, actual, nil
}

// open opens the sockets, all on one port.
func (s *Sockets) open(port uint16) (open []*socket, actual uint16, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.v4 != nil || s.v6 != nil {
		return nil, 0, ErrOpen
	}
	switch {
	case s.addr.Is4():
		s.v4, actual, err = s.listen(netip.AddrPortFrom(s.addr, port))
	case s.addr.Is6():
		s.v6, actual, err = s.listen(netip.AddrPortFrom(s.addr, port))
	default:
		for range portTries {
			actual, err = s.openBothLocked(port)
			if port != 0 || !errors.Is(err, unix.EADDRINUSE) {
				break
			}
		}
	}
	if err != nil {
		return nil, 0, err
	}
	for _, sock := range []*socket{s.v4, s.v6} {
		if sock != nil {
			open = append(open, sock)
		}
	}
	return open, actual, nil
}

// openBothLocked opens both families on a port, or the one that the host has.
func (s *Sockets) openBothLocked(port uint16) (uint16, error) {
	var err error
	s.v4, port, err = s.listen(netip.AddrPortFrom(netip.IPv4Unspecified(), port))
	if err != nil && !errors.Is(err, unix.EAFNOSUPPORT) {
		return 0, err
	}
	no4 := err
	var actual uint16
	s.v6, actual, err = s.listen(netip.AddrPortFrom(netip.IPv6Unspecified(), port))
	switch {
	case err == nil:
		return actual, nil
	case errors.Is(err, unix.EAFNOSUPPORT) && no4 == nil:
		return port, nil
	}
	if s.v4 != nil {
		s.v4.conn.Close()
		s.v4 = nil
	}
	return 0, err
}

// listen opens one socket.
func (s *Sockets) listen(at netip.AddrPort) (*socket, uint16, error) {
	sock := &socket{is4: at.Addr().Is4()}
	network := "udp6"
	if sock.is4 {
		network = "udp4"
	}
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		ctlErr := raw.Control(func(fd uintptr) { err = sock.configure(int(fd), at.Addr().IsUnspecified(), s.mark) })
		return errors.Join(ctlErr, err)
	}}
	pc, err := lc.ListenPacket(context.Background(), network, at.String())
	if err != nil {
		return nil, at.Port(), err
	}
	sock.conn = pc.(*net.UDPConn)
	if sock.is4 {
		sock.batch = ipv4.NewPacketConn(sock.conn)
	} else {
		sock.batch = ipv6.NewPacketConn(sock.conn)
	}
	return sock, sock.conn.LocalAddr().(*net.UDPAddr).AddrPort().Port(), nil
}

func (k *socket) configure(fd int, sticky bool, mark uint32) error {
	for _, opt := range []int{unix.SO_RCVBUF, unix.SO_SNDBUF, unix.SO_RCVBUFFORCE, unix.SO_SNDBUFFORCE} {
		// The forced ones need a privilege; without it the kernel's bounds apply.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, opt, socketBuffer)
	}
	k.joins = unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1) == nil
	_, err := unix.GetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT)
	k.segment.Store(err == nil)
	if mark != 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(mark)); err != nil {
			return fmt.Errorf("mark socket: %w", err)
		}
	}
	if !k.is4 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return fmt.Errorf("keep IPv4 off the IPv6 socket: %w", err)
		}
	}
	switch {
	case sticky && k.is4:
		return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
	case sticky:
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	}
	return nil
}

// Close implements Underlay.
func (s *Sockets) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	for _, sock := range []*socket{s.v4, s.v6} {
		if sock != nil {
			err = errors.Join(err, sock.conn.Close())
		}
	}
	s.v4, s.v6 = nil, nil
	return err
}

// Limits implements Underlay. A datagram has no more bytes than one of IPv4.
func (s *Sockets) Limits() (batch, mtu int) { return batchSize, largest }

// arrival tells what a received message holds: datagrams of each bytes, the last maybe shorter.
type arrival struct {
	each int
	ep   *Endpoint
}

// arrivals reads messages of one socket. It belongs to one goroutine.
type arrivals struct {
	sock *socket
	last *Endpoint
	msgs []ipv4.Message
}

// unjoinedRoom is the room for a datagram where the kernel does not join them: none is longer than what fits into the
// largest packet of a device.
const unjoinedRoom = 1<<14 - 1

// receive is a ReceiveFunc. The kernel writes into the slab, and joined datagrams stay as they lie there.
func (a *arrivals) receive(slab []byte, packets []Packet) (int, error) {
	room := Room
	if !a.sock.joins {
		room = max(len(slab)/len(packets), min(len(slab), unjoinedRoom))
	}
	want := max(1, min(len(slab)/room, len(packets)))
	for len(a.msgs) < want {
		a.msgs = append(a.msgs, ipv4.Message{Buffers: make([][]byte, 1), OOB: make([]byte, controlSize)})
	}
	msgs := a.msgs[:want]
	for i := range msgs {
		msgs[i].Buffers[0] = slab[i*room : min((i+1)*room, len(slab))]
	}
	n, err := a.sock.batch.ReadBatch(msgs, 0)
	if err != nil {
		return 0, err
	}
	count := 0
	for i := range msgs[:n] {
		m := &msgs[i]
		got := a.describe(m)
		for at := 0; at < m.N && count < len(packets); at += got.each {
			packets[count] = Packet{Offset: i*room + at, Size: min(got.each, m.N-at), From: got.ep}
			count++
		}
	}
	for i := range msgs {
		msgs[i].Buffers[0] = nil
	}
	return count, nil
}

// describe reads the address and the control message. Endpoints are reused, for datagrams come in runs.
func (a *arrivals) describe(m *ipv4.Message) arrival {
	each, local := m.N, netip.Addr{}
	for oob := m.OOB[:m.NN]; len(oob) >= unix.SizeofCmsghdr; {
		h, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			break
		}
		switch {
		case h.Level == unix.SOL_UDP && h.Type == unix.UDP_GRO && len(data) >= 2:
			each = int(binary.NativeEndian.Uint16(data))
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			local = netip.AddrFrom4([4]byte(data[4:8]))
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			local = netip.AddrFrom16([16]byte(data[:16]))
		}
		oob = rest
	}
	var dst netip.AddrPort
	if ua, ok := m.Addr.(*net.UDPAddr); ok {
		dst = unmap(ua.AddrPort())
	}
	if a.last == nil || a.last.dst != dst || a.last.SrcIP() != local {
		a.last = &Endpoint{dst: dst}
		if local.IsValid() {
			a.last.from.Store(&local)
		}
	}
	return arrival{each: max(each, 1), ep: a.last}
}

// controlSize has room for the local address of either family and the size of segments.
var controlSize = unix.CmsgSpace(unix.SizeofInet6Pktinfo) + unix.CmsgSpace(4)

// send is the memory of one send.
type send struct {
	bufs [batchSize][]byte
	msgs []ipv4.Message
	addr net.UDPAddr
	ip   [16]byte
	oob  [batchSize][]byte
}

// Send implements Underlay.
func (s *Sockets) Send(bufs [][]byte, offset int, to *Endpoint) error {
	if !to.dst.IsValid() {
		return errNowhere
	}
	if !fits(bufs, offset, largest) {
		return ErrTooLarge
	}
	s.mu.RLock()
	sock := s.v6
	if to.dst.Addr().Is4() {
		sock = s.v4
	}
	closed := s.v4 == nil && s.v6 == nil
	s.mu.RUnlock()
	switch {
	case closed:
		return net.ErrClosed
	case sock == nil:
		return syscall.EAFNOSUPPORT
	}
	m := s.sends.Get().(*send)
	defer func() {
		clear(m.msgs)
		clear(m.bufs[:min(len(bufs), batchSize)])
		m.msgs = m.msgs[:0]
		s.sends.Put(m)
	}()
	m.addr = net.UDPAddr{
		IP: append(m.ip[:0], to.dst.Addr().AsSlice()...), Port: int(to.dst.Port()), Zone: to.dst.Addr().Zone(),
	}
	for len(bufs) > 0 {
		n := min(len(bufs), batchSize)
		for i, b := range bufs[:n] {
			m.bufs[i] = b[offset:]
		}
		if err := m.write(sock, m.bufs[:n], to); err != nil {
			return err
		}
		bufs = bufs[n:]
	}
	return nil
}

// write sends what the memory holds, and once more without what the host turns out not to support. What was sent is
// then sent twice; the peer's replay window drops it.
func (m *send) write(sock *socket, bufs [][]byte, to *Endpoint) error {
	segment := sock.segment.Load()
	m.fill(bufs, segment, to.SrcIP())
	err := writeAll(sock.batch, m.msgs)
	switch {
	case err == nil:
		return nil
	case segment && errors.Is(err, unix.EIO):
		// The interface can't compute checksums, which segmentation needs.
		sock.segment.Store(false)
		segment = false
	case to.SrcIP().IsValid() && (errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENETUNREACH) ||
		errors.Is(err, unix.EADDRNOTAVAIL)):
		// The address that the peer spoke to is no longer the host's.
		to.ClearSrc()
	default:
		return err
	}
	m.fill(bufs, segment, to.SrcIP())
	return writeAll(sock.batch, m.msgs)
}

// fill makes messages of datagrams: each of a run of equal size, whose last may be shorter, or of one.
func (m *send) fill(bufs [][]byte, segment bool, from netip.Addr) {
	m.msgs = m.msgs[:0]
	for i := 0; i < len(bufs); {
		each := len(bufs[i])
		total, j := each, i+1
		for ; segment && j < len(bufs) && j-i < maxSegments; j++ {
			n := len(bufs[j])
			if n > each || total+n > netstack.MaxSegmented || len(bufs[j-1]) < each {
				break
			}
			total += n
		}
		msg := ipv4.Message{Buffers: bufs[i:j:j], Addr: &m.addr}
		if j-i == 1 {
			each = 0
		}
		if each > 0 || from.IsValid() {
			at := len(m.msgs)
			m.oob[at] = control(m.oob[at][:0], each, from)
			msg.OOB = m.oob[at]
		}
		m.msgs = append(m.msgs, msg)
		i = j
	}
}

// control builds the control message that tells the kernel where to cut, and which address to send from.
func control(b []byte, each int, from netip.Addr) []byte {
	if cap(b) == 0 {
		b = make([]byte, 0, controlSize)
	}
	var info [unix.SizeofInet6Pktinfo]byte
	switch {
	case from.Is4():
		a := from.As4()
		copy(info[4:], a[:])
		b = appendControl(b, unix.IPPROTO_IP, unix.IP_PKTINFO, info[:unix.SizeofInet4Pktinfo])
	case from.Is6():
		a := from.As16()
		copy(info[:], a[:])
		b = appendControl(b, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, info[:])
	}
	if each > 0 {
		var size [2]byte
		binary.NativeEndian.PutUint16(size[:], uint16(each))
		b = appendControl(b, unix.SOL_UDP, unix.UDP_SEGMENT, size[:])
	}
	return b
}

// appendControl appends one control message: its length in a machine word, then level and type in four bytes each.
func appendControl(b []byte, level, kind uint32, data []byte) []byte {
	const word = unix.SizeofCmsghdr - 8
	at := len(b)
	b = append(b, make([]byte, unix.CmsgSpace(len(data)))...)
	if word == 8 {
		binary.NativeEndian.PutUint64(b[at:], uint64(unix.CmsgLen(len(data))))
	} else {
		binary.NativeEndian.PutUint32(b[at:], uint32(unix.CmsgLen(len(data))))
	}
	binary.NativeEndian.PutUint32(b[at+word:], level)
	binary.NativeEndian.PutUint32(b[at+word+4:], kind)
	copy(b[at+unix.CmsgLen(0):], data)
	return b
}

func writeAll(batch batchConn, msgs []ipv4.Message) error {
	for len(msgs) > 0 {
		n, err := batch.WriteBatch(msgs, 0)
		if err != nil {
			return err
		}
		msgs = msgs[n:]
	}
	return nil
}
