package tunnel

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// admitTime bounds how long a new flow waits for its turn and a place, together. A SYN that found none by then is
// dropped, and comes again.
const admitTime = 15 * time.Second

// waitersMost bounds the new flows that wait for their turn, in all sessions of an exit.
const waitersMost = 16384

// filesMost is for systems that do not say how many descriptors a process may have.
const filesMost = 1024

// process is what all exits of a process share: three eighths of its descriptors, less some for the ledger, the chain
// and the program's files. The other five are libp2p's, which keeps to them by itself (ipfs.bounds): both together never
// take what the rest of the process needs. An eighth of an exit's, and 1,024 at most, is for queries, of which each may
// have two sockets.
type process struct {
	files   int // how many descriptors the process may have
	flows   *places
	queries *places
}

// theProcess reads the limit of descriptors once. The Go runtime has raised the soft limit to the hard one by then.
var theProcess = sync.OnceValue(func() *process {
	files := uint64(filesMost)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil {
		files = uint64(limit.Cur)
	}
	return newProcess(int(min(files, 1<<30)))
})

func newProcess(files int) *process {
	ours := proxyFiles(files)
	queries := min(max(ours/8, 8), dnsQueries)
	return &process{files: files, flows: newPlaces(ours - 2*queries), queries: newPlaces(queries)}
}

// proxyFiles is how many of a process's descriptors a proxy's connections may take: what an exit's flows would have.
func proxyFiles(files int) int { return max(files/2-64, 32) }

// ExitUse is what an exit has of what all its sessions share.
type ExitUse struct {
	Files int `json:"files_max"` // descriptors that the process may have
	// Flows are TCP connections and UDP sockets of all sessions; in privileged mode what the kernel tracks for them.
	Flows      int `json:"flows"`
	FlowsMax   int `json:"flows_max"`
	Queries    int `json:"queries"` // of DNS, being asked
	QueriesMax int `json:"queries_max"`
	Echoes     int `json:"echoes"` // requests that wait for an answer
	EchoesMax  int `json:"echoes_max"`
	Waiting    int `json:"waiting"` // new flows and queries that wait for their turn
	// Tracked is how many connections the host's kernel tracks, TrackedMax how many it can; not there in userspace mode.
	Tracked    int `json:"tracked,omitempty"`
	TrackedMax int `json:"tracked_max,omitempty"`
	// What each session may have.
	SessionFlows     int `json:"session_flows"`
	SessionPerSecond int `json:"session_new_per_second"`
}

// Use tells what the exit has of what its sessions share.
func (e *Exit) Use() ExitUse {
	u := ExitUse{Files: e.process.files, EchoesMax: maxEchoes, Echoes: e.echo.count(), Waiting: int(e.crowd.all.Load()),
		SessionFlows: e.limits.Flows, SessionPerSecond: e.limits.NewFlows}
	u.Flows, u.FlowsMax = e.process.flows.use()
	u.Queries, u.QueriesMax = e.process.queries.use()
	if e.kernel != nil {
		u.Tracked, u.TrackedMax, u.Flows, u.FlowsMax = e.kernel.tracked()
	}
	return u
}

// isShortage tells an error that speaks of this host's own means from one that speaks of a destination.
func isShortage(err error) bool {
	for _, e := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EAGAIN,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// portsAreOut tells apart the two reasons that EADDRNOTAVAIL has: no free port to connect from, which passes, and no
// address of the family, which a UDP socket lacks as well.
func portsAreOut(err error, dst netip.AddrPort) bool {
	if !errors.Is(err, syscall.EADDRNOTAVAIL) {
		return false
	}
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(dst))
	if err != nil {
		return isShortage(err)
	}
	c.Close()
	return true
}

// dialPatiently dials, and tries again while the host itself lacks something, until ctx ends. Its error then unwraps to
// errShort.
func (e *Exit) dialPatiently(ctx context.Context, network string, dst netip.AddrPort) (net.Conn, error) {
	dialer := net.Dialer{Control: e.control, KeepAlive: time.Minute}
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		conn, err := dialer.DialContext(ctx, network, dst.String())
		if err == nil || !isShortage(err) && !portsAreOut(err, dst) {
			return conn, err
		}
		e.short.say(e.log, err)
		select {
		case <-ctx.Done():
			return nil, errors.Join(errShort, err)
		case <-time.After(wait):
		}
	}
}

// errShort means that the host had no means of its own for a flow. It says nothing about the destination.
var errShort = errors.New("the host is short of means of its own")

// held tells the operator that flows could not be admitted in time.
func (e *Exit) held(err error) {
	if errors.Is(err, errBusy) || errors.Is(err, context.DeadlineExceeded) {
		e.busy.say(e.log, err)
	}
}

// sayEvery is how often the same complaint is logged at most.
const sayEvery = time.Minute

// complaint is logged every now and then, with how often it came up.
type complaint struct {
	text string

	mu    sync.Mutex
	next  time.Time
	times uint64
}

func (c *complaint) say(log *slog.Logger, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times++
	if now := time.Now(); now.After(c.next) {
		log.Warn(c.text, "reason", err, "times", c.times)
		c.next, c.times = now.Add(sayEvery), 0
	}
}
