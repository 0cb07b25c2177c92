package route

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// groups holds the ids by which the firewall knows control groups; zero: there is none.
type groups struct{ outside, inside, portal uint64 }

// cgroupRoot finds where cgroup v2 is mounted, alone or beside the older one.
func cgroupRoot() (string, error) {
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		return "", fmt.Errorf("find cgroups: %w", err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 2 && fields[2] == "cgroup2" {
			return fields[1], nil
		}
	}
	return "", ErrNoCgroups
}

// makeGroups makes the control groups that this mode has a use for.
func makeGroups(only bool, log *slog.Logger) (g groups, err error) {
	root, err := cgroupRoot()
	if err != nil {
		return groups{}, err
	}
	if only {
		g.inside, err = makeGroup(root, Inside, markInside, log)
		return g, err
	}
	if g.outside, err = makeGroup(root, Outside, markOutside, log); err != nil {
		return groups{}, err
	}
	if g.portal, err = makeGroup(root, Portal, markPortal, log); err != nil {
		return groups{}, err
	}
	return g, nil
}

// makeGroup makes a control group whose programs' sockets are marked. It returns the group's id.
func makeGroup(root string, side Side, mark uint32, log *slog.Logger) (uint64, error) {
	path := filepath.Join(root, side.Group())
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return 0, fmt.Errorf("make control group: %w", err)
	}
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return 0, fmt.Errorf("make control group: %w", err)
	}
	err := attach(path, unix.BPF_PROG_TYPE_CGROUP_SOCK, unix.BPF_CGROUP_INET_SOCK_CREATE, markSockets(mark))
	if err == nil && side == Inside {
		err = attach(path, unix.BPF_PROG_TYPE_CGROUP_SKB, unix.BPF_CGROUP_INET_EGRESS, dropNames())
	}
	if err != nil {
		log.Info("this kernel marks no sockets of a control group: the firewall alone tells programs apart", "error", err)
	}
	return stat.Ino, nil // a control group's id is the inode of its folder
}

// removeGroups removes the control groups that have become empty. Others stay for the programs in them, and so do those
// that this process may not remove, as in a container that sees them read-only: they mean nothing without the firewall,
// and are no reason to keep a machine shut.
func removeGroups() error {
	root, err := cgroupRoot()
	if errors.Is(err, ErrNoCgroups) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, side := range []Side{Outside, Inside, Portal} {
		err := unix.Rmdir(filepath.Join(root, side.Group()))
		switch {
		case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.EBUSY), errors.Is(err, unix.EROFS), errors.Is(err, fs.ErrPermission):
		default:
			return fmt.Errorf("remove control group %s: %w", side.Group(), err)
		}
	}
	return nil
}

// Join moves a process to a side. It holds for the sockets that it opens from then on, and for its children. It needs
// root, and routes that are locked in the mode that knows this side.
func Join(side Side, pid int) error {
	root, err := cgroupRoot()
	if err != nil {
		return err
	}
	path := filepath.Join(root, side.Group(), "cgroup.procs")
	err = os.WriteFile(path, []byte(strconv.Itoa(pid)), 0)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no tunnel of this machine tells programs apart as %s: connect first", side.Group())
	}
	if err != nil {
		return fmt.Errorf("move process %d to %s: %w", pid, side.Group(), err)
	}
	return nil
}

// The firewall marks the packets of a control group's programs, and marks nothing while it is gone: what was to go through
// the tunnel alone would go past it. So the sockets are marked as well, when they are made, by a program of the kernel's
// that belongs to the control group (BPF_CGROUP_INET_SOCK_CREATE, bpf(2)): it stays as long as the group does, and chooses
// a packet's way before the firewall sees it.

// instruction of the kernel's virtual machine (struct bpf_insn).
type instruction struct {
	code     byte
	dst, src byte
	off      int16
	imm      int32
}

const (
	opMove       = unix.BPF_ALU64 | 0xb0 // BPF_MOV, of a constant
	opMoveReg    = opMove | unix.BPF_X
	opExit       = unix.BPF_JMP | 0x90
	opCall       = unix.BPF_JMP | 0x80
	opLoadWord   = unix.BPF_LDX | unix.BPF_MEM | unix.BPF_W
	opLoadHalf   = unix.BPF_LDX | unix.BPF_MEM | unix.BPF_H
	opLoadByte   = unix.BPF_LDX | unix.BPF_MEM | unix.BPF_B
	opStoreWord  = unix.BPF_STX | unix.BPF_MEM | unix.BPF_W
	opAdd        = unix.BPF_ALU64 | unix.BPF_ADD
	opAnd        = unix.BPF_ALU64 | unix.BPF_AND
	opShiftLeft  = unix.BPF_ALU64 | unix.BPF_LSH
	opShiftRight = unix.BPF_ALU64 | unix.BPF_RSH
	opSkipEqual  = unix.BPF_JMP | unix.BPF_JEQ
	opSkipUneq   = unix.BPF_JMP | 0x50 // BPF_JNE

	callLoadBytes = 26 // bpf_skb_load_bytes(skb, offset, to, length)
)

