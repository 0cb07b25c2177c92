package proxy

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"byway/tunnel/dialer"
	"byway/tunnel/relay"
)

// SOCKS5, RFC 1928.
//
//	greeting  VER=5 NMETHODS METHODS...            answer  VER METHOD
//	password  VER=1 ULEN UNAME PLEN PASSWD         answer  VER STATUS    (RFC 1929)
//	request   VER CMD RSV ATYP DST.ADDR DST.PORT   answer  VER REP RSV ATYP BND.ADDR BND.PORT
//	datagram  RSV RSV FRAG ATYP DST.ADDR DST.PORT DATA
const (
	socksVersion  = 5
	socks4Version = 4

	socksNoAuth   = 0
	socksUserPass = 2 // RFC 1929
	socksNoMethod = 0xff

	socksConnect   = 1
	socksAssociate = 3

	socksIPv4 = 1
	SocksName = 3
	socksIPv6 = 4
)

// Replies.
const (
	socksOK          = 0
	socksGeneral     = 1
	socksNotAllowed  = 2
	socksNet         = 3
	socksHost        = 4
	socksRefused     = 5
	socksTimeout     = 6
	socksBadCommand  = 7
	socksBadAddrType = 8
)

var socksReplies = map[dialer.Failure]byte{
	dialer.FailGeneral: socksGeneral, dialer.FailDenied: socksNotAllowed, dialer.FailRefused: socksRefused, dialer.FailHost: socksHost,
	dialer.FailNet: socksNet, dialer.FailTimeout: socksTimeout, dialer.FailName: socksHost,
}

// socks4Reject answers any request of SOCKS4: VN=0 CD=91 PORT ADDRESS.
var socks4Reject = []byte{0, 0x5b, 0, 0, 0, 0, 0, 0}

var errSOCKSAddrType = errors.New("unknown socks address type")

// socksAddr is a destination: an address or a name.
type socksAddr struct {
	addr netip.Addr
	name string
	port uint16
}

func (a socksAddr) host() string {
	if a.name != "" {
		return a.name
	}
	return a.addr.String()
}

// String is host:port.
func (a socksAddr) String() string { return net.JoinHostPort(a.host(), strconv.Itoa(int(a.port))) }

// readSOCKSAddr reads ATYP, address and port.
func readSOCKSAddr(r io.Reader) (socksAddr, error) {
	var b [256 + 2]byte
	if _, err := io.ReadFull(r, b[:1]); err != nil {
		return socksAddr{}, err
	}
	var size int
	kind := b[0]
	switch kind {
	case socksIPv4:
		size = 4
	case socksIPv6:
		size = 16
	case SocksName:
		if _, err := io.ReadFull(r, b[:1]); err != nil {
			return socksAddr{}, err
		}
		if size = int(b[0]); size == 0 {
			return socksAddr{}, errors.New("empty socks name")
		}
	default:
		return socksAddr{}, errSOCKSAddrType
	}
	if _, err := io.ReadFull(r, b[:size+2]); err != nil {
		return socksAddr{}, err
	}
	a := socksAddr{port: binary.BigEndian.Uint16(b[size:])}
	if kind != SocksName {
		a.addr, _ = netip.AddrFromSlice(b[:size])
		a.addr = a.addr.Unmap()
		return a, nil
	}
	a.name = string(b[:size])
	if addr, err := netip.ParseAddr(a.name); err == nil && addr.Zone() == "" {
		a.addr, a.name = addr.Unmap(), "" // some programs send literals as names
	}
	return a, nil
}

// AppendSOCKSAddr writes ATYP, address and port.
func AppendSOCKSAddr(b []byte, a netip.AddrPort) []byte {
	kind := byte(socksIPv6)
	if a.Addr().Is4() {
		kind = socksIPv4
	}
	b = append(append(b, kind), a.Addr().AsSlice()...)
	return binary.BigEndian.AppendUint16(b, a.Port())
}

func replySOCKS(w io.Writer, code byte, bound netip.AddrPort) error {
	if !bound.IsValid() {
		bound = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	}
	_, err := w.Write(AppendSOCKSAddr([]byte{socksVersion, code, 0}, bound))
	return err
}

