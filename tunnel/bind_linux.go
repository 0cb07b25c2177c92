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

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/conn"
)

const (
	// bindBuffer is asked of the kernel for each direction of the socket; below 1 MiB, bursts are lost.
	bindBuffer = 7 << 20

	// The kernel takes this many datagrams, and this many bytes, in one segmented send.
	maxSegments  = 64
	maxSegmented = 65507

	// readAtOnce is how many coalesced datagrams are read together; each may hold maxSegments.
	readAtOnce = conn.IdealBatchSize / maxSegments
)

// addrBind is a conn.Bind on one address of the host, where the engine's own bind takes all of them. It sends and
// receives in segmented datagrams where the kernel can, without copying what it sends.
type addrBind struct {
	addr netip.Addr

	mu    sync.Mutex
	sock  *net.UDPConn
	batch batchConn

	segment atomic.Bool // UDP_SEGMENT works
	sends   sync.Pool
}

// batchConn is what ipv4.PacketConn and ipv6.PacketConn have in common.
type batchConn interface {
	ReadBatch(ms []ipv4.Message, flags int) (int, error)
	WriteBatch(ms []ipv4.Message, flags int) (int, error)
}

// newBind returns the bind for a listen address.
func newBind(listen netip.Addr) (conn.Bind, error) {
	if !listen.IsValid() || listen.IsUnspecified() {
		return conn.NewDefaultBind(), nil
	}
	b := &addrBind{addr: listen.Unmap()}
	b.sends.New = func() any { return new(send) }
	return b, nil
}

// Open implements conn.Bind.
func (b *addrBind) Open(port uint16) ([]conn.ReceiveFunc, uint16, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sock != nil {
		return nil, 0, conn.ErrBindAlreadyOpen
	}
	network := "udp4"
	if b.addr.Is6() {
		network = "udp6"
	}
	coalesced := false
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) {
			for _, opt := range []int{unix.SO_RCVBUF, unix.SO_SNDBUF, unix.SO_RCVBUFFORCE, unix.SO_SNDBUFFORCE} {
				// The forced ones need a privilege; without it the kernel's bounds apply.
				_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, opt, bindBuffer)
			}
			coalesced = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_GRO, 1) == nil
			_, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT)
			b.segment.Store(err == nil)
		})
	}}
	pc, err := lc.ListenPacket(context.Background(), network, netip.AddrPortFrom(b.addr, port).String())
	if err != nil {
		return nil, 0, err
	}
	b.sock = pc.(*net.UDPConn)
	if b.addr.Is4() {
		b.batch = ipv4.NewPacketConn(b.sock)
	} else {
		b.batch = ipv6.NewPacketConn(b.sock)
	}
	r := newReceiver(b.batch, coalesced)
	return []conn.ReceiveFunc{r.receive}, b.sock.LocalAddr().(*net.UDPAddr).AddrPort().Port(), nil
}

// receiver reads datagrams and splits those that the kernel has joined. It belongs to one goroutine.
type receiver struct {
	batch batchConn
	msgs  []ipv4.Message
	last  *conn.StdNetEndpoint
}

func newReceiver(batch batchConn, coalesced bool) *receiver {
	n := conn.IdealBatchSize
	if coalesced {
		n = readAtOnce
	}
	r := &receiver{batch: batch, msgs: make([]ipv4.Message, n)}
	for i := range r.msgs {
		if coalesced {
			r.msgs[i].Buffers = [][]byte{make([]byte, 1<<16)}
			r.msgs[i].OOB = make([]byte, unix.CmsgSpace(4))
		} else {
			r.msgs[i].Buffers = make([][]byte, 1)
		}
	}
	return r
}

func (r *receiver) receive(bufs [][]byte, sizes []int, eps []conn.Endpoint) (int, error) {
	joined := len(r.msgs) == readAtOnce
	msgs := r.msgs
	if !joined {
		msgs = msgs[:min(len(msgs), len(bufs))]
		for i := range msgs {
			msgs[i].Buffers[0] = bufs[i]
		}
	}
	for i := range msgs {
		msgs[i].OOB = msgs[i].OOB[:cap(msgs[i].OOB)]
	}
	n, err := r.batch.ReadBatch(msgs, 0)
	if err != nil {
		return 0, err
	}
	count := 0
	for i := range msgs[:n] {
		m := &msgs[i]
		ep := r.endpoint(m.Addr)
		if !joined {
			sizes[count], eps[count] = m.N, ep
			count++
			continue
		}
		data := m.Buffers[0][:m.N]
		each := segmentSize(m.OOB[:m.NN])
		if each == 0 {
			each = max(len(data), 1)
		}
		for len(data) > 0 && count < len(bufs) {
			sizes[count] = copy(bufs[count], data[:min(each, len(data))])
			data = data[sizes[count]:]
			eps[count] = ep
			count++
		}
	}
	return count, nil
}

