package tunnel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"golang.zx2c4.com/wireguard/tun"

	"byway/tunnel/dialer"
	"byway/tunnel/forward"
	"byway/tunnel/meter"
	"byway/tunnel/netstack"
	"byway/tunnel/packet"
	"byway/tunnel/policy"
	"byway/tunnel/relay"
	"byway/tunnel/turnstile"
	"byway/tunnel/underlay"
	"byway/tunnel/wireguard"
)

// Indexes of sessions. Number 1 is the exit itself; the last number is the broadcast address of IPv4.
const (
	exitIndex  = 1
	firstIndex = 2
	lastIndex  = 1<<16 - 2
)

var (
	// ErrFull means that an exit has no room for another session.
	ErrFull = errors.New("exit has no free inner address")
	// ErrPeerExists means that the public key already has a session.
	ErrPeerExists = errors.New("wireguard key already has a session")
)

// Limits bound what one session may hold open. Zero fields take the defaults. A limit delays: what is above it waits, or
// takes the place of a flow that rests, and is not refused. Queries of DNS have limits of their own that follow from
// these: four times NewFlows a second, since a name takes two or three.
type Limits struct {
	// Flows is how many TCP connections and UDP sockets may be open at a time; 1,024 by default. The process's limit
	// of descriptors may allow fewer; then sessions get equal shares.
	Flows int
	// NewFlows is how many may be opened a second, 200 by default, with a burst of twice as many.
	NewFlows int
}

// ExitConfig describes a provider's exit.
type ExitConfig struct {
	// Listen is the UDP address. Port 0 takes any; no address, or an unspecified one, takes all of the host's.
	Listen netip.AddrPort
	// MTU of the inner packets; 0 means DefaultMTU.
	MTU int
	// Mode is how flows are forwarded; empty means Userspace.
	Mode Mode
	// Policy decides where flows may go. Required.
	Policy *policy.Policy
	// DNS are the upstream resolvers; empty means those of the system's resolv.conf.
	DNS []netip.AddrPort
	// Limits of each session.
	Limits Limits
	// Engine is the WireGuard implementation; empty means Upstream.
	Engine wireguard.Implementation
	// Log may be nil.
	Log *slog.Logger

	process *turnstile.Process // nil, save where tests have few descriptors
	tracks  int                // 0, save where tests have a small table of connections
}

// Peer describes a session to be added.
type Peer struct {
	PublicKey    wireguard.Key
	PresharedKey wireguard.Key // zero: none
	Limit        uint64        // how many bytes, both ways together, may pass before the first Allow
	Gate         *meter.Gate   // one that it shares with other sessions of this exit, in place of Limit; nil: one of its own
}

// LogValue leaves the preshared key out.
func (p Peer) LogValue() slog.Value {
	limit := p.Limit
	if p.Gate != nil {
		limit = p.Gate.Allowed()
	}
	return slog.GroupValue(slog.String("public_key", p.PublicKey.String()), slog.Uint64("limit", limit))
}

// String leaves the preshared key out.
func (p Peer) String() string { return fmt.Sprintf("peer %v", p.PublicKey) }

// Exit serves all sessions of a provider on one userspace WireGuard device. It is safe for concurrent use.
type Exit struct {
	log      *slog.Logger
	key      wireguard.Key
	mtu      int
	policy   *policy.Policy
	limits   Limits
	nets     forward.Nets
	net      *netstack.Net // nil in privileged mode
	kernel   *kernelExit   // nil in userspace mode
	accounts *meter.Accounts
	engine   wireguard.Engine
	dns      *dnsRelay
	echo     *echoRelay
	process  *turnstile.Process
	crowd    *turnstile.Crowd
	syns     syns

	busy  complaint // sessions open more than their limits let through
	short complaint // the host lacks something

	onDial func(packet.Proto, netip.AddrPort) // nil, save where tests watch what leaves

	ctx    context.Context // ends with the exit; flows watch it
	cancel context.CancelFunc
	wg     sync.WaitGroup // flows and the refresher

	mu       sync.RWMutex
	sessions map[wireguard.Key]*Session
	byIndex  map[uint16]*Session
	next     uint16
	closed   bool
}

// NewExit starts an exit with a fresh key. It serves nobody until Add.
func NewExit(cfg ExitConfig) (*Exit, error) {
	return newExitWith(cfg, func(metered, _ tun.Device) tun.Device { return metered })
}