// markSockets is run for each new socket of a group (struct bpf_sock), and gives it a mark.
func markSockets(mark uint32) []instruction {
	const markAt = 16
	return []instruction{
		{code: opMove, dst: 2, imm: int32(mark)},
		{code: opStoreWord, dst: 1, src: 2, off: markAt},
		{code: opMove, dst: 0, imm: 1},
		{code: opExit},
	}
}

// dropNames is run for each packet of a group once its way is known (struct __sk_buff), and drops questions for names to a
// resolver of this machine: the firewall leads them into the tunnel, and without it that resolver would ask past it.
func dropNames() []instruction {
	const ifindexAt, loopback = 40, 1
	const ctx, offset, value, version = 6, 7, 8, 9 // registers that calls leave alone
	var list []instruction
	var toPass []int // jumps to the end, where the packet passes
	add := func(i ...instruction) { list = append(list, i...) }
	passIf := func(i instruction) { toPass = append(toPass, len(list)); add(i) }
	// load reads some bytes of the packet, at a number or at what a register says, into value.
	load := func(at instruction, read byte, n int32) {
		at.dst = 2
		add(instruction{code: opMoveReg, dst: 1, src: ctx}, at, instruction{code: opMoveReg, dst: 3, src: 10},
			instruction{code: opAdd, dst: 3, imm: -8}, instruction{code: opMove, dst: 4, imm: n},
			instruction{code: opCall, imm: callLoadBytes})
		passIf(instruction{code: opSkipUneq, dst: 0, imm: 0})
		add(instruction{code: read, dst: value, src: 10, off: -8})
	}
	add(instruction{code: opMoveReg, dst: ctx, src: 1}, instruction{code: opLoadWord, dst: 2, src: ctx, off: ifindexAt})
	passIf(instruction{code: opSkipUneq, dst: 2, imm: loopback})
	load(instruction{code: opMove, imm: 0}, opLoadByte, 1)
	add(instruction{code: opMoveReg, dst: version, src: value}, instruction{code: opShiftRight, dst: version, imm: 4})

	toSix := len(list)
	add(instruction{code: opSkipUneq, dst: version, imm: 4})
	add(instruction{code: opAnd, dst: value, imm: 15}, instruction{code: opShiftLeft, dst: value, imm: 2},
		instruction{code: opMoveReg, dst: offset, src: value}, instruction{code: opAdd, dst: offset, imm: dstPort})
	load(instruction{code: opMove, imm: 9}, opLoadByte, 1) // protocol
	fromFour := len(list)
	add(instruction{code: unix.BPF_JMP | unix.BPF_JA})
	list[toSix].off = int16(len(list) - toSix - 1)
	passIf(instruction{code: opSkipUneq, dst: version, imm: 6})
	load(instruction{code: opMove, imm: 6}, opLoadByte, 1) // next header
	add(instruction{code: opMove, dst: offset, imm: 40 + dstPort})
	list[fromFour].off = int16(len(list) - fromFour - 1)

	add(instruction{code: opSkipEqual, dst: value, imm: unix.IPPROTO_UDP, off: 1})
	passIf(instruction{code: opSkipUneq, dst: value, imm: unix.IPPROTO_TCP})
	load(instruction{code: opMoveReg, src: offset}, opLoadHalf, 2)
	passIf(instruction{code: opSkipUneq, dst: value, imm: int32(binary.NativeEndian.Uint16([]byte{0, 53}))})
	add(instruction{code: opMove, dst: 0, imm: 0}, instruction{code: opExit})
	for _, at := range toPass {
		list[at].off = int16(len(list) - at - 1)
	}
	add(instruction{code: opMove, dst: 0, imm: 1}, instruction{code: opExit})
	return list
}

