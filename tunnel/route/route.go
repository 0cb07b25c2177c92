// Package route takes a whole machine through a tunnel and gives it back: the kill switch, policy routing by firewall
// mark, DNS, and what is left out of the tunnel. It owns every change to the machine's network, and the file that says
// how to undo them.
//
// The kill switch is shut before there is a tunnel, and lets nothing out but loopback, the tunnel's interface, packets with
// the daemon's own mark, and what the link itself needs (DHCP, neighbour discovery). Nothing in it knows an address of the
// provider, so that neither roaming nor another provider opens it. It lives in the kernel: a daemon that is killed leaves
// it shut. Other programs change the kernel's network too, so that it has three layers, each of which stands by itself:
// an nftables table (firewall_linux.go), routing rules (policy_linux.go) and IPsec policies (layers_linux.go). While a
// daemon runs, it puts back what others take away (watch_linux.go).
//
// An exit is a stranger: from the tunnel come answers, and nothing else. The firewall sees to it, and so does the tunnel
// itself (tunnel.DialTUN), from which nobody can take that away.
//
//	Lock ──→ locked ──Up──→ up ──Up (another session)──→ up
//	           │             │
//	           ├───Close─────┼──→ as before; with Config.Lockdown, shut until Release or Restore
//	           └──Abandon────┴──→ shut until Restore, or the next Lock
//
// What is about to be changed is on disk, synced, before it is: Restore undoes a daemon that was killed at any point,
// and Lock takes over from one without opening in between.
package route

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"slices"
	"time"
)

// DefaultStateDir is where a machine's state is kept: it must outlive a reboot, since a replaced resolv.conf does.
const DefaultStateDir = "/var/lib/byway"

// DefaultInterface is the name of the tunnel's interface.
const DefaultInterface = "byway0"

// Firewall marks. They share their upper half, by which routing knows them.
const (
	// MarkUnderlay is on the sockets that carry the tunnel and on the daemon's own: they pass the kill switch and go past
	// the tunnel. Setting a mark needs CAP_NET_ADMIN, so that no plain program can.
	MarkUnderlay = markBase | 1

	markOutside = markBase | 2 // programs that are to go past the tunnel; never their DNS
	markInside  = markBase | 3 // programs that alone go through it, with Config.OnlyPrograms
	markPortal  = markBase | 4 // programs that answer a captive portal, while there is a hole for them
	markAnswer  = 0x62780001   // what comes out of the tunnel as an answer; none of the others, which go past it
	markBase    = 0x62770000
	markMask    = 0xffff0000
)

var (
	// ErrInUse means that a running daemon holds the machine's routes.
	ErrInUse = errors.New("the machine's routes are held by a running daemon")
	// ErrLockdown means that the kill switch was to stay on until [Restore].
	ErrLockdown = errors.New("the machine's network is locked down")
	// ErrCapability means that this process may not change the machine's network. It is a [fs.ErrPermission].
	ErrCapability = fmt.Errorf("%w: changing the machine's network needs the capability CAP_NET_ADMIN, which root has "+
		"unless a container withholds it", fs.ErrPermission)
	// ErrNoTUN means that the kernel, or the container, has no device by which tunnels are made.
	ErrNoTUN = errors.New("by which tunnels are made")
	// ErrNoCgroups means that the machine has no cgroup v2 hierarchy, by which programs are told apart.
	ErrNoCgroups = errors.New("this machine has no cgroup v2 file system mounted")
)

// UndoneError says that something of the machine is not as it should be: [Restore] puts it right.
type UndoneError struct {
	Err  error
	Shut bool // the machine is shut, as it is to be; otherwise it may be
}

// Error implements error.
func (e *UndoneError) Error() string { return e.Err.Error() }

// Unwrap returns what went wrong.
func (e *UndoneError) Unwrap() error { return e.Err }

// VersionError says that another release wrote the state of the routes: [Restore] of that one reads it.
type VersionError struct {
	Path    string
	Version int

	Oldest, Newest int // that this release reads
}

// Error implements error.
func (e *VersionError) Error() string {
	return fmt.Sprintf("state of routes %s has version %d, not %d to %d", e.Path, e.Version, e.Oldest, e.Newest)
}

