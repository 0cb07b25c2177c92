package turnstile

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// AdmitTime bounds how long a new flow waits for its turn and a place, together. A SYN that found none by then is
// dropped, and comes again.
const AdmitTime = 15 * time.Second

// waitersMost bounds the new flows that wait for their turn, in all sessions of an exit.
const waitersMost = 16384

// queriesAll bounds the queries of DNS that are being asked, for all sessions.
const queriesAll = 1024

// Process is shared by all its exits: three eighths of its descriptors, less some for the ledger, the chain
// and the program's files. The other five are libp2p's, which keeps to them by itself (ipfs.bounds): both together never
// take what the rest of the process needs. An eighth of an exit's, and 1,024 at most, is for queries, of which each may
// have two sockets.
type Process struct {
	Files   int // how many descriptors the process may have
	Flows   *places
	Queries *places
}

// ThisProcess reads the limit of descriptors once. The Go runtime has raised the soft limit to the hard one by then.
var ThisProcess = sync.OnceValue(func() *Process {
	return NewProcess(int(min(filesLimit(), 1<<30)))
})

func NewProcess(files int) *Process {
	ours := FilesFor(files)
	queries := min(max(ours/8, 8), queriesAll)
	return &Process{Files: files, Flows: newPlaces(ours - 2*queries), Queries: newPlaces(queries)}
}

// FilesFor is how many of a process's descriptors a proxy's connections may take: what an exit's flows would have.
func FilesFor(files int) int { return max(files/2-64, 32) }

// IsShortage tells an error that speaks of this host's own means from one that speaks of a destination.
func IsShortage(err error) bool {
	for _, e := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EAGAIN,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// PortsAreOut tells apart the two reasons that EADDRNOTAVAIL has: no free port to connect from, which passes, and no
// address of the family, which a UDP socket lacks as well.
func PortsAreOut(err error, dst netip.AddrPort) bool {
	if !errors.Is(err, syscall.EADDRNOTAVAIL) {
		return false
	}
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(dst))
	if err != nil {
		return IsShortage(err)
	}
	c.Close()
	return true
}

// ErrShort means that the host had no means of its own for a flow. It says nothing about the destination.
var ErrShort = errors.New("the host is short of means of its own")
