package tunnel

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"byway/tunnel/tunneltest"
)

// TestNetAdversaryLargestDatagramsAreWholeOrDropped sends datagrams of every size from 61,419 to 65,507 bytes, which came
// back cut once, by each way that there is: a network interface and a proxy, an exit in userspace and the kernel's. The
// short form takes every 29th size, from another one each time.
func TestNetAdversaryLargestDatagramsAreWholeOrDropped(t *testing.T) {
	inNetwork(t, func(t *testing.T, n network) {
		const first = 61419
		step := 29
		if long() {
			step = 1
		}
		payload := tunneltest.Random(t, maxDatagram)
		buf := make([]byte, 1<<16)
		for _, mode := range []Mode{Userspace, Privileged} {
			for _, to := range []netip.Addr{host4, host6} {
				e := n.exit(t, ExitConfig{Mode: mode})
				echo := n.listenUDP(t, "i", netip.AddrPortFrom(to, 0))
				ways := make(map[string]net.Conn)
				n.join(t, e, math.MaxUint64)
				direct, err := n.dial(t, "c", "udp", echo, 10*time.Second)
				if err != nil {
					t.Fatal(err)
				}
				ways["interface"] = direct
				_, relayed := tunneltest.SocksUDP(t, newProxy(t, n.client(t, e, math.MaxUint64).client))
				associated, err := net.DialUDP("udp", nil, relayed)
				if err != nil {
					t.Fatal(err)
				}
				ways["proxy"] = associated
				for way, conn := range ways {
					var head []byte
					if way == "proxy" {
						head = socksAddress([]byte{0, 0, 0}, echo)
					}
					whole, lost, cut := 0, 0, 0
					for size := first + rand.IntN(step); size <= maxDatagram-len(head); size += step {
						binary.BigEndian.PutUint32(payload, uint32(size))
						if _, err := conn.Write(append(head[:len(head):len(head)], payload[:size]...)); err != nil {
							t.Fatalf("%d bytes: %v", size, err)
						}
						for end := time.Now().Add(time.Second); ; {
							conn.SetReadDeadline(end)
							n, err := conn.Read(buf)
							if err != nil {
								lost++
								break
							}
							got := buf[min(n, len(head)):n]
							if len(got) < 4 || int(binary.BigEndian.Uint32(got)) != len(got) || !bytes.Equal(got[4:], payload[4:len(got)]) {
								cut++
								t.Errorf("%s, %s, %v: %d bytes came back for %d", mode, way, to, len(got), size)
							}
							if len(got) == size {
								whole++
								break
							} // else it is one that was given up
						}
					}
					conn.Close()
					// Of so many fragments a busy machine loses some, and the kernel may then pause; half of them never.
					if lost > whole {
						t.Errorf("%s, %s, %v: %d of %d datagrams did not come back", mode, way, to, lost, whole+lost)
					}
					t.Logf("adversary: %s | bound: %s | seen: %s",
						fmt.Sprintf("datagrams of 61,419 to 65,507 bytes to %v by %s through an exit in mode %s", to, way, mode),
						"whole or dropped, never cut", fmt.Sprintf("%d whole, %d dropped, %d cut", whole, lost, cut))
				}
			}
		}
	})
}
