package proxy

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// errNoOwner says that it is not known whose a socket is.
var errNoOwner = errors.New("the system does not say whose the socket is")

// Password admits a program that is not known by its user: RFC 1929 within SOCKS5, Basic authentication
// (RFC 7617) in Proxy-Authorization. Either part has between 1 and 255 bytes; User holds no colon.
type Password struct{ User, Password string }

// LogValue leaves the password out.
func (p Password) LogValue() slog.Value { return slog.StringValue(p.User) }

// String leaves the password out.
func (p Password) String() string { return p.User + ":…" }

func (p *Password) check() error {
	switch {
	case len(p.User) == 0 || len(p.User) > 255 || strings.Contains(p.User, ":"):
		return errors.New("proxy password: the user has between 1 and 255 bytes and no colon")
	case len(p.Password) == 0 || len(p.Password) > 255:
		return errors.New("proxy password: the password has between 1 and 255 bytes")
	}
	return nil
}

// matches compares in a time that says nothing about either.
func (p *Password) matches(user, password string) bool {
	if p == nil {
		return false
	}
	same := func(a, b string) int {
		x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
		return subtle.ConstantTimeCompare(x[:], y[:])
	}
	return same(p.User, user)&same(p.Password, password) == 1
}

// basic reads Proxy-Authorization.
func basic(header string) (user, password string, ok bool) {
	scheme, rest, ok := strings.Cut(header, " ")
	if !ok || !strings.EqualFold(scheme, "basic") {
		return "", "", false
	}
	text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest))
	if err != nil {
		return "", "", false
	}
	return strings.Cut(string(text), ":")
}

// Check tells whether a proxy of this configuration can be served on l, before anything is paid for it: whether it would
// know those whom it may serve. It leaves l as it is.
func (cfg Config) Check(l net.Listener) error {
	ta, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return fmt.Errorf("proxy on %v: it needs a TCP listener", l.Addr())
	}
	if cfg.Password != nil {
		// A password is enough where the system does not say who connects.
		return cfg.Password.check()
	}
	if !ta.IP.IsLoopback() {
		return fmt.Errorf("proxy on %v: others than this machine's users reach it, so a user and password are required", l.Addr())
	}
	if len(cfg.Users) == 0 {
		return fmt.Errorf("proxy on %v: nobody is admitted, neither a user of this machine nor a password", l.Addr())
	}
	o := newOwners()
	defer o.close()
	if err := o.check(l); err != nil {
		return fmt.Errorf("proxy on %v: this system does not say which of its users connects, so a user and password are "+
			"required: %w", l.Addr(), err)
	}
	return nil
}

// caller is who is at the other end of a connection.
type caller struct {
	key      any    // what its silent connections are counted by
	uid      uint32 // the user, where local
	local    bool
	admitted bool // without a password
}

// stranger is the key of everybody who will not be served.
type stranger struct{}

// caller finds out who is at the other end of conn.
func (p *Proxy) caller(conn net.Conn) caller {
	c, ok := conn.(*net.TCPConn)
	if !ok {
		return caller{key: stranger{}}
	}
	near, far := addrPort(c.LocalAddr()), addrPort(c.RemoteAddr())
	if near.Addr().IsLoopback() && far.Addr().IsLoopback() {
		uid, err := p.owners.ofConn(c)
		if err == nil {
			who := caller{key: uid, uid: uid, local: true, admitted: slices.Contains(p.users, uid)}
			if !who.admitted && p.password == nil {
				who.key = stranger{}
			}
			return who
		}
		p.log.Debug("proxy: whose connection", "error", err)
	}
	if p.password == nil {
		return caller{key: stranger{}}
	}
	// One customer's network is one caller (RFC 6177).
	bits := 64
	if far.Addr().Is4() {
		bits = 32
	}
	prefix, _ := far.Addr().Prefix(bits)
	return caller{key: prefix}
}

// addrPort is a TCP or UDP address with IPv4 as such; invalid for others.
func addrPort(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.TCPAddr:
		ap = a.AddrPort()
	case *net.UDPAddr:
		ap = a.AddrPort()
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
