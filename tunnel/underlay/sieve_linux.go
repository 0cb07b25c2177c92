package underlay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Where a filter on a UDP socket finds what it looks at: offsets from the UDP header, and from that of IP, which the
// kernel lays at a negative offset (linux/filter.h, SKF_NET_OFF).
const (
	sieveType = 8
	sieveIP   = 0xfff00000
	sieveSrc4 = sieveIP + 12
	sieveSrc6 = sieveIP + 8

	sieveAccept = 1 << 18 // more bytes than a datagram has
)

// sift has the kernel refuse what cannot be WireGuard, and of the handshakes from sources that are not known pass a share
// only. A share of 1 ends that.
func (s *Sockets) sift(share float64, known []netip.Addr) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.v4 == nil && s.v6 == nil {
		return net.ErrClosed
	}
	var errs []error
	for _, sock := range []*socket{s.v4, s.v6} {
		if sock != nil {
			errs = append(errs, sock.sift(share, known))
		}
	}
	return errors.Join(errs...)
}

func (k *socket) sift(share float64, known []netip.Addr) error {
	if share >= 1 {
		return k.unsift()
	}
	filter, err := bpf.Assemble(sieve(k.is4, share, known))
	if err != nil {
		return fmt.Errorf("assemble socket filter: %w", err)
	}
	if err := k.batch.SetBPF(filter); err != nil {
		return errors.Join(fmt.Errorf("attach socket filter: %w", err), k.unsift())
	}
	return nil
}

func (k *socket) unsift() error {
	raw, err := k.conn.SyscallConn()
	if err != nil {
		return err
	}
	var opErr error
	err = raw.Control(func(fd uintptr) {
		opErr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
	})
	if errors.Is(opErr, unix.ENOENT) { // there was none
		opErr = nil
	}
	return errors.Join(err, opErr)
}

// sieve is the filter. A datagram that is joined of several is judged by its first; the guard sees them all.
func sieve(is4 bool, share float64, known []netip.Addr) []bpf.Instruction {
	accept := bpf.RetConstant{Val: sieveAccept}
	filter := []bpf.Instruction{
		bpf.LoadAbsolute{Off: sieveType, Size: 4}, // little-endian on the wire
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: Transport << 24, SkipTrue: 1},
		accept,
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: Initiation << 24, SkipTrue: 3},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: Response << 24, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: Cookie << 24, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
	}
	if is4 {
		filter = append(filter, bpf.LoadAbsolute{Off: sieveSrc4, Size: 4})
	} else {
		filter = append(filter,
			bpf.LoadAbsolute{Off: sieveSrc6 + 4, Size: 4}, bpf.StoreScratch{Src: bpf.RegA, N: 0},
			bpf.LoadAbsolute{Off: sieveSrc6, Size: 4}, bpf.TAX{},
		)
	}
	for _, a := range known {
		switch {
		case is4 && a.Is4():
			b := a.As4()
			filter = append(filter,
				bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(b[:]), SkipTrue: 1}, accept)
		case !is4 && a.Is6(): // a network of 64 bits
			b := a.As16()
			filter = append(filter,
				bpf.TXA{},
				bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(b[:]), SkipTrue: 3},
				bpf.LoadScratch{Dst: bpf.RegA, N: 0},
				bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(b[4:]), SkipTrue: 1},
				accept)
		}
	}
	return append(filter,
		bpf.LoadExtension{Num: bpf.ExtRand},
		bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: uint32(share * math.MaxUint32), SkipTrue: 1},
		accept,
		bpf.RetConstant{Val: 0},
	)
}