// endpoint reuses the latest one, for datagrams come in runs.
func (r *receiver) endpoint(addr net.Addr) *conn.StdNetEndpoint {
	var ap netip.AddrPort
	if ua, ok := addr.(*net.UDPAddr); ok {
		ap = ua.AddrPort()
	}
	ap = netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	if r.last == nil || r.last.AddrPort != ap {
		r.last = &conn.StdNetEndpoint{AddrPort: ap}
	}
	return r.last
}

// segmentSize reads the size of joined datagrams from a control message; zero when they are not joined.
func segmentSize(oob []byte) int {
	for len(oob) >= unix.SizeofCmsghdr {
		h, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			return 0
		}
		if h.Level == unix.SOL_UDP && h.Type == unix.UDP_GRO && len(data) >= 2 {
			return int(binary.NativeEndian.Uint16(data))
		}
		oob = rest
	}
	return 0
}

// send is the memory of one Send.
type send struct {
	msgs []ipv4.Message
	addr net.UDPAddr
	ip   [16]byte
	oob  [conn.IdealBatchSize][]byte
}

// Send implements conn.Bind.
func (b *addrBind) Send(bufs [][]byte, ep conn.Endpoint) error {
	b.mu.Lock()
	batch := b.batch
	b.mu.Unlock()
	if batch == nil {
		return net.ErrClosed
	}
	dst, ok := ep.(*conn.StdNetEndpoint)
	if !ok {
		return conn.ErrWrongEndpointType
	}
	if dst.Addr().Is4() != b.addr.Is4() {
		return syscall.EAFNOSUPPORT
	}
	s := b.sends.Get().(*send)
	defer func() {
		clear(s.msgs)
		s.msgs = s.msgs[:0]
		b.sends.Put(s)
	}()
	s.addr = net.UDPAddr{IP: append(s.ip[:0], dst.Addr().AsSlice()...), Port: int(dst.Port())}
	segment := b.segment.Load()
	s.fill(bufs, segment)
	err := writeAll(batch, s.msgs)
	if segment && errors.Is(err, unix.EIO) {
		// The interface can't compute checksums, which segmentation needs. What was sent is sent twice; the peer's
		// replay window drops it.
		b.segment.Store(false)
		s.fill(bufs, false)
		err = writeAll(batch, s.msgs)
	}
	return err
}

// fill makes messages of datagrams: each of a run of equal size, whose last may be shorter, or of one.
func (s *send) fill(bufs [][]byte, segment bool) {
	s.msgs = s.msgs[:0]
	for i := 0; i < len(bufs); {
		each := len(bufs[i])
		total, j := each, i+1
		for ; segment && j < len(bufs) && j-i < maxSegments; j++ {
			n := len(bufs[j])
			if n > each || total+n > maxSegmented || len(bufs[j-1]) < each {
				break
			}
			total += n
		}
		m := ipv4.Message{Buffers: bufs[i:j:j], Addr: &s.addr}
		if j-i > 1 {
			m.OOB = s.control(len(s.msgs), each)
		}
		s.msgs = append(s.msgs, m)
		i = j
	}
}

// control builds the control message that tells the kernel where to cut.
func (s *send) control(i, each int) []byte {
	if s.oob[i] == nil {
		s.oob[i] = make([]byte, unix.CmsgSpace(2))
		// struct cmsghdr: length in a machine word, then level and type in four bytes each.
		word := unix.SizeofCmsghdr - 8
		if word == 8 {
			binary.NativeEndian.PutUint64(s.oob[i], uint64(unix.CmsgLen(2)))
		} else {
			binary.NativeEndian.PutUint32(s.oob[i], uint32(unix.CmsgLen(2)))
		}
		binary.NativeEndian.PutUint32(s.oob[i][word:], unix.SOL_UDP)
		binary.NativeEndian.PutUint32(s.oob[i][word+4:], unix.UDP_SEGMENT)
	}
	binary.NativeEndian.PutUint16(s.oob[i][unix.CmsgLen(0):], uint16(each))
	return s.oob[i]
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

// Close implements conn.Bind.
func (b *addrBind) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sock == nil {
		return nil
	}
	err := b.sock.Close()
	b.sock, b.batch = nil, nil
	return err
}

// SetMark implements conn.Bind.
func (b *addrBind) SetMark(mark uint32) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sock == nil {
		return nil
	}
	raw, err := b.sock.SyscallConn()
	if err != nil {
		return err
	}
	var opErr error
	err = raw.Control(func(fd uintptr) {
		opErr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, int(mark))
	})
	return errors.Join(err, opErr)
}

// ParseEndpoint implements conn.Bind.
func (b *addrBind) ParseEndpoint(s string) (conn.Endpoint, error) {
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		return nil, fmt.Errorf("parse endpoint: %w", err)
	}
	return &conn.StdNetEndpoint{AddrPort: netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())}, nil
}

// BatchSize implements conn.Bind.
func (b *addrBind) BatchSize() int { return conn.IdealBatchSize }