// maxPrefixes bounds Exclude and Include: each is a route or a rule, looked at for every packet.
const maxPrefixes = 256

// Config says what goes through the tunnel.
type Config struct {
	// StateDir holds what Restore needs; "" means DefaultStateDir. One machine has one, whatever homes there are.
	StateDir string
	// Interface is the tunnel's name, which the kill switch lets pass; "" means DefaultInterface. It need not exist yet.
	Interface string
	// LAN lets private, link-local and multicast addresses be reached that are on a link, or that the machine has a
	// route of its own to. DNS is not.
	LAN bool
	// Exclude lists what goes past the tunnel.
	Exclude []netip.Prefix
	// Include, when not empty, lists what alone goes through the tunnel. A family that the list does not name goes through
	// it whole.
	Include []netip.Prefix
	// OnlyPrograms sends nothing through the tunnel but the programs that joined Inside.
	OnlyPrograms bool
	// Lockdown keeps the kill switch on after Close, until Release or Restore.
	Lockdown bool
	// Log may be nil.
	Log *slog.Logger
}

// Link is an interface that a session has made. It comes without addresses.
type Link struct {
	Addrs []netip.Addr // inner addresses of this machine
	DNS   netip.Addr   // answers DNS on port 53; required
	MTU   int          // 0: leave it
}

// Side is where a program's traffic goes, whatever the rest of the machine's does.
type Side int

const (
	// Outside programs go past the tunnel of the whole machine. Their names are still resolved through it.
	Outside Side = iota
	// Inside programs go through a tunnel that is there for them alone (Config.OnlyPrograms).
	Inside
	// Portal programs reach a captive portal while a hole is open for them (Routes.OpenPortal), and nothing else ever.
	Portal
)

// How long a hole for a captive portal stays open, and the longest that it can be asked to.
const (
	PortalTime = 5 * time.Minute
	PortalMost = 15 * time.Minute
)

// Hole is what is open for a captive portal.
type Hole struct {
	// Until is when it closes, whether or not a daemon runs then.
	Until time.Time `json:"until"`
	// Servers are the local network's resolvers, which portal programs may ask.
	Servers []netip.Addr `json:"servers,omitempty"`
}

// Group is the name of the control group whose programs are on this side.
func (s Side) Group() string {
	switch s {
	case Inside:
		return "byway-inside"
	case Portal:
		return "byway-portal"
	}
	return "byway-outside"
}

func (c Config) withDefaults() (Config, error) {
	if c.StateDir == "" {
		c.StateDir = DefaultStateDir
	}
	if c.Interface == "" {
		c.Interface = DefaultInterface
	}
	if len(c.Interface) > 15 {
		return c, fmt.Errorf("interface name %q has more than 15 bytes", c.Interface)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if n := len(c.Exclude) + len(c.Include); n > maxPrefixes {
		return c, fmt.Errorf("%d prefixes to exclude or include; there may be %d", n, maxPrefixes)
	}
	if c.OnlyPrograms && len(c.Exclude)+len(c.Include) > 0 {
		return c, errors.New("programs and prefixes can't both say what alone goes through the tunnel")
	}
	for _, p := range append(slices.Clone(c.Exclude), c.Include...) {
		if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() {
			return c, fmt.Errorf("%q is no prefix such as 192.0.2.0/24", p)
		}
	}
	for _, p := range c.Exclude {
		if p.Bits() == 0 {
			return c, fmt.Errorf("excluding %v would leave nothing of its family for the tunnel", p)
		}
	}
	return c, nil
}

// Shut says that a machine's network is shut, as [Inspect] found it.
type Shut struct {
	// Since is when the machine was shut, or, where nobody holds it any more, when the session ended that had shut it.
	Since time.Time
	// Reason is why it stays shut, in words; empty while a daemon holds it.
	Reason string
	// Held: a running daemon holds it, and its session may well work.
	Held bool
	// PID is that daemon's process; 0 where it is not known.
	PID int
	// Lockdown: it was to stay shut after the session too (Config.Lockdown).
	Lockdown bool
	// Hole is one for a captive portal that is open now; nil: there is none.
	Hole *Hole
	// Trouble names the fault in what keeps it shut; empty when all of it stands.
	Trouble string
}
