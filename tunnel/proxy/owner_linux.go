package proxy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel says whose a socket is: NETLINK_SOCK_DIAG with a request for exactly one socket, by its addresses and ports
// (sock_diag(7), linux/inet_diag.h). What it knows are the sockets of our own network namespace.
//
//	request  nlmsghdr, FAMILY PROTOCOL EXT PAD STATES:32 SOCKID
//	answer   nlmsghdr, FAMILY STATE TIMER RETRANS SOCKID EXPIRES:32 RQUEUE:32 WQUEUE:32 UID:32 INODE:32
//	SOCKID   SPORT:16 DPORT:16 SRC:128 DST:128 IF:32 COOKIE:64     the ports and addresses in network order
const (
	diagByFamily   = 20 // SOCK_DIAG_BY_FAMILY
	diagSockID     = 48
	diagRequest    = unix.SizeofNlMsghdr + 8 + diagSockID
	diagAnswer     = unix.SizeofNlMsghdr + 4 + diagSockID + 20
	diagPool       = 8 // sockets that are kept
	diagPatience   = time.Second
	tcpEstablished = 1
	tcpSynSent     = 2
	tcpSynReceived = 3
	tcpTimeWait    = 6
	tcpCloseWait   = 8 // the other end writes no more, and reads on
	tcpListen      = 10
	tcpNewReceived = 12
)

// owners asks the kernel who owns the other end of a connection on loopback. It is safe for concurrent use.
type owners struct {
	free chan *diagSocket
}

func newOwners() *owners { return &owners{free: make(chan *diagSocket, diagPool)} }

// close gives the sockets back.
func (o *owners) close() {
	for {
		select {
		case s := <-o.free:
			unix.Close(s.fd)
		default:
			return
		}
	}
}

// ofConn returns the user who made the socket at the other end of c. An end that is closed already is nobody's: the kernel
// gives such a socket to root until it is forgotten.
func (o *owners) ofConn(c *net.TCPConn) (uint32, error) {
	near, far := addrPort(c.LocalAddr()), addrPort(c.RemoteAddr())
	if !near.IsValid() || !far.IsValid() {
		return 0, errNoOwner
	}
	found, err := o.ask(unix.IPPROTO_TCP, far, near)
	if err != nil {
		return 0, err
	}
	switch found.state {
	case tcpSynSent, tcpSynReceived, tcpTimeWait, tcpListen, tcpNewReceived:
		return 0, errNoOwner
	}
	if found.local != far || found.remote != near {
		return 0, errNoOwner
	}
	// While our end lives, nobody else can have taken the ports of the other one.
	if !alive(c) {
		return 0, errNoOwner
	}
	return found.uid, nil
}

// ofDatagram returns the user whose UDP socket gets what is sent from near to far.
func (o *owners) ofDatagram(near, far netip.AddrPort) (uint32, error) {
	// For UDP the kernel takes the two ends the other way round, "for historical reasons".
	found, err := o.ask(unix.IPPROTO_UDP, near, far)
	if err != nil {
		return 0, err
	}
	if found.local.Port() != far.Port() || found.local.Addr() != far.Addr() && !found.local.Addr().IsUnspecified() {
		return 0, errNoOwner
	}
	if found.remote.Port() != 0 && found.remote != near {
		return 0, errNoOwner
	}
	return found.uid, nil
}

// check tells whether the kernel answers, by asking about sockets whose owner is known: l and a UDP socket beside it.
func (o *owners) check(l net.Listener) error {
	at := addrPort(l.Addr())
	any4 := netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	if at.Addr().Is6() {
		any4 = netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
	}
	found, err := o.ask(unix.IPPROTO_TCP, at, any4)
	if err == nil && (found.state != tcpListen || found.local.Port() != at.Port()) {
		err = errNoOwner
	}
	if err != nil {
		return fmt.Errorf("ask the kernel whose a TCP socket is: %w", err)
	}
	loopback := net.IP(netip.AddrFrom4([4]byte{127, 0, 0, 1}).AsSlice())
	if at.Addr().Is6() {
		loopback = net.IPv6loopback
	}
	u, err := net.ListenUDP("udp", &net.UDPAddr{IP: loopback})
	if err != nil {
		return fmt.Errorf("ask the kernel whose a UDP socket is: %w", err)
	}
	defer u.Close()
	own := addrPort(u.LocalAddr())
	if _, err := o.ofDatagram(netip.AddrPortFrom(own.Addr(), 1), own); err != nil {
		return fmt.Errorf("ask the kernel whose a UDP socket is: %w", err)
	}
	return nil
}

// alive reports whether c has not been reset or timed out.
func alive(c *net.TCPConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	// The state is the first byte of what TCP_INFO gives, and no more than an int is asked for.
	var info [4]byte
	var infoErr error
	if err := raw.Control(func(fd uintptr) {
		var n int
		n, infoErr = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		binary.NativeEndian.PutUint32(info[:], uint32(n))
	}); err != nil || infoErr != nil {
		return false
	}
	return info[0] == tcpEstablished || info[0] == tcpCloseWait
}

// diagFound is the kernel's word on a socket.
type diagFound struct {
	local, remote netip.AddrPort
	state         byte
	uid           uint32
}