// attach gives a control group a program, in the place of the one that it had.
func attach(group string, kind, hook uint32, program []instruction) error {
	var code []byte
	for _, i := range program {
		code = append(code, i.code, i.dst|i.src<<4)
		code = binary.NativeEndian.AppendUint16(code, uint16(i.off))
		code = binary.NativeEndian.AppendUint32(code, uint32(i.imm))
	}
	license := []byte("MIT\x00")
	load := struct {
		kind, count      uint32
		code, license    uint64
		level, size      uint32
		log              uint64
		version, flags   uint32
		name             [16]byte
		ifindex, expects uint32
	}{
		kind: kind, count: uint32(len(program)), expects: hook,
		code:    uint64(uintptr(unsafe.Pointer(&code[0]))),
		license: uint64(uintptr(unsafe.Pointer(&license[0]))),
	}
	fd, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&load)), unsafe.Sizeof(load))
	runtime.KeepAlive(code)
	runtime.KeepAlive(license)
	if errno != 0 {
		return fmt.Errorf("load program of control group: %w", errno)
	}
	defer unix.Close(int(fd))
	dir, err := os.Open(group)
	if err != nil {
		return fmt.Errorf("open control group: %w", err)
	}
	defer dir.Close()
	put := struct{ group, program, hook, flags uint32 }{uint32(dir.Fd()), uint32(fd), hook, 0}
	_, _, errno = unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_ATTACH, uintptr(unsafe.Pointer(&put)), unsafe.Sizeof(put))
	runtime.KeepAlive(dir)
	if errno != 0 {
		return fmt.Errorf("attach program to control group: %w", errno)
	}
	return nil
}

// Control marks a socket as the daemon's own, so that it passes the kill switch and goes past the tunnel. It fits
// net.Dialer and net.ListenConfig. It needs CAP_NET_ADMIN.
func Control(_, _ string, c syscall.RawConn) error {
	var opErr error
	err := c.Control(func(fd uintptr) {
		opErr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, MarkUnderlay)
	})
	if err := errors.Join(err, opErr); err != nil {
		return fmt.Errorf("mark socket: %w", err)
	}
	return nil
}

// resolver asks servers past the tunnel, in turn.
func resolver(servers []netip.Addr) *net.Resolver {
	var next atomic.Uint32
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if len(servers) > 0 {
			server := servers[int(next.Add(1)-1)%len(servers)]
			address = netip.AddrPortFrom(server, 53).String()
		}
		d := net.Dialer{Control: Control}
		return d.DialContext(ctx, network, address)
	}}
}

// A captive portal lets nobody out before a page of its own was answered, and no tunnel either. The hole that lets it be
// reached is for programs of one control group and for IPv4, closes by itself, and is open in each layer that the kernel
// closes by itself: a set of the firewall whose element runs out, and policies that expire. Whoever kills the daemon does
// not keep it open. A packet of these programs that does not fit through it goes nowhere, into the tunnel neither.

// portalSet holds markPortal while the hole is open.
const portalSet = "portal"

// maxServers bounds the resolvers that portal programs may ask.
const maxServers = 3

// OpenPortal opens the hole for a captive portal, for so long; one that is open closes at the new time. Portal programs,
// see [Join], reach the local network's resolvers by DNS, ports 80 and 443 of TCP anywhere, and every port of TCP at
// private addresses. With Config.OnlyPrograms it fails: others reach a portal as they are.
func (r *Routes) OpenPortal(ctx context.Context, d time.Duration) (Hole, error) {
	if d <= 0 || d > PortalMost {
		return Hole{}, fmt.Errorf("open a hole for a captive portal for %v: it is open for %v at most", d, PortalMost)
	}
	if r.cfg.OnlyPrograms {
		return Hole{}, fmt.Errorf("open a hole for a captive portal: the machine is not shut, only single programs are: %w",
			errors.ErrUnsupported)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.lock == nil:
		return Hole{}, fmt.Errorf("open a hole for a captive portal: %w", net.ErrClosed)
	case r.groups.portal == 0:
		return Hole{}, fmt.Errorf("open a hole for a captive portal: %w", ErrNoCgroups)
	case ctx.Err() != nil:
		return Hole{}, fmt.Errorf("open a hole for a captive portal: %w", ctx.Err())
	}
	servers, err := r.localServers()
	if err != nil {
		return Hole{}, err
	}
	if err := r.closePortalLocked(); err != nil {
		return Hole{}, err
	}
	// On disk first: whoever asks knows of every hole that there may be.
	now := time.Now()
	r.state.Hole, r.closes = &Hole{Until: now.Add(d).Round(0), Servers: servers}, now.Add(d)
	err = r.state.write(r.cfg.StateDir)
	if err == nil {
		err = errors.Join(r.route(), r.firewall(r.link).load())
	}
	if err != nil {
		return Hole{}, errors.Join(fmt.Errorf("open a hole for a captive portal: %w", err), r.closePortalLocked())
	}
	r.cfg.Log.Warn("programs that answer a captive portal go past the tunnel", "until", r.state.Hole.Until)
	return *r.state.Hole, nil
}

// ClosePortal closes the hole for a captive portal at once. It does nothing where none is open.
func (r *Routes) ClosePortal() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lock == nil {
		return nil
	}
	return r.closePortalLocked()
}

