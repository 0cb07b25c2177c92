package tunnel

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
	"golang.zx2c4.com/wireguard/conn"

	"byway/tunnel/netstack"
)

const (
	// bindBuffer is asked of the kernel for each direction of a socket; below 1 MiB, bursts are lost.
	bindBuffer = 7 << 20

	// The kernel takes this many datagrams in one segmented send.
	maxSegments = 64

	// bindBatch is how many datagrams an engine sends or receives at once.
	bindBatch = conn.IdealBatchSize

	// portTries bounds the search for a port that both families have free.
	portTries = 100
)

// endpoint is where a peer is, and which of the host's addresses it speaks to. It serves both engines.
type endpoint struct {
	dst  netip.AddrPort
	from atomic.Pointer[netip.Addr] // nil: the kernel chooses
}

func (e *endpoint) ClearSrc()           { e.from.Store(nil) }
func (e *endpoint) DstToString() string { return e.dst.String() }
func (e *endpoint) DstIP() netip.Addr   { return e.dst.Addr() }

func (e *endpoint) DstToBytes() []byte {
	// It can't fail for an address and a port.
	b, _ := e.dst.MarshalBinary()
	return b
}

func (e *endpoint) SrcIP() netip.Addr {
	if from := e.from.Load(); from != nil {
		return *from
	}
	return netip.Addr{}
}

func (e *endpoint) SrcToString() string { return e.SrcIP().String() }

func parseEndpoint(s string) (*endpoint, error) {
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		return nil, fmt.Errorf("parse endpoint: %w", err)
	}
	return &endpoint{dst: unmap(ap)}, nil
}

func unmap(ap netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()) }

// sockets are the UDP sockets of an engine: one on one address of the host, or one of each family on all of them, which
// then answer from the address that was spoken to. They send and receive segmented datagrams where the kernel can,
// and copy nothing that they send.
type sockets struct {
	addr netip.Addr // invalid: all

	mu   sync.RWMutex
	v4   *socket // nil: closed, or the family is missing
	v6   *socket
	mark uint32

	sends sync.Pool // of *send
}

