//go:build linux

package route_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// capture is a tcpdump of what leaves the consumer by its outside link. The packet socket sees what the firewall has
// let through, and nothing else.
type capture struct {
	w      *world
	path   string
	cmd    *exec.Cmd
	phases []phase
}

type phase struct {
	name  string
	since time.Time
}

func (w *world) capture() *capture {
	w.t.Helper()
	c := &capture{w: w, path: filepath.Join(w.t.TempDir(), "outside.pcap")}
	c.cmd = exec.Command("ip", "netns", "exec", w.consumer, "tcpdump", "-i", outside, "-Q", "out", "-n", "-U", "-s", "0",
		"-B", "65536", "--immediate-mode", "-Z", "root", "-w", c.path)
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	said := new(bytes.Buffer)
	c.cmd.Stderr = said
	if err := c.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.cmd.Process.Kill(); c.cmd.Wait() })
	w.eventually("tcpdump listens", func() error {
		info, err := os.Stat(c.path)
		if err == nil && info.Size() < 24 {
			err = errors.New("the capture has no header yet")
		}
		return err
	})
	return c
}

// phase begins a phase of the capture. Phases follow each other without a gap.
func (c *capture) phase(name string) {
	c.phases = append(c.phases, phase{name, time.Now()})
}

// seen counts packets that left during one phase.
type seen struct {
	tunnel, link int
	clear        map[string]int // what is neither, by kind
}

func (s seen) clearTotal() int {
	n := 0
	for _, v := range s.clear {
		n += v
	}
	return n
}

func (s seen) String() string {
	var kinds []string
	for _, k := range slices.Sorted(maps.Keys(s.clear)) {
		kinds = append(kinds, fmt.Sprintf("%s %d", k, s.clear[k]))
	}
	return fmt.Sprintf("tunnel %6d, link %3d, in the clear %d %s", s.tunnel, s.link, s.clearTotal(), strings.Join(kinds, ", "))
}

// end stops the capture and counts each phase.
func (c *capture) end() map[string]seen {
	c.w.t.Helper()
	time.Sleep(100 * time.Millisecond)
	c.cmd.Process.Signal(syscall.SIGINT)
	c.cmd.Wait()
	b, err := os.ReadFile(c.path)
	if err != nil {
		c.w.t.Fatal(err)
	}
	out := make(map[string]seen)
	for _, p := range c.phases {
		out[p.name] = seen{clear: make(map[string]int)}
	}
	if len(b) < 24 || binary.NativeEndian.Uint32(b) != 0xa1b2c3d4 || binary.NativeEndian.Uint32(b[20:]) != 1 {
		c.w.t.Fatal("the capture is not in the form that this test reads")
	}
	for b = b[24:]; len(b) >= 16; {
		n := int(binary.NativeEndian.Uint32(b[8:]))
		at := time.Unix(int64(binary.NativeEndian.Uint32(b)), int64(binary.NativeEndian.Uint32(b[4:]))*1000)
		if len(b) < 16+n {
			break
		}
		frame := b[16 : 16+n]
		b = b[16+n:]
		i := len(c.phases) - 1
		for ; i > 0 && at.Before(c.phases[i].since); i-- {
		}
		s := out[c.phases[i].name]
		switch kind := classify(frame); kind {
		case "tunnel":
			s.tunnel++
		case "link":
			s.link++
		default:
			s.clear[kind]++
		}
		out[c.phases[i].name] = s
	}
	for _, p := range c.phases {
		c.w.t.Logf("%-28s %v", p.name, out[p.name])
	}
	return out
}

// classify says what a frame is: "tunnel", "link" (what a link needs to work), or the kind of packet in the clear.
func classify(frame []byte) string {
	if len(frame) < 14 {
		return "short frame"
	}
	kind, ip := binary.BigEndian.Uint16(frame[12:]), frame[14:]
	told := ""
	if bytes.Contains(ip, []byte(canary)) {
		told = " with the canary"
	}
	switch {
	case kind == 0x0806:
		return "link"
	case kind == 0x0800 && len(ip) >= 20:
		return transport("4", ip[9], ip[int(ip[0]&15)*4:], netip.AddrFrom4([4]byte(ip[16:20])), ip[8], told)
	case kind == 0x86dd && len(ip) >= 40:
		next, rest := ip[6], ip[40:]
		if next == 0 && len(rest) >= 8 { // hop-by-hop, as multicast reports have
			next, rest = rest[0], rest[(int(rest[1])+1)*8:]
		}
		return transport("6", next, rest, netip.AddrFrom16([16]byte(ip[24:40])), ip[7], told)
	}
	return fmt.Sprintf("ethertype %04x%s", kind, told)
}

// exitNet holds the exits that a test has besides the provider.
var exitNet = netip.MustParsePrefix("198.18.0.0/16")

func transport(family string, proto byte, b []byte, dst netip.Addr, hops byte, told string) string {
	switch {
	case proto == syscall.IPPROTO_UDP && len(b) >= 8:
		to := binary.BigEndian.Uint16(b[2:])
		fromProvider := dst == netip.MustParseAddr(provider4) || dst == netip.MustParseAddr(provider6) || exitNet.Contains(dst)
		if to == port && fromProvider && told == "" && isWireGuard(b[8:]) {
			return "tunnel"
		}
		if to == 53 || to == 853 {
			return fmt.Sprintf("udp%s port %d%s", family, to, told)
		}
		return "udp" + family + told
	case proto == syscall.IPPROTO_TCP && len(b) >= 4:
		if to := binary.BigEndian.Uint16(b[2:]); to == 53 || to == 853 {
			return fmt.Sprintf("tcp%s port %d%s", family, to, told)
		}
		return "tcp" + family + told
	case proto == syscall.IPPROTO_ICMPV6 && len(b) > 0 && told == "":
		if b[0] >= 133 && b[0] <= 136 && hops == 255 {
			return "link"
		}
		if (b[0] >= 131 && b[0] <= 132 || b[0] == 143) && hops == 1 && dst.IsLinkLocalMulticast() {
			return "link"
		}
	}
	return fmt.Sprintf("ip%s protocol %d%s", family, proto, told)
}

// isWireGuard reports whether b is a message of WireGuard: its type, three zeros, and the length that goes with it.
func isWireGuard(b []byte) bool {
	if len(b) < 32 || b[1]|b[2]|b[3] != 0 {
		return false
	}
	switch b[0] {
	case 1:
		return len(b) == 148
	case 2:
		return len(b) == 92
	case 3:
		return len(b) == 64
	case 4:
		return true // of any length where the kernel segments late
	}
	return false
}
