//go:build linux

package route_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// canary is in everything that can carry bytes, so that a packet in the clear is known by what it says, too.
const canary = "BYWAY-CANARY-IN-THE-CLEAR"

// programs plays the machine's programs, which try all they can to reach the internet, for ever. It answers with the
// number of rounds done.
func programs() func(request) (answer, error) {
	var rounds atomic.Uint64
	go func() {
		for {
			attempt()
			rounds.Add(1)
			time.Sleep(50 * time.Millisecond)
		}
	}()
	return func(request) (answer, error) { return answer{Count: rounds.Load()}, nil }
}

// bound makes sockets leave by the outside link, whatever the routes say.
func bound(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		unix.SetsockoptString(int(fd), unix.SOL_SOCKET, unix.SO_BINDTODEVICE, outside)
		unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 1)
	})
}

func plain(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 1) })
}

var (
	udpTargets = []string{
		web4 + ":9", dns4 + ":53", dns4 + ":853", "8.8.8.8:53", provider4 + ":53", provider4 + ":51820", provider4 + ":9",
		lanHost + ":53", lanHost + ":5000", "224.0.0.251:5353", "239.255.255.250:1900", "255.255.255.255:6771",
		"192.168.77.255:137", "169.254.169.254:80",
		"[" + web6 + "]:9", "[" + dns6 + "]:53", "[" + dns6 + "]:853", "[2001:4860:4860::8888]:53",
		"[" + provider6 + "]:53", "[" + provider6 + "]:51820", "[ff02::fb%eth0]:5353", "[ff02::1:3%eth0]:5355",
		"[fe80::1%eth0]:9", "[ff05::2%eth0]:9",
	}
	tcpTargets = []string{
		web4 + ":80", dns4 + ":53", dns4 + ":853", "8.8.8.8:853", provider4 + ":51820", lanHost + ":80", "192.0.2.200:80",
		"[" + web6 + "]:80", "[" + dns6 + "]:53", "[" + dns6 + "]:853", "[fe80::1%eth0]:80",
	}
)

// attempt is one round: every target, by the routes and by the link itself.
func attempt() {
	var wg sync.WaitGroup
	ctx, cancel := context.WithTimeout(context.Background(), 150*time.Millisecond)
	defer cancel()
	for _, control := range []func(string, string, syscall.RawConn) error{plain, bound} {
		for _, target := range udpTargets {
			d := net.Dialer{Control: control}
			conn, err := d.DialContext(ctx, "udp", target)
			if err != nil {
				continue
			}
			conn.Write([]byte(canary))
			conn.Write(append([]byte(canary), make([]byte, 4000)...)) // in fragments
			conn.Close()
		}
		for _, from := range []string{consumer4, consumer6} { // the address of the link as the source
			d := net.Dialer{Control: control, LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}
			to := net.JoinHostPort(map[string]string{consumer4: web4, consumer6: web6}[from], "9")
			if conn, err := d.DialContext(ctx, "udp", to); err == nil {
				conn.Write([]byte(canary))
				conn.Close()
			}
		}
		for _, target := range tcpTargets {
			wg.Go(func() {
				d := net.Dialer{Control: control}
				if conn, err := d.DialContext(ctx, "tcp", target); err == nil {
					conn.Write([]byte(canary))
					conn.Close()
				}
			})
		}
	}
	for _, device := range []string{"", outside} {
		rawAttempts(device)
	}
	joinGroups()
	wg.Wait()
}

// rawAttempts sends what is neither TCP nor UDP, as root can.
func rawAttempts(device string) {
	echo4 := append([]byte{8, 0, 0, 0, 1, 2, 3, 4}, canary...)
	binary.BigEndian.PutUint16(echo4[2:], checksum(echo4))
	echo6 := append([]byte{128, 0, 0, 0, 1, 2, 3, 4}, canary...)
	solicit := append(append([]byte{135, 0, 0, 0, 0, 0, 0, 0}, netip.MustParseAddr(web6).AsSlice()...),
		append([]byte{1, 8}, make([]byte, 62)...)...) // a solicitation that carries more than one
	copy(solicit[26:], canary)
	for _, a := range []struct {
		family, proto int
		to            string
		payload       []byte
	}{
		{unix.AF_INET, unix.IPPROTO_ICMP, web4, echo4},
		{unix.AF_INET, unix.IPPROTO_ICMP, provider4, echo4},
		{unix.AF_INET, unix.IPPROTO_ICMP, lanHost, echo4},
		{unix.AF_INET, unix.IPPROTO_GRE, web4, []byte(canary)},
		{unix.AF_INET, unix.IPPROTO_IPV6, web4, []byte(canary)}, // 6in4
		{unix.AF_INET, unix.IPPROTO_SCTP, web4, []byte(canary)},
		{unix.AF_INET6, unix.IPPROTO_ICMPV6, web6, echo6},
		{unix.AF_INET6, unix.IPPROTO_ICMPV6, provider6, echo6},
		{unix.AF_INET6, unix.IPPROTO_ICMPV6, web6, solicit},
		{unix.AF_INET6, unix.IPPROTO_ICMPV6, "ff02::1", echo6},
		{unix.AF_INET6, unix.IPPROTO_ICMPV6, "fe80::1", echo6},
		{unix.AF_INET6, unix.IPPROTO_GRE, web6, []byte(canary)},
		{unix.AF_INET6, unix.IPPROTO_SCTP, "ff02::1", []byte(canary)},
	} {
		fd, err := unix.Socket(a.family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, a.proto)
		if err != nil {
			continue
		}
		if device != "" {
			unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, device)
		}
		to := netip.MustParseAddr(a.to)
		if to.Is4() {
			unix.Sendto(fd, a.payload, 0, &unix.SockaddrInet4{Addr: to.As4()})
		} else {
			unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, 255)
			unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 255)
			sa := &unix.SockaddrInet6{Addr: to.As16()}
			if link, err := net.InterfaceByName(outside); err == nil && (to.IsLinkLocalUnicast() || to.IsMulticast()) {
				sa.ZoneId = uint32(link.Index)
			}
			unix.Sendto(fd, a.payload, 0, sa)
		}
		unix.Close(fd)
	}
}

// joinGroups makes the kernel report multicast groups.
func joinGroups() {
	link, err := net.InterfaceByName(outside)
	if err != nil {
		return
	}
	for _, group := range []string{"239.1.2.3", "ff05::1234"} {
		if conn, err := net.ListenMulticastUDP("udp", link, &net.UDPAddr{IP: net.ParseIP(group), Port: 9999}); err == nil {
			conn.Close()
		}
	}
}

func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// rounds lets the programs try everything n times from now on.
func (c *child) rounds(n uint64) {
	c.t.Helper()
	start := c.do(request{Op: "rounds"}).Count
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		// The round that runs may have begun before.
		if c.do(request{Op: "rounds"}).Count > start+n {
			return
		}
	}
	c.t.Fatal(fmt.Errorf("programs: %w", errNothingTried))
}
