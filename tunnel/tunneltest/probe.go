package tunneltest

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"

	"golang.zx2c4.com/wireguard/tun"

	"byway/tunnel/packet"
)

// Probe is a raw packet of a consumer: a SYN, a datagram or an echo request, with addresses as they are given.
func Probe(proto packet.Proto, src4, src6, dst netip.Addr, port uint16) []byte {
	var body []byte
	switch proto {
	case packet.TCP:
		body = make([]byte, 20)
		body[12], body[13] = 5<<4, 2
	case packet.UDP:
		body = make([]byte, 8+4)
		binary.BigEndian.PutUint16(body[4:], uint16(len(body)))
	case packet.ICMP:
		body = make([]byte, 8+16)
		body[0] = 8
		if dst.Is6() {
			body[0] = 128
		}
	}
	if proto != packet.ICMP {
		binary.BigEndian.PutUint16(body[0:], 40000+port%20000)
		binary.BigEndian.PutUint16(body[2:], port)
	}
	if dst.Is4() {
		b := make([]byte, 20+len(body))
		b[0], b[8], b[9] = 0x45, 64, byte(proto)
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		copy(b[12:], src4.AsSlice())
		copy(b[16:], dst.AsSlice())
		copy(b[20:], body)
		return b
	}
	b := make([]byte, 40+len(body))
	b[0], b[6], b[7] = 0x60, byte(proto), 64
	if proto == packet.ICMP {
		b[6] = 58
	}
	binary.BigEndian.PutUint16(b[4:], uint16(len(body)))
	copy(b[8:], src6.AsSlice())
	copy(b[24:], dst.AsSlice())
	copy(b[40:], body)
	return b
}

// Forbidden lists addresses that no exit may send to, in every spelling that a packet can give them.
func Forbidden() []netip.Addr {
	inside := []string{
		"0.0.0.0", "0.0.0.1", "10.0.0.1", "10.1.2.3", "10.213.0.2", "10.255.255.254", "100.64.0.1", "100.100.100.200",
		"100.127.255.254", "127.0.0.2", "127.0.0.53", "127.1.1.1", "127.255.255.254", "168.63.129.16", "169.254.0.1",
		"169.254.169.254", "169.254.170.2", "172.16.0.1", "172.17.0.1", "172.31.255.254", "192.0.0.1", "192.0.0.192",
		"192.0.2.1", "192.88.99.1", "192.168.0.1", "192.168.1.1", "192.168.122.1", "192.168.255.254", "198.18.0.1",
		"198.19.255.254", "198.51.100.1", "203.0.113.1", "224.0.0.1", "224.0.0.251", "232.1.1.1", "239.255.255.250",
		"240.0.0.1", "250.1.2.3", "255.255.255.254", "255.255.255.255",
	}
	var list []netip.Addr
	for _, s := range inside {
		a := netip.MustParseAddr(s)
		b := a.As4()
		client := [4]byte{^b[0], ^b[1], ^b[2], ^b[3]}
		hex := func(b [4]byte) string { return fmt.Sprintf("%02x%02x:%02x%02x", b[0], b[1], b[2], b[3]) }
		list = append(list, a)
		for _, form := range []string{
			"::ffff:" + hex(b),                  // mapped
			"64:ff9b::" + hex(b),                // NAT64
			"2002:" + hex(b) + "::1",            // 6to4
			"2400:cb00::5efe:" + hex(b),         // ISATAP
			"2001:0:808:808:0:0:" + hex(client), // Teredo
		} {
			list = append(list, netip.MustParseAddr(form))
		}
	}
	for _, s := range []string{
		"::", "::2", "::7f00:1", "::a00:1", "::ffff:0:a00:1", "64:ff9b:1::1", "64:ff9b:1::a00:1", "100::1", "2001:2::1",
		"2001:db8::1", "3fff::1", "5f00::1", "fc00::1", "fd00::1", "fd00:ec2::254", "fd62:7977:6179::2", "fe80::1",
		"fec0::1", "ff02::1", "ff05::1:3", "ff0e::1",
	} {
		list = append(list, netip.MustParseAddr(s))
	}
	return list
}

// Device takes and gives batches without looking at them.
type Device struct {
	tun.Device
	N, Size int
	Wrote   int
}

func (d *Device) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	if d.N == 0 {
		return 0, os.ErrClosed
	}
	for i := range d.N {
		sizes[i] = d.Size
	}
	return d.N, nil
}

func (d *Device) Write(bufs [][]byte, offset int) (int, error) {
	d.Wrote += len(bufs)
	return len(bufs), nil
}
