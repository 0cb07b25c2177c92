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
	"unsafe"

	"golang.org/x/sys/unix"
)

// groups holds the ids by which the firewall knows control groups; zero: there is none.
type groups struct{ outside, inside uint64 }

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

// makeGroups makes the control group that this mode has a use for.
func makeGroups(only bool, log *slog.Logger) (groups, error) {
	root, err := cgroupRoot()
	if err != nil {
		return groups{}, err
	}
	side := Outside
	if only {
		side = Inside
	}
	path := filepath.Join(root, side.Group())
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return groups{}, fmt.Errorf("make control group: %w", err)
	}
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return groups{}, fmt.Errorf("make control group: %w", err)
	}
	mark := uint32(markOutside)
	if only {
		mark = markInside
	}
	err = attach(path, unix.BPF_PROG_TYPE_CGROUP_SOCK, unix.BPF_CGROUP_INET_SOCK_CREATE, markSockets(mark))
	if err == nil && only {
		err = attach(path, unix.BPF_PROG_TYPE_CGROUP_SKB, unix.BPF_CGROUP_INET_EGRESS, dropNames())
	}
	if err != nil {
		log.Info("this kernel marks no sockets of a control group: the firewall alone tells programs apart", "error", err)
	}
	// A control group's id is the inode of its folder.
	if only {
		return groups{inside: stat.Ino}, nil
	}
	return groups{outside: stat.Ino}, nil
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
	for _, side := range []Side{Outside, Inside} {
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