// newExitWith lets a measurement choose between the device with its meter and the device alone, while packets flow.
func newExitWith(cfg ExitConfig, choose func(metered, bare tun.Device) tun.Device) (*Exit, error) {
	if cfg.Policy == nil {
		return nil, errors.New("exit: no policy given")
	}
	if cfg.MTU == 0 {
		cfg.MTU = wireguard.DefaultMTU
	}
	if cfg.Limits.Flows == 0 {
		cfg.Limits.Flows = 1024
	}
	if cfg.Limits.NewFlows == 0 {
		cfg.Limits.NewFlows = 200
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.process == nil {
		cfg.process = turnstile.ThisProcess()
	}
	private, err := wireguard.GenerateKey()
	if err != nil {
		return nil, err
	}
	e := &Exit{
		log: cfg.Log, key: private.Public(), mtu: cfg.MTU, policy: cfg.Policy, limits: cfg.Limits, nets: forward.InnerNets,
		sessions: make(map[wireguard.Key]*Session), byIndex: make(map[uint16]*Session), next: firstIndex,
		process: cfg.process, crowd: turnstile.NewCrowd(),
		busy:  complaint{text: "new flows of sessions wait too long for their limits and are put off"},
		short: complaint{text: "exit is short of what the host gives, and flows wait for it"},
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.echo = newEchoRelay(e)
	e.dns = newDNSRelay(e, cfg.DNS)
	bare, err := e.openDevice(cfg)
	if err != nil {
		e.cancel()
		return nil, fmt.Errorf("exit: %w", err)
	}
	e.accounts = meter.NewAccounts(e.nets.V4, e.nets.V6)
	gate := &meter.Meter{Device: bare, Table: e.accounts}
	if e.kernel != nil {
		gate.Shut = e.kernel.router.Shut()
	}
	dev := choose(gate, bare)
	e.engine, err = wireguard.New(cfg.Engine, wireguard.Config{
		Private: private, Device: dev, Log: cfg.Log,
		Underlay: underlay.NewSockets(cfg.Listen.Addr(), 0), Port: cfg.Listen.Port(),
	})
	if err == nil && e.kernel != nil {
		if err = e.kernel.router.Listen(e.engine.Port()); err != nil {
			e.engine.Close()
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("exit: %w", err), e.release())
	}
	if err := e.follow(); err != nil {
		return nil, errors.Join(fmt.Errorf("exit: %w", err), e.Close())
	}
	return e, nil
}

// openStack makes a stack of our own the router.
func (e *Exit) openStack() (tun.Device, error) {
	v4, v6 := e.nets.Addrs(exitIndex)
	var err error
	e.net, err = netstack.New(netstack.Config{
		MTU: e.mtu, Addrs: []netip.Addr{v4, v6}, Forward: true, OnEcho: e.echo.request, OnFarewell: e.leaveUDP,
	})
	if err != nil {
		return nil, err
	}
	e.forwardTCP()
	e.forwardUDP()
	return e.net.Device(), nil
}

// release ends everything but the engine, which has been closed and has closed the device.
func (e *Exit) release() error {
	e.cancel()
	var err error
	if e.kernel != nil {
		err = e.kernel.close()
	} else {
		e.net.Close()
	}
	e.echo.close()
	e.wg.Wait()
	return err
}

// PublicKey is the exit's WireGuard key.
func (e *Exit) PublicKey() wireguard.Key { return e.key }

// Limits are those of each session.
func (e *Exit) Limits() Limits { return e.limits }

// Port is the UDP port that sessions speak to.
func (e *Exit) Port() uint16 { return e.engine.Port() }

// DNS is the inner address that answers DNS over UDP and TCP on port 53.
func (e *Exit) DNS() netip.Addr {
	v4, _ := e.nets.Addrs(exitIndex)
	return v4
}

// MTU of the inner packets, in bytes.
func (e *Exit) MTU() int { return e.mtu }

// Sessions is how many sessions there are.
func (e *Exit) Sessions() int {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return len(e.sessions)
}

// Add starts a session. Its peer may speak at once. It returns ErrPeerExists, ErrFull or ErrClosed, among others.
func (e *Exit) Add(p Peer) (*Session, error) {
	if p.PublicKey.IsZero() || p.PublicKey == e.key {
		return nil, errors.New("add session: not a consumer's wireguard key")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, fmt.Errorf("add session: %w", dialer.ErrClosed)
	}
	if e.sessions[p.PublicKey] != nil {
		return nil, fmt.Errorf("add session: %w", ErrPeerExists)
	}
	index, err := e.freeIndexLocked()
	if err != nil {
		return nil, fmt.Errorf("add session: %w", err)
	}
	gate := p.Gate
	if gate == nil {
		gate = meter.NewGate(p.Limit)
	}
	s := &Session{
		exit: e, key: p.PublicKey, index: index, acct: meter.NewAccount(gate), udp: make(map[udpKey]*udpFlow),
		copies: rate.NewLimiter(rate.Inf, relay.CopySize),
		turns:  turnstile.NewTurns(e.crowd, e.limits.NewFlows), queryTurns: turnstile.NewTurns(e.crowd, queriesPerFlow*e.limits.NewFlows),
		flows: e.process.Flows.Share(e.limits.Flows), queries: e.process.Queries.Share(queriesMost),
	}
	s.v4, s.v6 = e.nets.Addrs(index)
	// The account first: from the moment that the engine knows the peer, its packets are counted.
	e.accounts.Set(index, s.acct)
	err = e.engine.AddPeer(wireguard.Peer{
		Public: p.PublicKey, Preshared: p.PresharedKey,
		AllowedIPs: []netip.Prefix{netip.PrefixFrom(s.v4, 32), netip.PrefixFrom(s.v6, 128)},
	})
	if err != nil {
		e.accounts.Set(index, nil)
		return nil, fmt.Errorf("add session: %w", err)
	}
	e.sessions[p.PublicKey], e.byIndex[index] = s, s
	return s, nil
}

// freeIndexLocked takes the free index that was longest unused, so that late packets of one session do not find
// another in its place.
func (e *Exit) freeIndexLocked() (uint16, error) {
	for range lastIndex - firstIndex + 1 {
		index := e.next
		if e.next++; e.next > lastIndex {
			e.next = firstIndex
		}
		if e.byIndex[index] == nil {
			return index, nil
		}
	}
	return 0, ErrFull
}

// session finds the session of an inner address.
func (e *Exit) session(a netip.Addr) *Session {
	var index uint16
	switch {
	case e.nets.V4.Contains(a):
		b := a.As4()
		index = uint16(b[2])<<8 | uint16(b[3])
	case e.nets.V6.Contains(a):
		b := a.As16()
		index = uint16(b[14])<<8 | uint16(b[15])
	default:
		return nil
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.byIndex[index]
}

func (e *Exit) remove(s *Session) error {
	e.mu.Lock()
	if e.sessions[s.key] != s {
		e.mu.Unlock()
		return nil
	}
	delete(e.sessions, s.key)
	e.mu.Unlock()

	// Resets go out while the peer is still there.
	if s.stopFlows() {
		e.flush()
	}
	err := e.engine.RemovePeer(s.key)
	e.accounts.Set(s.index, nil)
	if e.kernel != nil {
		err = errors.Join(err, e.kernel.router.Shape(s.index, 0))
		e.kernel.router.Forget(s.v4, s.v6)
	}

	e.mu.Lock()
	delete(e.byIndex, s.index)
	e.mu.Unlock()
	return err
}

// How long the last packets may take from the stack to the engine, and through the engine to the wire. The engine
// does not say when it has sent what it took.
const (
	drainTime = 100 * time.Millisecond
	sendTime  = 50 * time.Millisecond
)

// flush lets the resets of stopped flows leave, by which the consumers learn that they ended.
func (e *Exit) flush() {
	if e.net != nil {
		e.net.Drain(drainTime)
	}
	time.Sleep(sendTime)
}

// Close ends every session and frees the port.
func (e *Exit) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	sessions := make([]*Session, 0, len(e.sessions))
	for _, s := range e.sessions {
		sessions = append(sessions, s)
	}
	clear(e.sessions)
	e.mu.Unlock()

	e.cancel()
	stopped := false
	for _, s := range sessions {
		stopped = s.stopFlows() || stopped
	}
	if stopped {
		e.flush()
	}
	e.engine.Close()
	return e.release()
}

// ExitUse counts how much of an exit's shared means its sessions take.
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
	u := ExitUse{Files: e.process.Files, EchoesMax: maxEchoes, Echoes: e.echo.count(), Waiting: e.crowd.Waiting(),
		SessionFlows: e.limits.Flows, SessionPerSecond: e.limits.NewFlows}
	u.Flows, u.FlowsMax = e.process.Flows.Use()
	u.Queries, u.QueriesMax = e.process.Queries.Use()
	if e.kernel != nil {
		u.Tracked, u.TrackedMax, u.Flows, u.FlowsMax = e.kernel.tracked()
	}
	return u
}

// held tells the operator that flows could not be admitted in time.
func (e *Exit) held(err error) {
	if errors.Is(err, turnstile.ErrBusy) || errors.Is(err, context.DeadlineExceeded) {
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
		log.Warn(c.text, "error", err, "times", c.times)
		c.next, c.times = now.Add(sayEvery), 0
	}
}

// Mode is how an exit forwards what its sessions send.
type Mode string

const (
	// Userspace forwards from a TCP/IP stack within the process. It needs no privilege and touches nothing of the host.
	Userspace Mode = "userspace"
	// Privileged lets the host's kernel forward: a TUN device, address translation and packet filters of nftables. It
	// needs Linux, root (CAP_NET_ADMIN) and /dev/net/tun.
	Privileged Mode = "privileged"
	// Auto is Privileged where that works, else Userspace; the log says which, and why.
	Auto Mode = "auto"
)

// ParseMode reads the name of a mode; an empty one means Auto.
func ParseMode(s string) (Mode, error) {
	switch m := Mode(s); m {
	case "":
		return Auto, nil
	case Userspace, Privileged, Auto:
		return m, nil
	}
	return "", fmt.Errorf("exit mode %q is not known: use %s, %s or %s", s, Auto, Privileged, Userspace)
}