// closePortalLocked closes the hole, in the kernel first.
func (r *Routes) closePortalLocked() error {
	if r.state.Hole == nil {
		return nil
	}
	r.closes = time.Time{}
	if err := errors.Join(r.firewall(r.link).load(), r.route()); err != nil {
		return fmt.Errorf("close the hole for a captive portal: %w", err)
	}
	r.state.Hole = nil
	return r.state.write(r.cfg.StateDir)
}

// holeLeft is how long the hole is still open, by the clock that says the least: who sets one back does not keep it open.
func (r *Routes) holeLeft() time.Duration {
	if r.state == nil || r.state.Hole == nil || r.closes.IsZero() {
		return 0
	}
	return max(0, min(time.Until(r.closes), r.state.Hole.Until.Sub(time.Now().Round(0))))
}

// localServers are the resolvers of the network that the machine is in now.
func (r *Routes) localServers() (list []netip.Addr, err error) {
	all := r.servers
	switch dns := r.state.DNS; {
	case dns == nil:
		all, err = systemServers()
	case dns.Method == dnsFile && dns.Target == "":
		all = nameservers(dns.Content)
	default:
		path := resolvedConf
		if dns.Method == dnsFile {
			if path = dns.Target; !filepath.IsAbs(path) {
				path = filepath.Join(filepath.Dir(resolvConf), path)
			}
		}
		var b []byte
		if b, err = readSmall(path); err == nil && len(nameservers(b)) > 0 {
			all = nameservers(b)
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("find the local network's resolvers: %w", err)
	}
	for _, a := range all {
		if a.Is4() && len(list) < maxServers && (r.link == nil || a != r.link.DNS) {
			list = append(list, a)
		}
	}
	return list, nil
}

// portal lets what a captive portal needs pass a chain, while the kernel has the mark in the set.
func (f *firewall) portal(allowed *nftables.Chain) error {
	set := &nftables.Set{Table: f.table, Name: portalSet, KeyType: nftables.TypeMark, HasTimeout: true}
	if err := f.conn.AddSet(set, nil); err != nil {
		return fmt.Errorf("load kill switch: %w", err)
	}
	f.conn.FlushSet(set)
	if f.hole == nil {
		return nil
	}
	element := nftables.SetElement{Key: native(markPortal), Timeout: max(f.left, time.Millisecond)}
	if err := f.conn.SetAddElements(set, []nftables.SetElement{element}); err != nil {
		return fmt.Errorf("load kill switch: %w", err)
	}
	c := f.chain("portal")
	for _, server := range f.hole.Servers {
		for _, proto := range []byte{unix.IPPROTO_UDP, unix.IPPROTO_TCP} {
			f.add(c, daddr(netip.PrefixFrom(server, server.BitLen())), l4(proto), port(dstPort, 53), accept)
		}
	}
	for _, p := range dnsPorts {
		f.add(c, l4(unix.IPPROTO_TCP), port(dstPort, p), back)
	}
	v4 := family(netip.IPv4Unspecified())
	for _, p := range []uint16{80, 443} {
		f.add(c, v4, l4(unix.IPPROTO_TCP), port(dstPort, p), accept)
	}
	for _, p := range privatePrefixes {
		f.add(c, daddr(p), l4(unix.IPPROTO_TCP), accept)
	}
	f.add(allowed, match{
		&expr.Meta{Key: expr.MetaKeyMARK, Register: 1},
		&expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID},
	}, jump(c.Name))
	return nil
}

// privatePrefixes are where a portal's page is, where it is not on the internet.
var privatePrefixes = prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10")

// portalNames has the local network's resolver asked what portal programs ask any other, as the tunnel's.
func (f *firewall) portalNames() {
	if f.hole == nil || len(f.hole.Servers) == 0 {
		return
	}
	dnat := f.base("portal-names", nftables.ChainTypeNAT, nftables.ChainHookOutput, nftables.ChainPriorityNATDest, true)
	for _, server := range f.hole.Servers {
		f.add(dnat, equal32(expr.MetaKeyMARK, markPortal), daddr(netip.PrefixFrom(server, server.BitLen())), accept)
	}
	server := f.hole.Servers[0]
	for _, proto := range []byte{unix.IPPROTO_UDP, unix.IPPROTO_TCP} {
		f.add(dnat, equal32(expr.MetaKeyMARK, markPortal), oif("lo", expr.CmpOpNeq), family(server), l4(proto), port(dstPort, 53), match{
			&expr.Immediate{Register: 1, Data: server.AsSlice()},
			&expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(nfproto(server)), RegAddrMin: 1, RegAddrMax: 1},
		})
	}
}
