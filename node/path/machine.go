package path

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"byway/contracts/text"
	"byway/tunnel"
	"byway/tunnel/route"
	"byway/tunnel/wireguard"
)

// What of a machine goes through a session with [Config.Hold].
const (
	MachineWhole    = "whole"
	MachineSplit    = "split"    // but for some prefixes
	MachinePrograms = "programs" // only programs that are put inside
)

// Machine says what of the machine goes through the session; it is empty where single programs use it as a proxy.
func (s *Session) Machine() string {
	if s.consumer.hold == nil {
		return ""
	}
	switch m := s.consumer.hold.cfg; {
	case m.OnlyPrograms:
		return MachinePrograms
	case len(m.Include)+len(m.Exclude) > 0:
		return MachineSplit
	}
	return MachineWhole
}

// Blocked says by what the machine's traffic is kept from the session, or was until it was put right a moment ago; empty
// while all is well, and where single programs use it as a proxy.
func (s *Session) Blocked() string {
	if s.consumer.hold == nil {
		return ""
	}
	return s.consumer.hold.Trouble()
}

// Hold is a consumer's hold of the machine that goes through its sessions.
//
// Who gains by an end decides what it does. A provider that stops, a deposit that is used up, a chain that is gone: if
// they opened the machine, then whoever can bring them about could have its traffic in the clear, while its user is away
// and believes it covered. So only the user's own end opens what a session has carried. Before the first session nothing
// was sent through anybody: a connect that comes to nothing leaves the machine as it was found, open where its user had
// it open a moment ago, and shut where an earlier session had left it shut, also on Ctrl-C, which takes back this attempt
// and no more.
type Hold struct {
	*route.Routes
	cfg     route.Config
	iface   string
	log     *slog.Logger
	found   *route.Shut // how the machine was found; nil: open
	carried atomic.Bool // it was sent through a session, or was about to be

	mu  sync.Mutex
	tun *tunnel.TUN   // for all sessions; nil before the first
	up  *heldTunnel   // whose turn it is, or was last; nil: nobody's
	was []*heldTunnel // who had it before, and may have it again; latest last
}

// restTime is how long the machine's packets wait for another session when one has ended; then programs are told that
// nothing can be reached.
const restTime = 10 * time.Second

// heldTunnel is the tunnel that a machine goes through.
type heldTunnel struct {
	*tunnel.TUNClient
	hold *Hold
	link route.Link
	over bool        // it was closed
	rest *time.Timer // since its end
}

// dial starts a session on the machine's interface. It carries nothing before [Hold.carry], and the session that carries
// the machine meanwhile does so on.
func (h *Hold) dial(cfg tunnel.ClientConfig) (*heldTunnel, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.tun != nil && h.tun.Gone() {
		// Another program has removed it. What was to be read of it is lost.
		_ = h.tun.Close()
		h.tun = nil
	}
	if h.tun == nil {
		var err error
		if h.tun, err = tunnel.OpenTUN(h.iface, cmp.Or(cfg.MTU, wireguard.DefaultMTU)); err != nil {
			return nil, err
		}
	}
	client, err := tunnel.DialTUN(cfg, tunnel.TUNConfig{TUN: h.tun, Mark: route.MarkUnderlay})
	if err != nil {
		return nil, err
	}
	link := route.Link{Addrs: client.Addrs(), DNS: client.DNS(), MTU: client.MTU()}
	return &heldTunnel{TUNClient: client, hold: h, link: link}, nil
}

// carry sends the machine through a session in the place of the one before, which may still be up. Where that fails, it
// goes on through the one before.
func (h *Hold) carry(ctx context.Context, t *heldTunnel) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.carried.Store(true)
	if h.up != nil && h.up.rest != nil {
		h.up.rest.Stop()
	}
	h.tun.Hold()
	if err := h.Swap(ctx, t.link, t.Attach); err != nil {
		if h.up == nil {
			return errors.Join(err, h.Down(t.link))
		}
		if back := h.up.Attach(); back != nil { // it has ended, too
			h.up.restLocked()
		}
		return err
	}
	if h.up != nil && !h.up.ended() {
		h.was = append(h.was, h.up)
	}
	h.up = t
	return nil
}

// backTime bounds how long it takes to go back to the session before.
const backTime = 10 * time.Second