// serveSOCKS serves one connection from the greeting on.
func (p *Proxy) serveSOCKS(ctx context.Context, c *greeting) error {
	var b [257]byte
	if _, err := io.ReadFull(c, b[:2]); err != nil {
		return fmt.Errorf("read greeting: %w", err)
	}
	methods := b[2 : 2+int(b[1])]
	if _, err := io.ReadFull(c, methods); err != nil {
		return fmt.Errorf("read greeting: %w", err)
	}
	switch {
	case c.who.admitted && slices.Contains(methods, socksNoAuth):
		if _, err := c.Write([]byte{socksVersion, socksNoAuth}); err != nil {
			return fmt.Errorf("answer greeting: %w", err)
		}
	case p.password != nil && slices.Contains(methods, socksUserPass):
		if err := p.socksPassword(ctx, c); err != nil {
			return err
		}
	default:
		_, err := c.Write([]byte{socksVersion, socksNoMethod})
		return errors.Join(fmt.Errorf("no way of authentication in common: program offers % x", methods), err)
	}
	if _, err := io.ReadFull(c, b[:3]); err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	if b[0] != socksVersion {
		return fmt.Errorf("request of socks version %d", b[0])
	}
	command := b[1]
	dst, err := readSOCKSAddr(c)
	if errors.Is(err, errSOCKSAddrType) {
		return errors.Join(err, replySOCKS(c, socksBadAddrType, netip.AddrPort{}))
	}
	if err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	if command != socksConnect && command != socksAssociate {
		return errors.Join(fmt.Errorf("unknown socks command %d", command), replySOCKS(c, socksBadCommand, netip.AddrPort{}))
	}
	if !p.take(c) {
		return errors.Join(errors.New("every connection of the proxy is in use"),
			replySOCKS(c, socksGeneral, netip.AddrPort{}))
	}
	defer p.give()
	_ = c.SetDeadline(time.Time{})
	switch command {
	case socksConnect:
		return p.socksConnect(ctx, c, dst)
	default:
		return p.socksAssociate(ctx, c, dst)
	}
}

// socksPassword asks for user and password.
func (p *Proxy) socksPassword(ctx context.Context, c *greeting) error {
	if _, err := c.Write([]byte{socksVersion, socksUserPass}); err != nil {
		return fmt.Errorf("answer greeting: %w", err)
	}
	field := func(b []byte) ([]byte, error) {
		if _, err := io.ReadFull(c, b[:1]); err != nil {
			return nil, fmt.Errorf("read password: %w", err)
		}
		text := b[1 : 1+int(b[0])]
		if _, err := io.ReadFull(c, text); err != nil {
			return nil, fmt.Errorf("read password: %w", err)
		}
		return text, nil
	}
	var b, b2 [256]byte
	if _, err := io.ReadFull(c, b[:1]); err != nil {
		return fmt.Errorf("read password: %w", err)
	}
	if b[0] != 1 {
		return fmt.Errorf("password in a form of version %d", b[0])
	}
	user, err := field(b[:])
	if err != nil {
		return err
	}
	password, err := field(b2[:])
	if err != nil {
		return err
	}
	if !p.password.matches(string(user), string(password)) {
		p.wrong(ctx)
		_, err := c.Write([]byte{1, 1})
		return errors.Join(errors.New("wrong user or password"), err)
	}
	if _, err := c.Write([]byte{1, 0}); err != nil {
		return fmt.Errorf("answer password: %w", err)
	}
	return nil
}

func (p *Proxy) socksConnect(ctx context.Context, c *greeting, dst socksAddr) error {
	host, err := p.dial(ctx, dst.String())
	if err != nil {
		return errors.Join(fmt.Errorf("connect: %w", err), replySOCKS(c, socksReplies[dialer.Classify(err)], netip.AddrPort{}))
	}
	var bound netip.AddrPort
	if a, ok := host.LocalAddr().(*net.TCPAddr); ok {
		bound = a.AddrPort()
	}
	if err := replySOCKS(c, socksOK, bound); err != nil {
		host.Close()
		return fmt.Errorf("answer request: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { relay.Reset(host) })
	defer stop()
	relay.Run(c, host, nil)
	return nil
}

// parseSOCKSDatagram splits a datagram of a program. Fragments are not taken.
func parseSOCKSDatagram(b []byte) (socksAddr, []byte, error) {
	if len(b) < 4 || b[0] != 0 || b[1] != 0 {
		return socksAddr{}, nil, errors.New("not a socks datagram")
	}
	if b[2] != 0 {
		return socksAddr{}, nil, errors.New("fragmented socks datagram")
	}
	r := &sliceReader{b[3:]}
	dst, err := readSOCKSAddr(r)
	if err != nil {
		return socksAddr{}, nil, fmt.Errorf("socks datagram: %w", err)
	}
	return dst, r.b, nil
}

// sliceReader reads a slice and keeps the rest in reach.
type sliceReader struct{ b []byte }

func (r *sliceReader) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.b)
	r.b = r.b[n:]
	return n, nil
}
