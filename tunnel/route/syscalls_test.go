//go:build linux

package route_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// refusals lets the kernel refuse what this process asks of it: every message over netlink, and every change of a file.
// The kernel stops at each and asks (seccomp_unotify(2)), so that nothing in the tested code knows of it, and no step can
// be forgotten.
type refusals struct {
	listener int

	mu    sync.Mutex
	armed bool
	count int           // steps since armed
	at    int           // the first to be refused; 0: none
	last  int           // the last to be refused
	with  syscall.Errno // zero: none, but hold is called before it goes on
	hold  func()
	what  string // the step that was refused first
}

// What the filter stops at (linux/seccomp.h).
const (
	seccompSetFilter   = 1
	seccompToAll       = 1 << 0
	seccompListen      = 1 << 3
	seccompThreadError = 1 << 4
	seccompPatient     = 1 << 5
	seccompAsk         = 0x7fc00000
	seccompAllow       = 0x7fff0000
	seccompReceive     = 0xc0502100
	seccompAnswer      = 0xc0182101
	seccompGoOn        = 1
)

var stopAt = []int{
	unix.SYS_SENDTO, unix.SYS_SENDMSG, unix.SYS_OPENAT, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2, unix.SYS_UNLINKAT, unix.SYS_MKDIRAT,
	unix.SYS_SYMLINKAT, unix.SYS_FSYNC, unix.SYS_BPF,
}

// refuseCalls installs the filter, for good.
func refuseCalls() (*refusals, error) {
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}} // the number of the call
	for _, nr := range stopAt {
		filter = append(filter,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(nr), Jf: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: seccompAsk})
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: seccompAllow})
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, seccompSetFilter, seccompToAll|seccompListen|seccompThreadError|seccompPatient,
		uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return nil, fmt.Errorf("install filter of system calls: %w", errno)
	}
	r := &refusals{listener: int(fd)}
	go r.serve()
	return r, nil
}

// call describes a system call that the kernel stopped at (struct seccomp_notif).
type call struct {
	id         uint64
	pid, flags uint32
	nr         int32
	arch       uint32
	ip         uint64
	args       [6]uint64
}

func (r *refusals) serve() {
	for {
		var c call
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(r.listener), seccompReceive, uintptr(unsafe.Pointer(&c)))
		if errno == unix.EINTR || errno == unix.ENOENT {
			continue
		}
		if errno != 0 {
			return
		}
		answer := struct {
			id    uint64
			val   int64
			errno int32
			flags uint32
		}{id: c.id}
		if refused := r.refuse(&c); refused != 0 {
			answer.errno = -int32(refused)
		} else {
			answer.flags = seccompGoOn
		}
		_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(r.listener), seccompAnswer, uintptr(unsafe.Pointer(&answer)))
	}
}

// refuse decides about one call.
func (r *refusals) refuse(c *call) syscall.Errno {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.armed {
		return 0
	}
	what := describe(c)
	if what == "" {
		return 0
	}
	r.count++
	if r.at == 0 || r.count < r.at || r.count > r.last {
		return 0
	}
	if r.what == "" {
		r.what = what
	}
	if r.with == 0 && r.hold != nil {
		r.hold()
		r.hold = nil
	}
	return r.with
}

// describe says what a call is about; "" where it changes nothing of the machine.
func describe(c *call) string {
	switch int(c.nr) {
	case unix.SYS_SENDTO, unix.SYS_SENDMSG:
		fd := int(c.args[0])
		if domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN); err != nil || domain != unix.AF_NETLINK {
			return ""
		}
		protocol, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
		at := uintptr(c.args[1])
		if int(c.nr) == unix.SYS_SENDMSG { // struct msghdr, struct iovec
			at = word(word(at + 16))
		}
		var head [6]byte
		_ = peek(at, head[:])
		return fmt.Sprintf("netlink %d message %#x", protocol, binary.NativeEndian.Uint16(head[4:]))
	case unix.SYS_OPENAT:
		if c.args[2]&(unix.O_WRONLY|unix.O_RDWR) == 0 {
			return ""
		}
		return ofMachine("write", text(uintptr(c.args[1])))
	case unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2:
		return ofMachine("rename", text(uintptr(c.args[3])))
	case unix.SYS_UNLINKAT, unix.SYS_MKDIRAT:
		return ofMachine("make or remove", text(uintptr(c.args[1])))
	case unix.SYS_SYMLINKAT:
		return ofMachine("link", text(uintptr(c.args[2])))
	case unix.SYS_FSYNC:
		return "sync"
	case unix.SYS_BPF:
		return "bpf"
	}
	return ""
}

func ofMachine(what, path string) string {
	if strings.HasPrefix(path, "/dev/") {
		return ""
	}
	dir, name := filepath.Split(path)
	return fmt.Sprintf("%s %s/%s", what, filepath.Base(dir), strings.TrimRight(name, "0123456789"))
}

func peek(at uintptr, into []byte) error {
	local := []unix.Iovec{{Base: &into[0], Len: uint64(len(into))}}
	_, err := unix.ProcessVMReadv(os.Getpid(), local, []unix.RemoteIovec{{Base: at, Len: len(into)}}, 0)
	return err
}

func word(at uintptr) uintptr {
	var b [8]byte
	_ = peek(at, b[:])
	return uintptr(binary.NativeEndian.Uint64(b[:]))
}

// text reads a string that ends in a zero, and may end with its page.
func text(at uintptr) string {
	var out []byte
	for len(out) < unix.PathMax {
		b := make([]byte, min(64, 4096-int(at%4096)))
		if peek(at, b) != nil {
			break
		}
		for i, c := range b {
			if c == 0 {
				return string(append(out, b[:i]...))
			}
		}
		out, at = append(out, b...), at+uintptr(len(b))
	}
	return string(out)
}

// arm refuses from the step at on, so many of them, with an error; zero only holds.
func (r *refusals) arm(at, times int, with syscall.Errno, hold func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.armed, r.count, r.at, r.last, r.with, r.hold, r.what = true, 0, at, at+times-1, with, hold, ""
}

// disarm says how many steps there were, and which was refused first.
func (r *refusals) disarm() (steps uint64, what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.armed = false
	return uint64(r.count), r.what
}

// bareTUN makes an interface that nobody reads. It goes when the file is closed.
func bareTUN(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	request, err := unix.NewIfreq(name)
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "tun"), nil
}
