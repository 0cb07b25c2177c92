//go:build linux

package route_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"byway/tunnel/route"
)

// spoof sends datagrams to port 9999 of an address, from a source that is another's, over a link to the machine that via is
// on this link.
func spoof(device string, from, to, via netip.Addr) error {
	payload := []byte("from somebody else")
	u := make([]byte, 8, 8+len(payload))
	binary.BigEndian.PutUint16(u, 4000) // where nobody answers the answer
	binary.BigEndian.PutUint16(u[2:], 9999)
	binary.BigEndian.PutUint16(u[4:], uint16(8+len(payload)))
	u = append(u, payload...)
	family, packet := unix.AF_INET, make([]byte, 20)
	var sa unix.Sockaddr
	if to.Is6() {
		family, packet = unix.AF_INET6, make([]byte, 40)
		packet[0], packet[6], packet[7] = 0x60, unix.IPPROTO_UDP, 64
		binary.BigEndian.PutUint16(packet[4:], uint16(len(u)))
		copy(packet[8:], from.AsSlice())
		copy(packet[24:], to.AsSlice())
		sa = &unix.SockaddrInet6{Addr: via.As16()}
		// Of IPv6, a datagram has a checksum.
		pseudo := append(append(from.AsSlice(), to.AsSlice()...), 0, 0, 0, byte(len(u)), 0, 0, 0, unix.IPPROTO_UDP)
		binary.BigEndian.PutUint16(u[6:], checksum(append(pseudo, u...)))
	} else {
		packet[0], packet[8], packet[9] = 0x45, 64, unix.IPPROTO_UDP
		copy(packet[12:], from.AsSlice())
		copy(packet[16:], to.AsSlice())
		sa = &unix.SockaddrInet4{Addr: via.As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, device); err != nil {
		return err
	}
	for range 3 {
		if err := unix.Sendto(fd, append(packet, u...), 0, sa); err != nil {
			return err
		}
	}
	return nil
}

// TestNetAdversaryNeighbourReachesNoInnerAddress: a neighbour on the link sends to the addresses inside the tunnel, as
// itself and as every address of the machine's own. IPv6 takes its own addresses as a source from anybody.
func TestNetAdversaryNeighbourReachesNoInnerAddress(t *testing.T) {
	w := newWorld(t)
	w.start(w.internet, "internet").do(request{Op: "check"})
	listener, neighbour := w.start(w.consumer, "listener"), w.start(w.provider, "provider")
	neighbour.do(request{Op: "start"})
	daemon := w.start(w.consumer, "consumer")
	w.script(w.consumer, "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0")
	daemon.do(request{Op: "lock", Config: &route.Config{StateDir: w.stateDir, LAN: true}})
	welcome := w.session(daemon, neighbour, plenty, provider4)
	daemon.do(request{Op: "up"})
	w.works()
	send := func(from, to, via string) uint64 {
		t.Helper()
		listener.do(request{Op: "count"})
		neighbour.do(request{Op: "spoof", Text: fmt.Sprint("c0 ", from, " ", to, " ", via)})
		w.in(w.provider, "ping", "-c1", "-W1", "-I", "c0", lanSelf) // what was sent before has come
		return listener.do(request{Op: "count"}).Count
	}
	inner4, inner6 := welcome.V4.String(), welcome.V6.String()
	for _, from := range []string{inner6, "2001:db8:1::77"} {
		if send(from, consumer6, consumer6) == 0 {
			t.Errorf("control: a datagram from %s to the machine's own address is not seen, so that nothing is proved", from)
		}
	}
	total := uint64(0)
	sources := map[string][]string{
		inner6: {inner6, consumer6, "::1", "2001:db8:1::77", provider6}, inner4: {inner4, consumer4, lanSelf, "127.0.0.1", "198.51.100.77", lanHost},
	}
	vias := map[string]string{inner4: consumer4, inner6: consumer6}
	tried := 0
	for to, list := range sources {
		for _, from := range list {
			n := send(from, to, vias[to])
			if n > 0 {
				t.Errorf("a neighbour reached %s of the machine as %s", to, from)
			}
			total += n
			tried++
		}
	}
	// The machine itself reaches its inner addresses.
	for _, to := range []string{inner4, inner6} {
		w.in(w.consumer, "ping", "-c1", "-W2", to)
	}
	t.Logf("adversary: %s | bound: %s | seen: %d datagrams in %d tries", "a neighbour sends to the inner addresses, as itself and as the machine",
		"nothing arrives", total, tried)
}