func (o *owners) ask(proto byte, src, dst netip.AddrPort) (diagFound, error) {
	var s *diagSocket
	select {
	case s = <-o.free:
	default:
		var err error
		if s, err = newDiagSocket(); err != nil {
			return diagFound{}, err
		}
	}
	found, err := s.ask(proto, src, dst)
	if err != nil && !errors.Is(err, errNoOwner) {
		unix.Close(s.fd) // what it will answer next may belong to this question
		return diagFound{}, err
	}
	select {
	case o.free <- s:
	default:
		unix.Close(s.fd)
	}
	return found, err
}

// diagSocket is for one question at a time.
type diagSocket struct {
	fd   int
	seq  uint32
	peer unix.SockaddrNetlink // the kernel; each socket has its own, since sending writes into it
	out  [diagRequest]byte
	in   [4096]byte
}

func newDiagSocket() (*diagSocket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	wait := unix.NsecToTimeval(diagPatience.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("setsockopt", err)
	}
	return &diagSocket{fd: fd, peer: unix.SockaddrNetlink{Family: unix.AF_NETLINK}}, nil
}

// ask asks about the socket with these two ends. A socket that is not there is errNoOwner.
func (s *diagSocket) ask(proto byte, src, dst netip.AddrPort) (diagFound, error) {
	s.seq++
	native, b := binary.NativeEndian, s.out[:]
	clear(b)
	native.PutUint32(b[0:], diagRequest)
	native.PutUint16(b[4:], diagByFamily)
	native.PutUint16(b[6:], unix.NLM_F_REQUEST)
	native.PutUint32(b[8:], s.seq)
	b[16], b[17] = unix.AF_INET6, proto
	if src.Addr().Is4() {
		b[16] = unix.AF_INET
	}
	native.PutUint32(b[20:], ^uint32(0))
	id := b[24:]
	binary.BigEndian.PutUint16(id[0:], src.Port())
	binary.BigEndian.PutUint16(id[2:], dst.Port())
	copy(id[4:20], src.Addr().AsSlice())
	copy(id[20:36], dst.Addr().AsSlice())
	native.PutUint64(id[40:], ^uint64(0)) // no cookie
	if err := unix.Sendto(s.fd, b, 0, &s.peer); err != nil {
		return diagFound{}, os.NewSyscallError("sendto", err)
	}
	for {
		n, from, err := unix.Recvfrom(s.fd, s.in[:], 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return diagFound{}, os.NewSyscallError("recvfrom", err)
		}
		if a, ok := from.(*unix.SockaddrNetlink); !ok || a.Pid != 0 || n < unix.SizeofNlMsghdr+4 ||
			native.Uint32(s.in[8:]) != s.seq {
			continue // not of the kernel, or the answer to an older question
		}
		return parseDiag(s.in[:n])
	}
}

func parseDiag(b []byte) (diagFound, error) {
	native := binary.NativeEndian
	switch native.Uint16(b[4:]) {
	case unix.NLMSG_ERROR:
		if e := unix.Errno(-int32(native.Uint32(b[16:]))); e != unix.ENOENT {
			return diagFound{}, e
		}
		return diagFound{}, errNoOwner
	case diagByFamily:
	default:
		return diagFound{}, fmt.Errorf("netlink message of type %d", native.Uint16(b[4:]))
	}
	if len(b) < diagAnswer {
		return diagFound{}, fmt.Errorf("netlink message of %d bytes", len(b))
	}
	b = b[unix.SizeofNlMsghdr:]
	family, id, rest := b[0], b[4:], b[4+diagSockID:]
	end := func(at []byte, port []byte) netip.AddrPort {
		a := netip.AddrFrom4([4]byte(at[:4]))
		if family == unix.AF_INET6 {
			a = netip.AddrFrom16([16]byte(at[:16])).Unmap()
		}
		return netip.AddrPortFrom(a, binary.BigEndian.Uint16(port))
	}
	found := diagFound{
		local: end(id[4:20], id[0:2]), remote: end(id[20:36], id[2:4]), state: b[1], uid: native.Uint32(rest[12:]),
	}
	// A socket without an inode has no file any more, and the kernel names root as its owner.
	if inode := native.Uint32(rest[16:]); inode == 0 {
		return diagFound{}, errNoOwner
	}
	if u, ok := unmappedUser(); ok && found.uid == u {
		return diagFound{}, errNoOwner
	}
	return found, nil
}

// unmappedUser is the number that stands for every user whom our user namespace has no number for; where the namespace has one
// for everybody there is none. A number that many share says nothing about who it is.
var unmappedUser = sync.OnceValues(func() (uint32, bool) {
	var first, outside, count uint64
	text, err := os.ReadFile("/proc/self/uid_map")
	if err == nil {
		_, err = fmt.Sscan(string(text), &first, &outside, &count)
	}
	if err == nil && first == 0 && count == 1<<32-1 {
		return 0, false
	}
	number := uint64(65534)
	if text, err := os.ReadFile("/proc/sys/kernel/overflowuid"); err == nil {
		if n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32); err == nil {
			number = n
		}
	}
	return uint32(number), true
})