// Close ends the session. Where it was the machine's, and one that had the machine before still runs, that has it again:
// whoever opened this one may have thought better of it. Otherwise the kernel keeps what programs send for the next
// session, for as long as connecting takes.
func (t *heldTunnel) Close() error {
	h := t.hold
	err := t.TUNClient.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	t.over = true
	h.was = slices.DeleteFunc(h.was, func(other *heldTunnel) bool { return other == t })
	if h.up != t || t.rest != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), backTime)
	defer cancel()
	for len(h.was) > 0 {
		before := h.was[len(h.was)-1]
		h.was = h.was[:len(h.was)-1]
		if before.ended() {
			continue
		}
		if back := h.Swap(ctx, before.link, before.Attach); back != nil {
			h.log.Warn("the machine can't go back to the session before", "error", back)
			continue
		}
		h.up = before
		return err
	}
	t.restLocked()
	return err
}

// ended reports whether nothing passes through the session any more.
func (t *heldTunnel) ended() bool {
	select {
	case <-t.Ended():
		return true
	default:
		return t.over
	}
}

// restLocked has programs told that nothing can be reached, in a while.
func (t *heldTunnel) restLocked() {
	if t.rest != nil {
		t.rest.Stop()
	}
	t.rest = time.AfterFunc(restTime, func() {
		t.hold.mu.Lock()
		defer t.hold.mu.Unlock()
		if t.hold.up != t {
			return
		}
		t.hold.up = nil
		if err := t.hold.Down(t.link); err != nil {
			t.hold.log.Warn("the machine stays shut, but programs wait for answers that cannot come", "error", err)
		}
	})
}

// End lets go of the machine. reason is why the session has ended; empty where its user ended it.
func (h *Hold) End(reason string) error {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.up != nil && h.up.rest != nil {
		h.up.rest.Stop()
	}
	h.up, h.was = nil, nil
	// The machine is told before its interface goes, whose absence is no attack on it.
	var err error
	switch {
	case h.carried.Load() && reason != "":
		err = h.Abandon(reason)
	case !h.carried.Load() && h.found != nil:
		err = h.Abandon(h.found.Reason)
	default:
		err = h.Close()
	}
	if h.tun != nil {
		err = errors.Join(err, h.tun.Close())
	}
	return err
}

// ShutError says that this machine is shut, and that nothing of it can be reached.
type ShutError struct{ route.Shut }

func (e *ShutError) Error() string {
	return "this machine is shut since " + e.Since.Local().Format("2006-01-02 15:04:05") + ", because " + text.Line(e.Reason)
}

// InspectMachine says whether a session that has ended, or was killed, has left this machine shut, and why; nil where
// none has, and while one holds it. Every user may ask.
func InspectMachine() (*ShutError, error) { return inspect("") }

func inspect(stateDir string) (*ShutError, error) {
	shut, err := route.Inspect(stateDir)
	if err != nil || shut == nil || shut.Held {
		return nil, err
	}
	return &ShutError{*shut}, nil
}

// LockMachine shuts the kill switch where the whole machine is to go through the tunnel, before anything else is done.
// The node's own connections go past it from then on, see [Hold.Dialer]. Without cfg the machine is not this consumer's to
// hold, and is left as it is: who asks for a proxy has not asked for the machine to be opened. The hold is nil then.
func LockMachine(ctx context.Context, cfg *route.Config, log *slog.Logger) (*Hold, error) {
	if cfg == nil {
		shut, err := InspectMachine()
		if err != nil {
			log.Warn("whether this machine is shut is not known", "error", err)
		}
		if shut != nil {
			return nil, shut
		}
		return nil, nil
	}
	machine := *cfg
	if err := route.Check(ctx, machine); err != nil {
		return nil, err
	}
	h := &Hold{cfg: machine, iface: cmp.Or(machine.Interface, route.DefaultInterface), log: log}
	shut, err := inspect(machine.StateDir)
	if err != nil {
		return nil, err
	}
	if shut != nil {
		h.found = &shut.Shut
		machine.Lockdown = machine.Lockdown || shut.Lockdown // until byway unlock, whoever comes in between
	}
	h.Routes, err = route.Lock(ctx, machine)
	if err != nil {
		return nil, err
	}
	return h, nil
}

// Dialer opens the node's own connections past the tunnel; nil without a hold.
func (h *Hold) Dialer() *net.Dialer {
	if h == nil {
		return nil
	}
	return &net.Dialer{Timeout: dialTimeout, Control: route.Control, Resolver: h.Resolver()}
}

// RecoverMachine gives the machine back where a session with a [Hold] has left it shut: it is the user's
// own end of what has ended otherwise. It reports whether there was anything. A machine that was to stay locked is
// [route.ErrLockdown]; one that is not this user's to open is a [*ShutError].
func RecoverMachine() (restored bool, err error) {
	if route.Capable() != nil {
		shut, err := InspectMachine()
		if shut != nil {
			err = shut
		}
		return false, err
	}
	restored, err = route.Recover("")
	if errors.Is(err, route.ErrInUse) { // another home's session, through which this one then goes
		return false, nil
	}
	return restored, err
}
