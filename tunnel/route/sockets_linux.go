package route

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

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