// newSockets returns closed sockets for a listen address.
func newSockets(listen netip.Addr) *sockets {
	s := &sockets{sends: sync.Pool{New: func() any { return new(send) }}}
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

// batchConn is what ipv4.PacketConn and ipv6.PacketConn have in common.
type batchConn interface {
	ReadBatch(ms []ipv4.Message, flags int) (int, error)
	WriteBatch(ms []ipv4.Message, flags int) (int, error)
	SetBPF(filter []bpf.RawInstruction) error
}

// open opens the sockets, all on one port.
func (s *sockets) open(port uint16) (open []*socket, actual uint16, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.v4 != nil || s.v6 != nil {
		return nil, 0, conn.ErrBindAlreadyOpen
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
func (s *sockets) openBothLocked(port uint16) (uint16, error) {
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
func (s *sockets) listen(at netip.AddrPort) (*socket, uint16, error) {
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
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, opt, bindBuffer)
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

// Close closes the sockets; they can be opened again.
func (s *sockets) Close() error {
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

// SetMark gives the sockets a mark for the host's routing, also when they are opened again.
func (s *sockets) SetMark(mark uint32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mark = mark
	for _, sock := range []*socket{s.v4, s.v6} {
		if sock == nil {
			continue
		}
		raw, err := sock.conn.SyscallConn()
		if err != nil {
			return err
		}
		var opErr error
		err = raw.Control(func(fd uintptr) {
			opErr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, int(mark))
		})
		if err := errors.Join(err, opErr); err != nil {
			return fmt.Errorf("mark socket: %w", err)
		}
	}
	return nil
}

// BatchSize is how many datagrams an engine may send at once, and receives at most.
func (s *sockets) BatchSize() int { return bindBatch }

// arrival tells what a received message holds: datagrams of each bytes, the last maybe shorter.
type arrival struct {
	each int
	ep   *endpoint
}

// arrivals reads messages of one socket. It belongs to one goroutine.
type arrivals struct {
	sock *socket
	last *endpoint
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
		a.last = &endpoint{dst: dst}
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
	bufs [bindBatch][]byte
	msgs []ipv4.Message
	addr net.UDPAddr
	ip   [16]byte
	oob  [bindBatch][]byte
}

// send sends datagrams, each from offset on, to one endpoint.
func (s *sockets) send(bufs [][]byte, offset int, to *endpoint) error {
	if !to.dst.IsValid() {
		return errors.New("peer's endpoint is not known yet")
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
		clear(m.bufs[:min(len(bufs), bindBatch)])
		m.msgs = m.msgs[:0]
		s.sends.Put(m)
	}()
	m.addr = net.UDPAddr{
		IP: append(m.ip[:0], to.dst.Addr().AsSlice()...), Port: int(to.dst.Port()), Zone: to.dst.Addr().Zone(),
	}
	for len(bufs) > 0 {
		n := min(len(bufs), bindBatch)
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
func (m *send) write(sock *socket, bufs [][]byte, to *endpoint) error {
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

// upstreamBind is the sockets as a conn.Bind of upstream's engine.
type upstreamBind struct{ *sockets }

// newBind returns the bind for a listen address.
func newBind(listen netip.Addr) (conn.Bind, error) { return upstreamBind{newSockets(listen)}, nil }

// Open implements conn.Bind.
func (b upstreamBind) Open(port uint16) ([]conn.ReceiveFunc, uint16, error) {
	open, actual, err := b.open(port)
	if err != nil {
		return nil, 0, err
	}
	var fns []conn.ReceiveFunc
	for _, sock := range open {
		fns = append(fns, newReceiver(sock).receive)
	}
	return fns, actual, nil
}

// Send implements conn.Bind.
func (b upstreamBind) Send(bufs [][]byte, to conn.Endpoint) error {
	ep, ok := to.(*endpoint)
	if !ok {
		return conn.ErrWrongEndpointType
	}
	return b.send(bufs, 0, ep)
}

// ParseEndpoint implements conn.Bind.
func (b upstreamBind) ParseEndpoint(s string) (conn.Endpoint, error) { return parseEndpoint(s) }

// receiver reads datagrams for upstream's engine, which wants each in a buffer of its own.
type receiver struct {
	arrivals
	msgs []ipv4.Message
}

// readAtOnce is how many joined messages are read together; each may hold maxSegments.
const readAtOnce = bindBatch / maxSegments

func newReceiver(sock *socket) *receiver {
	r := &receiver{arrivals: arrivals{sock: sock}, msgs: make([]ipv4.Message, bindBatch)}
	if sock.joins {
		r.msgs = r.msgs[:readAtOnce]
	}
	for i := range r.msgs {
		r.msgs[i].OOB = make([]byte, controlSize)
		r.msgs[i].Buffers = make([][]byte, 1)
		if sock.joins {
			r.msgs[i].Buffers[0] = make([]byte, 1<<16)
		}
	}
	return r
}

func (r *receiver) receive(bufs [][]byte, sizes []int, eps []conn.Endpoint) (int, error) {
	msgs := r.msgs
	if !r.sock.joins {
		msgs = msgs[:min(len(msgs), len(bufs))]
		for i := range msgs {
			msgs[i].Buffers[0] = bufs[i]
		}
	}
	n, err := r.sock.batch.ReadBatch(msgs, 0)
	if err != nil {
		return 0, err
	}
	count := 0
	for i := range msgs[:n] {
		m := &msgs[i]
		got := r.describe(m)
		if !r.sock.joins {
			sizes[count], eps[count] = m.N, got.ep
			count++
			continue
		}
		for data := m.Buffers[0][:m.N]; len(data) > 0 && count < len(bufs); count++ {
			sizes[count] = copy(bufs[count], data[:min(got.each, len(data))])
			data = data[sizes[count]:]
			eps[count] = got.ep
		}
	}
	return count, nil
}
